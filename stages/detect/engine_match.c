/* engine_match.c - one event against all rules.
 *
 * Called by detect.c for each event. The record kind's plan names the groups to judge; each
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

static bool is_number(const struct mr_value *value)
{
	return value->type == MR_INT || value->type == MR_UINT || value->type == MR_DOUBLE;
}

/* The value's text as the comparison sees it: folded unless cased. */
static struct mr_slice sight(struct mr_buf *room, const struct mr_value *value, bool cased)
{
	return cased ? (struct mr_slice){value->text, value->len} : engine_fold(room, value);
}

static bool equal_values(struct engine *engine, const struct mr_value *a, const struct mr_value *b,
			 bool cased)
{
	struct engine_number left, right;
	char left_room[ENGINE_NUMBER_TEXT], right_room[ENGINE_NUMBER_TEXT];
	if (engine_number_of(a, &left) && engine_number_of(b, &right))
		return engine_number_compare(left, right) == 0;
	if ((a->type == MR_BOOL && is_number(b)) || (b->type == MR_BOOL && is_number(a)))
		return false;
	struct mr_slice one =
	    is_number(a) ? engine_equal_text(a, left_room) : sight(&engine->folded, a, cased);
	struct mr_slice two = is_number(b) ? engine_equal_text(b, right_room)
					   : sight(&engine->folded_other, b, cased);
	return mr_slice_eq(one, two);
}

static bool ref_holds(struct engine *engine, const struct image_predicate *predicate,
		      const struct mr_value *a, const struct mr_value *b)
{
	if (predicate->ref == SIGMA_REF_EQUALS)
		return equal_values(engine, a, b, predicate->cased);
	struct mr_slice text = sight(&engine->folded, a, predicate->cased);
	struct mr_slice part = sight(&engine->folded_other, b, predicate->cased);
	if (part.len > text.len)
		return false;
	if (part.len == 0)
		return true;
	switch ((enum sigma_fieldref)predicate->ref) {
	case SIGMA_REF_CONTAINS:
		return memmem(text.at, text.len, part.at, part.len) != NULL;
	case SIGMA_REF_STARTSWITH:
		return memcmp(text.at, part.at, part.len) == 0;
	case SIGMA_REF_ENDSWITH:
		return memcmp(text.at + text.len - part.len, part.at, part.len) == 0;
	case SIGMA_REF_EQUALS:
		break;
	}
	return false;
}

static bool alone_holds(struct engine *engine, uint32_t number)
{
	const struct image_predicate *predicate = &engine->predicates[number];
	struct run_values values = engine_values(engine, predicate->field);
	for (; values.at != NULL; engine_values_next(engine, &values)) {
		const struct mr_value *value = values.at;
		if (value->type == MR_NULL)
			continue;
		if (predicate->test == SIGMA_REGEX) {
			struct mr_slice text = {value->text, value->len};
			if (engine_regex_holds(engine, number, text))
				return true;
			continue;
		}
		const struct mr_value *other =
		    mr_event_get(engine->events, engine->event, (mr_field)predicate->other);
		for (; other != NULL; other = mr_value_next(engine->events, other))
			if (other->type != MR_NULL && ref_holds(engine, predicate, value, other))
				return true;
	}
	return false;
}

static bool predicate_holds(struct engine *engine, uint32_t number)
{
	const struct image_predicate *predicate = &engine->predicates[number];
	switch ((enum image_how)predicate->how) {
	case ENGINE_GROUPED:
		engine_group_judge(engine, predicate->group);
		return engine->truth[number];
	case ENGINE_PRESENCE:
		return presence_holds(engine, predicate);
	case ENGINE_ALONE:
		if (engine->judged[number] != engine->epoch) {
			engine->judged[number] = engine->epoch;
			engine->truth[number] = alone_holds(engine, number);
		}
		return engine->truth[number];
	}
	return false;
}

/* ---- rules ---- */

static bool rule_holds(struct engine *engine, const struct image_rule *rule)
{
	const struct image_step *steps = engine->steps + rule->steps.first;
	uint32_t at = 0;
	while (at < rule->steps.count)
		at = predicate_holds(engine, steps[at].predicate) ? steps[at].on_true
								  : steps[at].on_false;
	return at == ENGINE_TRUE;
}

static size_t try_rules(struct engine *engine, const struct image_span *list, size_t matched)
{
	uint32_t kind = (uint32_t)engine->event->kind;
	for (uint32_t i = 0; i < list->count; i++) {
		uint32_t number = engine->lists[list->first + i];
		const struct image_rule *rule = &engine->rules[number];
		if (engine->tried[number] == engine->epoch || !(rule->kinds >> kind & 1))
			continue;
		engine->tried[number] = engine->epoch;
		if (rule_holds(engine, rule))
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

size_t engine_match(struct engine *engine, const struct mr_events *events,
		    const struct mr_event *event, const uint32_t **rules_out)
{
	*rules_out = engine->matched;
	if ((uint32_t)event->kind >= ENGINE_KINDS)
		return 0;
	engine->events = events;
	engine->event = event;
	engine->epoch++;
	const struct image_plan *plan = &engine->plans[event->kind];
	size_t matched = 0;
	for (uint32_t i = 0; i < plan->groups.count; i++) {
		uint32_t number = engine->lists[plan->groups.first + i];
		const struct run_group *group = &engine->groups[number];
		if (group->image->field != 0 && event->first[group->image->field] == 0)
			continue;
		engine_group_judge(engine, number);
		for (uint32_t j = 0; j < group->hit_count; j++)
			matched =
			    try_rules(engine, &engine->predicates[group->hits[j]].witness, matched);
	}
	matched = try_rules(engine, &plan->always, matched);
	return settle(engine, matched);
}

uint64_t engine_regex_limits(struct engine *engine)
{
	uint64_t count = engine->regex_limits;
	engine->regex_limits = 0;
	return count;
}

static bool has_predicate(const struct engine *engine, const struct image_rule *rule,
			  uint32_t predicate)
{
	for (uint32_t i = 0; i < rule->steps.count; i++)
		if (engine->steps[rule->steps.first + i].predicate == predicate)
			return true;
	return false;
}

bool engine_regex_given_up(struct engine *engine, uint32_t *rule_out, struct mr_slice *regex_out)
{
	if (engine->given_up_told == engine->given_up_count)
		return false;
	uint32_t number = engine->given_up[engine->given_up_told++];
	const struct image_span *text = &engine->predicates[number].text;
	*regex_out = (struct mr_slice){engine->bytes + text->first, text->count};
	for (uint32_t i = 0; i < engine->counts[ENGINE_RULES]; i++) {
		*rule_out = engine->rules[i].index;
		if (has_predicate(engine, &engine->rules[i], number))
			break;
	}
	return true;
}
