/* once_barrier.c - barriers of a file of lines, and where its path leads: see once_file.h. */
#include "once_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/alive.h"
#include "millrace/log.h"
#include "millrace/os.h"

#define DRAIN_BYTES (8u << 20)

void once_drop_next(struct once_file *file)
{
	if (file->next_fd >= 0)
		close(file->next_fd);
	file->next_fd = -1;
	file->next = (struct file_identity){0};
	file->next_named = false;
}

/* What is much goes to the disk in pieces: a sync of all of it at once is silent for as long as it
 * takes. A failure here is no other call's to tell any more. */
static bool drain(struct once_file *file)
{
	const unsigned all =
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	uint64_t end = file->out.at;
	if (file->synced > end) /* a torn line was cut off */
		file->synced = end;
	for (; end - file->synced > DRAIN_BYTES; file->synced += DRAIN_BYTES) {
		if (sync_file_range(file->fd, (off_t)file->synced, DRAIN_BYTES, all) != 0 &&
		    errno != EINVAL && errno != ESPIPE && errno != ENOSYS)
			return false;
		mr_alive();
	}
	return true;
}

/* What was written, not what waits in the buffer. */
static enum mr_err sync_written(struct once_file *file, struct mr_error *error)
{
	if (!drain(file) || mr_os.fdatasync(file->fd) != 0)
		return mr_error_errno(error, mr_error_of_write(errno),
				      "%s: %s cannot be made durable", file->name, file->path);
	file->synced = file->out.at;
	return MR_OK;
}

static enum mr_err make_durable(struct once_file *file, struct mr_error *error)
{
	enum mr_err err = once_file_flush(file, error);
	if (err != MR_OK)
		return err;
	return file->out.buf.len > 0 ? MR_FULL : sync_written(file, error);
}

/* A line in a file that was cut under its hands reaches nobody: it is not taken for delivered. */
static enum mr_err is_whole(const struct once_file *file, struct mr_error *error)
{
	uint64_t end;
	enum mr_err err = once_length(file, &end, error);
	if (err != MR_OK || end >= file->lines.bytes)
		return err;
	return mr_error_set(error, MR_BAD_INPUT,
			    "%s: %s has %llu bytes, and %llu were written to it: it was made "
			    "shorter, and a rotation has to move it; " ONCE_MEND,
			    file->name, file->path, (unsigned long long)end,
			    (unsigned long long)file->lines.bytes);
}

/* While the disk is full lines go where they went: MR_FULL. */
static enum mr_err try_later(enum mr_err err, struct mr_error *error)
{
	if (err != MR_NO_SPACE)
		return err;
	mr_log(MR_LOG_WARNING, "%s; it is tried again", error->text);
	*error = (struct mr_error){0};
	return MR_FULL;
}

/* The file that lines will go to. */
static enum mr_err note_next(struct once_file *file, struct mr_error *error)
{
	if (!file->rotates)
		return mr_error_set(
		    error, MR_BAD_INPUT,
		    "%s: the file that was written to was moved away or removed from %s, and "
		    "none may be where the state directory is; " ONCE_MEND,
		    file->name, file->path);
	enum mr_err err = once_take_path(file, &file->next_fd, &file->next, error);
	if (err == MR_OK && !file_sync_name(file->path))
		err = mr_error_errno(error, mr_error_of_write(errno), "%s: the folder of %s",
				     file->name, file->path);
	if (err == MR_OK)
		return MR_OK;
	once_drop_next(file);
	mr_error_prefix(error,
			"the file that was written to was moved away or removed, and a new one "
			"cannot be begun%s",
			err == MR_NO_SPACE ? "" : "; put it back");
	return try_later(err, error);
}

/* Lines go on in the next file, behind what is there. After an error all is as it was; else the
 * caller closes the one before. */
static enum mr_err turn(struct once_file *file, struct mr_error *error)
{
	struct once_file turned = *file;
	turned.fd = file->next_fd;
	turned.is = file->next;
	turned.next_fd = -1;
	turned.out = (struct out_file){0};
	turned.begun = 0;
	turned.lines = (struct mr_line_hash){0};
	once_drop_next(&turned);
	enum mr_err err = once_place(&turned, false, error);
	if (err == MR_OK)
		err = sync_written(&turned, error);
	if (err != MR_OK) {
		out_file_fini(&turned.out);
		return try_later(err, error);
	}
	out_file_inherit(&turned.out, &file->out);
	out_file_fini(&file->out);
	*file = turned;
	return MR_OK;
}

/* Of a file that has no name any more: lines that nobody may have seen, and behind them those that
 * were not written yet. */
static enum mr_err read_unseen(const struct once_file *file, struct mr_buf *out,
			       struct mr_error *error)
{
	size_t len = (size_t)(file->out.at - file->known);
	enum mr_read read =
	    mr_os_read(file->fd, mr_buf_reserve(out, len + 1), len, file->known, NULL);
	if (read == MR_READ_SHORT)
		errno = EIO;
	if (read != MR_READ_WHOLE)
		return mr_error_errno(error, MR_IO, "%s: the file removed from %s cannot be read",
				      file->name, file->path);
	out->len = len;
	mr_buf_add(out, file->out.buf.data, file->out.buf.len);
	return MR_OK;
}

static enum mr_err put_again(struct once_file *file, const struct mr_buf *lines,
			     struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (size_t at = 0; at < lines->len && err == MR_OK;) {
		const char *stop = memchr(lines->data + at, '\n', lines->len - at);
		size_t behind = stop == NULL ? lines->len : (size_t)(stop - lines->data) + 1;
		err = once_file_put(file, (struct mr_slice){lines->data + at, behind - at}, error);
		at = behind;
	}
	return err;
}

static void say_removed(const struct once_file *file, uint64_t written, uint64_t unseen)
{
	if (unseen == 0)
		mr_log_event(MR_LOG_WARNING, MR_EVENT_FILE_ROTATED,
			     "%s: %s was removed, or moved to another disk, with %llu bytes: a new "
			     "file goes on",
			     file->name, file->path, (unsigned long long)written);
	else
		mr_log_event(
		    MR_LOG_WARNING, MR_EVENT_FILE_ROTATED,
		    "%s: %s was removed, with %llu bytes: whether anybody has read or copied "
		    "its last %llu cannot be known, so they are written again, to a new file",
		    file->name, file->path, (unsigned long long)written,
		    (unsigned long long)unseen);
}

/* The old file's room is free before the first line goes to the new one. */
static enum mr_err replace_removed(struct once_file *file, struct mr_error *error)
{
	uint64_t written = file->out.at, unseen = written - file->known;
	struct mr_buf lines = {0};
	int old = file->fd;
	enum mr_err err = read_unseen(file, &lines, error);
	if (err == MR_OK)
		err = turn(file, error);
	if (err == MR_OK) {
		close(old);
		say_removed(file, written, unseen);
		if (file->counters != NULL)
			mr_count(file->counters, MR_C_FILES_LOST, 1);
		err = put_again(file, &lines, error);
	}
	mr_buf_fini(&lines);
	return err;
}

static enum mr_err leave_moved(struct once_file *file, struct mr_error *error)
{
	uint64_t bytes = file->lines.bytes;
	int old = file->fd;
	enum mr_err err = turn(file, error);
	if (err != MR_OK)
		return err;
	close(old);
	mr_log_event(MR_LOG_INFO, MR_EVENT_FILE_ROTATED,
		     "%s: the file with %llu bytes was moved away from %s: a new one begins",
		     file->name, (unsigned long long)bytes, file->path);
	return MR_OK;
}

static bool is_removed(int fd)
{
	struct stat about;
	return fstat(fd, &about) == 0 && about.st_nlink == 0;
}

/* MR_FULL: what was put has no name any more, and there is no room for it elsewhere. */
static enum mr_err follow(struct once_file *file, struct mr_error *error)
{
	if (once_leads_to_held(file)) {
		once_drop_next(file);
		return MR_OK;
	}
	uint64_t hash = 0;
	enum mr_err err = once_tail_hash(file, file->known, &hash, error);
	if (err != MR_OK)
		return err;
	if (hash != file->known_hash)
		return mr_error_set(error, MR_BAD_INPUT,
				    "%s: the file that was moved away from %s was altered before "
				    "byte %llu; " ONCE_MEND,
				    file->name, file->path, (unsigned long long)file->known);
	if (file->next_fd >= 0 && is_removed(file->next_fd))
		once_drop_next(file);
	bool removed = is_removed(file->fd);
	if (file->next_named && !removed)
		err = leave_moved(file, error);
	if (err == MR_OK && file->next_fd < 0 && !once_leads_to_held(file))
		err = note_next(file, error);
	if (err == MR_OK && removed)
		err = replace_removed(file, error);
	if (err == MR_OK && removed)
		err = make_durable(file, error);
	return err == MR_FULL && !removed ? MR_OK : err;
}

/* No checkpoint comes meanwhile, so the path is looked at here. What has a name elsewhere keeps its
 * room whoever writes to it. */
enum mr_err once_leave_full(struct once_file *file, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	if (!is_removed(file->fd))
		return file->known == file->out.at ? MR_OK : once_note_known(file, error);
	if (file->next_fd >= 0 && is_removed(file->next_fd))
		once_drop_next(file);
	if (file->next_fd < 0)
		err = note_next(file, error);
	if (err == MR_OK)
		err = replace_removed(file, error);
	return err == MR_FULL ? MR_OK : err;
}

enum mr_err once_file_barrier(struct once_file *file, struct mr_error *error)
{
	struct mr_error own = {0};
	error = error == NULL ? &own : error;
	enum mr_err err = once_file_ready(file, error);
	if (err == MR_OK)
		err = make_durable(file, error);
	if (err == MR_OK)
		err = is_whole(file, error);
	if (err == MR_OK)
		err = follow(file, error);
	return err == MR_OK ? once_note_known(file, error) : err;
}

void once_file_committed(struct once_file *file)
{
	file->next_named = file->next_fd >= 0;
}
