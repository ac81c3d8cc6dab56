/* fire.c - alerts of correlations: made as a slot fires, or when a finite input has ended.
 *
 * What an alert shows is a function of the set of occurrences: its slot, and before it what lies in
 * the window of the slot's earliest completing occurrence. Called by correlate.c, window.c,
 * temporal_ordered.c and shed.c; nothing fails. */
#include "shed.h"
#include "shown.h"

#include <stdlib.h>

/* What an alert sees of a slot and the one before: of the distinct things what is certain. What a
 * set holds besides depends on the order in which it came. The slots themselves lose nothing by it:
 * what is left out of them, and whether anything is, would depend on when they fire. */
struct view {
	struct corr_slot previous, current;
	struct corr_reach reach;
};

static void narrow(struct corr *corr, const struct corr_slot *slot, struct corr_slot *out)
{
	*out = *slot;
	corr_set_certain(&slot->set, slot->key->rule->keep, &out->set);
	if (!slot->key->rule->withdraws)
		return;
	out->items = (struct corr_items){0};
	out->seen = (struct corr_seen){0};
	corr_offers_show(corr, slot, out);
}

static void widen(struct corr *corr, struct corr_slot *slot)
{
	corr_set_fini(&slot->set);
	if (slot->key == NULL || !slot->key->rule->withdraws)
		return;
	corr_items_fini(corr, &slot->items);
	corr_seen_fini(&slot->seen);
}

static void view_init(struct corr *corr, struct view *view, struct corr_slot *slot)
{
	const struct corr_rule *rule = slot->key->rule;
	*view = (struct view){.reach = {NULL, &view->current, rule->span_us}};
	corr_settled_ask(corr, slot);
	narrow(corr, slot, &view->current);
	if (slot->previous != NULL) {
		narrow(corr, slot->previous, &view->previous);
		view->reach.previous = view->current.previous = &view->previous;
	}
	rule->way->first(rule, &view->current, &view->reach.from);
}

static void view_fini(struct corr *corr, struct view *view, struct corr_slot *slot)
{
	widen(corr, &view->current);
	widen(corr, &view->previous);
	corr_settled_asked(corr, slot);
}

static void evidence_fill(struct corr *corr, const struct corr_rule *rule,
			  const struct corr_item *item, struct mr_evidence *out)
{
	struct mr_signal signal;
	corr_item_occurrence(item, &corr->arena, &signal);
	*out = (struct mr_evidence){
	    .rule = rule->rule->rules[item->rule],
	    .kind = signal.kind,
	    .has_time = true,
	    .time_us = signal.time_us,
	    .arrival_us = signal.arrival_us,
	    .record_id = signal.record_id,
	    .origin = signal.origin,
	    .record = signal.record,
	    .field_count = signal.field_count,
	    .packed = signal.packed,
	    .inner_id = signal.counted_id,
	    .matched_count = signal.matched_count,
	    .matched = signal.matched,
	};
}

/* Offsets to times; the slot's start alone may lie outside of 64 bits. */
static int64_t time_of(const struct corr_slot *slot, int64_t offset)
{
	uint64_t span = (uint64_t)slot->key->rule->span_us;
	return (int64_t)((uint64_t)slot->number * span + (uint64_t)offset);
}

/* Where all that was known was withdrawn, of the slot. */
static int64_t last_time(const struct corr_slot *slot)
{
	uint32_t count = slot->items.count;
	return count == 0 ? time_of(slot, 0) : slot->items.at[count - 1]->time_us;
}

/* Of what is counted, which may begin before what is shown. */
static int64_t first_time(const struct corr_reach *reach, const struct corr_shown *shown)
{
	const struct corr_rule *rule = reach->current->key->rule;
	int64_t offset,
	    time_us = shown->count > 0 ? shown->items[0]->time_us : last_time(reach->current);
	const struct corr_slot *slot = reach->previous;
	if (slot == NULL || !rule->way->next(rule, slot, reach->from, &offset)) {
		slot = reach->current;
		if (!rule->way->next(rule, slot, 0, &offset))
			return time_us;
	}
	int64_t counted_us = time_of(slot, offset);
	return counted_us < time_us ? counted_us : time_us;
}

/* What the condition was compared with; of a slot that has not fired what came nearest. */
static void value_fill(struct corr *corr, const struct corr_slot *slot, struct mr_alert *alert)
{
	const struct corr_rule *rule = slot->key->rule;
	int64_t offset = 0;
	corr->value.len = 0;
	if (rule->way->reached == NULL ||
	    mr_correlation_counts(rule->rule->type) == MR_COUNTS_RULES)
		return;
	rule->way->reached(rule, slot, !slot->fired && corr->env->missed != NULL, &corr->value,
			   &offset);
	alert->value = (struct mr_slice){corr->value.data, corr->value.len};
	alert->value_time_us = corr->value.len > 0 ? time_of(slot, offset) : 0;
}

/* Borrows from the view. All that an alert says but its activity; gives the count that a revision
 * is measured by. */
static uint64_t alert_fill(struct corr *corr, const struct view *view, struct mr_alert *alert)
{
	const struct corr_slot *slot = &view->current;
	const struct corr_key *key = slot->key;
	const struct corr_rule *rule = key->rule;
	struct corr_shown shown;
	bool set_bound = false;
	uint64_t counted = rule->way->count(slot, view->reach.from, &set_bound);
	mr_arena_reset(&corr->arena);
	corr_shown_find(corr, &view->reach, &shown);
	*alert = (struct mr_alert){
	    .rule = rule->index,
	    .arrival_us = corr->arrival_us,
	    .tenant = corr_key_tenant(key),
	    .key_count = key->texts,
	    .slot = slot->number,
	    .has_time = true,
	    .first_time_us = first_time(&view->reach, &shown),
	    .last_time_us = last_time(slot),
	    .event_count = shown.records,
	    .lower_bound = shown.lower_bound,
	};
	enum mr_correlation_counts counts = mr_correlation_counts(rule->rule->type);
	if (counts == MR_COUNTS_RECORDS || counts == MR_COUNTS_NUMBERS) {
		alert->event_count = counted;
		alert->lower_bound = set_bound;
	} else if (counts == MR_COUNTS_VALUES) {
		alert->value_count = counted;
		alert->lower_bound |= set_bound;
	}
	alert->lower_bound |= slot->lossy || (view->reach.previous != NULL && view->previous.lossy);
	value_fill(corr, slot, alert);
	corr_key_texts(key, alert->key);
	for (uint32_t i = 0; i < shown.count; i++)
		if (shown.chosen[i])
			evidence_fill(corr, rule, shown.items[i],
				      &alert->evidence[alert->evidence_count++]);
	mr_alert_id(alert->tenant, rule->rule->id, MR_SLICE(""), alert->key, alert->key_count,
		    alert->slot, alert->id);
	return alert->value_count > 0 ? alert->value_count : alert->event_count;
}

/* A scan's announcement is for a person, where one is told. */
static void put(struct corr *corr, struct mr_alert *alert)
{
	const struct mr_stage_env *env = corr->env;
	if (env->retell != NULL && (!alert->announcement || mr_log_wants(MR_LOG_ALERT)))
		env->retell(env->retell_context, alert);
	mr_writer_alert(corr->out, alert);
}

void corr_alert_write(struct corr *corr, struct corr_slot *slot, enum mr_activity activity,
		      bool announcement)
{
	struct mr_alert alert;
	struct view view;
	view_init(corr, &view, slot);
	slot->told = alert_fill(corr, &view, &alert);
	alert.activity = activity;
	alert.announcement = announcement;
	put(corr, &alert);
	view_fini(corr, &view, slot);
	if (announcement || activity != MR_ACTIVITY_CREATE)
		return;
	mr_count(corr->env->counters, MR_C_ALERTS, 1);
	mr_count_of(corr->env->counters, mr_alert_source(&alert), MR_B_ALERTS, 1);
}

void corr_fire(struct corr *corr, struct corr_slot *slot)
{
	slot->fired = true;
	if (slot->key->rule->rule->alerts && !corr_was_told(corr, slot->key, slot->number))
		corr_alert_write(corr, slot, MR_ACTIVITY_CREATE, corr->env->finite);
}

/* ---- revisions ---- */

static bool may_change(const struct corr_slot *slot)
{
	const struct corr_rule *rule = slot->key->rule;
	if (rule->settles)
		return slot->settled != NULL && slot->settled->judged;
	return slot->fired && !slot->revised && rule->rule->alerts;
}

void corr_slot_touch(struct corr *corr, struct corr_slot *slot)
{
	if (slot->touched_at != 0 || corr->env->finite || !may_change(slot))
		return;
	if (corr->touched_count == corr->touched_capacity) {
		uint32_t capacity =
		    (uint32_t)mr_grow(corr->touched_capacity, corr->touched_count + 1);
		corr->touched = mr_realloc(corr->touched, capacity * sizeof(*corr->touched));
		corr->bytes += (capacity - corr->touched_capacity) * sizeof(*corr->touched);
		corr->touched_capacity = capacity;
	}
	corr->touched[corr->touched_count++] = slot;
	slot->touched_at = corr->touched_count;
}

void corr_slot_untouch(struct corr *corr, struct corr_slot *slot)
{
	if (slot->touched_at == 0)
		return;
	struct corr_slot *last = corr->touched[--corr->touched_count];
	corr->touched[slot->touched_at - 1] = last;
	last->touched_at = slot->touched_at;
	slot->touched_at = 0;
}

void corr_touched_fini(struct corr *corr)
{
	corr->bytes -= corr->touched_capacity * sizeof(*corr->touched);
	free(corr->touched);
	corr->touched = NULL;
	corr->touched_count = corr->touched_capacity = 0;
}

static void slot_revise(struct corr *corr, struct corr_slot *slot)
{
	struct mr_alert alert;
	struct view view;
	if (slot->told == 0) { /* it fired while its rule made no alerts */
		corr_alert_write(corr, slot, MR_ACTIVITY_CREATE, false);
		return;
	}
	view_init(corr, &view, slot);
	uint64_t count = alert_fill(corr, &view, &alert);
	if (count / 2 >= slot->told) {
		alert.activity = MR_ACTIVITY_UPDATE;
		put(corr, &alert);
		slot->revised = true;
	}
	view_fini(corr, &view, slot);
}

enum mr_err corr_revise(struct corr *corr)
{
	while (corr->touched_count > 0) {
		struct corr_slot *slot = corr->touched[corr->touched_count - 1];
		if (!mr_writer_ready(corr->out))
			return MR_FULL;
		corr_slot_untouch(corr, slot);
		if (slot->key->rule->settles)
			corr_settle_slot(corr, slot);
		else
			slot_revise(corr, slot);
	}
	return MR_OK;
}

/* ---- a finite run's alerts that are made before its end ---- */

bool corr_was_told(const struct corr *corr, const struct corr_key *key, int64_t number)
{
	const struct corr_seen *told = &key->rule->told;
	return told->count > 0 && corr_seen_has(told, corr_slot_hash(corr, key, number));
}

/* Of a correlation that settles: what holds now, and holds with more. */
static bool will_hold(const struct corr_slot *slot)
{
	const struct corr_rule *rule = slot->key->rule;
	int64_t offset;
	return rule->settles && rule->grows && !rule->withdraws && slot->settled != NULL &&
	       rule->way->first(rule, slot, &offset);
}

void corr_fire_early(struct corr *corr, struct corr_slot *slot)
{
	struct corr_rule *rule = &corr->rules[slot->key->rule->index];
	if (!corr->env->finite)
		return;
	if (!slot->fired && will_hold(slot))
		corr_settle_slot(corr, slot);
	if (!slot->fired || !rule->rule->alerts || corr_was_told(corr, slot->key, slot->number))
		return;
	size_t before = corr_seen_bytes(&rule->told);
	corr_seen_add(&rule->told, corr_slot_hash(corr, slot->key, slot->number), UINT32_MAX);
	corr_weigh(corr, rule->index, corr_seen_bytes(&rule->told), before);
	slot->lossy = true;
	corr_alert_write(corr, slot, MR_ACTIVITY_CREATE, false);
}

void corr_told_fini(struct corr *corr)
{
	for (uint32_t i = 0; corr->rules != NULL && i < corr->catalog.count; i++) {
		corr_weigh(corr, i, 0, corr_seen_bytes(&corr->rules[i].told));
		corr_seen_fini(&corr->rules[i].told);
	}
}

/* ---- the end of a finite run ---- */

static int by_rule_and_key(const void *a, const void *b)
{
	const struct corr_slot *x = *(struct corr_slot *const *)a;
	const struct corr_slot *y = *(struct corr_slot *const *)b;
	struct mr_slice p[MR_GROUP_BY_MAX + 1], q[MR_GROUP_BY_MAX + 1];
	if (x->key->rule != y->key->rule)
		return x->key->rule->index < y->key->rule->index ? -1 : 1;
	if (x->key != y->key) {
		uint32_t texts = x->key->texts < y->key->texts ? x->key->texts : y->key->texts;
		p[0] = corr_key_tenant(x->key);
		q[0] = corr_key_tenant(y->key);
		corr_key_texts(x->key, p + 1);
		corr_key_texts(y->key, q + 1);
		for (uint32_t i = 0; i <= texts; i++) {
			int order = mr_slice_cmp(p[i], q[i]);
			if (order != 0)
				return order;
		}
	}
	return x->number < y->number ? -1 : x->number > y->number;
}

static bool is_to_be_written(const struct corr *corr, const struct corr_slot *slot)
{
	return slot->fired && !corr_was_told(corr, slot->key, slot->number);
}

static bool is_missed(const struct corr *corr, const struct corr_slot *slot)
{
	(void)corr;
	return !slot->fired;
}

static void fired_add(struct corr *corr, struct corr_slot *slot, size_t *capacity)
{
	if (corr->fired_count == *capacity) {
		*capacity = mr_grow(*capacity, corr->fired_count + 1);
		corr->fired = mr_realloc(corr->fired, *capacity * sizeof(struct corr_slot *));
	}
	corr->fired[corr->fired_count++] = slot;
}

static void collect(struct corr *corr,
		    bool (*wanted)(const struct corr *corr, const struct corr_slot *slot))
{
	size_t capacity = 0;
	free(corr->fired);
	corr->fired = NULL;
	corr->fired_count = 0;
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++) {
		const struct corr_group *group = &corr->groups[g];
		for (uint32_t i = 0; i < group->key_places; i++) {
			const struct corr_key *key = group->keys[i].key;
			if (key == NULL || !key->rule->rule->alerts)
				continue;
			for (struct corr_slot *slot = key->slots; slot != NULL;
			     slot = slot->next_of_key)
				if (wanted(corr, slot))
					fired_add(corr, slot, &capacity);
		}
	}
	if (corr->fired_count > 1)
		qsort(corr->fired, corr->fired_count, sizeof(struct corr_slot *), by_rule_and_key);
}

static void misses_tell(struct corr *corr)
{
	collect(corr, is_missed);
	for (size_t i = 0; i < corr->fired_count; i++) {
		struct mr_alert nearest;
		struct view view;
		view_init(corr, &view, corr->fired[i]);
		alert_fill(corr, &view, &nearest);
		corr->env->missed(corr->env->missed_context, &nearest);
		view_fini(corr, &view, corr->fired[i]);
	}
}

enum mr_err corr_fire_all(struct corr *corr)
{
	enum mr_err err = corr_settle_due(corr, INT64_MAX);
	if (err != MR_OK)
		return err;
	if (!corr->finishing) {
		corr->finishing = true;
		if (corr->env->missed != NULL)
			misses_tell(corr);
		collect(corr, is_to_be_written);
	}
	for (; corr->fired_at < corr->fired_count; corr->fired_at++) {
		if (!mr_writer_ready(corr->out))
			return MR_FULL;
		struct corr_slot *slot = corr->fired[corr->fired_at];
		uint64_t from = mr_cost_begin(corr->env->costs);
		corr_alert_write(corr, slot, MR_ACTIVITY_CREATE, false);
		mr_cost_end(corr->env->costs, slot->key->rule->index, from);
	}
	return MR_OK;
}

void corr_alarm(struct corr *corr, const struct corr_rule *rule, const char *what)
{
	struct corr_rule *own = &corr->rules[rule->index];
	if (own->alarmed)
		return;
	own->alarmed = true;
	mr_log(MR_LOG_WARNING,
	       MR_RULE_NAMED
	       ": a slot has more than %d %s; what is past that is left out and "
	       "counted (occurrences_capped), and its alerts are no longer promised to be exact",
	       MR_RULE_NAMES(rule->rule), CORR_SLOT_BOUND, what);
}
