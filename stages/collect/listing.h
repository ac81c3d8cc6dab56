/* listing.h - which inputs there are.
 *
 * Made once by prepare from what the user named, directories expanded; handed to the workers as the
 * table "collect.inputs". So all see the same list, and what is wrong is known before any starts.
 */
#ifndef MILLRACE_COLLECT_LISTING_H
#define MILLRACE_COLLECT_LISTING_H

#include "millrace/own_file.h"
#include "millrace/stage.h"

#define MR_LISTING_TABLE "collect.inputs"
#define MR_LISTING_TOTAL "collect.total"
/* A descriptor that only the supervisor could open; the number is the item's. */
#define MR_LISTING_STREAM "collect.stream.%u"

struct mr_listing_item {
	char *path;  /* and what a person calls it */
	bool stream; /* standard input, a FIFO, something under /dev: the table holds the descriptor
		      */
};
struct mr_listing {
	struct mr_listing_item *items;
	size_t count;
	size_t capacity;
	uint64_t total_bytes;
	bool total_known; /* all are plain regular files */
	struct mr_own_files own;
};

/* Borrows the settings: what this run writes is no input. */
void mr_listing_init(struct mr_listing *listing, const struct mr_config *config);
/* Expand `named`, check that each can be read. MR_NOT_FOUND, MR_CONFIG, naming it. */
enum mr_err mr_listing_add(struct mr_listing *listing, const char *named, struct mr_error *error);
void mr_listing_fini(struct mr_listing *listing);

/* What a person calls it. */
const char *mr_listing_title(const struct mr_listing_item *item);

/* To the tables and back: the list, and the titles as the run's names. Opens the streams. */
enum mr_err mr_listing_publish(const struct mr_listing *listing, struct mr_tables *tables,
			       struct mr_error *error);
enum mr_err mr_listing_load(struct mr_listing *listing, const struct mr_tables *tables,
			    struct mr_error *error);

#endif
