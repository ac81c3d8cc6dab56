/* stdin.c - standard input as a source of `run`: lines, to its end.
 *
 * The supervisor keeps the descriptor, so what is not read yet outlives a worker; the cursor is the
 * stream's identity, how far it was read, and the line that had begun. Another stream under the
 * same name begins anew, and that line is set aside. */
#include "stream.h"

#include "lines.h"

#include "millrace/pack.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLE_NAME "collect.stdin.%s"
#define TITLE "standard input"

struct standard {
	struct mr_stream stream;
	uint64_t device; /* of the stream that the cursor speaks of; 0 and 0: none */
	uint64_t inode;
	struct mr_buf whole; /* the cursor as of the last `moved` */
	char *room;
	bool ended;
};

static enum mr_err prepare(const struct mr_part *part, const struct mr_prepare *settings,
			   struct mr_error *error)
{
	char name[MR_NAME_MAX + 32];
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return mr_error_errno(error, MR_CONFIG, "standard input is not open");
	snprintf(name, sizeof(name), TABLE_NAME, part->name);
	mr_tables_add(settings->tables, name, fd, 0);
	return MR_OK;
}

static void put_now(struct standard *in, struct mr_buf *out)
{
	mr_pack_array(out, 6);
	mr_pack_uint(out, in->device);
	mr_pack_uint(out, in->inode);
	mr_pack_uint(out, in->stream.offset);
	mr_pack_uint(out, in->stream.passed);
	mr_pack_bool(out, in->ended);
	mr_pack_bytes(out, (struct mr_slice){in->stream.held.data ? in->stream.held.data : "",
					     in->stream.held.len});
}

static void put(struct mr_source *source, bool whole, struct mr_buf *out)
{
	struct standard *in = source->state;

	if (!whole)
		put_now(in, out);
	else if (in->whole.len > 0)
		mr_buf_add(out, in->whole.data, in->whole.len);
}

static void moved(struct mr_source *source)
{
	struct standard *in = source->state;

	in->whole.len = 0;
	put_now(in, &in->whole);
}

static void take(struct mr_source *source, struct mr_slice bytes, bool whole)
{
	struct standard *in = source->state;
	struct mr_unpack from = mr_unpack(bytes);
	struct mr_slice held;

	(void)whole;
	mr_unpack_array_of(&from, 6);
	in->device = mr_unpack_uint(&from, UINT64_MAX);
	in->inode = mr_unpack_uint(&from, UINT64_MAX);
	in->stream.offset = mr_unpack_uint(&from, UINT64_MAX);
	in->stream.passed = mr_unpack_uint(&from, UINT64_MAX);
	in->ended = mr_unpack_bool(&from);
	held = mr_unpack_bytes(&from);
	in->stream.held.len = 0;
	if (held.len > 0)
		mr_buf_add(&in->stream.held, held.at, held.len);
	in->whole.len = 0;
	mr_buf_add(&in->whole, bytes.at, bytes.len);
}

/* The one that the cursor speaks of, or another. */
static void know(struct mr_source *source, struct standard *in)
{
	struct stat status = {0};
	off_t at = lseek(in->stream.fd, 0, SEEK_CUR);
	bool same;

	fstat(in->stream.fd, &status);
	same = in->device == status.st_dev && in->inode == status.st_ino &&
	       (!S_ISREG(status.st_mode) ||
		(uint64_t)at == in->stream.offset + in->stream.held.len + in->stream.passed);
	if (!same) {
		mr_stream_end(source, &in->stream, "the stream ended in the middle of it");
		in->stream.offset = 0;
		in->ended = false;
		source->dirty = true;
	}
	in->device = status.st_dev;
	in->inode = status.st_ino;
}

static enum mr_err open_source(struct mr_source *source, struct mr_error *error)
{
	struct standard *in = source->state;
	char name[MR_NAME_MAX + 32];
	size_t size;
	int fd;
	enum mr_err err;

	snprintf(name, sizeof(name), TABLE_NAME, source->part->name);
	if (!mr_tables_find(source->env->tables, name, &fd, &size))
		return mr_error_set(error, MR_NOT_FOUND, "no table %s", name);
	in->stream.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (in->stream.fd < 0)
		return mr_error_errno(error, MR_IO, "cannot read standard input");
	in->room = mr_malloc(MR_STREAM_ROOM);
	err = mr_lines_name(source->env, TITLE, &in->stream.name, error);
	if (err != MR_OK)
		return err;
	know(source, in);
	mr_waits_set(source->env->waits, in->stream.fd, POLLIN);
	return MR_OK;
}

static enum mr_err step(struct mr_source *source, struct mr_error *error)
{
	struct standard *in = source->state;
	enum mr_err err = in->ended ? MR_END : mr_stream_step(source, &in->stream, in->room);

	(void)error;
	if (err != MR_END)
		return err;
	mr_waits_drop(source->env->waits, in->stream.fd);
	mr_stream_end(source, &in->stream, NULL);
	source->dirty = !in->ended;
	in->ended = true;
	return MR_END;
}

static void book(struct mr_source *source)
{
	const struct standard *in = source->state;

	mr_source_position(source, TITLE, in->stream.offset);
}

static void close_source(struct mr_source *source)
{
	struct standard *in = source->state;

	if (in->stream.fd > 0)
		mr_waits_drop(source->env->waits, in->stream.fd);
	mr_stream_fini(&in->stream);
	mr_buf_fini(&in->whole);
	free(in->room);
}

const struct mr_source_ops mr_source_stdin = {
    .type = "stdin",
    .state_size = sizeof(struct standard),
    .prepare = prepare,
    .open = open_source,
    .step = step,
    .put = put,
    .moved = moved,
    .take = take,
    .book = book,
    .close = close_source,
};
