/* husk.c - what stays of a slot that was given up at the memory ceiling: what it counted, without
 * the key, the records and all else that makes a key with one occurrence cost a thousand bytes.
 *
 * Of keys that hold as much of their condition as each other the oldest goes first, so whoever
 * invents keys, one record each, faster than a user's records come would hide the user. A husk is
 * 32 bytes a thing. When its key comes again the slot begins with it: its alert is made, though it
 * shows no record from before, and says that its counts may be low. Of a slot that fired it stays
 * that it did, so that it does not twice; a finite run has its own way (fire.c). Husks take at most
 * an eighth of what their rule holds, in two tables: where the newer is full the older goes. They
 * are in no checkpoint: a start begins without. Called by shed.c, state.c and expiry.c; never
 * fails. */
#include "shed.h"

#include <stdlib.h>

#define LEAST 64 /* places of a table */
#define MOST (UINT32_MAX / 2)
#define TABLE_PART 16 /* of what its rule holds is one table, at most */
#define WORTH 4       /* times smaller than the slot */

struct husk {
	uint64_t slot; /* its hash; 0: free */
	struct corr_id id;
	int64_t offset;
};
struct table {
	struct husk *at;
	uint32_t count, places;
	int64_t newest; /* slot number */
};
struct corr_husks {
	struct table now, before;
};

static const struct corr_id fired; /* zero is no thing's: in its place stands what was told */

/* ---- a table ---- */

static size_t bytes_of(const struct table *table)
{
	return table->places * sizeof(*table->at);
}

static void table_new(struct corr *corr, struct corr_rule *rule, struct table *table,
		      uint32_t places)
{
	*table = (struct table){.places = places, .newest = INT64_MIN};
	table->at = mr_calloc(places, sizeof(*table->at));
	corr_weigh(corr, rule->index, bytes_of(table), 0);
}

static void table_drop(struct corr *corr, struct corr_rule *rule, struct table *table)
{
	corr_weigh(corr, rule->index, 0, bytes_of(table));
	free(table->at);
	*table = (struct table){0};
}

static bool is_same(const struct husk *a, const struct husk *b)
{
	return a->slot == b->slot && a->offset == b->offset && corr_id_equal(&a->id, &b->id);
}

/* Where to look for it, from one place to the next. */
static uint32_t place_of(const struct table *table, uint64_t slot)
{
	return (uint32_t)((slot >> 32) * table->places >> 32);
}

static uint32_t behind(const struct table *table, uint32_t at)
{
	return at + 1 == table->places ? 0 : at + 1;
}

static void table_put(struct table *table, const struct husk *husk)
{
	uint32_t at = place_of(table, husk->slot);
	while (table->at[at].slot != 0 && !is_same(&table->at[at], husk))
		at = behind(table, at);
	table->count += table->at[at].slot == 0;
	table->at[at] = *husk;
}

static void table_grow(struct corr *corr, struct corr_rule *rule, struct table *table,
		       uint32_t places)
{
	struct table old = *table;
	table_new(corr, rule, table, places);
	table->newest = old.newest;
	for (uint32_t i = 0; i < old.places; i++)
		if (old.at[i].slot != 0)
			table_put(table, &old.at[i]);
	table_drop(corr, rule, &old);
}

/* ---- what comes ---- */

/* The newer table has room then; false where not even the least one may be. */
static bool make_room(struct corr *corr, struct corr_rule *rule)
{
	struct table *now = &rule->husks->now;
	size_t most = rule->bytes / TABLE_PART / sizeof(*now->at);
	if ((uint64_t)now->count * 4 < (uint64_t)now->places * 3)
		return true;
	size_t places = now->at == NULL ? LEAST : (size_t)now->places * 2;
	if (places > most)
		places = most < MOST ? most : MOST;
	if (places < LEAST)
		return false;
	if (now->at != NULL && places >= now->places + now->places / 4) {
		table_grow(corr, rule, now, (uint32_t)places);
		return true;
	}
	table_drop(corr, rule, &rule->husks->before);
	rule->husks->before = *now;
	table_new(corr, rule, now, (uint32_t)places);
	return true;
}

static size_t things(const struct corr_slot *slot)
{
	size_t count = slot->set.count;
	for (uint32_t i = 0; slot->times != NULL && i < slot->key->rule->step_count; i++)
		count += slot->times[i].count;
	return count;
}

/* What is judged by all its occurrences cannot go on from counts alone. */
static bool is_worth(const struct corr *corr, const struct corr_slot *slot)
{
	return !slot->key->rule->settles && !corr_is_future(corr, slot) &&
	       (slot->fired || things(slot) * WORTH * sizeof(struct husk) <= slot->bytes);
}

static uint64_t hash_of(const struct corr *corr, const struct corr_key *key, int64_t number)
{
	uint64_t hash = corr_slot_hash(corr, key, number);
	return hash + (hash == 0);
}

static void put(struct corr *corr, const struct corr_slot *slot, const struct husk *husk)
{
	struct corr_rule *rule = &corr->rules[slot->key->rule->index];
	if (rule->husks == NULL)
		rule->husks = mr_calloc(1, sizeof(*rule->husks));
	if (!make_room(corr, rule))
		return;
	struct table *now = &rule->husks->now;
	table_put(now, husk);
	now->newest = slot->number > now->newest ? slot->number : now->newest;
}

void corr_husk_put(struct corr *corr, const struct corr_slot *slot)
{
	uint64_t hash = hash_of(corr, slot->key, slot->number);
	uint32_t steps = slot->times == NULL ? 0 : slot->key->rule->step_count;
	if (!is_worth(corr, slot) || (slot->fired && corr->env->finite))
		return;
	if (slot->fired) {
		put(corr, slot, &(struct husk){hash, fired, (int64_t)slot->told});
		return;
	}
	for (uint32_t i = 0; i < slot->set.count; i++) {
		const struct corr_entry *entry = &slot->set.entries[i];
		put(corr, slot, &(struct husk){hash, entry->id, entry->first});
		if (entry->last != entry->first)
			put(corr, slot, &(struct husk){hash, entry->id, entry->last});
	}
	for (uint32_t step = 0; step < steps; step++) {
		const struct corr_times *of = &slot->times[step];
		for (uint32_t i = 0; i < of->count; i++)
			put(corr, slot,
			    &(struct husk){hash, corr_id_of_step(step), of->offsets[i]});
	}
}

/* ---- what is found ---- */

static void take(struct corr_slot *slot, const struct husk *husk)
{
	const struct corr_rule *rule = slot->key->rule;
	struct corr_entry entry = {husk->id, husk->offset, husk->offset}, old;
	slot->lossy = true;
	if (corr_id_equal(&husk->id, &fired)) {
		slot->fired = true;
		slot->told = (uint64_t)husk->offset;
	} else if (rule->way == &corr_in_order_way) {
		corr_times_add(rule, slot, corr_step_of_id(&husk->id), husk->offset);
	} else {
		corr_set_add(&slot->set, rule->keep, &entry, &old);
	}
}

/* Into the slot, where there is one. True where there was something. */
static bool find(const struct table *table, uint64_t hash, struct corr_slot *slot)
{
	bool found = false;
	if (table->at == NULL)
		return false;
	uint32_t at = place_of(table, hash);
	for (; table->at[at].slot != 0; at = behind(table, at)) {
		if (table->at[at].slot != hash)
			continue;
		found = true;
		if (slot != NULL)
			take(slot, &table->at[at]);
	}
	return found;
}

static bool find_both(const struct corr *corr, const struct corr_key *key, int64_t number,
		      struct corr_slot *slot)
{
	const struct corr_husks *husks = key->rule->husks;
	if (husks == NULL)
		return false;
	uint64_t hash = hash_of(corr, key, number);
	bool found = find(&husks->now, hash, slot);
	return find(&husks->before, hash, slot) || found;
}

bool corr_husk_is(const struct corr *corr, const struct corr_key *key, int64_t number)
{
	return find_both(corr, key, number, NULL);
}

void corr_husk_take(const struct corr *corr, struct corr_slot *slot)
{
	find_both(corr, slot->key, slot->number, slot);
}

/* ---- what goes ---- */

bool corr_husks_drop(struct corr *corr, struct corr_rule *rule)
{
	if (rule->husks == NULL)
		return false;
	table_drop(corr, rule, &rule->husks->before);
	table_drop(corr, rule, &rule->husks->now);
	free(rule->husks);
	rule->husks = NULL;
	return true;
}

static bool is_past(const struct table *table, int64_t oldest)
{
	return table->at != NULL && table->newest < oldest && table->newest < oldest - 1;
}

void corr_husks_release(struct corr *corr, int64_t limit_us)
{
	for (uint32_t i = 0; i < corr->catalog.count; i++) {
		struct corr_rule *rule = &corr->rules[i];
		if (rule->husks == NULL)
			continue;
		int64_t oldest = corr_slot_number(limit_us, rule->span_us);
		if (is_past(&rule->husks->before, oldest))
			table_drop(corr, rule, &rule->husks->before);
		if (is_past(&rule->husks->now, oldest))
			table_drop(corr, rule, &rule->husks->now);
	}
}
