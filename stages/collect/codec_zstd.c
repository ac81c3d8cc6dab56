/* codec_zstd.c - one zstd frame or skippable frame (RFC 8878), by libzstd.
 *
 * Used through the table in codec.c. Windows up to 128 MiB, libzstd's own bound; a larger one (zstd
 * --long=28 and more) is refused by name. */
#include "codec.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

static uint32_t number_of(const unsigned char *magic)
{
	return (uint32_t)magic[0] | (uint32_t)magic[1] << 8 | (uint32_t)magic[2] << 16 |
	       (uint32_t)magic[3] << 24;
}

static bool is_member(const unsigned char *magic, size_t len)
{
	return len >= 4 &&
	       (number_of(magic) == ZSTD_MAGICNUMBER ||
		(number_of(magic) & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START);
}

static bool may_hold(const unsigned char *magic)
{
	return number_of(magic) == ZSTD_MAGICNUMBER;
}

/* The library asks for the next block's header together with a block. */
#define BLOCK_HEADER 3

struct zstd {
	ZSTD_DCtx *context;
	size_t hint; /* bytes that the library can use next */
	bool full;   /* the last call may have had more to give than room */
};

static void *open(void)
{
	struct zstd *zstd = mr_calloc(1, sizeof(*zstd));

	zstd->context = ZSTD_createDCtx();
	if (!zstd->context)
		abort();
	zstd->hint = 1;
	return zstd;
}

static void reset(void *state)
{
	struct zstd *zstd = state;

	ZSTD_DCtx_reset(zstd->context, ZSTD_reset_session_only);
	zstd->hint = 1;
	zstd->full = false;
}

/* A call that fails gives nothing, not even what it had decoded: so no call gets more than one
 * block, and none before what the last one decoded is out. All good blocks before a bad one come
 * out, and no others, in whatever pieces the input comes. */
static size_t decompress(struct zstd *zstd, ZSTD_inBuffer *from, ZSTD_outBuffer *to)
{
	ZSTD_inBuffer none = {"", 0, 0};
	size_t result = 1;

	if (zstd->full)
		result = ZSTD_decompressStream(zstd->context, to, &none);
	if (to->pos == 0 && result != 0 && !ZSTD_isError(result))
		result = ZSTD_decompressStream(zstd->context, to, from);
	zstd->full = to->pos == to->size;
	return result;
}

static enum mr_codec_step step(void *state, struct mr_slice *in, char *out, size_t room,
			       size_t *out_len, const char **reason_out)
{
	struct zstd *zstd = state;
	ZSTD_inBuffer from = {in->at, in->len < zstd->hint ? in->len : zstd->hint, 0};
	ZSTD_outBuffer to = {out, room, 0};
	size_t result = decompress(zstd, &from, &to);

	in->at += from.pos;
	in->len -= from.pos;
	*out_len = to.pos;
	if (ZSTD_isError(result)) {
		*reason_out = ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge
				  ? "its window is larger than 128 MiB; compress without --long"
				  : ZSTD_getErrorName(result);
		return MR_CODEC_BAD;
	}
	zstd->hint = result > BLOCK_HEADER ? result - BLOCK_HEADER : result;
	return result == 0 ? MR_CODEC_MEMBER : MR_CODEC_MORE;
}

static void end(void *state)
{
	struct zstd *zstd = state;

	ZSTD_freeDCtx(zstd->context);
	free(zstd);
}

const struct mr_codec_ops mr_codec_zstd = {
    .name = "zstd",
    .is_member = is_member,
    .may_hold = may_hold,
    .open = open,
    .reset = reset,
    .step = step,
    .close = end,
};
