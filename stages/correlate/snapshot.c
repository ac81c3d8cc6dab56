/* snapshot.c - the state of one key group as bytes, and back.
 *
 * Called by the pipeline at a barrier and after a restart, through correlate.c. State of a
 * correlation is named by its rule's id and the hash of what gives it meaning (PROTOCOL.md 4.5):
 * what no longer fits is dropped and named in the log. Ids of fields are a run's own, so a section
 * says their names (fields.c); what was fed to outer correlations is known by hashes that hold such
 * ids, so under other ones it is fed again, which costs work and counts nothing twice. Restoring
 * puts everything back through the calls that live signals take: a time outside its slot or a rule
 * that the correlation has not, like bytes of another form, is MR_BAD_INPUT. */
#include "shed.h"

#include <stdlib.h>

#include "fields.h"
#include "millrace/pack.h"

#define SECTION_VERSION 10
#define SECTION_OLDEST 5 /* that is read */
#define SECTION_PARTS 7
#define SECTION_PARTS_BEFORE_10 5
#define KEY_PARTS 5
#define SLOT_PARTS 12
#define SLOT_PARTS_BEFORE_6 10
#define MARK_PARTS 4
#define OFFER_PARTS 3
#define LOST_PARTS 4
#define ITEM_PARTS 13
#define ITEM_PARTS_BEFORE_9 11

/* ---- to bytes ---- */

static void put_id(struct mr_buf *out, const struct corr_id *id)
{
	mr_pack_bytes(out, (struct mr_slice){(const char *)id, sizeof(*id)});
}

/* Rules by id, as all else. */
static void put_trace(const struct corr *corr, const struct corr_item *item, struct mr_buf *out)
{
	struct corr_trace trace = corr_item_trace(item);
	mr_pack_bytes(out, (struct mr_slice){(const char *)trace.inner_id, sizeof(trace.inner_id)});
	mr_pack_array(out, trace.matched_count);
	for (uint32_t i = 0; i < trace.matched_count; i++)
		mr_pack_bytes(out, corr->catalog.rules[trace.matched[i]].id);
}

static void put_item(struct corr *corr, const struct corr_item *item, struct mr_buf *out)
{
	mr_pack_array(out, ITEM_PARTS);
	mr_pack_int(out, item->time_us);
	mr_pack_int(out, item->arrival_us);
	mr_pack_uint(out, item->rules);
	mr_pack_uint(out, item->own);
	mr_pack_uint(out, item->rule);
	mr_pack_uint(out, item->kind);
	mr_pack_origin(out, &item->origin);
	mr_pack_bytes(out, corr_item_record(item));
	mr_pack_bytes(out, corr_item_record_id(item));
	corr_fields_put(corr, item, out);
	mr_pack_array(out, item->value_count);
	for (uint32_t v = 0; v < item->value_count; v++)
		put_id(out, &corr_item_values(item)[v]);
	put_trace(corr, item, out);
}

static void put_items(struct corr *corr, struct corr_item *const *items, uint32_t count,
		      struct mr_buf *out)
{
	mr_pack_array(out, count);
	for (uint32_t i = 0; i < count; i++)
		put_item(corr, items[i], out);
}

static void put_proofs(struct corr *corr, const struct corr_slot *slot, struct mr_buf *out)
{
	struct corr_item *items[2 * CORR_FACETS_SIDE];
	put_items(corr, items, corr_proofs_list(&slot->items, items), out);
}

static void put_set(const struct corr_set *set, struct mr_buf *out)
{
	mr_pack_array(out, 3 * (size_t)set->count);
	for (uint32_t i = 0; i < set->count; i++) {
		put_id(out, &set->entries[i].id);
		mr_pack_int(out, set->entries[i].first);
		mr_pack_int(out, set->entries[i].last);
	}
}

static void put_times(const struct corr_slot *slot, struct mr_buf *out)
{
	uint32_t steps = slot->times == NULL ? 0 : slot->key->rule->step_count;
	mr_pack_array(out, steps);
	for (uint32_t step = 0; step < steps; step++) {
		const struct corr_times *of = &slot->times[step];
		mr_pack_array(out, of->count);
		for (uint32_t i = 0; i < of->count; i++)
			mr_pack_int(out, of->offsets[i]);
	}
}

static void put_waiting(struct corr *corr, const struct corr_held *held, struct mr_buf *out)
{
	uint32_t count = held == NULL ? 0 : held->waiting;
	struct corr_item **items = mr_malloc((count + 1) * sizeof(struct corr_item *));
	if (count > 0)
		corr_held_list(held, items);
	put_items(corr, items, count, out);
	free(items);
}

static void put_seen(const struct corr_seen *seen, struct mr_buf *out)
{
	mr_pack_array(out, seen->count);
	for (uint32_t i = 0; seen->count > 0 && i <= seen->mask; i++) {
		if (seen->hashes[i] != 0)
			mr_pack_uint(out, seen->hashes[i]);
	}
}

static void put_marks(const struct corr_settled *settled, struct mr_buf *out)
{
	if (settled == NULL) {
		mr_pack_array(out, 0);
		return;
	}
	struct corr_marks *marks = (struct corr_marks *)(uintptr_t)&settled->marks;
	corr_marks_sort(marks); /* an order of what it is, not a change */
	mr_pack_array(out, MARK_PARTS * (size_t)marks->count);
	for (uint32_t i = 0; i < marks->count; i++) {
		put_id(out, &marks->at[i].id);
		mr_pack_int(out, marks->at[i].offset);
		mr_pack_uint(out, marks->at[i].source);
		mr_pack_bytes(out, corr_mark_text(marks, &marks->at[i]));
	}
}

static void put_offers(struct corr *corr, const struct corr_settled *settled, struct mr_buf *out)
{
	uint32_t count = settled == NULL ? 0 : settled->offer_count;
	mr_pack_array(out, OFFER_PARTS * (size_t)count);
	for (uint32_t i = 0; i < count; i++) {
		put_item(corr, settled->offers[i].item, out);
		mr_pack_uint(out, settled->offers[i].source);
		mr_pack_bool(out, settled->offers[i].sent);
	}
}

#define WORLD_SHIFT 6
#define LOSSY 256u
#define UNTOLD 512u
static uint64_t flags_of(const struct corr_slot *slot)
{
	const struct corr_settled *settled = slot->settled;
	uint64_t flags = (slot->fired ? 1u : 0) | (slot->revised ? 2u : 0) |
			 (slot->items.pruned ? 4u : 0) | (slot->set.pruned ? 8u : 0) |
			 (slot->items.proofs != NULL ? 16u : 0) | (slot->lossy ? LOSSY : 0) |
			 (corr_is_untold(slot) ? UNTOLD : 0);
	if (settled != NULL)
		flags |= (settled->judged ? 32u : 0) | (uint64_t)settled->world << WORLD_SHIFT;
	return flags;
}

static void put_slot(struct corr *corr, const struct corr_slot *slot, struct mr_buf *out)
{
	mr_pack_array(out, SLOT_PARTS);
	mr_pack_int(out, slot->number);
	mr_pack_uint(out, slot->told);
	mr_pack_uint(out, flags_of(slot));
	put_set(&slot->set, out);
	put_times(slot, out);
	put_items(corr, slot->items.at, slot->items.count, out);
	put_proofs(corr, slot, out);
	put_seen(&slot->seen, out);
	put_waiting(corr, slot->held, out);
	put_seen(&slot->fed, out);
	put_marks(slot->settled, out);
	put_offers(corr, slot->settled, out);
}

static void put_key(struct corr *corr, const struct corr_key *key, struct mr_buf *out)
{
	struct mr_slice texts[MR_GROUP_BY_MAX];
	size_t slots = 0;
	for (const struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key)
		slots++;
	corr_key_texts(key, texts);
	mr_pack_array(out, KEY_PARTS);
	mr_pack_bytes(out, key->rule->rule->id);
	mr_pack_uint(out, key->rule->rule->meaning);
	mr_pack_bytes(out, corr_key_tenant(key));
	mr_pack_array(out, key->texts);
	for (uint32_t i = 0; i < key->texts; i++)
		mr_pack_bytes(out, texts[i]);
	mr_pack_array(out, slots);
	for (const struct corr_slot *slot = key->slots; slot != NULL; slot = slot->next_of_key)
		put_slot(corr, slot, out);
}

static void put_plain(const struct corr_plain *plain, struct mr_buf *out)
{
	static const struct corr_id zero;
	mr_pack_array(out, 2 * (size_t)plain->count);
	for (uint32_t i = 0; plain->count > 0 && i <= plain->mask; i++) {
		const struct corr_plain_entry *entry = &plain->entries[i];
		if (memcmp(&entry->id, &zero, sizeof(zero)) == 0)
			continue;
		put_id(out, &entry->id);
		mr_pack_int(out, entry->time_us);
	}
}

/* W, and of each rule that lost some between which slots. Rules are passed only where any did: for
 * each key group 10,000 of them took 15 ms. */
static void put_past(const struct corr *corr, uint8_t group, struct mr_buf *out)
{
	uint32_t count = corr->lost_rules > 0 ? corr->catalog.count : 0;
	size_t rules = 0;
	for (uint32_t i = 0; i < count; i++)
		rules += corr_has_lost(&corr->rules[i], group);
	mr_pack_array(out, 1 + LOST_PARTS * rules);
	mr_pack_int(out, corr->watermark_us);
	for (uint32_t i = 0; i < count; i++) {
		const struct corr_rule *rule = &corr->rules[i];
		if (!corr_has_lost(rule, group))
			continue;
		mr_pack_bytes(out, rule->rule->id);
		mr_pack_uint(out, rule->rule->meaning);
		mr_pack_int(out, rule->shed.lost[group].first);
		mr_pack_int(out, rule->shed.lost[group].last);
	}
}

/* Ids hold hashes with the run's seed: under another they would mean nothing. */
static uint64_t seed_mark(const struct corr *corr, uint64_t version)
{
	return mr_hash64(corr->env->seed, sizeof(corr->env->seed), version);
}

static void put_keys(struct corr *corr, const struct corr_group *group, struct mr_buf *out)
{
	mr_pack_array(out, group->key_count);
	for (uint32_t i = 0; i < group->key_places; i++)
		if (group->keys[i].key != NULL)
			put_key(corr, group->keys[i].key, out);
}

void corr_snapshot(struct corr *corr, uint8_t number, struct mr_buf *out)
{
	const struct corr_group *group = &corr->groups[number];
	struct corr_section section = {.version = SECTION_VERSION};
	corr->section = &section;
	mr_pack_array(out, SECTION_PARTS);
	mr_pack_uint(out, SECTION_VERSION);
	mr_pack_uint(out, seed_mark(corr, SECTION_VERSION));
	size_t from = corr_names_begin(out);
	put_past(corr, number, out);
	put_plain(&group->plain, out);
	put_keys(corr, group, out);
	corr_names_put(corr, from, out);
	corr->section = NULL;
}

/* ---- from bytes ---- */

static bool get_id(struct mr_unpack *in, struct corr_id *id_out)
{
	struct mr_slice bytes = mr_unpack_bytes(in);
	*id_out = (struct corr_id){0};
	if (bytes.len != sizeof(*id_out)) {
		in->bad = true;
		return false;
	}
	memcpy(id_out, bytes.at, bytes.len);
	static const struct corr_id zero;
	in->bad |= memcmp(id_out, &zero, sizeof(zero)) == 0; /* marks a free place */
	return mr_unpack_ok(in);
}

static int64_t get_offset(struct mr_unpack *in, const struct corr_rule *rule)
{
	int64_t offset = mr_unpack_int(in);
	if (offset < 0 || (rule != NULL && offset >= rule->span_us))
		in->bad = true;
	return offset;
}

static int compare_id(const void *id, const void *rule)
{
	return mr_slice_cmp(*(const struct mr_slice *)id,
			    (*(const struct corr_rule *const *)rule)->rule->id);
}

/* NULL: there is none of this id. Asked for each key, so by bisection. */
static struct corr_rule *rule_called(struct corr *corr, struct mr_slice id)
{
	const struct corr_rule **found =
	    bsearch(&id, corr->by_id, corr->catalog.count, sizeof(*corr->by_id), compare_id);
	return found == NULL ? NULL : &corr->rules[(*found)->index];
}

/* Rules that are no more are left out. */
static void get_trace(struct corr *corr, struct mr_unpack *in, struct mr_signal *signal)
{
	static const uint8_t none[MR_ALERT_ID_BYTES];
	struct mr_slice inner = mr_unpack_bytes(in);
	size_t count = mr_unpack_array(in, MR_MATCHED_MAX);
	uint32_t *matched = mr_arena_alloc(&corr->arena, (count + 1) * sizeof(*matched));
	in->bad |= inner.len != sizeof(none);
	for (size_t i = 0; i < count; i++) {
		struct mr_slice id = mr_unpack_bytes(in);
		const struct corr_rule *rule = mr_unpack_ok(in) ? rule_called(corr, id) : NULL;
		if (rule != NULL)
			matched[signal->matched_count++] = rule->index;
	}
	signal->matched = matched;
	if (mr_unpack_ok(in) && memcmp(inner.at, none, sizeof(none)) != 0)
		signal->counted_id = inner;
}

/* An item as the signal made it; NULL where the bytes are wrong or `slot` is NULL. */
static struct corr_item *get_item(struct corr *corr, struct mr_unpack *in,
				  const struct corr_slot *slot)
{
	const struct corr_rule *rule = slot == NULL ? NULL : slot->key->rule;
	struct mr_signal signal = {.has_time = true};
	struct corr_id values[MR_PRODUCT_MAX];
	struct corr_occurrence occurrence = {.signal = &signal, .values = values};
	mr_arena_reset(&corr->arena);
	mr_unpack_array_of(in, corr->section->version < 9 ? ITEM_PARTS_BEFORE_9 : ITEM_PARTS);
	signal.time_us = mr_unpack_int(in);
	signal.arrival_us = mr_unpack_int(in);
	uint64_t rules = mr_unpack_uint(in, UINT64_MAX), own = mr_unpack_uint(in, UINT64_MAX);
	uint32_t most = rule == NULL ? UINT32_MAX : rule->rule->rule_count - 1;
	occurrence.position = (uint32_t)mr_unpack_uint(in, most);
	signal.kind = (enum mr_record_kind)mr_unpack_uint(in, MR_KIND_COUNT - 1);
	if (mr_unpack_ok(in))
		corr_time_see(corr, &signal);
	mr_unpack_origin(in, &signal.origin);
	signal.record = mr_unpack_bytes(in);
	signal.record_id = mr_unpack_bytes(in);
	corr_fields_get(corr, in, &signal);
	occurrence.value_count = (uint32_t)mr_unpack_array(in, MR_PRODUCT_MAX);
	for (uint32_t i = 0; i < occurrence.value_count; i++)
		get_id(in, &values[i]);
	if (corr->section->version >= 9)
		get_trace(corr, in, &signal);
	if (rule != NULL && corr_slot_number(signal.time_us, rule->span_us) != slot->number)
		in->bad = true;
	if (!mr_unpack_ok(in) || rule == NULL)
		return NULL;
	struct corr_item *item = corr_item_make(NULL, &occurrence);
	item->rules = rules;
	item->own = own;
	return item;
}

/* The temporal kinds count steps, the others hashes. */
static bool is_counted(const struct corr_rule *rule, const struct corr_id *id)
{
	if (mr_correlation_counts(rule->rule->type) != MR_COUNTS_RULES)
		return true;
	for (uint32_t step = 0; step < rule->step_count; step++) {
		struct corr_id own = corr_id_of_step(step);
		if (memcmp(&own, id, sizeof(own)) == 0)
			return true;
	}
	return false;
}

static void get_set(struct mr_unpack *in, const struct corr_rule *rule, struct corr_slot *slot)
{
	size_t count = mr_unpack_array(in, SIZE_MAX);
	in->bad |= count % 3 != 0;
	for (size_t i = 0; i < count / 3 && mr_unpack_ok(in); i++) {
		struct corr_entry entry, old;
		get_id(in, &entry.id);
		entry.first = get_offset(in, rule);
		entry.last = get_offset(in, rule);
		in->bad |= entry.first > entry.last;
		in->bad |= rule != NULL && !is_counted(rule, &entry.id);
		if (mr_unpack_ok(in) && slot != NULL)
			corr_set_add(&slot->set, rule->keep, &entry, &old);
	}
}

static void get_times(struct mr_unpack *in, const struct corr_rule *rule, struct corr_slot *slot)
{
	size_t steps = mr_unpack_array(in, UINT32_MAX);
	if (steps != 0 && rule != NULL && steps != rule->step_count)
		in->bad = true;
	for (size_t step = 0; step < steps && mr_unpack_ok(in); step++) {
		size_t count = mr_unpack_array(in, CORR_SLOT_BOUND);
		for (size_t i = 0; i < count && mr_unpack_ok(in); i++) {
			int64_t offset = get_offset(in, rule);
			if (mr_unpack_ok(in) && slot != NULL)
				corr_times_add(rule, slot, (uint32_t)step, offset);
		}
	}
}

static void get_items(struct corr *corr, struct mr_unpack *in, struct corr_slot *slot,
		      bool are_proofs)
{
	size_t count = mr_unpack_array(in, SIZE_MAX);
	for (size_t i = 0; i < count && mr_unpack_ok(in); i++) {
		struct corr_item *item = get_item(corr, in, slot);
		if (item != NULL)
			corr_evidence_put(corr, slot, item, are_proofs);
	}
}

/* What waits is put back in its order, and what windows hold is counted anew from the sets when it
 * is asked for. Where the rule feeds no other any more, what waits goes. */
static void get_waiting(struct corr *corr, struct mr_unpack *in, const struct corr_rule *rule,
			struct corr_slot *slot)
{
	size_t count = mr_unpack_array(in, CORR_SLOT_BOUND);
	for (size_t i = 0; i < count && mr_unpack_ok(in); i++) {
		struct corr_item *item = get_item(corr, in, slot);
		if (item == NULL)
			continue;
		if (rule->outer_count == 0) {
			corr_item_done(corr, item);
			continue;
		}
		struct corr_touch touch = {corr_slot_offset(item->time_us, rule->span_us), 0, item,
					   false};
		corr_held_touch(corr, corr_held_get(slot), &touch);
	}
}

static void get_seen(struct mr_unpack *in, struct corr_seen *seen, uint32_t bound)
{
	size_t count = mr_unpack_array(in, bound);
	for (size_t i = 0; i < count && mr_unpack_ok(in); i++) {
		uint64_t hash = mr_unpack_uint(in, UINT64_MAX);
		if (mr_unpack_ok(in) && seen != NULL)
			corr_seen_add(seen, hash, bound);
	}
}

static void get_marks(struct corr *corr, struct mr_unpack *in, const struct corr_rule *rule,
		      struct corr_slot *slot)
{
	size_t items = mr_unpack_array(in, SIZE_MAX);
	in->bad |= items % MARK_PARTS != 0 || (items > 0 && rule != NULL && !rule->settles);
	for (size_t i = 0; i < items / MARK_PARTS && mr_unpack_ok(in); i++) {
		struct corr_mark mark = {0};
		get_id(in, &mark.id);
		mark.offset = get_offset(in, rule);
		mark.source = mr_unpack_uint(in, UINT64_MAX);
		struct mr_slice text = mr_unpack_bytes(in);
		in->bad |= text.len > UINT16_MAX;
		in->bad |= rule != NULL && rule->kind->adds_up && !corr_numbers_are(text);
		in->bad |= rule != NULL && !is_counted(rule, &mark.id);
		if (mr_unpack_ok(in) && slot != NULL)
			corr_marks_add(&corr_settled_get(corr, slot)->marks, &mark, text);
	}
}

/* As with what waits. */
static void get_offers(struct corr *corr, struct mr_unpack *in, const struct corr_rule *rule,
		       struct corr_slot *slot)
{
	size_t items = mr_unpack_array(in, OFFER_PARTS * (size_t)CORR_SLOT_BOUND);
	in->bad |= items % OFFER_PARTS != 0 || (items > 0 && rule != NULL && !rule->settles);
	for (size_t i = 0; i < items / OFFER_PARTS && mr_unpack_ok(in); i++) {
		struct corr_item *item = get_item(corr, in, slot);
		uint64_t source = mr_unpack_uint(in, UINT64_MAX);
		bool sent = mr_unpack_bool(in);
		if (item == NULL)
			continue;
		if (rule->feeds && mr_unpack_ok(in))
			corr_offer_put(corr, corr_settled_get(corr, slot), item, source, sent);
		else
			corr_item_done(corr, item);
	}
}

/* What of it was told, and what is to be. */
static void get_settled(struct corr *corr, struct corr_slot *slot, uint64_t flags)
{
	struct corr_settled *settled = corr_settled_get(corr, slot);
	settled->world = (enum corr_world)(flags >> WORLD_SHIFT & 3);
	if ((flags & 32) != 0 && !settled->judged) {
		settled->judged = true;
		settled->changed = CORR_NO_RANGE;
		corr_heap_remove(&corr->settling, slot);
	}
	bool open = settled->world == CORR_OPEN;
	if (settled->judged && slot->key->rule->rule->alerts &&
	    (slot->fired != open || (slot->fired && (flags & UNTOLD) != 0)))
		corr_untold_add(corr, slot);
}

#define FLAGS_BEFORE_6 31
#define FLAGS_BEFORE_7 (63 | CORR_CLOSED << WORLD_SHIFT)
/* No more than a slot may have: of the bits between, one value means nothing. */
static uint64_t get_flags(struct corr *corr, struct mr_unpack *in)
{
	static const uint64_t most[] = {FLAGS_BEFORE_6,
					FLAGS_BEFORE_7,
					FLAGS_BEFORE_7 | LOSSY,
					FLAGS_BEFORE_7 | LOSSY | UNTOLD,
					FLAGS_BEFORE_7 | LOSSY | UNTOLD,
					FLAGS_BEFORE_7 | LOSSY | UNTOLD};
	uint64_t flags = mr_unpack_uint(in, most[corr->section->version - SECTION_OLDEST]);
	in->bad |= (flags & ~(uint64_t)(LOSSY | UNTOLD)) > FLAGS_BEFORE_7;
	return flags;
}

static void get_slot(struct corr *corr, struct mr_unpack *in, const struct corr_rule *rule,
		     struct corr_key *key)
{
	bool old = corr->section->version < 6;
	mr_unpack_array_of(in, old ? SLOT_PARTS_BEFORE_6 : SLOT_PARTS);
	int64_t number = mr_unpack_int(in);
	uint64_t told = mr_unpack_uint(in, UINT64_MAX);
	uint64_t flags = get_flags(corr, in);
	if (!mr_unpack_ok(in))
		return;
	struct corr_slot *slot = key == NULL ? NULL : corr_slot_get(corr, key, number);
	get_set(in, rule, slot);
	get_times(in, rule, slot);
	get_items(corr, in, slot, false);
	if (slot != NULL && (flags & 16) != 0)
		corr_proofs_start(corr, slot);
	get_items(corr, in, slot, true);
	get_seen(in, slot == NULL ? NULL : &slot->seen, CORR_SEEN_BOUND);
	get_waiting(corr, in, rule, slot);
	get_seen(in, slot == NULL ? NULL : &slot->fed, 2 * CORR_SLOT_BOUND);
	if (!old) {
		get_marks(corr, in, rule, slot);
		get_offers(corr, in, rule, slot);
	}
	if (slot == NULL)
		return;
	slot->told = told;
	slot->lossy = (flags & LOSSY) != 0;
	slot->fired |= (flags & 1) != 0;
	slot->revised |= (flags & 2) != 0;
	slot->items.pruned |= (flags & 4) != 0;
	slot->set.pruned |= (flags & 8) != 0;
	if (rule->settles)
		get_settled(corr, slot, flags);
	else
		corr_slot_touch(corr, slot);
	corr_slot_weigh(corr, slot);
	corr_slot_rank(corr, slot);
}

/* After a reload each layer is given the state of all, and takes what is its own. */
static bool is_of_layer(const struct corr *corr, const struct mr_rule *rule)
{
	return rule->kind == MR_RULE_CORRELATION && rule->layer == corr->env->layer;
}

static void tell_gone(struct corr *corr, struct mr_slice id)
{
	uint32_t low = 0, high = corr->gone_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = mr_slice_cmp(mr_slice(corr->gone[middle]), id);
		if (order == 0)
			return;
		low = order < 0 ? middle + 1 : low;
		high = order < 0 ? high : middle;
	}
	corr->gone = mr_realloc(corr->gone, (corr->gone_count + 1) * sizeof *corr->gone);
	memmove(corr->gone + low + 1, corr->gone + low,
		(corr->gone_count++ - low) * sizeof *corr->gone);
	corr->gone[low] = mr_asprintf("%.*s", (int)id.len, id.at);
	mr_log(MR_LOG_WARNING, "%.*s: no such correlation any more, its state is dropped",
	       (int)id.len, id.at);
}

/* Of this layer, and of this meaning; a key of another shape is one of another meaning. */
static struct corr_rule *rule_of(struct corr *corr, struct mr_slice id, uint64_t meaning,
				 size_t texts)
{
	struct corr_rule *rule = rule_called(corr, id);
	if (rule == NULL && corr->env->layer == 0) {
		tell_gone(corr, id);
		mr_count(corr->env->counters, MR_C_STATE_DROPPED, 1);
	}
	if (rule == NULL || !is_of_layer(corr, rule->rule))
		return NULL;
	if (rule->kind != NULL && rule->rule->meaning == meaning &&
	    rule->rule->group_by.count == texts)
		return rule;
	if (!rule->dropped)
		mr_log(MR_LOG_WARNING, MR_RULE_NAMED ": %s", MR_RULE_NAMES(rule->rule),
		       rule->kind == NULL ? "it is inactive now: its state is dropped"
					  : "its meaning has changed: it starts without state");
	rule->dropped = true;
	mr_count(corr->env->counters, MR_C_STATE_DROPPED, 1);
	return NULL;
}

static void get_key(struct corr *corr, struct mr_unpack *in, uint8_t number)
{
	struct mr_slice texts[MR_GROUP_BY_MAX];
	mr_unpack_array_of(in, KEY_PARTS);
	struct mr_slice id = mr_unpack_bytes(in);
	uint64_t meaning = mr_unpack_uint(in, UINT64_MAX);
	struct mr_slice tenant = mr_unpack_bytes(in);
	size_t count = mr_unpack_array(in, MR_GROUP_BY_MAX);
	for (size_t i = 0; i < count; i++)
		texts[i] = mr_unpack_bytes(in);
	size_t slots = mr_unpack_array(in, SIZE_MAX);
	if (!mr_unpack_ok(in) || slots == 0) { /* a key without slots would never be freed */
		in->bad = true;
		return;
	}
	struct corr_rule *rule = rule_of(corr, id, meaning, count);
	struct corr_key *key = NULL;
	if (rule != NULL) {
		mr_arena_reset(&corr->arena);
		struct corr_name name =
		    corr_key_name(corr, rule, tenant, texts, (uint32_t)count, &corr->arena);
		key = corr_key_get(corr, number, rule, &name);
	}
	for (size_t i = 0; i < slots && mr_unpack_ok(in); i++)
		get_slot(corr, in, rule, key);
}

/* Of a rule that is no more, or means another thing, nothing is lost. */
static void get_lost(struct corr *corr, struct mr_unpack *in, uint8_t group)
{
	struct mr_slice id = mr_unpack_bytes(in);
	uint64_t meaning = mr_unpack_uint(in, UINT64_MAX);
	struct corr_lost lost;
	lost.first = mr_unpack_int(in);
	lost.last = mr_unpack_int(in);
	in->bad |= lost.first > lost.last;
	const struct corr_rule *rule = mr_unpack_ok(in) ? rule_called(corr, id) : NULL;
	if (rule != NULL && rule->kind != NULL && rule->rule->meaning == meaning)
		corr_lost_add(corr, rule, group, lost);
}

/* Gives W. */
static int64_t get_past(struct corr *corr, struct mr_unpack *in, uint8_t group)
{
	if (corr->section->version < 7)
		return mr_unpack_int(in);
	size_t items = mr_unpack_array(in, SIZE_MAX);
	in->bad |= items % LOST_PARTS != 1;
	int64_t watermark_us = mr_unpack_int(in);
	for (size_t i = 0; i < items / LOST_PARTS && mr_unpack_ok(in); i++)
		get_lost(corr, in, group);
	return watermark_us;
}

/* Of detections, which the first layer knows. */
static void get_plain(struct corr *corr, struct mr_unpack *in, struct corr_plain *plain)
{
	size_t count = mr_unpack_array(in, SIZE_MAX);
	in->bad |= count % 2 != 0;
	for (size_t i = 0; i < count / 2 && mr_unpack_ok(in); i++) {
		struct corr_id id;
		get_id(in, &id);
		int64_t time_us = mr_unpack_int(in);
		if (mr_unpack_ok(in) && corr->env->layer == 0)
			corr_plain_add(corr, plain, &id, time_us);
	}
}

/* 0: it is none. */
static uint64_t section_version(struct mr_unpack *in)
{
	size_t items = mr_unpack_array(in, SIZE_MAX);
	uint64_t version = mr_unpack_uint(in, UINT64_MAX);
	size_t parts = version < CORR_NAMES_SINCE ? SECTION_PARTS_BEFORE_10 : SECTION_PARTS;
	in->bad |= version <= SECTION_VERSION && items != parts;
	return mr_unpack_ok(in) ? version : 0;
}

/* All behind the version. */
static bool get_section(struct corr *corr, struct mr_unpack *in, uint8_t number)
{
	struct corr_group *group = &corr->groups[number];
	uint64_t version = corr->section->version;
	in->bad |=
	    version < SECTION_OLDEST || mr_unpack_uint(in, UINT64_MAX) != seed_mark(corr, version);
	if (version >= CORR_NAMES_SINCE)
		corr_names_get(corr, in);
	int64_t watermark_us = get_past(corr, in, number);
	corr->ranks_stale = true;
	if (mr_unpack_ok(in))
		get_plain(corr, in, &group->plain);
	size_t keys = mr_unpack_array(in, SIZE_MAX); /* a key takes more than a byte */
	if (mr_unpack_ok(in))
		corr_group_reserve(corr, group, keys);
	for (size_t i = 0; i < keys && mr_unpack_ok(in); i++)
		get_key(corr, in, number);
	bool done = mr_unpack_done(in);
	if (done && watermark_us > corr->watermark_us)
		corr->watermark_us = watermark_us;
	return done;
}

enum mr_err corr_restore(struct corr *corr, uint8_t number, struct mr_slice bytes,
			 struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	struct corr_section section = {0};
	section.version = section_version(&in);
	if (section.version > SECTION_VERSION)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "correlation state of key group %u: of version %llu, written "
				    "by a newer millrace; this one reads versions up to %d",
				    number, (unsigned long long)section.version, SECTION_VERSION);
	corr->section = &section;
	bool done = get_section(corr, &in, number);
	corr->section = NULL;
	free(section.now);
	if (done)
		return MR_OK;
	corr_group_fini(corr, &corr->groups[number]);
	return mr_error_set(error, MR_BAD_INPUT,
			    "correlation state of key group %u: not a whole section of version %d "
			    "to %d under this run's seed",
			    number, SECTION_OLDEST, SECTION_VERSION);
}
