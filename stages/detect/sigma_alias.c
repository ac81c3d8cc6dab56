/* sigma_alias.c - what each rule of a correlation calls one of its fields.
 *
 * Called by sigma_correlation.c: read when the document is met, link when its rules are known, find
 * for each field and rule, lint at the end. An alias for a rule that the correlation does not name
 * is refused. */
#include "sigma_build.h"

#define RULES_SHOWN 8

static const struct mr_yaml *aliases_of(const struct sigma_source *source)
{
	return mr_yaml_get(mr_yaml_get(source->root, "correlation"), "aliases");
}

bool sigma_aliases_read(struct sigma_scope *scope, const struct mr_yaml *correlation)
{
	const struct mr_yaml *aliases = mr_yaml_get(correlation, "aliases");
	if (aliases == NULL)
		return true;
	if (aliases->kind != MR_YAML_MAP)
		return sigma_refuse(scope, SIGMA_AT(aliases), "\"aliases\" is %s, not a map",
				    mr_yaml_what(aliases));
	for (uint32_t i = 0; i < aliases->count; i++) {
		const struct mr_yaml *alias = aliases->items[i];
		if (alias->kind != MR_YAML_MAP)
			return sigma_refuse(scope, SIGMA_AT(alias),
					    "%s where a map of rules to fields should stand",
					    mr_yaml_what(alias));
		for (uint32_t r = 0; r < alias->count; r++) {
			const struct mr_yaml *field = alias->items[r];
			if (field->kind != MR_YAML_SCALAR || field->type == MR_YAML_NULL ||
			    field->text.len == 0)
				return sigma_refuse(scope, SIGMA_AT(field),
						    "%s where the name of a field should stand",
						    mr_yaml_what(field));
		}
	}
	return true;
}

static bool is_called(const struct sigma_source *rule, struct mr_slice name)
{
	return mr_slice_eq(name, rule->id) ||
	       (rule->name.len != 0 && mr_slice_eq(name, rule->name));
}

static struct mr_slice called(const struct sigma_source *rule)
{
	return rule->name.len != 0 ? rule->name : rule->id;
}

/* What may stand there. */
static bool refuse_stranger(struct sigma_scope *scope, const struct sigma_source *source,
			    const struct mr_yaml *key)
{
	struct mr_buf names = {0};
	uint32_t shown = 0;
	for (uint32_t i = 0; i < source->rule.rule_count; i++) {
		uint32_t earlier = 0;
		while (source->refers[earlier] != source->refers[i])
			earlier++;
		if (earlier == i && shown++ < RULES_SHOWN)
			mr_buf_printf(&names, "%s%.*s", shown == 1 ? "" : ", ",
				      SIGMA_SHOW(called(source->refers[i])));
	}
	mr_buf_add_text(&names, shown > RULES_SHOWN ? ", …" : "");
	sigma_refuse(scope, SIGMA_AT(key),
		     "\"%.*s\" is none of the correlation's rules, which are: %.*s",
		     SIGMA_SHOW(key->text), (int)names.len, names.data);
	mr_buf_fini(&names);
	return false;
}

static bool link_alias(struct sigma_scope *scope, const struct sigma_source *source,
		       const struct mr_yaml *alias)
{
	for (uint32_t i = 0; i < alias->count; i++) {
		uint32_t r = 0;
		while (r < source->rule.rule_count &&
		       !is_called(source->refers[r], alias->keys[i]->text))
			r++;
		if (r == source->rule.rule_count)
			return refuse_stranger(scope, source, alias->keys[i]);
	}
	return true;
}

bool sigma_aliases_link(struct sigma_scope *scope, const struct sigma_source *source)
{
	const struct mr_yaml *aliases = aliases_of(source);
	for (uint32_t i = 0; aliases != NULL && i < aliases->count; i++) {
		if (!link_alias(scope, source, aliases->items[i]))
			return false;
	}
	return true;
}

bool sigma_alias_find(struct sigma_scope *scope, const struct sigma_source *source,
		      const struct sigma_source *rule, struct mr_slice name,
		      const struct mr_yaml **at_out)
{
	const struct mr_yaml *aliases = aliases_of(source);
	const struct mr_yaml *alias = NULL;
	*at_out = NULL;
	for (uint32_t i = 0; aliases != NULL && i < aliases->count; i++) {
		if (mr_slice_eq(aliases->keys[i]->text, name))
			alias = aliases->items[i];
	}
	if (alias == NULL)
		return true;
	for (uint32_t i = 0; i < alias->count && *at_out == NULL; i++) {
		if (is_called(rule, alias->keys[i]->text))
			*at_out = alias->items[i];
	}
	if (*at_out != NULL)
		return true;
	sigma_warn(scope, SIGMA_LINT_ALIAS, SIGMA_AT(alias),
		   "the alias \"%.*s\" has no field for the rule \"%.*s\": its records lack it",
		   SIGMA_SHOW(name), SIGMA_SHOW(called(rule)));
	return false;
}

static bool names_it(const struct mr_texts *names, struct mr_slice alias)
{
	for (uint32_t i = 0; i < names->count; i++) {
		if (mr_slice_eq(names->items[i], alias))
			return true;
	}
	return false;
}

void sigma_aliases_lint(struct sigma_builder *load, const struct sigma_source *source)
{
	const struct mr_yaml *aliases = aliases_of(source);
	struct sigma_scope scope = {
	    .load = load, .arena = load->arena, .file = source->file, .id = source->id};
	for (uint32_t i = 0; aliases != NULL && i < aliases->count; i++) {
		struct mr_slice name = aliases->keys[i]->text;
		if (!names_it(&source->rule.group_by, name) &&
		    !names_it(&source->rule.fields, name))
			sigma_warn(&scope, SIGMA_LINT_ALIAS, SIGMA_AT(aliases->keys[i]),
				   "the alias \"%.*s\" is used nowhere: neither group-by nor "
				   "condition.field names it",
				   SIGMA_SHOW(name));
	}
}
