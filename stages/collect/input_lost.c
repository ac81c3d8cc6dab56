/* input_lost.c - what becomes of a compressed input behind damage.
 *
 * Called by input.c. What cannot be read is set aside whole, up to the next member that can be: one
 * that was tried, not one that a few bytes look like. Where a member was cut, its decoder has taken
 * the beginning of the next for its own: so the search begins inside the damaged member. What has
 * been read of that one is not set aside.
 *
 * The bytes may be chosen to look like members: what is tried in vain may be so many bytes as were
 * passed, and WORK_MIN; past that the rest is set aside unsearched. */
#include "input.h"

#include <stdio.h>

#define WORK_MIN (64 << 20)

/* So many bytes belong to no member. */
static void pass(struct mr_input *input, size_t len)
{
	struct mr_lost *lost = &input->lost;
	const char *bytes = input->raw + input->raw_at;
	size_t known = 0;

	if (lost->at < lost->aside_from)
		known =
		    lost->aside_from - lost->at < len ? (size_t)(lost->aside_from - lost->at) : len;
	if (len > known && !input->spool->open)
		mr_spool_begin(input->spool, input->name, lost->at + known);
	if (len > known)
		mr_spool_add(input->spool, bytes + known, len - known);
	input->raw_at += len;
	input->raw_len -= len;
	lost->at += len;
}

static void go_back(struct mr_input *input)
{
	struct mr_lost *lost = &input->lost;
	const struct mr_codec *codec = &input->codec;
	uint64_t back = codec->ops ? codec->taken - codec->member_at : 0;

	if (back > input->raw_at)
		back = input->raw_at;
	if (back > MR_INPUT_BACK)
		back = MR_INPUT_BACK;
	input->raw_at -= (size_t)back;
	input->raw_len += (size_t)back;
	lost->at = codec->taken - back;
	lost->aside_from = codec->gave ? codec->taken : lost->at;
	lost->work += back;
	if (back > 0 && lost->at == codec->member_at) /* it is not tried again */
		pass(input, 1);
}

enum mr_err mr_input_lose(struct mr_input *input, struct mr_error *error)
{
	struct mr_lost *lost = &input->lost;
	enum mr_err err;

	snprintf(lost->reason, sizeof(lost->reason), "%s", input->codec.reason);
	err = mr_input_finish(input, lost->reason, error);
	if (err != MR_END)
		return err;
	go_back(input);
	mr_codec_go_on(&input->codec, lost->at);
	lost->now = true;
	return MR_OK;
}

static void set_aside(struct mr_input *input, const char *then)
{
	char reason[sizeof(input->lost.reason) + 100];

	snprintf(reason, sizeof(reason), "%s; %s", input->lost.reason, then);
	if (!input->spool->open)
		return;
	if (input->spool->len > 0)
		mr_spool_refuse(input->spool, reason);
	else
		mr_spool_drop(input->spool);
}

static void go_on(struct mr_input *input)
{
	char then[80];

	snprintf(then, sizeof(then), "reading goes on at compressed offset %llu",
		 (unsigned long long)input->lost.at);
	set_aside(input, then);
	mr_codec_go_on(&input->codec, input->lost.at);
	mr_input_resume(input);
	input->lost.now = false;
	input->starved = false;
}

/* A member may begin with the byte in hand. */
static void try(struct mr_input *input)
{
	struct mr_lost *lost = &input->lost;
	struct mr_slice raw = {input->raw + input->raw_at, input->raw_len};

	if (lost->work > WORK_MIN + lost->at)
		lost->gave_up = true;
	else if (mr_codec_try(&input->codec, raw, &lost->work))
		go_on(input);
	else
		pass(input, 1);
}

enum mr_err mr_input_step_lost(struct mr_input *input)
{
	struct mr_lost *lost = &input->lost;
	struct mr_error unread = {0};

	if (input->raw_len < MR_CODEC_TRY && !input->raw_end) {
		enum mr_err err = mr_input_read(input, &unread);

		if (err == MR_AGAIN)
			return err;
		input->raw_end |= err != MR_OK;
		return MR_OK;
	}
	struct mr_slice raw = {input->raw + input->raw_at, input->raw_len};
	pass(input, lost->gave_up ? raw.len : mr_codec_seek(raw, input->raw_end));
	if (input->raw_len >= MR_CODEC_TRY ||
	    (input->raw_end && input->raw_len >= MR_CODEC_MAGIC_MAX))
		try(input);
	else if (input->raw_end && input->raw_len == 0) {
		set_aside(input, lost->gave_up ? "too much behind it looks like the start of a "
						 "member, and the rest is not searched"
					       : "no member behind it can be read");
		return MR_END;
	}
	return MR_OK;
}
