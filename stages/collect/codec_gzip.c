/* codec_gzip.c - one gzip member (RFC 1952), by zlib.
 *
 * Used through the table in codec.c. */
#include "codec.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

static bool is_member(const unsigned char *magic, size_t len)
{
	return len >= 3 && magic[0] == 0x1f && magic[1] == 0x8b && magic[2] == 8;
}

/* The flags' upper three bits are reserved. */
static bool may_hold(const unsigned char *magic)
{
	return is_member(magic, MR_CODEC_MAGIC_MAX) && (magic[3] & 0xe0) == 0;
}

static void *allocate(void *opaque, unsigned count, unsigned size)
{
	(void)opaque;
	return mr_calloc(count, size);
}

static void release(void *opaque, void *memory)
{
	(void)opaque;
	free(memory);
}

static void *open(void)
{
	z_stream *stream = mr_calloc(1, sizeof(*stream));

	stream->zalloc = allocate;
	stream->zfree = release;
	if (inflateInit2(stream, 15 + 16) != Z_OK)
		abort();
	return stream;
}

static void reset(void *state)
{
	inflateReset(state);
}

static enum mr_codec_step step(void *state, struct mr_slice *in, char *out, size_t room,
			       size_t *out_len, const char **reason_out)
{
	z_stream *stream = state;
	unsigned in_len = in->len > UINT_MAX ? UINT_MAX : (unsigned)in->len;
	unsigned out_room = room > UINT_MAX ? UINT_MAX : (unsigned)room;
	int result;

	stream->next_in = (Bytef *)(uintptr_t)in->at;
	stream->avail_in = in_len;
	stream->next_out = (Bytef *)out;
	stream->avail_out = out_room;
	result = inflate(stream, Z_BLOCK);
	in->at += in_len - stream->avail_in;
	in->len -= in_len - stream->avail_in;
	*out_len = out_room - stream->avail_out;
	if (result == Z_STREAM_END)
		return MR_CODEC_MEMBER;
	if (result == Z_OK || result == Z_BUF_ERROR)
		return MR_CODEC_MORE;
	*reason_out = stream->msg ? stream->msg : "it is no valid gzip data";
	return MR_CODEC_BAD;
}

static void end(void *state)
{
	z_stream *stream = state;

	inflateEnd(stream);
	free(stream);
}

const struct mr_codec_ops mr_codec_gzip = {
    .name = "gzip",
    .is_member = is_member,
    .may_hold = may_hold,
    .open = open,
    .reset = reset,
    .step = step,
    .close = end,
};
