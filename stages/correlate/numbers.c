/* numbers.c - what the kinds over numbers share: the numbers of a window, added up and in order.
 *
 * A record adds its numbers once. Of copies that differ the earliest in the window holds, at one
 * time the one whose bytes are the smaller; when that one leaves the window, the next holds. Called
 * by judge.c through the kinds' measures; never fails. */
#include "measure.h"

#include <assert.h>
#include <stdlib.h>

#define NONE UINT32_MAX

struct number {
	struct mr_slice text;
	double about; /* rounded to the nearest: never in another order than they are */
	uint32_t place;
};

struct numbers {
	struct mr_sum sum;
	uint64_t count;
	struct number *all; /* those of seat i: from first[i] to first[i + 1] */
	uint32_t *first;
	uint32_t *held; /* by rank: seats in the window */
	uint32_t *next; /* by seat: the next one of the same rank; NONE */
	bool *beaten;   /* by seat: another one stands for it */
	const struct number **sorted;
	uint32_t *tree; /* by place: how many are in the window; sums, as Fenwick has them */
	uint32_t places;
	bool by_order;
};

/* ---- beginning ---- */

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

/* What stands between two spaces, an end being one: false behind the last. Takes it from `rest`. */
static bool next(struct mr_slice *rest, struct mr_slice *out)
{
	if (rest->at == NULL)
		return false;
	const char *space = rest->len == 0 ? NULL : memchr(rest->at, ' ', rest->len);
	size_t len = space == NULL ? rest->len : (size_t)(space - rest->at);
	*out = (struct mr_slice){rest->at, len};
	*rest = space == NULL ? (struct mr_slice){NULL, 0}
			      : (struct mr_slice){space + 1, rest->len - len - 1};
	return true;
}

bool corr_numbers_are(struct mr_slice text)
{
	struct mr_slice number;
	bool good = text.len > 0;
	while (good && next(&text, &number))
		good = mr_number_is(number, true);
	return good;
}

static uint32_t count_in(struct mr_slice text)
{
	struct mr_slice number;
	uint32_t count = 0;
	while (next(&text, &number))
		count++;
	return count;
}

static struct number number_of(struct mr_slice text)
{
	char copy[MR_NUMBER_TEXT_MAX + 1] = {0};
	assert(text.len <= MR_NUMBER_TEXT_MAX); /* a number: signals and state are asked first */
	memcpy(copy, text.at, text.len);
	return (struct number){.text = text, .about = strtod(copy, NULL)};
}

static void read(struct mr_slice text, struct number *out)
{
	struct mr_slice number;
	while (next(&text, &number))
		*out++ = number_of(number);
}

static void read_all(const struct corr_window *window, struct numbers *numbers)
{
	uint32_t count = 0;
	numbers->first = mr_malloc((window->count + (size_t)1) * sizeof(*numbers->first));
	for (uint32_t i = 0; i < window->count; i++) {
		numbers->first[i] = count;
		count += count_in(window->seats[i].text);
	}
	numbers->first[window->count] = count;
	numbers->all = mr_malloc((count + (size_t)1) * sizeof(*numbers->all));
	for (uint32_t i = 0; i < window->count; i++)
		read(window->seats[i].text, &numbers->all[numbers->first[i]]);
}

/* Of seats of one time and one record the one with the smaller bytes holds. */
static void beat(const struct corr_window *window, struct numbers *numbers)
{
	const struct corr_seat *seats = window->seats;
	for (uint32_t i = 1, best = 0; i < window->count; i++) {
		if (seats[i].time != seats[best].time || seats[i].rank != seats[best].rank) {
			best = i;
			continue;
		}
		bool smaller = mr_slice_cmp(seats[i].text, seats[best].text) < 0;
		numbers->beaten[smaller ? best : i] = true;
		best = smaller ? i : best;
	}
}

static void chain(const struct corr_window *window, struct numbers *numbers)
{
	uint32_t *latest = mr_malloc((window->ranks + (size_t)1) * sizeof(*latest));
	for (uint32_t i = 0; i < window->ranks; i++)
		latest[i] = NONE;
	for (uint32_t i = window->count; i-- > 0;) {
		if (numbers->beaten[i])
			continue;
		numbers->next[i] = latest[window->seats[i].rank];
		latest[window->seats[i].rank] = i;
	}
	free(latest);
}

void corr_numbers_begin(struct corr_window *window)
{
	struct numbers *numbers = mr_calloc(1, sizeof(*numbers));
	size_t seats = window->count + (size_t)1, ranks = window->ranks + (size_t)1;
	window->state = numbers;
	numbers->held = mr_calloc(ranks, sizeof(*numbers->held));
	numbers->next = mr_malloc(seats * sizeof(*numbers->next));
	numbers->beaten = mr_calloc(seats, sizeof(*numbers->beaten));
	read_all(window, numbers);
	beat(window, numbers);
	chain(window, numbers);
}

static int compare(const struct number *a, const struct number *b)
{
	if (a->about != b->about)
		return a->about < b->about ? -1 : 1;
	return mr_number_compare(a->text, b->text);
}

static int by_number(const void *a, const void *b)
{
	return compare(*(const struct number *const *)a, *(const struct number *const *)b);
}

void corr_numbers_begin_by_order(struct corr_window *window)
{
	corr_numbers_begin(window);
	struct numbers *numbers = window->state;
	uint32_t count = numbers->first[window->count];
	numbers->by_order = true;
	numbers->sorted = mr_malloc((count + (size_t)1) * sizeof(const struct number *));
	for (uint32_t i = 0; i < count; i++)
		numbers->sorted[i] = &numbers->all[i];
	if (count > 1)
		qsort(numbers->sorted, count, sizeof(numbers->sorted[0]), by_number);
	for (uint32_t i = 0; i < count; i++) {
		const struct number *number = numbers->sorted[i];
		bool same = i > 0 && compare(numbers->sorted[numbers->places - 1], number) == 0;
		if (!same)
			numbers->sorted[numbers->places++] = number;
		numbers->all[number - numbers->all].place = numbers->places - 1;
	}
	numbers->tree = mr_calloc(numbers->places + (size_t)1, sizeof(*numbers->tree));
}

/* ---- on the way ---- */

static void tree_add(struct numbers *numbers, uint32_t place, uint32_t number)
{
	for (uint32_t i = place + 1; i <= numbers->places; i += i & (0 - i))
		numbers->tree[i] += number;
}

static void count_seat(struct numbers *numbers, uint32_t seat, bool comes)
{
	for (uint32_t i = numbers->first[seat]; i < numbers->first[seat + 1]; i++) {
		const struct number *number = &numbers->all[i];
		if (numbers->by_order)
			tree_add(numbers, number->place, comes ? 1 : UINT32_MAX);
		else
			mr_sum_add(&numbers->sum, number->text, comes ? 1 : -1);
		numbers->count += comes ? 1 : UINT64_MAX;
	}
}

void corr_numbers_enter(struct corr_window *window, uint32_t from, uint32_t to)
{
	struct numbers *numbers = window->state;
	for (uint32_t i = from; i < to; i++) {
		uint32_t rank = window->seats[i].rank;
		if (numbers->beaten[i] || numbers->held[rank]++ > 0)
			continue;
		count_seat(numbers, i, true);
	}
}

void corr_numbers_leave(struct corr_window *window, uint32_t seat)
{
	struct numbers *numbers = window->state;
	uint32_t rank = window->seats[seat].rank;
	if (numbers->beaten[seat])
		return;
	count_seat(numbers, seat, false); /* the earliest of its rank: it holds */
	if (--numbers->held[rank] > 0)
		count_seat(numbers, numbers->next[seat], true);
}

void corr_numbers_end(struct corr_window *window)
{
	struct numbers *numbers = window->state;
	free(numbers->all);
	free(numbers->first);
	free(numbers->held);
	free(numbers->next);
	free(numbers->beaten);
	free(numbers->sorted);
	free(numbers->tree);
	free(numbers);
}

/* ---- asking ---- */

uint64_t corr_numbers_count(const struct corr_window *window)
{
	return ((const struct numbers *)window->state)->count;
}

const struct mr_sum *corr_numbers_sum(const struct corr_window *window)
{
	return &((const struct numbers *)window->state)->sum;
}

void corr_numbers_say(const struct mr_sum *sum, uint64_t by, struct mr_buf *out)
{
	struct mr_buf text = {0};
	mr_sum_text(sum, &text);
	mr_decimal_divide((struct mr_slice){text.data, text.len}, by, out);
	mr_buf_fini(&text);
}

struct mr_slice corr_numbers_nth(const struct corr_window *window, uint64_t n)
{
	const struct numbers *numbers = window->state;
	uint32_t at = 0, step = 1;
	while (step <= numbers->places / 2)
		step *= 2;
	for (; step > 0; step /= 2) {
		if (at + step > numbers->places || numbers->tree[at + step] >= n)
			continue;
		at += step;
		n -= numbers->tree[at];
	}
	return numbers->sorted[at]->text;
}
