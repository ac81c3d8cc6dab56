/* order.c - the numbers in a window, in order: which one is the nth.
 *
 * All numbers of the seats are sorted once; a Fenwick tree over the distinct ones counts those that
 * hold. It takes many times what a verdict does, so it is made where an alert is to say a number,
 * and a sign of life is given meanwhile. Called by numbers.c; never fails. */
#include "measure.h"

#include <stdlib.h>

#include "millrace/alive.h"

#define ALIVE_COMPARED 65536 /* between two signs of life */

struct number {
	const char *at;
	double about; /* rounded to the nearest: never in another order than they are */
	uint32_t len;
	uint32_t place; /* of the distinct ones */
};

struct corr_order {
	struct number *all; /* those of seat i: from first[i] to first[i + 1] */
	uint32_t *first;
	uint32_t *sorted; /* distinct ones */
	uint32_t *tree;   /* by place: how many hold; sums, as Fenwick has them */
	uint32_t places;
	uint32_t compared;
};

static struct number number_of(struct mr_slice text)
{
	char copy[MR_NUMBER_TEXT_MAX + 1] = {0};
	memcpy(copy, text.at, text.len); /* one that fits: signals and state are asked first */
	return (struct number){
	    .at = text.at, .len = (uint32_t)text.len, .about = strtod(copy, NULL)};
}

static void read_all(const struct corr_window *window, struct corr_order *order)
{
	struct mr_slice text, number;
	uint32_t count = 0;
	order->first = mr_malloc((window->count + (size_t)1) * sizeof(*order->first));
	for (uint32_t i = 0; i < window->count; i++) {
		order->first[i] = count;
		text = corr_seat_text(window, i);
		while (corr_number_next(&text, &number))
			count++;
	}
	order->first[window->count] = count;
	order->all = mr_malloc((count + (size_t)1) * sizeof(*order->all));
	for (uint32_t i = 0, at = 0; i < window->count; i++) {
		text = corr_seat_text(window, i);
		while (corr_number_next(&text, &number))
			order->all[at++] = number_of(number);
	}
}

static int compare(const struct number *a, const struct number *b)
{
	if (a->about != b->about)
		return a->about < b->about ? -1 : 1;
	return mr_number_compare((struct mr_slice){a->at, a->len},
				 (struct mr_slice){b->at, b->len});
}

static int by_number(const void *a, const void *b, void *context)
{
	struct corr_order *order = context;
	if (++order->compared % ALIVE_COMPARED == 0)
		mr_alive();
	return compare(&order->all[*(const uint32_t *)a], &order->all[*(const uint32_t *)b]);
}

static void sort(struct corr_order *order, uint32_t count)
{
	uint32_t *sorted = mr_malloc((count + (size_t)1) * sizeof(*sorted));
	for (uint32_t i = 0; i < count; i++)
		sorted[i] = i;
	if (count > 1)
		qsort_r(sorted, count, sizeof(*sorted), by_number, order);
	for (uint32_t i = 0; i < count; i++) {
		struct number *number = &order->all[sorted[i]];
		if (i == 0 || compare(&order->all[sorted[order->places - 1]], number) != 0)
			sorted[order->places++] = sorted[i];
		number->place = order->places - 1;
	}
	order->sorted = sorted;
}

struct corr_order *corr_order_new(const struct corr_window *window)
{
	struct corr_order *order = mr_calloc(1, sizeof(*order));
	read_all(window, order);
	sort(order, order->first[window->count]);
	order->tree = mr_calloc(order->places + (size_t)1, sizeof(*order->tree));
	for (uint32_t i = 0; i < window->count; i++)
		if (corr_numbers_hold(window, i))
			corr_order_count(order, i, true);
	return order;
}

void corr_order_free(struct corr_order *order)
{
	if (order == NULL)
		return;
	free(order->all);
	free(order->first);
	free(order->sorted);
	free(order->tree);
	free(order);
}

void corr_order_count(struct corr_order *order, uint32_t seat, bool comes)
{
	for (uint32_t n = order->first[seat]; n < order->first[seat + 1]; n++)
		for (uint32_t i = order->all[n].place + 1; i <= order->places; i += i & (0 - i))
			order->tree[i] += comes ? 1 : UINT32_MAX;
}

struct mr_slice corr_order_nth(const struct corr_order *order, uint64_t n)
{
	uint32_t at = 0, step = 1;
	while (step <= order->places / 2)
		step *= 2;
	for (; step > 0; step /= 2) {
		if (at + step > order->places || order->tree[at + step] >= n)
			continue;
		at += step;
		n -= order->tree[at];
	}
	const struct number *number = &order->all[order->sorted[at]];
	return (struct mr_slice){number->at, number->len};
}
