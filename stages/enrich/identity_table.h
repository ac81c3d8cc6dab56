/* identity_table.h - who is who, as one file that workers map: a hash index beside the store.
 *
 * Made by an import (identity_import.c), looked up by the enricher and by `identity show`. The
 * index maps a seeded hash of each key to a person; the key is compared with the person's own, so
 * that a collision can't give a wrong one. A person's own texts stand right behind the person: a
 * look-up waits for a slot and for one or two lines beside each other. What many share stands
 * once.
 * Bytes of the file are not trusted: loading checks them whole (identity_store.c), opening the
 * header, looking up every offset.
 *
 * File: struct identity_header, slots (u32: a person's place, and above it as many bits of the hash
 * as are left; 0 is free), people (struct identity_person and its texts, at multiples of eight
 * bytes; place 0 is nobody), profiles (number 0 is empty), texts (a u16 length, then the bytes;
 * offset 0 is the empty text). */
#ifndef MILLRACE_ENRICH_IDENTITY_TABLE_H
#define MILLRACE_ENRICH_IDENTITY_TABLE_H

#include "millrace/text.h"

#define IDENTITY_PEOPLE_MAX ((1u << 24) - 2)
#define IDENTITY_SLOTS_MAX (1u << 28)
#define IDENTITY_SLOTS_STEP 16u /* their number is a multiple of this: one cache line */
#define IDENTITY_PLACE_BYTES 8u /* people stand at multiples of this */
#define IDENTITY_PEOPLE_BYTES_MAX (UINT64_C(1) << 34)
#define IDENTITY_GUID_BYTES 16u
#define IDENTITY_GUID_CHARS 36u

enum identity_flag {
	IDENTITY_PRIVILEGED = 1,
	IDENTITY_NOT_PRIVILEGED = 2, /* neither: not said */
	IDENTITY_ENABLED = 4,
	IDENTITY_DISABLED = 8,
	IDENTITY_GUID = 16 /* the id is a GUID and stands as its sixteen bytes */
};

/* A person's own texts, in the order in which they stand: what most records name people by comes
 * first. Keys are case-folded, aliases joined by
 * line ends; SHOWN_UPN is empty where UPN is what to show. */
enum identity_own {
	IDENTITY_ID,
	IDENTITY_PUID,
	IDENTITY_UPN,
	IDENTITY_SHOWN_UPN,
	IDENTITY_APP_ID,
	IDENTITY_ALIASES,
	IDENTITY_DISPLAY_NAME,
	IDENTITY_OWN_COUNT
};

struct identity_person {
	uint32_t entry;           /* the number of the whole entry in LMDB */
	uint32_t profile;         /* its number */
	uint32_t groups, manager; /* offsets into the texts; groups are joined by line ends */
	uint16_t flags;
	uint16_t lens[IDENTITY_OWN_COUNT]; /* of the texts behind this */
};

/* What many people have in common: offsets into the texts; roles are joined by line ends. */
struct identity_profile {
	uint32_t department, title, roles, risk, home_country;
};

struct identity_header {
	char magic[8];
	uint32_t version;
	uint32_t slots;
	uint64_t seed;
	uint64_t people_bytes;
	uint64_t texts_bytes;
	uint32_t people;
	uint32_t profiles;
	uint64_t entries_bytes; /* of the LMDB file beside the table */
	uint64_t entries;       /* XXH3 of that file */
	uint64_t unused[6];     /* 0: the slots begin a cache line */
	uint64_t body;          /* XXH3 of all that follows the header */
	uint64_t check;         /* XXH3 of what stands before */
};

struct identity_table {
	const struct identity_header *header;
	const uint32_t *slots;
	const char *people;
	const struct identity_profile *profiles;
	const char *texts;
	uint64_t people_bytes;
	uint64_t texts_bytes;
	uint32_t slot_count;
	uint32_t place_mask; /* of a slot: the bits that are the place */
};

/* Gives a header its magic, its version and its check; all else of it is set. */
void identity_header_seal(struct identity_header *header);
/* Whether a table of `size` bytes can begin with `head`: MR_CONFIG where it is not of this version,
 * damaged, or of another length. */
enum mr_err identity_table_check(struct mr_slice head, size_t size, struct mr_error *error);
/* Borrows the bytes, of a table that was checked whole when it was loaded: only the header is
 * checked here. MR_CONFIG as above. */
enum mr_err identity_table_open(struct mr_slice bytes, struct identity_table *out,
				struct mr_error *error);
/* As few bits as tell all places of people that take up so many bytes. */
uint32_t identity_place_mask(uint64_t people_bytes);

/* In four steps, each for many look-ups, which then wait for memory together: hash, fetch
 * (prefetches the slots), near (prefetches the person that it most likely is), find. `key` is
 * folded. A fetch that misses the TLB holds up what comes behind it; with nothing but others there,
 * they miss it side by side. */
uint64_t identity_hash(const struct identity_table *table, struct mr_slice key);
void identity_fetch(const struct identity_table *table, const uint64_t *hashes, uint32_t count);
void identity_near(const struct identity_table *table, uint64_t hash);
/* The person, or NULL. */
const struct identity_person *identity_find(const struct identity_table *table, struct mr_slice key,
					    uint64_t hash);
/* The person at a place, NULL where none can be; and the place of a person. */
const struct identity_person *identity_person_at(const struct identity_table *table,
						 uint32_t place);
static inline uint32_t identity_place(const struct identity_table *table,
				      const struct identity_person *person)
{
	return (uint32_t)((size_t)((const char *)person - table->people) / IDENTITY_PLACE_BYTES);
}
/* Whether the folded key is the person's id, and whether it is one of the person's keys. */
bool identity_has_id(const struct identity_person *person, struct mr_slice key);
bool identity_has_key(const struct identity_person *person, struct mr_slice key);
/* One of the person's own texts as it stands: for an id, call identity_id. */
static inline struct mr_slice identity_own(const struct identity_person *person,
					   enum identity_own which)
{
	const char *at = (const char *)(person + 1);
	for (unsigned i = 0; i < (unsigned)which; i++)
		at += person->lens[i];
	return (struct mr_slice){at, person->lens[which]};
}
/* Written into `guid`, of IDENTITY_GUID_CHARS bytes, where it stands as a GUID's bytes. */
struct mr_slice identity_id(const struct identity_person *person, char *guid);
struct mr_slice identity_shown_upn(const struct identity_person *person);
/* A GUID's IDENTITY_GUID_BYTES. False where the text is none as identity_id writes it. */
bool identity_guid_parse(struct mr_slice text, char *out);
const struct identity_profile *identity_profile(const struct identity_table *table,
						const struct identity_person *person);
/* A shared text; empty where the offset is none. */
struct mr_slice identity_text(const struct identity_table *table, uint32_t offset);

/* The next member of a list that is joined by line ends, taken off its front. False at its end. */
bool identity_list_next(struct mr_slice *list, struct mr_slice *member_out);

static inline uint32_t identity_slot(const struct identity_table *table, uint64_t hash)
{
	return (uint32_t)((hash & UINT32_MAX) * table->slot_count >> 32);
}
static inline uint32_t identity_next_slot(const struct identity_table *table, uint32_t at)
{
	return at + 1 == table->slot_count ? 0 : at + 1;
}
static inline uint32_t identity_tag(const struct identity_table *table, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & ~table->place_mask;
}

#endif
