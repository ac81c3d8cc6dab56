/* cmd_rules_ear.c - detect with an ear, for tests of rules: it gives records the times that a test
 * says, and hears which rules match.
 *
 * Run by the trial in detect's place. Matching and signals are detect's own. */
#include <assert.h>

#include "cmd_rules_test.h"
#include "rule_explain.h"

#define EXPLAINED_MAX 50 /* failures: each costs some milliseconds */

static enum mr_err ear_open(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct rules_ear *ear = state;
	return mr_stage_detect.open(&ear->detect, env, error);
}

static void ear_close(void *state)
{
	struct rules_ear *ear = state;
	mr_stage_detect.close(&ear->detect);
}

static void give(struct mr_events *events, struct mr_event *event, mr_field field,
		 const struct mr_yaml *value)
{
	if (value->type == MR_YAML_BOOL)
		mr_event_add_bool(events, event, field, value->truth);
	else if (value->type != MR_YAML_NULL)
		mr_event_add_text(events, event, field, value->text);
}

/* In place of what databases say, if they are there. */
static void give_all(struct mr_events *events, struct mr_event *event, const struct mr_yaml *given)
{
	for (uint32_t i = 0; given != NULL && i < given->count; i++) {
		mr_field field = mr_fields_find(events->fields, given->keys[i]->text);
		const struct mr_yaml *value = given->items[i];
		event->first[field] = 0;
		for (uint32_t v = 0; v < value->count && value->kind == MR_YAML_LIST; v++)
			give(events, event, field, value->items[v]);
		if (value->kind == MR_YAML_SCALAR)
			give(events, event, field, value);
	}
}

/* Whether the record has no id of its own. */
static bool is_nameless(const struct mr_event *event)
{
	uint8_t hash[32];
	char hex[2 * sizeof hash + 1];
	mr_sha256(event->raw.at, event->raw.len, hash);
	mr_hex(hash, sizeof hash, hex);
	return mr_slice_eq(event->id, (struct mr_slice){hex, 2 * sizeof hash});
}

/* As if the record bore that time: it is another one then than the same at another time, unless it
 * has an id of its own. Repetitions are records of their own in any case. */
static void place(const struct rules_ear *ear, struct mr_events *events, struct mr_event *event)
{
	struct mr_buf id = {0};
	mr_event_complete(events, event); /* it has its id and its fields by then */
	event->tenant = MR_SLICE("test"); /* some forms of a record name it, others do not */
	mr_buf_add(&id, event->id.at, event->id.len);
	if (ear->has_at && is_nameless(event))
		mr_buf_printf(&id, "@%lld", (long long)ear->time_us);
	if (ear->copy > 0)
		mr_buf_printf(&id, "#%u", ear->copy);
	event->id = (struct mr_slice){mr_arena_copy(&events->arena, id.data, id.len), id.len};
	give_all(events, event, ear->given[0]);
	give_all(events, event, ear->given[1]);
	mr_buf_fini(&id);
	if (!ear->has_at)
		return;
	event->time_us = ear->time_us;
	event->has_time = true;
	event->first[MR_F_TIME] = 0;
	mr_event_add_int(events, event, MR_F_TIME, ear->time_us);
}

static void explain(struct rules_testing *testing, const struct mr_events *events,
		    const struct mr_event *event)
{
	struct mr_fields *fields = mr_trial_fields(testing->trial);
	struct explained explained;
	testing->tree.len = 0;
	if (testing->explained++ >= EXPLAINED_MAX)
		return;
	if (testing->explained == 1 &&
	    rules_load_settings(mr_trial_config(testing->trial),
				(struct sigma_wishes){.labelled = true}, fields, &testing->labelled,
				NULL) != MR_OK)
		return;
	if (testing->labelled.catalog.count > testing->rule &&
	    rule_explain(&testing->labelled, testing->rule, events, event, fields,
			 &testing->scratch, &explained, NULL) == MR_OK)
		rule_tree_text(&explained, false, &testing->tree);
}

/* Whether the record, which matched `rule`, lacks what the tested correlation groups by. */
static bool is_keyless(const struct rules_ear *ear, const struct mr_events *events, uint32_t rule)
{
	const struct detect_consumers *consumers = &ear->detect.signals.consumers[rule];
	const struct mr_rule *tested = &ear->detect.catalog.rules[ear->testing->rule];
	for (uint32_t c = 0; c < consumers->count; c++) {
		const struct detect_consumer *consumer = &consumers->items[c];
		for (uint32_t g = 0; g < tested->group_by.count &&
				     consumer->rule == ear->testing->rule && !consumer->plain;
		     g++) {
			mr_field found =
			    detect_field_find(events, events->items, &consumer->group[g]);
			if (found == 0 ||
			    mr_value_is_missing(mr_event_get(events, events->items, found)))
				return true;
		}
	}
	return false;
}

static void hear(struct rules_ear *ear, const struct mr_events *events, const uint32_t *rules,
		 size_t count)
{
	ear->matched = false;
	ear->testing->records++;
	for (size_t i = 0; i < count; i++) {
		ear->matched |= rules[i] == ear->testing->rule;
		ear->testing->matches[rules[i]]++;
		ear->testing->keyless += is_keyless(ear, events, rules[i]);
	}
}

static enum mr_err ear_process(void *state, struct mr_reader *in, struct mr_writer *out,
			       struct mr_error *error)
{
	struct rules_ear *ear = state;
	struct mr_events *events = mr_reader_events(in);
	const uint32_t *rules;
	(void)error;
	if (!mr_writer_ready(out))
		return MR_FULL;
	assert(events->count == 1);
	place(ear, events, events->items);
	size_t count = detect_judge(&ear->detect, events, events->items, out, &rules);
	hear(ear, events, rules, count);
	if (ear->expects && ear->matched != ear->wanted)
		explain(ear->testing, events, events->items);
	ear->has_time = events->items->has_time;
	ear->seen = engine_rule_sees(ear->detect.engine, events->items, ear->testing->rule);
	ear->gave_up = engine_limits(ear->detect.engine) > 0;
	mr_reader_advance(in);
	return MR_OK;
}

const struct mr_stage_ops rules_ear_stage = {
    .name = "detect",
    .state_size = sizeof(struct rules_ear),
    .reads = MR_CONTENT_EVENTS,
    .open = ear_open,
    .process = ear_process,
    .close = ear_close,
};
