/* value_percentile.c - that one of the numbers in a field which no less than so many percent of
 * them do not pass: the nearest rank.
 *
 * Called by correlate.c and judge.c through struct corr_kind. Never fails. */
#include "measure.h"

static bool compare(const struct corr_window *window, const struct mr_condition_part *part,
		    int *order_out)
{
	uint64_t count = corr_numbers_count(window);
	if (count == 0)
		return false;
	uint64_t rank = (count * window->rule->rule->percentile + 99) / 100;
	*order_out = mr_number_compare(corr_numbers_nth(window, rank), part->number);
	return true;
}

static const struct corr_measure measure =
    CORR_MEASURE_OF_NUMBERS(corr_numbers_begin_by_order, compare);

const struct corr_kind corr_value_percentile = CORR_KIND_OF_NUMBERS(&measure);
