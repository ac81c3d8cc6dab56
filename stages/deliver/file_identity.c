/* file_identity.c - see file_identity.h. */
#include "file_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/folder.h"
#include "millrace/os.h"

#define LOOKS 3

bool file_identity_of(int fd, struct file_identity *out)
{
	struct statx about;
	*out = (struct file_identity){0};
	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &about) != 0)
		return false;
	out->inode = about.stx_ino;
	if (about.stx_mask & STATX_BTIME)
		out->born_ns = (uint64_t)about.stx_btime.tv_sec * UINT64_C(1000000000) +
			       about.stx_btime.tv_nsec;
	return true;
}

char *file_real_path(const char *path)
{
	char *real = realpath(path, NULL);
	return real != NULL ? real : mr_strdup(path);
}

bool file_rotates(const char *path, const char *state)
{
	char *real = file_real_path(path);
	char *folder = realpath(dirname(real), NULL), *inner = realpath(state, NULL);
	size_t len = folder == NULL ? 0 : strlen(folder);
	bool over = folder == NULL || inner == NULL || len == 1 ||
		    (strncmp(folder, inner, len) == 0 && (inner[len] == 0 || inner[len] == '/'));
	free(inner);
	free(folder);
	free(real);
	return !over;
}

bool file_sync_name(const char *path)
{
	char *real = file_real_path(path);
	bool done = mr_os_sync_parent(real);
	int saved = errno;
	free(real);
	errno = saved;
	return done;
}

int file_make(const char *path, int flags)
{
	int fd = mr_os.openat(AT_FDCWD, path, flags | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0 || file_sync_name(path))
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* -1 with ENOENT: another one. */
static int open_if(int folder, const char *name, const struct file_identity *wanted)
{
	struct stat about;
	struct file_identity is;
	int fd = -1;
	if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode) &&
	    about.st_ino == wanted->inode) {
		fd = mr_os.openat(folder, name, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0);
		if (fd < 0 && errno != ENOENT)
			return -1;
	}
	if (fd >= 0 && file_identity_of(fd, &is) && file_identity_eq(&is, wanted))
		return fd;
	if (fd >= 0)
		close(fd);
	errno = ENOENT;
	return -1;
}

struct look {
	const struct file_identity *wanted;
	int fd;
	int failed; /* errno of the last name */
};

static bool look_at(void *context, int folder, const char *name)
{
	struct look *look = context;
	look->fd = open_if(folder, name, look->wanted);
	look->failed = errno;
	return look->fd < 0 && look->failed == ENOENT;
}

int file_identity_find(const char *path, const struct file_identity *wanted)
{
	char *real = file_real_path(path);
	const char *folder = dirname(real);
	struct look look = {.wanted = wanted, .fd = -1, .failed = ENOENT};
	/* A file whose name changes meanwhile may be overlooked. */
	for (int i = 0; look.fd < 0 && look.failed == ENOENT && i < LOOKS; i++)
		if (!mr_folder_list_path(folder, look_at, &look))
			look.failed = errno;
	free(real);
	errno = look.failed;
	return look.fd;
}
