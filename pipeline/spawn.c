/* spawn.c - starts processes of this program, each with its end of a control socket and nothing
 * else of ours.
 *
 * Called by supervisor_start.c, reload.c, cmd_scan.c. A process is bound to its supervisor's life
 * before it is this program again: from its first instruction on nothing can make it stay behind.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/memory.h"
#include "millrace/os.h"
#include "millrace/text.h"
#include "worker.h"

#define ALLOCATOR_OPTIONS "MALLOC_CONF"

extern char **environ;

static bool take_null(void)
{
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return in >= 0 && out >= 0 && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0;
}

/* The lock stays held as long as any worker lives. */
static bool set_descriptors(int lock, int control)
{
	/* Out of the way first: either may stand where the other goes. */
	control = fcntl(control, F_DUPFD_CLOEXEC, MR_WORKER_LOCK_FD + 1);
	if (control < 0 || (lock >= 0 && (lock = fcntl(lock, F_DUPFD_CLOEXEC, control)) < 0))
		return false;
	if (dup2(control, MR_WORKER_CONTROL_FD) < 0 ||
	    (lock >= 0 && dup2(lock, MR_WORKER_LOCK_FD) < 0))
		return false;
	/* What our own parent left open is no worker's business. */
	closefrom(lock >= 0 ? MR_WORKER_LOCK_FD + 1 : MR_WORKER_CONTROL_FD + 1);
	return true;
}

/* A terminal's interrupt goes to all processes of the job: it is the supervisor's to act on, and
 * one that came before the new process ignored it would end it. */
static void reset_signals(void)
{
	const int ignored[] = {SIGINT, SIGTERM, SIGHUP};
	sigset_t none;
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

enum mr_err mr_spawn_program(char *path, size_t size, struct mr_error *error)
{
	ssize_t len = readlink(MR_SPAWN_PROGRAM, path, size - 1);
	path[len > 0 ? len : 0] = '\0';
	if (len > 0)
		return MR_OK;
	return mr_error_errno(error, MR_IO,
			      "no worker can be started without /proc, which is not mounted or "
			      "cannot be read: " MR_SPAWN_PROGRAM);
}

enum mr_err mr_spawn_program_hash(uint64_t *out, struct mr_error *error)
{
	/* This process stays the program that it is. 0: no thread has asked yet. */
	static _Atomic uint64_t known;
	struct stat about;
	*out = known;
	if (known != 0)
		return MR_OK;
	int fd = open(MR_SPAWN_PROGRAM, O_RDONLY | O_CLOEXEC);
	const char *at = NULL;
	if (fd >= 0 && fstat(fd, &about) == 0)
		at = mr_os_map(fd, (size_t)about.st_size);
	enum mr_err err = MR_OK;
	if (at == NULL) {
		err = mr_error_errno(error, MR_IO, MR_SPAWN_PROGRAM);
	} else {
		*out = mr_hash64(at, (size_t)about.st_size, 0);
		known = *out;
		mr_os_unmap(at, (size_t)about.st_size);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* In the child. The parent may have died before the prctl: then nobody will send the signal, and
 * nobody is there to be told. */
static void become(const struct mr_spawn *what, pid_t parent, int control, char *const *variables)
{
	char text[24];
	snprintf(text, sizeof text, "%d", (int)parent);
	/* execve(2) changes none of them. */
	char *const arguments[] = {"millrace",
				   (char *)(uintptr_t)what->command,
				   text,
				   (char *)(uintptr_t)what->words[0],
				   (char *)(uintptr_t)what->words[1],
				   (char *)(uintptr_t)what->words[2],
				   NULL};
	reset_signals();
	bool bound = prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0;
	if (bound && getppid() != parent)
		_exit(127);
	if (bound && (what->standard || take_null()) && set_descriptors(what->lock, control))
		execve(MR_SPAWN_PROGRAM, arguments, variables);
	dprintf(STDERR_FILENO, "millrace: error: a %s cannot be started: %s\n", what->command,
		strerror(errno));
	_exit(127);
}

/* Ours, with jemalloc told to ask for large pages; what somebody else tells it comes behind that,
 * and counts. */
static char **with_large_pages(void)
{
	size_t count = 0;
	while (environ[count] != NULL)
		count++;
	const char *told = getenv(ALLOCATOR_OPTIONS);
	char **variables = mr_calloc(count + 2, sizeof *variables);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (strncmp(environ[i], ALLOCATOR_OPTIONS "=", sizeof ALLOCATOR_OPTIONS) != 0)
			variables[kept++] = mr_strdup(environ[i]);
	}
	variables[kept] = mr_asprintf(ALLOCATOR_OPTIONS "=thp:always%s%s", told != NULL ? "," : "",
				      told != NULL ? told : "");
	return variables;
}

static void free_variables(char **variables)
{
	for (size_t i = 0; variables != NULL && variables[i] != NULL; i++)
		free(variables[i]);
	free(variables);
}

bool mr_spawned_by(const char *parent)
{
	int64_t pid;
	return mr_parse_int64(mr_slice(parent), &pid) &&
	       prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == (pid_t)pid;
}

void mr_spawned_stand_back(void)
{
	const struct rlimit none = {0, 0};
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	ssize_t done = fd < 0 ? 0 : write(fd, "1000", 4);
	(void)done;
	if (fd >= 0)
		close(fd);
	setrlimit(RLIMIT_CORE, &none);
}

enum mr_err mr_spawn(const struct mr_spawn *what, pid_t *pid_out, int *control_out,
		     struct mr_error *error)
{
	int pair[2];
	pid_t self = getpid();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return mr_error_errno(error, MR_NO_SPACE, "cannot make a control socket");
	char **variables = what->large_pages ? with_large_pages() : NULL;
	pid_t pid = fork();
	if (pid == 0)
		become(what, self, pair[1], variables != NULL ? variables : environ);
	int reason = errno;
	free_variables(variables);
	close(pair[1]);
	if (pid > 0) {
		*pid_out = pid;
		*control_out = pair[0];
		return MR_OK;
	}
	close(pair[0]);
	errno = reason;
	return mr_error_errno(error, MR_NO_SPACE, "cannot start a %s process", what->command);
}
