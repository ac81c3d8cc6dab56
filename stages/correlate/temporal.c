/* temporal.c - so many distinct rules of the list, in any order: all of them, where no condition
 * says less.
 *
 * Called by correlate.c through struct corr_kind. Never fails. */
#include "state.h"

static void add(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		struct corr_occurrence *occurrence)
{
	struct corr_id id = corr_id_of_step(rule->step[occurrence->position]);
	corr_distinct_add(corr, rule, near, occurrence->offset, &id, 1);
}

const struct corr_kind corr_temporal = {
    .add = add,
    .settle = corr_distinct_settle,
    .first = corr_distinct_first,
    .next = corr_distinct_next,
};
