/* run_plan.c - from settings to what runs. */
#include "run_plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hosts.h"
#include "millrace/log.h"
#include "spawn.h"
#include "supervisor.h"

enum mr_err mr_plan_rules(struct mr_config *config, struct mr_error *error)
{
	if (mr_config_count(config, "rules") > 0)
		return MR_OK;
	char self[PATH_MAX];
	char path[PATH_MAX + 32];
	enum mr_err err = mr_spawn_program(self, sizeof self, error);
	if (err != MR_OK)
		return err;
	char *slash = strrchr(self, '/');
	int folder = slash == NULL ? 0 : (int)(slash - self);
	snprintf(path, sizeof path, "%.*s/../share/millrace/rules", folder, self);
	const char *found = access(path, R_OK) == 0 ? path : MILLRACE_SOURCE_RULES;
	char *resolved = access(found, R_OK) == 0 ? realpath(found, NULL) : NULL;
	if (resolved == NULL)
		return mr_error_set(error, MR_CONFIG, "no rules are installed in %s; name some",
				    path);
	mr_config_add(config, "rules", resolved);
	free(resolved);
	return MR_OK;
}

enum mr_err mr_plan_workers(const struct mr_config *config, uint32_t *out, struct mr_error *error)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t number;
	enum mr_err err = mr_config_int(config, "workers", &number, error);
	if (err == MR_OK && number == 0)
		number = cores < 1 ? 1 : cores > 64 ? 64 : cores;
	*out = (uint32_t)number;
	return err;
}

enum mr_err mr_plan_topology(const struct mr_config *config, uint32_t workers, uint8_t layers,
			     struct mr_topology *out, struct mr_error *error)
{
	size_t at = 0;
	const char *stage;
	mr_topology_default(workers, layers, out);
	while ((stage = mr_config_next(config, "cut", &at)) != NULL) {
		if (mr_topology_cut(out, stage, error) != MR_OK)
			return mr_error_prefix(error, "cut");
	}
	mr_hosts_place(config, out);
	return MR_OK;
}

enum mr_err mr_plan_run(struct mr_supervisor *supervisor, uint32_t *workers_out,
			struct mr_error *error)
{
	struct mr_config *config = &supervisor->setup.config;
	enum mr_err err = mr_plan_rules(config, error);
	if (err == MR_OK)
		err = mr_plan_workers(config, workers_out, error);
	/* A person mends paths and rules at once. */
	struct mr_error paths = {0};
	bool all = mr_hosts_lead(supervisor->hosts);
	bool tables = true;
	enum mr_err found = err == MR_OK ? mr_plan_paths(config, all, &tables, &paths) : MR_OK;
	if (err == MR_OK && !tables)
		*error = paths;
	else if (err == MR_OK)
		err = mr_supervisor_prepare(supervisor, error);
	if (err == MR_OK)
		err = mr_plan_topology(config, *workers_out, supervisor->catalog.layers,
				       &supervisor->setup.topology, error);
	if (err != MR_OK && found != MR_OK)
		mr_log(MR_LOG_ERROR, "%s", error->text);
	if (found == MR_OK)
		return err;
	*error = paths;
	return found;
}
