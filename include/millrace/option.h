/* option.h - the options of a command: one table, from which they are read, helped with and
 * completed. */
#ifndef MILLRACE_OPTION_H
#define MILLRACE_OPTION_H

#include <stdio.h>

#include "millrace/config.h"

struct mr_option {
	const char *name;     /* --name */
	char letter;          /* -l, or 0 */
	const char *argument; /* as help calls it: FILE, DIR, N, or a closed list a|b; NULL: none */
	const char *prose;
};
/* A setting of a run under the same name, '-' for '_': setting.def says what it is. */
#define MR_OPTION_SETTING(name)                                                                    \
	{                                                                                          \
		(name), 0, NULL, NULL                                                              \
	}
/* Every command has it, before the {0} that ends its table. */
#define MR_OPTION_HELP                                                                             \
	{                                                                                          \
		"help", 'h', NULL, "say this"                                                      \
	}

#define MR_OPTIONS_END (-1)
#define MR_OPTIONS_WRONG (-2)
/* The next option's place in the table, its argument in optarg; MR_OPTIONS_END: argv[optind] is the
 * first operand; MR_OPTIONS_WRONG: getopt has said what is wrong. optind is 1 before the first. */
int mr_option_next(const struct mr_option *options, int argc, char **argv);
/* The option with its argument and prose, where a setting has them. */
struct mr_option mr_option_whole(const struct mr_option *option);
/* What a person gave of one that is a setting. */
void mr_option_add(struct mr_config *config, const struct mr_option *option, const char *value);
/* A line for each. */
void mr_options_help(const struct mr_option *options, FILE *out);
/* Help on standard output: usage, options, what stands behind them. Gives the exit status. */
int mr_help(const char *usage, const struct mr_option *options, const char *behind);

#endif
