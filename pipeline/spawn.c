/* spawn.c - starts worker processes, each with its end of a control socket and nothing else of
 * ours.
 *
 * Called by supervisor_start.c. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker.h"

extern char **environ;

static int set_descriptors(posix_spawn_file_actions_t *actions, int control)
{
	int failed = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
	if (failed == 0)
		failed = posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
	if (failed == 0)
		failed = posix_spawn_file_actions_adddup2(actions, control, MR_WORKER_CONTROL_FD);
	/* What our own parent left open is no worker's business. */
	if (failed == 0)
		failed =
		    posix_spawn_file_actions_addclosefrom_np(actions, MR_WORKER_CONTROL_FD + 1);
	return failed;
}

static int set_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int failed = posix_spawnattr_setsigmask(attributes, &none);
	if (failed == 0)
		failed = posix_spawnattr_setsigdefault(attributes, &all);
	if (failed == 0)
		failed = posix_spawnattr_setflags(attributes,
						  POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return failed;
}

static int spawn(int control, pid_t *pid_out)
{
	char parent[24];
	snprintf(parent, sizeof parent, "%d", (int)getpid());
	char *const arguments[] = {"millrace", "worker", parent, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	int failed = set_descriptors(&actions, control);
	if (failed == 0)
		failed = set_signals(&attributes);
	if (failed == 0)
		failed = posix_spawn(pid_out, "/proc/self/exe", &actions, &attributes, arguments,
				     environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return failed;
}

enum mr_err mr_spawn_worker(pid_t *pid_out, int *control_out, struct mr_error *error)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return mr_error_errno(error, MR_NO_SPACE, "cannot make a control socket");
	int failed = spawn(pair[1], pid_out);
	close(pair[1]);
	if (failed == 0) {
		*control_out = pair[0];
		return MR_OK;
	}
	close(pair[0]);
	errno = failed;
	return mr_error_errno(error, MR_NO_SPACE, "cannot start a worker process");
}
