/* progress.h - what a person at a terminal sees of a run; nothing in a pipe. */
#ifndef MILLRACE_PROGRESS_H
#define MILLRACE_PROGRESS_H

#include <stdbool.h>

#include "log_line.h"
#include "millrace/config.h"
#include "millrace/metric.h"

struct mr_progress {
	bool terminal;           /* stderr is one */
	bool wanted;             /* a terminal is there, or somebody asked for it all the same */
	bool shown;              /* a status line stands there */
	enum mr_log_level least; /* lines below it are not shown; errors always are */
	struct mr_log_out *log;  /* a service's: no status line, and lines go there */
	uint64_t total_bytes;    /* of all input; 0 is unknown */
	int64_t start_us;
	/* A moment ago, for the rate. */
	int64_t last_us;
	uint64_t last_records;
	double rate;
	/* Whoever reads stderr may hold the run up, but not keep it from being ended. */
	int stop_fd; /* readable once it shall end; 0 is none */
	bool hurry;  /* it does: what can't be shown at once is not */
};

void mr_progress_init(struct mr_progress *progress, int64_t now_us);
/* Rewrite the status line. */
void mr_progress_show(struct mr_progress *progress, const struct mr_counters *sums, int64_t now_us);
void mr_progress_clear(struct mr_progress *progress);
/* Whether there is one, terminal or not. Lines are shown from `least` on: until somebody chooses
 * another, warnings and errors always are, alerts and what is of interest only where it is wanted.
 */
void mr_progress_want(struct mr_progress *progress, bool wanted);
/* Shows lines from the setting `log_level` on; where it is not set, it is set to what is shown now.
 * Workers get it too: what nobody shows is not sent. False where there is no such level. */
bool mr_progress_level(struct mr_progress *progress, struct mr_config *config);
/* What this process itself says goes the way of its workers' lines, until mr_log_set_sink takes it
 * from there. */
void mr_progress_hear(struct mr_progress *progress);
/* One line of a process (`who` is NULL for this one) to stderr; its kind is as in log.h. */
void mr_progress_line(struct mr_progress *progress, const char *who, enum mr_log_level level,
		      uint64_t kind, const char *line, size_t len);

#endif
