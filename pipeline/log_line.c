/* log_line.c - a line of a service's log, as text and as JSON. Called by the supervisor. Nothing
 * here fails: what cannot be written is counted. */
#include "log_line.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- words ---- */

#define UNIT_ROOM 16
#define CUT "\xe2\x80\xa6" /* an ellipsis: there was more */

static size_t put_json_unit(uint32_t point, char *out)
{
	if (point == '"' || point == '\\')
		return (size_t)snprintf(out, UNIT_ROOM, "\\%c", (char)point);
	if (!mr_codepoint_misleads(point))
		return mr_utf8_put(point, out);
	if (point < 0x10000)
		return (size_t)snprintf(out, UNIT_ROOM, "\\u%04x", point);
	return (size_t)snprintf(out, UNIT_ROOM, "\\u%04x\\u%04x",
				0xd800 + ((point - 0x10000) >> 10),
				0xdc00 + ((point - 0x10000) & 0x3ff));
}

static size_t put_text_unit(uint32_t point, char *out)
{
	if (point == '\\')
		return (size_t)snprintf(out, UNIT_ROOM, "\\\\");
	if (!mr_codepoint_misleads(point))
		return mr_utf8_put(point, out);
	if (point == '\n')
		return (size_t)snprintf(out, UNIT_ROOM, "\\n");
	return (size_t)snprintf(out, UNIT_ROOM, point < 0x80 ? "\\x%02x" : "\\u%04x", point);
}

/* Of the words so many as leave the line, from `start` on, `room` bytes at most. */
static void put_words(enum mr_log_format format, struct mr_slice words, size_t start, size_t room,
		      struct mr_buf *out)
{
	for (size_t at = 0; at < words.len;) {
		size_t from = at;
		bool bad = false;
		uint32_t point = mr_utf8_next(words.at, words.len, &at, &bad);
		char unit[UNIT_ROOM];
		size_t len;
		if (format == MR_LOG_FORMAT_JSON)
			len = put_json_unit(point, unit);
		else if (bad)
			len = (size_t)snprintf(unit, sizeof unit, "\\x%02x",
					       (unsigned)(unsigned char)words.at[from]);
		else
			len = put_text_unit(point, unit);
		if (out->len - start + len + sizeof CUT - 1 > room) {
			mr_buf_add_text(out, CUT);
			return;
		}
		mr_buf_add(out, unit, len);
	}
}

/* ---- lines ---- */

static void put_json(const struct mr_log_line *line, size_t start, struct mr_buf *out)
{
	static const char end[] = "\"}\n";
	char time[MR_TIME_TEXT];
	mr_time_text(line->time_us, time);
	mr_buf_printf(out, "{\"time\": \"%s\", \"level\": \"%s\", \"event\": \"%s\", ", time,
		      mr_log_level_name(line->level), mr_event_name(line->event));
	if (line->worker != NULL) {
		mr_buf_add_text(out, "\"worker\": ");
		mr_json_put_string(out, mr_slice(line->worker));
		mr_buf_add_text(out, ", ");
	}
	if (line->incarnation > 0)
		mr_buf_printf(out, "\"incarnation\": %llu, ",
			      (unsigned long long)line->incarnation);
	mr_buf_add_text(out, "\"message\": \"");
	put_words(MR_LOG_FORMAT_JSON, line->words, start, PIPE_BUF - (sizeof end - 1), out);
	mr_buf_add_text(out, end);
}

static void put_text(const struct mr_log_line *line, size_t start, struct mr_buf *out)
{
	char time[MR_TIME_TEXT];
	mr_time_text(line->time_us, time);
	mr_buf_printf(out, "%s %s %s", time, mr_log_level_name(line->level),
		      mr_event_name(line->event));
	if (line->worker != NULL)
		mr_buf_printf(out, " %s", line->worker);
	if (line->incarnation > 0)
		mr_buf_printf(out, " #%llu", (unsigned long long)line->incarnation);
	mr_buf_add_text(out, ": ");
	put_words(MR_LOG_FORMAT_TEXT, line->words, start, PIPE_BUF - 1, out);
	mr_buf_add_text(out, "\n");
}

void mr_log_line_put(enum mr_log_format format, const struct mr_log_line *line, struct mr_buf *out)
{
	/* sd-daemon(3); an alert is a notice. */
	static const char priorities[] = {[MR_LOG_DEBUG] = '7',
					  [MR_LOG_INFO] = '6',
					  [MR_LOG_ALERT] = '5',
					  [MR_LOG_WARNING] = '4',
					  [MR_LOG_ERROR] = '3'};
	size_t start = out->len;
	if (line->prefixed)
		mr_buf_printf(out, "<%c>", priorities[line->level]);
	if (format == MR_LOG_FORMAT_JSON)
		put_json(line, start, out);
	else
		put_text(line, start, out);
}

/* ---- writing ---- */

/* A pipe that polls as writable takes PIPE_BUF bytes at once. */
static bool try_write(int fd, const struct mr_buf *text)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};
	while (poll(&room, 1, 0) < 0 && errno == EINTR)
		;
	return (room.revents & POLLOUT) != 0 &&
	       write(fd, text->data, text->len) == (ssize_t)text->len;
}

bool mr_log_is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat about;
	if (stream == NULL || fstat(fd, &about) != 0)
		return false;
	char *own = mr_asprintf("%ju:%ju", (uintmax_t)about.st_dev, (uintmax_t)about.st_ino);
	bool same = strcmp(stream, own) == 0;
	free(own);
	return same;
}

static bool put_line(const struct mr_log_out *log, const struct mr_log_line *line)
{
	struct mr_buf text = {0};
	struct mr_log_line own = *line;
	own.prefixed = log->prefixed;
	mr_log_line_put(log->format, &own, &text);
	bool written = try_write(log->fd, &text);
	mr_buf_fini(&text);
	return written;
}

static void tell_dropped(struct mr_log_out *log, int64_t time_us)
{
	char words[64];
	int len = snprintf(words, sizeof words, "%llu lines before this: nobody took them in time",
			   (unsigned long long)log->dropped);
	const struct mr_log_line line = {.time_us = time_us,
					 .level = MR_LOG_WARNING,
					 .event = MR_EVENT_LINES_DROPPED,
					 .words = {words, (size_t)len}};
	if (put_line(log, &line))
		log->dropped = 0;
}

void mr_log_out_line(struct mr_log_out *log, const struct mr_log_line *line)
{
	if (line->level < log->least)
		return;
	if (log->dropped > 0)
		tell_dropped(log, line->time_us);
	if (log->dropped > 0 || !put_line(log, line))
		log->dropped++;
}
