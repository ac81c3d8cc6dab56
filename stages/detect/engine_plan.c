/* engine_plan.c - a rule's tree becomes steps, and its witness is chosen.
 *
 * Called by engine_compile.c. Steps are a decision chain: each leaf of the tree is one step that
 * goes on to a later step or to the verdict, so a program ends after at most as many steps as the
 * tree has leaves and needs no stack. Cheap tests stand before dear ones; order does not change
 * what AND and OR say. */
#include "engine_build.h"

#include <stdlib.h>

/* ---- depth ---- */

static bool tree_fits(const struct sigma_node *node, unsigned depth)
{
	if (depth > ENGINE_DEPTH_MAX)
		return false;
	if (node->kind == SIGMA_LEAF)
		return true;
	for (uint32_t i = 0; i < node->child_count; i++)
		if (!tree_fits(node->children[i], depth + 1))
			return false;
	return true;
}

enum mr_err build_check_depth(struct build *build, uint32_t rule)
{
	if (tree_fits(build->rules[rule]->condition, 1))
		return MR_OK;
	struct mr_slice id = build->set->catalog.rules[build->rules[rule]->index].id;
	return mr_error_set(build->error, MR_UNSUPPORTED,
			    "rule %.*s: its condition nests deeper than %d levels", (int)id.len,
			    id.at, ENGINE_DEPTH_MAX);
}

/* ---- steps ---- */

static uint32_t leaf_count(const struct sigma_node *node)
{
	if (node->kind == SIGMA_LEAF)
		return 1;
	uint32_t sum = 0;
	for (uint32_t i = 0; i < node->child_count; i++)
		sum += leaf_count(node->children[i]);
	return sum;
}

/* What one predicate costs, in no unit: presence, then what stands in a table, then scans, then
 * the record's leaves, then PCRE2. */
static uint32_t predicate_cost(struct build *build, const struct sigma_predicate *leaf)
{
	const struct build_predicate *predicate = &build->predicates[build_intern(build, leaf)];
	uint32_t cost = leaf->field == 0 ? 100 : 0;
	if (predicate->how == ENGINE_PRESENCE)
		return cost;
	if (predicate->how == ENGINE_ALONE)
		return cost + (leaf->test == SIGMA_REGEX ? 200 : 20);
	if (predicate->way == BUILD_EQUAL)
		return cost + 1;
	return cost + (leaf->test == SIGMA_REGEX ? 10 : 4);
}

static uint32_t tree_cost(struct build *build, const struct sigma_node *node)
{
	if (node->kind == SIGMA_LEAF)
		return predicate_cost(build, node->leaf);
	uint32_t most = 0;
	for (uint32_t i = 0; i < node->child_count; i++) {
		uint32_t cost = tree_cost(build, node->children[i]);
		most = cost > most ? cost : most;
	}
	return most;
}

struct ranked {
	const struct sigma_node *node;
	uint32_t cost, leaves, place;
};

static int by_cost(const void *a, const void *b)
{
	const struct ranked *left = a;
	const struct ranked *right = b;
	if (left->cost != right->cost)
		return left->cost < right->cost ? -1 : 1;
	return left->place < right->place ? -1 : 1;
}

static void emit(struct build *build, const struct sigma_node *node, uint32_t *next,
		 uint32_t on_true, uint32_t on_false);

/* AND: a true child leads to the next one, a false one out; OR the other way round. */
static void emit_children(struct build *build, const struct sigma_node *node, uint32_t *next,
			  uint32_t on_true, uint32_t on_false)
{
	uint32_t count = node->child_count;
	struct ranked *children = mr_malloc(count * sizeof(*children));
	for (uint32_t i = 0; i < count; i++)
		children[i] =
		    (struct ranked){node->children[i], tree_cost(build, node->children[i]),
				    leaf_count(node->children[i]), i};
	qsort(children, count, sizeof(*children), by_cost);
	for (uint32_t i = 0; i < count; i++) {
		bool last = i + 1 == count;
		uint32_t after = *next + children[i].leaves;
		bool all = node->kind == SIGMA_AND;
		emit(build, children[i].node, next, all && !last ? after : on_true,
		     !all && !last ? after : on_false);
	}
	free(children);
}

static void emit(struct build *build, const struct sigma_node *node, uint32_t *next,
		 uint32_t on_true, uint32_t on_false)
{
	if (node->kind == SIGMA_NOT) {
		emit(build, node->children[0], next, on_false, on_true);
		return;
	}
	if (node->kind != SIGMA_LEAF) {
		emit_children(build, node, next, on_true, on_false);
		return;
	}
	struct image_step step = {build_intern(build, node->leaf), ENGINE_NONE, on_true, on_false,
				  on_false};
	build_put(build, ENGINE_STEPS, &step, sizeof(step));
	(*next)++;
}

void build_steps(struct build *build, uint32_t rule, struct image_span *steps_out)
{
	uint32_t next = 0;
	steps_out->first =
	    (uint32_t)(build->sections[ENGINE_STEPS].len / sizeof(struct image_step));
	emit(build, build->rules[rule]->condition, &next, ENGINE_TRUE, ENGINE_FALSE);
	steps_out->count = next;
}

void build_step_groups(struct build *build, struct image_span span)
{
	struct image_step *steps =
	    (struct image_step *)(void *)build->sections[ENGINE_STEPS].data + span.first;
	for (uint32_t i = span.count; i-- > 0;) {
		const struct build_predicate *predicate = &build->predicates[steps[i].predicate];
		uint32_t after = steps[i].on_false;
		if (predicate->how != ENGINE_GROUPED)
			continue;
		steps[i].group = predicate->group;
		if (after < span.count && steps[after].group == steps[i].group)
			steps[i].on_none = steps[after].on_none;
	}
}

/* ---- witnesses ---- */

/* How bad a witness is: roughly how often it is hit for nothing, and what looking costs. Fields on
 * which rules name many texts (Operation) part the rules best. NO_WITNESS where it is none. */
#define NO_WITNESS 1e9
#define USES_BY_ONE 50.0    /* so many rules that a hit would announce are as bad as 1 more */
#define CHOICES_BY_ONE 50.0 /* likewise so many texts of which any one is a hit */
#define CHOICES_MOST 3.0    /* but rare texts stay rare, however many they are */

static double leaf_badness(struct build *build, const struct sigma_predicate *leaf)
{
	const struct build_predicate *predicate = &build->predicates[build_intern(build, leaf)];
	if (predicate->how != ENGINE_GROUPED)
		return NO_WITNESS;
	double badness = (leaf->field == 0 ? 200 : 0) + predicate->uses / USES_BY_ONE;
	switch (predicate->way) {
	case BUILD_EQUAL:
		return badness + 1 + 8.0 / build->groups[predicate->group].equals;
	case BUILD_REGEX:
		return badness + 30;
	default:
		break;
	}
	switch (predicate->source->test) {
	case SIGMA_REGEX:
		badness += 2;
		__attribute__((fallthrough));
	case SIGMA_TEXT: /* BUILD_LITERAL may have become BUILD_REST; the literal is still there */
		return badness +
		       (predicate->text.len == 0 ? 100 : 4 + 16.0 / (double)predicate->text.len);
	case SIGMA_NUMBER:
		return badness + 6;
	case SIGMA_CIDR:
		return badness + 12;
	case SIGMA_BOOL:
		return badness + 40;
	default:
		return badness + 30;
	}
}

static double tree_badness(struct build *build, const struct sigma_node *node)
{
	double best = node->kind == SIGMA_AND ? NO_WITNESS : 0;
	switch (node->kind) {
	case SIGMA_LEAF:
		return leaf_badness(build, node->leaf);
	case SIGMA_NOT:
		return NO_WITNESS;
	case SIGMA_AND:
		for (uint32_t i = 0; i < node->child_count; i++) {
			double badness = tree_badness(build, node->children[i]);
			best = badness < best ? badness : best;
		}
		return best;
	case SIGMA_OR:
		for (uint32_t i = 0; i < node->child_count; i++) {
			double badness = tree_badness(build, node->children[i]);
			if (badness >= NO_WITNESS)
				return NO_WITNESS;
			best = badness > best ? badness : best;
		}
		return best + (node->child_count < CHOICES_BY_ONE * CHOICES_MOST
				   ? node->child_count / CHOICES_BY_ONE
				   : CHOICES_MOST);
	}
	return NO_WITNESS;
}

bool build_sees(const struct build *build, uint32_t rule, uint32_t plan)
{
	const struct sigma_rule *source = build->rules[rule];
	uint32_t declared = plan - ENGINE_KINDS;
	return plan < ENGINE_KINDS ? source->kinds >> plan & 1
				   : source->declared[declared / 32] >> declared % 32 & 1;
}

static void list_add_once(struct build *build, struct build_list *list, uint32_t item)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (list->items[i] == item)
			return;
	build_list_add(build, list, item);
}

/* Enter the rule with each predicate of its witness, the same choice as tree_badness made. */
static void enter(struct build *build, uint32_t rule, const struct sigma_node *node)
{
	if (node->kind == SIGMA_LEAF) {
		struct build_predicate *predicate =
		    &build->predicates[build_intern(build, node->leaf)];
		struct build_list *witness = &predicate->witness;
		if (witness->count == 0 || witness->items[witness->count - 1] != rule)
			build_list_add(build, witness, rule);
		for (uint32_t plan = 0; plan < build->plan_count; plan++)
			if (build_sees(build, rule, plan))
				list_add_once(build, &build->firsts[plan], predicate->group);
		return;
	}
	const struct sigma_node *best = NULL;
	double best_badness = NO_WITNESS;
	for (uint32_t i = 0; i < node->child_count; i++) {
		if (node->kind == SIGMA_OR) {
			enter(build, rule, node->children[i]);
			continue;
		}
		double badness = tree_badness(build, node->children[i]);
		if (badness < best_badness) {
			best_badness = badness;
			best = node->children[i];
		}
	}
	if (best != NULL)
		enter(build, rule, best);
}

static void ask_each(struct build *build, const struct sigma_node *node)
{
	if (node->kind == SIGMA_LEAF)
		build->predicates[build_intern(build, node->leaf)].each = true;
	for (uint32_t i = 0; node->kind != SIGMA_LEAF && i < node->child_count; i++)
		ask_each(build, node->children[i]);
}

void build_witness(struct build *build, uint32_t rule)
{
	const struct sigma_node *tree = build->rules[rule]->condition;
	if (tree_badness(build, tree) < NO_WITNESS) {
		enter(build, rule, tree);
		return;
	}
	ask_each(build, tree);
	for (uint32_t plan = 0; plan < build->plan_count; plan++)
		if (build_sees(build, rule, plan))
			build_list_add(build, &build->always[plan], rule);
}
