/* sink_file.c - lines into a file, a pipe or a terminal.
 *
 * Called by deliver.c and dead_letter.c. Bytes gather in a buffer and are written when it holds 64
 * KiB or when it is flushed. Where a write to a regular file fails, the file is cut back to its
 * last whole line: nobody takes half an alert for one. */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (64u << 10)

static bool serves_any(const char *output)
{
	(void)output;
	return true;
}

static enum mr_err file_open(struct sink *sink, int fd, const char *output, struct mr_error *error)
{
	struct stat about;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &about) != 0)
		return mr_error_errno(error, MR_IO, "%s: cannot be written", output);
	*sink = (struct sink){.ops = &sink_file, .output = output, .fd = fd};
	if (!S_ISREG(about.st_mode))
		return MR_OK;
	off_t at = flags & O_APPEND ? about.st_size : lseek(fd, 0, SEEK_CUR);
	sink->cuts = at >= 0;
	sink->at = at < 0 ? 0 : (uint64_t)at;
	sink->whole = sink->at;
	return MR_OK;
}

/* The first `written` bytes of the buffer are in the file. */
static void note_written(struct sink *sink, size_t written)
{
	const char *end = written == 0 ? NULL : memrchr(sink->buf.data, '\n', written);
	if (end != NULL)
		sink->whole = sink->at + (uint64_t)(end - sink->buf.data) + 1;
	sink->at += written;
	sink->buf.len = 0;
}

/* Name what `reason` means, and leave no torn line behind. */
static enum mr_err write_failed(struct sink *sink, int reason, struct mr_error *error)
{
	errno = reason;
	if (reason == EPIPE)
		mr_error_set(error, MR_IO, "%s: whoever read it has gone away", sink->output);
	else
		mr_error_errno(error, mr_error_of_write(reason), "%s: cannot be written",
			       sink->output);
	if (sink->cuts && sink->at != sink->whole && ftruncate(sink->fd, (off_t)sink->whole) != 0)
		mr_error_prefix(error, "%s ends in a torn line at byte %llu", sink->output,
				(unsigned long long)sink->whole);
	return mr_error_of_write(reason);
}

static enum mr_err file_flush(struct sink *sink, struct mr_error *error)
{
	size_t done = 0;
	int reason = 0;
	while (done < sink->buf.len && reason == 0) {
		ssize_t wrote = write(sink->fd, sink->buf.data + done, sink->buf.len - done);
		if (wrote >= 0) {
			done += (size_t)wrote;
		} else if (errno == EAGAIN) { /* a pipe that somebody else made non-blocking */
			struct pollfd waiting = {.fd = sink->fd, .events = POLLOUT};
			poll(&waiting, 1, -1);
		} else if (errno != EINTR) {
			reason = errno;
		}
	}
	note_written(sink, done);
	return reason == 0 ? MR_OK : write_failed(sink, reason, error);
}

static enum mr_err file_put(struct sink *sink, struct mr_slice bytes, struct mr_error *error)
{
	mr_buf_add(&sink->buf, bytes.at, bytes.len);
	return sink->buf.len < BUFFER_BYTES ? MR_OK : file_flush(sink, error);
}

static void file_close(struct sink *sink)
{
	mr_buf_fini(&sink->buf);
	*sink = (struct sink){0};
}

const struct sink_ops sink_file = {
    .name = "file",
    .serves = serves_any,
    .open = file_open,
    .put = file_put,
    .flush = file_flush,
    .close = file_close,
};
