/* held.c - how many distinct things each window holds that ends in a slot, kept up to date in
 * logarithmic time.
 *
 * As the end of the window moves through the slot, that number changes where a thing of the slot
 * begins to count (its first offset), and behind the last offset of a thing of the slot before. A
 * treap of those offsets keeps the change at each, and for each subtree the largest number at any
 * offset that is asked about: where an occurrence waits to complete, or (start) where the slot
 * would fire. So one path says whether the condition has come to hold anywhere, and where first;
 * what is found is asked about no more, so that each occurrence is found once. Priorities are
 * random: the offsets are an attacker's.
 *
 * Points are not taken out; the tree begins anew when it has come to twice what it needs. For
 * temporal_ordered, which has its own way to know what holds, it only keeps what waits in order.
 * Called by window.c, feed.c, temporal_ordered.c and snapshot.c; never fails. */
#include "state.h"

#include <stdlib.h>

#define NOWHERE (INT64_MIN / 4) /* no offset is asked about */

static bool is_asked(const struct corr_point *point)
{
	return point->waiting != NULL || point->start;
}

static inline int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What the point says of its subtree, from its children. */
static void pull(struct corr_held *held, uint32_t at)
{
	struct corr_point *point = &held->points[at];
	const struct corr_point *left = &held->points[point->left];
	const struct corr_point *right = &held->points[point->right];
	int64_t here = left->sum + point->delta;
	point->sum = here + right->sum;
	point->best = larger(left->best, is_asked(point) ? here : NOWHERE);
	if (right->best != NOWHERE)
		point->best = larger(point->best, here + right->best);
}

static uint32_t point_new(struct corr *corr, struct corr_held *held, int64_t offset)
{
	corr->random ^= corr->random << 13;
	corr->random ^= corr->random >> 7;
	corr->random ^= corr->random << 17;
	held->points[held->count] =
	    (struct corr_point){.offset = offset, .priority = (uint32_t)(corr->random >> 32)};
	return held->count++;
}

static void apply(struct corr_held *held, uint32_t at, const struct corr_touch *touch)
{
	struct corr_point *point = &held->points[at];
	point->delta += touch->delta;
	point->start |= touch->start;
	if (touch->item != NULL) {
		touch->item->next = point->waiting;
		point->waiting = touch->item;
	}
	pull(held, at);
}

/* The subtree with the touch in it; gives its new root. */
static uint32_t touched(struct corr *corr, struct corr_held *held, uint32_t at,
			const struct corr_touch *touch)
{
	if (at == 0)
		at = point_new(corr, held, touch->offset);
	struct corr_point *point = &held->points[at];
	if (touch->offset == point->offset) {
		apply(held, at, touch);
		return at;
	}
	bool left = touch->offset < point->offset;
	uint32_t child = touched(corr, held, left ? point->left : point->right, touch);
	struct corr_point *below = &held->points[child];
	*(left ? &point->left : &point->right) = child;
	if (below->priority <= point->priority) {
		pull(held, at);
		return at;
	}
	*(left ? &point->left : &point->right) = left ? below->right : below->left;
	*(left ? &below->right : &below->left) = at;
	pull(held, at);
	pull(held, child);
	return child;
}

void corr_held_touch(struct corr *corr, struct corr_held *held, const struct corr_touch *touch)
{
	if (held->count == held->capacity) { /* before the walk: it holds pointers */
		held->capacity *= 2;
		held->points = mr_realloc(held->points, held->capacity * sizeof(*held->points));
	}
	held->root = touched(corr, held, held->root, touch);
	if (touch->item != NULL) {
		held->waiting++;
		held->waiting_bytes += corr_item_bytes(touch->item);
	}
}

/* `before`: the number before the subtree. */
static bool taken(struct corr_held *held, uint32_t at, int64_t before, const struct corr_want *want,
		  struct corr_point *out)
{
	struct corr_point *point = &held->points[at];
	if (point->best == NOWHERE || before + point->best < want->least)
		return false;
	int64_t here = before + held->points[point->left].sum + point->delta;
	bool found =
	    point->offset > want->range.from && taken(held, point->left, before, want, out);
	if (!found && is_asked(point) && here >= want->least && point->offset >= want->range.from &&
	    point->offset <= want->range.to) {
		found = true;
		*out = *point;
		point->waiting = NULL;
		point->start = false;
	}
	if (!found && point->offset < want->range.to)
		found = taken(held, point->right, here, want, out);
	if (found)
		pull(held, at);
	return found;
}

bool corr_held_take(struct corr_held *held, const struct corr_want *want,
		    struct corr_point *point_out)
{
	if (!taken(held, held->root, held->base, want, point_out))
		return false;
	for (const struct corr_item *item = point_out->waiting; item != NULL; item = item->next) {
		held->waiting--;
		held->waiting_bytes -= corr_item_bytes(item);
	}
	return true;
}

static void list(const struct corr_held *held, uint32_t at, struct corr_item ***end)
{
	if (at == 0)
		return;
	list(held, held->points[at].left, end);
	for (struct corr_item *item = held->points[at].waiting; item != NULL; item = item->next)
		*(*end)++ = item;
	list(held, held->points[at].right, end);
}

void corr_held_list(const struct corr_held *held, struct corr_item **out)
{
	list(held, held->root, &out);
}

static void make_empty(struct corr_held *held)
{
	held->points[0] = (struct corr_point){.best = NOWHERE};
	held->count = 1;
	held->root = 0;
	held->base = 0;
	held->waiting = 0;
	held->waiting_bytes = 0;
	held->limit = CORR_HELD_LEAST;
	held->stale = true;
}

void corr_held_put_back(struct corr *corr, struct corr_held *held, const struct corr_point *point)
{
	struct corr_touch touch = {.offset = point->offset, .start = point->start};
	/* From the last to the first, so that their order stays. */
	struct corr_item *oldest = NULL;
	for (struct corr_item *item = point->waiting, *next; item != NULL; item = next) {
		next = item->next;
		item->next = oldest;
		oldest = item;
	}
	if (touch.start)
		corr_held_touch(corr, held, &touch);
	while (oldest != NULL) {
		touch.item = oldest;
		oldest = oldest->next;
		corr_held_touch(corr, held, &touch);
	}
}

void corr_held_restart(struct corr *corr, struct corr_held *held)
{
	struct corr_point *old = held->points;
	uint32_t count = held->count;
	held->points = mr_malloc(held->capacity * sizeof(*held->points));
	make_empty(held);
	for (uint32_t i = 1; i < count; i++) {
		old[i].start = false;
		corr_held_put_back(corr, held, &old[i]);
	}
	held->limit = 2 * held->count + CORR_HELD_LEAST;
	free(old);
}

void corr_held_halve(struct corr *corr, struct corr_slot *slot)
{
	struct corr_held *held = slot->held;
	uint32_t count = held->waiting, gone = count - count / 2;
	struct corr_item **items = mr_malloc((count + (size_t)1) * sizeof(struct corr_item *));
	corr_held_list(held, items);
	make_empty(held);
	for (uint32_t i = count; i-- > gone;) { /* of one time the last stays behind the others */
		int64_t span_us = slot->key->rule->span_us;
		struct corr_touch touch = {.offset = corr_slot_offset(items[i]->time_us, span_us),
					   .item = items[i]};
		corr_held_touch(corr, held, &touch);
	}
	for (uint32_t i = 0; i < gone; i++)
		corr_item_done(corr, items[i]);
	free(items);
}

struct corr_held *corr_held_get(struct corr_slot *slot)
{
	if (slot->held == NULL) {
		slot->held = mr_calloc(1, sizeof(*slot->held));
		slot->held->capacity = 4;
		slot->held->points = mr_malloc(slot->held->capacity * sizeof(*slot->held->points));
		make_empty(slot->held);
	}
	return slot->held;
}

void corr_held_drop(struct corr_slot *slot)
{
	struct corr_held *held = slot->held;
	if (held == NULL)
		return;
	for (uint32_t i = 1; i < held->count; i++) {
		while (held->points[i].waiting != NULL) {
			struct corr_item *item = held->points[i].waiting;
			held->points[i].waiting = item->next;
			free(item);
		}
	}
	free(held->points);
	free(held);
	slot->held = NULL;
}

size_t corr_held_bytes(const struct corr_held *held)
{
	return held == NULL
		   ? 0
		   : corr_taken(sizeof(*held)) +
			 corr_taken(held->capacity * sizeof(*held->points)) + held->waiting_bytes;
}
