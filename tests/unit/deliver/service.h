/* service.h - what a sink finds in a service: a state directory, settings, a loop that waits.
 *
 *     service_begin(&service);                         an empty state directory
 *     mr_config_add(service_sink(&service, "file"), …);     the settings of the sink
 *     service_open(&service, &error);
 *     service_crash(&service);                         as SIGKILL: what was not written is gone
 *     service_end(&service); */
#ifndef MILLRACE_TEST_SERVICE_H
#define MILLRACE_TEST_SERVICE_H

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_files.h"
#include "pipeline/tables.h"
#include "pipeline/waits.h"
#include "sink.h"

struct service {
	char state[64];
	struct mr_config settings;
	struct mr_now now;
	struct mr_waits waits;
	struct mr_tables *tables;
	struct mr_counters counters;
	struct mr_stage_env env;
	struct sink_env sink_env;
	struct sink sink;
	const struct sink_ops *ops;
	struct mr_buf refused; /* "REASON: LINE" */
	struct mr_buf position;
	char logged[8192];
	bool events[MR_EVENT_NAMES]; /* that were logged */
	bool prepared;
};

static inline void service_remember(void *context, enum mr_log_level level, uint64_t kind,
				    const char *text, size_t len)
{
	struct service *service = context;
	size_t at = strlen(service->logged);
	service->events[mr_log_kind_event(kind)] = true;
	snprintf(service->logged + at, sizeof service->logged - at, "%s: %.*s\n",
		 mr_log_level_name(level), (int)len, text);
}

static inline enum mr_err service_refuse(void *context, const char *sink, const struct line_id *id,
					 struct mr_slice line, const char *reason,
					 struct mr_error *error)
{
	struct service *service = context;
	(void)sink;
	(void)id;
	(void)error;
	mr_buf_printf(&service->refused, "%s: %.*s", reason, (int)line.len, line.at);
	return MR_OK;
}

static inline void service_begin(struct service *service, const struct sink_ops *ops)
{
	*service = (struct service){.ops = ops,
				    .settings = {.scope = MR_SCOPE_SINK},
				    .now = {INT64_C(1700000000000000), MR_SECOND_US}};
	strcpy(service->state, "/tmp/millrace-sink-XXXXXX");
	assert_non_null(mkdtemp(service->state));
	service->tables = mr_tables_new();
	service->env = (struct mr_stage_env){.tables = service->tables,
					     .counters = &service->counters,
					     .now = &service->now,
					     .waits = &service->waits,
					     .seed = {1, 2, 3}};
	service->sink_env = (struct sink_env){.stage = &service->env,
					      .state = service->state,
					      .refuse = service_refuse,
					      .context = service};
	mr_log_set_sink(service_remember, service);
}

/* As the supervisor does, once: later opens have what it has read. The tables of other types are
 * the tests' own. */
static inline enum mr_err service_prepare(struct service *service, struct mr_error *error)
{
	const struct mr_part part = {
	    .kind = MR_PART_SINK, .name = "main", .settings = service->settings};
	const struct mr_config run = {.scope = MR_SCOPE_RUN};
	const struct mr_prepare prepare = {.config = &run, .tables = service->tables};
	if (service->prepared || service->ops != sink_find("webhook"))
		return MR_OK;
	enum mr_err err = service->ops->prepare(&part, &prepare, error);
	service->prepared = err == MR_OK;
	return err;
}

static inline enum mr_err service_open(struct service *service, struct mr_error *error)
{
	enum mr_err err = service_prepare(service, error);
	if (err == MR_OK)
		err = sink_open(&service->sink, service->ops, &service->sink_env, "main",
				&service->settings, error);
	if (err == MR_OK && service->position.len > 0)
		err = service->sink.ops->restore(
		    &service->sink,
		    (struct mr_slice){service->position.data, service->position.len}, error);
	return err;
}

static inline void service_crash(struct service *service)
{
	sink_close(&service->sink);
	assert_int_equal(service->waits.count, 0);
}

/* "id LINE": the alert's id is the number repeated. */
static inline struct line_id service_id(unsigned number)
{
	struct line_id id = {.revision = 0};
	memset(id.id, (int)(number & 0xff), sizeof id.id);
	id.id[0] = (uint8_t)(number >> 8);
	return id;
}

static inline void service_line(unsigned number, char *out)
{
	struct line_id id = service_id(number);
	char hex[2 * MR_ALERT_ID_BYTES + 1];
	mr_hex(id.id, sizeof id.id, hex);
	sprintf(out,
		"{\"message\":\"a \\\"%u\\\" {\",\"time\":-5,\"severity_id\":4,\"activity_id\":1,"
		"\"count\":3,\"finding_info\":{\"uid\":\"%s\"},\"rest\":[1]}\n",
		number, hex);
}

/* False where the sink has no room. */
static inline bool service_put(struct service *service, unsigned number)
{
	char line[512];
	struct mr_error error = {0};
	struct line_id id = service_id(number);
	service_line(number, line);
	if (!sink_has_room(&service->sink, strlen(line)))
		return false;
	enum mr_err err = service->sink.ops->put(&service->sink, &id, mr_slice(line), &error);
	if (err != MR_OK)
		fail_msg("%s", error.text);
	return true;
}

static inline void service_flush(struct service *service)
{
	struct mr_error error = {0};
	if (service->sink.ops->flush(&service->sink, &error) != MR_OK)
		fail_msg("%s", error.text);
}

/* As the worker's loop: waits for the sink's descriptors, then lets it go on. */
static inline void service_step(struct service *service, int timeout_ms)
{
	struct mr_error error = {0};
	poll(service->waits.fds, service->waits.count, timeout_ms);
	service->now.wall_us += timeout_ms * 1000;
	service->now.steady_us += timeout_ms * 1000;
	if (sink_poll(&service->sink, &error) != MR_OK)
		fail_msg("%s", error.text);
}

/* One that comes a second later, though nobody waits for it. */
static inline void service_step_second(struct service *service)
{
	service->now.wall_us += MR_SECOND_US;
	service->now.steady_us += MR_SECOND_US;
	service_step(service, 0);
}

/* A checkpoint: barrier until it is through, snapshot. */
static inline void service_checkpoint(struct service *service)
{
	struct mr_error error = {0};
	enum mr_err err;
	while ((err = service->sink.ops->barrier(&service->sink, &error)) == MR_FULL)
		service_step(service, 100);
	if (err != MR_OK)
		fail_msg("%s", error.text);
	service->position.len = 0;
	service->sink.ops->snapshot(&service->sink, &service->position);
	if (service->sink.ops->committed != NULL)
		service->sink.ops->committed(&service->sink);
}

static inline void service_remove(const char *path)
{
	struct dirent *entry;
	DIR *directory = opendir(path);
	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		char *below = mr_asprintf("%s/%s", path, entry->d_name);
		if (unlink(below) != 0)
			service_remove(below);
		free(below);
	}
	if (directory != NULL)
		closedir(directory);
	rmdir(path);
}

static inline void service_end(struct service *service)
{
	sink_close(&service->sink);
	mr_log_set_sink(NULL, NULL);
	service_remove(service->state);
	mr_tables_free(service->tables);
	mr_waits_fini(&service->waits);
	mr_config_fini(&service->settings);
	mr_buf_fini(&service->refused);
	mr_buf_fini(&service->position);
}

#endif
