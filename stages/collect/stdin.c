/* stdin.c - standard input as a source of `run`: lines, to its end.
 *
 * What a pipe has given cannot be asked for again, so it goes to where it outlives the worker that
 * read it: the intake, a ring in memory that the supervisor holds. The place in it, the file
 * position of the open file that all its workers share, is how far the stream was read: the kernel
 * moves bytes there, takes them from the pipe and moves the position in one call, which no kill can
 * part. A regular file needs none of this: it is read where it lies. The cursor is the intake's
 * identity, how far the stream was taken over, and the line that had begun; another intake under
 * the same name (another life of the supervisor) begins anew, and that line is set aside. */
#include "stream.h"

#include "lines.h"

#include "millrace/os.h"
#include "millrace/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLE_NAME "collect.stdin.%s"
#define INTAKE_NAME "collect.intake.%s"
#define TITLE "standard input"
#define RING_BYTES (4 << 20)
#define HEAD_AT RING_BYTES
#define FILL_BYTES (1 << 20)

/* Behind the ring. */
struct intake_head {
	uint64_t id[2];
	uint64_t base; /* where a regular file stood when the supervisor began */
	uint64_t laps; /* that were written */
	uint64_t next; /* not `laps`: the position is on its way back to the ring's beginning */
};

struct standard {
	struct mr_stream stream;
	int intake;
	struct intake_head head;
	uint64_t id[2];      /* of the intake that the cursor speaks of; 0 and 0: none */
	mode_t kind;         /* of standard input */
	uint64_t kept;       /* how far it was taken over by blocks of the journal */
	struct mr_buf whole; /* the cursor as of the last `moved` */
	char *ring;          /* the intake's memory; NULL for a regular file */
	char *room;          /* to read a regular file into; NULL for any other */
	bool ended;
};

static bool write_head(int fd, const struct intake_head *head)
{
	return mr_os_pwrite_all(fd, (struct mr_slice){(const char *)head, sizeof(*head)}, HEAD_AT);
}

static enum mr_err make_intake(int input, int *fd_out, struct mr_error *error)
{
	off_t at = lseek(input, 0, SEEK_CUR);
	struct intake_head head = {.base = at > 0 ? (uint64_t)at : 0};
	int fd = memfd_create("millrace-intake", MFD_CLOEXEC);

	/* The head lies at its end, and the memory below is there from the beginning. */
	if (fd < 0 || getrandom(head.id, sizeof(head.id), 0) != sizeof(head.id) ||
	    !write_head(fd, &head)) {
		if (fd >= 0)
			close(fd);
		return mr_error_errno(error, MR_IO, "standard input: no memory to read it into");
	}
	*fd_out = fd;
	return MR_OK;
}

static enum mr_err prepare(const struct mr_part *part, const struct mr_prepare *settings,
			   struct mr_error *error)
{
	char name[MR_NAME_MAX + 32];
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	int intake = -1;
	enum mr_err err;

	if (fd < 0)
		return mr_error_errno(error, MR_CONFIG, "standard input is not open");
	/* It wakes its reader less often; where it is no pipe, or may not grow, it stays as it is.
	 */
	(void)fcntl(fd, F_SETPIPE_SZ, FILL_BYTES);
	err = make_intake(fd, &intake, error);
	if (err != MR_OK) {
		close(fd);
		return err;
	}
	snprintf(name, sizeof(name), TABLE_NAME, part->name);
	mr_tables_add(settings->tables, name, fd, 0);
	snprintf(name, sizeof(name), INTAKE_NAME, part->name);
	mr_tables_add(settings->tables, name, intake, 0);
	return MR_OK;
}

/* How far the intake was taken over. */
static uint64_t taken(const struct standard *in)
{
	return in->stream.offset + in->stream.held.len + in->stream.passed;
}

static void put_now(struct standard *in, struct mr_buf *out)
{
	mr_pack_array(out, 6);
	mr_pack_uint(out, in->id[0]);
	mr_pack_uint(out, in->id[1]);
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
	in->kept = taken(in);
}

static void take(struct mr_source *source, struct mr_slice bytes, bool whole)
{
	struct standard *in = source->state;
	struct mr_unpack from = mr_unpack(bytes);
	struct mr_slice held;

	(void)whole;
	mr_unpack_array_of(&from, 6);
	in->id[0] = mr_unpack_uint(&from, UINT64_MAX);
	in->id[1] = mr_unpack_uint(&from, UINT64_MAX);
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

/* How far the stream was read. At the ring's end the position goes back to its beginning: in steps
 * that the next worker can go on with. */
static uint64_t finish_lap(struct standard *in)
{
	off_t at = lseek(in->intake, 0, SEEK_CUR);

	if (at == RING_BYTES) {
		in->head.next = in->head.laps + 1;
		write_head(in->intake, &in->head);
		at = lseek(in->intake, 0, SEEK_SET);
	}
	if (in->head.next != in->head.laps) {
		in->head.laps = in->head.next;
		write_head(in->intake, &in->head);
	}
	return in->head.laps * RING_BYTES + (uint64_t)at;
}

static bool map_ring(struct standard *in)
{
	void *ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, in->intake, 0);

	in->ring = ring != MAP_FAILED ? ring : NULL;
	finish_lap(in);
	return in->ring != NULL;
}

/* The one that the cursor speaks of, or another. */
static void know(struct mr_source *source, struct standard *in)
{
	if (memcmp(in->id, in->head.id, sizeof(in->id)) != 0) {
		mr_stream_end(source, &in->stream, "the stream ended in the middle of it");
		in->stream.offset = 0;
		in->ended = false;
		source->dirty = true;
	}
	memcpy(in->id, in->head.id, sizeof(in->id));
}

static enum mr_err open_table(struct mr_source *source, const char *form, int *fd_out,
			      struct mr_error *error)
{
	char name[MR_NAME_MAX + 32];
	size_t size;
	int fd;

	snprintf(name, sizeof(name), form, source->part->name);
	if (!mr_tables_find(source->env->tables, name, &fd, &size))
		return mr_error_set(error, MR_NOT_FOUND, "no table %s", name);
	*fd_out = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *fd_out >= 0 ? MR_OK : mr_error_errno(error, MR_IO, "cannot read standard input");
}

static enum mr_err open_source(struct mr_source *source, struct mr_error *error)
{
	struct standard *in = source->state;
	struct stat status = {0};
	enum mr_err err = mr_lines_name(source->env, TITLE, &in->stream.name, error);

	if (err == MR_OK)
		err = open_table(source, TABLE_NAME, &in->stream.fd, error);
	if (err == MR_OK)
		err = open_table(source, INTAKE_NAME, &in->intake, error);
	if (err != MR_OK)
		return err;
	if (fstat(in->stream.fd, &status) != 0 ||
	    pread(in->intake, &in->head, sizeof(in->head), HEAD_AT) != sizeof(in->head))
		return mr_error_errno(error, MR_IO, "cannot read standard input");
	in->kind = status.st_mode & S_IFMT;
	know(source, in);
	in->kept = taken(in);
	if (in->kind == S_IFREG)
		in->room = mr_malloc(FILL_BYTES);
	else if (!map_ring(in))
		return mr_error_errno(error, MR_IO, "cannot map standard input's intake");
	mr_waits_set(source->env->waits, in->stream.fd, POLLIN);
	return MR_OK;
}

/* ---- reading ---- */

/* Bytes that came over to the intake at its position, 0 at the end, or -1 with errno. Of what is no
 * pipe, a kill between the calls loses what the first one read. */
static ssize_t fill(struct standard *in, uint64_t at, size_t room)
{
	uint64_t ring_at = at % RING_BYTES;
	ssize_t got;

	if (room > RING_BYTES - ring_at)
		room = RING_BYTES - ring_at;
	if (in->kind == S_IFIFO)
		return splice(in->stream.fd, NULL, in->intake, NULL, room, SPLICE_F_NONBLOCK);
	got = read(in->stream.fd, in->ring + ring_at, room);
	return got > 0 && lseek(in->intake, got, SEEK_CUR) < 0 ? -1 : got;
}

/* MR_OK: the intake holds more than was taken over, up to `written_out` of the stream. */
static enum mr_err wait_for_more(struct mr_source *source, struct standard *in,
				 uint64_t *written_out)
{
	struct pollfd wait = {.fd = in->stream.fd, .events = POLLIN};
	uint64_t written = finish_lap(in);
	size_t room = RING_BYTES - (size_t)(written - in->kept);
	ssize_t got;
	enum mr_err err;

	*written_out = written;
	if (written > taken(in))
		return MR_OK;
	/* Without room a block is written first: MR_AGAIN asks for that. */
	if (room == 0 || poll(&wait, 1, 0) == 0)
		return MR_AGAIN;
	got = fill(in, written, room < FILL_BYTES ? room : FILL_BYTES);
	err = mr_stream_outcome(source, got);
	if (err != MR_OK)
		return err;
	*written_out = written + (uint64_t)got;
	return MR_OK;
}

static enum mr_err next_of_ring(struct mr_source *source, struct standard *in, struct mr_slice *out)
{
	uint64_t written, ring_at = taken(in) % RING_BYTES;
	enum mr_err err = wait_for_more(source, in, &written);

	if (err != MR_OK)
		return err;
	*out = (struct mr_slice){in->ring + ring_at, (size_t)(written - taken(in))};
	if (out->len > RING_BYTES - ring_at)
		out->len = RING_BYTES - (size_t)ring_at;
	if (out->len > FILL_BYTES)
		out->len = FILL_BYTES;
	return MR_OK;
}

static enum mr_err next_of_file(struct mr_source *source, struct standard *in, struct mr_slice *out)
{
	ssize_t got =
	    pread(in->stream.fd, in->room, FILL_BYTES, (off_t)(in->head.base + taken(in)));

	*out = (struct mr_slice){in->room, got > 0 ? (size_t)got : 0};
	return mr_stream_outcome(source, got);
}

/* Nobody else has it: where it is no lines the run ends, and whoever writes is told. */
static enum mr_err take_over(struct mr_source *source, struct standard *in, struct mr_slice bytes,
			     bool last, struct mr_error *error)
{
	enum mr_err err = mr_stream_take(source, &in->stream, bytes, last, error);

	return err == MR_OK ? MR_OK
			    : mr_error_prefix(error, "source %s: " TITLE, source->part->name);
}

static enum mr_err end(struct mr_source *source, struct standard *in, struct mr_error *error)
{
	enum mr_err err = take_over(source, in, (struct mr_slice){"", 0}, true, error);

	if (err != MR_OK)
		return err;
	mr_waits_drop(source->env->waits, in->stream.fd);
	mr_stream_end(source, &in->stream, NULL);
	source->dirty = !in->ended;
	in->ended = true;
	return MR_END;
}

static enum mr_err step(struct mr_source *source, struct mr_error *error)
{
	struct standard *in = source->state;
	struct mr_slice bytes;
	enum mr_err err = MR_END;

	if (!in->ended)
		err =
		    in->ring ? next_of_ring(source, in, &bytes) : next_of_file(source, in, &bytes);
	if (err == MR_END)
		return end(source, in, error);
	return err == MR_OK ? take_over(source, in, bytes, false, error) : err;
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
	if (in->ring)
		munmap(in->ring, RING_BYTES);
	if (in->intake > 0)
		close(in->intake);
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
