/* rundir.h - the directory of an incarnation's endpoints: private, and gone once all pairs have
 * met. */
#ifndef MILLRACE_RUNDIR_H
#define MILLRACE_RUNDIR_H

#include <stddef.h>

#include "millrace/error.h"

/* A Unix socket's address holds 107 bytes and a zero (unix(7)). */
#define MR_SOCKET_PATH_MAX 107

struct mr_rundir {
	char *path;
	int fd; /* held open and locked: whoever can lock it knows that its supervisor is dead */
};

/* Makes a fresh one (mode 0700) under $XDG_RUNTIME_DIR, $TMPDIR or /tmp, the first that will have
 * it and whose name leaves room for `name_len` bytes of endpoint names; removes those that dead
 * supervisors left there. MR_CONFIG says what to set where none is fit. */
enum mr_err mr_rundir_make(struct mr_rundir *dir, size_t name_len, struct mr_error *error);
/* Removes it and all in it. Accepts zeroed memory and a removed one. */
void mr_rundir_remove(struct mr_rundir *dir);

#endif
