/* value_percentile.c - that one of the numbers in a field which no less than so many percent of
 * them do not pass: the nearest rank.
 *
 * Called by correlate.c and judge.c through struct corr_kind. Never fails. */
#include "measure.h"

/* 0 where there are no numbers. */
static uint64_t rank_in(const struct corr_window *window)
{
	uint64_t count = corr_numbers_count(window);
	uint64_t rank = (count * window->rule->rule->percentile + 99) / 100;
	return count > 0 && rank == 0 ? 1 : rank;
}

static bool compare(const struct corr_window *window, const struct mr_condition_part *part,
		    int *order_out)
{
	uint64_t rank = rank_in(window);
	if (rank > 0)
		*order_out = corr_numbers_nth(window, part, rank);
	return rank > 0;
}

static void say(const struct corr_window *window, struct mr_buf *out)
{
	uint64_t rank = rank_in(window);
	struct mr_sum sum = {0};
	if (rank == 0)
		return;
	mr_sum_add(&sum, corr_numbers_find(window, rank), 1);
	corr_numbers_say(&sum, 1, out);
}

static const struct corr_measure measure =
    CORR_MEASURE_OF_NUMBERS(corr_numbers_begin_by_order, 0, CORR_ORDER_SEAT_BYTES);

const struct corr_kind corr_value_percentile = CORR_KIND_OF_NUMBERS(&measure);
