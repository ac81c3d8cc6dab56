/* intern.h - each different thing once, known by a small number.
 *
 * Used where tables are built (geoip_build.c, identity_import.c). Zeroed is not valid: init first.
 */
#ifndef MILLRACE_ENRICH_INTERN_H
#define MILLRACE_ENRICH_INTERN_H

#include "millrace/text.h"

/* Items of one size, compared by their bytes: padding must be zero. Item 0 is all zeros. */
struct intern {
	struct mr_buf items;
	size_t item_bytes;
	uint32_t count;
	uint32_t known;  /* of those, how many are found by their bytes */
	uint64_t *slots; /* hash in the upper half, item number + 1 in the lower; 0 is free */
	uint32_t slot_count;
	uint64_t seed;
};
void intern_init(struct intern *intern, size_t item_bytes, uint64_t seed);
void intern_fini(struct intern *intern);
uint32_t intern_add(struct intern *intern, const void *item);
/* One item more, whether or not there is such a one; nobody will find it by its bytes. */
uint32_t intern_append(struct intern *intern, const void *item);
const void *intern_get(const struct intern *intern, uint32_t number);

/* Texts of up to 65,535 bytes, each a two-byte length and its bytes; known by offset. Offset 0 is
 * the empty text. */
struct text_pool {
	struct mr_buf bytes;
	uint32_t count;
	uint64_t *slots; /* hash in the upper half, offset in the lower; 0 is free */
	uint32_t slot_count;
	uint64_t seed;
};
void text_pool_init(struct text_pool *pool, uint64_t seed);
void text_pool_fini(struct text_pool *pool);
/* 0 for the empty text, and where the pool has reached 4 GiB or the text is too long. */
uint32_t text_pool_add(struct text_pool *pool, struct mr_slice text);

/* Numbers to numbers. Key 0 is taken as free: add one where it may come. */
struct number_map {
	struct number_pair {
		uint64_t key;
		uint32_t value;
	} * slots;
	uint32_t slot_count;
	uint32_t count;
	uint64_t seed;
};
void number_map_init(struct number_map *map, uint64_t seed);
void number_map_fini(struct number_map *map);
/* Where the key's value stands; *found_out is false, and the value 0, where it is new. Valid until
 * the next call. */
uint32_t *number_map_at(struct number_map *map, uint64_t key, bool *found_out);

#endif
