/* listing.c - files, directories and standard input, expanded and checked.
 *
 * Called by collect.c: add and publish in the supervisor, load in a worker. Directories are walked
 * (walk.h); what is no file is left out with a word. What the user named himself must be readable.
 */
#include "listing.h"

#include "codec.h"
#include "walk.h"

#include "millrace/os.h"
#include "millrace/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUTS_MAX 10000000

static void push(struct mr_listing *listing, const char *path, bool stream)
{
	if (listing->count == 0)
		listing->total_known = true;
	if (listing->count == listing->capacity) {
		listing->capacity = mr_grow(listing->capacity, listing->count + 1);
		listing->items =
		    mr_realloc(listing->items, listing->capacity * sizeof(*listing->items));
	}
	listing->items[listing->count++] = (struct mr_listing_item){mr_strdup(path), stream};
	if (stream)
		listing->total_known = false;
}

static bool is_compressed(int fd)
{
	unsigned char magic[MR_CODEC_MAGIC_MAX];
	ssize_t len = pread(fd, magic, sizeof(magic), 0);

	return len > 0 && (mr_codec_gzip.is_member(magic, (size_t)len) ||
			   mr_codec_zstd.is_member(magic, (size_t)len));
}

static enum mr_err add_file(struct mr_listing *listing, const char *path, struct mr_error *error)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return mr_error_errno(error, errno == ENOENT ? MR_NOT_FOUND : MR_CONFIG,
				      "%s: cannot open the input", path);
	if (fstat(fd, &status) != 0) {
		close(fd);
		return mr_error_errno(error, MR_CONFIG, "%s: cannot read the input", path);
	}
	push(listing, path, false);
	listing->total_bytes += (uint64_t)status.st_size;
	if (is_compressed(fd))
		listing->total_known = false;
	close(fd);
	return MR_OK;
}

void mr_listing_init(struct mr_listing *listing, const struct mr_config *config)
{
	*listing = (struct mr_listing){0};
	mr_own_files_init(&listing->own, config);
}

static enum mr_err walk_file(void *context, const char *path, const struct stat *status,
			     struct mr_error *error)
{
	struct mr_listing *listing = context;

	if (mr_own_files_name(&listing->own, status) != NULL) {
		mr_log_event(MR_LOG_WARNING, MR_EVENT_INPUT_LEFT_OUT,
			     "%s: left out, this scan writes it", path);
		return MR_OK;
	}
	return add_file(listing, path, error);
}

static void walk_left_out(void *context, const char *path, const char *why)
{
	(void)context;
	mr_log_event(MR_LOG_WARNING, MR_EVENT_INPUT_LEFT_OUT, "%s: left out, %s", path, why);
}

static const struct mr_walk_ops walk_ops = {.file = walk_file, .left_out = walk_left_out};

enum mr_err mr_listing_add(struct mr_listing *listing, const char *named, struct mr_error *error)
{
	struct stat status;

	if (strcmp(named, "-") == 0) {
		push(listing, named, true);
		return MR_OK;
	}
	if (stat(named, &status) != 0)
		return mr_error_errno(error, errno == ENOENT ? MR_NOT_FOUND : MR_CONFIG,
				      "%s: cannot open the input", named);
	if (S_ISDIR(status.st_mode))
		return mr_walk(named, &walk_ops, listing, error);
	if (S_ISREG(status.st_mode) && strncmp(named, "/dev/", 5) != 0 &&
	    strncmp(named, "/proc/", 6) != 0)
		return add_file(listing, named, error);
	if (S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode)) {
		push(listing, named, true);
		return MR_OK;
	}
	return mr_error_set(
	    error, MR_CONFIG,
	    "%s: is a %s; an input is a file, a directory, a FIFO or - for standard "
	    "input",
	    named, S_ISSOCK(status.st_mode) ? "socket" : "device");
}

void mr_listing_fini(struct mr_listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free(listing->items[i].path);
	free(listing->items);
	*listing = (struct mr_listing){0};
}

/* ---- to the workers ---- */

const char *mr_listing_title(const struct mr_listing_item *item)
{
	return item->stream && strcmp(item->path, "-") == 0 ? "standard input" : item->path;
}

static enum mr_err publish_names(const struct mr_listing *listing, struct mr_tables *tables,
				 struct mr_error *error)
{
	const char **titles = mr_calloc(listing->count, sizeof(*titles));
	struct mr_buf bytes = {0};
	enum mr_err err;

	for (size_t i = 0; i < listing->count; i++)
		titles[i] = mr_listing_title(&listing->items[i]);
	mr_names_encode(titles, listing->count, &bytes);
	err = mr_tables_add_bytes(tables, MR_NAMES_TABLE, (struct mr_slice){bytes.data, bytes.len},
				  error);
	mr_buf_fini(&bytes);
	free(titles);
	return err;
}

static enum mr_err publish_stream(const char *path, size_t number, struct mr_tables *tables,
				  struct mr_error *error)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), MR_LISTING_STREAM, (unsigned)number);
	if (strcmp(path, "-") == 0)
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return mr_error_errno(error, MR_CONFIG, "%s: cannot open the input", path);
	mr_tables_add(tables, name, fd, 0);
	return MR_OK;
}

enum mr_err mr_listing_publish(const struct mr_listing *listing, struct mr_tables *tables,
			       struct mr_error *error)
{
	struct mr_buf bytes = {0};
	enum mr_err err = MR_OK;
	char total[32];

	mr_pack_array(&bytes, listing->count);
	for (size_t i = 0; i < listing->count && err == MR_OK; i++) {
		mr_pack_array(&bytes, 2);
		mr_pack_bytes(&bytes, mr_slice(listing->items[i].path));
		mr_pack_bool(&bytes, listing->items[i].stream);
		if (listing->items[i].stream)
			err = publish_stream(listing->items[i].path, i, tables, error);
	}
	if (err == MR_OK)
		err = mr_tables_add_bytes(tables, MR_LISTING_TABLE,
					  (struct mr_slice){bytes.data, bytes.len}, error);
	if (err == MR_OK)
		err = publish_names(listing, tables, error);
	if (err == MR_OK && listing->total_known) {
		snprintf(total, sizeof(total), "%" PRIu64, listing->total_bytes);
		err = mr_tables_add_bytes(tables, MR_LISTING_TOTAL, mr_slice(total), error);
	}
	mr_buf_fini(&bytes);
	return err;
}

/* Read, not mapped: a mapping would stay for the whole life of the worker. */
static enum mr_err read_table(const struct mr_tables *tables, struct mr_buf *out,
			      struct mr_error *error)
{
	size_t size;
	int fd;

	if (!mr_tables_find(tables, MR_LISTING_TABLE, &fd, &size))
		return mr_error_set(error, MR_NOT_FOUND, "no table " MR_LISTING_TABLE);
	switch (mr_os_read(fd, mr_buf_reserve(out, size), size, 0, NULL)) {
	case MR_READ_WHOLE:
		break;
	case MR_READ_SHORT:
		return mr_error_set(error, MR_IO,
				    "the table " MR_LISTING_TABLE " is shorter than it says");
	case MR_READ_FAILED:
		return mr_error_errno(error, MR_IO, "cannot read the table " MR_LISTING_TABLE);
	}
	out->len += size;
	return MR_OK;
}

static void unpack_item(struct mr_listing *listing, struct mr_unpack *in)
{
	struct mr_slice path;
	char *text;

	mr_unpack_array_of(in, 2);
	path = mr_unpack_bytes(in);
	text = mr_asprintf("%.*s", (int)path.len, path.len > 0 ? path.at : "");
	push(listing, text, mr_unpack_bool(in));
	free(text);
}

enum mr_err mr_listing_load(struct mr_listing *listing, const struct mr_tables *tables,
			    struct mr_error *error)
{
	struct mr_buf bytes = {0};
	struct mr_unpack in;
	size_t count;
	enum mr_err err = read_table(tables, &bytes, error);

	if (err == MR_OK) {
		in = mr_unpack((struct mr_slice){bytes.data, bytes.len});
		count = mr_unpack_array(&in, INPUTS_MAX);
		for (size_t i = 0; i < count && mr_unpack_ok(&in); i++)
			unpack_item(listing, &in);
		if (!mr_unpack_done(&in))
			err = mr_error_set(error, MR_PROTOCOL,
					   "the table " MR_LISTING_TABLE
					   " is not what prepare wrote");
	}
	mr_buf_fini(&bytes);
	return err;
}
