/* engine_group.c - all predicates of one field judged together, value by value.
 *
 * Called by engine_match.c, at most once for a group and event. What holds for a value that was met
 * before comes from the group's cache. Nothing here fails; a regex that reaches its limit of steps,
 * of one text or of the event, is counted and does not match. */
#include "engine_run.h"

/* One look in so many decides whether the cache is worth it; if not, it rests for so many. */
#define CACHE_SAMPLE 1024
#define CACHE_REST 16384

struct mr_slice engine_fold(struct mr_buf *room, const struct mr_value *value)
{
	char *at = mr_buf_reserve(room, mr_fold_max(value->len));
	return (struct mr_slice){at, mr_fold(value->text, value->len, at)};
}

bool engine_regex_holds(struct engine *engine, uint32_t predicate, struct mr_slice text)
{
	struct run_spent *spent = &engine->spent[predicate];
	if (spent->epoch != engine->epoch)
		*spent = (struct run_spent){engine->epoch, 0};
	enum engine_found found =
	    engine_regex_find(&engine->room, engine->regexes[predicate], text, &spent->steps);
	if (found == ENGINE_FOUND || found == ENGINE_ABSENT)
		return found == ENGINE_FOUND;
	engine_give_up(engine, predicate);
	if (found == ENGINE_SPENT)
		engine->undecided = engine->epoch;
	/* What a database has found and PCRE2 cannot confirm in time stands. */
	return engine->predicates[predicate].scanned;
}

/* ---- single tests ---- */

bool engine_pattern_holds(const struct engine *engine, const struct image_predicate *predicate,
			  struct mr_slice text)
{
	return engine_pattern_match(engine->parts + predicate->parts.first, predicate->parts.count,
				    text);
}

static bool number_holds(const struct engine *engine, const struct image_predicate *predicate,
			 const struct mr_value *value)
{
	struct engine_number wanted = {
	    .type = (enum mr_type)predicate->number_type,
	    .text = {engine->bytes + predicate->digits.first, predicate->digits.count}};
	struct engine_number number;
	memcpy(&wanted.num, &predicate->number_bits, sizeof(wanted.num));
	bool equals = predicate->test == SIGMA_NUMBER;
	if (equals && value->type == MR_STRING)
		return mr_slice_eq((struct mr_slice){value->text, value->len},
				   (struct mr_slice){engine->bytes + predicate->text.first,
						     predicate->text.count});
	if (wanted.type == MR_NULL)
		return false;
	if (value->type == MR_STRING
		? !engine_number_read((struct mr_slice){value->text, value->len}, false, &number)
		: !engine_number_of(value, &number))
		return false;
	int order = engine_number_compare(number, wanted);
	if (order == 2 || equals)
		return order == 0;
	return mr_compare_holds((enum mr_compare)predicate->op, order);
}

static bool bool_holds(const struct image_predicate *predicate, const struct mr_value *value,
		       struct mr_slice folded)
{
	if (value->type == MR_BOOL)
		return (value->num.i != 0) == predicate->truth;
	return value->type == MR_STRING &&
	       mr_slice_eq(folded, predicate->truth ? MR_SLICE("true") : MR_SLICE("false"));
}

static bool time_holds(const struct image_predicate *predicate, const struct mr_value *value)
{
	int64_t time_us;
	if (value->type == MR_INT && predicate->field == MR_F_TIME)
		time_us = value->num.i; /* parse's own: microseconds */
	else if (value->type != MR_STRING ||
		 !engine_time_read((struct mr_slice){value->text, value->len}, &time_us))
		return false;
	return engine_time_part(time_us, (enum sigma_timepart)predicate->part) ==
	       predicate->part_value;
}

/* `text` is the value's text as the group sees it. */
static bool value_holds(struct engine *engine, uint32_t number, const struct mr_value *value,
			struct mr_slice text)
{
	const struct image_predicate *predicate = &engine->predicates[number];
	uint8_t address[16];
	switch ((enum sigma_test)predicate->test) {
	case SIGMA_TEXT:
		return engine_pattern_holds(engine, predicate, text);
	case SIGMA_NUMBER:
	case SIGMA_COMPARE:
		return number_holds(engine, predicate, value);
	case SIGMA_BOOL:
		return bool_holds(predicate, value, text);
	case SIGMA_CIDR:
		return value->type == MR_STRING &&
		       engine_address_read((struct mr_slice){value->text, value->len}, address) &&
		       engine_address_within(address, predicate->network, predicate->prefix);
	case SIGMA_TIMEPART:
		return time_holds(predicate, value);
	default:
		return false;
	}
}

/* ---- one value ---- */

static void find_equal(struct engine *engine, const struct image_group *image,
		       const struct mr_value *value, struct mr_slice text)
{
	char room[ENGINE_NUMBER_TEXT];
	if (value->type == MR_INT || value->type == MR_UINT || value->type == MR_DOUBLE)
		text = engine_equal_text(value, room);
	uint32_t hash = engine_slot_hash(text);
	uint32_t mask = image->slots.count - 1;
	const struct image_slot *slots = engine->slots + image->slots.first;
	for (uint32_t i = 0; i <= mask; i++) {
		const struct image_slot *slot = &slots[(hash + i) & mask];
		if (slot->predicate == ENGINE_NONE)
			return;
		if (slot->hash != hash)
			continue;
		const struct image_predicate *predicate = &engine->predicates[slot->predicate];
		struct mr_slice wanted = {"", 0};
		if (predicate->parts.count > 0)
			wanted = engine->parts[predicate->parts.first].text;
		if (mr_slice_eq(wanted, text)) {
			engine_found(engine, slot->predicate);
			return;
		}
	}
}

/* Which predicates hold for one value; literals are left out where all leaves are scanned at once.
 */
static void find_all(struct engine *engine, uint32_t number, const struct mr_value *value,
		     bool literals)
{
	const struct run_group *group = &engine->groups[number];
	const struct image_group *image = group->image;
	struct mr_slice raw = {value->text, value->len};
	struct mr_slice text = image->folded ? engine_fold(&engine->folded, value) : raw;
	const struct engine_scan scan = {engine, number, text, raw, false};
	if (image->slots.count > 0)
		find_equal(engine, image, value, text);
	for (uint32_t i = 0; i < image->rest.count; i++) {
		uint32_t predicate = engine->lists[image->rest.first + i];
		if (value_holds(engine, predicate, value, text))
			engine_found(engine, predicate);
	}
	if (literals && image->tiers_used != 0)
		engine_scan_needles(&scan);
	if (group->regexes != NULL)
		engine_scan_regexes(&scan);
}

/* ---- the cache ---- */

static bool cache_rests(struct run_group *group)
{
	if (group->skip > 0) {
		group->skip--;
		return true;
	}
	if (++group->looks < CACHE_SAMPLE)
		return false;
	if (group->misses > CACHE_SAMPLE / 8 * 7)
		group->skip = CACHE_REST;
	group->looks = group->misses = 0;
	return false;
}

static uint64_t cache_hash(const struct engine *engine, const struct mr_value *value)
{
	return value->len < 8 ? mr_hash_short(value->text, value->len, engine->seed)
			      : mr_hash_ends(value->text, value->len, engine->seed ^ value->len);
}

/* Short texts of one length and one hash are the same; of others most are, and short enough for a
 * comparison without a call (./run cost: both 200 instructions an event). */
static bool entry_is(const struct cache_entry *entry, uint64_t hash, const struct mr_value *value)
{
	return entry->hash == hash && entry->len == value->len && entry->type == value->type &&
	       (value->len < 8 || mr_same_bytes(entry->text, value->text, value->len));
}

static void cache_fill(struct run_group *group, struct cache_entry *entry, uint64_t hash,
		       const struct mr_value *value, const struct engine *engine)
{
	group->misses++;
	if (engine->found_count > CACHE_FOUND || engine->undecided == engine->epoch)
		return;
	entry->hash = hash;
	entry->len = (uint16_t)value->len;
	entry->type = (uint8_t)value->type;
	entry->count = (uint8_t)engine->found_count;
	memcpy(entry->found, engine->found, engine->found_count * sizeof(*entry->found));
	if (value->len > 0)
		memcpy(entry->text, value->text, value->len);
}

static void hit(struct engine *engine, struct run_group *group, const uint32_t *found,
		uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t predicate = found[i];
		if (engine->truth[predicate])
			continue;
		engine->truth[predicate] = 1;
		group->hits[group->hit_count++] = predicate;
	}
}

/* The value is looked at; what holds is kept in `entry`, where there is one. Not inlined: 19 of
 * 20 values are found in the cache. */
__attribute__((noinline)) static void judge_anew(struct engine *engine, uint32_t number,
						 const struct mr_value *value,
						 struct cache_entry *entry, uint64_t hash)
{
	struct run_group *group = &engine->groups[number];
	engine->found_count = 0;
	find_all(engine, number, value, true);
	if (entry != NULL)
		cache_fill(group, entry, hash, value, engine);
	hit(engine, group, engine->found, engine->found_count);
}

/* `hash` is cache_hash's. */
static inline void judge_value(struct engine *engine, uint32_t number, struct run_group *group,
			       const struct mr_value *value, uint64_t hash)
{
	if (value->len > CACHE_TEXT || cache_rests(group)) {
		judge_anew(engine, number, value, NULL, 0);
		return;
	}
	struct cache_entry *entry = &group->cache[hash & group->cache_mask];
	if (entry_is(entry, hash, value))
		hit(engine, group, entry->found, entry->count);
	else
		judge_anew(engine, number, value, entry, hash);
}

/* ---- the group ---- */

/* Keywords: one scan for the literals over all leaves, the rest leaf by leaf. */
static void judge_leaves(struct engine *engine, uint32_t number)
{
	struct run_group *group = &engine->groups[number];
	const struct image_group *image = group->image;
	engine->found_count = 0;
	if (image->in_raw && !engine_scan_raw(engine, image))
		return;
	if (image->tiers_used != 0) {
		engine_leaves_join(engine, image->folded);
		struct mr_slice joined = {engine->leaves.joined.data, engine->leaves.joined.len};
		const struct engine_scan scan = {engine, number, joined, joined, true};
		engine_scan_needles(&scan);
		hit(engine, group, engine->found, engine->found_count);
	}
	if (image->slots.count == 0 && image->rest.count == 0 && group->regexes == NULL)
		return;
	engine_leaves_read(engine);
	for (uint32_t i = 0; i < engine->leaves.count; i++) {
		engine->found_count = 0;
		find_all(engine, number, &engine->leaves.values[i], false);
		hit(engine, group, engine->found, engine->found_count);
	}
}

void engine_group_judge_first(struct engine *engine, uint32_t number)
{
	if (engine->profile != NULL)
		engine_profile_group(engine, number);
	else
		engine_group_judge_now(engine, number);
}

static inline void begin(struct engine *engine, struct run_group *group)
{
	group->epoch = engine->epoch;
	for (uint32_t i = 0; i < group->hit_count; i++)
		engine->truth[group->hits[i]] = 0;
	group->hit_count = 0;
}

static void judge_values(struct engine *engine, uint32_t number, struct run_group *group,
			 const struct mr_value *value)
{
	for (; value != NULL; value = mr_value_next(engine->events, value))
		if (value->type != MR_NULL)
			judge_value(engine, number, group, value, cache_hash(engine, value));
}

void engine_group_judge_now(struct engine *engine, uint32_t number)
{
	struct run_group *group = &engine->groups[number];
	begin(engine, group);
	if (group->field == 0)
		judge_leaves(engine, number);
	else
		judge_values(engine, number, group,
			     mr_event_get(engine->events, engine->event, group->field));
}

struct run_look engine_group_look(const struct engine *engine, const struct run_first *first)
{
	const struct run_group *group = &engine->groups[first->group];
	struct run_look look = {.group = first->group};
	if (first->field == 0 || engine->profile != NULL)
		return look;
	const struct mr_value *value = mr_event_get(engine->events, engine->event, first->field);
	if (value->type == MR_NULL)
		return look;
	look.value = value;
	look.hash = cache_hash(engine, value);
	__builtin_prefetch(&group->cache[look.hash & group->cache_mask]);
	return look;
}

void engine_group_judge_looked(struct engine *engine, const struct run_look *look)
{
	struct run_group *group = &engine->groups[look->group];
	if (look->value == NULL) {
		engine_group_judge(engine, look->group);
		return;
	}
	if (group->epoch == engine->epoch)
		return;
	begin(engine, group);
	judge_value(engine, look->group, group, look->value, look->hash);
	judge_values(engine, look->group, group, mr_value_next(engine->events, look->value));
}
