/* supervisor_start.c - from settings to running workers.
 *
 * Called by supervisor.c. What is wrong with a file or a setting is found here, before any worker
 * starts. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "chain_state.h"
#include "clock.h"
#include "hosts.h"
#include "recovery.h"
#include "retell.h"
#include "service.h"
#include "sandbox.h"
#include "spawn.h"
#include "supervisor.h"

static enum mr_err read_catalog(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_slice bytes;
	enum mr_err err = mr_tables_map(supervisor->tables, "catalog", &bytes, error);
	if (err == MR_OK)
		err = mr_catalog_decode(bytes, &supervisor->catalog, error);
	return err;
}

/* What reads from the world or writes to it, is on the host that leads. */
static bool is_leaders(const struct mr_stage_ops *stage)
{
	return stage->reads == MR_CONTENT_NONE || stage->reads == MR_CONTENT_ALERTS;
}

/* ---- the stages' own preparations ---- */

struct preparing {
	const struct mr_stage_ops *stage;
	void *begun;
	enum mr_err err;
	struct mr_error error;
};

static bool is_wanted(const struct mr_stage_ops *stage, bool sources, bool sinks)
{
	return (stage->reads != MR_CONTENT_NONE || sources) &&
	       (stage->reads != MR_CONTENT_ALERTS || sinks);
}

/* To copy and to check kept tables of 300 MB takes 0.2 s, to read rules 0.09: side by side a
 * service has its first alert 0.05 s earlier than with one after the other (bench/README.md). */
static void prepare_all(struct preparing *all, size_t count, const struct mr_prepare *prepare)
{
	for (size_t i = 0; i < count; i++) {
		if (all[i].stage->prepare_begin != NULL)
			all[i].begun = all[i].stage->prepare_begin(prepare);
	}
	bool failed = false;
	for (size_t i = 0; i < count && !failed; i++) {
		if (all[i].stage->prepare != NULL)
			all[i].err = all[i].stage->prepare(prepare, &all[i].error);
		failed = all[i].err != MR_OK && all[i].stage->reads != MR_CONTENT_NONE;
	}
	for (size_t i = 0; i < count; i++) {
		struct mr_error own = {0};
		enum mr_err err = MR_OK;
		if (all[i].stage->prepare_end != NULL)
			err = all[i].stage->prepare_end(all[i].begun, prepare, &own);
		if (all[i].err != MR_OK || err == MR_OK)
			continue;
		all[i].err = err;
		all[i].error = own;
	}
}

/* The first that failed. No stage prepares from what a source does: where an input is wrong, what
 * is wrong with the rules is told, too, so that a person mends both at once. */
static enum mr_err tell(const struct preparing *all, size_t count, struct mr_error *error)
{
	enum mr_err inputs = MR_OK;
	for (size_t i = 0; i < count; i++) {
		if (all[i].err == MR_OK)
			continue;
		if (inputs != MR_OK) {
			mr_log(MR_LOG_ERROR, "%s", all[i].error.text);
			return inputs;
		}
		*error = all[i].error;
		if (all[i].stage->reads != MR_CONTENT_NONE)
			return all[i].err;
		inputs = all[i].err;
	}
	return inputs;
}

enum mr_err mr_supervisor_prepare_stages(const struct mr_prepare *prepare, bool sources, bool sinks,
					 struct mr_error *error)
{
	size_t count = 0;
	while (mr_stages[count] != NULL)
		count++;
	struct preparing *all = mr_calloc(count, sizeof *all);
	size_t wanted = 0;
	for (size_t i = 0; i < count; i++) {
		if (is_wanted(mr_stages[i], sources, sinks))
			all[wanted++].stage = mr_stages[i];
	}
	prepare_all(all, wanted, prepare);
	enum mr_err err = tell(all, wanted, error);
	free(all);
	return err;
}

/* ---- the run's ---- */

enum mr_err mr_supervisor_prepare(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_setup *setup = &supervisor->setup;
	char program[PATH_MAX];
	enum mr_err err = mr_spawn_program(program, sizeof program, error);
	if (err != MR_OK)
		return err;
	err = mr_sandbox_check(&setup->config, error);
	if (err != MR_OK)
		return err;
	setup->start_us = mr_clock_wall_us();
	setup->fields = mr_fields_new();
	const struct mr_prepare prepare = {
	    .config = &setup->config,
	    .fields = setup->fields,
	    .tables = supervisor->tables,
	    .recall = mr_generation_recall,
	};
	/* What reads from the world or writes to it, is on the host that leads. */
	bool leads = mr_hosts_lead(supervisor->hosts);
	err = mr_supervisor_prepare_stages(&prepare, leads, leads, error);
	return err == MR_OK ? read_catalog(supervisor, error) : err;
}

void mr_supervisor_unprepare(struct mr_supervisor *supervisor)
{
	struct mr_setup *setup = &supervisor->setup;
	mr_tables_free(supervisor->tables);
	supervisor->tables = mr_tables_new();
	mr_catalog_fini(&supervisor->catalog);
	mr_fields_free(setup->fields);
	setup->fields = NULL;
	mr_topology_fini(&setup->topology);
}

static void send_table(const struct mr_tables *tables, size_t at, struct mr_control *control)
{
	const char *name;
	int fd;
	size_t size;
	mr_tables_at(tables, at, &name, &fd, &size);
	mr_control_send_table(control, name, fd, size);
}

static const char *table_name(const struct mr_tables *tables, size_t at)
{
	const char *name;
	int fd;
	size_t size;
	mr_tables_at(tables, at, &name, &fd, &size);
	return name;
}

bool mr_supervisor_table_is_leaders(const char *name)
{
	bool leaders = strcmp(name, MR_NAMES_TABLE) == 0;
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++)
		leaders |= is_leaders(*stage) && mr_table_belongs_to(name, (*stage)->name);
	return leaders;
}

/* A table that bears a stage's name is that stage's alone, or whose who tells its work again: some
 * are doors to the outside, such as standard input. */
static bool is_for(const char *name, const struct mr_topology *topology,
		   const struct mr_group *group)
{
	if (mr_retell_is_done(topology) && mr_retell_is_for(group) && mr_retell_reads(name))
		return true;
	for (uint32_t i = 0; i < mr_group_length(group); i++) {
		if (mr_table_belongs_to(name, group->chain[i]))
			return true;
	}
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++) {
		if (mr_table_belongs_to(name, (*stage)->name))
			return false;
	}
	return true;
}

static void send_tables(const struct mr_supervisor *supervisor, uint32_t worker,
			struct mr_control *control)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	const struct mr_group *group = &topology->groups[mr_setup_group(topology, worker)];
	for (size_t i = 0; i < mr_tables_count(supervisor->tables); i++) {
		if (is_for(table_name(supervisor->tables, i), topology, group))
			send_table(supervisor->tables, i, control);
	}
}

/* Those of the last checkpoint whose names begin so. */
static void send_state(const struct mr_tables *tables, const char *prefix,
		       struct mr_control *control)
{
	size_t count = tables == NULL ? 0 : mr_tables_count(tables);
	for (size_t i = 0; i < count; i++) {
		if (strncmp(table_name(tables, i), prefix, strlen(prefix)) == 0)
			send_table(tables, i, control);
	}
}

/* The marks of the last checkpoint, and the state of the worker's own group. */
static void send_restored(const struct mr_supervisor *supervisor, uint32_t worker,
			  struct mr_control *control)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	const char *group = topology->groups[mr_setup_group(topology, worker)].name;
	char prefix[MR_TABLE_NAME_MAX];
	snprintf(prefix, sizeof prefix, MR_STATE_PREFIX, group);
	send_state(supervisor->restored, MR_MARKS_TABLE, control);
	send_state(supervisor->restored, MR_ASIDE_TABLE, control);
	send_state(supervisor->restored, MR_NAMES_TABLE, control);
	send_state(supervisor->restored, prefix, control);
}

/* What every worker inherits of a service's state directory. */
static int lock_of(const struct mr_supervisor *supervisor)
{
	if (!mr_hosts_lead(supervisor->hosts))
		return supervisor->hosts->dir.lock;
	return supervisor->service == NULL ? -1 : supervisor->service->dir.lock;
}

static enum mr_err send_page(struct mr_supervised *worker, struct mr_error *error)
{
	int fd;
	enum mr_err err = mr_inhand_make(&worker->page, &fd, error);
	if (err != MR_OK)
		return err;
	mr_control_send_table(&worker->control, MR_INHAND_TABLE, fd, MR_INHAND_BYTES);
	close(fd);
	return MR_OK;
}

static enum mr_err spawn(struct mr_supervisor *supervisor, uint32_t number, int setup_fd,
			 size_t setup_size, struct mr_error *error)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	const struct mr_group *group = &topology->groups[mr_setup_group(topology, number)];
	struct mr_supervised *worker = &supervisor->workers[number];
	bool forks = !supervisor->setup.finite && mr_group_has_keyed_state(group);
	int control = -1;
	enum mr_err err = mr_spawn(&(struct mr_spawn){.command = "worker",
						      .lock = lock_of(supervisor),
						      .large_pages = forks},
				   &worker->pid, &control, error);
	mr_control_init(&worker->control, control);
	if (err != MR_OK)
		return err;
	send_tables(supervisor, number, &worker->control);
	send_restored(supervisor, number, &worker->control);
	err = send_page(worker, error);
	if (err == MR_OK)
		mr_control_send(&worker->control,
				&(struct mr_control_message){.kind = MR_CONTROL_SETUP,
							     .number = number,
							     .other = setup_size,
							     .fd = setup_fd});
	return err;
}

static enum mr_err spawn_all(struct mr_supervisor *supervisor, int setup_fd, size_t setup_size,
			     struct mr_error *error)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	supervisor->workers = mr_calloc(mr_setup_workers(topology), sizeof *supervisor->workers);
	for (uint32_t i = 0; i < mr_setup_workers(topology); i++) {
		bool elsewhere = mr_hosts_elsewhere(supervisor, i);
		mr_setup_worker_name(topology, i, supervisor->workers[i].name);
		supervisor->worker_count = i + 1;
		enum mr_err err = elsewhere ? mr_hosts_adopt(supervisor, i, error)
					    : spawn(supervisor, i, setup_fd, setup_size, error);
		if (err != MR_OK)
			return err;
	}
	return MR_OK;
}

enum mr_err mr_supervisor_spawn(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_setup *setup = &supervisor->setup;
	/* A service's seed is its state directory's. */
	bool seeded = supervisor->service != NULL;
	if (getrandom(&setup->incarnation, sizeof setup->incarnation, 0) < 0 ||
	    (!seeded && getrandom(setup->seed, sizeof setup->seed, 0) < 0))
		return mr_error_errno(error, MR_IO, "no random numbers");
	enum mr_err err = mr_rundir_make(&supervisor->rundir, MR_ENDPOINT_NAME, error);
	if (err != MR_OK)
		return err;
	free(setup->directory);
	setup->directory = mr_strdup(supervisor->rundir.path);
	if (supervisor->hosts != NULL)
		err = mr_hosts_meet(supervisor, error);
	if (err != MR_OK)
		return err;

	struct mr_buf bytes = {0};
	mr_setup_encode(setup, &bytes);
	struct mr_tables *sealed = mr_tables_new();
	err = mr_tables_add_bytes(sealed, "setup", (struct mr_slice){bytes.data, bytes.len}, error);
	int fd;
	size_t size;
	if (err == MR_OK && mr_tables_find(sealed, "setup", &fd, &size))
		err = spawn_all(supervisor, fd, size, error);
	if (err == MR_OK && supervisor->hosts != NULL)
		mr_hosts_begin(supervisor);
	mr_tables_free(sealed);
	mr_buf_fini(&bytes);
	return err;
}
