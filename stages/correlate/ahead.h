/* ahead.h - keys of several signals, looked for together (state.c).
 *
 * Where a million keys are held each look-up waits for memory twice: for the place in the table,
 * and for the key. Called by correlate.c: names first, near for each, nearer for each; then
 * corr_key_get for one after the other. */
#ifndef MILLRACE_CORRELATE_AHEAD_H
#define MILLRACE_CORRELATE_AHEAD_H

#include "millrace/stage.h"

struct corr;
struct corr_rule;

/* What a key is found by. */
struct corr_name {
	struct mr_slice bytes; /* as they stand in the key */
	uint64_t hash;
	uint32_t texts; /* of the group key */
};

/* Signals that are taken one after the other. */
struct corr_ahead {
	struct mr_signal signals[MR_SIGNALS_AHEAD];
	struct corr_name names[MR_SIGNALS_AHEAD]; /* of those for a correlation of this layer */
	struct mr_arena arena;                    /* their bytes */
};

/* The name's bytes are put into the arena. */
struct corr_name corr_key_name(const struct corr *corr, const struct corr_rule *rule,
			       struct mr_slice tenant, const struct mr_slice *texts, uint32_t count,
			       struct mr_arena *arena);
/* In two steps, for several names one after the other: what corr_key_get will read is on its way.
 */
void corr_key_near(const struct corr *corr, uint8_t group, const struct corr_name *name);
void corr_key_nearer(const struct corr *corr, uint8_t group, const struct corr_name *name);

#endif
