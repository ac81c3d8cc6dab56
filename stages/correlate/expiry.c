/* expiry.c - the release of state that no occurrence within the lateness can touch any more.
 *
 * Called at a barrier only, before the snapshot, so that what is released depends on the sources'
 * prefixes alone (PROTOCOL.md 6.6). A slot goes when it ends before W - lateness - span: the slot
 * behind it may still need it until then. Never fails. */
#include "state.h"

static int64_t minus(int64_t a, int64_t b)
{
	int64_t result;
	return __builtin_sub_overflow(a, b, &result) ? INT64_MIN : result;
}

/* Whether (number + 1) * span < W - lateness - span, without leaving 64 bits. */
static bool ends_before(const struct corr *corr, const struct corr_rule *rule, int64_t number)
{
	int64_t limit = minus(minus(corr->watermark_us, corr->lateness_us), rule->span_us);
	if (limit == INT64_MIN)
		return false;
	return number < corr_slot_number(limit - 1, rule->span_us);
}

static bool slot_is_gone(const struct corr *corr, const struct corr_slot *slot)
{
	return ends_before(corr, slot->key->rule, slot->number);
}

void corr_count_beyond(struct corr *corr, int64_t time_us)
{
	if (corr->lateness_us == CORR_UNLIMITED || corr->watermark_us == CORR_NEVER)
		return;
	mr_count(corr->env->counters, MR_C_BEYOND_LATENESS,
		 time_us < minus(corr->watermark_us, corr->lateness_us));
}

void corr_release(struct corr *corr, int64_t watermark_us)
{
	if (watermark_us > corr->watermark_us)
		corr->watermark_us = watermark_us;
	if (corr->lateness_us == CORR_UNLIMITED || corr->watermark_us == CORR_NEVER)
		return;
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++) {
		corr_plain_release(corr, &corr->groups[g].plain,
				   minus(corr->watermark_us, corr->lateness_us));
		corr_group_sweep(corr, &corr->groups[g], slot_is_gone);
	}
}
