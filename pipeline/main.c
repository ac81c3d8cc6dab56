/* main.c - the program: finds the command and runs it. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "cmd.h"
#include "gate.h"
#include "millrace/stage.h"
#include "reload.h"
#include "worker.h"

#define STACK_LEAST (1 << 20)

static const struct mr_command *find_command(const char *name)
{
	for (const struct mr_command *const *command = mr_commands; *command != NULL; command++) {
		if (strcmp((*command)->name, name) == 0)
			return *command;
	}
	return NULL;
}

static void usage(FILE *out)
{
	fputs("usage: millrace COMMAND [OPTIONS]\n\n", out);
	for (const struct mr_command *const *command = mr_commands; *command != NULL; command++)
		fprintf(out, "  %-10s %s\n", (*command)->name, (*command)->summary);
	fputs("\nmillrace COMMAND --help says more of each.\n", out);
}

/* A standard descriptor that is closed would be given to the next file: close-on-exec or not,
 * workers and messages would then write into it. Opened the wrong way round, its use stays an
 * error. */
static void hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
	}
}

/* With less it would die without a word. */
static bool has_stack(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= STACK_LEAST)
		return true;
	limit.rlim_cur = limit.rlim_max < STACK_LEAST ? limit.rlim_max : STACK_LEAST;
	if (setrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur == STACK_LEAST)
		return true;
	fprintf(stderr,
		"millrace: a process may have %llu KiB of stack, and needs %d: raise the limit "
		"(ulimit -s)\n",
		(unsigned long long)limit.rlim_max >> 10, STACK_LEAST >> 10);
	return false;
}

int main(int argc, char **argv)
{
	hold_standard_descriptors();
	if (!has_stack())
		return 2;
	/* A closed pipe, or a file that may grow no further, is an error where it is written to. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (argc >= 2 && strcmp(argv[1], "worker") == 0)
		return mr_worker_main(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "gate") == 0)
		return mr_gate_main(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "reload") == 0)
		return mr_reload_main(argc - 1, argv + 1);
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	bool asks = strcmp(argv[1], "help") == 0;
	const struct mr_command *asked = asks && argc == 3 ? find_command(argv[2]) : NULL;
	if (asked != NULL) {
		static char help[] = "--help";
		char *line[] = {argv[2], help, NULL};
		return asked->main(2, line);
	}
	if (asks || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return 0;
	}
	const struct mr_command *command =
	    find_command(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
	if (command == NULL) {
		fprintf(stderr, "millrace: there is no command \"%s\"\n\n", argv[1]);
		usage(stderr);
		return 2;
	}
	/* getopt(3) begins its messages with this. */
	static char name[64];
	snprintf(name, sizeof name, "millrace %s", command->name);
	argv[1] = name;
	return command->main(argc - 1, argv + 1);
}
