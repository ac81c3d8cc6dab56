/* value_count.c - so many distinct values (tuples, where condition.field is a list).
 *
 * Called by correlate.c through struct corr_kind. A signal without the value is no occurrence.
 * Never fails. */
#include "measure.h"

static bool takes(const struct mr_signal *signal)
{
	return signal->value_count > 0;
}

static uint32_t values(struct corr *corr, const struct mr_signal *signal, struct corr_id *out)
{
	uint32_t count =
	    signal->value_count < MR_PRODUCT_MAX ? signal->value_count : MR_PRODUCT_MAX;
	for (uint32_t i = 0; i < count; i++) {
		corr_scratch_begin(corr, 'v');
		for (uint32_t w = 0; w < signal->value_width; w++)
			corr_scratch_text(corr, signal->values[i * signal->value_width + w]);
		out[i] = corr_id_of_scratch(corr);
	}
	return count;
}

static void things(struct corr *corr, const struct corr_rule *rule,
		   struct corr_occurrence *occurrence)
{
	(void)corr;
	(void)rule;
	occurrence->things = occurrence->values;
	occurrence->thing_count = occurrence->value_count;
}

const struct corr_kind corr_value_count = {
    .takes = takes,
    .values = values,
    .things = things,
    .measure = &corr_distinct_measure,
    .at_once = &corr_at_once_way,
};
