/* owed.h - lines that stand in outputs since before a death, and are to be made again before other
 * rules come into force.
 *
 * Called by service.c, with what each checkpoint of the incarnation that runs has counted. */
#ifndef MILLRACE_PIPELINE_OWED_H
#define MILLRACE_PIPELINE_OWED_H

#include <stdbool.h>
#include <stdint.h>

#define MR_OWED_STILL_US 60000000 /* that end the wait for lines that do not come again */

/* Zeroed it is of a service that has waited for none. */
struct mr_owed {
	uint64_t count;   /* that is waited for to become less */
	int64_t since_us; /* since when they are so many; 0: not asked yet */
	uint64_t past;    /* that were waited for in vain */
};

/* Another incarnation begins. */
void mr_owed_begin(struct mr_owed *owed);
/* Another set of outputs: what was given up may have gone with one of them. */
void mr_owed_forget(struct mr_owed *owed);
/* A checkpoint counted so many: of what was given up no more can be left. */
void mr_owed_note(struct mr_owed *owed, uint64_t count);
/* Whether those of the last checkpoint are all made again. Those of which none came for a while,
 * such as what a receiver had refused, are waited for no longer, now and later. Both are said. */
bool mr_owed_is_even(struct mr_owed *owed, uint64_t count, int64_t now_us);

#endif
