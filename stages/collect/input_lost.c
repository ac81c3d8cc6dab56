/* input_lost.c - what becomes of a compressed input behind damage.
 *
 * Called by input.c. What cannot be read is set aside whole, from behind the last block that gave
 * text up to the next member that can be read: one that was tried, not one that a few bytes look
 * like.
 *
 * Where a member was cut, its decoder has taken the beginning of the next for its own: so the
 * search begins inside the damaged member. What is found there is believed only if it is whole or
 * can be read past where that one failed, and the search does not go back behind an earlier
 * failure: so no byte is read for text more than twice, however members are put into each other.
 *
 * The bytes may be chosen to look like members: what is tried in vain may be so many bytes as were
 * passed, and WORK_MIN; past that the rest is set aside unsearched. */
#include "input.h"

#include <stdio.h>

#define WORK_MIN (64 << 20)

static void set_aside(struct mr_input *input, const char *then)
{
	char reason[sizeof(input->lost.reason) + 100];

	snprintf(reason, sizeof(reason), "%s; %s", input->lost.reason, then);
	if (input->spool->open)
		mr_spool_refuse(input->spool, MR_REJECT_DAMAGED, reason);
}

/* So many bytes belong to no member. */
static enum mr_err pass(struct mr_input *input, size_t len, struct mr_error *error)
{
	struct mr_lost *lost = &input->lost;
	uint64_t gave = lost->at < lost->aside_from ? lost->aside_from - lost->at : 0;
	size_t known = gave < len ? (size_t)gave : len;

	if (len > 0 && lost->joined) {
		enum mr_err err = mr_input_finish(input, lost->reason, error);

		if (err != MR_END)
			return err;
		lost->joined = false;
	}
	if (len > known && !input->spool->open)
		mr_spool_begin_packed(input->spool, input->name, lost->at + known);
	if (len > known)
		mr_spool_add(input->spool, input->raw + input->raw_at + known, len - known);
	input->raw_at += len;
	input->raw_len -= len;
	lost->at += len;
	return MR_OK;
}

/* What gave no text and lies too far back to be there still has its place named. */
static void name_what_is_gone(struct mr_input *input)
{
	struct mr_lost *lost = &input->lost;

	if (lost->aside_from >= lost->at)
		return;
	mr_spool_begin_packed(input->spool, input->name, lost->aside_from);
	mr_spool_skip(input->spool, lost->at - lost->aside_from);
	mr_spool_refuse(input->spool, MR_REJECT_DAMAGED, lost->reason);
	lost->aside_from = lost->at;
}

/* To what gave no text, and to where the search begins: at the second byte of the damaged member,
 * or behind an earlier failure. So many bytes from there on are not searched. */
static size_t go_back(struct mr_input *input)
{
	struct mr_lost *lost = &input->lost;
	const struct mr_codec *codec = &input->codec;
	uint64_t from = codec->ops ? codec->member_at : codec->taken;
	uint64_t gave_to = codec->ops ? codec->given_to : codec->taken;
	uint64_t back;

	if (gave_to > lost->aside_from)
		lost->aside_from = gave_to;
	from += codec->ops != NULL;
	if (from < lost->failed_at)
		from = lost->failed_at < codec->taken ? lost->failed_at : codec->taken;
	back = codec->taken - (from < lost->aside_from ? from : lost->aside_from);
	if (back > input->raw_at)
		back = input->raw_at;
	if (back > MR_INPUT_BACK)
		back = MR_INPUT_BACK;
	input->raw_at -= (size_t)back;
	input->raw_len += (size_t)back;
	lost->at = codec->taken - back;
	if (codec->taken > lost->failed_at)
		lost->failed_at = codec->taken;
	return from > lost->at ? (size_t)(from - lost->at) : 0;
}

enum mr_err mr_input_lose(struct mr_input *input, const char *reason, struct mr_error *error)
{
	struct mr_lost *lost = &input->lost;
	enum mr_err err;
	size_t unsearched;

	snprintf(lost->reason, sizeof(lost->reason), "%s", reason);
	err = mr_input_finish(input, lost->reason, error);
	if (err != MR_END)
		return err;
	unsearched = go_back(input);
	mr_codec_go_on(&input->codec, lost->at);
	lost->now = true;
	name_what_is_gone(input);
	return pass(input, unsearched, error);
}

void mr_input_follow(struct mr_input *input)
{
	struct mr_lost *lost = &input->lost;

	if (input->codec.taken >= lost->failed_at)
		return;
	lost->now = true;
	lost->joined = true;
	lost->at = input->codec.taken;
}

static void go_on(struct mr_input *input)
{
	struct mr_lost *lost = &input->lost;
	char then[80];

	snprintf(then, sizeof(then), "reading goes on at compressed offset %llu",
		 (unsigned long long)lost->at);
	mr_codec_go_on(&input->codec, lost->at);
	if (!lost->joined) {
		set_aside(input, then);
		mr_input_resume(input);
	}
	lost->now = false;
	lost->joined = false;
	input->starved = false;
}

/* A member may begin with the byte in hand. */
static enum mr_err try(struct mr_input *input, struct mr_error *error)
{
	struct mr_lost *lost = &input->lost;
	struct mr_slice raw = {input->raw + input->raw_at, input->raw_len};
	size_t least = lost->at < lost->failed_at ? (size_t)(lost->failed_at - lost->at) : 0;
	uint64_t work;

	if (lost->work > WORK_MIN + lost->at) {
		lost->gave_up = true;
		return MR_OK;
	}
	if (mr_codec_try(&input->codec, raw, least, &work)) {
		go_on(input);
		return MR_OK;
	}
	lost->work += work;
	return pass(input, 1, error);
}

enum mr_err mr_input_step_lost(struct mr_input *input, struct mr_error *error)
{
	struct mr_lost *lost = &input->lost;
	struct mr_error unread = {0};
	struct mr_slice raw;
	enum mr_err err;

	if (input->raw_len < MR_CODEC_TRY && !input->raw_end) {
		err = mr_input_read(input, &unread);
		if (err == MR_AGAIN)
			return err;
		input->raw_end |= err != MR_OK;
		return MR_OK;
	}
	raw = (struct mr_slice){input->raw + input->raw_at, input->raw_len};
	err = pass(input, lost->gave_up ? raw.len : mr_codec_seek(raw, input->raw_end), error);
	if (err != MR_OK)
		return err;
	if (input->raw_len >= MR_CODEC_TRY ||
	    (input->raw_end && input->raw_len >= MR_CODEC_MAGIC_MAX))
		return try(input, error);
	if (!input->raw_end || input->raw_len > 0)
		return MR_OK;
	set_aside(input, lost->gave_up ? "too much behind it looks like the start of a member, and "
					 "the rest is not searched"
				       : "no member behind it can be read");
	return MR_END;
}
