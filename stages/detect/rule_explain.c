/* rule_explain.c - a rule's tree, with the engine's verdict on each of its tests.
 *
 * Called by cmd_rules_explain.c and cmd_rules_test.c. Fails where the engine cannot take the tests.
 */
#include "rule_explain.h"

#include <stdlib.h>

/* The tests of a tree in the order in which it is walked: each the whole condition of a rule. */
struct leaves {
	struct sigma_rule *rules;
	uint32_t count, capacity;
	uint32_t next; /* while the tree is made: the leaf in hand */
	bool *holds;
	/* Of those that hold of one of several values. */
	struct explain_member *members;
};

static void add_leaves(struct leaves *leaves, struct sigma_node *node,
		       const struct sigma_rule *seen)
{
	for (uint32_t i = 0; i < node->child_count; i++)
		add_leaves(leaves, node->children[i], seen);
	if (node->kind != SIGMA_LEAF)
		return;
	if (leaves->count == leaves->capacity) {
		leaves->capacity = (uint32_t)mr_grow(leaves->capacity, leaves->count + 1u);
		leaves->rules = mr_realloc(leaves->rules, leaves->capacity * sizeof *leaves->rules);
	}
	struct sigma_rule *rule = &leaves->rules[leaves->count];
	*rule = *seen;
	rule->index = leaves->count;
	rule->condition = node;
	leaves->count++;
}

/* ---- the engine's verdict ---- */

static enum mr_err judge(struct leaves *leaves, uint32_t declared, const struct mr_events *events,
			 const struct mr_event *event, struct mr_fields *fields,
			 struct mr_arena *arena, struct mr_error *error)
{
	/* Rules that nobody names but an error. */
	struct mr_rule *named = mr_calloc(leaves->count + 1u, sizeof *named);
	const struct sigma_set set = {.catalog = {.rules = named, .count = leaves->count},
				      .rules = leaves->rules,
				      .rule_count = leaves->count,
				      .declared_count = declared};
	enum engine_search search = engine_scan_is_sound() ? ENGINE_AT_ONCE : ENGINE_ONE_BY_ONE;
	struct engine *engine = NULL;
	struct mr_buf image = {0};
	const uint32_t *matched;
	enum mr_err err = engine_compile(&set, search, fields, &image, error);
	if (err == MR_OK)
		err = engine_open((struct mr_slice){image.data, image.len}, fields, &engine, error);
	if (err == MR_OK) {
		size_t count = engine_match(engine, events, event, &matched);
		for (size_t i = 0; i < count; i++)
			leaves->holds[matched[i]] = true;
		rule_members_find(engine, events, event,
				  &(struct rule_tests){leaves->rules, leaves->holds, leaves->count},
				  arena, leaves->members);
		engine_close(engine);
	}
	mr_buf_fini(&image);
	free(named);
	return err;
}

/* ---- the tree ---- */

static bool children_hold(const struct explain_node *node)
{
	bool all = node->kind == SIGMA_AND;
	for (uint32_t i = 0; i < node->child_count; i++) {
		if (node->children[i].holds != all)
			return !all;
	}
	return all;
}

/* Of nodes that stand one in the other the labels are one's. */
static const struct sigma_node *take_labels(const struct sigma_node *node, struct mr_arena *arena,
					    struct explain_node *out)
{
	uint32_t count = 0;
	const struct sigma_node *at = node;
	for (; at->label != NULL; at = at->children[0])
		count++;
	out->labels = mr_arena_alloc(arena, (count + 1u) * sizeof(struct sigma_label *));
	for (at = node; at->label != NULL; at = at->children[0])
		out->labels[out->label_count++] = at->label;
	return at;
}

static void make(const struct sigma_node *from, struct leaves *leaves, struct mr_arena *arena,
		 struct explain_node *out)
{
	*out = (struct explain_node){0};
	const struct sigma_node *node = take_labels(from, arena, out);
	out->kind = node->kind;
	if (node->kind == SIGMA_LEAF) {
		out->test = node->leaf;
		out->member = leaves->members[leaves->next];
		out->holds = leaves->holds[leaves->next++];
		return;
	}
	out->child_count = node->child_count;
	out->children = mr_arena_alloc(arena, node->child_count * sizeof *out->children);
	for (uint32_t i = 0; i < node->child_count; i++)
		make(node->children[i], leaves, arena, &out->children[i]);
	out->holds = node->kind == SIGMA_NOT ? !out->children[0].holds : children_hold(out);
}

/* What stands before the modifiers of a key. */
static struct mr_slice field_of(struct mr_slice key)
{
	const char *bar = memchr(key.at, '|', key.len);
	return bar == NULL ? key : (struct mr_slice){key.at, (size_t)(bar - key.at)};
}

static void add_words(struct rule_words *words, struct explain_node *node, struct mr_slice field)
{
	for (uint32_t i = 0; i < node->label_count; i++) {
		if (node->labels[i]->kind == SIGMA_LABEL_KEY)
			field = field_of(node->labels[i]->text);
	}
	for (uint32_t i = 0; i < node->child_count; i++)
		add_words(words, &node->children[i], field);
	if (node->kind == SIGMA_LEAF)
		rule_words_add(words, node, field);
}

/* By its kind, or by what its source says of it. */
static bool sees(const struct sigma_set *set, const struct sigma_rule *rule,
		 const struct mr_event *event)
{
	uint32_t bit = event->logsource - 1u;
	if (event->logsource == 0 || event->logsource > set->declared_count)
		return (rule->kinds >> event->kind & 1) != 0;
	return (rule->declared[bit / 32] >> bit % 32 & 1) != 0;
}

/* What sees such records, as one node: of several views one has to hold. */
static struct sigma_node *join(const struct sigma_set *set, uint32_t rule,
			       const struct mr_event *event, struct mr_arena *arena)
{
	struct sigma_node views = {.kind = SIGMA_OR};
	views.children = mr_arena_alloc(arena, set->rule_count * sizeof(struct sigma_node *));
	for (uint32_t i = 0; i < set->rule_count; i++) {
		if (set->rules[i].index == rule && sees(set, &set->rules[i], event))
			views.children[views.child_count++] = set->rules[i].condition;
	}
	if (views.child_count <= 1)
		return views.child_count == 0 ? NULL : views.children[0];
	struct sigma_node *node = mr_arena_alloc(arena, sizeof *node);
	*node = views;
	return node;
}

enum mr_err rule_explain(const struct sigma_set *set, uint32_t rule, const struct mr_events *events,
			 const struct mr_event *event, struct mr_fields *fields,
			 struct mr_arena *arena, struct explained *out, struct mr_error *error)
{
	struct leaves leaves = {0};
	struct rule_words words = {
	    .events = events, .event = event, .fields = fields, .arena = arena};
	struct sigma_rule all = {.kinds = UINT32_MAX};
	struct sigma_node *node = join(set, rule, event, arena);
	*out = (struct explained){.rule = &set->catalog.rules[rule], .kind = event->kind};
	for (uint32_t i = 0; i < set->rule_count; i++)
		out->kinds |= set->rules[i].index == rule ? set->rules[i].kinds : 0;
	if (node == NULL)
		return MR_OK;
	memset(all.declared, 0xff, sizeof all.declared);
	add_leaves(&leaves, node, &all);
	leaves.holds = mr_calloc(leaves.count, sizeof *leaves.holds);
	leaves.members = mr_calloc(leaves.count, sizeof *leaves.members);
	enum mr_err err = judge(&leaves, set->declared_count, events, event, fields, arena, error);
	if (err == MR_OK) {
		out->root = mr_arena_alloc(arena, sizeof *out->root);
		make(node, &leaves, arena, out->root);
		add_words(&words, out->root, MR_SLICE(""));
	}
	free(leaves.rules);
	free(leaves.holds);
	free(leaves.members);
	return err;
}
