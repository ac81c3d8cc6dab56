/* packed.h - texts as members of compressed streams. */
#ifndef MILLRACE_TEST_COLLECT_PACKED_H
#define MILLRACE_TEST_COLLECT_PACKED_H

#include <zlib.h>
#include <zstd.h>

#include "stage_harness.h"

static inline void gzip_add(struct mr_buf *out, const char *bytes, size_t len)
{
	z_stream stream = {0};
	size_t room = len + len / 1000 + 1000;

	deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	stream.next_in = (Bytef *)(uintptr_t)bytes;
	stream.avail_in = (unsigned)len;
	stream.next_out = (Bytef *)mr_buf_reserve(out, room);
	stream.avail_out = (unsigned)room;
	stage_must(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	out->len += room - stream.avail_out;
	deflateEnd(&stream);
}

static inline void zstd_add(struct mr_buf *out, const char *bytes, size_t len)
{
	size_t room = ZSTD_compressBound(len);

	out->len += ZSTD_compress(mr_buf_reserve(out, room), room, bytes, len, 1);
}

#define PACKED_BLOCK_TEXT 700 /* of each block */

/* As gzip_add and zstd_add, in many blocks. */
static inline void gzip_blocks(struct mr_buf *out, const char *bytes, size_t len)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes};
	size_t room = 2 * len + 1000;

	deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	stream.next_out = (Bytef *)mr_buf_reserve(out, room);
	stream.avail_out = (unsigned)room;
	for (size_t at = 0; at < len; at += PACKED_BLOCK_TEXT) {
		stream.avail_in =
		    (unsigned)(len - at < PACKED_BLOCK_TEXT ? len - at : PACKED_BLOCK_TEXT);
		stage_must(deflate(&stream, Z_BLOCK) == Z_OK);
	}
	stage_must(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	out->len += room - stream.avail_out;
	deflateEnd(&stream);
}

static inline void zstd_blocks(struct mr_buf *out, const char *bytes, size_t len)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	ZSTD_inBuffer from = {bytes, 0, 0};
	ZSTD_outBuffer to = {mr_buf_reserve(out, 2 * len + 1000), 2 * len + 1000, 0};

	while (from.size < len) {
		from.size =
		    len - from.size < PACKED_BLOCK_TEXT ? len : from.size + PACKED_BLOCK_TEXT;
		stage_must(ZSTD_compressStream2(context, &to, &from, ZSTD_e_flush) == 0);
	}
	stage_must(ZSTD_compressStream2(context, &to, &from, ZSTD_e_end) == 0);
	out->len += to.pos;
	ZSTD_freeCCtx(context);
}

/* The blocks of a member, to a whole byte; none is its last. */
static inline void gzip_add_blocks(struct mr_buf *out, const char *bytes, size_t len)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (unsigned)len};
	size_t room = len + 1000;

	deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
	stream.next_out = (Bytef *)mr_buf_reserve(out, room);
	stream.avail_out = (unsigned)room;
	stage_must(deflate(&stream, Z_SYNC_FLUSH) == Z_OK);
	out->len += room - stream.avail_out;
	deflateEnd(&stream);
}

/* A block as it is, of the `len` bytes that follow. */
static inline void gzip_add_stored(struct mr_buf *out, size_t len)
{
	const unsigned char head[] = {0, (unsigned char)len, (unsigned char)(len >> 8),
				      (unsigned char)~len, (unsigned char)(~len >> 8)};

	stage_must(len <= 65535);
	mr_buf_add(out, (const char *)head, sizeof(head));
}

#endif
