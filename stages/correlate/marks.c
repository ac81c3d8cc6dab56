/* marks.c - all occurrences of a slot whose correlation settles, in the order of time.
 *
 * New ones stand behind the sorted ones until they are half as many; then both are merged. So what
 * comes in order costs a comparison, what comes in any order the logarithm of how many there are.
 * Of those that are equal the last one stands, which is the withdrawal of the others or their
 * return. Called by settle.c, judge.c and snapshot.c; never fails. */
#include "state.h"

#include <stdlib.h>

#define LEAST 16 /* not worth merging */

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

void corr_marks_sort(struct corr_marks *marks)
{
	if (marks->sorted == marks->count)
		return;
	const struct corr_mark **order = mr_malloc(marks->count * sizeof(const struct corr_mark *));
	struct corr_marks merged = {0};
	for (uint32_t i = 0; i < marks->count; i++)
		order[i] = &marks->at[i];
	qsort_r(order, marks->count, sizeof(order[0]), by_order, marks);
	for (uint32_t i = 0; i < marks->count; i++) {
		bool last = i + 1 == marks->count || compare(marks, order[i], order[i + 1]) != 0;
		if (last && !order[i]->gone)
			append(&merged, order[i], corr_mark_text(marks, order[i]));
	}
	merged.sorted = merged.count;
	free(order);
	corr_marks_fini(marks);
	*marks = merged;
}

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
	if (marks->count - marks->sorted > LEAST + marks->sorted / 2)
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
