/* reload_prepare.c - the process that prepares a reload.
 *
 * Called by main.c as the hidden subcommand `reload`. What takes long, or much memory, or may crash
 * on what stands in a file, is done here, while the service works on. Dies with its supervisor. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hosts.h"
#include "millrace/log.h"
#include "reload.h"
#include "run_plan.h"
#include "spawn.h"
#include "topology_file.h"
#include "worker.h"

/* Unlike a worker's it may wait: nothing hangs on this process's pace. */
static void send_line(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		      size_t len)
{
	mr_control_send(context, &(struct mr_control_message){.kind = MR_CONTROL_LOG,
							      .number = (uint64_t)level,
							      .other = kind,
							      .bytes = {line, len},
							      .fd = -1});
}

static void send_tables(const struct mr_tables *tables, struct mr_control *control)
{
	for (size_t i = 0; i < mr_tables_count(tables); i++) {
		const char *name;
		int fd;
		size_t size;
		mr_tables_at(tables, i, &name, &fd, &size);
		mr_control_send_table(control, name, fd, size);
	}
}

static enum mr_err send_setup(const struct mr_supervisor *supervisor, struct mr_control *control,
			      struct mr_error *error)
{
	struct mr_setup whole = supervisor->setup;
	struct mr_buf bytes = {0};
	struct mr_tables *sealed = mr_tables_new();
	int fd;
	size_t size;
	char nowhere[] = "";
	whole.directory = nowhere;
	mr_setup_encode(&whole, &bytes);
	enum mr_err err =
	    mr_tables_add_bytes(sealed, "setup", (struct mr_slice){bytes.data, bytes.len}, error);
	if (err == MR_OK && mr_tables_find(sealed, "setup", &fd, &size))
		mr_control_send(control, &(struct mr_control_message){
					     .kind = MR_CONTROL_SETUP, .other = size, .fd = fd});
	mr_tables_free(sealed);
	mr_buf_fini(&bytes);
	return err;
}

enum mr_err mr_reload_send(const struct mr_supervisor *supervisor, const char *state,
			   struct mr_control *control, struct mr_error *error)
{
	const struct mr_fields *fields = supervisor->setup.fields;
	struct mr_state_dir dir = {.path = mr_strdup(state), .lock = -1};
	struct mr_generation generation = {0};
	dir.fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum mr_err err = MR_OK;
	if (dir.fd < 0)
		err = mr_error_errno(error, MR_IO, "%s", state);
	if (err == MR_OK)
		err = mr_generation_of(supervisor->tables, fields, &generation, error);
	if (err == MR_OK)
		err = mr_generation_keep(&dir, &generation, supervisor->tables, fields, error);
	mr_generation_fini(&generation);
	mr_state_dir_close(&dir);
	if (err != MR_OK)
		return err;
	send_tables(supervisor->tables, control);
	return send_setup(supervisor, control, error);
}

/* Where `host` is not NULL, its share. */
static enum mr_err prepare(const char *topology, const char *state, const char *host,
			   struct mr_supervisor *set, struct mr_error *error)
{
	struct mr_config *config = &set->setup.config;
	uint32_t workers;
	enum mr_err err = mr_topology_file_read(topology, host, config, error);
	set->progress.least = MR_LOG_INFO;
	if (err == MR_OK && set->hosts != NULL)
		mr_hosts_find(set->hosts, config);
	if (err == MR_OK)
		mr_progress_level(&set->progress, config);
	/* Before anything is written there. */
	if (err == MR_OK && strcmp(mr_config_get(config, "state", 0), state) != 0)
		err = mr_error_set(error, MR_CONFIG,
				   "`state` cannot change while the service runs: stop it, and "
				   "start it again");
	return err == MR_OK ? mr_plan_run(set, &workers, error) : err;
}

void mr_reload_end(struct mr_control *control, enum mr_err err, const struct mr_error *error)
{
	struct mr_control_message last = {.kind = MR_CONTROL_DONE, .fd = -1};
	if (err != MR_OK) {
		last.kind = MR_CONTROL_FAILED;
		last.bytes = mr_slice(error->text);
	}
	mr_control_send(control, &last);
	mr_control_flush_all(control);
}

int mr_reload_main(int argc, char **argv)
{
	static struct mr_control control;
	static struct mr_hosts hosts;
	struct mr_supervisor set;
	struct mr_error error = {0};
	if (argc < 4 || argc > 5 || !mr_spawned_by(argv[1])) {
		fputs("millrace reload: only a service starts this\n", stderr);
		return 2;
	}
	mr_spawned_stand_back();
	mr_control_init(&control, MR_WORKER_CONTROL_FD);
	mr_log_set_sink(send_line, &control);
	mr_supervisor_init(&set);
	set.hosts = argc == 5 ? &hosts : NULL;
	enum mr_err err = prepare(argv[2], argv[3], argv[4], &set, &error);
	if (err == MR_OK)
		err = mr_reload_send(&set, argv[3], &control, &error);
	mr_reload_end(&control, err, &error);
	mr_log_set_sink(NULL, NULL);
	mr_supervisor_fini(&set);
	mr_control_fini(&control);
	return err == MR_OK ? 0 : 1;
}
