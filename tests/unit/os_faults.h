/* os_faults.h - lets one call of the table in os.h fail, as a full or a broken disk does.
 *
 *     os_fault((struct os_fault){.call = OS_PWRITE, .nth = 2, .number = ENOSPC});
 *     ...                         the second pwrite from here on fails
 *     os_faults_end();            all is as it was
 *
 * With OS_ANY the n-th call of any kind fails, but for those that read: a test that is run for n =
 * 1, 2, 3 until os_fault_met() is false has met every call that can fail. `lasting` lets all later
 * ones fail too, and `half` lets a write take half of its bytes before. */
#ifndef MILLRACE_TEST_OS_FAULTS_H
#define MILLRACE_TEST_OS_FAULTS_H

#include <errno.h>

#include "millrace/os.h"

enum os_call {
	OS_ANY,
	OS_OPENAT,
	OS_WRITE,
	OS_PWRITE,
	OS_FSYNC,
	OS_FDATASYNC,
	OS_FTRUNCATE,
	OS_RENAMEAT,
	OS_UNLINKAT,
	OS_MKDIRAT,
	OS_CALLS, /* that OS_ANY means */
	OS_PREAD,
	OS_READDIR,
	OS_LINKAT,
	OS_COUNTS
};

struct os_fault {
	enum os_call call;
	unsigned nth; /* from 1 */
	int number;   /* errno */
	bool lasting;
	bool half;
};

static struct mr_os os_real;
static struct os_fault os_set;
static unsigned os_counts[OS_COUNTS];
static enum os_call os_failed; /* the call that failed first, OS_ANY where none did */

static inline bool os_fails(enum os_call call)
{
	unsigned count;

	os_counts[OS_ANY] += call < OS_CALLS;
	os_counts[call]++;
	if (os_set.nth == 0 || (os_set.call != call && (os_set.call != OS_ANY || call > OS_CALLS)))
		return false;
	count = os_counts[os_set.call];
	if (count != os_set.nth && !(os_set.lasting && count > os_set.nth))
		return false;
	if (os_failed == OS_ANY)
		os_failed = call;
	errno = os_set.number;
	return true;
}

static inline int os_openat(int directory, const char *path, int flags, mode_t mode)
{
	return os_fails(OS_OPENAT) ? -1 : os_real.openat(directory, path, flags, mode);
}
static inline ssize_t os_pread(int fd, void *out, size_t len, off_t at)
{
	return os_fails(OS_PREAD) ? -1 : os_real.pread(fd, out, len, at);
}
static inline struct dirent *os_readdir(DIR *list)
{
	return os_fails(OS_READDIR) ? NULL : os_real.readdir(list);
}
static inline ssize_t os_write(int fd, const void *bytes, size_t len)
{
	if (!os_fails(OS_WRITE))
		return os_real.write(fd, bytes, len);
	return os_set.half && len > 1 ? os_real.write(fd, bytes, len / 2) : -1;
}
static inline ssize_t os_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	if (!os_fails(OS_PWRITE))
		return os_real.pwrite(fd, bytes, len, at);
	return os_set.half && len > 1 ? os_real.pwrite(fd, bytes, len / 2, at) : -1;
}
static inline int os_fsync(int fd)
{
	return os_fails(OS_FSYNC) ? -1 : os_real.fsync(fd);
}
static inline int os_fdatasync(int fd)
{
	return os_fails(OS_FDATASYNC) ? -1 : os_real.fdatasync(fd);
}
static inline int os_ftruncate(int fd, off_t len)
{
	return os_fails(OS_FTRUNCATE) ? -1 : os_real.ftruncate(fd, len);
}
static inline int os_renameat(int old_directory, const char *old_path, int new_directory,
			      const char *new_path)
{
	return os_fails(OS_RENAMEAT)
		   ? -1
		   : os_real.renameat(old_directory, old_path, new_directory, new_path);
}
static inline int os_unlinkat(int directory, const char *path, int flags)
{
	return os_fails(OS_UNLINKAT) ? -1 : os_real.unlinkat(directory, path, flags);
}
static inline int os_mkdirat(int directory, const char *path, mode_t mode)
{
	return os_fails(OS_MKDIRAT) ? -1 : os_real.mkdirat(directory, path, mode);
}

static inline int os_linkat(int old_directory, const char *old_path, int new_directory,
			    const char *new_path, int flags)
{
	return os_fails(OS_LINKAT)
		   ? -1
		   : os_real.linkat(old_directory, old_path, new_directory, new_path, flags);
}

/* From here on; counts begin at 0. With `nth` 0 nothing fails and calls are counted. */
static inline void os_fault(struct os_fault fault)
{
	if (!os_real.openat)
		os_real = mr_os;
	os_set = fault;
	os_failed = OS_ANY;
	memset(os_counts, 0, sizeof(os_counts));
	mr_os = (struct mr_os){os_openat,  os_pread,        os_readdir,   os_write,    os_pwrite,
			       os_fsync,   os_fdatasync,    os_ftruncate, os_renameat, os_unlinkat,
			       os_mkdirat, os_real.fstatfs, os_linkat};
}
static inline bool os_fault_met(void)
{
	return os_failed != OS_ANY;
}
static inline void os_faults_end(void)
{
	if (os_real.openat)
		mr_os = os_real;
	os_set = (struct os_fault){0};
}

#endif
