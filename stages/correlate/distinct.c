/* distinct.c - a window's measure of the kinds that count: how many distinct things it holds.
 *
 * Called by judge.c; never fails. */
#include "measure.h"

#include <stdlib.h>

struct distinct {
	int64_t count;
	uint32_t held[]; /* by rank: how often it is in the window */
};

static void begin(struct corr_window *window)
{
	window->state = mr_calloc(1, sizeof(struct distinct) + window->ranks * sizeof(uint32_t));
}

static void enter(struct corr_window *window, uint32_t from, uint32_t to)
{
	struct distinct *distinct = window->state;
	for (uint32_t i = from; i < to; i++)
		distinct->count += distinct->held[window->rank[i]]++ == 0;
}

static void leave(struct corr_window *window, uint32_t seat)
{
	struct distinct *distinct = window->state;
	distinct->count -= --distinct->held[window->rank[seat]] == 0;
}

static bool compare(const struct corr_window *window, const struct mr_condition_part *part,
		    int *order_out)
{
	const struct distinct *distinct = window->state;
	*order_out = (distinct->count > part->count) - (distinct->count < part->count);
	return true;
}

static void say(const struct corr_window *window, struct mr_buf *out)
{
	const struct distinct *distinct = window->state;
	mr_buf_add_uint(out, (uint64_t)distinct->count);
}

static void end(struct corr_window *window)
{
	free(window->state);
}

const struct corr_measure corr_distinct_measure = {.begin = begin,
						   .enter = enter,
						   .leave = leave,
						   .compare = compare,
						   .say = say,
						   .end = end,
						   .seat_bytes = sizeof(uint32_t)};
