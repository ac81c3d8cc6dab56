/* journal_files.c - the segments of a journal as files: found, checked, made, removed.
 *
 * Called by journal.c. A segment gets its name once its head is durable: so one that has a name has
 * a whole head, and what has another name was never finished. */
#include "journal_files.h"

#include "millrace/folder.h"
#include "millrace/os.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_DIGITS 20
#define NAME_ROOM 32
#define UNFINISHED "unfinished"

static void name_of(uint64_t number, char *out)
{
	snprintf(out, NAME_ROOM, "%020" PRIu64 ".seg", number);
}

/* 0 where the name is no segment's. */
static uint64_t number_of(const char *name)
{
	uint64_t number = 0;

	for (size_t i = 0; i < NAME_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		number = number * 10 + (uint64_t)(name[i] - '0');
	}
	return strcmp(name + NAME_DIGITS, ".seg") == 0 ? number : 0;
}

enum mr_err mr_journal_name_error(const struct mr_journal *journal,
				  const struct mr_journal_file *file, struct mr_error *error)
{
	char name[NAME_ROOM];

	name_of(file->number, name);
	return mr_error_prefix(error, "journal/%s/%s", journal->name, name);
}

/* ---- the directory ---- */

char *mr_journal_make(const char *state)
{
	char *path = mr_asprintf("%s/journal", state);
	int fd = mr_os_enter(path);

	if (fd >= 0) {
		close(fd);
		return path;
	}
	free(path);
	return NULL;
}

enum mr_err mr_journal_directory(struct mr_journal *journal, const char *state,
				 struct mr_error *error)
{
	char *above = mr_journal_make(state);
	char *path = mr_asprintf("%s/journal/%s", state, journal->name);

	if (journal->directory >= 0)
		close(journal->directory);
	journal->directory = above != NULL ? mr_os_enter(path) : -1;
	if (journal->directory < 0)
		mr_error_errno(error, mr_error_of_write(errno), "%s: cannot open or make it", path);
	free(path);
	free(above);
	return journal->directory < 0 ? error->code : MR_OK;
}

static bool leads_to(const char *path, int fd)
{
	struct stat now, held;

	return stat(path, &now) == 0 && fstat(fd, &held) == 0 && now.st_dev == held.st_dev &&
	       now.st_ino == held.st_ino;
}

enum mr_err mr_journal_in_place(const struct mr_journal *journal, struct mr_error *error)
{
	const char *state = mr_config_get(journal->env->config, "state", 0);
	char name[NAME_ROOM] = "";
	char *path;
	bool there;

	if (journal->directory < 0) /* it waits for room */
		return MR_OK;
	if (journal->fd >= 0)
		name_of(journal->files[journal->count - 1].number, name);
	path = mr_asprintf("%s/journal/%s/%s", state ? state : ".", journal->name, name);
	there = leads_to(path, journal->fd >= 0 ? journal->fd : journal->directory);
	if (!there)
		mr_error_set(error, MR_BAD_INPUT,
			     "%s was removed, moved or replaced while it is in use: put it back; "
			     "without it no checkpoint is made",
			     path);
	free(path);
	return there ? MR_OK : error->code;
}

int mr_journal_open_file(const struct mr_journal *journal, const struct mr_journal_file *file,
			 int flags, struct mr_error *error)
{
	char name[NAME_ROOM];
	int fd;

	name_of(file->number, name);
	fd = mr_os.openat(journal->directory, name, flags | O_CLOEXEC, 0);
	if (fd < 0)
		mr_error_errno(error, MR_IO, "journal/%s/%s: cannot open", journal->name, name);
	return fd;
}

static struct mr_journal_file *push(struct mr_journal *journal)
{
	if (journal->count == journal->capacity) {
		journal->capacity = mr_grow(journal->capacity, journal->count + 1);
		journal->files =
		    mr_realloc(journal->files, journal->capacity * sizeof(*journal->files));
	}
	journal->files[journal->count] = (struct mr_journal_file){0};
	return &journal->files[journal->count++];
}

static int compare_files(const void *a, const void *b)
{
	uint64_t x = ((const struct mr_journal_file *)a)->number;
	uint64_t y = ((const struct mr_journal_file *)b)->number;

	return x < y ? -1 : x > y;
}

static bool take_name(void *context, int folder, const char *name)
{
	uint64_t number = number_of(name);

	if (number > 0)
		push(context)->number = number;
	else if (strcmp(name, UNFINISHED) == 0)
		mr_os.unlinkat(folder, UNFINISHED, 0);
	return true;
}

static enum mr_err find(struct mr_journal *journal, struct mr_error *error)
{
	if (!mr_folder_list(journal->directory, take_name, journal))
		return mr_error_errno(error, MR_IO, "journal/%s: cannot read the directory",
				      journal->name);
	if (journal->count > 0)
		qsort(journal->files, journal->count, sizeof(*journal->files), compare_files);
	return MR_OK;
}

/* ---- heads ---- */

static enum mr_err read_head(struct mr_journal *journal, struct mr_journal_file *file,
			     struct mr_error *error)
{
	int fd = mr_journal_open_file(journal, file, O_RDONLY, error);
	struct mr_segment_head head;
	struct mr_buf bytes = {0};
	struct stat status;
	enum mr_err err;

	if (fd < 0)
		return error->code;
	err = mr_segment_head_read(fd, &bytes, &head, &file->start, error);
	if (err == MR_OK && fstat(fd, &status) != 0)
		err = mr_error_errno(error, MR_IO, "cannot look at it");
	if (err == MR_OK && head.number != file->number)
		err =
		    mr_error_set(error, MR_BAD_INPUT,
				 "offset 24: the header is that of segment %" PRIu64, head.number);
	if (err == MR_OK && !mr_slice_eq(head.source, mr_slice(journal->name)))
		err = mr_error_set(error, MR_BAD_INPUT,
				   "offset 64: the header is that of source %.*s",
				   (int)head.source.len, head.source.at);
	if (err == MR_OK) {
		file->created_us = head.created_us;
		file->size_bytes = (uint64_t)status.st_size;
		file->chain = head.chain;
		file->first_block = head.first_block;
		file->seed = head.seed;
	} else {
		mr_journal_name_error(journal, file, error);
	}
	mr_buf_fini(&bytes);
	close(fd);
	return err;
}

/* A segment that is not the last ends in a seal that the next one's head names. */
static enum mr_err check_joint(struct mr_journal *journal, struct mr_journal_file *file,
			       const struct mr_journal_file *next, struct mr_error *error)
{
	struct mr_segment_walk walk = {.fd = mr_journal_open_file(journal, file, O_RDONLY, error),
				       .size = file->size_bytes,
				       .seed = file->seed,
				       .number = next->first_block - 1};
	struct mr_block seal;
	enum mr_err err;

	if (walk.fd < 0)
		return error->code;
	walk.at = file->size_bytes < file->start + MR_BLOCK_HEAD
		      ? file->start
		      : (file->size_bytes & ~UINT64_C(7)) - MR_BLOCK_HEAD;
	err = mr_segment_take_chain(&walk, error);
	if (err == MR_OK)
		err = mr_segment_next(&walk, &seal, error);
	if (err == MR_END || (err == MR_OK && (seal.kind != MR_BLOCK_SEAL ||
					       seal.hash != next->chain || walk.at != walk.size)))
		err = mr_error_set(error, MR_BAD_INPUT,
				   "offset %" PRIu64
				   ": the segment does not end in what the next one goes on from",
				   walk.at);
	if (err != MR_OK)
		mr_journal_name_error(journal, file, error);
	mr_segment_walk_fini(&walk);
	close(walk.fd);
	return err;
}

enum mr_err mr_journal_list(struct mr_journal *journal, struct mr_error *error)
{
	enum mr_err err;

	journal->count = 0;
	err = find(journal, error);
	for (size_t i = 0; err == MR_OK && i < journal->count; i++) {
		struct mr_journal_file *file = &journal->files[i];

		if (i > 0 && file->number != file[-1].number + 1)
			err = mr_error_set(error, MR_BAD_INPUT,
					   "journal/%s: segment %" PRIu64 " is missing: %" PRIu64
					   " follows %" PRIu64,
					   journal->name, file[-1].number + 1, file->number,
					   file[-1].number);
		if (err == MR_OK)
			err = read_head(journal, file, error);
		if (err == MR_OK && i > 0)
			err = check_joint(journal, file - 1, file, error);
	}
	return err;
}

/* ---- making and removing ---- */

enum mr_err mr_journal_register(struct mr_journal *journal, struct mr_journal_file *file,
				struct mr_error *error)
{
	char segment[NAME_ROOM];
	char *name;
	enum mr_err err;
	int fd;

	if (file->known)
		return MR_OK;
	fd = mr_journal_open_file(journal, file, O_RDONLY, error);
	if (fd < 0)
		return error->code;
	name_of(file->number, segment);
	name = mr_asprintf("journal/%s/%s/", journal->name, segment);
	err = mr_files_add(journal->env->files, fd, mr_slice(name), &file->file, error);
	file->known = err == MR_OK;
	free(name);
	close(fd);
	return err;
}

static enum mr_err begin_file(struct mr_journal *journal, struct mr_journal_file *file,
			      int64_t now_us, struct mr_buf *bytes, struct mr_error *error)
{
	struct mr_buf cursor = {0};
	struct mr_segment_head head;
	enum mr_err err;

	*file = (struct mr_journal_file){.number = journal->end.segment + 1,
					 .created_us = now_us,
					 .chain = journal->chain,
					 .first_block = journal->end.block};
	if (getrandom(&file->seed, sizeof(file->seed), 0) != sizeof(file->seed))
		file->seed = mr_hash64(&now_us, sizeof(now_us), file->chain);
	journal->cursor->put(journal->cursor_context, &cursor);
	head = (struct mr_segment_head){.number = file->number,
					.created_us = now_us,
					.seed = file->seed,
					.chain = file->chain,
					.first_block = file->first_block,
					.source = mr_slice(journal->name),
					.cursor = {cursor.data, cursor.len}};
	err = mr_segment_cursor_check(head.cursor, error);
	if (err == MR_OK)
		file->start = mr_segment_head_encode(&head, bytes);
	else
		mr_error_prefix(error, "journal/%s", journal->name);
	file->size_bytes = file->start;
	mr_buf_fini(&cursor);
	return err;
}

/* False with errno. Nobody else makes files here, so nothing comes between a look and a rename,
 * which not every file system can do in one. */
static bool is_free(int directory, const char *name)
{
	struct stat status;
	bool there = fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0;

	if (there)
		errno = EEXIST;
	return !there && errno == ENOENT;
}

/* Writes the head under a name of no meaning, then gives it its own, which is no other's: a segment
 * that was overlooked holds records. */
static bool make_file(int directory, int fd, const char *name, struct mr_slice head)
{
	return is_free(directory, name) && mr_os_pwrite_all(fd, head, 0) &&
	       mr_os.fdatasync(fd) == 0 &&
	       mr_os.renameat(directory, UNFINISHED, directory, name) == 0;
}

/* Blocks that are there cost a write less. Where the file system gives none, or has no room, each
 * write asks for its own. */
static void reserve(int fd, uint64_t bytes)
{
	int kept = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
	(void)kept;
}

enum mr_err mr_journal_create(struct mr_journal *journal, int64_t now_us, struct mr_error *error)
{
	struct mr_journal_file file;
	struct mr_buf bytes = {0};
	char name[NAME_ROOM];
	enum mr_err err = begin_file(journal, &file, now_us, &bytes, error);
	int fd;

	if (err != MR_OK)
		return err;
	name_of(file.number, name);
	fd = mr_os.openat(journal->directory, UNFINISHED, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
			  0600);
	if (fd < 0 ||
	    !make_file(journal->directory, fd, name, (struct mr_slice){bytes.data, bytes.len})) {
		err = mr_error_errno(error, mr_error_of_write(errno),
				     "journal/%s/%s: cannot make it", journal->name, name);
		mr_os.unlinkat(journal->directory, UNFINISHED, 0);
	} else if (!mr_os_sync_directory(journal->directory)) {
		err = mr_error_errno(error, MR_IO, "journal/%s: cannot make its names durable",
				     journal->name);
	}
	mr_buf_fini(&bytes);
	if (err != MR_OK) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	reserve(fd, (uint64_t)journal->segment_bytes);
	*push(journal) = file;
	journal->fd = fd;
	journal->end = (struct mr_journal_at){file.number, file.start, file.first_block};
	journal->durable = file.start;
	return MR_OK;
}

void mr_journal_uncache(struct mr_journal *journal)
{
	uint64_t behind = 0;
	size_t end = journal->count;

	while (end > 0 && behind < journal->cached_bytes)
		behind += journal->files[--end].size_bytes;
	for (size_t i = 0; i < end; i++) {
		const struct mr_journal_file *file = &journal->files[i];
		struct mr_error none = {0};
		int fd = -1;

		if (file->number <= journal->uncached)
			continue;
		fd = mr_journal_open_file(journal, file, O_RDONLY, &none);
		if (fd < 0)
			return;
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
		journal->uncached = file->number;
	}
}

bool mr_journal_remove_oldest(struct mr_journal *journal)
{
	char name[NAME_ROOM];

	name_of(journal->files[0].number, name);
	if (mr_os.unlinkat(journal->directory, name, 0) != 0 && errno != ENOENT) {
		mr_log(MR_LOG_WARNING, "journal/%s/%s: cannot remove it: %s", journal->name, name,
		       strerror(errno));
		return false;
	}
	if (journal->closed > 0)
		journal->closed--;
	else
		mr_files_drop(journal->env->files, journal->files[0].file);
	journal->count--;
	memmove(journal->files, journal->files + 1, journal->count * sizeof(*journal->files));
	if (journal->replayed > 0)
		journal->replayed--;
	return true;
}
