/* cmd_status.c - `millrace status STATE_DIR`: what a running service says of itself.
 *
 * Where none answers, what its state directory shows: whether a process holds its lock, and the
 * newest checkpoint. Only reads; the lock is looked up in /proc/locks, never taken: a service that
 * starts meanwhile shall find it free. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "millrace/folder.h"
#include "millrace/text.h"
#include "state_dir.h"
#include "status_server.h"

#define ANSWER_MS 5000

static const char help_text[] =
    "usage: millrace status [--json] STATE_DIR\n"
    "\n"
    "What the service of this state directory says of itself: its workers, sources, sinks, last\n"
    "checkpoint, latencies and alarms, for a person or (--json) a program: README.md describes "
    "the\n"
    "members. Where no service answers, what the directory shows goes to standard error.\n"
    "\n";
static const char help_status[] =
    "\n"
    "Exit status: 0 it answered, 1 none answers, 2 this is no state directory, or none of ours to\n"
    "look at.\n";

enum { JSON, HELP };
static const struct mr_option status_options[] = {
    [JSON] = {"json", 0, NULL, "as one JSON object"},
    MR_OPTION_HELP,
    {0},
};

/* ---- where none answers ---- */

struct newest {
	bool found;
	int64_t number;
	int64_t time_us; /* when it was made */
};

static bool take_manifest(void *context, int folder, const char *name)
{
	static const char prefix[] = "MANIFEST-";
	struct newest *newest = context;
	int64_t number;
	struct stat is;
	if (strncmp(name, prefix, sizeof prefix - 1) == 0 &&
	    mr_parse_int64(mr_slice(name + sizeof prefix - 1), &number) &&
	    (!newest->found || number > newest->number) && fstatat(folder, name, &is, 0) == 0)
		*newest = (struct newest){true, number, (int64_t)is.st_mtim.tv_sec * 1000000};
	return true;
}

/* 1, or 2 where it shows that it is none. */
static int tell_what_is_known(int directory, const char *path)
{
	struct newest newest = {0};
	char time[MR_TIME_TEXT];
	long holder = mr_state_dir_holder(directory);
	if (!mr_folder_list_path(path, take_manifest, &newest)) {
		fprintf(stderr, "millrace status: %s: it cannot be listed: %s\n", path,
			strerror(errno));
		return 2;
	}
	if (!newest.found && faccessat(directory, "lock", F_OK, 0) != 0) {
		fprintf(stderr,
			"millrace status: %s: this is no state directory: no service has begun on "
			"it\n",
			path);
		return 2;
	}
	if (holder == 0)
		fprintf(stderr, "millrace status: %s: no service runs on it\n", path);
	else
		fprintf(stderr,
			"millrace status: %s: process %ld holds its lock and does not answer\n",
			path, holder);
	if (!newest.found) {
		fprintf(stderr, "millrace status: it has no checkpoint\n");
		return 1;
	}
	mr_time_text(newest.time_us, time);
	fprintf(stderr, "millrace status: its last checkpoint is %lld, of %s\n",
		(long long)newest.number, time);
	return 1;
}

/* ---- the command ---- */

static int show(const char *path, enum mr_status_form form)
{
	int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0) {
		fprintf(stderr, "millrace status: %s: %s\n", path, strerror(errno));
		return 2;
	}
	struct mr_buf answer = {0};
	struct mr_error error = {0};
	enum mr_err err = mr_status_ask(directory, form, ANSWER_MS, &answer, &error);
	int status = 0;
	if (err != MR_OK) {
		fprintf(stderr, "millrace status: %s: %s\n", path, error.text);
		status = err == MR_CONFIG ? 2 : tell_what_is_known(directory, path);
	} else if (fwrite(answer.data, 1, answer.len, stdout) != answer.len ||
		   fflush(stdout) != 0) {
		status = 1;
		fprintf(stderr, "millrace status: standard output cannot be written to\n");
	}
	mr_buf_fini(&answer);
	close(directory);
	return status;
}

static int status_main(int argc, char **argv)
{
	enum mr_status_form form = MR_STATUS_FORM_TEXT;
	int option;
	while ((option = mr_option_next(status_options, argc, argv)) != MR_OPTIONS_END) {
		if (option == HELP)
			return mr_help(help_text, status_options, help_status);
		if (option != JSON)
			return 2;
		form = MR_STATUS_FORM_JSON;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "millrace status: one state directory is wanted; see --help\n");
		return 2;
	}
	return show(argv[optind], form);
}

const struct mr_command mr_command_status = {
    .name = "status",
    .summary = "what a running service says of itself",
    .main = status_main,
    .options = status_options,
};
