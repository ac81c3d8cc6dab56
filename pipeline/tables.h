/* tables.h - the pipeline's own side of the tables that workers share (stage.h has the stages').
 *
 * The supervisor makes a set, the stages' prepare fills it, the supervisor walks it and sends each
 * descriptor to each worker, and a worker builds the same set again with mr_tables_add. */
#ifndef MILLRACE_TABLES_H
#define MILLRACE_TABLES_H

#include "millrace/stage.h"

/* Bytes of a name, the zero byte included. A source's own may be part of one. */
#define MR_TABLE_NAME_MAX 96

struct mr_tables *mr_tables_new(void);
/* Closes every descriptor. Mappings stay until the process ends. */
void mr_tables_free(struct mr_tables *tables);
/* For what mr_tables_map gave and nothing points into any more. */
void mr_tables_unmap(struct mr_slice bytes);

/* Whether the bytes behind it can never change. */
bool mr_tables_sealed(int fd);
/* Whether a table of that name is never to lie on the disk (secret.h). */
bool mr_tables_secret(const char *name);

/* What those that are memory files take of memory, whether a process has mapped it or not. */
uint64_t mr_tables_taken(const struct mr_tables *tables);

size_t mr_tables_count(const struct mr_tables *tables);
/* Whether it is a name of this owner: "OWNER.TABLE". */
bool mr_table_belongs_to(const char *name, const char *owner);
/* The index-th table, 0 to count - 1; all borrowed. */
void mr_tables_at(const struct mr_tables *tables, size_t index, const char **name_out, int *fd_out,
		  size_t *size_bytes_out);
/* The XXH3 of its bytes: what was said when it was added, or else they are read. MR_IO. */
enum mr_err mr_tables_hash(const struct mr_tables *tables, size_t index, uint64_t *hash_out,
			   struct mr_error *error);

#endif
