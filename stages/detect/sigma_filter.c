/* sigma_filter.c - filters: conditions that are ANDed into rules they name.
 *
 * Called by sigma_load.c. */
#include "sigma_build.h"

bool sigma_filter_read(struct sigma_scope *scope, struct sigma_source *source,
                       struct sigma_filter *out)
{
	struct sigma_yaml *body = sigma_yaml_get(source->root, "filter");
	if (body->kind != SIGMA_YAML_MAP)
		return sigma_refuse(scope, SIGMA_AT(body), "%s where a map should stand",
		                    sigma_yaml_what(body));
	*out = (struct sigma_filter){.source = source, .body = body};
	struct sigma_yaml *rules = sigma_yaml_get(body, "rules");
	if (rules == NULL || (rules->kind == SIGMA_YAML_LIST && rules->count == 0) ||
	    (rules->kind == SIGMA_YAML_SCALAR && sigma_yaml_is(rules, "any"))) {
		out->any = true;
		return true;
	}
	if (rules->kind == SIGMA_YAML_MAP)
		return sigma_refuse(scope, SIGMA_AT(rules), "a map where a list of rules should stand");
	bool one = rules->kind == SIGMA_YAML_SCALAR;
	out->rules.count = one ? 1 : rules->count;
	out->rules.items = mr_arena_alloc(scope->arena, out->rules.count * sizeof(struct mr_slice));
	out->found = mr_arena_alloc(scope->arena, out->rules.count * sizeof(bool));
	for (uint32_t i = 0; i < out->rules.count; i++) {
		struct sigma_yaml *item = one ? rules : rules->items[i];
		if (item->kind != SIGMA_YAML_SCALAR)
			return sigma_refuse(scope, SIGMA_AT(item), "%s where a rule's id or name should stand",
			                    sigma_yaml_what(item));
		out->rules.items[i] = item->text;
		out->found[i] = false;
		out->any |= sigma_yaml_is(item, "any");
	}
	return true;
}

bool sigma_filter_applies(struct sigma_filter *filter, const struct sigma_source *rule)
{
	bool named = filter->any;
	for (uint32_t i = 0; i < filter->rules.count; i++) {
		if (mr_slice_eq(filter->rules.items[i], rule->id) ||
		    (rule->name.len != 0 && mr_slice_eq(filter->rules.items[i], rule->name))) {
			filter->found[i] = true;
			named = true;
		}
	}
	const struct sigma_logsource *a = &filter->source->logsource;
	const struct sigma_logsource *b = &rule->logsource;
	return named && mr_fold_eq(a->product, b->product) && mr_fold_eq(a->service, b->service) &&
	       mr_fold_eq(a->category, b->category);
}
