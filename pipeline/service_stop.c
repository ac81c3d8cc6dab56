/* service_stop.c - the end that a signal asks for, also where no last checkpoint can be made.
 *
 * Called by supervisor.c while an incarnation is watched, and by service.c between two. What is
 * left then is what a death leaves: the next start goes on from the checkpoint that stands. */
#include "service.h"

#include <signal.h>
#include <stdio.h>

#include "clock.h"
#include "health.h"
#include "millrace/log.h"
#include "supervisor.h"

#define SAY_US 1000000 /* an end that takes no longer is not spoken of */

void mr_service_signal(struct mr_service *service, uint32_t signal)
{
	service->reload.wanted |= signal == SIGHUP;
	if (signal == SIGHUP)
		return;
	service->stop_now = service->stopping;
	if (!service->stopping)
		service->stop_us = mr_clock_us();
	service->stopping = true;
}

/* The first whose report is missing. */
static const char *unreported(const struct mr_checkpoint *checkpoint,
			      const struct mr_supervisor *supervisor)
{
	uint32_t worker = 0;
	while (worker + 1 < supervisor->worker_count && checkpoint->reported[worker])
		worker++;
	return supervisor->workers[worker].name;
}

/* What others are read of is there for the next who reads. */
static bool has_sockets(const struct mr_config *config)
{
	const struct mr_part *source;
	for (size_t i = 0; (source = mr_config_part(config, MR_PART_SOURCE, i)) != NULL; i++)
		if (mr_config_is(&source->settings, "type", "socket"))
			return true;
	return false;
}

const char *mr_service_owing(const struct mr_supervisor *supervisor)
{
	if (!has_sockets(&supervisor->setup.config))
		return NULL;
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		if (mr_supervisor_is_source(supervisor, i) && !supervisor->workers[i].done)
			return supervisor->workers[i].name;
	return NULL;
}

static void name_wait(const struct mr_service *service, const struct mr_supervisor *supervisor,
		      char *out, size_t room)
{
	const struct mr_checkpoint *checkpoint = &service->checkpoint;
	const char *sink = mr_health_full_sink(supervisor->health);
	if (!supervisor->started)
		snprintf(out, room, "workers, which are not ready");
	else if (checkpoint->under_way && sink != NULL)
		snprintf(out, room, "sink %s, which takes no more", sink);
	else if (checkpoint->under_way && mr_health_full_letters(supervisor->health))
		snprintf(out, room, "the dead letter, whose disk is full");
	else if (checkpoint->failures > 0)
		snprintf(out, room, "a checkpoint, and the last one failed: %s",
			 checkpoint->last_failure);
	else if (checkpoint->under_way)
		snprintf(out, room, "worker %s, which has not reported checkpoint %llu",
			 unreported(checkpoint, supervisor),
			 (unsigned long long)checkpoint->number);
	else if (service->finishing && mr_service_owing(supervisor) != NULL)
		snprintf(out, room,
			 "worker %s, whose journals have not all that its sockets were sent",
			 mr_service_owing(supervisor));
	else if (service->finishing)
		snprintf(out, room, "workers, which have not ended");
	else
		snprintf(out, room, "sources, which have not stopped to read");
}

static enum mr_err leave(struct mr_service *service, const char *why, struct mr_error *error)
{
	service->left = true;
	return mr_error_set(error, MR_IO,
			    "%s; what came since checkpoint %llu is judged again at the next start",
			    why, (unsigned long long)service->checkpoint.last.number);
}

enum mr_err mr_service_late(struct mr_service *service, const struct mr_supervisor *supervisor,
			    int64_t now_us, struct mr_error *error)
{
	char what[600], why[700];
	int64_t limit_us;
	if (!service->stopping)
		return MR_OK;
	enum mr_err err =
	    mr_config_int(&supervisor->setup.config, "stop_timeout", &limit_us, error);
	if (err != MR_OK)
		return err;
	int64_t waited_us = now_us - service->stop_us;
	bool over = service->stop_now || waited_us >= limit_us;
	if (!over && (service->said_stop || waited_us < SAY_US))
		return MR_OK;
	name_wait(service, supervisor, what, sizeof what);
	if (over) {
		snprintf(why, sizeof why, "ended by %s; it waited for %s",
			 service->stop_now ? "a second signal" : "stop_timeout", what);
		return leave(service, why, error);
	}
	service->said_stop = true;
	mr_log_event(MR_LOG_WARNING, MR_EVENT_SERVICE_STOPPING,
		     "the end waits for %s: %lld s at most", what,
		     (long long)((limit_us - waited_us) / 1000000));
	return MR_OK;
}

enum mr_err mr_service_leave(struct mr_service *service, const char *death, struct mr_error *error)
{
	char why[700];
	if (!service->stopping)
		return MR_OK;
	snprintf(why, sizeof why, "ended between two starts; the last one: %s", death);
	return leave(service, why, error);
}
