/* engine_compile.c - trees of single tests become an image.
 *
 * Called by detect's prepare, in the supervisor. MR_UNSUPPORTED names the rule that cannot be
 * compiled; nothing is appended then. What an attacker writes never comes here: rules are trusted
 * to be no larger than what the loader takes. */
#include "engine_build.h"
#include "engine_regex.h"
#include "engine_value.h"

#include "millrace/number.h"

#include <stdlib.h>

uint64_t engine_fields_hash(const struct mr_fields *fields, uint64_t count)
{
	uint64_t hash = ENGINE_HASH_SEED;
	for (uint64_t id = 1; id < count; id++) {
		struct mr_slice name = mr_fields_name(fields, (mr_field)id);
		hash = mr_hash64(name.at, name.len, hash);
	}
	return hash;
}

void build_list_add(struct build *build, struct build_list *list, uint32_t item)
{
	if (list->count == list->capacity) {
		uint32_t capacity = list->capacity < 4 ? 4 : list->capacity * 2;
		uint32_t *items = mr_arena_alloc(&build->arena, capacity * sizeof(*items));
		if (list->count > 0)
			memcpy(items, list->items, list->count * sizeof(*items));
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = item;
}

void build_put(struct build *build, enum engine_section section, const void *item, size_t size)
{
	mr_buf_add(&build->sections[section], item, size);
}

struct image_span build_bytes(struct build *build, const void *bytes, size_t len, size_t align)
{
	struct mr_buf *section = &build->sections[ENGINE_BYTES];
	static const char zeros[8];
	mr_buf_add(section, zeros, (align - section->len % align) % align);
	struct image_span span = {(uint32_t)section->len, (uint32_t)len};
	mr_buf_add(section, bytes, len);
	return span;
}

struct image_span build_items(struct build *build, const struct build_list *list)
{
	struct mr_buf *section = &build->sections[ENGINE_LISTS];
	struct image_span span = {(uint32_t)(section->len / sizeof(uint32_t)), list->count};
	if (list->count > 0)
		mr_buf_add(section, list->items, list->count * sizeof(uint32_t));
	return span;
}

/* ---- interning ---- */

static void key_add(struct mr_buf *key, const void *bytes, size_t len)
{
	uint64_t size = len;
	mr_buf_add(key, &size, sizeof(size));
	mr_buf_add(key, bytes, len);
}

/* Bytes that are the same for tests that ask the same. */
static void predicate_key(const struct sigma_predicate *leaf, uint32_t scope, struct mr_buf *key)
{
	uint32_t head[] = {leaf->field, (uint32_t)leaf->test, leaf->cased,
			   leaf->field == 0 ? scope : 0};
	key_add(key, head, sizeof(head));
	if (leaf->test == SIGMA_TEXT) {
		for (uint32_t i = 0; i < leaf->part_count; i++) {
			uint32_t kind = (uint32_t)leaf->parts[i].kind;
			mr_buf_add(key, &kind, sizeof(kind));
			key_add(key, leaf->parts[i].text.at,
				leaf->parts[i].kind == SIGMA_LITERAL ? leaf->parts[i].text.len : 0);
		}
		return;
	}
	int64_t rest[] = {leaf->regex_flags,   leaf->prefix,    leaf->truth,
			  (int64_t)leaf->op,   leaf->other,     (int64_t)leaf->ref,
			  (int64_t)leaf->part, leaf->part_value};
	mr_buf_add(key, rest, sizeof(rest));
	mr_buf_add(key, leaf->network, sizeof(leaf->network));
	key_add(key, leaf->text.at, leaf->text.len);
}

/* An integer equals exactly what its digits as a text equal, so both become one text test. */
static const struct sigma_predicate *as_text(struct build *build,
					     const struct sigma_predicate *leaf)
{
	struct engine_number number;
	if (leaf->test != SIGMA_NUMBER || !engine_number_read(leaf->text, true, &number) ||
	    number.type == MR_DOUBLE)
		return leaf;
	char room[ENGINE_NUMBER_TEXT];
	struct mr_slice text = engine_number_text(number, room);
	struct sigma_predicate *copy = mr_arena_alloc(&build->arena, sizeof(*copy));
	struct sigma_part *part = mr_arena_alloc(&build->arena, sizeof(*part));
	*part = (struct sigma_part){SIGMA_LITERAL,
				    {mr_arena_copy(&build->arena, text.at, text.len), text.len}};
	*copy = (struct sigma_predicate){
	    .field = leaf->field, .test = SIGMA_TEXT, .parts = part, .part_count = 1};
	return copy;
}

static void index_grow(struct build *build)
{
	uint32_t size = build->index_size < 64 ? 64 : build->index_size * 2;
	uint32_t *index = mr_arena_alloc(&build->arena, size * sizeof(*index));
	memset(index, 0, size * sizeof(*index));
	for (uint32_t i = 0; i < build->predicate_count; i++) {
		uint32_t at = engine_slot_hash(build->predicates[i].key) & (size - 1);
		while (index[at] != 0)
			at = (at + 1) & (size - 1);
		index[at] = i + 1;
	}
	build->index = index;
	build->index_size = size;
}

static struct build_group *add_group(struct build *build)
{
	if (build->group_count == build->group_capacity) {
		build->group_capacity =
		    (uint32_t)mr_grow(build->group_capacity, build->group_count + 1);
		build->groups =
		    mr_realloc(build->groups, build->group_capacity * sizeof(*build->groups));
	}
	return &build->groups[build->group_count++];
}

static uint32_t find_group(struct build *build, mr_field field, bool folded)
{
	uint32_t scope = field == 0 ? build->scope : 0;
	for (uint32_t i = 0; i < build->group_count; i++)
		if (build->groups[i].field == field && build->groups[i].folded == folded &&
		    build->groups[i].scope == scope)
			return i;
	*add_group(build) = (struct build_group){.field = field, .folded = folded, .scope = scope};
	return build->group_count - 1;
}

/* From so many bytes on an end of a pattern is looked for though another part is longer: there is
 * one place to look. */
#define END_ENOUGH 6u

/* The part that a pattern is found by, and where in a value that stands. Leaf values are looked at
 * side by side: they have no ends. */
static uint32_t choose_literal(const struct sigma_predicate *leaf, enum image_place *place_out)
{
	uint32_t last = leaf->part_count - 1, longest = leaf->part_count;
	size_t most = 0;
	for (uint32_t i = 0; i < leaf->part_count; i++) {
		if (leaf->parts[i].kind != SIGMA_LITERAL || leaf->parts[i].text.len <= most)
			continue;
		most = leaf->parts[i].text.len;
		longest = i;
	}
	most = most < END_ENOUGH ? most : END_ENOUGH;
	bool ends = leaf->field != 0 && leaf->parts[last].kind == SIGMA_LITERAL;
	bool starts = leaf->field != 0 && leaf->parts[0].kind == SIGMA_LITERAL;
	*place_out = ENGINE_FROM_END;
	if (ends && leaf->parts[last].text.len >= most)
		return last;
	*place_out = ENGINE_FROM_START;
	if (starts && leaf->parts[0].text.len >= most)
		return 0;
	*place_out = ENGINE_ANYWHERE;
	return longest;
}

/* How a text pattern is looked for: an equal text, a literal among needles, or by itself. */
static void classify_text(struct build *build, struct build_predicate *out)
{
	const struct sigma_predicate *leaf = out->source;
	if (leaf->part_count == 0 ||
	    (leaf->part_count == 1 && leaf->parts[0].kind == SIGMA_LITERAL)) {
		out->way = BUILD_EQUAL;
		out->text = leaf->part_count == 0 ? (struct mr_slice){"", 0} : leaf->parts[0].text;
		return;
	}
	out->way = BUILD_REST;
	uint32_t chosen = choose_literal(leaf, &out->place);
	if (chosen < leaf->part_count)
		out->text = leaf->parts[chosen].text;
	/* 0xff parts the leaf values of a record where one scan looks at all of them. */
	if (out->text.len == 0 || memchr(out->text.at, 0xff, out->text.len) != NULL)
		return;
	out->way = BUILD_LITERAL;
	struct mr_slice *literal = mr_arena_alloc(&build->arena, sizeof(*literal));
	*literal = out->text;
	out->literals = literal;
	out->literal_count = 1;
	uint32_t others = out->place == ENGINE_ANYWHERE ? 2 : 1;
	out->hit_is_verdict = leaf->part_count == others + 1;
	for (uint32_t i = 0; i < leaf->part_count; i++)
		out->hit_is_verdict &= i == chosen || leaf->parts[i].kind == SIGMA_ANY;
}

/* Tried where a text stands that it needs, or where libhs finds it, or alone. Gives whether its
 * group is of folded values. */
static bool classify_regex(struct build *build, struct build_predicate *out)
{
	const struct sigma_predicate *leaf = out->source;
	out->literal_count = build_regex_literals(&build->arena, leaf->text, &out->literals);
	for (uint32_t i = 0; i < out->literal_count; i++)
		if (i == 0 || out->literals[i].len < out->text.len)
			out->text = out->literals[i];
	if (out->literal_count > 0) {
		out->way = BUILD_LITERAL;
		return true;
	}
	out->way = BUILD_REGEX;
	if (!build_regex_fits(leaf))
		out->how = ENGINE_ALONE;
	return false;
}

static void classify(struct build *build, uint32_t number)
{
	struct build_predicate *out = &build->predicates[number];
	const struct sigma_predicate *leaf = out->source;
	out->group = ENGINE_NONE;
	out->how = ENGINE_GROUPED;
	out->way = BUILD_REST;
	bool folded = true;
	switch (leaf->test) {
	case SIGMA_NULL:
	case SIGMA_PRESENT:
	case SIGMA_EXISTS:
		out->how = ENGINE_PRESENCE;
		return;
	case SIGMA_FIELDREF:
		out->how = ENGINE_ALONE;
		return;
	case SIGMA_REGEX:
		folded = classify_regex(build, out);
		if (out->how == ENGINE_ALONE)
			return;
		break;
	case SIGMA_TEXT:
		classify_text(build, out);
		folded = !leaf->cased;
		break;
	default:
		break;
	}
	out->group = find_group(build, leaf->field, folded);
	struct build_group *group = &build->groups[out->group];
	build_list_add(build, &group->members, number);
	group->equals += out->way == BUILD_EQUAL;
}

uint32_t build_intern(struct build *build, const struct sigma_predicate *leaf)
{
	leaf = as_text(build, leaf);
	struct mr_buf key = {0};
	predicate_key(leaf, build->scope, &key);
	struct mr_slice slice = {key.data, key.len};
	if ((build->predicate_count + 1) * 2 > build->index_size)
		index_grow(build);
	uint32_t mask = build->index_size - 1;
	uint32_t at = engine_slot_hash(slice) & mask;
	for (; build->index[at] != 0; at = (at + 1) & mask) {
		uint32_t number = build->index[at] - 1;
		if (mr_slice_eq(build->predicates[number].key, slice)) {
			mr_buf_fini(&key);
			return number;
		}
	}
	if (build->predicate_count == build->predicate_capacity) {
		build->predicate_capacity =
		    (uint32_t)mr_grow(build->predicate_capacity, build->predicate_count + 1);
		build->predicates = mr_realloc(build->predicates, build->predicate_capacity *
								      sizeof(*build->predicates));
	}
	uint32_t number = build->predicate_count++;
	slice.at = mr_arena_copy(&build->arena, key.data, key.len);
	build->predicates[number] = (struct build_predicate){.source = leaf, .key = slice};
	build->index[at] = number + 1;
	mr_buf_fini(&key);
	classify(build, number);
	return number;
}

/* The same for rules that see the same records. */
static uint32_t scope_of(struct build *build, uint32_t rule)
{
	const struct sigma_rule *wanted = build->rules[rule];
	size_t words = (build->set->declared_count + 31u) / 32;
	for (uint32_t i = 0; i < build->scopes.count; i++) {
		const struct sigma_rule *first = build->rules[build->scopes.items[i]];
		if (first->kinds == wanted->kinds &&
		    (words == 0 || memcmp(first->declared, wanted->declared,
					  words * sizeof(*wanted->declared)) == 0))
			return i;
	}
	build_list_add(build, &build->scopes, rule);
	return build->scopes.count - 1;
}

static enum mr_err check_regex(struct build *build, uint32_t rule,
			       const struct sigma_predicate *leaf)
{
	int code = 0;
	size_t offset = 0;
	if (leaf->test != SIGMA_REGEX)
		return MR_OK;
	struct engine_regex *regex =
	    engine_regex_compile(leaf->text, leaf->regex_flags, &code, &offset);
	if (regex != NULL) {
		engine_regex_free(regex);
		return MR_OK;
	}
	char why[256];
	pcre2_get_error_message(code, (PCRE2_UCHAR8 *)why, sizeof(why));
	struct mr_slice id = build->set->catalog.rules[build->rules[rule]->index].id;
	return mr_error_set(build->error, MR_UNSUPPORTED,
			    "rule %.*s: the regular expression \"%.*s\" is wrong at offset %zu: %s",
			    (int)id.len, id.at, (int)leaf->text.len, leaf->text.at, offset, why);
}

static enum mr_err intern_tree(struct build *build, uint32_t rule, const struct sigma_node *node)
{
	if (node->kind == SIGMA_LEAF) {
		uint32_t before = build->predicate_count;
		uint32_t number = build_intern(build, node->leaf);
		build->predicates[number].uses++;
		return number < before ? MR_OK : check_regex(build, rule, node->leaf);
	}
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < node->child_count && err == MR_OK; i++)
		err = intern_tree(build, rule, node->children[i]);
	return err;
}

static int by_index(const void *a, const void *b)
{
	const struct sigma_rule *left = *(const struct sigma_rule *const *)a;
	const struct sigma_rule *right = *(const struct sigma_rule *const *)b;
	return (left->index > right->index) - (left->index < right->index);
}

static enum mr_err intern_all(struct build *build)
{
	uint32_t count = build->set->rule_count;
	build->rules = mr_arena_alloc(&build->arena, (count + 1) * sizeof(*build->rules));
	for (uint32_t i = 0; i < count; i++)
		build->rules[i] = &build->set->rules[i];
	qsort(build->rules, count, sizeof(*build->rules), by_index);
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < count && err == MR_OK; i++) {
		build->scope = scope_of(build, i);
		err = build_check_depth(build, i);
		if (err == MR_OK)
			err = intern_tree(build, i, build->rules[i]->condition);
	}
	return err;
}

/* ---- groups ---- */

static struct image_span put_slots(struct build *build, const struct build_group *group)
{
	struct mr_buf *section = &build->sections[ENGINE_SLOTS];
	struct image_span span = {(uint32_t)(section->len / sizeof(struct image_slot)), 0};
	if (group->equals == 0)
		return span;
	span.count = 4;
	while (span.count < group->equals * 2)
		span.count *= 2;
	struct image_slot *slots =
	    (struct image_slot *)(void *)mr_buf_reserve(section, span.count * sizeof(*slots));
	section->len += span.count * sizeof(*slots);
	for (uint32_t i = 0; i < span.count; i++)
		slots[i] = (struct image_slot){0, ENGINE_NONE};
	for (uint32_t i = 0; i < group->members.count; i++) {
		uint32_t number = group->members.items[i];
		if (build->predicates[number].way != BUILD_EQUAL)
			continue;
		uint32_t hash = engine_slot_hash(build->predicates[number].text);
		uint32_t at = hash & (span.count - 1);
		while (slots[at].predicate != ENGINE_NONE)
			at = (at + 1) & (span.count - 1);
		slots[at] = (struct image_slot){hash, number};
	}
	return span;
}

/* A handful of literals is found sooner by a search for each; a regex is not. */
static void settle_literals(struct build *build, struct build_group *group)
{
	uint32_t literals = 0;
	for (uint32_t i = 0; i < group->members.count; i++) {
		const struct build_predicate *member = &build->predicates[group->members.items[i]];
		if (member->way == BUILD_LITERAL && member->place == ENGINE_ANYWHERE)
			literals += member->source->test == SIGMA_REGEX ? ENGINE_SCAN_FROM : 1;
	}
	if (literals >= ENGINE_SCAN_FROM || group->field == 0)
		return;
	for (uint32_t i = 0; i < group->members.count; i++) {
		struct build_predicate *member = &build->predicates[group->members.items[i]];
		if (member->way == BUILD_LITERAL && member->place == ENGINE_ANYWHERE)
			member->way = BUILD_REST;
	}
}

/* Once witnesses are chosen, which are judged for each event: what else only a rule asks for that
 * one of them announced is a group of its own. Regexes stay with their database. */
static void split_group(struct build *build, uint32_t number)
{
	struct build_group *group = &build->groups[number];
	struct build_list kept = {0}, left = {0};
	uint32_t witnesses = 0, dear = 0, equals = 0;
	for (uint32_t i = 0; i < group->members.count; i++) {
		const struct build_predicate *member = &build->predicates[group->members.items[i]];
		bool stays = member->witness.count > 0 || member->each ||
			     member->way == BUILD_REGEX || member->how != ENGINE_GROUPED;
		build_list_add(build, stays ? &kept : &left, group->members.items[i]);
		witnesses += member->witness.count > 0;
		dear += !stays && member->way != BUILD_EQUAL;
		equals += !stays && member->way == BUILD_EQUAL;
	}
	if (witnesses == 0 || dear == 0)
		return;
	group->members = kept;
	group->equals -= equals;
	struct build_group other = {.field = group->field,
				    .folded = group->folded,
				    .scope = group->scope,
				    .equals = equals,
				    .members = left};
	for (uint32_t i = 0; i < left.count; i++)
		build->predicates[left.items[i]].group = build->group_count;
	*add_group(build) = other;
}

static void put_group(struct build *build, uint32_t number)
{
	struct build_group *group = &build->groups[number];
	struct image_group *image = &group->image;
	struct build_list rest = {0};
	image->field = group->field;
	image->folded = group->folded;
	image->slots = put_slots(build, group);
	image->tiers_used = build_needles(build, group, false, image->tiers);
	for (uint32_t i = 0; i < group->members.count; i++) {
		const struct build_predicate *member = &build->predicates[group->members.items[i]];
		if (member->way == BUILD_REST && member->how == ENGINE_GROUPED)
			build_list_add(build, &rest, group->members.items[i]);
	}
	image->rest = build_items(build, &rest);
	if (group->field == 0 && group->folded && rest.count == 0 && image->slots.count == 0 &&
	    image->regexes.count == 0)
		image->in_raw = build_needles(build, group, true, image->raw) != 0;
	build_put(build, ENGINE_GROUPS, image, sizeof(*image));
}

static enum mr_err prepare_groups(struct build *build)
{
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < build->group_count && err == MR_OK; i++) {
		settle_literals(build, &build->groups[i]);
		err = build_database(build, i, &build->groups[i].image.regexes);
	}
	return err;
}

static void put_groups(struct build *build)
{
	uint32_t count = build->group_count;
	for (uint32_t i = 0; i < count; i++)
		split_group(build, i);
	for (uint32_t i = 0; i < build->group_count; i++)
		put_group(build, i);
}

/* ---- the image ---- */

static struct image_span put_parts(struct build *build, const struct sigma_predicate *source)
{
	struct mr_buf *section = &build->sections[ENGINE_PARTS];
	struct image_span span = {(uint32_t)(section->len / sizeof(struct image_part)),
				  source->part_count};
	for (uint32_t i = 0; i < source->part_count; i++) {
		const struct sigma_part *part = &source->parts[i];
		size_t len = part->kind == SIGMA_LITERAL ? part->text.len : 0;
		struct image_part image = {(uint32_t)part->kind,
					   build_bytes(build, part->text.at, len, 1)};
		build_put(build, ENGINE_PARTS, &image, sizeof(image));
	}
	return span;
}

/* Number, digits and shortest form. A rule's number past a double is only its text. */
static void put_number(struct build *build, const struct sigma_predicate *source,
		       struct image_predicate *image)
{
	struct engine_number number;
	char room[ENGINE_NUMBER_TEXT];
	image->number_type = MR_NULL;
	image->text = build_bytes(build, source->text.at, source->text.len, 1);
	image->digits = image->text;
	if (!engine_number_read(source->text, true, &number))
		return;
	image->number_type = (uint8_t)number.type;
	memcpy(&image->number_bits, &number.num, sizeof(image->number_bits));
	/* An integer past 64 bits keeps its digits: its double would print others. */
	bool integer;
	(void)mr_number_written(source->text, true, &integer);
	if (integer && number.type == MR_DOUBLE)
		return;
	struct mr_slice text = engine_number_text(number, room);
	image->text = build_bytes(build, text.at, text.len, 1);
}

static void put_predicate(struct build *build, const struct build_predicate *predicate)
{
	const struct sigma_predicate *source = predicate->source;
	struct image_predicate image = {
	    .how = (uint8_t)predicate->how,
	    .test = (uint8_t)source->test,
	    .cased = source->cased,
	    .scanned = predicate->scanned,
	    .op = (uint8_t)source->op,
	    .ref = (uint8_t)source->ref,
	    .part = (uint8_t)source->part,
	    .truth = source->truth,
	    .prefix = source->prefix,
	    .field = source->field,
	    .other = source->other,
	    .group = predicate->group,
	    .regex_flags = source->regex_flags,
	    .part_value = source->part_value,
	};
	memcpy(image.network, source->network, sizeof(image.network));
	if (source->test == SIGMA_TEXT)
		image.parts = put_parts(build, source);
	else if (source->test == SIGMA_REGEX)
		image.text = build_bytes(build, source->text.at, source->text.len, 1);
	else if (source->test == SIGMA_NUMBER || source->test == SIGMA_COMPARE)
		put_number(build, source, &image);
	image.witness = build_items(build, &predicate->witness);
	build_put(build, ENGINE_PREDICATES, &image, sizeof(image));
}

static struct image_span put_declared(struct build *build)
{
	struct build_list words = {0};
	for (uint32_t i = 0; i < build->set->rule_count; i++)
		for (uint32_t w = 0; w < (build->set->declared_count + 31) / 32; w++)
			build_list_add(build, &words, build->rules[i]->declared[w]);
	return build_items(build, &words);
}

static void make_plans(struct build *build)
{
	build->plan_count = ENGINE_KINDS + build->set->declared_count;
	size_t bytes = build->plan_count * sizeof(struct build_list);
	build->always = memset(mr_arena_alloc(&build->arena, bytes), 0, bytes);
	build->firsts = memset(mr_arena_alloc(&build->arena, bytes), 0, bytes);
}

static void put_rules(struct build *build)
{
	make_plans(build);
	build->declared = put_declared(build);
	for (uint32_t i = 0; i < build->set->rule_count; i++) {
		struct image_rule image = {.index = build->rules[i]->index,
					   .kinds = build->rules[i]->kinds};
		build->scope = scope_of(build, i);
		build_steps(build, i, &image.steps);
		build_put(build, ENGINE_RULES, &image, sizeof(image));
		build_witness(build, i);
	}
	put_groups(build);
	const struct image_rule *rules = (const void *)build->sections[ENGINE_RULES].data;
	for (uint32_t i = 0; i < build->set->rule_count; i++)
		build_step_groups(build, rules[i].steps);
	for (uint32_t i = 0; i < build->predicate_count; i++)
		put_predicate(build, &build->predicates[i]);
	for (uint32_t i = 0; i < build->plan_count; i++) {
		struct image_plan plan = {build_items(build, &build->firsts[i]),
					  build_items(build, &build->always[i])};
		build_put(build, ENGINE_PLANS, &plan, sizeof(plan));
	}
}

static enum mr_err write_image(struct build *build, const struct mr_fields *fields,
			       struct mr_buf *out)
{
	struct image_header header = {.magic = ENGINE_MAGIC,
				      .version = ENGINE_VERSION,
				      .field_count = mr_fields_count(fields)};
	header.fields_hash = engine_fields_hash(fields, header.field_count);
	header.declared = build->declared;
	uint64_t at = sizeof(header);
	for (int i = 0; i < ENGINE_SECTIONS; i++) {
		size_t len = build->sections[i].len;
		if (len > UINT32_MAX)
			return mr_error_set(build->error, MR_UNSUPPORTED,
					    "the rules are too many: their image passes 4 GiB");
		header.sections[i].offset = at;
		header.sections[i].count = len / engine_item_sizes[i];
		at += (len + 7) / 8 * 8;
	}
	header.size_bytes = at;
	char *image = mr_buf_reserve(out, at);
	memset(image, 0, at);
	memcpy(image, &header, sizeof(header));
	for (int i = 0; i < ENGINE_SECTIONS; i++)
		if (build->sections[i].len > 0)
			memcpy(image + header.sections[i].offset, build->sections[i].data,
			       build->sections[i].len);
	size_t covered = offsetof(struct image_header, checksum) + sizeof(header.checksum);
	header.checksum = mr_hash64(image + covered, at - covered, 0);
	memcpy(image, &header, sizeof(header));
	out->len += at;
	return MR_OK;
}

/* What rules read has to be there when they judge. */
static void ask(const struct build *build, struct mr_fields *fields)
{
	for (uint32_t i = 0; i < build->predicate_count; i++) {
		const struct sigma_predicate *leaf = build->predicates[i].source;
		mr_fields_ask(fields, leaf->field);
		if (leaf->test == SIGMA_FIELDREF)
			mr_fields_ask(fields, leaf->other);
	}
}

enum mr_err engine_compile(const struct sigma_set *set, enum engine_search search,
			   struct mr_fields *fields, struct mr_buf *image, struct mr_error *error)
{
	struct build build = {.set = set, .search = search, .error = error};
	enum mr_err err = intern_all(&build);
	if (err == MR_OK)
		err = prepare_groups(&build);
	if (err == MR_OK) {
		ask(&build, fields);
		put_rules(&build);
		err = write_image(&build, fields, image);
	}
	for (int i = 0; i < ENGINE_SECTIONS; i++)
		mr_buf_fini(&build.sections[i]);
	free(build.groups);
	free(build.predicates);
	mr_arena_fini(&build.arena);
	return err;
}
