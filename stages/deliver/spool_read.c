/* spool_read.c - frames read back: for the receiver, and to find the end after a restart. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "millrace/log.h"
#include "millrace/os.h"
#include "spool_frame.h"

#define SEARCH_BYTES (64u << 10)

/* The segment that holds the place, or the first behind it; NULL where there is none. */
static const struct spool_segment *segment_at(const struct spool *spool, uint64_t at)
{
	for (size_t i = 0; i < spool->segment_count; i++)
		if (at < spool->segments[i].end)
			return &spool->segments[i];
	return NULL;
}

static enum mr_err use(struct spool *spool, const struct spool_segment *segment,
		       struct mr_error *error)
{
	char name[SPOOL_NAME];
	if (spool->reading_fd >= 0 && spool->reading == segment->begin.at)
		return MR_OK;
	if (spool->reading_fd >= 0)
		close(spool->reading_fd);
	spool_segment_name(segment->begin.at, name);
	spool->reading = segment->begin.at;
	spool->reading_fd = openat(spool->directory, name, O_RDONLY | O_CLOEXEC);
	if (spool->reading_fd < 0)
		return mr_error_errno(error, MR_IO, "%s: its spool: %s", spool->name, name);
	return MR_OK;
}

/* Exactly so many bytes, within the segment. MR_BAD_INPUT where it does not have them; MR_IO where
 * the disk does not give them, which says nothing of what they are. */
static enum mr_err bytes_at(struct spool *spool, const struct spool_segment *segment, uint64_t at,
			    char *out, size_t len, struct mr_error *error)
{
	char name[SPOOL_NAME];
	if (at > segment->end || len > segment->end - at)
		return MR_BAD_INPUT;
	uint64_t place = SPOOL_SEGMENT_HEAD + at - segment->begin.at;
	switch (mr_os_read(spool->reading_fd, out, len, place, NULL)) {
	case MR_READ_WHOLE:
		return MR_OK;
	case MR_READ_SHORT:
		return MR_BAD_INPUT;
	case MR_READ_FAILED:
		break;
	}
	spool_segment_name(segment->begin.at, name);
	return mr_error_errno(error, MR_IO, "%s: its spool: %s cannot be read at byte %llu",
			      spool->name, name, (unsigned long long)place);
}

/* The whole frame at exactly this place, in spool->piece. MR_BAD_INPUT where there is none. */
static enum mr_err frame_at(struct spool *spool, const struct spool_segment *segment, uint64_t at,
			    struct spool_line *out, struct mr_error *error)
{
	char head[SPOOL_HEAD];
	enum mr_err err = bytes_at(spool, segment, at, head, sizeof head, error);
	uint32_t length = err == MR_OK ? spool_frame_length(head) : 0;
	if (length == 0)
		return err == MR_OK ? MR_BAD_INPUT : err;
	spool->piece.len = 0;
	char *frame = mr_buf_reserve(&spool->piece, SPOOL_HEAD + length);
	err = bytes_at(spool, segment, at, frame, SPOOL_HEAD + length, error);
	if (err != MR_OK)
		return err;
	if (!spool_frame_read(at, frame, length, &out->id))
		return MR_BAD_INPUT;
	out->line = (struct mr_slice){frame + SPOOL_HEAD, length};
	out->behind.at = at + SPOOL_HEAD + length;
	return MR_OK;
}

/* The first whole frame that begins in the window, which stands at `from`. MR_BAD_INPUT where there
 * is none. */
static enum mr_err search_window(struct spool *spool, const struct spool_segment *segment,
				 struct mr_slice window, uint64_t from, struct spool_line *out,
				 uint64_t *found_out, struct mr_error *error)
{
	/* The head's first eight bytes are all that this looks at. */
	for (size_t i = 0; i + 8 <= window.len; i++) {
		if (spool_frame_length(window.at + i) == 0)
			continue;
		*found_out = from + i;
		enum mr_err err = frame_at(spool, segment, from + i, out, error);
		if (err != MR_BAD_INPUT)
			return err;
	}
	return MR_BAD_INPUT;
}

/* The whole frame at this place, or the next one behind what is none, in the segment. MR_END where
 * there is no more. */
static enum mr_err find(struct spool *spool, const struct spool_segment *segment, uint64_t *at,
			struct spool_line *out, struct mr_error *error)
{
	char bytes[SEARCH_BYTES];
	enum mr_err err = frame_at(spool, segment, *at, out, error);
	for (uint64_t from = *at + 1; err == MR_BAD_INPUT && from < segment->end;) {
		uint64_t left = segment->end - from;
		size_t len = left < sizeof bytes ? (size_t)left : sizeof bytes;
		err = bytes_at(spool, segment, from, bytes, len, error);
		if (err != MR_OK)
			break;
		err = search_window(spool, segment, (struct mr_slice){bytes, len}, from, out, at,
				    error);
		if (len < sizeof bytes)
			break;
		from += len - 7;
	}
	return err == MR_BAD_INPUT ? MR_END : err;
}

/* To the segment's first frame. */
static void go_to(struct spool_place *at, const struct spool_segment *segment)
{
	at->at = segment->begin.at;
	if (!segment->damaged)
		at->lines = segment->begin.lines;
}

static void lose(struct spool *spool, uint64_t from, uint64_t to)
{
	spool->lost_bytes += to - from;
	mr_log(MR_LOG_ERROR,
	       "%s: its spool is damaged: bytes %llu to %llu are no longer what was written: the "
	       "alerts there are lost",
	       spool->name, (unsigned long long)from, (unsigned long long)to);
}

/* Lines that are lost are counted by what the next segment says of itself. */
static enum mr_err step(struct spool *spool, const struct spool_segment *segment,
			struct spool_place *at, struct spool_line *out, struct mr_error *error)
{
	if (segment->begin.at > at->at) {
		lose(spool, at->at, segment->begin.at);
		go_to(at, segment);
	}
	enum mr_err err = use(spool, segment, error);
	if (err != MR_OK)
		return err;
	uint64_t found = at->at;
	err = find(spool, segment, &found, out, error);
	if (err == MR_END) {
		lose(spool, at->at, segment->end);
		at->at = segment->end;
		return MR_AGAIN;
	}
	if (err != MR_OK)
		return err;
	if (found > at->at)
		lose(spool, at->at, found);
	out->behind.lines = at->lines + (out->id.revision == 0);
	return MR_OK;
}

enum mr_err spool_read(struct spool *spool, struct spool_place at, struct spool_line *out,
		       struct mr_error *error)
{
	const struct spool_segment *segment;
	while ((segment = segment_at(spool, at.at)) != NULL) {
		enum mr_err err = step(spool, segment, &at, out, error);
		if (err != MR_AGAIN)
			return err;
	}
	return MR_END;
}

/* ---- after a restart ---- */

/* What stands behind the last whole frame was being written when the worker died. What a checkpoint
 * counted on stays, and whoever reads it says what is wrong there. */
static enum mr_err cut_end(struct spool *spool, struct spool_segment *last, uint64_t whole,
			   struct mr_error *error)
{
	uint64_t promised = spool->first_kept.at;
	if (whole < promised)
		last->end = promised;
	if (whole <= promised && last->end == promised)
		return MR_OK;
	if (whole == last->end)
		return MR_OK;
	char name[SPOOL_NAME];
	spool_segment_name(last->begin.at, name);
	int fd = openat(spool->directory, name, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 &&
		    mr_os.ftruncate(fd, (off_t)(SPOOL_SEGMENT_HEAD + whole - last->begin.at)) == 0;
	if (!done)
		mr_error_errno(error, MR_IO, "%s: its spool's torn end stays", spool->name);
	if (fd >= 0)
		close(fd);
	last->end = whole;
	return done ? MR_OK : MR_IO;
}

/* From the place of the checkpoint on: the ids of what was appended since, and the end. */
static enum mr_err walk(struct spool *spool, struct spool_place *end, struct mr_error *error)
{
	struct spool_segment *last = &spool->segments[spool->segment_count - 1];
	struct spool_place at = spool->first_kept;
	bool forgot = false;
	if (at.at < spool->segments[0].begin.at)
		go_to(&at, &spool->segments[0]);
	while (at.at < last->end) {
		struct spool_line line;
		const struct spool_segment *segment = segment_at(spool, at.at);
		enum mr_err err = use(spool, segment, error);
		if (err != MR_OK)
			return err;
		uint64_t found = at.at > segment->begin.at ? at.at : segment->begin.at;
		err = find(spool, segment, &found, &line, error);
		if (err == MR_END && segment == last)
			break;
		if (err == MR_END) {
			go_to(&at, segment + 1);
			continue;
		}
		if (err != MR_OK)
			return err;
		forgot = !sent_add(&spool->sent, &line.id) || forgot;
		at.at = line.behind.at;
		at.lines += line.id.revision == 0;
	}
	if (forgot)
		mr_log(MR_LOG_ERROR,
		       "%s: its spool holds more than %u lines behind the last checkpoint: those "
		       "past that may be sent twice",
		       spool->name, SENT_MAX);
	*end = at;
	return cut_end(spool, last, at.at, error);
}

/* Of a segment, what no checkpoint has found durable yet. */
static bool keep(const struct spool *spool, const struct spool_segment *segment)
{
	char name[SPOOL_NAME];
	uint64_t from = spool->first_kept.at;
	if (segment->end <= from)
		return true;
	if (from < segment->begin.at)
		from = segment->begin.at;
	spool_segment_name(segment->begin.at, name);
	int fd = mr_os.openat(spool->directory, name, O_RDWR | O_CLOEXEC, 0);
	bool done = fd >= 0 &&
		    mr_os_rewrite(fd, SPOOL_SEGMENT_HEAD + from - segment->begin.at,
				  SPOOL_SEGMENT_HEAD + segment->end - segment->begin.at) &&
		    mr_os.fdatasync(fd) == 0;
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return done;
}

/* The next checkpoint counts on what was found, whatever became of it before. */
static enum mr_err keep_all(const struct spool *spool, struct mr_error *error)
{
	for (size_t i = 0; i < spool->segment_count; i++)
		if (!keep(spool, &spool->segments[i]))
			return mr_error_errno(error, mr_error_of_write(errno),
					      "%s: its spool cannot be made durable", spool->name);
	return MR_OK;
}

/* Begins where the checkpoint was, with a segment of its own, where what lies there ends before. */
enum mr_err spool_ready(struct spool *spool, struct mr_error *error)
{
	struct spool_place end = spool->first_kept;
	enum mr_err err = MR_OK;
	if (spool->placed)
		return MR_OK;
	if (spool->segment_count > 0) {
		struct spool_segment *last = &spool->segments[spool->segment_count - 1];
		if (end.at > last->end)
			last->end = end.at;
		err = walk(spool, &end, error);
	}
	if (err == MR_OK)
		err = keep_all(spool, error);
	if (err != MR_OK)
		return err;
	if (end.at < spool->first_kept.at)
		end = spool->first_kept;
	spool->end = spool->snapped = end;
	spool->flushed = end.at;
	spool->placed = true;
	/* What was acknowledged and dropped is not there, and not lost. */
	if (spool->segment_count > 0 && spool->acked.at < spool->segments[0].begin.at)
		go_to(&spool->acked, &spool->segments[0]);
	if (spool->segment_count == 0 && spool->acked.at < end.at) {
		lose(spool, spool->acked.at, end.at);
		spool->acked = end;
	}
	return MR_OK;
}
