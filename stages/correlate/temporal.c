/* temporal.c - so many distinct rules of the list, in any order: all of them, where no condition
 * says less.
 *
 * Called by correlate.c through struct corr_kind, as temporal_ordered.c is, whose things are rules,
 * too. Never fails. */
#include "measure.h"

void corr_rule_things(struct corr *corr, const struct corr_rule *rule,
		      struct corr_occurrence *occurrence)
{
	(void)corr;
	occurrence->thing = corr_id_of_step(rule->step[occurrence->position]);
	occurrence->things = &occurrence->thing;
	occurrence->thing_count = 1;
}

const struct corr_kind corr_temporal = {
    .things = corr_rule_things,
    .measure = &corr_distinct_measure,
    .at_once = &corr_at_once_way,
};
