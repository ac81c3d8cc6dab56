/* fuzz_container.c - any bytes as an input of the whole stage: as a file and through a pipe in
 * pieces the same records and the same rejects come out, and the counts say so. The first byte says
 * how long the pieces are. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

#include "collect/stage_harness.h"

#define INPUT_FD 100 /* one number, so that both runs give the input one name */
#define PIPE_BYTES 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void quiet(void *context, enum mr_log_level level, const char *line, size_t len)
{
	(void)context;
	(void)level;
	(void)line;
	(void)len;
}

static void begin(struct stage *stage, int fd)
{
	stage_must(dup2(fd, INPUT_FD) == INPUT_FD);
	close(fd);
	mr_config_add(&stage->config, "input", "/proc/self/fd/100");
	mr_config_add(&stage->config, "max_record_bytes", "1024");
	mr_config_add(&stage->config, "region_bytes", "65536");
	stage_must(stage_open(stage) == MR_OK);
	close(INPUT_FD);
}

static void run_file(struct stage *stage, const char *bytes, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	stage_must(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	begin(stage, fd);
	stage_must(stage_poll(stage) == MR_END);
}

static void run_pipe(struct stage *stage, const char *bytes, size_t len, size_t piece)
{
	int ends[2];

	stage_must(pipe2(ends, O_CLOEXEC) == 0);
	begin(stage, ends[0]);
	for (size_t at = 0; at < len;) {
		size_t take = piece < len - at ? piece : len - at;

		stage_must(write(ends[1], bytes + at, take) == (ssize_t)take);
		stage_must(stage_poll(stage) == MR_AGAIN);
		at += take;
	}
	close(ends[1]);
	stage_must(stage_poll(stage) == MR_END);
}

static bool is_same(const struct mr_buf *a, const struct mr_buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stage file = {0};
	struct stage pieces = {0};

	if (size < 1 || size > PIPE_BYTES)
		return 0;
	mr_log_set_sink(quiet, NULL);
	run_file(&file, (const char *)data + 1, size - 1);
	run_pipe(&pieces, (const char *)data + 1, size - 1, 1 + (size_t)data[0] * 4);
	stage_must(is_same(&file.records, &pieces.records));
	/* Where in a damaged stream the libraries see the damage depends on the pieces. */
	if (!memmem(stage_text(&file.rejects), file.rejects.len, "compressed offset", 17))
		stage_must(is_same(&file.rejects, &pieces.rejects));
	stage_must(file.counters.at[MR_C_INPUTS_DAMAGED] ==
		   pieces.counters.at[MR_C_INPUTS_DAMAGED]);
	stage_balance(&file);
	stage_balance(&pieces);
	stage_fini(&file);
	stage_fini(&pieces);
	return 0;
}
