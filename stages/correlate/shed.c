/* shed.c - what is given up when the state has come to its ceiling (PROTOCOL.md 6.7).
 *
 * It is the turn of the rule that holds the most, until another one does: so each has its fair
 * share, what one does not use is for others, and keys invented for one rule cost no other its own.
 * Detections stand for one rule, with the records that they fired for. First slots of the future go
 * so (rank.c), then, within a rule, the keys that hold the smallest part of its condition, of those
 * the oldest first. Never the key in hand, but for its future, and where it holds more than all
 * others of its rule: then it gives up its own (trim.c).
 *
 * In a finite run the alert of a slot that goes is made then, before its end, and what stays is a
 * hash of it, so that it is made once (fire.c). A quarter of the ceiling is left for
 * what is no state: pages that a snapshot under way makes the worker copy, what the allocator
 * cannot use, the process itself, its batches, and the other workers. Everything is counted and
 * named in the log, and at each barrier told to the books and to deliver, which makes an alert of
 * it. Called by correlate.c and plain.c; never fails. */
#include "shed.h"

#include <stdio.h>
#include <stdlib.h>

#define CEILING_TEXT 80

size_t corr_shed_from(const struct corr *corr)
{
	return corr->ceiling - corr->ceiling / 4;
}

static size_t target(const struct corr *corr)
{
	size_t from = corr_shed_from(corr);
	return from - from / 64;
}

/* The setting, and what of it this worker may take. `out` has CEILING_TEXT bytes. */
static const char *ceiling_text(const struct corr *corr, char *out)
{
	int len = snprintf(out, CEILING_TEXT, "%zu bytes", corr->ceiling_whole);
	if (corr->ceiling != corr->ceiling_whole)
		snprintf(out + len, CEILING_TEXT - (size_t)len, ", %zu for each of %u workers",
			 corr->ceiling, corr->env->workers);
	return out;
}

/* True the first time that anything went: it is to be named in the log. */
static bool tally(struct corr *corr, struct corr_shed *shed, uint64_t slots)
{
	bool first = !shed->warned && slots > 0;
	mr_count(corr->env->counters, MR_C_STATE_SHED, slots);
	shed->slots += slots;
	shed->warned |= first;
	return first;
}

static void count(struct corr *corr, const struct corr_rule *rule, uint64_t slots)
{
	char ceiling[CEILING_TEXT];
	if (!tally(corr, &corr->rules[rule->index].shed, slots))
		return;
	mr_log_event(MR_LOG_WARNING, MR_EVENT_STATE_SHED,
		     MR_RULE_NAMED
		     ": its state is given up in part, because all state has come to its "
		     "ceiling of %s (state_bytes); this is counted (state_shed), and its alerts "
		     "are no longer promised to be exact",
		     MR_RULE_NAMES(rule->rule), ceiling_text(corr, ceiling));
}

/* ---- keys ---- */

void corr_slot_leave(struct corr *corr, struct corr_slot *slot)
{
	corr_fire_early(corr, slot);
	corr_husk_put(corr, slot);
	corr_slot_lost(corr, slot);
}

static uint64_t key_forget(struct corr *corr, struct corr_key *key)
{
	uint64_t slots = 0;
	for (struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key) {
		corr_slot_leave(corr, slot);
		slots++;
	}
	corr_key_drop(corr, key);
	return slots;
}

static uint64_t future_forget(struct corr *corr, struct corr_key *key)
{
	uint64_t slots = 0;
	for (struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key) {
		if (!corr_is_future(corr, slot))
			continue;
		corr_slot_leave(corr, slot);
		slots++;
	}
	corr_key_sweep(corr, key, corr_is_future);
	return slots;
}

/* Unless it has come to stand higher since it was looked at. */
static void key_shed(struct corr *corr, struct corr_key *key)
{
	const struct corr_rule *rule = key->rule;
	uint16_t rank = corr_rank_of(corr, key);
	if (rank > key->rank)
		corr_key_rank(corr, key, rank);
	else if (rank == CORR_RANK_FUTURE)
		count(corr, rule, future_forget(corr, key));
	else
		count(corr, rule, key_forget(corr, key));
}

/* ---- records of detections ---- */

static bool plains_shed(struct corr *corr)
{
	uint64_t gone = 0;
	char ceiling[CEILING_TEXT];
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
		gone += corr_plain_halve(corr, &corr->groups[g].plain);
	if (!tally(corr, &corr->rules[corr->catalog.count].shed, gone))
		return gone > 0;
	mr_log_event(MR_LOG_WARNING, MR_EVENT_STATE_SHED,
		     "records that detections have fired for are forgotten, the older first, "
		     "because all state has come to its ceiling of %s (state_bytes); this is "
		     "counted (state_shed), and such a record that comes again makes its alert "
		     "again",
		     ceiling_text(corr, ceiling));
	return true;
}

/* ---- the key in hand ---- */

/* It is out of all ranks meanwhile. True where it holds less then. */
static bool in_hand_trim(struct corr *corr, struct corr_key *key)
{
	size_t before = corr->bytes;
	bool hard = corr_key_bytes(key) > target(corr) / 2;
	count(corr, key->rule, corr_key_trim(corr, key, hard));
	corr_key_unrank(key);
	return corr->bytes < before;
}

/* What it holds of the rule. */
static size_t held_by(const struct corr_rule *rule, const struct corr_key *key)
{
	return key == NULL || key->rule != rule ? 0 : corr_key_bytes(key);
}

/* ---- all of it ---- */

/* The first of the ranks from *rank to `last`; of those that fired, where the oldest is over by
 * now, that one. */
static struct corr_key *first_of(const struct corr *corr, const struct corr_rule *rule,
				 uint16_t *rank, uint16_t last)
{
	const struct corr_key *fired = NULL;
	if (rule->ranks == NULL)
		return NULL;
	while (*rank < last && rule->ranks[*rank].oldest == NULL) {
		if (*rank == CORR_RANK_OVER)
			fired = rule->ranks[CORR_RANK_WHOLE].oldest;
		if (fired != NULL && corr_rank_of(corr, fired) <= CORR_RANK_OVER)
			return rule->ranks[CORR_RANK_WHOLE].oldest;
		fired = NULL;
		(*rank)++;
	}
	return rule->ranks[*rank].oldest;
}

/* Down to so many bytes of its own, of ranks up to `last`; false where it has no more to give. */
static bool rule_shed(struct corr *corr, struct corr_rule *rule, size_t level,
		      struct corr_key *in_hand, uint16_t last)
{
	uint16_t rank = CORR_RANK_FUTURE;
	size_t own = held_by(rule, in_hand);
	if (rule->rule == NULL)
		return last == CORR_RANK_WHOLE && plains_shed(corr);
	while (corr->bytes > target(corr) && rule->bytes > level) {
		if (last == CORR_RANK_WHOLE && own > rule->bytes / 2 &&
		    in_hand_trim(corr, in_hand)) {
			own = corr_key_bytes(in_hand);
			continue;
		}
		struct corr_key *key = first_of(corr, rule, &rank, last);
		if (key != NULL)
			key_shed(corr, key);
		else if (last == CORR_RANK_FUTURE || !corr_husks_drop(corr, rule))
			return false;
	}
	return true;
}

/* The rule that holds the most of those that can give; and what the next one holds. */
static struct corr_rule *fullest(struct corr *corr, size_t *next_out)
{
	struct corr_rule *most = NULL;
	*next_out = 0;
	for (uint32_t i = 0; i <= corr->catalog.count; i++) {
		struct corr_rule *rule = &corr->rules[i];
		if (rule->shed.spent || rule->bytes == 0)
			continue;
		size_t less = rule->bytes;
		if (most == NULL || rule->bytes > most->bytes) {
			less = most == NULL ? 0 : most->bytes;
			most = rule;
		}
		*next_out = less > *next_out ? less : *next_out;
	}
	return most;
}

/* What each rule could hold if all that hold something held as much. */
static size_t share(const struct corr *corr)
{
	size_t rules = 0, all = target(corr), beside = corr->bytes;
	for (uint32_t i = 0; i <= corr->catalog.count; i++) {
		rules += corr->rules[i].bytes > 0;
		beside -= corr->rules[i].bytes; /* tables of all */
	}
	return rules == 0 || beside > all ? 0 : (all - beside) / rules;
}

/* Rules that hold as much as each other take turns: each goes a little below the next one. None
 * goes below its share because another one has nothing to give. */
static void rules_shed(struct corr *corr, struct corr_key *in_hand, uint16_t last)
{
	size_t next, least = share(corr);
	for (uint32_t i = 0; i <= corr->catalog.count; i++)
		corr->rules[i].shed.spent = false;
	while (corr->bytes > target(corr)) {
		struct corr_rule *rule = fullest(corr, &next);
		if (rule == NULL || rule->bytes <= least)
			break;
		next -= next / 64 + (next > 0);
		rule->shed.spent =
		    !rule_shed(corr, rule, next > least ? next : least, in_hand, last);
	}
}

void corr_shed(struct corr *corr, struct corr_key *in_hand)
{
	bool ranked = in_hand != NULL && in_hand->rank != CORR_UNRANKED;
	corr->shedding = true;
	if (corr->ranks_stale)
		corr_ranks_renew(corr);
	if (in_hand != NULL) {
		count(corr, in_hand->rule, corr_key_trim_future(corr, in_hand));
		corr_key_unrank(in_hand);
	}
	rules_shed(corr, in_hand, CORR_RANK_FUTURE);
	rules_shed(corr, in_hand, CORR_RANK_WHOLE);
	while (corr->bytes > target(corr) && in_hand != NULL &&
	       in_hand->rule->bytes > share(corr) && in_hand_trim(corr, in_hand))
		;
	if (ranked)
		corr_key_rank(corr, in_hand, corr_rank_of(corr, in_hand));
	corr->shedding = false;
	/* What is left cannot go: it is not looked through again for each signal. */
	corr->shed_at =
	    corr->bytes > target(corr) ? corr->bytes + corr->ceiling / 8 : corr_shed_from(corr);
}

/* ---- telling ---- */

static void tell(struct corr *corr, struct corr_shed *shed, uint32_t index, struct mr_slice id)
{
	const struct mr_alert word = {
	    .activity = MR_ACTIVITY_CREATE, .rule = index, .shed = shed->slots};
	mr_writer_alert(corr->out, &word);
	if (corr->env->counters->books != NULL)
		mr_books_shed(corr->env->counters->books, id, shed->slots);
	shed->slots = 0;
}

enum mr_err corr_shed_tell(struct corr *corr)
{
	for (uint32_t i = 0; i <= corr->catalog.count; i++) {
		bool plain = i == corr->catalog.count;
		struct corr_shed *shed = &corr->rules[i].shed;
		if (shed->slots == 0)
			continue;
		if (!mr_writer_ready(corr->out))
			return MR_FULL;
		if (plain)
			tell(corr, shed, MR_ALERT_NO_RULE, MR_SLICE(""));
		else
			tell(corr, shed, i, corr->catalog.rules[i].id);
	}
	return MR_OK;
}
