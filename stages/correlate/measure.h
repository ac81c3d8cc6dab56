/* measure.h - the windows of a slot that has settled, and what each of them comes to.
 *
 * judge.c leads a window through the slot, from one time to the next, and tells the kind's measure
 * what comes in and what goes out; the measure then compares. It sees no more than seats: whatever
 * else an occurrence was is no matter. Nothing here fails. */
#ifndef MILLRACE_CORRELATE_MEASURE_H
#define MILLRACE_CORRELATE_MEASURE_H

#include "state.h"

#include "millrace/number.h"

/* A window over marks, on its way through a slot. */
struct corr_seat {
	const struct corr_mark *mark;
	struct mr_slice text;
	int64_t time;  /* from the start of the slot that is judged */
	uint32_t rank; /* the same for the same id */
};
struct corr_window {
	const struct corr_rule *rule;
	struct corr_seat
	    *seats; /* of the slot before, then of the slot, by time, id, source, text */
	uint32_t count;
	uint32_t ranks;
	void *state; /* the measure's */
};

/* What a window comes to. */
struct corr_measure {
	void (*begin)(struct corr_window *window);
	/* These have one time, which is later than all before. */
	void (*enter)(struct corr_window *window, uint32_t from, uint32_t to);
	/* The earliest of those in the window. NULL: the measure forgets by itself. */
	void (*leave)(struct corr_window *window, uint32_t seat);
	/* How it stands to the part's number: negative, 0, positive. False where there is nothing
	 * to compare. */
	bool (*compare)(const struct corr_window *window, const struct mr_condition_part *part,
			int *order_out);
	/* What it comes to, in decimal, appended; nothing where there is nothing to compare. NULL:
	 * no number. */
	void (*say)(const struct corr_window *window, struct mr_buf *out);
	void (*end)(struct corr_window *window);
};
extern const struct corr_measure corr_distinct_measure;

/* ---- judge.c ---- */

/* One that ends at an offset of the slot. */
struct corr_judged {
	const struct corr_window *window;
	int64_t offset;
	bool holds; /* its condition is met */
};
/* Calls `look` for each, in order, until it says no. */
void corr_judge(const struct corr_rule *rule, const struct corr_slot *slot,
		bool (*look)(void *context, const struct corr_judged *judged), void *context);

/* ---- numbers.c ---- */

/* What the kinds over numbers share; a record's numbers are there once, those of its earliest
 * copy. */
bool corr_numbers_take(const struct mr_signal *signal);
void corr_numbers_things(struct corr *corr, const struct corr_rule *rule,
			 struct corr_occurrence *occurrence);
void corr_numbers_begin(struct corr_window *window);
void corr_numbers_begin_by_order(struct corr_window *window);
void corr_numbers_enter(struct corr_window *window, uint32_t from, uint32_t to);
void corr_numbers_leave(struct corr_window *window, uint32_t seat);
void corr_numbers_end(struct corr_window *window);
/* How many there are, what they come to, and, begun by order, the nth smallest from 1. */
uint64_t corr_numbers_count(const struct corr_window *window);
const struct mr_sum *corr_numbers_sum(const struct corr_window *window);
struct mr_slice corr_numbers_nth(const struct corr_window *window, uint64_t n);
/* The sum divided, in decimal. */
void corr_numbers_say(const struct mr_sum *sum, uint64_t by, struct mr_buf *out);
/* The rows of such a kind: they differ in how a window begins, and in what is compared. */
#define CORR_MEASURE_OF_NUMBERS(BEGIN)                                                             \
	{                                                                                          \
		.begin = (BEGIN), .enter = corr_numbers_enter, .leave = corr_numbers_leave,        \
		.compare = compare, .say = say, .end = corr_numbers_end                            \
	}
#define CORR_KIND_OF_NUMBERS(MEASURE)                                                              \
	{                                                                                          \
		.takes = corr_numbers_take, .things = corr_numbers_things, .adds_up = true,        \
		.measure = (MEASURE)                                                               \
	}

#endif
