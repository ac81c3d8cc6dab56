/* option.c - getopt_long and help from one table.
 *
 * Called by commands. A table holds at most OPTIONS_MAX. */
#include "millrace/option.h"

#include <assert.h>
#include <getopt.h>
#include <stdbool.h>

#define OPTIONS_MAX 40
#define FIRST 1000     /* what getopt gives for the first of the table */
#define HELP_COLUMN 28 /* where what an option does begins */

int mr_option_next(const struct mr_option *options, int argc, char **argv)
{
	struct option table[OPTIONS_MAX + 1] = {{0}};
	char letters[2 * OPTIONS_MAX + 1] = "";
	size_t count = 0;
	char *at = letters;
	for (; options[count].name != NULL; count++) {
		assert(count < OPTIONS_MAX);
		bool has = options[count].argument != NULL;
		table[count] =
		    (struct option){options[count].name, has ? required_argument : no_argument,
				    NULL, FIRST + (int)count};
		if (options[count].letter == 0)
			continue;
		*at++ = options[count].letter;
		if (has)
			*at++ = ':';
	}
	int got = getopt_long(argc, argv, letters, table, NULL);
	if (got == -1)
		return MR_OPTIONS_END;
	for (size_t i = 0; i < count; i++) {
		if (got == FIRST + (int)i || (got == options[i].letter && got != 0))
			return (int)i;
	}
	return MR_OPTIONS_WRONG;
}

void mr_options_help(const struct mr_option *options, FILE *out)
{
	for (; options->name != NULL; options++) {
		char letter[8] = "   ";
		if (options->letter != 0)
			snprintf(letter, sizeof letter, "-%c,", options->letter);
		int width = fprintf(out, "  %s --%s%s%s", letter, options->name,
				    options->argument == NULL ? "" : " ",
				    options->argument == NULL ? "" : options->argument);
		fprintf(out, "%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "",
			options->prose);
	}
}
