/* sigma_detection.c - the map under `detection` or `filter` becomes one tree.
 *
 * Called by sigma_load.c for each view of a rule's logsource. Fails with a fault at its place. */
#include "sigma_mapping.h"

#define IDENTIFIER_MAX 1000 /* bytes */

static struct sigma_node *keywords(struct sigma_scope *scope, struct mr_yaml *search)
{
	struct sigma_chain chain = {.field = {"", 0}, .key = search};
	return sigma_node_label(scope, SIGMA_LABEL_KEY, MR_SLICE("keywords"), search,
				sigma_chain_compile(scope, &chain, search));
}

static struct sigma_node *search_map(struct sigma_scope *scope, struct mr_yaml *map)
{
	struct sigma_nodes nodes = {0};
	if (map->count == 0)
		return sigma_refuse(scope, SIGMA_AT(map),
				    "an empty map: it would match everything"),
		       NULL;
	for (uint32_t i = 0; i < map->count; i++) {
		struct sigma_chain chain;
		if (!sigma_chain_parse(scope, map->keys[i], &chain))
			return NULL;
		struct sigma_node *node =
		    sigma_node_label(scope, SIGMA_LABEL_KEY, map->keys[i]->text, map->keys[i],
				     sigma_chain_compile(scope, &chain, map->items[i]));
		if (node == NULL)
			return NULL;
		sigma_nodes_add(scope->arena, &nodes, node);
	}
	return sigma_node_join(scope->arena, SIGMA_AND, &nodes);
}

static struct sigma_node *search_list(struct sigma_scope *scope, struct mr_yaml *list)
{
	struct sigma_nodes nodes = {0};
	bool maps = false;
	if (list->count == 0)
		return sigma_refuse(scope, SIGMA_AT(list), "an empty list: it would match nothing"),
		       NULL;
	for (uint32_t i = 0; i < list->count; i++)
		maps |= list->items[i]->kind != MR_YAML_SCALAR;
	if (!maps)
		return keywords(scope, list);
	for (uint32_t i = 0; i < list->count; i++) {
		struct mr_yaml *item = list->items[i];
		struct sigma_node *node = NULL;
		if (item->kind == MR_YAML_LIST)
			sigma_refuse(scope, SIGMA_AT(item),
				     "a list within a list; maps and keywords may stand here");
		else
			node = item->kind == MR_YAML_MAP ? search_map(scope, item)
							 : keywords(scope, item);
		if (node == NULL)
			return NULL;
		sigma_nodes_add(scope->arena, &nodes, node);
	}
	return sigma_node_join(scope->arena, SIGMA_OR, &nodes);
}

struct sigma_node *sigma_search_compile(struct sigma_scope *scope, struct mr_yaml *search)
{
	if (search->kind == MR_YAML_MAP)
		return search_map(scope, search);
	if (search->kind == MR_YAML_LIST)
		return search_list(scope, search);
	return keywords(scope, search);
}

static bool is_identifier(struct mr_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '.' || c == '-'))
			return false;
	}
	return text.len > 0;
}

static bool read_name(struct sigma_scope *scope, struct mr_yaml *map, uint32_t at,
		      struct sigma_names *names)
{
	struct mr_yaml *key = map->keys[at];
	if (!is_identifier(key->text))
		return sigma_refuse(scope, SIGMA_AT(key),
				    "\"%.*s\" is no identifier: letters, digits, _ . - make one%s",
				    SIGMA_SHOW(key->text),
				    memchr(key->text.at, '|', key->text.len) == NULL
					? ""
					: "; a modifier stands behind a field, such as "
					  "`Image|endswith`");
	if (key->text.len > IDENTIFIER_MAX)
		return sigma_refuse(scope, SIGMA_AT(key), "an identifier of more than %d bytes",
				    IDENTIFIER_MAX);
	struct sigma_node *node = sigma_node_label(scope, SIGMA_LABEL_IDENTIFIER, key->text, key,
						   sigma_search_compile(scope, map->items[at]));
	if (node == NULL)
		return false;
	names->items[names->count++] = (struct sigma_name){.key = key, .node = node};
	return true;
}

struct sigma_node *sigma_detection_compile(struct sigma_scope *scope, struct mr_yaml *map,
					   const char *skip)
{
	struct sigma_names names = {0};
	if (map->kind != MR_YAML_MAP)
		return sigma_refuse(scope, SIGMA_AT(map), "%s where a map should stand",
				    mr_yaml_what(map)),
		       NULL;
	struct mr_yaml *condition = mr_yaml_get(map, "condition");
	if (condition == NULL)
		return sigma_refuse(
			   scope, SIGMA_AT(map),
			   "\"condition\" is missing: which identifiers must match, such as "
			   "`condition: selection`"),
		       NULL;
	names.items = mr_arena_alloc(scope->arena, map->count * sizeof *names.items);
	for (uint32_t i = 0; i < map->count; i++) {
		if (mr_yaml_is(map->keys[i], "condition") ||
		    (skip != NULL && mr_yaml_is(map->keys[i], skip)))
			continue;
		if (mr_yaml_is(map->keys[i], "timeframe")) {
			sigma_warn(scope, SIGMA_LINT_IGNORED, SIGMA_AT(map->keys[i]),
				   "\"timeframe\" is ignored: a correlation has a timespan");
			continue;
		}
		if (!read_name(scope, map, i, &names))
			return NULL;
	}
	struct sigma_node *node = sigma_condition_compile(scope, condition, &names);
	if (node != NULL && sigma_node_size(node, SIGMA_NODES_MAX) >= SIGMA_NODES_MAX)
		return sigma_refuse(scope, SIGMA_AT(condition), "the rule is larger than %d tests",
				    SIGMA_NODES_MAX),
		       NULL;
	for (uint32_t i = 0; node != NULL && i < names.count; i++) {
		if (!names.items[i].used)
			sigma_warn(scope, SIGMA_LINT_DEAD_SELECTION, SIGMA_AT(names.items[i].key),
				   "\"%.*s\" is used in no condition",
				   SIGMA_SHOW(names.items[i].key->text));
	}
	if (node != NULL && skip == NULL)
		sigma_reach_names(scope, &names);
	return node;
}
