/* geoip_kept.c - GeoIP tables in a folder of the user's.
 *
 * A table gets its name when it stands there whole, so that scans side by side harm nobody and one
 * that is killed leaves nothing. Nothing is synced: the hash behind a table tells whether it came
 * to the disk. */
#include "geoip_kept.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "geoip_table.h"
#include "millrace/folder.h"
#include "millrace/os.h"
#include "millrace/xxh3.h"
#include "sealed.h"

#define KEPT_MOST 3
#define NAME_BYTES 48

static void name_of(uint64_t origin, char out[NAME_BYTES])
{
	snprintf(out, NAME_BYTES, "geoip-%016llx.table", (unsigned long long)origin);
}

static bool is_name(const char *name)
{
	char own[NAME_BYTES];
	unsigned long long origin;

	if (sscanf(name, "geoip-%16llx.table", &origin) != 1)
		return false;
	name_of(origin, own);
	return strcmp(name, own) == 0;
}

static bool is_own(const struct stat *about)
{
	return about->st_uid == geteuid() && (about->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int open_folder(const char *folder)
{
	struct stat about;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && (fstat(fd, &about) != 0 || !is_own(&about))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* ---- finding ---- */

/* A file on its way: a table of `left` bytes more, then its hash. */
struct arriving {
	XXH3_state_t *state;
	uint64_t left;
	char hash[8];
	size_t hash_len;
};

static void see(void *context, const char *bytes, size_t len)
{
	struct arriving *arriving = context;
	size_t table = len < arriving->left ? len : (size_t)arriving->left;
	size_t room = sizeof(arriving->hash) - arriving->hash_len;
	size_t hash = len - table < room ? len - table : room;

	XXH3_64bits_update(arriving->state, bytes, table);
	arriving->left -= table;
	memcpy(arriving->hash + arriving->hash_len, bytes + table, hash);
	arriving->hash_len += hash;
}

static bool is_of(int fd, size_t size, uint64_t origin)
{
	struct geoip_table table;
	void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	bool is;

	if (bytes == MAP_FAILED)
		return false;
	is = geoip_table_open((struct mr_slice){bytes, size}, &table, NULL) == MR_OK &&
	     table.header->origin == origin;
	munmap(bytes, size);
	return is;
}

static bool copy_whole(const char *path, uint64_t origin, uint64_t file_bytes, int *fd_out,
		       size_t *size_out)
{
	struct arriving arriving = {.state = XXH3_createState(), .left = file_bytes - 8};
	struct mr_error unread;
	uint64_t hash;
	bool whole;

	assert(arriving.state != NULL);
	XXH3_64bits_reset(arriving.state);
	whole = sealed_copy_watched(path, see, &arriving, fd_out, size_out, &unread) == MR_OK;
	hash = XXH3_64bits_digest(arriving.state);
	XXH3_freeState(arriving.state);
	if (!whole)
		return false;
	*size_out -= sizeof(hash);
	if (arriving.left == 0 && arriving.hash_len == sizeof(hash) &&
	    memcmp(arriving.hash, &hash, sizeof(hash)) == 0 && is_of(*fd_out, *size_out, origin))
		return true;
	close(*fd_out);
	return false;
}

bool geoip_kept_find(const char *folder, uint64_t origin, int *fd_out, size_t *size_out)
{
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	char name[NAME_BYTES];
	struct stat about;
	bool found = false;
	int own = open_folder(folder);

	if (own < 0)
		return false;
	name_of(origin, name);
	if (fstatat(own, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode) &&
	    is_own(&about) && about.st_size > 8) {
		/* By the folder that is trusted, wherever its path leads by now. */
		char *path = mr_asprintf("/proc/self/fd/%d/%s", own, name);

		found = copy_whole(path, origin, (uint64_t)about.st_size, fd_out, size_out);
		free(path);
		if (found)
			utimensat(own, name, now, AT_SYMLINK_NOFOLLOW);
		else
			mr_os.unlinkat(own, name, 0);
	}
	close(own);
	return found;
}

/* ---- keeping ---- */

static int make_folder(const char *folder)
{
	char *path = mr_strdup(folder);

	for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		*at = '\0';
		mr_os.mkdirat(AT_FDCWD, path, 0700);
		*at = '/';
	}
	mr_os.mkdirat(AT_FDCWD, path, 0700);
	free(path);
	return open_folder(folder);
}

static bool write_table(int to, int fd, size_t size)
{
	void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t hash;
	bool whole;

	if (bytes == MAP_FAILED)
		return false;
	hash = mr_hash64(bytes, size, 0);
	whole = mr_os_write_all(to, (struct mr_slice){bytes, size}) &&
		mr_os_write_all(to, (struct mr_slice){(const char *)&hash, sizeof(hash)});
	munmap(bytes, size);
	return whole;
}

struct oldest {
	unsigned count; /* of tables */
	char name[NAME_BYTES];
	struct timespec used;
};

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static bool take_oldest(void *context, int folder, const char *name)
{
	struct oldest *oldest = context;
	struct stat about;

	if (!is_name(name) || fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
		return true;
	if (oldest->count++ == 0 || is_before(&about.st_mtim, &oldest->used)) {
		memcpy(oldest->name, name, strlen(name) + 1);
		oldest->used = about.st_mtim;
	}
	return true;
}

static void tidy(int own)
{
	struct oldest oldest;

	do {
		oldest = (struct oldest){0};
		if (!mr_folder_list(own, take_oldest, &oldest) || oldest.count <= KEPT_MOST)
			return;
	} while (mr_os.unlinkat(own, oldest.name, 0) == 0);
}

void geoip_kept_put(const char *folder, uint64_t origin, int fd, size_t size)
{
	char from[32], name[NAME_BYTES];
	int own = make_folder(folder);
	int to = own < 0 ? -1 : mr_os.openat(own, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	name_of(origin, name);
	if (to >= 0 && write_table(to, fd, size)) {
		snprintf(from, sizeof(from), "/proc/self/fd/%d", to);
		if (linkat(AT_FDCWD, from, own, name, AT_SYMLINK_FOLLOW) == 0)
			tidy(own);
	}
	if (to >= 0)
		close(to);
	if (own >= 0)
		close(own);
}
