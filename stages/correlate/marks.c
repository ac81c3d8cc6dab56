/* marks.c - all occurrences of a slot whose correlation settles, in the order of time.
 *
 * New ones stand behind the sorted ones until they are half as many; then they are put in order
 * and take their places. So what comes in order costs a comparison, what comes in any order the
 * logarithm of how many there are, and one that is late by much moves those behind it.
 * Of those that are equal the last one stands, which is the withdrawal of the others or their
 * return. Called by settle.c, judge.c and snapshot.c; never fails. */
#include "state.h"

#include <stdlib.h>

#define LEAST 16       /* not worth merging */
#define MOST (1 << 18) /* what is merged at once takes a tenth of a second */

struct mr_slice corr_mark_text(const struct corr_marks *marks, const struct corr_mark *mark)
{
	return mark->text_len == 0 ? MR_SLICE("")
				   : (struct mr_slice){marks->texts + mark->text, mark->text_len};
}

static int compare(const struct corr_marks *marks, const struct corr_mark *a,
		   const struct corr_mark *b)
{
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	int order = corr_id_compare(&a->id, &b->id);
	if (order != 0)
		return order;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	if (a->text_len == 0 || b->text_len == 0)
		return (int)a->text_len - (int)b->text_len;
	return mr_slice_cmp(corr_mark_text(marks, a), corr_mark_text(marks, b));
}

/* Equal ones stay in the order in which they came. */
static int by_order(const void *a, const void *b, void *context)
{
	const struct corr_mark *x = *(const struct corr_mark *const *)a;
	const struct corr_mark *y = *(const struct corr_mark *const *)b;
	int order = compare(context, x, y);
	return order != 0 ? order : (x > y) - (x < y);
}

static void append(struct corr_marks *marks, const struct corr_mark *mark, struct mr_slice text)
{
	if (marks->count == marks->capacity) {
		marks->capacity = marks->capacity == 0 ? 1 : marks->capacity * 2;
		marks->at = mr_realloc(marks->at, marks->capacity * sizeof(*marks->at));
	}
	if (marks->text_used + text.len > marks->text_capacity) {
		uint32_t wanted = marks->text_used + (uint32_t)text.len;
		marks->text_capacity = wanted < 16 ? wanted : wanted + wanted / 2;
		marks->texts = mr_realloc(marks->texts, marks->text_capacity);
	}
	struct corr_mark *place = &marks->at[marks->count++];
	*place = *mark;
	place->text = marks->text_used;
	place->text_len = (uint16_t)text.len;
	if (text.len > 0)
		memcpy(marks->texts + marks->text_used, text.at, text.len);
	marks->text_used += (uint32_t)text.len;
}

/* ---- merging ---- */

/* Those behind the sorted ones, in order, of equal ones the last; gives how many. */
static uint32_t tail_sort(const struct corr_marks *marks, struct corr_mark *out)
{
	uint32_t count = marks->count - marks->sorted, kept = 0;
	const struct corr_mark **order = mr_malloc(count * sizeof(const struct corr_mark *));
	for (uint32_t i = 0; i < count; i++)
		order[i] = &marks->at[marks->sorted + i];
	qsort_r(order, count, sizeof(order[0]), by_order, (void *)(uintptr_t)marks);
	for (uint32_t i = 0; i < count; i++)
		if (i + 1 == count || compare(marks, order[i], order[i + 1]) != 0)
			out[kept++] = *order[i];
	free(order);
	return kept;
}

/* The first sorted one of those from `low` to `high` that is not before the mark. */
static uint32_t place_of(const struct corr_marks *marks, uint32_t low, uint32_t high,
			 const struct corr_mark *mark)
{
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (compare(marks, &marks->at[middle], mark) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What stands already, or is its withdrawal, takes no place of its own. Gives how many are new. */
static uint32_t tail_meet(struct corr_marks *marks, struct corr_mark *tail, uint32_t count,
			  bool *gone_out)
{
	uint32_t fresh = 0, at = 0;
	for (uint32_t i = 0; i < count; i++) {
		at = place_of(marks, at, marks->sorted, &tail[i]);
		if (at < marks->sorted && compare(marks, &marks->at[at], &tail[i]) == 0) {
			marks->at[at].gone = tail[i].gone;
			*gone_out |= tail[i].gone;
		} else if (!tail[i].gone) {
			tail[fresh++] = tail[i];
		}
	}
	return fresh;
}

static void gone_drop(struct corr_marks *marks)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < marks->sorted; i++)
		if (!marks->at[i].gone)
			marks->at[kept++] = marks->at[i];
	marks->sorted = kept;
}

/* From the last on, as far as there are new ones. */
static void tail_merge(struct corr_marks *marks, const struct corr_mark *tail, uint32_t count)
{
	uint32_t to = marks->sorted + count, from = marks->sorted;
	while (count > 0) {
		uint32_t at = place_of(marks, 0, from, &tail[count - 1]);
		memmove(&marks->at[to - (from - at)], &marks->at[at],
			(from - at) * sizeof(*marks->at));
		to -= from - at + 1;
		marks->at[to] = tail[--count];
		from = at;
	}
}

/* Their bytes are let go once they are the half. */
static void texts_fit(struct corr_marks *marks)
{
	struct corr_marks whole = {0};
	uint64_t alive = 0;
	for (uint32_t i = 0; i < marks->count; i++)
		alive += marks->at[i].text_len;
	if (alive >= marks->text_used / 2)
		return;
	for (uint32_t i = 0; i < marks->count; i++)
		append(&whole, &marks->at[i], corr_mark_text(marks, &marks->at[i]));
	whole.sorted = whole.count;
	corr_marks_fini(marks);
	*marks = whole;
}

void corr_marks_sort(struct corr_marks *marks)
{
	bool gone = false;
	if (marks->sorted == marks->count)
		return;
	uint32_t came = marks->count - marks->sorted;
	struct corr_mark *tail = mr_malloc(came * sizeof(*tail));
	uint32_t fresh = tail_meet(marks, tail, tail_sort(marks, tail), &gone);
	tail_merge(marks, tail, fresh);
	marks->sorted += fresh;
	if (gone)
		gone_drop(marks);
	marks->count = marks->sorted;
	marks->summed = UINT32_MAX; /* anew */
	free(tail);
	if (gone || fresh < came)
		texts_fit(marks);
}

/* ---- coming ---- */

void corr_marks_add(struct corr_marks *marks, const struct corr_mark *mark, struct mr_slice text)
{
	append(marks, mark, text);
	if (marks->sorted + 1 == marks->count && !mark->gone) {
		const struct corr_mark *last = &marks->at[marks->count - 1];
		int order = marks->sorted == 0 ? 1 : compare(marks, last, last - 1);
		marks->sorted += order > 0;
		if (order == 0) {
			marks->count--;
			marks->text_used -= last->text_len;
		}
	}
	uint32_t most = LEAST + marks->sorted / 2;
	if (marks->count - marks->sorted > (most < MOST ? most : MOST))
		corr_marks_sort(marks);
}

uint32_t corr_marks_from(const struct corr_marks *marks, int64_t offset)
{
	uint32_t low = 0, high = marks->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (marks->at[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

double corr_marks_sum(const struct corr_marks *marks)
{
	struct corr_marks *own = (struct corr_marks *)(uintptr_t)marks; /* it only remembers */
	if (own->summed > own->count) {
		own->summed = 0;
		own->sum = 0;
	}
	for (; own->summed < own->count; own->summed++)
		own->sum += corr_numbers_about(corr_mark_text(own, &own->at[own->summed]));
	return own->sum;
}

void corr_marks_halve(struct corr_marks *marks)
{
	struct corr_marks half = {0};
	corr_marks_sort(marks);
	for (uint32_t i = marks->count / 2; i < marks->count; i++)
		append(&half, &marks->at[i], corr_mark_text(marks, &marks->at[i]));
	half.sorted = half.count;
	corr_marks_fini(marks);
	*marks = half;
}

void corr_marks_fini(struct corr_marks *marks)
{
	free(marks->at);
	free(marks->texts);
	*marks = (struct corr_marks){0};
}

size_t corr_marks_bytes(const struct corr_marks *marks)
{
	return corr_taken(marks->capacity * sizeof(*marks->at)) + corr_taken(marks->text_capacity);
}
