/* record.c - reads evidence again from where it lies (PROTOCOL.md 3.4).
 *
 * Called by ocsf_evidence.c. Between the record's arrival and its alert the file may have been cut,
 * or changed: then the alert says so in the record's place, and what is there is not shown. */
#include "record.h"

#include <stdlib.h>

#include "millrace/batch.h"
#include "millrace/log.h"
#include "millrace/repair.h"

/* A record nested deeper is shown as text: readers of JSON have limits of their own. */
#define EMBED_DEPTH 64

void record_reader_init(struct record_reader *reader, const struct mr_files *files,
			size_t max_json_bytes)
{
	size_t longest = mr_repair_max(max_json_bytes);
	if (longest > MR_JSON_BYTES_MAX)
		longest = MR_JSON_BYTES_MAX;
	*reader =
	    (struct record_reader){.files = files,
				   .json = mr_json_reader_new(longest),
				   .shapes = mr_calloc(MR_JSON_SHAPES, sizeof(*reader->shapes)),
				   .max_json_bytes = max_json_bytes};
	/* Records that one rule finds are alike: known by their shape they take 8,300 instructions
	 * to read again, not 14,500. */
	mr_json_reader_learns(reader->json);
}

void record_reader_fini(struct record_reader *reader)
{
	if (reader->json != NULL)
		mr_json_reader_free(reader->json);
	free(reader->shapes);
	mr_buf_fini(&reader->buf);
	mr_buf_fini(&reader->repaired);
	*reader = (struct record_reader){0};
}

static bool is_flat_object(const struct mr_json_reader *json, struct mr_json_node root)
{
	return mr_json_kind(json, root) == MR_JSON_OBJECT &&
	       mr_json_depth(json, root) <= EMBED_DEPTH;
}

static bool can_embed(struct record_reader *reader, struct mr_slice bytes)
{
	const struct mr_json_reader *json = reader->json;
	struct mr_json_node root;
	if (mr_json_read(reader->json, bytes, &root, NULL) != MR_OK)
		return false;
	if (json->shape == 0)
		return is_flat_object(json, root);
	struct record_shape *shape = &reader->shapes[json->shape_slot];
	if (shape->number != json->shape)
		*shape = (struct record_shape){json->shape, is_flat_object(json, root)};
	return shape->fits;
}

/* What parse judged was the record or its repaired text: that is what is shown. */
static void embed(struct record_reader *reader, struct record *out)
{
	if (out->bytes.len > reader->max_json_bytes)
		return;
	out->json = can_embed(reader, out->bytes);
	if (out->json)
		return;
	struct mr_buf *repaired = &reader->repaired;
	repaired->len = 0;
	char *room = mr_buf_reserve(repaired, mr_repair_max(out->bytes.len) + MR_JSON_PADDING);
	size_t len = mr_repair(out->bytes, room);
	if (len == 0)
		return;
	memset(room + len, 0, MR_JSON_PADDING);
	struct mr_slice text = {room, len};
	out->json = can_embed(reader, text);
	if (out->json)
		out->bytes = text;
}

/* The bytes into the buffer, with what stands before them where that is a frame's header. */
static enum mr_err read_again(struct record_reader *reader, const struct mr_origin *origin,
			      bool framed, struct mr_error *error)
{
	size_t before = framed ? MR_FRAME_HEADER : 0;
	size_t len = before + origin->length;
	if (origin->length > MR_BATCH_REGION_MAX || origin->position < before)
		return mr_error_set(error, MR_BAD_INPUT,
				    "no record lies at byte %llu with %u bytes",
				    (unsigned long long)origin->position, origin->length);
	reader->buf.len = 0;
	char *at = mr_buf_reserve(&reader->buf, len + MR_JSON_PADDING);
	enum mr_err err = mr_files_read(reader->files, origin->partition, origin->position - before,
					at, len, error);
	if (err == MR_OK)
		reader->buf.len = len;
	return err;
}

static void take_inline(struct record_reader *reader, struct mr_slice bytes, struct record *out)
{
	reader->buf.len = 0;
	mr_buf_add(&reader->buf, bytes.at, bytes.len);
	mr_buf_reserve(&reader->buf, MR_JSON_PADDING);
	out->bytes = (struct mr_slice){reader->buf.data, bytes.len};
}

static void take_referred(struct record_reader *reader, const struct mr_origin *origin,
			  struct record *out, struct mr_error *error)
{
	bool framed = mr_files_has_frames(out->source);
	if (read_again(reader, origin, framed, error) != MR_OK)
		return;
	size_t before = framed ? MR_FRAME_HEADER : 0;
	out->bytes = (struct mr_slice){reader->buf.data + before, origin->length};
	if (framed) {
		struct mr_frame frame;
		mr_frame_decode(reader->buf.data, &frame);
		struct mr_slice name = mr_files_name(reader->files, frame.name);
		if (frame.length == origin->length && name.len > 0) {
			out->source = name;
			out->offset = frame.offset;
		}
	}
}

void record_fetch(struct record_reader *reader, const struct mr_evidence *evidence,
		  struct record *out)
{
	const struct mr_origin *origin = &evidence->origin;
	struct mr_error error = {0};
	struct mr_slice file = mr_files_name(reader->files, origin->partition);
	*out = (struct record){.source = file, .offset = origin->position};
	bool journal =
	    mr_files_has_frames(file) && !mr_slice_eq(file, MR_SLICE(MR_FRAMES_FILE_NAME));
	if (evidence->record.len > 0)
		take_inline(reader, evidence->record, out);
	else
		take_referred(reader, origin, out, &error);
	if (error.code == MR_OK && mr_hash64(out->bytes.at, out->bytes.len, 0) != origin->hash)
		mr_error_set(
		    &error, MR_BAD_INPUT,
		    "%.*s: the %u bytes at byte %llu are no longer the record that was judged",
		    (int)(file.len < 200 ? file.len : 200), file.at, origin->length,
		    (unsigned long long)origin->position);
	if (error.code == MR_OK) {
		embed(reader, out);
		return;
	}
	out->bytes = (struct mr_slice){"", 0};
	/* The number of a segment that went may be another one's by now: what it says of a record's
	 * source is another record's. */
	if (journal || error.code == MR_NOT_FOUND) {
		mr_error_prefix(&error,
				"the journal holds it no more (journal_age, journal_bytes), "
				"or is damaged");
		out->source = MR_SLICE("");
		out->offset = origin->position;
	}
	strncpy(out->problem, error.text, sizeof(out->problem) - 1);
	mr_log(MR_LOG_WARNING, "evidence cannot be shown: %s", out->problem);
}
