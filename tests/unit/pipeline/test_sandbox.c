/* test_sandbox.c - a process under each policy is asked for what it may and what it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "millrace/text.h"
#include "sandbox.h"
#include "sanitized.h"

#define KILLED (-1) /* by SIGSYS */
#define WAIT_MS 20000

/* Made before any lock. */
static char inside[64];  /* a directory that is granted */
static char outside[64]; /* and one that is not */
static int port;         /* somebody listens there, on 127.0.0.1 */
static int listening;    /* a Unix socket */
static char listener[80];
static int32_t *last_call; /* shared with all children */

static const char *in_dir(const char *directory, const char *name)
{
	static char path[128];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

/* ---- what is asked for: 0, or -1 and errno ---- */

static int done(long result)
{
	return result < 0 ? -1 : 0;
}

static int open_at(const char *directory, int flags)
{
	return done(open(in_dir(directory, "file"), flags | O_CLOEXEC, 0600));
}
static int ask_read_inside(void)
{
	return open_at(inside, O_RDONLY);
}
static int ask_read_outside(void)
{
	return open_at(outside, O_RDONLY);
}
static int ask_write_inside(void)
{
	return open_at(inside, O_WRONLY);
}
static int ask_write_outside(void)
{
	return open_at(outside, O_WRONLY);
}
static int ask_create_inside(void)
{
	return done(open(in_dir(inside, "new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}
static int ask_create_outside(void)
{
	return done(open(in_dir(outside, "new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}
static int ask_temporary_inside(void)
{
	return done(open(inside, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}
static int ask_unlink_outside(void)
{
	return unlink(in_dir(outside, "file"));
}
static int ask_rename_inside(void)
{
	char from[128];
	snprintf(from, sizeof from, "%s", in_dir(inside, "file"));
	return rename(from, in_dir(inside, "renamed"));
}
static int ask_rename_out(void)
{
	char from[128];
	snprintf(from, sizeof from, "%s", in_dir(inside, "file"));
	return rename(from, in_dir(outside, "renamed"));
}
/* Of the lock of the state directory every worker has the descriptor. */
static int ask_unlock(void)
{
	return flock(STDERR_FILENO, LOCK_UN);
}
static int ask_stat(void)
{
	struct stat about;
	return stat(in_dir(inside, "file"), &about);
}
static int ask_watch(void)
{
	int fd = inotify_init1(IN_CLOEXEC);
	return fd < 0 ? -1 : done(inotify_add_watch(fd, inside, IN_CREATE));
}
static int ask_socket(void)
{
	return done(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}
static int ask_local_socket(void)
{
	return done(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int spare; /* a socket that was there before the lock */

static int ask_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	return connect(spare, (struct sockaddr *)&to, sizeof to);
}
static int ask_bind(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	return bind(spare, (struct sockaddr *)&at, sizeof at);
}
static int ask_listen(void)
{
	return listen(spare, 1);
}
static int ask_accept(void)
{
	return done(accept4(listening, NULL, NULL, SOCK_CLOEXEC));
}
static int ask_exec(void)
{
	char *arguments[] = {"true", NULL};
	return execv("/bin/true", arguments);
}
static int ask_ptrace(void)
{
	return done(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}
static int ask_other_memory(void)
{
	char byte;
	struct iovec own = {&byte, 1}, others = {last_call, 1};
	return done(process_vm_readv(getppid(), &own, 1, &others, 1, 0));
}
static int ask_mount(void)
{
	return done(syscall(SYS_mount, "none", inside, "tmpfs", 0, NULL));
}
static int ask_name_space(void)
{
	return unshare(CLONE_NEWUSER);
}
static int ask_ring(void)
{
	return done(syscall(SYS_io_uring_setup, 1, NULL));
}
static int ask_kill_parent(void)
{
	return kill(getppid(), SIGCONT);
}
static int ask_timer(void)
{
	const struct itimerval none = {.it_value = {0}};
	return setitimer(ITIMER_REAL, &none, NULL);
}
static int ask_fork(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid < 0 || waitpid(pid, NULL, 0) != pid ? -1 : 0;
}
static int ask_handler(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	return sigaction(SIGSYS, &ignore, NULL);
}
static int ask_code(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return at == MAP_FAILED ? -1 : 0;
}
static int ask_memory(void)
{
	void *at = malloc(64 << 20);
	if (at == NULL)
		return -1;
	memset(at, 1, 64 << 20);
	free(at);
	return 0;
}

/* A word from the supervisor, with a descriptor. */
static int ask_descriptor(void)
{
	int pair[2];
	char byte = 0;
	char space[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = space,
				 .msg_controllen = sizeof space};
	pair[0] = spare; /* one end of a pair, here */
	return recvmsg(pair[0], &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message) != NULL
		   ? 0
		   : -1;
}

/* As ZeroMQ's threads begin. */
static int ask_usual_scheduling(void)
{
	struct sched_param parameters;
	int policy;
	int code = pthread_getschedparam(pthread_self(), &policy, &parameters);
	if (code == 0)
		code = pthread_setschedparam(pthread_self(), policy, &parameters);
	errno = code;
	return code == 0 ? 0 : -1;
}
static int ask_other_scheduling(void)
{
	return sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
}

static void *nothing(void *unused)
{
	return unused;
}
static int ask_thread(void)
{
	pthread_t thread;
	int code = pthread_create(&thread, NULL, nothing, NULL);
	if (code == 0)
		return pthread_join(thread, NULL);
	errno = code;
	return -1;
}

/* More descriptors than LIMIT_FILES. */
#define LIMIT_FILES 40
static int ask_many_files(void)
{
	for (int i = 0; i < LIMIT_FILES; i++)
		if (fcntl(spare, F_DUPFD_CLOEXEC, 0) < 0)
			return -1;
	return 0;
}

/* ---- asking under a policy ---- */

static uint64_t limit_memory; /* of all policies to come */
static uint64_t limit_files;
/* What a policy that writes is granted inside. */
static enum mr_access writers = MR_ACCESS_WRITE;

struct question {
	unsigned needs;
	int (*ask)(void);
	bool by_thread; /* by one that was there before the lock */
};

struct asked {
	const struct question *question;
	pthread_barrier_t locked;
	int outcome;
};

static void *answer(void *context)
{
	struct asked *asked = context;
	if (asked->question->by_thread)
		pthread_barrier_wait(&asked->locked);
	asked->outcome = asked->question->ask() == 0 ? 0 : errno;
	return NULL;
}

static void prepare_spare(const struct question *question)
{
	if (question->ask != ask_descriptor) {
		spare = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		return;
	}
	int pair[2];
	char byte = 1;
	char space[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = space,
				 .msg_controllen = sizeof space};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		_exit(200);
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	*head = (struct cmsghdr){
	    .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(head), &pair[1], sizeof(int));
	if (sendmsg(pair[1], &message, 0) != 1)
		_exit(200);
	spare = pair[0];
}

static void be_asked(const struct question *question)
{
	struct mr_error error = {0};
	struct mr_needs needs = {0};
	struct asked asked = {.question = question};
	pthread_t thread;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	prepare_spare(question);
	mr_needs_path(&needs, inside,
		      (question->needs & MR_NEEDS_WRITE_FILES) != 0 ? writers : MR_ACCESS_READ);
	mr_needs_path(&needs, "/nowhere/at/all", MR_ACCESS_READ);
	if ((question->needs & MR_NEEDS_FILES) != 0 && mr_sandbox_fence(&needs, &error) != MR_OK) {
		fprintf(stderr, "%s\n", error.text);
		_exit(200);
	}
	pthread_barrier_init(&asked.locked, NULL, 2);
	if (question->by_thread && pthread_create(&thread, NULL, answer, &asked) != 0)
		_exit(200);
	const struct mr_sandbox_policy policy = {question->needs, last_call, limit_memory,
						 limit_files};
	if (mr_sandbox_lock(&policy, &error) != MR_OK) {
		fprintf(stderr, "%s\n", error.text);
		_exit(200);
	}
	if (question->by_thread) {
		pthread_barrier_wait(&asked.locked);
		pthread_join(thread, NULL);
	} else {
		answer(&asked);
	}
	_exit(asked.outcome);
}

/* 0, an errno, or KILLED. */
static int outcome(unsigned needs, int (*ask)(void), bool by_thread)
{
	const struct question question = {needs, ask, by_thread};
	int status;
	*last_call = -1;
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		be_asked(&question);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return KILLED;
	}
	assert_int_not_equal(WEXITSTATUS(status), 200);
	return WEXITSTATUS(status);
}

static int can(unsigned needs, int (*ask)(void))
{
	return outcome(needs, ask, false);
}

/* ---- the tests ---- */

#define READS MR_NEEDS_READ_FILES
#define WRITES (MR_NEEDS_READ_FILES | MR_NEEDS_WRITE_FILES)

static const unsigned policies[] = {
    0,
    MR_NEEDS_CHILD,
    READS | MR_NEEDS_ACCEPT,
    WRITES | MR_NEEDS_ACCEPT | MR_NEEDS_CHILD,
    WRITES | MR_NEEDS_NETWORK,
};
#define POLICIES (sizeof policies / sizeof *policies)

static void test_deadly_everywhere(void **unused)
{
	const struct {
		int (*ask)(void);
		const char *name;
		bool sanitizers; /* need it themselves */
	} deadly[] = {
	    {ask_exec, "execve", true},
	    {ask_ptrace, "ptrace", true},
	    {ask_other_memory, "process_vm_readv", false},
	    {ask_mount, "mount", false},
	    {ask_name_space, "unshare", false},
	    {ask_ring, "io_uring_setup", false},
	};
	(void)unused;
	for (size_t i = 0; i < POLICIES; i++) {
		for (size_t k = 0; k < sizeof deadly / sizeof *deadly; k++) {
			char name[MR_SANDBOX_CALL_NAME];
			if (SANITIZED && deadly[k].sanitizers)
				continue;
			assert_int_equal(outcome(policies[i], deadly[k].ask, k % 2 == 1), KILLED);
			mr_sandbox_call_name(*last_call, name);
			assert_string_equal(name, deadly[k].name);
		}
	}
}

static void test_refused_everywhere(void **unused)
{
	int (*const asks[])(void) = {ask_bind,    ask_listen, ask_local_socket,     ask_kill_parent,
				     ask_handler, ask_code,   ask_other_scheduling, ask_unlock};
	(void)unused;
	for (size_t i = 0; i < POLICIES; i++)
		for (size_t k = 0; k < sizeof asks / sizeof *asks; k++)
			for (int by_thread = 0; by_thread < 2; by_thread++)
				if (!SANITIZED || asks[k] != ask_kill_parent)
					assert_int_equal(
					    outcome(policies[i], asks[k], by_thread != 0), EPERM);
}

static void test_allowed_everywhere(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < POLICIES; i++) {
		assert_int_equal(can(policies[i], ask_memory), 0);
		assert_int_equal(can(policies[i], ask_descriptor), 0);
		assert_int_equal(outcome(policies[i], ask_usual_scheduling, true), 0);
	}
}

/* Parse, enrich, detect; and correlate, which forks. */
static void test_sealed(void **unused)
{
	int (*const asks[])(void) = {ask_create_inside, ask_unlink_outside, ask_rename_inside,
				     ask_watch,         ask_socket,         ask_connect,
				     ask_accept};
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < sizeof asks / sizeof *asks; k++) {
			int code = can(policies[i], asks[k]);
			assert_true(code == EPERM || (SANITIZED && code == EACCES));
		}
		assert_int_equal(can(policies[i], ask_read_inside), SANITIZED ? EACCES : EPERM);
		if (!SANITIZED) {
			assert_int_equal(can(policies[i], ask_thread), EPERM);
			assert_int_equal(outcome(policies[i], ask_read_inside, true), EPERM);
			assert_int_equal(can(policies[i], ask_stat), EPERM);
		}
	}
	if (!SANITIZED)
		assert_int_equal(can(0, ask_fork), EPERM);
	assert_int_equal(can(MR_NEEDS_CHILD, ask_fork), 0);
	assert_int_equal(can(0, ask_timer), EPERM);
	assert_int_equal(can(MR_NEEDS_CHILD, ask_timer), 0); /* one that hangs ends itself */
}

static bool has_landlock(void)
{
	return mr_sandbox_kernel().landlock > 0;
}

static void test_reader(void **unused)
{
	const unsigned needs = READS | MR_NEEDS_ACCEPT;
	(void)unused;
	assert_int_equal(can(needs, ask_read_inside), 0);
	assert_int_equal(can(needs, ask_stat), 0);
	assert_int_equal(can(needs, ask_watch), 0);
	assert_int_equal(can(needs, ask_socket), EPERM);
	assert_int_equal(can(needs, ask_connect), EPERM);
	assert_int_equal(can(needs, ask_unlink_outside), EPERM);
	if (!SANITIZED) {
		assert_int_equal(can(needs, ask_write_inside), EPERM);
		assert_int_equal(can(needs, ask_create_inside), EPERM);
		assert_int_equal(can(needs, ask_temporary_inside), EPERM);
	}
	if (!has_landlock())
		skip();
	for (int by_thread = 0; by_thread < 2; by_thread++)
		assert_int_equal(outcome(needs, ask_read_outside, by_thread != 0), EACCES);
}

/* A sender that waits there is let in. */
static void test_accept(void **unused)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int sender = socket(AF_UNIX, SOCK_STREAM, 0);
	(void)unused;
	snprintf(to.sun_path, sizeof to.sun_path, "%s", listener);
	assert_int_equal(connect(sender, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(can(WRITES | MR_NEEDS_NETWORK, ask_accept), EPERM);
	assert_int_equal(can(READS | MR_NEEDS_ACCEPT, ask_accept), 0);
	close(sender);
}

static void test_writer(void **unused)
{
	const unsigned needs = WRITES | MR_NEEDS_CHILD;
	(void)unused;
	assert_int_equal(can(needs, ask_create_inside), 0);
	assert_int_equal(can(needs, ask_temporary_inside), 0);
	assert_int_equal(can(needs, ask_write_inside), 0);
	assert_int_equal(can(needs, ask_rename_inside), 0);
	close(open(in_dir(inside, "file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(can(needs, ask_connect), EPERM);
	assert_int_equal(can(needs, ask_socket), EPERM);
	if (!has_landlock())
		skip();
	for (int by_thread = 0; by_thread < 2; by_thread++) {
		assert_int_equal(outcome(needs, ask_read_outside, by_thread != 0), EACCES);
		assert_int_equal(outcome(needs, ask_write_outside, by_thread != 0), EACCES);
		assert_int_equal(outcome(needs, ask_create_outside, by_thread != 0), EACCES);
		assert_int_equal(outcome(needs, ask_unlink_outside, by_thread != 0), EACCES);
	}
	assert_int_equal(can(needs, ask_rename_out), EACCES);
}

static int ask_unlink_inside(void)
{
	return unlink(in_dir(inside, "file"));
}

/* Who makes files in a folder, for a rotation, and removes none. */
static void test_maker(void **unused)
{
	(void)unused;
	if (!has_landlock())
		skip();
	writers = MR_ACCESS_MAKE;
	assert_int_equal(can(WRITES, ask_create_inside), 0);
	assert_int_equal(can(WRITES, ask_write_inside), 0);
	assert_int_equal(can(WRITES, ask_rename_inside), EACCES);
	assert_int_equal(can(WRITES, ask_unlink_inside), EACCES);
	assert_int_equal(can(WRITES, ask_create_outside), EACCES);
	assert_int_equal(can(WRITES, ask_write_outside), EACCES);
	writers = MR_ACCESS_WRITE;
	assert_int_equal(can(WRITES, ask_unlink_inside), 0);
	close(open(in_dir(inside, "file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void test_network(void **unused)
{
	const unsigned needs = WRITES | MR_NEEDS_NETWORK;
	(void)unused;
	assert_int_equal(can(needs, ask_socket), 0);
	assert_int_equal(can(needs, ask_connect), 0);
	assert_int_equal(can(needs, ask_thread), 0);
	if (!SANITIZED)
		assert_int_equal(can(needs, ask_fork), EPERM);
}

/* Memory holds records: no file gets it. */
static int ask_core_limit(void)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? 0 : -1;
}
static int ask_more_core(void)
{
	struct rlimit limit = {1, 1};
	return setrlimit(RLIMIT_CORE, &limit);
}
static int ask_process_limit(void)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_max == 0 ? 0 : -1;
}
static int ask_no_new_privileges(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -1;
}

static void test_limits(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < POLICIES; i++) {
		assert_int_equal(can(policies[i], ask_core_limit), 0);
		assert_int_equal(can(policies[i], ask_more_core), EPERM);
		assert_int_not_equal(can(policies[i], ask_no_new_privileges), KILLED);
		bool starts = (policies[i] & (MR_NEEDS_CHILD | MR_NEEDS_NETWORK)) != 0;
		if (!SANITIZED && !starts)
			assert_int_equal(can(policies[i], ask_process_limit), 0);
	}
}

static void test_memory_and_files(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < POLICIES; i++) {
		assert_int_equal(can(policies[i], ask_many_files), 0);
		limit_files = LIMIT_FILES;
		assert_int_equal(can(policies[i], ask_many_files), EMFILE);
		limit_files = 0;
		if (SANITIZED)
			continue;
		limit_memory = UINT64_C(32) << 20;
		assert_int_equal(can(policies[i], ask_memory), ENOMEM);
		limit_memory = UINT64_C(1) << 30;
		assert_int_equal(can(policies[i], ask_memory), 0);
		limit_memory = 0;
	}
}

static int make_places(void **unused)
{
	const char *const directories[] = {inside, outside};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	socklen_t len = sizeof at;
	(void)unused;
	snprintf(inside, sizeof inside, "/tmp/millrace-inside-XXXXXX");
	snprintf(outside, sizeof outside, "/tmp/millrace-outside-XXXXXX");
	if (mkdtemp(inside) == NULL || mkdtemp(outside) == NULL)
		return -1;
	for (int i = 0; i < 2; i++)
		close(open(in_dir(directories[i], "file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server, (struct sockaddr *)&at, sizeof at) != 0 || listen(server, 64) != 0 ||
	    getsockname(server, (struct sockaddr *)&at, &len) != 0)
		return -1;
	port = ntohs(at.sin_port);
	snprintf(listener, sizeof listener, "%s/socket", inside);
	snprintf(local.sun_path, sizeof local.sun_path, "%s", listener);
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listening, (struct sockaddr *)&local, sizeof local) != 0 ||
	    listen(listening, 64) != 0)
		return -1;
	last_call = mmap(NULL, sizeof *last_call, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return last_call == MAP_FAILED ? -1 : 0;
}

static int remove_places(void **unused)
{
	const char *const names[] = {"file", "new", "renamed", "socket"};
	(void)unused;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		unlink(in_dir(inside, names[i]));
		unlink(in_dir(outside, names[i]));
	}
	return rmdir(inside) + rmdir(outside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_deadly_everywhere),
	    cmocka_unit_test(test_refused_everywhere),
	    cmocka_unit_test(test_allowed_everywhere),
	    cmocka_unit_test(test_sealed),
	    cmocka_unit_test(test_reader),
	    cmocka_unit_test(test_accept),
	    cmocka_unit_test(test_writer),
	    cmocka_unit_test(test_maker),
	    cmocka_unit_test(test_network),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_memory_and_files),
	};
	if (!mr_sandbox_kernel().seccomp)
		return 77;
	return cmocka_run_group_tests(tests, make_places, remove_places);
}
