/* sigma_index.h - texts to the things that have them: rules by id and by name, files by inode.
 *
 * Used by the loader, so that its time grows with what it reads and not with its square. */
#ifndef MILLRACE_DETECT_SIGMA_INDEX_H
#define MILLRACE_DETECT_SIGMA_INDEX_H

#include "millrace/text.h"

struct sigma_entry {
	struct mr_slice text;
	void *thing;
	uint64_t hash;
	struct sigma_entry *next; /* of the same slot */
};

/* Zeroed is valid and empty. */
struct sigma_index {
	struct sigma_entry **slots; /* a power of two */
	size_t slot_count, count;
	uint64_t seed;
};

/* Borrows the text; several things may have one. The entry lives in the arena. */
void sigma_index_add(struct sigma_index *index, struct mr_arena *arena, struct mr_slice text,
		     void *thing);
/* The one that was added last, or NULL. */
const struct sigma_entry *sigma_index_find(const struct sigma_index *index, struct mr_slice text);
/* The one with the same text that was added before, or NULL. */
const struct sigma_entry *sigma_index_next(const struct sigma_entry *entry);
void sigma_index_fini(struct sigma_index *index);

#endif
