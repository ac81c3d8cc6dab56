/* rule_use.h - which rules work on records of one logsource, and which never hold there, and why.
 *
 * Asked by cmd_rules_list.c of a set with labels that was loaded for the logsource
 * (sigma_wishes.asked). With records the answer is theirs, too: what none of them has is never
 * there. */
#ifndef MILLRACE_DETECT_RULE_USE_H
#define MILLRACE_DETECT_RULE_USE_H

#include "sigma.h"

enum rule_use {
	RULE_USE_OTHER,    /* it sees no such records */
	RULE_USE_INACTIVE, /* it would, but waits for a placeholder's value */
	RULE_USE_NEVER,    /* it sees them, and never holds */
	RULE_USE_MAPPED,   /* some of its fields are looked for where these records have them */
	RULE_USE_DIRECT    /* its fields are taken as they stand */
};
const char *rule_use_name(enum rule_use use);

struct rule_used {
	enum rule_use use;
	struct mr_slice why;    /* never */
	struct mr_texts mapped; /* fields of the rule that are looked for elsewhere */
	struct mr_texts lacks;  /* fields of the rule that no record has */
};

/* What records there were. */
struct rule_seen {
	uint64_t records, rejected;
	uint64_t kinds[MR_KIND_COUNT];
	uint32_t stride; /* fields */
	bool *present;   /* [kind * stride + field]: a record of the kind has it, null or not */
};
void rule_seen_init(struct rule_seen *seen, const struct mr_fields *fields);
void rule_seen_add(struct rule_seen *seen, const struct mr_event *event);
void rule_seen_fini(struct rule_seen *seen);

/* By catalog index. `seen` may be NULL: nothing is known of the records. Texts live in the set or
 * the arena. */
struct rule_used *rule_uses_find(const struct sigma_set *set, const struct mr_fields *fields,
				 const struct rule_seen *seen, struct mr_arena *arena);

#endif
