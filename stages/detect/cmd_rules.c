/* cmd_rules.c - `millrace rules …`: what a detection engineer does with rules. */
#include "cmd_rules.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const struct mr_command *const commands[] = {
    &rules_command_check,
    &rules_command_coverage,
    &rules_command_explain,
    &rules_command_list,
    &rules_command_profile,
    &rules_command_test,
    NULL,
};

static void usage(FILE *out)
{
	fputs("usage: millrace rules COMMAND [OPTIONS] …\n\n", out);
	for (const struct mr_command *const *command = commands; *command != NULL; command++)
		fprintf(out, "  %-10s %s\n", (*command)->name, (*command)->summary);
	fputs("\nmillrace rules COMMAND --help says more of each.\n", out);
}

/* ---- for all of them ---- */

void rules_put_notes(struct mr_buf *out, const char *what, const struct sigma_notes *notes)
{
	for (uint32_t i = 0; i < notes->count; i++) {
		const struct sigma_note *note = &notes->items[i];
		size_t from = out->len;
		mr_buf_printf(out, "%.*s:%u:%u: %s: %.*s [%s]", (int)note->file.len, note->file.at,
			      note->line, note->column, what, (int)note->reason.len,
			      note->reason.at, sigma_lint_name(note->lint));
		mr_buf_show(out, from);
		mr_buf_add_text(out, "\n");
	}
}

enum mr_err rules_load_settings(const struct mr_config *config, struct sigma_wishes wishes,
				struct mr_fields *fields, struct sigma_set *out,
				struct mr_error *error)
{
	size_t count = mr_config_count(config, "rules");
	const char **paths = mr_calloc(count, sizeof *paths);
	for (size_t i = 0; i < count; i++)
		paths[i] = mr_config_get(config, "rules", i);
	struct mr_declared declared;
	enum mr_err err = mr_declared_read(config, &declared, error);
	if (err == MR_OK) {
		wishes.placeholders = mr_config_get(config, "placeholders", 0);
		wishes.declared = &declared;
		err = sigma_load_with(paths, count, &wishes, fields, out, error);
		mr_declared_fini(&declared);
	}
	free(paths);
	return err;
}

static void hush(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		 size_t len)
{
	struct mr_buf shown = {0};
	mr_buf_add(&shown, line, len);
	mr_buf_show(&shown, 0);
	mr_buf_add_text(&shown, "\n");
	if (level >= MR_LOG_ERROR)
		fwrite(shown.data, 1, shown.len, stderr);
	else if (mr_log_kind_event(kind) == MR_EVENT_RULE_REFUSED)
		mr_buf_add(context, shown.data, shown.len);
	mr_buf_fini(&shown);
}

void rules_hush(struct mr_buf *refusals)
{
	mr_log_set_sink(hush, refusals);
}

void rules_failed(const char *command, struct mr_buf *refusals, const struct mr_error *error)
{
	if (refusals->len > 0)
		fwrite(refusals->data, 1, refusals->len, stderr);
	mr_log(MR_LOG_ERROR, "millrace rules %s: %s", command, error->text);
}

struct mr_slice rules_kind(const struct mr_rule *rule)
{
	return rule->kind == MR_RULE_DETECTION ? MR_SLICE("detection")
	       : rule->kind == MR_RULE_FILTER  ? MR_SLICE("filter")
					       : mr_correlation_name(rule->type);
}

bool rules_write(const struct mr_buf *out)
{
	bool whole = out->len == 0 || fwrite(out->data, 1, out->len, stdout) == out->len;
	if (whole && fflush(stdout) == 0)
		return true;
	mr_log(MR_LOG_ERROR, "millrace rules: standard output cannot be written to");
	return false;
}

int rules_misused(const char *command)
{
	fprintf(stderr, "millrace rules %s --help says how it is used\n", command);
	return 2;
}

int rules_take_options(const struct rules_manual *manual, int argc, char **argv,
		       struct mr_config *config, bool *json, int64_t *number)
{
	int option;
	while ((option = mr_option_next(manual->options, argc, argv)) != MR_OPTIONS_END) {
		if (option == MR_OPTIONS_WRONG ||
		    (option == RULES_NUMBER &&
		     (!mr_parse_int64(mr_slice(optarg), number) || *number < 1)))
			return rules_misused(manual->command);
		if (strcmp(manual->options[option].name, "help") == 0)
			return mr_help(manual->usage, manual->options, manual->status);
		*json |= option == RULES_JSON;
		if (option != RULES_JSON && option != RULES_NUMBER)
			mr_option_add(config, &manual->options[option], optarg);
	}
	if (argc - optind < manual->least || argc - optind > manual->most)
		return rules_misused(manual->command);
	return -1;
}

int rules_load(const char *command, int argc, char **argv, const char *placeholders,
	       rules_then then, const void *wish)
{
	struct sigma_set set = {0};
	struct mr_error error = {0};
	int status = 2;
	if (optind >= argc)
		return rules_misused(command);
	struct mr_fields *fields = mr_fields_new();
	const struct sigma_wishes wishes = {.placeholders = placeholders, .lints = true};
	if (sigma_load_with((const char *const *)argv + optind, (size_t)(argc - optind), &wishes,
			    fields, &set, &error) != MR_OK) {
		mr_log(MR_LOG_ERROR, "millrace rules: %s", error.text);
	} else {
		status = then(wish, &set);
		sigma_set_fini(&set);
	}
	mr_fields_free(fields);
	return status;
}

/* ---- the command ---- */

static int rules_main(int argc, char **argv)
{
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		return fflush(stdout) != 0 || ferror(stdout) ? 1 : 0;
	}
	for (const struct mr_command *const *command = commands; *command != NULL && argc >= 2;
	     command++) {
		if (strcmp((*command)->name, argv[1]) != 0)
			continue;
		/* getopt(3) begins its messages with this. */
		static char name[64];
		snprintf(name, sizeof name, "millrace rules %s", (*command)->name);
		argv[1] = name;
		optind = 1;
		return (*command)->main(argc - 1, argv + 1);
	}
	if (argc >= 2)
		fprintf(stderr, "millrace rules: there is no command \"%s\"\n\n", argv[1]);
	usage(stderr);
	return 2;
}

const struct mr_command mr_command_rules = {
    .name = "rules",
    .summary = "check, cover, explain, list, profile and test rules",
    .main = rules_main,
    .commands = commands,
};
