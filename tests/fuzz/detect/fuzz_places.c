/* fuzz_places.c - any bytes as the table "detect.places": refused, or places whose fields are in
 * the dictionary, so that asking an event for them is safe. */
#include <stdlib.h>

#include "detect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAMES 6

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* An event with a text in each of the last fields. */
static void make_event(struct mr_events *events, const struct mr_fields *fields)
{
	struct mr_event *event = mr_events_push(events);
	event->kind = MR_KIND_UAL;
	for (size_t id = mr_fields_count(fields) - NAMES; id < mr_fields_count(fields); id++)
		mr_event_add_text(events, event, (mr_field)id, MR_SLICE("x"));
}

static void ask(const struct detect_places *places, const struct mr_fields *fields,
		const struct mr_events *events)
{
	for (uint32_t i = 0; i < places->count && i < 100; i++) {
		const struct sigma_place *place = &places->items[i];
		struct detect_field field = detect_field_of(places, place->rule, place->name);
		must(field.name == place->name);
		must(detect_field_find(events, &events->items[0], &field) <
		     mr_fields_count(fields));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[NAMES] = {"a", "b", "c", "d", "e", "f"};
	struct mr_fields *fields = mr_fields_new();
	struct mr_events events;
	struct mr_arena arena = {0};
	struct mr_error error = {0};
	struct detect_places places;
	for (int i = 0; i < NAMES; i++)
		mr_fields_add(fields, mr_slice(names[i]));
	mr_events_init(&events, fields, 1);
	make_event(&events, fields);
	enum mr_err err = detect_places_decode((struct mr_slice){(const char *)data, size}, fields,
					       &arena, &places, &error);
	must(err == MR_OK || (err == MR_BAD_INPUT && places.count == 0));
	ask(&places, fields, &events);
	mr_arena_fini(&arena);
	mr_events_fini(&events);
	mr_fields_free(fields);
	return 0;
}
