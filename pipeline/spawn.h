/* spawn.h - a fresh exec of this program as a worker. */
#ifndef MILLRACE_SPAWN_H
#define MILLRACE_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "millrace/error.h"

/* The link that a process finds its own program under. Its target goes into `path`, of `size`
 * bytes; where there is none no worker can be started: MR_IO. */
#define MR_SPAWN_PROGRAM "/proc/self/exe"
enum mr_err mr_spawn_program(char *path, size_t size, struct mr_error *error);

/* Starts `millrace worker`; `control_out` is the supervisor's end of its control socket. What a
 * worker reads or writes comes over that: its standard input and output are the null device. It
 * inherits `lock` (-1: there is none). `large_pages`: its memory is in pages of 2 MiB where the
 * kernel has them, so that a fork of a GiB copies hundreds of entries, not hundreds of thousands.
 * MR_NO_SPACE. */
enum mr_err mr_spawn_worker(int lock, bool large_pages, pid_t *pid_out, int *control_out,
			    struct mr_error *error);
/* Likewise `millrace gate`. */
enum mr_err mr_spawn_gate(int lock, pid_t *pid_out, int *control_out, struct mr_error *error);

#endif
