/* lossy_disk.h - a disk that keeps what was synced, and no more, when the power goes.
 *
 *     lossy_begin();              writes from here on are noted
 *     lossy_fail_sync(EIO);       the next sync fails: what was written before it never gets there
 *     lossy_power_cut();          each file holds what was synced
 *     lossy_end();
 *
 * As Linux does, a sync that fails takes all for written: a later one that goes well makes durable
 * only what was written after it. For one thread, through the table in os.h. */
#ifndef MILLRACE_TEST_LOSSY_DISK_H
#define MILLRACE_TEST_LOSSY_DISK_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/os.h"

#define LOSSY_FILES 16
#define LOSSY_RANGES 256

struct lossy_file {
	char path[256];
	ino_t inode;
	struct mr_buf durable;
	size_t dirty_count;
	struct lossy_range {
		uint64_t from, to;
	} dirty[LOSSY_RANGES];
};

static struct lossy_disk {
	struct mr_os below;
	int fails_with;
	size_t count;
	struct lossy_file files[LOSSY_FILES];
} lossy;

/* Also of one that is open for writing alone, or was renamed. */
static inline void lossy_read(int fd, uint64_t from, uint64_t to, struct mr_buf *out)
{
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	int own = open(link, O_RDONLY | O_CLOEXEC);
	if (out->len < to)
		memset(mr_buf_reserve(out, (size_t)to - out->len), 0, (size_t)to - out->len);
	out->len = out->len < to ? (size_t)to : out->len;
	assert_int_not_equal(mr_os_read(own, out->data + from, (size_t)(to - from), from, NULL),
			     MR_READ_FAILED);
	close(own);
}

static inline struct lossy_file *lossy_file(int fd)
{
	struct stat about;
	char link[64];
	assert_int_equal(fstat(fd, &about), 0);
	for (size_t i = 0; i < lossy.count; i++)
		if (lossy.files[i].inode == about.st_ino)
			return &lossy.files[i];
	assert_true(lossy.count < LOSSY_FILES);
	struct lossy_file *file = &lossy.files[lossy.count++];
	*file = (struct lossy_file){.inode = about.st_ino};
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	assert_true(readlink(link, file->path, sizeof file->path - 1) > 0);
	if (about.st_size > 0)
		lossy_read(fd, 0, (uint64_t)about.st_size, &file->durable);
	return file;
}

static inline void lossy_note(int fd, uint64_t at, ssize_t len)
{
	struct lossy_file *file = lossy_file(fd);
	assert_true(file->dirty_count < LOSSY_RANGES);
	if (len > 0)
		file->dirty[file->dirty_count++] = (struct lossy_range){at, at + (uint64_t)len};
}

static inline ssize_t lossy_write(int fd, const void *bytes, size_t len)
{
	struct stat about;
	if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
		return lossy.below.write(fd, bytes, len);
	lossy_file(fd);
	bool appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
	uint64_t at = (uint64_t)(appends ? about.st_size : lseek(fd, 0, SEEK_CUR));
	ssize_t done = lossy.below.write(fd, bytes, len);
	lossy_note(fd, at, done);
	return done;
}

static inline ssize_t lossy_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	lossy_file(fd);
	ssize_t done = lossy.below.pwrite(fd, bytes, len, at);
	lossy_note(fd, (uint64_t)at, done);
	return done;
}

static inline int lossy_sync(int fd)
{
	struct stat about;
	struct lossy_file *file;
	assert_int_equal(fstat(fd, &about), 0);
	if (!S_ISREG(about.st_mode))
		return 0;
	file = lossy_file(fd);
	if (lossy.fails_with != 0) {
		file->dirty_count = 0;
		errno = lossy.fails_with;
		lossy.fails_with = 0;
		return -1;
	}
	uint64_t end = (uint64_t)about.st_size;
	for (size_t i = 0; i < file->dirty_count; i++) {
		const struct lossy_range *range = &file->dirty[i];
		if (range->from < end)
			lossy_read(fd, range->from, range->to < end ? range->to : end,
				   &file->durable);
	}
	file->dirty_count = 0;
	file->durable.len = file->durable.len < end ? file->durable.len : (size_t)end;
	return 0;
}

static inline void lossy_begin(void)
{
	lossy = (struct lossy_disk){.below = mr_os};
	mr_os.write = lossy_write;
	mr_os.pwrite = lossy_pwrite;
	mr_os.fsync = mr_os.fdatasync = lossy_sync;
}

static inline void lossy_fail_sync(int number)
{
	lossy.fails_with = number;
}

static inline void lossy_power_cut(void)
{
	for (size_t i = 0; i < lossy.count; i++) {
		struct lossy_file *file = &lossy.files[i];
		int fd = open(file->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		file->dirty_count = 0;
		if (fd < 0) /* it was removed */
			continue;
		assert_int_equal(write(fd, file->durable.data, file->durable.len),
				 file->durable.len);
		close(fd);
	}
}

static inline void lossy_end(void)
{
	mr_os = lossy.below;
	for (size_t i = 0; i < lossy.count; i++)
		mr_buf_fini(&lossy.files[i].durable);
}

#endif
