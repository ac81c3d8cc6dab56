/* key.h - a key of a group key of one text. */
#ifndef MILLRACE_TEST_CORRELATE_KEY_H
#define MILLRACE_TEST_CORRELATE_KEY_H

#include "state.h"

static inline struct corr_key *key_get(struct corr *corr, uint8_t group,
				       const struct corr_rule *rule, const char *tenant,
				       struct mr_slice text)
{
	struct mr_arena arena = {0};
	struct corr_name name = corr_key_name(corr, rule, mr_slice(tenant), &text, 1, &arena);
	struct corr_key *key = corr_key_get(corr, group, rule, &name);
	mr_arena_fini(&arena);
	return key;
}

#endif
