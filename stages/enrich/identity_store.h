/* identity_store.h - the store's directory: generations, of which one is current.
 *
 *     STORE/lock                 held by an import
 *     STORE/current              a link to the generation in use
 *     STORE/generation-N/table   the index that workers map (identity_table.h)
 *     STORE/generation-N/data.mdb   LMDB: entry number to the whole entry as JSON
 *
 * Both hold the people: the table only what events are enriched with, laid out for look-ups by the
 * million; LMDB everything that was imported, for people to read. */
#ifndef MILLRACE_ENRICH_IDENTITY_STORE_H
#define MILLRACE_ENRICH_IDENTITY_STORE_H

#include <lmdb.h>

#include "identity_table.h"

/* The current generation's directory, so that what is read of it is of one generation; the
 * caller's to free. Where there is none, a path that nothing is at. */
char *identity_store_current(const char *store);
/* A generation's table as a sealed copy in memory, checked whole: whatever becomes of the file
 * harms nobody. MR_CONFIG: there is none, or it is damaged; MR_NO_SPACE, MR_IO. Each of the outputs
 * may be NULL; the descriptor is the caller's, the hash is the XXH3 of the whole table (found on
 * the way, it is had for a seventh of what reading the table again would take), the table is mapped
 * until the process ends. */
enum mr_err identity_store_open(const char *generation, int *fd_out, size_t *size_out,
				uint64_t *hash_out, struct identity_table *table_out,
				struct mr_error *error);
/* An entry of the generation whose table this is, as JSON, into `out`. The file of entries is
 * checked whole first: LMDB maps it, and one that was cut would kill whoever reads it. MR_CONFIG:
 * it is damaged, or cannot be read. */
enum mr_err identity_store_entry(const char *generation, const struct identity_table *table,
				 uint32_t number, struct mr_buf *out, struct mr_error *error);

/* A new generation in the making. */
struct identity_generation {
	char *store;
	char *path;
	int lock;  /* -1: not held */
	bool made; /* the store was not there before, and nothing is committed */
	uint64_t number;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	uint32_t pending; /* entries in the transaction */
};
/* Takes the lock (MR_CONFIG where another import holds it), removes rubbish, makes the directory.
 * Call end also after an error. */
enum mr_err identity_generation_begin(const char *store, struct identity_generation *out,
				      struct mr_error *error);
/* Numbers rise by one from 0. */
enum mr_err identity_generation_put(struct identity_generation *generation, uint32_t number,
				    struct mr_slice entry, struct mr_error *error);
/* Pieces of a table behind its header, in their order. */
struct identity_part {
	const void *at;
	size_t len;
};
/* Writes the table, with the header's checks, makes all durable, switches to it, keeps one older
 * generation. */
enum mr_err identity_generation_commit(struct identity_generation *generation,
				       struct identity_header *header,
				       const struct identity_part *body, size_t count,
				       struct mr_error *error);
/* Gives up what was not committed, and a store that was made for it; accepts what was. */
void identity_generation_end(struct identity_generation *generation);

#endif
