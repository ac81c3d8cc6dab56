/* progress.c - the status line of a run, and the lines that processes say.
 *
 * Called by the supervisor and by commands. Nothing here fails: a terminal that is gone is silent.
 */
#include "progress.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "millrace/memory.h"

#define HURRY_MS 50

void mr_progress_init(struct mr_progress *progress, int64_t now_us)
{
	*progress = (struct mr_progress){
	    .terminal = isatty(STDERR_FILENO) == 1, .start_us = now_us, .last_us = now_us};
	mr_progress_want(progress, progress->terminal);
}

void mr_progress_want(struct mr_progress *progress, bool wanted)
{
	progress->wanted = wanted;
	progress->least = wanted ? MR_LOG_INFO : MR_LOG_WARNING;
}

bool mr_progress_level(struct mr_progress *progress, struct mr_config *config)
{
	const char *name = mr_config_get(config, "log_level", 0);
	if (name == NULL)
		mr_config_add(config, "log_level", mr_log_level_name(progress->least));
	else if (!mr_log_level_named(name, &progress->least))
		return false;
	mr_log_set_level(progress->least);
	if (progress->log != NULL)
		progress->log->least = progress->least;
	return true;
}

static void own_line(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		     size_t len)
{
	mr_progress_line(context, NULL, level, kind, line, len);
}

void mr_progress_hear(struct mr_progress *progress)
{
	mr_log_set_sink(own_line, progress);
}

/* A pipe that polls as writable takes PIPE_BUF bytes without blocking. */
static bool may_write(const struct mr_progress *progress)
{
	struct pollfd fds[] = {
	    {.fd = STDERR_FILENO, .events = POLLOUT},
	    {.fd = progress->stop_fd > 0 ? progress->stop_fd : -1, .events = POLLIN}};
	while (poll(fds, 2, progress->hurry ? HURRY_MS : -1) < 0 && errno == EINTR)
		;
	return fds[0].revents != 0;
}

static void put(const struct mr_progress *progress, const struct mr_buf *text)
{
	size_t len = text->len < PIPE_BUF ? text->len : PIPE_BUF - 1;
	if (!may_write(progress))
		return;
	ssize_t written = write(STDERR_FILENO, text->data, len);
	if (len < text->len && written > 0)
		written = write(STDERR_FILENO, "\n", 1);
	(void)written;
}

void mr_progress_clear(struct mr_progress *progress)
{
	if (!progress->shown)
		return;
	struct mr_buf text = {0};
	mr_buf_add_text(&text, "\r\x1b[K");
	put(progress, &text);
	mr_buf_fini(&text);
	progress->shown = false;
}

static void add_time_left(const struct mr_progress *progress, const struct mr_counters *sums,
			  int64_t now_us, struct mr_buf *text)
{
	uint64_t done = sums->at[MR_C_BYTES_RECEIVED];
	if (done == 0 || done >= progress->total_bytes)
		return;
	double elapsed = (double)(now_us - progress->start_us) / 1e6;
	double left = elapsed * (double)(progress->total_bytes - done) / (double)done;
	unsigned seconds = left < 86400 ? (unsigned)left : 86399;
	mr_buf_printf(text, " · %u:%02u left", seconds / 60, seconds % 60);
}

void mr_progress_show(struct mr_progress *progress, const struct mr_counters *sums, int64_t now_us)
{
	if (!progress->wanted || progress->log != NULL ||
	    (!progress->terminal && now_us - progress->last_us < 1000000))
		return;
	uint64_t records = sums->at[MR_C_RECORDS];
	double passed = (double)(now_us - progress->last_us) / 1e6;
	if (passed > 0.2) {
		progress->rate = (double)(records - progress->last_records) / passed;
		progress->last_us = now_us;
		progress->last_records = records;
	}
	struct mr_buf text = {0};
	mr_buf_printf(&text, "%s%llu records · %.0f/s · %llu alerts",
		      progress->terminal ? "\r\x1b[K" : "", (unsigned long long)records,
		      progress->rate, (unsigned long long)sums->at[MR_C_ALERTS]);
	add_time_left(progress, sums, now_us, &text);
	mr_buf_add_text(&text, progress->terminal ? "" : "\n");
	put(progress, &text);
	mr_buf_fini(&text);
	progress->shown = progress->terminal;
}

static void log_line(struct mr_log_out *log, const char *who, enum mr_log_level level,
		     uint64_t kind, struct mr_slice words)
{
	mr_log_out_line(log, &(struct mr_log_line){.time_us = mr_clock_wall_us(),
						   .level = level,
						   .event = mr_log_kind_event(kind),
						   .worker = who,
						   .incarnation = log->incarnation,
						   .words = words});
}

void mr_progress_line(struct mr_progress *progress, const char *who, enum mr_log_level level,
		      uint64_t kind, const char *line, size_t len)
{
	if (progress->log != NULL) {
		log_line(progress->log, who, level, kind, (struct mr_slice){line, len});
		return;
	}
	static const char *const words[] = {[MR_LOG_DEBUG] = "debug: ",
					    [MR_LOG_INFO] = "",
					    [MR_LOG_ALERT] = "alert: ",
					    [MR_LOG_WARNING] = "warning: ",
					    [MR_LOG_ERROR] = "error: "};
	static const char *const colours[] = {[MR_LOG_DEBUG] = "\x1b[2m",
					      [MR_LOG_INFO] = "",
					      [MR_LOG_ALERT] = "\x1b[1;35m",
					      [MR_LOG_WARNING] = "\x1b[33m",
					      [MR_LOG_ERROR] = "\x1b[1;31m"};
	if (level < progress->least)
		return;
	mr_progress_clear(progress);
	struct mr_buf text = {0};
	bool alert = level == MR_LOG_ALERT;
	mr_buf_add_text(&text, progress->terminal ? colours[level] : "");
	mr_buf_add_text(&text, alert ? "" : "millrace: ");
	mr_buf_add_text(&text, words[level]);
	mr_buf_add_text(&text, progress->terminal && *colours[level] != 0 ? "\x1b[0m" : "");
	if (who != NULL && !alert)
		mr_buf_printf(&text, "%s: ", who);
	mr_buf_add(&text, line, len);
	mr_log_clean(text.data + text.len - len, len); /* a worker is believed nothing */
	mr_buf_add_text(&text, "\n");
	put(progress, &text);
	mr_buf_fini(&text);
}
