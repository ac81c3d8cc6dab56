/* target.h - the files that a command's results go to.
 *
 * Order: open each, lock it, empty each once all else is known to be right, let the work write, cut
 * each after a failure, close each. One that is written at once is not emptied but replaced. Stages
 * write through descriptors of their own; what is kept here is how to leave nothing behind that
 * could be taken for more than it is. */
#ifndef MILLRACE_TARGET_H
#define MILLRACE_TARGET_H

#include <stdint.h>
#include <sys/types.h>

#include "millrace/text.h"

struct mr_target {
	const char *option; /* NULL: standard output */
	const char *name;   /* for messages */
	int fd;
	bool regular;
	dev_t device;
	ino_t inode;
	uint64_t start; /* what stood in the file before */
};

/* Opens for writing, emptying nothing yet. `path` NULL is standard output. Blocks until a pipe that
 * is named has a reader, and says so. MR_CONFIG. */
enum mr_err mr_target_open(struct mr_target *target, const char *option, const char *path,
			   struct mr_error *error);
/* Whether both are one regular file: writing one would harm the other. */
bool mr_target_is(const struct mr_target *target, dev_t device, ino_t inode);
/* What the command line calls it by, before its name. */
const char *mr_target_option(const struct mr_target *target);
/* For this run alone, so that no two write into each other's lines; of standard output with whoever
 * got it from the same parent. Held until the last copy of the descriptor is closed.
 * Waits up to a second for one that is going. MR_CONFIG: another run has it. */
enum mr_err mr_target_lock(const struct mr_target *target, struct mr_error *error);
/* What an earlier run left in the file goes; not what stands in standard output's. MR_CONFIG. */
enum mr_err mr_target_empty(struct mr_target *target, struct mr_error *error);
/* Of one that is replaced at the end: where a regular file holds nothing, these bytes until then,
 * so that nobody finds it empty. MR_NO_SPACE or MR_IO, and it stays empty. */
enum mr_err mr_target_begin(struct mr_target *target, struct mr_slice bytes,
			    struct mr_error *error);
/* These bytes alone, at once: whoever looks sees what stood there before or all of them. On failure
 * MR_NO_SPACE or MR_IO, and what stood there stays. Where a file can't be renamed over a regular
 * one (its directory is another's, it is mounted) it is written in place, and then what could not
 * be written whole is cut to nothing. */
enum mr_err mr_target_replace(struct mr_target *target, struct mr_slice bytes,
			      struct mr_error *error);
/* Its writer may have died within a line: cut a regular file behind its last whole one. False
 * where a torn line stays. */
bool mr_target_cut(struct mr_target *target);
/* Accepts zeroed memory. */
void mr_target_close(struct mr_target *target);

#endif
