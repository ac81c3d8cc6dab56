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
		return sigma_refuse(scope, SIGMA_AT(rules),
				    "a map where a list of rules should stand");
	bool one = rules->kind == SIGMA_YAML_SCALAR;
	out->rules.count = one ? 1 : rules->count;
	out->rules.items = mr_arena_alloc(scope->arena, out->rules.count * sizeof(struct mr_slice));
	out->found = mr_arena_alloc(scope->arena, out->rules.count * sizeof(bool));
	for (uint32_t i = 0; i < out->rules.count; i++) {
		struct sigma_yaml *item = one ? rules : rules->items[i];
		if (item->kind != SIGMA_YAML_SCALAR)
			return sigma_refuse(scope, SIGMA_AT(item),
					    "%s where a rule's id or name should stand",
					    sigma_yaml_what(item));
		out->rules.items[i] = item->text;
		out->found[i] = false;
		out->any |= sigma_yaml_is(item, "any");
	}
	return true;
}

/* A word of a condition, among the signs that end words. */
static bool has_not(struct mr_slice text)
{
	for (size_t at = 0; at + 3 <= text.len; at++) {
		bool starts = at == 0 || strchr(" \t\r\n(", text.at[at - 1]) != NULL;
		bool ends = at + 3 == text.len || strchr(" \t\r\n(", text.at[at + 3]) != NULL;
		if (starts && ends && memcmp(text.at + at, "not", 3) == 0)
			return true;
	}
	return false;
}

void sigma_filter_lint(struct sigma_scope *scope, const struct sigma_filter *filter)
{
	const struct sigma_yaml *condition = sigma_yaml_get(filter->body, "condition");
	bool found = has_not(condition->text);
	for (uint32_t i = 0; i < condition->count; i++)
		found |= has_not(condition->items[i]->text);
	if (!found)
		sigma_warn(
		    scope, SIGMA_AT(condition),
		    "a filter's condition is ANDed into its rules: without `not` it keeps only "
		    "what it selects");
}

bool sigma_filter_names(const struct sigma_filter *filter, const struct sigma_source *rule)
{
	for (uint32_t i = 0; i < filter->rules.count; i++) {
		if (mr_slice_eq(filter->rules.items[i], rule->id) ||
		    (rule->name.len != 0 && mr_slice_eq(filter->rules.items[i], rule->name)))
			return true;
	}
	return false;
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
