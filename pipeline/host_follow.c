/* host_follow.c - a follower's side of a run over several hosts.
 *
 * Called by hosts.c, supervisor*.c and cmd_run.c. A follower keeps no books and decides nothing: it
 * starts its workers from the checkpoint that the leader names, keeps their files of state, and
 * makes them durable before it hands on that they are written. So what a manifest names is there,
 * whole, on every host (PROTOCOL.md 4.4). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "health.h"
#include "hosts.h"
#include "millrace/log.h"
#include "recovery.h"
#include "run_plan.h"
#include "service.h"

#define BEGIN_MAX ((size_t)256 << 20) /* bytes of what the leader says to begin with */

static const char *own_name(const struct mr_supervisor *supervisor)
{
	return mr_config_get(&supervisor->setup.config, "host", 0);
}

/* ---- the beginning ---- */

static void say_own(struct mr_supervisor *supervisor, enum mr_host_word_kind kind,
		    struct mr_slice bytes)
{
	mr_hosts_say(
	    supervisor->hosts, 0,
	    &(struct mr_host_word){.worker = MR_HOST_NO_WORKER, .kind = kind, .bytes = bytes});
}

/* What is in the way of reading it, but a disk that is broken, is a death: it may be whole. */
static enum mr_err find_state(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	const struct mr_manifest *last = &hosts->begin.last;
	bool unread = false;
	enum mr_err err =
	    mr_state_dir_await_files(&hosts->dir, last, own_name(supervisor), &unread, error);
	if (err == MR_OK || (err == MR_IO && !unread))
		return err;
	mr_hosts_say(hosts, 0,
		     &(struct mr_host_word){.worker = MR_HOST_NO_WORKER,
					    .kind = MR_HOST_LACKS,
					    .number = unread                  ? MR_LACK_UNREAD
						      : err == MR_UNSUPPORTED ? MR_LACK_NEWER
									      : MR_LACK_DAMAGED,
					    .bytes = mr_slice(error->text)});
	hosts->unread_number = unread ? last->number : 0;
	return err;
}

/* Once the leader has gone back to one before it. */
static enum mr_err leave_unread(struct mr_hosts *hosts, struct mr_error *error)
{
	uint64_t number = hosts->unread_number;
	hosts->unread_number = 0;
	return number > hosts->begin.last.number
		   ? mr_state_dir_set_aside(&hosts->dir, number, error)
		   : MR_OK;
}

static enum mr_err open_state(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	const struct mr_host_begin *begin = &hosts->begin;
	enum mr_err err = find_state(supervisor, error);
	if (err == MR_OK)
		err = leave_unread(hosts, error);
	if (err != MR_OK)
		return err;
	mr_tables_free(supervisor->restored);
	supervisor->restored = mr_tables_new();
	err = mr_recovery_open(&hosts->dir, &begin->last, &begin->aside, own_name(supervisor),
			       &supervisor->setup.topology, supervisor->restored, error);
	if (err == MR_OK && begin->names.len > 0)
		err =
		    mr_tables_add_bytes(supervisor->restored, MR_NAMES_TABLE, begin->names, error);
	return err;
}

static enum mr_err take_beginning(struct mr_supervisor *supervisor, const struct mr_host_word *word,
				  struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	if (hosts->begun || hosts->begin_bytes.len + word->bytes.len > BEGIN_MAX)
		return mr_error_set(error, MR_PROTOCOL, "the leader begins twice, or without end");
	mr_buf_add(&hosts->begin_bytes, word->bytes.at, word->bytes.len);
	if (word->number != 1)
		return MR_OK;
	enum mr_err err =
	    mr_host_begin_decode((struct mr_slice){hosts->begin_bytes.data, hosts->begin_bytes.len},
				 &hosts->begin, error);
	struct mr_setup *setup = &supervisor->setup;
	if (err == MR_OK)
		err = open_state(supervisor, error);
	if (err == MR_OK)
		err = mr_manifest_number_sources(&hosts->begin.last, hosts->dir.path,
						 &setup->config, error);
	if (err != MR_OK)
		return err;
	hosts->snapshot = hosts->begin.last.number;
	hosts->committed = 0;
	setup->incarnation = hosts->begin.incarnation;
	setup->start_us = hosts->begin.start_us;
	memcpy(setup->seed, hosts->begin.seed, sizeof setup->seed);
	hosts->begun = true;
	hosts->incarnations++;
	return MR_OK;
}

/* ---- what the leader tells a worker ---- */

/* A new one: those between the last that was committed and it were given up, but for the one before
 * it, whose manifest may stand there all the same (checkpoint.c). */
static void begin_checkpoint(struct mr_hosts *hosts, uint64_t number)
{
	if (number <= hosts->snapshot)
		return;
	mr_state_dir_tidy_between(&hosts->dir, hosts->begin.last.number, number, hosts->snapshot);
	hosts->snapshot = number;
}

/* The worker has been told: of a large one removing takes its time. */
static void committed(struct mr_hosts *hosts, uint64_t number)
{
	const uint64_t kept[] = {hosts->generation.id, hosts->before};
	if (number <= hosts->begin.last.number)
		return;
	mr_state_dir_tidy(&hosts->dir, number, hosts->begin.last.number);
	hosts->begin.last.number = number;
	if (++hosts->committed == 2 && hosts->reload.step == MR_RELOAD_NONE)
		mr_generation_tidy(&hosts->dir, kept, sizeof kept / sizeof *kept);
}

/* A disk that is full must not hold the barrier up: the state then goes nowhere, and the report of
 * it says that there is none. */
static int make_file(struct mr_supervisor *supervisor, const struct mr_host_word *word)
{
	struct mr_hosts *hosts = supervisor->hosts;
	const struct mr_manifest_file file =
	    mr_checkpoint_file(supervisor, word->worker, (uint32_t)word->other);
	struct mr_error error = {0};
	int fd = -1;
	enum mr_err err = mr_state_dir_make(&hosts->dir, word->number, &error);
	if (err == MR_OK)
		err = mr_state_dir_make_file(&hosts->dir, word->number, &file, &fd, &error);
	if (err == MR_OK)
		return fd;
	hosts->failed_number = word->number;
	hosts->failure = error;
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static enum mr_err tell_worker(struct mr_supervisor *supervisor, const struct mr_host_word *word,
			       struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	const struct mr_topology *topology = &supervisor->setup.topology;
	uint32_t group = mr_setup_group(topology, word->worker);
	int fd = -1;
	if (word->kind == MR_CONTROL_SNAPSHOT) {
		if (word->other >= mr_group_length(&topology->groups[group]))
			return mr_error_set(error, MR_PROTOCOL,
					    "the leader asks for a state of "
					    "nothing");
		begin_checkpoint(hosts, word->number);
		fd = make_file(supervisor, word);
	}
	if (word->kind == MR_CONTROL_START && !supervisor->started) {
		mr_rundir_remove(&supervisor->rundir);
		supervisor->started = true;
		mr_supervisor_show_workers(supervisor);
		mr_host_reload_settle(hosts);
	}
	if (word->kind == MR_CONTROL_CONNECT && !supervisor->workers[word->worker].bound)
		return mr_error_set(error, MR_PROTOCOL, "the leader connects what is not bound");
	mr_control_send(&supervisor->workers[word->worker].control,
			&(struct mr_control_message){.kind = word->kind,
						     .number = word->number,
						     .other = word->other,
						     .bytes = word->bytes,
						     .fd = fd});
	if (fd >= 0)
		close(fd);
	if (word->kind == MR_CONTROL_COMMITTED)
		committed(hosts, word->number);
	return MR_OK;
}

enum mr_err mr_host_follow_word(struct mr_supervisor *supervisor, const struct mr_host_word *word,
				struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	if (word->worker < supervisor->worker_count &&
	    !mr_hosts_elsewhere(supervisor, word->worker)) {
		if (word->kind == MR_CONTROL_CONNECT)
			mr_hosts_connect(hosts);
		return tell_worker(supervisor, word, error);
	}
	if (word->worker == MR_HOST_NO_WORKER && word->kind == MR_HOST_BEGIN)
		return take_beginning(supervisor, word, error);
	if (word->worker == MR_HOST_NO_WORKER && word->kind == MR_HOST_KILL &&
	    word->number < supervisor->worker_count) {
		struct mr_supervised *worker = &supervisor->workers[word->number];
		if (worker->pid != 0)
			kill(worker->pid, SIGKILL);
		return MR_OK;
	}
	if (word->worker == MR_HOST_NO_WORKER && word->kind == MR_HOST_REFUSED) {
		hosts->refused = true;
		hosts->outdated = word->number == 1;
		hosts->next = hosts->outdated ? word->other : 0;
		return mr_error_set(error, MR_CONFIG, "the leader refuses this host: %.*s as there",
				    (int)word->bytes.len, word->bytes.at);
	}
	if (word->worker == MR_HOST_NO_WORKER && word->kind == MR_HOST_RELOAD) {
		mr_host_reload_ask(supervisor, word->number);
		return MR_OK;
	}
	if (word->worker == MR_HOST_NO_WORKER && word->kind == MR_HOST_OVER) {
		hosts->next = word->number;
		return MR_OK;
	}
	return mr_error_set(error, MR_PROTOCOL, "a word that leaders do not say");
}

/* ---- what a worker says ---- */

static void hand_on(struct mr_supervisor *supervisor, uint32_t worker,
		    const struct mr_control_message *message, struct mr_slice bytes)
{
	mr_hosts_say(supervisor->hosts, 0,
		     &(struct mr_host_word){.worker = worker,
					    .kind = message->kind,
					    .number = message->number,
					    .other = message->other,
					    .bytes = bytes});
}

/* What was written becomes durable before anybody hears of it. */
static void sync_report(struct mr_supervisor *supervisor, uint32_t worker, uint64_t number,
			struct mr_cut_report *report)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_manifest files = {0};
	struct mr_error error = {0};
	const struct mr_topology *topology = &supervisor->setup.topology;
	uint32_t length = mr_group_length(&topology->groups[mr_setup_group(topology, worker)]);
	for (uint32_t i = 0; i < report->file_count; i++) {
		if (report->files[i].stage >= length)
			return; /* the leader sees it, too */
		const struct mr_manifest_file file =
		    mr_checkpoint_file(supervisor, worker, report->files[i].stage);
		mr_manifest_add_file(&files, &file);
	}
	if (hosts->failure.code != MR_OK && hosts->failed_number == number)
		error = hosts->failure;
	else if (report->file_count > 0 && report->failure[0] == '\0')
		mr_state_dir_sync(&hosts->dir, number, &files, own_name(supervisor), &error);
	if (error.code != MR_OK)
		snprintf(report->failure, sizeof report->failure, "%.*s",
			 (int)sizeof report->failure - 1, error.text);
	mr_manifest_fini(&files);
}

static enum mr_err hand_on_report(struct mr_supervisor *supervisor, uint32_t worker,
				  const struct mr_control_message *message, struct mr_error *error)
{
	struct mr_cut_report report;
	struct mr_buf bytes = {0};
	if (!mr_cut_report_decode(message->bytes, &report))
		return mr_error_set(error, MR_PROTOCOL, "%s: a report that is none",
				    supervisor->workers[worker].name);
	sync_report(supervisor, worker, message->number, &report);
	mr_cut_report_encode(&report, &bytes);
	hand_on(supervisor, worker, message, (struct mr_slice){bytes.data, bytes.len});
	mr_buf_fini(&bytes);
	mr_cut_report_fini(&report);
	return MR_OK;
}

/* What this host's own status shows. */
static enum mr_err overhear(struct mr_supervisor *supervisor, uint32_t worker,
			    const struct mr_control_message *message, struct mr_error *error)
{
	switch (message->kind) {
	case MR_CONTROL_COUNTERS:
		return mr_supervisor_common_word(supervisor, &supervisor->workers[worker], message,
						 error);
	case MR_CONTROL_PONG:
		return mr_health_pong(supervisor->health, worker, message->number, message->other,
				      message->bytes, error);
	case MR_CONTROL_LATENCY:
		return mr_health_latency(supervisor->health, worker, message->number,
					 message->bytes, error);
	default:
		return MR_OK;
	}
}

enum mr_err mr_host_follow_relay(struct mr_supervisor *supervisor, uint32_t worker,
				 struct mr_control_message *message, struct mr_error *error)
{
	struct mr_supervised *from = &supervisor->workers[worker];
	switch (message->kind) {
	case MR_CONTROL_LOG:
		return mr_supervisor_common_word(supervisor, from, message, error);
	case MR_CONTROL_SNAPPED:
		return hand_on_report(supervisor, worker, message, error);
	case MR_CONTROL_FAILED:
		hand_on(supervisor, worker, message, message->bytes);
		return mr_supervisor_common_word(supervisor, from, message, error);
	case MR_CONTROL_BOUND:
		from->bound = true;
		break;
	case MR_CONTROL_READY:
		from->ready = true;
		break;
	case MR_CONTROL_DONE:
		from->done = true;
		break;
	default:
		break;
	}
	hand_on(supervisor, worker, message, message->bytes);
	return overhear(supervisor, worker, message, error);
}

void mr_host_follow_deaths(struct mr_supervisor *supervisor)
{
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		const struct mr_supervised *worker = &supervisor->workers[i];
		struct mr_buf bytes = {0};
		if (!worker->fell)
			continue;
		mr_host_death_encode(
		    &(struct mr_host_death){.worker = i,
					    .pid = worker->reaped,
					    .status = worker->status,
					    .page =
						*(const struct mr_inhand *)(uintptr_t)worker->page},
		    &bytes);
		say_own(supervisor, MR_HOST_DIED, (struct mr_slice){bytes.data, bytes.len});
		mr_buf_fini(&bytes);
	}
}

/* ---- incarnation after incarnation ---- */

#define PAUSE_US INT64_C(200000)
#define PAUSES_MOST 6 /* times it doubles, where nobody is met */

/* What it judges by is not what the leader does, and cannot be had from here: it was changed in its
 * files, too, as may be hoped. Whether it is another now. */
static bool read_anew(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_error own = {0};
	uint64_t before = hosts->generation.id;
	uint32_t workers;
	mr_supervisor_unprepare(supervisor);
	enum mr_err err = mr_plan_run(supervisor, &workers, &own);
	if (err == MR_OK)
		err = mr_host_reload_know(supervisor, &own);
	if (err != MR_OK)
		*error = own;
	return err == MR_OK && hosts->generation.id != before;
}

/* Whether another incarnation may go better, or goes on with what the leader has named. */
static bool goes_on(struct mr_supervisor *supervisor, enum mr_err err, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	uint64_t next = hosts->next;
	if (supervisor->interrupted != 0)
		return false;
	hosts->next = 0;
	bool taken = next != 0 && mr_host_reload_take(supervisor, next);
	bool goes = err == MR_OK ? next != 0 : mr_err_class(err) != MR_CLASS_USAGE;
	if (hosts->refused)
		goes = taken || (hosts->outdated && read_anew(supervisor, error));
	hosts->refused = hosts->outdated = false;
	return goes;
}

static enum mr_err begin_first(struct mr_supervisor *supervisor, const char *topology,
			       struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	hosts->reload.topology = topology;
	enum mr_err err = mr_state_dir_open(mr_config_get(&supervisor->setup.config, "state", 0),
					    &hosts->dir, error);
	return err == MR_OK ? mr_host_reload_know(supervisor, error) : err;
}

enum mr_err mr_host_follow_run(struct mr_supervisor *supervisor, const char *topology,
			       struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_health health;
	enum mr_err err = begin_first(supervisor, topology, error);
	if (err == MR_OK)
		err = mr_health_open(&health, NULL, supervisor, error);
	if (err != MR_OK)
		return err;
	for (unsigned alone = 0; err == MR_OK;) {
		err = mr_supervisor_run(supervisor, error);
		mr_tables_free(supervisor->restored);
		supervisor->restored = NULL;
		if (!goes_on(supervisor, err, error))
			break;
		mr_supervisor_reset(supervisor);
		bool over = err == MR_OK;
		err = MR_OK;
		if (over)
			continue;
		alone = hosts->met ? 0 : alone + (alone < PAUSES_MOST);
		mr_log(MR_LOG_ERROR, "%s; host %s waits for the next beginning", error->text,
		       own_name(supervisor));
		mr_health_died(&health, error->text);
		*error = (struct mr_error){0};
		mr_health_rest(&health, supervisor->signals, PAUSE_US << alone);
	}
	mr_notify_stopping(&health.notify);
	mr_health_close(&health);
	return err;
}
