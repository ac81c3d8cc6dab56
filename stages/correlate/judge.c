/* judge.c - the windows that end in a slot, one after the other, each as its measure finds it.
 *
 * The window of an occurrence is [t - span, t]: it begins in the slot before. As its end moves on
 * from one time to the next, what comes in and what goes out is told to the measure, and the
 * condition is asked. Nothing is put in order and nothing copied: an occurrence costs the same
 * however many there are, and so many bytes meanwhile as corr_judge_bytes says. Called by settle.c;
 * never fails. */
#include "measure.h"

#include <stdlib.h>

#include "millrace/alive.h"

#define ALIVE_SEATS 16384 /* between two signs of life */

/* ---- which are the same ---- */

/* At least half as many places more than seats. */
static uint32_t places_for(uint32_t seats)
{
	uint32_t places = 8;
	while (places < UINT32_MAX / 2 && places / 3 * 2 < seats)
		places *= 2;
	return places;
}

static uint32_t *place_of(const struct corr_window *window, uint32_t *places, uint32_t mask,
			  uint32_t seat)
{
	const struct corr_id *id = &corr_seat(window, seat)->id;
	/* The few ids of steps are no hashes. */
	uint32_t at = (uint32_t)(corr_id_keyed(id) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
	while (places[at] != 0 && !corr_id_equal(&corr_seat(window, places[at] - 1)->id, id))
		at = (at + 1) & mask;
	return &places[at];
}

static void ranks_give(struct corr_window *window)
{
	uint32_t count = places_for(window->count);
	uint32_t *places = mr_calloc(count, sizeof(*places));
	window->rank = mr_malloc((window->count + (size_t)1) * sizeof(*window->rank));
	for (uint32_t i = 0; i < window->count; i++) {
		uint32_t *place = place_of(window, places, count - 1, i);
		window->rank[i] = *place == 0 ? window->ranks++ : window->rank[*place - 1];
		if (*place == 0)
			*place = i + 1;
		if (i % ALIVE_SEATS == 0)
			mr_alive();
	}
	free(places);
}

/* ---- the window ---- */

static const struct corr_marks *marks_of(const struct corr_slot *slot)
{
	if (slot == NULL || slot->settled == NULL)
		return NULL;
	corr_marks_sort(&slot->settled->marks);
	return &slot->settled->marks;
}

/* Of the slot before those from an offset on, of the slot those up to another. */
static void window_open(struct corr_window *window, const struct corr_slot *slot,
			struct corr_range range)
{
	const struct corr_marks *now = marks_of(slot), *before = marks_of(slot->previous);
	*window =
	    (struct corr_window){.rule = slot->key->rule, .marks_before = before, .marks_now = now};
	if (before != NULL && before->count > 0) {
		uint32_t from = corr_marks_from(before, range.from);
		window->before = before->at + from;
		window->first = before->count - from;
	}
	window->now = now->at;
	window->count = window->first + corr_marks_from(now, range.to + 1);
	ranks_give(window);
}

static bool holds(const struct corr_window *window)
{
	const struct corr_rule *rule = window->rule;
	for (uint32_t i = 0; i < rule->part_count; i++) {
		int order;
		if (!rule->kind->measure->compare(window, &rule->parts[i], &order) ||
		    !mr_compare_holds(rule->parts[i].op, order))
			return false;
	}
	return true;
}

/* The seats of one time; gives the first behind them. */
static uint32_t enter(struct corr_window *window, uint32_t from)
{
	int64_t time = corr_seat_time(window, from);
	uint32_t to = from + 1;
	while (to < window->count && corr_seat_time(window, to) == time)
		to++;
	window->rule->kind->measure->enter(window, from, to);
	if (from / ALIVE_SEATS != to / ALIVE_SEATS)
		mr_alive();
	return to;
}

size_t corr_judge_bytes(const struct corr_slot *slot, bool says)
{
	const struct corr_rule *rule = slot->key->rule;
	const struct corr_measure *measure = rule->kind->measure;
	const struct corr_slot *before = slot->previous;
	size_t seats = slot->settled->marks.count;
	if (before != NULL && before->settled != NULL)
		seats += before->settled->marks.count;
	size_t bytes = rule->part_count * (size_t)measure->seat_bytes * seats;
	bytes += says ? (size_t)measure->say_bytes * seats : 0;
	size_t places = places_for((uint32_t)seats) * sizeof(uint32_t);
	return seats * sizeof(uint32_t) + (bytes > places ? bytes : places);
}

void corr_judge(const struct corr_slot *slot, struct corr_range range,
		bool (*look)(void *context, const struct corr_judged *judged), void *context)
{
	const struct corr_measure *measure = slot->key->rule->kind->measure;
	const struct corr_marks *marks = marks_of(slot);
	uint32_t asked = marks == NULL ? 0 : corr_marks_from(marks, range.from);
	if (marks == NULL || asked == marks->count || marks->at[asked].offset > range.to)
		return;
	struct corr_window window;
	range.from = marks->at[asked].offset;
	window_open(&window, slot, range);
	measure->begin(&window);
	uint32_t head = 0, at = 0;
	while (at < window.first + asked)
		at = enter(&window, at);
	for (bool more = true; at < window.count && more;) {
		int64_t time = corr_seat_time(&window, at);
		for (; corr_seat_time(&window, head) < time - window.rule->span_us; head++)
			if (measure->leave != NULL)
				measure->leave(&window, head);
		at = enter(&window, at);
		struct corr_judged judged = {&window, time, holds(&window)};
		more = look(context, &judged);
	}
	measure->end(&window);
	free(window.rank);
}

uint64_t corr_judge_count(const struct corr_slot *slot, int64_t from)
{
	struct corr_window window;
	if (slot->settled == NULL)
		return 0;
	window_open(&window, slot, (struct corr_range){from, slot->key->rule->span_us - 1});
	free(window.rank);
	return window.ranks;
}
