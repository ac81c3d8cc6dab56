/* names.c - the dictionary's names as a tree of keys, with a cache by exact bytes. See names.h.
 *
 * The tree's table is filled from the dictionary only, and what an attacker writes is merely looked
 * up in it; the cache has a fixed size, and its worst case is the search that it saves. */
#include "names.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t slot_of(const struct mr_names *names, uint32_t node, struct mr_slice folded)
{
	uint32_t mask = names->slot_count - 1;
	uint32_t at = (uint32_t)mr_hash64(folded.at, folded.len, node) & mask;
	while (names->slots[at] != 0) {
		const struct mr_name_entry *entry = &names->entries[names->slots[at]];
		if (entry->node == node && mr_slice_eq(entry->key, folded))
			break;
		at = (at + 1) & mask;
	}
	return at;
}

static void rehash(struct mr_names *names, uint32_t slot_count)
{
	free(names->slots);
	names->slot_count = slot_count;
	names->slots = mr_calloc(slot_count, sizeof *names->slots);
	for (uint32_t i = 1; i < names->count; i++)
		names->slots[slot_of(names, names->entries[i].node, names->entries[i].key)] = i;
}

static struct mr_name_entry *entry_make(struct mr_names *names, uint32_t node, struct mr_slice key)
{
	uint32_t at = slot_of(names, node, key);
	if (names->slots[at] != 0)
		return &names->entries[names->slots[at]];
	if (names->count == names->capacity) {
		names->capacity *= 2;
		names->entries =
		    mr_realloc(names->entries, names->capacity * sizeof *names->entries);
	}
	struct mr_name_entry *entry = &names->entries[names->count];
	*entry = (struct mr_name_entry){.key = key, .node = node};
	names->slots[at] = names->count++;
	if (key.len > names->longest)
		names->longest = key.len;
	if (names->count * 2 > names->slot_count)
		rehash(names, names->slot_count * 2);
	return entry;
}

/* Every beginning of the name at a dot is a node, and from each node every way to a later one is a
 * key: a.b.c is reached through a, b, c; a.b, c; a, b.c; a.b.c. More dots than this are one key. */
#define PARTS_MAX 12

static void add_name(struct mr_names *names, uint32_t *node_count, struct mr_slice name,
		     mr_field field)
{
	size_t begins[PARTS_MAX];
	uint32_t nodes[PARTS_MAX];
	size_t parts = 0;
	begins[parts] = 0;
	nodes[parts++] = MR_NAMES_ROOT;
	for (size_t i = 0; i <= name.len; i++) {
		bool end = i == name.len;
		if (!end && (name.at[i] != '.' || parts == PARTS_MAX))
			continue;
		uint32_t child = 0;
		for (size_t p = 0; p < parts; p++) {
			struct mr_slice key = {name.at + begins[p], i - begins[p]};
			struct mr_name_entry *entry = entry_make(names, nodes[p], key);
			if (end)
				entry->field = field;
			else if (entry->child != 0)
				child = entry->child;
			else
				entry->child = child != 0 ? child : (child = (*node_count)++);
		}
		if (!end) {
			begins[parts] = i + 1;
			nodes[parts++] = child;
		}
	}
}

mr_field mr_names_native(const struct mr_fields *fields, mr_field normalised)
{
	char name[128];
	struct mr_slice own = mr_fields_name(fields, normalised);
	int len = snprintf(name, sizeof name, "native.%.*s", (int)own.len, own.at);
	assert(len > 0 && (size_t)len < sizeof name);
	return mr_fields_find(fields, (struct mr_slice){name, (size_t)len});
}

static void chain_entries(struct mr_names *names, uint32_t node_count)
{
	names->entries_of = mr_calloc(node_count, sizeof *names->entries_of);
	names->met = mr_calloc(node_count, sizeof *names->met);
	for (uint32_t i = 1; i < names->count; i++) {
		uint32_t *first = &names->entries_of[names->entries[i].node];
		names->entries[i].beside = *first;
		*first = i;
	}
}

struct mr_names *mr_names_new(const struct mr_fields *fields)
{
	struct mr_names *names = mr_calloc(1, sizeof *names);
	uint32_t node_count = MR_NAMES_PROPERTIES + 1;
	names->capacity = 1024;
	names->entries = mr_malloc(names->capacity * sizeof *names->entries);
	names->entries[0] = (struct mr_name_entry){0};
	names->count = 1;
	rehash(names, 2048);
	entry_make(names, MR_NAMES_ROOT, MR_SLICE("properties"))->child = MR_NAMES_PROPERTIES;
	for (int id = 1; id < MR_F_NORMALISED_END; id++) {
		mr_field native = mr_names_native(fields, (mr_field)id);
		if (native != 0)
			add_name(names, &node_count, mr_fields_name(fields, (mr_field)id), native);
	}
	for (size_t id = MR_F_NORMALISED_END; id < mr_fields_count(fields); id++)
		add_name(names, &node_count, mr_fields_name(fields, (mr_field)id), (mr_field)id);
	names->first = mr_calloc(node_count, sizeof *names->first);
	chain_entries(names, node_count);
	names->room = mr_malloc(mr_fold_max(names->longest * 4));
	return names;
}

void mr_names_free(struct mr_names *names)
{
	if (names == NULL)
		return;
	free(names->entries);
	free(names->slots);
	free(names->first);
	free(names->entries_of);
	free(names->met);
	free(names->room);
	free(names);
}

/* ---- what lies below a node ---- */

/* Several ways lead to a node: it is gone through once. As deep as a name has parts. */
static void go_below(struct mr_names *names, uint32_t node,
		     void (*each)(void *context, mr_field field), void *context)
{
	if (names->met[node] == names->searches)
		return;
	names->met[node] = names->searches;
	for (uint32_t i = names->entries_of[node]; i != 0; i = names->entries[i].beside) {
		if (names->entries[i].field != 0)
			each(context, names->entries[i].field);
		if (names->entries[i].child != 0)
			go_below(names, names->entries[i].child, each, context);
	}
}

void mr_names_below(struct mr_names *names, uint32_t node,
		    void (*each)(void *context, mr_field field), void *context)
{
	names->searches++;
	go_below(names, node, each, context);
}

/* ---- search ---- */

static uint32_t search(struct mr_names *names, uint32_t node, struct mr_slice key)
{
	/* Folding shortens a key to no less than a third (U+2126 and U+212A: three bytes to two or
	 * one). */
	if (key.len > names->longest * 3)
		return 0;
	struct mr_slice folded = {names->room, mr_field_fold(key, names->room)};
	return names->slots[slot_of(names, node, folded)];
}

/* ---- the cache ---- */

/* Of the ends of the key: enough to tell a schema's keys apart. */
static inline uint64_t cache_hash(uint32_t node, struct mr_slice key)
{
	uint64_t seed = ((uint64_t)node << 32 | (uint32_t)key.len) * UINT64_C(0x9e3779b97f4a7c15);
	return key.len < 8 ? mr_hash_short(key.at, key.len, seed)
			   : mr_hash_ends(key.at, key.len, seed);
}

static struct mr_name_slot *slot_fill(struct mr_names *names, struct mr_name_slot *slot,
				      uint32_t node, struct mr_slice key)
{
	slot->seen = 0;
	slot->entry = search(names, node, key);
	slot->alias = node == MR_NAMES_PROPERTIES ? search(names, MR_NAMES_ROOT, key) : 0;
	slot->node = node;
	slot->next[0] = slot->next[1] = 0;
	slot->len = 0;
	if (key.len <= sizeof slot->key) {
		slot->len = (uint32_t)key.len;
		memcpy(slot->key, key.at, key.len);
	}
	return slot;
}

/* The key's slot, or NULL and in *oldest_out the one to give up for it. */
static struct mr_name_slot *slot_find(struct mr_names *names, uint32_t node, struct mr_slice key,
				      struct mr_name_slot **oldest_out)
{
	struct mr_name_slot *slots = &names->cache[cache_hash(node, key) & (MR_NAMES_SLOTS - 1)];
	struct mr_name_slot *oldest = slots;
	for (uint32_t i = 0; i < MR_NAMES_WAYS; i++) {
		if (mr_name_slot_is(&slots[i], node, key))
			return &slots[i];
		if (slots[i].seen < oldest->seen)
			oldest = &slots[i];
	}
	*oldest_out = oldest;
	return NULL;
}

/* The key's slot; NULL where it has none, and gets none while the record in hand needs them. */
static struct mr_name_slot *slot_for(struct mr_names *names, uint32_t node, struct mr_slice key,
				     uint64_t since)
{
	if (key.len > MR_NAMES_KEY_MAX)
		return NULL;
	struct mr_name_slot *oldest = NULL;
	struct mr_name_slot *slot = slot_find(names, node, key, &oldest);
	if (slot == NULL && oldest->seen < since)
		slot = slot_fill(names, oldest, node, key);
	return slot;
}

static struct mr_name_entry *entry_of(struct mr_names *names, const struct mr_name_slot *slot,
				      uint32_t node, struct mr_slice key)
{
	return mr_names_entry(names, slot != NULL ? slot->entry : search(names, node, key));
}

struct mr_name_entry *mr_names_find(struct mr_names *names, uint32_t node, struct mr_slice key,
				    uint64_t since)
{
	return entry_of(names, slot_for(names, node, key, since), node, key);
}

struct mr_name_entry *mr_names_find_anew(struct mr_names *names, uint32_t *guess, uint32_t node,
					 struct mr_slice key, uint64_t since)
{
	const struct mr_name_slot *slot = slot_for(names, node, key, since);
	if (slot != NULL)
		*guess = (uint32_t)(slot - names->cache);
	return entry_of(names, slot, node, key);
}

struct mr_name_slot *mr_names_search(struct mr_names *names, uint32_t guess[2], uint32_t node,
				     struct mr_slice key, uint64_t since, bool *twice_out)
{
	if (key.len > MR_NAMES_KEY_MAX) {
		*twice_out = true;
		return slot_fill(names, &names->unkept, node, key);
	}
	struct mr_name_slot *oldest = NULL;
	struct mr_name_slot *slot = &names->cache[guess[1]];
	if (!mr_name_slot_is(slot, node, key))
		slot = slot_find(names, node, key, &oldest);
	if (slot == NULL) {
		*twice_out |= oldest->seen >= since;
		slot = slot_fill(names, oldest, node, key);
	}
	guess[1] = guess[0];
	guess[0] = (uint32_t)(slot - names->cache);
	return slot;
}
