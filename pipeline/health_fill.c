/* health_fill.c - the status of a service, from what the supervisor knows. Called by health.c. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "health.h"
#include "hosts.h"
#include "sample.h"
#include "service.h"
#include "supervisor.h"

static int64_t behind(int64_t event_us, int64_t now_us)
{
	int64_t lag_us;
	if (event_us == MR_NO_TIME || __builtin_sub_overflow(now_us, event_us, &lag_us))
		return MR_STATUS_UNKNOWN;
	return lag_us;
}

static void fill_checkpoint(const struct mr_checkpoint *checkpoint, struct mr_status_service *is)
{
	is->checkpoints_failed = (int64_t)checkpoint->failed;
	if (checkpoint->last.number == 0)
		return;
	is->checkpoint = (int64_t)checkpoint->last.number;
	is->checkpoint_time = checkpoint->last.at_us;
	is->checkpoint_size = 0;
	for (uint32_t i = 0; i < checkpoint->last.file_count; i++)
		is->checkpoint_size += (int64_t)checkpoint->last.files[i].sum.size;
	if (checkpoint->took_us == 0)
		return;
	is->checkpoint_took = checkpoint->took_us;
	is->state_held = (int64_t)checkpoint->held;
}

static void fill_service(const struct mr_health *health, struct mr_status_service *is)
{
	static const char *const states[] = {"starting", "running", "restarting", "stopping"};
	const struct mr_supervisor *supervisor = health->supervisor;
	mr_status_word(is->state, health->reloads && health->state == MR_HEALTH_RUNNING
				      ? "reloading"
				      : states[health->state]);
	mr_status_word(is->version, MILLRACE_VERSION);
	is->pid = getpid();
	is->now = mr_clock_wall_us();
	is->started = health->started_us;
	is->incarnation = mr_health_incarnation(health);
	is->deaths = (int64_t)health->deaths;
	mr_status_word(is->last_death, health->last_death);
	if (health->deaths > 0)
		is->last_death_time = health->last_death_us;
	is->memory = (int64_t)supervisor->memory_bytes;
	if (health->http != NULL)
		is->http_port = mr_http_port(health->http);
	is->rules_loaded = supervisor->catalog.detections + supervisor->catalog.correlations;
	is->rules_refused = supervisor->catalog.refused;
	is->rules_inactive = supervisor->catalog.inactive;
	(void)mr_config_int(&supervisor->setup.config, "state_bytes", &is->state_ceiling, NULL);
	if (health->service != NULL)
		fill_checkpoint(&health->service->checkpoint, is);
	else if (supervisor->hosts->begin.last.number > 0)
		is->checkpoint = (int64_t)supervisor->hosts->begin.last.number;
}

static const char *state_of(const struct mr_health *health, uint32_t number)
{
	const struct mr_supervisor *supervisor = health->supervisor;
	const struct mr_supervised *worker = &supervisor->workers[number];
	if (!mr_health_sees(health, number))
		return "gone";
	if (worker->hung)
		return "silent";
	if (!worker->ready)
		return "starting";
	return supervisor->started ? "running" : "ready";
}

static void fill_worker(const struct mr_health *health, uint32_t number, int64_t now_us,
			struct mr_status_worker *is)
{
	const struct mr_supervisor *supervisor = health->supervisor;
	const struct mr_supervised *worker = &supervisor->workers[number];
	struct mr_sample sample;
	mr_status_word(is->name, worker->name);
	mr_status_word(is->state, state_of(health, number));
	if (worker->pid != 0)
		is->pid = worker->pid;
	if (worker->watched.pulse.answered > 0) {
		is->queue = (int64_t)worker->watched.queued;
		is->lag = behind(worker->watched.event_us, now_us);
		*(mr_supervisor_is_source(supervisor, number) ? &is->bytes : &is->rate) =
		    worker->watched.rate;
	}
	if (worker->pid == 0 || !mr_sample_process(worker->pid, &sample))
		return;
	is->cpu = sample.cpu_us;
	is->memory = sample.rss_bytes;
}

static void fill_source_figures(const struct mr_health_part *part, struct mr_status_source *is)
{
	if (!part->known)
		return;
	mr_status_word(is->position, part->words);
	is->journal_size = (int64_t)part->figures.bytes;
	is->journal_segments = (int64_t)part->figures.segments;
	is->unread = (int64_t)part->figures.unread;
}

/* As the last checkpoint has it. */
static void fill_source_counts(const struct mr_books *sums, uint32_t source,
			       struct mr_status_source *is)
{
	static const struct mr_book_row none;
	const struct mr_book_row *row = source < sums->row_count ? &sums->rows[source] : &none;
	is->records = (int64_t)row->at[MR_B_RECORDS];
	is->rejected = (int64_t)row->at[MR_B_REJECTS_RECEIVED];
	is->alerts = (int64_t)row->at[MR_B_ALERTS];
}

static void fill_source_alarms(const struct mr_health *health, const struct mr_health_part *source,
			       struct mr_status_source *is)
{
	struct mr_buf names = {0};
	mr_health_source_alarms(health, source, &names);
	mr_buf_add(&names, "", 1);
	mr_status_word(is->alarms, names.data);
	mr_buf_fini(&names);
}

static void fill_sinks(const struct mr_health *health, struct mr_status *status)
{
	for (size_t i = 0; i < status->sink_count; i++) {
		const struct mr_health_part *part = &health->sinks.items[i];
		struct mr_status_sink *is = &status->sinks[i];
		mr_status_word(is->name, part->name);
		if (!part->known)
			continue;
		is->delivered = (int64_t)part->figures.delivered;
		is->spooled = (int64_t)part->figures.spooled;
		is->spool_size = (int64_t)part->figures.bytes;
		is->refused = (int64_t)part->figures.refused;
		mr_status_word(is->last_error, part->words);
		if (part->figures.trouble_us > 0)
			is->last_error_time = (int64_t)part->figures.trouble_us;
		if (part->figures.next_us > 0)
			is->next_try = (int64_t)part->figures.next_us;
	}
}

static void fill_sources(const struct mr_health *health, struct mr_status *status)
{
	for (size_t i = 0; i < status->source_count; i++) {
		const struct mr_health_part *part = &health->sources.items[i];
		struct mr_status_source *is = &status->sources[i];
		mr_status_word(is->name, part->name);
		is->ended = 0;
		fill_source_figures(part, is);
		fill_source_counts(&health->service->keeper.sums, part->number, is);
		fill_source_alarms(health, part, is);
		for (uint32_t k = 0; k < health->marks.count; k++) {
			const struct mr_source_mark *mark = &health->marks.items[k];
			if (mark->source != part->number)
				continue;
			is->lag = behind(mark->highest_us, status->service.now);
			is->ended = mark->state == MR_SOURCE_ENDED;
		}
	}
}

static void fill_sheds(const struct mr_books *sums, struct mr_status *status)
{
	for (size_t i = 0; i < status->shed_count; i++) {
		const struct mr_book_shed *shed = &sums->sheds[i];
		mr_status_word(status->sheds[i].rule,
			       shed->rule[0] == 0 ? "(detections)" : shed->rule);
		status->sheds[i].slots = (int64_t)shed->slots;
	}
}

static void fill_groups(const struct mr_supervisor *supervisor, struct mr_status *status)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	for (size_t i = 0; i < status->group_count; i++)
		mr_status_word(status->groups[i].name, topology->groups[i].name);
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		uint32_t group = mr_setup_group(topology, i);
		for (size_t k = 0; k < MR_L_COUNT; k++)
			mr_histogram_merge(&status->groups[group].latencies.at[k],
					   &supervisor->workers[i].watched.latencies.at[k]);
	}
}

/* As this one sees them. */
static void fill_hosts(const struct mr_supervisor *supervisor, struct mr_status *status)
{
	const struct mr_hosts *hosts = supervisor->hosts;
	const struct mr_config *config = &supervisor->setup.config;
	struct mr_status_host *is = status->hosts;
	if (hosts == NULL)
		return;
	mr_status_word(status->service.host, mr_config_get(config, "host", 0));
	for (uint32_t i = 0; i < hosts->count; i++) {
		const struct mr_host *host = &hosts->hosts[i];
		if (i == hosts->self)
			continue;
		mr_status_word(is->name, mr_config_part(config, MR_PART_HOST, i)->name);
		is->leads = i == 0;
		if (mr_topology_speak(&supervisor->setup.topology, hosts->self, i))
			is->connected = host->met && !host->lost;
		is++;
	}
}

/* A host that follows has no sources and sinks, and of the workers its own. */
void mr_health_fill(const struct mr_health *health, struct mr_status *status)
{
	const struct mr_supervisor *supervisor = health->supervisor;
	const struct mr_hosts *hosts = supervisor->hosts;
	bool leads = health->service != NULL;
	uint32_t workers = 0;
	mr_status_init(status, hosts == NULL ? 0 : hosts->count - 1, supervisor->worker_count,
		       leads ? health->sources.count : 0, leads ? health->sinks.count : 0,
		       leads ? health->service->keeper.sums.shed_count : 0,
		       supervisor->setup.topology.group_count);
	fill_service(health, &status->service);
	fill_hosts(supervisor, status);
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		if (leads || !mr_hosts_elsewhere(supervisor, i))
			fill_worker(health, i, status->service.now, &status->workers[workers++]);
	status->worker_count = workers;
	fill_sources(health, status);
	fill_sinks(health, status);
	if (leads)
		fill_sheds(&health->service->keeper.sums, status);
	fill_groups(supervisor, status);
	status->alarms = health->alarms;
	status->counters = supervisor->sums;
}
