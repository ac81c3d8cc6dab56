/* sigma_reach.c - rules, and identifiers of rules, that no record can satisfy, as far as the vendor
 * documents its records.
 *
 * Called by sigma_load.c and sigma_detection.c with the trees that each view of a logsource sees.
 * What is known of the records of a view stands in rules/mappings under `known`:
 *
 *     names: [A, B]          all that a record, or an envelope's properties, has at its top
 *     values: {A: [x, y]}    all that stands in a field
 *     apart: {fields: [A, B], texts: [x, y]}
 *                            the fields have the same value, which holds at most one of the texts
 *
 * A test is then never true, always, or open; so is what is made of tests. Never fails. */
#include "sigma_mapping.h"

enum verdict { NEVER, OPEN, ALWAYS };

struct walk {
	const struct mr_fields *fields;
	const struct mr_yaml *known;
	const struct mr_yaml *fields_apart,
	    *texts;           /* not NULL: the fields are supposed to hold … */
	struct mr_slice held; /* … this one of the texts; empty: none */
	struct sigma_why why; /* of the first test that decides */
};

static const struct mr_yaml *entry_of(const struct mr_yaml *map, struct mr_slice name)
{
	for (uint32_t i = 0; map != NULL && i < map->count; i++) {
		if (mr_fold_eq(map->keys[i]->text, name))
			return map->items[i];
	}
	return NULL;
}

static bool is_in(const struct mr_yaml *list, struct mr_slice text)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (mr_fold_eq(list->items[i]->text, text))
			return true;
	}
	return false;
}

/* Takes the part up to the first dot off a name. */
static struct mr_slice first_part(struct mr_slice *name)
{
	const char *dot = memchr(name->at, '.', name->len);
	struct mr_slice part = {name->at, dot == NULL ? name->len : (size_t)(dot - name->at)};
	size_t gone = dot == NULL ? name->len : part.len + 1;
	*name = (struct mr_slice){name->at + gone, name->len - gone};
	return part;
}

/* Annotations and columns of a workspace's own begin with these. */
static bool is_annotation(struct mr_slice name)
{
	return name.len > 0 && (name.at[0] == '@' || name.at[0] == '_');
}

/* The name without what an envelope and the dictionary put before it. */
static struct mr_slice bare(struct mr_slice name)
{
	struct mr_slice rest = name;
	struct mr_slice part = first_part(&rest);
	while (rest.len > 0 &&
	       (mr_fold_eq(part, MR_SLICE("native")) || mr_fold_eq(part, MR_SLICE("properties")))) {
		name = rest;
		part = first_part(&rest);
	}
	return name;
}

static bool has_field(const struct mr_yaml *names, struct mr_slice name)
{
	struct mr_slice part = first_part(&name);
	return is_annotation(part) || is_in(names, part);
}

static void note(struct walk *walk, enum sigma_why_kind kind, struct mr_slice field,
		 struct mr_slice text, const struct mr_yaml *values)
{
	if (walk->why.kind == SIGMA_WHY_NOT)
		walk->why = (struct sigma_why){kind, field, text, values};
}

/* A test of a field that is nowhere. */
static enum verdict of_nothing(struct walk *walk, const struct sigma_predicate *predicate,
			       struct mr_slice field)
{
	note(walk, SIGMA_WHY_FIELD, field, (struct mr_slice){"", 0}, NULL);
	return predicate->test == SIGMA_NULL ||
		       (predicate->test == SIGMA_EXISTS && !predicate->truth)
		   ? ALWAYS
		   : NEVER;
}

/* A text that is another one than the fields are supposed to hold. */
static bool is_apart(const struct walk *walk, const struct sigma_predicate *predicate,
		     struct mr_slice field)
{
	struct mr_slice text = sigma_asked_text(predicate);
	return walk->texts != NULL && text.len > 0 && is_in(walk->fields_apart, field) &&
	       is_in(walk->texts, text) && !mr_fold_eq(text, walk->held);
}

static enum verdict of_leaf(struct walk *walk, const struct sigma_predicate *predicate)
{
	const struct mr_yaml *names = mr_yaml_get(walk->known, "names");
	struct mr_slice whole;
	if (predicate->field < MR_F_NORMALISED_END)
		return OPEN;
	struct mr_slice name = mr_fields_name(walk->fields, predicate->field);
	struct mr_slice field = bare(name);
	if (names != NULL && !has_field(names, field))
		return of_nothing(walk, predicate, name);
	const struct mr_yaml *values = entry_of(mr_yaml_get(walk->known, "values"), field);
	if (values != NULL && sigma_whole_text(predicate, &whole) && !is_in(values, whole)) {
		note(walk, SIGMA_WHY_VALUE, field, whole, values);
		return NEVER;
	}
	return is_apart(walk, predicate, field) ? NEVER : OPEN;
}

static enum verdict of_tree(struct walk *walk, const struct sigma_node *node);

static enum verdict of_list(struct walk *walk, const struct sigma_node *node)
{
	bool all = node->kind == SIGMA_AND;
	enum verdict verdict = all ? ALWAYS : NEVER;
	for (uint32_t i = 0; i < node->child_count && verdict != (all ? NEVER : ALWAYS); i++) {
		enum verdict child = of_tree(walk, node->children[i]);
		if (all ? child < verdict : child > verdict)
			verdict = child;
	}
	return verdict;
}

static enum verdict of_tree(struct walk *walk, const struct sigma_node *node)
{
	struct sigma_why before = walk->why;
	if (node->kind == SIGMA_LEAF)
		return of_leaf(walk, node->leaf);
	enum verdict verdict = node->kind == SIGMA_NOT
				   ? (enum verdict)(ALWAYS - of_tree(walk, node->children[0]))
				   : of_list(walk, node);
	if (verdict != NEVER)
		walk->why = before; /* what is below decides nothing */
	return verdict;
}

/* Whether the tree can hold with none, or one, of the texts that stand apart. */
static bool holds_apart(struct walk *walk, const struct sigma_node *tree)
{
	const struct mr_yaml *apart = mr_yaml_get(walk->known, "apart");
	if (apart == NULL)
		return true;
	walk->fields_apart = mr_yaml_get(apart, "fields");
	walk->texts = mr_yaml_get(apart, "texts");
	bool holds = of_tree(walk, tree) != NEVER;
	for (uint32_t i = 0; !holds && i < walk->texts->count; i++) {
		walk->held = walk->texts->items[i]->text;
		holds = of_tree(walk, tree) != NEVER;
	}
	walk->why = (struct sigma_why){
	    SIGMA_WHY_APART, walk->fields_apart->items[0]->text, {"", 0}, walk->texts};
	return holds;
}

static void reach(const struct sigma_scope *scope, const struct sigma_node *tree,
		  struct sigma_reached *out)
{
	const struct mr_yaml *known = scope->view == NULL ? NULL : scope->view->known;
	struct walk walk = {.fields = scope->load->fields, .known = known};
	if (known == NULL || (of_tree(&walk, tree) != NEVER && holds_apart(&walk, tree)))
		out->reached = true;
	else if (out->why.kind == SIGMA_WHY_NOT)
		out->why = walk.why;
}

void sigma_reach_begin(struct sigma_scope *scope, const struct mr_yaml *detection)
{
	size_t size = (detection->count + 1u) * sizeof *scope->reached;
	scope->reached = mr_arena_alloc(scope->arena, size);
	memset(scope->reached, 0, size);
}

void sigma_reach_rule(struct sigma_scope *scope, const struct sigma_node *tree)
{
	reach(scope, tree, &scope->reached[0]);
}

void sigma_reach_names(struct sigma_scope *scope, const struct sigma_names *names)
{
	for (uint32_t i = 0; scope->reached != NULL && i < names->count; i++) {
		struct sigma_reached *name = &scope->reached[i + 1];
		name->key = names->items[i].key;
		name->reached |= !names->items[i].used; /* that is said already */
		reach(scope, names->items[i].node, name);
	}
}

/* ---- what is said of it ---- */

static bool is_key(const struct sigma_why *why, struct mr_slice key)
{
	const char *bar = memchr(key.at, '|', key.len);
	struct mr_slice field = {key.at, bar == NULL ? key.len : (size_t)(bar - key.at)};
	return why->kind == SIGMA_WHY_FIELD && mr_fold_eq(field, why->field);
}

static bool is_value(const struct sigma_why *why, struct mr_slice text)
{
	return (why->kind == SIGMA_WHY_VALUE && mr_fold_eq(text, why->text)) ||
	       (why->kind == SIGMA_WHY_APART && is_in(why->values, text));
}

/* Where it is written, or NULL: a filter's is in another document. */
static const struct mr_yaml *find(const struct mr_yaml *node, const struct sigma_why *why)
{
	const struct mr_yaml *found = NULL;
	if (node->kind == MR_YAML_SCALAR)
		return is_value(why, node->text) ? node : NULL;
	for (uint32_t i = 0; i < node->count && found == NULL; i++)
		found = node->kind == MR_YAML_MAP && is_key(why, node->keys[i]->text)
			    ? node->keys[i]
			    : find(node->items[i], why);
	return found;
}

/* Of texts that stand apart only those that the rule asks for. */
static void put_values(struct mr_buf *out, const struct mr_yaml *detection,
		       const struct sigma_why *why)
{
	const char *before = "";
	for (uint32_t i = 0; i < why->values->count; i++) {
		struct mr_slice text = why->values->items[i]->text;
		struct sigma_why asked = {SIGMA_WHY_VALUE, why->field, text, NULL};
		if (why->kind == SIGMA_WHY_APART && find(detection, &asked) == NULL)
			continue;
		mr_buf_printf(out, "%s%.*s", before, SIGMA_SHOW(text));
		before = ", ";
	}
}

/* `key` is the identifier, NULL for the whole rule; `node` is what stands under it. */
static void tell(struct sigma_scope *scope, const struct mr_yaml *key, const struct mr_yaml *node,
		 const struct sigma_why *why)
{
	const struct mr_yaml *at = find(node, why);
	struct mr_slice written = at == NULL ? why->field : at->text;
	struct mr_buf reason = {0};
	if (why->kind == SIGMA_WHY_FIELD) {
		const char *bar = memchr(written.at, '|', written.len);
		if (bar != NULL)
			written.len = (size_t)(bar - written.at);
		mr_buf_printf(&reason, ": none has the field \"%.*s\"", SIGMA_SHOW(written));
	} else if (why->kind == SIGMA_WHY_VALUE) {
		written = at == NULL ? why->text : written;
		mr_buf_printf(&reason, ": the field \"%.*s\" is never \"%.*s\", it is one of ",
			      SIGMA_SHOW(why->field), SIGMA_SHOW(written));
		put_values(&reason, node, why);
	} else if (why->kind == SIGMA_WHY_APART) {
		mr_buf_printf(&reason, ": \"%.*s\" holds at most one of ", SIGMA_SHOW(why->field));
		put_values(&reason, node, why);
	}
	struct mr_slice what = key == NULL ? MR_SLICE("the rule") : key->text;
	sigma_warn(scope, key == NULL ? SIGMA_LINT_UNREACHABLE : SIGMA_LINT_UNREACHABLE_SELECTION,
		   SIGMA_AT(at == NULL ? node : at),
		   "no record that the vendor documents satisfies %s%.*s%s%.*s",
		   key == NULL ? "" : "\"", SIGMA_SHOW(what), key == NULL ? "" : "\"",
		   (int)reason.len, reason.len == 0 ? "" : reason.data);
	mr_buf_fini(&reason);
}

void sigma_reach_tell(struct sigma_scope *scope, const struct mr_yaml *detection)
{
	if (!scope->reached[0].reached) {
		tell(scope, NULL, detection, &scope->reached[0].why);
		return;
	}
	for (uint32_t i = 1; i <= detection->count && scope->reached[i].key != NULL; i++) {
		const struct sigma_reached *name = &scope->reached[i];
		for (uint32_t k = 0; k < detection->count && !name->reached; k++) {
			if (detection->keys[k] == name->key)
				tell(scope, name->key, detection->items[k], &name->why);
		}
	}
}
