/* naive.h - correlation straight from its definition (PROTOCOL.md 6.1 to 6.4), quadratic, sharing
 * nothing with the stage: for each occurrence, gather its window and judge it. */
#ifndef MILLRACE_TEST_NAIVE_H
#define MILLRACE_TEST_NAIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "millrace/rule.h"

#define NAIVE_VALUES 3
#define NAIVE_IDS 65536

struct naive_occurrence {
	uint32_t rule; /* a number that stands in naive_rule.list */
	uint32_t id;   /* what event_count counts: one number for each record */
	int64_t time;
	uint32_t values[NAIVE_VALUES]; /* numbers of distinct values; none: no occurrence */
	uint32_t value_count;
	bool completes;
};

struct naive_rule {
	enum mr_correlation_type type;
	uint32_t list[4];
	uint32_t list_count;
	int64_t span;
	uint32_t threshold;
};

struct naive_window {
	const struct naive_rule *rule;
	const struct naive_occurrence *all;
	size_t count;
	int64_t from, to;
};

static bool naive_holds(const struct naive_window *window, size_t i)
{
	return window->all[i].time >= window->from && window->all[i].time <= window->to;
}

static bool naive_chain(const struct naive_window *window, uint32_t step, int64_t from)
{
	if (step == window->rule->list_count)
		return true;
	for (size_t i = 0; i < window->count; i++) {
		const struct naive_occurrence *next = &window->all[i];
		if (naive_holds(window, i) && next->rule == window->rule->list[step] &&
		    next->time >= from && naive_chain(window, step + 1, next->time))
			return true;
	}
	return false;
}

static bool naive_first_seen(uint32_t *seen, uint32_t id, uint32_t round)
{
	bool first = seen[id] != round;
	seen[id] = round;
	return first;
}

static uint32_t naive_count(const struct naive_window *window)
{
	static uint32_t seen[NAIVE_IDS], round;
	uint32_t count = 0;
	round++;
	for (size_t i = 0; i < window->count; i++) {
		const struct naive_occurrence *one = &window->all[i];
		if (!naive_holds(window, i))
			continue;
		if (window->rule->type == MR_CORRELATION_EVENT_COUNT)
			count += naive_first_seen(seen, one->id, round);
		else if (window->rule->type == MR_CORRELATION_TEMPORAL)
			count += naive_first_seen(seen, one->rule, round);
		else
			for (uint32_t v = 0; v < one->value_count; v++)
				count += naive_first_seen(seen, one->values[v], round);
	}
	return count;
}

/* Judge every occurrence of one key. */
static void naive_judge(const struct naive_rule *rule, struct naive_occurrence *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct naive_window window = {rule, all, count, all[i].time - rule->span,
					      all[i].time};
		if (rule->type == MR_CORRELATION_VALUE_COUNT && all[i].value_count == 0)
			all[i].completes = false;
		else if (rule->type == MR_CORRELATION_TEMPORAL_ORDERED)
			all[i].completes = naive_chain(&window, 0, window.from);
		else
			all[i].completes = naive_count(&window) >= rule->threshold;
	}
}

static int64_t naive_slot(const struct naive_rule *rule, int64_t time)
{
	int64_t slot = 0;
	while (slot * rule->span > time)
		slot--;
	while ((slot + 1) * rule->span <= time)
		slot++;
	return slot;
}

#endif
