/* event_count.c - so many distinct records (of inner correlations: so many distinct alerts).
 *
 * Called by correlate.c through struct corr_kind. Never fails. */
#include "state.h"

static bool takes(const struct mr_signal *signal)
{
	(void)signal;
	return true;
}

static void add(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		const struct corr_occurrence *occurrence, struct corr_range *current_out,
		struct corr_range *next_out)
{
	const struct mr_signal *signal = occurrence->signal;
	if (signal->counted_id.len > 0) {
		corr_scratch_begin(corr, 'a');
		corr_scratch_text(corr, signal->counted_id);
	} else {
		corr_scratch_begin(corr, 'r');
		corr_scratch_number(corr, signal->kind);
		corr_scratch_text(corr, signal->record_id);
	}
	struct corr_id id = corr_id_of_scratch(corr);
	corr_distinct_add(rule, near, occurrence->offset, &id, 1, current_out, next_out);
}

const struct corr_kind corr_event_count = {
    .type = MR_CORRELATION_EVENT_COUNT,
    .takes = takes,
    .add = add,
    .view = corr_distinct_view,
    .holds = corr_distinct_holds,
    .first = corr_distinct_first,
};
