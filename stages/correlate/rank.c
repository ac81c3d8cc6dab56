/* rank.c - a rule's keys in the order in which they go at the memory ceiling (PROTOCOL.md 6.7).
 *
 * Each rule has ranks of its own: a part of one condition says nothing about a part of another.
 * Rank 0 has those with a slot more than ten minutes past W. Behind it stand the others by the part
 * of their condition that they hold, sixteen ranks for each doubling of it; then those that hold
 * all of it but not in one window; last those of which an alert was made. A rank is a list, the
 * oldest first: a key goes to its end with each new slot. Parts grow without a word here, so shed.c
 * asks for the rank again before it gives a key up. So an occurrence costs nothing, a key two
 * pointers, and what goes first is found without a look at the others. Called by correlate.c,
 * state.c, shed.c and snapshot.c; never fails. */
#include "shed.h"

#include <stdlib.h>

#define FUTURE_US INT64_C(600000000)
#define PART_BITS 20 /* of the whole condition, as a fixed-point number */
#define FINE_BITS 4  /* of a part, below its highest bit */
#define RANK_FULL (CORR_RANK_WHOLE - 1)

/* ---- a key's rank ---- */

bool corr_is_future(const struct corr *corr, const struct corr_slot *slot)
{
	int64_t limit;
	return corr->watermark_us != CORR_NEVER &&
	       !__builtin_add_overflow(corr->watermark_us, FUTURE_US, &limit) &&
	       slot->number > corr_slot_number(limit, slot->key->rule->span_us);
}

static uint64_t things(const struct corr_slot *slot)
{
	uint64_t most = slot->set.count;
	if (slot->settled != NULL)
		most += slot->settled->marks.count;
	for (uint32_t i = 0; slot->times != NULL && i < slot->key->rule->step_count; i++)
		most += slot->times[i].count > 0;
	return most;
}

/* As a histogram's buckets: each doubling in equal steps. */
static uint16_t rank_of_part(uint64_t part)
{
	if (part >> FINE_BITS == 0)
		return (uint16_t)(1 + part);
	unsigned shift = 63u - (unsigned)__builtin_clzll(part) - FINE_BITS;
	return (uint16_t)(1 + (shift << FINE_BITS) + (part >> shift));
}

/* By the fullest window that can end in the slot. */
static uint16_t rank_of_slot(const struct corr *corr, const struct corr_slot *slot)
{
	uint64_t whole = slot->key->rule->threshold;
	if (corr_is_future(corr, slot))
		return 0;
	if (slot->fired || corr_is_untold(slot))
		return CORR_RANK_WHOLE;
	uint64_t most = things(slot) + (slot->previous == NULL ? 0 : things(slot->previous));
	return most >= whole ? RANK_FULL : rank_of_part((most << PART_BITS) / whole);
}

uint16_t corr_rank_of(const struct corr *corr, const struct corr_key *key)
{
	uint16_t most = 0;
	for (const struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key) {
		uint16_t rank = rank_of_slot(corr, slot);
		if (rank == 0)
			return 0;
		most = rank > most ? rank : most;
	}
	return most;
}

/* ---- the lists ---- */

void corr_key_unrank(struct corr_key *key)
{
	if (key->rank == CORR_UNRANKED)
		return;
	struct corr_rank *rank = &key->rule->ranks[key->rank];
	*(key->older == NULL ? &rank->oldest : &key->older->newer) = key->newer;
	*(key->newer == NULL ? &rank->newest : &key->newer->older) = key->older;
	key->rank = CORR_UNRANKED;
}

void corr_key_rank(struct corr *corr, struct corr_key *key, uint16_t number)
{
	struct corr_rule *rule = &corr->rules[key->rule->index];
	if (rule->ranks == NULL)
		rule->ranks = mr_calloc(CORR_RANKS, sizeof(*rule->ranks));
	struct corr_rank *rank = &rule->ranks[number];
	corr_key_unrank(key);
	key->rank = number;
	key->older = rank->newest;
	key->newer = NULL;
	*(rank->newest == NULL ? &rank->oldest : &rank->newest->newer) = key;
	rank->newest = key;
}

void corr_slot_rank(struct corr *corr, struct corr_slot *slot)
{
	struct corr_key *key = slot->key;
	if (slot->ranked)
		return;
	slot->ranked = true;
	uint16_t rank = rank_of_slot(corr, slot);
	if (key->rank != CORR_UNRANKED && rank != 0 && rank < key->rank)
		rank = key->rank;
	corr_key_rank(corr, key, key->rank == 0 ? 0 : rank);
}

/* ---- all of them anew ---- */

void corr_ranks_renew(struct corr *corr)
{
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++) {
		for (uint32_t i = 0; i < corr->groups[g].key_buckets; i++) {
			struct corr_key *key = corr->groups[g].keys[i];
			for (; key != NULL; key = key->next_in_bucket)
				corr_key_rank(corr, key, corr_rank_of(corr, key));
		}
	}
	corr_heap_sort(&corr->dues);
	for (uint32_t i = 0; i < corr->dues.count; i++) {
		struct corr_key *key = corr->dues.dues[i].slot->key;
		corr_key_rank(corr, key, key->rank);
	}
	corr->ranks_stale = false;
}
