/* fuzz_input.h - the whole collect stage over an input that may be a file or a pipe. */
#ifndef MILLRACE_FUZZ_COLLECT_INPUT_H
#define MILLRACE_FUZZ_COLLECT_INPUT_H

#include <fcntl.h>
#include <sys/mman.h>

#include "collect/stage_harness.h"

#define INPUT_FD 100 /* one number, so that all runs give the input one name */
#define PIPE_BYTES 65536

static void quiet(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		  size_t len)
{
	(void)kind;
	(void)context;
	(void)level;
	(void)line;
	(void)len;
}

/* Opens the stage over the input, and closes `fd`. */
static void begin(struct stage *stage, int fd, const char *max_record_bytes)
{
	stage_must(dup2(fd, INPUT_FD) == INPUT_FD);
	close(fd);
	mr_config_add(&stage->config, "input", "/proc/self/fd/100");
	mr_config_add(&stage->config, "max_record_bytes", max_record_bytes);
	mr_config_add(&stage->config, "region_bytes", "65536");
	stage_must(stage_open(stage) == MR_OK);
	close(INPUT_FD);
}

static void write_all(int fd, const char *bytes, size_t len)
{
	stage_must(write(fd, bytes, len) == (ssize_t)len);
}

static bool is_same(const struct mr_buf *a, const struct mr_buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

#endif
