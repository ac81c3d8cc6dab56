/* numbers.c - what the kinds over numbers share: the numbers of a window, added up, or how many of
 * them are less than those of the condition.
 *
 * A record adds its numbers once. Of copies that differ the earliest in the window holds, at one
 * time the one whose bytes are the smaller; when that one leaves the window, the next holds. On
 * which side of a number the nth smallest stands is known by counts, so nothing is put in order;
 * what lies nearest (nearest.c) is looked for only where a median asks, and an order (order.c) made
 * only where an alert is to say a number. Called by judge.c through
 * the kinds' measures; never fails. */
#include "measure.h"

#include <stdlib.h>

#define NONE UINT32_MAX
#define SEAT_BEATEN 1 /* another one stands for it */
#define SEAT_HOLDS 2  /* its numbers count now */

/* Of one part of the condition. */
struct sides {
	uint64_t less, equal;
	struct corr_nearest *nearest[2]; /* of those that are less, greater; NULL: nobody asked */
};

struct numbers {
	struct mr_sum sum;
	uint64_t count;
	uint32_t *held;           /* by rank: seats in the window */
	uint32_t *next;           /* by seat: the next one of the same rank; NONE */
	uint8_t *seats;           /* SEAT_ */
	struct sides *sides;      /* by part; NULL: they are added up */
	struct corr_order *order; /* NULL: nobody asked */
};

/* ---- texts ---- */

bool corr_numbers_take(const struct mr_signal *signal)
{
	return signal->value_count > 0;
}

void corr_numbers_things(struct corr *corr, const struct corr_rule *rule,
			 struct corr_occurrence *occurrence)
{
	(void)corr;
	(void)rule;
	occurrence->things = &occurrence->record;
	occurrence->thing_count = 1;
}

/* What stands between two spaces, an end being one. */
bool corr_number_next(struct mr_slice *rest, struct mr_slice *number_out)
{
	if (rest->at == NULL)
		return false;
	const char *space = rest->len == 0 ? NULL : memchr(rest->at, ' ', rest->len);
	size_t len = space == NULL ? rest->len : (size_t)(space - rest->at);
	*number_out = (struct mr_slice){rest->at, len};
	*rest = space == NULL ? (struct mr_slice){NULL, 0}
			      : (struct mr_slice){space + 1, rest->len - len - 1};
	return true;
}

bool corr_numbers_are(struct mr_slice text)
{
	struct mr_slice number;
	bool good = text.len > 0;
	while (good && corr_number_next(&text, &number))
		good = mr_number_is(number, true);
	return good;
}

double corr_numbers_about(struct mr_slice text)
{
	struct mr_slice number;
	double sum = 0;
	while (corr_number_next(&text, &number)) {
		char copy[MR_NUMBER_TEXT_MAX + 1] = {0};
		memcpy(copy, number.at,
		       number.len < MR_NUMBER_TEXT_MAX ? number.len : MR_NUMBER_TEXT_MAX);
		sum += strtod(copy, NULL);
	}
	return sum;
}

/* ---- beginning ---- */

/* Of seats of one time and one record the one with the smaller bytes holds. */
static void beat(const struct corr_window *window, struct numbers *numbers)
{
	for (uint32_t i = 1, best = 0; i < window->count; i++) {
		if (window->rank[i] != window->rank[best] ||
		    corr_seat_time(window, i) != corr_seat_time(window, best)) {
			best = i;
			continue;
		}
		bool smaller =
		    mr_slice_cmp(corr_seat_text(window, i), corr_seat_text(window, best)) < 0;
		numbers->seats[smaller ? best : i] = SEAT_BEATEN;
		best = smaller ? i : best;
	}
}

/* What is held by rank is no matter yet: the one behind stands there meanwhile. */
static void chain(const struct corr_window *window, struct numbers *numbers)
{
	uint32_t *latest = numbers->held;
	memset(latest, 0xff, window->ranks * sizeof(*latest));
	for (uint32_t i = window->count; i-- > 0;) {
		if (numbers->seats[i] == SEAT_BEATEN)
			continue;
		numbers->next[i] = latest[window->rank[i]];
		latest[window->rank[i]] = i;
	}
	memset(latest, 0, window->ranks * sizeof(*latest));
}

void corr_numbers_begin(struct corr_window *window)
{
	struct numbers *numbers = mr_calloc(1, sizeof(*numbers));
	size_t seats = window->count + (size_t)1, ranks = window->ranks + (size_t)1;
	window->state = numbers;
	numbers->held = mr_malloc(ranks * sizeof(*numbers->held));
	numbers->next = mr_malloc(seats * sizeof(*numbers->next));
	numbers->seats = mr_calloc(seats, sizeof(*numbers->seats));
	beat(window, numbers);
	chain(window, numbers);
}

void corr_numbers_begin_by_order(struct corr_window *window)
{
	corr_numbers_begin(window);
	struct numbers *numbers = window->state;
	numbers->sides = mr_calloc(window->rule->part_count, sizeof(*numbers->sides));
}

/* ---- on the way ---- */

static void count_number(const struct corr_window *window, struct mr_slice number, int64_t more)
{
	struct numbers *numbers = window->state;
	const struct corr_rule *rule = window->rule;
	numbers->count += (uint64_t)more;
	if (numbers->sides == NULL)
		mr_sum_add(&numbers->sum, number, more);
	for (uint32_t p = 0; numbers->sides != NULL && p < rule->part_count; p++) {
		int order = mr_number_compare(number, rule->parts[p].number);
		numbers->sides[p].less += order < 0 ? (uint64_t)more : 0;
		numbers->sides[p].equal += order == 0 ? (uint64_t)more : 0;
	}
}

static void count_seat(const struct corr_window *window, uint32_t seat, bool comes)
{
	struct numbers *numbers = window->state;
	struct mr_slice number, text = corr_seat_text(window, seat);
	numbers->seats[seat] = comes ? SEAT_HOLDS : 0;
	while (corr_number_next(&text, &number))
		count_number(window, number, comes ? 1 : -1);
	if (numbers->order != NULL)
		corr_order_count(numbers->order, seat, comes);
	for (uint32_t p = 0; numbers->sides != NULL && comes && p < window->rule->part_count; p++)
		for (int side = 0; side < 2; side++)
			if (numbers->sides[p].nearest[side] != NULL)
				corr_nearest_add(numbers->sides[p].nearest[side], seat);
}

void corr_numbers_enter(struct corr_window *window, uint32_t from, uint32_t to)
{
	struct numbers *numbers = window->state;
	for (uint32_t i = from; i < to; i++)
		if (numbers->seats[i] != SEAT_BEATEN && numbers->held[window->rank[i]]++ == 0)
			count_seat(window, i, true);
}

void corr_numbers_leave(struct corr_window *window, uint32_t seat)
{
	struct numbers *numbers = window->state;
	if (numbers->seats[seat] == SEAT_BEATEN)
		return;
	count_seat(window, seat, false); /* the earliest of its rank: it holds */
	if (--numbers->held[window->rank[seat]] > 0)
		count_seat(window, numbers->next[seat], true);
}

void corr_numbers_end(struct corr_window *window)
{
	struct numbers *numbers = window->state;
	for (uint32_t p = 0; numbers->sides != NULL && p < window->rule->part_count; p++)
		for (int side = 0; side < 2; side++)
			corr_nearest_free(numbers->sides[p].nearest[side]);
	corr_order_free(numbers->order);
	free(numbers->held);
	free(numbers->next);
	free(numbers->seats);
	free(numbers->sides);
	free(numbers);
}

/* ---- asking ---- */

bool corr_numbers_hold(const struct corr_window *window, uint32_t seat)
{
	return ((const struct numbers *)window->state)->seats[seat] == SEAT_HOLDS;
}

uint64_t corr_numbers_count(const struct corr_window *window)
{
	return ((const struct numbers *)window->state)->count;
}

const struct mr_sum *corr_numbers_sum(const struct corr_window *window)
{
	return &((const struct numbers *)window->state)->sum;
}

int corr_numbers_nth(const struct corr_window *window, const struct mr_condition_part *part,
		     uint64_t n)
{
	const struct numbers *numbers = window->state;
	const struct sides *sides = &numbers->sides[part - window->rule->parts];
	return n <= sides->less ? -1 : n > sides->less + sides->equal;
}

struct mr_slice corr_numbers_find(const struct corr_window *window, uint64_t n)
{
	struct numbers *numbers = window->state;
	if (numbers->order == NULL)
		numbers->order = corr_order_new(window);
	return corr_order_nth(numbers->order, n);
}

void corr_numbers_say(const struct mr_sum *sum, uint64_t by, struct mr_buf *out)
{
	struct mr_buf text = {0};
	mr_sum_text(sum, &text);
	mr_decimal_divide((struct mr_slice){text.data, text.len}, by, out);
	mr_buf_fini(&text);
}

struct mr_slice corr_numbers_nearest(const struct corr_window *window,
				     const struct mr_condition_part *part, int side)
{
	struct numbers *numbers = window->state;
	struct corr_nearest **nearest =
	    &numbers->sides[part - window->rule->parts].nearest[side > 0];
	if (*nearest == NULL)
		*nearest = corr_nearest_new(window, part, side);
	return corr_nearest_first(*nearest);
}
