/* value_median.c - the number in the middle of those in a field; of an even count the mean of the
 * two in the middle.
 *
 * Called by correlate.c and judge.c through struct corr_kind. Never fails. */
#include "measure.h"

/* False where there are no numbers. */
static bool find_twice(const struct corr_window *window, struct mr_sum *twice_out)
{
	uint64_t count = corr_numbers_count(window);
	*twice_out = (struct mr_sum){0};
	if (count == 0)
		return false;
	mr_sum_add(twice_out, corr_numbers_nth(window, (count + 1) / 2), 1);
	mr_sum_add(twice_out, corr_numbers_nth(window, count / 2 + 1), 1);
	return true;
}

static bool compare(const struct corr_window *window, const struct mr_condition_part *part,
		    int *order_out)
{
	struct mr_sum twice;
	if (!find_twice(window, &twice))
		return false;
	mr_sum_add(&twice, part->number, -2);
	*order_out = mr_sum_sign(&twice);
	return true;
}

static void say(const struct corr_window *window, struct mr_buf *out)
{
	struct mr_sum twice;
	if (find_twice(window, &twice))
		corr_numbers_say(&twice, 2, out);
}

static const struct corr_measure measure = CORR_MEASURE_OF_NUMBERS(corr_numbers_begin_by_order);

const struct corr_kind corr_value_median = CORR_KIND_OF_NUMBERS(&measure);
