/* segment.c - the form of a journal's file, written and read.
 *
 * Called by journal.c. Reading survives any bytes: MR_BAD_INPUT with a word, never a read past the
 * end, and no more memory than the file has bytes. */
#include "segment.h"

#include <inttypes.h>
#include <unistd.h>

#include "millrace/os.h"

#define MAGIC "MRJRNL\r\n"
#define HEAD 64 /* before the name */
#define BLOCK_MAGIC UINT32_C(0x4b4c424d)
#define WINDOW (1 << 20)

static enum mr_err read_at(int fd, uint64_t at, size_t len, struct mr_buf *out,
			   struct mr_error *error)
{
	enum mr_read read;
	size_t done;

	out->len = 0;
	read = mr_os_read(fd, mr_buf_reserve(out, len), len, at, &done);
	if (read == MR_READ_FAILED)
		return mr_error_errno(error, MR_IO, "offset %" PRIu64 ": cannot read", at);
	out->len = done;
	if (read == MR_READ_SHORT)
		return mr_error_set(error, MR_BAD_INPUT, "offset %" PRIu64 ": the file ends there",
				    at + done);
	return MR_OK;
}

static uint64_t align(uint64_t len)
{
	return (len + 7) & ~UINT64_C(7);
}

/* ---- the header ---- */

uint64_t mr_segment_head_encode(const struct mr_segment_head *head, struct mr_buf *out)
{
	size_t begin = out->len;
	char fixed[HEAD] = MAGIC;
	char sum[8];

	mr_le_put(fixed + 8, MR_SEGMENT_VERSION, 4);
	mr_le_put(fixed + 12, head->source.len, 4);
	mr_le_put(fixed + 16, head->cursor.len, 4);
	mr_le_put(fixed + 24, head->number, 8);
	mr_le_put(fixed + 32, (uint64_t)head->created_us, 8);
	mr_le_put(fixed + 40, head->seed, 8);
	mr_le_put(fixed + 48, head->chain, 8);
	mr_le_put(fixed + 56, head->first_block, 8);
	mr_buf_add(out, fixed, HEAD);
	mr_buf_add(out, head->source.at, head->source.len);
	if (head->cursor.len > 0)
		mr_buf_add(out, head->cursor.at, head->cursor.len);
	mr_le_put(sum, mr_hash64(out->data + begin, out->len - begin, 0), 8);
	mr_buf_add(out, sum, 8);
	while ((out->len - begin) % 8 != 0)
		mr_buf_add(out, "", 1);
	return out->len - begin;
}

static enum mr_err not_whole(struct mr_error *error)
{
	return mr_error_set(error, MR_BAD_INPUT, "offset 0: the header is not whole");
}

enum mr_err mr_segment_head_read(int fd, struct mr_buf *bytes, struct mr_segment_head *out,
				 uint64_t *end_out, struct mr_error *error)
{
	uint64_t name_len;
	uint64_t cursor_len;
	size_t len;
	enum mr_err err = read_at(fd, 0, HEAD, bytes, error);

	if (err == MR_IO)
		return err;
	if (err != MR_OK || memcmp(bytes->data, MAGIC, 8) != 0)
		return mr_error_set(error, MR_BAD_INPUT,
				    "offset 0: this is no segment of a journal");
	name_len = mr_le_get(bytes->data + 12, 4);
	cursor_len = mr_le_get(bytes->data + 16, 4);
	if (name_len > 4096 || cursor_len > MR_SEGMENT_CURSOR_MAX)
		return not_whole(error);
	len = HEAD + (size_t)name_len + (size_t)cursor_len;
	err = read_at(fd, 0, len + 8, bytes, error);
	if (err == MR_IO)
		return err;
	if (err != MR_OK || mr_le_get(bytes->data + len, 8) != mr_hash64(bytes->data, len, 0))
		return not_whole(error);
	if (mr_le_get(bytes->data + 8, 4) > MR_SEGMENT_VERSION)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "the segment is of version %" PRIu64
				    ", written by a newer millrace; this one reads versions up to "
				    "%d",
				    mr_le_get(bytes->data + 8, 4), MR_SEGMENT_VERSION);
	*out = (struct mr_segment_head){
	    .number = mr_le_get(bytes->data + 24, 8),
	    .created_us = (int64_t)mr_le_get(bytes->data + 32, 8),
	    .seed = mr_le_get(bytes->data + 40, 8),
	    .chain = mr_le_get(bytes->data + 48, 8),
	    .first_block = mr_le_get(bytes->data + 56, 8),
	    .source = {bytes->data + HEAD, (size_t)name_len},
	    .cursor = {bytes->data + HEAD + name_len, (size_t)cursor_len},
	};
	*end_out = align(len + 8);
	return MR_OK;
}

/* ---- blocks ---- */

enum mr_err mr_segment_cursor_check(struct mr_slice cursor, struct mr_error *error)
{
	if (cursor.len <= MR_SEGMENT_CURSOR_MAX)
		return MR_OK;
	return mr_error_set(error, MR_CONFIG,
			    "how far each file was read takes %zu bytes, and a journal has room "
			    "for %u: read fewer files in one source, or remove those that were "
			    "read",
			    cursor.len, MR_SEGMENT_CURSOR_MAX);
}

enum mr_err mr_block_check(const struct mr_block *block, struct mr_error *error)
{
	enum mr_err err = mr_segment_cursor_check(block->cursor, error);

	if (err != MR_OK)
		return err;
	if (block->asides.len <= MR_SEGMENT_CURSOR_MAX &&
	    block->payload.len <= MR_BLOCK_PAYLOAD_MAX)
		return MR_OK;
	return mr_error_set(error, MR_CONFIG,
			    "a block of %zu bytes, with %zu on what is set aside, is too long: a "
			    "lower region_bytes or max_record_bytes makes it shorter",
			    block->payload.len, block->asides.len);
}

void mr_block_encode(struct mr_block *block, uint64_t seed, struct mr_buf *out)
{
	size_t begin = out->len;
	char head[MR_BLOCK_HEAD] = {0};

	mr_le_put(head, BLOCK_MAGIC, 4);
	mr_le_put(head + 4, block->kind, 4);
	mr_le_put(head + 16, block->chain, 8);
	mr_le_put(head + 24, block->number, 8);
	mr_le_put(head + 32, (uint64_t)block->arrival_us, 8);
	mr_le_put(head + 40, block->durable, 8);
	mr_le_put(head + 48, mr_hash64(block->payload.at, block->payload.len, seed), 8);
	mr_le_put(head + 56, block->payload.len, 8);
	mr_le_put(head + 64, block->count, 4);
	mr_le_put(head + 68, block->cursor.len, 4);
	mr_le_put(head + 72, block->asides.len, 4);
	mr_buf_add(out, head, sizeof(head));
	if (block->cursor.len > 0)
		mr_buf_add(out, block->cursor.at, block->cursor.len);
	if (block->asides.len > 0)
		mr_buf_add(out, block->asides.at, block->asides.len);
	block->hash = mr_hash64(out->data + begin, out->len - begin, seed);
	mr_le_put(out->data + begin + 8, block->hash, 8);
	block->payload_at = out->len - begin;
	block->end = align(block->payload_at + block->payload.len);
}

/* How long the block is that may begin with this head; false where it is none, or leaves the file.
 */
static bool block_length(const char *head, uint64_t room, size_t *front_out, uint64_t *len_out)
{
	uint64_t cursor = mr_le_get(head + 68, 4);
	uint64_t asides = mr_le_get(head + 72, 4);
	uint64_t payload = mr_le_get(head + 56, 8);
	uint64_t kind = mr_le_get(head + 4, 4);

	if (mr_le_get(head, 4) != BLOCK_MAGIC || kind < MR_BLOCK_RECORDS || kind > MR_BLOCK_SEAL ||
	    cursor > MR_SEGMENT_CURSOR_MAX || asides > MR_SEGMENT_CURSOR_MAX ||
	    payload > MR_BLOCK_PAYLOAD_MAX)
		return false;
	*front_out = (size_t)(MR_BLOCK_HEAD + cursor + asides);
	*len_out = *front_out + payload;
	return *len_out <= room;
}

/* The block at `at` of the walk's file, whatever is before it. MR_BAD_INPUT where none is whole. */
static enum mr_err read_block(struct mr_segment_walk *walk, uint64_t at, struct mr_block *out,
			      struct mr_error *error)
{
	struct mr_buf *bytes = &walk->bytes;
	char *head;
	size_t front;
	uint64_t len;
	uint64_t hash;
	enum mr_err err;

	if (walk->size - at < MR_BLOCK_HEAD)
		return mr_error_set(error, MR_BAD_INPUT, "a block is cut short");
	err = read_at(walk->fd, at, MR_BLOCK_HEAD, bytes, error);
	if (err != MR_OK)
		return err;
	if (!block_length(bytes->data, walk->size - at, &front, &len))
		return mr_error_set(error, MR_BAD_INPUT, "no whole block begins there");
	err = read_at(walk->fd, at, (size_t)len, bytes, error);
	if (err != MR_OK)
		return err;
	head = bytes->data;
	hash = mr_le_get(head + 8, 8);
	mr_le_put(head + 8, 0, 8);
	if (mr_hash64(head, front, walk->seed) != hash ||
	    mr_hash64(head + front, (size_t)len - front, walk->seed) != mr_le_get(head + 48, 8))
		return mr_error_set(error, MR_BAD_INPUT, "the block's checksum differs");
	*out = (struct mr_block){
	    .kind = (enum mr_block_kind)mr_le_get(head + 4, 4),
	    .chain = mr_le_get(head + 16, 8),
	    .number = mr_le_get(head + 24, 8),
	    .arrival_us = (int64_t)mr_le_get(head + 32, 8),
	    .durable = mr_le_get(head + 40, 8),
	    .count = (uint32_t)mr_le_get(head + 64, 4),
	    .cursor = {head + MR_BLOCK_HEAD, (size_t)mr_le_get(head + 68, 4)},
	    .payload = {head + front, (size_t)len - front},
	    .hash = hash,
	    .payload_at = at + front,
	    .end = align(at + len),
	};
	out->asides =
	    (struct mr_slice){out->cursor.at + out->cursor.len, (size_t)mr_le_get(head + 72, 4)};
	return MR_OK;
}

enum mr_err mr_segment_next(struct mr_segment_walk *walk, struct mr_block *out,
			    struct mr_error *error)
{
	enum mr_err err;

	/* The last one's padding may be missing: nothing stands in it. */
	if (walk->at >= walk->size && walk->at - walk->size < 8)
		return MR_END;
	if (walk->at > walk->size)
		return mr_error_set(error, MR_BAD_INPUT,
				    "offset %" PRIu64 ": the file ends before, at %" PRIu64,
				    walk->at, walk->size);
	err = read_block(walk, walk->at, out, error);
	if (err == MR_OK && (out->chain != walk->chain || out->number != walk->number))
		err = mr_error_set(error, MR_BAD_INPUT,
				   "the block is number %" PRIu64 " of another place; here stands "
				   "number %" PRIu64,
				   out->number, walk->number);
	if (err != MR_OK) {
		mr_error_prefix(error, "offset %" PRIu64, walk->at);
		return err;
	}
	walk->at = out->end;
	walk->chain = out->hash;
	walk->number = out->number + 1;
	return MR_OK;
}

/* Of what begins at `at` and looks like a block: MR_BAD_INPUT where it proves that the bytes at
 * walk->at were durable, MR_OK where it proves nothing. */
static enum mr_err prove(struct mr_segment_walk *walk, uint64_t at, struct mr_error *error)
{
	struct mr_block block = {0};
	enum mr_err err = read_block(walk, at, &block, error);

	if (err == MR_OK)
		return block.durable > walk->at ? MR_BAD_INPUT : MR_OK;
	return err == MR_BAD_INPUT ? MR_OK : err;
}

enum mr_err mr_segment_take_chain(struct mr_segment_walk *walk, struct mr_error *error)
{
	const uint64_t at = walk->at + 16;
	char chain[8];
	size_t done;
	enum mr_read read = mr_os_read(walk->fd, chain, sizeof(chain), at, &done);

	if (read == MR_READ_FAILED)
		return mr_error_errno(error, MR_IO, "offset %" PRIu64 ": cannot read", at);
	if (read == MR_READ_WHOLE)
		walk->chain = mr_le_get(chain, sizeof(chain));
	return MR_OK;
}

enum mr_err mr_segment_look_behind(struct mr_segment_walk *walk, uint64_t *found_out,
				   struct mr_error *error)
{
	struct mr_buf window = {0};
	uint64_t from = align(walk->at + 1);
	enum mr_err err = MR_OK;

	while (err == MR_OK && walk->size >= from && walk->size - from >= MR_BLOCK_HEAD) {
		uint64_t left = walk->size - from;
		size_t len = left < WINDOW ? (size_t)left & ~(size_t)7 : WINDOW;

		err = read_at(walk->fd, from, len, &window, error);
		for (size_t i = 0; err == MR_OK && i < len; i += 8)
			if (mr_le_get(window.data + i, 4) == BLOCK_MAGIC &&
			    walk->size - from - i >= MR_BLOCK_HEAD) {
				*found_out = from + i;
				err = prove(walk, from + i, error);
			}
		from += len;
	}
	mr_buf_fini(&window);
	return err;
}

void mr_segment_walk_fini(struct mr_segment_walk *walk)
{
	mr_buf_fini(&walk->bytes);
}
