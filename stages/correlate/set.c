/* set.c - the distinct things of a slot: records, values or rules, each with its first and its last
 * offset, in bounded memory.
 *
 * Why little is enough (PROTOCOL.md 6.5). The window that ends at offset x of slot s holds what
 * stands at or before x in s, and at or after x in s - 1. So of each distinct thing only its first
 * offset (asked about its own slot) and its last (asked about the slot before) matter. What is left
 * out has at least `keep` >= threshold others with an earlier first, so that wherever it would
 * count, the threshold is met without it; likewise for last. Comparing (offset, id), a thing once
 * left out can come back only by an occurrence that beats those that drove it out, and then that
 * occurrence is its true first or last. So what is known of the keep earliest and keep latest is a
 * function of the set of occurrences, whatever their order and, as ids are ordered alike in every
 * run (ids.c), whatever the run's seed.
 *
 * Called by window.c, fire.c and snapshot.c; never fails. */
#include "state.h"

#include <stdlib.h>

#define INDEX_FROM 16 /* entries that are looked through one by one */

/* ---- room ---- */

/* So many entries, no fewer than there are. Most sets never have more than one, which needs no
 * memory of its own. */
static void set_room(struct corr_set *set, uint32_t capacity)
{
	struct corr_entry *old = set->entries, *room = &set->first;
	if (capacity > 1)
		room = mr_malloc(capacity * sizeof(*room));
	if (set->count > 0 && room != old)
		memcpy(room, old, set->count * sizeof(*room));
	if (old != &set->first)
		free(old);
	set->entries = room;
	set->capacity = capacity;
}

/* ---- finding ---- */

static void index_put(struct corr_set *set, uint32_t entry)
{
	uint32_t at = (uint32_t)corr_id_keyed(&set->entries[entry].id) & set->index_mask;
	while (set->index[at] != 0)
		at = (at + 1) & set->index_mask;
	set->index[at] = entry + 1;
}

static void index_build(struct corr_set *set)
{
	if (set->count <= INDEX_FROM && set->index == NULL)
		return;
	uint32_t size = 64;
	while (size < set->capacity * 2)
		size *= 2;
	if (set->index != NULL && set->index_mask == size - 1) {
		memset(set->index, 0, size * sizeof(*set->index));
	} else {
		free(set->index);
		set->index = mr_calloc(size, sizeof(*set->index));
		set->index_mask = size - 1;
	}
	for (uint32_t i = 0; i < set->count; i++)
		index_put(set, i);
}

static struct corr_entry *set_find(const struct corr_set *set, const struct corr_id *id)
{
	if (set->index == NULL) {
		for (uint32_t i = 0; i < set->count; i++) {
			if (corr_id_equal(&set->entries[i].id, id))
				return &set->entries[i];
		}
		return NULL;
	}
	uint32_t at = (uint32_t)corr_id_keyed(id) & set->index_mask;
	for (; set->index[at] != 0; at = (at + 1) & set->index_mask) {
		struct corr_entry *entry = &set->entries[set->index[at] - 1];
		if (corr_id_equal(&entry->id, id))
			return entry;
	}
	return NULL;
}

const struct corr_entry *corr_set_find(const struct corr_set *set, const struct corr_id *id)
{
	return set_find(set, id);
}

/* ---- adding ---- */

static void set_append(struct corr_set *set, const struct corr_entry *entry)
{
	if (set->count == set->capacity) {
		set_room(set, set->capacity == 0 ? 1 : set->capacity * 2);
		set->entries[set->count++] = *entry;
		index_build(set);
		return;
	}
	set->entries[set->count++] = *entry;
	if (set->index != NULL)
		index_put(set, set->count - 1);
	else if (set->count > INDEX_FROM)
		index_build(set);
}

void corr_set_add(struct corr_set *set, uint32_t keep, const struct corr_entry *entry,
		  struct corr_entry *old_out)
{
	struct corr_entry *known = set_find(set, &entry->id);
	if (known == NULL) {
		*old_out = (struct corr_entry){.first = INT64_MAX, .last = -1};
		/* Room for as many again, so that leaving out costs little for each addition. */
		if (set->count >= 3 * (size_t)keep)
			corr_set_prune(set, keep);
		set_append(set, entry);
		return;
	}
	*old_out = *known;
	if (entry->first < known->first)
		known->first = entry->first;
	if (entry->last > known->last)
		known->last = entry->last;
}

/* ---- leaving out ---- */

typedef bool (*entry_before)(const struct corr_entry *a, const struct corr_entry *b);

static bool first_before(const struct corr_entry *a, const struct corr_entry *b)
{
	if (a->first != b->first)
		return a->first < b->first;
	return corr_id_compare(&a->id, &b->id) < 0;
}

static bool last_behind(const struct corr_entry *a, const struct corr_entry *b)
{
	if (a->last != b->last)
		return a->last > b->last;
	return corr_id_compare(&a->id, &b->id) < 0;
}

static inline void swap(struct corr_entry *entries, uint32_t a, uint32_t b)
{
	struct corr_entry kept = entries[a];
	entries[a] = entries[b];
	entries[b] = kept;
}

/* Bring the entry that belongs at place `nth` there, and those that come before it before it.
 * Quickselect, its choices made by keyed hashes, so that nobody outside can make them bad ones. */
static void select_nth(struct corr_entry *entries, uint32_t count, uint32_t nth,
		       entry_before before)
{
	uint32_t from = 0, to = count - 1;
	while (from < to) {
		uint32_t border = from;
		swap(entries, to,
		     from + (uint32_t)corr_id_keyed(&entries[nth].id) % (to - from + 1));
		for (uint32_t i = from; i < to; i++) {
			if (before(&entries[i], &entries[to]))
				swap(entries, i, border++);
		}
		swap(entries, border, to);
		if (border == nth)
			return;
		if (nth < border)
			to = border - 1;
		else
			from = border + 1;
	}
}

/* The last one of the `keep` latest. */
static struct corr_entry latest_limit(const struct corr_set *set, uint32_t keep)
{
	struct corr_entry *latest = mr_malloc(set->count * sizeof(*latest));
	memcpy(latest, set->entries, set->count * sizeof(*latest));
	select_nth(latest, set->count, keep - 1, last_behind);
	struct corr_entry limit = latest[keep - 1];
	free(latest);
	return limit;
}

void corr_set_prune(struct corr_set *set, uint32_t keep)
{
	if (set->count <= keep)
		return;
	uint32_t count = set->count;
	struct corr_entry limit = latest_limit(set, keep);
	select_nth(set->entries, count, keep - 1, first_before);
	/* So many that begin no later are always there: keep is no less than any threshold. */
	set->certain = set->entries[keep - 1].first;
	set->is_certain = true;
	set->count = keep;
	for (uint32_t i = keep; i < count; i++) {
		if (!last_behind(&limit, &set->entries[i]))
			set->entries[set->count++] = set->entries[i];
	}
	if (set->count < count)
		set->pruned = true;
	index_build(set);
}

void corr_set_fit(struct corr_set *set)
{
	if (set->count == 0)
		return;
	set_room(set, set->count);
	free(set->index);
	set->index = NULL;
	if (set->count > INDEX_FROM)
		index_build(set);
}

void corr_set_halve(struct corr_set *set)
{
	uint32_t half = set->count - set->count / 2;
	if (half == set->count)
		return;
	select_nth(set->entries, set->count, half - 1, last_behind);
	set->count = half;
	set->pruned = true;
	set->is_certain = false; /* those that made it so may be gone */
	corr_set_fit(set);
}

static void set_copy(const struct corr_set *set, struct corr_set *out)
{
	*out = *set;
	out->index = NULL;
	out->capacity = set->count;
	out->entries = &out->first;
	if (set->count > 1)
		out->entries = mr_malloc(set->count * sizeof(*out->entries));
	if (set->count > 0)
		memcpy(out->entries, set->entries, set->count * sizeof(*out->entries));
	index_build(out);
}

void corr_set_certain(const struct corr_set *set, uint32_t keep, struct corr_set *out)
{
	set_copy(set, out);
	if (!set->pruned || set->count <= keep)
		return;
	corr_set_prune(out, keep); /* the earliest stand in front */
	struct corr_entry limit = latest_limit(out, keep);
	for (uint32_t i = 0; i < out->count; i++) {
		struct corr_entry *entry = &out->entries[i];
		if (i >= keep)
			entry->first = entry->last;
		else if (last_behind(&limit, entry))
			entry->last = entry->first;
	}
}

void corr_set_fini(struct corr_set *set)
{
	if (set->capacity > 1)
		free(set->entries);
	free(set->index);
	*set = (struct corr_set){0};
}

size_t corr_set_bytes(const struct corr_set *set)
{
	size_t bytes = set->capacity > 1 ? corr_taken(set->capacity * sizeof(*set->entries)) : 0;
	return set->index == NULL
		   ? bytes
		   : bytes + corr_taken((set->index_mask + (size_t)1) * sizeof(*set->index));
}
