/* fields.c - the fields of the items of a section, as bytes and back.
 *
 * An item keeps its fields as it has them, packed, by ids; behind the keys stand the names of all
 * that items have, since ids are a run's own. With the names in each item, of thirty fields then,
 * they were two in five of a snapshot's bytes, and to look for them was half of the work of a
 * restore. How far behind the keys end and the names begin, is known last and stands first: so
 * whoever reads has the names before the first item. Called by snapshot.c; bytes that are of no
 * such form, or a field that has no name, make the cursor bad. */
#include "fields.h"

#include <stdlib.h>

#define DISTANCE_BYTES 8
#define NAME_PARTS 2
#define FIELD_PARTS 3 /* before there were names */

/* ---- to bytes ---- */

void corr_fields_put(struct corr *corr, const struct corr_item *item, struct mr_buf *out)
{
	struct mr_slice bytes = corr_item_fields(item).bytes;
	mr_packed_gather(bytes, corr->section->fields);
	mr_pack_bytes(out, bytes);
}

size_t corr_names_begin(struct mr_buf *out)
{
	mr_pack_room(out, DISTANCE_BYTES);
	return out->len;
}

static size_t set_count(const uint64_t *set)
{
	size_t count = 0;
	for (size_t i = 0; i < MR_FIELD_SET_WORDS; i++)
		count += (size_t)__builtin_popcountll(set[i]);
	return count;
}

void corr_names_put(struct corr *corr, size_t from, struct mr_buf *out)
{
	const uint64_t *set = corr->section->fields;
	uint64_t distance = out->len - from;
	for (unsigned i = 0; i < DISTANCE_BYTES; i++)
		out->data[from - DISTANCE_BYTES + i] = (char)(distance >> 8 * i);
	mr_pack_array(out, NAME_PARTS * set_count(set));
	for (size_t i = 0; i < MR_FIELD_SET_WORDS; i++) {
		for (uint64_t left = set[i]; left != 0; left &= left - 1) {
			mr_field id = (mr_field)(64 * i + (size_t)__builtin_ctzll(left));
			mr_pack_uint(out, id);
			mr_pack_bytes(out, mr_fields_name(corr->env->fields, id));
		}
	}
}

/* ---- from bytes ---- */

/* The first id that is another one now: those before it are the same. Mostly there is none. */
static void differ(struct corr_section *section, uint64_t first)
{
	section->same = false;
	section->now = mr_malloc(((size_t)MR_FIELDS_MAX + 1) * sizeof(*section->now));
	for (uint64_t id = 0; id < first; id++)
		section->now[id] = (mr_field)id;
}

/* From the lowest id up. */
static void get_names(struct corr *corr, struct mr_unpack *in)
{
	struct corr_section *section = corr->section;
	size_t items = mr_unpack_array(in, SIZE_MAX);
	uint64_t highest = 0;
	section->same = true;
	in->bad |= items % NAME_PARTS != 0;
	for (size_t i = 0; i < items / NAME_PARTS && mr_unpack_ok(in); i++) {
		uint64_t id = mr_unpack_uint(in, MR_FIELDS_MAX);
		mr_field now = mr_fields_find(corr->env->fields, mr_unpack_bytes(in));
		in->bad |= id <= highest;
		highest = id;
		section->fields[id / 64] |= UINT64_C(1) << id % 64;
		if (section->same && now != id)
			differ(section, id);
		if (!section->same)
			section->now[id] = now;
	}
	in->bad |= !mr_unpack_done(in);
}

void corr_names_get(struct corr *corr, struct mr_unpack *in)
{
	struct mr_slice said = mr_unpack_bytes(in);
	uint64_t distance = 0;
	for (unsigned i = 0; i < DISTANCE_BYTES && said.len == DISTANCE_BYTES; i++)
		distance |= (uint64_t)(uint8_t)said.at[i] << 8 * i;
	size_t left = (size_t)(in->end - in->at);
	if (said.len != DISTANCE_BYTES || distance > left) {
		in->bad = true;
		return;
	}
	struct mr_unpack names = mr_unpack((struct mr_slice){in->at + distance, left - distance});
	get_names(corr, &names);
	in->end = in->at + distance;
	in->bad |= !mr_unpack_ok(&names);
}

/* Fields whose name this run does not know are left out. */
static void field_add(struct mr_signal *signal, struct mr_signal_field *fields, mr_field field,
		      const struct mr_signal_field *like)
{
	if (field == 0 || like->type == MR_NULL)
		return;
	fields[signal->field_count] = *like;
	fields[signal->field_count++].field = field;
}

static void get_named(struct corr *corr, struct mr_unpack *in, struct mr_signal *signal)
{
	size_t count = mr_unpack_array(in, MR_SIGNAL_FIELDS_MAX);
	struct mr_signal_field *fields = mr_arena_alloc(&corr->arena, count * sizeof(*fields));
	for (size_t i = 0; i < count; i++) {
		mr_unpack_array_of(in, FIELD_PARTS);
		mr_field field = mr_fields_find(corr->env->fields, mr_unpack_bytes(in));
		struct mr_signal_field like = {0};
		like.type = (enum mr_type)mr_unpack_uint(in, MR_JSON);
		like.text = mr_unpack_bytes(in);
		if (mr_unpack_ok(in))
			field_add(signal, fields, field, &like);
	}
	signal->packed = mr_fields_pack(&corr->arena, fields, signal->field_count);
}

void corr_fields_get(struct corr *corr, struct mr_unpack *in, struct mr_signal *signal)
{
	const struct corr_section *section = corr->section;
	if (section->version < CORR_NAMES_SINCE) {
		get_named(corr, in, signal);
		return;
	}
	struct mr_packed packed = mr_unpack_packed(in);
	in->bad |= !mr_packed_within(packed.bytes, section->fields);
	if (!mr_unpack_ok(in))
		return;
	if (section->same) {
		signal->packed = packed;
		signal->field_count = packed.count;
		return;
	}
	struct mr_packed_at at = mr_packed_begin(packed.bytes);
	struct mr_signal_field field;
	struct mr_signal_field *fields =
	    mr_arena_alloc(&corr->arena, packed.count * sizeof(*fields));
	while (mr_packed_next(&at, &field))
		field_add(signal, fields, section->now[field.field], &field);
	signal->packed = mr_fields_pack(&corr->arena, fields, signal->field_count);
}
