/* sandbox_filter.c - the lock: which system calls a worker may make (seccomp).
 *
 * Called by worker.c once it is ready; sandbox_call.def has the plain rows. Fails with MR_IO where
 * the kernel refuses the filter. */
#include "sandbox_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define MR_NEEDS_NONE 0

/* Whether rows of this need hold. */
static bool has(unsigned needs, unsigned need)
{
	return need == MR_NEEDS_NONE || (needs & need) != 0;
}

/* The first failure stays: all rules are asked for, one answer is looked at. */
struct rules {
	scmp_filter_ctx filter;
	int failure; /* a negative errno */
};

static void add(struct rules *rules, uint32_t action, int call, unsigned count,
		const struct scmp_arg_cmp *arguments)
{
	int code = seccomp_rule_add_array(rules->filter, action, call, count, arguments);
	if (code != 0 && rules->failure == 0)
		rules->failure = code;
}

static void allow(struct rules *rules, int call)
{
	add(rules, SCMP_ACT_ALLOW, call, 0, NULL);
}

/* Arguments are compared as 64 bits: where the kernel takes an int of which it sees the lower half
 * only, a difference in the upper one refuses, and never allows. */
static struct scmp_arg_cmp is(unsigned argument, uint64_t value)
{
	return (struct scmp_arg_cmp){
	    .arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

static struct scmp_arg_cmp has_bits(unsigned argument, uint64_t mask, uint64_t bits)
{
	return (struct scmp_arg_cmp){
	    .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = bits};
}

static void allow_if(struct rules *rules, int call, struct scmp_arg_cmp argument)
{
	add(rules, SCMP_ACT_ALLOW, call, 1, &argument);
}

static void add_plain(struct rules *rules, unsigned needs)
{
#define CALL(need, name, reason)                                                                   \
	if (has(needs, MR_NEEDS_##need))                                                           \
		allow(rules, SCMP_SYS(name));
#define DEADLY(name, reason)
#include "sandbox_call.def"
#undef CALL
#undef DEADLY
}

/* A handler of ours notes which one it was (on_forbidden), and the process ends. */
static void add_deadly(struct rules *rules)
{
#define CALL(need, name, reason)
#define DEADLY(name, reason)                                                                       \
	if (!mr_sandbox_sanitizer_needs(SCMP_SYS(name)))                                           \
		add(rules, SCMP_ACT_TRAP, SCMP_SYS(name), 0, NULL);
#include "sandbox_call.def"
#undef CALL
#undef DEADLY
}

/* ---- calls that some arguments make harmless ---- */

/* No code is made or loaded any more. */
static void add_memory(struct rules *rules)
{
	allow_if(rules, SCMP_SYS(mmap), has_bits(2, PROT_EXEC, 0));
	allow_if(rules, SCMP_SYS(mmap2), has_bits(2, PROT_EXEC, 0));
	allow_if(rules, SCMP_SYS(mprotect), has_bits(2, PROT_EXEC, 0));
}

/* fstat of the C library is newfstatat on a descriptor and an empty path. */
static void add_descriptors(struct rules *rules)
{
	const int commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,     F_GETFL,
				F_SETFL, F_ADD_SEALS,     F_GET_SEALS, F_GETPIPE_SZ};
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		allow_if(rules, SCMP_SYS(fcntl), is(1, (uint64_t)commands[i]));
	allow(rules, SCMP_SYS(fstat));
	allow_if(rules, SCMP_SYS(newfstatat), has_bits(3, AT_EMPTY_PATH, AT_EMPTY_PATH));
	/* How much waits to be read; not to wait. */
	allow_if(rules, SCMP_SYS(ioctl), is(1, FIONREAD));
	allow_if(rules, SCMP_SYS(ioctl), is(1, FIONBIO));
}

/* abort and the end by SIGSYS signal themselves; limits are read, never set; libcurl
 * minds its own SIGPIPE. */
static void add_process(struct rules *rules)
{
	allow_if(rules, SCMP_SYS(tgkill), is(0, (uint64_t)getpid()));
	add(rules, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
	    (struct scmp_arg_cmp[]){is(0, 0), is(2, 0)});
	allow_if(rules, SCMP_SYS(prctl), is(0, PR_SET_NAME));
	allow_if(rules, SCMP_SYS(prctl), is(0, PR_SET_PDEATHSIG));
	allow_if(rules, SCMP_SYS(rt_sigaction), is(0, SIGPIPE));
	/* A thread of ZeroMQ asks for what it has: it may first run behind the lock. */
	allow_if(rules, SCMP_SYS(sched_setscheduler), is(1, SCHED_OTHER));
	/* Its flags lie in memory, where no filter sees them: the C library then takes clone. */
	add(rules, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
}

/* What says that a file is changed or made by its opening. */
#define WRITING (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

static void add_opening(struct rules *rules, unsigned needs)
{
	if (has(needs, MR_NEEDS_WRITE_FILES)) {
		allow(rules, SCMP_SYS(openat));
		allow(rules, SCMP_SYS(open));
	} else if (has(needs, MR_NEEDS_READ_FILES)) {
		allow_if(rules, SCMP_SYS(openat), has_bits(2, WRITING, 0));
		allow_if(rules, SCMP_SYS(open), has_bits(1, WRITING, 0));
	}
}

#define THREAD ((scmp_datum_t)(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD))
#define NAME_SPACES                                                                                \
	((scmp_datum_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |              \
			CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET))
#define CHILD ((scmp_datum_t)(CLONE_VM | CLONE_THREAD) | NAME_SPACES)

/* Sockets of the internet alone: none of this host's, and none to the kernel. */
static void add_starting(struct rules *rules, unsigned needs)
{
	if (has(needs, MR_NEEDS_NETWORK)) {
		allow_if(rules, SCMP_SYS(socket), is(0, AF_INET));
		allow_if(rules, SCMP_SYS(socket), is(0, AF_INET6));
		allow_if(rules, SCMP_SYS(clone), has_bits(0, THREAD | NAME_SPACES, THREAD));
	}
	if (has(needs, MR_NEEDS_CHILD))
		allow_if(rules, SCMP_SYS(clone), has_bits(0, CHILD, 0));
}

/* ---- the end of one who asks for what is deadly ---- */

static volatile int32_t *last_call; /* of this process */

static void on_forbidden(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (last_call != NULL)
		*last_call = info->si_syscall;
	/* The handler is gone by now: this one ends the process. */
	syscall(SYS_tgkill, getpid(), gettid(), number);
}

static int watch_forbidden(volatile int32_t *noted)
{
	struct sigaction action = {.sa_sigaction = on_forbidden,
				   .sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER)};
	last_call = noted;
	sigemptyset(&action.sa_mask);
	return sigaction(SIGSYS, &action, NULL);
}

/* ---- the lock ---- */

static int load(unsigned needs)
{
	struct rules rules = {.filter = seccomp_init(SCMP_ACT_ERRNO(EPERM))};
	if (rules.filter == NULL)
		return -ENOMEM;
	int code = seccomp_attr_set(rules.filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (code == 0)
		code =
		    seccomp_attr_set(rules.filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A tree, not a list: what a call costs must not hang on its number. */
	if (code == 0)
		code = seccomp_attr_set(rules.filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	add_plain(&rules, needs);
	add_deadly(&rules);
	add_memory(&rules);
	add_descriptors(&rules);
	add_process(&rules);
	add_opening(&rules, needs);
	add_starting(&rules, needs);
	mr_sandbox_sanitizer_rules(rules.filter);
	if (code == 0)
		code = rules.failure;
	if (code == 0)
		code = seccomp_load(rules.filter);
	seccomp_release(rules.filter);
	return code;
}

/* Where there is a lower one, that stays. */
static bool limit(__rlimit_resource_t what, uint64_t most)
{
	struct rlimit is;
	if (getrlimit(what, &is) != 0)
		return false;
	is.rlim_max = is.rlim_max < most ? is.rlim_max : most;
	is.rlim_cur = is.rlim_cur < is.rlim_max ? is.rlim_cur : is.rlim_max;
	return setrlimit(what, &is) == 0;
}

/* Memory holds people's records: it goes into no file. A sanitizer's shadow is memory, too, and it
 * looks for leaks from a thread of its own. */
static bool set_limits(const struct mr_sandbox_policy *policy)
{
	bool starts = has(policy->needs, MR_NEEDS_CHILD) || has(policy->needs, MR_NEEDS_NETWORK);
	bool good = limit(RLIMIT_CORE, 0);
	if (policy->files != 0)
		good = good && limit(RLIMIT_NOFILE, policy->files);
	if (mr_sandbox_sanitized())
		return good;
	if (policy->memory_bytes != 0)
		good = good && limit(RLIMIT_DATA, policy->memory_bytes);
	return good && (starts || limit(RLIMIT_NPROC, 0));
}

enum mr_err mr_sandbox_lock(const struct mr_sandbox_policy *policy, struct mr_error *error)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !set_limits(policy))
		return mr_error_errno(error, MR_IO, "cannot give up privileges");
	enum mr_err err = mr_sandbox_close(policy->needs, error);
	if (err != MR_OK || !mr_sandbox_kernel().seccomp)
		return err;
	if (watch_forbidden(policy->last_call) != 0)
		return mr_error_errno(error, MR_IO, "cannot watch for forbidden system calls");
	int code = load(policy->needs);
	errno = -code;
	return code == 0 ? MR_OK
			 : mr_error_errno(error, MR_IO, "cannot lock the worker in (seccomp)");
}

void mr_sandbox_call_name(int32_t call, char out[static MR_SANDBOX_CALL_NAME])
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
	if (name != NULL)
		snprintf(out, MR_SANDBOX_CALL_NAME, "%s", name);
	else
		snprintf(out, MR_SANDBOX_CALL_NAME, "call %d", (int)call);
	free(name);
}
