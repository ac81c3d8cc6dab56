/* offers.c - what a correlation that settles feeds to outer ones (PROTOCOL.md 6.8).
 *
 * Each occurrence is kept whole with its slot, because each may complete, or complete no more, when
 * the slot is judged again: then it is sent, or withdrawn. One that an inner correlation withdraws
 * is withdrawn here, too; so what such a correlation's alerts show is made of these. Called by
 * settle.c, fire.c and snapshot.c; never fails. */
#include "state.h"

#include <stdlib.h>

uint64_t corr_source_of(struct corr *corr, const struct corr_rule *rule,
			const struct corr_occurrence *occurrence)
{
	struct mr_slice counted = occurrence->signal->counted_id;
	if (!rule->withdraws)
		return 0;
	corr_scratch_begin(corr, 's');
	corr_scratch_text(corr, counted.len > 0 ? counted : MR_SLICE(""));
	corr_scratch_text(
	    corr, (struct mr_slice){(const char *)&occurrence->record, sizeof(occurrence->record)});
	corr_scratch_number(corr, occurrence->position);
	return corr_siphash(corr->hash_key, corr->scratch.data, corr->scratch.len);
}

/* ---- by hash ---- */

#define FEW 16 /* are looked through */

/* Behind the offers, twice their capacity: offer + 1 by hash. NULL while they are few. */
static uint32_t *places_of(const struct corr_settled *settled)
{
	return settled->offer_capacity <= FEW
		   ? NULL
		   : (uint32_t *)(void *)(settled->offers + settled->offer_capacity);
}

/* Where it stands, or is to stand. */
static uint32_t *place_of(const struct corr_settled *settled, uint64_t hash)
{
	uint32_t mask = 2 * settled->offer_capacity - 1, at = (uint32_t)hash & mask;
	uint32_t *places = places_of(settled);
	while (places[at] != 0 && settled->offers[places[at] - 1].hash != hash)
		at = (at + 1) & mask;
	return &places[at];
}

static struct corr_offer *find(struct corr_settled *settled, uint64_t hash)
{
	if (places_of(settled) != NULL) {
		uint32_t found = *place_of(settled, hash);
		return found == 0 ? NULL : &settled->offers[found - 1];
	}
	for (uint32_t i = settled->offer_count; i-- > 0;)
		if (settled->offers[i].hash == hash)
			return &settled->offers[i];
	return NULL;
}

static size_t room(uint32_t capacity)
{
	size_t places = capacity <= FEW ? 0 : 2 * (size_t)capacity;
	return capacity * sizeof(struct corr_offer) + places * sizeof(uint32_t);
}

static void grow(struct corr_settled *settled)
{
	settled->offer_capacity = settled->offer_capacity == 0 ? 1 : settled->offer_capacity * 2;
	settled->offers = mr_realloc(settled->offers, room(settled->offer_capacity));
	uint32_t *places = places_of(settled);
	if (places == NULL)
		return;
	memset(places, 0, 2 * (size_t)settled->offer_capacity * sizeof(*places));
	for (uint32_t i = 0; i < settled->offer_count; i++)
		*place_of(settled, settled->offers[i].hash) = i + 1;
}

/* Those behind it that it kept from their place are placed anew. */
static void forget(struct corr_settled *settled, uint64_t hash)
{
	uint32_t mask = 2 * settled->offer_capacity - 1;
	uint32_t *places = places_of(settled), *place = place_of(settled, hash);
	uint32_t at = (uint32_t)(place - places);
	*place = 0;
	for (at = (at + 1) & mask; places[at] != 0; at = (at + 1) & mask) {
		uint32_t moved = places[at];
		places[at] = 0;
		*place_of(settled, settled->offers[moved - 1].hash) = moved;
	}
}

/* The last one takes its seat. */
static void remove_offer(struct corr_settled *settled, struct corr_offer *offer)
{
	const struct corr_offer *last = &settled->offers[settled->offer_count - 1];
	if (places_of(settled) != NULL) {
		uint32_t seat = (uint32_t)(offer - settled->offers) + 1;
		forget(settled, offer->hash);
		if (last != offer)
			*place_of(settled, last->hash) = seat;
	}
	*offer = *last;
	settled->offer_count--;
}

/* ---- what comes and goes ---- */

void corr_offer_put(struct corr *corr, struct corr_settled *settled, struct corr_item *item,
		    uint64_t source, bool sent)
{
	if (settled->offer_count == settled->offer_capacity)
		grow(settled);
	struct corr_offer offer = {item, source, corr_feed_hash(corr, item, source), sent};
	settled->offers[settled->offer_count++] = offer;
	if (places_of(settled) != NULL)
		*place_of(settled, offer.hash) = settled->offer_count;
	settled->offer_bytes += corr_item_bytes(item);
}

static void drop(struct corr *corr, struct corr_settled *settled, struct corr_offer *offer)
{
	settled->offer_bytes -= corr_item_bytes(offer->item);
	corr_item_done(corr, offer->item);
	remove_offer(settled, offer);
}

static void withdraw(struct corr *corr, struct corr_slot *slot, uint64_t hash)
{
	struct corr_offer *offer = find(slot->settled, hash);
	if (offer == NULL)
		return;
	if (offer->sent)
		corr_feed_send(corr, slot, offer->item, true);
	drop(corr, slot->settled, offer);
}

bool corr_offer_add(struct corr *corr, struct corr_slot *slot,
		    const struct corr_occurrence *occurrence)
{
	struct corr_settled *settled = corr_settled_get(corr, slot);
	uint64_t source = corr_source_of(corr, slot->key->rule, occurrence);
	struct corr_item *item = corr_item_make(corr->spare, occurrence);
	uint64_t hash = corr_feed_hash(corr, item, source);
	bool gone = occurrence->signal->withdrawn;
	corr->spare = NULL;
	bool known = gone || find(settled, hash) != NULL;
	bool full = !known && settled->offer_count == CORR_SLOT_BOUND;
	if (!known && !full)
		corr_offer_put(corr, settled, item, source, false);
	else
		corr_item_done(corr, item);
	if (gone)
		withdraw(corr, slot, hash);
	if (full) {
		mr_count(corr->env->counters, MR_C_OCCURRENCES_CAPPED, 1);
		corr_alarm(corr, slot->key->rule,
			   "occurrences that may complete for an outer correlation");
	}
	return !known && !full;
}

static int64_t offset_of(const struct corr_slot *slot, const struct corr_offer *offer)
{
	return corr_slot_offset(offer->item->time_us, slot->key->rule->span_us);
}

static bool is_in(struct corr_range range, int64_t offset)
{
	return offset >= range.from && offset <= range.to;
}

static int by_offset(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

uint32_t corr_offers_offsets(const struct corr_slot *slot, struct corr_range range,
			     int64_t **offsets_out)
{
	const struct corr_settled *settled = slot->settled;
	uint32_t count = 0, distinct = 0;
	int64_t *offsets = mr_malloc((settled->offer_count + (size_t)1) * sizeof(*offsets));
	for (uint32_t i = 0; i < settled->offer_count; i++) {
		offsets[count] = offset_of(slot, &settled->offers[i]);
		count += is_in(range, offsets[count]);
	}
	if (count > 1)
		qsort(offsets, count, sizeof(*offsets), by_offset);
	for (uint32_t i = 0; i < count; i++)
		if (i == 0 || offsets[i] != offsets[distinct - 1])
			offsets[distinct++] = offsets[i];
	*offsets_out = offsets;
	return distinct;
}

void corr_offers_settle(struct corr *corr, struct corr_slot *slot, struct corr_range range,
			const int64_t *offsets, uint32_t count)
{
	struct corr_settled *settled = slot->settled;
	for (uint32_t i = 0; i < settled->offer_count; i++) {
		struct corr_offer *offer = &settled->offers[i];
		int64_t offset = offset_of(slot, offer);
		if (!is_in(range, offset))
			continue;
		uint32_t at = corr_numbers_below(offsets, count, offset);
		bool completes = at < count && offsets[at] == offset;
		if (completes == offer->sent || (offer->sent && slot->lossy))
			continue;
		corr_feed_send(corr, slot, offer->item, offer->sent);
		offer->sent = completes;
	}
}

void corr_offers_halve(struct corr *corr, struct corr_slot *slot)
{
	struct corr_settled *settled = slot->settled;
	uint32_t left = settled->offer_count / 2;
	int64_t *offsets = mr_malloc((settled->offer_count + (size_t)1) * sizeof(*offsets));
	for (uint32_t i = 0; i < settled->offer_count; i++)
		offsets[i] = offset_of(slot, &settled->offers[i]);
	qsort(offsets, settled->offer_count, sizeof(*offsets), by_offset);
	int64_t latest = offsets[settled->offer_count - left - 1];
	for (uint32_t i = settled->offer_count; i-- > 0 && settled->offer_count > left;)
		if (offset_of(slot, &settled->offers[i]) <= latest)
			drop(corr, settled, &settled->offers[i]);
	free(offsets);
}

void corr_offers_show(struct corr *corr, const struct corr_slot *slot, struct corr_slot *out)
{
	const struct corr_settled *settled = slot->settled;
	const struct mr_rule *rule = slot->key->rule->rule;
	struct mr_arena fields = {0}; /* evidence has its own use for the stage's */
	for (uint32_t i = 0; settled != NULL && i < settled->offer_count; i++) {
		const struct corr_item *item = settled->offers[i].item;
		struct mr_signal signal;
		mr_arena_reset(&fields);
		struct corr_occurrence occurrence = corr_item_occurrence(item, &fields, &signal);
		signal.rule = rule->rules[item->rule];
		occurrence.record = corr_id_of_record(corr, signal.kind, signal.record_id);
		corr_evidence_keep(corr, out, &occurrence);
	}
	mr_arena_fini(&fields);
}

void corr_offers_fini(struct corr_settled *settled)
{
	for (uint32_t i = 0; i < settled->offer_count; i++)
		free(settled->offers[i].item);
	free(settled->offers);
}

size_t corr_offers_bytes(const struct corr_settled *settled)
{
	return corr_taken(room(settled->offer_capacity)) + settled->offer_bytes;
}
