/* rundir.c - makes and removes the directory of endpoints, and clears up after dead supervisors.
 *
 * Called by supervisor_start.c, supervisor_words.c, supervisor.c. The lock is an flock of the
 * directory itself: it goes with its holder, however that dies. */
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/folder.h"
#include "millrace/memory.h"

#define PREFIX "millrace-"

static int open_locked(int base, const char *name)
{
	int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Endpoints only: what else lies in there is not ours, and the directory then stays. */
static bool remove_socket(void *context, int folder, const char *name)
{
	struct stat info;
	(void)context;
	if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(info.st_mode))
		unlinkat(folder, name, 0);
	return true;
}

static void empty(int fd)
{
	mr_folder_list(fd, remove_socket, NULL);
}

static bool is_ours(int base, const char *name)
{
	struct stat info;
	return strncmp(name, PREFIX, sizeof PREFIX - 1) == 0 &&
	       strlen(name) == sizeof PREFIX - 1 + 6 &&
	       fstatat(base, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode) &&
	       info.st_uid == geteuid() && (info.st_mode & 07777) == 0700;
}

static bool remove_stale_one(void *context, int base, const char *name)
{
	int fd = is_ours(base, name) ? open_locked(base, name) : -1;
	(void)context;
	if (fd < 0)
		return true;
	empty(fd);
	unlinkat(base, name, AT_REMOVEDIR);
	close(fd);
	return true;
}

/* What is not seen stays until another start. */
static void remove_stale(const char *base_path)
{
	mr_folder_list_path(base_path, remove_stale_one, NULL);
}

/* Between its making and its locking another start may take the directory for a dead one's. */
static bool make_in(const char *base, struct mr_rundir *dir)
{
	for (int tries = 0; tries < 100; tries++) {
		char *path = mr_asprintf("%s/" PREFIX "XXXXXX", base);
		if (mkdtemp(path) == NULL) {
			free(path);
			return false;
		}
		int fd = open_locked(AT_FDCWD, path);
		struct stat held, named;
		if (fd >= 0 && fstat(fd, &held) == 0 && lstat(path, &named) == 0 &&
		    held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
			*dir = (struct mr_rundir){.path = path, .fd = fd};
			return true;
		}
		if (fd >= 0)
			close(fd);
		rmdir(path);
		free(path);
	}
	return false;
}

enum mr_err mr_rundir_make(struct mr_rundir *dir, size_t name_len, struct mr_error *error)
{
	const char *bases[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};
	const char *tried = "";
	for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
		const char *base = bases[i];
		if (base == NULL || *base != '/')
			continue;
		tried = base;
		errno = ENAMETOOLONG;
		if (strlen(base) + sizeof "/" PREFIX "XXXXXX/" - 1 + name_len > MR_SOCKET_PATH_MAX)
			continue;
		remove_stale(base);
		if (make_in(base, dir))
			return MR_OK;
	}
	return mr_error_errno(
	    error, MR_CONFIG,
	    "%s: cannot make a directory for sockets there; set TMPDIR to a short "
	    "path of a directory that can be written",
	    tried);
}

void mr_rundir_remove(struct mr_rundir *dir)
{
	if (dir->path == NULL)
		return;
	empty(dir->fd);
	rmdir(dir->path);
	close(dir->fd);
	free(dir->path);
	*dir = (struct mr_rundir){0};
}
