/* suspects.h - from the deaths of workers to the records that they died of (PROTOCOL.md 1.5).
 *
 * The supervisor tells each death with what the worker had in hand; two at one position set that
 * record aside. A death at a set of events is one at each of its records; the next incarnation then
 * takes them one by one, and so finds which. The kill of a worker from outside says little: it
 * counts only where the record is known. Likewise a region of a journal that the disk does not give
 * ends two workers before it is set aside. */
#ifndef MILLRACE_SUSPECTS_H
#define MILLRACE_SUSPECTS_H

#include "inhand.h"

#define MR_SUSPECTS_MAX 256 /* deaths that are remembered; the oldest goes first */

/* Zeroed is empty. */
struct mr_suspects {
	struct mr_aside aside; /* what the workers of the next incarnation are told */
	struct mr_suspect {
		struct mr_stretch at;
		bool of_itself; /* nobody killed it from outside */
	} * deaths;
	uint32_t death_count;
};
void mr_suspects_fini(struct mr_suspects *suspects);

enum mr_verdict {
	MR_VERDICT_NONE,     /* it had no record in hand, or nothing follows */
	MR_VERDICT_NOTED,    /* the first death there */
	MR_VERDICT_NARROWED, /* somewhere in a set: one by one the next time */
	MR_VERDICT_ASIDE     /* the second: `record_out` is set aside */
};
/* `of_itself`: it crashed, ended itself, or hung. `page` is a copy. */
enum mr_verdict mr_suspects_death(struct mr_suspects *suspects, const struct mr_inhand *page,
				  bool of_itself, struct mr_place *record_out);

#endif
