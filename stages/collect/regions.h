/* regions.h - a plain NDJSON file, cut into regions of whole lines without reading it.
 *
 * Only the bytes around each cut are read. collect hands the regions on by reference. */
#ifndef MILLRACE_COLLECT_REGIONS_H
#define MILLRACE_COLLECT_REGIONS_H

#include "millrace/text.h"

/* Set the first five, zero the rest. */
struct mr_regions {
	int fd;
	uint64_t at;   /* where the next region starts */
	uint64_t size; /* where the last one ends */
	uint64_t region_bytes;
	uint64_t max_record_bytes;
	struct mr_buf window;
};

struct mr_cut {
	uint64_t position;
	uint64_t length;
	bool too_long; /* one line longer than max_record_bytes, without its end */
};

/* MR_OK, MR_END, MR_BAD_INPUT where the file has become shorter, MR_IO. */
enum mr_err mr_regions_next(struct mr_regions *regions, struct mr_cut *cut_out,
			    struct mr_error *error);
void mr_regions_fini(struct mr_regions *regions);

#endif
