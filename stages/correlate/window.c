/* window.c - counting distinct things in a sliding window, exactly, with bounded memory.
 *
 * Called by event_count.c, value_count.c and temporal.c, which differ only in what they count.
 *
 * Why little is enough (PROTOCOL.md 6.5). The window that ends at offset x of slot s holds what
 * stands at or before x in s, and at or after x in s - 1. So of each distinct thing only its first
 * offset (asked about its own slot) and its last (asked about the slot before) matter. What is left
 * out has at least `keep` >= threshold others with an earlier first, so that wherever it would
 * count, the threshold is met without it; likewise for last. Comparing (offset, id), a thing once
 * left out can come back only by an occurrence that beats those that drove it out, and then that
 * occurrence is its true first or last. So what is known of the keep earliest and keep latest is a
 * function of the set of occurrences, whatever their order.
 *
 * Where the earliest completing occurrence of a slot is looked for, only firsts need a look: from
 * any occurrence, going back to the last first before it loses nothing of the current slot, and
 * gains of the previous. */
#include "state.h"

#include <assert.h>
#include <stdlib.h>

#define INDEX_FROM 16 /* entries that are looked through one by one */

/* ---- the set ---- */

static uint32_t id_start(const struct corr_id *id)
{
	uint32_t start;
	memcpy(&start, id->bytes, sizeof(start));
	return start;
}

static void index_put(struct corr_set *set, uint32_t entry)
{
	uint32_t at = id_start(&set->entries[entry].id) & set->index_mask;
	while (set->index[at] != 0)
		at = (at + 1) & set->index_mask;
	set->index[at] = entry + 1;
}

static void index_build(struct corr_set *set)
{
	free(set->index);
	set->index = NULL;
	if (set->count <= INDEX_FROM)
		return;
	uint32_t size = 64;
	while (size < set->capacity * 2)
		size *= 2;
	set->index = mr_calloc(size, sizeof(*set->index));
	set->index_mask = size - 1;
	for (uint32_t i = 0; i < set->count; i++)
		index_put(set, i);
}

static struct corr_entry *set_find(const struct corr_set *set, const struct corr_id *id)
{
	if (set->index == NULL) {
		for (uint32_t i = 0; i < set->count; i++) {
			if (memcmp(&set->entries[i].id, id, sizeof(*id)) == 0)
				return &set->entries[i];
		}
		return NULL;
	}
	uint32_t at = id_start(id) & set->index_mask;
	for (; set->index[at] != 0; at = (at + 1) & set->index_mask) {
		struct corr_entry *entry = &set->entries[set->index[at] - 1];
		if (memcmp(&entry->id, id, sizeof(*id)) == 0)
			return entry;
	}
	return NULL;
}

const struct corr_entry *corr_set_find(const struct corr_set *set, const struct corr_id *id)
{
	return set_find(set, id);
}

static void set_append(struct corr_set *set, const struct corr_entry *entry)
{
	if (set->count == set->capacity) {
		set->capacity = set->capacity == 0 ? 1 : set->capacity * 2;
		set->entries = mr_realloc(set->entries, set->capacity * sizeof(*set->entries));
		set->entries[set->count++] = *entry;
		index_build(set);
		return;
	}
	set->entries[set->count++] = *entry;
	if (set->index != NULL)
		index_put(set, set->count - 1);
	else if (set->count > INDEX_FROM)
		index_build(set);
}

void corr_set_add(struct corr_set *set, uint32_t keep, const struct corr_id *id, int64_t first,
		  int64_t last, bool *first_moved_out, bool *last_moved_out)
{
	struct corr_entry *entry = set_find(set, id);
	*first_moved_out = entry == NULL || first < entry->first;
	*last_moved_out = entry == NULL || last > entry->last;
	if (entry == NULL) {
		struct corr_entry fresh = {*id, first, last};
		/* Room for as many again, so that leaving out costs little for each addition. */
		if (set->count >= 3 * (size_t)keep)
			corr_set_prune(set, keep);
		set_append(set, &fresh);
		return;
	}
	if (*first_moved_out)
		entry->first = first;
	if (*last_moved_out)
		entry->last = last;
}

static int by_first(const void *a, const void *b)
{
	const struct corr_entry *x = *(const struct corr_entry *const *)a;
	const struct corr_entry *y = *(const struct corr_entry *const *)b;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return memcmp(&x->id, &y->id, sizeof(x->id));
}

static int by_last(const void *a, const void *b)
{
	const struct corr_entry *x = *(const struct corr_entry *const *)a;
	const struct corr_entry *y = *(const struct corr_entry *const *)b;
	if (x->last != y->last)
		return x->last > y->last ? -1 : 1;
	return memcmp(&x->id, &y->id, sizeof(x->id));
}

void corr_set_prune(struct corr_set *set, uint32_t keep)
{
	if (set->count <= keep)
		return;
	const struct corr_entry **order = mr_malloc(set->count * sizeof(*order));
	bool *kept = mr_calloc(set->count, sizeof(*kept));
	for (uint32_t i = 0; i < set->count; i++)
		order[i] = &set->entries[i];
	qsort(order, set->count, sizeof(*order), by_first);
	for (uint32_t i = 0; i < keep; i++)
		kept[order[i] - set->entries] = true;
	qsort(order, set->count, sizeof(*order), by_last);
	for (uint32_t i = 0; i < keep; i++)
		kept[order[i] - set->entries] = true;
	uint32_t count = 0;
	for (uint32_t i = 0; i < set->count; i++) {
		if (kept[i])
			set->entries[count++] = set->entries[i];
	}
	if (count < set->count)
		set->pruned = true;
	set->count = count;
	free(kept);
	free(order);
	index_build(set);
}

void corr_set_fini(struct corr_set *set)
{
	free(set->entries);
	free(set->index);
	*set = (struct corr_set){0};
}

/* ---- numbers ---- */

int64_t *corr_numbers(struct corr *corr, size_t count)
{
	corr->sorted.len = 0;
	return (int64_t *)(void *)mr_buf_reserve(&corr->sorted, (count + 1) * sizeof(int64_t));
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

void corr_numbers_sort(int64_t *numbers, size_t count)
{
	if (count > 1)
		qsort(numbers, count, sizeof(*numbers), by_number);
}

uint32_t corr_numbers_below(const int64_t *sorted, uint32_t count, int64_t limit)
{
	uint32_t low = 0, high = count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (sorted[middle] < limit)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- the window ---- */

void corr_distinct_add(const struct corr_rule *rule, const struct corr_near *near, int64_t offset,
		       const struct corr_id *ids, uint32_t count, struct corr_range *current_out,
		       struct corr_range *next_out)
{
	bool first = false, last = false;
	for (uint32_t i = 0; i < count; i++) {
		bool first_moved, last_moved;
		corr_set_add(&near->current->set, rule->keep, &ids[i], offset, offset, &first_moved,
			     &last_moved);
		first |= first_moved;
		last |= last_moved;
	}
	/* More stands at or before each later end in this slot, and at or after each earlier one in
	 * the next. */
	if (first)
		*current_out = (struct corr_range){offset, rule->span_us - 1};
	if (last)
		*next_out = (struct corr_range){0, offset};
}

static uint32_t previous_count(const struct corr_view *view)
{
	return view->previous == NULL ? 0 : view->previous->set.count;
}

void corr_distinct_view(struct corr *corr, const struct corr_rule *rule, struct corr_slot *previous,
			struct corr_slot *current, struct corr_view *view)
{
	*view = (struct corr_view){.rule = rule, .previous = previous, .current = current};
	const struct corr_set *now = &current->set;
	if ((uint64_t)now->count + previous_count(view) < rule->threshold)
		return;
	uint32_t before = previous_count(view);
	int64_t *starts = corr_numbers(corr, 2 * (size_t)now->count + before);
	int64_t *firsts = starts + now->count;
	int64_t *lasts = firsts + now->count;
	for (uint32_t i = 0; i < now->count; i++) {
		const struct corr_entry *entry = &now->entries[i];
		const struct corr_entry *same =
		    before == 0 ? NULL : set_find(&previous->set, &entry->id);
		starts[view->start_count++] = entry->first;
		if (same != NULL && same->last >= entry->first)
			view->always++;
		else
			firsts[view->first_count++] = entry->first;
	}
	for (uint32_t i = 0; i < before; i++) {
		const struct corr_entry *entry = &previous->set.entries[i];
		const struct corr_entry *same = set_find(now, &entry->id);
		if (same == NULL || entry->last < same->first)
			lasts[view->last_count++] = entry->last;
	}
	corr_numbers_sort(starts, view->start_count);
	corr_numbers_sort(firsts, view->first_count);
	corr_numbers_sort(lasts, view->last_count);
	view->starts = starts;
	view->firsts = firsts;
	view->lasts = lasts;
}

bool corr_distinct_holds(const struct corr_view *view, int64_t offset)
{
	if (view->starts == NULL)
		return false;
	uint32_t held = view->always;
	held += corr_numbers_below(view->firsts, view->first_count, offset + 1);
	held += view->last_count - corr_numbers_below(view->lasts, view->last_count, offset);
	return held >= view->rule->threshold;
}

bool corr_distinct_first(const struct corr_view *view, struct corr_range range, int64_t *offset_out)
{
	if (view->starts == NULL)
		return false;
	uint32_t at = corr_numbers_below(view->starts, view->start_count, range.from);
	for (; at < view->start_count && view->starts[at] <= range.to; at++) {
		if (corr_distinct_holds(view, view->starts[at])) {
			*offset_out = view->starts[at];
			return true;
		}
	}
	return false;
}
