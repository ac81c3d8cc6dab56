/* status_text.c - a service's status for a person. Called by the supervisor. Cannot fail.
 *
 * Alarms first; then the service, figure by figure; then a table for each kind of row. */
#include <inttypes.h>
#include <stdio.h>

#include "status.h"

#define CELL_BYTES 160
#define CELL_COLUMNS 48 /* what is longer is cut */

/* ---- one figure ---- */

static void put_size(uint64_t size, char *out)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double shown = (double)size;
	size_t unit = 0;
	for (; shown >= 1024 && unit < 4; unit++)
		shown /= 1024;
	snprintf(out, CELL_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", shown, units[unit]);
}

static void put_span(int64_t span_us, char *out)
{
	double seconds = (double)span_us / 1e6;
	double size = seconds < 0 ? -seconds : seconds;
	if (size < 1)
		snprintf(out, CELL_BYTES, "%.1f ms", seconds * 1e3);
	else if (size < 120)
		snprintf(out, CELL_BYTES, "%.1f s", seconds);
	else if (size < 7200)
		snprintf(out, CELL_BYTES, "%.0f min", seconds / 60);
	else if (size < 172800)
		snprintf(out, CELL_BYTES, "%.1f h", seconds / 3600);
	else
		snprintf(out, CELL_BYTES, "%.1f d", seconds / 86400);
}

static void put_moment(int64_t time_us, char *out)
{
	char text[MR_TIME_TEXT];
	if (mr_time_is_rfc3339(time_us))
		mr_time_text(time_us - ((time_us % 1000000) + 1000000) % 1000000, text);
	else
		snprintf(text, sizeof text, "-");
	snprintf(out, CELL_BYTES, "%s", text);
}

/* What stands for nothing known is "-". Whatever the texts hold, nothing misleads a terminal. */
static void put_cell(const char *row, const struct mr_status_figure *figure, char *out)
{
	struct mr_buf shown = {0};
	int64_t number = figure->kind == MR_STATUS_WORD ? 0 : mr_status_number(row, figure);
	snprintf(out, CELL_BYTES, "-");
	if (number == MR_STATUS_UNKNOWN)
		return;
	switch (figure->kind) {
	case MR_STATUS_WORD:
		mr_buf_add_text(&shown, mr_status_text(row, figure));
		mr_buf_show(&shown, 0);
		if (shown.len > 0)
			snprintf(out, CELL_BYTES, "%.*s",
				 (int)mr_utf8_cut((struct mr_slice){shown.data, shown.len},
						  CELL_BYTES - 1),
				 shown.data);
		mr_buf_fini(&shown);
		return;
	case MR_STATUS_FLAG:
		snprintf(out, CELL_BYTES, "%s", number != 0 ? "yes" : "no");
		return;
	case MR_STATUS_BYTES:
		put_size(number < 0 ? 0 : (uint64_t)number, out);
		return;
	case MR_STATUS_RATE:
		snprintf(out, CELL_BYTES, "%" PRId64 "/s", number);
		return;
	case MR_STATUS_SPAN:
		put_span(number, out);
		return;
	case MR_STATUS_MOMENT:
		put_moment(number, out);
		return;
	default:
		snprintf(out, CELL_BYTES, "%" PRId64, number);
	}
}

/* ---- tables ---- */

static void put_padded(const char *cell, size_t width, struct mr_buf *out)
{
	size_t is = mr_utf8_count(mr_slice(cell));
	mr_buf_printf(out, "  %s%*s", cell, is < width ? (int)(width - is) : 0, "");
}

/* The blanks behind the last cell go. */
static void end_line(struct mr_buf *out)
{
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->len--;
	mr_buf_add_text(out, "\n");
}

static size_t width_of(const struct mr_status_section *section, size_t figure)
{
	char cell[CELL_BYTES];
	size_t width = mr_utf8_count(mr_slice(section->figures[figure].name));
	for (size_t i = 0; i < section->row_count; i++) {
		put_cell(section->rows + i * section->row_size, &section->figures[figure], cell);
		size_t is = mr_utf8_count(mr_slice(cell));
		width = is > width ? is : width;
	}
	return width < CELL_COLUMNS ? width : CELL_COLUMNS;
}

static void put_table(const struct mr_status_section *section, struct mr_buf *out)
{
	char cell[CELL_BYTES];
	if (section->row_count == 0)
		return;
	mr_buf_printf(out, "\n%s\n", section->name);
	for (size_t f = 0; f < section->figure_count; f++)
		put_padded(section->figures[f].name, width_of(section, f), out);
	end_line(out);
	for (size_t i = 0; i < section->row_count; i++) {
		for (size_t f = 0; f < section->figure_count; f++) {
			put_cell(section->rows + i * section->row_size, &section->figures[f], cell);
			put_padded(cell, width_of(section, f), out);
		}
		end_line(out);
	}
}

/* The service itself: a line a figure, those that are known. */
static void put_service(const struct mr_status_section *section, struct mr_buf *out)
{
	char cell[CELL_BYTES], name[64];
	for (size_t f = 0; f < section->figure_count; f++) {
		const struct mr_status_figure *figure = &section->figures[f];
		put_cell(section->rows, figure, cell);
		if (strcmp(cell, "-") == 0)
			continue;
		snprintf(name, sizeof name, "%s", figure->name);
		for (char *at = name; *at != 0; at++)
			*at = *at == '_' ? ' ' : *at;
		mr_buf_printf(out, "%-20s %s\n", name, cell);
	}
}

static void put_alarms(const struct mr_alarms *alarms, struct mr_buf *out)
{
	for (enum mr_alarm i = 0; i < MR_ALARM_COUNT; i++) {
		const struct mr_alarm_state *is = &alarms->at[i];
		char since[CELL_BYTES];
		if (!is->raised)
			continue;
		put_moment(is->since_us, since);
		mr_buf_printf(out, "ALARM %s since %s: %s", mr_alarm_row(i)->name, since,
			      mr_alarm_row(i)->prose);
		size_t from = out->len;
		if (is->words[0] != 0)
			mr_buf_printf(out, " (%s)", is->words);
		mr_buf_show(out, from);
		mr_buf_add_text(out, "\n");
	}
}

static void put_latencies(const struct mr_status *status, struct mr_buf *out)
{
	const double shares[] = {0.5, 0.9, 0.99, 0.999, 1};
	bool first = true;
	for (size_t i = 0; i < status->group_count * MR_L_COUNT; i++) {
		const struct mr_status_group *group = &status->groups[i / MR_L_COUNT];
		enum mr_latency latency = (enum mr_latency)(i % MR_L_COUNT);
		const struct mr_histogram *histogram = &group->latencies.at[latency];
		if (histogram->count == 0)
			continue;
		if (first)
			mr_buf_printf(out,
				      "\nlatencies\n  %-16s  %-16s  %10s  %10s  %10s  %10s  %10s\n",
				      "what", "group", "p50", "p90", "p99", "p99.9", "most");
		first = false;
		mr_buf_printf(out, "  %-16s  %-16s", mr_latency_name(latency), group->name);
		for (size_t k = 0; k < sizeof shares / sizeof *shares; k++) {
			char cell[CELL_BYTES];
			uint64_t value = mr_histogram_quantile(histogram, shares[k]);
			put_span(value < INT64_MAX ? (int64_t)value : INT64_MAX, cell);
			mr_buf_printf(out, "  %10s", cell);
		}
		mr_buf_add_text(out, "\n");
	}
}

void mr_status_write_text(const struct mr_status *status, struct mr_buf *out)
{
	struct mr_status_section section;
	put_alarms(&status->alarms, out);
	mr_status_section(status, 0, &section);
	put_service(&section, out);
	for (size_t s = 1; s < MR_STATUS_SECTIONS; s++) {
		mr_status_section(status, s, &section);
		put_table(&section, out);
	}
	put_latencies(status, out);
}
