/* identity_table.h - who is who, as one file that workers map: a hash index beside the store.
 *
 * Made by an import (identity_import.c), looked up by the enricher and by `identity show`. A person
 * is 64 bytes, one cache line; texts are shared. The index maps a seeded hash of each key to a
 * person; the key is compared with the person's own, so that a collision can't give a wrong one.
 * Bytes of the file are not trusted: loading checks them whole (identity_store.c), opening the
 * header, looking up every offset.
 *
 * File: struct identity_header, slots (u32: 8 bits of the hash, 24 bits person number + 1; 0 is
 * free), people, texts (a u16 length, then the bytes; offset 0 is the empty text). */
#ifndef MILLRACE_ENRICH_IDENTITY_TABLE_H
#define MILLRACE_ENRICH_IDENTITY_TABLE_H

#include "millrace/text.h"

#define IDENTITY_PEOPLE_MAX ((1u << 24) - 2)
#define IDENTITY_SLOT_BITS_MAX 28

enum identity_flag {
	IDENTITY_PRIVILEGED = 1,
	IDENTITY_NOT_PRIVILEGED = 2, /* neither: not said */
	IDENTITY_ENABLED = 4,
	IDENTITY_DISABLED = 8
};

/* Offsets into the texts; lists are joined by line ends. Keys are case-folded. */
struct identity_person {
	uint32_t id, upn, puid, app_id, aliases;
	uint32_t shown_upn, display_name, department, title, manager, groups, roles, risk,
	    home_country;
	uint32_t flags;
	uint32_t entry; /* the number of the whole entry in LMDB */
};

struct identity_header {
	char magic[8];
	uint32_t version;
	uint32_t slot_bits; /* 2^bits slots */
	uint64_t seed;
	uint64_t people;
	uint64_t texts_bytes;
	uint64_t body;     /* XXH3 of all that follows the header */
	uint64_t reserved; /* so that each person fills one cache line */
	uint64_t check;    /* XXH3 of what stands before */
};

struct identity_table {
	const struct identity_header *header;
	const uint32_t *slots;
	const struct identity_person *people;
	const char *texts;
	uint64_t texts_bytes;
	uint32_t slot_mask;
};

/* The bytes of a header over these parts; `body` is the check of what follows it. */
void identity_header_make(struct identity_header *header, uint32_t slot_bits, uint64_t seed,
			  uint64_t people, uint64_t texts_bytes, uint64_t body);
/* Whether a table of `size` bytes can begin with `head`: MR_CONFIG where it is not of this version,
 * damaged, or of another length. */
enum mr_err identity_table_check(struct mr_slice head, size_t size, struct mr_error *error);
/* Borrows the bytes, of a table that was checked whole when it was loaded: only the header is
 * checked here. MR_CONFIG as above. */
enum mr_err identity_table_open(struct mr_slice bytes, struct identity_table *out,
				struct mr_error *error);

/* In four steps, so that many look-ups wait for memory together: hash (prefetches the slot), near
 * (prefetches the person that it most likely is), nearer (and that one's keys), find. `key` is
 * folded. */
uint64_t identity_hash(const struct identity_table *table, struct mr_slice key);
void identity_near(const struct identity_table *table, uint64_t hash);
void identity_nearer(const struct identity_table *table, uint64_t hash);
/* The person, or NULL. */
const struct identity_person *identity_find(const struct identity_table *table, struct mr_slice key,
					    uint64_t hash);
/* Whether the folded key is one of the person's own. */
bool identity_has_key(const struct identity_table *table, const struct identity_person *person,
		      struct mr_slice key);
/* A text; empty where the offset is none. */
struct mr_slice identity_text(const struct identity_table *table, uint32_t offset);

/* The next member of a list that is joined by line ends, taken off its front. False at its end. */
bool identity_list_next(struct mr_slice *list, struct mr_slice *member_out);

static inline uint32_t identity_slot(uint64_t hash, uint32_t mask)
{
	return (uint32_t)hash & mask;
}
static inline uint32_t identity_tag(uint64_t hash)
{
	return (uint32_t)(hash >> 56) << 24;
}

#endif
