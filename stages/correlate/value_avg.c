/* value_avg.c - the average of the numbers in a field: their sum against so many times the number
 * that it is compared with, so nothing is rounded.
 *
 * Called by correlate.c and judge.c through struct corr_kind. Never fails. */
#include "measure.h"

static bool compare(const struct corr_window *window, const struct mr_condition_part *part,
		    int *order_out)
{
	struct mr_sum sum = *corr_numbers_sum(window);
	uint64_t count = corr_numbers_count(window);
	if (count == 0)
		return false;
	mr_sum_add(&sum, part->number, -(int64_t)count);
	*order_out = mr_sum_sign(&sum);
	return true;
}

static void say(const struct corr_window *window, struct mr_buf *out)
{
	uint64_t count = corr_numbers_count(window);
	if (count > 0)
		corr_numbers_say(corr_numbers_sum(window), count, out);
}

static const struct corr_measure measure = CORR_MEASURE_OF_NUMBERS(corr_numbers_begin, 0, 0);

const struct corr_kind corr_value_avg = CORR_KIND_OF_NUMBERS(&measure);
