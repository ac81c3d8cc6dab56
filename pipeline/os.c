/* os.c - the kernel's calls in their table, and writing to the end. Called by whoever keeps files
 * that must last. */
#include "millrace/os.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/alive.h"

#define REWRITE_BYTES (256u << 10)
#define PAST_CACHE_BYTES (4u << 20)
#define SEAL_TRIES 200u
#define SEAL_PAUSE_US 10000

/* The library's takes its mode as a variable argument. */
static int open_at(int directory, const char *path, int flags, mode_t mode)
{
	return openat(directory, path, flags, mode);
}

struct mr_os mr_os = {
    .openat = open_at,
    .pread = pread,
    .readdir = readdir,
    .write = write,
    .pwrite = pwrite,
    .fsync = fsync,
    .fdatasync = fdatasync,
    .ftruncate = ftruncate,
    .renameat = renameat,
    .unlinkat = unlinkat,
    .mkdirat = mkdirat,
    .fstatfs = fstatfs,
    .linkat = linkat,
};

/* How many bytes went, 0 where the call is to be made again, -1 with errno. */
static ssize_t taken(ssize_t done)
{
	if (done < 0 && errno == EINTR)
		return 0;
	if (done == 0) {
		errno = ENOSPC;
		return -1;
	}
	return done;
}

bool mr_os_write_all(int fd, struct mr_slice bytes)
{
	while (bytes.len > 0) {
		ssize_t done = taken(mr_os.write(fd, bytes.at, bytes.len));
		if (done < 0)
			return false;
		bytes.at += done;
		bytes.len -= (size_t)done;
	}
	return true;
}

/* Whole pages, as far as they are taken; how many bytes that was. */
static size_t write_pages(int fd, struct mr_slice bytes)
{
	size_t done = 0, whole = bytes.len - bytes.len % MR_OS_PAGE_BYTES;
	while (done < whole) {
		size_t len = whole - done < PAST_CACHE_BYTES ? whole - done : PAST_CACHE_BYTES;
		ssize_t took = mr_os.write(fd, bytes.at + done, len);
		if (took < 0 && errno == EINTR)
			continue;
		done += took > 0 ? (size_t)took : 0;
		if (took <= 0 || (size_t)took % MR_OS_PAGE_BYTES != 0)
			break;
	}
	return done;
}

/* What is not taken past the cache, for whatever reason, goes through it. */
bool mr_os_write_past_cache(int fd, struct mr_slice bytes)
{
	int flags = fcntl(fd, F_GETFL);
	bool pages = bytes.len >= PAST_CACHE_BYTES && (uintptr_t)bytes.at % MR_OS_PAGE_BYTES == 0;
	if (pages && flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0) {
		size_t done = write_pages(fd, bytes);
		bytes = (struct mr_slice){bytes.at + done, bytes.len - done};
		if (fcntl(fd, F_SETFL, flags) != 0)
			return false;
	}
	return mr_os_write_all(fd, bytes);
}

bool mr_os_pwrite_all(int fd, struct mr_slice bytes, uint64_t at)
{
	while (bytes.len > 0) {
		ssize_t done = taken(mr_os.pwrite(fd, bytes.at, bytes.len, (off_t)at));
		if (done < 0)
			return false;
		bytes.at += done;
		bytes.len -= (size_t)done;
		at += (uint64_t)done;
	}
	return true;
}

const char *mr_os_map(int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

void mr_os_unmap(const char *bytes, size_t size)
{
	munmap((void *)(uintptr_t)bytes, size);
}

/* Where the kernel moves or tidies pages it holds them for a moment: it waits for that itself, but
 * on a busy machine not always long enough, and then says EBUSY. */
bool mr_os_seal(int fd)
{
	static const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	int done = fcntl(fd, F_ADD_SEALS, seals);
	for (unsigned tries = 1; done != 0 && errno == EBUSY && tries < SEAL_TRIES; tries++) {
		usleep(SEAL_PAUSE_US);
		done = fcntl(fd, F_ADD_SEALS, seals);
	}
	return done == 0;
}

enum mr_read mr_os_read(int fd, char *out, size_t len, uint64_t at, size_t *done_out)
{
	size_t done = 0;
	ssize_t got = 1;
	while (done < len && got != 0) {
		got = mr_os.pread(fd, out + done, len - done, (off_t)(at + done));
		if (got < 0 && errno != EINTR)
			break;
		done += got > 0 ? (size_t)got : 0;
	}
	if (done_out != NULL)
		*done_out = done;
	if (got < 0)
		return MR_READ_FAILED;
	return done == len ? MR_READ_WHOLE : MR_READ_SHORT;
}

static bool rewrite(int fd, char *piece, uint64_t from, uint64_t to)
{
	while (from < to) {
		size_t len = to - from < REWRITE_BYTES ? (size_t)(to - from) : REWRITE_BYTES;
		enum mr_read read = mr_os_read(fd, piece, len, from, NULL);
		if (read == MR_READ_SHORT)
			errno = EIO;
		if (read != MR_READ_WHOLE)
			return false;
		if (!mr_os_pwrite_all(fd, (struct mr_slice){piece, len}, from))
			return false;
		from += len;
		mr_alive();
	}
	return true;
}

/* Linux appends what is written at a place, too, where a file is open to append (pwrite(2)). */
bool mr_os_rewrite(int fd, uint64_t from, uint64_t to)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_APPEND) != 0)
		return false;
	char *piece = mr_malloc(REWRITE_BYTES);
	bool done = rewrite(fd, piece, from, to);
	int saved = errno;
	free(piece);
	if (fcntl(fd, F_SETFL, flags) != 0)
		return false;
	errno = saved;
	return done;
}

bool mr_os_sync_directory(int directory)
{
	return mr_os.fsync(directory) == 0;
}

bool mr_os_sync_parent(const char *path)
{
	char *copy = mr_strdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && mr_os_sync_directory(fd);
	int saved = errno;
	if (fd >= 0)
		close(fd);
	free(copy);
	errno = saved;
	return done;
}

int mr_os_enter(const char *path)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int fd = mr_os.openat(AT_FDCWD, path, flags, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mr_os.mkdirat(AT_FDCWD, path, 0700) != 0 && errno != EEXIST)
		return -1;
	if (mr_os_sync_parent(path))
		return mr_os.openat(AT_FDCWD, path, flags, 0);
	int reason = errno;
	/* The next who finds it there takes it for durable. */
	unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
	errno = reason;
	return -1;
}
