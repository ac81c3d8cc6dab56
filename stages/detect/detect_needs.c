/* detect_needs.c - rules that ask for fields which only a setting fills (normalised.def).
 *
 * Called by detect.c in the supervisor. Without the setting such a rule may never fire, and nothing
 * else would say so. Never fails. */
#include "detect.h"

#include <stdlib.h>

#define SHOWN_MAX 3 /* rules that a warning names */

/* The rules that ask for fields of one setting. */
struct needs {
	const char *setting;
	bool *rules;    /* by catalog index */
	mr_field field; /* one of those asked for */
};

static void need(struct needs *needs, uint32_t rule, mr_field field)
{
	const char *setting = mr_field_setting(field);
	if (setting == NULL || strcmp(setting, needs->setting) != 0)
		return;
	needs->rules[rule] = true;
	needs->field = field;
}

static void need_of_tree(struct needs *needs, uint32_t rule, const struct sigma_node *node)
{
	if (node->kind == SIGMA_LEAF) {
		need(needs, rule, node->leaf->field);
		need(needs, rule, node->leaf->other);
	}
	for (uint32_t i = 0; node->kind != SIGMA_LEAF && i < node->child_count; i++)
		need_of_tree(needs, rule, node->children[i]);
}

static void need_of_correlation(struct needs *needs, uint32_t index, const struct mr_rule *rule)
{
	for (size_t i = 0; i < (size_t)rule->rule_count * rule->group_by.count; i++)
		need(needs, index, rule->group_fields[i]);
	for (size_t i = 0; i < (size_t)rule->rule_count * rule->fields.count; i++)
		need(needs, index, rule->value_fields[i]);
}

static void say(const struct needs *needs, const struct sigma_set *set, struct mr_slice field)
{
	struct mr_buf names = {0};
	uint32_t count = 0;
	for (uint32_t i = 0; i < set->catalog.count; i++) {
		struct mr_slice title = set->catalog.rules[i].title;
		if (needs->rules[i] && count++ < SHOWN_MAX)
			mr_buf_printf(&names, "%s\"%.*s\"", names.len == 0 ? "" : ", ",
				      SIGMA_SHOW(title));
	}
	if (count > SHOWN_MAX)
		mr_buf_printf(&names, " and %u more", count - SHOWN_MAX);
	if (count > 0)
		mr_log_event(
		    MR_LOG_WARNING, MR_EVENT_RULE_WARNED,
		    "no \"%s\" is given: %u rule%s for what only it fills, such as %.*s: %.*s",
		    needs->setting, count, count == 1 ? " asks" : "s ask", (int)field.len, field.at,
		    (int)names.len, names.data);
	mr_buf_fini(&names);
}

static void say_needs_of(const struct mr_prepare *prepare, const struct sigma_set *set,
			 const char *setting)
{
	struct needs needs = {.setting = setting};
	needs.rules = mr_calloc(set->catalog.count + 1, sizeof *needs.rules);
	for (uint32_t i = 0; i < set->rule_count; i++)
		need_of_tree(&needs, set->rules[i].index, set->rules[i].condition);
	for (uint32_t i = 0; i < set->catalog.count; i++)
		if (!set->catalog.rules[i].inactive)
			need_of_correlation(&needs, i, &set->catalog.rules[i]);
	say(&needs, set, mr_fields_name(prepare->fields, needs.field));
	free(needs.rules);
}

/* A setting's turn comes with the first field that it fills. */
static bool is_first_of(const char *setting, int field)
{
	for (int earlier = 1; earlier < field; earlier++) {
		const char *other = mr_field_setting((mr_field)earlier);
		if (other != NULL && strcmp(other, setting) == 0)
			return false;
	}
	return true;
}

void detect_say_needs(const struct mr_prepare *prepare, const struct sigma_set *set)
{
	for (int field = 1; field < MR_F_NORMALISED_END; field++) {
		const char *setting = mr_field_setting((mr_field)field);
		if (setting != NULL && is_first_of(setting, field) &&
		    mr_config_get(prepare->config, setting, 0) == NULL)
			say_needs_of(prepare, set, setting);
	}
}
