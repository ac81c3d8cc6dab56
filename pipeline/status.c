/* status.c - the rows of a service's status, and its JSON. Called by the supervisor. Cannot fail.
 */
#include "status.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- rows ---- */

static const struct mr_status_figure service_figures[] = {
#define MR_STATUS_SERVICE(name, kind, metric, prose)                                               \
	{#name, MR_STATUS_##kind, metric, prose, offsetof(struct mr_status_service, name)},
#include "status.def"
};
static const struct mr_status_figure host_figures[] = {
#define MR_STATUS_HOST(name, kind, metric, prose)                                                  \
	{#name, MR_STATUS_##kind, metric, prose, offsetof(struct mr_status_host, name)},
#include "status.def"
};
static const struct mr_status_figure worker_figures[] = {
#define MR_STATUS_WORKER(name, kind, metric, prose)                                                \
	{#name, MR_STATUS_##kind, metric, prose, offsetof(struct mr_status_worker, name)},
#include "status.def"
};
static const struct mr_status_figure source_figures[] = {
#define MR_STATUS_SOURCE(name, kind, metric, prose)                                                \
	{#name, MR_STATUS_##kind, metric, prose, offsetof(struct mr_status_source, name)},
#include "status.def"
};
static const struct mr_status_figure sink_figures[] = {
#define MR_STATUS_SINK(name, kind, metric, prose)                                                  \
	{#name, MR_STATUS_##kind, metric, prose, offsetof(struct mr_status_sink, name)},
#include "status.def"
};
static const struct mr_status_figure shed_figures[] = {
#define MR_STATUS_SHED(name, kind, metric, prose)                                                  \
	{#name, MR_STATUS_##kind, metric, prose, offsetof(struct mr_status_shed, name)},
#include "status.def"
};

#define SECTION(member, of, table, first, count)                                                   \
	(struct mr_status_section)                                                                 \
	{                                                                                          \
		.name = member, .label = of, .figures = table, .figure_count = COUNT_OF(table),    \
		.rows = (const char *)(first), .row_size = sizeof *(first), .row_count = count     \
	}

void mr_status_section(const struct mr_status *status, size_t section,
		       struct mr_status_section *out)
{
	switch (section) {
	case 0:
		*out = SECTION("service", NULL, service_figures, &status->service, 1);
		break;
	case 1:
		*out = SECTION("hosts", "host", host_figures, status->hosts, status->host_count);
		break;
	case 2:
		*out = SECTION("workers", "worker", worker_figures, status->workers,
			       status->worker_count);
		break;
	case 3:
		*out = SECTION("sources", "source", source_figures, status->sources,
			       status->source_count);
		break;
	case 4:
		*out = SECTION("sinks", "sink", sink_figures, status->sinks, status->sink_count);
		break;
	default:
		*out =
		    SECTION("state_shed", "rule", shed_figures, status->sheds, status->shed_count);
	}
}

int64_t mr_status_number(const char *row, const struct mr_status_figure *figure)
{
	int64_t number;
	memcpy(&number, row + figure->offset, sizeof number);
	return number;
}

const char *mr_status_text(const char *row, const struct mr_status_figure *figure)
{
	return row + figure->offset;
}

void mr_status_word(char *word, const char *text)
{
	struct mr_slice all = mr_slice(text);
	size_t len = mr_utf8_cut(all, MR_STATUS_WORD_BYTES - 1);
	memcpy(word, all.at, len);
	word[len] = 0;
}

static void forget(const struct mr_status *status)
{
	const int64_t unknown = MR_STATUS_UNKNOWN;
	for (size_t s = 0; s < MR_STATUS_SECTIONS; s++) {
		struct mr_status_section section;
		mr_status_section(status, s, &section);
		for (size_t i = 0; i < section.figure_count * section.row_count; i++) {
			const struct mr_status_figure *figure =
			    &section.figures[i % section.figure_count];
			char *row = (char *)(uintptr_t)section.rows +
				    i / section.figure_count * section.row_size;
			if (figure->kind != MR_STATUS_WORD)
				memcpy(row + figure->offset, &unknown, sizeof unknown);
		}
	}
}

void mr_status_init(struct mr_status *status, size_t hosts, size_t workers, size_t sources,
		    size_t sinks, size_t sheds, size_t groups)
{
	*status = (struct mr_status){.host_count = hosts,
				     .worker_count = workers,
				     .source_count = sources,
				     .sink_count = sinks,
				     .shed_count = sheds,
				     .group_count = groups};
	status->hosts = mr_calloc(hosts + 1, sizeof *status->hosts);
	status->workers = mr_calloc(workers + 1, sizeof *status->workers);
	status->sources = mr_calloc(sources + 1, sizeof *status->sources);
	status->sinks = mr_calloc(sinks + 1, sizeof *status->sinks);
	status->sheds = mr_calloc(sheds + 1, sizeof *status->sheds);
	status->groups = mr_calloc(groups + 1, sizeof *status->groups);
	forget(status);
}

void mr_status_fini(struct mr_status *status)
{
	free(status->hosts);
	free(status->workers);
	free(status->sources);
	free(status->sinks);
	free(status->sheds);
	free(status->groups);
	*status = (struct mr_status){0};
}

/* ---- JSON ---- */

/* Seconds, exact. */
static void put_span(int64_t span_us, struct mr_buf *out)
{
	uint64_t size = span_us < 0 ? 0 - (uint64_t)span_us : (uint64_t)span_us;
	mr_buf_printf(out, "%s%" PRIu64 ".%06" PRIu64, span_us < 0 ? "-" : "", size / 1000000,
		      size % 1000000);
}

static void put_moment(int64_t time_us, struct mr_buf *out)
{
	char text[MR_TIME_TEXT];
	if (!mr_time_is_rfc3339(time_us)) {
		mr_buf_add_text(out, "null");
		return;
	}
	mr_time_text(time_us, text);
	mr_buf_printf(out, "\"%s\"", text);
}

static void put_number(enum mr_status_kind kind, int64_t number, struct mr_buf *out)
{
	if (number == MR_STATUS_UNKNOWN)
		mr_buf_add_text(out, "null");
	else if (kind == MR_STATUS_FLAG)
		mr_buf_add_text(out, number != 0 ? "true" : "false");
	else if (kind == MR_STATUS_SPAN)
		put_span(number, out);
	else if (kind == MR_STATUS_MOMENT)
		put_moment(number, out);
	else
		mr_buf_printf(out, "%" PRId64, number);
}

static const char *unit(enum mr_status_kind kind)
{
	switch (kind) {
	case MR_STATUS_BYTES:
		return "_bytes";
	case MR_STATUS_RATE:
		return "_per_second";
	case MR_STATUS_SPAN:
		return "_seconds";
	default:
		return "";
	}
}

static void put_row(const struct mr_status_section *section, const char *row, struct mr_buf *out)
{
	mr_buf_add_text(out, "{");
	for (size_t i = 0; i < section->figure_count; i++) {
		const struct mr_status_figure *figure = &section->figures[i];
		mr_buf_printf(out, "%s\"%s%s\": ", i == 0 ? "" : ", ", figure->name,
			      unit(figure->kind));
		if (figure->kind == MR_STATUS_WORD)
			mr_json_put_string(out, mr_slice(mr_status_text(row, figure)));
		else
			put_number(figure->kind, mr_status_number(row, figure), out);
	}
	mr_buf_add_text(out, "}");
}

static void put_alarms(const struct mr_alarms *alarms, struct mr_buf *out)
{
	const char *before = "";
	for (enum mr_alarm i = 0; i < MR_ALARM_COUNT; i++) {
		const struct mr_alarm_state *is = &alarms->at[i];
		if (!is->raised)
			continue;
		mr_buf_printf(out, "%s{\"name\": \"%s\", \"level\": \"%s\", \"since\": ", before,
			      mr_alarm_row(i)->name, mr_log_level_name(mr_alarm_row(i)->level));
		put_moment(is->since_us, out);
		mr_buf_add_text(out, ", \"words\": ");
		mr_json_put_string(out, mr_slice(is->words));
		mr_buf_add_text(out, "}");
		before = ", ";
	}
}

static void put_latencies(const struct mr_status_group *group, struct mr_buf *out)
{
	static const struct {
		const char *name;
		double share;
	} shown[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"most", 1}};
	for (enum mr_latency i = 0; i < MR_L_COUNT; i++) {
		const struct mr_histogram *histogram = &group->latencies.at[i];
		mr_buf_printf(out, "%s\"%s\": {\"count\": %" PRIu64, i == 0 ? "" : ", ",
			      mr_latency_name(i), histogram->count);
		for (size_t k = 0; k < COUNT_OF(shown); k++) {
			uint64_t value = mr_histogram_quantile(histogram, shown[k].share);
			mr_buf_printf(out, ", \"%s_seconds\": ", shown[k].name);
			put_span(value < INT64_MAX ? (int64_t)value : INT64_MAX, out);
		}
		mr_buf_add_text(out, "}");
	}
}

void mr_status_write_json(const struct mr_status *status, struct mr_buf *out)
{
	struct mr_status_section section;
	for (size_t s = 0; s < MR_STATUS_SECTIONS; s++) {
		mr_status_section(status, s, &section);
		mr_buf_printf(out, "%s\"%s\": %s", s == 0 ? "{" : ", ", section.name,
			      s == 0 ? "" : "[");
		for (size_t i = 0; i < section.row_count; i++) {
			mr_buf_add_text(out, i == 0 ? "" : ", ");
			put_row(&section, section.rows + i * section.row_size, out);
		}
		mr_buf_add_text(out, s == 0 ? "" : "]");
	}
	mr_buf_add_text(out, ", \"alarms\": [");
	put_alarms(&status->alarms, out);
	mr_buf_add_text(out, "], \"latencies\": {");
	for (size_t i = 0; i < status->group_count; i++) {
		mr_buf_add_text(out, i == 0 ? "" : ", ");
		mr_json_put_string(out, mr_slice(status->groups[i].name));
		mr_buf_add_text(out, ": {");
		put_latencies(&status->groups[i], out);
		mr_buf_add_text(out, "}");
	}
	mr_buf_add_text(out, "}, \"counters\": {");
	for (enum mr_counter i = 0; i < MR_C_COUNT; i++)
		mr_buf_printf(out, "%s\"%s\": %" PRIu64, i == 0 ? "" : ", ", mr_counter_name(i),
			      status->counters.at[i]);
	mr_buf_add_text(out, "}}\n");
}
