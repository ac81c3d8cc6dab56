/* regions.c - where to cut a file of lines.
 *
 * Called by input.c. A region ends behind the last line end within region_bytes; where one line is
 * longer than that, behind that line; a line longer than max_record_bytes is a cut of its own, of
 * which blanks at its ends are no part.
 * Memory is one window of at most region_bytes. Fails where the file cannot be read or has become
 * shorter. */
#include "regions.h"

#include "decode.h"

#include "millrace/os.h"

#include <inttypes.h>
#include <unistd.h>

#define WINDOW_FIRST (4 << 10)
#define WINDOW_AHEAD (64 << 10)

static enum mr_err read_at(struct mr_regions *regions, uint64_t position, size_t len,
			   struct mr_error *error)
{
	enum mr_read read;
	size_t done;

	regions->window.len = 0;
	read = mr_os_read(regions->fd, mr_buf_reserve(&regions->window, len), len, position, &done);
	if (read == MR_READ_FAILED)
		return mr_error_errno(error, MR_IO, "offset %" PRIu64 ": cannot read", position);
	regions->window.len = done;
	if (read == MR_READ_SHORT)
		return mr_error_set(error, MR_BAD_INPUT,
				    "offset %" PRIu64
				    ": the file became shorter while it was read; it had %" PRIu64
				    " bytes",
				    position + done, regions->size);
	return MR_OK;
}

/* Behind the last line end before `limit`; 0 where the line at `at` does not end there. */
static enum mr_err find_back(struct mr_regions *regions, uint64_t limit, uint64_t *end_out,
			     struct mr_error *error)
{
	uint64_t window = WINDOW_FIRST;
	uint64_t high = limit;

	*end_out = 0;
	while (high > regions->at) {
		uint64_t low = high - regions->at > window ? high - window : regions->at;
		enum mr_err err = read_at(regions, low, (size_t)(high - low), error);
		const char *newline;

		if (err != MR_OK)
			return err;
		newline = memrchr(regions->window.data, '\n', regions->window.len);
		if (newline) {
			*end_out = low + (uint64_t)(newline - regions->window.data) + 1;
			return MR_OK;
		}
		high = low;
		window *= 2;
	}
	return MR_OK;
}

/* Behind the first line end at or after `from`, or the file's end. */
static enum mr_err find_ahead(struct mr_regions *regions, uint64_t from, uint64_t *end_out,
			      bool *newline_out, struct mr_error *error)
{
	*newline_out = false;
	while (from < regions->size) {
		uint64_t left = regions->size - from;
		size_t len = left < WINDOW_AHEAD ? (size_t)left : WINDOW_AHEAD;
		enum mr_err err = read_at(regions, from, len, error);
		const char *newline;

		if (err != MR_OK)
			return err;
		newline = memchr(regions->window.data, '\n', len);
		if (newline) {
			*newline_out = true;
			*end_out = from + (uint64_t)(newline - regions->window.data) + 1;
			return MR_OK;
		}
		from += len;
	}
	*end_out = regions->size;
	return MR_OK;
}

/* Take the blanks off one end of a line. */
static enum mr_err trim_end(struct mr_regions *regions, struct mr_cut *line, bool front,
			    struct mr_error *error)
{
	size_t blanks;

	do {
		size_t len = line->length < WINDOW_AHEAD ? (size_t)line->length : WINDOW_AHEAD;
		uint64_t before = front ? 0 : line->length - len;
		enum mr_err err = read_at(regions, line->position + before, len, error);
		const char *at = regions->window.data;

		if (err != MR_OK)
			return err;
		for (blanks = 0;
		     blanks < len && mr_is_blank(at[front ? blanks : len - 1 - blanks]);)
			blanks++;
		line->position += front ? blanks : 0;
		line->length -= blanks;
	} while (blanks == WINDOW_AHEAD);
	return MR_OK;
}

static enum mr_err trim(struct mr_regions *regions, struct mr_cut *line, struct mr_error *error)
{
	enum mr_err err = trim_end(regions, line, true, error);

	return err != MR_OK || line->length == 0 ? err : trim_end(regions, line, false, error);
}

/* The line at `at`, which is longer than a region. */
static enum mr_err cut_line(struct mr_regions *regions, uint64_t limit, struct mr_cut *cut_out,
			    struct mr_error *error)
{
	bool newline;
	uint64_t end;
	enum mr_err err = find_ahead(regions, limit, &end, &newline, error);

	if (err != MR_OK)
		return err;
	cut_out->length = end - regions->at;
	regions->at = end;
	if (cut_out->length - newline <= regions->max_record_bytes)
		return MR_OK;
	err = trim(regions, cut_out, error);
	cut_out->too_long = cut_out->length > regions->max_record_bytes;
	return err;
}

static enum mr_err next_cut(struct mr_regions *regions, struct mr_cut *cut_out,
			    struct mr_error *error)
{
	uint64_t start = regions->at;
	uint64_t limit = start + regions->region_bytes;
	uint64_t end;
	enum mr_err err;

	if (start >= regions->size)
		return MR_END;
	*cut_out = (struct mr_cut){.position = start, .length = regions->size - start};
	if (limit >= regions->size && cut_out->length <= regions->max_record_bytes) {
		regions->at = regions->size;
		return MR_OK;
	}
	if (limit > regions->size)
		limit = regions->size;
	err = find_back(regions, limit, &end, error);
	if (err != MR_OK)
		return err;
	if (end == 0)
		return cut_line(regions, limit, cut_out, error);
	cut_out->length = end - start;
	regions->at = end;
	return MR_OK;
}

enum mr_err mr_regions_next(struct mr_regions *regions, struct mr_cut *cut_out,
			    struct mr_error *error)
{
	enum mr_err err;

	do {
		err = next_cut(regions, cut_out, error);
	} while (err == MR_OK && cut_out->length == 0); /* a long line of blanks */
	return err;
}

void mr_regions_fini(struct mr_regions *regions)
{
	mr_buf_fini(&regions->window);
}
