/* sigma_node.c - trees of predicates.
 *
 * Called by all that compile rules; nothing here fails. Nodes are never changed once made, so a
 * node may stand in several places of a tree. */
#include "sigma_build.h"

void sigma_nodes_add(struct mr_arena *arena, struct sigma_nodes *nodes, struct sigma_node *node)
{
	if (nodes->count == nodes->capacity) {
		uint32_t capacity = nodes->capacity == 0 ? 4 : nodes->capacity * 2;
		struct sigma_node **items =
		    mr_arena_alloc(arena, capacity * sizeof(struct sigma_node *));
		if (nodes->count > 0)
			memcpy(items, nodes->items, nodes->count * sizeof(struct sigma_node *));
		nodes->items = items;
		nodes->capacity = capacity;
	}
	nodes->items[nodes->count++] = node;
}

static struct sigma_node *new_node(struct mr_arena *arena, struct sigma_node content)
{
	struct sigma_node *node = mr_arena_alloc(arena, sizeof(*node));

	*node = content;
	return node;
}

struct sigma_node *sigma_node_join(struct mr_arena *arena, enum sigma_node_kind kind,
				   const struct sigma_nodes *nodes)
{
	struct sigma_nodes flat = {0};

	if (nodes->count == 1)
		return nodes->items[0];
	for (uint32_t at = 0; at < nodes->count; at++) {
		struct sigma_node *node = nodes->items[at];
		/* A large child stays as it is, so that sharing it stays cheap. */
		if (node->kind != kind || node->child_count > 64 || node->label != NULL) {
			sigma_nodes_add(arena, &flat, node);
			continue;
		}
		for (uint32_t child = 0; child < node->child_count; child++)
			sigma_nodes_add(arena, &flat, node->children[child]);
	}
	return new_node(
	    arena,
	    (struct sigma_node){.kind = kind, .children = flat.items, .child_count = flat.count});
}

struct sigma_node *sigma_node_pair(struct mr_arena *arena, enum sigma_node_kind kind,
				   struct sigma_node *left, struct sigma_node *right)
{
	struct sigma_node *both[] = {left, right};
	struct sigma_nodes nodes = {both, 2, 2};

	return sigma_node_join(arena, kind, &nodes);
}

struct sigma_node *sigma_node_not(struct mr_arena *arena, struct sigma_node *node)
{
	if (node->kind == SIGMA_NOT)
		return node->children[0];
	struct sigma_node **children = mr_arena_alloc(arena, sizeof(struct sigma_node *));
	children[0] = node;
	return new_node(
	    arena, (struct sigma_node){.kind = SIGMA_NOT, .children = children, .child_count = 1});
}

struct sigma_node *sigma_node_leaf(struct mr_arena *arena, const struct sigma_predicate *predicate)
{
	struct sigma_predicate *leaf = mr_arena_alloc(arena, sizeof(*leaf));

	*leaf = *predicate;
	return new_node(arena, (struct sigma_node){.kind = SIGMA_LEAF, .leaf = leaf});
}

struct sigma_node *sigma_node_label(struct sigma_scope *scope, enum sigma_label_kind kind,
				    struct mr_slice text, const struct mr_yaml *at,
				    struct sigma_node *node)
{
	if (node == NULL || !scope->load->labelled)
		return node;
	struct sigma_label *label = mr_arena_alloc(scope->arena, sizeof(*label));
	struct sigma_node **children = mr_arena_alloc(scope->arena, sizeof(struct sigma_node *));
	*label = (struct sigma_label){kind, text, at == NULL ? 0 : at->line,
				      at == NULL ? 0 : at->column};
	children[0] = node;
	return new_node(scope->arena, (struct sigma_node){.kind = SIGMA_AND,
							  .children = children,
							  .child_count = 1,
							  .label = label});
}

uint64_t sigma_node_size(const struct sigma_node *node, uint64_t limit)
{
	uint64_t size = node->label == NULL;

	for (uint32_t at = 0; at < node->child_count && size <= limit; at++)
		size += sigma_node_size(node->children[at], limit - size);
	return size;
}

static enum sigma_verdict of_list(struct sigma_walk *walk, const struct sigma_node *node)
{
	bool all = node->kind == SIGMA_AND;
	enum sigma_verdict stop = all ? SIGMA_NEVER : SIGMA_ALWAYS;
	enum sigma_verdict verdict = all ? SIGMA_ALWAYS : SIGMA_NEVER;
	for (uint32_t i = 0; i < node->child_count && verdict != stop; i++) {
		enum sigma_verdict child = sigma_node_verdict(walk, node->children[i]);
		if (all ? child < verdict : child > verdict)
			verdict = child;
	}
	return verdict;
}

enum sigma_verdict sigma_node_verdict(struct sigma_walk *walk, const struct sigma_node *node)
{
	const struct sigma_predicate *before = walk->decider;
	enum sigma_verdict verdict;
	if (node->kind == SIGMA_LEAF) {
		verdict = walk->leaf(walk, node->leaf);
		if (verdict != SIGMA_OPEN && before == NULL)
			walk->decider = node->leaf;
		return verdict;
	}
	verdict =
	    node->kind == SIGMA_NOT
		? (enum sigma_verdict)(SIGMA_ALWAYS - sigma_node_verdict(walk, node->children[0]))
		: of_list(walk, node);
	if (verdict != SIGMA_NEVER)
		walk->decider = before; /* what is below decides nothing */
	return verdict;
}
