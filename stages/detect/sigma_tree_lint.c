/* sigma_tree_lint.c - what a condition says by its form alone, whatever stands in a record.
 *
 * Called by sigma_load.c for rules' authors. The tree is compiled as it is written: mappings would
 * hide what its author meant. Each distinct test is true or false by itself; where a condition is
 * the same whatever they are, all choices were tried. Never fails: what cannot be tried is passed
 * over. */
#include "sigma_build.h"

#define TESTS_TRIED 10 /* distinct ones: 2^10 choices */

/* ---- distinct tests ---- */

static bool same_parts(const struct sigma_predicate *a, const struct sigma_predicate *b)
{
	for (uint32_t i = 0; i < a->part_count; i++) {
		if (a->parts[i].kind != b->parts[i].kind ||
		    (a->parts[i].kind == SIGMA_LITERAL &&
		     !mr_slice_eq(a->parts[i].text, b->parts[i].text)))
			return false;
	}
	return true;
}

static bool same_test(const struct sigma_predicate *a, const struct sigma_predicate *b)
{
	return a->field == b->field && a->test == b->test && a->cased == b->cased &&
	       a->part_count == b->part_count && same_parts(a, b) &&
	       mr_slice_eq(a->text, b->text) && a->regex_flags == b->regex_flags &&
	       memcmp(a->network, b->network, sizeof a->network) == 0 && a->prefix == b->prefix &&
	       a->truth == b->truth && a->op == b->op && a->other == b->other && a->ref == b->ref &&
	       a->part == b->part && a->part_value == b->part_value;
}

struct tests {
	const struct sigma_predicate *items[TESTS_TRIED];
	uint32_t count;
	bool too_many;
};

static uint32_t find(const struct tests *tests, const struct sigma_predicate *test)
{
	uint32_t at = 0;
	while (at < tests->count && !same_test(tests->items[at], test))
		at++;
	return at;
}

/* `*` among keywords is in every record. */
static bool is_true(const struct sigma_predicate *test)
{
	return test->field == 0 && test->test == SIGMA_TEXT && test->part_count == 1 &&
	       test->parts[0].kind == SIGMA_ANY;
}

static void gather(struct tests *tests, const struct sigma_node *node)
{
	for (uint32_t i = 0; i < node->child_count && !tests->too_many; i++)
		gather(tests, node->children[i]);
	if (node->kind != SIGMA_LEAF || is_true(node->leaf) ||
	    find(tests, node->leaf) < tests->count)
		return;
	tests->too_many |= tests->count == TESTS_TRIED;
	if (!tests->too_many)
		tests->items[tests->count++] = node->leaf;
}

/* ---- trying ---- */

/* What a record without the field makes of the test. */
static bool of_nothing(const struct sigma_predicate *test)
{
	return test->test == SIGMA_NULL || (test->test == SIGMA_EXISTS && !test->truth);
}

/* `choice` has a bit for each test; without tests, those of a record that has nothing. */
static bool holds(const struct sigma_node *node, const struct tests *tests, uint32_t choice)
{
	if (node->kind == SIGMA_LEAF) {
		if (is_true(node->leaf))
			return true;
		return tests == NULL ? of_nothing(node->leaf)
				     : choice >> find(tests, node->leaf) & 1;
	}
	if (node->kind == SIGMA_NOT)
		return !holds(node->children[0], tests, choice);
	bool all = node->kind == SIGMA_AND;
	for (uint32_t i = 0; i < node->child_count; i++) {
		if (holds(node->children[i], tests, choice) != all)
			return !all;
	}
	return all;
}

static void tell(struct sigma_scope *scope, const struct mr_yaml *at, const struct sigma_node *node)
{
	struct tests tests = {0};
	uint32_t trues = 0;
	gather(&tests, node);
	for (uint32_t choice = 0; choice < 1u << tests.count && !tests.too_many; choice++)
		trues += holds(node, &tests, choice);
	if (!tests.too_many && trues == 1u << tests.count)
		sigma_warn(scope, SIGMA_LINT_ALWAYS_TRUE, SIGMA_AT(at),
			   "the condition is always true: every record of the logsource matches");
	else if (!tests.too_many && trues == 0)
		sigma_warn(scope, SIGMA_LINT_ALWAYS_FALSE, SIGMA_AT(at),
			   "the condition contradicts itself: no record matches");
	else if (holds(node, NULL, 0))
		sigma_warn(scope, SIGMA_LINT_MATCHES_EMPTY, SIGMA_AT(at),
			   "a record that has none of the rule's fields matches: say also what it "
			   "must have");
}

void sigma_tree_lint(struct sigma_scope *scope, const struct sigma_source *source)
{
	struct mr_yaml *map = mr_yaml_get(source->root, "detection");
	struct sigma_scope plain = {.load = scope->load,
				    .arena = scope->arena,
				    .file = scope->file,
				    .id = scope->id,
				    .again = true};
	uint32_t tests = scope->load->tests;
	const struct sigma_node *node = sigma_detection_compile(&plain, map, NULL);
	scope->load->tests = tests;
	if (node != NULL && plain.missing.len == 0)
		tell(scope, mr_yaml_get(map, "condition"), node);
}
