/* engine_needle.c - many texts that are looked for at once: the tables, as engine_image.h has them.
 *
 * Called by engine_compile.c. Which gram of a text is chosen decides how often it is met for
 * nothing: the one that the fewest texts of the group have, since what stands in many rules' texts
 * stands in many values, too. */
#include "engine_build.h"

#include <stdlib.h>

#define FILTER_BITS_MIN 10u /* logarithms */
#define FILTER_BITS_MAX 19u
#define FILTER_SPARE 4u /* 16 bits a needle */

struct needle {
	struct image_needle image;
	struct mr_slice text; /* no longer than a window */
	uint32_t hash;
};

/* How many texts have a gram: an open-addressed table. */
struct census {
	struct census_entry {
		uint32_t gram, count;
	} * entries;
	uint32_t mask;
};

static uint32_t gram_at(const char *at, unsigned size)
{
	uint32_t gram = 0;
	memcpy(&gram, at, size);
	return gram;
}

static struct census_entry *census_find(const struct census *census, uint32_t gram)
{
	uint32_t at = engine_gram_hash(gram) >> 7 & census->mask;
	while (census->entries[at].count != 0 && census->entries[at].gram != gram)
		at = (at + 1) & census->mask;
	return &census->entries[at];
}

static void census_take(struct census *census, const struct needle *needles, uint32_t count,
			unsigned size)
{
	size_t grams = 1;
	for (uint32_t i = 0; i < count; i++)
		grams += needles[i].text.len;
	size_t room = 64;
	while (room < grams * 2)
		room *= 2;
	census->entries = mr_calloc(room, sizeof(*census->entries));
	census->mask = (uint32_t)(room - 1);
	for (uint32_t i = 0; i < count; i++) {
		for (size_t at = 0; at + size <= needles[i].text.len; at++) {
			uint32_t gram = gram_at(needles[i].text.at + at, size);
			struct census_entry *entry = census_find(census, gram);
			entry->gram = gram;
			entry->count++;
		}
	}
}

static void choose_gram(const struct census *census, struct needle *needle, unsigned size)
{
	uint32_t least = UINT32_MAX;
	for (uint32_t at = 0; at + size <= needle->text.len; at++) {
		uint32_t gram = gram_at(needle->text.at + at, size);
		uint32_t count = census_find(census, gram)->count;
		if (count >= least)
			continue;
		least = count;
		needle->image.gram = gram;
		needle->image.before = at;
	}
	needle->hash = engine_gram_hash(needle->image.gram);
}

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

static struct image_span put_words(struct build *build, const uint32_t *words, uint32_t count)
{
	struct mr_buf *section = &build->sections[ENGINE_LISTS];
	struct image_span span = {(uint32_t)(section->len / sizeof(*words)), count};
	mr_buf_add(section, words, count * sizeof(*words));
	return span;
}

/* Needles in the order of their hashes, so that each bucket is a range. */
static void put_tables(struct build *build, const struct needle *needles, uint32_t count,
		       struct image_tier *tier)
{
	unsigned bits = bits_for((uint64_t)count << FILTER_SPARE);
	unsigned bucket_bits = bits - FILTER_SPARE;
	uint32_t *filter = mr_calloc((size_t)1 << bits >> 5, sizeof(*filter));
	uint32_t *starts = mr_calloc(((size_t)1 << bucket_bits) + 1, sizeof(*starts));
	uint32_t bucket = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t bit = needles[i].hash >> (32 - bits);
		filter[bit / 32] |= 1u << bit % 32;
		while (bucket <= needles[i].hash >> (32 - bucket_bits))
			starts[bucket++] = i;
	}
	while (bucket <= 1u << bucket_bits)
		starts[bucket++] = count;
	tier->filter = put_words(build, filter, 1u << bits >> 5);
	tier->starts = put_words(build, starts, bucket);
	free(filter);
	free(starts);
}

static void put_tier(struct build *build, struct needle *needles, uint32_t count, unsigned size,
		     struct image_tier *tier)
{
	struct census census;
	census_take(&census, needles, count, size);
	for (uint32_t i = 0; i < count; i++)
		choose_gram(&census, &needles[i], size);
	free(census.entries);
	qsort(needles, count, sizeof(*needles), by_hash);
	tier->needles = (struct image_span){
	    (uint32_t)(build->sections[ENGINE_NEEDLES].len / sizeof(struct image_needle)), count};
	for (uint32_t i = 0; i < count; i++) {
		needles[i].image.text =
		    build_bytes(build, needles[i].text.at, needles[i].text.len, 1);
		build_put(build, ENGINE_NEEDLES, &needles[i].image, sizeof(needles[i].image));
	}
	put_tables(build, needles, count, tier);
}

/* The longest gram that fits. */
static int tier_of(size_t len)
{
	int tier = 0;
	while (engine_gram_sizes[tier] > len)
		tier++;
	return tier;
}

static uint32_t collect(const struct build *build, const struct build_group *group, int tier,
			struct needle *needles)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < group->members.count; i++) {
		uint32_t number = group->members.items[i];
		const struct build_predicate *member = &build->predicates[number];
		for (uint32_t j = 0; member->way == BUILD_LITERAL && j < member->literal_count;
		     j++) {
			struct mr_slice text = member->literals[j];
			bool whole = text.len <= ENGINE_WINDOW;
			if (tier_of(text.len) != tier)
				continue;
			if (needles != NULL)
				needles[count] = (struct needle){
				    .image = {.predicate = number,
					      .verdict = member->hit_is_verdict && whole},
				    .text = {text.at, whole ? text.len : ENGINE_WINDOW}};
			count++;
		}
	}
	return count;
}

void build_needles(struct build *build, uint32_t number, struct image_tier tiers[ENGINE_TIERS])
{
	const struct build_group *group = &build->groups[number];
	for (int tier = 0; tier < ENGINE_TIERS; tier++) {
		uint32_t count = collect(build, group, tier, NULL);
		tiers[tier] = (struct image_tier){.needles = {0, 0}};
		if (count == 0)
			continue;
		struct needle *needles = mr_calloc(count, sizeof(*needles));
		collect(build, group, tier, needles);
		put_tier(build, needles, count, engine_gram_sizes[tier], &tiers[tier]);
		free(needles);
	}
}
