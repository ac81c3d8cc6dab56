/* sigma_tree.c - looking into YAML trees, merging and hashing them.
 *
 * Called by all sigma_*.c; nothing here fails. */
#include "sigma_yaml.h"

static uint32_t find(const struct sigma_yaml *map, struct mr_slice key)
{
	if (map->kind != SIGMA_YAML_MAP)
		return UINT32_MAX;
	for (uint32_t at = 0; at < map->count; at++)
		if (mr_slice_eq(map->keys[at]->text, key))
			return at;
	return UINT32_MAX;
}

struct sigma_yaml *sigma_yaml_get(const struct sigma_yaml *map, const char *key)
{
	uint32_t at = find(map, mr_slice(key));

	return at == UINT32_MAX ? NULL : map->items[at];
}

struct sigma_yaml *sigma_yaml_key(const struct sigma_yaml *map, const char *key)
{
	uint32_t at = find(map, mr_slice(key));

	return at == UINT32_MAX ? NULL : map->keys[at];
}

bool sigma_yaml_is(const struct sigma_yaml *scalar, const char *text)
{
	return sigma_yaml_is_string(scalar) && mr_slice_eq(scalar->text, mr_slice(text));
}

const char *sigma_yaml_what(const struct sigma_yaml *node)
{
	static const char *const scalars[] = {
	    [SIGMA_YAML_STRING] = "a text",
	    [SIGMA_YAML_NULL] = "null",
	    [SIGMA_YAML_BOOL] = "a boolean",
	    [SIGMA_YAML_NUMBER] = "a number",
	};

	if (node->kind == SIGMA_YAML_MAP)
		return "a map";
	return node->kind == SIGMA_YAML_LIST ? "a list" : scalars[node->type];
}

/* Depth is bounded by the parser. */
struct sigma_yaml *sigma_yaml_merge(struct mr_arena *arena, struct sigma_yaml *under,
				    struct sigma_yaml *over)
{
	if (under->kind != SIGMA_YAML_MAP || over->kind != SIGMA_YAML_MAP)
		return over;
	struct sigma_yaml *merged = mr_arena_alloc(arena, sizeof(*merged));
	size_t room = ((size_t)under->count + over->count + 1) * sizeof(struct sigma_yaml *);
	*merged = *over;
	merged->keys = mr_arena_alloc(arena, room);
	merged->items = mr_arena_alloc(arena, room);
	merged->count = 0;
	merged->cost = under->cost + over->cost;
	for (uint32_t at = 0; at < under->count; at++) {
		uint32_t mine = find(over, under->keys[at]->text);
		merged->keys[merged->count] =
		    mine == UINT32_MAX ? under->keys[at] : over->keys[mine];
		merged->items[merged->count++] =
		    mine == UINT32_MAX
			? under->items[at]
			: sigma_yaml_merge(arena, under->items[at], over->items[mine]);
	}
	for (uint32_t at = 0; at < over->count; at++) {
		if (find(under, over->keys[at]->text) != UINT32_MAX)
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

static void put_node(struct mr_buf *out, const struct sigma_yaml *node)
{
	unsigned char head[2] = {(unsigned char)node->kind, (unsigned char)node->type};

	mr_buf_add(out, head, sizeof(head));
	put_text(out, node->text);
	mr_buf_add(out, &node->count, sizeof(node->count));
	for (uint32_t at = 0; at < node->count; at++) {
		if (node->kind == SIGMA_YAML_MAP)
			put_text(out, node->keys[at]->text);
		put_node(out, node->items[at]);
	}
}

struct mr_slice sigma_yaml_hash(struct mr_arena *arena, const struct sigma_yaml *root)
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
