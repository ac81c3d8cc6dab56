/* sigma_tree.c - merging and hashing YAML trees.
 *
 * Called by sigma_load.c and sigma_mapping.c; nothing here fails. */
#include "sigma_build.h"

/* Depth is bounded by the parser. */
struct mr_yaml *sigma_tree_merge(struct mr_arena *arena, struct mr_yaml *under,
				 struct mr_yaml *over)
{
	if (under->kind != MR_YAML_MAP || over->kind != MR_YAML_MAP)
		return over;
	struct mr_yaml *merged = mr_arena_alloc(arena, sizeof(*merged));
	size_t room = ((size_t)under->count + over->count + 1) * sizeof(struct mr_yaml *);
	*merged = *over;
	merged->keys = mr_arena_alloc(arena, room);
	merged->items = mr_arena_alloc(arena, room);
	merged->count = 0;
	merged->cost = under->cost + over->cost;
	for (uint32_t at = 0; at < under->count; at++) {
		uint32_t mine = mr_yaml_find(over, under->keys[at]->text);
		merged->keys[merged->count] =
		    mine == UINT32_MAX ? under->keys[at] : over->keys[mine];
		merged->items[merged->count++] =
		    mine == UINT32_MAX
			? under->items[at]
			: sigma_tree_merge(arena, under->items[at], over->items[mine]);
	}
	for (uint32_t at = 0; at < over->count; at++) {
		if (mr_yaml_find(under, over->keys[at]->text) != UINT32_MAX)
			continue;
		merged->keys[merged->count] = over->keys[at];
		merged->items[merged->count++] = over->items[at];
	}
	return merged;
}

static void put_text(struct mr_buf *out, struct mr_slice text)
{
	uint64_t len = text.len;

	mr_buf_add(out, &len, sizeof(len));
	mr_buf_add(out, text.at, text.len);
}

static void put_node(struct mr_buf *out, const struct mr_yaml *node)
{
	unsigned char head[2] = {(unsigned char)node->kind, (unsigned char)node->type};

	mr_buf_add(out, head, sizeof(head));
	put_text(out, node->text);
	mr_buf_add(out, &node->count, sizeof(node->count));
	for (uint32_t at = 0; at < node->count; at++) {
		if (node->kind == MR_YAML_MAP)
			put_text(out, node->keys[at]->text);
		put_node(out, node->items[at]);
	}
}

struct mr_slice sigma_tree_hash(struct mr_arena *arena, const struct mr_yaml *root)
{
	struct mr_buf bytes = {0};
	uint8_t digest[32];
	char text[33];

	put_node(&bytes, root);
	mr_sha256(bytes.data, bytes.len, digest);
	mr_buf_fini(&bytes);
	mr_hex(digest, 16, text);
	return (struct mr_slice){mr_arena_copy(arena, text, 32), 32};
}

uint64_t sigma_tree_content(struct mr_arena *arena, const struct mr_yaml *root)
{
	struct mr_slice hash = sigma_tree_hash(arena, root);
	return mr_hash64(hash.at, hash.len, 0);
}
