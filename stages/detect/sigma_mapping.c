/* sigma_mapping.c - reads the mappings that are compiled in, and applies them.
 *
 * Called by sigma_load.c (read, find, where), sigma_test.c (leaf) and sigma_correlation.c (places).
 * A mapping of a field is one of
 *
 *     Field: Other                       its own field, else Other
 *     Field: {field: Other, replace: true, values: {success: [Succeeded, Success]}}
 *     Field: {field: Other, dotted: true}                 a whole text there may end in a full stop
 *     Field: {field: Other, first: true}                  Other, where it is there, else its own
 *     Field: {when: {Operation: X}, field: Other, else: Third}
 *     Field: {record: true, replace: true}                anywhere in the record
 */
#include "sigma_mapping.h"

#include <assert.h>
#include <stdlib.h>

__asm__(".pushsection .rodata\n"
	".global sigma_mapping_text\n"
	"sigma_mapping_text:\n"
	".incbin \"" SIGMA_MAPPING_FILE "\"\n"
	".global sigma_mapping_text_end\n"
	"sigma_mapping_text_end:\n"
	".byte 0\n"
	".popsection\n");
extern const char sigma_mapping_text[];
extern const char sigma_mapping_text_end[];

static uint32_t kind_bit(struct mr_slice name)
{
	for (uint32_t kind = 0; kind < MR_KIND_COUNT; kind++) {
		if (mr_slice_eq(mr_record_kind_name((enum mr_record_kind)kind), name))
			return 1u << kind;
	}
	assert(false && "the mapping names a record kind that is not there");
	return 0;
}

static struct mr_slice text_of(const struct sigma_yaml *map, const char *key)
{
	const struct sigma_yaml *node = sigma_yaml_get(map, key);
	return node == NULL ? (struct mr_slice){"", 0} : node->text;
}

static void add_view(struct sigma_mapping *mapping, const struct sigma_yaml *entry)
{
	const struct sigma_yaml *logsource = sigma_yaml_get(entry, "logsource");
	const struct sigma_yaml *kinds = sigma_yaml_get(entry, "kinds");
	assert(logsource != NULL && kinds != NULL && mapping->count < SIGMA_VIEWS_MAX);
	struct sigma_view *view = &mapping->views[mapping->count++];
	*view = (struct sigma_view){.product = text_of(logsource, "product"),
				    .service = text_of(logsource, "service"),
				    .category = text_of(logsource, "category"),
				    .where = sigma_yaml_get(entry, "where"),
				    .fields = sigma_yaml_get(entry, "fields")};
	for (uint32_t i = 0; i < kinds->count; i++)
		view->kinds |= kind_bit(kinds->items[i]->text);
}

bool sigma_document_is_mapping(const struct sigma_yaml *root)
{
	return sigma_yaml_get(root, "mapping") != NULL;
}

struct sigma_mapping *sigma_mapping_read(struct mr_arena *arena)
{
	struct sigma_mapping *mapping = mr_arena_alloc(arena, sizeof *mapping);
	struct sigma_documents documents = {0};
	*mapping = (struct sigma_mapping){0};
	sigma_yaml_parse(arena,
			 (struct mr_slice){sigma_mapping_text,
					   (size_t)(sigma_mapping_text_end - sigma_mapping_text)},
			 &documents);
	for (uint32_t i = 0; i < documents.count; i++) {
		assert(documents.items[i].root != NULL);
		const struct sigma_yaml *list = sigma_yaml_get(documents.items[i].root, "mapping");
		assert(list != NULL && list->kind == SIGMA_YAML_LIST);
		for (uint32_t v = 0; v < list->count; v++)
			add_view(mapping, list->items[v]);
	}
	return mapping;
}

static bool names(struct mr_slice wanted, struct mr_slice has)
{
	return wanted.len == 0 || mr_fold_eq(wanted, has);
}

uint32_t sigma_mapping_find(const struct sigma_mapping *mapping,
			    const struct sigma_logsource *logsource, const struct sigma_view **out)
{
	uint32_t count = 0;
	uint32_t whole = 0; /* kinds that a view sees without further condition */
	for (uint32_t i = 0; i < mapping->count; i++) {
		const struct sigma_view *view = &mapping->views[i];
		if (!names(logsource->product, view->product) ||
		    !names(logsource->service, view->service) ||
		    !names(logsource->category, view->category) || (view->kinds & ~whole) == 0)
			continue;
		out[count++] = view;
		if (view->where == NULL)
			whole |= view->kinds;
	}
	return count;
}

/* ---- fields ---- */

static struct sigma_node *plain_leaf(struct sigma_scope *scope, struct mr_slice field,
				     const struct sigma_predicate *predicate)
{
	struct sigma_predicate copy = *predicate;
	if (field.len != 0) {
		copy.field = mr_fields_add(scope->load->fields, field);
		if (copy.field == 0)
			return NULL;
	}
	return sigma_node_leaf(scope->arena, &copy);
}

static struct sigma_node *text_leaf(struct sigma_scope *scope, struct mr_slice field,
				    struct mr_slice text)
{
	struct sigma_pattern pattern = {0};
	sigma_pattern_add(scope->arena, &pattern, text);
	struct sigma_predicate predicate = sigma_pattern_predicate(scope->arena, &pattern, false);
	return plain_leaf(scope, field, &predicate);
}

static struct sigma_node *join(struct sigma_scope *scope, enum sigma_node_kind kind,
			       struct sigma_node *left, struct sigma_node *right)
{
	return left == NULL || right == NULL ? NULL
					     : sigma_node_pair(scope->arena, kind, left, right);
}

static struct sigma_node *negate(struct sigma_scope *scope, struct sigma_node *node)
{
	return node == NULL ? NULL : sigma_node_not(scope->arena, node);
}

/* A value that stands for others: the test is made for each of these too. Only whole texts can. */
static struct sigma_node *other_values(struct sigma_scope *scope, struct mr_slice field,
				       const struct sigma_yaml *values,
				       const struct sigma_predicate *predicate,
				       struct sigma_node *node)
{
	if (values == NULL || predicate->test != SIGMA_TEXT || predicate->part_count != 1 ||
	    predicate->parts[0].kind != SIGMA_LITERAL)
		return node;
	for (uint32_t i = 0; i < values->count && node != NULL; i++) {
		if (!mr_fold_eq(values->keys[i]->text, predicate->parts[0].text))
			continue;
		const struct sigma_yaml *list = values->items[i];
		for (uint32_t v = 0; v < list->count && node != NULL; v++)
			node = join(scope, SIGMA_OR, node,
				    text_leaf(scope, field, list->items[v]->text));
	}
	return node;
}

/* A whole text, or the end of one, with a full stop behind it too. */
static struct sigma_node *dotted(struct sigma_scope *scope, struct mr_slice field,
				 const struct sigma_predicate *predicate, struct sigma_node *node)
{
	uint32_t count = predicate->part_count;
	if (predicate->test != SIGMA_TEXT || count == 0 ||
	    predicate->parts[count - 1].kind != SIGMA_LITERAL)
		return node;
	struct sigma_predicate other = *predicate;
	struct mr_slice last = predicate->parts[count - 1].text;
	other.parts = mr_arena_alloc(scope->arena, count * sizeof *other.parts);
	memcpy(other.parts, predicate->parts, count * sizeof *other.parts);
	char *text = mr_arena_alloc(scope->arena, last.len + 1);
	memcpy(text, last.at, last.len);
	text[last.len] = '.';
	other.parts[count - 1].text = (struct mr_slice){text, last.len + 1};
	return join(scope, SIGMA_OR, node, plain_leaf(scope, field, &other));
}

/* The whole record as a text: a keyword, which can only be looked for inside. */
static bool is_inside(const struct sigma_predicate *predicate)
{
	return predicate->test == SIGMA_TEXT && predicate->part_count == 3 &&
	       predicate->parts[0].kind == SIGMA_ANY && predicate->parts[1].kind == SIGMA_LITERAL &&
	       predicate->parts[2].kind == SIGMA_ANY;
}

static bool is_true(const struct sigma_yaml *map, const char *key)
{
	const struct sigma_yaml *node = sigma_yaml_get(map, key);
	return node != NULL && node->truth;
}

/* What the mapping of a view says of a field, or NULL. */
static const struct sigma_yaml *find_mapping(const struct sigma_view *view, struct mr_slice field)
{
	const struct sigma_yaml *fields = view == NULL ? NULL : view->fields;
	for (uint32_t i = 0; fields != NULL && i < fields->count; i++) {
		if (mr_fold_eq(fields->keys[i]->text, field))
			return fields->items[i];
	}
	return NULL;
}

/* ---- slots: the order in which a record's fields stand for a rule's ---- */

struct slot {
	struct mr_slice field;
	struct mr_slice when, text, otherwise; /* `when` empty: always */
	bool mapped;                           /* not the rule's own field */
};

static uint32_t slots_of(const struct sigma_yaml *to, struct mr_slice own,
			 struct slot out[SIGMA_SLOTS_MAX])
{
	struct slot itself = {.field = own};
	struct slot there = {.mapped = true};
	out[0] = itself;
	if (to == NULL || (to->kind == SIGMA_YAML_MAP && is_true(to, "record")))
		return 1;
	there.field = to->kind == SIGMA_YAML_MAP ? text_of(to, "field") : to->text;
	const struct sigma_yaml *when = sigma_yaml_get(to, "when");
	if (when != NULL) {
		there.when = when->keys[0]->text;
		there.text = when->items[0]->text;
		there.otherwise = text_of(to, "else");
	}
	bool first = is_true(to, "first");
	bool replace = is_true(to, "replace");
	out[0] = first || replace ? there : itself;
	out[1] = first ? itself : there;
	return replace ? 1 : SIGMA_SLOTS_MAX;
}

static struct sigma_node *mapped_leaf(struct sigma_scope *scope, struct mr_slice field,
				      const struct sigma_yaml *to,
				      const struct sigma_predicate *predicate)
{
	struct sigma_node *node = plain_leaf(scope, field, predicate);
	node = other_values(scope, field, sigma_yaml_get(to, "values"), predicate, node);
	return is_true(to, "dotted") ? dotted(scope, field, predicate, node) : node;
}

static struct sigma_node *slot_leaf(struct sigma_scope *scope, const struct slot *slot,
				    const struct sigma_yaml *to,
				    const struct sigma_predicate *predicate)
{
	struct sigma_node *node = slot->mapped ? mapped_leaf(scope, slot->field, to, predicate)
					       : plain_leaf(scope, slot->field, predicate);
	if (slot->when.len == 0)
		return node;
	struct sigma_node *holds = text_leaf(scope, slot->when, slot->text);
	struct sigma_node *otherwise = plain_leaf(scope, slot->otherwise, predicate);
	return join(scope, SIGMA_OR, join(scope, SIGMA_AND, holds, node),
		    join(scope, SIGMA_AND, negate(scope, holds), otherwise));
}

/* Whether a missing field passes the test. */
static bool likes_missing(const struct sigma_predicate *predicate)
{
	return predicate->test == SIGMA_NULL ||
	       (predicate->test == SIGMA_EXISTS && !predicate->truth);
}

/* One side mapped: what the predicate names as `other` stays as it is. */
static struct sigma_node *map_field(struct sigma_scope *scope, struct mr_slice field,
				    const struct sigma_predicate *predicate)
{
	const struct sigma_yaml *to = field.len == 0 ? NULL : find_mapping(scope->view, field);
	struct slot slots[SIGMA_SLOTS_MAX];
	if (to != NULL && is_true(to, "record") && is_inside(predicate))
		return plain_leaf(scope, MR_SLICE(""), predicate);
	uint32_t count = slots_of(to, field, slots);
	struct sigma_node *node = slot_leaf(scope, &slots[0], to, predicate);
	if (count == 1)
		return node;
	struct sigma_predicate exists = {.test = SIGMA_EXISTS, .truth = true};
	struct sigma_node *has = plain_leaf(scope, slots[0].field, &exists);
	if (likes_missing(predicate))
		node = join(scope, SIGMA_AND, has, node);
	return join(
	    scope, SIGMA_OR, node,
	    join(scope, SIGMA_AND, negate(scope, has), slot_leaf(scope, &slots[1], to, predicate)));
}

/* A fieldref compares with the first of the other field's slots that the record has. */
static struct sigma_node *map_other(struct sigma_scope *scope, struct mr_slice field,
				    const struct sigma_predicate *predicate,
				    const struct slot *slot)
{
	struct sigma_predicate own = *predicate;
	own.other = mr_fields_add(scope->load->fields, slot->field);
	struct sigma_node *node = own.other == 0 ? NULL : map_field(scope, field, &own);
	if (slot->when.len == 0)
		return node;
	own.other = mr_fields_add(scope->load->fields, slot->otherwise);
	struct sigma_node *holds = text_leaf(scope, slot->when, slot->text);
	struct sigma_node *otherwise = own.other == 0 ? NULL : map_field(scope, field, &own);
	return join(scope, SIGMA_OR, join(scope, SIGMA_AND, holds, node),
		    join(scope, SIGMA_AND, negate(scope, holds), otherwise));
}

struct sigma_node *sigma_view_leaf(struct sigma_scope *scope, struct mr_slice field,
				   const struct sigma_predicate *predicate)
{
	if (predicate->test != SIGMA_FIELDREF)
		return map_field(scope, field, predicate);
	struct mr_slice other = mr_fields_name(scope->load->fields, predicate->other);
	struct slot slots[SIGMA_SLOTS_MAX];
	uint32_t count = slots_of(find_mapping(scope->view, other), other, slots);
	struct sigma_node *node = map_other(scope, field, predicate, &slots[0]);
	if (count == 1)
		return node;
	struct sigma_predicate exists = {.test = SIGMA_EXISTS, .truth = true};
	struct sigma_node *has = plain_leaf(scope, slots[0].field, &exists);
	return join(scope, SIGMA_OR, node,
		    join(scope, SIGMA_AND, negate(scope, has),
			 map_other(scope, field, predicate, &slots[1])));
}

struct sigma_node *sigma_view_where(struct sigma_scope *scope, const struct sigma_view *view)
{
	struct mr_slice field = view->where->keys[0]->text;
	const struct sigma_yaml *values = view->where->items[0];
	bool list = values->kind == SIGMA_YAML_LIST;
	struct sigma_node *node = NULL;
	for (uint32_t i = 0; i < (list ? values->count : 1); i++) {
		const struct sigma_yaml *value = list ? values->items[i] : values;
		struct sigma_predicate number = {.test = SIGMA_NUMBER, .text = value->number};
		struct sigma_node *leaf = value->type == SIGMA_YAML_NUMBER
					      ? plain_leaf(scope, field, &number)
					      : text_leaf(scope, field, value->text);
		node = node == NULL ? leaf : join(scope, SIGMA_OR, node, leaf);
	}
	return node;
}

/* ---- places: the same for what correlations take from a record ---- */

static struct mr_texts where_texts(struct sigma_builder *load, const struct sigma_yaml *values)
{
	struct mr_texts texts = {0};
	bool list = values->kind == SIGMA_YAML_LIST;
	texts.count = list ? values->count : 1;
	texts.items = mr_arena_alloc(load->arena, texts.count * sizeof *texts.items);
	for (uint32_t i = 0; i < texts.count; i++)
		texts.items[i] = list ? values->items[i]->text : values->text;
	return texts;
}

/* 0 where the dictionary is full: the record then lacks it. */
static mr_field add_name(struct sigma_builder *load, struct mr_slice name)
{
	return name.len == 0 ? 0 : mr_fields_add(load->fields, name);
}

struct places {
	mr_field *names; /* that correlations ask for, none twice */
	uint32_t name_count;
	uint32_t capacity;
};

static void add_place(struct sigma_builder *load, struct places *places, uint32_t rule,
		      const struct sigma_view *view, struct mr_slice name)
{
	struct slot slots[SIGMA_SLOTS_MAX];
	struct sigma_set *set = load->set;
	struct sigma_place place = {
	    .rule = rule, .name = mr_fields_find(load->fields, name), .kinds = view->kinds};
	if (view->where != NULL) {
		place.where = add_name(load, view->where->keys[0]->text);
		place.texts = where_texts(load, view->where->items[0]);
	}
	place.slot_count = slots_of(find_mapping(view, name), name, slots);
	for (uint32_t i = 0; i < place.slot_count; i++) {
		place.slots[i] = (struct sigma_slot){add_name(load, slots[i].field),
						     add_name(load, slots[i].when), slots[i].text,
						     add_name(load, slots[i].otherwise)};
	}
	if (set->place_count == places->capacity) {
		places->capacity = (uint32_t)mr_grow(places->capacity, set->place_count + 1u);
		struct sigma_place *items =
		    mr_arena_alloc(load->arena, places->capacity * sizeof *items);
		if (set->place_count > 0)
			memcpy(items, set->places, set->place_count * sizeof *items);
		set->places = items;
	}
	set->places[set->place_count++] = place;
}

static void ask(struct places *places, bool *asked, const mr_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fields[i] == 0 || asked[fields[i]])
			continue;
		asked[fields[i]] = true;
		places->names[places->name_count++] = fields[i];
	}
}

/* What correlations ask for, and of which detections. */
static void find_asked(struct sigma_builder *load, const struct sigma_sources *correlations,
		       struct places *places)
{
	bool *asked = mr_calloc(MR_FIELDS_MAX + 1, sizeof *asked);
	places->names = mr_arena_alloc(load->arena, (MR_FIELDS_MAX + 1) * sizeof *places->names);
	for (uint32_t i = 0; i < correlations->count; i++) {
		const struct sigma_source *source = correlations->items[i];
		if (source->refused)
			continue;
		const struct mr_rule *rule = &load->set->catalog.rules[source->index];
		ask(places, asked, rule->group_fields,
		    (size_t)rule->rule_count * rule->group_by.count);
		ask(places, asked, rule->value_fields,
		    (size_t)rule->rule_count * rule->fields.count);
		for (uint32_t r = 0; r < rule->rule_count; r++)
			source->refers[r]->correlated = true;
	}
	free(asked);
}

void sigma_places_make(struct sigma_builder *load, const struct sigma_sources *detections,
		       const struct sigma_sources *correlations)
{
	struct places places = {0};
	find_asked(load, correlations, &places);
	for (uint32_t i = 0; i < detections->count; i++) {
		struct sigma_source *source = detections->items[i];
		source->first_place = load->set->place_count;
		for (uint32_t n = 0; n < places.name_count && source->correlated; n++) {
			struct mr_slice name = mr_fields_name(load->fields, places.names[n]);
			for (uint32_t v = 0; v < source->view_count; v++) {
				if (find_mapping(source->views[v], name) != NULL)
					add_place(load, &places, source->index, source->views[v],
						  name);
			}
		}
		source->place_count = load->set->place_count - source->first_place;
	}
}
