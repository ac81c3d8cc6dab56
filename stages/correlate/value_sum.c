/* value_sum.c - the sum of the numbers in a field, exactly.
 *
 * Called by correlate.c and judge.c through struct corr_kind. Never fails. */
#include "measure.h"

static bool compare(const struct corr_window *window, const struct mr_condition_part *part,
		    int *order_out)
{
	struct mr_sum sum = *corr_numbers_sum(window);
	if (corr_numbers_count(window) == 0)
		return false;
	mr_sum_add(&sum, part->number, -1);
	*order_out = mr_sum_sign(&sum);
	return true;
}

static void say(const struct corr_window *window, struct mr_buf *out)
{
	if (corr_numbers_count(window) > 0)
		corr_numbers_say(corr_numbers_sum(window), 1, out);
}

static const struct corr_measure measure = CORR_MEASURE_OF_NUMBERS(corr_numbers_begin, 0, 0);

const struct corr_kind corr_value_sum = CORR_KIND_OF_NUMBERS(&measure);
