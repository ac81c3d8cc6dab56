/* cmd_version.c - `millrace version`. */
#include <getopt.h>
#include <stdio.h>

#include "cmd.h"

static const struct mr_option version_options[] = {
    MR_OPTION_HELP,
    {0},
};

static int version_main(int argc, char **argv)
{
	int option = mr_option_next(version_options, argc, argv);
	if (option != MR_OPTIONS_END && option != MR_OPTIONS_WRONG)
		return mr_help("usage: millrace version\n\nSays what this is.\n\n", version_options,
			       "\nExit status: 0 done, 1 it could not be written.\n");
	if (option == MR_OPTIONS_WRONG || optind < argc) {
		if (optind < argc)
			fprintf(stderr, "millrace version: \"%s\" is not expected\n", argv[optind]);
		return 2;
	}
	return puts("millrace " MILLRACE_VERSION) < 0 ? 1 : 0;
}

const struct mr_command mr_command_version = {
    .name = "version",
    .summary = "what this is",
    .main = version_main,
    .options = version_options,
};
