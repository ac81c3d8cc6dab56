/* cmd_rules_check.c - `millrace rules check`: what is wrong with rules, and what is odd. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_rules.h"
#include "sigma_sarif.h"

static const char check_usage[] =
    "usage: millrace rules check [OPTIONS] FILE|DIR...\n"
    "\n"
    "Compiles rules and says what is refused and why, and what is odd: FILE:LINE:COLUMN, the\n"
    "reason, and in brackets the finding's name.\n"
    "\n";
static const char check_status[] =
    "\nExit status: 0 nothing was refused, 1 something was (with --strict, or is odd), 2 a path "
    "can't be\nread.\n";

enum { JSON, SARIF, DISABLE, STRICT, PLACEHOLDERS, HELP };
static const struct mr_option check_options[] = {
    [JSON] = {"json", 0, NULL, "as one JSON object"},
    [SARIF] = {"sarif", 0, NULL, "as SARIF 2.1.0, for code scanning and editors"},
    [DISABLE] = {"disable", 0, "FINDING", "say nothing of it, often; a refusal is always said"},
    [STRICT] = {"strict", 0, NULL, "a warning is as bad as a refusal"},
    [PLACEHOLDERS] = MR_OPTION_SETTING("placeholders"),
    MR_OPTION_HELP,
    {0},
};

static void put_note(struct mr_buf *out, const struct sigma_note *note)
{
	mr_buf_add_text(out, "{\"file\": ");
	mr_json_put_string(out, note->file);
	mr_buf_printf(out, ", \"line\": %u, \"column\": %u, \"id\": ", note->line, note->column);
	mr_json_put_string(out, note->id);
	mr_buf_add_text(out, ", \"reason\": ");
	mr_json_put_string(out, note->reason);
	mr_buf_add_text(out, "}");
}

static void put_notes(struct mr_buf *out, const char *name, const struct sigma_notes *notes)
{
	mr_buf_printf(out, ", \"%s\": [", name);
	for (uint32_t i = 0; i < notes->count; i++) {
		mr_buf_add_text(out, i == 0 ? "" : ", ");
		put_note(out, &notes->items[i]);
	}
	mr_buf_add_text(out, "]");
}

static void put_json(struct mr_buf *out, const struct sigma_set *set)
{
	const struct mr_catalog *catalog = &set->catalog;
	mr_buf_printf(out, "{\"files\": %u, \"rules\": %u, \"correlations\": %u, \"filters\": %u, ",
		      set->files, catalog->detections, catalog->correlations,
		      catalog->filter_count);
	mr_buf_add_text(out, "\"inactive\": [");
	const char *comma = "";
	for (uint32_t i = 0; i < catalog->count; i++) {
		if (!catalog->rules[i].inactive)
			continue;
		mr_buf_add_text(out, comma);
		mr_json_put_string(out, catalog->rules[i].id);
		comma = ", ";
	}
	mr_buf_add_text(out, "]");
	put_notes(out, "refused", &set->refused);
	put_notes(out, "warnings", &set->warnings);
	mr_buf_add_text(out, "}\n");
}

static void put_text(struct mr_buf *out, const struct sigma_set *set)
{
	const struct mr_catalog *catalog = &set->catalog;
	rules_put_notes(out, "refused", &set->refused);
	rules_put_notes(out, "warning", &set->warnings);
	mr_buf_printf(out,
		      "%u files: %u rules, %u correlations, %u filters, %u inactive, %u refused, "
		      "%u warnings\n",
		      set->files, catalog->detections, catalog->correlations, catalog->filter_count,
		      catalog->inactive, set->refused.count, set->warnings.count);
}

struct wish {
	bool json, sarif, strict;
	bool disabled[SIGMA_LINT_COUNT];
};

/* False, and said, where there is no such finding, or none that can be left out. */
static bool disable(struct wish *wish, const char *name)
{
	const char *names[SIGMA_LINT_COUNT];
	for (int i = 0; i < SIGMA_LINT_COUNT; i++) {
		names[i] = sigma_lint_name((enum sigma_lint)i);
		bool refusal = i == SIGMA_LINT_REFUSED || i == SIGMA_LINT_DUPLICATE_ID;
		if (strcmp(names[i], name) != 0 || refusal)
			continue;
		wish->disabled[i] = true;
		return true;
	}
	const char *meant = mr_text_nearest(mr_slice(name), names, SIGMA_LINT_COUNT);
	mr_log(MR_LOG_ERROR,
	       "millrace rules check: \"%s\" is no finding that can be left out%s%s%s", name,
	       meant == NULL ? "" : "; is \"", meant == NULL ? "" : meant,
	       meant == NULL ? "" : "\" meant?");
	return false;
}

/* The set with those warnings that are wanted; the array is the caller's to free. */
static struct sigma_set keep_wanted(const struct wish *wish, const struct sigma_set *set)
{
	struct sigma_set kept = *set;
	kept.warnings = (struct sigma_notes){0};
	kept.warnings.items = mr_calloc(set->warnings.count + 1u, sizeof *kept.warnings.items);
	for (uint32_t i = 0; i < set->warnings.count; i++) {
		if (!wish->disabled[set->warnings.items[i].lint])
			kept.warnings.items[kept.warnings.count++] = set->warnings.items[i];
	}
	return kept;
}

static int report(const void *context, const struct sigma_set *all)
{
	const struct wish *wish = context;
	const struct sigma_set kept = keep_wanted(wish, all);
	const struct sigma_set *set = &kept;
	struct mr_buf out = {0};
	if (wish->sarif)
		sigma_sarif_put(set, &out);
	else if (wish->json)
		put_json(&out, set);
	else
		put_text(&out, set);
	bool written = rules_write(&out);
	mr_buf_fini(&out);
	free(kept.warnings.items);
	bool bad = set->refused.count > 0 || (wish->strict && set->warnings.count > 0);
	return !written || bad ? 1 : 0;
}

static int check_main(int argc, char **argv)
{
	struct wish wish = {0};
	const char *placeholders = NULL;
	int option;
	while ((option = mr_option_next(check_options, argc, argv)) != MR_OPTIONS_END) {
		if (option == HELP)
			return mr_help(check_usage, check_options, check_status);
		if (option == MR_OPTIONS_WRONG)
			return rules_misused("check");
		wish.json |= option == JSON;
		wish.sarif |= option == SARIF;
		wish.strict |= option == STRICT;
		if (option == PLACEHOLDERS)
			placeholders = optarg;
		if (option == DISABLE && !disable(&wish, optarg))
			return 2;
	}
	if (wish.json && wish.sarif)
		return rules_misused("check");
	return rules_load("check", argc, argv, placeholders, report, &wish);
}

const struct mr_command rules_command_check = {
    .name = "check",
    .summary = "what is refused and why, and what is odd",
    .main = check_main,
    .options = check_options,
};
