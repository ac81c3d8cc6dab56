/* log.c - one line an event, to stderr or to whoever took the lines over. Never fails. */
#include "millrace/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "millrace/text.h"

static mr_log_sink log_sink;
static void *log_context;
static enum mr_log_level log_least = MR_LOG_INFO;

void mr_log_set_sink(mr_log_sink sink, void *context)
{
	log_sink = sink;
	log_context = context;
}

void mr_log_set_level(enum mr_log_level least)
{
	log_least = least;
}

void mr_log_clean(char *line, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t from = at;
		bool bad = false;
		uint32_t point = mr_utf8_next(line, len, &at, &bad);
		if (bad || mr_codepoint_misleads(point))
			memset(line + from, '?', at - from);
	}
}

bool mr_log_wants(enum mr_log_level level)
{
	return level >= log_least;
}

static const char *const level_names[] = {
    [MR_LOG_DEBUG] = "debug",     [MR_LOG_INFO] = "info",   [MR_LOG_ALERT] = "alert",
    [MR_LOG_WARNING] = "warning", [MR_LOG_ERROR] = "error",
};

const char *mr_log_level_name(enum mr_log_level level)
{
	return level_names[level];
}

bool mr_log_level_named(const char *name, enum mr_log_level *level_out)
{
	for (enum mr_log_level level = MR_LOG_DEBUG; level <= MR_LOG_ERROR; level++) {
		if (strcmp(name, level_names[level]) == 0) {
			*level_out = level;
			return true;
		}
	}
	return false;
}

void mr_log(enum mr_log_level level, const char *format, ...)
{
	if (!mr_log_wants(level))
		return;
	char line[4096];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(line, sizeof line - 1, format, args);
	va_end(args);
	if (len < 0)
		return;
	size_t used = (size_t)len < sizeof line - 1 ? (size_t)len : sizeof line - 2;
	/* Texts from records may hold line ends and escape codes. */
	mr_log_clean(line, used);
	if (log_sink != NULL) {
		log_sink(log_context, level, mr_hash64(format, strlen(format), 0), line, used);
		return;
	}
	line[used] = '\n';
	ssize_t written = write(STDERR_FILENO, line, used + 1);
	(void)written;
}
