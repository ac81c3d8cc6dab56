/* sandbox_sanitizer.c - what address, leak and thread sanitizers need of a locked worker.
 *
 * Builds without them need nothing. Those with them are for tests, never for service: at its end a
 * process looks for leaks from a thread-like child that stops it by ptrace and reads its maps, and
 * an error is reported with names that another program looks up; refused, it is reported without.
 */
#include "sandbox_parts.h"

#include <errno.h>
#include <seccomp.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#ifdef SANITIZED

bool mr_sandbox_sanitized(void)
{
	return true;
}

bool mr_sandbox_sanitizer_needs(int call)
{
	return call == SCMP_SYS(ptrace) || call == SCMP_SYS(execve);
}

void mr_sandbox_sanitizer_paths(struct mr_needs *needs)
{
	mr_needs_path(needs, "/proc", MR_ACCESS_READ);
}

void mr_sandbox_sanitizer_rules(void *filter)
{
	const int calls[] = {
	    SCMP_SYS(ptrace),     /* the tracer stops all threads */
	    SCMP_SYS(clone),      /* and is a child of its own kind */
	    SCMP_SYS(wait4),      /* which is waited for */
	    SCMP_SYS(prctl),      /* and made known as the one who may trace */
	    SCMP_SYS(openat),     /* /proc/self/maps and task, where Landlock grants them */
	    SCMP_SYS(open),       /* likewise */
	    SCMP_SYS(getdents64), /* likewise */
	    SCMP_SYS(getdents),   /* likewise */
	    SCMP_SYS(pipe),       /* whether an address can be read is tried on one */
	    SCMP_SYS(pipe2),      /* likewise */
	    SCMP_SYS(readlink),   /* the program's own name */
	    SCMP_SYS(readlinkat), /* likewise */
	    SCMP_SYS(kill),       /* the tracer ends */
	    SCMP_SYS(mprotect),   /* stacks and shadow */
	};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		(void)seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
}

#else

bool mr_sandbox_sanitized(void)
{
	return false;
}

bool mr_sandbox_sanitizer_needs(int call)
{
	(void)call;
	return false;
}

void mr_sandbox_sanitizer_paths(struct mr_needs *needs)
{
	(void)needs;
}

void mr_sandbox_sanitizer_rules(void *filter)
{
	(void)filter;
}

#endif
