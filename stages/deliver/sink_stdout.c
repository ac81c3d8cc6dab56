/* sink_stdout.c - a descriptor that was open before the worker began: scan's output, and standard
 * output in a service. Called by deliver.c through sink.h.
 *
 * In a service a reader that is slow must not hold up the worker: only what the pipe takes is
 * written, and the rest waits in the buffer. scan has nothing else to do, and waits. Whether a line
 * has begun that has not ended stands in memory that outlives the worker: the next one ends it
 * first, or its own first line could not be read either. */
#include "sink.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/os.h"

#include "millrace/pack.h"

#include "out_file.h"

#define OUTPUT_TABLE "deliver.output"
#define LINE_TABLE "deliver.output.line"

enum { LINE_ENDED, LINE_BEGUN };

struct given_state {
	struct out_file file;
	bool waiting; /* for the reader */
	char *line; /* in a service: LINE_BEGUN while it is not known that the last one has ended */
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
	if (state->line != NULL)
		munmap(state->line, 1);
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

/* What another life may have left at the end of a file. */
static char line_at_end(int fd)
{
	char path[40], last = 0;
	struct stat about;
	if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size == 0)
		return LINE_ENDED;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int again = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = again < 0 ? -1 : pread(again, &last, 1, about.st_size - 1);
	if (again >= 0)
		close(again);
	return got == 1 && last == '\n' ? LINE_ENDED : LINE_BEGUN;
}

/* A worker has no standard output of its own. */
static enum mr_err stdout_prepare(const struct mr_part *part, const struct mr_prepare *prepare,
				  struct mr_error *error)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0)
		return mr_error_errno(error, MR_CONFIG, "sink %s: standard output", part->name);
	char line = line_at_end(fd);
	int memory = memfd_create(LINE_TABLE, MFD_CLOEXEC);
	if (memory < 0 || !mr_os_pwrite_all(memory, (struct mr_slice){&line, 1}, 0)) {
		mr_error_errno(error, MR_IO, "sink %s: no memory", part->name);
		close(fd);
		if (memory >= 0)
			close(memory);
		return MR_IO;
	}
	mr_tables_add(prepare->tables, OUTPUT_TABLE, fd, 0);
	mr_tables_add(prepare->tables, LINE_TABLE, memory, 0);
	return MR_OK;
}

static enum mr_err stdout_open(struct sink *sink, struct mr_error *error)
{
	struct given_state *state = sink->state;
	int fd;
	size_t size;
	enum mr_err err = given_open(sink, error);
	if (err != MR_OK)
		return err;
	if (!mr_tables_find(sink->env->stage->tables, LINE_TABLE, &fd, &size))
		return mr_error_set(error, MR_NOT_FOUND, "there is no table " LINE_TABLE);
	void *line = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (line == MAP_FAILED)
		return mr_error_errno(error, MR_IO, "%s: cannot map its memory", sink->name);
	state->line = line;
	if (*state->line == LINE_BEGUN)
		mr_buf_add_text(&state->file.buf, "\n");
	return MR_OK;
}

static bool stdout_room(struct sink *sink, size_t bytes)
{
	struct given_state *state = sink->state;
	(void)bytes;
	return state->file.buf.len < OUT_FILE_BUFFER_BYTES;
}

/* Killed in between, nobody knows how far it came. */
static enum mr_err write_some(struct given_state *state, struct mr_error *error)
{
	const struct out_file *file = &state->file;
	char before = *state->line;
	uint64_t at = file->at;
	*state->line = LINE_BEGUN;
	enum mr_err err = out_file_flush_some(&state->file, error);
	if (file->at == at)
		*state->line = before;
	else if (file->at == file->whole)
		*state->line = LINE_ENDED;
	return err;
}

static enum mr_err stdout_flush(struct sink *sink, struct mr_error *error)
{
	struct given_state *state = sink->state;
	enum mr_err err = write_some(state, error);
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
    .open = stdout_open,
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
