/* fuzz_cuts.c - one text as a file, through a pipe cut at random places, and compressed in random
 * members and cut again: the same records and the same rejects come out each time. The first two
 * bytes are the seed of the cuts. One input in four stands behind so many blank lines that, if it
 * is lines, the file's own regions travel. */
#include <stdint.h>
#include <zlib.h>
#include <zstd.h>

#include "fuzz_input.h"

#define TEXT_MAX 16384
#define BLANKS 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* splitmix64 */
static uint64_t next(uint64_t *seed)
{
	uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Mostly a few bytes, sometimes many. */
static size_t next_piece(uint64_t *seed, size_t left)
{
	uint64_t random = next(seed);
	size_t piece = 1 + (size_t)(random % 4 != 0 ? random / 4 % 16 : random / 4 % 4096);

	return piece < left ? piece : left;
}

/* ---- compression ---- */

static void add_gzip(struct mr_buf *out, const char *bytes, size_t len)
{
	z_stream stream = {0};

	stage_must(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)bytes;
	stream.avail_in = (uInt)len;
	stream.avail_out = (uInt)deflateBound(&stream, len);
	stream.next_out = (Bytef *)mr_buf_reserve(out, stream.avail_out);
	stage_must(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	out->len += stream.total_out;
	deflateEnd(&stream);
}

static void add_zstd(struct mr_buf *out, const char *bytes, size_t len)
{
	size_t room = ZSTD_compressBound(len);
	size_t done = ZSTD_compress(mr_buf_reserve(out, room), room, bytes, len, 1);

	stage_must(!ZSTD_isError(done));
	out->len += done;
}

static void compress_members(const char *bytes, size_t len, uint64_t *seed, struct mr_buf *out)
{
	size_t at = 0;

	do {
		size_t take = len - at;

		if (next(seed) % 4 != 0)
			take = (size_t)(next(seed) % (take + 1));
		if (next(seed) % 2 == 0)
			add_gzip(out, bytes + at, take);
		else
			add_zstd(out, bytes + at, take);
		at += take;
	} while (at < len);
}

/* What would be taken for a compressed stream by itself. */
static bool looks_compressed(const char *bytes, size_t len)
{
	if (len >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0)
		return true;
	if (len < 4)
		return false;
	return memcmp(bytes, "\x28\xb5\x2f\xfd", 4) == 0 ||
	       memcmp(bytes + 1, "\x2a\x4d\x18", 3) == 0; /* a skippable frame */
}

/* ---- the runs ---- */

static char blanks[BLANKS];

/* What is longer is refused here by one way of travel, and by parse after the other. */
static const char *record_max(bool far)
{
	return far ? "65536" : "1024";
}

static void run_file(struct stage *stage, const char *bytes, size_t len, bool far)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	stage_must(fd >= 0);
	if (far)
		write_all(fd, blanks, BLANKS);
	write_all(fd, bytes, len);
	begin(stage, fd, record_max(far));
	stage_must(stage_poll(stage) == MR_END);
}

/* `before` says whether the blank lines come first, `far` which limit holds. */
static void run_pipe(struct stage *stage, const char *bytes, size_t len, bool before, bool far,
		     uint64_t *seed)
{
	int ends[2];

	stage_must(pipe2(ends, O_CLOEXEC) == 0);
	begin(stage, ends[0], record_max(far));
	if (before) {
		write_all(ends[1], blanks, BLANKS);
		stage_must(stage_poll(stage) == MR_AGAIN);
	}
	for (size_t at = 0; at < len;) {
		size_t take = next_piece(seed, len - at);

		write_all(ends[1], bytes + at, take);
		stage_must(stage_poll(stage) == MR_AGAIN);
		at += take;
	}
	close(ends[1]);
	stage_must(stage_poll(stage) == MR_END);
}

static void compare(struct stage *file, struct stage *pipe)
{
	stage_must(is_same(&file->records, &pipe->records));
	stage_must(is_same(&file->rejects, &pipe->rejects));
	stage_must(file->counters.at[MR_C_INPUTS_DAMAGED] ==
		   pipe->counters.at[MR_C_INPUTS_DAMAGED]);
	stage_balance(pipe);
	stage_fini(pipe);
}

static void run_packed(struct stage *stage, const char *text, size_t len, bool far, uint64_t *seed)
{
	struct mr_buf members = {0};

	if (far)
		add_gzip(&members, blanks, BLANKS);
	compress_members(text, len, seed, &members);
	run_pipe(stage, members.data, members.len, false, far, seed);
	mr_buf_fini(&members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stage file = {0};
	struct stage pipe = {0};
	struct stage packed = {0};
	const char *text = (const char *)data + 2;
	size_t len = size - 2;

	if (size < 2 || len > TEXT_MAX || looks_compressed(text, len))
		return 0;
	uint64_t seed = (uint64_t)data[0] << 8 | data[1];
	bool far = data[0] % 4 == 3;
	mr_log_set_sink(quiet, NULL);
	memset(blanks, ' ', sizeof(blanks));
	for (size_t at = 1023; at < sizeof(blanks); at += 1024)
		blanks[at] = '\n';
	run_file(&file, text, len, far);
	stage_balance(&file);
	run_pipe(&pipe, text, len, far, far, &seed);
	compare(&file, &pipe);
	run_packed(&packed, text, len, far, &seed);
	compare(&file, &packed);
	stage_fini(&file);
	return 0;
}
