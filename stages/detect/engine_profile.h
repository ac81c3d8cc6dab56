/* engine_profile.h - what each rule costs the engine, on the records that it judges.
 *
 * For `millrace rules profile` alone: in a run no engine has a profile, and nothing is measured.
 *
 * Judging is two things. A field's values are looked at once for all rules that ask for the field
 * (a group of predicates): that time is parted among these rules by how many tests each has there.
 * Then each rule that a witness announces runs its steps: that time is its own. What is left, going
 * through the plans, is nobody's. To measure costs time itself, so sets of events are measured by
 * turns: one whole, for what judging costs, the next in its parts, for how that is parted.
 *
 * Order: new, then for each set begin, engine_match for each event, end; read; free before the
 * engine is closed. */
#ifndef MILLRACE_DETECT_ENGINE_PROFILE_H
#define MILLRACE_DETECT_ENGINE_PROFILE_H

#include "engine.h"

struct engine_profile;
struct engine_profile *engine_profile_new(struct engine *engine);
void engine_profile_free(struct engine_profile *profile);

void engine_profile_begin(struct engine_profile *profile);
void engine_profile_end(struct engine_profile *profile, uint32_t events);

/* Of one rule, in nanoseconds for each event. */
struct engine_cost {
	double own_ns;   /* its steps, and tests that are judged only when it asks */
	double share_ns; /* of looking at fields that it asks for */
	double tried;    /* the share of events for which its steps ran */
};
/* `costs` has an item for each catalog index, zeroed. Gives what judging costs, of which the costs
 * and `unparted_out`, going through the plans, are the parts. All are 0 before two sets. */
double engine_profile_read(const struct engine_profile *profile, struct engine_cost *costs,
			   double *unparted_out);

#endif
