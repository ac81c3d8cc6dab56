/* judge.c - the windows that end in a slot, one after the other, each as its measure finds it.
 *
 * The window of an occurrence is [t - span, t]: it begins in the slot before. As its end moves on
 * from one time to the next, what comes in and what goes out is told to the measure, and the
 * condition is asked. Called by settle.c and fire.c; never fails. */
#include "measure.h"

#include <stdlib.h>

struct ranked {
	struct corr_id id;
	uint32_t seat;
};

static int by_id(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	return corr_id_compare(&x->id, &y->id);
}

static void ranks_give(struct corr_window *window)
{
	struct ranked *all = mr_malloc((window->count + (size_t)1) * sizeof(*all));
	for (uint32_t i = 0; i < window->count; i++)
		all[i] = (struct ranked){window->seats[i].mark->id, i};
	if (window->count > 1)
		qsort(all, window->count, sizeof(*all), by_id);
	for (uint32_t i = 0; i < window->count; i++) {
		window->ranks += i == 0 || !corr_id_equal(&all[i - 1].id, &all[i].id);
		window->seats[all[i].seat].rank = window->ranks - 1;
	}
	free(all);
}

/* Those from this offset on; `shift` later than they stand. */
static void seats_take(struct corr_window *window, const struct corr_slot *slot, int64_t from,
		       int64_t shift)
{
	const struct corr_marks *marks = &slot->settled->marks;
	for (uint32_t i = corr_marks_from(marks, from); i < marks->count; i++)
		window->seats[window->count++] =
		    (struct corr_seat){.mark = &marks->at[i],
				       .text = corr_mark_text(marks, &marks->at[i]),
				       .time = marks->at[i].offset + shift};
}

static struct corr_marks *marks_of(const struct corr_slot *slot)
{
	if (slot == NULL || slot->settled == NULL)
		return NULL;
	corr_marks_sort(&slot->settled->marks);
	return &slot->settled->marks;
}

/* Gives the first seat of the slot itself. */
static uint32_t window_open(struct corr_window *window, const struct corr_slot *slot)
{
	const struct corr_marks *now = marks_of(slot), *before = marks_of(slot->previous);
	size_t room = now->count + (size_t)(before == NULL ? 0 : before->count);
	window->seats = mr_malloc((room + 1) * sizeof(*window->seats));
	if (before != NULL)
		seats_take(window, slot->previous, now->at[0].offset, -window->rule->span_us);
	uint32_t first = window->count;
	seats_take(window, slot, 0, 0);
	ranks_give(window);
	window->rule->kind->measure->begin(window);
	return first;
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
	uint32_t to = from + 1;
	while (to < window->count && window->seats[to].time == window->seats[from].time)
		to++;
	window->rule->kind->measure->enter(window, from, to);
	return to;
}

void corr_judge(const struct corr_rule *rule, const struct corr_slot *slot,
		bool (*look)(void *context, const struct corr_judged *judged), void *context)
{
	const struct corr_measure *measure = rule->kind->measure;
	struct corr_window window = {.rule = rule};
	const struct corr_marks *marks = marks_of(slot);
	if (marks == NULL || marks->count == 0)
		return;
	uint32_t first = window_open(&window, slot), head = 0, at = 0;
	while (at < first)
		at = enter(&window, at);
	for (bool more = true; at < window.count && more;) {
		int64_t time = window.seats[at].time;
		for (; window.seats[head].time < time - rule->span_us; head++)
			if (measure->leave != NULL)
				measure->leave(&window, head);
		at = enter(&window, at);
		struct corr_judged judged = {&window, time, holds(&window)};
		more = look(context, &judged);
	}
	measure->end(&window);
	free(window.seats);
}
