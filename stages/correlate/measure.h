/* measure.h - the windows of a slot that has settled, and what each of them comes to.
 *
 * judge.c leads a window through the slot, from one time to the next, and tells the kind's measure
 * what comes in and what goes out; the measure then compares. It sees no more than seats: whatever
 * else an occurrence was is no matter. Nothing here fails. */
#ifndef MILLRACE_CORRELATE_MEASURE_H
#define MILLRACE_CORRELATE_MEASURE_H

#include "state.h"

#include "millrace/number.h"

/* A window over marks, on its way through a slot. Its seats are those of the slot before that a
 * window may hold, then those of the slot, by time, id, source, text. */
struct corr_window {
	const struct corr_rule *rule;
	const struct corr_mark *before, *now; /* the first of either */
	const struct corr_marks *marks_before, *marks_now;
	uint32_t first; /* of the slot itself */
	uint32_t count;
	uint32_t *rank; /* of each seat: the same for the same id */
	uint32_t ranks;
	void *state; /* the measure's */
};
static inline const struct corr_mark *corr_seat(const struct corr_window *window, uint32_t seat)
{
	return seat < window->first ? &window->before[seat] : &window->now[seat - window->first];
}
/* From the start of the slot that is judged. */
static inline int64_t corr_seat_time(const struct corr_window *window, uint32_t seat)
{
	int64_t offset = corr_seat(window, seat)->offset;
	return seat < window->first ? offset - window->rule->span_us : offset;
}
static inline struct mr_slice corr_seat_text(const struct corr_window *window, uint32_t seat)
{
	return corr_mark_text(seat < window->first ? window->marks_before : window->marks_now,
			      corr_seat(window, seat));
}

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
	uint32_t seat_bytes; /* that it takes at most for each seat, and part of the condition */
	uint32_t say_bytes;  /* for each seat, to say something */
};
extern const struct corr_measure corr_distinct_measure;

/* ---- judge.c ---- */

/* The bytes that judging the slot, or counting in it, takes at most meanwhile; also where the
 * measure says what windows come to. */
size_t corr_judge_bytes(const struct corr_slot *slot, bool says);
/* One that ends at an offset of the slot. */
struct corr_judged {
	const struct corr_window *window;
	int64_t offset;
	bool holds; /* its condition is met */
};
/* Calls `look` for each that ends in the range, in order, until it says no. */
void corr_judge(const struct corr_slot *slot, struct corr_range range,
		bool (*look)(void *context, const struct corr_judged *judged), void *context);
/* Distinct things of the slot, and of the one before from this offset on. */
uint64_t corr_judge_count(const struct corr_slot *slot, int64_t from);

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
/* True for the first number, or the next one behind it, of a seat's text. */
bool corr_number_next(struct mr_slice *rest, struct mr_slice *number_out);
/* How many there are, what they come to, and, begun by order, whether the nth smallest, from 1, is
 * less than the part's number, equal or greater. */
uint64_t corr_numbers_count(const struct corr_window *window);
const struct mr_sum *corr_numbers_sum(const struct corr_window *window);
int corr_numbers_nth(const struct corr_window *window, const struct mr_condition_part *part,
		     uint64_t n);
/* Of those that are less, or greater, the one nearest to the part's number; there is one. */
struct mr_slice corr_numbers_nearest(const struct corr_window *window,
				     const struct mr_condition_part *part, int side);
/* The nth smallest itself. */
struct mr_slice corr_numbers_find(const struct corr_window *window, uint64_t n);
/* The sum divided, in decimal. */
void corr_numbers_say(const struct mr_sum *sum, uint64_t by, struct mr_buf *out);
/* Whether the seat's numbers are those of its record. */
bool corr_numbers_hold(const struct corr_window *window, uint32_t seat);

/* ---- nearest.c ---- */

/* Of the seats in a window those with a number on one side of a part's number. */
struct corr_nearest;
struct corr_nearest *corr_nearest_new(const struct corr_window *window,
				      const struct mr_condition_part *part, int side);
void corr_nearest_free(struct corr_nearest *nearest);
/* A seat holds from now on. */
void corr_nearest_add(struct corr_nearest *nearest, uint32_t seat);
/* The number nearest to the part's. Seats that hold no more are forgotten. */
struct mr_slice corr_nearest_first(struct corr_nearest *nearest);
#define CORR_NEAREST_SEAT_BYTES 8

/* ---- order.c ---- */

/* The numbers in a window, in order. */
struct corr_order;
/* Of those that hold now. */
struct corr_order *corr_order_new(const struct corr_window *window);
void corr_order_free(struct corr_order *order);
/* A seat holds from now on, or no more. */
void corr_order_count(struct corr_order *order, uint32_t seat, bool comes);
/* The nth smallest, from 1; there are so many. */
struct mr_slice corr_order_nth(const struct corr_order *order, uint64_t n);
#define CORR_ORDER_SEAT_BYTES 44

/* The rows of such a kind: they differ in how a window begins, and in what that takes. */
#define CORR_NUMBERS_SEAT_BYTES 9
#define CORR_MEASURE_OF_NUMBERS(BEGIN, MORE_BYTES, SAY_BYTES)                                      \
	{                                                                                          \
		.begin = (BEGIN), .enter = corr_numbers_enter, .leave = corr_numbers_leave,        \
		.compare = compare, .say = say, .end = corr_numbers_end,                           \
		.seat_bytes = CORR_NUMBERS_SEAT_BYTES + (MORE_BYTES), .say_bytes = (SAY_BYTES)     \
	}
#define CORR_KIND_OF_NUMBERS(MEASURE)                                                              \
	{                                                                                          \
		.takes = corr_numbers_take, .things = corr_numbers_things, .adds_up = true,        \
		.measure = (MEASURE)                                                               \
	}

#endif
