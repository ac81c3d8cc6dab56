/* value_median.c - the number in the middle of those in a field; of an even count the mean of the
 * two in the middle.
 *
 * Called by correlate.c and judge.c through struct corr_kind. Never fails. */
#include "measure.h"

static bool compare(const struct corr_window *window, const struct mr_condition_part *part,
		    int *order_out)
{
	uint64_t count = corr_numbers_count(window);
	if (count == 0)
		return false;
	int low = corr_numbers_nth(window, part, (count + 1) / 2);
	int high = corr_numbers_nth(window, part, count / 2 + 1);
	*order_out = low != 0 ? low : high;
	if (low >= 0 || high <= 0)
		return true;
	/* They lie on either side: nearer to it are none. */
	struct mr_sum twice = {0};
	mr_sum_add(&twice, corr_numbers_nearest(window, part, -1), 1);
	mr_sum_add(&twice, corr_numbers_nearest(window, part, 1), 1);
	mr_sum_add(&twice, part->number, -2);
	*order_out = mr_sum_sign(&twice);
	return true;
}

static void say(const struct corr_window *window, struct mr_buf *out)
{
	uint64_t count = corr_numbers_count(window);
	struct mr_sum twice = {0};
	if (count == 0)
		return;
	mr_sum_add(&twice, corr_numbers_find(window, (count + 1) / 2), 1);
	mr_sum_add(&twice, corr_numbers_find(window, count / 2 + 1), 1);
	corr_numbers_say(&twice, 2, out);
}

static const struct corr_measure measure = CORR_MEASURE_OF_NUMBERS(
    corr_numbers_begin_by_order, 2 * CORR_NEAREST_SEAT_BYTES, CORR_ORDER_SEAT_BYTES);

const struct corr_kind corr_value_median = CORR_KIND_OF_NUMBERS(&measure);
