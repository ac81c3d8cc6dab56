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

struct walk {
	struct sigma_walk base;
	const struct mr_fields *fields;
	const struct mr_yaml *known;
	const struct mr_yaml *fields_apart,
	    *texts;           /* not NULL: the fields are supposed to hold … */
	struct mr_slice held; /* … this one of the texts; empty: none */
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

/* A test of a field that is nowhere. */
static enum sigma_verdict of_nothing(const struct sigma_predicate *predicate)
{
	return predicate->test == SIGMA_NULL ||
		       (predicate->test == SIGMA_EXISTS && !predicate->truth)
		   ? SIGMA_ALWAYS
		   : SIGMA_NEVER;
}

/* A text that is another one than the fields are supposed to hold. */
static bool is_apart(const struct walk *walk, const struct sigma_predicate *predicate,
		     struct mr_slice field)
{
	struct mr_slice text = sigma_asked_text(predicate);
	return walk->texts != NULL && text.len > 0 && is_in(walk->fields_apart, field) &&
	       is_in(walk->texts, text) && !mr_fold_eq(text, walk->held);
}

/* What is known of the field that decides the test; SIGMA_WHY_NOT where nothing is. */
static void why_of(const struct walk *walk, const struct sigma_predicate *predicate,
		   struct sigma_why *out)
{
	const struct mr_yaml *names = mr_yaml_get(walk->known, "names");
	struct mr_slice whole;
	struct mr_slice name = mr_fields_name(walk->fields, predicate->field);
	struct mr_slice field = bare(name);
	*out = (struct sigma_why){0};
	if (names != NULL && !has_field(names, field)) {
		*out = (struct sigma_why){SIGMA_WHY_FIELD, name, {"", 0}, NULL};
		return;
	}
	const struct mr_yaml *values = entry_of(mr_yaml_get(walk->known, "values"), field);
	if (values != NULL && sigma_whole_text(predicate, &whole) && !is_in(values, whole))
		*out = (struct sigma_why){SIGMA_WHY_VALUE, field, whole, values};
}

static enum sigma_verdict of_leaf(const struct sigma_walk *base,
				  const struct sigma_predicate *predicate)
{
	const struct walk *walk = (const struct walk *)base;
	struct sigma_why why;
	if (predicate->field < MR_F_NORMALISED_END)
		return SIGMA_OPEN;
	why_of(walk, predicate, &why);
	if (why.kind == SIGMA_WHY_FIELD)
		return of_nothing(predicate);
	return why.kind == SIGMA_WHY_VALUE ||
		       is_apart(walk, predicate,
				bare(mr_fields_name(walk->fields, predicate->field)))
		   ? SIGMA_NEVER
		   : SIGMA_OPEN;
}

static bool can_hold(struct walk *walk, const struct sigma_node *tree)
{
	return sigma_node_verdict(&walk->base, tree) != SIGMA_NEVER;
}

/* Whether the tree can hold with none, or one, of the texts that stand apart. */
static bool holds_apart(struct walk *walk, const struct sigma_node *tree, struct sigma_why *why)
{
	const struct mr_yaml *apart = mr_yaml_get(walk->known, "apart");
	if (apart == NULL)
		return true;
	walk->fields_apart = mr_yaml_get(apart, "fields");
	walk->texts = mr_yaml_get(apart, "texts");
	bool holds = can_hold(walk, tree);
	for (uint32_t i = 0; !holds && i < walk->texts->count; i++) {
		walk->held = walk->texts->items[i]->text;
		holds = can_hold(walk, tree);
	}
	*why = (struct sigma_why){
	    SIGMA_WHY_APART, walk->fields_apart->items[0]->text, {"", 0}, walk->texts};
	return holds;
}

/* Whether some record of the scope's view may satisfy the tree; else why none does. */
static bool reaches(const struct sigma_scope *scope, const struct sigma_node *tree,
		    struct sigma_why *why)
{
	const struct mr_yaml *known = scope->view == NULL ? NULL : scope->view->known;
	struct walk walk = {
	    .base = {.leaf = of_leaf}, .fields = scope->load->fields, .known = known};
	if (known == NULL)
		return true;
	if (can_hold(&walk, tree))
		return holds_apart(&walk, tree, why);
	*why = (struct sigma_why){0};
	if (walk.base.decider != NULL)
		why_of(&walk, walk.base.decider, why);
	return false;
}

static void reach(const struct sigma_scope *scope, const struct sigma_node *tree,
		  struct sigma_reached *out)
{
	struct sigma_why why;
	if (reaches(scope, tree, &why))
		out->reached = true;
	else if (out->why.kind == SIGMA_WHY_NOT)
		out->why = why;
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

/* `at` is where it is written under `node`, or NULL. */
static void put_why(struct mr_buf *out, const struct mr_yaml *node, const struct mr_yaml *at,
		    const struct sigma_why *why)
{
	struct mr_slice written = at == NULL ? why->field : at->text;
	if (why->kind == SIGMA_WHY_FIELD) {
		const char *bar = memchr(written.at, '|', written.len);
		if (bar != NULL)
			written.len = (size_t)(bar - written.at);
		mr_buf_printf(out, ": none has the field \"%.*s\"", SIGMA_SHOW(written));
	} else if (why->kind == SIGMA_WHY_VALUE) {
		written = at == NULL ? why->text : written;
		mr_buf_printf(out, ": the field \"%.*s\" is never \"%.*s\", it is one of ",
			      SIGMA_SHOW(why->field), SIGMA_SHOW(written));
		put_values(out, node, why);
	} else if (why->kind == SIGMA_WHY_APART) {
		mr_buf_printf(out, ": \"%.*s\" holds at most one of ", SIGMA_SHOW(why->field));
		put_values(out, node, why);
	}
}

struct mr_slice sigma_reach_why(const struct sigma_scope *scope, const struct sigma_node *tree,
				const struct mr_yaml *detection)
{
	struct mr_buf words = {0};
	struct sigma_why why;
	if (reaches(scope, tree, &why))
		return MR_SLICE("");
	mr_buf_add_text(&words, "no record that the vendor documents satisfies it");
	put_why(&words, detection, find(detection, &why), &why);
	struct mr_slice kept = {mr_arena_copy(scope->arena, words.data, words.len), words.len};
	mr_buf_fini(&words);
	return kept;
}

/* `key` is the identifier, NULL for the whole rule; `node` is what stands under it. */
static void tell(struct sigma_scope *scope, const struct mr_yaml *key, const struct mr_yaml *node,
		 const struct sigma_why *why)
{
	const struct mr_yaml *at = find(node, why);
	struct mr_buf reason = {0};
	put_why(&reason, node, at, why);
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
