/* trim.c - what one key gives up at the memory ceiling, where it holds the most itself.
 *
 * First its oldest slots, but for the one in use and those beside it, which the windows in hand
 * reach into. Then what these hold past the need of their condition: a set's entries between its
 * ends, of a correlation that settles the older occurrences. A condition that wants more than half
 * of the ceiling loses from what it needs, too: it could not come to hold here. Called by shed.c;
 * never fails. */
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

static bool is_old(const struct corr *corr, const struct corr_slot *slot)
{
	const struct corr_slot *used = slot->key->recent;
	bool is_near =
	    used != NULL && (slot == used || slot == used->previous || slot == used->next);
	return slot->number < corr->trim_below && !is_near;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = (*(const struct corr_slot *const *)a)->number;
	int64_t y = (*(const struct corr_slot *const *)b)->number;
	return (x > y) - (x < y);
}

/* The slot number below which so many bytes lie. */
static int64_t number_above(struct corr_slot **slots, size_t count, size_t bytes)
{
	size_t seen = 0;
	qsort(slots, count, sizeof(*slots), by_number);
	for (size_t i = 0; i < count; i++) {
		seen += slots[i]->bytes;
		if (seen >= bytes)
			return slots[i]->number + 1;
	}
	return INT64_MAX;
}

static uint64_t slots_trim(struct corr *corr, struct corr_key *key, size_t bytes)
{
	size_t count = 0;
	uint64_t gone = 0;
	corr->trim_below = INT64_MAX;
	for (const struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key)
		count += is_old(corr, slot);
	if (count == 0)
		return 0;
	struct corr_slot **slots = mr_malloc(count * sizeof(struct corr_slot *));
	count = 0;
	for (struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key)
		if (is_old(corr, slot))
			slots[count++] = slot;
	corr->trim_below = number_above(slots, count, bytes);
	for (size_t i = 0; i < count; i++) {
		if (!is_old(corr, slots[i]))
			continue;
		corr_slot_leave(corr, slots[i]);
		gone++;
	}
	free(slots);
	corr_key_sweep(corr, key, is_old);
	return gone;
}

/* ---- one slot ---- */

/* True where something that counts is gone. */
static bool slot_trim(struct corr *corr, struct corr_slot *slot, bool hard)
{
	struct corr_set *set = &slot->set;
	struct corr_marks *marks = slot->settled == NULL ? NULL : &slot->settled->marks;
	uint32_t keep = slot->key->rule->keep;
	bool lost = true;
	if (set->count > keep) {
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
	uint64_t lost = slots_trim(corr, key, before / PART);
	struct corr_slot *used = key->recent;
	struct corr_slot *slots[] = {used == NULL ? NULL : used->previous, used,
				     used == NULL ? NULL : used->next};
	for (int i = 0; i < 3 && corr_key_bytes(key) > goal; i++)
		if (slots[i] != NULL)
			lost += slot_trim(corr, slots[i], hard);
	return lost;
}
