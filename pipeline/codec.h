/* codec.h - what the codecs of this folder share. Private to pipeline/.
 *
 * Each codec writes one msgpack array of fixed length for one item, and reads it with one pass over
 * a struct mr_unpack whose verdict is asked once, at the end. Where bytes have a layout of their
 * own instead, numbers are little-endian. */
#ifndef MILLRACE_CODEC_H
#define MILLRACE_CODEC_H

#include <endian.h>

#include "millrace/alert.h"
#include "millrace/pack.h"

/* At most 8 bytes; one instruction where the width is known. */
static inline void mr_put_le(char *out, uint64_t number, size_t width)
{
	number = htole64(number);
	memcpy(out, &number, width);
}

static inline uint64_t mr_get_le(const char *at, size_t width)
{
	uint64_t number = 0;
	memcpy(&number, at, width);
	return le64toh(number);
}

static inline void mr_buf_add_le(struct mr_buf *out, uint64_t number, size_t width)
{
	char bytes[8];
	mr_put_le(bytes, number, width);
	mr_buf_add(out, bytes, width);
}

/* What was read cannot be: make the cursor bad. */
static inline void mr_unpack_spoil(struct mr_unpack *in)
{
	in->bad = true;
	in->at = in->end;
}

/* A cursor over the bytes from `at` on; bad where that lies behind them. */
static inline struct mr_unpack mr_unpack_from(struct mr_slice bytes, size_t at)
{
	struct mr_unpack in = mr_unpack(bytes);
	if (at > bytes.len)
		mr_unpack_spoil(&in);
	else
		in.at += at;
	return in;
}

/* The item has been read: *at moves behind it, or MR_BAD_INPUT says which item did not decode. */
enum mr_err mr_unpack_item_end(const struct mr_unpack *in, struct mr_slice bytes, size_t *at,
			       const char *what, struct mr_error *error);

void mr_pack_slices(struct mr_buf *out, const struct mr_slice *slices, size_t count);
/* At most MR_GROUP_BY_MAX; the rest of `key` is emptied. */
uint32_t mr_unpack_keys(struct mr_unpack *in, struct mr_slice key[MR_GROUP_BY_MAX]);
/* The list, or what is packed where there is none. */
void mr_pack_fields(struct mr_buf *out, const struct mr_signal_field *fields, uint32_t count,
		    const struct mr_packed *packed);
/* The array lives in the arena; NULL and 0 where there is none or the cursor is bad. */
const struct mr_signal_field *mr_unpack_fields(struct mr_unpack *in, struct mr_arena *arena,
					       uint32_t *count_out);

#endif
