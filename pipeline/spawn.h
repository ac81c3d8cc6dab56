/* spawn.h - a fresh exec of this program as a worker. */
#ifndef MILLRACE_SPAWN_H
#define MILLRACE_SPAWN_H

#include <sys/types.h>

#include "millrace/error.h"

/* Starts `millrace worker`; `control_out` is the supervisor's end of its control socket. With
 * `keeps_stdin` the worker reads our standard input, without it the null device. MR_IO. */
enum mr_err mr_spawn_worker(bool keeps_stdin, pid_t *pid_out, int *control_out,
			    struct mr_error *error);

#endif
