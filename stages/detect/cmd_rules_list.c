/* cmd_rules_list.c - `millrace rules list`: the rules that are there. */
#include <getopt.h>

#include "cmd_rules.h"

static const char list_usage[] =
    "usage: millrace rules list [OPTIONS] FILE|DIR...\n"
    "\n"
    "Names the rules that are not refused: id, level, kind, title and file, and says on standard\n"
    "error which are refused. One that a correlation names is \"base only\", without alerts of\n"
    "its own, unless one says `generate: true`.\n"
    "\n";
static const char list_status[] =
    "\nExit status: 0 nothing was refused, 1 something was, 2 a path can't be read.\n";

enum { JSON, PLACEHOLDERS, HELP };
static const struct mr_option list_options[] = {
    [JSON] = {"json", 0, NULL, "as one JSON array"},
    [PLACEHOLDERS] = MR_OPTION_SETTING("placeholders"),
    MR_OPTION_HELP,
    {0},
};

static const char *const levels[] = {"-", "informational", "low", "medium", "high", "critical"};

static void put_list(struct mr_buf *out, const struct sigma_set *set)
{
	for (uint32_t i = 0; i < set->catalog.count; i++) {
		const struct mr_rule *rule = &set->catalog.rules[i];
		struct mr_slice what = rules_kind(rule);
		mr_buf_printf(out, "%.*s\t%s\t%.*s%s\t%.*s\t%.*s\n", (int)rule->id.len, rule->id.at,
			      levels[rule->level], (int)what.len, what.at,
			      rule->inactive ? " (inactive)"
			      : rule->alerts ? ""
					     : " (base only)",
			      (int)rule->title.len, rule->title.at, (int)rule->file.len,
			      rule->file.at);
	}
}

static void put_member(struct mr_buf *out, const char *name, struct mr_slice text)
{
	mr_buf_printf(out, ", \"%s\": ", name);
	mr_json_put_string(out, text);
}

static void put_json(struct mr_buf *out, const struct sigma_set *set)
{
	mr_buf_add_text(out, "[");
	for (uint32_t i = 0; i < set->catalog.count; i++) {
		const struct mr_rule *rule = &set->catalog.rules[i];
		mr_buf_add_text(out, i == 0 ? "{\"id\": " : ", {\"id\": ");
		mr_json_put_string(out, rule->id);
		put_member(out, "name", rule->name);
		put_member(out, "title", rule->title);
		put_member(out, "kind", rules_kind(rule));
		put_member(out, "level",
			   mr_slice(rule->level == MR_LEVEL_NONE ? "" : levels[rule->level]));
		put_member(out, "status", rule->status);
		put_member(out, "file", rule->file);
		mr_buf_printf(out, ", \"line\": %u, \"inactive\": %s, \"alerts\": %s, \"tags\": [",
			      rule->line, rule->inactive ? "true" : "false",
			      rule->alerts ? "true" : "false");
		for (uint32_t t = 0; t < rule->tags.count; t++) {
			mr_buf_add_text(out, t == 0 ? "" : ", ");
			mr_json_put_string(out, rule->tags.items[t]);
		}
		mr_buf_add_text(out, "]}");
	}
	mr_buf_add_text(out, "]\n");
}

/* Apart from the list, which programs read. */
static void tell_refused(const struct sigma_set *set)
{
	struct mr_buf out = {0};
	rules_put_notes(&out, "refused", &set->refused);
	fwrite(out.data, 1, out.len, stderr);
	mr_buf_fini(&out);
}

static int report(const void *wish, const struct sigma_set *set)
{
	struct mr_buf out = {0};
	if (*(const bool *)wish)
		put_json(&out, set);
	else
		put_list(&out, set);
	bool written = rules_write(&out);
	mr_buf_fini(&out);
	if (set->refused.count > 0)
		tell_refused(set);
	return !written || set->refused.count > 0 ? 1 : 0;
}

static int list_main(int argc, char **argv)
{
	const char *placeholders = NULL;
	bool json = false;
	int option;
	while ((option = mr_option_next(list_options, argc, argv)) != MR_OPTIONS_END) {
		if (option == HELP)
			return mr_help(list_usage, list_options, list_status);
		if (option == MR_OPTIONS_WRONG)
			return rules_misused("list");
		if (option == JSON)
			json = true;
		else
			placeholders = optarg;
	}
	return rules_load("list", argc, argv, placeholders, report, &json);
}

const struct mr_command rules_command_list = {
    .name = "list",
    .summary = "the rules that are there",
    .main = list_main,
    .options = list_options,
};
