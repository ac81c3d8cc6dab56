/* geoip_kept.c - GeoIP tables in a folder of the user's.
 *
 * A table gets its name when it has been written, so that scans side by side harm nobody and one
 * that is killed leaves nothing (O_TMPFILE: where a file system has no such files, nothing is
 * kept). Nothing is synced: after a crash the hash tells whether all of it came to the disk. */
#include "geoip_kept.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "geoip_table.h"
#include "millrace/folder.h"
#include "millrace/os.h"
#include "millrace/xxh3.h"
#include "sealed.h"

#define KEPT_MOST 3
#define ROOM_TIMES 4
#define NAME_BYTES 48
#define HASH_BYTES sizeof(uint64_t)

static uint64_t key_of(const struct geoip_kept *kept)
{
	return mr_hash64(kept->program.at, kept->program.len, kept->origin);
}

static void name_of(uint64_t key, char out[NAME_BYTES])
{
	snprintf(out, NAME_BYTES, "geoip-%016llx.table", (unsigned long long)key);
}

static bool is_name(const char *name)
{
	char own[NAME_BYTES];
	unsigned long long key;

	if (sscanf(name, "geoip-%16llx.table", &key) != 1)
		return false;
	name_of(key, own);
	return strcmp(name, own) == 0;
}

static bool is_own(const struct stat *about)
{
	return about->st_uid == geteuid() && (about->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool is_own_file(const struct stat *about)
{
	return S_ISREG(about->st_mode) && is_own(about);
}

/* Ours alone; of one that only leads to it the owner is enough, and it may be a link. */
static int open_folder(const char *folder, bool leads)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (leads ? 0 : O_NOFOLLOW);
	struct stat about;
	int fd = mr_os.openat(AT_FDCWD, folder, flags, 0);

	if (fd >= 0 &&
	    (fstat(fd, &about) != 0 || about.st_uid != geteuid() || !(leads || is_own(&about)))) {
		close(fd);
		errno = EACCES;
		return -1;
	}
	return fd;
}

/* ---- finding ---- */

/* A file on its way: a table of `left` bytes more, then its hash. */
struct arriving {
	XXH3_state_t *state;
	uint64_t left;
	char hash[HASH_BYTES];
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

static bool is_of(const char *bytes, size_t size, uint64_t origin)
{
	struct geoip_table table;

	return geoip_table_open((struct mr_slice){bytes, size}, &table, NULL) == MR_OK &&
	       table.header->origin == origin;
}

enum found { FOUND, UNREAD, DAMAGED };

/* Whether a whole file that has come into memory is what its name says. */
static enum found check(const struct geoip_kept *kept, const struct arriving *arriving, int fd,
			size_t size)
{
	uint64_t hash = XXH3_64bits_digest(arriving->state);
	enum found found;
	const char *bytes;

	if (arriving->left > 0 || arriving->hash_len < HASH_BYTES ||
	    memcmp(arriving->hash, &hash, HASH_BYTES) != 0)
		return DAMAGED;
	bytes = mr_os_map(fd, size);
	if (bytes == NULL)
		return UNREAD;
	found = is_of(bytes, size, kept->origin) ? FOUND : DAMAGED;
	mr_os_unmap(bytes, size);
	return found;
}

static enum found copy(const struct geoip_kept *kept, const char *path, uint64_t file_bytes,
		       int *fd_out, size_t *size_out)
{
	struct arriving arriving = {.state = XXH3_createState(), .left = file_bytes - HASH_BYTES};
	struct mr_error unread;
	enum found found = UNREAD;
	size_t size;
	int fd;

	assert(arriving.state != NULL);
	XXH3_64bits_reset_withSeed(arriving.state, key_of(kept));
	if (sealed_copy_watched(path, see, &arriving, &fd, &size, &unread) == MR_OK) {
		found = check(kept, &arriving, fd, (size_t)file_bytes - HASH_BYTES);
		if (found == FOUND) {
			*fd_out = fd;
			*size_out = (size_t)file_bytes - HASH_BYTES;
		} else {
			close(fd);
		}
	}
	XXH3_freeState(arriving.state);
	return found;
}

static enum found look(const struct geoip_kept *kept, int own, const char *name, int *fd_out,
		       size_t *size_out)
{
	enum found found;
	struct stat about;
	char *path;

	if (fstatat(own, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
		return UNREAD;
	if (!is_own_file(&about) || (uint64_t)about.st_size <= HASH_BYTES)
		return DAMAGED;
	/* By the folder that is trusted, wherever its path leads by now. */
	path = mr_asprintf("/proc/self/fd/%d/%s", own, name);
	found = copy(kept, path, (uint64_t)about.st_size, fd_out, size_out);
	free(path);
	return found;
}

bool geoip_kept_find(const struct geoip_kept *kept, int *fd_out, size_t *size_out)
{
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	char name[NAME_BYTES];
	enum found found;
	int own = open_folder(kept->folder, false);

	if (own < 0)
		return false;
	name_of(key_of(kept), name);
	found = look(kept, own, name, fd_out, size_out);
	if (found == FOUND)
		utimensat(own, name, now, AT_SYMLINK_NOFOLLOW);
	else if (found == DAMAGED)
		mr_os.unlinkat(own, name, 0);
	close(own);
	return found == FOUND;
}

/* ---- keeping ---- */

/* The last part of a path, and what stands before it. */
static const char *split(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL || slash == path)
		return NULL;
	*slash = '\0';
	return slash + 1;
}

/* Made where it is not there, and the `more` above it likewise, but only in one that is ours: a
 * user's, who lets root run this, is not. */
static int make_folder(const char *folder, bool leads, unsigned more)
{
	int fd = open_folder(folder, leads), above;
	char *path;
	const char *name;

	if (fd >= 0 || errno != ENOENT)
		return fd;
	path = mr_strdup(folder);
	name = split(path);
	above = -1;
	if (name != NULL)
		above = more > 0 ? make_folder(path, true, more - 1) : open_folder(path, true);
	if (above >= 0) {
		if (mr_os.mkdirat(above, name, 0700) == 0 || errno == EEXIST)
			fd = open_folder(folder, leads);
		close(above);
	}
	free(path);
	return fd;
}

static bool has_room(int own, uint64_t size)
{
	struct statfs about;

	if (mr_os.fstatfs(own, &about) != 0)
		return false;
	uint64_t unit = (uint64_t)(about.f_frsize > 0 ? about.f_frsize : about.f_bsize);
	return unit > 0 && about.f_bavail / ROOM_TIMES > size / unit;
}

static bool write_table(const struct geoip_kept *kept, int to, int fd, size_t size)
{
	const char *bytes = mr_os_map(fd, size);
	uint64_t hash;
	bool whole = false;

	if (bytes == NULL)
		return false;
	/* The databases may have been replaced since they were hashed. */
	if (is_of(bytes, size, kept->origin)) {
		hash = mr_hash64(bytes, size, key_of(kept));
		whole = mr_os_write_all(to, (struct mr_slice){bytes, size}) &&
			mr_os_write_all(to, (struct mr_slice){(const char *)&hash, HASH_BYTES});
	}
	mr_os_unmap(bytes, size);
	return whole;
}

/* What stands there is no better: another scan's, or what could not be read. */
static bool give_name(int own, const char *name, int file)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (mr_os.linkat(AT_FDCWD, path, own, name, AT_SYMLINK_FOLLOW) == 0)
		return true;
	return errno == EEXIST && mr_os.unlinkat(own, name, 0) == 0 &&
	       mr_os.linkat(AT_FDCWD, path, own, name, AT_SYMLINK_FOLLOW) == 0;
}

struct oldest {
	const char *stays; /* whatever the clock says */
	unsigned count;    /* of tables, with that one */
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

	if (!is_name(name) || fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !is_own_file(&about))
		return true;
	oldest->count++;
	if (strcmp(name, oldest->stays) != 0 &&
	    (oldest->name[0] == '\0' || is_before(&about.st_mtim, &oldest->used))) {
		memcpy(oldest->name, name, strlen(name) + 1);
		oldest->used = about.st_mtim;
	}
	return true;
}

static void tidy(int own, const char *stays)
{
	struct oldest oldest;

	do {
		oldest = (struct oldest){.stays = stays};
		if (!mr_folder_list(own, take_oldest, &oldest) || oldest.count <= KEPT_MOST)
			return;
	} while (mr_os.unlinkat(own, oldest.name, 0) == 0);
}

void geoip_kept_put(const struct geoip_kept *kept, int fd, size_t size)
{
	char name[NAME_BYTES];
	int own = make_folder(kept->folder, false, 1), to;

	if (own < 0)
		return;
	name_of(key_of(kept), name);
	to = has_room(own, size) ? mr_os.openat(own, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)
				 : -1;
	if (to >= 0 && write_table(kept, to, fd, size) && give_name(own, name, to))
		tidy(own, name);
	if (to >= 0)
		close(to);
	close(own);
}
