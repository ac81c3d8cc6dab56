/* sink_file.c - a file in which each alert stands once. Called by deliver.c through sink.h. */
#include "sink.h"

#include <stdlib.h>

#include "once_file.h"

struct file_state {
	struct once_file file;
	char *name;
	uint64_t taken;
};

static enum mr_err file_open(struct sink *sink, struct mr_error *error)
{
	struct file_state *state = sink->state;
	uint64_t seed;
	memcpy(&seed, sink->env->stage->seed, sizeof seed);
	char *place = sink_place(sink->env, sink->name, error);
	if (place == NULL)
		return error == NULL ? MR_IO : error->code;
	char *mark = mr_asprintf("%s.begin", place);
	state->name = mr_asprintf("sink %s", sink->name);
	enum mr_err err = once_file_open(
	    &state->file, state->name, mr_config_get(sink->settings, "path", 0), mark, seed, error);
	free(mark);
	free(place);
	if (err != MR_OK)
		free(state->name);
	return err;
}

static enum mr_err file_restore(struct sink *sink, struct mr_slice bytes, struct mr_error *error)
{
	struct file_state *state = sink->state;
	struct mr_unpack in = mr_unpack(bytes);
	mr_unpack_array_of(&in, 2);
	uint64_t taken = mr_unpack_uint(&in, UINT64_MAX);
	struct mr_slice position = mr_unpack_bytes(&in);
	if (!mr_unpack_done(&in))
		return mr_error_set(error, MR_BAD_INPUT, "%s: its state is no state of a file",
				    state->name);
	state->taken = taken;
	return once_file_restore(&state->file, position, error);
}

static bool file_room(struct sink *sink, size_t bytes)
{
	struct file_state *state = sink->state;
	(void)bytes;
	return once_file_has_room(&state->file);
}

static enum mr_err file_put(struct sink *sink, const struct line_id *id, struct mr_slice line,
			    struct mr_error *error)
{
	struct file_state *state = sink->state;
	enum mr_err err = once_file_ready(&state->file, error);
	if (err != MR_OK)
		return err;
	state->taken += id->revision == 0;
	return once_file_wants(&state->file, id) ? once_file_put(&state->file, line, error) : MR_OK;
}

static enum mr_err file_flush(struct sink *sink, struct mr_error *error)
{
	struct file_state *state = sink->state;
	return once_file_flush(&state->file, error);
}

static enum mr_err file_barrier(struct sink *sink, struct mr_error *error)
{
	struct file_state *state = sink->state;
	return once_file_barrier(&state->file, error);
}

static void file_snapshot(struct sink *sink, struct mr_buf *out)
{
	struct file_state *state = sink->state;
	struct mr_buf position = {0};
	once_file_snapshot(&state->file, &position);
	mr_pack_array(out, 2);
	mr_pack_uint(out, state->taken);
	mr_pack_bytes(out, (struct mr_slice){position.data, position.len});
	mr_buf_fini(&position);
}

static void file_counts(const struct sink *sink, struct sink_counts *out)
{
	const struct file_state *state = sink->state;
	*out = (struct sink_counts){.file = state->file.path,
				    .lines = &state->file.lines,
				    .taken = state->taken,
				    .delivered = state->taken};
}

static void file_close(struct sink *sink)
{
	struct file_state *state = sink->state;
	once_file_close(&state->file);
	free(state->name);
}

const struct sink_ops sink_file = {
    .name = "file",
    .promise = SINK_ONCE,
    .state_size = sizeof(struct file_state),
    .open = file_open,
    .restore = file_restore,
    .room = file_room,
    .put = file_put,
    .flush = file_flush,
    .poll = file_flush,
    .barrier = file_barrier,
    .snapshot = file_snapshot,
    .counts = file_counts,
    .close = file_close,
};
