/* lost.c - which slots may lack what was given up at the memory ceiling, so that their counts are
 * lower bounds.
 *
 * A slot that is gone has nowhere to say it. So each rule keeps, for each key group, from which to
 * which slot number something went. A slot that begins in there, or just behind, may have been
 * there before; one that stood all the time is whole, and event time leaves the range behind.
 * Called by shed.c, trim.c, state.c and snapshot.c; never fails. */
#include "shed.h"

void corr_lost_add(struct corr *corr, const struct corr_rule *rule, uint8_t group,
		   struct corr_lost lost)
{
	struct corr_shed *shed = &corr->rules[rule->index].shed;
	if (shed->lost == NULL) {
		shed->lost = mr_malloc(MR_KEY_GROUPS * sizeof(*shed->lost));
		for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
			shed->lost[g] = (struct corr_lost){INT64_MAX, INT64_MIN};
	}
	struct corr_lost *own = &shed->lost[group];
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
