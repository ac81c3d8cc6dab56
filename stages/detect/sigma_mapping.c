/* sigma_mapping.c - reads the mappings that are compiled in, and applies them.
 *
 * Called by sigma_load.c (read), sigma_detection.c (find) and sigma_test.c (leaf). A mapping of a
 * field is one of
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
				    .detection = sigma_yaml_get(entry, "detection"),
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
		if (view->detection == NULL)
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

static struct sigma_node *mapped(struct sigma_scope *scope, struct mr_slice own,
				 const struct sigma_yaml *to,
				 const struct sigma_predicate *predicate)
{
	if (to->kind != SIGMA_YAML_MAP)
		return plain_leaf(scope, to->text, predicate);
	if (is_true(to, "record"))
		return plain_leaf(scope, is_inside(predicate) ? MR_SLICE("") : own, predicate);
	struct mr_slice field = text_of(to, "field");
	struct sigma_node *node = other_values(scope, field, sigma_yaml_get(to, "values"),
					       predicate, plain_leaf(scope, field, predicate));
	if (is_true(to, "dotted"))
		node = dotted(scope, field, predicate, node);
	const struct sigma_yaml *when = sigma_yaml_get(to, "when");
	if (when == NULL)
		return node;
	struct sigma_node *holds = text_leaf(scope, when->keys[0]->text, when->items[0]->text);
	struct sigma_node *otherwise = plain_leaf(scope, text_of(to, "else"), predicate);
	return join(scope, SIGMA_OR, join(scope, SIGMA_AND, holds, node),
		    join(scope, SIGMA_AND, negate(scope, holds), otherwise));
}

struct sigma_node *sigma_view_leaf(struct sigma_scope *scope, struct mr_slice field,
				   const struct sigma_predicate *predicate)
{
	const struct sigma_yaml *to = NULL;
	const struct sigma_yaml *fields = scope->view == NULL ? NULL : scope->view->fields;
	for (uint32_t i = 0; fields != NULL && i < fields->count && field.len != 0; i++) {
		if (mr_fold_eq(fields->keys[i]->text, field))
			to = fields->items[i];
	}
	if (to == NULL)
		return plain_leaf(scope, field, predicate);
	struct sigma_node *there = mapped(scope, field, to, predicate);
	if (is_true(to, "replace"))
		return there;
	bool first = is_true(to, "first");
	struct sigma_predicate exists = {.test = SIGMA_EXISTS, .truth = true};
	struct sigma_node *own = plain_leaf(scope, field, predicate);
	struct sigma_node *has = plain_leaf(scope, first ? text_of(to, "field") : field, &exists);
	return first
		   ? join(scope, SIGMA_OR, join(scope, SIGMA_AND, has, there),
			  join(scope, SIGMA_AND, negate(scope, has), own))
		   : join(scope, SIGMA_OR, own, join(scope, SIGMA_AND, negate(scope, has), there));
}
