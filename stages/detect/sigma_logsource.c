/* sigma_logsource.c - which records a rule or filter is for.
 *
 * Called by sigma_load.c and sigma_filter.c. A document without a logsource is refused. */
#include "sigma_build.h"

bool sigma_logsource_read(struct sigma_scope *scope, struct sigma_yaml *root,
			  struct sigma_logsource *out)
{
	struct sigma_yaml *map = sigma_yaml_get(root, "logsource");
	if (map == NULL)
		return sigma_refuse(
		    scope, root->line, root->column,
		    "\"logsource\" is missing, such as `logsource: {product: m365, service: "
		    "audit}`");
	if (map->kind != SIGMA_YAML_MAP &&
	    !(map->kind == SIGMA_YAML_SCALAR && map->type == SIGMA_YAML_NULL))
		return sigma_refuse(scope, SIGMA_AT(map), "%s where a map should stand",
				    sigma_yaml_what(map));
	for (uint32_t i = 0; i < map->count; i++) {
		const struct sigma_yaml *key = map->keys[i];
		if (!sigma_yaml_is(key, "product") && !sigma_yaml_is(key, "service") &&
		    !sigma_yaml_is(key, "category") && !sigma_yaml_is(key, "definition"))
			sigma_warn(scope, SIGMA_AT(key),
				   "\"%.*s\" is left out of the logsource: product, category and "
				   "service select records",
				   SIGMA_SHOW(key->text));
	}
	out->at = map;
	out->product = sigma_meta_text(scope, map, "product");
	out->service = sigma_meta_text(scope, map, "service");
	out->category = sigma_meta_text(scope, map, "category");
	return true;
}

static void show_part(struct mr_buf *out, const char *name, struct mr_slice value)
{
	if (value.len != 0)
		mr_buf_printf(out, "%s%s: %.*s", out->len > 1 ? ", " : "", name, SIGMA_SHOW(value));
}

struct mr_slice sigma_logsource_show(struct mr_arena *arena, const struct sigma_logsource *from)
{
	struct mr_buf out = {0};
	mr_buf_add_text(&out, "{");
	show_part(&out, "product", from->product);
	show_part(&out, "category", from->category);
	show_part(&out, "service", from->service);
	mr_buf_add_text(&out, "}");
	struct mr_slice shown = {mr_arena_copy(arena, out.data, out.len), out.len};
	mr_buf_fini(&out);
	return shown;
}

bool sigma_logsource_same(const struct sigma_logsource *a, const struct sigma_logsource *b)
{
	return mr_fold_eq(a->product, b->product) && mr_fold_eq(a->service, b->service) &&
	       mr_fold_eq(a->category, b->category);
}
