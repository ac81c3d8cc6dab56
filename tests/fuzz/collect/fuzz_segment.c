/* fuzz_segment.c - any bytes as a segment of a journal: walking it ends, reads nothing past the
 * end, and what it gives has been written so; what is looked for behind damage, too. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void walk_blocks(struct mr_segment_walk *walk)
{
	struct mr_error error = {0};
	struct mr_block block;
	uint64_t found = 0;
	enum mr_err err;

	while ((err = mr_segment_next(walk, &block, &error)) == MR_OK) {
		struct mr_buf again = {0};
		struct mr_block copy = block;
		uint64_t begin =
		    block.payload_at - MR_BLOCK_HEAD - block.cursor.len - block.asides.len;

		mr_block_encode(&copy, walk->seed, &again);
		must(copy.hash == block.hash && begin + copy.end == block.end);
		mr_buf_fini(&again);
	}
	if (err == MR_BAD_INPUT && mr_segment_look_behind(walk, &found, &error) == MR_BAD_INPUT)
		must(found > walk->at && found < walk->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("segment", MFD_CLOEXEC);
	struct mr_segment_head head;
	struct mr_segment_walk walk = {.fd = fd, .size = size, .number = 1};
	struct mr_error error = {0};
	struct mr_buf bytes = {0};

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (mr_segment_head_read(fd, &bytes, &head, &walk.at, &error) == MR_OK) {
		walk.seed = head.seed;
		walk.chain = head.chain;
		walk.number = head.first_block;
	}
	walk_blocks(&walk);
	mr_segment_walk_fini(&walk);
	mr_buf_fini(&bytes);
	close(fd);
	return 0;
}
