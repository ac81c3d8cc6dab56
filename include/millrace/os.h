/* os.h - the calls through which files that must last are made, written and made durable.
 *
 * Journal, manifest, snapshots, ledger and spools go through this one table, so that a test can let
 * each single call fail as a full or a broken disk does (tests/unit/os_faults.h). Each entry is the
 * system call of its name, and the library's readdir. A file or folder that cannot be read is
 * neither empty nor damaged: whoever reads through this table tells the two apart. */
#ifndef MILLRACE_OS_H
#define MILLRACE_OS_H

#include <dirent.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "millrace/text.h"

struct mr_os {
	int (*openat)(int directory, const char *path, int flags, mode_t mode);
	ssize_t (*pread)(int fd, void *out, size_t len, off_t at);
	struct dirent *(*readdir)(DIR *list);
	ssize_t (*write)(int fd, const void *bytes, size_t len);
	ssize_t (*pwrite)(int fd, const void *bytes, size_t len, off_t at);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*ftruncate)(int fd, off_t len);
	int (*renameat)(int old_directory, const char *old_path, int new_directory,
			const char *new_path);
	int (*unlinkat)(int directory, const char *path, int flags);
	int (*mkdirat)(int directory, const char *path, mode_t mode);
	int (*fstatfs)(int fd, struct statfs *out);
	int (*linkat)(int old_directory, const char *old_path, int new_directory,
		      const char *new_path, int flags);
};

/* The kernel's, but in a test. */
extern struct mr_os mr_os;

/* All the bytes, however many calls that takes. False with errno where one fails, and then a part
 * of them may stand there; a call that takes nothing is ENOSPC. */
bool mr_os_write_all(int fd, struct mr_slice bytes);
bool mr_os_pwrite_all(int fd, struct mr_slice bytes, uint64_t at);
/* A memfd that nobody maps for writing can, from here on, neither change nor be cut. False with
 * errno. Blocks, for seconds at most, while the kernel has its pages in hand. */
bool mr_os_seal(int fd);
/* A file's bytes, for reading; for mr_os_unmap. `size` is not 0. NULL with errno. Private, though
 * nobody writes: before Linux 6.7 what is sealed cannot be mapped as shared by a descriptor that
 * may write, not even for reading. The pages are the file's all the same. */
const char *mr_os_map(int fd, size_t size);
void mr_os_unmap(const char *bytes, size_t size);
/* As mr_os_write_all, at a file's end that is a whole number of pages; many bytes that begin with a
 * page go past the page cache where the file system takes them so: for what is not read again soon.
 */
#define MR_OS_PAGE_BYTES 4096u /* of memory and of files */
bool mr_os_write_past_cache(int fd, struct mr_slice bytes);

/* A file that ends before is one thing, a disk that does not give it another: three words, so that
 * nobody takes the one for the other. */
enum mr_read {
	MR_READ_WHOLE = 1, /* so that it is no truth value */
	MR_READ_SHORT,     /* the file ends before */
	MR_READ_FAILED     /* errno says why; what stands there is not known */
};
/* So many bytes of a file from `at` on; `done_out` (or NULL) is how many came. May block for the
 * disk. */
enum mr_read mr_os_read(int fd, char *out, size_t len, uint64_t at, size_t *done_out);

/* Writes what lies between two places again, as it is: after a sync that failed the kernel takes it
 * for written, and no later sync would write it (fsync(2), EIO). For whoever finds bytes behind the
 * last place that was known to be durable. Also where the file is open to append. False with errno.
 */
bool mr_os_rewrite(int fd, uint64_t from, uint64_t to);

/* What happened in a directory becomes durable. False with errno. */
bool mr_os_sync_directory(int directory);
/* Likewise in the one that this path lies in. */
bool mr_os_sync_parent(const char *path);
/* Opens the directory of this path, durably made (mode 0700) where it is not there. Nothing above
 * it is opened but to make that durable: a worker that is locked in may not. -1 with errno. */
int mr_os_enter(const char *path);

#endif
