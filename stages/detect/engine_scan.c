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

/* A tier and a text, at hand for the walk along it. */
struct walk {
	const struct engine_scan *scan;
	const struct image_tier *tier;
	const char *filter;
	uint32_t mask;
	bool any; /* whether any needle stands there is all that is asked */
};

static struct walk walk_of(const struct engine_scan *scan, const struct image_tier *tier, bool any)
{
	return (struct walk){scan, tier, scan->engine->bytes + tier->filter.first,
			     tier->filter.count - 1, any};
}

__attribute__((always_inline)) static inline uint32_t gram_at(const char *at, unsigned size)
{
	uint32_t gram = 0;
	memcpy(&gram, at, size);
	return gram;
}

/* Not 0 where the gram at a place may be a needle's. */
__attribute__((always_inline)) static inline int may_stand(const struct walk *walk, const char *at,
							   unsigned size)
{
	return walk->filter[engine_gram_hash(gram_at(at, size)) & walk->mask];
}

/* The text has a needle's gram at a place: has it the rest, too? */
static bool stands(const struct engine_scan *scan, const struct image_needle *needle, size_t at)
{
	return at >= needle->before &&
	       scan->text.len - (at - needle->before) >= needle->text.count &&
	       memcmp(scan->text.at + at - needle->before, scan->engine->bytes + needle->text.first,
		      needle->text.count) == 0;
}

/* A gram passed the filter. Where any needle will do, gives whether one stands there. */
__attribute__((noinline)) static bool look_up(const struct walk *walk, const char *place,
					      unsigned size)
{
	const struct engine_scan *scan = walk->scan;
	const struct engine *engine = scan->engine;
	const struct image_tier *tier = walk->tier;
	uint32_t gram = gram_at(place, size);
	unsigned shift = 32u - (unsigned)__builtin_ctz(tier->starts.count - 1);
	const uint32_t *bucket =
	    engine->lists + tier->starts.first + (engine_gram_hash(gram) >> shift);
	for (uint32_t i = bucket[0]; i < bucket[1]; i++) {
		const struct image_needle *needle = &engine->needles[tier->needles.first + i];
		if (needle->gram != gram ||
		    (!walk->any && engine->decided[needle->predicate] == engine->scans) ||
		    !stands(scan, needle, (size_t)(place - scan->text.at)))
			continue;
		if (walk->any)
			return true;
		decide(scan, needle->predicate, needle->verdict);
	}
	return false;
}

/* Four looks at a time, since next to none finds anything. */
__attribute__((always_inline)) static inline bool look_through(const struct walk walk,
							       unsigned size)
{
	struct mr_slice text = walk.scan->text;
	ptrdiff_t stride = (ptrdiff_t)walk.tier->stride;
	if (text.len < size)
		return false;
	const char *at = text.at, *last = text.at + text.len - size;
	for (; last - at >= 3 * stride; at += 4 * stride) {
		if (__builtin_expect(may_stand(&walk, at, size) |
					 may_stand(&walk, at + stride, size) |
					 may_stand(&walk, at + 2 * stride, size) |
					 may_stand(&walk, at + 3 * stride, size),
				     0) == 0)
			continue;
		for (int i = 0; i < 4; i++)
			if (may_stand(&walk, at + i * stride, size) &&
			    look_up(&walk, at + i * stride, size))
				return true;
	}
	for (; at <= last; at += stride)
		if (may_stand(&walk, at, size) && look_up(&walk, at, size))
			return true;
	return false;
}

static bool look_anywhere(const struct engine_scan *scan, const struct image_tier *tiers, bool any)
{
	return (tiers[0].needles.count > 0 && look_through(walk_of(scan, &tiers[0], any), 4)) ||
	       (tiers[1].needles.count > 0 && look_through(walk_of(scan, &tiers[1], any), 2)) ||
	       (tiers[2].needles.count > 0 && look_through(walk_of(scan, &tiers[2], any), 1));
}

/* At the one place that a tier's needles stand at. */
static void look_at(const struct engine_scan *scan, const struct image_tier *tier, size_t number)
{
	const struct walk walk = walk_of(scan, tier, false);
	unsigned distance = engine_tiers[number].distance, size = engine_tiers[number].size;
	bool from_end = engine_tiers[number].place == ENGINE_FROM_END;
	if (scan->text.len < (from_end ? distance : distance + size))
		return;
	const char *at = scan->text.at + (from_end ? scan->text.len - distance : distance);
	if (may_stand(&walk, at, size))
		look_up(&walk, at, size);
}

void engine_scan_needles(const struct engine_scan *scan)
{
	const struct image_group *image = scan->engine->groups[scan->group].image;
	scan->engine->scans++;
	for (uint32_t used = image->tiers_used >> ENGINE_RAW_TIERS; used != 0; used &= used - 1) {
		size_t number = ENGINE_RAW_TIERS + (size_t)__builtin_ctz(used);
		look_at(scan, &image->tiers[number], number);
	}
	(void)look_anywhere(scan, image->tiers, false);
}

/* ---- the record's own bytes ---- */

/* The ASCII character that "\uXXXX" folds to; 0 where it is another one. */
static char character_at(const char *at)
{
	int32_t value = mr_hex4(at + 2);
	if (value < 0)
		return '\0';
	uint32_t point = mr_fold_codepoint((uint32_t)value);
	return point < 0x80 ? (char)point : '\0';
}

/* The escape at json[*from] in the one way that needles have it; gives how long that is. */
static size_t write_escape(const char *json, size_t left, size_t *from, char *out)
{
	size_t len = left < 2 ? left : json[*from + 1] == 'u' && left >= 6 ? 6 : 2;
	char character = '\0';
	if (len == 6)
		character = character_at(json + *from);
	else if (len == 2 && json[*from + 1] == '/')
		character = '/';
	char letter = engine_json_letter(character);
	memmove(out, json + *from, len);
	*from += len;
	if (letter != '\0') {
		out[1] = letter;
		return 2;
	}
	if (character < ' ')
		return len;
	out[0] = character;
	return 1;
}

/* Whether the text may have "\\u" or "\\/": most have not. */
static bool may_be_plainer(const char *json, size_t len)
{
	typedef char bytes __attribute__((vector_size(16)));
	typedef uint64_t words __attribute__((vector_size(16)));
	bytes first, second;
	size_t at = 0;
	for (; len - at > sizeof first; at += sizeof first) {
		memcpy(&first, json + at, sizeof first);
		memcpy(&second, json + at + 1, sizeof second);
		words found = (words)((first == '\\') & ((second == 'u') | (second == '/')));
		if ((found[0] | found[1]) != 0)
			return true;
	}
	for (; at + 1 < len; at++)
		if (json[at] == '\\' && (json[at + 1] == 'u' || json[at + 1] == '/'))
			return true;
	return false;
}

/* Folded JSON, in place: what need not be escaped is not. Gives its length. */
static size_t write_plain(char *json, size_t len)
{
	size_t from = 0, to = 0;
	while (from < len) {
		const char *found = memchr(json + from, '\\', len - from);
		size_t run = found != NULL ? (size_t)(found - (json + from)) : len - from;
		if (to < from)
			memmove(json + to, json + from, run);
		from += run;
		to += run;
		if (found != NULL)
			to += write_escape(json, len - from, &from, json + to);
	}
	return to;
}

bool engine_scan_raw(struct engine *engine, const struct image_group *group)
{
	struct mr_slice json = engine->event->json;
	if (engine->raw_epoch != engine->epoch) {
		engine->raw_epoch = engine->epoch;
		engine->raw.len = 0;
		char *room = mr_buf_reserve(&engine->raw, mr_fold_max(json.len));
		engine->raw.len = mr_fold(json.at, json.len, room);
		if (may_be_plainer(json.at, json.len))
			engine->raw.len = write_plain(room, engine->raw.len);
	}
	struct mr_slice raw = {engine->raw.data, engine->raw.len};
	const struct engine_scan scan = {.engine = engine, .text = raw, .raw = raw};
	return look_anywhere(&scan, group->raw, true);
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
	const struct run_members *members = &engine->members[scan->group];
	for (uint32_t i = 0; i < members->count; i++)
		if (engine->predicates[members->items[i]].scanned)
			decide(scan, members->items[i], false);
}
