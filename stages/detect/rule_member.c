/* rule_member.c - which of several values a test holds of.
 *
 * Called by rule_explain.c with the engine that has its tests. The engine says of an event only
 * whether a test holds: so it gets the event with one of the values alone, one after the other.
 * Never fails; past a bound values are not looked at. */
#include "rule_explain.h"

#include <stdlib.h>

#include "millrace/json.h"

#define MEMBERS_MAX 1000 /* of one field's values, and of a record's */
#define PATH_BYTES 200

struct cut { /* the event with one of its values alone */
	struct engine *engine;
	const struct rule_tests *tests;
	struct explain_member *out;
	struct mr_arena *arena;
	struct mr_events events;
	struct mr_event event;
	struct mr_json_reader *reader; /* of the record, for keywords */
	struct mr_buf json, path;
	uint32_t looked;
};

static bool is_of_one_value(const struct sigma_predicate *test)
{
	return test->test != SIGMA_NULL && test->test != SIGMA_PRESENT &&
	       test->test != SIGMA_EXISTS;
}

/* The value is the `at`-th: tests of `field` that hold now hold of it. */
static void take(struct cut *cut, mr_field field, uint32_t at, const struct mr_value *value,
		 struct mr_slice path)
{
	const uint32_t *matched;
	size_t count = engine_match(cut->engine, &cut->events, &cut->event, &matched);
	for (size_t i = 0; i < count; i++) {
		const struct sigma_predicate *test = cut->tests->rules[matched[i]].condition->leaf;
		struct explain_member *member = &cut->out[matched[i]];
		if (test->field != field || !is_of_one_value(test) || member->count++ > 0)
			continue;
		*member = (struct explain_member){at, 1, *value, path};
		member->value.text = mr_arena_copy(cut->arena, value->text, value->len);
		member->path.at = mr_arena_copy(cut->arena, path.at, path.len);
	}
}

/* ---- the values of a field ---- */

static void look_at_field(struct cut *cut, mr_field field)
{
	struct mr_events *events = &cut->events;
	const struct mr_value *value = mr_event_get(events, &cut->event, field);
	uint32_t before = cut->event.first[field];
	cut->event.first[field] = events->value_count + 1;
	for (uint32_t at = 1; value != NULL && at <= MEMBERS_MAX; at++) {
		events->values[events->value_count] = *value;
		events->values[events->value_count].next = 0;
		take(cut, field, at, value, MR_SLICE(""));
		value = mr_value_next(events, value);
	}
	cut->event.first[field] = before;
}

/* ---- the values of a record ---- */

static void look_at_value(struct cut *cut, struct mr_json_node node)
{
	struct mr_slice raw = mr_json_raw(cut->reader, node);
	struct mr_value value = mr_json_value(cut->reader, node);
	if (++cut->looked > MEMBERS_MAX || value.type == MR_NULL)
		return;
	cut->json.len = 0;
	mr_buf_printf(&cut->json, "[%.*s]", (int)raw.len, raw.at);
	memset(mr_buf_reserve(&cut->json, MR_JSON_PADDING), 0, MR_JSON_PADDING);
	cut->event.json = (struct mr_slice){cut->json.data, cut->json.len};
	take(cut, 0, cut->looked, &value,
	     (struct mr_slice){cut->path.len == 0 ? "" : cut->path.data, cut->path.len});
}

/* As deep as MR_JSON_DEPTH. Elements of an array have its path. */
static void look_into(struct cut *cut, struct mr_json_node node)
{
	enum mr_json_kind kind = mr_json_kind(cut->reader, node);
	if (kind != MR_JSON_OBJECT && kind != MR_JSON_ARRAY) {
		look_at_value(cut, node);
		return;
	}
	struct mr_json_walk walk = mr_json_enter(cut->reader, node);
	size_t before = cut->path.len;
	while (mr_json_step(cut->reader, &walk)) {
		if (walk.object && before < PATH_BYTES)
			mr_buf_printf(&cut->path, "%s%.*s", before == 0 ? "" : ".",
				      (int)mr_utf8_cut(walk.key, PATH_BYTES), walk.key.at);
		look_into(cut, walk.value);
		cut->path.len = before;
	}
}

static void look_at_record(struct cut *cut)
{
	struct mr_slice json = cut->event.json;
	struct mr_json_node root;
	char *copy = mr_arena_alloc(cut->arena, json.len + MR_JSON_PADDING);
	memcpy(copy, json.at, json.len);
	memset(copy + json.len, 0, MR_JSON_PADDING);
	cut->reader = mr_json_reader_new(json.len + 1);
	if (mr_json_read(cut->reader, (struct mr_slice){copy, json.len}, &root, NULL) == MR_OK)
		look_into(cut, root);
	cut->event.json = json;
	mr_json_reader_free(cut->reader);
}

/* ---- all of them ---- */

static void cut_init(struct cut *cut, const struct mr_events *events, const struct mr_event *event)
{
	size_t values = (events->value_count + 1u) * sizeof *events->values;
	cut->events = *events;
	cut->event = *event;
	cut->events.values = mr_calloc(1, values);
	cut->event.first = mr_calloc(events->stride, sizeof *event->first);
	memcpy(cut->event.first, event->first, events->stride * sizeof *event->first);
	if (events->value_count > 0)
		memcpy(cut->events.values, events->values, values - sizeof *events->values);
}

static void cut_fini(struct cut *cut)
{
	free(cut->events.values);
	free(cut->event.first);
	mr_buf_fini(&cut->json);
	mr_buf_fini(&cut->path);
}

void rule_members_find(struct engine *engine, const struct mr_events *events,
		       const struct mr_event *event, const struct rule_tests *tests,
		       struct mr_arena *arena, struct explain_member *out)
{
	bool *done = mr_calloc(events->stride, sizeof *done);
	struct cut cut = {.engine = engine, .tests = tests, .out = out, .arena = arena};
	cut_init(&cut, events, event);
	for (uint32_t i = 0; i < tests->count; i++) {
		const struct sigma_predicate *test = tests->rules[i].condition->leaf;
		if (!tests->holds[i] || !is_of_one_value(test) || done[test->field])
			continue;
		const struct mr_value *value =
		    test->field == 0 ? NULL : mr_event_get(events, event, test->field);
		done[test->field] = true;
		if (test->field == 0)
			look_at_record(&cut);
		else if (value != NULL && value->next != 0)
			look_at_field(&cut, test->field);
	}
	cut_fini(&cut);
	free(done);
}
