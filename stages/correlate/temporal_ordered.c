/* temporal_ordered.c - one occurrence of each rule, in the order of the list, at times that do not
 * decrease, all inside the window.
 *
 * Called by correlate.c through struct corr_kind and struct corr_way. A slot keeps the distinct
 * times of each rule, at most CORR_SLOT_BOUND of each: past that one of them goes, which is counted
 * and named in the log. Never fails.
 *
 * Times are compared as offsets from the start of one slot, the base: an offset o of the slot
 * before stands for o - span, one of the slot behind for o + span. */
#include "measure.h"

#include <stdlib.h>

/* ---- the times of a slot ---- */

/* The one whose neighbours are nearest to each other goes, but for the first, the last and the one
 * at `at`: what it tells, these tell nearly as well. */
static void drop_one(struct corr_times *of, uint32_t at)
{
	uint32_t least = 0;
	int64_t nearest = INT64_MAX;
	for (uint32_t i = 1; i + 1 < of->count; i++) {
		int64_t apart = of->offsets[i + 1] - of->offsets[i - 1];
		if (i == at || apart >= nearest)
			continue;
		nearest = apart;
		least = i;
	}
	of->count--;
	memmove(of->offsets + least, of->offsets + least + 1,
		(of->count - least) * sizeof(*of->offsets));
}

enum corr_added corr_times_add(const struct corr_rule *rule, struct corr_slot *slot, uint32_t step,
			       int64_t offset)
{
	if (slot->times == NULL)
		slot->times = mr_calloc(rule->step_count, sizeof(*slot->times));
	struct corr_times *of = &slot->times[step];
	uint32_t at = corr_numbers_below(of->offsets, of->count, offset);
	if (at < of->count && of->offsets[at] == offset)
		return CORR_KNOWN;
	if (of->count == of->capacity) {
		of->capacity = of->capacity == 0 ? 1 : of->capacity * 2;
		of->offsets = mr_realloc(of->offsets, of->capacity * sizeof(*of->offsets));
	}
	memmove(of->offsets + at + 1, of->offsets + at, (of->count - at) * sizeof(*of->offsets));
	of->offsets[at] = offset;
	of->count++;
	if (of->count <= CORR_SLOT_BOUND)
		return CORR_ADDED;
	drop_one(of, at);
	return CORR_FULL;
}

void corr_times_free(struct corr_times *times, uint32_t step_count)
{
	if (times == NULL)
		return;
	for (uint32_t i = 0; i < step_count; i++)
		free(times[i].offsets);
	free(times);
}

size_t corr_times_bytes(const struct corr_times *times, uint32_t step_count)
{
	size_t bytes = corr_taken(step_count * sizeof(*times));
	for (uint32_t i = 0; i < step_count; i++)
		bytes += corr_taken(times[i].capacity * sizeof(*times[i].offsets));
	return bytes;
}

static const struct corr_times *times_of(const struct corr_slot *slot, uint32_t step)
{
	static const struct corr_times none;
	return slot == NULL || slot->times == NULL ? &none : &slot->times[step];
}

/* ---- walking ---- */

/* The earliest time of the rule at or after `from`, in two neighbouring slots of which `base` is
 * the second: false where there is none. */
static bool earliest(const struct corr_rule *rule, const struct corr_slot *before,
		     const struct corr_slot *base, uint32_t step, int64_t from, int64_t *time_out)
{
	const struct corr_times *of = times_of(before, step);
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
	const struct corr_times *of = times_of(base, step);
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
		struct corr_occurrence *occurrence)
{
	enum corr_added added = corr_times_add(
	    rule, near->current, rule->step[occurrence->position], occurrence->offset);
	occurrence->added = added != CORR_KNOWN;
	if (added == CORR_FULL) {
		mr_count(corr->env->counters, MR_C_OCCURRENCES_CAPPED, 1);
		corr_alarm(corr, rule, "distinct times");
	}
}

/* ---- asking ---- */

/* Whether the window that ends at this offset of current holds a chain. */
static bool holds(const struct corr_rule *rule, const struct corr_slot *previous,
		  const struct corr_slot *current, int64_t offset)
{
	int64_t time = offset - rule->span_us;
	for (uint32_t i = 0; i < rule->rule->rule_count; i++) {
		if (!earliest(rule, previous, current, rule->step[i], time, &time) || time > offset)
			return false;
	}
	return true;
}

/* The earliest time of any rule from this offset on. */
static bool next_time(const struct corr_rule *rule, const struct corr_slot *slot, int64_t from,
		      int64_t *offset_out)
{
	bool found = false;
	for (uint32_t step = 0; step < rule->step_count; step++) {
		const struct corr_times *of = times_of(slot, step);
		uint32_t at = corr_numbers_below(of->offsets, of->count, from);
		if (at == of->count || (found && of->offsets[at] >= *offset_out))
			continue;
		*offset_out = of->offsets[at];
		found = true;
	}
	return found;
}

static bool first(const struct corr_rule *rule, const struct corr_slot *slot, int64_t *offset_out)
{
	int64_t from = 0, offset;
	while (next_time(rule, slot, from, &offset)) {
		if (holds(rule, slot->previous, slot, offset)) {
			*offset_out = offset;
			return true;
		}
		from = offset + 1;
	}
	return false;
}

/* Every occurrence of the range completes. */
static void complete(struct corr *corr, const struct corr_rule *rule, struct corr_slot *slot,
		     struct corr_range range)
{
	int64_t offset;
	if (slot == NULL || range.from > range.to)
		return;
	bool fires =
	    !slot->fired && next_time(rule, slot, range.from, &offset) && offset <= range.to;
	if (slot->held != NULL)
		corr_feed_take(corr, slot, &(struct corr_want){range, 0});
	if (fires)
		corr_fire(corr, slot);
}

static void settle(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		   const struct corr_occurrence *occurrence)
{
	uint32_t step = rule->step[occurrence->position];
	int64_t offset = occurrence->offset, span = rule->span_us;
	struct corr_held *held = near->current->held;
	/* Its own window may hold a chain that it has no part in. */
	if ((occurrence->added || occurrence->is_first) &&
	    holds(rule, near->previous, near->current, offset))
		complete(corr, rule, near->current, (struct corr_range){offset, offset});
	for (uint32_t i = 0; occurrence->added && i < rule->rule->rule_count; i++) {
		int64_t start, end;
		if (rule->step[i] != step || !chain_through(rule, near, i, offset, &start, &end))
			continue;
		/* Every occurrence from the chain's end to its start + span completes. */
		struct corr_range now = {end, start < 0 ? start + span : span - 1};
		struct corr_range later = {end > span ? end - span : 0, start};
		complete(corr, rule, near->current, now);
		complete(corr, rule, near->next, later);
	}
	if (held != NULL && held->count > held->limit)
		corr_held_restart(corr, held);
}

/* No set counts its things: an alert says the records. */
static uint64_t count(const struct corr_slot *slot, int64_t from, bool *lower_bound)
{
	(void)slot;
	(void)from;
	(void)lower_bound;
	return 0;
}

const struct corr_way corr_in_order_way = {
    .add = add,
    .feed = corr_feed_add,
    .settle = settle,
    .first = first,
    .next = next_time,
    .count = count,
};

/* ---- settled: the windows one after the other ---- */

struct order {
	int64_t now;
	bool *comes;      /* by step: at this time */
	int64_t latest[]; /* by place: the latest start of a chain that has come so far; NEVER */
};
#define NEVER (INT64_MIN / 2)

static void begin(struct corr_window *window)
{
	uint32_t places = window->rule->rule->rule_count;
	struct order *order = mr_malloc(sizeof(*order) + places * sizeof(order->latest[0]));
	order->comes = mr_calloc(window->rule->step_count, sizeof(*order->comes));
	for (uint32_t i = 0; i < places; i++)
		order->latest[i] = NEVER;
	window->state = order;
}

static void enter(struct corr_window *window, uint32_t from, uint32_t to)
{
	const struct corr_rule *rule = window->rule;
	struct order *order = window->state;
	order->now = corr_seat_time(window, from);
	for (uint32_t i = from; i < to; i++)
		order->comes[corr_step_of_id(&corr_seat(window, i)->id)] = true;
	for (uint32_t i = 0; i < rule->rule->rule_count; i++) {
		int64_t start = i == 0 ? order->now : order->latest[i - 1];
		if (order->comes[rule->step[i]] && start > order->latest[i])
			order->latest[i] = start;
	}
	memset(order->comes, 0, rule->step_count * sizeof(*order->comes));
}

static bool compare(const struct corr_window *window, const struct mr_condition_part *part,
		    int *order_out)
{
	const struct corr_rule *rule = window->rule;
	const struct order *order = window->state;
	bool whole = order->latest[rule->rule->rule_count - 1] >= order->now - rule->span_us;
	int64_t steps = whole ? rule->step_count : 0;
	*order_out = (steps > part->count) - (steps < part->count);
	return true;
}

static void end(struct corr_window *window)
{
	struct order *order = window->state;
	free(order->comes);
	free(order);
}

static const struct corr_measure measure = {
    .begin = begin, .enter = enter, .compare = compare, .end = end};

const struct corr_kind corr_temporal_ordered = {
    .things = corr_rule_things,
    .measure = &measure,
    .at_once = &corr_in_order_way,
};
