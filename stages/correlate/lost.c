/* lost.c - which slots may lack what was given up at the memory ceiling, so that their counts are
 * lower bounds.
 *
 * A slot that is gone has nowhere to say it. So each rule keeps, for each key group, from which to
 * which slot number something went. A slot that begins in there, or just behind, may have been
 * there before; one that stood all the time is whole, and event time leaves the range behind. For
 * that it ends a day past W at the latest: what is dated later comes of no clock, in whatever time
 * zone, and one record of it would keep the range for ever. Called by shed.c, trim.c, state.c,
 * expiry.c and snapshot.c; never fails. */
#include "shed.h"

#define DAY_US INT64_C(86400000000)

static const struct corr_lost nothing = {INT64_MAX, INT64_MIN};

/* The last one that may be remembered. */
static int64_t newest(const struct corr *corr, const struct corr_rule *rule)
{
	int64_t ahead_us = 0;
	bool is_known = corr->watermark_us != CORR_NEVER &&
			!__builtin_add_overflow(corr->watermark_us, DAY_US, &ahead_us);
	return is_known ? corr_slot_number(ahead_us, rule->span_us) : INT64_MAX;
}

/* Not past that number. */
static void cut(struct corr_lost *lost, int64_t last)
{
	lost->last = lost->last < last ? lost->last : last;
	if (lost->first > lost->last)
		*lost = nothing;
}

void corr_lost_add(struct corr *corr, const struct corr_rule *rule, uint8_t group,
		   struct corr_lost lost)
{
	struct corr_shed *shed = &corr->rules[rule->index].shed;
	if (shed->lost == NULL) {
		corr->lost_rules++;
		shed->lost = mr_malloc(MR_KEY_GROUPS * sizeof(*shed->lost));
		for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
			shed->lost[g] = nothing;
	}
	struct corr_lost *own = &shed->lost[group];
	cut(&lost, newest(corr, rule));
	own->first = lost.first < own->first ? lost.first : own->first;
	own->last = lost.last > own->last ? lost.last : own->last;
}

void corr_slot_lost(struct corr *corr, const struct corr_slot *slot)
{
	struct corr_lost lost = {slot->number, slot->number};
	corr_lost_add(corr, slot->key->rule, slot->key->group, lost);
	if (slot->next != NULL)
		slot->next->lossy = true;
}

bool corr_has_lost(const struct corr_rule *rule, uint8_t group)
{
	return rule->shed.lost != NULL &&
	       rule->shed.lost[group].first <= rule->shed.lost[group].last;
}

/* Windows reach into the slot before. */
bool corr_may_lack(const struct corr_key *key, int64_t number)
{
	const struct corr_lost *lost = key->rule->shed.lost;
	return corr_has_lost(key->rule, key->group) && number >= lost[key->group].first &&
	       (number == INT64_MIN || number - 1 <= lost[key->group].last);
}

void corr_lost_release(struct corr *corr, int64_t limit_us)
{
	if (corr->lost_rules == 0)
		return;
	for (uint32_t i = 0; i < corr->catalog.count; i++) {
		const struct corr_rule *rule = &corr->rules[i];
		if (rule->shed.lost == NULL)
			continue;
		int64_t last = newest(corr, rule),
			oldest = corr_slot_number(limit_us, rule->span_us);
		for (uint32_t g = 0; g < MR_KEY_GROUPS; g++) {
			struct corr_lost *lost = &rule->shed.lost[g];
			cut(lost, last);
			if (oldest > lost->last && oldest - 1 > lost->last)
				*lost = nothing;
		}
	}
}
