/* sink_file.c - a file in which each alert stands once. Called by deliver.c through sink.h. */
#include "sink.h"

#include <stdlib.h>

#include "once_file.h"

struct file_state {
	struct once_file file;
	int64_t stalled_us; /* since when the disk is full, of wall clock */
};

static struct once_file *file_of(struct sink *sink)
{
	struct file_state *state = sink->state;
	return &state->file;
}

static enum mr_err file_open(struct sink *sink, struct mr_error *error)
{
	struct once_file *file = file_of(sink);
	uint64_t seed;
	memcpy(&seed, sink->env->stage->seed, sizeof seed);
	char *place = sink_place(sink->env, sink->name, error);
	if (place == NULL)
		return error == NULL ? MR_IO : error->code;
	char *mark = mr_asprintf("%s.begin", place);
	char *name = mr_asprintf("sink %s", sink->name);
	enum mr_err err =
	    once_file_open(file, name, mr_config_get(sink->settings, "path", 0), mark, seed, error);
	free(mark);
	free(place);
	free(name);
	if (err == MR_OK) {
		file->counters = sink->env->stage->counters;
		file->rotates = file_rotates(file->path, sink->env->state);
	}
	return err;
}

static enum mr_err file_restore(struct sink *sink, struct mr_slice bytes, struct mr_error *error)
{
	struct once_file *file = file_of(sink);
	return once_file_load(file, bytes, error);
}

static bool file_room(struct sink *sink, size_t bytes)
{
	struct once_file *file = file_of(sink);
	(void)bytes;
	return once_file_has_room(file);
}

static enum mr_err file_put(struct sink *sink, const struct line_id *id, struct mr_slice line,
			    struct mr_error *error)
{
	struct once_file *file = file_of(sink);
	enum mr_err err = once_file_ready(file, error);
	if (err != MR_OK)
		return err;
	file->taken += id->revision == 0;
	return once_file_wants(file, id) ? once_file_put(file, line, error) : MR_OK;
}

static enum mr_err file_flush(struct sink *sink, struct mr_error *error)
{
	struct file_state *state = sink->state;
	enum mr_err err = once_file_flush(&state->file, error);
	if (!state->file.out.stalled)
		state->stalled_us = 0;
	else if (state->stalled_us == 0)
		state->stalled_us = sink->env->stage->now->wall_us;
	return err;
}

static enum mr_err file_barrier(struct sink *sink, struct mr_error *error)
{
	struct once_file *file = file_of(sink);
	return once_file_barrier(file, error);
}

static void file_snapshot(struct sink *sink, struct mr_buf *out)
{
	struct once_file *file = file_of(sink);
	once_file_save(file, out);
}

static void file_committed(struct sink *sink)
{
	struct once_file *file = file_of(sink);
	once_file_committed(file);
}

static void file_counts(const struct sink *sink, struct sink_counts *out)
{
	const struct file_state *state = sink->state;
	const struct once_file *file = &state->file;
	uint64_t waiting = line_id_count((struct mr_slice){file->out.buf.data, file->out.buf.len});
	*out = (struct sink_counts){.file = file->path,
				    .lines = &file->lines,
				    .taken = file->taken,
				    .delivered = file->taken - waiting,
				    .spooled = waiting,
				    .owed = file->sent.count,
				    .trouble = file->out.trouble,
				    .trouble_us = state->stalled_us};
}

static void file_close(struct sink *sink)
{
	struct once_file *file = file_of(sink);
	once_file_close(file);
}

const struct sink_ops sink_file = {
    .name = "file",
    .promise = SINK_ONCE,
    .state_size = sizeof(struct file_state),
    .state_items = 2,
    .open = file_open,
    .restore = file_restore,
    .room = file_room,
    .put = file_put,
    .flush = file_flush,
    .poll = file_flush,
    .barrier = file_barrier,
    .snapshot = file_snapshot,
    .committed = file_committed,
    .counts = file_counts,
    .close = file_close,
};
