/* names.h - what the field dictionary asks for, found key by key while a record is walked.
 *
 * A name such as `parameters.forwardto` is reached through keys: `parameters`, then `forwardto`, or
 * `parameters.forwardto` at once where a record writes its keys flat. Each beginning of a name is a
 * node; a node's entries are the keys that lead on from it. Keys are matched without regard to
 * case; those met before are found by their exact bytes in a cache of fixed size, so that folding
 * and searching happen once for a key and not once for a record.
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

struct mr_name_entry {
	struct mr_slice key; /* folded */
	uint32_t node;       /* whose entry it is */
	uint32_t child;      /* the node behind it, 0 where no name goes on */
	mr_field field;      /* the name that ends here, 0 where none does */
	uint64_t seen;       /* flatten.c: the object in which it was met last */
	uint32_t last;       /* flatten.c: its last member there */
};

struct mr_names;

/* The id of `native.` and this normalised field's name, or 0. */
mr_field mr_names_native(const struct mr_fields *fields, mr_field normalised);

struct mr_names *mr_names_new(const struct mr_fields *fields);
void mr_names_free(struct mr_names *names);

/* The entry that `key`, as a record writes it, has at this node, or NULL. `since` is the number of
 * the record's first object: see below. */
struct mr_name_entry *mr_names_find(struct mr_names *names, uint32_t node, struct mr_slice key,
				    uint64_t since);

/* The same for a member of an object, and a note that this object has the key. `object` is a number
 * that no object before had; `since` is the first number of the record. *twice_out becomes true
 * where the object had the key already, byte for byte, or where that can no longer be told. */
struct mr_name_entry *mr_names_member(struct mr_names *names, uint32_t node, struct mr_slice key,
				      uint64_t object, uint64_t since, bool *twice_out);

#endif
