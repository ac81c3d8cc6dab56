/* input.c - what becomes of the bytes of one input.
 *
 *     read ─▶ codec (gzip, zstd) ─▶ recode (marks, UTF-16) ─▶ decoder ─▶ spool
 *        └──▶ regions, where it is a plain file of lines
 *
 * Called by collect.c. Damage (a cut stream, a broken container, a file that became shorter) loses
 * nothing that came before; what cannot be read is set aside whole, and behind it reading goes on
 * where it can (input_lost.c). */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define RAW_BYTES (256 << 10)
#define PLAIN_BYTES (64 << 10)

/* ---- the decoder's sink ---- */

static struct mr_input *of(struct mr_decode_sink *sink)
{
	return (struct mr_input *)sink;
}
static void sink_begin(struct mr_decode_sink *sink, uint64_t offset)
{
	mr_spool_begin(of(sink)->spool, of(sink)->name, offset);
}
static void sink_add(struct mr_decode_sink *sink, const char *bytes, size_t len)
{
	mr_spool_add(of(sink)->spool, bytes, len);
}
static void sink_skip(struct mr_decode_sink *sink, uint64_t len)
{
	mr_spool_skip(of(sink)->spool, len);
}
static void sink_end(struct mr_decode_sink *sink)
{
	mr_spool_end(of(sink)->spool);
}
static void sink_drop(struct mr_decode_sink *sink)
{
	mr_spool_drop(of(sink)->spool);
}
static void sink_refuse(struct mr_decode_sink *sink, enum mr_reject_kind kind, const char *reason)
{
	mr_spool_refuse(of(sink)->spool, kind, reason);
}
static void sink_damage(struct mr_decode_sink *sink, uint64_t offset, const char *reason)
{
	mr_input_damage(of(sink), offset, reason);
}
static const struct mr_decode_sink_ops sink_ops = {
    .begin = sink_begin,
    .add = sink_add,
    .skip = sink_skip,
    .end = sink_end,
    .drop = sink_drop,
    .refuse = sink_refuse,
    .damage = sink_damage,
};

void mr_input_damage(struct mr_input *input, uint64_t offset, const char *reason)
{
	if (input->damage_count < MR_INPUT_DAMAGE_LOGGED)
		mr_log_event(MR_LOG_ERROR, MR_EVENT_INPUT_DAMAGED, "%s: offset %llu: %s",
			     input->title, (unsigned long long)offset, reason);
	input->damage_count++;
}

/* ---- opening ---- */

enum mr_err mr_input_open(struct mr_input *input, int fd, const char *title, uint32_t name,
			  bool allow_reference, struct mr_spool *spool, struct mr_error *error)
{
	struct stat status;

	*input = (struct mr_input){.sink = {&sink_ops},
				   .fd = fd,
				   .title = title,
				   .name = name,
				   .allow_reference = allow_reference,
				   .arrival_us = spool->env->start_us,
				   .spool = spool,
				   .starved = true};
	if (fstat(fd, &status) != 0) {
		mr_error_errno(error, MR_IO, "%s: cannot read", title);
		close(fd);
		return MR_IO;
	}
	input->allow_reference = false;
	/* Those of /proc have no size but bytes: they are read until there are no more. */
	input->regular = S_ISREG(status.st_mode) && status.st_size > 0;
	if (input->regular) {
		off_t at = lseek(fd, 0, SEEK_CUR);

		input->taken = at > 0 ? (uint64_t)at : 0;
		input->size = (uint64_t)status.st_size;
		input->allow_reference = allow_reference && input->taken == 0 &&
					 input->size >= MR_INPUT_BY_REFERENCE_MIN;
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	input->raw = mr_malloc(RAW_BYTES + MR_INPUT_BACK);
	input->plain = mr_malloc(PLAIN_BYTES);
	return MR_OK;
}

void mr_input_fini(struct mr_input *input)
{
	if (!input->raw)
		return;
	if (input->damage_count > MR_INPUT_DAMAGE_LOGGED)
		mr_log_event(MR_LOG_ERROR, MR_EVENT_INPUT_DAMAGED, "%s: %u more places like these",
			     input->title, input->damage_count - MR_INPUT_DAMAGE_LOGGED);
	close(input->fd);
	free(input->raw);
	free(input->plain);
	free(input->decoder_state);
	mr_codec_fini(&input->codec);
	mr_buf_fini(&input->text);
	mr_buf_fini(&input->head);
	mr_regions_fini(&input->regions);
	*input = (struct mr_input){0};
}

/* ---- reading ---- */

static bool is_dry(const struct mr_input *input)
{
	struct pollfd wait = {.fd = input->fd, .events = POLLIN};

	return !input->regular && poll(&wait, 1, 0) == 0;
}

/* Makes room behind what is there. Of what is compressed the last bytes stay before it. */
static void make_room(struct mr_input *input)
{
	size_t keep = mr_codec_is_plain(&input->codec) ? 0 : MR_INPUT_BACK;
	size_t from = input->raw_at > keep ? input->raw_at - keep : 0;

	memmove(input->raw, input->raw + from, input->raw_at - from + input->raw_len);
	input->raw_at -= from;
}

enum mr_err mr_input_read(struct mr_input *input, struct mr_error *error)
{
	size_t room;
	ssize_t done;

	if (is_dry(input))
		return MR_AGAIN;
	make_room(input);
	room = RAW_BYTES + MR_INPUT_BACK - input->raw_at - input->raw_len;
	if (room > RAW_BYTES)
		room = RAW_BYTES;
	if (input->regular && room > input->size - input->taken)
		room = (size_t)(input->size - input->taken);
	done = room > 0 ? read(input->fd, input->raw + input->raw_at + input->raw_len, room) : 0;
	if (done < 0 && (errno == EINTR || errno == EAGAIN))
		return MR_AGAIN;
	if (done < 0)
		return mr_error_errno(error, MR_IO, "cannot read");
	if (done == 0) {
		input->raw_end = true;
		if (room > 0 && input->regular)
			return mr_error_set(error, MR_BAD_INPUT,
					    "the file became shorter while it was read; it had "
					    "%llu bytes",
					    (unsigned long long)input->size);
	}
	input->raw_len += (size_t)done;
	input->taken += (uint64_t)done;
	input->starved = false;
	return MR_OK;
}

/* ---- by reference ---- */

static bool can_refer(const struct mr_input *input)
{
	return input->allow_reference && input->decoder == &mr_decode_lines &&
	       mr_codec_is_plain(&input->codec) && input->recode.encoding == MR_ENCODING_UTF8;
}

static enum mr_err begin_reference(struct mr_input *input, struct mr_error *error)
{
	input->by_reference = true;
	input->regions = (struct mr_regions){.fd = input->fd,
					     .at = input->offset,
					     .size = input->size,
					     .region_bytes = input->spool->region_bytes,
					     .max_record_bytes = input->spool->max_record_bytes};
	return mr_files_add(input->spool->env->files, input->fd, mr_slice(input->title),
			    &input->name, error);
}

enum mr_err mr_input_go_on(struct mr_input *input, uint64_t at, uint64_t size,
			   struct mr_error *error)
{
	input->offset = at;
	input->size = size;
	return begin_reference(input, error);
}

static void refuse_line(struct mr_input *input, const struct mr_cut *cut)
{
	char reason[160];
	struct mr_reject reject = {
	    .origin = {.source = mr_spool_source(input->spool),
		       .partition = input->name,
		       .position = cut->position,
		       .length = cut->length > UINT32_MAX ? UINT32_MAX : (uint32_t)cut->length},
	    .length = cut->length,
	    .offset = cut->position,
	    .kind = MR_REJECT_TOO_LONG,
	};

	snprintf(reason, sizeof(reason), "the record has %llu bytes; max_record_bytes allows %llu",
		 (unsigned long long)cut->length,
		 (unsigned long long)input->spool->max_record_bytes);
	reject.reason = mr_slice(reason);
	mr_outbox_reject(input->spool->outbox, input->name, &reject);
}

/* The region behind the next one. Where its last byte is in memory it needs no advice, which looks
 * at each page: of a MiB that is there that took 19 µs, and this 1.8. */
static void read_ahead(const struct mr_input *input)
{
	const struct mr_regions *regions = &input->regions;
	uint64_t begin = regions->at + regions->region_bytes;
	uint64_t end = begin + regions->region_bytes;
	char last;

	if (begin >= regions->size)
		return;
	if (end > regions->size)
		end = regions->size;
	if (preadv2(input->fd, &(struct iovec){&last, 1}, 1, (off_t)end - 1, RWF_NOWAIT) != 1)
		posix_fadvise(input->fd, (off_t)begin, (off_t)(end - begin), POSIX_FADV_WILLNEED);
}

static enum mr_err step_reference(struct mr_input *input)
{
	struct mr_error error = {0};
	struct mr_cut cut;
	struct mr_region region;
	enum mr_err err = mr_regions_next(&input->regions, &cut, &error);

	if (err == MR_END)
		return MR_END;
	if (err != MR_OK) {
		mr_input_damage(input, input->regions.at, error.text);
		return MR_END;
	}
	if (cut.too_long) {
		refuse_line(input, &cut);
		return MR_OK;
	}
	region = (struct mr_region){.source = mr_spool_source(input->spool),
				    .partition = input->name,
				    .position = cut.position,
				    .length = cut.length,
				    .form = MR_FORM_LINES,
				    .arrival_us = input->arrival_us};
	mr_outbox_region(input->spool->outbox, &region);
	read_ahead(input);
	return MR_OK;
}

/* ---- decoding ---- */

static enum mr_err begin_decoding(struct mr_input *input, struct mr_error *error)
{
	/* In `run` a name is given where it is needed, to outlive the process. */
	if (input->spool->journal && input->name == MR_INPUT_UNNAMED) {
		enum mr_err err = mr_files_add(input->spool->env->files, -1, mr_slice(input->title),
					       &input->name, error);

		if (err != MR_OK)
			return err;
	}
	input->decoder_state = mr_calloc(1, input->decoder->state_size);
	input->decoder->open(input->decoder_state, &input->sink, input->offset);
	return MR_OK;
}

static void feed(struct mr_input *input, struct mr_slice text)
{
	if (text.len > 0)
		input->decoder->feed(input->decoder_state, text.at, text.len);
	input->offset += text.len;
}

/* Text goes to the decoder, or waits until it is known which. */
static enum mr_err take_text(struct mr_input *input, struct mr_slice text, bool last,
			     struct mr_error *error)
{
	enum mr_err err;

	if (input->decoder) {
		feed(input, text);
		return MR_OK;
	}
	if (text.len > 0)
		mr_buf_add(&input->head, text.at, text.len);
	text = (struct mr_slice){input->head.len > 0 ? input->head.data : "", input->head.len};
	if (text.len == 0 && !last)
		return MR_OK;
	input->decoder = mr_decoder_look(&input->looked, text, last);
	if (!input->decoder)
		return MR_OK;
	if (can_refer(input))
		return begin_reference(input, error);
	err = begin_decoding(input, error);
	if (err != MR_OK)
		return err;
	feed(input, text);
	mr_buf_fini(&input->head);
	return MR_OK;
}

enum mr_err mr_input_finish(struct mr_input *input, const char *cut, struct mr_error *error)
{
	struct mr_slice none = {"", 0};
	size_t skipped;
	struct mr_slice text = mr_recode_step(&input->recode, none, true, &input->text, &skipped);
	enum mr_err err = take_text(input, text, true, error);

	if (err != MR_OK || input->by_reference)
		return err;
	input->decoder->finish(input->decoder_state, cut);
	if (cut)
		mr_input_damage(input, input->offset, cut);
	return MR_END;
}

void mr_input_resume(struct mr_input *input)
{
	const struct mr_decoder_ops *decoder = input->decoder;

	if (input->recode.encoding == MR_ENCODING_UTF8) /* the next part may have a mark, too */
		input->recode.encoding = MR_ENCODING_UNKNOWN;
	input->recode.held_len = 0;
	input->recode.high = 0;
	if (decoder->resume && decoder->resume(input->decoder_state, input->offset))
		return;
	free(input->decoder_state);
	input->decoder_state = NULL;
	input->decoder = NULL;
}

static enum mr_err decode(struct mr_input *input, struct mr_error *error)
{
	struct mr_slice raw = {input->raw + input->raw_at, input->raw_len};
	struct mr_slice text;
	size_t len;
	size_t skipped;
	enum mr_err step =
	    mr_codec_step(&input->codec, &raw, input->raw_end, input->plain, PLAIN_BYTES, &len);
	enum mr_err err;

	input->starved =
	    !input->raw_end && len == 0 &&
	    (raw.len == 0 || (raw.len == input->raw_len && raw.len < MR_CODEC_MAGIC_MAX));
	input->raw_at += input->raw_len - raw.len;
	input->raw_len = raw.len;
	text = (struct mr_slice){input->plain, len};
	text = mr_recode_step(&input->recode, text, false, &input->text, &skipped);
	input->offset += skipped;
	err = take_text(input, text, false, error);
	if (err != MR_OK || input->by_reference)
		return err;
	if (step == MR_BAD_INPUT)
		return mr_input_lose(input, input->codec.reason, error);
	if (step == MR_OK && mr_codec_is_between(&input->codec))
		mr_input_follow(input);
	return step == MR_END ? mr_input_finish(input, NULL, error) : MR_OK;
}

static enum mr_err read_and_decode(struct mr_input *input, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	struct mr_error unread = {0};

	if (input->starved && !input->raw_end)
		err = mr_input_read(input, &unread);
	if (err == MR_AGAIN)
		return err;
	if (err == MR_OK)
		return decode(input, error);
	input->raw_end = true;
	if (mr_codec_is_plain(&input->codec))
		return mr_input_finish(input, unread.text, error);
	return mr_input_lose(input, unread.text, error);
}

enum mr_err mr_input_step(struct mr_input *input, struct mr_error *error)
{
	enum mr_err err;

	if (input->by_reference)
		return step_reference(input);
	err = input->lost.now ? mr_input_step_lost(input, error) : read_and_decode(input, error);
	if (input->spool->error.code != MR_OK) {
		*error = input->spool->error;
		return error->code;
	}
	return err;
}
