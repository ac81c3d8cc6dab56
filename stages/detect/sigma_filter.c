/* sigma_filter.c - filters: conditions that are ANDed into rules they name.
 *
 * Called by sigma_load.c: add when a document is met, link when all are known, join for each
 * detection, lint at the end. */
#include "sigma_build.h"

#include <stdlib.h>

/* ---- reading ---- */

static bool read_filter(struct sigma_scope *scope, struct sigma_source *source,
			struct sigma_filter *out)
{
	struct mr_yaml *body = mr_yaml_get(source->root, "filter");
	if (body->kind != MR_YAML_MAP)
		return sigma_refuse(scope, SIGMA_AT(body), "%s where a map should stand",
				    mr_yaml_what(body));
	*out = (struct sigma_filter){.source = source, .body = body};
	struct mr_yaml *rules = mr_yaml_get(body, "rules");
	if (rules == NULL || (rules->kind == MR_YAML_SCALAR && rules->type == MR_YAML_NULL))
		return sigma_refuse(
		    scope, SIGMA_AT(rules == NULL ? body : rules),
		    "\"rules\" is missing: a list of ids or names of rules, or any");
	if ((rules->kind == MR_YAML_LIST && rules->count == 0) ||
	    (rules->kind == MR_YAML_SCALAR && mr_yaml_is(rules, "any"))) {
		out->any = true;
		return true;
	}
	if (rules->kind == MR_YAML_MAP)
		return sigma_refuse(scope, SIGMA_AT(rules),
				    "a map where a list of rules should stand");
	bool one = rules->kind == MR_YAML_SCALAR;
	out->name_count = one ? 1 : rules->count;
	out->names = mr_arena_alloc(scope->arena, out->name_count * sizeof *out->names);
	for (uint32_t i = 0; i < out->name_count; i++) {
		struct mr_yaml *item = one ? rules : rules->items[i];
		if (item->kind != MR_YAML_SCALAR || item->type == MR_YAML_NULL ||
		    item->text.len == 0)
			return sigma_refuse(scope, SIGMA_AT(item),
					    "%s where a rule's id or name should stand",
					    mr_yaml_what(item));
		out->names[i] = (struct sigma_filter_name){.at = item};
		out->any |= mr_yaml_is(item, "any");
	}
	return true;
}

/* A word of a condition, among the signs that end words. */
static bool has_not(struct mr_slice text)
{
	for (size_t at = 0; at + 3 <= text.len; at++) {
		bool starts = at == 0 || strchr(" \t\r\n(", text.at[at - 1]) != NULL;
		bool ends = at + 3 == text.len || strchr(" \t\r\n(", text.at[at + 3]) != NULL;
		if (starts && ends && memcmp(text.at + at, "not", 3) == 0)
			return true;
	}
	return false;
}

static void lint_condition(struct sigma_scope *scope, const struct sigma_filter *filter)
{
	const struct mr_yaml *condition = mr_yaml_get(filter->body, "condition");
	bool found = has_not(condition->text);
	for (uint32_t i = 0; i < condition->count; i++)
		found |= has_not(condition->items[i]->text);
	if (!found)
		sigma_warn(
		    scope, SIGMA_LINT_FILTER, SIGMA_AT(condition),
		    "a filter's condition is ANDed into its rules: without `not` it keeps only "
		    "what it selects");
}

void sigma_filter_add(struct sigma_scope *scope, struct sigma_source *source,
		      struct sigma_filters *filters)
{
	if (filters->count == filters->capacity) {
		uint32_t capacity = (uint32_t)mr_grow(filters->capacity, filters->count + 1u);
		struct sigma_filter *items = mr_arena_alloc(scope->arena, capacity * sizeof *items);
		if (filters->count > 0)
			memcpy(items, filters->items, filters->count * sizeof *items);
		filters->items = items;
		filters->capacity = capacity;
	}
	struct sigma_filter *filter = &filters->items[filters->count];
	/* Compiled here only to find its faults; each view of a rule has its own tree. */
	if (sigma_meta_read(scope, source) &&
	    sigma_logsource_read(scope, source->root, &source->logsource) &&
	    read_filter(scope, source, filter) &&
	    sigma_detection_compile(scope, filter->body, "rules") != NULL) {
		lint_condition(scope, filter);
		source->rule.kind = MR_RULE_FILTER;
		source->rule.content = sigma_tree_content(scope->arena, source->root);
		source->rule.made = scope->made;
		filters->count++;
	}
}

/* ---- which rules ---- */

/* The same for logsources that are equal. */
static struct mr_slice logsource_key(struct mr_arena *arena, const struct sigma_logsource *from)
{
	const struct mr_slice parts[] = {from->product, from->category, from->service};
	struct mr_buf key = {0};
	for (size_t i = 0; i < 3; i++) {
		char *at = mr_buf_reserve(&key, mr_fold_max(parts[i].len) + 1);
		key.len += mr_fold(parts[i].at, parts[i].len, at);
		mr_buf_add(&key, "", 1);
	}
	struct mr_slice copy = {mr_arena_copy(arena, key.data, key.len), key.len};
	mr_buf_fini(&key);
	return copy;
}

/* Filters work on records, so a correlation has none: the first name that is one's, or NULL. */
static const struct mr_yaml *named_correlation(const struct sigma_builder *load,
					       const struct sigma_filter *filter)
{
	const struct sigma_index *const indices[] = {&load->ids, &load->names};
	for (uint32_t i = 0; i < filter->name_count; i++) {
		for (size_t k = 0; k < 2; k++) {
			const struct sigma_entry *entry =
			    sigma_index_find(indices[k], filter->names[i].at->text);
			for (; entry != NULL; entry = sigma_index_next(entry)) {
				const struct sigma_source *source = entry->thing;
				if (source->rule.kind == MR_RULE_CORRELATION)
					return filter->names[i].at;
			}
		}
	}
	return NULL;
}

static void index_filter(struct sigma_builder *load, struct sigma_filters *filters,
			 struct sigma_filter *filter)
{
	if (filter->any)
		sigma_index_add(&filters->any, load->arena,
				logsource_key(load->arena, &filter->source->logsource), filter);
	for (uint32_t i = 0; i < filter->name_count; i++) {
		filter->names[i].filter = filter;
		sigma_index_add(&filters->named, load->arena, filter->names[i].at->text,
				&filter->names[i]);
	}
}

void sigma_filters_link(struct sigma_builder *load, struct sigma_filters *filters)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < filters->count; i++) {
		struct sigma_filter *filter = &filters->items[i];
		const struct mr_yaml *wrong = named_correlation(load, filter);
		struct mr_fault fault = {0};
		if (wrong == NULL) {
			filters->items[kept] = *filter;
			index_filter(load, filters, &filters->items[kept++]);
			continue;
		}
		mr_fault_set(load->arena, &fault, SIGMA_AT(wrong),
			     "a filter cannot apply to the correlation \"%.*s\"; name its rules",
			     SIGMA_SHOW(wrong->text));
		sigma_note_add(load, &load->set->refused,
			       (struct sigma_note){filter->source->file, filter->source->id,
						   fault.reason, fault.line, fault.column,
						   SIGMA_LINT_REFUSED, true});
	}
	filters->count = kept;
}

struct chosen { /* filters that apply to one rule */
	struct sigma_filter **items;
	size_t count, capacity;
};

static void choose(struct chosen *chosen, struct sigma_filter *filter,
		   const struct sigma_source *rule)
{
	if (!sigma_logsource_same(&filter->source->logsource, &rule->logsource))
		return;
	filter->used = true;
	if (chosen->count == chosen->capacity) {
		chosen->capacity = mr_grow(chosen->capacity, chosen->count + 1);
		chosen->items = mr_realloc(chosen->items, chosen->capacity * sizeof *chosen->items);
	}
	chosen->items[chosen->count++] = filter;
}

static void choose_named(struct chosen *chosen, const struct sigma_filters *filters,
			 struct mr_slice text, const struct sigma_source *rule)
{
	const struct sigma_entry *entry = sigma_index_find(&filters->named, text);
	for (; entry != NULL; entry = sigma_index_next(entry)) {
		const struct sigma_filter_name *name = entry->thing;
		choose(chosen, name->filter, rule);
	}
}

static int in_load_order(const void *left, const void *right)
{
	const struct sigma_filter *a = *(struct sigma_filter *const *)left;
	const struct sigma_filter *b = *(struct sigma_filter *const *)right;
	return (a > b) - (a < b);
}

static struct chosen filters_of(struct sigma_scope *scope, const struct sigma_filters *filters,
				const struct sigma_source *rule)
{
	struct chosen chosen = {0};
	if (filters->count == 0)
		return chosen;
	const struct sigma_entry *entry =
	    sigma_index_find(&filters->any, logsource_key(scope->arena, &rule->logsource));
	for (; entry != NULL; entry = sigma_index_next(entry))
		choose(&chosen, entry->thing, rule);
	choose_named(&chosen, filters, rule->id, rule);
	if (rule->name.len != 0 && !mr_slice_eq(rule->name, rule->id))
		choose_named(&chosen, filters, rule->name, rule);
	if (chosen.count > 1)
		qsort(chosen.items, chosen.count, sizeof *chosen.items, in_load_order);
	return chosen;
}

/* ---- joining ---- */

/* The filter's tree for the scope's view; NULL with the scope's fault set. */
static const struct sigma_filtered *filtered(struct sigma_scope *scope, struct sigma_filter *filter,
					     const struct sigma_source *rule)
{
	struct sigma_filtered *have = filter->filtered;
	while (have != NULL && have->view != scope->view)
		have = have->next;
	if (have != NULL)
		return have;
	struct sigma_scope own = {.load = scope->load,
				  .arena = scope->arena,
				  .file = filter->source->file,
				  .id = filter->source->id,
				  .view = scope->view,
				  .again = true};
	struct sigma_node *node = sigma_detection_compile(&own, filter->body, "rules");
	if (node == NULL)
		return sigma_refuse(scope, rule->rule.line, 1, "with the filter \"%.*s\": %.*s",
				    SIGMA_SHOW(own.id), SIGMA_SHOW(own.fault.reason)),
		       NULL;
	struct mr_slice title = sigma_meta_text(&own, filter->source->root, "title");
	node = sigma_node_label(&own, SIGMA_LABEL_FILTER, title, filter->source->root, node);
	have = mr_arena_alloc(scope->arena, sizeof *have);
	*have = (struct sigma_filtered){scope->view, node, own.missing, own.missing_at,
					filter->filtered};
	filter->filtered = have;
	return have;
}

/* A filter stands in its own file and name space, but is seen as the rule is. A placeholder without
 * value makes the rule inactive. */
bool sigma_filters_join(struct sigma_scope *scope, struct sigma_filters *filters,
			struct sigma_source *rule, struct sigma_node **node)
{
	struct chosen chosen = filters_of(scope, filters, rule);
	struct sigma_nodes nodes = {0};
	bool good = true;
	sigma_nodes_add(scope->arena, &nodes, *node);
	for (size_t i = 0; i < chosen.count && good; i++) {
		if (i > 0 && chosen.items[i] == chosen.items[i - 1])
			continue;
		const struct sigma_filtered *more = filtered(scope, chosen.items[i], rule);
		good = more != NULL &&
		       sigma_tests_add(scope, rule->rule.line, 1,
				       (uint32_t)sigma_node_size(more->node, SIGMA_NODES_MAX));
		if (!good)
			break;
		sigma_nodes_add(scope->arena, &nodes, more->node);
		if (scope->missing.len == 0) {
			scope->missing = more->missing;
			scope->missing_at = more->missing_at;
		}
	}
	free(chosen.items);
	if (good)
		*node = sigma_node_join(scope->arena, SIGMA_AND, &nodes);
	return good;
}

/* ---- the catalog ---- */

static void add_rule(struct sigma_builder *load, struct sigma_filter *filter, uint32_t index)
{
	struct mr_rule *own = &filter->source->rule;
	if (own->rule_count == filter->room) {
		filter->room = (uint32_t)mr_grow(filter->room, filter->room + 1u);
		uint32_t *rules = mr_arena_alloc(load->arena, filter->room * sizeof *rules);
		if (own->rule_count > 0)
			memcpy(rules, own->rules, own->rule_count * sizeof *rules);
		own->rules = rules;
	}
	own->rules[own->rule_count++] = index;
}

void sigma_filters_know(struct sigma_builder *load, struct sigma_filters *filters,
			struct sigma_source *rule)
{
	struct sigma_scope scope = {.load = load, .arena = load->arena};
	struct chosen chosen = filters_of(&scope, filters, rule);
	for (size_t i = 0; i < chosen.count; i++) {
		const struct mr_rule *own = &chosen.items[i]->source->rule;
		const uint64_t parts[] = {own->content, own->made};
		if (i > 0 && chosen.items[i] == chosen.items[i - 1])
			continue;
		add_rule(load, chosen.items[i], load->set->catalog.count);
		rule->rule.made = mr_hash64(parts, sizeof parts, rule->rule.made);
	}
	free(chosen.items);
}

void sigma_filters_finish(struct sigma_builder *load, const struct sigma_filters *filters)
{
	struct mr_catalog *catalog = &load->set->catalog;
	catalog->filters =
	    mr_arena_alloc(load->arena, (filters->count + 1u) * sizeof *catalog->filters);
	for (uint32_t i = 0; i < filters->count; i++)
		catalog->filters[i] = filters->items[i].source->rule;
	catalog->filter_count = filters->count;
}

/* ---- filters that do nothing ---- */

/* Of the rules that have the name one that the filter is for, else any, else NULL. */
static const struct sigma_source *named_rule(const struct sigma_builder *load,
					     const struct sigma_filter *filter,
					     struct mr_slice name)
{
	const struct sigma_index *const indices[] = {&load->ids, &load->names};
	const struct sigma_source *other = NULL;
	for (size_t k = 0; k < 2; k++) {
		const struct sigma_entry *entry = sigma_index_find(indices[k], name);
		for (; entry != NULL; entry = sigma_index_next(entry)) {
			other = entry->thing;
			if (sigma_logsource_same(&filter->source->logsource, &other->logsource))
				return other;
		}
	}
	return other;
}

/* Of a rule that is refused its refusal says enough. */
static void lint_name(struct sigma_scope *scope, const struct sigma_filter *filter,
		      const struct mr_yaml *name)
{
	const struct sigma_logsource *own = &filter->source->logsource;
	const struct sigma_source *rule = named_rule(scope->load, filter, name->text);
	if (rule == NULL) {
		sigma_warn(scope, SIGMA_LINT_FILTER, SIGMA_AT(name),
			   "the filter names a rule that is not there: \"%.*s\"",
			   SIGMA_SHOW(name->text));
		sigma_note_idle(scope->load, true);
		return;
	}
	if (rule->refused || sigma_logsource_same(own, &rule->logsource))
		return;
	struct mr_slice has = sigma_logsource_show(scope->arena, own);
	struct mr_slice wants = sigma_logsource_show(scope->arena, &rule->logsource);
	sigma_warn(scope, SIGMA_LINT_FILTER, SIGMA_AT(name),
		   "the filter does nothing to the rule \"%.*s\", whose logsource is %.*s: the "
		   "filter's is %.*s and would have to be the same",
		   SIGMA_SHOW(name->text), (int)wants.len, wants.at, (int)has.len, has.at);
	sigma_note_idle(scope->load, true);
}

void sigma_filters_lint(struct sigma_builder *load, const struct sigma_filters *filters)
{
	for (uint32_t i = 0; i < filters->count; i++) {
		const struct sigma_filter *filter = &filters->items[i];
		const struct sigma_logsource *logsource = &filter->source->logsource;
		struct sigma_scope scope = {.load = load,
					    .arena = load->arena,
					    .file = filter->source->file,
					    .id = filter->source->id};
		for (uint32_t r = 0; r < filter->name_count && !filter->any; r++)
			lint_name(&scope, filter, filter->names[r].at);
		if (!filter->any || filter->used)
			continue;
		struct mr_slice has = sigma_logsource_show(scope.arena, logsource);
		struct mr_slice hint = sigma_logsource_hint(load, logsource);
		sigma_warn(&scope, SIGMA_LINT_FILTER, SIGMA_AT(logsource->at),
			   "the filter does nothing: no rule has its logsource, %.*s%.*s",
			   (int)has.len, has.at, (int)hint.len, hint.at);
		sigma_note_idle(load, true);
	}
}

void sigma_filters_fini(struct sigma_filters *filters)
{
	sigma_index_fini(&filters->named);
	sigma_index_fini(&filters->any);
}
