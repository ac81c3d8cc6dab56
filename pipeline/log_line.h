/* log_line.h - the lines of a service's log: one an event on standard error, as text or as JSON.
 *
 * A line never holds the service up: what standard error does not take at once is counted, and told
 * of once it takes lines again. A line is whole and at most PIPE_BUF bytes, so that those of
 * several processes on one pipe do not mix; a longer one is cut in its words. */
#ifndef MILLRACE_LOG_LINE_H
#define MILLRACE_LOG_LINE_H

#include "millrace/log.h"
#include "millrace/text.h"

enum mr_log_format { MR_LOG_FORMAT_TEXT, MR_LOG_FORMAT_JSON };

struct mr_log_line {
	int64_t time_us; /* wall clock */
	enum mr_log_level level;
	enum mr_event_name event;
	const char *worker;   /* NULL: the supervisor */
	uint64_t incarnation; /* 0: before the first */
	struct mr_slice words;
	bool prefixed; /* with the priority, as journald takes it off: <3> */
};

/* Append the line, with its line end. Whatever the words hold, it is one line, valid UTF-8, and
 * without what misleads a terminal or its reader: as text that and bytes that are no UTF-8 are
 * escaped (\n, \x1b, \xff, \u202e; a backslash is \\); as JSON they are escaped as JSON does, and a
 * byte that is no UTF-8 is U+FFFD. */
void mr_log_line_put(enum mr_log_format format, const struct mr_log_line *line, struct mr_buf *out);

struct mr_log_out {
	int fd;
	enum mr_log_format format;
	enum mr_log_level least;
	bool prefixed;
	uint64_t dropped;
	uint64_t incarnation; /* of what is said now; 0: before the first */
};
/* Whether systemd's journal reads what is written there (JOURNAL_STREAM). */
bool mr_log_is_journal(int fd);
/* Write the line, if its level is wanted. */
void mr_log_out_line(struct mr_log_out *log, const struct mr_log_line *line);

#endif
