/* metrics.c - Prometheus' text: counters of counter.def, figures of status.def, alarms, latencies.
 *
 * Called by the supervisor. Cannot fail. A family without a sample is left out. */
#include "metrics.h"

#include <inttypes.h>
#include <string.h>

/* Upper bounds of buckets: powers of two of microseconds, exact in the histogram. */
#define LEAST_POWER 7 /* 128 us */
#define MOST_POWER 27 /* 134 s */

static const char *counter_prose(enum mr_counter counter)
{
	static const char *const proses[] = {
#define X(symbol, name, prose) prose,
#include "millrace/counter.def"
#undef X
	};
	return proses[counter];
}

static const char *latency_prose(enum mr_latency latency)
{
	static const char *const proses[] = {
#define X(symbol, name, prose) prose,
#include "millrace/latency.def"
#undef X
	};
	return proses[latency];
}

/* In HELP a backslash and a line end are escaped; in a label's value the quote, too. */
static void put_escaped(struct mr_slice text, bool label, struct mr_buf *out)
{
	for (size_t at = 0; at < text.len;) {
		char bytes[4];
		uint32_t point = mr_utf8_next(text.at, text.len, &at, NULL);
		if (point == '\n')
			mr_buf_add_text(out, "\\n");
		else if (point == '\\' || (label && point == '"'))
			mr_buf_printf(out, "\\%c", (char)point);
		else
			mr_buf_add(out, bytes, mr_utf8_put(point, bytes));
	}
}

static void put_head(const char *name, const char *unit, const char *type, const char *prose,
		     struct mr_buf *out)
{
	mr_buf_printf(out, "# HELP millrace_%s%s ", name, unit);
	put_escaped(mr_slice(prose), false, out);
	mr_buf_printf(out, "\n# TYPE millrace_%s%s %s\n", name, unit, type);
}

static void put_seconds(uint64_t time_us, struct mr_buf *out)
{
	mr_buf_printf(out, "%" PRIu64 ".%06" PRIu64, time_us / 1000000, time_us % 1000000);
}

/* ---- counters and figures ---- */

static void put_counters(const struct mr_counters *counters, struct mr_buf *out)
{
	for (enum mr_counter i = 0; i < MR_C_COUNT; i++) {
		const char *name = mr_counter_name(i);
		put_head(name, "_total", "counter", counter_prose(i), out);
		mr_buf_printf(out, "millrace_%s_total %" PRIu64 "\n", name, counters->at[i]);
	}
}

static void put_value(const struct mr_status_figure *figure, int64_t number, struct mr_buf *out)
{
	if (figure->kind != MR_STATUS_SPAN && figure->kind != MR_STATUS_MOMENT) {
		mr_buf_printf(out, "%" PRId64, number);
		return;
	}
	if (number < 0)
		mr_buf_add_text(out, "-");
	put_seconds(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, out);
}

static bool ends_in_total(const char *name)
{
	static const char end[] = "_total";
	size_t len = strlen(name);
	return len >= sizeof end && strcmp(name + len - (sizeof end - 1), end) == 0;
}

/* Rows are told apart by their names, so one without a name, or past the bound, has no sample. */
static void put_figure(const struct mr_status_section *section,
		       const struct mr_status_figure *figure, struct mr_buf *out)
{
	bool any = false;
	for (size_t i = 0; i < section->row_count && i < MR_METRICS_ROWS_MAX; i++) {
		const char *row = section->rows + i * section->row_size;
		const char *name =
		    section->label == NULL ? "" : mr_status_text(row, section->figures);
		int64_t number = mr_status_number(row, figure);
		if (number == MR_STATUS_UNKNOWN || (section->label != NULL && *name == 0))
			continue;
		if (!any)
			put_head(figure->metric, "",
				 ends_in_total(figure->metric) ? "counter" : "gauge", figure->prose,
				 out);
		any = true;
		mr_buf_printf(out, "millrace_%s", figure->metric);
		if (section->label != NULL) {
			mr_buf_printf(out, "{%s=\"", section->label);
			put_escaped(mr_slice(name), true, out);
			mr_buf_add_text(out, "\"}");
		}
		mr_buf_add_text(out, " ");
		put_value(figure, number, out);
		mr_buf_add_text(out, "\n");
	}
}

static void put_figures(const struct mr_status *status, struct mr_buf *out)
{
	for (size_t s = 0; s < MR_STATUS_SECTIONS; s++) {
		struct mr_status_section section;
		mr_status_section(status, s, &section);
		for (size_t f = 0; f < section.figure_count; f++) {
			if (*section.figures[f].metric != 0)
				put_figure(&section, &section.figures[f], out);
		}
	}
}

/* ---- alarms ---- */

static void put_alarms(const struct mr_alarms *alarms, struct mr_buf *out)
{
	put_head("alarm", "", "gauge", "1 while the trouble lasts", out);
	for (enum mr_alarm i = 0; i < MR_ALARM_COUNT; i++)
		mr_buf_printf(out, "millrace_alarm{alarm=\"%s\"} %d\n", mr_alarm_row(i)->name,
			      alarms->at[i].raised);
	put_head("alarms_raised", "_total", "counter", "how often it began", out);
	for (enum mr_alarm i = 0; i < MR_ALARM_COUNT; i++)
		mr_buf_printf(out, "millrace_alarms_raised_total{alarm=\"%s\"} %" PRIu64 "\n",
			      mr_alarm_row(i)->name, alarms->at[i].times);
}

/* ---- latencies ---- */

static void put_series(const char *name, const struct mr_status_group *group, const char *part,
		       struct mr_buf *out)
{
	mr_buf_printf(out, "millrace_%s_seconds%s{group=\"", name, part);
	put_escaped(mr_slice(group->name), true, out);
	mr_buf_add_text(out, "\"");
}

static void put_histogram(const char *name, const struct mr_status_group *group,
			  const struct mr_histogram *histogram, struct mr_buf *out)
{
	for (unsigned power = LEAST_POWER; power <= MOST_POWER; power++) {
		put_series(name, group, "_bucket", out);
		mr_buf_add_text(out, ",le=\"");
		put_seconds(UINT64_C(1) << power, out);
		mr_buf_printf(out, "\"} %" PRIu64 "\n", mr_histogram_within(histogram, power));
	}
	put_series(name, group, "_bucket", out);
	mr_buf_printf(out, ",le=\"+Inf\"} %" PRIu64 "\n", histogram->count);
	put_series(name, group, "_sum", out);
	mr_buf_add_text(out, "} ");
	put_seconds(histogram->sum_us, out);
	mr_buf_add_text(out, "\n");
	put_series(name, group, "_count", out);
	mr_buf_printf(out, "} %" PRIu64 "\n", histogram->count);
}

static void put_latencies(const struct mr_status *status, struct mr_buf *out)
{
	for (enum mr_latency i = 0; i < MR_L_COUNT; i++) {
		bool any = false;
		for (size_t g = 0; g < status->group_count && g < MR_METRICS_ROWS_MAX; g++) {
			const struct mr_status_group *group = &status->groups[g];
			if (group->latencies.at[i].count == 0)
				continue;
			if (!any)
				put_head(mr_latency_name(i), "_seconds", "histogram",
					 latency_prose(i), out);
			any = true;
			put_histogram(mr_latency_name(i), group, &group->latencies.at[i], out);
		}
	}
}

void mr_metrics_write(const struct mr_status *status, struct mr_buf *out)
{
	put_head("build_info", "", "gauge", "1; its label is the version of the program", out);
	mr_buf_add_text(out, "millrace_build_info{version=\"");
	put_escaped(mr_slice(status->service.version), true, out);
	mr_buf_add_text(out, "\"} 1\n");
	put_figures(status, out);
	put_alarms(&status->alarms, out);
	put_latencies(status, out);
	put_counters(&status->counters, out);
}
