/* spawn.h - a fresh exec of this program as a worker, or as what else a supervisor needs. */
#ifndef MILLRACE_SPAWN_H
#define MILLRACE_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "millrace/error.h"

/* The link that a process finds its own program under. Its target goes into `path`, of `size`
 * bytes; where there is none no worker can be started: MR_IO. */
#define MR_SPAWN_PROGRAM "/proc/self/exe"
enum mr_err mr_spawn_program(char *path, size_t size, struct mr_error *error);

struct mr_spawn {
	const char *command;  /* hidden: "worker" */
	const char *words[3]; /* behind the parent's process id; the first NULL ends them */
	int lock;             /* a descriptor that it inherits; -1: there is none */
	bool large_pages; /* its memory is in pages of 2 MiB where the kernel has them, so that a
			     fork of a GiB copies hundreds of entries, not hundreds of thousands */
	bool standard;    /* it keeps standard input and output; else they are the null device */
};
/* What tells this build of the program from all others: what it makes of its own memory's layout,
 * it alone may read. In any thread. MR_IO. */
enum mr_err mr_spawn_program_hash(uint64_t *out, struct mr_error *error);
/* Starts `millrace COMMAND PARENT WORDS`; `control_out` is the supervisor's end of its control
 * socket. MR_NO_SPACE. */
enum mr_err mr_spawn(const struct mr_spawn *what, pid_t *pid_out, int *control_out,
		     struct mr_error *error);
/* In the new process: dies with its parent from here on. False where that is dead already: it may
 * have died between the exec and this. */
bool mr_spawned_by(const char *parent);
/* Of one that the service can do without: where memory runs out the kernel takes it first, and what
 * it has read goes into no core file. Where the kernel has no such thing it does without. */
void mr_spawned_stand_back(void);

#endif
