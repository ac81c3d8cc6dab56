/* walk.h - the files of a directory and of those in it: in sorted order, each directory once
 * however many links lead to it, without hidden ones. */
#ifndef MILLRACE_COLLECT_WALK_H
#define MILLRACE_COLLECT_WALK_H

#include <sys/stat.h>

#include "millrace/text.h"

struct mr_walk_ops {
	/* A regular file; what is not MR_OK ends the walk. */
	enum mr_err (*file)(void *context, const char *path, const struct stat *status,
			    struct mr_error *error);
	/* A directory, before what is in it. May be NULL. */
	void (*directory)(void *context, const char *path);
	/* What is neither. May be NULL. */
	void (*left_out)(void *context, const char *path, const char *why);
	/* A directory that cannot be read, or lies too deep: the walk goes on behind it. NULL: it
	 * ends there. */
	void (*unread)(void *context, const char *path, const char *why);
};

/* MR_CONFIG where a directory cannot be read, and nobody is told of it. */
enum mr_err mr_walk(const char *path, const struct mr_walk_ops *ops, void *context,
		    struct mr_error *error);

#endif
