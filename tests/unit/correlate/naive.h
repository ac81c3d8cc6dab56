/* naive.h - correlation straight from its definition (PROTOCOL.md 6.1 to 6.4), quadratic, sharing
 * nothing with the stage: for each occurrence, gather its window and judge it. */
#ifndef MILLRACE_TEST_NAIVE_H
#define MILLRACE_TEST_NAIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "millrace/rule.h"

#define NAIVE_VALUES 3
#define NAIVE_IDS 65536
#define NAIVE_NUMBER 32 /* bytes of one as a text */

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
	uint32_t threshold;                /* where there are no parts: so many, or more */
	struct mr_condition_part parts[2]; /* of the kinds over numbers `count` is in halves */
	uint32_t part_count;
	uint8_t percentile;
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

static int64_t naive_count(const struct naive_window *window)
{
	static uint32_t seen[NAIVE_IDS], round;
	int64_t count = 0;
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

/* ---- numbers ---- */

/* A value as a number, in halves: -20 to 20. */
static int64_t naive_halves(uint32_t value)
{
	return (int64_t)(value * 37 % 41) - 20;
}

static void naive_number(int64_t halves, char out[NAIVE_NUMBER])
{
	snprintf(out, NAIVE_NUMBER, "%s%lld%s", halves < 0 ? "-" : "", (long long)llabs(halves) / 2,
		 halves % 2 != 0 ? ".5" : "");
}

static void naive_text(const struct naive_occurrence *one, char out[NAIVE_NUMBER * NAIVE_VALUES])
{
	*out = '\0';
	for (uint32_t v = 0; v < one->value_count; v++) {
		if (v > 0)
			strcat(out, " ");
		naive_number(naive_halves(one->values[v]), out + strlen(out));
	}
}

/* Whether another copy of its record in the window holds instead of it. */
static bool naive_beaten(const struct naive_window *window, size_t i)
{
	const struct naive_occurrence *one = &window->all[i];
	char text[NAIVE_NUMBER * NAIVE_VALUES], other_text[NAIVE_NUMBER * NAIVE_VALUES];
	naive_text(one, text);
	for (size_t k = 0; k < window->count; k++) {
		const struct naive_occurrence *other = &window->all[k];
		if (k == i || other->id != one->id || other->value_count == 0 ||
		    !naive_holds(window, k))
			continue;
		naive_text(other, other_text);
		int order = strcmp(other_text, text);
		if (other->time < one->time ||
		    (other->time == one->time && (order < 0 || (order == 0 && k < i))))
			return true;
	}
	return false;
}

static int naive_by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* In halves, times *scale_out; 0 of them is no value. */
static size_t naive_value(const struct naive_window *window, int64_t *value_out, int64_t *scale_out)
{
	static int64_t numbers[NAIVE_IDS];
	size_t count = 0;
	int64_t sum = 0;
	for (size_t i = 0; i < window->count; i++) {
		if (!naive_holds(window, i) || naive_beaten(window, i))
			continue;
		for (uint32_t v = 0; v < window->all[i].value_count; v++)
			sum += numbers[count++] = naive_halves(window->all[i].values[v]);
	}
	qsort(numbers, count, sizeof(numbers[0]), naive_by_number);
	*scale_out = 1;
	if (count == 0)
		return 0;
	switch (window->rule->type) {
	case MR_CORRELATION_VALUE_AVG:
		*scale_out = (int64_t)count;
		*value_out = sum;
		break;
	case MR_CORRELATION_VALUE_PERCENTILE:
		*value_out = numbers[(count * window->rule->percentile + 99) / 100 - 1];
		break;
	case MR_CORRELATION_VALUE_MEDIAN:
		*scale_out = 2;
		*value_out = numbers[(count - 1) / 2] + numbers[count / 2];
		break;
	default:
		*value_out = sum;
		break;
	}
	return count;
}

static bool naive_has_field(enum mr_correlation_type type)
{
	return type != MR_CORRELATION_EVENT_COUNT && type != MR_CORRELATION_TEMPORAL &&
	       type != MR_CORRELATION_TEMPORAL_ORDERED;
}

static bool naive_adds_up(enum mr_correlation_type type)
{
	return naive_has_field(type) && type != MR_CORRELATION_VALUE_COUNT;
}

static bool naive_part(const struct mr_condition_part *part, int64_t value, int64_t scale)
{
	int64_t wanted = part->count * scale;
	return part->op == MR_GTE   ? value >= wanted
	       : part->op == MR_GT  ? value > wanted
	       : part->op == MR_LTE ? value <= wanted
	       : part->op == MR_LT  ? value < wanted
	       : part->op == MR_EQ  ? value == wanted
				    : value != wanted;
}

static bool naive_completes(const struct naive_window *window)
{
	const struct naive_rule *rule = window->rule;
	int64_t value, scale = 1;
	if (naive_adds_up(rule->type)) {
		if (naive_value(window, &value, &scale) == 0)
			return false;
	} else {
		value = naive_count(window);
	}
	bool holds = rule->part_count > 0 || value >= rule->threshold;
	for (uint32_t i = 0; i < rule->part_count; i++)
		holds &= naive_part(&rule->parts[i], value, scale);
	return holds;
}

/* Judge every occurrence of one key. */
static void naive_judge(const struct naive_rule *rule, struct naive_occurrence *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct naive_window window = {rule, all, count, all[i].time - rule->span,
					      all[i].time};
		if (naive_has_field(rule->type) && all[i].value_count == 0)
			all[i].completes = false;
		else if (rule->type == MR_CORRELATION_TEMPORAL_ORDERED)
			all[i].completes = naive_chain(&window, 0, window.from);
		else
			all[i].completes = naive_completes(&window);
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

/* ---- a condition at random ---- */

/* One or two operators, for `next` numbers; the program's parts, whose numbers lie in `arena`. */
static inline uint32_t naive_condition(struct naive_rule *rule,
				       uint32_t (*next)(uint64_t *, uint32_t), uint64_t *random,
				       struct mr_arena *arena, struct mr_condition_part out[2])
{
	bool adds_up = naive_adds_up(rule->type);
	rule->part_count = 1 + next(random, 2);
	if (rule->type == MR_CORRELATION_VALUE_PERCENTILE)
		rule->percentile = (uint8_t)(1 + next(random, 99));
	for (uint32_t i = 0; i < rule->part_count; i++) {
		struct mr_condition_part *part = &rule->parts[i];
		char number[NAIVE_NUMBER];
		*part = (struct mr_condition_part){.op = (enum mr_compare)next(random, 6)};
		part->count =
		    adds_up ? (int64_t)next(random, 41) - 20 : 1 + (int64_t)next(random, 5);
		out[i] = *part;
		if (!adds_up)
			continue;
		naive_number(part->count, number);
		out[i].count = 0;
		out[i].number.len = strlen(number);
		out[i].number.at = mr_arena_copy(arena, number, out[i].number.len);
	}
	return rule->part_count;
}

#endif
