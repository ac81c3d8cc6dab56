/* geoip.h - what geoip.c does with a set of events, for any open table. */
#ifndef MILLRACE_ENRICH_GEOIP_H
#define MILLRACE_ENRICH_GEOIP_H

#include "enricher.h"
#include "geoip_table.h"

/* Adds the pass's fields of what the table knows of the events' addresses. Whatever the table's
 * cells, places and texts say, nothing is read outside of it. */
void geoip_apply(const struct geoip_table *table, const struct enrich_pass *pass,
		 struct enrich_set *set);

#endif
