/* once.c - files that are read once, as a source of `run`: what is there when it begins is all.
 *
 * Plain files of lines travel by reference, as in scan, without journal: a checkpoint keeps how far
 * each was handed on, and they are read again from there. All else is decoded into the journal,
 * whose cursor counts the records of the file in hand: after a restart that file is decoded from
 * its beginning, and so many are passed over. A file that was read is known by a hash of its path.
 */
#include "source.h"

#include "input.h"
#include "listing.h"

#include "millrace/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DONE_MAX 10000000

struct done {
	uint64_t path; /* its hash */
	bool journalled;
	bool moved; /* the journal knows */
};

/* A file that travels by reference, as the checkpoint knows it. */
struct half {
	uint64_t path; /* 0: none */
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	uint64_t at;
	int64_t arrival_us;
};

struct once {
	struct mr_listing listing;
	size_t next;
	size_t booked; /* so many of the listing are through, as the books have it */
	bool reading;
	struct mr_input input;
	uint64_t path; /* of the file in hand */
	struct half half;
	struct done *done;
	size_t done_count;
	size_t done_capacity;
	size_t known; /* so many of them, sorted, are from before a restart */
	/* The file that was being decoded, and how many units of it stand in the journal. */
	uint64_t units_path;
	uint64_t units;
	int64_t referenced;
	int64_t referenced_max;
};

static uint64_t hash_of(const char *path)
{
	return mr_hash64(path, strlen(path), 0) | 1;
}

static void add_done(struct once *once, uint64_t path, bool journalled, bool moved)
{
	if (once->done_count == once->done_capacity) {
		once->done_capacity = mr_grow(once->done_capacity, once->done_count + 1);
		once->done = mr_realloc(once->done, once->done_capacity * sizeof(*once->done));
	}
	once->done[once->done_count++] = (struct done){path, journalled, moved};
}

static int compare_done(const void *a, const void *b)
{
	uint64_t x = ((const struct done *)a)->path;
	uint64_t y = ((const struct done *)b)->path;

	return x < y ? -1 : x > y;
}

static bool is_done(const struct once *once, uint64_t path)
{
	struct done key = {.path = path};

	return once->known > 0 &&
	       bsearch(&key, once->done, once->known, sizeof(key), compare_done) != NULL;
}

/* ---- the cursor ---- */

static void put(struct mr_source *source, bool whole, struct mr_buf *out)
{
	const struct once *once = source->state;
	bool decoding = once->reading && !once->input.by_reference;
	size_t count = 0;

	for (size_t i = 0; i < once->done_count; i++)
		count += once->done[i].journalled && once->done[i].moved == whole;
	mr_pack_array(out, 3);
	mr_pack_uint(out, whole ? once->units_path : decoding ? once->path : 0);
	mr_pack_uint(out, whole ? once->units : decoding ? source->spool.units : 0);
	mr_pack_array(out, count);
	for (size_t i = 0; i < once->done_count; i++)
		if (once->done[i].journalled && once->done[i].moved == whole)
			mr_pack_uint(out, once->done[i].path);
}

static void moved(struct mr_source *source)
{
	struct once *once = source->state;
	bool decoding = once->reading && !once->input.by_reference;

	for (size_t i = once->done_count; i-- > 0 && !once->done[i].moved;)
		once->done[i].moved = true;
	once->units_path = decoding ? once->path : 0;
	once->units = decoding ? source->spool.units : 0;
}

static void take_done(struct once *once, struct mr_unpack *in, bool journalled)
{
	size_t count = mr_unpack_array(in, DONE_MAX);

	for (size_t i = 0; i < count && mr_unpack_ok(in); i++)
		add_done(once, mr_unpack_uint(in, UINT64_MAX), journalled, true);
}

static void take(struct mr_source *source, struct mr_slice bytes, bool whole)
{
	struct once *once = source->state;
	struct mr_unpack in = mr_unpack(bytes);

	(void)whole;
	mr_unpack_array_of(&in, 3);
	once->units_path = mr_unpack_uint(&in, UINT64_MAX);
	once->units = mr_unpack_uint(&in, UINT64_MAX);
	take_done(once, &in, true);
}

/* ---- the checkpoint ---- */

static void snapshot(struct mr_source *source, struct mr_buf *out)
{
	struct once *once = source->state;
	size_t count = 0;

	if (once->reading && once->input.by_reference)
		once->half.at = once->input.regions.at;
	for (size_t i = 0; i < once->done_count; i++)
		count += !once->done[i].journalled;
	mr_pack_array(out, 7);
	mr_pack_uint(out, once->half.path);
	mr_pack_uint(out, once->half.device);
	mr_pack_uint(out, once->half.inode);
	mr_pack_uint(out, once->half.size);
	mr_pack_uint(out, once->half.at);
	mr_pack_int(out, once->half.arrival_us);
	mr_pack_array(out, count);
	for (size_t i = 0; i < once->done_count; i++)
		if (!once->done[i].journalled)
			mr_pack_uint(out, once->done[i].path);
}

static enum mr_err restore(struct mr_source *source, struct mr_slice bytes, struct mr_error *error)
{
	struct once *once = source->state;
	struct mr_unpack in = mr_unpack(bytes);

	mr_unpack_array_of(&in, 7);
	once->half.path = mr_unpack_uint(&in, UINT64_MAX);
	once->half.device = mr_unpack_uint(&in, UINT64_MAX);
	once->half.inode = mr_unpack_uint(&in, UINT64_MAX);
	once->half.size = mr_unpack_uint(&in, INT64_MAX);
	once->half.at = mr_unpack_uint(&in, INT64_MAX);
	once->half.arrival_us = mr_unpack_int(&in);
	take_done(once, &in, false);
	if (!mr_unpack_done(&in) || once->half.at > once->half.size)
		return mr_error_set(error, MR_BAD_INPUT,
				    "source %s: what the checkpoint says of its files is not what "
				    "was written",
				    source->part->name);
	return MR_OK;
}

/* ---- the files ---- */

static enum mr_err list(struct mr_listing *listing, const struct mr_part *part,
			struct mr_error *error)
{
	const char *named;
	size_t at = 0;
	enum mr_err err = MR_OK;

	while (err == MR_OK && (named = mr_config_next(&part->settings, "path", &at)) != NULL) {
		glob_t found;

		if (!mr_path_is_pattern(named) || glob(named, 0, NULL, &found) != 0) {
			err = mr_listing_add(listing, named, error);
			continue;
		}
		for (size_t i = 0; i < found.gl_pathc && err == MR_OK; i++)
			err = mr_listing_add(listing, found.gl_pathv[i], error);
		globfree(&found);
	}
	for (size_t i = 0; err == MR_OK && i < listing->count; i++)
		if (listing->items[i].stream)
			err = mr_error_set(error, MR_CONFIG, "%s: is no regular file",
					   listing->items[i].path);
	return err;
}

static enum mr_err prepare(const struct mr_part *part, const struct mr_prepare *settings,
			   struct mr_error *error)
{
	struct mr_listing listing;
	enum mr_err err;

	mr_listing_init(&listing, settings->config);
	err = list(&listing, part, error);
	mr_listing_fini(&listing);
	return err;
}

static enum mr_err open_source(struct mr_source *source, struct mr_error *error)
{
	struct once *once = source->state;
	int64_t sources = (int64_t)mr_config_parts(source->env->config, MR_PART_SOURCE);
	enum mr_err err;

	err = mr_config_int(source->env->config, "referenced_files", &once->referenced_max, error);
	once->referenced_max /= sources;
	once->known = once->done_count;
	if (once->known > 0)
		qsort(once->done, once->known, sizeof(*once->done), compare_done);
	mr_listing_init(&once->listing, source->env->config);
	return err == MR_OK ? list(&once->listing, source->part, error) : err;
}

static enum mr_err lose(struct mr_source *source, const char *path, const char *why)
{
	struct once *once = source->state;

	mr_source_unread(source, path, why);
	mr_source_count_unread(source, path);
	once->half = (struct half){0};
	add_done(once, once->path, false, true);
	return MR_OK;
}

/* One that the checkpoint knows goes on where that was; else from the beginning. */
static enum mr_err go_on(struct mr_source *source, const char *path, const struct stat *status,
			 struct mr_error *error)
{
	struct once *once = source->state;
	struct half *half = &once->half;

	if (half->path != once->path) {
		*half = (struct half){.path = once->path,
				      .device = status->st_dev,
				      .inode = status->st_ino,
				      .size = (uint64_t)status->st_size,
				      .arrival_us = mr_source_now(source)};
		once->input.arrival_us = half->arrival_us;
		return MR_OK;
	}
	if (half->device != status->st_dev || half->inode != status->st_ino ||
	    half->size > (uint64_t)status->st_size) {
		mr_input_fini(&once->input);
		once->reading = false;
		return lose(source, path,
			    "is another file, or a shorter one, than before the restart: what was "
			    "not read of it by then is lost");
	}
	once->input.arrival_us = half->arrival_us;
	return half->at == 0 ? MR_OK : mr_input_go_on(&once->input, half->at, half->size, error);
}

static enum mr_err next_file(struct mr_source *source, struct mr_error *error)
{
	struct once *once = source->state;
	const char *path = once->listing.items[once->next++].path;
	struct mr_error unread = {0};
	struct stat status;
	int fd;

	once->path = hash_of(path);
	if (is_done(once, once->path))
		return MR_OK;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &status) != 0) {
		mr_error_errno(&unread, MR_IO, "cannot open it any more");
		return lose(source, path, unread.text);
	}
	if (mr_input_open(&once->input, fd, path, MR_INPUT_UNNAMED,
			  once->referenced < once->referenced_max, &source->spool,
			  &unread) != MR_OK)
		return lose(source, path, unread.text);
	once->reading = true;
	source->spool.units = 0;
	source->spool.skip = once->units_path == once->path ? once->units : 0;
	return go_on(source, path, &status, error);
}

static void end_file(struct mr_source *source)
{
	struct once *once = source->state;
	bool by_reference = once->input.by_reference;

	once->referenced += by_reference;
	if (once->input.damage_count > 0) {
		mr_count(source->env->counters, MR_C_INPUTS_DAMAGED, 1);
		mr_source_count_unread(source, once->listing.items[once->next - 1].path);
	}
	mr_input_fini(&once->input);
	source->spool.skip = 0;
	once->reading = false;
	once->half = (struct half){0};
	add_done(once, once->path, !by_reference, by_reference);
	source->dirty |= !by_reference;
}

/* Nothing of it was taken: its name has no room yet, and comes before its first record. */
static void begin_again(struct mr_source *source)
{
	struct once *once = source->state;

	mr_input_fini(&once->input);
	once->reading = false;
	once->next--;
}

static enum mr_err step(struct mr_source *source, struct mr_error *error)
{
	struct once *once = source->state;
	enum mr_err err;

	if (!once->reading && once->next == once->listing.count)
		return MR_END;
	err = once->reading ? mr_input_step(&once->input, error) : next_file(source, error);
	if (err == MR_NO_SPACE)
		begin_again(source);
	if (err != MR_END)
		return err;
	end_file(source);
	return MR_OK;
}

/* All that it has begun; what was read of one that ended is all of it. */
static void book(struct mr_source *source)
{
	struct once *once = source->state;

	for (; once->booked < once->next - once->reading; once->booked++) {
		const char *path = once->listing.items[once->booked].path;
		struct stat status;

		if (stat(path, &status) == 0)
			mr_source_position(source, path, (uint64_t)status.st_size);
	}
	if (once->reading && once->input.by_reference)
		mr_source_position(source, once->listing.items[once->next - 1].path,
				   once->input.regions.at);
}

static void close_source(struct mr_source *source)
{
	struct once *once = source->state;

	mr_input_fini(&once->input);
	mr_listing_fini(&once->listing);
	free(once->done);
}

const struct mr_source_ops mr_source_once = {
    .type = "file",
    .state_size = sizeof(struct once),
    .prepare = prepare,
    .open = open_source,
    .step = step,
    .put = put,
    .moved = moved,
    .take = take,
    .snapshot = snapshot,
    .restore = restore,
    .book = book,
    .close = close_source,
};
