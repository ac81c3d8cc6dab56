/* batch.c - batch headers, frame headers and inline records to and from bytes.
 *
 * Called by link.c for each message, by stage_io.c, by the stages that write or read frames.
 * Decoding fails with MR_BAD_INPUT on anything that cannot be a header of this version: link.c
 * makes that MR_PROTOCOL.
 */
#include "millrace/batch.h"

#include "codec.h"

#define HEADER_ITEMS 19

void mr_batch_header_encode(const struct mr_batch_header *header, struct mr_buf *out)
{
	mr_pack_array(out, HEADER_ITEMS);
	mr_pack_uint(out, header->version);
	mr_pack_uint(out, header->kind);
	mr_pack_uint(out, header->content);
	mr_pack_uint(out, header->incarnation);
	mr_pack_uint(out, header->sender);
	mr_pack_uint(out, header->sequence);
	mr_pack_uint(out, header->count);
	mr_pack_uint(out, header->body_len);
	mr_pack_uint(out, header->fields_hash);
	mr_pack_int(out, header->earliest_arrival_us);
	mr_pack_uint(out, header->barrier);
	mr_pack_uint(out, header->sent_batches);
	mr_pack_uint(out, header->sent_items);
	mr_pack_bool(out, header->by_reference);
	mr_pack_uint(out, header->form);
	mr_pack_uint(out, header->source);
	mr_pack_uint(out, header->partition);
	mr_pack_uint(out, header->first_position);
	mr_pack_uint(out, header->next_position);
}

static void unpack_header(struct mr_unpack *in, struct mr_batch_header *out)
{
	mr_unpack_array_of(in, HEADER_ITEMS);
	out->version = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->kind = (enum mr_batch_kind)mr_unpack_uint(in, MR_BATCH_END);
	out->content = (enum mr_content)mr_unpack_uint(in, MR_CONTENT_COUNT - 1);
	out->incarnation = mr_unpack_uint(in, UINT64_MAX);
	out->sender = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->sequence = mr_unpack_uint(in, UINT64_MAX);
	out->count = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->body_len = mr_unpack_uint(in, MR_BATCH_REGION_MAX);
	out->fields_hash = mr_unpack_uint(in, UINT64_MAX);
	out->earliest_arrival_us = mr_unpack_int(in);
	out->barrier = mr_unpack_uint(in, UINT64_MAX);
	out->sent_batches = mr_unpack_uint(in, UINT64_MAX);
	out->sent_items = mr_unpack_uint(in, UINT64_MAX);
	out->by_reference = mr_unpack_bool(in);
	out->form = (enum mr_form)mr_unpack_uint(in, MR_FORM_ITEMS);
	out->source = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->partition = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->first_position = mr_unpack_uint(in, UINT64_MAX);
	out->next_position = mr_unpack_uint(in, UINT64_MAX);
}

/* What is wrong between the parts of a header, or NULL. */
static const char *contradiction(const struct mr_batch_header *header)
{
	bool data = header->kind == MR_BATCH_DATA;
	bool records = header->content == MR_CONTENT_RECORDS;
	if (header->kind < MR_BATCH_DATA)
		return "its kind is none of data, barrier and end";
	if (data != (header->content != MR_CONTENT_NONE))
		return "data has a content, barriers and ends have none";
	if (header->kind == MR_BATCH_END && (header->body_len != 0 || header->count != 0))
		return "an end has no body";
	if (records != (header->form != 0))
		return "records have a form, other contents have none";
	if (header->by_reference && !records)
		return "only records go by reference";
	if (header->form == MR_FORM_ITEMS && header->by_reference)
		return "items do not go by reference";
	if (header->form == MR_FORM_ITEMS && header->body_len / MR_ITEM_HEADER < header->count)
		return "its body has no room for its items";
	if (!header->by_reference && header->body_len > MR_BATCH_BODY_MAX)
		return "its body is longer than a message may be";
	if (header->next_position < header->first_position)
		return "its region ends before it begins";
	uint64_t region = header->form == MR_FORM_ITEMS ? 0 : header->body_len;
	if (records && header->next_position - header->first_position != region)
		return "its region is not as long as its body";
	return NULL;
}

enum mr_err mr_batch_header_decode(struct mr_slice bytes, struct mr_batch_header *out,
				   struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	*out = (struct mr_batch_header){0};
	unpack_header(&in, out);
	if (!mr_unpack_done(&in))
		return mr_error_set(error, MR_BAD_INPUT,
				    "%zu bytes do not decode as a batch header", bytes.len);
	if (out->version != MR_BATCH_VERSION)
		return mr_error_set(
		    error, MR_BAD_INPUT,
		    "the batch header is of version %u, this program speaks version %d",
		    out->version, MR_BATCH_VERSION);
	const char *wrong = contradiction(out);
	if (wrong != NULL)
		return mr_error_set(error, MR_BAD_INPUT, "the batch header contradicts itself: %s",
				    wrong);
	return MR_OK;
}

/* ---- frames ---- */

void mr_frame_encode(const struct mr_frame *frame, char out[MR_FRAME_HEADER])
{
	mr_put_le(out, frame->length, 4);
	mr_put_le(out + 4, frame->name, 4);
	mr_put_le(out + 8, frame->offset, 8);
}

void mr_frame_decode(const char in[MR_FRAME_HEADER], struct mr_frame *out)
{
	out->length = (uint32_t)mr_get_le(in, 4);
	out->name = (uint32_t)mr_get_le(in + 4, 4);
	out->offset = mr_get_le(in + 8, 8);
}

/* ---- inline records ---- */

void mr_record_encode(const struct mr_record *record, struct mr_buf *out)
{
	char *head = mr_buf_reserve(out, MR_ITEM_HEADER + record->bytes.len);
	mr_frame_encode(&(struct mr_frame){.length = (uint32_t)record->bytes.len,
					   .name = record->name,
					   .offset = record->offset},
			head);
	mr_put_le(head + MR_FRAME_HEADER, record->origin.source, 4);
	mr_put_le(head + MR_FRAME_HEADER + 4, record->origin.partition, 4);
	mr_put_le(head + MR_FRAME_HEADER + 8, record->origin.position, 8);
	mr_put_le(head + MR_FRAME_HEADER + 16, (uint64_t)record->arrival_us, 8);
	out->len += MR_ITEM_HEADER;
	mr_buf_add(out, record->bytes.at, record->bytes.len);
}

enum mr_err mr_record_decode(struct mr_slice bytes, size_t *at, struct mr_record *out,
			     struct mr_error *error)
{
	size_t left = *at <= bytes.len ? bytes.len - *at : 0;
	const char *head = bytes.at + *at;
	struct mr_frame frame = {0};
	if (left >= MR_ITEM_HEADER)
		mr_frame_decode(head, &frame);
	if (left < MR_ITEM_HEADER || frame.length > left - MR_ITEM_HEADER)
		return mr_error_set(
		    error, MR_BAD_INPUT,
		    "the record at byte %zu of a body of %zu bytes reaches past its end", *at,
		    bytes.len);
	*out = (struct mr_record){
	    .bytes = {head + MR_ITEM_HEADER, frame.length},
	    .origin = {.source = (uint32_t)mr_get_le(head + MR_FRAME_HEADER, 4),
		       .partition = (uint32_t)mr_get_le(head + MR_FRAME_HEADER + 4, 4),
		       .position = mr_get_le(head + MR_FRAME_HEADER + 8, 8),
		       .length = frame.length},
	    .name = frame.name,
	    .offset = frame.offset,
	    .arrival_us = (int64_t)mr_get_le(head + MR_FRAME_HEADER + 16, 8),
	};
	*at += MR_ITEM_HEADER + frame.length;
	return MR_OK;
}
