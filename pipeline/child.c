/* child.c - see child.h. */
#include "child.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "clock.h"

#define LOOK_MS 1

/* Where our own parent had us ignore SIGCHLD, one that has ended is not there any more. */
bool mr_child_has_ended(pid_t pid)
{
	siginfo_t info = {0};
	return pid == 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	       info.si_pid != 0;
}

bool mr_child_reap(pid_t pid, int64_t most_us, int *status_out)
{
	int64_t until_us = mr_clock_us() + most_us;
	while (!mr_child_has_ended(pid)) {
		if (mr_clock_us() >= until_us)
			return false;
		poll(NULL, 0, LOOK_MS);
	}
	while (pid != 0 && waitpid(pid, status_out, 0) < 0 && errno == EINTR)
		;
	return true;
}

void mr_child_leave(struct mr_children *children, pid_t pid)
{
	assert(children->count < MR_CHILDREN_LEFT);
	kill(pid, SIGKILL);
	children->pids[children->count++] = pid;
}

void mr_children_tidy(struct mr_children *children, int64_t most_us)
{
	int64_t until_us = mr_clock_us() + most_us;
	size_t kept = 0;
	for (size_t i = 0; i < children->count; i++) {
		int status;
		int64_t left_us = until_us - mr_clock_us();
		if (!mr_child_reap(children->pids[i], left_us > 0 ? left_us : 0, &status))
			children->pids[kept++] = children->pids[i];
	}
	children->count = kept;
}
