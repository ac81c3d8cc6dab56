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

/* A gram passed the filter at a place of the text. */
__attribute__((noinline)) static void
look_up(const struct engine_scan *scan, const struct image_tier *tier, uint32_t gram, size_t at)
{
	const struct engine *engine = scan->engine;
	unsigned shift = 32u - (unsigned)__builtin_ctz(tier->starts.count - 1);
	const uint32_t *bucket =
	    engine->lists + tier->starts.first + (engine_gram_hash(gram) >> shift);
	for (uint32_t i = bucket[0]; i < bucket[1]; i++) {
		const struct image_needle *needle = &engine->needles[tier->needles.first + i];
		if (needle->gram != gram || at < needle->before ||
		    scan->text.len - (at - needle->before) < needle->text.count ||
		    engine->decided[needle->predicate] == engine->scans)
			continue;
		if (memcmp(scan->text.at + at - needle->before, engine->bytes + needle->text.first,
			   needle->text.count) == 0)
			decide(scan, needle->predicate, needle->verdict);
	}
}

__attribute__((always_inline)) static inline void
look_through(const struct engine_scan *scan, const struct image_tier *tier, unsigned size)
{
	const uint32_t *filter = scan->engine->lists + tier->filter.first;
	unsigned shift = 27u - (unsigned)__builtin_ctz(tier->filter.count);
	for (size_t at = 0; at + size <= scan->text.len; at++) {
		uint32_t gram = 0;
		memcpy(&gram, scan->text.at + at, size);
		uint32_t bit = engine_gram_hash(gram) >> shift;
		if (__builtin_expect(filter[bit / 32] >> bit % 32 & 1, 0))
			look_up(scan, tier, gram, at);
	}
}

bool engine_scan_has_needles(const struct image_group *group)
{
	return group->tiers[0].needles.count + group->tiers[1].needles.count +
		   group->tiers[2].needles.count >
	       0;
}

void engine_scan_needles(const struct engine_scan *scan)
{
	const struct image_tier *tiers = scan->engine->groups[scan->group].image->tiers;
	scan->engine->scans++;
	if (tiers[0].needles.count > 0)
		look_through(scan, &tiers[0], 4);
	if (tiers[1].needles.count > 0)
		look_through(scan, &tiers[1], 2);
	if (tiers[2].needles.count > 0)
		look_through(scan, &tiers[2], 1);
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
