/* file_identity.h - which file it is, whatever its name: by that one is found again after a
 * rotation.
 *
 * Called by once_file.c. A number is given to another file once its own is removed, so the time of
 * birth belongs to it where the file system has one. The device does not: its number changes when
 * machines start, and a rotation stays in its folder. */
#ifndef MILLRACE_DELIVER_FILE_IDENTITY_H
#define MILLRACE_DELIVER_FILE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

struct file_identity {
	uint64_t inode; /* 0: not known */
	uint64_t born_ns;
};

static inline bool file_identity_eq(const struct file_identity *a, const struct file_identity *b)
{
	return a->inode == b->inode && a->born_ns == b->born_ns;
}

/* False with errno. */
bool file_identity_of(int fd, struct file_identity *out);
/* Opens the regular file that is it in the folder that `path` leads to, whatever its name, to read
 * and append. -1 with errno; ENOENT: it is not there. */
int file_identity_find(const char *path, const struct file_identity *wanted);

/* The name that the path leads to, through links; where nothing is there, the path. To be freed. */
char *file_real_path(const char *path);
/* Whether a file may be moved away from the path: not where the state directory is its folder, or
 * lies in it, because whoever may make files there could forge the books. */
bool file_rotates(const char *path, const char *state);
/* The name of what stands at the path is durable. False with errno. */
bool file_sync_name(const char *path);
/* Opens it with open's flags, makes it where it is not there, its name durable. -1 with errno. */
int file_make(const char *path, int flags);

#endif
