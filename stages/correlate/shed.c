/* shed.c - what is given up when the state has come to its ceiling (PROTOCOL.md 6.7).
 *
 * First the slots that begin more than ten minutes past W; then keys, those that hold the smallest
 * part of their condition first, of those the oldest first; never the key in hand. A key that has
 * fired holds the whole; so does a detection's record, and those go before it. In a finite run a
 * slot that fired is not forgotten, because its alert is made at the end and once: it is made now,
 * and all but the fact is forgotten. What the allocator takes besides the bytes that are asked for
 * is an eighth of the ceiling: giving up begins at seven of them, and goes on to six, so that it is
 * done seldom. Everything is counted and named in the log. Called by correlate.c and plain.c;
 * never fails. */
#include "state.h"

#include <stdio.h>
#include <stdlib.h>

#define FUTURE_US INT64_C(600000000)
#define WHOLE 1000000
#define CEILING_TEXT 80

struct candidate {
	struct corr_key *key;
	uint64_t part;  /* of the condition that its fullest window can hold, of WHOLE */
	int64_t newest; /* its newest slot's end */
};

static size_t target(const struct corr *corr)
{
	return corr->ceiling - corr->ceiling / 4;
}

size_t corr_shed_from(const struct corr *corr)
{
	return corr->ceiling - corr->ceiling / 8;
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

static void count(struct corr *corr, const struct corr_rule *rule, uint64_t slots)
{
	struct corr_rule *own = &corr->rules[rule->index];
	char ceiling[CEILING_TEXT];
	mr_count(corr->env->counters, MR_C_STATE_SHED, slots);
	if (own->shed == 0 && slots > 0)
		mr_log_event(
		    MR_LOG_WARNING, MR_EVENT_STATE_SHED,
		    MR_RULE_NAMED
		    ": its state is given up in part, because all state has come to its "
		    "ceiling of %s (state_bytes); this is counted (state_shed), and its alerts "
		    "are no longer promised to be exact",
		    MR_RULE_NAMES(rule->rule), ceiling_text(corr, ceiling));
	own->shed += slots;
}

/* ---- times to come ---- */

static bool is_future(const struct corr *corr, const struct corr_slot *slot)
{
	int64_t limit, span = slot->key->rule->span_us;
	if (__builtin_add_overflow(corr->watermark_us, FUTURE_US, &limit))
		return false;
	return slot->key != corr->in_hand && slot->number > corr_slot_number(limit, span);
}

static void count_future(struct corr *corr, const struct corr_group *group)
{
	for (uint32_t i = 0; i < group->slot_buckets; i++) {
		const struct corr_slot *slot = group->slots[i];
		for (; slot != NULL; slot = slot->next_in_bucket)
			count(corr, slot->key->rule, is_future(corr, slot));
	}
}

static void shed_future(struct corr *corr)
{
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++) {
		count_future(corr, &corr->groups[g]);
		corr_group_sweep(corr, &corr->groups[g], is_future);
	}
}

/* ---- keys ---- */

static uint64_t things(const struct corr_slot *slot)
{
	uint64_t most = slot->set.count;
	if (slot->settled != NULL)
		most += slot->settled->marks.count;
	for (uint32_t i = 0; slot->times != NULL && i < slot->key->rule->step_count; i++)
		most += slot->times->of[i].count > 0;
	return most;
}

static uint64_t slot_part(const struct corr_slot *slot)
{
	const struct corr_rule *rule = slot->key->rule;
	uint64_t whole = rule->threshold;
	uint64_t most = things(slot) + (slot->previous == NULL ? 0 : things(slot->previous));
	if (slot->fired || corr_is_untold(slot))
		return WHOLE;
	return most >= whole ? WHOLE - 1 : most * WHOLE / whole;
}

static int64_t slot_end(const struct corr_slot *slot)
{
	int64_t end;
	bool past = __builtin_add_overflow(slot->number, 1, &end);
	past |= __builtin_mul_overflow(end, slot->key->rule->span_us, &end);
	return !past ? end : slot->number < 0 ? INT64_MIN : INT64_MAX;
}

static struct candidate candidate_of(struct corr_key *key)
{
	struct candidate candidate = {key, 0, INT64_MIN};
	for (const struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key) {
		uint64_t part = slot_part(slot);
		int64_t end = slot_end(slot);
		candidate.part = part > candidate.part ? part : candidate.part;
		candidate.newest = end > candidate.newest ? end : candidate.newest;
	}
	return candidate;
}

static bool goes_before(const struct candidate *x, const struct candidate *y)
{
	if (x->part != y->part)
		return x->part < y->part;
	if (x->newest != y->newest)
		return x->newest < y->newest;
	return x->key->hash < y->key->hash;
}

static void swap(struct candidate *candidates, size_t a, size_t b)
{
	struct candidate kept = candidates[a];
	candidates[a] = candidates[b];
	candidates[b] = kept;
}

/* The `first` that go before all others to the front, in no order. Quickselect: its pivots are the
 * middle ones of an order that hashes make. */
static void select_first(struct candidate *candidates, size_t count, size_t first)
{
	size_t from = 0, to = count - 1;
	while (from < to) {
		size_t border = from;
		swap(candidates, to, from + (to - from) / 2);
		for (size_t i = from; i < to; i++)
			if (goes_before(&candidates[i], &candidates[to]))
				swap(candidates, i, border++);
		swap(candidates, border, to);
		if (border == first)
			return;
		if (first < border)
			to = border - 1;
		else
			from = border + 1;
	}
}

/* In no order; the caller frees. */
static struct candidate *candidates_find(const struct corr *corr, size_t *count_out)
{
	size_t room = 0;
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
		room += corr->groups[g].key_count;
	struct candidate *found = mr_malloc((room + 1) * sizeof(*found));
	*count_out = 0;
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++) {
		for (uint32_t i = 0; i < corr->groups[g].key_buckets; i++) {
			struct corr_key *key = corr->groups[g].keys[i];
			for (; key != NULL; key = key->next_in_bucket) {
				if (key != corr->in_hand)
					found[(*count_out)++] = candidate_of(key);
			}
		}
	}
	return found;
}

static bool did_not_fire(const struct corr *corr, const struct corr_slot *slot)
{
	(void)corr;
	return !slot->fired;
}

/* A finite run's: that it fired stays known. Gives how many slots were forgotten. */
static uint64_t key_reduce(struct corr *corr, struct corr_key *key)
{
	uint64_t slots = 0;
	for (struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key) {
		slots += !slot->written;
		if (slot->fired && !slot->written)
			corr_fire_early(corr, slot);
	}
	corr_key_sweep(corr, key, did_not_fire);
	for (struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key)
		corr_slot_empty(corr, slot);
	return slots;
}

static uint64_t key_forget(struct corr *corr, struct corr_key *key)
{
	uint64_t slots = 0;
	for (const struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key)
		slots++;
	corr_key_drop(corr, key);
	return slots;
}

static void key_shed(struct corr *corr, const struct candidate *candidate)
{
	const struct corr_rule *rule = candidate->key->rule;
	bool reduces = corr->env->finite && candidate->part == WHOLE;
	count(corr, rule,
	      reduces ? key_reduce(corr, candidate->key) : key_forget(corr, candidate->key));
}

/* ---- records of detections ---- */

static void plains_shed(struct corr *corr)
{
	bool first = corr->plain_shed == 0;
	uint64_t gone = 0;
	char ceiling[CEILING_TEXT];
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
		gone += corr_plain_halve(corr, &corr->groups[g].plain);
	corr->plain_shed += gone;
	mr_count(corr->env->counters, MR_C_STATE_SHED, gone);
	if (first && corr->plain_shed > 0)
		mr_log_event(
		    MR_LOG_WARNING, MR_EVENT_STATE_SHED,
		    "records that detections have fired for are forgotten, the older first, "
		    "because all state has come to its ceiling of %s (state_bytes); this is "
		    "counted (state_shed), and such a record that comes again makes its alert "
		    "again",
		    ceiling_text(corr, ceiling));
}

/* ---- all of it ---- */

/* Those that go first, as many as hold what is too much if all weigh alike; and again, until it is
 * little enough. */
static void keys_shed(struct corr *corr, struct candidate *candidates, size_t count)
{
	while (count > 0 && corr->bytes > target(corr)) {
		double part = (double)(corr->bytes - target(corr)) / (double)corr->bytes;
		size_t first = (size_t)((double)count * part) + 1;
		first = first < count ? first : count;
		if (first < count)
			select_first(candidates, count, first);
		for (size_t i = 0; i < first; i++)
			key_shed(corr, &candidates[i]);
		candidates += first;
		count -= first;
	}
}

/* Those that hold the whole of their condition to the end; gives how many others there are. */
static size_t whole_last(struct candidate *candidates, size_t count)
{
	size_t others = 0;
	for (size_t i = 0; i < count; i++)
		if (candidates[i].part < WHOLE)
			swap(candidates, i, others++);
	return others;
}

void corr_shed(struct corr *corr, const struct corr_key *in_hand)
{
	corr->in_hand = in_hand;
	if (corr->watermark_us != CORR_NEVER)
		shed_future(corr);
	if (corr->bytes > target(corr)) {
		size_t found;
		struct candidate *candidates = candidates_find(corr, &found);
		size_t others = whole_last(candidates, found);
		keys_shed(corr, candidates, others);
		if (corr->bytes > target(corr))
			plains_shed(corr);
		keys_shed(corr, candidates + others, found - others);
		free(candidates);
	}
	/* What is left cannot go: it is not looked through again for each signal. */
	corr->shed_at =
	    corr->bytes > target(corr) ? corr->bytes + corr->ceiling / 8 : corr_shed_from(corr);
	corr->in_hand = NULL;
}

void corr_shed_report(const struct corr *corr)
{
	for (uint32_t i = 0; i < corr->catalog.count; i++) {
		const struct corr_rule *rule = &corr->rules[i];
		if (rule->shed > 0)
			mr_log_event(MR_LOG_DEBUG, MR_EVENT_STATE_SHED,
				     MR_RULE_NAMED
				     ": %llu of its slots were forgotten at the memory ceiling",
				     MR_RULE_NAMES(rule->rule), (unsigned long long)rule->shed);
	}
}
