/* out_file.c - see out_file.h. Called by sink_stdout.c, once_file.c and dead_letter's callers. */
#include "out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/alive.h"
#include "millrace/log.h"
#include "millrace/os.h"

#define KEPT_BYTES (1u << 20) /* of an empty buffer */

enum mr_err out_file_init(struct out_file *file, int fd, const char *name, struct mr_error *error)
{
	struct stat about;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &about) != 0)
		return mr_error_errno(error, MR_IO, "%s: cannot be written", name);
	*file = (struct out_file){.name = name, .fd = fd};
	if (!S_ISREG(about.st_mode))
		return MR_OK;
	off_t at = flags & O_APPEND ? about.st_size : lseek(fd, 0, SEEK_CUR);
	file->cuts = at >= 0;
	file->at = at < 0 ? 0 : (uint64_t)at;
	file->whole = file->at;
	return MR_OK;
}

/* The first `count` bytes of the buffer are no longer its concern. One that a very long line made
 * large is given back. */
static void drop(struct out_file *file, size_t count)
{
	file->buf.len -= count;
	if (file->buf.len == 0 && file->buf.capacity > KEPT_BYTES)
		mr_buf_fini(&file->buf);
	else if (count > 0)
		memmove(file->buf.data, file->buf.data + count, file->buf.len);
}

/* The end of the last whole line, once the first `written` bytes of the buffer are in the file. */
static uint64_t whole_with(const struct out_file *file, size_t written)
{
	const char *end = written == 0 ? NULL : memrchr(file->buf.data, '\n', written);
	return end == NULL ? file->whole : file->at + (uint64_t)(end - file->buf.data) + 1;
}

static void note_written(struct out_file *file, size_t written)
{
	file->whole = whole_with(file, written);
	file->at += written;
	drop(file, written);
}

/* Leaves no torn line behind: what of it was written stays in the buffer, unless its beginning was
 * written earlier. */
static bool cut(struct out_file *file, size_t written)
{
	uint64_t begin = file->at, whole = whole_with(file, written);
	bool torn = file->cuts && begin + written != whole;
	if (!torn || mr_os.ftruncate(file->fd, (off_t)whole) != 0) {
		note_written(file, written);
		return !torn;
	}
	drop(file, whole >= begin ? (size_t)(whole - begin) : file->buf.len);
	file->at = file->whole = whole;
	/* One that appends finds the end by itself. */
	lseek(file->fd, (off_t)whole, SEEK_SET);
	return true;
}

/* Name what `reason` means. */
static enum mr_err write_failed(struct out_file *file, size_t written, int reason,
				struct mr_error *error)
{
	enum mr_err err = mr_error_of_write(reason);
	bool whole = cut(file, written);
	errno = reason;
	if (reason == EPIPE)
		err = mr_error_set(error, MR_READER_GONE, "%s: whoever read it has gone away",
				   file->name);
	else
		mr_error_errno(error, err, "%s: cannot be written", file->name);
	if (whole)
		return err;
	mr_error_prefix(error, "%s ends in a torn line at byte %llu", file->name,
			(unsigned long long)file->whole);
	if (error != NULL)
		error->code = MR_IO;
	return MR_IO;
}

static bool takes_more(const struct out_file *file)
{
	struct pollfd waiting = {.fd = file->fd, .events = POLLOUT};
	return poll(&waiting, 1, 0) == 1;
}

/* What POLLOUT promises of a pipe is PIPE_BUF bytes; a regular file has no reader to wait for. */
static enum mr_err flush(struct out_file *file, bool wait, struct mr_error *error)
{
	size_t done = 0;
	int reason = 0;
	while (done < file->buf.len && reason == 0) {
		size_t len = file->buf.len - done;
		if (!wait && !file->cuts && !takes_more(file))
			break;
		if (!wait && !file->cuts && len > PIPE_BUF)
			len = PIPE_BUF;
		else if (len > MR_ALIVE_BYTES)
			len = MR_ALIVE_BYTES;
		ssize_t wrote = mr_os.write(file->fd, file->buf.data + done, len);
		if (wrote > 0) {
			done += (size_t)wrote;
			if (done < file->buf.len)
				mr_alive();
		} else if (wrote == 0) {
			reason = ENOSPC;
		} else if (errno == EAGAIN) { /* a pipe that somebody else made non-blocking */
			struct pollfd waiting = {.fd = file->fd, .events = POLLOUT};
			if (!wait)
				break;
			poll(&waiting, 1, -1);
		} else if (errno != EINTR) {
			reason = errno;
		}
	}
	if (reason != 0)
		return write_failed(file, done, reason, error);
	note_written(file, done);
	return file->buf.len == 0 ? MR_OK : MR_AGAIN;
}

enum mr_err out_file_flush(struct out_file *file, struct mr_error *error)
{
	return flush(file, true, error);
}

enum mr_err out_file_flush_some(struct out_file *file, struct mr_error *error)
{
	return flush(file, false, error);
}

enum mr_err out_file_put(struct out_file *file, struct mr_slice bytes, struct mr_error *error)
{
	while (bytes.len > MR_ALIVE_BYTES) {
		mr_buf_add(&file->buf, bytes.at, MR_ALIVE_BYTES);
		bytes = (struct mr_slice){bytes.at + MR_ALIVE_BYTES, bytes.len - MR_ALIVE_BYTES};
		mr_alive();
	}
	mr_buf_add(&file->buf, bytes.at, bytes.len);
	return file->buf.len < OUT_FILE_BUFFER_BYTES ? MR_OK : out_file_flush(file, error);
}

enum mr_err out_file_wait(struct out_file *file, enum mr_err err, struct mr_error *error)
{
	if (err == MR_NO_SPACE) {
		if (!file->stalled)
			mr_log_event(MR_LOG_ERROR, MR_EVENT_SINK_FAILING, "%s; it is tried again",
				     error->text);
		snprintf(file->trouble, sizeof file->trouble, "%.199s", error->text);
		file->stalled = true;
		*error = (struct mr_error){0};
		return MR_OK;
	}
	if (err == MR_OK && file->stalled && file->buf.len == 0) {
		mr_log_event(MR_LOG_WARNING, MR_EVENT_SINK_OK, "%s can be written again",
			     file->name);
		file->stalled = false;
		file->trouble[0] = '\0';
	}
	return err;
}

void out_file_inherit(struct out_file *file, const struct out_file *before)
{
	file->stalled = before->stalled;
	memcpy(file->trouble, before->trouble, sizeof file->trouble);
}

void out_file_fini(struct out_file *file)
{
	mr_buf_fini(&file->buf);
	*file = (struct out_file){0};
}
