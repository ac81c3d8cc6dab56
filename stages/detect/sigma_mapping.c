/* sigma_mapping.c - reads the mappings that are compiled in, and applies them to tests.
 *
 * Called by sigma_load.c (read, find, where), sigma_test.c (leaf) and sigma_place.c. Under the
 * fields of a view stand the places where a rule's field is looked for: the first that the record
 * has counts. A single place stands behind the field itself; a list is the whole order. `fields`
 * may be a list of such maps.
 *
 *     Field: Other
 *     Field: [Other, Field]                               Other first
 *     Field: [Other]                                      instead of the field
 *     Field: {when: {Operation: X}, field: Other, else: Third}
 *     Field: [{record: true}]                             anywhere in the record
 *
 * A place may say more of what is asked of it:
 *
 *     {field: Other, values: {success: [Succeeded, null, {F: a, G: ['b*', c]}]}}
 *                               the text `success`, whole or a part, is also `Succeeded`, null or
 *                               missing, and other fields' patterns together
 *     {field: Other, tails: ['', '.']}                    the text and what may stand behind it
 *     {field: Other, also: [Third]}                       true too where it is true of Third
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

static struct mr_slice text_of(const struct mr_yaml *map, const char *key)
{
	const struct mr_yaml *node = mr_yaml_get(map, key);
	return node == NULL ? (struct mr_slice){"", 0} : node->text;
}

static void add_view(struct sigma_mapping *mapping, const struct mr_yaml *entry)
{
	const struct mr_yaml *logsource = mr_yaml_get(entry, "logsource");
	const struct mr_yaml *kinds = mr_yaml_get(entry, "kinds");
	assert(logsource != NULL && kinds != NULL && mapping->count < SIGMA_VIEWS_MAX);
	struct sigma_view *view = &mapping->views[mapping->count++];
	*view = (struct sigma_view){.product = text_of(logsource, "product"),
				    .service = text_of(logsource, "service"),
				    .category = text_of(logsource, "category"),
				    .where = mr_yaml_get(entry, "where"),
				    .fields = mr_yaml_get(entry, "fields"),
				    .known = mr_yaml_get(entry, "known")};
	for (uint32_t i = 0; i < kinds->count; i++)
		view->kinds |= kind_bit(kinds->items[i]->text);
}

bool sigma_document_is_mapping(const struct mr_yaml *root)
{
	return mr_yaml_get(root, "mapping") != NULL || mr_yaml_get(root, "logsources") != NULL;
}

static struct sigma_mapping *mapping_read(struct mr_arena *arena)
{
	struct sigma_mapping *mapping = mr_arena_alloc(arena, sizeof *mapping);
	struct mr_yaml_documents documents = {0};
	*mapping = (struct sigma_mapping){0};
	mr_yaml_parse(arena,
		      (struct mr_slice){sigma_mapping_text,
					(size_t)(sigma_mapping_text_end - sigma_mapping_text)},
		      &documents);
	for (uint32_t i = 0; i < documents.count; i++) {
		assert(documents.items[i].root != NULL);
		const struct mr_yaml *list = mr_yaml_get(documents.items[i].root, "mapping");
		assert(list != NULL && list->kind == MR_YAML_LIST);
		for (uint32_t v = 0; v < list->count; v++)
			add_view(mapping, list->items[v]);
	}
	return mapping;
}

const struct sigma_mapping *sigma_mapping_of(struct sigma_builder *load)
{
	if (load->mapping == NULL)
		load->mapping = mapping_read(load->arena);
	return load->mapping;
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

/* A text that is looked for inside, and anything around it. */
static bool is_inside(const struct sigma_predicate *predicate)
{
	return predicate->test == SIGMA_TEXT && predicate->part_count == 3 &&
	       predicate->parts[0].kind == SIGMA_ANY && predicate->parts[1].kind == SIGMA_LITERAL &&
	       predicate->parts[2].kind == SIGMA_ANY;
}

struct mr_slice sigma_asked_text(const struct sigma_predicate *predicate)
{
	static const struct mr_slice none = {"", 0};
	struct mr_slice text = none;
	for (uint32_t i = 0; predicate->test == SIGMA_TEXT && i < predicate->part_count; i++) {
		const struct sigma_part *part = &predicate->parts[i];
		if (part->kind == SIGMA_ONE || (part->kind == SIGMA_LITERAL && text.len > 0))
			return none;
		if (part->kind == SIGMA_LITERAL)
			text = part->text;
	}
	return text;
}

/* A text, or any of a list. */
static struct sigma_node *any_text_leaf(struct sigma_scope *scope, struct mr_slice field,
					const struct mr_yaml *text)
{
	bool list = text->kind == MR_YAML_LIST;
	struct sigma_node *node = NULL;
	for (uint32_t i = 0; i < (list ? text->count : 1); i++) {
		struct sigma_node *leaf =
		    text_leaf(scope, field, list ? text->items[i]->text : text->text);
		node = i == 0 ? leaf : join(scope, SIGMA_OR, node, leaf);
	}
	return node;
}

/* One member of `values`: a text of the field itself, null, or texts of other fields together. */
static struct sigma_node *member_leaf(struct sigma_scope *scope, struct mr_slice field,
				      const struct mr_yaml *member)
{
	struct sigma_predicate null = {.test = SIGMA_NULL};
	struct sigma_node *node = NULL;
	if (member->kind == MR_YAML_SCALAR)
		return member->type == MR_YAML_NULL ? plain_leaf(scope, field, &null)
						    : text_leaf(scope, field, member->text);
	for (uint32_t i = 0; i < member->count; i++) {
		struct sigma_node *leaf =
		    any_text_leaf(scope, member->keys[i]->text, member->items[i]);
		node = i == 0 ? leaf : join(scope, SIGMA_AND, node, leaf);
	}
	return node;
}

/* A value that stands for others: the test is made for each of these too. */
static struct sigma_node *add_values(struct sigma_scope *scope, struct mr_slice field,
				     const struct mr_yaml *values,
				     const struct sigma_predicate *predicate,
				     struct sigma_node *node)
{
	struct mr_slice text = sigma_asked_text(predicate);
	for (uint32_t i = 0; text.len > 0 && i < values->count && node != NULL; i++) {
		const struct mr_yaml *list = values->items[i];
		if (!mr_fold_eq(values->keys[i]->text, text))
			continue;
		for (uint32_t v = 0; v < list->count && node != NULL; v++)
			node =
			    join(scope, SIGMA_OR, node, member_leaf(scope, field, list->items[v]));
	}
	return node;
}

/* A whole text, or the end of one, with each of the tails behind it. */
static struct sigma_node *with_tails(struct sigma_scope *scope, struct mr_slice field,
				     const struct mr_yaml *tails,
				     const struct sigma_predicate *predicate)
{
	uint32_t count = predicate->part_count;
	struct sigma_node *node = NULL;
	if (predicate->test != SIGMA_TEXT || count == 0 ||
	    predicate->parts[count - 1].kind != SIGMA_LITERAL)
		return plain_leaf(scope, field, predicate);
	for (uint32_t i = 0; i < tails->count; i++) {
		struct sigma_pattern own = {predicate->parts, count};
		struct sigma_pattern pattern = sigma_pattern_wrap(scope->arena, &own, false, false);
		sigma_pattern_add(scope->arena, &pattern, tails->items[i]->text);
		struct sigma_predicate longer =
		    sigma_pattern_predicate(scope->arena, &pattern, predicate->cased);
		struct sigma_node *leaf = plain_leaf(scope, field, &longer);
		node = i == 0 ? leaf : join(scope, SIGMA_OR, node, leaf);
	}
	return node;
}

/* Whether a missing field passes the test. */
static bool likes_missing(const struct sigma_predicate *predicate)
{
	return predicate->test == SIGMA_NULL ||
	       (predicate->test == SIGMA_EXISTS && !predicate->truth);
}

/* ---- slots: the order in which a record's fields stand for a rule's ---- */

static const struct mr_yaml *find_field(const struct mr_yaml *fields, struct mr_slice field)
{
	for (uint32_t i = 0; i < fields->count; i++) {
		if (mr_fold_eq(fields->keys[i]->text, field))
			return fields->items[i];
	}
	return NULL;
}

/* What a view's mapping says of a field, or NULL. */
static const struct mr_yaml *mapping_of(const struct sigma_view *view, struct mr_slice field)
{
	const struct mr_yaml *fields = view == NULL ? NULL : view->fields;
	if (fields == NULL || fields->kind == MR_YAML_MAP)
		return fields == NULL ? NULL : find_field(fields, field);
	const struct mr_yaml *found = NULL;
	for (uint32_t i = 0; i < fields->count && found == NULL; i++)
		found = find_field(fields->items[i], field);
	return found;
}

static struct sigma_mapped one_slot(const struct mr_yaml *to, struct mr_slice own)
{
	struct sigma_mapped slot = {.field = to->text};
	if (to->kind != MR_YAML_MAP)
		return slot;
	const struct mr_yaml *when = mr_yaml_get(to, "when");
	const struct mr_yaml *tails = mr_yaml_get(to, "tails");
	slot.options = to;
	slot.record = mr_yaml_get(to, "record") != NULL;
	slot.field = slot.record ? own : text_of(to, "field");
	slot.derived = slot.record || (tails != NULL && tails->items[0]->text.len > 0);
	if (when != NULL) {
		slot.when = when->keys[0]->text;
		slot.text = when->items[0]->text;
		slot.otherwise = text_of(to, "else");
	}
	return slot;
}

/* What a declared record itself calls as a normalised field is called; empty where the name is no
 * such. */
static struct mr_slice own_of(const struct sigma_builder *load, struct mr_slice field)
{
	mr_field id = mr_fields_find(load->fields, field);
	struct mr_buf text = {0};
	if (id == 0 || id >= MR_F_NORMALISED_END)
		return MR_SLICE("");
	mr_buf_printf(&text, "native.%.*s", (int)field.len, field.at);
	struct mr_slice own = {mr_arena_copy(load->arena, text.data, text.len), text.len};
	mr_buf_fini(&text);
	return own;
}

bool sigma_view_moves(const struct sigma_builder *load, const struct sigma_view *view,
		      struct mr_slice field)
{
	return mapping_of(view, field) != NULL ||
	       (view != NULL && view->declared && own_of(load, field).len > 0);
}

uint32_t sigma_view_slots(const struct sigma_builder *load, const struct sigma_view *view,
			  struct mr_slice own, struct sigma_mapped out[SIGMA_SLOTS_MAX])
{
	const struct mr_yaml *to = mapping_of(view, own);
	if (view != NULL && view->declared) {
		uint32_t count = 0;
		struct mr_slice native = own_of(load, own);
		if (native.len > 0)
			out[count++] = (struct sigma_mapped){.field = native};
		out[count++] = (struct sigma_mapped){.field = own};
		return count;
	}
	out[0] = (struct sigma_mapped){.field = own};
	if (to == NULL)
		return 1;
	if (to->kind != MR_YAML_LIST) {
		out[1] = one_slot(to, own);
		return 2;
	}
	assert(to->count > 0 && to->count <= SIGMA_SLOTS_MAX);
	for (uint32_t i = 0; i < to->count; i++)
		out[i] = one_slot(to->items[i], own);
	return to->count;
}

/* ---- tests ---- */

static struct sigma_node *field_leaf(struct sigma_scope *scope, const struct sigma_mapped *slot,
				     const struct sigma_predicate *predicate)
{
	const struct mr_yaml *options = slot->options;
	const struct mr_yaml *values = mr_yaml_get(options, "values");
	const struct mr_yaml *tails = mr_yaml_get(options, "tails");
	const struct mr_yaml *also = mr_yaml_get(options, "also");
	struct sigma_node *node = tails == NULL ? plain_leaf(scope, slot->field, predicate)
						: with_tails(scope, slot->field, tails, predicate);
	if (values != NULL)
		node = add_values(scope, slot->field, values, predicate, node);
	for (uint32_t i = 0; also != NULL && i < also->count && !likes_missing(predicate); i++)
		node =
		    join(scope, SIGMA_OR, node, plain_leaf(scope, also->items[i]->text, predicate));
	return node;
}

static struct sigma_node *slot_leaf(struct sigma_scope *scope, const struct sigma_mapped *slot,
				    const struct sigma_predicate *predicate)
{
	if (slot->options == NULL)
		return plain_leaf(scope, slot->field, predicate);
	if (slot->record)
		/* A keyword can only be looked for inside. */
		return plain_leaf(scope, is_inside(predicate) ? MR_SLICE("") : slot->field,
				  predicate);
	struct sigma_node *node = field_leaf(scope, slot, predicate);
	if (slot->when.len == 0)
		return node;
	struct sigma_node *holds = text_leaf(scope, slot->when, slot->text);
	struct sigma_node *otherwise = plain_leaf(scope, slot->otherwise, predicate);
	return join(scope, SIGMA_OR, join(scope, SIGMA_AND, holds, node),
		    join(scope, SIGMA_AND, negate(scope, holds), otherwise));
}

/* The first slot that the record has is tested, and the last in any case. */
static struct sigma_node *map_field(struct sigma_scope *scope, struct mr_slice field,
				    const struct sigma_predicate *predicate)
{
	struct sigma_mapped slots[SIGMA_SLOTS_MAX];
	struct sigma_predicate exists = {.test = SIGMA_EXISTS, .truth = true};
	if (field.len == 0)
		return plain_leaf(scope, field, predicate);
	uint32_t at = sigma_view_slots(scope->load, scope->view, field, slots) - 1;
	struct sigma_node *node = slot_leaf(scope, &slots[at], predicate);
	while (at-- > 0) {
		struct sigma_node *has = plain_leaf(scope, slots[at].field, &exists);
		struct sigma_node *here = slot_leaf(scope, &slots[at], predicate);
		if (likes_missing(predicate))
			here = join(scope, SIGMA_AND, has, here);
		node =
		    join(scope, SIGMA_OR, here, join(scope, SIGMA_AND, negate(scope, has), node));
	}
	return node;
}

static struct sigma_node *compare_with(struct sigma_scope *scope, struct mr_slice field,
				       const struct sigma_predicate *predicate,
				       struct mr_slice other)
{
	struct sigma_predicate own = *predicate;
	own.other = mr_fields_add(scope->load->fields, other);
	return own.other == 0 ? NULL : map_field(scope, field, &own);
}

/* The same for the other side of a fieldref. */
static struct sigma_node *map_other(struct sigma_scope *scope, struct mr_slice field,
				    const struct sigma_predicate *predicate)
{
	struct mr_slice other = mr_fields_name(scope->load->fields, predicate->other);
	struct sigma_mapped slots[SIGMA_SLOTS_MAX];
	struct sigma_predicate exists = {.test = SIGMA_EXISTS, .truth = true};
	uint32_t count = sigma_view_slots(scope->load, scope->view, other, slots);
	struct sigma_node *node = NULL;
	for (uint32_t at = count; at-- > 0;) {
		const struct sigma_mapped *slot = &slots[at];
		struct sigma_node *here = compare_with(scope, field, predicate, slot->field);
		if (slot->when.len != 0) {
			struct sigma_node *holds = text_leaf(scope, slot->when, slot->text);
			here = join(scope, SIGMA_OR, join(scope, SIGMA_AND, holds, here),
				    join(scope, SIGMA_AND, negate(scope, holds),
					 compare_with(scope, field, predicate, slot->otherwise)));
		}
		if (at + 1 < count)
			here = join(scope, SIGMA_OR, here,
				    join(scope, SIGMA_AND,
					 negate(scope, plain_leaf(scope, slot->field, &exists)),
					 node));
		node = here;
	}
	return node;
}

struct sigma_node *sigma_view_leaf(struct sigma_scope *scope, struct mr_slice field,
				   const struct sigma_predicate *predicate)
{
	struct sigma_node *node = predicate->test == SIGMA_FIELDREF
				      ? map_other(scope, field, predicate)
				      : map_field(scope, field, predicate);
	const struct mr_yaml *mapping = mapping_of(scope->view, field);
	return mapping == NULL ? node
			       : sigma_node_label(scope, SIGMA_LABEL_MAPPING, field, mapping, node);
}

/* Any of the values of one field. */
static struct sigma_node *where_field(struct sigma_scope *scope, struct mr_slice field,
				      const struct mr_yaml *values)
{
	bool list = values->kind == MR_YAML_LIST;
	struct sigma_node *node = NULL;
	for (uint32_t i = 0; i < (list ? values->count : 1); i++) {
		const struct mr_yaml *value = list ? values->items[i] : values;
		struct sigma_predicate number = {.test = SIGMA_NUMBER, .text = value->number};
		struct sigma_node *leaf = value->type == MR_YAML_NUMBER
					      ? plain_leaf(scope, field, &number)
					      : text_leaf(scope, field, value->text);
		node = i == 0 ? leaf : join(scope, SIGMA_OR, node, leaf);
	}
	return node;
}

struct sigma_node *sigma_view_where(struct sigma_scope *scope, const struct sigma_view *view)
{
	const struct mr_yaml *where = view->where;
	struct sigma_node *node = NULL;
	for (uint32_t i = 0; i < where->count; i++) {
		struct sigma_node *one = where_field(scope, where->keys[i]->text, where->items[i]);
		node = i == 0 ? one : join(scope, SIGMA_AND, node, one);
	}
	return node;
}
