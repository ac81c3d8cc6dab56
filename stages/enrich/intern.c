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

/* ---- items ---- */

void intern_init(struct intern *intern, size_t item_bytes, uint64_t seed)
{
	*intern = (struct intern){.item_bytes = item_bytes, .seed = seed, .slot_count = SLOTS_MIN};
	intern->slots = mr_calloc(SLOTS_MIN, sizeof(uint32_t));
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
static uint32_t *intern_slot(const struct intern *intern, const void *item)
{
	uint32_t mask = intern->slot_count - 1;
	uint32_t at = (uint32_t)mr_hash64(item, intern->item_bytes, intern->seed) & mask;

	while (intern->slots[at] != 0 &&
	       memcmp(intern_get(intern, intern->slots[at] - 1), item, intern->item_bytes) != 0)
		at = (at + 1) & mask;
	return &intern->slots[at];
}

static void intern_grow(struct intern *intern)
{
	free(intern->slots);
	intern->slot_count *= 2;
	intern->slots = mr_calloc(intern->slot_count, sizeof(uint32_t));
	for (uint32_t i = 0; i < intern->count; i++)
		*intern_slot(intern, intern_get(intern, i)) = i + 1;
}

uint32_t intern_add(struct intern *intern, const void *item)
{
	uint32_t *slot = intern_slot(intern, item);

	if (*slot != 0)
		return *slot - 1;
	if (is_crowded(intern->count, intern->slot_count)) {
		intern_grow(intern);
		slot = intern_slot(intern, item);
	}
	memmove(mr_buf_reserve(&intern->items, intern->item_bytes), item, intern->item_bytes);
	intern->items.len += intern->item_bytes;
	*slot = ++intern->count;
	return intern->count - 1;
}

/* ---- texts ---- */

void text_pool_init(struct text_pool *pool, uint64_t seed)
{
	*pool = (struct text_pool){.seed = seed, .slot_count = SLOTS_MIN};
	pool->slots = mr_calloc(SLOTS_MIN, sizeof(uint32_t));
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

static uint32_t *pool_slot(const struct text_pool *pool, struct mr_slice text)
{
	uint32_t mask = pool->slot_count - 1;
	uint32_t at = (uint32_t)mr_hash64(text.at, text.len, pool->seed) & mask;

	while (pool->slots[at] != 0 && !mr_slice_eq(pool_text(pool, pool->slots[at]), text))
		at = (at + 1) & mask;
	return &pool->slots[at];
}

static void pool_grow(struct text_pool *pool)
{
	uint32_t *old = pool->slots;
	uint32_t old_count = pool->slot_count;

	pool->slot_count *= 2;
	pool->slots = mr_calloc(pool->slot_count, sizeof(uint32_t));
	for (uint32_t i = 0; i < old_count; i++) {
		if (old[i] != 0)
			*pool_slot(pool, pool_text(pool, old[i])) = old[i];
	}
	free(old);
}

uint32_t text_pool_add(struct text_pool *pool, struct mr_slice text)
{
	uint16_t len = (uint16_t)text.len;
	uint32_t *slot;

	if (text.len == 0 || text.len > UINT16_MAX || pool->bytes.len > UINT32_MAX - UINT16_MAX - 2)
		return 0;
	slot = pool_slot(pool, text);
	if (*slot != 0)
		return *slot;
	if (is_crowded(pool->count, pool->slot_count)) {
		pool_grow(pool);
		slot = pool_slot(pool, text);
	}
	*slot = (uint32_t)pool->bytes.len;
	pool->count++;
	mr_buf_add(&pool->bytes, &len, sizeof(len));
	mr_buf_add(&pool->bytes, text.at, text.len);
	return *slot;
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
