/* sink_stdout.c - a descriptor that was open before the worker began: scan's output, and standard
 * output in a service. Called by deliver.c through sink.h.
 *
 * In a service a reader that is slow must not hold up the worker: only what the pipe takes is
 * written, and the rest waits in the buffer. scan has nothing else to do, and waits. */
#include "sink.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "millrace/pack.h"

#include "out_file.h"

#define OUTPUT_TABLE "deliver.output"

struct given_state {
	struct out_file file;
	bool waiting; /* for the reader */
	uint64_t taken;
};

static enum mr_err given_open(struct sink *sink, struct mr_error *error)
{
	struct given_state *state = sink->state;
	int fd;
	size_t size;
	if (!mr_tables_find(sink->env->stage->tables, OUTPUT_TABLE, &fd, &size))
		return mr_error_set(error, MR_NOT_FOUND, "there is no table " OUTPUT_TABLE);
	return out_file_init(&state->file, fd, sink->name, error);
}

static enum mr_err given_put(struct sink *sink, const struct line_id *id, struct mr_slice line,
			     struct mr_error *error)
{
	struct given_state *state = sink->state;
	state->taken += id->revision == 0;
	return out_file_put(&state->file, line, error);
}

static enum mr_err given_flush(struct sink *sink, struct mr_error *error)
{
	struct given_state *state = sink->state;
	return out_file_flush(&state->file, error);
}

static void given_close(struct sink *sink)
{
	struct given_state *state = sink->state;
	if (state->waiting)
		mr_waits_drop(sink->env->stage->waits, state->file.fd);
	out_file_fini(&state->file);
}

static bool given_room(struct sink *sink, size_t bytes)
{
	(void)sink;
	(void)bytes;
	return true;
}

static enum mr_err given_restore(struct sink *sink, struct mr_slice bytes, struct mr_error *error)
{
	struct given_state *state = sink->state;
	struct mr_unpack in = mr_unpack(bytes);
	uint64_t taken = mr_unpack_uint(&in, UINT64_MAX);
	if (!mr_unpack_done(&in))
		return mr_error_set(error, MR_BAD_INPUT, "%s: its state is no count", sink->name);
	state->taken = taken;
	return MR_OK;
}

static void given_snapshot(struct sink *sink, struct mr_buf *out)
{
	struct given_state *state = sink->state;
	mr_pack_uint(out, state->taken);
}

static void given_counts(const struct sink *sink, struct sink_counts *out)
{
	const struct given_state *state = sink->state;
	const struct mr_buf *buf = &state->file.buf;
	uint64_t waiting = line_id_count((struct mr_slice){buf->data, buf->len});
	*out = (struct sink_counts){
	    .taken = state->taken, .delivered = state->taken - waiting, .spooled = waiting};
}

/* ---- in a service ---- */

/* A worker has no standard output of its own. */
static enum mr_err stdout_prepare(const struct mr_part *part, const struct mr_prepare *prepare,
				  struct mr_error *error)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0)
		return mr_error_errno(error, MR_CONFIG, "sink %s: standard output", part->name);
	mr_tables_add(prepare->tables, OUTPUT_TABLE, fd, 0);
	return MR_OK;
}

static bool stdout_room(struct sink *sink, size_t bytes)
{
	struct given_state *state = sink->state;
	(void)bytes;
	return state->file.buf.len < OUT_FILE_BUFFER_BYTES;
}

static enum mr_err stdout_flush(struct sink *sink, struct mr_error *error)
{
	struct given_state *state = sink->state;
	enum mr_err err = out_file_flush_some(&state->file, error);
	bool waiting = err == MR_AGAIN;
	if (waiting && !state->waiting)
		mr_waits_set(sink->env->stage->waits, state->file.fd, POLLOUT);
	if (!waiting && state->waiting)
		mr_waits_drop(sink->env->stage->waits, state->file.fd);
	state->waiting = waiting;
	return waiting ? MR_OK : out_file_wait(&state->file, err, error);
}

static enum mr_err stdout_put(struct sink *sink, const struct line_id *id, struct mr_slice line,
			      struct mr_error *error)
{
	struct given_state *state = sink->state;
	(void)error;
	state->taken += id->revision == 0;
	mr_buf_add(&state->file.buf, line.at, line.len);
	return MR_OK;
}

static enum mr_err stdout_barrier(struct sink *sink, struct mr_error *error)
{
	struct given_state *state = sink->state;
	enum mr_err err = stdout_flush(sink, error);
	return err == MR_OK && state->file.buf.len > 0 ? MR_FULL : err;
}

const struct sink_ops sink_given = {
    .name = "given",
    .promise = SINK_AT_LEAST_ONCE,
    .state_size = sizeof(struct given_state),
    .open = given_open,
    .restore = given_restore,
    .room = given_room,
    .put = given_put,
    .flush = given_flush,
    .poll = given_flush,
    .barrier = given_flush,
    .snapshot = given_snapshot,
    .counts = given_counts,
    .close = given_close,
};

const struct sink_ops sink_stdout = {
    .name = "stdout",
    .promise = SINK_AT_LEAST_ONCE,
    .state_size = sizeof(struct given_state),
    .prepare = stdout_prepare,
    .open = given_open,
    .restore = given_restore,
    .room = stdout_room,
    .put = stdout_put,
    .flush = stdout_flush,
    .poll = stdout_flush,
    .barrier = stdout_barrier,
    .snapshot = given_snapshot,
    .counts = given_counts,
    .close = given_close,
};
