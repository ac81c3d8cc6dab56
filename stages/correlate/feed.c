/* feed.c - correlations of correlations: each completing occurrence of the inner one becomes an
 * occurrence of the outer one, at its own event time (PROTOCOL.md 6.8).
 *
 * An occurrence that does not complete on arrival waits in its slot, because a late one may
 * complete it. What was sent or waits is remembered by a hash of all that the outer one can see of
 * it, so that copies which differ are all sent and a repeat is not: neither one that came again nor
 * one that came by way of another of the inner rules. The outer correlation counts nothing twice,
 * so forgetting (past the bound) costs work, never exactness.
 *
 * Called by correlate.c; never fails. */
#include "state.h"

/* ---- sending ---- */

static void texts_of(struct corr *corr, const struct mr_signal *signal, mr_field field,
		     bool numbers, struct mr_column *out)
{
	out->repeats = out->numbers = numbers;
	out->count = 0;
	out->capped = false;
	struct mr_packed_at at = mr_packed_begin(signal->packed.bytes);
	struct mr_signal_field next;
	while (mr_packed_next(&at, &next))
		if (next.field == field)
			mr_column_add(out, &corr->arena, next.type, next.text);
}

/* One signal for each group key that the record gives the outer correlation. */
static void send_to(struct corr *corr, const struct corr_outer *outer, struct mr_signal *signal)
{
	const struct mr_rule *rule = &corr->catalog.rules[outer->consumer];
	const mr_field *groups = mr_rule_group_fields(rule, outer->position);
	const mr_field *values = mr_rule_value_fields(rule, outer->position);
	bool numbers = mr_correlation_counts(rule->type) == MR_COUNTS_NUMBERS;
	signal->consumer = outer->consumer;
	signal->layer = rule->layer;
	signal->key_count = rule->group_by.count;
	signal->value_width = mr_correlation_has_field(rule->type) ? rule->fields.count : 0;
	struct mr_column *fields = mr_arena_alloc(
	    &corr->arena, (signal->key_count + signal->value_width) * sizeof(*fields));
	for (uint32_t i = 0; i < signal->key_count; i++)
		texts_of(corr, signal, groups[i], false, &fields[i]);
	for (uint32_t i = 0; i < signal->value_width; i++)
		texts_of(corr, signal, values[i], numbers, &fields[signal->key_count + i]);
	struct mr_keys keys =
	    mr_signal_multiply(signal, fields, &corr->arena, corr->env->counters, corr->env->tally);
	for (uint32_t i = 0; i < keys.count; i++) {
		for (uint32_t k = 0; k < signal->key_count; k++)
			signal->key[k] = keys.at[i * signal->key_count + k];
		signal->key_group = mr_key_group(corr->env->seed, rule->id, signal->tenant,
						 signal->key, signal->key_count);
		mr_writer_signal(corr->out, signal);
		mr_count(corr->env->counters, MR_C_INNER_SIGNALS, 1);
	}
}

/* The id of the slot's alert: what an outer event_count counts. */
static struct mr_slice alert_id(struct corr_slot *slot)
{
	struct corr_held *held = corr_held_get(slot);
	struct mr_slice texts[MR_GROUP_BY_MAX];
	if (!held->has_alert_id) {
		corr_key_texts(slot->key, texts);
		mr_alert_id(corr_key_tenant(slot->key), slot->key->rule->rule->id, MR_SLICE(""),
			    texts, slot->key->texts, slot->number, held->alert_id);
		held->has_alert_id = true;
	}
	return (struct mr_slice){(const char *)held->alert_id, sizeof(held->alert_id)};
}

void corr_feed_send(struct corr *corr, struct corr_slot *slot, const struct corr_item *item,
		    bool withdrawn)
{
	const struct corr_key *key = slot->key;
	const struct corr_rule *rule = key->rule;
	mr_arena_reset(&corr->arena);
	struct mr_signal signal;
	corr_item_occurrence(item, &corr->arena, &signal);
	signal.rule = rule->index;
	signal.withdrawn = withdrawn;
	signal.tenant = corr_key_tenant(key);
	signal.counted_id = alert_id(slot);
	if (!withdrawn)
		mr_cost_passed(corr->env->costs, rule->index);
	for (uint32_t i = 0; i < rule->outer_count; i++)
		send_to(corr, &rule->outers[i], &signal);
}

/* ---- what waits ---- */

uint64_t corr_feed_hash(const struct corr *corr, const struct corr_item *item, uint64_t source)
{
	struct {
		uint64_t content, from;
		int64_t time_us;
		uint64_t position; /* of copies that are alike the first is shown */
		uint32_t source, partition;
		uint32_t record_id_len, field_count;
		uint64_t kind;
	} seen = {.content = corr_siphash(corr->hash_key, item->bytes, item->used),
		  .from = source,
		  .time_us = item->time_us,
		  .position = item->origin.position,
		  .source = item->origin.source,
		  .partition = item->origin.partition,
		  .kind = item->kind,
		  .record_id_len = item->record_id_len,
		  .field_count = item->field_count};
	return mr_hash64(&seen, sizeof(seen), corr->hash_seed);
}

bool corr_feed_add(struct corr *corr, struct corr_slot *slot,
		   const struct corr_occurrence *occurrence)
{
	struct corr_occurrence bare = {.signal = occurrence->signal,
				       .position = occurrence->position};
	struct corr_item *item = corr_item_make(corr->spare, &bare);
	corr->spare = NULL;
	if (!corr_seen_add(&slot->fed, corr_feed_hash(corr, item, 0), 2 * CORR_SLOT_BOUND)) {
		corr_item_done(corr, item);
		return false;
	}
	if (corr_set_is_certain(&slot->set, occurrence->offset)) {
		corr_feed_send(corr, slot, item, false);
		corr_item_done(corr, item);
		return true;
	}
	struct corr_touch touch = {.offset = occurrence->offset, .item = item};
	corr_held_touch(corr, corr_held_get(slot), &touch);
	return true;
}

void corr_feed_bound(struct corr *corr, struct corr_slot *slot, int64_t offset)
{
	struct corr_held *held = slot->held;
	struct corr_want want = {{offset, offset}, INT64_MIN / 2};
	struct corr_point point;
	if (held == NULL || held->waiting <= CORR_SLOT_BOUND ||
	    !corr_held_take(held, &want, &point) || point.waiting == NULL)
		return;
	struct corr_item *newest = point.waiting;
	point.waiting = newest->next;
	corr_held_put_back(corr, held, &point);
	corr_item_done(corr, newest);
	mr_count(corr->env->counters, MR_C_OCCURRENCES_CAPPED, 1);
	corr_alarm(corr, slot->key->rule,
		   "occurrences that wait to complete for an outer correlation");
}

bool corr_feed_take(struct corr *corr, struct corr_slot *slot, const struct corr_want *want)
{
	struct corr_point point;
	bool any = false;
	while (corr_held_take(slot->held, want, &point)) {
		any = true;
		while (point.waiting != NULL) {
			struct corr_item *item = point.waiting;
			point.waiting = item->next;
			corr_feed_send(corr, slot, item, false);
			corr_item_done(corr, item);
		}
	}
	return any;
}
