/* need.h - what a stage still needs of the system once its worker has locked itself in
 * (PROTOCOL.md 1.1).
 *
 * Said by struct mr_stage_ops, before the stage is opened. A worker may do what the stages of its
 * chain need together; one whose stages need nothing can neither open, nor connect, nor bind. */
#ifndef MILLRACE_NEED_H
#define MILLRACE_NEED_H

#include <stddef.h>

enum mr_need {
	MR_NEEDS_READ_FILES = 1 << 0,  /* open and watch files that it was granted */
	MR_NEEDS_WRITE_FILES = 1 << 1, /* make, write, rename and remove them */
	MR_NEEDS_ACCEPT = 1 << 2,      /* take connections on a socket that listens already */
	MR_NEEDS_NETWORK = 1 << 3,     /* connect to other hosts, with a thread to look up names */
	MR_NEEDS_CHILD = 1 << 4        /* fork: the pipeline's, where a stage has state */
};
#define MR_NEEDS_FILES (MR_NEEDS_READ_FILES | MR_NEEDS_WRITE_FILES)

enum mr_access {
	MR_ACCESS_READ, /* the file, or all that lies below the directory */
	MR_ACCESS_MAKE, /* likewise, write it, and make files below the directory; remove none */
	MR_ACCESS_WRITE /* likewise, and make, rename and remove what lies below the directory */
};

/* Zeroed is nothing. */
struct mr_needs {
	unsigned flags; /* enum mr_need */
	struct mr_needs_path {
		char *path;
		enum mr_access access;
	} * paths;
	size_t count;
	size_t capacity;
};
/* A place to open files at, from the stage's opening on. Copies the path. Where nothing is when the
 * worker begins nothing can be opened either: then name the directory. */
void mr_needs_path(struct mr_needs *needs, const char *path, enum mr_access access);
/* Likewise, the directory that the path lies in. */
void mr_needs_beside(struct mr_needs *needs, const char *path, enum mr_access access);
/* Accepts zeroed memory. */
void mr_needs_fini(struct mr_needs *needs);

#endif
