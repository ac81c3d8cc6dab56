/* names.h - what the field dictionary asks for, found key by key while a record is walked.
 *
 * A name such as `parameters.forwardto` is reached through keys: `parameters`, then `forwardto`, or
 * `parameters.forwardto` at once where a record writes its keys flat. Each beginning of a name is a
 * node; a node's entries are the keys that lead on from it. Keys are matched without regard to
 * case and to blanks; those met before are found by their exact bytes in a cache of fixed size,
 * most by a guess at once, so that folding and searching happen once for a key and not once for a
 * record.
 *
 * Some native names are those of normalised fields as well (`time`, `status`), whose values are
 * parse's own. What a record itself has under such a name goes to the field `native.time`, where
 * the dictionary has that.
 *
 * Made when the stage opens, used by flatten.c. Never fails. */
#ifndef MILLRACE_PARSE_NAMES_H
#define MILLRACE_PARSE_NAMES_H

#include "millrace/field.h"

#define MR_NAMES_ROOT 1u
#define MR_NAMES_PROPERTIES 2u /* below `properties`, whether or not a name leads there */

struct mr_name_entry {
	struct mr_slice key; /* folded */
	uint32_t node;       /* whose entry it is */
	uint32_t child;      /* the node behind it, 0 where no name goes on */
	mr_field field;      /* the name that ends here, 0 where none does */
	uint32_t beside;     /* the next entry of the same node, 0: it is the last */
	uint64_t seen;       /* flatten.c: the object in which it was met last */
	uint64_t seen_alias; /* and the properties of which a member answers to it */
	uint32_t last;       /* flatten.c: its last member there */
};

/* A key as records write it, met before, and what is asked for under it. */
#define MR_NAMES_KEY_MAX 96 /* so that a slot fills two cache lines */
struct mr_name_slot {
	uint64_t seen;  /* the object that had the key last */
	uint32_t entry; /* number of its entry, 0: nothing is asked for */
	uint32_t alias; /* at MR_NAMES_PROPERTIES: of the entry that the key has at the root */
	uint32_t node;
	uint32_t next[2]; /* the slots of the keys that came behind it last: guesses */
	uint32_t len;
	char key[MR_NAMES_KEY_MAX];
};

#define MR_NAMES_SLOTS 2048u
#define MR_NAMES_WAYS 4u

struct mr_names {
	/* First, where a large allocation begins on a cache line. */
	struct mr_name_slot cache[MR_NAMES_SLOTS + MR_NAMES_WAYS];
	struct mr_name_entry *entries; /* 0 is none */
	uint32_t count;
	uint32_t capacity;
	uint32_t *slots; /* open addressing, at most half full */
	uint32_t slot_count;
	uint32_t (*first)[2]; /* for each node the slots of the keys that its objects began with */
	uint32_t *entries_of; /* for each node one of its entries, 0: it has none */
	uint64_t *met;        /* for each node the last search of mr_names_below that came by */
	uint64_t searches;
	size_t longest;             /* folded key */
	char *room;                 /* for a folded key */
	struct mr_name_slot unkept; /* a key that is too long to be kept */
};
_Static_assert(sizeof(struct mr_name_slot) == 128, "two cache lines");

/* The id of `native.` and this normalised field's name, or 0. */
mr_field mr_names_native(const struct mr_fields *fields, mr_field normalised);

struct mr_names *mr_names_new(const struct mr_fields *fields);
void mr_names_free(struct mr_names *names);

/* NULL for 0. */
static inline struct mr_name_entry *mr_names_entry(struct mr_names *names, uint32_t number)
{
	return number == 0 ? NULL : &names->entries[number];
}

/* The entry that `key`, as a record writes it, has at this node, or NULL. `since` is the number of
 * the record's first object: see below. */
struct mr_name_entry *mr_names_find(struct mr_names *names, uint32_t node, struct mr_slice key,
				    uint64_t since);

/* Calls `each` with the field of every name that ends below the node, once or more. */
void mr_names_below(struct mr_names *names, uint32_t node,
		    void (*each)(void *context, mr_field field), void *context);

/* The slot of a member that is not where the first guess says; that becomes where it is. */
struct mr_name_slot *mr_names_search(struct mr_names *names, uint32_t guess[2], uint32_t node,
				     struct mr_slice key, uint64_t since, bool *twice_out);

static inline bool mr_names_same_short(const char *a, const char *b, size_t len)
{
	uint32_t x, y;
	if (len < 4) {
		for (size_t at = 0; at < len; at++)
			if (a[at] != b[at])
				return false;
		return true;
	}
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	if (x != y)
		return false;
	memcpy(&x, a + len - 4, sizeof x);
	memcpy(&y, b + len - 4, sizeof y);
	return x == y;
}

static inline bool mr_names_same(const char *a, const char *b, size_t len)
{
	return len < 8 ? mr_names_same_short(a, b, len) : mr_same_bytes(a, b, len);
}

static inline bool mr_name_slot_is(const struct mr_name_slot *slot, uint32_t node,
				   struct mr_slice key)
{
	return slot->node == node && slot->len == key.len &&
	       mr_names_same(slot->key, key.at, key.len);
}

/* The same without a look at the guess, which becomes where the key is. */
struct mr_name_entry *mr_names_find_anew(struct mr_names *names, uint32_t *guess, uint32_t node,
					 struct mr_slice key, uint64_t since);
/* As mr_names_find, of a key that stands where the last record mostly had the same one: `guess`,
 * at first 0, is the slot where that was. */
static inline struct mr_name_entry *mr_names_find_again(struct mr_names *names, uint32_t *guess,
							uint32_t node, struct mr_slice key,
							uint64_t since)
{
	const struct mr_name_slot *slot = &names->cache[*guess];
	if (__builtin_expect(mr_name_slot_is(slot, node, key), 1))
		return mr_names_entry(names, slot->entry);
	return mr_names_find_anew(names, guess, node, key, since);
}

/* What is asked for under a member of an object, and a note that this object has the key. Records
 * of one kind write their keys in one order: `guess` is names->first[node] for an object's first
 * member, the slot before's `next` for the others. `object` is a number that no object before had;
 * `since` is the first number of the record. *twice_out becomes true where the object had the key
 * already, byte for byte, or where that can no longer be told. */
static inline struct mr_name_slot *mr_names_member(struct mr_names *names, uint32_t guess[2],
						   uint32_t node, struct mr_slice key,
						   uint64_t object, uint64_t since, bool *twice_out)
{
	struct mr_name_slot *slot = &names->cache[guess[0]];
	if (!__builtin_expect(mr_name_slot_is(slot, node, key), 1))
		slot = mr_names_search(names, guess, node, key, since, twice_out);
	if (slot->seen == object)
		*twice_out = true;
	slot->seen = object;
	return slot;
}

#endif
