/* batch_event.c - events to and from bytes, where a chain is cut between parse and detect.
 *
 * Encoded by the writer, decoded by the reader, so that enrich and detect see the same struct
 * mr_events as in a fused chain. A value that is a piece of the record's own text, as most are,
 * goes as its place in it. Decoding fails with MR_BAD_INPUT on anything that encode does not make,
 * and leaves no event behind. */
#include "millrace/batch.h"

#include "codec.h"

#define EVENT_ITEMS 11
#define VALUE_ITEMS 5
#define VALUES_MAX (1u << 24)

/* Where `text` lies in `json`: its offset and one, or 0 where it lies elsewhere. */
static uint64_t place_in(struct mr_slice json, const struct mr_value *value)
{
	uintptr_t base = (uintptr_t)json.at;
	uintptr_t text = (uintptr_t)value->text;
	if (value->len == 0 || text < base || text - base > json.len ||
	    json.len - (text - base) < value->len)
		return 0;
	return text - base + 1;
}

static void pack_number(struct mr_buf *out, const struct mr_value *value)
{
	switch (value->type) {
	case MR_BOOL:
	case MR_INT:
		mr_pack_int(out, value->num.i);
		break;
	case MR_UINT:
		mr_pack_uint(out, value->num.u);
		break;
	case MR_DOUBLE:
		mr_pack_double(out, value->num.d);
		break;
	case MR_NULL:
	case MR_STRING:
	case MR_JSON:
		mr_pack_int(out, 0);
		break;
	}
}

static void pack_value(struct mr_buf *out, struct mr_slice json, mr_field field,
		       const struct mr_value *value)
{
	uint64_t place = value->type == MR_NULL ? 0 : place_in(json, value);
	mr_pack_array(out, VALUE_ITEMS);
	mr_pack_uint(out, field);
	mr_pack_uint(out, value->type);
	mr_pack_uint(out, place);
	if (place != 0)
		mr_pack_uint(out, value->len);
	else if (value->type == MR_NULL)
		mr_pack_bytes(out, (struct mr_slice){"", 0});
	else
		mr_pack_bytes(out, (struct mr_slice){value->text, value->len});
	pack_number(out, value);
}

static void pack_values(const struct mr_events *events, const struct mr_event *event,
			struct mr_buf *out)
{
	size_t field_count = mr_fields_count(events->fields);
	size_t count = 0;
	for (size_t field = 1; field < field_count; field++) {
		const struct mr_value *value = mr_event_get(events, event, (mr_field)field);
		for (; value != NULL; value = mr_value_next(events, value))
			count++;
	}
	mr_pack_array(out, count);
	for (size_t field = 1; field < field_count; field++) {
		const struct mr_value *value = mr_event_get(events, event, (mr_field)field);
		for (; value != NULL; value = mr_value_next(events, value))
			pack_value(out, event->json, (mr_field)field, value);
	}
}

void mr_event_encode(const struct mr_events *events, const struct mr_event *event,
		     struct mr_buf *out)
{
	bool as_it_came = event->json.at == event->raw.at && event->json.len == event->raw.len;
	mr_pack_array(out, EVENT_ITEMS);
	mr_pack_bytes(out, event->raw);
	mr_pack_bool(out, as_it_came);
	mr_pack_bytes(out, as_it_came ? (struct mr_slice){"", 0} : event->json);
	mr_pack_origin(out, &event->origin);
	mr_pack_bytes(out, event->tenant);
	mr_pack_bytes(out, event->id);
	mr_pack_uint(out, event->kind);
	mr_pack_bool(out, event->has_time);
	mr_pack_int(out, event->time_us);
	mr_pack_int(out, event->arrival_us);
	pack_values(events, event, out);
}

static void unpack_number(struct mr_unpack *in, struct mr_value *out)
{
	switch (out->type) {
	case MR_BOOL:
		out->num.i = (int64_t)mr_unpack_uint(in, 1);
		break;
	case MR_INT:
		out->num.i = mr_unpack_int(in);
		break;
	case MR_UINT:
		out->num.u = mr_unpack_uint(in, UINT64_MAX);
		break;
	case MR_DOUBLE:
		out->num.d = mr_unpack_double(in);
		break;
	case MR_NULL:
	case MR_STRING:
	case MR_JSON:
		mr_unpack_uint(in, 0);
		break;
	}
}

static void unpack_value(struct mr_unpack *in, struct mr_events *events, struct mr_event *event)
{
	struct mr_value value = {0};
	struct mr_slice json = event->json;
	mr_unpack_array_of(in, VALUE_ITEMS);
	uint64_t field = mr_unpack_uint(in, mr_fields_count(events->fields) - 1);
	value.type = (enum mr_type)mr_unpack_uint(in, MR_JSON);
	uint64_t place = mr_unpack_uint(in, json.len);
	if (place != 0) {
		value.len = (uint32_t)mr_unpack_uint(in, json.len - (place - 1));
		value.text = json.at + (place - 1);
	} else {
		struct mr_slice text = mr_unpack_bytes(in);
		value.len = (uint32_t)text.len;
		value.text = text.at;
	}
	unpack_number(in, &value);
	if (field == 0)
		mr_unpack_spoil(in);
	if (mr_unpack_ok(in))
		mr_event_add(events, event, (mr_field)field, &value);
}

static void unpack_event(struct mr_unpack *in, struct mr_events *events, struct mr_event *event)
{
	mr_unpack_array_of(in, EVENT_ITEMS);
	event->raw = mr_unpack_bytes(in);
	bool as_it_came = mr_unpack_bool(in);
	struct mr_slice json = mr_unpack_bytes(in);
	event->json = as_it_came ? event->raw : json;
	if (as_it_came && json.len != 0)
		mr_unpack_spoil(in);
	mr_unpack_origin(in, &event->origin);
	event->tenant = mr_unpack_bytes(in);
	if (event->tenant.len == 0)
		mr_unpack_spoil(in);
	event->id = mr_unpack_bytes(in);
	event->kind = (enum mr_record_kind)mr_unpack_uint(in, MR_KIND_COUNT - 1);
	event->has_time = mr_unpack_bool(in);
	event->time_us = mr_unpack_int(in);
	event->arrival_us = mr_unpack_int(in);
	size_t count = mr_unpack_array(in, VALUES_MAX);
	for (size_t i = 0; i < count && mr_unpack_ok(in); i++)
		unpack_value(in, events, event);
}

enum mr_err mr_event_decode(struct mr_slice bytes, size_t *at, struct mr_events *events,
			    struct mr_error *error)
{
	struct mr_event *event = mr_events_push(events);
	if (event == NULL)
		return MR_FULL;
	struct mr_unpack in = mr_unpack_from(bytes, *at);
	unpack_event(&in, events, event);
	enum mr_err err = mr_unpack_item_end(&in, bytes, at, "event", error);
	if (err != MR_OK)
		mr_events_pop(events);
	return err;
}
