/* stdin.c - standard input as a source of `run`: lines, to its end.
 *
 * What a pipe has given cannot be asked for again, so it goes to where it outlives the worker that
 * read it: the intake (intake.h). A regular file needs none of this: it is read where it lies. The
 * cursor is the intake's identity, how far the stream was taken over, and the line that had begun;
 * another intake under the same name (another life of the supervisor) begins anew, and that line is
 * set aside. */
#include "stream.h"

#include "intake.h"
#include "lines.h"

#include "millrace/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define TITLE "standard input"
#define FILL_BYTES (1 << 20)

struct standard {
	struct mr_stream stream; /* the descriptor is the intake's */
	struct intake intake;
	uint64_t id[2];      /* of the intake that the cursor speaks of; 0 and 0: none */
	uint64_t kept;       /* how far it was taken over by blocks of the journal */
	struct mr_buf whole; /* the cursor as of the last `moved` */
	char *room;          /* to read a regular file into; NULL for any other */
	uint64_t until;      /* where `over`: it is read so far and no farther */
	bool over;
	bool ended;
};

static enum mr_err prepare(const struct mr_part *part, const struct mr_prepare *settings,
			   struct mr_error *error)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return mr_error_errno(error, MR_CONFIG, "standard input is not open");
	return intake_prepare(part->name, fd, settings->tables, error);
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

/* Whoever writes to a pipe may make it shorter at any time. It puts one record behind the other. */
static void know_room(struct mr_source *source, int stream)
{
	int bytes = fcntl(stream, F_GETPIPE_SZ);

	if (bytes <= 0)
		return;
	source->room_bytes = (uint64_t)bytes / 4;
	source->room_record = 0;
}

static void moved(struct mr_source *source)
{
	struct standard *in = source->state;

	know_room(source, in->intake.stream);
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

/* The one that the cursor speaks of, or another. */
static void know(struct mr_source *source, struct standard *in)
{
	if (memcmp(in->id, in->intake.head->id, sizeof(in->id)) != 0) {
		mr_stream_end(source, &in->stream, "the stream ended in the middle of it");
		in->stream.offset = 0;
		in->ended = false;
		source->dirty = true;
	}
	memcpy(in->id, in->intake.head->id, sizeof(in->id));
}

/* Part of what came may still be in the queue when nothing more comes. */
static void wait_for(struct mr_source *source, const struct standard *in, bool wanted)
{
	const int fds[] = {in->intake.stream, in->intake.queue[0]};

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (fds[i] > 0 && wanted)
			mr_waits_set(source->env->waits, fds[i], POLLIN);
		else if (fds[i] > 0)
			mr_waits_drop(source->env->waits, fds[i]);
	}
}

static enum mr_err open_source(struct mr_source *source, struct mr_error *error)
{
	struct standard *in = source->state;
	enum mr_err err = mr_lines_name(source->env, TITLE, &in->stream.name, error);

	if (err == MR_OK)
		err = intake_open(&in->intake, source->part->name, source->env->tables, error);
	if (err != MR_OK)
		return err;
	in->stream.fd = in->intake.stream;
	know(source, in);
	in->kept = taken(in);
	if (in->intake.ring == NULL)
		in->room = mr_malloc(FILL_BYTES);
	wait_for(source, in, true);
	return MR_OK;
}

/* ---- reading ---- */

/* A terminal that is hung up gives an error for its end. */
static enum mr_err outcome(const struct mr_source *source, const struct standard *in, ssize_t got,
			   struct mr_error *error)
{
	if (got < 0 && errno != EINTR && errno != EAGAIN && !in->intake.terminal)
		return mr_error_errno(error, MR_IO, "source %s: " TITLE " cannot be read",
				      source->part->name);
	return mr_stream_outcome(source, got);
}

/* MR_OK: the intake holds more than was taken over, up to `written_out` of the stream. */
static enum mr_err wait_for_more(struct mr_source *source, struct standard *in,
				 uint64_t *written_out, struct mr_error *error)
{
	uint64_t written = intake_written(&in->intake);
	size_t room = INTAKE_RING_BYTES - (size_t)(written - in->kept);
	ssize_t got;
	enum mr_err err;

	*written_out = written;
	if (written > taken(in))
		return MR_OK;
	/* Without room a block is written first: MR_AGAIN asks for that. */
	if (room == 0)
		return MR_AGAIN;
	got = intake_fill(&in->intake, room < FILL_BYTES ? room : FILL_BYTES);
	err = outcome(source, in, got, error);
	if (err != MR_OK)
		return err;
	*written_out = written + (uint64_t)got;
	return MR_OK;
}

static enum mr_err next_of_ring(struct mr_source *source, struct standard *in, struct mr_slice *out,
				struct mr_error *error)
{
	uint64_t written, ring_at = taken(in) % INTAKE_RING_BYTES;
	enum mr_err err = wait_for_more(source, in, &written, error);

	if (err != MR_OK)
		return err;
	*out = (struct mr_slice){in->intake.ring + ring_at, (size_t)(written - taken(in))};
	if (out->len > INTAKE_RING_BYTES - ring_at)
		out->len = INTAKE_RING_BYTES - (size_t)ring_at;
	if (out->len > FILL_BYTES)
		out->len = FILL_BYTES;
	return MR_OK;
}

static enum mr_err next_of_file(struct mr_source *source, struct standard *in, struct mr_slice *out,
				struct mr_error *error)
{
	ssize_t got =
	    pread(in->stream.fd, in->room, FILL_BYTES, (off_t)(in->intake.head->base + taken(in)));

	*out = (struct mr_slice){in->room, got > 0 ? (size_t)got : 0};
	return outcome(source, in, got, error);
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
	wait_for(source, in, false);
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

	if (in->over && taken(in) >= in->until)
		return MR_AGAIN;
	if (!in->ended)
		err = in->intake.ring ? next_of_ring(source, in, &bytes, error)
				      : next_of_file(source, in, &bytes, error);
	if (err == MR_END)
		return end(source, in, error);
	return err == MR_OK ? take_over(source, in, bytes, false, error) : err;
}

/* What stands in the pipe now goes with the supervisor: whoever goes on writing is not waited for.
 */
static bool hang_up(struct mr_source *source, uint64_t *bytes_out)
{
	struct standard *in = source->state;

	if (!in->over && in->intake.ring)
		in->until = intake_known(&in->intake);
	in->over = true;
	*bytes_out = in->until > taken(in) ? in->until - taken(in) : 0;
	return *bytes_out > 0;
}

static void book(struct mr_source *source)
{
	const struct standard *in = source->state;

	mr_source_position(source, TITLE, in->stream.offset);
}

static void close_source(struct mr_source *source)
{
	struct standard *in = source->state;

	wait_for(source, in, false);
	in->stream.fd = -1;
	mr_stream_fini(&in->stream);
	intake_close(&in->intake);
	mr_buf_fini(&in->whole);
	free(in->room);
}

const struct mr_source_ops mr_source_stdin = {
    .type = "stdin",
    .state_size = sizeof(struct standard),
    .descriptors = 4, /* the stream, both ends of its queue, the ring */
    .prepare = prepare,
    .open = open_source,
    .step = step,
    .hang_up = hang_up,
    .put = put,
    .moved = moved,
    .take = take,
    .book = book,
    .close = close_source,
};
