/* expiry.c - the release of state that no occurrence within the lateness can touch any more.
 *
 * Called at a barrier only, before the snapshot, so that what is released depends on the sources'
 * prefixes alone (PROTOCOL.md 6.6). A slot goes when it ends before W - lateness - span: the slot
 * behind it may still need it until then; and one that settles so much later as it, or what comes
 * to it from correlations that settle, takes. Never fails. */
#include "shed.h"

static int64_t minus(int64_t a, int64_t b)
{
	int64_t result;
	return __builtin_sub_overflow(a, b, &result) ? INT64_MIN : result;
}

int64_t corr_end_of(const struct corr_slot *slot, int64_t ahead, int64_t more_us)
{
	int64_t number, end_us;
	if (__builtin_add_overflow(slot->number, ahead + 1, &number) ||
	    __builtin_mul_overflow(number, slot->key->rule->span_us, &end_us) ||
	    __builtin_add_overflow(end_us, more_us, &end_us))
		return slot->number < 0 ? INT64_MIN : INT64_MAX;
	return end_us;
}

/* When the slot `ahead` slots before this one may go. */
static int64_t due_of(const struct corr *corr, const struct corr_slot *slot, int64_t ahead)
{
	const struct corr_rule *rule = slot->key->rule;
	int64_t more_us = rule->settles ? corr->settling_us + rule->delay_us : 0;
	return corr_end_of(slot, 1 - ahead, more_us);
}

void corr_due_add(struct corr *corr, struct corr_slot *slot)
{
	if (corr->lateness_us != CORR_UNLIMITED)
		corr_heap_add(corr, &corr->dues, slot, due_of(corr, slot, 0));
}

static int64_t release_limit(const struct corr *corr)
{
	return minus(corr->watermark_us, corr->lateness_us);
}

static bool releases(const struct corr *corr)
{
	return corr->lateness_us != CORR_UNLIMITED && corr->watermark_us != CORR_NEVER;
}

bool corr_may_miss_previous(const struct corr *corr, const struct corr_slot *slot)
{
	return releases(corr) && due_of(corr, slot, 1) < release_limit(corr);
}

static bool is_due(const struct corr *corr, const struct corr_slot *slot)
{
	return due_of(corr, slot, 0) < release_limit(corr);
}

/* Something is to be told of it, or of the one behind, which reaches into it. */
static bool is_held(const struct corr_slot *slot)
{
	return corr_is_untold(slot) || (slot->next != NULL && corr_is_untold(slot->next));
}

static bool slot_is_gone(const struct corr *corr, const struct corr_slot *slot)
{
	return is_due(corr, slot) && !is_held(slot);
}

bool corr_count_beyond(struct corr *corr, int64_t time_us, int64_t delay_us)
{
	bool beyond = releases(corr) && time_us < minus(release_limit(corr), delay_us);
	mr_count(corr->env->counters, MR_C_BEYOND_LATENESS, beyond);
	return beyond;
}

/* Each slot that is held though it is due, once. */
static void held_visit(struct corr *corr, void (*visit)(struct corr *corr, struct corr_slot *slot))
{
	for (uint32_t i = 0; i < corr->untold_count; i++) {
		struct corr_slot *slot = corr->untold[i], *previous = slot->previous;
		if (is_due(corr, slot))
			visit(corr, slot);
		if (previous != NULL && !corr_is_untold(previous) && is_due(corr, previous))
			visit(corr, previous);
	}
}

static void set_aside(struct corr *corr, struct corr_slot *slot)
{
	corr_heap_remove(&corr->dues, slot);
}

void corr_release(struct corr *corr, int64_t watermark_us)
{
	const struct corr_heap *dues = &corr->dues;
	corr->ranks_stale |= corr->watermark_us == CORR_NEVER;
	if (watermark_us > corr->watermark_us)
		corr->watermark_us = watermark_us;
	if (corr->watermark_us != CORR_NEVER)
		corr_lost_release(corr, release_limit(corr));
	if (!releases(corr))
		return;
	corr_husks_release(corr, release_limit(corr));
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
		corr_plain_release(corr, &corr->groups[g].plain, release_limit(corr));
	/* What is held up holds up nothing behind it. */
	held_visit(corr, set_aside);
	while (dues->count > 0 && is_due(corr, dues->dues[0].slot))
		corr_key_sweep(corr, dues->dues[0].slot->key, slot_is_gone);
	held_visit(corr, corr_due_add);
}
