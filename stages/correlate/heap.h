/* heap.h - slots by the time at which something is due: the first is the first.
 *
 * Included by state.h: correlate keeps two, of slots that go and of slots that are to be judged. */
#ifndef MILLRACE_CORRELATE_HEAP_H
#define MILLRACE_CORRELATE_HEAP_H

#include <stdint.h>

struct corr;
struct corr_slot;
struct corr_due {
	int64_t at_us;
	struct corr_slot *slot;
};
struct corr_heap {
	struct corr_due *dues;
	uint32_t count, capacity;
	uint32_t *(*place)(struct corr_slot *slot); /* where a slot keeps its place */
};

void corr_heaps_init(struct corr *corr);
void corr_heap_add(struct corr *corr, struct corr_heap *heap, struct corr_slot *slot,
		   int64_t at_us);
void corr_heap_remove(struct corr_heap *heap, struct corr_slot *slot);
/* The first first, the others in order behind it. */
void corr_heap_sort(struct corr_heap *heap);
void corr_heap_fini(struct corr *corr, struct corr_heap *heap);

#endif
