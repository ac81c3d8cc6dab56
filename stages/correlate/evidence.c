/* evidence.c - occurrences kept whole: the earliest and the latest of each slot.
 *
 * An alert shows the ten earliest records of its window. Those lie at the end of the slot before
 * and at the start of its own, so each slot keeps the ten smallest and the ten largest by (time,
 * record id). Of two that are equal in that, the smaller origin stays: what is kept is a function
 * of the set of occurrences. Called by correlate.c, feed.c, fire.c and snapshot.c; never fails. */
#include "state.h"

#include <stdlib.h>

#define ITEMS_MAX (2 * CORR_ITEMS_SIDE)

struct corr_item *corr_item_new(struct corr *corr, const struct mr_signal *signal,
				uint32_t position)
{
	struct mr_buf *fields = &corr->scratch;
	fields->len = 0;
	mr_signal_fields_encode(signal->fields, signal->field_count, fields);
	struct corr_item *item = mr_malloc(sizeof(*item) + signal->record_id.len + fields->len);
	*item = (struct corr_item){
	    .time_us = signal->time_us,
	    .arrival_us = signal->arrival_us,
	    .rules = UINT64_C(1) << (position % 64),
	    .origin = signal->origin,
	    .record_id_len = (uint32_t)signal->record_id.len,
	    .fields_len = (uint32_t)fields->len,
	    .rule = position,
	    .kind = (uint8_t)signal->kind,
	};
	if (signal->record_id.len > 0)
		memcpy(item->bytes, signal->record_id.at, signal->record_id.len);
	memcpy(item->bytes + signal->record_id.len, fields->data, fields->len);
	return item;
}

struct mr_slice corr_item_record_id(const struct corr_item *item)
{
	return (struct mr_slice){item->bytes, item->record_id_len};
}

struct mr_slice corr_item_fields(const struct corr_item *item)
{
	return (struct mr_slice){item->bytes + item->record_id_len, item->fields_len};
}

void corr_items_free(struct corr_item *items)
{
	while (items != NULL) {
		struct corr_item *next = items->next;
		free(items);
		items = next;
	}
}

bool corr_item_same_record(const struct corr_item *a, const struct corr_item *b)
{
	return a->kind == b->kind && mr_slice_eq(corr_item_record_id(a), corr_item_record_id(b));
}

/* Order by (time, record id); the kind tells records apart that share an id. */
static int item_compare(const struct corr_item *a, const struct corr_item *b)
{
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	int order = mr_slice_cmp(corr_item_record_id(a), corr_item_record_id(b));
	return order != 0 ? order : (int)a->kind - (int)b->kind;
}

static bool origin_before(const struct mr_origin *a, const struct mr_origin *b)
{
	if (a->source != b->source)
		return a->source < b->source;
	if (a->partition != b->partition)
		return a->partition < b->partition;
	return a->position < b->position;
}

/* The same record at the same time: one of the two stays. */
static bool item_merge(struct corr_item **link, struct corr_item *item)
{
	struct corr_item *old = *link;
	bool known = (old->rules & item->rules) == item->rules;
	uint64_t rules = old->rules | item->rules;
	uint32_t rule = old->rule < item->rule ? old->rule : item->rule;
	if (origin_before(&item->origin, &old->origin)) {
		item->next = old->next;
		*link = item;
		free(old);
	} else {
		free(item);
	}
	(*link)->rules = rules;
	(*link)->rule = rule;
	return !known;
}

bool corr_evidence_add(struct corr_slot *slot, struct corr_item *item)
{
	struct corr_item **link = &slot->items;
	struct corr_item **middle = NULL; /* the first that is not among the earliest */
	uint32_t at = 0;
	for (; *link != NULL; link = &(*link)->next, at++) {
		int order = item_compare(*link, item);
		if (order == 0)
			return item_merge(link, item);
		if (order > 0)
			break;
		if (at == CORR_ITEMS_SIDE)
			middle = link;
	}
	item->next = *link;
	*link = item;
	if (slot->item_count < ITEMS_MAX) {
		slot->item_count++;
		return true;
	}
	if (middle == NULL) {
		middle = &slot->items;
		for (uint32_t i = 0; i < CORR_ITEMS_SIDE; i++)
			middle = &(*middle)->next;
	}
	struct corr_item *gone = *middle;
	*middle = gone->next;
	free(gone);
	slot->items_pruned = true;
	return true;
}
