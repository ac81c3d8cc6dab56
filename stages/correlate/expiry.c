/* expiry.c - the release of state that no occurrence within the lateness can touch any more.
 *
 * Called at a barrier only, before the snapshot, so that what is released depends on the sources'
 * prefixes alone (PROTOCOL.md 6.6). A slot goes when it ends before W - lateness - span: the slot
 * behind it may still need it until then. Never fails. */
#include "state.h"

#include <stdlib.h>

static int64_t minus(int64_t a, int64_t b)
{
	int64_t result;
	return __builtin_sub_overflow(a, b, &result) ? INT64_MIN : result;
}

/* ---- the slots by when they go: a binary heap ---- */

/* The end of the slot behind it, where 64 bits hold that. */
static int64_t end_of(const struct corr_slot *slot)
{
	int64_t number, end_us;
	if (__builtin_add_overflow(slot->number, 2, &number) ||
	    __builtin_mul_overflow(number, slot->key->rule->span_us, &end_us))
		return slot->number < 0 ? INT64_MIN : INT64_MAX;
	return end_us;
}

static void place(struct corr *corr, uint32_t at, struct corr_due due)
{
	corr->dues[at] = due;
	due.slot->due_at = at;
}

static uint32_t rise(struct corr *corr, uint32_t at, struct corr_due due)
{
	while (at > 0 && corr->dues[(at - 1) / 2].end_us > due.end_us) {
		place(corr, at, corr->dues[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	return at;
}

static uint32_t sink(struct corr *corr, uint32_t at, struct corr_due due)
{
	for (;;) {
		uint64_t child = 2 * (uint64_t)at + 1;
		if (child + 1 < corr->due_count &&
		    corr->dues[child + 1].end_us < corr->dues[child].end_us)
			child++;
		if (child >= corr->due_count || corr->dues[child].end_us >= due.end_us)
			return at;
		place(corr, at, corr->dues[child]);
		at = (uint32_t)child;
	}
}

void corr_due_add(struct corr *corr, struct corr_slot *slot)
{
	if (corr->lateness_us == CORR_UNLIMITED)
		return;
	if (corr->due_count == corr->due_capacity) {
		uint32_t capacity = (uint32_t)mr_grow(corr->due_capacity, corr->due_count + 1);
		corr->dues = mr_realloc(corr->dues, capacity * sizeof(*corr->dues));
		corr->bytes += (capacity - corr->due_capacity) * sizeof(*corr->dues);
		corr->due_capacity = capacity;
	}
	struct corr_due due = {.end_us = end_of(slot), .slot = slot};
	place(corr, rise(corr, corr->due_count++, due), due);
}

void corr_due_remove(struct corr *corr, struct corr_slot *slot)
{
	if (corr->due_count == 0)
		return;
	uint32_t at = slot->due_at;
	struct corr_due last = corr->dues[--corr->due_count];
	if (last.slot == slot)
		return;
	place(corr, sink(corr, rise(corr, at, last), last), last);
}

void corr_dues_fini(struct corr *corr)
{
	corr->bytes -= corr->due_capacity * sizeof(*corr->dues);
	free(corr->dues);
	corr->dues = NULL;
	corr->due_count = corr->due_capacity = 0;
}

/* ---- the release ---- */

static int64_t release_limit(const struct corr *corr)
{
	return minus(corr->watermark_us, corr->lateness_us);
}

static bool slot_is_gone(const struct corr *corr, const struct corr_slot *slot)
{
	return corr->dues[slot->due_at].end_us < release_limit(corr);
}

void corr_count_beyond(struct corr *corr, int64_t time_us)
{
	if (corr->lateness_us == CORR_UNLIMITED || corr->watermark_us == CORR_NEVER)
		return;
	mr_count(corr->env->counters, MR_C_BEYOND_LATENESS, time_us < release_limit(corr));
}

void corr_release(struct corr *corr, int64_t watermark_us)
{
	if (watermark_us > corr->watermark_us)
		corr->watermark_us = watermark_us;
	if (corr->lateness_us == CORR_UNLIMITED || corr->watermark_us == CORR_NEVER)
		return;
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
		corr_plain_release(corr, &corr->groups[g].plain, release_limit(corr));
	while (corr->due_count > 0 && corr->dues[0].end_us < release_limit(corr))
		corr_key_sweep(corr, corr->dues[0].slot->key, slot_is_gone);
}
