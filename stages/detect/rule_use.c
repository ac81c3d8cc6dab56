/* rule_use.c - see rule_use.h. Nothing here fails. */
#include "rule_use.h"

#include <stdlib.h>

const char *rule_use_name(enum rule_use use)
{
	static const char *const names[] = {[RULE_USE_OTHER] = "other",
					    [RULE_USE_INACTIVE] = "inactive",
					    [RULE_USE_NEVER] = "never",
					    [RULE_USE_MAPPED] = "mapped",
					    [RULE_USE_DIRECT] = "direct"};
	return names[use];
}

/* ---- records ---- */

void rule_seen_init(struct rule_seen *seen, const struct mr_fields *fields)
{
	*seen = (struct rule_seen){.stride = (uint32_t)mr_fields_count(fields)};
	seen->present = mr_calloc((size_t)MR_KIND_COUNT * seen->stride, sizeof *seen->present);
}

void rule_seen_add(struct rule_seen *seen, const struct mr_event *event)
{
	bool *present = seen->present + (size_t)event->kind * seen->stride;
	seen->records++;
	seen->kinds[event->kind]++;
	for (uint32_t field = 1; field < seen->stride; field++)
		present[field] |= event->first[field] != 0;
}

void rule_seen_fini(struct rule_seen *seen)
{
	free(seen->present);
	*seen = (struct rule_seen){0};
}

/* ---- one view of a rule ---- */

struct view {
	struct sigma_walk walk;
	const struct sigma_rule *rule;
	const struct rule_seen *seen;
};

/* A view of declared records has no kinds: it is asked by what their source says. */
static bool is_of(const struct sigma_rule *rule, uint32_t kind)
{
	return rule->kinds == 0 ? kind == MR_KIND_DECLARED : (rule->kinds >> kind & 1) != 0;
}

static bool sees_some(const struct view *view)
{
	bool some = view->seen == NULL;
	for (uint32_t kind = 0; kind < MR_KIND_COUNT && !some; kind++)
		some = is_of(view->rule, kind) && view->seen->kinds[kind] > 0;
	return view->rule->asked && some;
}

/* Whether it may be there: what only a setting fills is not the records' to have. */
static bool may_have(const struct view *view, mr_field field)
{
	bool may = view->seen == NULL || field == 0 || mr_field_setting(field) != NULL;
	for (uint32_t kind = 0; kind < MR_KIND_COUNT && !may; kind++)
		may = is_of(view->rule, kind) &&
		      view->seen->present[(size_t)kind * view->seen->stride + field];
	return may;
}

static enum sigma_verdict of_leaf(const struct sigma_walk *walk, const struct sigma_predicate *test)
{
	const struct view *view = (const struct view *)walk;
	if (may_have(view, test->field))
		return test->test == SIGMA_FIELDREF && !may_have(view, test->other) ? SIGMA_NEVER
										    : SIGMA_OPEN;
	return test->test == SIGMA_NULL || (test->test == SIGMA_EXISTS && !test->truth)
		   ? SIGMA_ALWAYS
		   : SIGMA_NEVER;
}

/* ---- the fields that a rule names ---- */

/* One of them, over all views that see the records. */
struct name {
	struct mr_slice text;
	bool mapped, there;
};
struct names {
	struct name *items;
	uint32_t count, capacity;
};

static struct name *name_of(struct names *names, struct mr_slice text)
{
	for (uint32_t i = 0; i < names->count; i++) {
		if (mr_fold_eq(names->items[i].text, text))
			return &names->items[i];
	}
	if (names->count == names->capacity) {
		names->capacity = (uint32_t)mr_grow(names->capacity, names->count + 1u);
		names->items = mr_realloc(names->items, names->capacity * sizeof *names->items);
	}
	names->items[names->count] = (struct name){.text = text};
	return &names->items[names->count++];
}

static void look(const struct view *view, const struct sigma_node *node, struct name *name)
{
	name->mapped |= node->label != NULL && node->label->kind == SIGMA_LABEL_MAPPING;
	if (node->kind == SIGMA_LEAF)
		name->there |= may_have(view, node->leaf->field);
	for (uint32_t i = 0; i < node->child_count; i++)
		look(view, node->children[i], name);
}

static void add_names(const struct view *view, const struct sigma_node *node, struct names *names)
{
	const struct sigma_label *label = node->label;
	if (label != NULL && label->kind == SIGMA_LABEL_FILTER)
		return;
	if (label != NULL && label->kind == SIGMA_LABEL_KEY) {
		const char *bar = memchr(label->text.at, '|', label->text.len);
		size_t len = bar == NULL ? label->text.len : (size_t)(bar - label->text.at);
		look(view, node, name_of(names, (struct mr_slice){label->text.at, len}));
		return;
	}
	for (uint32_t i = 0; i < node->child_count; i++)
		add_names(view, node->children[i], names);
}

/* Those that are mapped, or that are not there. */
static struct mr_texts take(const struct names *names, bool mapped, struct mr_arena *arena)
{
	struct mr_texts out = {.items =
				   mr_arena_alloc(arena, (names->count + 1u) * sizeof *out.items)};
	for (uint32_t i = 0; i < names->count; i++) {
		const struct name *name = &names->items[i];
		if (mapped ? name->mapped : !name->there)
			out.items[out.count++] = name->text;
	}
	return out;
}

/* ---- rules ---- */

static struct mr_slice say(struct mr_arena *arena, const char *format, struct mr_slice name)
{
	char *text = mr_asprintf(format, SIGMA_SHOW(name));
	struct mr_slice kept = {mr_arena_copy(arena, text, strlen(text)), strlen(text)};
	free(text);
	return kept;
}

static bool has_test(const struct sigma_node *node, const struct sigma_predicate *test)
{
	bool has = node->kind == SIGMA_LEAF && node->leaf == test;
	for (uint32_t i = 0; i < node->child_count && !has; i++)
		has = has_test(node->children[i], test);
	return has;
}

/* Whether the test is not the rule's own, but tells whether it sees the record. */
static bool is_logsource(const struct sigma_node *node, const struct sigma_predicate *test)
{
	if (node->label != NULL && node->label->kind == SIGMA_LABEL_LOGSOURCE)
		return has_test(node, test);
	bool is = false;
	for (uint32_t i = 0; i < node->child_count && !is; i++)
		is = is_logsource(node->children[i], test);
	return is;
}

/* The dictionary's names are folded; one that the rule names is said as it is written. */
static struct mr_slice why_never(const struct view *view, const struct mr_fields *fields,
				 const struct names *names, struct mr_arena *arena)
{
	const struct sigma_predicate *decider = view->walk.decider;
	if (decider == NULL)
		return MR_SLICE("no record has the fields that it asks for");
	mr_field lacks = may_have(view, decider->field) ? decider->other : decider->field;
	struct mr_slice name = mr_fields_name(fields, lacks);
	for (uint32_t i = 0; i < names->count; i++) {
		if (mr_fold_eq(names->items[i].text, name))
			name = names->items[i].text;
	}
	return say(arena,
		   is_logsource(view->rule->condition, decider)
		       ? "no record has the field \"%.*s\", which tells events of its logsource"
		       : "no record has the field \"%.*s\"",
		   name);
}

/* What of a rule's views there is, one after the other. */
static void use_view(struct view *view, const struct mr_fields *fields, struct mr_arena *arena,
		     struct names *names, struct rule_used *out)
{
	struct mr_slice why = view->rule->never;
	add_names(view, view->rule->condition, names);
	if (why.len == 0 && sigma_node_verdict(&view->walk, view->rule->condition) == SIGMA_NEVER)
		why = why_never(view, fields, names, arena);
	if (why.len == 0)
		out->use = RULE_USE_DIRECT;
	else if (out->use < RULE_USE_NEVER)
		*out = (struct rule_used){.use = RULE_USE_NEVER, .why = why};
}

/* Views of one rule stand side by side. */
static uint32_t use_rule(const struct sigma_set *set, uint32_t first,
			 const struct mr_fields *fields, const struct rule_seen *seen,
			 struct mr_arena *arena, struct rule_used *used)
{
	struct names names = {0};
	struct rule_used *out = &used[set->rules[first].index];
	uint32_t at = first;
	for (; at < set->rule_count && set->rules[at].index == set->rules[first].index; at++) {
		struct view view = {
		    .walk = {.leaf = of_leaf}, .rule = &set->rules[at], .seen = seen};
		if (sees_some(&view))
			use_view(&view, fields, arena, &names, out);
	}
	out->mapped = take(&names, true, arena);
	out->lacks = take(&names, false, arena);
	if (out->use == RULE_USE_DIRECT) {
		out->why = MR_SLICE("");
		out->use = out->mapped.count > 0 ? RULE_USE_MAPPED : RULE_USE_DIRECT;
	}
	free(names.items);
	return at;
}

static void use_waiting(const struct sigma_set *set, const struct rule_seen *seen,
			struct rule_used *used)
{
	for (uint32_t i = 0; i < set->waiting_count; i++) {
		struct view view = {.rule = &set->waiting[i], .seen = seen};
		if (sees_some(&view))
			used[view.rule->index] =
			    (struct rule_used){.use = RULE_USE_INACTIVE,
					       .why = MR_SLICE("a placeholder has no value")};
	}
}

/* A condition that contradicts itself holds nowhere. */
static void use_contradictions(const struct sigma_set *set, struct rule_used *used)
{
	for (uint32_t n = 0; n < set->warnings.count; n++) {
		const struct sigma_note *note = &set->warnings.items[n];
		for (uint32_t i = 0;
		     i < set->catalog.detections && note->lint == SIGMA_LINT_ALWAYS_FALSE; i++) {
			if (used[i].use <= RULE_USE_NEVER ||
			    !mr_slice_eq(set->catalog.rules[i].id, note->id))
				continue;
			used[i].use = RULE_USE_NEVER;
			used[i].why = note->reason;
		}
	}
}

/* What one of its rules lacks tells of a correlation only where it needs each of them. */
static void use_correlation(const struct sigma_set *set, const struct mr_rule *rule,
			    struct mr_arena *arena, const struct rule_used *used,
			    struct rule_used *out)
{
	bool all =
	    mr_correlation_counts(rule->type) == MR_COUNTS_RULES && rule->condition_count == 0;
	uint32_t least = rule->rules[0];
	for (uint32_t i = 0; i < rule->rule_count; i++) {
		uint32_t one = rule->rules[i];
		out->use = used[one].use > out->use ? used[one].use : out->use;
		least = used[one].use < used[least].use ? one : least;
	}
	struct mr_slice title = set->catalog.rules[least].title;
	if (!all || out->use <= used[least].use || used[least].use > RULE_USE_NEVER)
		return;
	if (used[least].use == RULE_USE_OTHER) {
		out->why = say(arena, "it also needs \"%.*s\", which sees no such records", title);
		return;
	}
	out->use = used[least].use;
	out->why = say(arena, "it needs \"%.*s\"", title);
}

struct rule_used *rule_uses_find(const struct sigma_set *set, const struct mr_fields *fields,
				 const struct rule_seen *seen, struct mr_arena *arena)
{
	const struct mr_catalog *catalog = &set->catalog;
	size_t size = (catalog->count + 1u) * sizeof(struct rule_used);
	struct rule_used *used = mr_arena_alloc(arena, size);
	memset(used, 0, size);
	for (uint32_t at = 0; at < set->rule_count;)
		at = use_rule(set, at, fields, seen, arena, used);
	use_waiting(set, seen, used);
	use_contradictions(set, used);
	for (uint8_t layer = 0; layer < catalog->layers; layer++) {
		for (uint32_t i = 0; i < catalog->count; i++) {
			const struct mr_rule *rule = &catalog->rules[i];
			if (rule->kind == MR_RULE_CORRELATION && rule->layer == layer)
				use_correlation(set, rule, arena, used, &used[i]);
		}
	}
	return used;
}
