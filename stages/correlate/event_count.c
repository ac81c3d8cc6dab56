/* event_count.c - so many distinct records (of inner correlations: so many distinct alerts).
 *
 * Called by correlate.c through struct corr_kind. Never fails. */
#include "measure.h"

static void things(struct corr *corr, const struct corr_rule *rule,
		   struct corr_occurrence *occurrence)
{
	const struct mr_signal *signal = occurrence->signal;
	(void)rule;
	occurrence->thing = occurrence->record;
	if (signal->counted_id.len > 0) {
		corr_scratch_begin(corr, 'a');
		corr_scratch_text(corr, signal->counted_id);
		occurrence->thing = corr_id_of_scratch(corr);
	}
	occurrence->things = &occurrence->thing;
	occurrence->thing_count = 1;
}

const struct corr_kind corr_event_count = {
    .things = things,
    .measure = &corr_distinct_measure,
    .at_once = &corr_at_once_way,
};
