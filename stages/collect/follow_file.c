/* follow_file.c - what is read of one followed file: whole lines, from where it was read to.
 *
 * Called by follow.c. A file that becomes shorter, or begins with other bytes than it did, was
 * emptied and written anew: it is read from its beginning. That is looked at behind each read, so
 * that what was read of the new is not taken for the old. */
#include "follow.h"

#include "lines.h"

#include "millrace/os.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* So many bytes, or fewer where the file ends; -1 with errno. */
static ssize_t read_at(int fd, char *out, size_t len, uint64_t at)
{
	size_t done;

	return mr_os_read(fd, out, len, at, &done) == MR_READ_FAILED ? -1 : (ssize_t)done;
}

enum mr_mark_found mr_mark_look(const struct mr_mark *mark, int fd)
{
	char bytes[MR_PRINT_MAX];
	struct stat status;
	ssize_t got;

	if (fstat(fd, &status) != 0)
		return MR_MARK_UNREAD;
	if (mark->print_len > MR_PRINT_MAX || (uint64_t)status.st_size < mark->at)
		return MR_MARK_OTHER;
	got = read_at(fd, bytes, mark->print_len, 0);
	if (got < 0)
		return MR_MARK_UNREAD;
	return got == (ssize_t)mark->print_len &&
		       mr_hash64(bytes, mark->print_len, 0) == mark->print
		   ? MR_MARK_HOLDS
		   : MR_MARK_OTHER;
}

void mr_followed_bar(struct mr_followed *file, const char *what)
{
	if (!file->barred)
		mr_log(MR_LOG_WARNING, "%s: cannot %s it: %s; it is tried again each second",
		       file->path, what, strerror(errno));
	file->barred = true;
	file->awake = false;
	file->size = -1; /* the next scan finds it changed */
}

static enum mr_err cannot_read(struct mr_followed *file)
{
	mr_followed_bar(file, "read");
	return MR_AGAIN;
}

/* One that is no lines is closed. It stays awake where it cannot be opened. */
static bool begins_otherwise(struct mr_followed *file)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum mr_mark_found found = fd < 0 ? MR_MARK_UNREAD : mr_mark_look(&file->refused, fd);

	if (fd >= 0)
		close(fd);
	file->awake = found != MR_MARK_HOLDS;
	return found == MR_MARK_OTHER;
}

/* One that became shorter was written anew, and so was one that begins with other bytes. */
void mr_followed_look(struct mr_followed *file, const struct stat *status)
{
	bool shorter = status->st_size < file->size;

	if (status->st_size != file->size || status->st_mtim.tv_sec != file->modified.tv_sec ||
	    status->st_mtim.tv_nsec != file->modified.tv_nsec)
		file->awake = true;
	if (file->foreign && file->awake && (shorter || begins_otherwise(file)))
		file->foreign = false;
	file->size = status->st_size;
	file->modified = status->st_mtim;
}

void mr_followed_dirty(struct mr_source *source, struct mr_followed *file)
{
	if (!file->dirty)
		source->cursor_bytes += MR_FOLLOW_ENTRY + strlen(file->title);
	file->dirty = true;
	source->dirty = true;
}

/* Its mark once it was read up to there: made before anything is taken. False with errno. */
static bool mark_at(const struct mr_followed *file, uint64_t at, struct mr_mark *mark_out)
{
	char bytes[MR_PRINT_MAX];
	ssize_t len;

	*mark_out = file->mark;
	mark_out->at = at;
	if (file->mark.print_len == MR_PRINT_MAX)
		return true;
	len = read_at(file->fd, bytes, at < MR_PRINT_MAX ? (size_t)at : MR_PRINT_MAX, 0);
	if (len < 0)
		return false;
	mark_out->print_len = (uint32_t)len;
	mark_out->print = mr_hash64(bytes, mark_out->print_len, 0);
	return true;
}

static void move(struct mr_source *source, struct mr_followed *file, const struct mr_mark *mark)
{
	file->mark = *mark;
	file->searched = mark->at;
	file->settled = 0;
	file->since_us = mr_source_steady(source);
	mr_followed_dirty(source, file);
}

static void read_anew(struct mr_source *source, struct mr_followed *file)
{
	mr_log(MR_LOG_INFO, "%s: was emptied and is read from its beginning", file->path);
	file->mark = (struct mr_mark){.print = mr_hash64("", 0, 0)};
	file->searched = 0;
	file->lines = false;
	mr_followed_dirty(source, file);
}

static enum mr_err leave_alone(struct mr_source *source, struct mr_followed *file,
			       struct mr_slice head, const char *why)
{
	uint32_t len = head.len < MR_PRINT_MAX ? (uint32_t)head.len : MR_PRINT_MAX;

	mr_source_unread(source, file->path, why);
	file->foreign = true;
	file->refused = (struct mr_mark){len, len, mr_hash64(head.at, len, 0)};
	return MR_AGAIN;
}

enum mr_err mr_followed_name(struct mr_source *source, struct mr_followed *file,
			     struct mr_error *error)
{
	enum mr_err err = MR_OK;

	if (!file->named)
		err = mr_lines_name(source->env, file->title, &file->name, error);
	file->named = err == MR_OK;
	return err;
}

/* A line that is longer than the room is read twice: its end is looked for, and then it goes to the
 * spool piece by piece. MR_AGAIN: it was emptied, or cannot be read. */
static enum mr_err take_long(struct mr_source *source, struct mr_followed *file, char *room,
			     uint64_t end)
{
	struct mr_spool *spool = &source->spool;
	uint64_t at = file->mark.at;

	mr_spool_begin(spool, file->name, at);
	while (at < end && at - file->mark.at < MR_SPOOL_ASIDE_MAX) {
		size_t len = end - at < MR_FOLLOW_ROOM ? (size_t)(end - at) : MR_FOLLOW_ROOM;
		ssize_t got = read_at(file->fd, room, len, at);

		if (got != (ssize_t)len) {
			mr_spool_drop(spool);
			return got < 0 ? cannot_read(file) : MR_AGAIN;
		}
		mr_spool_add(spool, room, len);
		at += len;
	}
	if (at < end)
		mr_spool_skip(spool, end - at);
	mr_spool_end(spool);
	return MR_OK;
}

/* No line ends in the room: is there an end further on? */
static enum mr_err search_end(struct mr_source *source, struct mr_followed *file, char *room)
{
	ssize_t got = read_at(file->fd, room, MR_FOLLOW_ROOM, file->searched);
	const char *newline = got > 0 ? memchr(room, '\n', (size_t)got) : NULL;
	uint64_t end = file->searched;
	struct mr_mark mark;

	if (got <= 0)
		return got < 0 ? cannot_read(file) : MR_AGAIN;
	if (!newline) {
		file->searched += (uint64_t)got;
		return got == MR_FOLLOW_ROOM ? MR_OK : MR_AGAIN;
	}
	end += (uint64_t)(newline - room);
	if (!mark_at(file, end + 1, &mark))
		return cannot_read(file);
	if (take_long(source, file, room, end) != MR_OK)
		return file->barred ? MR_AGAIN : MR_OK;
	move(source, file, &mark);
	return MR_OK;
}

/* What a file begins with: MR_OK, it is lines, behind a mark of so many bytes. */
static enum mr_err look_at_head(struct mr_source *source, struct mr_followed *file,
				struct mr_slice head, bool last, size_t *mark_out)
{
	char why[MR_LINES_WHY];

	if (!mr_lines_known(head, last, why, mark_out))
		return MR_AGAIN;
	return *why ? leave_alone(source, file, head, why) : MR_OK;
}

enum mr_err mr_followed_read(struct mr_source *source, struct mr_followed *file, char *room)
{
	ssize_t got = read_at(file->fd, room, MR_FOLLOW_ROOM, file->mark.at);
	enum mr_mark_found found = MR_MARK_HOLDS;
	struct mr_mark mark;
	const char *newline;
	size_t whole;
	size_t skip = 0;
	enum mr_err err;

	if (got >= 0 && file->mark.at > 0)
		found = mr_mark_look(&file->mark, file->fd);
	if (got < 0 || found == MR_MARK_UNREAD)
		return cannot_read(file);
	file->barred = false;
	if (found == MR_MARK_OTHER) {
		read_anew(source, file);
		return MR_OK;
	}
	newline = memrchr(room, '\n', (size_t)got);
	whole = newline ? (size_t)(newline - room) + 1 : 0;
	if (file->mark.at == 0) {
		err =
		    look_at_head(source, file, (struct mr_slice){room, (size_t)got}, false, &skip);
		file->lines = err == MR_OK;
		if (err != MR_OK || !file->named)
			return err;
	}
	if (whole == 0)
		return got == MR_FOLLOW_ROOM ? search_end(source, file, room) : MR_AGAIN;
	if (!mark_at(file, file->mark.at + whole, &mark))
		return cannot_read(file);
	mr_lines_take(&source->spool, file->name, file->mark.at + skip,
		      (struct mr_slice){room + skip, whole - skip});
	move(source, file, &mark);
	return MR_OK;
}

/* One that never had a whole line was not looked at, or not to the end. */
static enum mr_err look_at_once(struct mr_source *source, struct mr_followed *file, char *room)
{
	ssize_t got = read_at(file->fd, room, MR_FOLLOW_ROOM, 0);
	size_t skip;

	if (got < 0)
		return cannot_read(file);
	return look_at_head(source, file, (struct mr_slice){room, (size_t)got}, true, &skip);
}

enum mr_err mr_followed_finish(struct mr_source *source, struct mr_followed *file, char *room,
			       struct mr_error *error)
{
	struct mr_mark mark;
	struct stat status;
	enum mr_err err;

	if (file->foreign)
		return MR_OK;
	if (fstat(file->fd, &status) != 0)
		return cannot_read(file);
	if ((uint64_t)status.st_size <= file->mark.at)
		return MR_OK;
	if (file->mark.at == 0 && look_at_once(source, file, room) != MR_OK)
		return file->barred ? MR_AGAIN : MR_OK;
	err = mr_followed_name(source, file, error);
	if (err != MR_OK)
		return err;
	if (!mark_at(file, (uint64_t)status.st_size, &mark))
		return cannot_read(file);
	if (take_long(source, file, room, (uint64_t)status.st_size) == MR_OK)
		move(source, file, &mark);
	return file->barred ? MR_AGAIN : MR_OK;
}
