/* window.c - counting distinct things in a sliding window, exactly.
 *
 * The way of event_count, value_count and temporal, which differ only in what they count, where
 * more occurrences only help. The things of a slot stand in its set (set.c). Most slots never come
 * near their condition: only where a slot and the one before it hold as many things as it asks for
 * is the number in each window kept (held.c), from then on with each change. What the sets leave
 * out is not taken out of those numbers: wherever it counts, the condition holds without it
 * (set.c).
 *
 * Where the earliest completing occurrence of a slot is looked for, only firsts need a look: from
 * any occurrence, going back to the last first before it loses nothing of the current slot, and
 * gains of the previous. Never fails. */
#include "state.h"

#include <stdlib.h>

/* ---- changes ---- */

/* One more in all windows that end in the range; `start`: the slot would fire at its start. */
static void raise_windows(struct corr *corr, struct corr_held *held, struct corr_range range,
			  int64_t span, bool start)
{
	struct corr_touch touch = {.offset = range.from, .delta = 1, .start = start};
	if (range.from > 0 || start)
		corr_held_touch(corr, held, &touch);
	else
		held->base++;
	touch = (struct corr_touch){.offset = range.to + 1, .delta = -1};
	if (touch.offset < span)
		corr_held_touch(corr, held, &touch);
}

/* A thing of the slot now counts from an earlier offset on; where the slot before has it too, its
 * windows held it up to there. */
static void first_moved(struct corr *corr, const struct corr_near *near,
			const struct corr_entry *entry, int64_t old_first)
{
	struct corr_held *held = near->current->held;
	if (held == NULL || held->stale || corr_set_is_certain(&near->current->set, entry->first))
		return;
	const struct corr_entry *before =
	    near->previous == NULL ? NULL : corr_set_find(&near->previous->set, &entry->id);
	int64_t span = near->current->key->rule->span_us;
	bool start = !near->current->fired;
	struct corr_range gained = {entry->first, (old_first < span ? old_first : span) - 1};
	if (before != NULL && before->last >= entry->first) {
		gained.from = before->last + 1;
		if (start)
			corr_held_touch(
			    corr, held,
			    &(struct corr_touch){.offset = entry->first, .start = true});
		start = false;
	}
	if (gained.from <= gained.to)
		raise_windows(corr, held, gained, span, start);
}

/* A thing of the slot now counts in windows of the next one that end up to a later offset. */
static void last_moved(struct corr *corr, const struct corr_near *near,
		       const struct corr_entry *entry, int64_t old_last)
{
	struct corr_held *held = near->next == NULL ? NULL : near->next->held;
	if (held == NULL || held->stale)
		return;
	const struct corr_entry *behind = corr_set_find(&near->next->set, &entry->id);
	struct corr_range gained = {old_last + 1, entry->last};
	if (behind != NULL && behind->first <= entry->last)
		gained.to = behind->first - 1;
	if (gained.from <= gained.to)
		raise_windows(corr, held, gained, near->current->key->rule->span_us, false);
}

static void add(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		struct corr_occurrence *occurrence)
{
	int64_t offset = occurrence->offset;
	for (uint32_t i = 0; i < occurrence->thing_count; i++) {
		struct corr_entry entry = {occurrence->things[i], offset, offset}, old;
		corr_set_add(&near->current->set, rule->keep, &entry, &old);
		if (offset < old.first)
			first_moved(corr, near, &entry, old.first);
		if (offset > old.last)
			last_moved(corr, near, &entry, old.last);
	}
}

/* ---- asking ---- */

/* All numbers from the sets of the slot and of the one before. */
static void held_build(struct corr *corr, struct corr_slot *slot)
{
	struct corr_held *held = corr_held_get(slot);
	const struct corr_set *now = &slot->set;
	const struct corr_set *before = slot->previous == NULL ? NULL : &slot->previous->set;
	int64_t span = slot->key->rule->span_us;
	corr_held_restart(corr, held);
	for (uint32_t i = 0; i < now->count; i++) {
		const struct corr_entry *entry = &now->entries[i];
		const struct corr_entry *same =
		    before == NULL ? NULL : corr_set_find(before, &entry->id);
		bool always = same != NULL && same->last >= entry->first;
		struct corr_touch touch = {.offset = entry->first, .start = !slot->fired};
		if (always)
			held->base++;
		else
			touch.delta = 1;
		if (touch.start || !always)
			corr_held_touch(corr, held, &touch);
	}
	for (uint32_t i = 0; before != NULL && i < before->count; i++) {
		const struct corr_entry *entry = &before->entries[i];
		const struct corr_entry *same = corr_set_find(now, &entry->id);
		if (same == NULL || entry->last < same->first)
			raise_windows(corr, held, (struct corr_range){0, entry->last}, span, false);
	}
	held->limit = 2 * held->count + CORR_HELD_LEAST;
	held->stale = false;
}

static void slot_settle(struct corr *corr, const struct corr_rule *rule, struct corr_slot *slot)
{
	if (slot == NULL)
		return;
	uint64_t most = slot->set.count;
	if (slot->previous != NULL)
		most += slot->previous->set.count;
	/* A slot that holds so many fires for certain. */
	bool fires = !slot->fired && slot->set.count >= rule->threshold;
	bool is_asked = rule->outer_count > 0 || (!fires && !slot->fired);
	if (is_asked && most >= rule->threshold) {
		struct corr_held *held = corr_held_get(slot);
		if (held->stale || held->count > held->limit)
			held_build(corr, slot);
		struct corr_want want = {{0, rule->span_us - 1}, rule->threshold};
		fires |= corr_feed_take(corr, slot, &want);
	} else if (is_asked && slot->held != NULL && slot->held->count > slot->held->limit) {
		corr_held_restart(corr, slot->held);
	}
	if (rule->outer_count == 0 && (fires || slot->fired))
		corr_held_drop(slot);
	if (fires && !slot->fired)
		corr_fire(corr, slot);
}

static void settle(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		   const struct corr_occurrence *occurrence)
{
	(void)occurrence;
	slot_settle(corr, rule, near->current);
	slot_settle(corr, rule, near->next);
}

/* ---- the earliest of all ---- */

/* Of what began before that offset only the last time is known. */
static bool next(const struct corr_rule *rule, const struct corr_slot *slot, int64_t from,
		 int64_t *offset_out)
{
	bool found = false;
	(void)rule;
	for (uint32_t i = 0; i < slot->set.count; i++) {
		const struct corr_entry *entry = &slot->set.entries[i];
		int64_t offset = entry->first >= from ? entry->first : entry->last;
		if (offset < from || (found && offset >= *offset_out))
			continue;
		*offset_out = offset;
		found = true;
	}
	return found;
}

uint32_t corr_numbers_below(const int64_t *sorted, uint32_t count, int64_t limit)
{
	uint32_t low = 0, high = count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (sorted[middle] < limit)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void sort(int64_t *numbers, uint32_t count)
{
	if (count > 1)
		qsort(numbers, count, sizeof(*numbers), by_number);
}

/* Offsets of a slot and of the one before, sorted, at which windows gain and lose. */
struct edges {
	int64_t *starts; /* all firsts of the slot: where things may complete */
	int64_t *firsts; /* of what only the slot adds */
	int64_t *lasts;  /* of what the one before still holds */
	uint32_t start_count, first_count, last_count;
	uint32_t always; /* in both, without a gap */
};

static void edges_find(const struct corr_set *now, const struct corr_set *before,
		       struct edges *edges)
{
	for (uint32_t i = 0; i < now->count; i++) {
		const struct corr_entry *entry = &now->entries[i];
		const struct corr_entry *same = corr_set_find(before, &entry->id);
		edges->starts[edges->start_count++] = entry->first;
		if (same != NULL && same->last >= entry->first)
			edges->always++;
		else
			edges->firsts[edges->first_count++] = entry->first;
	}
	for (uint32_t i = 0; i < before->count; i++) {
		const struct corr_entry *entry = &before->entries[i];
		const struct corr_entry *same = corr_set_find(now, &entry->id);
		if (same == NULL || entry->last < same->first)
			edges->lasts[edges->last_count++] = entry->last;
	}
	sort(edges->starts, edges->start_count);
	sort(edges->firsts, edges->first_count);
	sort(edges->lasts, edges->last_count);
}

/* The first offset whose window holds so many; gives how many it holds, or 0. */
static uint64_t first_of(const struct corr_slot *slot, uint64_t least, int64_t *offset_out)
{
	static const struct corr_set none;
	const struct corr_set *now = &slot->set;
	const struct corr_set *before = slot->previous == NULL ? &none : &slot->previous->set;
	if ((uint64_t)now->count + before->count < least)
		return 0;
	struct edges edges = {0};
	edges.starts = mr_malloc((2 * (size_t)now->count + before->count) * sizeof(int64_t));
	edges.firsts = edges.starts + now->count;
	edges.lasts = edges.firsts + now->count;
	edges_find(now, before, &edges);
	uint64_t found = 0;
	for (uint32_t i = 0; i < edges.start_count && found == 0; i++) {
		int64_t offset = edges.starts[i];
		uint64_t held = edges.always;
		held += corr_numbers_below(edges.firsts, edges.first_count, offset + 1);
		held +=
		    edges.last_count - corr_numbers_below(edges.lasts, edges.last_count, offset);
		found = held >= least ? held : 0;
		if (found > 0)
			*offset_out = offset;
	}
	free(edges.starts);
	return found;
}

static bool first(const struct corr_rule *rule, const struct corr_slot *slot, int64_t *offset_out)
{
	return first_of(slot, rule->threshold, offset_out) > 0;
}

/* An alert says the count; of a slot that has none it is the most that a window holds. */
static void reached(const struct corr_rule *rule, const struct corr_slot *slot, bool all,
		    struct mr_buf *out, int64_t *offset_out)
{
	uint64_t most = 0, held = all ? 1 : 0;
	(void)rule;
	while (held > 0) {
		held = first_of(slot, most + 1, offset_out);
		most = held > 0 ? held : most;
	}
	if (most > 0)
		mr_buf_add_uint(out, most);
}

/* ---- how many ---- */

static uint64_t count(const struct corr_slot *slot, int64_t from, bool *lower_bound)
{
	const struct corr_set *now = &slot->set;
	uint64_t things = now->count, reached = 0;
	*lower_bound |= now->pruned;
	if (slot->previous == NULL)
		return things;
	const struct corr_set *before = &slot->previous->set;
	for (uint32_t i = 0; i < before->count; i++) {
		const struct corr_entry *entry = &before->entries[i];
		if (entry->last < from)
			continue;
		reached++;
		things += corr_set_find(now, &entry->id) == NULL;
	}
	*lower_bound |= before->pruned && reached >= slot->key->rule->keep;
	return things;
}

const struct corr_way corr_at_once_way = {
    .add = add,
    .feed = corr_feed_add,
    .settle = settle,
    .first = first,
    .next = next,
    .count = count,
    .reached = reached,
};
