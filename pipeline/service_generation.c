/* service_generation.c - which rules and databases a service starts with (PROTOCOL.md 4.6).
 *
 * Called by service.c and checkpoint.c. What was read behind the last checkpoint may have been
 * judged, and its alerts be out in the world: it is judged again by the generation that the
 * manifest names. What the files hold now waits for a checkpoint, as in a reload. */
#include <stdlib.h>
#include <string.h>

#include "millrace/folder.h"
#include "millrace/log.h"
#include "service.h"
#include "supervisor.h"

/* ---- an older generation ---- */

/* Those of now are in force until this returns. */
static bool go_back(struct mr_service *service, struct mr_supervisor *supervisor)
{
	struct mr_prepared old = {0};
	struct mr_error error = {0};
	unsigned long long number = service->checkpoint.last.number;
	if (mr_prepared_recall(&service->dir, service->checkpoint.last.generation, supervisor, &old,
			       &error) != MR_OK) {
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
	mr_reload_say_lost(&old.catalog, &supervisor->catalog);
	mr_reload_say_changes(&old.catalog, &supervisor->catalog);
	mr_prepared_swap(&old, supervisor, &service->generation);
	mr_reload_await(&service->reload, service, supervisor, &old);
	return true;
}

/* Of a run that judged all that it read, nothing else is asked. */
static void say_changes(const struct mr_service *service, const struct mr_supervisor *supervisor)
{
	struct mr_prepared old = {0};
	if (mr_prepared_recall(&service->dir, service->checkpoint.last.generation, supervisor, &old,
			       NULL) == MR_OK) {
		mr_reload_say_lost(&old.catalog, &supervisor->catalog);
		mr_reload_say_changes(&old.catalog, &supervisor->catalog);
	}
	mr_prepared_fini(&old);
}

/* ---- those of before ---- */

/* What judges, and what the manifests that stand name. */
struct named {
	const struct mr_state_dir *dir;
	uint64_t ids[3 + 2 * 8];
	size_t count;
	bool all; /* otherwise one could not be read, or there are more than two and a few */
};

static bool add_named(void *context, int folder, const char *name)
{
	struct named *named = context;
	struct mr_buf bytes = {0};
	struct mr_manifest manifest = {0};
	(void)folder;
	if (strncmp(name, MR_MANIFEST_PREFIX, strlen(MR_MANIFEST_PREFIX)) != 0)
		return true;
	named->all =
	    named->count + 2 <= sizeof named->ids / sizeof *named->ids &&
	    mr_state_dir_get(named->dir, name, MR_MANIFEST_MAX, &bytes, NULL) == MR_OK &&
	    mr_manifest_decode((struct mr_slice){bytes.data, bytes.len}, &manifest, NULL) == MR_OK;
	if (named->all) {
		named->ids[named->count++] = manifest.generation;
		named->ids[named->count++] = manifest.made_by;
	}
	mr_manifest_fini(&manifest);
	mr_buf_fini(&bytes);
	return named->all;
}

void mr_service_tidy_generations(const struct mr_service *service)
{
	const struct mr_manifest *last = &service->checkpoint.last;
	struct named named = {.dir = &service->dir,
			      .ids = {service->generation.id, last->generation, last->made_by},
			      .count = 3,
			      .all = true};
	if (mr_folder_list(service->dir.fd, add_named, &named) && named.all)
		mr_generation_tidy(&service->dir, named.ids, named.count);
}

/* ---- the choice ---- */

enum mr_err mr_service_choose(struct mr_service *service, struct mr_supervisor *supervisor,
			      struct mr_error *error)
{
	const struct mr_manifest *last = &service->checkpoint.last;
	enum mr_err err = mr_generation_of(supervisor->tables, supervisor->setup.fields,
					   &service->generation, error);
	if (err != MR_OK)
		return err;
	bool same = last->generation == service->generation.id;
	if (same && !last->drained)
		return MR_OK;
	bool nothing_behind = last->generation == 0 || last->drained;
	if (!same && last->drained)
		say_changes(service, supervisor);
	if (!same || !mr_generation_stands(&service->dir, service->generation.id)) {
		/* Starts that came to no checkpoint may have left any number. */
		mr_service_tidy_generations(service);
		err = mr_generation_keep(&service->dir, &service->generation, supervisor->tables,
					 supervisor->setup.fields, error);
	}
	if (err != MR_OK || (!same && !nothing_behind && go_back(service, supervisor)))
		return err;
	mr_checkpoint_rename(&service->checkpoint, service);
	return MR_OK;
}

enum mr_err mr_service_name_last(struct mr_service *service, struct mr_error *error)
{
	struct mr_checkpoint *checkpoint = &service->checkpoint;
	const struct mr_manifest *last = &checkpoint->last;
	if (last->generation != service->generation.id)
		mr_checkpoint_rename(checkpoint, service);
	bool restores = last->number == 0 || last->made_by == service->generation.id;
	return restores ? mr_checkpoint_keep_name(checkpoint, error) : MR_OK;
}

void mr_service_go_back(struct mr_service *service, struct mr_supervisor *supervisor)
{
	struct mr_reload *reload = &service->reload;
	const uint64_t *named = &service->checkpoint.last.generation;
	if (*named == service->generation.id)
		return;
	if (reload->step != MR_RELOAD_NONE)
		reload->wanted = true; /* it is asked for once more, from there */
	if (reload->step == MR_RELOAD_TRIAL)
		mr_reload_take_back(reload, service, supervisor,
				    "the checkpoint that it began with is not whole");
	else
		mr_reload_drop(reload);
	if (*named != 0 && *named != service->generation.id)
		go_back(service, supervisor);
}

void mr_service_name_generation(const struct mr_service *service, struct mr_manifest *out)
{
	const struct mr_reload *reload = &service->reload;
	bool drained = service->last_number != 0 && out->number == service->last_number;
	bool new = drained && reload->step == MR_RELOAD_READY && !service->stopping;
	out->generation = new ? reload->other.generation.id : service->generation.id;
	out->made_by = service->generation.id;
	out->drained = drained && !new;
	if (new)
		mr_manifest_name_sources(out, &reload->other.config);
}
