/* event.c - chunks of events: fields by id, values chained. Called by parse, enrich, detect. */
#include "millrace/event.h"

#include <assert.h>
#include <stdlib.h>

struct mr_slice mr_record_kind_name(enum mr_record_kind kind)
{
	static const struct mr_slice names[] = {
#define X(symbol, name, prose) {name, sizeof name - 1},
#include "millrace/record_kind.def"
#undef X
	};
	assert(kind < MR_KIND_COUNT);
	return names[kind];
}

void mr_events_init(struct mr_events *events, const struct mr_fields *fields, uint32_t capacity)
{
	uint32_t stride = ((uint32_t)mr_fields_count(fields) + 15) & ~15u;
	*events = (struct mr_events){
	    .fields = fields,
	    .items = mr_calloc(capacity, sizeof *events->items),
	    .capacity = capacity,
	    .stride = stride,
	    .first_block = mr_malloc((size_t)capacity * 2 * stride * sizeof *events->first_block),
	    .value_capacity = 64 * capacity,
	};
	events->values = mr_malloc(events->value_capacity * sizeof *events->values);
}

void mr_events_fini(struct mr_events *events)
{
	free(events->items);
	free(events->first_block);
	free(events->values);
	mr_arena_fini(&events->arena);
	*events = (struct mr_events){0};
}

void mr_events_reset(struct mr_events *events)
{
	events->count = 0;
	events->value_count = 0;
	mr_arena_reset(&events->arena);
}

struct mr_event *mr_events_push(struct mr_events *events)
{
	if (events->count == events->capacity)
		return NULL;
	struct mr_event *event = &events->items[events->count];
	uint32_t *block = events->first_block + (size_t)events->count * 2 * events->stride;
	*event = (struct mr_event){.first = block, .last = block + events->stride};
	memset(event->first, 0, events->stride * sizeof *event->first);
	events->count++;
	return event;
}

void mr_events_pop(struct mr_events *events)
{
	assert(events->count > 0);
	events->count--;
	if (events->count == 0)
		mr_events_reset(events);
}

struct mr_value *mr_event_room(struct mr_events *events, uint32_t count)
{
	if (events->value_capacity - events->value_count < count) {
		events->value_capacity =
		    (uint32_t)mr_grow(events->value_capacity, events->value_count + (size_t)count);
		events->values =
		    mr_realloc(events->values, events->value_capacity * sizeof *events->values);
	}
	return &events->values[events->value_count];
}

void mr_event_add(struct mr_events *events, struct mr_event *event, mr_field field,
		  const struct mr_value *value)
{
	struct mr_value copy = *value; /* may lie in the array that grows */
	copy.next = 0;
	*mr_event_new(events, event, field) = copy;
}

void mr_event_add_int(struct mr_events *events, struct mr_event *event, mr_field field,
		      int64_t number)
{
	char *room = mr_arena_alloc(&events->arena, MR_DECIMAL_ROOM);
	struct mr_slice digits = mr_decimal_int(number, room);
	*mr_event_new(events, event, field) = (struct mr_value){
	    .text = digits.at, .len = (uint32_t)digits.len, .type = MR_INT, .num = {.i = number}};
}

void mr_event_add_bool(struct mr_events *events, struct mr_event *event, mr_field field, bool yes)
{
	*mr_event_new(events, event, field) = (struct mr_value){
	    .text = yes ? "true" : "false", .len = yes ? 4 : 5, .type = MR_BOOL, .num = {.i = yes}};
}

void mr_event_add_double(struct mr_events *events, struct mr_event *event, mr_field field,
			 double number, struct mr_slice text)
{
	*mr_event_new(events, event, field) = (struct mr_value){
	    .text = text.at, .len = (uint32_t)text.len, .type = MR_DOUBLE, .num = {.d = number}};
}

struct mr_slice mr_event_text(const struct mr_events *events, const struct mr_event *event,
			      mr_field field)
{
	const struct mr_value *value = mr_event_get(events, event, field);
	if (value == NULL || value->type == MR_NULL)
		return (struct mr_slice){"", 0};
	return (struct mr_slice){value->text, value->len};
}
