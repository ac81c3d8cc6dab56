/* codec.c - what a compressed stream is made of: members, padding, plain text.
 *
 * Called by input.c. A damaged or cut stream is MR_BAD_INPUT with the reason in the codec; all that
 * came out before it has been given. */
#include "codec.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static const struct mr_codec_ops *const codecs[MR_CODEC_COUNT] = {&mr_codec_gzip, &mr_codec_zstd};

void mr_codec_fini(struct mr_codec *codec)
{
	if (codec->ops)
		codec->ops->close(codec->state);
	for (size_t i = 0; i < MR_CODEC_COUNT; i++) {
		if (codec->idle[i])
			codecs[i]->close(codec->idle[i]);
	}
	*codec = (struct mr_codec){0};
}

static void take(struct mr_codec *codec, struct mr_slice *in, size_t len)
{
	in->at += len;
	in->len -= len;
	codec->taken += len;
}

static enum mr_err fail(struct mr_codec *codec, const char *what)
{
	snprintf(codec->reason, sizeof(codec->reason), "%s%sat compressed offset %llu: %s",
		 codec->ops ? codec->ops->name : "", codec->ops ? " stream damaged " : "damaged ",
		 (unsigned long long)codec->taken, what);
	return MR_BAD_INPUT;
}

/* Members may be as short as eight bytes, and many: what one needed serves the next. */
static void begin_member(struct mr_codec *codec, size_t which)
{
	codec->ops = codecs[which];
	codec->state = codec->idle[which];
	codec->idle[which] = NULL;
	if (codec->state)
		codec->ops->reset(codec->state);
	else
		codec->state = codec->ops->open();
	codec->begun = true;
	codec->member_at = codec->taken;
	codec->given_to = codec->taken;
}

static void end_member(struct mr_codec *codec)
{
	for (size_t i = 0; i < MR_CODEC_COUNT; i++) {
		if (codecs[i] == codec->ops)
			codec->idle[i] = codec->state;
	}
	codec->ops = NULL;
	codec->state = NULL;
}

/* Between members: is there another one? Zero bytes behind one fill a block of some device. */
static enum mr_err begin(struct mr_codec *codec, struct mr_slice *in, bool last)
{
	while (codec->begun && in->len > 0 && *in->at == 0)
		take(codec, in, 1);
	if (codec->begun && in->len == 0)
		return last ? MR_END : MR_OK;
	if (in->len < MR_CODEC_MAGIC_MAX && !last)
		return MR_OK;
	for (size_t i = 0; i < MR_CODEC_COUNT; i++) {
		if (codecs[i]->is_member((const unsigned char *)in->at, in->len)) {
			begin_member(codec, i);
			return MR_OK;
		}
	}
	if (codec->begun)
		return fail(codec, "text behind the last member");
	codec->plain = true;
	codec->begun = true;
	return MR_OK;
}

static enum mr_err step_plain(struct mr_codec *codec, struct mr_slice *in, bool last, char *out,
			      size_t room, size_t *out_len)
{
	size_t len = in->len < room ? in->len : room;

	if (len > 0)
		memcpy(out, in->at, len);
	*out_len = len;
	take(codec, in, len);
	return last && in->len == 0 ? MR_END : MR_OK;
}

static enum mr_err step_member(struct mr_codec *codec, struct mr_slice *in, bool last, char *out,
			       size_t room, size_t *out_len)
{
	size_t before = in->len;
	const char *reason = NULL;
	enum mr_codec_step step = codec->ops->step(codec->state, in, out, room, out_len, &reason);

	codec->taken += before - in->len;
	if (*out_len > 0)
		codec->given_to = codec->taken;
	if (step == MR_CODEC_BAD)
		return fail(codec, reason);
	if (step == MR_CODEC_MORE) {
		if (last && in->len == 0 && *out_len == 0)
			return fail(codec, "it ends in the middle");
		return MR_OK;
	}
	end_member(codec);
	return last && in->len == 0 ? MR_END : MR_OK;
}

enum mr_err mr_codec_step(struct mr_codec *codec, struct mr_slice *in, bool last, char *out,
			  size_t room, size_t *out_len)
{
	assert(room > 0);
	*out_len = 0;
	if (!codec->ops && !codec->plain) {
		enum mr_err err = begin(codec, in, last);

		if (err != MR_OK || (!codec->ops && !codec->plain))
			return err;
	}
	if (codec->plain)
		return step_plain(codec, in, last, out, room, out_len);
	return step_member(codec, in, last, out, room, out_len);
}

/* ---- behind damage ---- */

#define TRY_COST 1024 /* of the least member that is tried */

static size_t held_by(const char *raw)
{
	size_t which = 0;

	while (which < MR_CODEC_COUNT && !codecs[which]->may_hold((const unsigned char *)raw))
		which++;
	return which;
}

size_t mr_codec_seek(struct mr_slice raw, bool last)
{
	size_t at = 0;

	for (; at + MR_CODEC_MAGIC_MAX <= raw.len; at++)
		if (held_by(raw.at + at) < MR_CODEC_COUNT)
			return at;
	return last ? raw.len : at;
}

bool mr_codec_try(struct mr_codec *codec, struct mr_slice raw, size_t least, uint64_t *work)
{
	size_t which = held_by(raw.at);
	struct mr_slice left = {raw.at, raw.len < MR_CODEC_TRY ? raw.len : MR_CODEC_TRY};
	size_t whole = left.len;
	size_t made = 0;
	size_t room = 64 << 10;
	char *out = mr_malloc(room);
	enum mr_codec_step step = MR_CODEC_MORE;

	begin_member(codec, which);
	while (step == MR_CODEC_MORE && made < MR_CODEC_TRY_MOST &&
	       (made < MR_CODEC_TRY_OUT || whole - left.len < least)) {
		size_t before = left.len;
		size_t len;
		const char *reason;

		step = codec->ops->step(codec->state, &left, out, room, &len, &reason);
		made += len;
		if (len == 0 && left.len == before)
			break;
	}
	end_member(codec);
	free(out);
	*work = TRY_COST + (whole - left.len) + made;
	return step == MR_CODEC_MEMBER ||
	       (step == MR_CODEC_MORE && made > 0 && whole - left.len >= least);
}

void mr_codec_go_on(struct mr_codec *codec, uint64_t offset)
{
	if (codec->ops)
		end_member(codec);
	codec->taken = offset;
}
