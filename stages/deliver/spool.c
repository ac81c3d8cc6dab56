/* spool.c - see spool.h. Writing, and what is kept; spool_read.c reads. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/folder.h"
#include "millrace/log.h"
#include "millrace/os.h"
#include "spool_frame.h"

#define FORM 1

/* ---- open and close ---- */

static enum mr_err fail(const struct spool *spool, const char *what, struct mr_error *error)
{
	return mr_error_errno(error, mr_error_of_write(errno), "%s: its spool: %s", spool->name,
			      what);
}

/* One that begins where the last does takes its place: that one was empty. */
static void add_segment(struct spool *spool, const struct spool_segment *segment)
{
	size_t count = spool->segment_count;
	if (count > 0 && spool->segments[count - 1].begin.at == segment->begin.at) {
		spool->segments[count - 1] = *segment;
		return;
	}
	if (count == spool->segment_capacity) {
		spool->segment_capacity = mr_grow(spool->segment_capacity, count + 1);
		spool->segments =
		    mr_realloc(spool->segments, spool->segment_capacity * sizeof *spool->segments);
	}
	spool->segments[spool->segment_count++] = *segment;
}

static int by_begin(const void *a, const void *b)
{
	uint64_t x = ((const struct spool_segment *)a)->begin.at;
	uint64_t y = ((const struct spool_segment *)b)->begin.at;
	return (x > y) - (x < y);
}

/* A segment whose head was never written whole holds nothing, and goes. */
static enum mr_err take_segment(struct spool *spool, uint64_t at, const char *name,
				struct mr_error *error)
{
	struct spool_segment segment = {.begin = {.at = at}};
	switch (spool_segment_look(spool, &segment)) {
	case SPOOL_HEAD_UNREADABLE:
		return fail(spool, name, error);
	case SPOOL_HEAD_NEWER:
		return mr_error_set(error, MR_UNSUPPORTED,
				    "%s: its spool: %s was written by a newer millrace",
				    spool->name, name);
	case SPOOL_HEAD_NONE:
		mr_os.unlinkat(spool->directory, name, 0);
		return MR_OK;
	case SPOOL_HEAD_DAMAGED:
		mr_log(MR_LOG_ERROR,
		       "%s: its spool: the head of %s is damaged: how many alerts came before is "
		       "not known any more",
		       spool->name, name);
		segment.damaged = true;
		break;
	case SPOOL_HEAD_WHOLE:
		break;
	}
	add_segment(spool, &segment);
	return MR_OK;
}

struct listing {
	struct spool *spool;
	enum mr_err err;
	struct mr_error *error;
};

static bool take_name(void *context, int folder, const char *name)
{
	struct listing *listing = context;
	unsigned long long at;
	char want[SPOOL_NAME];
	(void)folder;
	if (sscanf(name, "%16llx.spool", &at) != 1)
		return true;
	spool_segment_name(at, want);
	if (strcmp(name, want) == 0)
		listing->err = take_segment(listing->spool, at, want, listing->error);
	return listing->err == MR_OK;
}

static enum mr_err list_segments(struct spool *spool, struct mr_error *error)
{
	struct listing listing = {.spool = spool, .error = error};
	if (!mr_folder_list(spool->directory, take_name, &listing))
		return fail(spool, "cannot be read", error);
	if (spool->segment_count > 0)
		qsort(spool->segments, spool->segment_count, sizeof *spool->segments, by_begin);
	return listing.err;
}

enum mr_err spool_open(struct spool *spool, const char *name, const char *path, uint64_t most_bytes,
		       uint64_t segment_bytes, uint64_t seed, struct mr_error *error)
{
	*spool = (struct spool){.name = mr_strdup(name),
				.directory = -1,
				.fd = -1,
				.reading_fd = -1,
				.most_bytes = most_bytes,
				.segment_bytes = segment_bytes,
				.sent = {.seed = seed}};
	enum mr_err err = MR_OK;
	spool->directory = mr_os_enter(path);
	if (spool->directory < 0)
		err = fail(spool, "cannot be opened or made", error);
	if (err == MR_OK)
		err = list_segments(spool, error);
	if (err != MR_OK)
		spool_close(spool);
	return err;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void spool_close(struct spool *spool)
{
	if (spool->name != NULL) {
		close_fd(&spool->directory);
		close_fd(&spool->fd);
		close_fd(&spool->reading_fd);
	}
	free(spool->name);
	free(spool->segments);
	mr_buf_fini(&spool->buf);
	mr_buf_fini(&spool->piece);
	sent_fini(&spool->sent);
	*spool = (struct spool){0};
}

/* ---- checkpoints ---- */

void spool_snapshot(struct spool *spool, struct mr_buf *out)
{
	mr_pack_array(out, 6);
	mr_pack_uint(out, FORM);
	mr_pack_uint(out, spool->end.at);
	mr_pack_uint(out, spool->end.lines);
	mr_pack_uint(out, spool->acked.at);
	mr_pack_uint(out, spool->acked.lines);
	sent_pack(&spool->sent, out);
	spool->snapped = spool->end;
}

enum mr_err spool_restore(struct spool *spool, struct mr_slice bytes, struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	struct spool_place end, acked;
	uint64_t form = mr_unpack_version(&in, FORM, 6);
	if (form > FORM)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "%s: its spool's place is of form %llu: this program knows %d",
				    spool->name, (unsigned long long)form, FORM);
	end.at = mr_unpack_uint(&in, INT64_MAX);
	end.lines = mr_unpack_uint(&in, INT64_MAX);
	acked.at = mr_unpack_uint(&in, end.at);
	acked.lines = mr_unpack_uint(&in, end.lines);
	struct mr_unpack ids = in;
	struct sent check = {0};
	sent_unpack(&check, &in);
	sent_fini(&check);
	if (!mr_unpack_done(&in))
		return mr_error_set(error, MR_BAD_INPUT, "%s: its spool's place is no place",
				    spool->name);
	sent_unpack(&spool->sent, &ids);
	spool->first_kept = spool->end = end; /* as far as is known until it is ready */
	spool->acked = acked;
	return MR_OK;
}

uint64_t spool_bytes(const struct spool *spool)
{
	uint64_t begin = spool->segment_count > 0 ? spool->segments[0].begin.at : spool->end.at;
	return spool->end.at > begin ? spool->end.at - begin : 0;
}

/* What is before `before` goes, whole segments at a time, never the last. */
static void drop_before(struct spool *spool, uint64_t before)
{
	size_t gone = 0;
	while (gone + 1 < spool->segment_count && spool->segments[gone].end <= before) {
		char name[SPOOL_NAME];
		spool_segment_name(spool->segments[gone].begin.at, name);
		if (spool->reading_fd >= 0 && spool->reading == spool->segments[gone].begin.at)
			close_fd(&spool->reading_fd);
		if (mr_os.unlinkat(spool->directory, name, 0) != 0 && errno != ENOENT)
			break; /* the next time */
		gone++;
	}
	spool->segment_count -= gone;
	if (gone > 0)
		memmove(spool->segments, spool->segments + gone,
			spool->segment_count * sizeof *spool->segments);
}

void spool_committed(struct spool *spool)
{
	uint64_t before = spool->acked.at < spool->snapped.at ? spool->acked.at : spool->snapped.at;
	spool->first_kept = spool->snapped;
	drop_before(spool, before);
}

void spool_acknowledge(struct spool *spool, struct spool_place behind)
{
	spool->acked = behind;
	if (spool->acked.at >= spool->end.at)
		spool->acked = spool->end;
}

enum mr_err spool_sync(struct spool *spool, struct mr_error *error)
{
	enum mr_err err = spool_flush(spool, error);
	if (err != MR_OK)
		return err;
	if (spool->buf.len > 0)
		return MR_FULL;
	if (spool->fd >= 0 && mr_os.fdatasync(spool->fd) != 0)
		return fail(spool, "cannot be made durable", error);
	return MR_OK;
}

/* ---- append ---- */

/* Once all is written. */
static uint64_t on_disk(const struct spool *spool)
{
	uint64_t begin = spool->segment_count == 0 ? spool->flushed : spool->segments[0].begin.at;
	return spool->end.at - begin;
}

bool spool_has_room(struct spool *spool, size_t bytes)
{
	uint64_t need = SPOOL_HEAD + bytes;
	if (spool->stalled && spool->buf.len >= SPOOL_BUFFER)
		return false;
	if (on_disk(spool) + need > spool->most_bytes)
		drop_before(spool, spool->acked.at);
	/* One line fits into an empty one, however long. */
	return spool->acked.at == spool->end.at || on_disk(spool) + need <= spool->most_bytes;
}

bool spool_append(struct spool *spool, const struct line_id *id, struct mr_slice line)
{
	if (sent_take(&spool->sent, id))
		return false;
	spool_frame_put(&spool->buf, spool->end.at, id, line);
	spool->end.at += SPOOL_HEAD + line.len;
	spool->end.lines += id->revision == 0;
	return true;
}

struct spool_place spool_written(const struct spool *spool)
{
	uint64_t waits = spool_frames_once(spool->buf.data, spool->buf.len);
	return (struct spool_place){spool->flushed, spool->end.lines - waits};
}

/* What the last segment holds is durable before the next begins. */
static enum mr_err begin_segment(struct spool *spool, struct mr_error *error)
{
	char name[SPOOL_NAME], head[SPOOL_SEGMENT_HEAD];
	struct spool_segment segment = {.begin = spool_written(spool), .end = spool->flushed};
	if (spool->fd >= 0 && mr_os.fdatasync(spool->fd) != 0)
		return fail(spool, "cannot be made durable", error);
	close_fd(&spool->fd);
	spool_segment_name(spool->flushed, name);
	spool_segment_head(&segment.begin, head);
	int fd = mr_os.openat(spool->directory, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || !mr_os_write_all(fd, (struct mr_slice){head, sizeof head}) ||
	    mr_os.fdatasync(fd) != 0 || !mr_os_sync_directory(spool->directory)) {
		enum mr_err err = fail(spool, name, error);
		if (fd >= 0) {
			mr_os.unlinkat(spool->directory, name, 0);
			close(fd);
		}
		return err;
	}
	spool->fd = fd;
	add_segment(spool, &segment);
	return MR_OK;
}

/* With pwrite at the frames' own place: what an attempt left half is written over. */
static enum mr_err write_out(struct spool *spool, struct mr_error *error)
{
	struct spool_segment *last =
	    spool->segment_count == 0 ? NULL : &spool->segments[spool->segment_count - 1];
	if (spool->fd < 0 || spool->flushed - last->begin.at >= spool->segment_bytes) {
		enum mr_err err = begin_segment(spool, error);
		if (err != MR_OK)
			return err;
		last = &spool->segments[spool->segment_count - 1];
	}
	uint64_t at = SPOOL_SEGMENT_HEAD + (spool->flushed - last->begin.at);
	struct mr_slice bytes = {spool->buf.data, spool->buf.len};
	if (!mr_os_pwrite_all(spool->fd, bytes, at))
		return fail(spool, "cannot be written", error);
	spool->flushed = last->end = spool->end.at;
	spool->buf.len = 0;
	return MR_OK;
}

enum mr_err spool_flush(struct spool *spool, struct mr_error *error)
{
	struct mr_error own = {0};
	if (spool->buf.len == 0)
		return MR_OK;
	enum mr_err err = write_out(spool, &own);
	if (err == MR_NO_SPACE) {
		if (!spool->stalled)
			mr_log_event(MR_LOG_ERROR, MR_EVENT_SINK_FAILING, "%s; it is tried again",
				     own.text);
		spool->stalled = true;
		return MR_OK;
	}
	if (err == MR_OK && spool->stalled)
		mr_log_event(MR_LOG_WARNING, MR_EVENT_SINK_OK, "%s: its spool can be written again",
			     spool->name);
	if (err == MR_OK)
		spool->stalled = false;
	else if (error != NULL)
		*error = own;
	return err;
}
