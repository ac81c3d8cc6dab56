/* sink_file.c - a file in which each alert stands once. Called by deliver.c through sink.h. */
#include "sink.h"

#include <stdlib.h>

#include "once_file.h"

static enum mr_err file_open(struct sink *sink, struct mr_error *error)
{
	struct once_file *file = sink->state;
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
	return err;
}

static enum mr_err file_restore(struct sink *sink, struct mr_slice bytes, struct mr_error *error)
{
	struct once_file *file = sink->state;
	return once_file_load(file, bytes, error);
}

static bool file_room(struct sink *sink, size_t bytes)
{
	struct once_file *file = sink->state;
	(void)bytes;
	return once_file_has_room(file);
}

static enum mr_err file_put(struct sink *sink, const struct line_id *id, struct mr_slice line,
			    struct mr_error *error)
{
	struct once_file *file = sink->state;
	enum mr_err err = once_file_ready(file, error);
	if (err != MR_OK)
		return err;
	file->taken += id->revision == 0;
	return once_file_wants(file, id) ? once_file_put(file, line, error) : MR_OK;
}

static enum mr_err file_flush(struct sink *sink, struct mr_error *error)
{
	struct once_file *file = sink->state;
	return once_file_flush(file, error);
}

static enum mr_err file_barrier(struct sink *sink, struct mr_error *error)
{
	struct once_file *file = sink->state;
	return once_file_barrier(file, error);
}

static void file_snapshot(struct sink *sink, struct mr_buf *out)
{
	struct once_file *file = sink->state;
	once_file_save(file, out);
}

static void file_counts(const struct sink *sink, struct sink_counts *out)
{
	const struct once_file *file = sink->state;
	*out = (struct sink_counts){.file = file->path,
				    .lines = &file->lines,
				    .taken = file->taken,
				    .delivered = file->taken,
				    .owed = file->sent.count};
}

static void file_close(struct sink *sink)
{
	struct once_file *file = sink->state;
	once_file_close(file);
}

const struct sink_ops sink_file = {
    .name = "file",
    .promise = SINK_ONCE,
    .state_size = sizeof(struct once_file),
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
