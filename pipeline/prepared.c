/* prepared.c - what an incarnation is started from, moved as one.
 *
 * Called by reload.c and service_generation.c. */
#include "prepared.h"

#include <fcntl.h>
#include <string.h>

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

void mr_prepared_swap(struct mr_prepared *prepared, struct mr_supervisor *supervisor)
{
	struct mr_setup *setup = &supervisor->setup;
	struct mr_prepared old = {.config = setup->config,
				  .fields = setup->fields,
				  .topology = setup->topology,
				  .tables = supervisor->tables,
				  .catalog = supervisor->catalog,
				  .generation = prepared->generation};
	setup->config = prepared->config;
	setup->fields = prepared->fields;
	setup->topology = prepared->topology;
	supervisor->tables = prepared->tables;
	supervisor->catalog = prepared->catalog;
	mr_tally_fini(&supervisor->tally); /* by the places of the old catalog */
	*prepared = old;
}

enum mr_err mr_prepared_share(const struct mr_tables *from, struct mr_tables *to,
			      struct mr_error *error)
{
	for (size_t i = 0; i < mr_tables_count(from); i++) {
		const char *name;
		int fd;
		size_t size;
		mr_tables_at(from, i, &name, &fd, &size);
		if (mr_generation_has(fd))
			continue;
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return mr_error_errno(error, MR_IO, "table %s", name);
		mr_tables_add(to, name, fd, size);
	}
	return MR_OK;
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
