/* engine_limit.c - matches that were given up at a bound of work: how many, and of which rules.
 *
 * Noted by engine_group.c (steps of a regex) and engine_refer.c (pairs of values), asked by
 * detect.c.
 */
#include "engine_run.h"

void engine_give_up(struct engine *engine, uint32_t predicate)
{
	engine->limits++;
	for (uint32_t i = 0; i < engine->given_up_count; i++)
		if (engine->given_up[i] == predicate)
			return;
	engine->given_up[engine->given_up_count++] = predicate;
}

uint64_t engine_limits(struct engine *engine)
{
	uint64_t count = engine->limits;
	engine->limits = 0;
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

bool engine_given_up(struct engine *engine, uint32_t *rule_out, struct mr_slice *regex_out)
{
	if (engine->given_up_told == engine->given_up_count)
		return false;
	uint32_t number = engine->given_up[engine->given_up_told++];
	const struct image_predicate *predicate = &engine->predicates[number];
	*regex_out = (struct mr_slice){NULL, 0};
	if (predicate->test == SIGMA_REGEX)
		*regex_out =
		    (struct mr_slice){engine->bytes + predicate->text.first, predicate->text.count};
	for (uint32_t i = 0; i < engine->counts[ENGINE_RULES]; i++) {
		*rule_out = engine->rules[i].index;
		if (has_predicate(engine, &engine->rules[i], number))
			break;
	}
	return true;
}
