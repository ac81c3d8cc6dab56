/* stream.c - lines of one stream: whole ones into the spool, the beginning of one is held.
 *
 * Called by stdin.c and socket.c. Nothing is taken until it is known to be lines (lines.h). Of a
 * line that is longer than a record may be the first max_record_bytes are held. */
#include "stream.h"

#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static void hold(const struct mr_source *source, struct mr_stream *stream, struct mr_slice bytes)
{
	size_t most = source->spool.max_record_bytes + 1;
	size_t room = stream->held.len < most ? most - stream->held.len : 0;
	size_t len = bytes.len < room ? bytes.len : room;

	if (len > 0)
		mr_buf_add(&stream->held, bytes.at, len);
	stream->passed += bytes.len - len;
}

void mr_stream_end(struct mr_source *source, struct mr_stream *stream, const char *cut)
{
	struct mr_spool *spool = &source->spool;

	if (stream->held.len == 0)
		return;
	mr_spool_begin(spool, stream->name, stream->offset);
	mr_spool_add(spool, stream->held.data, stream->held.len);
	if (stream->passed > 0)
		mr_spool_skip(spool, stream->passed);
	if (cut)
		mr_spool_refuse(spool, MR_REJECT_DAMAGED, cut);
	else
		mr_spool_end(spool);
	stream->offset += stream->held.len + stream->passed;
	stream->held.len = 0;
	stream->passed = 0;
	if (stream->held.capacity > MR_STREAM_ROOM)
		mr_buf_fini(&stream->held);
}

/* The end of the line that is held, whole lines, the beginning of one. */
static void take(struct mr_source *source, struct mr_stream *stream, struct mr_slice bytes)
{
	const char *newline;
	size_t len;

	if (stream->held.len > 0) {
		newline = memchr(bytes.at, '\n', bytes.len);
		len = newline ? (size_t)(newline - bytes.at) : bytes.len;
		hold(source, stream, (struct mr_slice){bytes.at, len});
		if (!newline)
			return;
		mr_stream_end(source, stream, NULL);
		bytes.at += len + 1;
		bytes.len -= len + 1;
		stream->offset++;
	}
	len = mr_lines_take(&source->spool, stream->name, stream->offset, bytes);
	stream->offset += len;
	hold(source, stream, (struct mr_slice){bytes.at + len, bytes.len - len});
}

/* What it begins with was looked at: then a line has come, or MR_LINES_HEAD bytes of one. */
static bool is_known(const struct mr_stream *stream)
{
	return stream->offset > 0 || stream->passed > 0 || stream->held.len >= MR_LINES_HEAD;
}

/* The first bytes of the stream. */
static enum mr_err begin(struct mr_source *source, struct mr_stream *stream, struct mr_slice bytes,
			 bool last, struct mr_error *error)
{
	struct mr_buf head = stream->held;
	char why[MR_LINES_WHY];
	size_t mark;

	mr_buf_add(&head, bytes.at, bytes.len);
	stream->held = (struct mr_buf){0};
	bytes = (struct mr_slice){head.data, head.len};
	if (!mr_lines_known(bytes, last, why, &mark)) {
		stream->held = head;
		return MR_OK;
	}
	if (!*why) {
		stream->offset = mark;
		take(source, stream, (struct mr_slice){bytes.at + mark, bytes.len - mark});
	}
	mr_buf_fini(&head);
	return *why ? mr_error_set(error, MR_UNSUPPORTED, "%s", why) : MR_OK;
}

enum mr_err mr_stream_take(struct mr_source *source, struct mr_stream *stream,
			   struct mr_slice bytes, bool last, struct mr_error *error)
{
	source->dirty = true;
	if (!is_known(stream) && stream->held.len + bytes.len > 0)
		return begin(source, stream, bytes, last, error);
	take(source, stream, bytes);
	return MR_OK;
}

enum mr_err mr_stream_outcome(const struct mr_source *source, ssize_t got)
{
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return MR_AGAIN;
	if (got < 0)
		mr_log(MR_LOG_WARNING, "source %s: cannot read on: %s", source->part->name,
		       strerror(errno));
	return got > 0 ? MR_OK : MR_END;
}

enum mr_err mr_stream_step(struct mr_source *source, struct mr_stream *stream, char *room,
			   struct mr_error *error)
{
	struct pollfd wait = {.fd = stream->fd, .events = POLLIN};
	ssize_t got;
	enum mr_err err;

	if (poll(&wait, 1, 0) == 0)
		return MR_AGAIN;
	got = read(stream->fd, room, MR_STREAM_ROOM);
	err = mr_stream_outcome(source, got);
	if (err != MR_OK)
		return err;
	return mr_stream_take(source, stream, (struct mr_slice){room, (size_t)got}, false, error);
}

void mr_stream_fini(struct mr_stream *stream)
{
	if (stream->fd > 0)
		close(stream->fd);
	mr_buf_fini(&stream->held);
	*stream = (struct mr_stream){0};
}
