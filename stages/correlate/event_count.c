/* event_count.c - so many distinct records (of inner correlations: so many distinct alerts).
 *
 * Called by correlate.c through struct corr_kind. Never fails. */
#include "state.h"

static void add(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		struct corr_occurrence *occurrence)
{
	const struct mr_signal *signal = occurrence->signal;
	struct corr_id id = occurrence->record;
	if (signal->counted_id.len > 0) {
		corr_scratch_begin(corr, 'a');
		corr_scratch_text(corr, signal->counted_id);
		id = corr_id_of_scratch(corr);
	}
	corr_distinct_add(corr, rule, near, occurrence->offset, &id, 1);
}

const struct corr_kind corr_event_count = {
    .add = add,
    .settle = corr_distinct_settle,
    .first = corr_distinct_first,
    .next = corr_distinct_next,
};
