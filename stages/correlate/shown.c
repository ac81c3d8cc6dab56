/* shown.c - which of the kept records an alert shows: first those that prove it, then the earliest.
 *
 * A temporal correlation's alert shows the first record of each rule, a value_count's that of each
 * value, a temporal_ordered's a chain of records in the order of its rules, up to ten. Others fill
 * what is left of the ten. All stand in order of time and record id. A record stands there once;
 * but where copies of it differ, and each proves what the others don't, each of these does. What
 * is chosen is a function of what is kept, and so of the set of occurrences.
 *
 * A chain whose middle was left out of what is kept (evidence.c, proof.c) can't be shown: no
 * bounded memory holds the record that will turn out to lie between two others. Then the first
 * record of each rule is shown. Called by fire.c; never fails. */
#include "shown.h"

/* ---- what is kept ---- */

/* Bits of the rules that this copy of a record matched: all of them, where it is one of the slot's
 * earliest and latest, because all its signals meet there. */
static uint64_t rules_of(const struct corr_rule *rule, const struct corr_item *item, bool is_proof)
{
	uint64_t bits = UINT64_C(1) << (rule->step[item->rule] % 64);
	for (uint32_t i = 0; i < rule->rule->rule_count && i < 64 && !is_proof; i++)
		bits |= (item->own >> i & 1) << (rule->step[i] % 64);
	return bits;
}

static bool is_past(const struct corr_reach *reach, const struct corr_slot *slot,
		    const struct corr_item *item)
{
	int64_t span = slot->key->rule->span_us;
	return slot == reach->previous && corr_slot_offset(item->time_us, span) < reach->from;
}

static void insert(struct corr_shown *shown, uint32_t at, const struct corr_item *item,
		   uint64_t rules)
{
	uint32_t behind = shown->count++ - at;
	memmove(&shown->items[at + 1], &shown->items[at], behind * sizeof(shown->items[0]));
	memmove(&shown->rules[at + 1], &shown->rules[at], behind * sizeof(shown->rules[0]));
	shown->items[at] = item;
	shown->rules[at] = rules;
}

static void add_proofs(struct corr *corr, const struct corr_reach *reach,
		       const struct corr_slot *slot, struct corr_shown *shown)
{
	struct corr_item *proofs[2 * CORR_FACETS_SIDE];
	uint32_t count = corr_proofs_list(&slot->items, proofs);
	for (uint32_t i = 0; i < count; i++) {
		struct mr_signal signal;
		struct corr_occurrence occurrence =
		    corr_item_occurrence(proofs[i], &corr->arena, &signal);
		uint32_t at = shown->count;
		if (is_past(reach, slot, proofs[i]))
			continue;
		for (; at > 0; at--) {
			int order = corr_compare(&occurrence, shown->items[at - 1]);
			if (order > 0 ||
			    (order == 0 && !corr_stands_before(&occurrence, shown->items[at - 1])))
				break;
		}
		insert(shown, at, proofs[i], rules_of(slot->key->rule, proofs[i], true));
	}
}

static void list(struct corr *corr, const struct corr_reach *reach, struct corr_shown *shown)
{
	const struct corr_slot *slots[2] = {reach->previous, reach->current};
	for (int s = 0; s < 2; s++) {
		const struct corr_slot *slot = slots[s];
		if (slot == NULL)
			continue;
		uint32_t before = shown->count;
		for (uint32_t i = 0; i < slot->items.count; i++) {
			const struct corr_item *item = slot->items.at[i];
			if (!is_past(reach, slot, item))
				insert(shown, shown->count, item,
				       rules_of(slot->key->rule, item, false));
		}
		/* Where not even one side of what is kept lies outside, more may have been left
		 * out. */
		if (slot->items.pruned &&
		    (slot == reach->current || shown->count - before >= CORR_ITEMS_SIDE))
			shown->lower_bound = true;
		add_proofs(corr, reach, slot, shown);
	}
	for (uint32_t i = 0; i < shown->count; i++) {
		bool known = false;
		for (uint32_t k = 0; k < i && !known; k++)
			known = corr_item_same_record(shown->items[k], shown->items[i]);
		shown->records += !known;
	}
}

/* ---- choosing ---- */

/* `same`: which of those that are chosen stand for this one, too. */
static void choose(struct corr_shown *shown, uint32_t at,
		   bool (*same)(const struct corr_item *a, const struct corr_item *b))
{
	bool known = shown->chosen_count == MR_EVIDENCE_MAX;
	for (uint32_t i = 0; i < shown->count && !known; i++)
		known = shown->chosen[i] && same(shown->items[i], shown->items[at]);
	if (known)
		return;
	shown->chosen[at] = true;
	shown->chosen_count++;
}

static void choose_rules(struct corr_shown *shown)
{
	uint64_t met = 0;
	for (uint32_t i = 0; i < shown->count; i++) {
		if ((shown->rules[i] & ~met) != 0)
			choose(shown, i, corr_item_same_copy);
		met |= shown->rules[i];
	}
}

static void choose_values(struct corr *corr, struct corr_shown *shown)
{
	uint32_t room = 0, count = 0;
	for (uint32_t i = 0; i < shown->count; i++)
		room += shown->items[i]->value_count;
	struct corr_id *met = mr_arena_alloc(&corr->arena, (room + 1) * sizeof(*met));
	for (uint32_t i = 0; i < shown->count && shown->chosen_count < MR_EVIDENCE_MAX; i++) {
		const struct corr_id *values = corr_item_values(shown->items[i]);
		uint32_t before = count;
		for (uint32_t v = 0; v < shown->items[i]->value_count; v++) {
			uint32_t k = 0;
			while (k < count && !corr_id_equal(&met[k], &values[v]))
				k++;
			if (k == count)
				met[count++] = values[v];
		}
		if (count > before)
			choose(shown, i, corr_item_same_copy);
	}
}

/* The chain that begins there and ends as early as it can. */
static bool chain_from(const struct corr_rule *rule, const struct corr_shown *shown, uint32_t start,
		       uint32_t *chain)
{
	uint32_t at = start;
	for (uint32_t p = 0; p < rule->rule->rule_count; p++) {
		int64_t time_us = shown->items[at]->time_us;
		while (p > 0 && at > 0 && shown->items[at - 1]->time_us == time_us)
			at--;
		while (at < shown->count && (shown->rules[at] >> (rule->step[p] % 64) & 1) == 0)
			at++;
		if (at == shown->count || (p == 0 && at != start))
			return false;
		chain[p] = at;
	}
	return shown->items[at]->time_us - shown->items[start]->time_us <= rule->span_us;
}

static bool choose_chain(struct corr *corr, const struct corr_rule *rule, struct corr_shown *shown)
{
	uint32_t count = rule->rule->rule_count;
	uint32_t *chain = mr_arena_alloc(&corr->arena, count * sizeof(*chain));
	for (uint32_t start = 0; start < shown->count; start++) {
		if (!chain_from(rule, shown, start, chain))
			continue;
		for (uint32_t p = 0; p < count; p++)
			choose(shown, chain[p], corr_item_same_copy);
		return true;
	}
	return false;
}

void corr_shown_find(struct corr *corr, const struct corr_reach *reach, struct corr_shown *out)
{
	const struct corr_rule *rule = reach->current->key->rule;
	enum mr_correlation_counts counts = mr_correlation_counts(rule->rule->type);
	memset(out, 0, sizeof(*out));
	list(corr, reach, out);
	if (counts == MR_COUNTS_VALUES)
		choose_values(corr, out);
	else if (counts == MR_COUNTS_RULES &&
		 (rule->rule->type != MR_CORRELATION_TEMPORAL_ORDERED ||
		  !choose_chain(corr, rule, out)))
		choose_rules(out);
	for (uint32_t i = 0; i < out->count && out->chosen_count < MR_EVIDENCE_MAX; i++)
		choose(out, i, corr_item_same_record);
}
