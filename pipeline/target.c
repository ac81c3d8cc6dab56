/* target.c - opens, empties, replaces, cuts the files that a command's results go to.
 *
 * Called by cmd_scan.c. Fails with MR_CONFIG before the work, MR_NO_SPACE or MR_IO after it. */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "millrace/log.h"
#include "millrace/os.h"

#define WAIT_US 1000000 /* how long it is waited for another's lock, and for a reader */
#define WAIT_MS 10
#define WINDOW_BYTES (64 << 10)

/* A pipe opens for whoever writes it when somebody reads it. */
static bool lacks_reader(const char *path)
{
	struct stat about;
	return errno == ENXIO && stat(path, &about) == 0 && S_ISFIFO(about.st_mode);
}

/* Readers are started at the same time: only one that is long in coming is worth a word. While it
 * is waited for, a signal ends this process as it does one that works. */
static int open_path(const char *option, const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
	int64_t until_us = mr_clock_us() + WAIT_US;
	int fd;
	while ((fd = open(path, flags | O_NONBLOCK, 0666)) < 0 && lacks_reader(path)) {
		if (mr_clock_us() >= until_us) {
			mr_log(MR_LOG_WARNING,
			       "%s %s: a pipe that nobody reads: waiting for a reader", option,
			       path);
			return open(path, flags, 0666);
		}
		poll(NULL, 0, WAIT_MS);
	}
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

enum mr_err mr_target_open(struct mr_target *target, const char *option, const char *path,
			   struct mr_error *error)
{
	struct stat about;
	*target =
	    (struct mr_target){.option = option, .name = path != NULL ? path : "standard output"};
	if (path == NULL)
		target->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		target->fd = open_path(option, path);
	if (target->fd < 0 || fstat(target->fd, &about) != 0) {
		if (path == NULL)
			return mr_error_errno(error, MR_CONFIG,
					      "standard output cannot be written to");
		return mr_error_errno(error, MR_CONFIG, "%s %s: cannot be opened for writing",
				      option, path);
	}
	target->regular = S_ISREG(about.st_mode);
	target->device = about.st_dev;
	target->inode = about.st_ino;
	if (target->regular && path == NULL) {
		int flags = fcntl(target->fd, F_GETFL);
		off_t at = lseek(target->fd, 0, SEEK_CUR);
		bool appends = flags >= 0 && (flags & O_APPEND) != 0;
		target->start = appends || at < 0 ? (uint64_t)about.st_size : (uint64_t)at;
	}
	return MR_OK;
}

bool mr_target_is(const struct mr_target *target, dev_t device, ino_t inode)
{
	return target->regular && target->device == device && target->inode == inode;
}

const char *mr_target_option(const struct mr_target *target)
{
	return target->option != NULL ? target->option : "redirected";
}

/* The lock is the open file's (fcntl(2), open file description locks): it goes when the last
 * process that holds the descriptor, or a copy of it, has ended, and has nothing to do with one
 * that flock(1) takes. It is never given back: of standard output it is also that of whoever got
 * the same one, who may still write. False where another's is in the way; a file system that knows
 * no such lock is no reason not to write. */
static bool lock(const struct mr_target *target)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return fcntl(target->fd, F_OFD_SETLK, &whole) == 0 || (errno != EAGAIN && errno != EACCES);
}

/* The workers of a supervisor that was killed may take a moment to end. */
enum mr_err mr_target_lock(const struct mr_target *target, struct mr_error *error)
{
	int64_t until_us = mr_clock_us() + WAIT_US;
	if (!target->regular)
		return MR_OK;
	while (!lock(target)) {
		if (mr_clock_us() >= until_us)
			return mr_error_set(error, MR_CONFIG,
					    "%s %s: another process is writing to it",
					    mr_target_option(target), target->name);
		poll(NULL, 0, WAIT_MS);
	}
	return MR_OK;
}

/* With pwrite, since what may be written in place later begins at the descriptor's offset. */
enum mr_err mr_target_begin(struct mr_target *target, struct mr_slice bytes, struct mr_error *error)
{
	struct stat about;
	if (!target->regular || fstat(target->fd, &about) != 0 || about.st_size > 0)
		return MR_OK;
	if (mr_os_pwrite_all(target->fd, bytes, 0))
		return MR_OK;
	mr_error_errno(error, mr_error_of_write(errno), "%s %s: cannot be written", target->option,
		       target->name);
	mr_target_empty(target, NULL);
	return error->code;
}

/* One that is empty is left alone: what was emptied, ext4 writes out when it is closed: 0.2 s of
 * wall clock at the end of two million events, for their alerts. */
enum mr_err mr_target_empty(struct mr_target *target, struct mr_error *error)
{
	struct stat about;
	if (!target->regular || target->option == NULL ||
	    (fstat(target->fd, &about) == 0 && about.st_size == 0) || ftruncate(target->fd, 0) == 0)
		return MR_OK;
	return mr_error_errno(error, MR_CONFIG, "%s %s: cannot be emptied", target->option,
			      target->name);
}

/* ---- all at once ---- */

/* The file under its last name, not a link to it; owner and mode stay. False with errno. */
static bool rename_over(const struct mr_target *target, struct mr_slice bytes)
{
	struct stat about;
	char *path = realpath(target->name, NULL);
	if (path == NULL)
		return false;
	char *beside = mr_asprintf("%s.XXXXXX", path);
	int fd = mkostemp(beside, O_CLOEXEC);
	bool good = fd >= 0 && fstat(target->fd, &about) == 0 &&
		    fchown(fd, about.st_uid, about.st_gid) == 0 &&
		    fchmod(fd, about.st_mode & 07777) == 0 && mr_os_write_all(fd, bytes);
	if (fd >= 0)
		good = close(fd) == 0 && good;
	good = good && rename(beside, path) == 0;
	int number = errno;
	if (fd >= 0 && !good)
		unlink(beside);
	free(beside);
	free(path);
	errno = number;
	return good;
}

enum mr_err mr_target_replace(struct mr_target *target, struct mr_slice bytes,
			      struct mr_error *error)
{
	bool good = target->regular && rename_over(target, bytes);
	bool full = target->regular && !good && mr_error_of_write(errno) == MR_NO_SPACE;
	if (good ||
	    (!full && mr_target_empty(target, NULL) == MR_OK && mr_os_write_all(target->fd, bytes)))
		return MR_OK;
	mr_error_errno(error, mr_error_of_write(errno), "%s %s: cannot be written", target->option,
		       target->name);
	if (!full)
		mr_target_empty(target, NULL);
	return error->code;
}

/* ---- a torn line ---- */

/* Behind the last line end in [from, size); `from` where there is none; -1 where it can't be read.
 */
static off_t last_line_end(int fd, off_t from, off_t size)
{
	char window[WINDOW_BYTES];
	while (size > from) {
		size_t len = size - from < WINDOW_BYTES ? (size_t)(size - from) : WINDOW_BYTES;
		ssize_t got = pread(fd, window, len, size - (off_t)len);
		if (got != (ssize_t)len)
			return -1;
		const char *end = memrchr(window, '\n', len);
		size -= (off_t)len;
		if (end != NULL)
			return size + (end - window) + 1;
	}
	return from;
}

/* The file may be open for writing only: it is opened once more to be read. */
bool mr_target_cut(struct mr_target *target)
{
	char path[64];
	struct stat about;
	if (!target->regular || fstat(target->fd, &about) != 0 ||
	    (uint64_t)about.st_size <= target->start)
		return true;
	snprintf(path, sizeof path, "/proc/self/fd/%d", target->fd);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t end = fd < 0 ? -1 : last_line_end(fd, (off_t)target->start, about.st_size);
	if (fd >= 0)
		close(fd);
	return end == about.st_size || (end >= 0 && ftruncate(target->fd, end) == 0);
}

void mr_target_close(struct mr_target *target)
{
	if (target->name != NULL && target->fd >= 0)
		close(target->fd);
	*target = (struct mr_target){0};
}
