/* detect_place.c - where a field that a correlation names stands in a record (sigma.h, "places").
 *
 * Encoded by detect.c in the supervisor as the table "detect.places", decoded in each worker, asked
 * by detect_signal.c for each match. Decoding survives any bytes; finding never fails. */
#include "detect.h"

#include "millrace/pack.h"

#define TEXTS_MAX 1000

void detect_places_encode(const struct sigma_set *set, struct mr_buf *out)
{
	mr_pack_array(out, set->place_count);
	for (uint32_t i = 0; i < set->place_count; i++) {
		const struct sigma_place *place = &set->places[i];
		mr_pack_uint(out, place->rule);
		mr_pack_uint(out, place->name);
		mr_pack_uint(out, place->kinds);
		mr_pack_uint(out, place->where);
		mr_pack_array(out, place->texts.count);
		for (uint32_t t = 0; t < place->texts.count; t++)
			mr_pack_bytes(out, place->texts.items[t]);
		mr_pack_array(out, place->slot_count);
		for (uint32_t s = 0; s < place->slot_count; s++) {
			mr_pack_uint(out, place->slots[s].field);
			mr_pack_uint(out, place->slots[s].when);
			mr_pack_bytes(out, place->slots[s].text);
			mr_pack_uint(out, place->slots[s].otherwise);
		}
	}
}

static mr_field unpack_field(struct mr_unpack *in, const struct mr_fields *fields)
{
	return (mr_field)mr_unpack_uint(in, mr_fields_count(fields) - 1);
}

static void unpack_place(struct mr_unpack *in, const struct mr_fields *fields,
			 struct mr_arena *arena, struct sigma_place *out)
{
	*out = (struct sigma_place){0};
	out->rule = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->name = unpack_field(in, fields);
	out->kinds = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->where = unpack_field(in, fields);
	out->texts.count = (uint32_t)mr_unpack_array(in, TEXTS_MAX);
	out->texts.items = mr_arena_alloc(arena, (out->texts.count + 1u) * sizeof(struct mr_slice));
	for (uint32_t t = 0; t < out->texts.count; t++)
		out->texts.items[t] = mr_unpack_bytes(in);
	out->slot_count = (uint32_t)mr_unpack_array(in, SIGMA_SLOTS_MAX);
	for (uint32_t s = 0; s < out->slot_count; s++) {
		struct sigma_slot *slot = &out->slots[s];
		slot->field = unpack_field(in, fields);
		slot->when = unpack_field(in, fields);
		slot->text = mr_unpack_bytes(in);
		slot->otherwise = unpack_field(in, fields);
	}
}

enum mr_err detect_places_decode(struct mr_slice bytes, const struct mr_fields *fields,
				 struct mr_arena *arena, struct detect_places *out,
				 struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	size_t count = mr_unpack_array(&in, UINT32_MAX);
	out->count = (uint32_t)count;
	out->items = mr_arena_alloc(arena, (count + 1) * sizeof *out->items);
	for (size_t i = 0; i < count && mr_unpack_ok(&in); i++)
		unpack_place(&in, fields, arena, &out->items[i]);
	if (mr_unpack_done(&in))
		return MR_OK;
	out->count = 0;
	return mr_error_set(error, MR_BAD_INPUT,
			    "places of fields: not a table that this version of the program makes");
}

struct detect_field detect_field_of(const struct detect_places *places, uint32_t rule,
				    mr_field name)
{
	struct detect_field field = {.name = name};
	uint32_t low = 0;
	uint32_t high = places->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (places->items[middle].rule < rule)
			low = middle + 1;
		else
			high = middle;
	}
	while (low < places->count && places->items[low].rule == rule &&
	       places->items[low].name != name)
		low++;
	while (low + field.count < places->count && places->items[low + field.count].rule == rule &&
	       places->items[low + field.count].name == name)
		field.count++;
	if (field.count > 0)
		field.places = &places->items[low];
	return field;
}

static bool waits(const struct mr_fields *fields, mr_field field)
{
	return field != 0 && field < MR_F_NORMALISED_END && !mr_fields_asked(fields, field);
}

bool detect_field_waits(const struct mr_fields *fields, const struct detect_field *field)
{
	bool found = waits(fields, field->name);
	for (uint32_t i = 0; i < field->count; i++) {
		const struct sigma_place *place = &field->places[i];
		found |= waits(fields, place->where);
		for (uint32_t s = 0; s < place->slot_count; s++)
			found |= waits(fields, place->slots[s].field) ||
				 waits(fields, place->slots[s].when) ||
				 waits(fields, place->slots[s].otherwise);
	}
	return found;
}

/* ---- for a match ---- */

static bool has_text(const struct mr_events *events, const struct mr_event *event, mr_field field,
		     const struct mr_slice *texts, uint32_t count)
{
	for (const struct mr_value *value = mr_event_get(events, event, field); value != NULL;
	     value = mr_value_next(events, value)) {
		for (uint32_t i = 0; i < count && value->type != MR_NULL; i++) {
			if (mr_fold_eq((struct mr_slice){value->text, value->len}, texts[i]))
				return true;
		}
	}
	return false;
}

static bool is_for(const struct mr_events *events, const struct mr_event *event,
		   const struct sigma_place *place)
{
	return (place->kinds >> event->kind & 1u) != 0 &&
	       (place->where == 0 ||
		has_text(events, event, place->where, place->texts.items, place->texts.count));
}

mr_field detect_field_find(const struct mr_events *events, const struct mr_event *event,
			   const struct detect_field *field)
{
	const struct sigma_place *place = NULL;
	for (uint32_t i = 0; i < field->count && place == NULL; i++) {
		if (is_for(events, event, &field->places[i]))
			place = &field->places[i];
	}
	if (place == NULL)
		return field->name;
	mr_field found = 0;
	for (uint32_t i = 0; i < place->slot_count; i++) {
		const struct sigma_slot *slot = &place->slots[i];
		found = slot->when == 0 || has_text(events, event, slot->when, &slot->text, 1)
			    ? slot->field
			    : slot->otherwise;
		if (found != 0 && mr_event_get(events, event, found) != NULL)
			break;
	}
	return found;
}
