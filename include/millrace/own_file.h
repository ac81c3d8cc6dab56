/* own_file.h - the files that this run writes: it must not read them.
 *
 * Whoever starts a run adds them to the settings ahead of prepare; prepare looks for them among
 * what it reads, so that a result that would go over a rule, a database or a list is refused before
 * anything is emptied, and collect leaves them out of a directory. Compared by device and inode:
 * a link is no other file. A run that goes on says its places, too: there a file may still come. */
#ifndef MILLRACE_OWN_FILE_H
#define MILLRACE_OWN_FILE_H

#include <sys/stat.h>

#include "millrace/config.h"

#define MR_OWN_FILES_MAX 300 /* sinks, and a few of the run's own */

struct mr_own_files {
	const char *texts[MR_OWN_FILES_MAX]; /* borrowed settings */
	size_t count;
};

/* `name` is what the command line calls the file. */
void mr_own_files_add(struct mr_config *config, dev_t device, ino_t inode, const char *name);
/* Borrows the settings. */
void mr_own_files_init(struct mr_own_files *own, const struct mr_config *config);
/* The name of the one that this is, or NULL. */
const char *mr_own_files_name(const struct mr_own_files *own, const struct stat *about);
/* For paths that prepare reads. MR_CONFIG: one of them is of a file that this run writes. What
 * cannot be looked at is for whoever reads it to say. */
enum mr_err mr_own_files_check(const struct mr_config *config, const char *const *paths,
			       size_t count, struct mr_error *error);

/* A folder, all links followed, that a file of this run lies in, or will: `base` is its name there,
 * "" for all that is in the folder. `name` is what the settings call it. */
void mr_own_places_add(struct mr_config *config, const struct stat *folder, const char *base,
		       const char *name);
/* The name of the first in that folder that fits the pattern, or, where it is NULL, that a walk
 * would see; NULL where there is none. */
const char *mr_own_places_name(const struct mr_config *config, const struct stat *folder,
			       const char *pattern);

#endif
