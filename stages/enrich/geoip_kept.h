/* geoip_kept.h - the table of large GeoIP databases, kept for the next scan.
 *
 * FOLDER/geoip-ORIGIN.table: the table, then the XXH3 of its bytes. Called by geoip.c in the
 * supervisor. A folder or a file that another user could have written counts as none, as does one
 * that is damaged; where nothing can be kept, nothing is, and the next scan makes the table again.
 * May block for the disk. */
#ifndef MILLRACE_ENRICH_GEOIP_KEPT_H
#define MILLRACE_ENRICH_GEOIP_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The table of databases with this origin (geoip_build.h) as a sealed memfd, the caller's. */
bool geoip_kept_find(const char *folder, uint64_t origin, int *fd_out, size_t *size_out);
/* Keeps a table; of those that are kept, the three that were used last stay. */
void geoip_kept_put(const char *folder, uint64_t origin, int fd, size_t size);

#endif
