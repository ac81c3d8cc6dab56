/* service_generation.c - which rules and databases a service starts with (PROTOCOL.md 4.6).
 *
 * Called by service.c and checkpoint.c. What was read behind the last checkpoint may have been
 * judged, and its alerts be out in the world: it is judged again by the generation that the
 * manifest names. What the files hold now waits for a checkpoint, as in a reload. */
#include <stdlib.h>

#include "millrace/log.h"
#include "run_plan.h"
#include "service.h"
#include "supervisor.h"

/* ---- an older generation ---- */

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

static enum mr_err find_old(const struct mr_service *service,
			    const struct mr_supervisor *supervisor, struct mr_prepared *old,
			    struct mr_error *error)
{
	uint64_t id = service->checkpoint.last.generation;
	old->tables = mr_tables_new();
	enum mr_err err = mr_generation_find(&service->dir, id, old->tables, &old->fields, error);
	if (err == MR_OK)
		err = mr_generation_of(old->tables, old->fields, &old->generation, error);
	if (err == MR_OK)
		err = mr_prepared_read_catalog(old, error);
	if (err == MR_OK)
		err = copy_config(&supervisor->setup.config, &old->config, error);
	if (err == MR_OK)
		err = mr_prepared_share(supervisor->tables, old->tables, error);
	return err == MR_OK ? plan(supervisor, old, error) : err;
}

/* Those of now are in force until this returns. */
static bool go_back(struct mr_service *service, struct mr_supervisor *supervisor)
{
	struct mr_prepared old = {0};
	struct mr_error error = {0};
	unsigned long long number = service->checkpoint.last.number;
	if (find_old(service, supervisor, &old, &error) != MR_OK) {
		mr_log(MR_LOG_ERROR,
		       "the rules and databases of checkpoint %llu cannot be had: %s; those of now "
		       "judge what was read behind it, though others may have done so before",
		       number, error.text);
		mr_prepared_fini(&old);
		return false;
	}
	mr_log(MR_LOG_INFO,
	       "rules or databases have changed since checkpoint %llu: what was read behind it is "
	       "judged by the old ones first",
	       number);
	struct mr_generation now = service->generation;
	service->generation = old.generation;
	mr_prepared_swap(&old, supervisor);
	old.generation = now;
	mr_reload_await(&service->reload, &old);
	return true;
}

/* ---- the choice ---- */

enum mr_err mr_service_choose(struct mr_service *service, struct mr_supervisor *supervisor,
			      struct mr_error *error)
{
	const struct mr_manifest *last = &service->checkpoint.last;
	const struct mr_setup *setup = &supervisor->setup;
	enum mr_err err =
	    mr_generation_of(supervisor->tables, setup->fields, &service->generation, error);
	if (err != MR_OK)
		return err;
	bool same = last->generation == service->generation.id;
	if (same && !last->drained)
		return MR_OK;
	/* What judges on other hosts is theirs to read. */
	bool nothing_behind = last->generation == 0 || last->drained || supervisor->hosts != NULL;
	err = mr_generation_keep(&service->dir, supervisor->tables, setup->fields, error);
	if (err != MR_OK || (!same && !nothing_behind && go_back(service, supervisor)))
		return err;
	return mr_checkpoint_rename(&service->checkpoint, service, error);
}

void mr_service_name_generation(const struct mr_service *service, struct mr_manifest *out)
{
	const struct mr_reload *reload = &service->reload;
	bool drained = service->last_number != 0 && out->number == service->last_number;
	bool new = drained && reload->step == MR_RELOAD_READY && !service->stopping;
	out->generation = new ? reload->other.generation.id : service->generation.id;
	out->made_by = service->generation.id;
	out->drained = drained && !new;
}
