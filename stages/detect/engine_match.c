/* engine_match.c - one event against all rules.
 *
 * Called by detect.c for each event. The plan of the record's kind, or of its logsource where its
 * source says that, names the groups to judge; each
 * predicate that holds announces the rules that it is a witness of; those run their steps over
 * predicates that are judged as they are asked for. Never fails. */
#include "engine_run.h"

#include <stdlib.h>

/* ---- predicates outside groups ---- */

static bool presence_holds(const struct engine *engine, const struct image_predicate *predicate)
{
	const struct mr_value *value =
	    mr_event_get(engine->events, engine->event, (mr_field)predicate->field);
	if (predicate->test == SIGMA_EXISTS)
		return (value != NULL) == predicate->truth;
	while (value != NULL && value->type == MR_NULL)
		value = mr_value_next(engine->events, value);
	return (value != NULL) == (predicate->test == SIGMA_PRESENT);
}

static bool alone_holds(struct engine *engine, uint32_t number)
{
	const struct image_predicate *predicate = &engine->predicates[number];
	if (predicate->test == SIGMA_FIELDREF)
		return engine_refer_holds(engine, number);
	struct run_values values = engine_values(engine, predicate->field);
	for (; values.at != NULL; engine_values_next(engine, &values)) {
		struct mr_slice text = {values.at->text, values.at->len};
		if (values.at->type != MR_NULL && engine_regex_holds(engine, number, text))
			return true;
	}
	return false;
}

static bool single_holds(struct engine *engine, uint32_t number)
{
	const struct image_predicate *predicate = &engine->predicates[number];
	if (predicate->how == ENGINE_PRESENCE)
		return presence_holds(engine, predicate);
	if (engine->judged[number] != engine->epoch) {
		engine->judged[number] = engine->epoch;
		engine->truth[number] = alone_holds(engine, number);
	}
	return engine->truth[number];
}

/* ---- rules ---- */

/* Where the step leads. */
static inline uint32_t step_on(struct engine *engine, const struct image_step *step)
{
	if (step->group == ENGINE_NONE)
		return single_holds(engine, step->predicate) ? step->on_true : step->on_false;
	engine_group_judge(engine, step->group);
	if (engine->groups[step->group].hit_count == 0)
		return step->on_none;
	return engine->truth[step->predicate] ? step->on_true : step->on_false;
}

static inline bool rule_holds(struct engine *engine, const struct image_rule *rule)
{
	const struct image_step *steps = engine->steps + rule->steps.first;
	uint32_t count = rule->steps.count;
	uint32_t at = 0;
	while (at < count)
		at = step_on(engine, &steps[at]);
	return at == ENGINE_TRUE;
}

bool engine_rule_holds(struct engine *engine, const struct image_rule *rule)
{
	return rule_holds(engine, rule);
}

static size_t try_rules(struct engine *engine, uint32_t plan, const struct image_span *list,
			size_t matched)
{
	for (uint32_t i = 0; i < list->count; i++) {
		uint32_t number = engine->lists[list->first + i];
		const struct image_rule *rule = &engine->rules[number];
		if (engine->tried[number] == engine->epoch || !engine_sees(engine, number, plan))
			continue;
		engine->tried[number] = engine->epoch;
		if (engine->profile != NULL ? engine_profile_rule(engine, number)
					    : rule_holds(engine, rule))
			engine->matched[matched++] = number;
	}
	return matched;
}

static int by_number(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a;
	uint32_t right = *(const uint32_t *)b;
	return (left > right) - (left < right);
}

/* Ascending catalog indices, each once: a rule stands in the set for each view of its logsource. */
static size_t settle(struct engine *engine, size_t matched)
{
	size_t count = 0;
	if (matched > 1)
		qsort(engine->matched, matched, sizeof(*engine->matched), by_number);
	for (size_t i = 0; i < matched; i++) {
		uint32_t index = engine->rules[engine->matched[i]].index;
		if (count == 0 || engine->matched[count - 1] != index)
			engine->matched[count++] = index;
	}
	return count;
}

/* A logsource that the rules were not compiled for is none. */
static uint32_t plan_of(const struct engine *engine, const struct mr_event *event)
{
	uint32_t declared = engine->counts[ENGINE_PLANS] - ENGINE_KINDS;
	if (event->logsource == 0 || event->logsource > declared)
		return (uint32_t)event->kind;
	return ENGINE_KINDS + event->logsource - 1u;
}

bool engine_rule_sees(const struct engine *engine, const struct mr_event *event, uint32_t rule)
{
	uint32_t plan = plan_of(engine, event);
	for (uint32_t i = 0; i < engine->counts[ENGINE_RULES]; i++) {
		if (engine->rules[i].index == rule && engine_sees(engine, i, plan))
			return true;
	}
	return false;
}

/* At the groups that the event has something for. Gives the end of engine->looks. */
static const struct run_look *look_ahead(struct engine *engine, const struct run_plan *plan)
{
	const struct mr_event *event = engine->event;
	const struct run_first *end = plan->firsts + plan->count;
	struct run_look *look = engine->looks;
	for (const struct run_first *first = plan->firsts; first < end; first++) {
		if (first->field == 0 || event->first[first->field] != 0)
			*look++ = engine_group_look(engine, first);
	}
	return look;
}

size_t engine_match(struct engine *engine, const struct mr_events *events,
		    const struct mr_event *event, const uint32_t **rules_out)
{
	*rules_out = engine->matched;
	if ((uint32_t)event->kind >= ENGINE_KINDS)
		return 0;
	engine->events = events;
	engine->event = event;
	engine->epoch++;
	uint32_t seen_as = plan_of(engine, event);
	engine->plan = seen_as;
	const struct image_plan *plan = &engine->plans[seen_as];
	const struct run_plan *run_plan = &engine->run_plans[seen_as];
	size_t matched = 0;
	const struct run_look *looks_end = look_ahead(engine, run_plan);
	for (const struct run_look *look = engine->looks; look < looks_end; look++) {
		const struct run_group *group = &engine->groups[look->group];
		engine_group_judge_looked(engine, look);
		for (uint32_t j = 0; j < group->hit_count; j++)
			matched = try_rules(engine, seen_as,
					    &engine->predicates[group->hits[j]].witness, matched);
	}
	matched = try_rules(engine, seen_as, &plan->always, matched);
	return settle(engine, matched);
}
