/* engine_harness.h - rules and events for tests of the engine, without the parse room.
 *
 * An event is JSON text whose members are the fields, taken as they stand: arrays become many
 * values, nested objects stay one value. */
#ifndef MILLRACE_TEST_ENGINE_H
#define MILLRACE_TEST_ENGINE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "engine.h"
#include "millrace/json.h"

struct bench {
	struct mr_json_reader *reader;
	struct mr_events events;
	char *json; /* of the event in hand, padded */
};

static inline void bench_init(struct bench *bench, const struct mr_fields *fields)
{
	*bench = (struct bench){.reader = mr_json_reader_new(1u << 20)};
	mr_events_init(&bench->events, fields, 1);
}

static inline void bench_fini(struct bench *bench)
{
	mr_json_reader_free(bench->reader);
	mr_events_fini(&bench->events);
	free(bench->json);
}

static inline void bench_value(struct bench *bench, struct mr_event *event, mr_field field,
			       struct mr_json_node node, bool inner)
{
	struct mr_json_reader *reader = bench->reader;
	if (mr_json_kind(reader, node) != MR_JSON_ARRAY) {
		struct mr_value value = mr_json_value(reader, node);
		mr_event_add(&bench->events, event, field, &value);
		return;
	}
	struct mr_json_walk walk = mr_json_enter(reader, node);
	bool any = false;
	while (mr_json_step(reader, &walk)) {
		bench_value(bench, event, field, walk.value, true);
		any = true;
	}
	if (!any && !inner)
		mr_event_add(&bench->events, event, field, &(struct mr_value){.type = MR_NULL});
}

/* The only event of the bench; the one before is forgotten. */
static inline struct mr_event *bench_event(struct bench *bench, const char *json)
{
	size_t len = strlen(json);
	struct mr_json_node root;
	struct mr_error error = {0};
	free(bench->json);
	bench->json = mr_calloc(1, len + MR_JSON_PADDING);
	memcpy(bench->json, json, len);
	mr_events_reset(&bench->events);
	struct mr_event *event = mr_events_push(&bench->events);
	event->json = event->raw = (struct mr_slice){bench->json, len};
	event->tenant = MR_SLICE("contoso");
	event->id = MR_SLICE("id-1");
	event->kind = MR_KIND_UAL;
	if (mr_json_read(bench->reader, event->json, &root, &error) != MR_OK)
		fail_msg("%s: %s", json, error.text);
	struct mr_json_walk walk = mr_json_enter(bench->reader, root);
	while (mr_json_step(bench->reader, &walk)) {
		mr_field field = mr_fields_find(bench->events.fields, walk.key);
		if (field != 0)
			bench_value(bench, event, field, walk.value, false);
	}
	return event;
}

/* At once where the library can be trusted, as detect does it. */
static inline enum engine_search engine_search(void)
{
	static int sound = -1;
	if (sound < 0)
		sound = engine_scan_is_sound();
	return sound ? ENGINE_AT_ONCE : ENGINE_ONE_BY_ONE;
}

/* Compiled and opened; the image stays in `image`. */
static inline struct engine *engine_by(enum engine_search search, const struct sigma_set *set,
				       struct mr_fields *fields, struct mr_buf *image)
{
	struct mr_error error = {0};
	struct engine *engine = NULL;
	if (engine_compile(set, search, fields, image, &error) != MR_OK ||
	    engine_open((struct mr_slice){image->data, image->len}, fields, &engine, &error) !=
		MR_OK)
		fail_msg("%s", error.text);
	return engine;
}

static inline struct engine *engine_of(const struct sigma_set *set, struct mr_fields *fields,
				       struct mr_buf *image)
{
	return engine_by(engine_search(), set, fields, image);
}

#endif
