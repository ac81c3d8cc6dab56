/* sigma_index.c - texts to the things that have them.
 *
 * Called by sigma_file.c, sigma_load.c, sigma_filter.c and sigma_correlation.c; nothing here fails.
 * A hash table of chains; its seed is random, because ids and names are whatever a rule's author
 * wrote. */
#include "sigma_index.h"

#include <stdlib.h>
#include <unistd.h>

static void grow(struct sigma_index *index)
{
	size_t count = index->slot_count == 0 ? 64 : index->slot_count * 2;
	struct sigma_entry **slots = mr_calloc(count, sizeof(struct sigma_entry *));

	/* Without entropy a fixed seed does. */
	if (index->slot_count == 0 && getentropy(&index->seed, sizeof(index->seed)) != 0)
		index->seed = 1;
	for (size_t at = 0; at < index->slot_count; at++) {
		struct sigma_entry *entry = index->slots[at], *turned = NULL;
		/* Chains are turned round and back, so that the newest stays first. */
		while (entry != NULL) {
			struct sigma_entry *next = entry->next;
			entry->next = turned;
			turned = entry;
			entry = next;
		}
		while (turned != NULL) {
			struct sigma_entry *next = turned->next;
			struct sigma_entry **slot = &slots[turned->hash & (count - 1)];
			turned->next = *slot;
			*slot = turned;
			turned = next;
		}
	}
	free(index->slots);
	index->slots = slots;
	index->slot_count = count;
}

void sigma_index_add(struct sigma_index *index, struct mr_arena *arena, struct mr_slice text,
		     void *thing)
{
	if (index->count == index->slot_count)
		grow(index);
	struct sigma_entry *entry = mr_arena_alloc(arena, sizeof(*entry));
	uint64_t hash = mr_hash64(text.at, text.len, index->seed);
	struct sigma_entry **slot = &index->slots[hash & (index->slot_count - 1)];
	*entry = (struct sigma_entry){text, thing, hash, *slot};
	*slot = entry;
	index->count++;
}

static const struct sigma_entry *same(const struct sigma_entry *entry, struct mr_slice text,
				      uint64_t hash)
{
	while (entry != NULL && (entry->hash != hash || !mr_slice_eq(entry->text, text)))
		entry = entry->next;
	return entry;
}

const struct sigma_entry *sigma_index_find(const struct sigma_index *index, struct mr_slice text)
{
	if (index->count == 0)
		return NULL;
	uint64_t hash = mr_hash64(text.at, text.len, index->seed);
	return same(index->slots[hash & (index->slot_count - 1)], text, hash);
}

const struct sigma_entry *sigma_index_next(const struct sigma_entry *entry)
{
	return same(entry->next, entry->text, entry->hash);
}

void sigma_index_fini(struct sigma_index *index)
{
	free(index->slots);
	*index = (struct sigma_index){0};
}
