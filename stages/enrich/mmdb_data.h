/* mmdb_data.h - the items of a MaxMind DB's data section. Between mmdb.c and mmdb_data.c. */
#ifndef MILLRACE_ENRICH_MMDB_DATA_H
#define MILLRACE_ENRICH_MMDB_DATA_H

#include "mmdb.h"

/* A piece of the file that pointers are relative to. */
struct mmdb_section {
	const uint8_t *at;
	uint32_t size;
	uint64_t *budget; /* decoding steps left */
};

/* Decode the item at `offset` with all it holds or points to; `facts` is NULL for the metadata.
 * NULL when all is well, else what is wrong, with the offending offset in *bad_out. */
const char *mmdb_data_read(const struct mmdb_section *section, uint32_t offset,
			   struct geo_facts *facts, bool *any_out, uint32_t *bad_out);

#endif
