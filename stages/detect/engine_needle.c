/* engine_needle.c - many texts that are looked for at once: the tables, as engine_image.h has them.
 *
 * Called by engine_compile.c. Which gram of a text is chosen decides how often it is met for
 * nothing: the one that the fewest texts of all rules have, since what stands in many rules' texts
 * stands in many values, too. */
#include "engine_build.h"

#include <stdlib.h>

#define FILTER_BITS_MIN 12u /* logarithms */
#define FILTER_BITS_MAX 17u
#define FILTER_SPARE 4u /* 16 bytes a needle */
#define STRIDE_MAX 8u

/* A text to look for, of one member of a group. */
struct needle {
	struct image_needle image;
	struct mr_slice text; /* no longer than a window */
	uint32_t hash;
	size_t tier;
};

static uint32_t gram_at(const char *at, unsigned size)
{
	uint32_t gram = 0;
	memcpy(&gram, at, size);
	return gram;
}

/* ---- how many texts have a gram ---- */

static struct build_count *census_find(const struct build_census *census, uint32_t gram)
{
	uint32_t at = engine_gram_hash(gram) & census->mask;
	while (census->counts[at].count != 0 && census->counts[at].gram != gram)
		at = (at + 1) & census->mask;
	return &census->counts[at];
}

static void census_grow(struct build *build, struct build_census *census)
{
	struct build_census old = *census;
	census->mask = old.counts == NULL ? 1023 : old.mask * 2 + 1;
	size_t bytes = ((size_t)census->mask + 1) * sizeof(*census->counts);
	census->counts = memset(mr_arena_alloc(&build->arena, bytes), 0, bytes);
	for (uint32_t i = 0; old.counts != NULL && i <= old.mask; i++)
		if (old.counts[i].count != 0)
			*census_find(census, old.counts[i].gram) = old.counts[i];
}

static void census_add(struct build *build, struct build_census *census, struct mr_slice text,
		       unsigned size)
{
	for (size_t at = 0; at + size <= text.len; at++) {
		if (census->used * 2 >= census->mask)
			census_grow(build, census);
		uint32_t gram = gram_at(text.at + at, size);
		struct build_count *count = census_find(census, gram);
		census->used += count->count == 0;
		count->gram = gram;
		count->count++;
	}
}

/* As JSON writes a text, where no character that it can write as it is has a backslash: of that the
 * longest run that is ASCII, since others may be written by their numbers. */
static struct mr_slice written(struct build *build, struct mr_slice text)
{
	char *out = mr_arena_alloc(&build->arena, text.len * 2 + 1);
	struct mr_slice best = {out, 0};
	size_t len = 0, start = 0;
	for (size_t i = 0; i < text.len; i++) {
		char letter = engine_json_letter(text.at[i]);
		if (letter != '\0')
			out[len++] = '\\';
		out[len++] = letter != '\0' ? letter : text.at[i];
		unsigned char byte = (unsigned char)text.at[i];
		if (letter == '\0' && (byte < ' ' || byte >= 0x80))
			start = len;
		if (len - start > best.len)
			best = (struct mr_slice){out + start, len - start};
	}
	return best;
}

static const struct build_census *census_of(struct build *build, unsigned size, bool in_raw)
{
	struct build_census *census = &build->censuses[in_raw][size / 2];
	if (census->counts != NULL)
		return census;
	census_grow(build, census);
	for (uint32_t i = 0; i < build->predicate_count; i++) {
		const struct sigma_predicate *source = build->predicates[i].source;
		for (uint32_t j = 0; source->test == SIGMA_TEXT && j < source->part_count; j++) {
			const struct sigma_part *part = &source->parts[j];
			if (part->kind == SIGMA_LITERAL)
				census_add(build, census,
					   in_raw ? written(build, part->text) : part->text, size);
		}
	}
	return census;
}

/* ---- grams ---- */

/* Those that stand in the fewest texts, `stride` of them side by side. */
static void choose_grams(const struct build_census *census, struct needle *needles, unsigned size,
			 uint32_t stride)
{
	struct mr_slice text = needles->text;
	uint32_t least = UINT32_MAX, first = 0;
	for (uint32_t at = 0; at + size + stride - 1 <= text.len; at++) {
		uint32_t sum = 0;
		for (uint32_t i = 0; i < stride; i++)
			sum += census_find(census, gram_at(text.at + at + i, size))->count;
		first = sum < least ? at : first;
		least = sum < least ? sum : least;
	}
	for (uint32_t i = 0; i < stride; i++) {
		needles[i] = needles[0];
		needles[i].image.before = first + i;
	}
}

/* So far apart that each needle has a gram at one of the looks. */
static uint32_t stride_of(const struct needle *needles, uint32_t count, unsigned size)
{
	uint32_t stride = STRIDE_MAX;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t most = (uint32_t)needles[i].text.len - size + 1;
		stride = most < stride ? most : stride;
	}
	return stride;
}

/* Into `grams`, as many for each as the stride, which it gives. */
static uint32_t take_grams(struct build *build, const struct needle *needles, uint32_t count,
			   bool in_raw, struct needle **grams)
{
	size_t tier = needles->tier;
	unsigned size = engine_tiers[tier].size;
	unsigned distance = engine_tiers[tier].distance;
	bool anywhere = engine_tiers[tier].place == ENGINE_ANYWHERE;
	uint32_t stride = anywhere ? stride_of(needles, count, size) : 1;
	*grams = mr_calloc((size_t)count * stride, sizeof(**grams));
	for (uint32_t i = 0; i < count; i++) {
		struct needle *gram = &(*grams)[i * stride];
		*gram = needles[i];
		gram->image.before = engine_tiers[tier].place == ENGINE_FROM_START
					 ? distance
					 : (uint32_t)gram->text.len - distance;
		if (anywhere)
			choose_grams(census_of(build, size, in_raw), gram, size, stride);
	}
	for (uint32_t i = 0; i < count * stride; i++) {
		struct needle *gram = &(*grams)[i];
		gram->image.gram = gram_at(gram->text.at + gram->image.before, size);
		gram->hash = engine_gram_hash(gram->image.gram);
	}
	return stride;
}

/* ---- tables ---- */

static int by_hash(const void *a, const void *b)
{
	const struct needle *left = a;
	const struct needle *right = b;
	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return (left->image.predicate > right->image.predicate) -
	       (left->image.predicate < right->image.predicate);
}

static unsigned bits_for(uint64_t count)
{
	unsigned bits = FILTER_BITS_MIN;
	while (bits < FILTER_BITS_MAX && UINT64_C(1) << bits < count)
		bits++;
	return bits;
}

/* Needles in the order of their hashes, so that each bucket is a range. */
static void put_tables(struct build *build, const struct needle *needles, uint32_t count,
		       struct image_tier *tier)
{
	unsigned bits = bits_for((uint64_t)count << FILTER_SPARE);
	unsigned bucket_bits = bits - FILTER_SPARE;
	char *filter = mr_calloc((size_t)1 << bits, 1);
	struct build_list starts = {0};
	for (uint32_t i = 0; i < count; i++) {
		filter[needles[i].hash & ((1u << bits) - 1)] = 1;
		while (starts.count <= needles[i].hash >> (32 - bucket_bits))
			build_list_add(build, &starts, i);
	}
	while (starts.count <= 1u << bucket_bits)
		build_list_add(build, &starts, count);
	tier->filter = build_bytes(build, filter, (size_t)1 << bits, 1);
	tier->starts = build_items(build, &starts);
	free(filter);
}

static void put_tier(struct build *build, const struct needle *needles, uint32_t count, bool in_raw,
		     struct image_tier *tier)
{
	struct needle *grams;
	tier->stride = take_grams(build, needles, count, in_raw, &grams);
	count *= tier->stride;
	qsort(grams, count, sizeof(*grams), by_hash);
	tier->needles = (struct image_span){
	    (uint32_t)(build->sections[ENGINE_NEEDLES].len / sizeof(struct image_needle)), count};
	for (uint32_t i = 0; i < count; i++)
		build_put(build, ENGINE_NEEDLES, &grams[i].image, sizeof(grams[i].image));
	put_tables(build, grams, count, tier);
	free(grams);
}

/* ---- a group ---- */

/* The first that the text is long enough for. */
static size_t tier_of(enum image_place place, size_t len)
{
	size_t tier = 0;
	for (;; tier++) {
		size_t least = engine_tiers[tier].place == ENGINE_FROM_END
				   ? engine_tiers[tier].distance
				   : (size_t)engine_tiers[tier].distance + engine_tiers[tier].size;
		if (engine_tiers[tier].place == place && len >= least)
			return tier;
	}
}

static struct needle needle_of(struct build *build, uint32_t number, struct mr_slice text,
			       enum image_place place)
{
	bool whole = text.len <= ENGINE_WINDOW;
	if (!whole && place == ENGINE_FROM_END)
		text.at += text.len - ENGINE_WINDOW;
	text.len = whole ? text.len : ENGINE_WINDOW;
	return (struct needle){
	    .image = {.predicate = number,
		      .verdict = build->predicates[number].hit_is_verdict && whole,
		      .text = build_bytes(build, text.at, text.len, 1)},
	    .text = text,
	    .tier = tier_of(place, text.len)};
}

static int by_tier(const void *a, const void *b)
{
	const struct needle *left = a;
	const struct needle *right = b;
	if (left->tier != right->tier)
		return left->tier < right->tier ? -1 : 1;
	return (left->image.text.first > right->image.text.first) -
	       (left->image.text.first < right->image.text.first);
}

/* 0 where one of the texts does not tell. */
static uint32_t collect(struct build *build, const struct build_group *group, bool in_raw,
			struct needle *needles)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < group->members.count; i++) {
		uint32_t number = group->members.items[i];
		const struct build_predicate *member = &build->predicates[number];
		uint32_t literals = member->way == BUILD_LITERAL ? member->literal_count : 0;
		for (uint32_t j = 0; j < literals; j++) {
			struct mr_slice text = member->literals[j];
			if (in_raw)
				text = written(build, text);
			if (text.len == 0)
				return 0;
			if (needles != NULL)
				needles[count] = needle_of(build, number, text, member->place);
			count++;
		}
	}
	return count;
}

uint32_t build_needles(struct build *build, const struct build_group *group, bool in_raw,
		       struct image_tier *tiers)
{
	uint32_t count = collect(build, group, in_raw, NULL), used = 0;
	struct needle *needles = mr_calloc((size_t)count + 1, sizeof(*needles));
	if (count > 0)
		collect(build, group, in_raw, needles);
	qsort(needles, count, sizeof(*needles), by_tier);
	for (uint32_t first = 0, end; first < count; first = end) {
		size_t tier = needles[first].tier;
		for (end = first; end < count && needles[end].tier == tier;)
			end++;
		put_tier(build, &needles[first], end - first, in_raw, &tiers[tier]);
		used |= 1u << tier;
	}
	free(needles);
	return used;
}
