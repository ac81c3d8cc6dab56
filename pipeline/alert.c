/* alert.c - alerts and rejected records to and from bytes, and an alert's id.
 *
 * Encoded by correlate (alerts), collect and parse (rejects) through the writer, decoded by deliver
 * through the reader. Decoding fails with MR_BAD_INPUT on anything that encode does not make;
 * catalog indices, field ids and file numbers are for the reader to check against what they point
 * into. */
#include "millrace/alert.h"

#include <assert.h>

#include "codec.h"

#define ALERT_ITEMS 18
#define EVIDENCE_ITEMS 11
#define REJECT_ITEMS 6

/* ---- the id ---- */

static void add_part(struct mr_buf *out, struct mr_slice part)
{
	mr_buf_add_le(out, part.len, 8);
	if (part.len > 0)
		mr_buf_add(out, part.at, part.len);
}

void mr_alert_id(struct mr_slice tenant, struct mr_slice rule_id, struct mr_slice kind_name,
		 const struct mr_slice *key, size_t key_count, int64_t slot,
		 uint8_t out[MR_ALERT_ID_BYTES])
{
	/* Every part goes in behind its length, so that no two sets of parts give the same bytes.
	 */
	struct mr_buf bytes = {0};
	uint8_t digest[32];
	add_part(&bytes, tenant);
	add_part(&bytes, rule_id);
	add_part(&bytes, kind_name);
	mr_buf_add_le(&bytes, key_count, 8);
	for (size_t i = 0; i < key_count; i++)
		add_part(&bytes, key[i]);
	mr_buf_add_le(&bytes, (uint64_t)slot, 8);
	mr_sha256(bytes.data, bytes.len, digest);
	memcpy(out, digest, MR_ALERT_ID_BYTES);
	mr_buf_fini(&bytes);
}

/* ---- alerts ---- */

static void pack_evidence(struct mr_buf *out, const struct mr_evidence *evidence)
{
	mr_pack_array(out, EVIDENCE_ITEMS);
	mr_pack_uint(out, evidence->rule);
	mr_pack_uint(out, evidence->kind);
	mr_pack_bool(out, evidence->has_time);
	mr_pack_int(out, evidence->time_us);
	mr_pack_int(out, evidence->arrival_us);
	mr_pack_bytes(out, evidence->record_id);
	mr_pack_origin(out, &evidence->origin);
	mr_pack_bytes(out, evidence->record);
	mr_pack_fields(out, evidence->fields, evidence->field_count, &evidence->packed);
	mr_pack_bytes(out, evidence->inner_id);
	mr_pack_matched(out, evidence->matched, evidence->matched_count);
}

/* Who writes an alert asks each piece of evidence for some hundred fields, most of which it has
 * not: to look for each among all was an eighth of what an alert costs deliver. */
static const uint16_t *first_of_each(struct mr_arena *arena, const struct mr_signal_field *fields,
				     uint32_t count)
{
	uint16_t *first = mr_arena_alloc(arena, MR_F_NORMALISED_END * sizeof(*first));
	memset(first, 0, MR_F_NORMALISED_END * sizeof(*first));
	for (uint32_t i = count; i-- > 0;)
		if (fields[i].field < MR_F_NORMALISED_END)
			first[fields[i].field] = (uint16_t)(i + 1);
	return first;
}

static void unpack_evidence(struct mr_unpack *in, struct mr_arena *arena, struct mr_evidence *out)
{
	mr_unpack_array_of(in, EVIDENCE_ITEMS);
	out->rule = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->kind = (enum mr_record_kind)mr_unpack_uint(in, MR_KIND_COUNT - 1);
	out->has_time = mr_unpack_bool(in);
	out->time_us = mr_unpack_int(in);
	out->arrival_us = mr_unpack_int(in);
	out->record_id = mr_unpack_bytes(in);
	mr_unpack_origin(in, &out->origin);
	out->record = mr_unpack_bytes(in);
	out->fields = mr_unpack_fields(in, arena, &out->field_count);
	out->packed = (struct mr_packed){0};
	out->first = first_of_each(arena, out->fields, out->field_count);
	out->inner_id = mr_unpack_bytes(in);
	if (out->inner_id.len != 0 && out->inner_id.len != MR_ALERT_ID_BYTES)
		mr_unpack_spoil(in);
	out->matched = mr_unpack_matched(in, arena, &out->matched_count);
}

void mr_alert_encode(const struct mr_alert *alert, struct mr_buf *out)
{
	assert(alert->key_count <= MR_GROUP_BY_MAX && alert->evidence_count <= MR_EVIDENCE_MAX);
	mr_pack_array(out, ALERT_ITEMS);
	mr_pack_bytes(out, (struct mr_slice){(const char *)alert->id, MR_ALERT_ID_BYTES});
	mr_pack_uint(out, alert->activity);
	mr_pack_bool(out, alert->announcement);
	mr_pack_uint(out, alert->rule);
	mr_pack_int(out, alert->arrival_us);
	mr_pack_bytes(out, alert->tenant);
	mr_pack_slices(out, alert->key, alert->key_count);
	mr_pack_int(out, alert->slot);
	mr_pack_bool(out, alert->has_time);
	mr_pack_int(out, alert->first_time_us);
	mr_pack_int(out, alert->last_time_us);
	mr_pack_uint(out, alert->event_count);
	mr_pack_uint(out, alert->value_count);
	mr_pack_bool(out, alert->lower_bound);
	mr_pack_bytes(out, alert->value);
	mr_pack_int(out, alert->value_time_us);
	mr_pack_uint(out, alert->shed);
	mr_pack_array(out, alert->evidence_count);
	for (uint32_t i = 0; i < alert->evidence_count; i++)
		pack_evidence(out, &alert->evidence[i]);
}

static void unpack_head(struct mr_unpack *in, struct mr_alert *out)
{
	struct mr_slice id = mr_unpack_bytes(in);
	if (id.len == MR_ALERT_ID_BYTES)
		memcpy(out->id, id.at, MR_ALERT_ID_BYTES);
	else
		mr_unpack_spoil(in);
	out->activity = (enum mr_activity)mr_unpack_uint(in, MR_ACTIVITY_CLOSE);
	if (out->activity < MR_ACTIVITY_CREATE)
		mr_unpack_spoil(in);
	out->announcement = mr_unpack_bool(in);
	out->rule = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->arrival_us = mr_unpack_int(in);
	out->tenant = mr_unpack_bytes(in);
	out->key_count = mr_unpack_keys(in, out->key);
	out->slot = mr_unpack_int(in);
	out->has_time = mr_unpack_bool(in);
	out->first_time_us = mr_unpack_int(in);
	out->last_time_us = mr_unpack_int(in);
	out->event_count = mr_unpack_uint(in, UINT64_MAX);
	out->value_count = mr_unpack_uint(in, UINT64_MAX);
	out->lower_bound = mr_unpack_bool(in);
	out->value = mr_unpack_bytes(in);
	out->value_time_us = mr_unpack_int(in);
	out->shed = mr_unpack_uint(in, UINT64_MAX);
}

enum mr_err mr_alert_decode(struct mr_slice bytes, size_t *at, struct mr_arena *arena,
			    struct mr_alert *out, struct mr_error *error)
{
	struct mr_unpack in = mr_unpack_from(bytes, *at);
	mr_unpack_array_of(&in, ALERT_ITEMS);
	unpack_head(&in, out);
	out->evidence_count = (uint32_t)mr_unpack_array(&in, MR_EVIDENCE_MAX);
	for (uint32_t i = 0; i < out->evidence_count; i++)
		unpack_evidence(&in, arena, &out->evidence[i]);
	for (uint32_t i = out->evidence_count; i < MR_EVIDENCE_MAX; i++)
		out->evidence[i] = (struct mr_evidence){0};
	return mr_unpack_item_end(&in, bytes, at, "alert", error);
}

/* ---- rejects ---- */

void mr_reject_encode(const struct mr_reject *reject, struct mr_buf *out)
{
	mr_pack_array(out, REJECT_ITEMS);
	mr_pack_origin(out, &reject->origin);
	mr_pack_uint(out, reject->length);
	mr_pack_bytes(out, reject->name);
	mr_pack_uint(out, reject->offset);
	mr_pack_bytes(out, reject->reason);
	mr_pack_bytes(out, reject->bytes);
}

enum mr_err mr_reject_decode(struct mr_slice bytes, size_t *at, struct mr_reject *out,
			     struct mr_error *error)
{
	struct mr_unpack in = mr_unpack_from(bytes, *at);
	mr_unpack_array_of(&in, REJECT_ITEMS);
	mr_unpack_origin(&in, &out->origin);
	out->length = mr_unpack_uint(&in, UINT64_MAX);
	out->name = mr_unpack_bytes(&in);
	out->offset = mr_unpack_uint(&in, UINT64_MAX);
	out->reason = mr_unpack_bytes(&in);
	out->bytes = mr_unpack_bytes(&in);
	return mr_unpack_item_end(&in, bytes, at, "rejected record", error);
}
