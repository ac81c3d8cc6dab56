/* evidence.c - occurrences kept whole: the earliest and the latest of each slot.
 *
 * An alert shows the ten earliest records of its window. Those lie at the end of the slot before
 * and at the start of its own, so each slot keeps the ten smallest and the ten largest by (time,
 * record id). Of two that are equal in that, the smaller origin stays: what is kept is a function
 * of the set of occurrences. A correlation that makes no alert of its own keeps none.
 *
 * Whether an occurrence was met before is read from what is kept; once something is left out, from
 * hashes of the first CORR_SEEN_BOUND. Called by correlate.c, feed.c, fire.c and snapshot.c; never
 * fails. */
#include "state.h"

#include <stdlib.h>

#define ITEMS_MAX (2 * CORR_ITEMS_SIDE)
#define ITEM_ROUND 64 /* bytes of an item's room are a multiple of this */

/* ---- an item ---- */

static size_t bytes_used(const struct mr_signal *signal)
{
	size_t bytes = signal->field_count * sizeof(struct corr_item_field) + signal->record_id.len;
	for (uint32_t i = 0; i < signal->field_count; i++)
		bytes += signal->fields[i].text.len;
	return bytes;
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

struct corr_item *corr_item_make(struct corr_item *old, const struct mr_signal *signal,
				 uint32_t position)
{
	size_t bytes = bytes_used(signal);
	struct corr_item *item = room_for(old, bytes + signal->record.len);
	item->next = NULL;
	item->time_us = signal->time_us;
	item->arrival_us = signal->arrival_us;
	item->rules = UINT64_C(1) << (position % 64);
	item->origin = signal->origin;
	item->used = (uint32_t)bytes;
	item->record_id_len = (uint32_t)signal->record_id.len;
	item->record_len = (uint32_t)signal->record.len;
	item->rule = position;
	item->field_count = (uint16_t)signal->field_count;
	item->kind = (uint8_t)signal->kind;
	char *at = put((char *)&item->fields[item->field_count], signal->record_id);
	for (uint32_t i = 0; i < signal->field_count; i++) {
		const struct mr_signal_field *field = &signal->fields[i];
		item->fields[i].len = (uint32_t)field->text.len;
		item->fields[i].field = field->field;
		item->fields[i].type = (uint16_t)field->type;
		at = put(at, field->text);
	}
	put(at, signal->record);
	return item;
}

void corr_item_done(struct corr *corr, struct corr_item *item)
{
	free(corr->spare);
	corr->spare = item;
}

size_t corr_item_bytes(const struct corr_item *item)
{
	return sizeof(*item) + item->capacity;
}

struct mr_slice corr_item_record_id(const struct corr_item *item)
{
	return (struct mr_slice){(const char *)&item->fields[item->field_count],
				 item->record_id_len};
}

struct mr_slice corr_item_record(const struct corr_item *item)
{
	return (struct mr_slice){(const char *)item->fields + item->used, item->record_len};
}

const struct mr_signal_field *corr_item_fields(const struct corr_item *item, struct mr_arena *arena)
{
	struct mr_slice id = corr_item_record_id(item);
	const char *at = id.at + id.len;
	struct mr_signal_field *fields = mr_arena_alloc(arena, item->field_count * sizeof(*fields));
	for (uint32_t i = 0; i < item->field_count; i++) {
		const struct corr_item_field *own = &item->fields[i];
		fields[i] =
		    (struct mr_signal_field){own->field, (enum mr_type)own->type, {at, own->len}};
		at += own->len;
	}
	return fields;
}

bool corr_item_same_record(const struct corr_item *a, const struct corr_item *b)
{
	return a->kind == b->kind && mr_slice_eq(corr_item_record_id(a), corr_item_record_id(b));
}

/* ---- order ---- */

/* What an item is known by in its slot. */
struct place {
	int64_t time_us;
	struct mr_slice record_id;
	int kind; /* tells records apart that share an id */
};

static int compare(const struct corr_item *item, const struct place *place)
{
	if (item->time_us != place->time_us)
		return item->time_us < place->time_us ? -1 : 1;
	int order = mr_slice_cmp(corr_item_record_id(item), place->record_id);
	return order != 0 ? order : (int)item->kind - place->kind;
}

/* Where the place lies: the first item that is not before it. Most come in order of time. */
static uint32_t find(const struct corr_items *items, const struct place *place, bool *same_out)
{
	uint32_t low = 0, high = items->count;
	*same_out = false;
	if (high > 0 && compare(items->at[high - 1], place) < 0)
		return high;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		int order = compare(items->at[middle], place);
		if (order < 0) {
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
	struct mr_slice id = corr_item_record_id(item);
	const char *at = id.at + id.len;
	for (uint32_t i = 0; i < item->field_count && order == 0; i++) {
		const struct corr_item_field *own = &item->fields[i];
		order = (int)signal->fields[i].field - (int)own->field;
		if (order == 0)
			order =
			    mr_slice_cmp(signal->fields[i].text, (struct mr_slice){at, own->len});
		at += own->len;
	}
	return order;
}

/* Which of two copies stands for the record, whatever the order in which they came: the one that
 * was written first; of that one, where it came by way of several rules, the first rule's; and by
 * way of an inner correlation it may have come with other fields. */
static bool stands_before(const struct mr_signal *signal, uint32_t position,
			  const struct corr_item *item)
{
	if (origin_before(&signal->origin, &item->origin))
		return true;
	if (origin_before(&item->origin, &signal->origin))
		return false;
	if (position != item->rule)
		return position < item->rule;
	return compare_fields(signal, item) < 0;
}

/* The same record at the same time: one of the two stays. True where nothing is new. */
static bool merge(struct corr_items *items, uint32_t at, const struct mr_signal *signal,
		  uint32_t position)
{
	struct corr_item *item = items->at[at];
	uint64_t rules = item->rules, bit = UINT64_C(1) << (position % 64);
	if (stands_before(signal, position, item)) {
		items->bytes -= corr_item_bytes(item);
		item = items->at[at] = corr_item_make(item, signal, position);
		items->bytes += corr_item_bytes(item);
	}
	item->rules = rules | bit;
	return (rules & bit) != 0;
}

/* Makes the place free, where it is to be kept at all: 21 are in order, and the one behind the ten
 * earliest goes. Gives the place, and what stood in the way. */
static struct corr_item **open_place(struct corr_items *items, uint32_t at,
				     struct corr_item **gone_out)
{
	*gone_out = NULL;
	if (items->count < ITEMS_MAX) {
		if (items->count == items->capacity) {
			uint32_t wider = items->capacity == 0 ? 1 : items->capacity * 2u;
			items->capacity = (uint8_t)(wider < ITEMS_MAX ? wider : ITEMS_MAX);
			items->at = mr_realloc(items->at, items->capacity * sizeof(*items->at));
		}
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

static uint64_t occurrence_hash(const struct corr_id *record, int64_t time_us, uint32_t rule)
{
	struct {
		struct corr_id record;
		int64_t time_us;
		uint64_t rule;
	} bytes = {*record, time_us, rule};
	return mr_hash64(&bytes, sizeof(bytes), 0); /* the record's id is under a secret key */
}

static void seen_item(struct corr *corr, struct corr_slot *slot, const struct corr_item *item)
{
	struct corr_id record =
	    corr_id_of_record(corr, (enum mr_record_kind)item->kind, corr_item_record_id(item));
	for (uint64_t rules = item->rules; rules != 0; rules &= rules - 1)
		corr_seen_add(
		    &slot->seen,
		    occurrence_hash(&record, item->time_us, (uint32_t)__builtin_ctzll(rules)),
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
	    occurrence_hash(&occurrence->record, signal->time_us, occurrence->position % 64),
	    CORR_SEEN_BOUND);
}

/* ---- the slot's ---- */

static bool keeps_none(const struct corr_slot *slot)
{
	return !slot->key->rule->rule->alerts;
}

bool corr_evidence_add(struct corr *corr, struct corr_slot *slot,
		       const struct corr_occurrence *occurrence)
{
	const struct mr_signal *signal = occurrence->signal;
	struct corr_items *items = &slot->items;
	struct place place = {signal->time_us, signal->record_id, (int)signal->kind};
	bool same;
	if (keeps_none(slot))
		return seen(corr, slot, occurrence);
	uint32_t at = find(items, &place, &same);
	bool known = same && merge(items, at, signal, occurrence->position);
	if (!same) {
		struct corr_item *gone;
		if (items->count == ITEMS_MAX && !items->pruned) {
			items->pruned = true;
			for (uint32_t i = 0; i < items->count; i++)
				seen_item(corr, slot, items->at[i]);
		}
		struct corr_item **item = open_place(items, at, &gone);
		if (item != NULL) {
			items->bytes -= gone == NULL ? 0 : corr_item_bytes(gone);
			*item = corr_item_make(gone, signal, occurrence->position);
			items->bytes += corr_item_bytes(*item);
		}
	}
	if (items->pruned)
		known |= seen(corr, slot, occurrence);
	return known;
}

void corr_evidence_put(struct corr *corr, struct corr_slot *slot, struct corr_item *item)
{
	struct corr_items *items = &slot->items;
	struct place place = {item->time_us, corr_item_record_id(item), item->kind};
	bool same = keeps_none(slot);
	uint32_t at = same ? 0 : find(items, &place, &same);
	struct corr_item *gone;
	struct corr_item **put_at = same ? NULL : open_place(items, at, &gone);
	if (put_at == NULL) {
		corr_item_done(corr, item);
		return;
	}
	*put_at = item;
	items->bytes += corr_item_bytes(item);
	if (gone != NULL) {
		items->bytes -= corr_item_bytes(gone);
		corr_item_done(corr, gone);
	}
}

void corr_items_fini(struct corr_items *items)
{
	for (uint32_t i = 0; i < items->count; i++)
		free(items->at[i]);
	free(items->at);
	*items = (struct corr_items){0};
}

size_t corr_items_bytes(const struct corr_items *items)
{
	return items->bytes + items->capacity * sizeof(*items->at);
}
