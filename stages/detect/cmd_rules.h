/* cmd_rules.h - what the commands `millrace rules …` share.
 *
 * Each is a cmd_rules_*.c of its own, called by cmd_rules.c. These files alone in this folder use
 * the pipeline (millrace/trial.h): they are linked into the program, not into the stage. */
#ifndef MILLRACE_DETECT_CMD_RULES_H
#define MILLRACE_DETECT_CMD_RULES_H

#include "millrace/config.h"
#include "millrace/option.h"
#include "millrace/stage.h"
#include "sigma.h"

extern const struct mr_command rules_command_check;
extern const struct mr_command rules_command_coverage;
extern const struct mr_command rules_command_explain;
extern const struct mr_command rules_command_list;
extern const struct mr_command rules_command_profile;
extern const struct mr_command rules_command_test;

/* What records are judged with besides rules. */
#define RULES_DATABASES                                                                            \
	MR_OPTION_SETTING("placeholders"), MR_OPTION_SETTING("geoip"),                             \
	    MR_OPTION_SETTING("identity"), MR_OPTION_SETTING("networks")

/* Explain and profile judge records as scan does, and take the same: this is their table, with
 * what JSON is of, and a number of their own. */
enum { RULES_JSON, RULES_RULES, RULES_NUMBER, RULES_LOGSOURCE };
#define RULES_TRIAL_OPTIONS(json_prose, number, number_prose)                                      \
	{                                                                                          \
		[RULES_JSON] = {"json", 0, NULL, json_prose},                                      \
		[RULES_RULES] = {"rules", 'r', NULL, NULL},                                        \
		[RULES_NUMBER] = {number, 'n', "N", number_prose},                                 \
		[RULES_LOGSOURCE] = MR_OPTION_SETTING("logsource"), RULES_DATABASES,               \
		MR_OPTION_HELP, {0},                                                               \
	}
struct rules_manual {
	const char *command;
	const char *usage, *status; /* of its help, before and behind the options */
	const struct mr_option *options;
	int least, most; /* operands */
};
/* Into `config`, `json` and `number`, which keeps its value where it is not given; the operands
 * stand from argv[optind] on. -1: go on; else the exit status. */
int rules_take_options(const struct rules_manual *manual, int argc, char **argv,
		       struct mr_config *config, bool *json, int64_t *number);

/* What check and coverage do: the rules of argv[optind] and what follows it, loaded, to `then`.
 * Gives the exit status, that of `then` where they are. */
typedef int (*rules_then)(const void *wish, const struct sigma_set *set);
int rules_load(const char *command, int argc, char **argv, const char *placeholders,
	       rules_then then, const void *wish);
/* The rules of settings, with their placeholders and what they say of sources; what else is wished
 * for stands in `wishes`. */
enum mr_err rules_load_settings(const struct mr_config *config, struct sigma_wishes wishes,
				struct mr_fields *fields, struct sigma_set *out,
				struct mr_error *error);
/* From here on the log has errors alone: lints are check's to tell. What is refused goes to
 * `refusals`, a line each, for when nothing is left to go on with. */
void rules_hush(struct mr_buf *refusals);
/* Says them, and the error. */
void rules_failed(const char *command, struct mr_buf *refusals, const struct mr_error *error);
/* "FILE:LINE:COLUMN: WHAT: reason [lint]", a line each, fit to be shown. */
void rules_put_notes(struct mr_buf *out, const char *what, const struct sigma_notes *notes);
/* "detection", or the correlation's type. */
struct mr_slice rules_kind(const struct mr_rule *rule);
/* To standard output; false, and said, where it can't be written to. */
bool rules_write(const struct mr_buf *out);
/* After an option that is wrong, or operands that are: the exit status. */
int rules_misused(const char *command);

#endif
