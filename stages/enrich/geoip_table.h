/* geoip_table.h - the flat table that all GeoIP databases become.
 *
 * geoip_build.c makes it once, in the supervisor; geoip.c finds in it, in every worker, from one
 * shared read-only mapping. All numbers are the machine's own: the table never leaves it.
 *
 * IPv4: 2^24 cells for the first 24 bits; a cell is a place, or leads to a block of 16 cells for
 * the next four bits, one of which may lead to a block for the last four. A block is one cache
 * line: three reads at the most, each of which can be prefetched. IPv6: the sorted starts of
 * ranges, with an index over bits 3 to 23 of 2000::/3. */
#ifndef MILLRACE_ENRICH_GEOIP_TABLE_H
#define MILLRACE_ENRICH_GEOIP_TABLE_H

#include "address.h"

#define GEOIP_MAGIC UINT64_C(0x3150494f4547524d) /* "MRGEOIP1" */
#define GEOIP_VERSION 2
#define GEOIP_CELLS (UINT32_C(1) << 24)
#define GEOIP_BLOCK 16
#define GEOIP_LINK (UINT32_C(1) << 31) /* in a cell: the rest is a block's number */
#define GEOIP_BUCKETS (UINT32_C(1) << 21)

/* What is known of an address; 0 in each place is "nothing". */
struct geoip_place {
	uint32_t location;
	uint32_t as;
	uint32_t flags; /* enum geo_flag */
};

/* Texts are offsets into the pool: a two-byte length, then the bytes. Offset 0 is the empty text.
 */
struct geoip_location {
	double latitude;
	double longitude;
	uint32_t city;
	uint32_t region;
	uint32_t latitude_text; /* 0: no point */
	uint32_t longitude_text;
	char country[2]; /* zeros: not known */
	char unused[6];
};

struct geoip_as {
	uint32_t number; /* 0: not known */
	uint32_t number_text;
	uint32_t name;
};

struct geoip_start {
	uint64_t high;
	uint64_t low;
};

struct geoip_section {
	uint64_t offset; /* in the table, a multiple of 64 */
	uint64_t count;  /* of items */
};

enum geoip_part {
	GEOIP_PART_CELLS,
	GEOIP_PART_BLOCKS,
	GEOIP_PART_PLACES,
	GEOIP_PART_LOCATIONS,
	GEOIP_PART_AS,
	GEOIP_PART_TEXTS,
	GEOIP_PART_STARTS,       /* IPv6: ascending, the first is :: */
	GEOIP_PART_START_PLACES, /* one for each */
	GEOIP_PART_BUCKETS,      /* GEOIP_BUCKETS + 1: how many starts lie before the bucket */
	GEOIP_PART_COUNT
};

struct geoip_header {
	uint64_t magic;
	uint32_t version;
	uint32_t aliases; /* enum mmdb_alias */
	uint64_t size_bytes;
	uint64_t origin; /* geoip_origin of the databases */
	struct geoip_section parts[GEOIP_PART_COUNT];
	uint64_t checksum; /* XXH3 of what stands before it */
};

size_t geoip_part_item_bytes(enum geoip_part part);

/* ---- reading ---- */

struct geoip_table {
	const struct geoip_header *header;
	const uint32_t *cells;
	const uint32_t *blocks;
	const struct geoip_place *places;
	const struct geoip_location *locations;
	const struct geoip_as *as;
	const char *texts;
	const struct geoip_start *starts;
	const uint32_t *start_places;
	const uint32_t *buckets;
	uint64_t count[GEOIP_PART_COUNT];
};

/* Header and bounds are checked: MR_BAD_INPUT. What cells and places refer to is checked when it is
 * looked up, so that no bytes lead out of the table. */
enum mr_err geoip_table_open(struct mr_slice bytes, struct geoip_table *out,
			     struct mr_error *error);

/* The places of up to GEOIP_BATCH addresses, 0 where none is known: with all reads of the batch
 * under way at once. Every number is in bounds. */
#define GEOIP_BATCH 256
void geoip_table_find(const struct geoip_table *table, const struct address *addresses,
		      uint32_t count, uint32_t *places_out);

/* A text of the pool; empty where the offset is out of bounds. */
static inline struct mr_slice geoip_table_text(const struct geoip_table *table, uint32_t offset)
{
	uint64_t size = table->count[GEOIP_PART_TEXTS];
	uint16_t len;

	if (offset == 0 || offset + UINT64_C(2) > size)
		return (struct mr_slice){"", 0};
	memcpy(&len, table->texts + offset, sizeof(len));
	if (offset + UINT64_C(2) + len > size)
		return (struct mr_slice){"", 0};
	return (struct mr_slice){table->texts + offset + 2, len};
}

#endif
