/* supervisor.c - watches a run from its start to its end.
 *
 * Called by cmd_scan.c. The death of any worker before it said that it is done ends the run: all
 * are killed and reaped. Workers die with their supervisor (worker.c), so nothing stays behind
 * however this process ends. */
#include "supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "health.h"
#include "hosts.h"
#include "millrace/ledger.h"
#include "millrace/log.h"
#include "service.h"

#define SAMPLE_US 250000
#define SHOW_US 200000
#define SERVICE_SAMPLE_US 30000000 /* nobody asks a service for its highest */
#define SAMPLE_SHARE 100 /* looking at memory takes at most one part in so many of the time */
#define WAIT_MS 100
#define END_MS 1
#define LOST_MS 5
#define LOST_US 500000 /* how long it is waited for words on a loss */
#define SINK_US 200000 /* and for sinks to end their lines */
/* And for the end of one whose socket is closed. A process that was killed gives back its memory
 * before it can be waited for: a GiB takes 0.3 s, and more where others have the processors. */
#define FALL_US 2000000

void mr_supervisor_init(struct mr_supervisor *supervisor)
{
	*supervisor = (struct mr_supervisor){.signals = -1};
	supervisor->tables = mr_tables_new();
	supervisor->start_us = mr_clock_us();
	mr_progress_init(&supervisor->progress, supervisor->start_us);
}

static void free_workers(struct mr_supervisor *supervisor)
{
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		mr_inhand_unmap(supervisor->workers[i].page);
	free(supervisor->workers);
	supervisor->workers = NULL;
	supervisor->worker_count = 0;
}

void mr_supervisor_fini(struct mr_supervisor *supervisor)
{
	mr_tables_free(supervisor->tables);
	mr_warnings_fini(&supervisor->warnings);
	mr_tally_fini(&supervisor->tally);
	mr_catalog_fini(&supervisor->catalog);
	mr_setup_fini(&supervisor->setup);
	free_workers(supervisor);
	mr_file_numbers_fini(&supervisor->numbers);
	if (supervisor->signals >= 0)
		close(supervisor->signals);
}

void mr_supervisor_reset(struct mr_supervisor *supervisor)
{
	free_workers(supervisor);
	supervisor->registration = (struct mr_registration){0};
	mr_file_numbers_take_back(&supervisor->numbers);
	supervisor->started = false;
	supervisor->ending = false;
	supervisor->over = false;
}

/* ---- the end of workers ---- */

static bool has_ended(const struct mr_supervised *worker)
{
	return mr_child_has_ended(worker->pid);
}

/* Only one that has ended. */
static void reap(struct mr_supervised *worker)
{
	if (worker->pid == 0)
		return;
	mr_child_reap(worker->pid, 0, &worker->status);
	worker->reaped = worker->pid;
	worker->pid = 0;
}

static void kill_workers(struct mr_supervisor *supervisor, bool sinks)
{
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		struct mr_supervised *worker = &supervisor->workers[i];
		if (worker->pid != 0 && mr_supervisor_is_sink(supervisor, i) == sinks)
			kill(worker->pid, SIGKILL);
	}
}

static bool sinks_have_ended(struct mr_supervisor *supervisor)
{
	bool all = true;
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		struct mr_error ignored;
		if (!mr_supervisor_is_sink(supervisor, i) || has_ended(&supervisor->workers[i]))
			continue;
		mr_supervisor_listen(supervisor, i, &ignored); /* so that it may say its last */
		all = false;
	}
	return all;
}

/* A sink that is told so ends by itself, behind a whole line; one that cannot write is killed like
 * the others. */
static void kill_all(struct mr_supervisor *supervisor)
{
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		struct mr_error ignored;
		if (mr_supervisor_is_sink(supervisor, i))
			mr_control_hang_up(&supervisor->workers[i].control);
		else if (mr_supervisor_is_source(supervisor, i)) /* it may be done */
			mr_supervisor_listen(supervisor, i, &ignored);
	}
	kill_workers(supervisor, false);
	int64_t until_us = mr_clock_us() + SINK_US;
	while (!sinks_have_ended(supervisor) && mr_clock_us() < until_us)
		poll(NULL, 0, LOST_MS);
	kill_workers(supervisor, true);
}

/* One that was killed ends at once, unless the kernel has it wait, for a disk or a mount that does
 * not answer. Then it is waited for until an end is asked for, and no longer than that may take:
 * its lock keeps another service away. False, with why, where it has not ended. */
static bool await_gone(struct mr_supervisor *supervisor, const struct mr_supervised *worker,
		       int64_t until_us, struct mr_error *error)
{
	struct pollfd signals = {.fd = supervisor->signals, .events = POLLIN};
	struct mr_error why = {0};
	bool said = false;
	while (!has_ended(worker) && mr_clock_us() < until_us)
		poll(NULL, 0, END_MS);
	while (!has_ended(worker)) {
		mr_health_turn(supervisor->health);
		if (supervisor->service != NULL)
			mr_service_late(supervisor->service, supervisor, mr_clock_us(), &why);
		if (why.code == MR_OK && supervisor->interrupted == 0 &&
		    poll(&signals, 1, LOST_MS) > 0)
			mr_supervisor_interrupted(supervisor, &why);
		if (why.code != MR_OK || supervisor->interrupted != 0) {
			if (why.code != MR_OK)
				*error = why;
			mr_error_prefix(error,
					"worker %s (process %d) was killed and has not ended",
					worker->name, (int)worker->pid);
			return false;
		}
		if (!said)
			mr_log(
			    MR_LOG_ERROR,
			    "worker %s (process %d) was killed and has not ended: it is waited for",
			    worker->name, (int)worker->pid);
		said = true;
	}
	return true;
}

/* Reaps all. Names in `error`, unless it holds one, a worker that fell after its last word. */
static void end_all(struct mr_supervisor *supervisor, struct mr_error *error)
{
	int64_t until_us = mr_clock_us() + MR_CHILD_GONE_US;
	supervisor->over = true;
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		struct mr_supervised *worker = &supervisor->workers[i];
		if (await_gone(supervisor, worker, until_us, error))
			reap(worker);
		if (worker->status != 0 && error->code == MR_OK)
			mr_supervisor_blame(supervisor, worker, error);
		mr_control_fini(&worker->control);
	}
	mr_rundir_remove(&supervisor->rundir);
}

/* A worker's socket has closed without a last word: it has ended or is about to, or it lives and
 * will not be heard again. */
static enum mr_err died(struct mr_supervisor *supervisor, struct mr_supervised *worker,
			struct mr_error *error)
{
	int64_t until_us = mr_clock_us() + FALL_US;
	while (!has_ended(worker) && mr_clock_us() < until_us)
		poll(NULL, 0, LOST_MS);
	worker->fell = true;
	if (has_ended(worker)) {
		reap(worker);
		return mr_supervisor_blame(supervisor, worker, error);
	}
	kill(worker->pid, SIGKILL);
	return mr_error_set(error, MR_PROTOCOL,
			    "worker %s (process %d) closed its control socket and lived on",
			    worker->name, (int)worker->pid);
}

static bool find_dead(struct mr_supervisor *supervisor, struct mr_error *error)
{
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		struct mr_supervised *worker = &supervisor->workers[i];
		siginfo_t info = {0};
		if (worker->pid == 0 || worker->done ||
		    waitid(P_PID, (id_t)worker->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		    info.si_pid == 0 || info.si_code == CLD_EXITED)
			continue;
		died(supervisor, worker, error);
		return true;
	}
	return false;
}

/* What another worker says of its own failure, beyond the loss of a peer, or that it ended without
 * a word. */
static bool find_failed(struct mr_supervisor *supervisor, struct mr_error *error)
{
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		struct mr_error own = {0};
		enum mr_err err = mr_supervisor_listen(supervisor, i, &own);
		struct mr_supervised *worker = &supervisor->workers[i];
		if (err == MR_END && !worker->done && !worker->failed) {
			died(supervisor, worker, error);
			return true;
		}
		if (err == MR_OK || err == MR_END || err == MR_PEER_LOST)
			continue;
		*error = own;
		return true;
	}
	return false;
}

/* Its peers may tell of the loss before the lost one itself does, and before it can be waited for:
 * what they say is less than who it was, and what it died of or failed at. */
static enum mr_err name_the_lost(struct mr_supervisor *supervisor, struct mr_error *error)
{
	int64_t until_us = mr_clock_us() + LOST_US;
	while (mr_clock_us() < until_us) {
		struct mr_error ignored;
		if (supervisor->hosts != NULL)
			mr_hosts_listen(supervisor, &ignored);
		if (find_dead(supervisor, error) || find_failed(supervisor, error))
			return error->code;
		/* With a host all that it would say is lost. */
		if (mr_hosts_lost(supervisor->hosts))
			return error->code;
		poll(NULL, 0, LOST_MS);
	}
	/* Nobody has died: libzmq itself cut the connection. */
	struct mr_error loss = *error;
	return mr_error_set(
	    error, MR_PROTOCOL,
	    "%.600s; no worker has ended, so what was sent was no batch, or longer than "
	    "the %d bytes that a message may have",
	    loss.text, MR_BATCH_BODY_MAX);
}

/* ---- watching ---- */

struct mr_counters mr_supervisor_sum(const struct mr_supervisor *supervisor)
{
	struct mr_counters sums = {0};
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		mr_counters_add(&sums, &supervisor->workers[i].counters);
	if (supervisor->hosts != NULL)
		mr_counters_add(&sums, &supervisor->hosts->gate.counters);
	return sums;
}

static bool all_done(const struct mr_supervisor *supervisor)
{
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		if (!supervisor->workers[i].done)
			return false;
	}
	return true;
}

static enum mr_err listen_to(struct mr_supervisor *supervisor, uint32_t from,
			     struct mr_error *error)
{
	struct mr_supervised *worker = &supervisor->workers[from];
	enum mr_err err = mr_supervisor_listen(supervisor, from, error);
	if (err != MR_END)
		return err;
	return worker->done ? MR_OK : died(supervisor, worker, error);
}

enum mr_err mr_supervisor_interrupted(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct signalfd_siginfo info;
	if (read(supervisor->signals, &info, sizeof info) != sizeof info)
		return MR_OK;
	if (supervisor->service != NULL) {
		mr_service_signal(supervisor->service, info.ssi_signo);
		return mr_service_late(supervisor->service, supervisor, mr_clock_us(), error);
	}
	if (info.ssi_signo == SIGHUP && !mr_hosts_lead(supervisor->hosts)) {
		mr_log(MR_LOG_INFO,
		       "a reload is the first host's to begin: SIGHUP does nothing here");
		return MR_OK;
	}
	supervisor->interrupted = (int)info.ssi_signo;
	supervisor->progress.hurry = true;
	return mr_error_set(error, MR_PEER_LOST, "ended by signal %d (%s) before the work was done",
			    (int)info.ssi_signo, strsignal((int)info.ssi_signo));
}

static enum mr_err wait_and_listen(struct mr_supervisor *supervisor, struct pollfd *fds,
				   struct mr_error *error)
{
	uint32_t count = supervisor->worker_count;
	for (uint32_t i = 0; i < count; i++) {
		struct mr_control *control = &supervisor->workers[i].control;
		/* What could not be sent has closed it, too: its end is still to be read. */
		bool heard = control->closed && supervisor->workers[i].done;
		fds[i] = (struct pollfd){.fd = heard ? -1 : control->fd, .events = POLLIN};
		if (mr_control_waits(control))
			fds[i].events |= POLLOUT;
	}
	fds[count] = (struct pollfd){.fd = supervisor->signals, .events = POLLIN};
	fds[count + 1] = (struct pollfd){.fd = mr_health_fd(supervisor->health), .events = POLLIN};
	uint32_t all = count + 2 + mr_hosts_poll_set(supervisor->hosts, fds + count + 2);
	int wait_ms = supervisor->service == NULL
			  ? WAIT_MS
			  : mr_service_wait_ms(supervisor->service, mr_clock_us(), WAIT_MS);
	if (poll(fds, all, wait_ms) < 0 && errno != EINTR)
		return mr_error_errno(error, MR_IO, "cannot wait for workers");
	for (uint32_t i = 0; i < count; i++) {
		if (fds[i].revents == 0)
			continue;
		enum mr_err err = listen_to(supervisor, i, error);
		if (err != MR_OK)
			return err;
	}
	if (supervisor->hosts != NULL) {
		enum mr_err err = mr_hosts_listen(supervisor, error);
		if (err != MR_OK)
			return err;
	}
	return fds[count].revents == 0 ? MR_OK : mr_supervisor_interrupted(supervisor, error);
}

static enum mr_err watch(struct mr_supervisor *supervisor, struct mr_error *error)
{
	uint32_t room = supervisor->worker_count + 2 + mr_hosts_fds(supervisor->hosts);
	struct pollfd *fds = mr_calloc(room, sizeof *fds);
	int64_t least_us = supervisor->service != NULL ? SERVICE_SAMPLE_US : SAMPLE_US;
	int64_t sample_us = 0;
	int64_t show_us = 0;
	enum mr_err err = MR_OK;
	while (err == MR_OK && !all_done(supervisor)) {
		err = wait_and_listen(supervisor, fds, error);
		int64_t now_us = mr_clock_us();
		if (err == MR_OK)
			mr_health_turn(supervisor->health);
		if (err == MR_OK && supervisor->started && supervisor->service != NULL)
			mr_service_turn(supervisor->service, supervisor, now_us);
		if (err == MR_OK && supervisor->service != NULL)
			err = mr_service_late(supervisor->service, supervisor, now_us, error);
		if (supervisor->started && now_us >= sample_us) {
			mr_supervisor_sample(supervisor);
			int64_t took_us = mr_clock_us() - now_us;
			int64_t pause_us = took_us * SAMPLE_SHARE;
			sample_us = now_us + (pause_us > least_us ? pause_us : least_us);
		}
		if (supervisor->started && now_us >= show_us) {
			supervisor->sums = mr_supervisor_sum(supervisor);
			mr_progress_show(&supervisor->progress, &supervisor->sums, now_us);
			show_us = now_us + SHOW_US;
		}
	}
	free(fds);
	if (err == MR_PEER_LOST && supervisor->interrupted == 0)
		err = name_the_lost(supervisor, error);
	return err;
}

/* All have said their last word. One that still does not go is waited for until a signal comes, or
 * for as long as a worker may be silent. */
static enum mr_err await_ends(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct pollfd signals = {.fd = supervisor->signals, .events = POLLIN};
	int64_t from_us = mr_clock_us();
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		while (!has_ended(&supervisor->workers[i])) {
			if (poll(&signals, 1, END_MS) > 0 &&
			    mr_supervisor_interrupted(supervisor, error) != MR_OK)
				return error->code;
			if (supervisor->service != NULL &&
			    mr_service_late(supervisor->service, supervisor, mr_clock_us(),
					    error) != MR_OK)
				return error->code;
			mr_health_await(supervisor->health, i, from_us);
		}
	}
	return MR_OK;
}

/* ---- the run ---- */

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double cpu_of(int who)
{
	struct rusage usage;
	if (getrusage(who, &usage) != 0)
		return 0;
	return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

static void listened_for(sigset_t *out)
{
	sigemptyset(out);
	sigaddset(out, SIGINT);
	sigaddset(out, SIGTERM);
	sigaddset(out, SIGHUP);
}

void mr_supervisor_hold_signals(void)
{
	sigset_t held;
	listened_for(&held);
	sigprocmask(SIG_BLOCK, &held, NULL);
}

static enum mr_err catch_signals(struct mr_supervisor *supervisor, sigset_t *before,
				 struct mr_error *error)
{
	sigset_t wanted;
	listened_for(&wanted);
	sigprocmask(SIG_BLOCK, &wanted, before);
	if (supervisor->signals >= 0) /* of an incarnation before */
		return MR_OK;
	supervisor->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor->signals < 0)
		return mr_error_errno(error, MR_IO, "cannot listen for signals");
	supervisor->progress.stop_fd = supervisor->signals;
	return MR_OK;
}

enum mr_err mr_supervisor_run(struct mr_supervisor *supervisor, struct mr_error *error)
{
	sigset_t before;
	enum mr_err err = mr_topology_check(&supervisor->setup.topology, error);
	if (err == MR_OK)
		err = mr_supervisor_limits(supervisor, error);
	if (err != MR_OK)
		return err;
	err = catch_signals(supervisor, &before, error);
	if (err == MR_OK)
		err = mr_supervisor_spawn(supervisor, error);
	if (err == MR_OK)
		err = watch(supervisor, error);
	if (err == MR_OK)
		err = await_ends(supervisor, error);
	if (err != MR_OK)
		kill_all(supervisor);
	end_all(supervisor, error);
	if (supervisor->hosts != NULL)
		mr_hosts_end(supervisor);
	err = error->code;
	sigprocmask(SIG_SETMASK, &before, NULL);
	supervisor->sums = mr_supervisor_sum(supervisor);
	mr_progress_clear(&supervisor->progress);
	if (err == MR_OK)
		mr_supervisor_tell_deaf(supervisor);
	mr_warnings_tell(&supervisor->warnings, &supervisor->progress);
	supervisor->wall_seconds = (double)(mr_clock_us() - supervisor->start_us) / 1e6;
	supervisor->cpu_seconds = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN);
	/* One host's counts are no books. */
	bool whole = err == MR_OK && mr_hosts_lead(supervisor->hosts);
	return whole ? mr_ledger_balance(&supervisor->sums, error) : err;
}

int mr_supervisor_exit_status(const struct mr_supervisor *supervisor, enum mr_err err)
{
	if (supervisor->interrupted != 0)
		return 128 + supervisor->interrupted;
	if (err == MR_OK)
		return 0;
	/* What a newer program wrote is a worker's to find, too. */
	bool usage = mr_err_class(err) == MR_CLASS_USAGE &&
		     (supervisor->worker_count == 0 || err == MR_UNSUPPORTED);
	return usage ? 2 : 1;
}
