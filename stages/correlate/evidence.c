/* evidence.c - occurrences kept whole: the earliest and the latest of each slot.
 *
 * An alert shows what proves it (proof.c), and the earliest records of its window. Those lie at the
 * end of the slot before and at the start of its own, so each slot keeps the ten smallest and the
 * ten largest by (time, record id). Of two that are equal in that, the smaller origin stays: what
 * is kept is a function of the set of occurrences. A correlation that makes no alert of its own
 * keeps none.
 *
 * An item may be held here and as a proof; its bytes are counted once, until the last holder drops
 * it. Whether an occurrence was met before is read from what is kept; once something is left out,
 * from hashes of the first CORR_SEEN_BOUND. Called by correlate.c, feed.c, proof.c, shown.c, fire.c
 * and snapshot.c; never fails. */
#include "state.h"

#include <assert.h>
#include <stdlib.h>

#define ITEMS_MAX (2 * CORR_ITEMS_SIDE)
#define ITEM_ROUND 16 /* bytes of an item's room are a multiple of this */

/* ---- an item ---- */

static struct corr_trace trace_of(const struct mr_signal *signal)
{
	struct corr_trace trace = {.matched_count = signal->matched_count};
	if (signal->counted_id.len == sizeof(trace.inner_id))
		memcpy(trace.inner_id, signal->counted_id.at, sizeof(trace.inner_id));
	if (trace.matched_count > 0)
		memcpy(trace.matched, signal->matched,
		       trace.matched_count * sizeof(*trace.matched));
	return trace;
}

static bool has_inner(const struct corr_trace *trace)
{
	static const uint8_t none[MR_ALERT_ID_BYTES];
	return memcmp(trace->inner_id, none, sizeof(none)) != 0;
}

static size_t trace_bytes(const struct corr_trace *trace)
{
	return offsetof(struct corr_trace, matched) +
	       trace->matched_count * sizeof(*trace->matched);
}

static struct corr_item *room_for(struct corr_item *old, size_t bytes)
{
	if (old != NULL && old->capacity >= bytes && old->capacity / 4 <= bytes + ITEM_ROUND)
		return old;
	free(old);
	size_t capacity = (bytes + ITEM_ROUND - 1) / ITEM_ROUND * ITEM_ROUND;
	struct corr_item *item = mr_malloc(sizeof(*item) + capacity);
	item->capacity = (uint32_t)capacity;
	return item;
}

static char *put(char *at, struct mr_slice text)
{
	if (text.len > 0)
		memcpy(at, text.at, text.len);
	return at + text.len;
}

struct corr_item *corr_item_make(struct corr_item *old, const struct corr_occurrence *occurrence)
{
	const struct mr_signal *signal = occurrence->signal;
	struct mr_slice values = {(const char *)occurrence->values,
				  occurrence->value_count * sizeof(struct corr_id)};
	struct corr_trace trace = trace_of(signal);
	struct mr_slice traced = {(const char *)&trace, trace_bytes(&trace)};
	if (signal->counted_id.len == 0 && signal->matched_count == 0)
		traced.len = 0;
	size_t bytes = signal->packed.bytes.len + signal->record_id.len;
	assert(signal->field_count == signal->packed.count);
	struct corr_item *item =
	    room_for(old, bytes + signal->record.len + values.len + traced.len);
	item->next = NULL;
	item->shared = 0;
	item->time_us = signal->time_us;
	item->arrival_us = signal->arrival_us;
	item->rules = UINT64_C(1) << (occurrence->position % 64);
	item->own = item->rules;
	item->origin = signal->origin;
	item->used = (uint32_t)bytes;
	item->record_id_len = (uint32_t)signal->record_id.len;
	item->record_len = (uint32_t)signal->record.len;
	item->rule = occurrence->position;
	item->field_count = (uint16_t)signal->field_count;
	item->kind = (uint8_t)signal->kind;
	item->value_count = occurrence->value_count & 127;
	item->is_traced = traced.len > 0;
	char *at = put(put(item->bytes, signal->packed.bytes), signal->record_id);
	put(put(put(at, signal->record), values), traced);
	return item;
}

void corr_item_done(struct corr *corr, struct corr_item *item)
{
	free(corr->spare);
	corr->spare = item;
}

size_t corr_item_bytes(const struct corr_item *item)
{
	return corr_taken(sizeof(*item) + item->capacity);
}

struct mr_slice corr_item_record_id(const struct corr_item *item)
{
	return (struct mr_slice){item->bytes + item->used - item->record_id_len,
				 item->record_id_len};
}

struct mr_slice corr_item_record(const struct corr_item *item)
{
	return (struct mr_slice){item->bytes + item->used, item->record_len};
}

const struct corr_id *corr_item_values(const struct corr_item *item)
{
	return (const struct corr_id *)(item->bytes + item->used + item->record_len);
}

struct corr_trace corr_item_trace(const struct corr_item *item)
{
	struct corr_trace trace = {.matched_count = 0};
	const char *at = (const char *)(corr_item_values(item) + item->value_count);
	if (!item->is_traced)
		return trace;
	memcpy(&trace, at, offsetof(struct corr_trace, matched));
	memcpy(&trace, at, trace_bytes(&trace));
	return trace;
}

struct mr_packed corr_item_fields(const struct corr_item *item)
{
	return (struct mr_packed){.bytes = {item->bytes, item->used - item->record_id_len},
				  .count = item->field_count};
}

static void trace_give(const struct corr_item *item, struct mr_arena *arena,
		       struct mr_signal *signal)
{
	struct corr_trace *trace = mr_arena_alloc(arena, sizeof(*trace));
	*trace = corr_item_trace(item);
	signal->counted_id = (struct mr_slice){(const char *)trace->inner_id,
					       has_inner(trace) ? sizeof(trace->inner_id) : 0};
	signal->matched = trace->matched;
	signal->matched_count = trace->matched_count;
}

struct corr_occurrence corr_item_occurrence(const struct corr_item *item, struct mr_arena *arena,
					    struct mr_signal *signal)
{
	*signal = (struct mr_signal){
	    .kind = (enum mr_record_kind)item->kind,
	    .has_time = true,
	    .time_us = item->time_us,
	    .arrival_us = item->arrival_us,
	    .record_id = corr_item_record_id(item),
	    .origin = item->origin,
	    .record = corr_item_record(item),
	    .field_count = item->field_count,
	    .packed = corr_item_fields(item),
	};
	if (item->is_traced)
		trace_give(item, arena, signal);
	return (struct corr_occurrence){.signal = signal,
					.position = item->rule,
					.values = corr_item_values(item),
					.value_count = item->value_count};
}

bool corr_item_same_record(const struct corr_item *a, const struct corr_item *b)
{
	return a->kind == b->kind && mr_slice_eq(corr_item_record_id(a), corr_item_record_id(b));
}

static bool is_origin(const struct mr_origin *a, const struct mr_origin *b)
{
	return a->source == b->source && a->partition == b->partition && a->position == b->position;
}

bool corr_item_same_copy(const struct corr_item *a, const struct corr_item *b)
{
	return is_origin(&a->origin, &b->origin) && corr_item_same_record(a, b);
}

/* ---- order ---- */

/* The kind tells records apart that share an id. */
int corr_compare(const struct corr_occurrence *occurrence, const struct corr_item *item)
{
	const struct mr_signal *signal = occurrence->signal;
	if (signal->time_us != item->time_us)
		return signal->time_us < item->time_us ? -1 : 1;
	int order = mr_slice_cmp(signal->record_id, corr_item_record_id(item));
	return order != 0 ? order : (int)signal->kind - (int)item->kind;
}

/* Its place: the first item that is not before it. Most come in order of time. */
static uint32_t find(const struct corr_items *items, const struct corr_occurrence *occurrence,
		     bool *same_out)
{
	uint32_t low = 0, high = items->count;
	*same_out = false;
	if (high > 0 && corr_compare(occurrence, items->at[high - 1]) > 0)
		return high;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		int order = corr_compare(occurrence, items->at[middle]);
		if (order > 0) {
			low = middle + 1;
			continue;
		}
		high = middle;
		*same_out |= order == 0;
	}
	return low;
}

static bool origin_before(const struct mr_origin *a, const struct mr_origin *b)
{
	if (a->source != b->source)
		return a->source < b->source;
	if (a->partition != b->partition)
		return a->partition < b->partition;
	return a->position < b->position;
}

/* An order of what they say; which one is no matter. */
static int compare_fields(const struct mr_signal *signal, const struct corr_item *item)
{
	int order = (int)signal->field_count - (int)item->field_count;
	struct mr_packed_at at = mr_packed_begin(signal->packed.bytes);
	struct mr_packed_at own_at = mr_packed_begin(corr_item_fields(item).bytes);
	struct mr_signal_field field, own;
	while (order == 0 && mr_packed_next(&at, &field) && mr_packed_next(&own_at, &own)) {
		order = (int)field.field - (int)own.field;
		if (order == 0)
			order = mr_slice_cmp(field.text, own.text);
	}
	return order;
}

/* Which of two copies stands for the record, whatever the order in which they came: the one that
 * was written first; of that one, where it came by way of several rules, the first rule's; and by
 * way of an inner correlation it may have come with other fields, or by several of its alerts. */
bool corr_stands_before(const struct corr_occurrence *occurrence, const struct corr_item *item)
{
	const struct mr_signal *signal = occurrence->signal;
	if (origin_before(&signal->origin, &item->origin))
		return true;
	if (origin_before(&item->origin, &signal->origin))
		return false;
	if (occurrence->position != item->rule)
		return occurrence->position < item->rule;
	int order = compare_fields(signal, item);
	struct corr_trace own = trace_of(signal), other = corr_item_trace(item);
	return order != 0 ? order < 0
			  : memcmp(own.inner_id, other.inner_id, sizeof(own.inner_id)) < 0;
}

/* ---- holders ---- */

/* What one holder has no more: its memory, where no other has it. */
static struct corr_item *given_up(struct corr_items *items, struct corr_item *item)
{
	if (item == NULL)
		return NULL;
	if (item->shared > 0) {
		item->shared--;
		return NULL;
	}
	items->bytes -= corr_item_bytes(item);
	return item;
}

static struct corr_item *item_new(struct corr_items *items, struct corr_item *old,
				  const struct corr_occurrence *occurrence)
{
	struct corr_item *item = corr_item_make(old, occurrence);
	items->bytes += corr_item_bytes(item);
	return item;
}

struct corr_item *corr_item_new(struct corr *corr, struct corr_items *items,
				const struct corr_occurrence *occurrence)
{
	struct corr_item *old = corr->spare;
	corr->spare = NULL;
	return item_new(items, old, occurrence);
}

void corr_item_drop(struct corr *corr, struct corr_items *items, struct corr_item *item)
{
	item = given_up(items, item);
	if (item != NULL)
		corr_item_done(corr, item);
}

/* ---- putting in ---- */

/* Most slots never have more than one, which needs no memory of its own. */
static void items_widen(struct corr_items *items)
{
	uint32_t wider = items->capacity * 2u < ITEMS_MAX ? items->capacity * 2u : ITEMS_MAX;
	if (items->capacity == 0) {
		wider = 1;
		items->at = &items->first;
	} else if (items->capacity == 1) {
		items->at = mr_malloc(wider * sizeof(*items->at));
		items->at[0] = items->first;
	} else {
		items->at = mr_realloc(items->at, wider * sizeof(*items->at));
	}
	items->capacity = (uint8_t)wider;
}

/* Makes the place free, where it is to be kept at all: 21 are in order, and the one behind the ten
 * earliest goes. Gives the place, and what stood in the way. */
static struct corr_item **open_place(struct corr_items *items, uint32_t at,
				     struct corr_item **gone_out)
{
	*gone_out = NULL;
	if (items->count < ITEMS_MAX) {
		if (items->count == items->capacity)
			items_widen(items);
		memmove(items->at + at + 1, items->at + at,
			(items->count - at) * sizeof(*items->at));
		items->count++;
		return &items->at[at];
	}
	if (at == CORR_ITEMS_SIDE)
		return NULL;
	if (at < CORR_ITEMS_SIDE) {
		*gone_out = items->at[CORR_ITEMS_SIDE - 1];
		memmove(items->at + at + 1, items->at + at,
			(CORR_ITEMS_SIDE - 1 - at) * sizeof(*items->at));
		return &items->at[at];
	}
	*gone_out = items->at[CORR_ITEMS_SIDE];
	memmove(items->at + CORR_ITEMS_SIDE, items->at + CORR_ITEMS_SIDE + 1,
		(at - CORR_ITEMS_SIDE - 1) * sizeof(*items->at));
	return &items->at[at - 1];
}

/* ---- what was met ---- */

static uint64_t occurrence_hash(const struct corr *corr, const struct corr_id *record,
				int64_t time_us, uint32_t rule)
{
	struct {
		struct corr_id record;
		int64_t time_us;
		uint64_t rule;
	} bytes = {*record, time_us, rule};
	return mr_hash64(&bytes, sizeof(bytes), corr->hash_seed);
}

static void seen_item(struct corr *corr, struct corr_slot *slot, const struct corr_item *item)
{
	struct corr_id record =
	    corr_id_of_record(corr, (enum mr_record_kind)item->kind, corr_item_record_id(item));
	for (uint64_t rules = item->rules; rules != 0; rules &= rules - 1)
		corr_seen_add(
		    &slot->seen,
		    occurrence_hash(corr, &record, item->time_us, (uint32_t)__builtin_ctzll(rules)),
		    CORR_SEEN_BOUND);
}

static bool seen(struct corr *corr, struct corr_slot *slot,
		 const struct corr_occurrence *occurrence)
{
	const struct mr_signal *signal = occurrence->signal;
	if (corr->catalog.rules[signal->rule].kind != MR_RULE_DETECTION)
		return false; /* nobody asks */
	return !corr_seen_add(
	    &slot->seen,
	    occurrence_hash(corr, &occurrence->record, signal->time_us, occurrence->position % 64),
	    CORR_SEEN_BOUND);
}

/* ---- the slot's ---- */

/* Where what is kept may be withdrawn, the offers hold all (offers.c). */
static bool keeps_none(const struct corr_slot *slot)
{
	return !slot->key->rule->rule->alerts || slot->key->rule->withdraws;
}

/* The same record at the same time: one of the two stays. Gives the item, where it is made of this
 * occurrence. */
static struct corr_item *merge(struct corr *corr, struct corr_slot *slot, uint32_t at,
			       const struct corr_occurrence *occurrence, bool *known_out)
{
	struct corr_items *items = &slot->items;
	struct corr_item *old = items->at[at], *item = NULL;
	uint64_t rules = old->rules, own = old->own;
	uint64_t bit = UINT64_C(1) << (occurrence->position % 64);
	bool is_copy = !is_origin(&occurrence->signal->origin, &old->origin);
	if (corr_proofs_differ(slot->key->rule, occurrence, old))
		corr_proofs_start(corr, slot);
	if (corr_stands_before(occurrence, old))
		item = items->at[at] = item_new(items, given_up(items, old), occurrence);
	items->at[at]->rules = rules | bit;
	if (!is_copy)
		items->at[at]->own = own | bit;
	*known_out = (rules & bit) != 0;
	return item;
}

/* Gives the item, where it is kept. */
static struct corr_item *put_in(struct corr *corr, struct corr_slot *slot, uint32_t at,
				const struct corr_occurrence *occurrence)
{
	struct corr_items *items = &slot->items;
	struct corr_item *gone;
	if (items->count == ITEMS_MAX && !items->pruned) {
		items->pruned = true;
		for (uint32_t i = 0; i < items->count; i++)
			seen_item(corr, slot, items->at[i]);
		corr_proofs_start(corr, slot);
	}
	struct corr_item **place = open_place(items, at, &gone);
	if (place == NULL)
		return NULL;
	*place = item_new(items, given_up(items, gone), occurrence);
	return *place;
}

bool corr_evidence_add(struct corr *corr, struct corr_slot *slot,
		       const struct corr_occurrence *occurrence)
{
	return keeps_none(slot) ? seen(corr, slot, occurrence)
				: corr_evidence_keep(corr, slot, occurrence);
}

bool corr_evidence_keep(struct corr *corr, struct corr_slot *slot,
			const struct corr_occurrence *occurrence)
{
	struct corr_items *items = &slot->items;
	bool same, known = false;
	uint32_t at = find(items, occurrence, &same);
	struct corr_item *item =
	    same ? merge(corr, slot, at, occurrence, &known) : put_in(corr, slot, at, occurrence);
	if (items->proofs != NULL)
		corr_proofs_add(corr, slot, occurrence, item);
	if (items->pruned)
		known |= seen(corr, slot, occurrence);
	return known;
}

void corr_evidence_put(struct corr *corr, struct corr_slot *slot, struct corr_item *item,
		       bool is_proof)
{
	struct corr_items *items = &slot->items;
	struct mr_signal signal;
	mr_arena_reset(&corr->arena);
	struct corr_occurrence occurrence = corr_item_occurrence(item, &corr->arena, &signal);
	items->bytes += corr_item_bytes(item); /* held here until the end */
	bool same = is_proof || keeps_none(slot);
	uint32_t at = same ? 0 : find(items, &occurrence, &same);
	struct corr_item *gone;
	struct corr_item **place = same ? NULL : open_place(items, at, &gone);
	if (place != NULL) {
		*place = item;
		item->shared++;
		corr_item_drop(corr, items, gone);
	}
	if (items->proofs != NULL)
		corr_proofs_add(corr, slot, &occurrence, item);
	corr_item_drop(corr, items, item);
}

void corr_items_fini(struct corr *corr, struct corr_items *items)
{
	corr_proofs_fini(corr, items);
	for (uint32_t i = 0; i < items->count; i++)
		corr_item_drop(corr, items, items->at[i]);
	assert(items->bytes == 0); /* each was dropped by all its holders */
	if (items->capacity > 1)
		free(items->at);
	*items = (struct corr_items){0};
}

size_t corr_items_bytes(const struct corr_items *items)
{
	size_t list = items->capacity > 1 ? corr_taken(items->capacity * sizeof(*items->at)) : 0;
	return items->bytes + list + corr_proofs_bytes(items->proofs);
}
