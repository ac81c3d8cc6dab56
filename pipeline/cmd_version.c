/* cmd_version.c - `millrace version`. */
#include <stdio.h>

#include "cmd.h"

static int version_main(int argc, char **argv)
{
	if (argc > 1) {
		fprintf(stderr, "millrace version: \"%s\" is not expected\n", argv[1]);
		return 2;
	}
	return puts("millrace " MILLRACE_VERSION) < 0 ? 1 : 0;
}

const struct mr_command mr_command_version = {
    .name = "version",
    .summary = "what this is",
    .main = version_main,
};
