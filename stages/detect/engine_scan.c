/* engine_scan.c - which of a group's many texts and regexes stand in one value, or in all leaves.
 *
 * Called by engine_group.c. Needles are looked up gram by gram (engine_image.h), regexes without
 * needles are libhs's; what either finds is judged here, each predicate once for a text, so that no
 * text makes it dear by repeating itself. Never fails. */
#include "engine_run.h"

#include <assert.h>

static bool regex_in_leaves(struct engine *engine, uint32_t number)
{
	const struct run_leaves *leaves = &engine->leaves;
	for (uint32_t i = 0; i < leaves->count; i++) {
		struct mr_slice text = {leaves->values[i].text, leaves->values[i].len};
		if (engine_regex_holds(engine, number, text))
			return true;
	}
	return false;
}

/* A literal was found in the joined leaves: does one of them match the whole pattern? */
static bool pattern_in_leaves(const struct engine *engine, const struct image_predicate *predicate)
{
	const struct run_leaves *leaves = &engine->leaves;
	uint32_t start = 0;
	for (uint32_t i = 0; i < leaves->count; i++) {
		struct mr_slice text = {leaves->joined.data + start, leaves->ends[i] - start};
		if (engine_pattern_holds(engine, predicate, text))
			return true;
		start = leaves->ends[i] + 1;
	}
	return false;
}

static bool holds(const struct engine_scan *scan, uint32_t number)
{
	struct engine *engine = scan->engine;
	const struct image_predicate *predicate = &engine->predicates[number];
	if (predicate->test == SIGMA_REGEX)
		return scan->joined ? regex_in_leaves(engine, number)
				    : engine_regex_holds(engine, number, scan->raw);
	return scan->joined ? pattern_in_leaves(engine, predicate)
			    : engine_pattern_holds(engine, predicate, scan->text);
}

static void decide(const struct engine_scan *scan, uint32_t number, bool verdict)
{
	struct engine *engine = scan->engine;
	if (engine->decided[number] == engine->scans)
		return;
	engine->decided[number] = engine->scans;
	if (verdict || holds(scan, number))
		engine_found(engine, number);
}

/* ---- needles ---- */

/* The needles of a gram's bucket, up to the next one's. */
static const uint32_t *bucket_of(const struct engine *engine, const struct image_tier *tier,
				 uint32_t gram)
{
	unsigned shift = 32u - (unsigned)__builtin_ctz(tier->starts.count - 1);
	return engine->lists + tier->starts.first + (engine_gram_hash(gram) >> shift);
}

/* The text has a needle's gram at a place: has it the rest, too? */
static bool stands(const struct engine_scan *scan, const struct image_needle *needle, size_t at)
{
	return at >= needle->before &&
	       scan->text.len - (at - needle->before) >= needle->text.count &&
	       memcmp(scan->text.at + at - needle->before, scan->engine->bytes + needle->text.first,
		      needle->text.count) == 0;
}

/* A gram passed the filter. Where any needle will do, in a record's bytes, gives whether one may
 * stand there. */
__attribute__((noinline)) static bool look_up(const struct engine_scan *scan,
					      const struct image_tier *tier, uint32_t gram,
					      size_t at, bool any)
{
	const struct engine *engine = scan->engine;
	const uint32_t *bucket = bucket_of(engine, tier, gram);
	for (uint32_t i = bucket[0]; i < bucket[1]; i++) {
		const struct image_needle *needle = &engine->needles[tier->needles.first + i];
		if (needle->gram != gram)
			continue;
		if (any && (!needle->plain || stands(scan, needle, at)))
			return true;
		if (!any && engine->decided[needle->predicate] != engine->scans &&
		    stands(scan, needle, at))
			decide(scan, needle->predicate, needle->verdict);
	}
	return false;
}

__attribute__((always_inline)) static inline bool
look_through(const struct engine_scan *scan, const struct image_tier *tier, unsigned size, bool any)
{
	const uint32_t *filter = scan->engine->lists + tier->filter.first;
	unsigned shift = 27u - (unsigned)__builtin_ctz(tier->filter.count);
	size_t stride = tier->stride;
	for (size_t at = 0; at + size <= scan->text.len; at += stride) {
		uint32_t gram = 0;
		memcpy(&gram, scan->text.at + at, size);
		uint32_t bit = engine_gram_hash(gram) >> shift;
		if (__builtin_expect(filter[bit / 32] >> bit % 32 & 1, 0) &&
		    look_up(scan, tier, gram, at, any))
			return true;
	}
	return false;
}

static bool look_for_all(const struct engine_scan *scan, const struct image_tier *tiers, bool any)
{
	return (tiers[0].needles.count > 0 && look_through(scan, &tiers[0], 4, any)) ||
	       (tiers[1].needles.count > 0 && look_through(scan, &tiers[1], 2, any)) ||
	       (tiers[2].needles.count > 0 && look_through(scan, &tiers[2], 1, any));
}

bool engine_scan_has_needles(const struct image_group *group)
{
	return group->tiers[0].needles.count + group->tiers[1].needles.count +
		   group->tiers[2].needles.count >
	       0;
}

void engine_scan_needles(const struct engine_scan *scan)
{
	scan->engine->scans++;
	(void)look_for_all(scan, scan->engine->groups[scan->group].image->tiers, false);
}

/* Whether no character is written by its number, as JSON allows. */
static bool is_written_plain(struct mr_slice json)
{
	const char *end = json.at + json.len;
	const char *at = json.at;
	while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
		if (end - at > 1 && at[1] == 'u')
			return false;
		at += end - at > 1 ? 2 : 1;
	}
	return true;
}

/* Grams of an in_raw group are written in one way only, but for characters written by number. */
bool engine_scan_raw(struct engine *engine, const struct image_group *group)
{
	struct mr_slice json = engine->event->json;
	if (engine->raw_epoch != engine->epoch) {
		engine->raw_epoch = engine->epoch;
		engine->raw_is_plain = is_written_plain(json);
		engine->raw.len = 0;
		char *room = mr_buf_reserve(&engine->raw, mr_fold_max(json.len));
		if (engine->raw_is_plain)
			engine->raw.len = mr_fold(json.at, json.len, room);
	}
	struct mr_slice raw = {engine->raw.data, engine->raw.len};
	const struct engine_scan scan = {.engine = engine, .text = raw, .raw = raw};
	return !engine->raw_is_plain || look_for_all(&scan, group->tiers, true);
}

/* ---- regexes ---- */

static int on_hit(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		  void *context)
{
	const struct engine_scan *scan = context;
	(void)from;
	(void)to;
	(void)flags;
	if (id < scan->engine->counts[ENGINE_PREDICATES] &&
	    scan->engine->predicates[id].how == ENGINE_GROUPED &&
	    scan->engine->predicates[id].group == scan->group &&
	    scan->engine->predicates[id].scanned)
		decide(scan, id, false);
	return 0;
}

void engine_scan_regexes(const struct engine_scan *scan)
{
	struct engine *engine = scan->engine;
	const struct run_group *group = &engine->groups[scan->group];
	struct mr_slice text = scan->raw;
	engine->scans++;
	if (mr_utf8_valid(text.at, text.len)) {
		if (text.len == 0)
			return;
		hs_error_t got = hs_scan(group->regexes, text.at, (unsigned)text.len, 0,
					 engine->scratch, on_hit, (void *)(uintptr_t)scan);
		assert(got == HS_SUCCESS);
		return;
	}
	for (uint32_t i = 0; i < group->member_count; i++)
		if (engine->predicates[group->members[i]].scanned)
			decide(scan, group->members[i], false);
}
