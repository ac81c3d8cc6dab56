/* cost.c - millrace-cost: the pipeline over files in this one process, for ./run cost and
 * bench/train.
 *
 *     valgrind --tool=callgrind --instr-atstart=no millrace-cost SETTING=VALUE...
 *
 * counts what is done from the first record on; start-up is left out. One process and one thread,
 * no batch that leaves because time has passed, and nothing random: the same input costs the same
 * instructions.
 * Settings are those of scan (setting.def), `output` among them. Exit status 0 done, 1 it failed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#ifdef MILLRACE_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#endif

#include "millrace/log.h"
#include "millrace/trial.h"

/* In libc's place: a seed decides which values meet in a cache, and what that costs. */
ssize_t getrandom(void *at, size_t size, unsigned flags)
{
	(void)flags;
	memset(at, 0x5a, size);
	return (ssize_t)size;
}

int getentropy(void *at, size_t size)
{
	memset(at, 0x5a, size);
	return 0;
}

static bool take_settings(struct mr_config *config, char **words)
{
	for (; *words != NULL; words++) {
		char *value = strchr(*words, '=');
		if (value == NULL)
			return false;
		*value++ = '\0';
		mr_config_add(config, *words, value);
	}
	return mr_config_get(config, "output", 0) != NULL;
}

static enum mr_err open_output(struct mr_trial *trial, struct mr_error *error)
{
	const char *path = mr_config_get(mr_trial_config(trial), "output", 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return mr_error_errno(error, MR_IO, "%s", path);
	mr_tables_add(mr_trial_tables(trial), "deliver.output", fd, 0);
	return MR_OK;
}

static enum mr_err run_counted(struct mr_trial *trial, struct mr_error *error)
{
	uint64_t unread;
	CALLGRIND_START_INSTRUMENTATION;
	enum mr_err err = mr_trial_inputs(trial, &unread, error);
	if (err == MR_OK)
		err = mr_trial_end(trial, error);
	CALLGRIND_STOP_INSTRUMENTATION;
	if (err == MR_OK && unread > 0)
		err = mr_error_set(error, MR_BAD_INPUT, "an input was not read whole");
	return err;
}

int main(int argc, char **argv)
{
	struct mr_config config = {0};
	struct mr_trial *trial = NULL;
	struct mr_error error = {0};
	(void)argc;
	if (!take_settings(&config, argv + 1)) {
		fputs("millrace-cost: SETTING=VALUE..., output=FILE among them\n", stderr);
		return 1;
	}
	mr_log_set_level(MR_LOG_ERROR);
	enum mr_err err = mr_trial_prepare(&config, &trial, &error);
	if (err == MR_OK)
		err = open_output(trial, &error);
	if (err == MR_OK)
		err = mr_trial_open(trial, NULL, NULL, &error);
	if (err == MR_OK)
		err = mr_trial_begin(trial, &error);
	if (err == MR_OK)
		err = run_counted(trial, &error);
	if (err != MR_OK)
		fprintf(stderr, "millrace-cost: %s\n", error.text);
	mr_trial_free(trial);
	mr_config_fini(&config);
	return err == MR_OK ? 0 : 1;
}
