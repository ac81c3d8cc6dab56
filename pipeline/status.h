/* status.h - the state of a service as one struct, and its texts.
 *
 * The supervisor fills it when somebody asks: status_server.c and http.c. What it consists of
 * stands in status.def; a number that is not known is MR_STATUS_UNKNOWN, a word "". Order: init,
 * fill, write, fini. */
#ifndef MILLRACE_STATUS_H
#define MILLRACE_STATUS_H

#include "alarm.h"
#include "millrace/histogram.h"
#include "millrace/metric.h"

#define MR_STATUS_UNKNOWN INT64_MIN
#define MR_STATUS_WORD_BYTES 256

#define MR_STATUS_MEMBER_WORD(name) char name[MR_STATUS_WORD_BYTES];
#define MR_STATUS_MEMBER_FLAG(name) int64_t name;
#define MR_STATUS_MEMBER_COUNT(name) int64_t name;
#define MR_STATUS_MEMBER_TOTAL(name) int64_t name;
#define MR_STATUS_MEMBER_BYTES(name) int64_t name;
#define MR_STATUS_MEMBER_RATE(name) int64_t name;
#define MR_STATUS_MEMBER_SPAN(name) int64_t name;   /* microseconds */
#define MR_STATUS_MEMBER_MOMENT(name) int64_t name; /* microseconds since the epoch */

struct mr_status_service {
#define MR_STATUS_SERVICE(name, kind, metric, prose) MR_STATUS_MEMBER_##kind(name)
#include "status.def"
};
struct mr_status_host {
#define MR_STATUS_HOST(name, kind, metric, prose) MR_STATUS_MEMBER_##kind(name)
#include "status.def"
};
struct mr_status_worker {
#define MR_STATUS_WORKER(name, kind, metric, prose) MR_STATUS_MEMBER_##kind(name)
#include "status.def"
};
struct mr_status_source {
#define MR_STATUS_SOURCE(name, kind, metric, prose) MR_STATUS_MEMBER_##kind(name)
#include "status.def"
};
struct mr_status_sink {
#define MR_STATUS_SINK(name, kind, metric, prose) MR_STATUS_MEMBER_##kind(name)
#include "status.def"
};
struct mr_status_shed {
#define MR_STATUS_SHED(name, kind, metric, prose) MR_STATUS_MEMBER_##kind(name)
#include "status.def"
};
/* What the workers of one group have timed. */
struct mr_status_group {
	char name[MR_STATUS_WORD_BYTES];
	struct mr_latencies latencies;
};

struct mr_status {
	struct mr_status_service service;
	struct mr_status_host *hosts;
	size_t host_count;
	struct mr_status_worker *workers;
	size_t worker_count;
	struct mr_status_source *sources;
	size_t source_count;
	struct mr_status_sink *sinks;
	size_t sink_count;
	struct mr_status_shed *sheds;
	size_t shed_count;
	struct mr_status_group *groups;
	size_t group_count;
	struct mr_alarms alarms;
	struct mr_counters counters;
};

/* All unknown, and room for so many rows. */
void mr_status_init(struct mr_status *status, size_t hosts, size_t workers, size_t sources,
		    size_t sinks, size_t sheds, size_t groups);
void mr_status_fini(struct mr_status *status);
/* Copies a text into a WORD, cut where it is too long. */
void mr_status_word(char *word, const char *text);

/* For a person: what matters first, then a table for each kind of row. */
void mr_status_write_text(const struct mr_status *status, struct mr_buf *out);
/* One JSON object and a line end: README has its members. */
void mr_status_write_json(const struct mr_status *status, struct mr_buf *out);

/* ---- the rows of status.def, for whoever walks them ---- */

enum mr_status_kind {
	MR_STATUS_WORD,
	MR_STATUS_FLAG,
	MR_STATUS_COUNT,
	MR_STATUS_TOTAL,
	MR_STATUS_BYTES,
	MR_STATUS_RATE,
	MR_STATUS_SPAN,
	MR_STATUS_MOMENT
};
struct mr_status_figure {
	const char *name;
	enum mr_status_kind kind;
	const char *metric;
	const char *prose;
	size_t offset; /* in its struct */
};
/* A kind of row, and all the rows of it that a status has. */
struct mr_status_section {
	const char *name;  /* of the JSON member */
	const char *label; /* of the metrics */
	const struct mr_status_figure *figures;
	size_t figure_count;
	const char *rows; /* the first */
	size_t row_size;
	size_t row_count;
};
#define MR_STATUS_SECTIONS 6 /* the first is the service's, of one row and no label */
void mr_status_section(const struct mr_status *status, size_t section,
		       struct mr_status_section *out);
int64_t mr_status_number(const char *row, const struct mr_status_figure *figure);
const char *mr_status_text(const char *row, const struct mr_status_figure *figure);

#endif
