/* pack.h - msgpack, written and read item by item.
 *
 * Writing uses msgpack-c's packer over a struct mr_buf. Reading is a cursor over bytes that a peer
 * or a file gave: each call takes one item and checks it, nothing is allocated, and the first item
 * that is not what was asked for makes the cursor bad: every later call then gives zero or empty,
 * so a decoder reads straight through and asks mr_unpack_ok once at its end. Source: msgpack
 * specification, github.com/msgpack/msgpack/blob/master/spec.md. */
#ifndef MILLRACE_PACK_H
#define MILLRACE_PACK_H

#include "millrace/text.h"

/* Any item. What most are, a small number or a short text, is one byte and what follows: that is
 * written, and read, without a call. */
void mr_pack_any_array(struct mr_buf *out, size_t count);
void mr_pack_any_uint(struct mr_buf *out, uint64_t number);
char *mr_pack_any_room(struct mr_buf *out, size_t len);

enum mr_pack_byte {
	MR_PACK_FIXINT_MAX = 0x7f,
	MR_PACK_FIXARRAY = 0x90,
	MR_PACK_FIXARRAY_MAX = 15,
	MR_PACK_FIXSTR = 0xa0,
	MR_PACK_FIXSTR_MAX = 31,
	MR_PACK_FALSE = 0xc2,
	MR_PACK_TRUE = 0xc3
};

static inline void mr_pack_byte(struct mr_buf *out, unsigned byte)
{
	*mr_buf_reserve(out, 1) = (char)byte;
	out->len++;
}
static inline void mr_pack_array(struct mr_buf *out, size_t count)
{
	if (count <= MR_PACK_FIXARRAY_MAX)
		mr_pack_byte(out, MR_PACK_FIXARRAY | (unsigned)count);
	else
		mr_pack_any_array(out, count);
}
static inline void mr_pack_uint(struct mr_buf *out, uint64_t number)
{
	if (number <= MR_PACK_FIXINT_MAX)
		mr_pack_byte(out, (unsigned)number);
	else
		mr_pack_any_uint(out, number);
}
void mr_pack_int(struct mr_buf *out, int64_t number);
static inline void mr_pack_bool(struct mr_buf *out, bool yes)
{
	mr_pack_byte(out, yes ? MR_PACK_TRUE : MR_PACK_FALSE);
}
void mr_pack_double(struct mr_buf *out, double number);
/* As msgpack str: `len` bytes that the caller fills before `out` is written again. */
static inline char *mr_pack_room(struct mr_buf *out, size_t len)
{
	if (len > MR_PACK_FIXSTR_MAX)
		return mr_pack_any_room(out, len);
	char *head = mr_buf_reserve(out, 1 + len);
	*head = (char)(MR_PACK_FIXSTR | (unsigned)len);
	out->len += 1 + len;
	return head + 1;
}
static inline void mr_pack_bytes(struct mr_buf *out, struct mr_slice bytes)
{
	char *room = mr_pack_room(out, bytes.len);
	if (bytes.len > 0)
		memcpy(room, bytes.at, bytes.len);
}

struct mr_unpack {
	const char *at;
	const char *end;
	bool bad;
};

static inline struct mr_unpack mr_unpack(struct mr_slice bytes)
{
	const char *at = bytes.at == NULL ? "" : bytes.at;
	return (struct mr_unpack){at, at + bytes.len, false};
}
size_t mr_unpack_any_array(struct mr_unpack *in, size_t max);
uint64_t mr_unpack_any_uint(struct mr_unpack *in, uint64_t max);
bool mr_unpack_any_bool(struct mr_unpack *in);
struct mr_slice mr_unpack_any_bytes(struct mr_unpack *in);

/* The next item's first byte. */
#define MR_UNPACK_NONE 0xc1u /* which msgpack never uses */
static inline unsigned mr_unpack_peek(const struct mr_unpack *in)
{
	return !in->bad && in->at < in->end ? (uint8_t)*in->at : MR_UNPACK_NONE;
}
/* The number of elements that follow. Bad where it passes `max`, or where so many cannot lie in the
 * bytes that are left (each needs one at least). */
static inline size_t mr_unpack_array(struct mr_unpack *in, size_t max)
{
	size_t count = mr_unpack_peek(in) - MR_PACK_FIXARRAY;
	if (count > MR_PACK_FIXARRAY_MAX || count > max || count > (size_t)(in->end - in->at - 1))
		return mr_unpack_any_array(in, max);
	in->at++;
	return count;
}
/* Bad where the count is not exactly this. */
void mr_unpack_array_of(struct mr_unpack *in, size_t count);
/* An array that begins with its version: of `count` items, that one included, where it is not above
 * `newest`. 0 where `in` is bad. */
uint64_t mr_unpack_version(struct mr_unpack *in, uint64_t newest, size_t count);
static inline uint64_t mr_unpack_uint(struct mr_unpack *in, uint64_t max)
{
	unsigned number = mr_unpack_peek(in);
	if (number > MR_PACK_FIXINT_MAX || number > max)
		return mr_unpack_any_uint(in, max);
	in->at++;
	return number;
}
int64_t mr_unpack_int(struct mr_unpack *in);
static inline bool mr_unpack_bool(struct mr_unpack *in)
{
	unsigned byte = mr_unpack_peek(in);
	if (byte != MR_PACK_TRUE && byte != MR_PACK_FALSE)
		return mr_unpack_any_bool(in);
	in->at++;
	return byte == MR_PACK_TRUE;
}
double mr_unpack_double(struct mr_unpack *in);
/* Borrows the bytes. Takes str and bin. */
static inline struct mr_slice mr_unpack_bytes(struct mr_unpack *in)
{
	size_t len = mr_unpack_peek(in) - MR_PACK_FIXSTR;
	if (len > MR_PACK_FIXSTR_MAX || len > (size_t)(in->end - in->at - 1))
		return mr_unpack_any_bytes(in);
	struct mr_slice bytes = {in->at + 1, len};
	in->at += 1 + len;
	return bytes;
}
static inline bool mr_unpack_ok(const struct mr_unpack *in)
{
	return !in->bad;
}
static inline bool mr_unpack_done(const struct mr_unpack *in)
{
	return !in->bad && in->at == in->end;
}

#endif
