/* shown.h - what an alert shows of what is kept. Called by fire.c. */
#ifndef MILLRACE_CORRELATE_SHOWN_H
#define MILLRACE_CORRELATE_SHOWN_H

#include "state.h"

/* The occurrences that one alert is about. */
struct corr_reach {
	const struct corr_slot *previous; /* may be NULL */
	const struct corr_slot *current;
	int64_t from; /* offset in previous from which it counts */
};
struct corr_shown {
	const struct corr_item *items[2 * CORR_KEPT_MAX]; /* what is kept of them, in order */
	uint64_t rules[2 * CORR_KEPT_MAX];                /* bit (step % 64) of each rule of it */
	bool chosen[2 * CORR_KEPT_MAX];
	uint32_t count;
	uint32_t chosen_count; /* at most MR_EVIDENCE_MAX */
	uint32_t records;      /* distinct ones */
	bool lower_bound;      /* there may be more */
};
/* Lists and chooses; corr->arena is used. */
void corr_shown_find(struct corr *corr, const struct corr_reach *reach, struct corr_shown *out);

#endif
