/* file_numbers_kept.c - the numbers of files in the state directory: `files`, a manifest of names
 * alone, and `files.added`, what has changed since, in batches.
 *
 * Called by service.c and supervisor_words.c. A batch is u32 length of its body, the body (msgpack:
 * number and name of each, an empty name where it is nobody's), u64 XXH3 over both, little-endian.
 * Each is durable before the next is written: so only the last may be torn, and one that is not
 * whole before one that is was changed later. The list is written anew once the batches are longer
 * than it; those that it holds already change nothing when they are read behind it. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "codec.h"
#include "file_numbers.h"
#include "millrace/os.h"
#include "millrace/pack.h"

#define LIST "files"
#define ADDED "files.added"
#define HEAD 4
#define SUM 8
#define ADDED_LEAST (1u << 20)
#define ADDED_MOST (128u << 20) /* then the list is written anew */
/* What is read: all names with their heads; of batches as much as is written before the list is,
 * and the last of them. */
#define LIST_READ (MR_FILE_NUMBERS_BYTES + (size_t)MR_FILE_NUMBERS_MAX * 16 + 4096)
#define ADDED_READ (ADDED_MOST + 2 * LIST_READ)

static enum mr_err failed(const struct mr_state_dir *dir, const char *what, struct mr_error *error)
{
	return mr_error_errno(error, mr_error_of_write(errno), "%s/" ADDED ": cannot %s it",
			      dir->path, what);
}

static void put_batch(const struct mr_file_numbers *numbers, struct mr_buf *out)
{
	struct mr_buf body = {0};
	mr_pack_array(&body, (size_t)numbers->news_count * 2);
	mr_buf_add(&body, numbers->news.data, numbers->news.len);
	mr_buf_add_le(out, body.len, HEAD);
	mr_buf_add(out, body.data, body.len);
	mr_buf_add_le(out, mr_hash64(out->data, out->len, 0), SUM);
	mr_buf_fini(&body);
}

static enum mr_err add_batch(struct mr_file_numbers *numbers, const struct mr_state_dir *dir,
			     struct mr_error *error)
{
	int fd = mr_os.openat(dir->fd, ADDED, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(dir, "open", error);
	struct mr_buf batch = {0};
	enum mr_err err = MR_OK;
	put_batch(numbers, &batch);
	/* Behind the last that is durable, whatever became of one that failed. */
	if (!mr_os_pwrite_all(fd, (struct mr_slice){batch.data, batch.len}, numbers->kept_bytes) ||
	    mr_os.fdatasync(fd) != 0 ||
	    (numbers->kept_bytes == 0 && !mr_os_sync_directory(dir->fd)))
		err = failed(dir, "write", error);
	else
		numbers->kept_bytes += batch.len;
	close(fd);
	mr_buf_fini(&batch);
	return err;
}

static void list_all(const struct mr_file_numbers *numbers, struct mr_buf *out)
{
	struct mr_manifest names = {.name_count = numbers->count};
	names.names = mr_calloc(numbers->count, sizeof *names.names);
	for (uint32_t i = 0; i < numbers->count; i++)
		names.names[i] = (struct mr_manifest_name){i, mr_strdup(numbers->items[i].name)};
	mr_manifest_encode(&names, out);
	mr_manifest_fini(&names);
}

/* All of them, and then no batch. */
static enum mr_err put_list(struct mr_file_numbers *numbers, const struct mr_state_dir *dir,
			    struct mr_error *error)
{
	struct mr_buf bytes = {0};
	list_all(numbers, &bytes);
	enum mr_err err =
	    mr_state_dir_put(dir, LIST, (struct mr_slice){bytes.data, bytes.len}, error);
	numbers->list_bytes = bytes.len;
	mr_buf_fini(&bytes);
	if (err != MR_OK)
		return err;
	int fd = mr_os.openat(dir->fd, ADDED, O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0 || mr_os.ftruncate(fd, 0) != 0 || mr_os.fsync(fd) != 0)
		err = failed(dir, "empty", error);
	else
		numbers->kept_bytes = 0;
	if (fd >= 0)
		close(fd);
	return err;
}

enum mr_err mr_file_numbers_keep(struct mr_file_numbers *numbers, const struct mr_state_dir *dir,
				 struct mr_error *error)
{
	enum mr_err err = add_batch(numbers, dir, error);
	if (err != MR_OK)
		return err;
	numbers->news.len = 0;
	numbers->news_count = 0;
	numbers->kept_count = numbers->count;
	if (numbers->kept_bytes < ADDED_LEAST ||
	    (numbers->kept_bytes < numbers->list_bytes && numbers->kept_bytes < ADDED_MOST))
		return MR_OK;
	return put_list(numbers, dir, error);
}

/* ---- reading ---- */

/* It has not been written yet. */
static enum mr_err forget(struct mr_error *error)
{
	*error = (struct mr_error){0};
	return MR_OK;
}

static enum mr_err recall_list(struct mr_file_numbers *numbers, const struct mr_state_dir *dir,
			       struct mr_error *error)
{
	struct mr_manifest names = {0};
	struct mr_buf bytes = {0};
	enum mr_err err = mr_state_dir_get(dir, LIST, LIST_READ, &bytes, error);
	if (err == MR_OK) {
		numbers->list_bytes = bytes.len;
		err = mr_manifest_decode((struct mr_slice){bytes.data, bytes.len}, &names, error);
		if (err != MR_OK)
			mr_error_prefix(error, "%s/" LIST, dir->path);
	}
	/* Its place is what counts. */
	for (uint32_t i = 0; err == MR_OK && i < names.name_count; i++)
		mr_file_numbers_put(numbers, i, mr_slice(names.names[i].name));
	if (err == MR_NOT_FOUND)
		err = forget(error);
	mr_buf_fini(&bytes);
	mr_manifest_fini(&names);
	return err;
}

/* The length of the whole batch that begins these bytes, or 0. */
static size_t batch_length(struct mr_slice bytes)
{
	if (bytes.len < HEAD + SUM)
		return 0;
	uint64_t len = HEAD + mr_get_le(bytes.at, HEAD);
	if (len > bytes.len - SUM ||
	    mr_get_le(bytes.at + len, SUM) != mr_hash64(bytes.at, (size_t)len, 0))
		return 0;
	return (size_t)len + SUM;
}

static bool take_batch(struct mr_file_numbers *numbers, struct mr_slice body)
{
	struct mr_unpack in = mr_unpack(body);
	size_t items = mr_unpack_array(&in, 2 * ADDED_READ);
	bool good = items % 2 == 0;
	for (size_t i = 0; good && i < items / 2; i++) {
		uint64_t number = mr_unpack_uint(&in, UINT64_MAX);
		struct mr_slice name = mr_unpack_bytes(&in);
		good = mr_unpack_ok(&in) && mr_file_numbers_put(numbers, number, name);
	}
	return good && mr_unpack_done(&in);
}

static enum mr_err damaged(const struct mr_state_dir *dir, size_t at, struct mr_error *error)
{
	return mr_error_set(error, MR_BAD_INPUT,
			    "%s/" ADDED ": offset %zu: damaged: no whole batch", dir->path, at);
}

static enum mr_err take_batches(struct mr_file_numbers *numbers, const struct mr_state_dir *dir,
				struct mr_slice bytes, struct mr_error *error)
{
	size_t at = 0;
	size_t len;
	while (at < bytes.len &&
	       (len = batch_length((struct mr_slice){bytes.at + at, bytes.len - at})) > 0) {
		struct mr_slice body = {bytes.at + at + HEAD, len - HEAD - SUM};
		if (!take_batch(numbers, body))
			return damaged(dir, at, error);
		at += len;
	}
	numbers->kept_bytes = at;
	for (size_t behind = at + 1; behind < bytes.len; behind++) {
		if (batch_length((struct mr_slice){bytes.at + behind, bytes.len - behind}) > 0)
			return damaged(dir, at, error);
	}
	return MR_OK;
}

enum mr_err mr_file_numbers_recall(struct mr_file_numbers *numbers, const struct mr_state_dir *dir,
				   struct mr_error *error)
{
	struct mr_buf bytes = {0};
	enum mr_err err = recall_list(numbers, dir, error);
	if (err == MR_OK)
		err = mr_state_dir_get(dir, ADDED, ADDED_READ, &bytes, error);
	if (err == MR_OK)
		err = take_batches(numbers, dir, (struct mr_slice){bytes.data, bytes.len}, error);
	else if (err == MR_NOT_FOUND)
		err = forget(error);
	numbers->kept_count = numbers->count;
	mr_buf_fini(&bytes);
	return err;
}
