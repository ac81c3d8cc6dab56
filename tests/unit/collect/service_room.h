/* service_room.h - the stage as `run` has it: sources, checkpoints, deaths at any moment.
 *
 * A life begins with what the last checkpoint kept, of the state and of what was handed on; what
 * came behind it is forgotten at a death, as it is downstream. */
#ifndef MILLRACE_TEST_COLLECT_SERVICE_ROOM_H
#define MILLRACE_TEST_COLLECT_SERVICE_ROOM_H

#include <fcntl.h>
#include <sys/stat.h>

#include "os_faults.h"
#include "stage_harness.h"

/* ---- the pipeline's side of env ---- */

static unsigned waiting; /* descriptors that are waited for */
void mr_waits_set(struct mr_waits *waits, int fd, short events)
{
	(void)waits;
	(void)fd;
	waiting += events != 0;
}
void mr_waits_drop(struct mr_waits *waits, int fd)
{
	(void)waits;
	(void)fd;
}
static int64_t rest_us; /* until then it is not polled */
void mr_waits_rest(struct mr_waits *waits, int64_t until_us)
{
	(void)waits;
	rest_us = until_us;
}
static struct mr_source_mark mark_of_all;
struct mr_source_mark *mr_marks_at(struct mr_marks *marks, uint32_t source)
{
	(void)marks;
	mark_of_all.source = source;
	return &mark_of_all;
}

struct service {
	struct stage stage;
	struct mr_now now;
	struct mr_config config; /* of each life */
	struct mr_part *part;
	struct mr_tables *tables; /* of a supervisor whose worker died; NULL: it is new, too */
	/* The last checkpoint. */
	struct mr_buf snapshot;
	struct mr_buf records;
	struct mr_buf rejects;
};

static char service_folder[64];

static inline void copy_buf(struct mr_buf *to, const struct mr_buf *from)
{
	to->len = 0;
	if (from->len > 0)
		mr_buf_add(to, from->data, from->len);
}

static inline void service_init(struct service *service, const char *type)
{
	*service = (struct service){.now = {.wall_us = 77, .steady_us = 77}};
	mr_config_add(&service->config, "state", service_folder);
	service->part = mr_config_part_add(&service->config, MR_PART_SOURCE, "audit");
	mr_config_add(&service->part->settings, "type", type);
}

static inline void service_set(struct service *service, const char *name, const char *value)
{
	mr_config_add(&service->part->settings, name, value);
}

static inline void service_path(struct service *service, const char *name)
{
	char *path = mr_asprintf("%s/in/%s", service_folder, name);

	service_set(service, "path", path);
	free(path);
}

static inline enum mr_err service_restore(struct service *service)
{
	struct stage *stage = &service->stage;
	struct mr_snapshot snapshot;
	struct mr_section section;

	if (service->snapshot.len == 0)
		return MR_OK;
	stage_must(
	    mr_snapshot_open((struct mr_slice){service->snapshot.data, service->snapshot.len},
			     "collect", &snapshot, &stage->error) == MR_OK);
	while (mr_snapshot_next(&snapshot, &section)) {
		enum mr_err err = mr_stage_collect.restore_named(stage->state, section.name,
								 section.bytes, &stage->error);

		if (err != MR_OK)
			return err;
	}
	return MR_OK;
}

/* A life begins. */
static inline enum mr_err service_begin(struct service *service)
{
	struct stage *stage = &service->stage;
	struct mr_prepare prepare = {.config = &service->config};
	enum mr_err err;

	*stage = (struct stage){0};
	stage->tables = service->tables != NULL ? service->tables : mr_tables_new();
	prepare.tables = stage->tables;
	stage->env = (struct mr_stage_env){.config = &service->config,
					   .tables = stage->tables,
					   .files = &stage->files,
					   .counters = &stage->counters,
					   .now = &service->now,
					   .workers = 1};
	mr_writer_add_output(&stage->writer, MR_CONTENT_RECORDS, 0, MR_LINK_SPREAD, 1);
	mr_writer_add_output(&stage->writer, MR_CONTENT_REJECTS, 0, MR_LINK_SPREAD, 1);
	copy_buf(&stage->records, &service->records);
	copy_buf(&stage->rejects, &service->rejects);
	err = service->tables == NULL ? mr_stage_collect.prepare(&prepare, &stage->error) : MR_OK;
	service->tables = NULL;
	if (err != MR_OK)
		return err;
	stage->state = mr_calloc(1, mr_stage_collect.state_size);
	err = mr_stage_collect.open(stage->state, &stage->env, &stage->error);
	return err == MR_OK ? service_restore(service) : err;
}

static inline void service_checkpoint(struct service *service)
{
	struct stage *stage = &service->stage;
	enum mr_err err;

	while ((err = mr_stage_collect.barrier(stage->state, INT64_MIN, &stage->writer,
					       &stage->error)) == MR_FULL)
		stage_drain(stage);
	if (err != MR_OK)
		fprintf(stderr, "%s\n", stage->error.text);
	stage_must(err == MR_OK);
	stage_drain(stage);
	service->snapshot.len = 0;
	mr_snapshot_begin(&service->snapshot, "collect");
	stage_must(mr_stage_collect.snapshot_named(stage->state, &service->snapshot,
						   &stage->error) == MR_OK);
	mr_snapshot_end(&service->snapshot, 0);
	copy_buf(&service->records, &stage->records);
	copy_buf(&service->rejects, &stage->rejects);
	mr_stage_collect.committed(stage->state);
}

static inline void service_die(struct service *service)
{
	stage_fini(&service->stage);
}

/* All that there is to read now, as if a second had passed. */
static inline void look(struct service *service)
{
	service->now.steady_us += 1000000;
	for (int i = 0; i < 3; i++)
		assert_int_equal(stage_poll(&service->stage), MR_AGAIN);
}

/* The worker alone: what was prepared stays. */
static inline void service_lose_worker(struct service *service)
{
	service->tables = service->stage.tables;
	service->stage.tables = NULL;
	service_die(service);
}

static inline void service_fini(struct service *service)
{
	service_die(service);
	mr_config_fini(&service->config);
	mr_buf_fini(&service->snapshot);
	mr_buf_fini(&service->records);
	mr_buf_fini(&service->rejects);
}

/* ---- what it says of itself ---- */

static inline void keep_unread(void *context, const struct mr_figures *figures)
{
	*(uint64_t *)context = figures->unread;
}

/* Inputs that are not read. */
static inline uint64_t unread(const struct service *service)
{
	uint64_t count = UINT64_MAX;

	mr_stage_collect.show(service->stage.state, keep_unread, &count);
	return count;
}

/* ---- its folder ---- */

static inline int service_clean(void **state)
{
	char *command;

	(void)state;
	os_faults_end();
	if (!service_folder[0])
		snprintf(service_folder, sizeof(service_folder), "/tmp/millrace-service-%d",
			 getpid());
	command = mr_asprintf("rm -rf '%s' && mkdir -p '%s/in'", service_folder, service_folder);
	stage_must(system(command) == 0);
	free(command);
	return 0;
}

static inline int service_remove(void **state)
{
	char *command = mr_asprintf("rm -rf '%s'", service_folder);

	(void)state;
	stage_must(system(command) == 0);
	free(command);
	return 0;
}

static inline void in_path(const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/in/%s", service_folder, name);
}

static inline void append_bytes(const char *name, const char *bytes, size_t len)
{
	char path[256];
	int fd;

	in_path(name, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	stage_must(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

static inline void append(const char *name, const char *text)
{
	append_bytes(name, text, strlen(text));
}

static inline void move_file(const char *from, const char *to)
{
	char old[256];
	char new[256];

	in_path(from, old, sizeof(old));
	in_path(to, new, sizeof(new));
	stage_must(rename(old, new) == 0);
}

static inline void remove_file(const char *name)
{
	char path[256];

	in_path(name, path, sizeof(path));
	stage_must(unlink(path) == 0);
}

static inline void empty_file(const char *name)
{
	char path[256];

	in_path(name, path, sizeof(path));
	stage_must(truncate(path, 0) == 0);
}

/* What has come, without the folder's name before each. */
static inline const char *came(struct mr_buf *buf)
{
	static struct mr_buf out;
	char folder[128];
	const char *at = stage_text(buf);
	const char *found;

	buf->data[buf->len] = 0;
	in_path("", folder, sizeof(folder));
	out.len = 0;
	while ((found = strstr(at, folder)) != NULL) {
		mr_buf_add(&out, at, (size_t)(found - at));
		at = found + strlen(folder);
	}
	mr_buf_add_text(&out, at);
	return stage_text(&out);
}

/* Records in all lives: each is a line. */
static inline size_t came_count(struct mr_buf *buf)
{
	size_t count = 0;

	for (const char *at = stage_text(buf); (at = strchr(at, '\n')) != NULL; at++)
		count++;
	return count;
}

#endif
