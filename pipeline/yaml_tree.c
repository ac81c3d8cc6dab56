/* yaml_tree.c - looking into YAML trees.
 *
 * Called by whoever reads what yaml.c made; nothing here fails. */
#include "millrace/yaml.h"

uint32_t mr_yaml_find(const struct mr_yaml *map, struct mr_slice key)
{
	if (map->kind != MR_YAML_MAP)
		return UINT32_MAX;
	for (uint32_t at = 0; at < map->count; at++)
		if (mr_slice_eq(map->keys[at]->text, key))
			return at;
	return UINT32_MAX;
}

struct mr_yaml *mr_yaml_get(const struct mr_yaml *map, const char *key)
{
	uint32_t at = mr_yaml_find(map, mr_slice(key));

	return at == UINT32_MAX ? NULL : map->items[at];
}

struct mr_yaml *mr_yaml_key(const struct mr_yaml *map, const char *key)
{
	uint32_t at = mr_yaml_find(map, mr_slice(key));

	return at == UINT32_MAX ? NULL : map->keys[at];
}

bool mr_yaml_is(const struct mr_yaml *scalar, const char *text)
{
	return mr_yaml_is_string(scalar) && mr_slice_eq(scalar->text, mr_slice(text));
}

const char *mr_yaml_what(const struct mr_yaml *node)
{
	static const char *const scalars[] = {
	    [MR_YAML_STRING] = "a text",
	    [MR_YAML_NULL] = "null",
	    [MR_YAML_BOOL] = "a boolean",
	    [MR_YAML_NUMBER] = "a number",
	};

	if (node->kind == MR_YAML_MAP)
		return "a map";
	return node->kind == MR_YAML_LIST ? "a list" : scalars[node->type];
}
