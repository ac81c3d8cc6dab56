/* log.h - what a process has to say, one line an event.
 *
 * In the supervisor and in plain commands a line goes to stderr; in a worker it goes to the
 * supervisor over the control socket, which prints it with the worker's name. Never blocks for
 * long: a line that the control socket cannot take at once is counted and dropped. */
#ifndef MILLRACE_LOG_H
#define MILLRACE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mr_log_level {
	MR_LOG_DEBUG,
	MR_LOG_INFO,  /* progress of a person's interest; not shown in a pipe by scan */
	MR_LOG_ALERT, /* an alert as it fires; likewise */
	MR_LOG_WARNING,
	MR_LOG_ERROR
};

/* What a line is about, by a name that stays. */
enum mr_event_name {
#define X(symbol, name, prose) MR_EVENT_##symbol,
#include "millrace/event_name.def"
#undef X
	MR_EVENT_NAMES
};
const char *mr_event_name(enum mr_event_name event);

void mr_log_event(enum mr_log_level level, enum mr_event_name event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As an event without a name of its own. */
void mr_log(enum mr_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Where lines go; NULL is stderr. Set by pipeline/ and by tests. `kind` is the same for all lines
 * of one format, whatever is put into it, and holds what they are about. The line is as it was put
 * together: who shows it makes it fit to be shown. */
typedef void (*mr_log_sink)(void *context, enum mr_log_level level, uint64_t kind, const char *line,
			    size_t len);
void mr_log_set_sink(mr_log_sink sink, void *context);
void mr_log_set_level(enum mr_log_level least);
/* Whether a line of this level goes anywhere: asked before one is put together at some cost. */
bool mr_log_wants(enum mr_log_level level);
/* What the lines of a kind are about; MR_EVENT_LOG where that is none that we know. */
enum mr_event_name mr_log_kind_event(uint64_t kind);
/* "debug", "info", "alert", "warning", "error". */
const char *mr_log_level_name(enum mr_log_level level);
/* False, and nothing is set, where none of them is called so. */
bool mr_log_level_named(const char *name, enum mr_log_level *level_out);
/* Puts '?' for each byte of all that a terminal obeys or does not show as it is
 * (mr_codepoint_misleads), and for each that is not UTF-8. */
void mr_log_clean(char *line, size_t len);

#endif
