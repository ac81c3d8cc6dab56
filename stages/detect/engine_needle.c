/* engine_needle.c - many texts that are looked for at once: the tables, as engine_image.h has them.
 *
 * Called by engine_compile.c. Which gram of a text is chosen decides how often it is met for
 * nothing: the one that the fewest texts of the group have, since what stands in many rules' texts
 * stands in many values, too. */
#include "engine_build.h"

#include <stdlib.h>

#define FILTER_BITS_MIN 10u /* logarithms */
#define FILTER_BITS_MAX 19u
#define FILTER_SPARE 5u /* 32 bits a needle */
#define STRIDE_MAX 8u
/* A gram that may stand otherwise in a record's bytes than in its values. */
#define ESCAPED (1u << 20)

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

/* JSON writes quotes, backslashes, slashes and control characters in more than one way. */
static bool is_plain(char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '/';
}

/* The grams that stand in the fewest texts, `stride` of them side by side. False where one of them
 * is not plain, which those of keywords are where they can. */
static bool choose_grams(const struct census *census, struct needle *needles, unsigned size,
			 uint32_t stride, bool keywords)
{
	struct mr_slice text = needles->text;
	uint32_t least = UINT32_MAX, first = 0;
	for (uint32_t at = 0; at + size + stride - 1 <= text.len; at++) {
		uint32_t sum = 0;
		for (uint32_t i = 0; i < stride; i++)
			sum += census_find(census, gram_at(text.at + at + i, size))->count;
		for (uint32_t i = 0; keywords && i < size + stride - 1; i++)
			sum += is_plain(text.at[at + i]) ? 0 : ESCAPED;
		first = sum < least ? at : first;
		least = sum < least ? sum : least;
	}
	needles->image.plain = true;
	for (size_t i = 0; i < text.len; i++)
		needles->image.plain &= is_plain(text.at[i]);
	for (uint32_t i = 0; i < stride; i++) {
		needles[i] = needles[0];
		needles[i].image.before = first + i;
		needles[i].image.gram = gram_at(text.at + first + i, size);
		needles[i].hash = engine_gram_hash(needles[i].image.gram);
	}
	return least < ESCAPED;
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

/* Gives whether all grams are plain. */
static bool put_tier(struct build *build, struct needle *needles, uint32_t count, unsigned size,
		     bool keywords, struct image_tier *tier)
{
	struct census census;
	bool plain = true;
	census_take(&census, needles, count, size);
	uint32_t stride = stride_of(needles, count, size);
	struct needle *grams = mr_calloc((size_t)count * stride, sizeof(*grams));
	for (uint32_t i = 0; i < count; i++) {
		grams[i * stride] = needles[i];
		plain &= choose_grams(&census, &grams[i * stride], size, stride, keywords);
	}
	free(census.entries);
	count *= stride;
	qsort(grams, count, sizeof(*grams), by_hash);
	tier->stride = stride;
	tier->needles = (struct image_span){
	    (uint32_t)(build->sections[ENGINE_NEEDLES].len / sizeof(struct image_needle)), count};
	for (uint32_t i = 0; i < count; i++) {
		build_put(build, ENGINE_NEEDLES, &grams[i].image, sizeof(grams[i].image));
	}
	put_tables(build, grams, count, tier);
	free(grams);
	return plain;
}

/* The longest gram that fits. */
static int tier_of(size_t len)
{
	int tier = 0;
	while (engine_gram_sizes[tier] > len)
		tier++;
	return tier;
}

static uint32_t collect(struct build *build, const struct build_group *group, int tier,
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
			text.len = whole ? text.len : ENGINE_WINDOW;
			if (needles != NULL)
				needles[count] = (struct needle){
				    .image = {.predicate = number,
					      .verdict = member->hit_is_verdict && whole,
					      .text = build_bytes(build, text.at, text.len, 1)},
				    .text = text};
			count++;
		}
	}
	return count;
}

bool build_needles(struct build *build, uint32_t number, struct image_tier tiers[ENGINE_TIERS])
{
	const struct build_group *group = &build->groups[number];
	bool plain = true;
	for (int tier = 0; tier < ENGINE_TIERS; tier++) {
		uint32_t count = collect(build, group, tier, NULL);
		tiers[tier] = (struct image_tier){.needles = {0, 0}};
		if (count == 0)
			continue;
		struct needle *needles = mr_calloc(count, sizeof(*needles));
		collect(build, group, tier, needles);
		plain &= put_tier(build, needles, count, engine_gram_sizes[tier], group->field == 0,
				  &tiers[tier]);
		free(needles);
	}
	return plain;
}
