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

const char *mr_event_name(enum mr_event_name event)
{
	static const char *const names[] = {
#define X(symbol, name, prose) name,
#include "millrace/event_name.def"
#undef X
	};
	return names[event];
}

/* The low byte of a kind is the event. */
static uint64_t kind_of(const char *format, enum mr_event_name event)
{
	return (mr_hash64(format, strlen(format), 0) & ~UINT64_C(0xff)) | event;
}

enum mr_event_name mr_log_kind_event(uint64_t kind)
{
	uint64_t event = kind & 0xff;
	return event < MR_EVENT_NAMES ? (enum mr_event_name)event : MR_EVENT_LOG;
}

static void say(enum mr_log_level level, enum mr_event_name event, const char *format, va_list args)
{
	char line[4096];
	int len = vsnprintf(line, sizeof line - 1, format, args);
	if (len < 0)
		return;
	size_t used = (size_t)len < sizeof line - 1 ? (size_t)len : sizeof line - 2;
	if (log_sink != NULL) {
		log_sink(log_context, level, kind_of(format, event), line, used);
		return;
	}
	/* Texts from records may hold line ends and escape codes. */
	mr_log_clean(line, used);
	line[used] = '\n';
	ssize_t written = write(STDERR_FILENO, line, used + 1);
	(void)written;
}

void mr_log_event(enum mr_log_level level, enum mr_event_name event, const char *format, ...)
{
	if (!mr_log_wants(level))
		return;
	va_list args;
	va_start(args, format);
	say(level, event, format, args);
	va_end(args);
}

void mr_log(enum mr_log_level level, const char *format, ...)
{
	if (!mr_log_wants(level))
		return;
	va_list args;
	va_start(args, format);
	say(level, MR_EVENT_LOG, format, args);
	va_end(args);
}
