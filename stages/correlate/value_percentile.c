/* value_percentile.c - that one of the numbers in a field which no less than so many percent of
 * them do not pass: the nearest rank.
 *
 * Called by correlate.c and judge.c through struct corr_kind. Never fails. */
#include "measure.h"

/* False where there are no numbers. */
static bool find(const struct corr_window *window, struct mr_slice *number_out)
{
	uint64_t count = corr_numbers_count(window);
	uint64_t rank = (count * window->rule->rule->percentile + 99) / 100;
	if (count > 0)
		*number_out = corr_numbers_nth(window, rank);
	return count > 0;
}

static bool compare(const struct corr_window *window, const struct mr_condition_part *part,
		    int *order_out)
{
	struct mr_slice number;
	if (!find(window, &number))
		return false;
	*order_out = mr_number_compare(number, part->number);
	return true;
}

static void say(const struct corr_window *window, struct mr_buf *out)
{
	struct mr_slice number;
	struct mr_sum sum = {0};
	if (!find(window, &number))
		return;
	mr_sum_add(&sum, number, 1);
	corr_numbers_say(&sum, 1, out);
}

static const struct corr_measure measure = CORR_MEASURE_OF_NUMBERS(corr_numbers_begin_by_order);

const struct corr_kind corr_value_percentile = CORR_KIND_OF_NUMBERS(&measure);
