/* rank.c - a rule's keys in the order in which they go at the memory ceiling (PROTOCOL.md 6.7).
 *
 * Each rule has ranks of its own: a part of one condition says nothing about a part of another.
 * Rank 0 has those with a slot of the future. W is no measure of that: it is the slowest source's,
 * and a barrier's, and what is ahead of it is often the present. So a slot is of the future where
 * it begins more than ten minutes past the latest time that any record had, what stands more than
 * ten minutes past its arrival not being believed. Then come those whose alert was made and whose
 * next slot is over: what they could still do is make it twice. Behind them stand the others by the
 * part of their condition that they hold, sixteen ranks for each doubling of it; then those that
 * hold all of it but not in one window; last those of which an alert was made. A rank is a list,
 * the oldest first: a key goes to its end with each new slot. Parts grow without a word here, so
 * shed.c asks for the rank again before it gives a key up. So an occurrence costs nothing, a key
 * two pointers, and what goes first is found without a look at the others.
 *
 * The part is how many of the distinct things, which the condition wants at least, are there; of a
 * sum, how much of it. Where a condition wants no number at least, more occurrences stand for more.
 * Called by correlate.c, state.c, shed.c, trim.c, plain.c and snapshot.c; never fails. */
#include "shed.h"

#include <stdlib.h>

#define FUTURE_US INT64_C(600000000)
#define PART_BITS 20 /* of the whole condition, as a fixed-point number */
#define WHOLE (UINT64_C(1) << PART_BITS)
#define FINE_BITS 4 /* of a part, below its highest bit */
#define MANY 1024   /* occurrences, where the condition says no number */
#define RANK_FULL (CORR_RANK_WHOLE - 1)

/* ---- a key's rank ---- */

void corr_time_see(struct corr *corr, const struct mr_signal *signal)
{
	int64_t latest;
	if (!signal->has_time || signal->arrival_us == 0)
		return;
	if (__builtin_add_overflow(signal->arrival_us, FUTURE_US, &latest))
		latest = INT64_MAX;
	if (signal->time_us < latest)
		latest = signal->time_us;
	if (latest > corr->newest_us)
		corr->newest_us = latest;
}

/* The latest time that is known of; CORR_NEVER: of none. */
static int64_t present(const struct corr *corr)
{
	return corr->newest_us > corr->watermark_us ? corr->newest_us : corr->watermark_us;
}

bool corr_future_from(const struct corr *corr, int64_t *time_us_out)
{
	return present(corr) != CORR_NEVER &&
	       !__builtin_add_overflow(present(corr), FUTURE_US, time_us_out);
}

bool corr_is_future(const struct corr *corr, const struct corr_slot *slot)
{
	int64_t from;
	return corr_future_from(corr, &from) &&
	       slot->number > corr_slot_number(from, slot->key->rule->span_us);
}

/* Its alert was made, nobody else hears of it, and what it could add to is over. */
static bool is_over(const struct corr *corr, const struct corr_slot *slot)
{
	const struct corr_rule *rule = slot->key->rule;
	int64_t more_us = rule->settles ? corr->settling_us + rule->delay_us : 0;
	return slot->fired && !rule->feeds && !corr_is_untold(slot) &&
	       corr_end_of(slot, 1, more_us) < present(corr);
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
		return (uint16_t)(CORR_RANK_OVER + 1 + part);
	unsigned shift = 63u - (unsigned)__builtin_clzll(part) - FINE_BITS;
	return (uint16_t)(CORR_RANK_OVER + 1 + (shift << FINE_BITS) + (part >> shift));
}

static double sum_of(const struct corr_slot *slot)
{
	return slot == NULL || slot->settled == NULL ? 0 : corr_marks_sum(&slot->settled->marks);
}

/* Of the fullest window that can end in the slot. */
static uint64_t part_of(const struct corr_slot *slot)
{
	const struct corr_rule *rule = slot->key->rule;
	if (rule->bound > 0) {
		double part = (sum_of(slot) + sum_of(slot->previous)) / rule->bound;
		return part >= 1 ? WHOLE : part <= 0 ? 0 : (uint64_t)(part * (double)WHOLE);
	}
	uint64_t most = things(slot) + (slot->previous == NULL ? 0 : things(slot->previous));
	uint64_t whole = rule->threshold > 1 || !rule->settles ? rule->threshold : MANY;
	return most >= whole ? WHOLE : (most << PART_BITS) / whole;
}

uint16_t corr_rank_of_slot(const struct corr *corr, const struct corr_slot *slot)
{
	if (corr_is_future(corr, slot))
		return CORR_RANK_FUTURE;
	if (is_over(corr, slot))
		return CORR_RANK_OVER;
	if (slot->fired || corr_is_untold(slot))
		return CORR_RANK_WHOLE;
	uint64_t part = part_of(slot);
	return part == WHOLE ? RANK_FULL : rank_of_part(part);
}

uint16_t corr_rank_of(const struct corr *corr, const struct corr_key *key)
{
	uint16_t most = CORR_RANK_FUTURE;
	for (const struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key) {
		uint16_t rank = corr_rank_of_slot(corr, slot);
		if (rank == CORR_RANK_FUTURE)
			return rank;
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
	uint16_t rank = corr_rank_of_slot(corr, slot);
	if (key->rank != CORR_UNRANKED && rank != CORR_RANK_FUTURE && rank < key->rank)
		rank = key->rank;
	corr_key_rank(corr, key, key->rank == CORR_RANK_FUTURE ? CORR_RANK_FUTURE : rank);
}

/* ---- all of them anew ---- */

void corr_ranks_renew(struct corr *corr)
{
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++) {
		for (uint32_t i = 0; i < corr->groups[g].key_places; i++) {
			struct corr_key *key = corr->groups[g].keys[i].key;
			if (key != NULL)
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
