/* temporal_ordered.c - one occurrence of each rule, in the order of the list, at times that do not
 * decrease, all inside the window.
 *
 * Called by correlate.c through struct corr_kind. A slot keeps the distinct times of each rule, at
 * most CORR_SLOT_BOUND; what comes past that is counted and named in the log. Never fails.
 *
 * Times are compared as offsets from the start of one slot, the base: an offset o of the slot
 * before stands for o - span, one of the slot behind for o + span. */
#include "state.h"

#include <assert.h>
#include <stdlib.h>

static bool takes(const struct mr_signal *signal)
{
	(void)signal;
	return true;
}

/* ---- the times of a slot ---- */

enum corr_added corr_times_add(const struct corr_rule *rule, struct corr_slot *slot, uint32_t step,
			       int64_t offset)
{
	if (slot->times == NULL)
		slot->times = mr_calloc(1, sizeof(*slot->times) +
					       rule->step_count * sizeof(slot->times->of[0]));
	struct corr_times_of *of = &slot->times->of[step];
	uint32_t at = corr_numbers_below(of->offsets, of->count, offset);
	if (at < of->count && of->offsets[at] == offset)
		return CORR_KNOWN;
	if (slot->times->total >= CORR_SLOT_BOUND)
		return CORR_FULL;
	if (of->count == of->capacity) {
		of->capacity = of->capacity == 0 ? 1 : of->capacity * 2;
		of->offsets = mr_realloc(of->offsets, of->capacity * sizeof(*of->offsets));
	}
	memmove(of->offsets + at + 1, of->offsets + at, (of->count - at) * sizeof(*of->offsets));
	of->offsets[at] = offset;
	of->count++;
	slot->times->total++;
	return CORR_ADDED;
}

void corr_times_free(struct corr_times *times, uint32_t step_count)
{
	if (times == NULL)
		return;
	for (uint32_t i = 0; i < step_count; i++)
		free(times->of[i].offsets);
	free(times);
}

static const struct corr_times_of *times_of(const struct corr_slot *slot, uint32_t step)
{
	static const struct corr_times_of none;
	return slot == NULL || slot->times == NULL ? &none : &slot->times->of[step];
}

/* ---- walking ---- */

/* The earliest time of the rule at or after `from`, in two neighbouring slots of which `base` is
 * the second: false where there is none. */
static bool earliest(const struct corr_rule *rule, const struct corr_slot *before,
		     const struct corr_slot *base, uint32_t step, int64_t from, int64_t *time_out)
{
	const struct corr_times_of *of = times_of(before, step);
	uint32_t at = corr_numbers_below(of->offsets, of->count, from + rule->span_us);
	if (at < of->count) {
		*time_out = of->offsets[at] - rule->span_us;
		return true;
	}
	of = times_of(base, step);
	at = corr_numbers_below(of->offsets, of->count, from);
	if (at < of->count)
		*time_out = of->offsets[at];
	return at < of->count;
}

/* The latest at or before `until`. */
static bool latest(const struct corr_rule *rule, const struct corr_slot *before,
		   const struct corr_slot *base, uint32_t step, int64_t until, int64_t *time_out)
{
	const struct corr_times_of *of = times_of(base, step);
	uint32_t at = corr_numbers_below(of->offsets, of->count, until + 1);
	if (at > 0) {
		*time_out = of->offsets[at - 1];
		return true;
	}
	of = times_of(before, step);
	at = corr_numbers_below(of->offsets, of->count, until + rule->span_us + 1);
	if (at > 0)
		*time_out = of->offsets[at - 1] - rule->span_us;
	return at > 0;
}

/* The tightest chain through an occurrence that stands at `position` of the list: it starts as late
 * and ends as early as can be, from the base slot's start. */
static bool chain_through(const struct corr_rule *rule, const struct corr_near *near,
			  uint32_t position, int64_t offset, int64_t *start_out, int64_t *end_out)
{
	int64_t time = offset;
	for (uint32_t i = position; i-- > 0;) {
		if (!latest(rule, near->previous, near->current, rule->step[i], time, &time))
			return false;
	}
	*start_out = time;
	time = offset - rule->span_us; /* from the start of the slot behind */
	for (uint32_t i = position + 1; i < rule->rule->rule_count; i++) {
		if (!earliest(rule, near->current, near->next, rule->step[i], time, &time))
			return false;
	}
	*end_out = time + rule->span_us;
	return *end_out - *start_out <= rule->span_us;
}

static void add(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		const struct corr_occurrence *occurrence, struct corr_range *current_out,
		struct corr_range *next_out)
{
	uint32_t step = rule->step[occurrence->position];
	int64_t offset = occurrence->offset, span = rule->span_us;
	enum corr_added added = corr_times_add(rule, near->current, step, offset);
	if (added == CORR_FULL) {
		mr_count(corr->env->counters, MR_C_OCCURRENCES_CAPPED, 1);
		corr_alarm(corr, rule, "distinct times");
	}
	if (added != CORR_ADDED)
		return;
	/* Its own window may hold a chain that it has no part in. */
	*current_out = (struct corr_range){offset, offset};
	for (uint32_t i = 0; i < rule->rule->rule_count; i++) {
		int64_t start, end;
		if (rule->step[i] != step || !chain_through(rule, near, i, offset, &start, &end))
			continue;
		/* Every occurrence from the chain's end to its start + span completes. */
		struct corr_range all = {end, start + span};
		struct corr_range now = {all.from, all.to < span ? all.to : span - 1};
		struct corr_range later = {all.from > span ? all.from - span : 0, all.to - span};
		*current_out = corr_range_hull(*current_out, now);
		*next_out = corr_range_hull(*next_out, later);
	}
}

/* ---- asking ---- */

static void view(struct corr *corr, const struct corr_rule *rule, struct corr_slot *previous,
		 struct corr_slot *current, struct corr_view *view_out)
{
	*view_out = (struct corr_view){.rule = rule, .previous = previous, .current = current};
	uint32_t total = current->times == NULL ? 0 : current->times->total;
	int64_t *starts = corr_numbers(corr, total);
	for (uint32_t step = 0; step < rule->step_count; step++) {
		const struct corr_times_of *of = times_of(current, step);
		if (of->count > 0)
			memcpy(starts + view_out->start_count, of->offsets,
			       of->count * sizeof(*starts));
		view_out->start_count += of->count;
	}
	assert(view_out->start_count == total);
	corr_numbers_sort(starts, total);
	view_out->starts = starts;
}

static bool holds(const struct corr_view *asked, int64_t offset)
{
	const struct corr_rule *rule = asked->rule;
	int64_t time = offset - rule->span_us;
	for (uint32_t i = 0; i < rule->rule->rule_count; i++) {
		if (!earliest(rule, asked->previous, asked->current, rule->step[i], time, &time) ||
		    time > offset)
			return false;
	}
	return true;
}

static bool first(const struct corr_view *asked, struct corr_range range, int64_t *offset_out)
{
	uint32_t at = corr_numbers_below(asked->starts, asked->start_count, range.from);
	for (; at < asked->start_count && asked->starts[at] <= range.to; at++) {
		if (holds(asked, asked->starts[at])) {
			*offset_out = asked->starts[at];
			return true;
		}
	}
	return false;
}

const struct corr_kind corr_temporal_ordered = {
    .type = MR_CORRELATION_TEMPORAL_ORDERED,
    .takes = takes,
    .add = add,
    .view = view,
    .holds = holds,
    .first = first,
};
