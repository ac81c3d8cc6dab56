/* service.c - runs a pipeline that survives its workers.
 *
 * Called by cmd_run.c. The death of any worker ends the incarnation, never the service: the next
 * one starts from the last manifest, at once after a single death, later and later where it dies
 * again and again. What no restart would mend (a wrong setting, a state directory that cannot be
 * read) ends the service with its words. */
#include "service.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "health.h"
#include "hosts.h"
#include "millrace/log.h"
#include "recovery.h"
#include "supervisor.h"

#define LONG_LIFE_US                                                                               \
	10000000 /* an incarnation that lived so long is no sign of a fault that stays */
#define PAUSE_FIRST_MS 100
#define DRAIN_FIRST_US 100000
#define PAUSE_MOST_MS 10000
#define RELOAD_POLL_MS 10
#define RELOAD_CHECKPOINT_US 250000 /* from one to the next while a reload waits */
#define LINES_MOST (MR_LINES_BEHIND_MAX / 2)
#define TRIALS 2 /* deaths of a new set's workers before all are ready */

static enum mr_err open_books(struct mr_service *service, const struct mr_manifest *manifest,
			      struct mr_error *error)
{
	char *path = mr_asprintf("%s/ledger.sqlite", service->dir.path);
	enum mr_err err = mr_bookkeeper_open(&service->keeper, path, manifest->number, error);
	free(path);
	return err;
}

enum mr_err mr_service_open(struct mr_service *service, const char *path, const char *topology,
			    int64_t interval_us, struct mr_error *error)
{
	struct mr_manifest manifest;
	*service = (struct mr_service){.interval_us = interval_us};
	mr_reload_init(&service->reload, topology);
	enum mr_err err = mr_state_dir_open(path, &service->dir, error);
	if (err != MR_OK)
		return err;
	err = mr_state_dir_recover(&service->dir, &manifest, error);
	if (err == MR_OK)
		err = open_books(service, &manifest, error);
	if (err != MR_OK) {
		mr_manifest_fini(&manifest);
		mr_state_dir_close(&service->dir);
		return err;
	}
	mr_aside_copy(&service->suspects.aside, &manifest.aside);
	mr_checkpoint_init(&service->checkpoint, &service->dir, &service->keeper, &manifest,
			   interval_us);
	return MR_OK;
}

void mr_service_close(struct mr_service *service)
{
	mr_reload_fini(&service->reload);
	mr_generation_fini(&service->generation);
	mr_suspects_fini(&service->suspects);
	mr_checkpoint_fini(&service->checkpoint);
	mr_bookkeeper_close(&service->keeper);
	mr_state_dir_close(&service->dir);
}

enum mr_err mr_service_number_sources(const struct mr_service *service, struct mr_config *config,
				      struct mr_error *error)
{
	return mr_manifest_number_sources(&service->checkpoint.last, service->dir.path, config,
					  error);
}

/* ---- while it is watched ---- */

static uint32_t count_sources(const struct mr_supervisor *supervisor)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		count += mr_supervisor_is_source(supervisor, i);
	return count;
}

bool mr_service_ends(const struct mr_service *service)
{
	return service->stopping || service->finishing;
}

void mr_service_adopt(struct mr_service *service, const struct mr_config *config)
{
	struct mr_error unset;
	int64_t interval_us;
	if (mr_config_int(config, "checkpoint_interval", &interval_us, &unset) == MR_OK)
		service->checkpoint.interval_us = service->interval_us = interval_us;
}

/* They may be behind no checkpoint: the state speaks of them. */
static enum mr_err know_files(const struct mr_service *service, struct mr_supervisor *supervisor,
			      struct mr_error *error)
{
	struct mr_file_numbers *numbers = &supervisor->numbers;
	const struct mr_manifest *last = &service->checkpoint.last;
	enum mr_err err = mr_file_numbers_recall(numbers, &service->dir, error);
	if (err != MR_OK || numbers->count >= last->numbers)
		return err;
	return mr_error_set(error, MR_BAD_INPUT,
			    "%s/files, files.added: they know %u files, and checkpoint %llu %u",
			    service->dir.path, numbers->count, (unsigned long long)last->number,
			    last->numbers);
}

void mr_service_drained(struct mr_service *service)
{
	service->drained++;
}

/* All that was read stands in a committed checkpoint. */
static bool is_judged(const struct mr_service *service)
{
	return service->last_number != 0 && service->checkpoint.last.number == service->last_number;
}

/* The last checkpoint is a reload's. */
static bool names_new(const struct mr_service *service)
{
	const struct mr_reload *reload = &service->reload;
	return reload->step == MR_RELOAD_READY &&
	       service->checkpoint.last.generation == reload->other.generation.id;
}

/* And all that came of it has reached all receivers, unless a signal asks for the end, or another
 * incarnation comes: then state and spools keep it. */
static bool is_done(const struct mr_service *service)
{
	const struct mr_checkpoint *checkpoint = &service->checkpoint;
	bool waits = checkpoint->untold || service->keeper.waiting;
	return is_judged(service) &&
	       (names_new(service) || (checkpoint->failures == 0 && (service->stopping || !waits)));
}

/* Behind the last record checkpoints only note how far the receivers have come. */
static int64_t due_us(const struct mr_service *service)
{
	const struct mr_checkpoint *checkpoint = &service->checkpoint;
	return is_judged(service) ? checkpoint->begun_us + service->pause_us : checkpoint->due_us;
}

static void note_last(struct mr_service *service)
{
	int64_t pause_us = service->last_number == 0 ? DRAIN_FIRST_US : 2 * service->pause_us;
	service->pause_us = pause_us < service->interval_us ? pause_us : service->interval_us;
	if (is_judged(service) && !service->said_waits) {
		mr_log(MR_LOG_INFO, "all sources have ended: it goes on until all alerts have "
				    "reached their receivers");
		service->said_waits = true;
	}
	service->last_number = service->checkpoint.number;
}

/* Those that were told to stop, and have. */
static void read_on(struct mr_service *service, struct mr_supervisor *supervisor)
{
	mr_supervisor_tell_sources(supervisor, MR_CONTROL_RESUME, 0);
	service->told_drain = service->held = false;
	service->last_number = 0;
	service->drained = 0;
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		supervisor->workers[i].drained = supervisor->workers[i].ended;
		service->drained += supervisor->workers[i].ended;
	}
}

/* A checkpoint that names a new generation was given up: the old one reads on. */
static void call_off(struct mr_service *service, struct mr_supervisor *supervisor)
{
	mr_reload_refuse(&service->reload, "its checkpoint failed");
	read_on(service, supervisor);
}

static uint64_t lines_behind(const struct mr_service *service,
			     const struct mr_supervisor *supervisor)
{
	uint64_t lines = 0, before = service->checkpoint.lines;
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		lines += mr_checkpoint_lines(&supervisor->workers[i].counters);
	return lines > before ? lines - before : 0;
}

/* While no checkpoint can be made the lines behind the last one become no more than are known again
 * after a death. */
static void keep_in_reach(struct mr_service *service, struct mr_supervisor *supervisor,
			  int64_t now_us)
{
	uint64_t lines = lines_behind(service, supervisor);
	bool all_stopped = service->drained == count_sources(supervisor);
	if (service->held && all_stopped && lines < LINES_MOST) {
		mr_log(MR_LOG_WARNING, "a checkpoint was made: reading goes on");
		read_on(service, supervisor);
	} else if (!service->told_drain && !all_stopped && lines >= LINES_MOST) {
		mr_log(MR_LOG_ERROR,
		       "%llu lines stand in outputs behind the last checkpoint: nothing is read "
		       "until one is made",
		       (unsigned long long)lines);
		mr_supervisor_tell_sources(supervisor, MR_CONTROL_DRAIN, 0);
		service->told_drain = service->held = true;
		mr_checkpoint_hurry(&service->checkpoint, now_us, 0);
	}
}

/* Whether the sources may stop for a reload: what an earlier incarnation read behind the checkpoint
 * that this one began with has been judged again by the rules that judged it first. That shows in
 * the outputs: every line that was there before has come again. */
static bool is_even(struct mr_service *service, int64_t now_us)
{
	const struct mr_checkpoint *checkpoint = &service->checkpoint;
	return checkpoint->here > 0 && mr_owed_is_even(&service->owed, checkpoint->owed, now_us);
}

/* The sources are told to read no more, where there is a reason to. */
static void stop_sources(struct mr_service *service, struct mr_supervisor *supervisor,
			 int64_t now_us)
{
	bool reloads = service->reload.step == MR_RELOAD_READY;
	if ((service->told_drain && !service->held) || !(service->stopping || reloads))
		return;
	if (!service->stopping && !is_even(service, now_us)) {
		mr_checkpoint_hurry(&service->checkpoint, now_us, RELOAD_CHECKPOINT_US);
		return;
	}
	if (service->stopping)
		mr_health_stopping(supervisor->health);
	if (!service->told_drain)
		mr_supervisor_tell_sources(supervisor, MR_CONTROL_DRAIN, 0);
	service->told_drain = true;
	service->held = false;
}

void mr_service_turn(struct mr_service *service, struct mr_supervisor *supervisor, int64_t now_us)
{
	struct mr_checkpoint *checkpoint = &service->checkpoint;
	if (service->reload.step == MR_RELOAD_TRIAL)
		mr_reload_settle(&service->reload, service);
	mr_reload_turn(&service->reload, service, supervisor);
	if (checkpoint->here > 0)
		mr_owed_note(&service->owed, checkpoint->owed);
	keep_in_reach(service, supervisor, now_us);
	stop_sources(service, supervisor, now_us);
	if (checkpoint->under_way || service->finishing)
		return;
	if (is_done(service)) {
		service->finishing = true;
		if (service->stopping || !names_new(service))
			mr_health_stopping(supervisor->health);
		else
			mr_host_lead_over(supervisor);
		mr_supervisor_tell_sources(supervisor, MR_CONTROL_FINISH, 0);
		return;
	}
	bool reloads = service->reload.step == MR_RELOAD_READY && !service->stopping;
	if (service->last_number != 0 && !is_judged(service) && reloads)
		call_off(service, supervisor);
	bool drained = !service->held && service->drained == count_sources(supervisor);
	/* What failed at once would fail in a loop. */
	bool at_once = drained && service->last_number == 0 && checkpoint->failures == 0;
	if (!drained && !service->told_drain && !reloads)
		mr_checkpoint_put_off(checkpoint, supervisor, now_us);
	if (now_us < due_us(service) && !at_once)
		return;
	mr_checkpoint_begin(checkpoint, supervisor);
	if (drained)
		note_last(service);
}

int mr_service_wait_ms(const struct mr_service *service, int64_t now_us, int most_ms)
{
	int64_t left_ms = (due_us(service) - now_us) / 1000 + 1;
	if (service->reload.step == MR_RELOAD_PREPARING && most_ms > RELOAD_POLL_MS)
		most_ms = RELOAD_POLL_MS;
	if (service->checkpoint.under_way || left_ms > most_ms)
		return most_ms;
	return left_ms < 1 ? 1 : (int)left_ms;
}

/* ---- incarnation after incarnation ---- */

static void begin(struct mr_service *service)
{
	service->told_drain = service->held = false;
	service->drained = 0;
	service->last_number = 0;
	service->checkpoint.lines = 0;
	service->finishing = false;
	service->checkpoint.here = 0;
	mr_owed_begin(&service->owed);
	service->incarnations++;
	service->checkpoint.due_us = mr_clock_us() + service->interval_us;
}

/* What the ledger has above the checkpoint that is returned to, will be counted again. */
static enum mr_err return_books(struct mr_service *service, const struct mr_supervisor *supervisor,
				struct mr_error *error)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	const struct mr_manifest *last = &service->checkpoint.last;
	const char **groups = mr_calloc(topology->group_count, sizeof *groups);
	for (uint32_t i = 0; i < topology->group_count; i++)
		groups[i] = topology->groups[i].name;
	enum mr_err err = mr_bookkeeper_begin(&service->keeper, groups, topology->group_count,
					      last->number, last->ledger_head, error);
	free(groups);
	return err;
}

/* State does not move from host to host by itself. */
static enum mr_err check_places(const struct mr_service *service,
				const struct mr_supervisor *supervisor, struct mr_error *error)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	const struct mr_manifest *last = &service->checkpoint.last;
	for (uint32_t i = 0; i < last->file_count; i++) {
		const struct mr_manifest_file *file = &last->files[i];
		for (uint32_t group = 0; group < topology->group_count; group++) {
			const char *host = mr_host_of_state(supervisor, group);
			if (strcmp(topology->groups[group].name, file->group) == 0 &&
			    strcmp(host, file->host) != 0)
				return mr_error_set(
				    error, MR_CONFIG,
				    "the state of %s lies on %s%s, and it runs %s%s now: run it "
				    "where its state is",
				    file->group, *file->host == '\0' ? "the first host" : "host ",
				    file->host, *host == '\0' ? "on the first one" : "on ", host);
		}
	}
	return MR_OK;
}

static enum mr_err incarnate(struct mr_service *service, struct mr_supervisor *supervisor,
			     struct mr_error *error)
{
	begin(service);
	mr_reload_again(&service->reload, supervisor);
	supervisor->restored = mr_tables_new();
	enum mr_err err = check_places(service, supervisor, error);
	if (err == MR_OK)
		err = mr_service_name_last(service, error);
	if (err == MR_OK)
		err = mr_recovery_open(&service->dir, &service->checkpoint.last,
				       &service->suspects.aside, "", &supervisor->setup.topology,
				       supervisor->restored, error);
	if (err == MR_OK)
		err = return_books(service, supervisor, error);
	if (err == MR_OK)
		err = mr_supervisor_run(supervisor, error);
	mr_tables_free(supervisor->restored);
	supervisor->restored = NULL;
	mr_checkpoint_abandon(&service->checkpoint);
	return err;
}

int mr_service_pause_ms(uint32_t deaths)
{
	int pause_ms = PAUSE_FIRST_MS;
	for (uint32_t i = 1; i < deaths && pause_ms < PAUSE_MOST_MS; i++)
		pause_ms *= 2;
	return pause_ms < PAUSE_MOST_MS ? pause_ms : PAUSE_MOST_MS;
}

/* Until the pause is over or a signal comes. */
static void rest(struct mr_service *service, struct mr_supervisor *supervisor)
{
	int pause_ms = mr_service_pause_ms(service->deaths);
	if (service->deaths < 2 || service->stopping)
		return;
	mr_log_event(MR_LOG_WARNING, MR_EVENT_WORKER_DIED,
		     "the next start is in %d ms: the last %u died young", pause_ms,
		     service->deaths);
	mr_health_rest(supervisor->health, supervisor->signals, pause_ms * INT64_C(1000));
}

/* To the checkpoint before the last, which is not whole on another host. */
static bool fall_back(struct mr_service *service, struct mr_supervisor *supervisor,
		      struct mr_error *error)
{
	uint64_t number = service->checkpoint.last.number;
	bool unread = supervisor->hosts->unread;
	struct mr_manifest before;
	mr_log(MR_LOG_ERROR, "%s; the checkpoint before it is looked for", error->text);
	if (mr_state_dir_recover_below(&service->dir, number, unread, &before, error) != MR_OK)
		return false;
	if (before.number == 0) {
		mr_manifest_fini(&before);
		mr_error_set(error, MR_BAD_INPUT, "%s: no checkpoint before %llu is there",
			     service->dir.path, (unsigned long long)number);
		return false;
	}
	mr_checkpoint_return(&service->checkpoint, &before);
	mr_service_go_back(service, supervisor);
	*error = (struct mr_error){0};
	return true;
}

bool mr_service_stays(enum mr_err err)
{
	return err == MR_BAD_INPUT || err == MR_READER_GONE || mr_err_class(err) == MR_CLASS_USAGE;
}

/* One that died behind the last checkpoint has cost nothing: MR_OK. But what its sockets were sent
 * and a source had not kept by then, stands nowhere: that is no good end, and no reason not to go
 * over to a new set. */
static enum mr_err excuse(const struct mr_service *service, const struct mr_supervisor *supervisor,
			  struct mr_error *error)
{
	const char *owing = mr_service_owing(supervisor);
	struct mr_error death = *error;
	if (owing == NULL) {
		mr_log(MR_LOG_WARNING, "%s; all was committed before", death.text);
	} else {
		mr_error_set(error, death.code,
			     "%.700s; what the sockets of %s were sent, and stood in no journal, "
			     "is lost",
			     death.text, owing);
		if (service->stopping)
			return error->code;
		mr_log_event(MR_LOG_ERROR, MR_EVENT_WORKER_DIED, "%s", error->text);
		mr_health_died(supervisor->health, error->text);
	}
	*error = (struct mr_error){0};
	return MR_OK;
}

static bool same_sinks(const struct mr_config *a, const struct mr_config *b)
{
	bool same = mr_config_parts(a, MR_PART_SINK) == mr_config_parts(b, MR_PART_SINK);
	for (size_t i = 0; same && i < mr_config_parts(a, MR_PART_SINK); i++)
		same = strcmp(mr_config_part(a, MR_PART_SINK, i)->name,
			      mr_config_part(b, MR_PART_SINK, i)->name) == 0;
	return same;
}

/* What ended is over: the next incarnation starts with what the last checkpoint names. */
static bool goes_over(struct mr_service *service, struct mr_supervisor *supervisor)
{
	if (service->stopping || !names_new(service))
		return false;
	mr_reload_take_over(&service->reload, service, supervisor);
	if (!same_sinks(&service->reload.other.config, &supervisor->setup.config))
		mr_owed_forget(&service->owed);
	service->deaths = 0;
	mr_supervisor_reset(supervisor);
	return true;
}

/* Nothing was judged by the new set: its workers did not come so far. */
static void take_back(struct mr_service *service, struct mr_supervisor *supervisor,
		      struct mr_error *error)
{
	mr_reload_take_back(&service->reload, service, supervisor, error->text);
	mr_manifest_forget_sources(&service->checkpoint.last, service->reload.source_count);
	mr_supervisor_reset(supervisor);
	*error = (struct mr_error){0};
}

static bool fails_its_trial(const struct mr_service *service, enum mr_err err, bool began)
{
	return service->reload.step == MR_RELOAD_TRIAL && !began &&
	       (err != MR_PEER_LOST || service->deaths >= TRIALS);
}

/* The next one is to begin, unless they die again and again and a signal asks for the end. */
static enum mr_err mourn(struct mr_service *service, struct mr_supervisor *supervisor,
			 int64_t from_us, struct mr_error *error)
{
	mr_log_event(MR_LOG_ERROR, MR_EVENT_WORKER_DIED,
		     "%s; the pipeline starts again from checkpoint %llu", error->text,
		     (unsigned long long)service->checkpoint.last.number);
	mr_health_died(supervisor->health, error->text);
	struct mr_error death = *error;
	*error = (struct mr_error){0};
	bool young = mr_clock_us() - from_us < LONG_LIFE_US;
	/* Once it is known what they died of, there is no reason to wait. */
	bool learnt = mr_supervisor_inquest(supervisor, &service->suspects);
	service->deaths = young && !learnt ? service->deaths + 1 : 0;
	rest(service, supervisor);
	mr_supervisor_reset(supervisor);
	if (mr_supervisor_interrupted(supervisor, error) != MR_OK)
		return error->code;
	return service->deaths < 2 ? MR_OK : mr_service_leave(service, death.text, error);
}

enum mr_err mr_service_run(struct mr_service *service, struct mr_supervisor *supervisor,
			   struct mr_error *error)
{
	supervisor->service = service;
	memcpy(supervisor->setup.seed, service->checkpoint.last.seed, MR_SEED_BYTES);
	mr_manifest_name_sources(&service->checkpoint.last, &supervisor->setup.config);
	enum mr_err known = know_files(service, supervisor, error);
	if (known == MR_OK)
		known = mr_service_choose(service, supervisor, error);
	if (known != MR_OK)
		return known;
	for (;;) {
		int64_t from_us = mr_clock_us();
		enum mr_err err = incarnate(service, supervisor, error);
		bool began = supervisor->started;
		if (err != MR_OK && is_done(service)) {
			err = excuse(service, supervisor, error);
			if (err != MR_OK)
				return err;
		} else if (service->left) {
			return err;
		}
		if (err == MR_END) { /* before anything had begun */
			mr_log(MR_LOG_INFO, "%s", error->text);
			*error = (struct mr_error){0};
			return MR_OK;
		}
		if (fails_its_trial(service, err, began)) {
			take_back(service, supervisor, error);
			continue;
		}
		if (err == MR_OK && goes_over(service, supervisor))
			continue;
		if (err == MR_OK)
			return MR_OK;
		if (supervisor->hosts != NULL && supervisor->hosts->lacks) {
			if (!fall_back(service, supervisor, error))
				return error->code;
			mr_supervisor_reset(supervisor);
			continue;
		}
		if (mr_service_stays(err) ||
		    (!began && service->incarnations == 1 && err != MR_PEER_LOST))
			return err;
		if (mourn(service, supervisor, from_us, error) != MR_OK)
			return error->code;
	}
}
