/* attack.h - the words behind "attack." in a Sigma tag, as MITRE ATT&CK's tactics and techniques.
 *
 * The loader of rules warns of tags that are neither; alerts show those that are. */
#ifndef MILLRACE_ATTACK_H
#define MILLRACE_ATTACK_H

#include "millrace/text.h"

struct mr_tactic {
	const char *tag; /* in lower case, its words joined by dashes */
	const char *uid;
	const char *name;
};

/* The tactic of tactic.def that a tag names, in any case, with dashes or, as Sigma once wrote,
 * underscores, or by its id; NULL where it is none. */
const struct mr_tactic *mr_tactic_find(struct mr_slice tag);

/* "T1110" or "T1110.003" of a tag of that form, in any case; the length, 0 where it is none. */
#define MR_TECHNIQUE_UID 9
size_t mr_technique_uid(struct mr_slice tag, char uid[MR_TECHNIQUE_UID]);

#endif
