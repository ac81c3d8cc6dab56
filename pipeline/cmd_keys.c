/* cmd_keys.c - `millrace keys`: the keys of a host, for links between hosts. */
#include <getopt.h>
#include <stdio.h>

#include "cmd.h"
#include "keys.h"
#include "millrace/log.h"

static const char help_text[] =
    "usage: millrace keys [--dir DIR] NAME\n"
    "\n"
    "Makes the keys of the host NAME: NAME.key, which that host alone may have (mode 0600), and\n"
    "NAME.pub, which goes into the topology file that all hosts share. A file that is there is\n"
    "never overwritten. The lines to put under `hosts` go to standard output.\n"
    "\n";
static const char help_status[] =
    "\nExit status: 0 done, 1 it could not be written, 2 the name or the place is wrong.\n";

enum { DIRECTORY, HELP };
static const struct mr_option keys_options[] = {
    [DIRECTORY] = {"dir", 0, "DIR", "where to put them; without it here"},
    MR_OPTION_HELP,
    {0},
};

static int make(const char *directory, const char *name)
{
	struct mr_key public;
	struct mr_error error = {0};
	enum mr_err err = mr_keys_write(directory, name, &public, &error);
	if (err != MR_OK) {
		mr_log(MR_LOG_ERROR, "%s", error.text);
		return mr_err_class(err) == MR_CLASS_USAGE ? 2 : 1;
	}
	bool here = strcmp(directory, ".") == 0;
	printf("  - name: %s\n    public_key: '%s'\n    key_file: %s%s%s.key\n", name, public.text,
	       here ? "" : directory, here ? "" : "/", name);
	return fflush(stdout) != 0 || ferror(stdout) ? 1 : 0;
}

static int keys_main(int argc, char **argv)
{
	const char *directory = ".";
	int option;
	while ((option = mr_option_next(keys_options, argc, argv)) == DIRECTORY)
		directory = optarg;
	if (option == HELP)
		return mr_help(help_text, keys_options, help_status);
	if (option == MR_OPTIONS_END && optind + 1 == argc)
		return make(directory, argv[optind]);
	fputs("millrace keys: name one host (millrace keys --help says more)\n", stderr);
	return 2;
}

const struct mr_command mr_command_keys = {
    .name = "keys",
    .summary = "the keys of a host, for links between hosts",
    .main = keys_main,
    .options = keys_options,
};
