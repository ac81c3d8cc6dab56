/* nearest.c - of the numbers in a window the one nearest to a part's number, on one side of it.
 *
 * A heap of the seats that came to hold since it is asked for. One that has left the window is
 * found and forgotten when it comes to the top, so each costs its place in the heap once. A seat
 * is known by its number as a float, which is never in another order than the numbers are, and by
 * its text where those are alike. Called by numbers.c; never fails. */
#include "measure.h"

#include <stdlib.h>

struct place {
	float about;
	uint32_t seat;
};
_Static_assert(sizeof(struct place) == CORR_NEAREST_SEAT_BYTES, "what measure.h says");

struct corr_nearest {
	const struct corr_window *window;
	const struct mr_condition_part *part;
	int side;
	uint32_t count;
	struct place places[]; /* the nearest first; room for all seats */
};

/* Whether `a` is the nearer one; both are on the side. */
static bool is_nearer(const struct corr_nearest *nearest, struct mr_slice a, struct mr_slice b)
{
	int order = mr_number_compare(a, b);
	return nearest->side < 0 ? order > 0 : order < 0;
}

/* Of the seat's numbers the nearest one; false where none is on the side. */
static bool number_of(const struct corr_nearest *nearest, uint32_t seat, struct mr_slice *out)
{
	struct mr_slice number, text = corr_seat_text(nearest->window, seat);
	bool found = false;
	while (corr_number_next(&text, &number)) {
		if (mr_number_compare(number, nearest->part->number) != nearest->side ||
		    (found && !is_nearer(nearest, number, *out)))
			continue;
		*out = number;
		found = true;
	}
	return found;
}

static bool is_before(const struct corr_nearest *nearest, const struct place *a,
		      const struct place *b)
{
	struct mr_slice x, y;
	if (a->about != b->about)
		return nearest->side < 0 ? a->about > b->about : a->about < b->about;
	return number_of(nearest, a->seat, &x) && number_of(nearest, b->seat, &y) &&
	       is_nearer(nearest, x, y);
}

void corr_nearest_add(struct corr_nearest *nearest, uint32_t seat)
{
	char copy[MR_NUMBER_TEXT_MAX + 1] = {0};
	struct mr_slice number;
	if (!number_of(nearest, seat, &number))
		return;
	memcpy(copy, number.at, number.len); /* one that fits: signals and state are asked first */
	struct place place = {strtof(copy, NULL), seat}, *places = nearest->places;
	uint32_t at = nearest->count++;
	for (; at > 0 && is_before(nearest, &place, &places[(at - 1) / 2]); at = (at - 1) / 2)
		places[at] = places[(at - 1) / 2];
	places[at] = place;
}

static void first_forget(struct corr_nearest *nearest)
{
	struct place *places = nearest->places, last = places[--nearest->count];
	uint32_t at = 0;
	for (uint64_t child = 1; child < nearest->count; child = 2 * (uint64_t)at + 1) {
		if (child + 1 < nearest->count &&
		    is_before(nearest, &places[child + 1], &places[child]))
			child++;
		if (!is_before(nearest, &places[child], &last))
			break;
		places[at] = places[child];
		at = (uint32_t)child;
	}
	places[at] = last;
}

struct corr_nearest *corr_nearest_new(const struct corr_window *window,
				      const struct mr_condition_part *part, int side)
{
	struct corr_nearest *nearest =
	    mr_malloc(sizeof(*nearest) + window->count * sizeof(nearest->places[0]));
	*nearest = (struct corr_nearest){.window = window, .part = part, .side = side};
	for (uint32_t i = 0; i < window->count; i++)
		if (corr_numbers_hold(window, i))
			corr_nearest_add(nearest, i);
	return nearest;
}

void corr_nearest_free(struct corr_nearest *nearest)
{
	free(nearest);
}

struct mr_slice corr_nearest_first(struct corr_nearest *nearest)
{
	struct mr_slice number = MR_SLICE("");
	while (!corr_numbers_hold(nearest->window, nearest->places[0].seat))
		first_forget(nearest);
	number_of(nearest, nearest->places[0].seat, &number);
	return number;
}
