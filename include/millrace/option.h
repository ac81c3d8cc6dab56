/* option.h - the options of a command: one table, from which they are read, helped with and
 * completed. */
#ifndef MILLRACE_OPTION_H
#define MILLRACE_OPTION_H

#include <stdio.h>

struct mr_option {
	const char *name;     /* --name */
	char letter;          /* -l, or 0 */
	const char *argument; /* as help calls it: FILE, DIR, N, or a closed list a|b; NULL: none */
	const char *prose;
};
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
/* A line for each. */
void mr_options_help(const struct mr_option *options, FILE *out);

#endif
