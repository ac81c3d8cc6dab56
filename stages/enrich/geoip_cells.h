/* geoip_cells.h - the IPv4 part of the GeoIP table, written in the order of the addresses.
 *
 * geoip_build.c calls init, then put until all of IPv4 is covered, finish. */
#ifndef MILLRACE_ENRICH_GEOIP_CELLS_H
#define MILLRACE_ENRICH_GEOIP_CELLS_H

#include "geoip_table.h"

/* Where the table has its cells and, behind them, its blocks. */
#define GEOIP_CELLS_AT UINT64_C(4096)
#define GEOIP_BLOCKS_AT (GEOIP_CELLS_AT + GEOIP_CELLS * sizeof(uint32_t))

#define GEOIP_STREAM_NUMBERS (UINT32_C(1) << 14)
#define GEOIP_STREAM_STEP 8u

/* Numbers on their way into the file: written in pieces, for a page that is written costs half of
 * one that is touched in a mapping. */
struct geoip_stream {
	uint64_t offset; /* in the file, of the first number in hand */
	uint32_t count;
	bool any; /* one of them is not 0 */
	uint32_t numbers[GEOIP_STREAM_NUMBERS + GEOIP_STREAM_STEP];
};

struct geoip_cells {
	int fd;
	uint32_t block_count;
	uint32_t place_count; /* of `places` */
	uint32_t places[256]; /* of the cell in hand, by address */
	struct geoip_stream cells;
	struct geoip_stream blocks;
};

/* `fd` is the table's memfd; borrowed. */
void geoip_cells_init(struct geoip_cells *cells, int fd);

/* The next `count` addresses have this place. MR_NO_SPACE. */
enum mr_err geoip_cells_put(struct geoip_cells *cells, uint64_t count, uint32_t place,
			    struct mr_error *error);

/* Writes what is in hand. */
enum mr_err geoip_cells_finish(struct geoip_cells *cells, struct mr_error *error);

#endif
