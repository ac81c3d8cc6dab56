/* heap.c - slots by the time at which something is due: a binary heap.
 *
 * A slot keeps its own place in it, so that it can be taken out. Called by expiry.c, settle.c,
 * rank.c and state.c; never fails. */
#include "state.h"

#include <stdlib.h>

static uint32_t *place_of_due(struct corr_slot *slot)
{
	return &slot->due_at;
}

static uint32_t *place_of_settling(struct corr_slot *slot)
{
	return &slot->settled->due_at;
}

void corr_heaps_init(struct corr *corr)
{
	corr->dues.place = place_of_due;
	corr->settling.place = place_of_settling;
}

static void put(struct corr_heap *heap, uint32_t at, struct corr_due due)
{
	heap->dues[at] = due;
	*heap->place(due.slot) = at;
}

static uint32_t rise(struct corr_heap *heap, uint32_t at, struct corr_due due)
{
	while (at > 0 && heap->dues[(at - 1) / 2].at_us > due.at_us) {
		put(heap, at, heap->dues[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	return at;
}

static uint32_t sink(struct corr_heap *heap, uint32_t at, struct corr_due due)
{
	for (;;) {
		uint64_t child = 2 * (uint64_t)at + 1;
		if (child + 1 < heap->count &&
		    heap->dues[child + 1].at_us < heap->dues[child].at_us)
			child++;
		if (child >= heap->count || heap->dues[child].at_us >= due.at_us)
			return at;
		put(heap, at, heap->dues[child]);
		at = (uint32_t)child;
	}
}

void corr_heap_add(struct corr *corr, struct corr_heap *heap, struct corr_slot *slot, int64_t at_us)
{
	if (heap->count == heap->capacity) {
		uint32_t capacity = (uint32_t)mr_grow(heap->capacity, heap->count + 1);
		heap->dues = mr_realloc(heap->dues, capacity * sizeof(*heap->dues));
		corr->bytes += (capacity - heap->capacity) * sizeof(*heap->dues);
		heap->capacity = capacity;
	}
	struct corr_due due = {at_us, slot};
	put(heap, rise(heap, heap->count++, due), due);
}

void corr_heap_remove(struct corr_heap *heap, struct corr_slot *slot)
{
	uint32_t at = *heap->place(slot);
	struct corr_due last = heap->dues[--heap->count];
	if (last.slot != slot)
		put(heap, sink(heap, rise(heap, at, last), last), last);
}

static int by_time(const void *a, const void *b)
{
	const struct corr_due *x = a, *y = b;
	return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

/* What is in order is a heap, too. */
void corr_heap_sort(struct corr_heap *heap)
{
	if (heap->count > 1)
		qsort(heap->dues, heap->count, sizeof(*heap->dues), by_time);
	for (uint32_t i = 0; i < heap->count; i++)
		*heap->place(heap->dues[i].slot) = i;
}

void corr_heap_fini(struct corr *corr, struct corr_heap *heap)
{
	corr->bytes -= heap->capacity * sizeof(*heap->dues);
	free(heap->dues);
	*heap = (struct corr_heap){.place = heap->place};
}
