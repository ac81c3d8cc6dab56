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

void mr_pack_array(struct mr_buf *out, size_t count);
void mr_pack_uint(struct mr_buf *out, uint64_t number);
void mr_pack_int(struct mr_buf *out, int64_t number);
void mr_pack_bool(struct mr_buf *out, bool yes);
void mr_pack_double(struct mr_buf *out, double number);
void mr_pack_bytes(struct mr_buf *out, struct mr_slice bytes); /* as msgpack str */
/* Likewise, of `len` bytes that the caller fills before `out` is written again. */
char *mr_pack_room(struct mr_buf *out, size_t len);

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
/* The number of elements that follow. Bad where it passes `max`, or where so many cannot lie in the
 * bytes that are left (each needs one at least). */
size_t mr_unpack_array(struct mr_unpack *in, size_t max);
/* Bad where the count is not exactly this. */
void mr_unpack_array_of(struct mr_unpack *in, size_t count);
/* An array that begins with its version: of `count` items, that one included, where it is not above
 * `newest`. 0 where `in` is bad. */
uint64_t mr_unpack_version(struct mr_unpack *in, uint64_t newest, size_t count);
uint64_t mr_unpack_uint(struct mr_unpack *in, uint64_t max);
int64_t mr_unpack_int(struct mr_unpack *in);
bool mr_unpack_bool(struct mr_unpack *in);
double mr_unpack_double(struct mr_unpack *in);
/* Borrows the bytes. Takes str and bin. */
struct mr_slice mr_unpack_bytes(struct mr_unpack *in);
static inline bool mr_unpack_ok(const struct mr_unpack *in)
{
	return !in->bad;
}
static inline bool mr_unpack_done(const struct mr_unpack *in)
{
	return !in->bad && in->at == in->end;
}

#endif
