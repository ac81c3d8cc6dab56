/* engine_open.c - check an image from end to end, and make what a worker needs to run it.
 *
 * Called by detect's open in each worker, before it locks itself in. The image is ours, but it is
 * trusted with nothing: every range and index is checked once here, so that matching checks none.
 * MR_BAD_INPUT says what is wrong with it; nothing is held then. */
#include "engine_run.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

/* All caches together; a group gets at most and at least so many entries. */
#define CACHE_BYTES (8u << 20)
#define CACHE_ENTRIES_MAX 256u
#define CACHE_ENTRIES_MIN 16u

const size_t engine_item_sizes[ENGINE_SECTIONS] = {
    [ENGINE_GROUPS] = sizeof(struct image_group),
    [ENGINE_PREDICATES] = sizeof(struct image_predicate),
    [ENGINE_PARTS] = sizeof(struct image_part),
    [ENGINE_RULES] = sizeof(struct image_rule),
    [ENGINE_STEPS] = sizeof(struct image_step),
    [ENGINE_SLOTS] = sizeof(struct image_slot),
    [ENGINE_NEEDLES] = sizeof(struct image_needle),
    [ENGINE_LISTS] = sizeof(uint32_t),
    [ENGINE_PLANS] = sizeof(struct image_plan),
    [ENGINE_BYTES] = 1,
};

static enum mr_err bad(struct mr_error *error, const char *what)
{
	return mr_error_set(error, MR_BAD_INPUT, "detect.image: %s", what);
}

/* ---- the header ---- */

static enum mr_err check_header(struct mr_slice image, const struct mr_fields *fields,
				struct mr_error *error)
{
	const struct image_header *header = (const void *)image.at;
	size_t covered = offsetof(struct image_header, checksum) + sizeof(header->checksum);
	if (header->magic != ENGINE_MAGIC || header->version != ENGINE_VERSION)
		return bad(error, "its magic or version is not this program's");
	if (header->size_bytes != image.len)
		return bad(error, "its length is not what its header says");
	if (header->checksum != mr_hash64(image.at + covered, image.len - covered, 0))
		return bad(error, "its checksum does not match its bytes");
	if (header->field_count > mr_fields_count(fields) ||
	    header->fields_hash != engine_fields_hash(fields, header->field_count))
		return bad(error, "it was compiled for another field dictionary");
	for (int i = 0; i < ENGINE_SECTIONS; i++) {
		uint64_t offset = header->sections[i].offset;
		uint64_t count = header->sections[i].count;
		if (offset % 8 != 0 || offset > image.len || count > UINT32_MAX ||
		    count > (image.len - offset) / engine_item_sizes[i])
			return bad(error, "a section passes its end");
	}
	uint64_t plans = header->sections[ENGINE_PLANS].count;
	if (plans < ENGINE_KINDS || plans > ENGINE_KINDS + MR_DECLARED_MAX)
		return bad(error, "it does not hold a plan for each kind and logsource of records");
	return MR_OK;
}

static const void *section_at(const struct engine *engine, enum engine_section section)
{
	return (const char *)engine->header + engine->header->sections[section].offset;
}

static void take_sections(struct engine *engine, const char *image)
{
	engine->header = (const void *)image;
	for (int i = 0; i < ENGINE_SECTIONS; i++)
		engine->counts[i] = (uint32_t)engine->header->sections[i].count;
	engine->group_images = section_at(engine, ENGINE_GROUPS);
	engine->predicates = section_at(engine, ENGINE_PREDICATES);
	engine->part_images = section_at(engine, ENGINE_PARTS);
	engine->rules = section_at(engine, ENGINE_RULES);
	engine->steps = section_at(engine, ENGINE_STEPS);
	engine->slots = section_at(engine, ENGINE_SLOTS);
	engine->needles = section_at(engine, ENGINE_NEEDLES);
	engine->lists = section_at(engine, ENGINE_LISTS);
	engine->plans = section_at(engine, ENGINE_PLANS);
	engine->bytes = section_at(engine, ENGINE_BYTES);
	engine->declared_words = (engine->counts[ENGINE_PLANS] - ENGINE_KINDS + 31) / 32;
}

/* ---- the items ---- */

static bool span_fits(const struct engine *engine, struct image_span span,
		      enum engine_section section)
{
	uint32_t count = engine->counts[section];
	return span.first <= count && span.count <= count - span.first;
}

/* The span fits, and each item of the list is below `limit`. */
static bool list_fits(const struct engine *engine, struct image_span span, uint32_t limit)
{
	if (!span_fits(engine, span, ENGINE_LISTS))
		return false;
	for (uint32_t i = 0; i < span.count; i++)
		if (engine->lists[span.first + i] >= limit)
			return false;
	return true;
}

static bool is_member(const struct engine *engine, uint32_t predicate, uint32_t group)
{
	return predicate < engine->counts[ENGINE_PREDICATES] &&
	       engine->predicates[predicate].how == ENGINE_GROUPED &&
	       engine->predicates[predicate].group == group;
}

static bool needle_fits(const struct engine *engine, const struct image_needle *needle,
			uint32_t group, unsigned size)
{
	return is_member(engine, needle->predicate, group) &&
	       span_fits(engine, needle->text, ENGINE_BYTES) && needle->text.count >= size &&
	       needle->before <= needle->text.count - size;
}

static bool is_power(uint32_t count)
{
	return count > 0 && (count & (count - 1)) == 0;
}

/* Tables of at least two buckets: their number is told by the upper bits of a hash. */
static bool tier_fits(const struct engine *engine, uint32_t group, const struct image_tier *tier,
		      unsigned size)
{
	if (tier->needles.count == 0)
		return true;
	if (tier->stride == 0 || !span_fits(engine, tier->needles, ENGINE_NEEDLES) ||
	    !span_fits(engine, tier->filter, ENGINE_BYTES) || !is_power(tier->filter.count) ||
	    !list_fits(engine, tier->starts, UINT32_MAX) || tier->starts.count < 3 ||
	    !is_power(tier->starts.count - 1))
		return false;
	const uint32_t *starts = engine->lists + tier->starts.first;
	for (uint32_t i = 0; i + 1 < tier->starts.count; i++)
		if (starts[i] > starts[i + 1] || starts[i + 1] > tier->needles.count)
			return false;
	for (uint32_t i = 0; i < tier->needles.count; i++)
		if (!needle_fits(engine, &engine->needles[tier->needles.first + i], group, size))
			return false;
	return true;
}

static bool group_fits(const struct engine *engine, uint32_t number)
{
	const struct image_group *image = &engine->group_images[number];
	if (image->field >= engine->header->field_count ||
	    !span_fits(engine, image->slots, ENGINE_SLOTS) ||
	    (image->slots.count & (image->slots.count - 1)) != 0 ||
	    !span_fits(engine, image->rest, ENGINE_LISTS) ||
	    !span_fits(engine, image->regexes, ENGINE_BYTES))
		return false;
	for (uint32_t i = 0; i < image->slots.count; i++) {
		uint32_t predicate = engine->slots[image->slots.first + i].predicate;
		if (predicate != ENGINE_NONE && !is_member(engine, predicate, number))
			return false;
	}
	if (image->tiers_used >> ENGINE_TIERS != 0)
		return false;
	for (size_t i = 0; i < ENGINE_TIERS; i++)
		if (!tier_fits(engine, number, &image->tiers[i], engine_tiers[i].size) ||
		    (image->tiers_used >> i & 1) != (image->tiers[i].needles.count > 0))
			return false;
	for (size_t i = 0; i < ENGINE_RAW_TIERS; i++)
		if (!tier_fits(engine, number, &image->raw[i], engine_tiers[i].size))
			return false;
	for (uint32_t i = 0; i < image->rest.count; i++)
		if (!is_member(engine, engine->lists[image->rest.first + i], number))
			return false;
	return true;
}

static bool predicate_fits(const struct engine *engine, const struct image_predicate *predicate)
{
	return predicate->how <= ENGINE_PRESENCE && predicate->test <= SIGMA_TIMEPART &&
	       predicate->op <= MR_NEQ && predicate->ref <= SIGMA_REF_ENDSWITH &&
	       predicate->part <= SIGMA_YEAR && predicate->prefix <= 128 &&
	       (predicate->number_type == MR_NULL || predicate->number_type == MR_INT ||
		predicate->number_type == MR_UINT || predicate->number_type == MR_DOUBLE) &&
	       predicate->field < engine->header->field_count &&
	       predicate->other < engine->header->field_count &&
	       (predicate->how != ENGINE_GROUPED ||
		predicate->group < engine->counts[ENGINE_GROUPS]) &&
	       span_fits(engine, predicate->text, ENGINE_BYTES) &&
	       span_fits(engine, predicate->digits, ENGINE_BYTES) &&
	       span_fits(engine, predicate->parts, ENGINE_PARTS) &&
	       list_fits(engine, predicate->witness, engine->counts[ENGINE_RULES]);
}

/* Steps only go forward. */
static bool rule_fits(const struct engine *engine, const struct image_rule *rule)
{
	if (!span_fits(engine, rule->steps, ENGINE_STEPS))
		return false;
	for (uint32_t i = 0; i < rule->steps.count; i++) {
		const struct image_step *step = &engine->steps[rule->steps.first + i];
		if (step->predicate >= engine->counts[ENGINE_PREDICATES] || step->on_true <= i ||
		    step->on_false <= i || step->on_none <= i)
			return false;
		if (step->group == ENGINE_NONE
			? engine->predicates[step->predicate].how == ENGINE_GROUPED
			: !is_member(engine, step->predicate, step->group))
			return false;
	}
	return true;
}

static bool declared_fits(const struct engine *engine)
{
	struct image_span declared = engine->header->declared;
	return span_fits(engine, declared, ENGINE_LISTS) &&
	       declared.count == (uint64_t)engine->declared_words * engine->counts[ENGINE_RULES];
}

static enum mr_err check_items(const struct engine *engine, struct mr_error *error)
{
	for (uint32_t i = 0; i < engine->counts[ENGINE_PREDICATES]; i++)
		if (!predicate_fits(engine, &engine->predicates[i]))
			return bad(error, "a predicate refers to what is not there");
	for (uint32_t i = 0; i < engine->counts[ENGINE_GROUPS]; i++)
		if (!group_fits(engine, i))
			return bad(error, "a group refers to what is not there");
	for (uint32_t i = 0; i < engine->counts[ENGINE_PARTS]; i++)
		if (engine->part_images[i].kind > SIGMA_ONE ||
		    !span_fits(engine, engine->part_images[i].text, ENGINE_BYTES))
			return bad(error, "a pattern refers to what is not there");
	for (uint32_t i = 0; i < engine->counts[ENGINE_RULES]; i++)
		if (!rule_fits(engine, &engine->rules[i]))
			return bad(error, "a rule refers to what is not there");
	if (!declared_fits(engine))
		return bad(error, "what rules see of sources is not there");
	for (uint32_t i = 0; i < engine->counts[ENGINE_PLANS]; i++)
		if (!list_fits(engine, engine->plans[i].groups, engine->counts[ENGINE_GROUPS]) ||
		    !list_fits(engine, engine->plans[i].always, engine->counts[ENGINE_RULES]))
			return bad(error, "a plan refers to what is not there");
	return MR_OK;
}

/* ---- what a worker needs ---- */

static void make_parts(struct engine *engine)
{
	uint32_t count = engine->counts[ENGINE_PARTS];
	engine->parts = mr_calloc((size_t)count + 1, sizeof(*engine->parts));
	for (uint32_t i = 0; i < count; i++) {
		const struct image_part *part = &engine->part_images[i];
		engine->parts[i].kind = (enum sigma_part_kind)part->kind;
		engine->parts[i].text =
		    (struct mr_slice){engine->bytes + part->text.first, part->text.count};
	}
}

static enum mr_err make_regexes(struct engine *engine, struct mr_error *error)
{
	uint32_t count = engine->counts[ENGINE_PREDICATES];
	engine->regexes = mr_calloc((size_t)count + 1, sizeof(*engine->regexes));
	for (uint32_t i = 0; i < count; i++) {
		const struct image_predicate *predicate = &engine->predicates[i];
		int code;
		size_t offset;
		if (predicate->test != SIGMA_REGEX)
			continue;
		struct mr_slice text = {engine->bytes + predicate->text.first,
					predicate->text.count};
		engine->regexes[i] =
		    engine_regex_compile(text, predicate->regex_flags, &code, &offset);
		if (engine->regexes[i] == NULL)
			return bad(error, "a regular expression does not compile");
	}
	return MR_OK;
}

static enum mr_err make_database(struct engine *engine, struct image_span span, hs_database_t **out,
				 struct mr_error *error)
{
	if (span.count == 0)
		return MR_OK;
	/* The last check is whether its tables suit this machine and the scratch fits them. */
	if (hs_deserialize_database(engine->bytes + span.first, span.count, out) != HS_SUCCESS ||
	    hs_alloc_scratch(*out, &engine->scratch) != HS_SUCCESS)
		return bad(error, "a pattern database is broken or was made for another machine");
	return MR_OK;
}

static uint32_t cache_entries(uint32_t groups)
{
	uint32_t entries = CACHE_ENTRIES_MAX;
	while (entries > CACHE_ENTRIES_MIN &&
	       (uint64_t)entries * groups * sizeof(struct cache_entry) > CACHE_BYTES)
		entries /= 2;
	return entries;
}

/* The first cache line that begins in the block. */
static void *on_line(void *block)
{
	return (char *)block + (64 - (uintptr_t)block % 64) % 64;
}

/* In one block, whose pages come to be as values are kept in them. */
static void make_caches(struct engine *engine)
{
	uint32_t count = engine->counts[ENGINE_GROUPS];
	uint32_t entries = cache_entries(count);
	engine->caches = mr_calloc((size_t)count * entries + 1, sizeof(struct cache_entry));
	struct cache_entry *next = on_line(engine->caches);
	for (uint32_t i = 0; i < count; i++, next += entries) {
		engine->groups[i].cache = engine->groups[i].field != 0 ? next : NULL;
		engine->groups[i].cache_mask = entries - 1;
	}
}

static void make_members(struct engine *engine)
{
	uint32_t count = engine->counts[ENGINE_GROUPS];
	engine->members = mr_calloc((size_t)count + 1, sizeof(*engine->members));
	for (uint32_t i = 0; i < engine->counts[ENGINE_PREDICATES]; i++)
		if (engine->predicates[i].how == ENGINE_GROUPED)
			engine->members[engine->predicates[i].group].count++;
	for (uint32_t i = 0; i < count; i++) {
		struct run_members *members = &engine->members[i];
		members->items = mr_calloc((size_t)members->count + 1, sizeof(uint32_t));
		engine->groups[i].hits = mr_calloc((size_t)members->count + 1, sizeof(uint32_t));
		members->count = 0;
	}
	for (uint32_t i = 0; i < engine->counts[ENGINE_PREDICATES]; i++) {
		if (engine->predicates[i].how != ENGINE_GROUPED)
			continue;
		struct run_members *members = &engine->members[engine->predicates[i].group];
		members->items[members->count++] = i;
	}
}

static enum mr_err make_groups(struct engine *engine, struct mr_error *error)
{
	uint32_t count = engine->counts[ENGINE_GROUPS];
	size_t bytes = ((size_t)count + 1) * sizeof(*engine->groups);
	engine->groups = memset(mr_aligned_alloc(64, bytes), 0, bytes);
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < count && err == MR_OK; i++) {
		struct run_group *group = &engine->groups[i];
		group->image = &engine->group_images[i];
		group->field = (mr_field)group->image->field;
		err = make_database(engine, group->image->regexes, &group->regexes, error);
	}
	make_members(engine);
	make_caches(engine);
	return err;
}

/* Which groups an event's plan judges first, with what tells whether it need: read one behind the
 * other. */
static void make_plans(struct engine *engine)
{
	uint32_t count = engine->counts[ENGINE_PLANS];
	size_t sum = 0, most = 0;
	for (uint32_t i = 0; i < count; i++) {
		size_t own = engine->plans[i].groups.count;
		sum += own;
		most = own > most ? own : most;
	}
	engine->firsts = mr_calloc(sum + 1, sizeof(*engine->firsts));
	engine->looks = mr_calloc(most + 1, sizeof(*engine->looks));
	engine->run_plans = mr_calloc((size_t)count + 1, sizeof(*engine->run_plans));
	struct run_first *next = engine->firsts;
	for (uint32_t i = 0; i < count; i++) {
		struct image_span groups = engine->plans[i].groups;
		engine->run_plans[i] = (struct run_plan){next, groups.count};
		for (uint32_t j = 0; j < groups.count; j++) {
			uint32_t number = engine->lists[groups.first + j];
			*next++ = (struct run_first){number, engine->groups[number].field};
		}
	}
}

static void make_state(struct engine *engine)
{
	size_t predicates = (size_t)engine->counts[ENGINE_PREDICATES] + 1;
	size_t rules = (size_t)engine->counts[ENGINE_RULES] + 1;
	engine->truth = mr_calloc(predicates, sizeof(*engine->truth));
	engine->judged = mr_calloc(predicates, sizeof(*engine->judged));
	engine->spent = mr_calloc(predicates, sizeof(*engine->spent));
	engine->found = mr_calloc(predicates, sizeof(*engine->found));
	engine->decided = mr_calloc(predicates, sizeof(*engine->decided));
	engine->given_up = mr_calloc(predicates, sizeof(*engine->given_up));
	engine->tried = mr_calloc(rules, sizeof(*engine->tried));
	engine->matched = mr_calloc(rules, sizeof(*engine->matched));
	engine_regex_room_init(&engine->room);
	if (getrandom(&engine->seed, sizeof(engine->seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(engine->seed))
		engine->seed = (uint64_t)time(NULL) ^ (uint64_t)(uintptr_t)engine;
}

static enum mr_err open_image(struct engine *engine, const char *image, struct mr_error *error)
{
	take_sections(engine, image);
	make_state(engine);
	enum mr_err err = check_items(engine, error);
	if (err != MR_OK)
		return err;
	make_parts(engine);
	err = make_regexes(engine, error);
	if (err == MR_OK)
		err = make_groups(engine, error);
	if (err == MR_OK)
		make_plans(engine);
	return err;
}

enum mr_err engine_open(struct mr_slice image, const struct mr_fields *fields, struct engine **out,
			struct mr_error *error)
{
	if (image.len < sizeof(struct image_header))
		return bad(error, "it is shorter than its header");
	char *copy = NULL;
	if ((uintptr_t)image.at % 8 != 0) {
		copy = mr_malloc(image.len);
		memcpy(copy, image.at, image.len);
		image.at = copy;
	}
	enum mr_err err = check_header(image, fields, error);
	if (err != MR_OK) {
		free(copy);
		return err;
	}
	struct engine *engine = mr_calloc(1, sizeof(*engine));
	engine->copy = copy;
	err = open_image(engine, image.at, error);
	if (err != MR_OK) {
		engine_close(engine);
		return err;
	}
	*out = engine;
	return MR_OK;
}

void engine_close(struct engine *engine)
{
	if (engine == NULL)
		return;
	for (uint32_t i = 0; engine->groups != NULL && i < engine->counts[ENGINE_GROUPS]; i++) {
		hs_free_database(engine->groups[i].regexes);
		free(engine->groups[i].hits);
		free(engine->members[i].items);
	}
	for (uint32_t i = 0; engine->regexes != NULL && i < engine->counts[ENGINE_PREDICATES]; i++)
		engine_regex_free(engine->regexes[i]);
	hs_free_scratch(engine->scratch);
	engine_regex_room_fini(&engine->room);
	engine_leaves_fini(&engine->leaves);
	engine_refer_fini(&engine->kept);
	mr_buf_fini(&engine->folded);
	mr_buf_fini(&engine->folded_other);
	mr_buf_fini(&engine->raw);
	free(engine->groups);
	free(engine->members);
	free(engine->caches);
	free(engine->firsts);
	free(engine->looks);
	free(engine->run_plans);
	free(engine->parts);
	free(engine->regexes);
	free(engine->truth);
	free(engine->judged);
	free(engine->spent);
	free(engine->tried);
	free(engine->matched);
	free(engine->found);
	free(engine->decided);
	free(engine->given_up);
	free(engine->copy);
	free(engine);
}
