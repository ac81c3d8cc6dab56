/* reload.c - from a signal to new rules, databases and networks in force.
 *
 * Called by service.c. Nothing of it can end the service: what fails is said, and the old set goes
 * on. */
#include "reload.h"

#include <stdio.h>
#include <string.h>

#include "hosts.h"
#include "millrace/log.h"
#include "service.h"

void mr_reload_init(struct mr_reload *reload, const char *topology)
{
	*reload = (struct mr_reload){.topology = topology};
	mr_control_init(&reload->control, -1);
}

void mr_reload_refuse(struct mr_reload *reload, const char *why)
{
	mr_reload_drop(reload);
	snprintf(reload->failure, sizeof reload->failure, "%s", why);
	mr_log_event(MR_LOG_ERROR, MR_EVENT_RELOAD_REFUSED,
		     "reload refused, what was in force goes on: %s", why);
}

/* ---- the new set ---- */

static void start(struct mr_reload *reload, const struct mr_service *service,
		  const struct mr_supervisor *supervisor)
{
	struct mr_error error = {0};
	reload->wanted = false;
	if (reload->topology == NULL) {
		mr_reload_refuse(reload, "there is no topology file to read again");
		return;
	}
	mr_service_tidy_generations(service);
	if (mr_reload_start(reload, &service->dir, supervisor, &error) != MR_OK)
		mr_reload_refuse(reload, error.text);
}

/* It waits for its checkpoint, or first for other hosts. */
static enum mr_reload_step prepared(const struct mr_supervisor *supervisor)
{
	return supervisor->hosts == NULL ? MR_RELOAD_READY : MR_RELOAD_ASKING;
}

static void judge(struct mr_reload *reload, struct mr_service *service,
		  const struct mr_supervisor *supervisor)
{
	struct mr_prepared *new = &reload->other;
	struct mr_error error = {0};
	enum mr_err err = mr_service_number_sources(service, &new->config, &error);
	if (err == MR_OK)
		err = mr_reload_check(supervisor, new, &error);
	if (err != MR_OK) {
		mr_reload_refuse(reload, error.text);
		return;
	}
	if (!mr_reload_compare(supervisor, &service->generation, new, reload->changes,
			       sizeof reload->changes)) {
		mr_reload_drop(reload);
		reload->failure[0] = '\0';
		mr_log_event(MR_LOG_INFO, MR_EVENT_RELOADED, "reload: nothing has changed");
		return;
	}
	reload->source_count = service->checkpoint.last.source_count;
	reload->step = prepared(supervisor);
}

/* Whether all other hosts have it prepared, too: then they keep it, whatever becomes of them. */
static void ask(struct mr_reload *reload, struct mr_supervisor *supervisor)
{
	const struct mr_prepared *new = &reload->other;
	struct mr_error error = {0};
	enum mr_err err =
	    mr_host_lead_ask(supervisor, mr_hosts_set(&new->generation, new->fields), &error);
	if (err == MR_OK)
		reload->step = MR_RELOAD_READY;
	else if (err != MR_AGAIN)
		mr_reload_refuse(reload, error.text);
}

void mr_reload_turn(struct mr_reload *reload, struct mr_service *service,
		    struct mr_supervisor *supervisor)
{
	struct mr_error error = {0};
	mr_children_tidy(&reload->left, 0);
	if (reload->step == MR_RELOAD_NONE && reload->wanted && !mr_service_ends(service))
		start(reload, service, supervisor);
	if (reload->step == MR_RELOAD_PREPARING) {
		enum mr_err err = mr_reload_hear(reload, supervisor, &error);
		if (err == MR_OK)
			judge(reload, service, supervisor);
		else if (err != MR_AGAIN)
			mr_reload_refuse(reload, error.text);
	}
	if (reload->step == MR_RELOAD_ASKING)
		ask(reload, supervisor);
}

void mr_reload_again(struct mr_reload *reload, const struct mr_supervisor *supervisor)
{
	if (reload->step == MR_RELOAD_READY)
		reload->step = prepared(supervisor);
}

void mr_reload_await(struct mr_reload *reload, const struct mr_service *service,
		     const struct mr_supervisor *supervisor, struct mr_prepared *other)
{
	reload->other = *other;
	*other = (struct mr_prepared){0};
	reload->source_count = service->checkpoint.last.source_count;
	reload->step = prepared(supervisor);
	snprintf(reload->changes, sizeof reload->changes, "they had changed before the start");
}

/* ---- in force ---- */

static void swap(struct mr_reload *reload, struct mr_service *service,
		 struct mr_supervisor *supervisor)
{
	mr_prepared_swap(&reload->other, supervisor, &service->generation);
	mr_progress_level(&supervisor->progress, &supervisor->setup.config);
	mr_service_adopt(service, &supervisor->setup.config);
}

static bool has_source(const struct mr_config *config, const char *name)
{
	const struct mr_part *source;
	for (size_t i = 0; (source = mr_config_part(config, MR_PART_SOURCE, i)) != NULL; i++)
		if (strcmp(source->name, name) == 0)
			return true;
	return false;
}

/* What its socket was sent behind the checkpoint, nobody judges now. */
static void say_left_out(const struct mr_config *old, const struct mr_config *new)
{
	const struct mr_part *source;
	for (size_t i = 0; (source = mr_config_part(old, MR_PART_SOURCE, i)) != NULL; i++)
		if (mr_config_is(&source->settings, "type", "socket") &&
		    !has_source(new, source->name))
			mr_log(MR_LOG_WARNING,
			       "source %s is left out: what its socket was sent last waits in "
			       "%s/journal/%s, and is judged when a source of that name is there "
			       "again",
			       source->name, mr_config_get(new, "state", 0), source->name);
}

void mr_reload_take_over(struct mr_reload *reload, struct mr_service *service,
			 struct mr_supervisor *supervisor)
{
	swap(reload, service, supervisor);
	say_left_out(&reload->other.config, &supervisor->setup.config);
	reload->step = MR_RELOAD_TRIAL;
}

void mr_reload_take_back(struct mr_reload *reload, struct mr_service *service,
			 struct mr_supervisor *supervisor, const char *why)
{
	swap(reload, service, supervisor);
	mr_reload_refuse(reload, why);
}

void mr_reload_settle(struct mr_reload *reload, const struct mr_service *service)
{
	mr_reload_drop(reload);
	reload->failure[0] = '\0';
	mr_log_event(MR_LOG_INFO, MR_EVENT_RELOADED, "reloaded from checkpoint %llu on: %s",
		     (unsigned long long)service->checkpoint.last.number, reload->changes);
}
