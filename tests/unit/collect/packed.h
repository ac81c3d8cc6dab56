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

#endif
