/* trim.c - what one key gives up at the memory ceiling, where it holds the most itself.
 *
 * First its slots in the order in which keys go (rank.c), of equals the oldest, but for the one in
 * use and those beside it, which the windows in hand reach into. Then what these hold past the need
 * of their condition: the older half of what is kept whole for an outer correlation, where that is
 * most of it, a set's entries between its ends, of a correlation that settles the older
 * occurrences. A condition that wants more than half of the ceiling loses from what it needs, too:
 * it could not come to hold here. Called by shed.c; never fails. */
#include "shed.h"

#include <stdlib.h>

#define PART 8 /* of what a key holds, which goes at once: to look through it must be worth it */

size_t corr_key_bytes(const struct corr_key *key)
{
	size_t bytes = 0;
	for (const struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key)
		bytes += slot->bytes;
	return bytes;
}

/* ---- slots ---- */

static bool is_used(const struct corr_slot *slot)
{
	const struct corr_slot *used = slot->key->recent;
	return used != NULL && (slot == used || slot == used->previous || slot == used->next);
}

static bool leaves(const struct corr *corr, const struct corr_slot *slot)
{
	(void)corr;
	return slot->leaves;
}

struct candidate {
	struct corr_slot *slot;
	uint16_t rank;
};

static int by_rank_and_number(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (x->slot->number > y->slot->number) - (x->slot->number < y->slot->number);
}

/* Those of the key, or of its future alone, in order. */
static size_t candidates(const struct corr *corr, const struct corr_key *key, bool future,
			 struct candidate *out)
{
	size_t count = 0;
	for (struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key) {
		bool fits = !is_used(slot) && (!future || corr_is_future(corr, slot));
		if (fits)
			out[count++] = (struct candidate){slot, corr_rank_of_slot(corr, slot)};
	}
	if (count > 1)
		qsort(out, count, sizeof(*out), by_rank_and_number);
	return count;
}

/* So many bytes of slots go, or of those of the future. */
static uint64_t slots_trim(struct corr *corr, struct corr_key *key, size_t bytes, bool future)
{
	size_t slots = 0, seen = 0, gone = 0;
	for (const struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key)
		slots++;
	struct candidate *first = mr_malloc((slots + 1) * sizeof(*first));
	size_t count = candidates(corr, key, future, first);
	for (; gone < count && seen < bytes; gone++) {
		seen += corr_slot_frees(first[gone].slot);
		first[gone].slot->leaves = true;
		corr_slot_leave(corr, first[gone].slot);
	}
	free(first);
	if (gone > 0)
		corr_key_sweep(corr, key, leaves);
	return gone;
}

uint64_t corr_key_trim_future(struct corr *corr, struct corr_key *key)
{
	return slots_trim(corr, key, SIZE_MAX, true);
}

/* ---- one slot ---- */

/* True where something that counts is gone. */
static bool slot_trim(struct corr *corr, struct corr_slot *slot, bool hard)
{
	struct corr_set *set = &slot->set;
	struct corr_marks *marks = slot->settled == NULL ? NULL : &slot->settled->marks;
	uint32_t keep = slot->key->rule->keep;
	bool lost = true;
	if (slot->held != NULL && slot->held->waiting_bytes > slot->bytes / 2) {
		corr_held_halve(corr, slot);
		corr_seen_fini(&slot->fed); /* what is gone is new when it comes again */
	} else if (slot->settled != NULL && slot->settled->offer_bytes > slot->bytes / 2) {
		corr_offers_halve(corr, slot);
	} else if (set->count > keep) {
		corr_set_prune(set, keep);
		corr_set_fit(set);
		lost = false;
	} else if (hard && set->count > 1) {
		corr_fire_early(corr, slot);
		corr_set_halve(set);
	} else if (marks != NULL && marks->count > 1) {
		corr_fire_early(corr, slot);
		corr_marks_halve(marks);
	} else {
		return false;
	}
	struct corr_slot *counts[] = {slot, slot->next};
	for (int i = 0; i < 2; i++)
		if (counts[i] != NULL && counts[i]->held != NULL)
			counts[i]->held->stale = true;
	corr_slot_weigh(corr, slot);
	slot->lossy |= lost;
	if (lost)
		corr_slot_lost(corr, slot);
	return lost;
}

uint64_t corr_key_trim(struct corr *corr, struct corr_key *key, bool hard)
{
	size_t before = corr_key_bytes(key), goal = before - before / PART;
	uint64_t lost = slots_trim(corr, key, before / PART, false);
	struct corr_slot *used = key->recent;
	struct corr_slot *slots[] = {used == NULL ? NULL : used->previous, used,
				     used == NULL ? NULL : used->next};
	for (int i = 0; i < 3 && corr_key_bytes(key) > goal; i++)
		if (slots[i] != NULL)
			lost += slot_trim(corr, slots[i], hard);
	return lost;
}
