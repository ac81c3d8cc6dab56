/* generation.h - the rules and databases that judge, as one thing with a name (PROTOCOL.md 4.6).
 *
 * A generation is the field dictionary and all sealed tables that prepare has made: what hangs on
 * the rules' and databases' content, and on nothing else. It is kept in the state directory before
 * a manifest names it, so that what was read behind a checkpoint is judged again by what judged it
 * first, whatever has become of the files since. Below generations/: ID.set, and HASH.table for
 * each table, which generations share. */
#ifndef MILLRACE_PIPELINE_GENERATION_H
#define MILLRACE_PIPELINE_GENERATION_H

#include "millrace/field.h"
#include "state_dir.h"
#include "tables.h"

struct mr_generation_table {
	char name[MR_TABLE_NAME_MAX];
	uint64_t size;
	uint64_t hash;
};
struct mr_generation {
	uint64_t id; /* by content; never 0 */
	struct mr_generation_table *tables;
	size_t count;
};
/* Accepts zeroed memory. */
void mr_generation_fini(struct mr_generation *generation);

/* Whether a table is content: its bytes can never change, prepare has made it of what it read, and
 * they are no secret. All others are of this process alone. */
bool mr_generation_has(const char *name, int fd);
/* What these are together. Reads all tables. MR_IO. */
enum mr_err mr_generation_of(const struct mr_tables *tables, const struct mr_fields *fields,
			     struct mr_generation *out, struct mr_error *error);
/* The id that it would have without the tables whose names are left out. */
uint64_t mr_generation_without(const struct mr_generation *generation,
			       const struct mr_fields *fields, bool (*left_out)(const char *name));
/* Whether this build has kept the set of that id, and its tables are as long as it says; what they
 * hold is looked at by who reads them. */
bool mr_generation_stands(const struct mr_state_dir *dir, uint64_t id);
/* Makes what mr_generation_of gave of these durable in the state directory, of which path and fd
 * are used. What is there whole is not written again. MR_NO_SPACE, MR_IO. */
enum mr_err mr_generation_keep(const struct mr_state_dir *dir,
			       const struct mr_generation *generation,
			       const struct mr_tables *tables, const struct mr_fields *fields,
			       struct mr_error *error);
/* The one that was kept: adds its tables. MR_NOT_FOUND; MR_BAD_INPUT where it is not whole;
 * MR_UNSUPPORTED where another build of the program has made it, whose tables are its own. After an
 * error `tables` may hold some of them. */
enum mr_err mr_generation_find(const struct mr_state_dir *dir, uint64_t id,
			       struct mr_tables *tables, struct mr_fields **fields_out,
			       struct mr_error *error);
/* For struct mr_prepare: looks into what was kept below the setting `state`. */
bool mr_generation_recall(const struct mr_config *config, const char *name, mr_table_fits *fits,
			  void *context, int *fd_out, size_t *size_bytes_out, uint64_t *hash_out);
/* Removes all but these; nothing where one of them cannot be read. */
void mr_generation_tidy(const struct mr_state_dir *dir, const uint64_t *ids, size_t count);

#endif
