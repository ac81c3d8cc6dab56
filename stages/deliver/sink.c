/* sink.c - what all sinks have in common. Called by deliver.c. */
#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "millrace/os.h"

#define FULL_SAID_US MR_SECOND_US

static const struct sink_ops *const sinks[] = {
#define X(name) &sink_##name,
#include "sink.def"
#undef X
};

const struct sink_ops *sink_find(const char *type)
{
	for (size_t i = 0; i < sizeof(sinks) / sizeof(sinks[0]); i++)
		if (strcmp(sinks[i]->name, type) == 0)
			return sinks[i];
	return NULL;
}

enum mr_err sink_open(struct sink *sink, const struct sink_ops *ops, const struct sink_env *env,
		      const char *name, const struct mr_config *settings, struct mr_error *error)
{
	*sink = (struct sink){.ops = ops,
			      .env = env,
			      .name = name,
			      .settings = settings,
			      .state = mr_calloc(1, ops->state_size)};
	enum mr_err err = ops->open(sink, error);
	if (err == MR_OK)
		return MR_OK;
	free(sink->state);
	*sink = (struct sink){0};
	return err;
}

static void note_room(struct sink *sink, bool room)
{
	if (room && sink->said_full)
		mr_log_event(MR_LOG_WARNING, MR_EVENT_SINK_OK,
			     "sink %s takes more: reading goes on", sink->name);
	sink->said_full = sink->said_full && !room;
	if (room)
		sink->full_us = 0;
	else if (sink->full_us == 0)
		sink->full_us = sink->env->stage->now->steady_us;
}

bool sink_has_room(struct sink *sink, size_t bytes)
{
	bool room = sink->ops->room(sink, bytes);
	note_room(sink, room);
	return room;
}

enum mr_err sink_barrier(struct sink *sink, struct mr_error *error)
{
	enum mr_err err = sink->ops->barrier(sink, error);
	if (err == MR_OK || err == MR_FULL)
		note_room(sink, err == MR_OK);
	return err;
}

/* A reader that is a little slower than we are is no news. */
static void remind(struct sink *sink)
{
	int64_t now_us = sink->env->stage->now->steady_us;
	if (sink->full_us == 0 || sink->said_full || now_us - sink->full_us < FULL_SAID_US)
		return;
	mr_log_event(MR_LOG_WARNING, MR_EVENT_SINK_FAILING,
		     "sink %s is full: nothing is read until it takes more", sink->name);
	sink->said_full = true;
}

enum mr_err sink_poll(struct sink *sink, struct mr_error *error)
{
	enum mr_err err = sink->ops->poll(sink, error);
	remind(sink);
	return err;
}

void sink_close(struct sink *sink)
{
	if (sink->ops == NULL)
		return;
	sink->ops->close(sink);
	free(sink->state);
	*sink = (struct sink){0};
}

char *sink_place(const struct sink_env *env, const char *name, struct mr_error *error)
{
	char *above = mr_asprintf("%s/spool", env->state);
	char *place = mr_asprintf("%s/%s", above, name);
	int fd = mr_os_enter(above);
	if (fd >= 0) {
		close(fd);
	} else {
		mr_error_errno(error, mr_error_of_write(errno), "%s cannot be opened or made",
			       above);
		free(place);
		place = NULL;
	}
	free(above);
	return place;
}
