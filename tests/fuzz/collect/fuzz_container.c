/* fuzz_container.c - any bytes as an input of the whole stage: as a file and through a pipe in
 * pieces the same records and the same rejects come out, and the counts say so. The first byte says
 * how long the pieces are. */
#include <stdint.h>

#include "fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORD_MAX "1024"

static void run_file(struct stage *stage, const char *bytes, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	stage_must(fd >= 0);
	write_all(fd, bytes, len);
	begin(stage, fd, RECORD_MAX);
	stage_must(stage_poll(stage) == MR_END);
}

static void run_pipe(struct stage *stage, const char *bytes, size_t len, size_t piece)
{
	int ends[2];

	stage_must(pipe2(ends, O_CLOEXEC) == 0);
	begin(stage, ends[0], RECORD_MAX);
	for (size_t at = 0; at < len;) {
		size_t take = piece < len - at ? piece : len - at;

		write_all(ends[1], bytes + at, take);
		stage_must(stage_poll(stage) == MR_AGAIN);
		at += take;
	}
	close(ends[1]);
	stage_must(stage_poll(stage) == MR_END);
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
