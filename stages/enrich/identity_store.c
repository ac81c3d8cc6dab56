/* identity_store.c - generations of the identity store on disk.
 *
 * Called by identity.c, identity_import.c, identity_command.c. An import that dies leaves the
 * current generation as it was; the next one removes what is left of it. */
#include "identity_store.h"
#include "sealed.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/folder.h"
#include "millrace/os.h"
#include "millrace/xxh3.h"

#define MAP_BYTES (UINT64_C(1) << 38) /* address space only: LMDB's file grows as it is filled */
#define ENTRIES_A_TRANSACTION 100000
#define ROOM_BYTES (1 << 20) /* more than LMDB writes at once */
#define PREFIX "generation-"

/* ---- reading ---- */

char *identity_store_current(const char *store)
{
	char target[64];
	char *link = mr_asprintf("%s/current", store);
	ssize_t len = readlink(link, target, sizeof target);
	if (len <= 0 || len == (ssize_t)sizeof target)
		return link;
	free(link);
	return mr_asprintf("%s/%.*s", store, (int)len, target);
}

/* The check of a body that is on its way, and of the whole where it is asked for. */
struct body {
	XXH3_state_t *state;
	XXH3_state_t *whole;           /* or NULL */
	struct identity_header header; /* the first bytes of the file: no part of the body */
	size_t header_len;
};

static void watch_body(void *context, const char *bytes, size_t len)
{
	struct body *body = context;
	size_t missing = sizeof body->header - body->header_len;
	size_t head = len < missing ? len : missing;
	memcpy((char *)&body->header + body->header_len, bytes, head);
	body->header_len += head;
	XXH3_64bits_update(body->state, bytes + head, len - head);
	if (body->whole != NULL)
		XXH3_64bits_update(body->whole, bytes, len);
}

static XXH3_state_t *begin_check(void)
{
	XXH3_state_t *state = XXH3_createState();
	assert(state != NULL);
	XXH3_64bits_reset(state);
	return state;
}

static uint64_t end_check(XXH3_state_t *state)
{
	uint64_t check = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	return check;
}

static enum mr_err copy_table(const char *path, int *fd_out, size_t *size_out, uint64_t *hash_out,
			      struct mr_error *error)
{
	struct body body = {.state = begin_check(),
			    .whole = hash_out != NULL ? begin_check() : NULL};
	enum mr_err err = sealed_copy_watched(path, watch_body, &body, fd_out, size_out, error);
	uint64_t check = end_check(body.state);
	if (hash_out != NULL)
		*hash_out = end_check(body.whole);
	if (err != MR_OK)
		return mr_error_prefix(error, "no identity store that can be read; millrace "
					      "identity import makes one");
	struct mr_slice head = {(const char *)&body.header, body.header_len};
	err = identity_table_check(head, *size_out, error);
	if (err == MR_OK && check != body.header.body)
		err = mr_error_set(error, MR_CONFIG,
				   "the identity table is damaged behind its header: import again");
	if (err == MR_OK)
		return MR_OK;
	close(*fd_out);
	return mr_error_prefix(error, "%s", path);
}

static enum mr_err map_table(const char *path, int fd, size_t size, struct identity_table *out,
			     struct mr_error *error)
{
	const char *bytes = mr_os_map(fd, size);
	if (bytes == NULL)
		return mr_error_errno(error, MR_IO, "%s", path);
	return identity_table_open((struct mr_slice){bytes, size}, out, error);
}

enum mr_err identity_store_open(const char *generation, int *fd_out, size_t *size_out,
				uint64_t *hash_out, struct identity_table *table_out,
				struct mr_error *error)
{
	char *path = mr_asprintf("%s/table", generation);
	size_t size;
	int fd;
	enum mr_err err = copy_table(path, &fd, &size, hash_out, error);
	if (err == MR_OK && table_out != NULL)
		err = map_table(path, fd, size, table_out, error);
	free(path);
	if (err != MR_OK)
		return err;
	if (size_out != NULL)
		*size_out = size;
	if (fd_out != NULL)
		*fd_out = fd;
	else
		close(fd);
	return MR_OK;
}

static enum mr_err lmdb_error(struct mr_error *error, const char *path, int code)
{
	if (code > 0) { /* one of the system's */
		errno = code;
		return mr_error_errno(error, mr_error_of_write(code), "%s", path);
	}
	return mr_error_set(error, code == MDB_MAP_FULL ? MR_NO_SPACE : MR_IO, "%s: %s", path,
			    mdb_strerror(code));
}

static enum mr_err check_entries(const char *path, const struct identity_header *header,
				 struct mr_error *error)
{
	uint64_t bytes;
	uint64_t check;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool known = fd >= 0 && sealed_measure(fd, &bytes, &check);
	enum mr_err err = known ? MR_OK : mr_error_errno(error, MR_CONFIG, "%s", path);
	if (fd >= 0)
		close(fd);
	if (!known)
		return mr_error_prefix(error, "the entries cannot be read; millrace identity "
					      "import writes them anew");
	if (bytes != header->entries_bytes)
		err = mr_error_set(error, MR_CONFIG,
				   "%s: the entries take up %llu bytes, and %llu were written: "
				   "import again",
				   path, (unsigned long long)bytes,
				   (unsigned long long)header->entries_bytes);
	else if (check != header->entries)
		err = mr_error_set(error, MR_CONFIG, "%s: the entries are damaged: import again",
				   path);
	return err;
}

/* The map is as long as the file. */
static int read_entry(const char *generation, size_t bytes, uint32_t number, struct mr_buf *out)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_dbi dbi;
	MDB_val key = {sizeof number, &number};
	MDB_val value;
	int code = mdb_env_create(&env);
	if (code == 0)
		code = mdb_env_set_mapsize(env, bytes);
	/* Nobody writes to a generation any more: whoever may read it needs no lock. */
	if (code == 0)
		code = mdb_env_open(env, generation, MDB_RDONLY | MDB_NOTLS | MDB_NOLOCK, 0600);
	if (code == 0)
		code = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
	if (code == 0)
		code = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi);
	if (code == 0)
		code = mdb_get(txn, dbi, &key, &value);
	if (code == 0)
		mr_buf_add(out, value.mv_data, value.mv_size);
	if (txn != NULL)
		mdb_txn_abort(txn);
	if (env != NULL)
		mdb_env_close(env);
	return code;
}

enum mr_err identity_store_entry(const char *generation, const struct identity_table *table,
				 uint32_t number, struct mr_buf *out, struct mr_error *error)
{
	char *path = mr_asprintf("%s/data.mdb", generation);
	enum mr_err err = check_entries(path, table->header, error);
	if (err == MR_OK) {
		int code = read_entry(generation, table->header->entries_bytes, number, out);
		err = code == 0 ? MR_OK : lmdb_error(error, path, code);
	}
	free(path);
	return err;
}

/* ---- a new generation ---- */

static void remove_generation(const char *store, const char *name)
{
	/* Nobody makes a lock.mdb any more, but older generations have one. */
	static const char *const files[] = {"table", "data.mdb", "lock.mdb"};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char *path = mr_asprintf("%s/%s/%s", store, name, files[i]);
		unlink(path);
		free(path);
	}
	char *path = mr_asprintf("%s/%s", store, name);
	rmdir(path);
	free(path);
}

/* The number of the current generation, 0 where there is none. */
static uint64_t current_number(const char *store)
{
	char target[64];
	int64_t number = 0;
	char *path = mr_asprintf("%s/current", store);
	ssize_t len = readlink(path, target, sizeof target - 1);
	free(path);
	size_t prefix = sizeof PREFIX - 1;
	if (len <= (ssize_t)prefix || memcmp(target, PREFIX, prefix) != 0 ||
	    !mr_parse_int64((struct mr_slice){target + prefix, (size_t)len - prefix}, &number))
		return 0;
	return (uint64_t)number;
}

struct sweep {
	const char *store;
	uint64_t keep[2];
};

static bool sweep_one(void *context, int folder, const char *name)
{
	const struct sweep *sweep = context;
	int64_t number;
	(void)folder;
	if (strncmp(name, PREFIX, sizeof PREFIX - 1) == 0 &&
	    mr_parse_int64(mr_slice(name + sizeof PREFIX - 1), &number) &&
	    (uint64_t)number != sweep->keep[0] && (uint64_t)number != sweep->keep[1])
		remove_generation(sweep->store, name);
	return true;
}

/* All generations but those two. What is not seen stays until the next import. */
static void sweep(const char *store, uint64_t keep, uint64_t keep_too)
{
	struct sweep all = {.store = store, .keep = {keep, keep_too}};
	mr_folder_list_path(store, sweep_one, &all);
}

static enum mr_err cannot_make(const char *path, struct mr_error *error)
{
	bool full = mr_error_of_write(errno) == MR_NO_SPACE;
	return mr_error_errno(error, full ? MR_NO_SPACE : MR_CONFIG, "%s", path);
}

/* An import that fails removes the lock it holds: whoever opened it before holds nothing then. */
static bool lock_file(int fd)
{
	struct stat about;
	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &about) == 0 && about.st_nlink > 0;
}

static enum mr_err take_lock(struct identity_generation *generation, struct mr_error *error)
{
	generation->made = mkdir(generation->store, 0700) == 0;
	if (!generation->made && errno != EEXIST)
		return cannot_make(generation->store, error);
	char *path = mr_asprintf("%s/lock", generation->store);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	enum mr_err err = MR_OK;
	if (fd < 0) {
		err = cannot_make(path, error);
	} else if (lock_file(fd)) {
		generation->lock = fd;
	} else {
		close(fd);
		err = mr_error_set(error, MR_CONFIG, "%s: another import is under way",
				   generation->store);
	}
	free(path);
	return err;
}

static int begin_transaction(struct identity_generation *generation)
{
	int code = mdb_txn_begin(generation->env, NULL, 0, &generation->txn);
	if (code == 0)
		code = mdb_dbi_open(generation->txn, NULL, MDB_INTEGERKEY | MDB_CREATE,
				    &generation->dbi);
	return code;
}

enum mr_err identity_generation_begin(const char *store, struct identity_generation *out,
				      struct mr_error *error)
{
	*out = (struct identity_generation){.store = mr_strdup(store), .lock = -1};
	enum mr_err err = take_lock(out, error);
	if (err != MR_OK)
		return err;
	uint64_t current = current_number(store);
	sweep(store, current, current - 1);
	out->number = current + 1;
	out->path = mr_asprintf("%s/" PREFIX "%llu", store, (unsigned long long)out->number);
	if (mkdir(out->path, 0700) != 0)
		return mr_error_errno(error, mr_error_of_write(errno), "%s", out->path);
	int code = mdb_env_create(&out->env);
	if (code == 0)
		code = mdb_env_set_mapsize(out->env, MAP_BYTES);
	/* The generation is this import's alone: the store's lock keeps others out. LMDB's own lock
	 * is a mapped file with holes, and a full disk would kill whoever writes to one. */
	if (code == 0)
		code = mdb_env_open(out->env, out->path, MDB_NOSYNC | MDB_NOTLS | MDB_NOLOCK, 0600);
	if (code == 0)
		code = begin_transaction(out);
	return code == 0 ? MR_OK : lmdb_error(error, out->path, code);
}

/* LMDB calls a write that was cut short EIO. What cuts one short is want of room: whether there is
 * any, the file system says. */
static enum mr_err write_error(const struct identity_generation *generation, int code,
			       struct mr_error *error)
{
	struct stat about;
	int fd;
	if (code == EIO && mdb_env_get_fd(generation->env, &fd) == 0 && fstat(fd, &about) == 0) {
		int number = posix_fallocate(fd, about.st_size, ROOM_BYTES);
		code = number != 0 ? number : EIO;
	}
	return lmdb_error(error, generation->path, code);
}

enum mr_err identity_generation_put(struct identity_generation *generation, uint32_t number,
				    struct mr_slice entry, struct mr_error *error)
{
	MDB_val key = {sizeof number, &number};
	MDB_val value = {entry.len, (void *)(uintptr_t)entry.at};
	int code = mdb_put(generation->txn, generation->dbi, &key, &value, MDB_APPEND);
	if (code == 0 && ++generation->pending == ENTRIES_A_TRANSACTION) {
		generation->pending = 0;
		code = mdb_txn_commit(generation->txn);
		generation->txn = NULL;
		if (code == 0)
			code = begin_transaction(generation);
	}
	return code == 0 ? MR_OK : write_error(generation, code, error);
}

/* Nothing is put any more. The header learns what the file of entries holds. */
static enum mr_err finish_entries(struct identity_generation *generation,
				  struct identity_header *header, struct mr_error *error)
{
	int fd;
	int code = mdb_txn_commit(generation->txn);
	generation->txn = NULL;
	if (code == 0)
		code = mdb_env_sync(generation->env, 1);
	if (code == 0)
		code = mdb_env_get_fd(generation->env, &fd);
	if (code != 0)
		return write_error(generation, code, error);
	if (!sealed_measure(fd, &header->entries_bytes, &header->entries))
		return mr_error_errno(error, MR_IO, "%s/data.mdb", generation->path);
	return MR_OK;
}

static void finish_header(struct identity_header *header, const struct identity_part *body,
			  size_t count)
{
	XXH3_state_t *state = begin_check();
	for (size_t i = 0; i < count; i++)
		XXH3_64bits_update(state, body[i].at, body[i].len);
	header->body = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	identity_header_seal(header);
}

static enum mr_err write_table(const char *path, const struct identity_header *header,
			       const struct identity_part *body, size_t count,
			       struct mr_error *error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool good =
	    fd >= 0 && mr_os_write_all(fd, (struct mr_slice){(const char *)header, sizeof *header});
	for (size_t i = 0; i < count && good; i++)
		good = mr_os_write_all(fd, (struct mr_slice){body[i].at, body[i].len});
	good = good && fsync(fd) == 0;
	enum mr_err err =
	    good ? MR_OK : mr_error_errno(error, mr_error_of_write(errno), "%s", path);
	if (fd >= 0)
		close(fd);
	return err;
}

static enum mr_err sync_directory(const char *path, struct mr_error *error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && fsync(fd) == 0;
	enum mr_err err =
	    good ? MR_OK : mr_error_errno(error, mr_error_of_write(errno), "%s", path);
	if (fd >= 0)
		close(fd);
	return err;
}

/* A link can't be replaced in place, but a new one renamed over it. */
static enum mr_err switch_to(const struct identity_generation *generation, struct mr_error *error)
{
	char target[64];
	snprintf(target, sizeof target, PREFIX "%llu", (unsigned long long)generation->number);
	char *next = mr_asprintf("%s/next", generation->store);
	char *current = mr_asprintf("%s/current", generation->store);
	unlink(next);
	bool good = symlink(target, next) == 0 && rename(next, current) == 0;
	enum mr_err err =
	    good ? MR_OK : mr_error_errno(error, mr_error_of_write(errno), "%s", current);
	if (!good)
		unlink(next);
	free(next);
	free(current);
	return err;
}

enum mr_err identity_generation_commit(struct identity_generation *generation,
				       struct identity_header *header,
				       const struct identity_part *body, size_t count,
				       struct mr_error *error)
{
	enum mr_err err = finish_entries(generation, header, error);
	if (err != MR_OK)
		return err;
	finish_header(header, body, count);
	char *path = mr_asprintf("%s/table", generation->path);
	err = write_table(path, header, body, count, error);
	free(path);
	if (err == MR_OK)
		err = sync_directory(generation->path, error);
	if (err == MR_OK)
		err = switch_to(generation, error);
	if (err != MR_OK)
		return err;
	free(generation->path); /* it is current, durable or not: end must not remove it */
	generation->path = NULL;
	generation->made = false;
	err = sync_directory(generation->store, error);
	if (err == MR_OK)
		sweep(generation->store, generation->number, generation->number - 1);
	return err;
}

/* Where the store was not there before. */
static void remove_store(const struct identity_generation *generation)
{
	char *path = mr_asprintf("%s/lock", generation->store);
	if (generation->lock >= 0)
		unlink(path);
	free(path);
	rmdir(generation->store);
}

void identity_generation_end(struct identity_generation *generation)
{
	if (generation->txn != NULL)
		mdb_txn_abort(generation->txn);
	if (generation->env != NULL)
		mdb_env_close(generation->env);
	if (generation->path != NULL)
		remove_generation(generation->store, strrchr(generation->path, '/') + 1);
	if (generation->made)
		remove_store(generation);
	if (generation->lock >= 0)
		close(generation->lock);
	free(generation->path);
	free(generation->store);
	*generation = (struct identity_generation){.lock = -1};
}
