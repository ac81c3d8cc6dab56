/* child.h - the end of a process that this one has started, and may have killed.
 *
 * One that was killed ends at once, unless the kernel has it wait, for a disk or a mount that does
 * not answer. So nobody waits for any without a bound. */
#ifndef MILLRACE_PIPELINE_CHILD_H
#define MILLRACE_PIPELINE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MR_CHILD_GONE_US 2000000 /* one that was killed has ended by then, or is held */

/* Not reaped yet. True for none, 0, too. */
bool mr_child_has_ended(pid_t pid);
/* Reaps it once it has ended, and waits so long for that at most: false where it has not. Then
 * `status_out` is not touched. */
bool mr_child_reap(pid_t pid, int64_t most_us, int *status_out);

#define MR_CHILDREN_LEFT 8

/* Killed, and left to themselves. Zeroed it is none. */
struct mr_children {
	pid_t pids[MR_CHILDREN_LEFT];
	size_t count;
};
/* Kills it; there has to be room (count below MR_CHILDREN_LEFT). */
void mr_child_leave(struct mr_children *children, pid_t pid);
/* Reaps those that have ended; waits for them, so long at most. */
void mr_children_tidy(struct mr_children *children, int64_t most_us);

#endif
