/* segment.h - one file of a journal: a header, then blocks, each chained with the one before.
 *
 * All numbers are little-endian. The header: "MRJRNL\r\n", u32 version, u32 length of the source's
 * name, u32 length of the cursor, u32 zero, u64 number of the segment, i64 time of creation, u64
 * seed, u64 hash of the last block before, u64 number of the first block, the name, the source's
 * whole cursor; then u64 XXH3 over all of it. It has this form in every version.
 *
 * A block begins at a multiple of eight: a head of MR_BLOCK_HEAD bytes (u32 magic, u32 kind, u64
 * hash of head, cursor and asides, u64 hash of the block before, u64 number, i64 arrival time, u64
 * durable, u64 hash of the payload, u64 length of the payload, u32 count of records, u32 length of
 * the cursor, u32 length of the asides, u32 zero), the source's cursor after this block, what is
 * set aside in it, the payload. `durable` is how much of the segment was synced when the block was
 * written: so a block that a power cut kept from the disk is told from one that was changed there
 * later. Hashes are XXH3 with the segment's random seed: whoever wrote the records cannot make
 * them.
 *
 * The payload is records as MR_FORM_FRAMES; those that are set aside stand between them, and the
 * asides say where, as msgpack: [start, bytes kept, length, offset, mr_files number, kind, reason]
 * each. The last block of a segment that is not the last is a seal. */
#ifndef MILLRACE_COLLECT_SEGMENT_H
#define MILLRACE_COLLECT_SEGMENT_H

#include "millrace/text.h"

#define MR_SEGMENT_VERSION 1
#define MR_BLOCK_HEAD 80
#define MR_BLOCK_PAYLOAD_MAX (256u << 20)
#define MR_SEGMENT_CURSOR_MAX (64u << 20)

struct mr_segment_head {
	uint64_t number;
	int64_t created_us;
	uint64_t seed;
	uint64_t chain;
	uint64_t first_block;
	struct mr_slice source;
	struct mr_slice cursor;
};

/* Appended; returns where the first block goes. */
uint64_t mr_segment_head_encode(const struct mr_segment_head *head, struct mr_buf *out);
/* Reads and checks it. Name and cursor borrow `bytes`. MR_BAD_INPUT, MR_IO, MR_UNSUPPORTED where a
 * newer program wrote the segment. */
enum mr_err mr_segment_head_read(int fd, struct mr_buf *bytes, struct mr_segment_head *out,
				 uint64_t *end_out, struct mr_error *error);

enum mr_block_kind { MR_BLOCK_RECORDS = 1, MR_BLOCK_SEAL };
struct mr_block {
	enum mr_block_kind kind;
	uint64_t chain; /* hash of the block before */
	uint64_t number;
	int64_t arrival_us;
	uint64_t durable;
	uint32_t count;
	struct mr_slice cursor;
	struct mr_slice asides;
	struct mr_slice payload;
	/* Read, not written: */
	uint64_t hash;
	uint64_t payload_at; /* in the segment */
	uint64_t end;        /* behind it: where the next one begins */
};

/* Whether what is read back later is not refused as too long. MR_CONFIG, with a word on what to
 * change. */
enum mr_err mr_block_check(const struct mr_block *block, struct mr_error *error);
enum mr_err mr_segment_cursor_check(struct mr_slice cursor, struct mr_error *error);

/* All of it but the payload, appended; the bytes it has in the file, padding included. Sets hash,
 * payload_at (from its own beginning) and end (likewise). */
void mr_block_encode(struct mr_block *block, uint64_t seed, struct mr_buf *out);

/* Set all but the buffer; the walk begins at `at`. */
struct mr_segment_walk {
	int fd;
	uint64_t size;
	uint64_t at;
	uint64_t seed;
	uint64_t chain;
	uint64_t number; /* of the next block */
	struct mr_buf bytes;
};
/* The block at `at`, checked whole; borrows the walk until the next call. MR_END where the segment
 * ends; MR_BAD_INPUT with a word where no whole block, or not the next one, stands there; MR_IO. */
enum mr_err mr_segment_next(struct mr_segment_walk *walk, struct mr_block *out,
			    struct mr_error *error);
/* The walk begins in the middle: its chain is what the block that stands there says, and nothing is
 * asked of what is before. MR_IO. */
enum mr_err mr_segment_take_chain(struct mr_segment_walk *walk, struct mr_error *error);
/* Whether a whole block stands behind `walk->at`, where none does, that was written when more than
 * `walk->at` bytes were durable: then the bytes at `at` were whole once. MR_OK: none; MR_BAD_INPUT:
 * *found_out is where; MR_IO. */
enum mr_err mr_segment_look_behind(struct mr_segment_walk *walk, uint64_t *found_out,
				   struct mr_error *error);
void mr_segment_walk_fini(struct mr_segment_walk *walk);

/* ---- little-endian numbers ---- */

static inline uint64_t mr_le_get(const char *from, size_t len)
{
	uint64_t number = 0;

	for (size_t i = len; i-- > 0;)
		number = number << 8 | (unsigned char)from[i];
	return number;
}
static inline void mr_le_put(char *to, uint64_t number, size_t len)
{
	for (size_t i = 0; i < len; i++, number >>= 8)
		to[i] = (char)number;
}

#endif
