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

/* What check and list do: the rules of argv[optind] and what follows it, loaded, to `then`. Gives
 * the exit status, that of `then` where they are. */
typedef int (*rules_then)(const void *wish, const struct sigma_set *set);
int rules_load(const char *command, int argc, char **argv, const char *placeholders,
	       rules_then then, const void *wish);
/* The rules of a trial's settings again, with labels. */
enum mr_err rules_load_labelled(const struct mr_config *config, struct mr_fields *fields,
				struct sigma_set *out, struct mr_error *error);
/* From here on the log has errors alone: lints are check's to tell. What is refused goes to
 * `refusals`, a line each, for when nothing is left to go on with. */
void rules_hush(struct mr_buf *refusals);
/* Says them, and the error. */
void rules_failed(const char *command, struct mr_buf *refusals, const struct mr_error *error);
/* "FILE:LINE:COLUMN: WHAT: reason [lint]", a line each, fit to be shown. */
void rules_put_notes(struct mr_buf *out, const char *what, const struct sigma_notes *notes);
/* To standard output; false, and said, where it can't be written to. */
bool rules_write(const struct mr_buf *out);
/* After an option that is wrong, or operands that are: the exit status. */
int rules_misused(const char *command);

#endif
