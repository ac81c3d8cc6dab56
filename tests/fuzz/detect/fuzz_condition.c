/* fuzz_condition.c - any text as a condition over a few identifiers: refused with a place, or a
 * tree that is true exactly where a naive evaluation of the text is true. */
#include <stdlib.h>

#include "sigma_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAMES 8
#define EVALUATED_NODES_MAX 5000

static const char *const names[NAMES] = {"a",        "sel_1",    "sel_2", "sel_x_1",
					 "filter_1", "filter_2", "_h",    "of1"};

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- the naive evaluation: straight from the words, with the truth of each name in a bit ---- */

struct naive {
	struct mr_slice text;
	size_t at;
	unsigned truth;
	struct mr_slice word;
};

static void next(struct naive *naive)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.-*";
	struct mr_slice text = naive->text;
	size_t at = naive->at;
	while (at < text.len && memchr(" \t\r\n", text.at[at], 4) != NULL)
		at++;
	size_t from = at;
	while (at < text.len && memchr(letters, text.at[at], sizeof letters - 1) != NULL)
		at++;
	if (at == from && at < text.len)
		at++; /* a parenthesis */
	naive->word = (struct mr_slice){text.at + from, at - from};
	naive->at = at;
}

static bool is(const struct naive *naive, const char *word)
{
	return mr_slice_eq(naive->word, mr_slice(word));
}

/* Which beginnings of the name the pattern's beginning fits: bit n is the first n bytes. */
static bool fits(struct mr_slice pattern, const char *name)
{
	unsigned reached = 1;
	for (size_t p = 0; p < pattern.len; p++) {
		unsigned next_reached = 0;
		for (unsigned n = 0; n <= strlen(name); n++) {
			if (pattern.at[p] == '*')
				next_reached |= (reached & ((2u << n) - 1)) != 0 ? 1u << n : 0;
			else if (reached >> n & 1 && name[n] == pattern.at[p])
				next_reached |= 2u << n;
		}
		reached = next_reached;
	}
	return reached >> strlen(name) & 1;
}

/* `word` is the quantity, the word in hand the pattern. */
static bool quantity(struct naive *naive, struct mr_slice word)
{
	bool them = is(naive, "them");
	int64_t selected = 0, holding = 0, want = 1;
	for (int i = 0; i < NAMES; i++) {
		if (names[i][0] == '_' && (them || naive->word.at[0] != '_'))
			continue;
		if (!them && !fits(naive->word, names[i]))
			continue;
		selected++;
		holding += naive->truth >> i & 1;
	}
	if (mr_slice_eq(word, MR_SLICE("all")))
		want = selected;
	else if (!mr_slice_eq(word, MR_SLICE("any")))
		must(mr_parse_int64(word, &want));
	next(naive);
	return holding >= want;
}

static bool either(struct naive *naive);

static bool one(struct naive *naive)
{
	struct mr_slice word = naive->word;
	next(naive);
	if (mr_slice_eq(word, MR_SLICE("not")))
		return !one(naive);
	if (mr_slice_eq(word, MR_SLICE("("))) {
		bool holds = either(naive);
		must(is(naive, ")"));
		next(naive);
		return holds;
	}
	if (is(naive, "of")) {
		next(naive);
		return quantity(naive, word);
	}
	for (int i = 0; i < NAMES; i++) {
		if (mr_slice_eq(word, mr_slice(names[i])))
			return naive->truth >> i & 1;
	}
	abort(); /* it was taken, so it must be a name */
}

static bool both(struct naive *naive)
{
	bool holds = one(naive);
	while (is(naive, "and")) {
		next(naive);
		holds = one(naive) && holds;
	}
	return holds;
}

static bool either(struct naive *naive)
{
	bool holds = both(naive);
	while (is(naive, "or")) {
		next(naive);
		holds = both(naive) || holds;
	}
	return holds;
}

/* ---- the tree ---- */

static bool evaluate(const struct sigma_node *node, unsigned truth)
{
	switch (node->kind) {
	case SIGMA_LEAF:
		return truth >> node->leaf->field & 1;
	case SIGMA_NOT:
		must(node->child_count == 1);
		return !evaluate(node->children[0], truth);
	case SIGMA_AND:
	case SIGMA_OR:
		break;
	}
	must(node->child_count > 0);
	for (uint32_t i = 0; i < node->child_count; i++) {
		if (evaluate(node->children[i], truth) == (node->kind == SIGMA_OR))
			return node->kind == SIGMA_OR;
	}
	return node->kind == SIGMA_AND;
}

static void compare(const struct sigma_node *tree, struct mr_slice text)
{
	/* Eight of the 256: each name's truth changes at another pace. */
	static const unsigned truths[] = {0x00, 0xff, 0xaa, 0x55, 0x33, 0xcc, 0x0f, 0x92};
	if (sigma_node_size(tree, EVALUATED_NODES_MAX) >= EVALUATED_NODES_MAX)
		return;
	for (size_t i = 0; i < sizeof truths / sizeof *truths; i++) {
		struct naive naive = {.text = text, .truth = truths[i]};
		next(&naive);
		bool holds = either(&naive);
		must(naive.word.len == 0);
		must(holds == evaluate(tree, truths[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena arena = {0};
	struct sigma_set set = {0}; /* its warnings are the arena's */
	struct sigma_builder load = {.arena = &arena, .set = &set};
	struct sigma_scope scope = {.load = &load, .arena = &arena};
	struct mr_yaml keys[NAMES] = {0};
	struct sigma_name items[NAMES];
	struct sigma_names known = {items, NAMES};
	char *exact = mr_malloc(size);
	memcpy(exact, data, size);
	struct mr_yaml condition = {.line = 1, .column = 1, .text = {exact, size}};
	for (unsigned i = 0; i < NAMES; i++) {
		struct sigma_predicate leaf = {.field = (mr_field)i};
		keys[i].text = mr_slice(names[i]);
		items[i] =
		    (struct sigma_name){.key = &keys[i], .node = sigma_node_leaf(&arena, &leaf)};
	}
	struct sigma_node *tree = sigma_condition_compile(&scope, &condition, &known);
	must((tree == NULL) == mr_fault_is(&scope.fault));
	if (tree != NULL)
		compare(tree, condition.text);
	else
		must(scope.fault.line == 1 && scope.fault.column >= 1 &&
		     scope.fault.column <= size + 1);
	mr_arena_fini(&arena);
	free(exact);
	return 0;
}
