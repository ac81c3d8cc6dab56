/* geoip_build.h - makes the flat table of geoip_table.h out of databases.
 *
 * Called by geoip.c in the supervisor, once. Blocks for as long as it takes: about a second for
 * millions of networks. */
#ifndef MILLRACE_ENRICH_GEOIP_BUILD_H
#define MILLRACE_ENRICH_GEOIP_BUILD_H

#include "geoip_table.h"

/* The databases in the order given: a later one adds what those before it did not know of an
 * address. *fd_out is a sealed memfd that holds the table; the caller's. MR_CONFIG names the file
 * that is missing or damaged and what is wrong with it; MR_NO_SPACE, MR_IO. */
enum mr_err geoip_build(const char *const *paths, size_t path_count, int *fd_out, size_t *size_out,
			struct mr_error *error);

/* What tells these databases from all others, in this order, as they are now, which their table has
 * in its header; and how long they are together. Reads them whole; false where one cannot be read,
 * or is no regular file. */
bool geoip_origin(const char *const *paths, size_t path_count, uint64_t *origin_out,
		  uint64_t *bytes_out);
/* Whether a table was made of what these databases hold now; not where one cannot be read. */
bool geoip_is_of(struct mr_slice table, const char *const *paths, size_t path_count);

#endif
