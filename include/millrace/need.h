/* need.h - what a stage still needs of the system once its worker has locked itself in
 * (PROTOCOL.md 1.1).
 *
 * Declared in struct mr_stage_ops. A worker may do what the stages of its chain need together; one
 * whose stages need nothing can neither open, nor connect, nor bind. */
#ifndef MILLRACE_NEED_H
#define MILLRACE_NEED_H

#include <stddef.h>

enum mr_need {
	MR_NEEDS_READ_FILES = 1 << 0,  /* open and watch files that it was granted */
	MR_NEEDS_WRITE_FILES = 1 << 1, /* make, write, rename and remove them */
	MR_NEEDS_ACCEPT = 1 << 2,      /* take connections on a socket that listens already */
	MR_NEEDS_NETWORK = 1 << 3,     /* connect to other hosts, with a thread to look up names */
	MR_NEEDS_CHILD = 1 << 4        /* fork: a snapshot. Not declared: who has state needs it */
};
#define MR_NEEDS_FILES (MR_NEEDS_READ_FILES | MR_NEEDS_WRITE_FILES)

enum mr_grant_access {
	MR_GRANT_READ, /* the file, or all that lies below the directory */
	MR_GRANT_WRITE /* likewise, and make, rename and remove what lies below the directory */
};

/* The places that a worker may open something at. */
struct mr_grants;
/* Copies the path. One that is not there when the worker begins grants nothing. */
void mr_grant(struct mr_grants *grants, const char *path, enum mr_grant_access access);

#endif
