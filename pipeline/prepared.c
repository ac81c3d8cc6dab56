/* prepared.c - what an incarnation is started from, moved as one.
 *
 * Called by reload*.c, service_generation.c and host_reload.c. */
#include "prepared.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "health.h"
#include "run_plan.h"

void mr_prepared_fini(struct mr_prepared *prepared)
{
	mr_config_fini(&prepared->config);
	mr_fields_free(prepared->fields);
	mr_topology_fini(&prepared->topology);
	mr_tables_free(prepared->tables);
	mr_catalog_fini(&prepared->catalog);
	mr_generation_fini(&prepared->generation);
	*prepared = (struct mr_prepared){0};
}

void mr_prepared_swap(struct mr_prepared *prepared, struct mr_supervisor *supervisor,
		      struct mr_generation *generation)
{
	struct mr_setup *setup = &supervisor->setup;
	struct mr_prepared old = {.config = setup->config,
				  .fields = setup->fields,
				  .topology = setup->topology,
				  .tables = supervisor->tables,
				  .catalog = supervisor->catalog,
				  .generation = *generation};
	setup->config = prepared->config;
	setup->fields = prepared->fields;
	setup->topology = prepared->topology;
	supervisor->tables = prepared->tables;
	supervisor->catalog = prepared->catalog;
	*generation = prepared->generation;
	mr_tally_fini(&supervisor->tally); /* by the places of the old catalog */
	*prepared = old;
	mr_health_adopt(supervisor->health);
}

enum mr_err mr_prepared_read_catalog(struct mr_prepared *prepared, struct mr_error *error)
{
	struct mr_slice bytes;
	int fd;
	size_t size;
	if (!mr_tables_find(prepared->tables, "catalog", &fd, &size))
		return MR_OK;
	enum mr_err err = mr_tables_map(prepared->tables, "catalog", &bytes, error);
	if (err != MR_OK)
		return err;
	err = mr_catalog_decode(bytes, &prepared->catalog, error);
	mr_tables_unmap(bytes);
	return err;
}

/* ---- an older generation ---- */

/* Tables that are no content of a generation (generation.h) go along, too. */
static enum mr_err share(const struct mr_tables *from, struct mr_tables *to, struct mr_error *error)
{
	for (size_t i = 0; i < mr_tables_count(from); i++) {
		const char *name;
		int fd;
		size_t size;
		mr_tables_at(from, i, &name, &fd, &size);
		if (mr_generation_has(name, fd))
			continue;
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return mr_error_errno(error, MR_IO, "table %s", name);
		mr_tables_add(to, name, fd, size);
	}
	return MR_OK;
}

static enum mr_err copy_config(const struct mr_config *from, struct mr_config *to,
			       struct mr_error *error)
{
	struct mr_buf bytes = {0};
	mr_config_encode(from, &bytes);
	enum mr_err err = mr_config_decode((struct mr_slice){bytes.data, bytes.len}, to, error);
	mr_buf_fini(&bytes);
	return err;
}

static void copy_topology(const struct mr_topology *from, struct mr_topology *to)
{
	*to = *from;
	to->groups = mr_calloc(from->group_count, sizeof *to->groups);
	memcpy(to->groups, from->groups, from->group_count * sizeof *to->groups);
	to->edges = mr_calloc(from->edge_count, sizeof *to->edges);
	memcpy(to->edges, from->edges, from->edge_count * sizeof *to->edges);
}

/* As many layers as its rules need; all else as the settings say now. */
static enum mr_err plan(const struct mr_supervisor *supervisor, struct mr_prepared *old,
			struct mr_error *error)
{
	uint32_t workers;
	if (old->catalog.layers == supervisor->catalog.layers) {
		copy_topology(&supervisor->setup.topology, &old->topology);
		return MR_OK;
	}
	enum mr_err err = mr_plan_workers(&old->config, &workers, error);
	return err == MR_OK ? mr_plan_topology(&old->config, workers, old->catalog.layers,
					       &old->topology, error)
			    : err;
}

enum mr_err mr_prepared_recall(const struct mr_state_dir *dir, uint64_t id,
			       const struct mr_supervisor *supervisor, struct mr_prepared *out,
			       struct mr_error *error)
{
	*out = (struct mr_prepared){.tables = mr_tables_new()};
	enum mr_err err = mr_generation_find(dir, id, out->tables, &out->fields, error);
	if (err == MR_OK)
		err = mr_generation_of(out->tables, out->fields, &out->generation, error);
	if (err == MR_OK)
		err = mr_prepared_read_catalog(out, error);
	if (err == MR_OK)
		err = copy_config(&supervisor->setup.config, &out->config, error);
	if (err == MR_OK)
		err = share(supervisor->tables, out->tables, error);
	return err == MR_OK ? plan(supervisor, out, error) : err;
}
