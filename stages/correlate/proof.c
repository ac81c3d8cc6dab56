/* proof.c - the records without which an alert proves nothing: one of each rule of a temporal
 * correlation, of each value of a value_count, however many records of the others came before.
 *
 * A rule or a value is a facet. Of the ten facets whose first occurrences are the earliest a slot
 * keeps these, and of the ten whose last ones are the latest those: ten are what an alert shows. It
 * looks at the end of the slot before and at its own slot. What lies there of the slot before has
 * its last occurrence there; so the ten latest hold every facet there, or ten of them, and likewise
 * the ten earliest in its own. As in set.c a facet once left out comes back only by an occurrence
 * that is its true first (last), so that what is kept is a function of the set of occurrences.
 *
 * Most slots keep all that comes (evidence.c), and no proofs. They begin with the first loss: the
 * 21st occurrence, or two copies of a record of which one stands, where the other has another
 * facet. Called by evidence.c, shown.c and snapshot.c; never fails. */
#include "state.h"

#include <stdlib.h>

enum side { FIRST, LAST };

/* ---- facets ---- */

static bool counts_rules(const struct corr_rule *rule)
{
	return mr_correlation_counts(rule->rule->type) == MR_COUNTS_RULES;
}

/* `own`: room for one. */
static uint32_t facets_of(const struct corr_rule *rule, const struct corr_occurrence *occurrence,
			  struct corr_id *own, const struct corr_id **out)
{
	*out = occurrence->values;
	if (!counts_rules(rule))
		return occurrence->value_count;
	*own = corr_id_of_step(rule->step[occurrence->position]);
	*out = own;
	return 1;
}

bool corr_proofs_differ(const struct corr_rule *rule, const struct corr_occurrence *occurrence,
			const struct corr_item *item)
{
	if (counts_rules(rule))
		return rule->step[occurrence->position] != rule->step[item->rule];
	return occurrence->value_count != item->value_count ||
	       (item->value_count > 0 && memcmp(occurrence->values, corr_item_values(item),
						item->value_count * sizeof(struct corr_id)) != 0);
}

/* ---- one side ---- */

static bool beats(const struct corr_occurrence *occurrence, const struct corr_item *item,
		  enum side side)
{
	int order = corr_compare(occurrence, item);
	if (order != 0)
		return (order < 0) == (side == FIRST);
	return corr_stands_before(occurrence, item);
}

/* One more holder of the item, which is made where nobody has it. */
static struct corr_item *hold(struct corr *corr, struct corr_items *items,
			      const struct corr_occurrence *occurrence, struct corr_item *item)
{
	if (item == NULL)
		return corr_item_new(corr, items, occurrence);
	item->shared++;
	return item;
}

/* Gives the item, as it is kept. */
static struct corr_item *side_add(struct corr *corr, struct corr_items *items, enum side side,
				  const struct corr_id *facet,
				  const struct corr_occurrence *occurrence, struct corr_item *item)
{
	struct corr_proofs *proofs = items->proofs;
	struct corr_proof *at = &proofs->at[side == FIRST ? 0 : proofs->room];
	uint8_t *count = &proofs->count[side];
	uint32_t place = 0;
	while (place < *count && !corr_id_equal(&at[place].facet, facet))
		place++;
	if (place == proofs->room)
		place--;
	if (place < *count && !beats(occurrence, at[place].item, side))
		return item;
	item = hold(corr, items, occurrence, item);
	if (place < *count)
		corr_item_drop(corr, items, at[place].item);
	else
		(*count)++;
	for (; place > 0 && beats(occurrence, at[place - 1].item, side); place--)
		at[place] = at[place - 1];
	at[place] = (struct corr_proof){*facet, item};
	return item;
}

/* ---- the slot's ---- */

void corr_proofs_add(struct corr *corr, struct corr_slot *slot,
		     const struct corr_occurrence *occurrence, struct corr_item *item)
{
	struct corr_id own;
	const struct corr_id *facets;
	uint32_t count = facets_of(slot->key->rule, occurrence, &own, &facets);
	for (uint32_t i = 0; i < count; i++) {
		item = side_add(corr, &slot->items, FIRST, &facets[i], occurrence, item);
		item = side_add(corr, &slot->items, LAST, &facets[i], occurrence, item);
	}
}

void corr_proofs_start(struct corr *corr, struct corr_slot *slot)
{
	const struct corr_rule *rule = slot->key->rule;
	struct corr_items *items = &slot->items;
	enum mr_correlation_counts counts = mr_correlation_counts(rule->rule->type);
	if (items->proofs != NULL || counts == MR_COUNTS_RECORDS || counts == MR_COUNTS_NUMBERS)
		return;
	uint32_t room = CORR_FACETS_SIDE;
	if (counts_rules(rule) && rule->step_count < room)
		room = rule->step_count;
	items->proofs =
	    mr_calloc(1, sizeof(*items->proofs) + 2 * (size_t)room * sizeof(struct corr_proof));
	items->proofs->room = (uint8_t)room;
	mr_arena_reset(&corr->arena);
	for (uint32_t i = 0; i < items->count; i++) {
		struct mr_signal signal;
		struct corr_occurrence occurrence =
		    corr_item_occurrence(items->at[i], &corr->arena, &signal);
		corr_proofs_add(corr, slot, &occurrence, items->at[i]);
	}
}

static bool is_listed(struct corr_item *const *list, uint32_t count, const struct corr_item *item)
{
	for (uint32_t i = 0; i < count; i++)
		if (list[i] == item)
			return true;
	return false;
}

uint32_t corr_proofs_list(const struct corr_items *items, struct corr_item **out)
{
	const struct corr_proofs *proofs = items->proofs;
	uint32_t count = 0;
	for (uint32_t i = 0; proofs != NULL && i < 2u * proofs->room; i++) {
		struct corr_item *item = proofs->at[i].item;
		if (item != NULL && !is_listed(items->at, items->count, item) &&
		    !is_listed(out, count, item))
			out[count++] = item;
	}
	return count;
}

void corr_proofs_fini(struct corr *corr, struct corr_items *items)
{
	struct corr_proofs *proofs = items->proofs;
	for (uint32_t i = 0; proofs != NULL && i < 2u * proofs->room; i++)
		corr_item_drop(corr, items, proofs->at[i].item);
	free(proofs);
	items->proofs = NULL;
}

size_t corr_proofs_bytes(const struct corr_proofs *proofs)
{
	return proofs == NULL ? 0
			      : corr_taken(sizeof(*proofs) +
					   2 * (size_t)proofs->room * sizeof(struct corr_proof));
}
