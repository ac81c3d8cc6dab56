/* logged.h - what was said last, and how many warnings there were. */
#ifndef MILLRACE_TEST_LOGGED_H
#define MILLRACE_TEST_LOGGED_H

#include <stdio.h>

#include "millrace/log.h"

static size_t warnings;
static char logged[4096];

static inline void logged_note(void *context, enum mr_log_level level, uint64_t kind,
			       const char *line, size_t len)
{
	(void)context;
	(void)kind;
	warnings += level >= MR_LOG_WARNING;
	snprintf(logged, sizeof(logged), "%.*s", (int)len, line);
}

/* From here on, from nothing. */
static inline void logged_begin(void)
{
	warnings = 0;
	logged[0] = 0;
	mr_log_set_sink(logged_note, NULL);
}

#endif
