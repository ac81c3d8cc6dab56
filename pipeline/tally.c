/* tally.c - what records had of what correlations need. Cannot fail. */
#include "millrace/tally.h"

#include <stdlib.h>
#include <string.h>

#include "millrace/memory.h"

void mr_tally_add(struct mr_tally *tally, uint32_t rule, const struct mr_tally_row *more)
{
	if (rule >= tally->count) {
		uint32_t count = rule + 1;
		tally->rows = mr_realloc(tally->rows, count * sizeof *tally->rows);
		memset(tally->rows + tally->count, 0, (count - tally->count) * sizeof *tally->rows);
		tally->count = count;
	}
	struct mr_tally_row *row = &tally->rows[rule];
	row->matches += more->matches;
	row->had |= more->had;
	row->whole |= more->whole;
}

void mr_tally_fini(struct mr_tally *tally)
{
	free(tally->rows);
	*tally = (struct mr_tally){0};
}
