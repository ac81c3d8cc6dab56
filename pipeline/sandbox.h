/* sandbox.h - what a worker locks itself into (PROTOCOL.md 1.1).
 *
 * Order, in a worker: fence before any thread is started, lock once it is ready. In the supervisor:
 * check before any worker starts, blame where one has died.
 *
 * Two locks, since each does what the other cannot. Landlock (fence) knows paths; it holds for the
 * thread that asks for it and those that it starts, so it comes before ZeroMQ's. seccomp (lock)
 * knows system calls, sandbox_call.def says which and why, and holds for all threads. What no
 * policy would ever need ends the worker with SIGSYS: who asks for it is no stage of ours any more.
 * All else that is not allowed fails with EPERM: libraries try this and that, and do without; a new
 * version of one must not make a service of years die of a harmless question. */
#ifndef MILLRACE_SANDBOX_H
#define MILLRACE_SANDBOX_H

#include <stdint.h>

#include "millrace/config.h"
#include "millrace/error.h"
#include "millrace/need.h"

enum mr_sandbox_mode { MR_SANDBOX_AUTO, MR_SANDBOX_REQUIRE, MR_SANDBOX_OFF };

/* What this kernel has. */
struct mr_sandbox_kernel {
	int landlock; /* the version of its interface; 0: none */
	bool seccomp; /* filters, for all threads at once */
};
struct mr_sandbox_kernel mr_sandbox_kernel(void);

/* What this kernel does not have of what the setting asks for, in words; NULL: nothing. */
const char *mr_sandbox_lacks(const struct mr_config *config);
/* The setting. What the kernel lacks is warned of, or, where it is required, MR_CONFIG. */
enum mr_err mr_sandbox_check(const struct mr_config *config, struct mr_error *error);

/* From here on this thread, and each that it starts, opens nothing but what lies at these paths,
 * where the kernel can see to it. MR_IO. */
enum mr_err mr_sandbox_fence(const struct mr_needs *needs, struct mr_error *error);

struct mr_sandbox_policy {
	unsigned needs; /* enum mr_need */
	/* Where the number of the system call that ends the process is left, for the supervisor;
	 * may be NULL. */
	volatile int32_t *last_call;
	/* Limits; 0: what the process has already. A build with a sanitizer has no limit of memory.
	 */
	uint64_t memory_bytes; /* of its own, what was forked not counted */
	uint64_t files;        /* open at once */
};
/* What any process of ours may have: far more than one ever took, and little enough to stop one
 * that has gone mad before the machine runs dry. */
#define MR_SANDBOX_MEMORY (UINT64_C(2) << 30)

/* For all threads, and for good: no new privileges, no core file, the policy's limits, no further
 * process or thread where none is needed, and of system calls only those of the policy. MR_IO. */
enum mr_err mr_sandbox_lock(const struct mr_sandbox_policy *policy, struct mr_error *error);

/* Whether nobody is locked in: as the setting says, or since a sanitizer's report and its search
 * for leaks need more of a whole process than a lock can leave (there test_sandbox.c alone tests
 * it). */
bool mr_sandbox_is_off(const struct mr_config *config);

/* Whether this build has a sanitizer. */
bool mr_sandbox_sanitized(void);

/* The name of a system call of this machine, into `out`; "call N" where it has none. */
#define MR_SANDBOX_CALL_NAME 32
void mr_sandbox_call_name(int32_t call, char out[static MR_SANDBOX_CALL_NAME]);

#endif
