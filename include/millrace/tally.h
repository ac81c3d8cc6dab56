/* tally.h - of each correlation, what the records that its rules matched had of what it needs.
 *
 * A field of group-by that no record has makes a correlation deaf, and no other count says which
 * one. A worker counts in its own tally, without locks; at each barrier, and at the end of the run,
 * the pipeline carries what is new to the supervisor, which adds it up and says which correlations
 * could not fire. */
#ifndef MILLRACE_TALLY_H
#define MILLRACE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct mr_tally_row {
	uint64_t matches; /* of its rules, and occurrences where it is over correlations */
	uint32_t had;     /* bit f: one had field f, of group-by first, then of what is counted */
	bool whole;       /* one had all of them */
	bool told;        /* and no more of it is of interest */
};

/* Zeroed is empty; fini accepts zeroed memory. */
struct mr_tally {
	struct mr_tally_row *rows; /* by catalog index */
	uint32_t count;
};

void mr_tally_add(struct mr_tally *tally, uint32_t rule, const struct mr_tally_row *more);
void mr_tally_fini(struct mr_tally *tally);

#endif
