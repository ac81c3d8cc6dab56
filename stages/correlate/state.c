/* state.c - the tables of correlate: key groups, keys, slots, and what they weigh.
 *
 * Called by the other files of this folder. Tables are hashed with the run's seed, because the keys
 * are an attacker's, and compared by their whole bytes: two keys never merge. Nothing here fails:
 * memory that cannot be had aborts. */
#include "shed.h"

#include <assert.h>
#include <stdlib.h>

#define CACHE_LINE 64

/* ---- time ---- */

int64_t corr_slot_number(int64_t time_us, int64_t span_us)
{
	int64_t number = time_us / span_us;
	return time_us % span_us < 0 ? number - 1 : number;
}

int64_t corr_slot_offset(int64_t time_us, int64_t span_us)
{
	int64_t rest = time_us % span_us;
	return rest < 0 ? rest + span_us : rest;
}

/* ---- what rules hold ---- */

void corr_weigh(struct corr *corr, uint32_t rule, size_t more, size_t less)
{
	corr->bytes += more - less;
	corr->rules[rule].bytes += more - less;
}

/* ---- keys ---- */

static uint64_t seeded_hash(const struct corr *corr, const void *bytes, size_t len, uint64_t more)
{
	uint64_t seed;
	memcpy(&seed, corr->env->seed + 8, sizeof(seed));
	return mr_hash64(bytes, len, seed ^ more);
}

static char *put_text(char *at, struct mr_slice text)
{
	uint32_t len = (uint32_t)text.len;
	memcpy(at, &len, sizeof(len));
	if (len > 0)
		memcpy(at + sizeof(len), text.at, len);
	return at + sizeof(len) + len;
}

static const char *get_text(const char *at, struct mr_slice *text_out)
{
	uint32_t len;
	memcpy(&len, at, sizeof(len));
	*text_out = (struct mr_slice){at + sizeof(len), len};
	return at + sizeof(len) + len;
}

struct mr_slice corr_key_tenant(const struct corr_key *key)
{
	struct mr_slice tenant;
	get_text(key->bytes, &tenant);
	return tenant;
}

void corr_key_texts(const struct corr_key *key, struct mr_slice *texts_out)
{
	struct mr_slice tenant;
	const char *at = get_text(key->bytes, &tenant);
	for (uint32_t i = 0; i < key->texts; i++)
		at = get_text(at, &texts_out[i]);
}

static uint32_t behind(const struct corr_group *group, uint32_t at)
{
	return (at + 1) & (group->key_places - 1);
}

/* Where to look for it, from one place to the next. */
static uint32_t home_of(const struct corr_group *group, uint64_t hash)
{
	return (uint32_t)hash & (group->key_places - 1);
}

static void key_put(struct corr_group *group, uint64_t hash, struct corr_key *key)
{
	uint32_t at = home_of(group, hash);
	while (group->keys[at].key != NULL)
		at = behind(group, at);
	group->keys[at] = (struct corr_key_place){hash, key};
}

static void keys_widen(struct corr *corr, struct corr_group *group, uint32_t places)
{
	struct corr_group old = *group;
	group->key_places = places;
	group->keys = mr_calloc(group->key_places, sizeof(*group->keys));
	for (uint32_t i = 0; i < old.key_places; i++)
		if (old.keys[i].key != NULL)
			key_put(group, old.keys[i].hash, old.keys[i].key);
	corr->bytes += (group->key_places - old.key_places) * sizeof(*group->keys);
	free(old.keys);
}

/* So many places at least that a quarter of them stays free. */
static uint32_t places_for(uint64_t keys)
{
	uint32_t places = 4;
	while (keys * 4 > (uint64_t)places * 3 && places < UINT32_C(1) << 31)
		places *= 2;
	return places;
}

void corr_group_reserve(struct corr *corr, struct corr_group *group, uint64_t keys)
{
	uint32_t places = places_for(group->key_count + keys);
	if (places > group->key_places)
		keys_widen(corr, group, places);
}

static struct corr_key *key_new(struct corr *corr, uint8_t number, const struct corr_rule *rule,
				const struct corr_name *name)
{
	struct corr_group *group = &corr->groups[number];
	corr_group_reserve(corr, group, 1);
	struct corr_key *key = mr_malloc(sizeof(*key) + name->bytes.len);
	corr_weigh(corr, rule->index, corr_taken(sizeof(*key) + name->bytes.len), 0);
	*key = (struct corr_key){.rule = rule,
				 .hash = name->hash,
				 .len = (uint32_t)name->bytes.len,
				 .rank = CORR_UNRANKED,
				 .texts = (uint8_t)name->texts,
				 .group = number};
	memcpy(key->bytes, name->bytes.at, name->bytes.len);
	key_put(group, name->hash, key);
	group->key_count++;
	return key;
}

struct corr_name corr_key_name(const struct corr *corr, const struct corr_rule *rule,
			       struct mr_slice tenant, const struct mr_slice *texts, uint32_t count,
			       struct mr_arena *arena)
{
	size_t len = sizeof(uint32_t) + tenant.len;
	for (uint32_t i = 0; i < count; i++)
		len += sizeof(uint32_t) + texts[i].len;
	char *bytes = mr_arena_alloc(arena, len);
	char *at = put_text(bytes, tenant);
	for (uint32_t i = 0; i < count; i++)
		at = put_text(at, texts[i]);
	return (struct corr_name){.bytes = {bytes, len},
				  .hash = seeded_hash(corr, bytes, len, rule->index),
				  .texts = count};
}

void corr_key_near(const struct corr *corr, uint8_t number, const struct corr_name *name)
{
	const struct corr_group *group = &corr->groups[number];
	if (group->key_places > 0)
		__builtin_prefetch(&group->keys[home_of(group, name->hash)]);
}

/* The key's own slot, and what tells that it is the one. */
void corr_key_nearer(const struct corr *corr, uint8_t number, const struct corr_name *name)
{
	const struct corr_group *group = &corr->groups[number];
	if (group->key_places == 0)
		return;
	const struct corr_key_place *place = &group->keys[home_of(group, name->hash)];
	if (place->key == NULL || place->hash != name->hash)
		return;
	const char *at = (const char *)place->key;
	for (size_t line = 0; line < sizeof(*place->key) + name->bytes.len; line += CACHE_LINE)
		__builtin_prefetch(at + line);
}

struct corr_key *corr_key_get(struct corr *corr, uint8_t number, const struct corr_rule *rule,
			      const struct corr_name *name)
{
	struct corr_group *group = &corr->groups[number];
	if (group->key_places > 0) {
		uint32_t at = home_of(group, name->hash);
		for (; group->keys[at].key != NULL; at = behind(group, at)) {
			struct corr_key *key = group->keys[at].key;
			if (group->keys[at].hash == name->hash && key->rule == rule &&
			    key->texts == name->texts && key->len == name->bytes.len &&
			    memcmp(key->bytes, name->bytes.at, key->len) == 0)
				return key;
		}
	}
	return key_new(corr, number, rule, name);
}

/* What stands behind it moves up as far as it may, so that no place on its way is free. */
static void key_take_out(struct corr_group *group, const struct corr_key *key)
{
	uint32_t mask = group->key_places - 1, at = home_of(group, key->hash);
	while (group->keys[at].key != key)
		at = behind(group, at);
	for (uint32_t i = behind(group, at); group->keys[i].key != NULL; i = behind(group, i)) {
		uint32_t way = (i - home_of(group, group->keys[i].hash)) & mask;
		if (way < ((i - at) & mask))
			continue;
		group->keys[at] = group->keys[i];
		at = i;
	}
	group->keys[at] = (struct corr_key_place){0};
	group->key_count--;
}

static void key_free(struct corr *corr, struct corr_group *group, struct corr_key *key)
{
	key_take_out(group, key);
	corr_weigh(corr, key->rule->index, 0, corr_taken(sizeof(*key) + key->len));
	corr_key_unrank(key);
	free(key);
}

/* ---- slots ---- */

uint64_t corr_slot_hash(const struct corr *corr, const struct corr_key *key, int64_t number)
{
	return seeded_hash(corr, &number, sizeof(number), key->hash);
}

struct corr_slot *corr_slot_find(struct corr *corr, const struct corr_key *key, int64_t number)
{
	struct corr_group *group = &corr->groups[key->group];
	struct corr_slot *only = key->slots;
	if (only == NULL || only->next_of_key == NULL)
		return only != NULL && only->number == number ? only : NULL;
	struct corr_slot *slot =
	    group->slots[corr_slot_hash(corr, key, number) & (group->slot_buckets - 1)];
	while (slot != NULL && (slot->key != key || slot->number != number))
		slot = slot->next_in_bucket;
	return slot;
}

static void slots_grow(struct corr *corr, struct corr_group *group)
{
	uint32_t buckets = group->slot_buckets == 0 ? 4 : group->slot_buckets * 2;
	struct corr_slot **wider = mr_calloc(buckets, sizeof(struct corr_slot *));
	for (uint32_t i = 0; i < group->slot_buckets; i++) {
		while (group->slots[i] != NULL) {
			struct corr_slot *slot = group->slots[i];
			group->slots[i] = slot->next_in_bucket;
			uint64_t hash = corr_slot_hash(corr, slot->key, slot->number);
			struct corr_slot **bucket = &wider[hash & (buckets - 1)];
			slot->next_in_bucket = *bucket;
			*bucket = slot;
		}
	}
	corr->bytes += (buckets - group->slot_buckets) * sizeof(struct corr_slot *);
	free(group->slots);
	group->slots = wider;
	group->slot_buckets = buckets;
}

/* Most keys never have a second slot, and need no table to find the first. */
static void slot_to_table(struct corr *corr, struct corr_slot *slot)
{
	struct corr_group *group = &corr->groups[slot->key->group];
	if (slot->in_table)
		return;
	if (group->slot_count >= group->slot_buckets)
		slots_grow(corr, group);
	struct corr_slot **bucket =
	    &group
		 ->slots[corr_slot_hash(corr, slot->key, slot->number) & (group->slot_buckets - 1)];
	slot->next_in_bucket = *bucket;
	*bucket = slot;
	slot->in_table = true;
	group->slot_count++;
}

static void slot_off_table(struct corr *corr, struct corr_slot *slot)
{
	struct corr_group *group = &corr->groups[slot->key->group];
	if (!slot->in_table)
		return;
	uint64_t hash = corr_slot_hash(corr, slot->key, slot->number);
	struct corr_slot **link = &group->slots[hash & (group->slot_buckets - 1)];
	while (*link != slot)
		link = &(*link)->next_in_bucket;
	*link = slot->next_in_bucket;
	group->slot_count--;
}

static struct corr_slot *slot_beside(struct corr *corr, const struct corr_slot *slot, int64_t step)
{
	int64_t number;
	if (__builtin_add_overflow(slot->number, step, &number))
		return NULL;
	return corr_slot_find(corr, slot->key, number);
}

/* What the slot itself takes; where it lies in its key that counts so much less. */
static size_t slot_bytes(const struct corr_slot *slot)
{
	return slot == &slot->key->own ? sizeof(*slot) : corr_taken(sizeof(*slot));
}

size_t corr_slot_frees(const struct corr_slot *slot)
{
	return slot->bytes - (slot == &slot->key->own ? slot_bytes(slot) : 0);
}

/* One memory for a key and its first slot: half of what a key of one occurrence costs is that each
 * memory of its own is to be found, and given back. */
static struct corr_slot *slot_make(struct corr *corr, struct corr_key *key, int64_t number)
{
	bool is_own = key->own.key == NULL;
	struct corr_slot *slot = is_own ? &key->own : mr_malloc(sizeof(*slot));
	*slot = (struct corr_slot){.key = key, .number = number};
	if (is_own)
		corr_weigh(corr, key->rule->index, 0, slot_bytes(slot));
	return slot;
}

static void slot_give_back(struct corr *corr, struct corr_slot *slot)
{
	struct corr_key *key = slot->key;
	corr_weigh(corr, key->rule->index, 0, corr_slot_frees(slot));
	if (slot == &key->own)
		key->own.key = NULL;
	else
		free(slot);
}

static struct corr_slot *slot_new(struct corr *corr, struct corr_key *key, int64_t number)
{
	struct corr_slot *slot = slot_make(corr, key, number);
	slot->lossy = corr_may_lack(key, number);
	slot->previous = slot_beside(corr, slot, -1);
	slot->next = slot_beside(corr, slot, 1);
	if (slot->previous != NULL)
		slot->previous->next = slot;
	if (slot->next != NULL)
		slot->next->previous = slot;
	if (key->slots != NULL) {
		slot_to_table(corr, key->slots);
		slot_to_table(corr, slot);
	}
	slot->next_of_key = key->slots;
	key->slots = slot;
	corr_due_add(corr, slot);
	corr_husk_take(corr, slot);
	corr_slot_weigh(corr, slot);
	return slot;
}

struct corr_slot *corr_slot_get(struct corr *corr, struct corr_key *key, int64_t number)
{
	struct corr_slot *slot = key->recent;
	if (slot != NULL && slot->number != number) {
		struct corr_slot *beside = slot->number < number ? slot->next : slot->previous;
		slot = beside != NULL && beside->number == number ? beside : NULL;
	}
	if (slot == NULL)
		slot = corr_slot_find(corr, key, number);
	if (slot == NULL) {
		slot = slot_new(corr, key, number);
		if (slot->previous == NULL && number > INT64_MIN &&
		    corr_husk_is(corr, key, number - 1))
			slot_new(corr, key, number - 1);
	}
	key->recent = slot;
	return slot;
}

void corr_slot_weigh(struct corr *corr, struct corr_slot *slot)
{
	size_t bytes = slot_bytes(slot) + corr_items_bytes(&slot->items) +
		       corr_set_bytes(&slot->set) + corr_held_bytes(slot->held) +
		       corr_settled_bytes(slot) + corr_seen_bytes(&slot->seen) +
		       corr_seen_bytes(&slot->fed);
	if (slot->times != NULL)
		bytes += corr_times_bytes(slot->times, slot->key->rule->step_count);
	corr_weigh(corr, slot->key->rule->index, bytes, slot->bytes);
	slot->bytes = bytes;
}

static void slot_empty(struct corr *corr, struct corr_slot *slot)
{
	corr_items_fini(corr, &slot->items);
	corr_set_fini(&slot->set);
	corr_times_free(slot->times, slot->key->rule->step_count);
	slot->times = NULL;
	corr_held_drop(slot);
	corr_settled_drop(corr, slot);
	corr_seen_fini(&slot->seen);
	corr_seen_fini(&slot->fed);
	/* What the next slot counts of this one is gone. */
	if (slot->next != NULL && slot->next->held != NULL)
		slot->next->held->stale = true;
	corr_slot_weigh(corr, slot);
}

static void slot_free(struct corr *corr, struct corr_slot *slot)
{
	slot_off_table(corr, slot);
	if (corr->lateness_us != CORR_UNLIMITED)
		corr_heap_remove(&corr->dues, slot);
	corr_slot_untouch(corr, slot);
	slot_empty(corr, slot);
	if (slot->previous != NULL)
		slot->previous->next = NULL;
	if (slot->next != NULL)
		slot->next->previous = NULL;
	if (slot->key->recent == slot)
		slot->key->recent = NULL;
	slot_give_back(corr, slot);
}

bool corr_key_sweep(struct corr *corr, struct corr_key *key,
		    bool (*gone)(const struct corr *corr, const struct corr_slot *slot))
{
	struct corr_slot **link = &key->slots;
	while (*link != NULL) {
		struct corr_slot *slot = *link;
		if (!gone(corr, slot)) {
			link = &slot->next_of_key;
			continue;
		}
		*link = slot->next_of_key;
		slot_free(corr, slot);
	}
	if (key->slots == NULL) {
		key_free(corr, &corr->groups[key->group], key);
		return false;
	}
	if (key->rank != corr_rank_of(corr, key))
		corr_key_rank(corr, key, corr_rank_of(corr, key));
	return true;
}

void corr_group_sweep(struct corr *corr, struct corr_group *group,
		      bool (*gone)(const struct corr *corr, const struct corr_slot *slot))
{
	uint32_t i = 0;
	while (i < group->key_places) {
		struct corr_key *key = group->keys[i].key;
		if (key == NULL || corr_key_sweep(corr, key, gone))
			i++; /* else the next one may stand there now */
	}
}

static bool every_slot(const struct corr *corr, const struct corr_slot *slot)
{
	(void)corr;
	(void)slot;
	return true;
}

void corr_key_drop(struct corr *corr, struct corr_key *key)
{
	corr_key_sweep(corr, key, every_slot);
}

void corr_group_fini(struct corr *corr, struct corr_group *group)
{
	corr_group_sweep(corr, group, every_slot);
	assert(group->key_count == 0 && group->slot_count == 0);
	corr->bytes -= group->key_places * sizeof(*group->keys);
	corr->bytes -= group->slot_buckets * sizeof(struct corr_slot *);
	free(group->keys);
	free(group->slots);
	corr_plain_fini(corr, &group->plain);
	*group = (struct corr_group){0};
}
