/* intern.c - open-addressing tables for what is to be kept once.
 *
 * Called while tables are built. Never fails: memory that cannot be had ends the process. */
#include "intern.h"

#include <assert.h>
#include <stdlib.h>

#define SLOTS_MIN 1024u

static bool is_crowded(uint32_t count, uint32_t slot_count)
{
	return count + 1 > slot_count / 4 * 3;
}

/* The hash stands beside the number, so that a probe seldom looks at an item that is not the one,
 * and growing looks at none. */
static uint64_t slot_make(uint32_t hash, uint32_t number)
{
	return (uint64_t)hash << 32 | number;
}

static uint32_t slot_hash(uint64_t slot)
{
	return (uint32_t)(slot >> 32);
}

static uint64_t *slots_double(uint64_t *old, uint32_t *slot_count)
{
	uint32_t old_count = *slot_count;
	uint32_t mask = 2 * old_count - 1;
	uint64_t *slots = mr_calloc((size_t)2 * old_count, sizeof(slots[0]));

	for (uint32_t i = 0; i < old_count; i++) {
		uint32_t at = slot_hash(old[i]) & mask;

		if (old[i] == 0)
			continue;
		while (slots[at] != 0)
			at = (at + 1) & mask;
		slots[at] = old[i];
	}
	free(old);
	*slot_count = 2 * old_count;
	return slots;
}

/* ---- items ---- */

void intern_init(struct intern *intern, size_t item_bytes, uint64_t seed)
{
	*intern = (struct intern){.item_bytes = item_bytes, .seed = seed, .slot_count = SLOTS_MIN};
	intern->slots = mr_calloc(SLOTS_MIN, sizeof(intern->slots[0]));
	memset(mr_buf_reserve(&intern->items, item_bytes), 0, item_bytes);
	intern_add(intern, intern->items.data);
}

void intern_fini(struct intern *intern)
{
	mr_buf_fini(&intern->items);
	free(intern->slots);
	*intern = (struct intern){0};
}

const void *intern_get(const struct intern *intern, uint32_t number)
{
	assert(number < intern->count);
	return intern->items.data + (size_t)number * intern->item_bytes;
}

/* The slot that holds the item, or the free one where it belongs. */
static uint64_t *intern_slot(const struct intern *intern, const void *item, uint32_t hash)
{
	uint32_t mask = intern->slot_count - 1;
	uint32_t at = hash & mask;

	while (intern->slots[at] != 0 &&
	       (slot_hash(intern->slots[at]) != hash ||
		memcmp(intern_get(intern, (uint32_t)intern->slots[at] - 1), item,
		       intern->item_bytes) != 0))
		at = (at + 1) & mask;
	return &intern->slots[at];
}

uint32_t intern_append(struct intern *intern, const void *item)
{
	memmove(mr_buf_reserve(&intern->items, intern->item_bytes), item, intern->item_bytes);
	intern->items.len += intern->item_bytes;
	return intern->count++;
}

uint32_t intern_add(struct intern *intern, const void *item)
{
	uint32_t hash = (uint32_t)mr_hash64(item, intern->item_bytes, intern->seed);
	uint64_t *slot = intern_slot(intern, item, hash);

	if (*slot != 0)
		return (uint32_t)*slot - 1;
	if (is_crowded(intern->known, intern->slot_count)) {
		intern->slots = slots_double(intern->slots, &intern->slot_count);
		slot = intern_slot(intern, item, hash);
	}
	*slot = slot_make(hash, intern_append(intern, item) + 1);
	intern->known++;
	return intern->count - 1;
}

/* ---- texts ---- */

void text_pool_init(struct text_pool *pool, uint64_t seed)
{
	*pool = (struct text_pool){.seed = seed, .slot_count = SLOTS_MIN};
	pool->slots = mr_calloc(SLOTS_MIN, sizeof(pool->slots[0]));
	mr_buf_add(&pool->bytes, "\0", 2);
}

void text_pool_fini(struct text_pool *pool)
{
	mr_buf_fini(&pool->bytes);
	free(pool->slots);
	*pool = (struct text_pool){0};
}

static struct mr_slice pool_text(const struct text_pool *pool, uint32_t offset)
{
	uint16_t len;

	memcpy(&len, pool->bytes.data + offset, sizeof(len));
	return (struct mr_slice){pool->bytes.data + offset + sizeof(len), len};
}

static uint64_t *pool_slot(const struct text_pool *pool, struct mr_slice text, uint32_t hash)
{
	uint32_t mask = pool->slot_count - 1;
	uint32_t at = hash & mask;

	while (pool->slots[at] != 0 &&
	       (slot_hash(pool->slots[at]) != hash ||
		!mr_slice_eq(pool_text(pool, (uint32_t)pool->slots[at]), text)))
		at = (at + 1) & mask;
	return &pool->slots[at];
}

uint32_t text_pool_add(struct text_pool *pool, struct mr_slice text)
{
	uint16_t len = (uint16_t)text.len;
	uint64_t *slot;
	uint32_t hash;

	if (text.len == 0 || text.len > UINT16_MAX || pool->bytes.len > UINT32_MAX - UINT16_MAX - 2)
		return 0;
	hash = (uint32_t)mr_hash64(text.at, text.len, pool->seed);
	slot = pool_slot(pool, text, hash);
	if (*slot != 0)
		return (uint32_t)*slot;
	if (is_crowded(pool->count, pool->slot_count)) {
		pool->slots = slots_double(pool->slots, &pool->slot_count);
		slot = pool_slot(pool, text, hash);
	}
	*slot = slot_make(hash, (uint32_t)pool->bytes.len);
	pool->count++;
	mr_buf_add(&pool->bytes, &len, sizeof(len));
	mr_buf_add(&pool->bytes, text.at, text.len);
	return (uint32_t)*slot;
}

/* ---- numbers ---- */

void number_map_init(struct number_map *map, uint64_t seed)
{
	*map = (struct number_map){.seed = seed | 1, .slot_count = SLOTS_MIN};
	map->slots = mr_calloc(SLOTS_MIN, sizeof(map->slots[0]));
}

void number_map_fini(struct number_map *map)
{
	free(map->slots);
	*map = (struct number_map){0};
}

static struct number_pair *map_slot(const struct number_map *map, uint64_t key)
{
	uint32_t mask = map->slot_count - 1;
	uint64_t mixed = (key ^ key >> 29) * (map->seed ^ UINT64_C(0x9e3779b97f4a7c15));
	uint32_t at = (uint32_t)(mixed >> 32) & mask;

	while (map->slots[at].key != 0 && map->slots[at].key != key)
		at = (at + 1) & mask;
	return &map->slots[at];
}

static void map_grow(struct number_map *map)
{
	struct number_pair *old = map->slots;
	uint32_t old_count = map->slot_count;

	map->slot_count *= 2;
	map->slots = mr_calloc(map->slot_count, sizeof(map->slots[0]));
	for (uint32_t i = 0; i < old_count; i++) {
		if (old[i].key != 0)
			*map_slot(map, old[i].key) = old[i];
	}
	free(old);
}

uint32_t *number_map_at(struct number_map *map, uint64_t key, bool *found_out)
{
	struct number_pair *pair;

	assert(key != 0);
	if (is_crowded(map->count, map->slot_count))
		map_grow(map);
	pair = map_slot(map, key);
	*found_out = pair->key != 0;
	if (!*found_out) {
		pair->key = key;
		pair->value = 0;
		map->count++;
	}
	return &pair->value;
}
