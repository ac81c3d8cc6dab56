/* state_dir.c - the directory of a service: its lock, its seed, its manifests.
 *
 * Called by cmd_run.c, service.c and checkpoint.c. A disk that is full is MR_NO_SPACE, one that
 * fails MR_IO, what is unreadable, or not ours, MR_CONFIG or MR_BAD_INPUT; each names the file. */
#include "state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clock.h"
#include "codec.h"
#include "millrace/checkpoint.h"
#include "millrace/folder.h"
#include "millrace/log.h"
#include "millrace/os.h"
#include "millrace/xxh3.h"

#define LOCK_WAIT_US 5000000 /* for the workers of one that was killed */
#define LOCK_POLL_MS 10
#define PIECE_BYTES (1 << 20)
#define CHECKPOINTS "checkpoints"
#define UNREAD "unread-"      /* before the name of what the disk does not give */
#define READ_AGAIN_US 2000000 /* before a checkpoint is passed over for that */
#define READ_POLL_MS 100
#define TRUST_DEPTH 4 /* folders in each other; nothing of ours lies as deep */
#define PREFIX_LEN (sizeof MR_MANIFEST_PREFIX - 1)

/* ---- files ---- */

static enum mr_err failed(const struct mr_state_dir *dir, const char *name, const char *doing,
			  struct mr_error *error)
{
	return mr_error_errno(error, mr_error_of_write(errno), "%s/%s: cannot %s", dir->path, name,
			      doing);
}

enum mr_err mr_state_dir_put(const struct mr_state_dir *dir, const char *name,
			     struct mr_slice bytes, struct mr_error *error)
{
	char beside[64];
	snprintf(beside, sizeof beside, "%s.new", name);
	int fd = mr_os.openat(dir->fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(dir, beside, "make it", error);
	enum mr_err err = MR_OK;
	if (!mr_os_write_past_cache(fd, bytes) || mr_os.fsync(fd) != 0)
		err = failed(dir, beside, "write it", error);
	close(fd);
	if (err == MR_OK && mr_os.renameat(dir->fd, beside, dir->fd, name) != 0)
		err = failed(dir, name, "rename it into place", error);
	if (err != MR_OK)
		mr_os.unlinkat(dir->fd, beside, 0);
	else if (!mr_os_sync_directory(dir->fd))
		err = failed(dir, "", "sync the directory", error);
	return err;
}

/* errno stays: it says why. */
static void close_fd(int fd)
{
	int saved = errno;
	close(fd);
	errno = saved;
}

enum mr_err mr_state_dir_open_file(const struct mr_state_dir *dir, const char *name, int *fd_out,
				   struct stat *about_out, struct mr_error *error)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return mr_error_set(error, MR_NOT_FOUND, "%s/%s is not there", dir->path, name);
	if (fd < 0)
		return failed(dir, name, "open it", error);
	*fd_out = fd;
	if (fstat(fd, about_out) == 0 && S_ISREG(about_out->st_mode))
		return MR_OK;
	mr_error_set(error, MR_BAD_INPUT, "%s/%s: it is no file", dir->path, name);
	close(fd);
	return MR_BAD_INPUT;
}

enum mr_err mr_state_dir_get(const struct mr_state_dir *dir, const char *name, size_t most,
			     struct mr_buf *out, struct mr_error *error)
{
	struct stat about;
	size_t done = 0;
	int fd;
	enum mr_err err = mr_state_dir_open_file(dir, name, &fd, &about, error);
	if (err != MR_OK)
		return err;
	if ((uint64_t)about.st_size > most)
		err = mr_error_set(error, MR_NO_SPACE,
				   "%s/%s: it has %lld bytes, at most %zu are "
				   "read",
				   dir->path, name, (long long)about.st_size, most);
	else if (about.st_size > 0 && mr_os_read(fd, mr_buf_reserve(out, (size_t)about.st_size),
						 (size_t)about.st_size, 0, &done) == MR_READ_FAILED)
		err = failed(dir, name, "read it", error);
	else
		out->len += done;
	close_fd(fd);
	return err;
}

/* What cannot be listed stays, and is removed another time. */
static void list_below(const struct mr_state_dir *dir, const char *name, mr_folder_take *take,
		       void *context)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	mr_folder_list(fd, take, context);
	close(fd);
}

static bool remove_file(void *context, int folder, const char *name)
{
	(void)context;
	unlinkat(folder, name, 0);
	return true;
}

void mr_state_dir_remove(const struct mr_state_dir *dir, const char *name)
{
	list_below(dir, name, remove_file, NULL);
	unlinkat(dir->fd, name, AT_REMOVEDIR);
}

/* ---- opening ---- */

static enum mr_err take_lock(struct mr_state_dir *dir, struct mr_error *error)
{
	dir->lock = openat(dir->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (dir->lock < 0)
		return failed(dir, "lock", "open it", error);
	int64_t until_us = mr_clock_us() + LOCK_WAIT_US;
	while (flock(dir->lock, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return failed(dir, "lock", "lock it", error);
		if (mr_clock_us() > until_us)
			/* It may end, or the kernel let go of a worker of an earlier one. */
			return mr_error_set(error, MR_IO,
					    "%s: another service runs on this state directory",
					    dir->path);
		poll(NULL, 0, LOCK_POLL_MS);
	}
	return MR_OK;
}

/* ---- trust ---- */

static enum mr_err distrust(struct mr_error *error, const char *path, const struct stat *about)
{
	if (about->st_uid != geteuid() && about->st_uid != 0)
		return mr_error_set(
		    error, MR_CONFIG,
		    "%s: it belongs to user %u, and this is user %u: what stands in a "
		    "state directory is believed; run as its owner, or chown it",
		    path, (unsigned)about->st_uid, (unsigned)geteuid());
	return mr_error_set(
	    error, MR_CONFIG,
	    "%s: others than its owner may write there (mode %04o): what stands in a "
	    "state directory is believed; chmod go-w it",
	    path, (unsigned)about->st_mode & 07777);
}

/* Root may do all anyway. A link's mode says nothing, and a socket's bytes are not kept. */
static bool is_trusted(const struct stat *about)
{
	bool has_mode = S_ISREG(about->st_mode) || S_ISDIR(about->st_mode);
	return (about->st_uid == geteuid() || about->st_uid == 0) &&
	       (!has_mode || (about->st_mode & (S_IWGRP | S_IWOTH)) == 0);
}

struct trust {
	const char *path; /* of the folder */
	unsigned depth;
	enum mr_err err;
	struct mr_error *error;
};

static enum mr_err trust_below(int fd, const char *path, unsigned depth, struct mr_error *error);

static bool trust_entry(void *context, int folder, const char *name)
{
	struct trust *trust = context;
	struct stat about;
	/* A service that runs makes and removes files meanwhile. */
	if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
		return true;
	char *whole = mr_asprintf("%s/%s", trust->path, name);
	if (!is_trusted(&about)) {
		trust->err = distrust(trust->error, whole, &about);
	} else if (S_ISDIR(about.st_mode) && trust->depth < TRUST_DEPTH) {
		int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0)
			trust->err = trust_below(fd, whole, trust->depth + 1, trust->error);
	}
	free(whole);
	return trust->err == MR_OK;
}

/* Takes the descriptor. What cannot be opened says so when it is read. */
static enum mr_err trust_below(int fd, const char *path, unsigned depth, struct mr_error *error)
{
	struct trust trust = {.path = path, .depth = depth, .error = error};
	if (!mr_folder_list(fd, trust_entry, &trust))
		trust.err = mr_error_errno(error, MR_IO, "%s: cannot be listed", path);
	close(fd);
	return trust.err;
}

enum mr_err mr_state_dir_trust(int fd, const char *path, struct mr_error *error)
{
	struct stat link, about;
	int list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (list < 0 || fstat(list, &about) != 0 || lstat(path, &link) != 0) {
		mr_error_errno(error, MR_CONFIG, "%s", path);
		if (list >= 0)
			close(list);
		return MR_CONFIG;
	}
	if (is_trusted(&link) && is_trusted(&about))
		return trust_below(list, path, 0, error);
	close(list);
	return distrust(error, path, is_trusted(&link) ? &about : &link);
}

/* ---- opening ---- */

long mr_state_dir_holder(int directory)
{
	struct stat is;
	char wanted[64], line[256];
	long holder = 0;
	if (fstatat(directory, "lock", &is, 0) != 0)
		return 0;
	snprintf(wanted, sizeof wanted, "%02x:%02x:%llu", major(is.st_dev), minor(is.st_dev),
		 (unsigned long long)is.st_ino);
	FILE *locks = fopen("/proc/locks", "re");
	while (locks != NULL && holder == 0 && fgets(line, sizeof line, locks) != NULL) {
		char kind[16], file[64];
		long pid;
		if (sscanf(line, "%*s %15s %*s %*s %ld %63s", kind, &pid, file) == 3 &&
		    strcmp(kind, "FLOCK") == 0 && strcmp(file, wanted) == 0)
			holder = pid;
	}
	if (locks != NULL)
		fclose(locks);
	return holder;
}

static enum mr_err open_directory(struct mr_state_dir *dir, struct mr_error *error)
{
	if (mkdir(dir->path, 0700) == 0 && !mr_os_sync_parent(dir->path)) {
		mr_error_errno(error, MR_IO, "%s: it was made, and may not last", dir->path);
		rmdir(dir->path); /* so that the next start tries it again */
		return MR_IO;
	}
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0)
		return mr_error_errno(error, MR_CONFIG, "%s: no state directory can be had there",
				      dir->path);
	return mr_state_dir_trust(dir->fd, dir->path, error);
}

enum mr_err mr_state_dir_open(const char *path, struct mr_state_dir *out, struct mr_error *error)
{
	*out = (struct mr_state_dir){
	    .path = mr_strdup(path), .lock = -1, .patience_us = READ_AGAIN_US};
	enum mr_err err = open_directory(out, error);
	if (err == MR_OK)
		err = take_lock(out, error);
	if (err == MR_OK && mr_os.mkdirat(out->fd, CHECKPOINTS, 0700) != 0 && errno != EEXIST)
		err = failed(out, CHECKPOINTS, "make it", error);
	if (err != MR_OK)
		mr_state_dir_close(out);
	return err;
}

void mr_state_dir_close(struct mr_state_dir *dir)
{
	if (dir->path == NULL)
		return;
	if (dir->lock >= 0)
		close(dir->lock);
	if (dir->fd >= 0)
		close(dir->fd);
	free(dir->path);
	*dir = (struct mr_state_dir){.fd = -1, .lock = -1};
}

/* ---- the files of a checkpoint ---- */

enum mr_err mr_state_dir_make(const struct mr_state_dir *dir, uint64_t number,
			      struct mr_error *error)
{
	char name[MR_MANIFEST_NAME];
	mr_manifest_directory(number, name);
	if (mr_os.mkdirat(dir->fd, name, 0700) == 0 || errno == EEXIST)
		return MR_OK;
	return failed(dir, name, "make it", error);
}

enum mr_err mr_state_dir_make_file(const struct mr_state_dir *dir, uint64_t number,
				   const struct mr_manifest_file *file, int *fd_out,
				   struct mr_error *error)
{
	char path[160];
	mr_manifest_file_path(number, file, path, sizeof path);
	*fd_out = mr_os.openat(dir->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return *fd_out >= 0 ? MR_OK : failed(dir, path, "make it", error);
}

static enum mr_err sync_path(const struct mr_state_dir *dir, const char *path,
			     struct mr_error *error)
{
	int fd = openat(dir->fd, path, O_RDONLY | O_CLOEXEC);
	enum mr_err err = MR_OK;
	if (fd < 0 || mr_os.fsync(fd) != 0)
		err = failed(dir, path, "sync it", error);
	if (fd >= 0)
		close(fd);
	return err;
}

enum mr_err mr_state_dir_sync(const struct mr_state_dir *dir, uint64_t number,
			      const struct mr_manifest *manifest, const char *host,
			      struct mr_error *error)
{
	char path[160];
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < manifest->file_count && err == MR_OK; i++) {
		if (strcmp(manifest->files[i].host, host) != 0)
			continue;
		mr_manifest_file_path(number, &manifest->files[i], path, sizeof path);
		err = sync_path(dir, path, error);
	}
	mr_manifest_directory(number, path);
	if (err == MR_OK)
		err = sync_path(dir, path, error);
	return err == MR_OK ? sync_path(dir, CHECKPOINTS, error) : err;
}

/* ---- manifests ---- */

/* False where the name is no manifest's. */
static bool number_of(const char *name, uint64_t *number_out)
{
	char right[MR_MANIFEST_NAME];
	int64_t number;
	if (strncmp(name, MR_MANIFEST_PREFIX, PREFIX_LEN) != 0 ||
	    !mr_parse_int64(mr_slice(name + PREFIX_LEN), &number) || number < 0)
		return false;
	*number_out = (uint64_t)number;
	mr_manifest_path(*number_out, right);
	return strcmp(name, right) == 0;
}

struct numbers {
	uint64_t *at;
	size_t count;
};

static int newest_first(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return a < b ? 1 : a > b ? -1 : 0;
}

static bool take_manifest(void *context, int folder, const char *name)
{
	struct numbers *out = context;
	uint64_t number;
	(void)folder;
	if (!number_of(name, &number))
		return true;
	out->at = mr_realloc(out->at, (out->count + 1) * sizeof *out->at);
	out->at[out->count++] = number;
	return true;
}

/* False with errno where not all is seen: one that is overlooked is no checkpoint that was never
 * made. */
static bool list_manifests(const struct mr_state_dir *dir, struct numbers *out)
{
	bool all = mr_folder_list(dir->fd, take_manifest, out);
	int reason = errno;
	if (out->count > 0)
		qsort(out->at, out->count, sizeof *out->at, newest_first);
	errno = reason;
	return all;
}

/* XXH3 of the first `size` bytes. */
static enum mr_read hash_file(int fd, uint64_t size, uint64_t *hash_out)
{
	XXH3_state_t *state = XXH3_createState();
	char *piece = mr_malloc(PIECE_BYTES);
	enum mr_read read = MR_READ_WHOLE;
	XXH3_64bits_reset(state);
	for (uint64_t done = 0; read == MR_READ_WHOLE && done < size;) {
		uint64_t left = size - done;
		size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
		read = mr_os_read(fd, piece, want, done, NULL);
		if (read == MR_READ_WHOLE)
			XXH3_64bits_update(state, piece, want);
		done += want;
	}
	int saved = errno;
	*hash_out = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	free(piece);
	errno = saved;
	return read;
}

/* MR_BAD_INPUT: it was read, and is another. */
static enum mr_err check_sum(int fd, const struct mr_file_sum *sum, struct mr_error *error)
{
	struct stat about;
	uint64_t hash = 0;
	char trailer[sizeof hash];
	enum mr_read read = MR_READ_SHORT;
	if (fstat(fd, &about) != 0)
		return mr_error_errno(error, MR_IO, "cannot look at it");
	if ((uint64_t)about.st_size == sum->size && sum->size >= sizeof hash)
		read = hash_file(fd, sum->size - sizeof hash, &hash);
	if (read == MR_READ_WHOLE)
		read = mr_os_read(fd, trailer, sizeof trailer, sum->size - sizeof hash, NULL);
	if (read == MR_READ_FAILED)
		return mr_error_errno(error, MR_IO, "cannot read it");
	if (read == MR_READ_SHORT || hash != mr_get_le(trailer, sizeof trailer) ||
	    hash != sum->hash)
		return mr_error_set(error, MR_BAD_INPUT,
				    "it is not the file that the manifest names");
	return MR_OK;
}

bool mr_state_dir_holds(const struct mr_state_dir *dir, const char *name, uint64_t size,
			uint64_t hash)
{
	struct mr_error unread = {0};
	struct stat about;
	uint64_t own = 0;
	int fd;
	if (mr_state_dir_open_file(dir, name, &fd, &about, &unread) != MR_OK)
		return false;
	bool holds = (uint64_t)about.st_size == size &&
		     hash_file(fd, size, &own) == MR_READ_WHOLE && own == hash;
	close(fd);
	return holds;
}

/* Before any worker reads it: whether a newer program wrote it. */
static enum mr_err check_snapshot(int fd, struct mr_error *error)
{
	char head[MR_SNAPSHOT_HEAD];
	size_t got;
	if (mr_os_read(fd, head, sizeof head, 0, &got) == MR_READ_FAILED)
		return mr_error_errno(error, MR_IO, "cannot read it");
	return mr_snapshot_check_version((struct mr_slice){head, got}, error);
}

static enum mr_err check_file(const struct mr_state_dir *dir, uint64_t number,
			      const struct mr_manifest_file *file, struct mr_error *error)
{
	char path[160];
	struct stat about;
	int fd;
	mr_manifest_file_path(number, file, path, sizeof path);
	enum mr_err err = mr_state_dir_open_file(dir, path, &fd, &about, error);
	if (err == MR_NOT_FOUND)
		return mr_error_set(error, MR_BAD_INPUT, "%s/%s is not there", dir->path, path);
	if (err != MR_OK)
		return err;
	err = check_sum(fd, &file->sum, error);
	if (err == MR_OK)
		err = check_snapshot(fd, error);
	close_fd(fd);
	return err == MR_OK ? MR_OK : mr_error_prefix(error, "%s/%s", dir->path, path);
}

enum mr_err mr_state_dir_check_files(const struct mr_state_dir *dir,
				     const struct mr_manifest *manifest, const char *host,
				     struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; err == MR_OK && i < manifest->file_count; i++)
		if (strcmp(manifest->files[i].host, host) == 0)
			err = check_file(dir, manifest->number, &manifest->files[i], error);
	return err;
}

/* Without its files. After an error `out` is empty. */
static enum mr_err read_manifest(const struct mr_state_dir *dir, uint64_t number,
				 struct mr_manifest *out, struct mr_error *error)
{
	char name[MR_MANIFEST_NAME];
	struct mr_buf bytes = {0};
	mr_manifest_path(number, name);
	enum mr_err err = mr_state_dir_get(dir, name, MR_MANIFEST_MAX, &bytes, error);
	if (err == MR_OK) {
		err = mr_manifest_decode((struct mr_slice){bytes.data, bytes.len}, out, error);
		if (err != MR_OK)
			mr_error_prefix(error, "%s/%s", dir->path, name);
	}
	mr_buf_fini(&bytes);
	if (err == MR_OK && out->number != number)
		err = mr_error_set(error, MR_BAD_INPUT, "%s/%s: it is checkpoint %llu's", dir->path,
				   name, (unsigned long long)out->number);
	if (err != MR_OK)
		mr_manifest_fini(out);
	return err;
}

static enum mr_err read_checkpoint(const struct mr_state_dir *dir, uint64_t number,
				   struct mr_manifest *out, struct mr_error *error)
{
	enum mr_err err = read_manifest(dir, number, out, error);
	if (err == MR_OK)
		err = mr_state_dir_check_files(dir, out, "", error);
	if (err != MR_OK)
		mr_manifest_fini(out);
	return err;
}

void mr_state_dir_look(const struct mr_state_dir *dir, struct mr_manifest *out)
{
	struct numbers numbers = {0};
	struct mr_error error = {0};
	*out = (struct mr_manifest){0};
	list_manifests(dir, &numbers);
	for (size_t i = 0; i < numbers.count; i++) {
		if (read_manifest(dir, numbers.at[i], out, &error) == MR_OK)
			break;
	}
	free(numbers.at);
}

/* State holds hashes under the seed: it stays for as long as a checkpoint is gone on from.
 * Manifests of version 1 have it beside them. */
static enum mr_err find_seed(const struct mr_state_dir *dir, struct mr_manifest *manifest,
			     struct mr_error *error)
{
	struct mr_buf seed = {0};
	enum mr_err err = MR_OK;
	if (manifest->number == 0 && getrandom(manifest->seed, MR_SEED_BYTES, 0) < 0)
		err = mr_error_errno(error, MR_IO, "no random numbers");
	if (manifest->number == 0 || manifest->has_seed)
		return err;
	err = mr_state_dir_get(dir, "seed", MR_SEED_BYTES, &seed, error);
	if (err == MR_OK && seed.len == MR_SEED_BYTES)
		memcpy(manifest->seed, seed.data, MR_SEED_BYTES);
	else if (err == MR_OK || err == MR_NOT_FOUND || err == MR_NO_SPACE)
		err = mr_error_set(error, MR_BAD_INPUT,
				   "%s/seed: it should be there, with %d bytes: the checkpoint's "
				   "state was made with it",
				   dir->path, MR_SEED_BYTES);
	mr_buf_fini(&seed);
	return err;
}

/* ---- recovery ---- */

static void remove_manifest(const struct mr_state_dir *dir, uint64_t number)
{
	char name[MR_MANIFEST_NAME];
	mr_manifest_path(number, name);
	unlinkat(dir->fd, name, 0);
}

struct seen {
	uint64_t number;
	enum mr_err err;
	bool unread; /* the disk does not give it: where that lasts, it is as if damaged */
	struct mr_error why;
};

struct search {
	const struct mr_state_dir *dir;
	struct seen *all; /* newest first */
	size_t count;
	size_t at; /* of the one that is whole, or keeps from looking further */
};

static bool is_passed_over(const struct seen *seen)
{
	return seen->err == MR_BAD_INPUT || seen->err == MR_NO_SPACE || seen->unread;
}

/* What bad sectors and broken file systems give; not what a mode, a limit or a mount does. */
static bool is_of_disk(int number)
{
	return number == EIO || number == EUCLEAN || number == EBADMSG;
}

static void look_through(struct search *search, struct mr_manifest *out)
{
	for (search->at = 0; search->at < search->count; search->at++) {
		struct seen *seen = &search->all[search->at];
		seen->why = (struct mr_error){0};
		seen->err = read_checkpoint(search->dir, seen->number, out, &seen->why);
		seen->unread = seen->err == MR_IO && is_of_disk(errno);
		if (!is_passed_over(seen))
			break;
	}
}

/* The first that could not be read, which may be whole; NULL where there is none. */
static const struct seen *find_unread(const struct search *search)
{
	for (size_t i = 0; i < search->count && i <= search->at; i++)
		if (search->all[i].err == MR_IO)
			return &search->all[i];
	return NULL;
}

static bool try_again(int64_t until_us, bool *said, const char *why)
{
	if (mr_clock_us() >= until_us)
		return false;
	if (!*said)
		mr_log(MR_LOG_WARNING, "%s; it is tried again for some seconds", why);
	*said = true;
	poll(NULL, 0, READ_POLL_MS);
	return true;
}

/* One that cannot be read for a moment is not passed over. */
static void look_patiently(struct search *search, struct mr_manifest *out)
{
	const struct seen *unread;
	int64_t until_us = mr_clock_us() + search->dir->patience_us;
	bool said = false;
	look_through(search, out);
	while ((unread = find_unread(search)) != NULL &&
	       try_again(until_us, &said, unread->why.text)) {
		mr_manifest_fini(out);
		look_through(search, out);
	}
}

enum mr_err mr_state_dir_await_files(const struct mr_state_dir *dir,
				     const struct mr_manifest *manifest, const char *host,
				     bool *unread_out, struct mr_error *error)
{
	int64_t until_us = mr_clock_us() + dir->patience_us;
	bool said = false;
	enum mr_err err;
	do {
		*error = (struct mr_error){0};
		err = mr_state_dir_check_files(dir, manifest, host, error);
		*unread_out = err == MR_IO && is_of_disk(errno);
	} while (err == MR_IO && try_again(until_us, &said, error->text));
	return err;
}

static enum mr_err rename_aside(const struct mr_state_dir *dir, const char *name, const char *aside,
				struct mr_error *error)
{
	if (mr_os.renameat(dir->fd, name, dir->fd, aside) == 0)
		mr_log(MR_LOG_ERROR, "%s/%s is what cannot be read of %s", dir->path, aside, name);
	else if (errno != ENOENT)
		return failed(dir, name, "rename it", error);
	return MR_OK;
}

enum mr_err mr_state_dir_set_aside(const struct mr_state_dir *dir, uint64_t number,
				   struct mr_error *error)
{
	char name[MR_MANIFEST_NAME], aside[MR_MANIFEST_NAME + sizeof UNREAD];
	mr_manifest_path(number, name);
	snprintf(aside, sizeof aside, UNREAD "%s", name);
	enum mr_err err = rename_aside(dir, name, aside, error);
	if (err != MR_OK)
		return err;
	mr_manifest_directory(number, name);
	snprintf(aside, sizeof aside, CHECKPOINTS "/" UNREAD "%s", name + sizeof CHECKPOINTS);
	mr_state_dir_remove(dir, aside); /* of an earlier time */
	err = rename_aside(dir, name, aside, error);
	if (err == MR_OK && !mr_os_sync_directory(dir->fd))
		err = failed(dir, "", "sync it", error);
	return err;
}

/* What was passed over makes room, where there is one to go on from. */
static enum mr_err pass_over(const struct search *search, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (size_t i = 0; i < search->at && err == MR_OK; i++) {
		const struct seen *seen = &search->all[i];
		if (seen->unread)
			err = mr_state_dir_set_aside(search->dir, seen->number, error);
		else
			remove_manifest(search->dir, seen->number);
	}
	return err;
}

/* What is found, or why nothing is. */
static enum mr_err judge(const struct search *search, struct mr_error *error)
{
	for (size_t i = 0; i < search->at; i++)
		mr_log(MR_LOG_ERROR, "%s; the checkpoint before it is looked for",
		       search->all[i].why.text);
	if (search->count == 0)
		return MR_OK;
	const struct seen *unread = find_unread(search);
	const struct seen *last =
	    &search->all[search->at < search->count ? search->at : search->at - 1];
	if (search->at == search->count && unread != NULL)
		last = unread;
	if (last->err != MR_OK)
		*error = last->why;
	return last->err;
}

enum mr_err mr_state_dir_recover(const struct mr_state_dir *dir, struct mr_manifest *manifest,
				 struct mr_error *error)
{
	return mr_state_dir_recover_below(dir, UINT64_MAX, false, manifest, error);
}

enum mr_err mr_state_dir_recover_below(const struct mr_state_dir *dir, uint64_t below, bool unread,
				       struct mr_manifest *manifest, struct mr_error *error)
{
	struct numbers numbers = {0};
	*manifest = (struct mr_manifest){0};
	if (!list_manifests(dir, &numbers)) {
		free(numbers.at);
		return mr_error_errno(error, MR_IO, "%s: cannot be listed", dir->path);
	}
	struct search search = {.dir = dir,
				.all = mr_calloc(numbers.count + 1, sizeof *search.all)};
	for (size_t i = 0; i < numbers.count; i++)
		if (numbers.at[i] < below)
			search.all[search.count++].number = numbers.at[i];
	look_patiently(&search, manifest);
	enum mr_err err = judge(&search, error);
	bool found = err == MR_OK && search.at < search.count;
	if (found)
		err = pass_over(&search, error);
	for (size_t i = 0; i < numbers.count && numbers.at[i] >= below && found; i++) {
		if (!unread)
			remove_manifest(dir, numbers.at[i]);
		else if (err == MR_OK)
			err = mr_state_dir_set_aside(dir, numbers.at[i], error);
	}
	free(search.all);
	free(numbers.at);
	return err == MR_OK ? find_seed(dir, manifest, error) : err;
}

/* What goes: the numbers behind one and before another, but for two. */
struct tidy {
	const struct mr_state_dir *dir;
	int64_t above, below, kept[2];
};

static bool tidy_state(void *context, int folder, const char *name)
{
	const struct tidy *tidy = context;
	char path[MR_MANIFEST_NAME];
	int64_t number;
	(void)folder;
	if (!mr_parse_int64(mr_slice(name), &number) || number <= tidy->above ||
	    number >= tidy->below || number == tidy->kept[0] || number == tidy->kept[1])
		return true;
	snprintf(path, sizeof path, CHECKPOINTS "/%.30s", name);
	mr_state_dir_remove(tidy->dir, path);
	return true;
}

void mr_state_dir_tidy(const struct mr_state_dir *dir, uint64_t newest, uint64_t second)
{
	struct tidy tidy = {dir, 0, INT64_MAX, {(int64_t)newest, (int64_t)second}};
	struct numbers numbers = {0};
	list_manifests(dir, &numbers);
	for (size_t i = 0; i < numbers.count; i++)
		if (numbers.at[i] != newest && numbers.at[i] != second)
			remove_manifest(dir, numbers.at[i]);
	free(numbers.at);
	list_below(dir, CHECKPOINTS, tidy_state, &tidy);
}

void mr_state_dir_tidy_between(const struct mr_state_dir *dir, uint64_t above, uint64_t below,
			       uint64_t kept)
{
	struct tidy tidy = {dir, (int64_t)above, (int64_t)below, {(int64_t)kept, 0}};
	list_below(dir, CHECKPOINTS, tidy_state, &tidy);
}
