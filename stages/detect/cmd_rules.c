/* cmd_rules.c - `millrace rules check|list`: what a detection engineer asks of rule files. */
#include <getopt.h>
#include <stdio.h>

#include "detect.h"
#include "sigma.h"

static const char rules_help[] =
    "usage: millrace rules check [--json] [--placeholders FILE] FILE|DIR...\n"
    "       millrace rules list [--placeholders FILE] FILE|DIR...\n"
    "\n"
    "check compiles rules and says what is refused and why, and what is odd; list names those "
    "that\n"
    "are not refused, and says on standard error which are. One that a correlation names is\n"
    "\"base only\", without alerts of its own, unless one says `generate: true`.\n"
    "Exit status: 0 nothing was refused, 1 something was, 2 a path can't be read.\n";

/* ---- check ---- */

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
		      set->files, catalog->detections, catalog->correlations, catalog->filters);
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

static void put_lines(struct mr_buf *out, const char *what, const struct sigma_notes *notes)
{
	for (uint32_t i = 0; i < notes->count; i++) {
		const struct sigma_note *note = &notes->items[i];
		mr_buf_printf(out, "%.*s:%u:%u: %s: %.*s\n", (int)note->file.len, note->file.at,
			      note->line, note->column, what, (int)note->reason.len,
			      note->reason.at);
	}
}

static void put_text(struct mr_buf *out, const struct sigma_set *set)
{
	const struct mr_catalog *catalog = &set->catalog;
	put_lines(out, "refused", &set->refused);
	put_lines(out, "warning", &set->warnings);
	mr_buf_printf(out,
		      "%u files: %u rules, %u correlations, %u filters, %u inactive, %u refused, "
		      "%u warnings\n",
		      set->files, catalog->detections, catalog->correlations, catalog->filters,
		      catalog->inactive, set->refused.count, set->warnings.count);
}

/* ---- list ---- */

static void put_list(struct mr_buf *out, const struct sigma_set *set)
{
	static const char *const levels[] = {"-",      "informational", "low",
					     "medium", "high",          "critical"};
	for (uint32_t i = 0; i < set->catalog.count; i++) {
		const struct mr_rule *rule = &set->catalog.rules[i];
		struct mr_slice what = rule->kind == MR_RULE_DETECTION
					   ? MR_SLICE("detection")
					   : mr_correlation_name(rule->type);
		mr_buf_printf(out, "%.*s\t%s\t%.*s%s\t%.*s\t%.*s\n", (int)rule->id.len, rule->id.at,
			      levels[rule->level], (int)what.len, what.at,
			      rule->inactive ? " (inactive)"
			      : rule->alerts ? ""
					     : " (base only)",
			      (int)rule->title.len, rule->title.at, (int)rule->file.len,
			      rule->file.at);
	}
}

/* Apart from the list, which programs read. */
static void tell_refused(const struct sigma_set *set)
{
	struct mr_buf out = {0};
	put_lines(&out, "refused", &set->refused);
	fwrite(out.data, 1, out.len, stderr);
	mr_buf_fini(&out);
}

/* ---- the command ---- */

struct wish {
	bool check;
	bool json;
	const char *placeholders;
};

static int report(const struct wish *wish, const struct sigma_set *set)
{
	struct mr_buf out = {0};
	if (!wish->check)
		put_list(&out, set);
	else if (wish->json)
		put_json(&out, set);
	else
		put_text(&out, set);
	bool written = fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
	mr_buf_fini(&out);
	if (!wish->check && set->refused.count > 0)
		tell_refused(set);
	if (!written) {
		mr_log(MR_LOG_ERROR, "millrace rules: standard output cannot be written to");
		return 1;
	}
	return set->refused.count > 0 ? 1 : 0;
}

static int parse_options(struct wish *wish, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"placeholders", required_argument, NULL, 'p'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int option;
	optind = 1;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(rules_help, stdout) < 0 ? 1 : 0;
		if (option == 'j')
			wish->json = true;
		else if (option == 'p')
			wish->placeholders = optarg;
		else
			return 2;
	}
	bool list = optind < argc && strcmp(argv[optind], "list") == 0;
	wish->check = optind < argc && strcmp(argv[optind], "check") == 0;
	if ((!list && !wish->check) || optind + 1 >= argc || (list && wish->json)) {
		fputs(rules_help, stderr);
		return 2;
	}
	optind++;
	return -1;
}

static int rules_main(int argc, char **argv)
{
	struct wish wish = {0};
	struct sigma_set set = {0};
	struct mr_error error = {0};
	int status = parse_options(&wish, argc, argv);
	if (status >= 0)
		return status;
	struct mr_fields *fields = mr_fields_new();
	if (sigma_load((const char *const *)argv + optind, (size_t)(argc - optind),
		       wish.placeholders, fields, &set, &error) != MR_OK) {
		mr_log(MR_LOG_ERROR, "millrace rules: %s", error.text);
		status = 2;
	} else {
		status = report(&wish, &set);
		sigma_set_fini(&set);
	}
	mr_fields_free(fields);
	return status;
}

const struct mr_command mr_command_rules = {
    .name = "rules",
    .summary = "compile rules, list them, say what is wrong with them",
    .main = rules_main,
};
