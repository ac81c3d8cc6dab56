/* geoip_kept.h - the table of large GeoIP databases, kept for the next scan.
 *
 * FOLDER/geoip-KEY.table, where KEY is a hash of the program and the databases: the table, then the
 * XXH3 of its bytes by that key. Called by geoip.c in the supervisor. What another user could have
 * written counts as none. Where nothing can be kept, nothing is, and the next scan makes the table
 * again. May block for the disk. */
#ifndef MILLRACE_ENRICH_GEOIP_KEPT_H
#define MILLRACE_ENRICH_GEOIP_KEPT_H

#include "millrace/text.h"

struct geoip_kept {
	const char *folder;
	struct mr_slice program; /* which build of it: another's tables may be laid out otherwise */
	uint64_t origin;         /* of the databases (geoip_build.h) */
};

/* The table of these as a sealed memfd, the caller's. What stands at its place and is no such table
 * is removed; not what cannot be read. */
bool geoip_kept_find(const struct geoip_kept *kept, int *fd_out, size_t *size_out);
/* Keeps a table, but on a disk that it would take a quarter of what is free of; of those that are
 * kept, the three that were used last stay. */
void geoip_kept_put(const struct geoip_kept *kept, int fd, size_t size);

#endif
