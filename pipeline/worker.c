/* worker.c - one worker process: from a fresh exec to the acknowledged end of its work.
 *
 * Called by main.c as the hidden subcommand `worker`. One thread (and ZeroMQ's for I/O). Any error
 * goes to the supervisor as a word over control and ends the process with status 1; the supervisor
 * then ends the incarnation. Dies with its supervisor, whatever that dies of. */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "dry.h"
#include "millrace/alive.h"
#include "millrace/log.h"
#include "sandbox.h"
#include "spawn.h"

#define TICK_US 1000000
#define REPORT_US 250000
#define SOURCE_IDLE_MS 5   /* a source that has nothing to read now is asked again after this */
#define SOURCE_WAIT_MS 100 /* likewise one that waits for descriptors */
#define MEET_MS 2          /* likewise pairs that have not met */
#define LISTEN_US 1000     /* a worker that does not wait listens so often */
#define END_MS 5           /* likewise pairs that are too full for their `end` */

enum phase {
	PHASE_WORK,   /* batches or a source */
	PHASE_FINISH, /* the stages write what they held back */
	PHASE_FLUSH,  /* all that was written is sent */
	PHASE_END,    /* `end` is sent and acknowledged */
	PHASE_DONE
};

/* ---- start ---- */

static enum mr_err wait_for(struct mr_worker *worker, const bool *word, struct mr_error *error)
{
	while (!*word) {
		struct pollfd room[1];
		enum mr_err err = mr_worker_wait(worker, room, 0, -1, error);
		if (err != MR_OK)
			return err;
	}
	return MR_OK;
}

/* Whoever takes names from the table finds them there; a run without inputs has none. */
static void know_names(struct mr_worker *worker)
{
	struct mr_slice names;
	if (mr_tables_map(worker->tables, MR_NAMES_TABLE, &names, NULL) == MR_OK)
		mr_files_set_names(worker->files, names);
}

static void read_clocks(struct mr_worker *worker)
{
	worker->now = (struct mr_now){mr_clock_wall_us(), mr_clock_us()};
}

static enum mr_err open_chain(struct mr_worker *worker, struct mr_error *error)
{
	const struct mr_group *group = &worker->setup.topology.groups[worker->group];
	struct mr_stage_env env = {
	    .config = &worker->setup.config,
	    .fields = worker->setup.fields,
	    .tables = worker->tables,
	    .files = worker->files,
	    .counters = &worker->counters,
	    .tally = &worker->tally,
	    .worker = worker->number - mr_setup_first(&worker->setup.topology, worker->group),
	    .workers = group->workers,
	    .layer = group->layer,
	    .finite = worker->setup.finite,
	    .start_us = worker->setup.start_us,
	    .now = &worker->now,
	    .waits = &worker->waits,
	    .copied_bytes = mr_snapshot_copied,
	    .copier = &worker->barrier,
	    .marks = &worker->marks,
	    .latencies = &worker->latencies,
	    .owed = &worker->owed,
	    .untold = &worker->untold,
	    .held = &worker->held,
	    .waiting = &worker->waiting,
	    .retells = mr_retell_is_done(&worker->setup.topology),
	};
	memcpy(env.seed, worker->setup.seed, sizeof env.seed);
	worker->env = env;
	worker->writer.counters = &worker->counters;
	worker->counters.books = env.finite ? NULL : &worker->books;
	know_names(worker);
	read_clocks(worker);
	enum mr_err err = mr_worker_restore_marks(worker, error);
	if (err == MR_OK && env.retells && mr_retell_is_for(group)) {
		err = mr_retell_open(&worker->retell, &env, error);
		mr_retell_watch(&worker->retell, &worker->watch);
		worker->env.retell = mr_retell_alert;
		worker->env.retell_context = &worker->retell;
	}
	if (err == MR_OK)
		err = mr_chain_open(&worker->chain, group, &worker->writer, &worker->env, error);
	if (err == MR_OK)
		mr_chain_watch(&worker->chain, &worker->watch);
	return err == MR_OK ? mr_worker_restore(worker, error) : err;
}

static enum mr_err meet(struct mr_worker *worker, struct mr_error *error)
{
	for (;;) {
		enum mr_err err = mr_worker_met(worker, error);
		if (err != MR_AGAIN)
			return err;
		struct pollfd room[1];
		err = mr_worker_wait(worker, room, 0, MEET_MS, error);
		if (err != MR_OK)
			return err;
	}
}

/* What ps and top call the process. */
static void take_name(const struct mr_worker *worker)
{
	char name[MR_WORKER_NAME];
	mr_setup_worker_name(&worker->setup.topology, worker->number, name);
	prctl(PR_SET_NAME, name, 0, 0, 0);
}

static enum mr_err start(struct mr_worker *worker, struct mr_error *error)
{
	enum mr_err err = wait_for(worker, &worker->has_setup, error);
	if (err != MR_OK)
		return err;
	take_name(worker);
	err = mr_worker_watch(worker, error);
	if (err == MR_OK)
		err = mr_barrier_settle(worker, error);
	mr_worker_say_alive(worker);
	if (err == MR_OK)
		err = mr_worker_fence(worker, error);
	if (err == MR_OK)
		err = mr_worker_bind(worker, error);
	if (err != MR_OK)
		return err;
	mr_worker_say(worker, MR_CONTROL_BOUND, 0, 0, (struct mr_slice){0});
	err = wait_for(worker, &worker->may_connect, error);
	if (err == MR_OK)
		err = mr_worker_connect(worker, error);
	if (err == MR_OK)
		err = open_chain(worker, error);
	if (err == MR_OK)
		err = meet(worker, error);
	if (err != MR_OK)
		return err;
	mr_worker_say(worker, MR_CONTROL_READY, 0, 0, (struct mr_slice){0});
	err = mr_worker_lock(worker, error);
	return err == MR_OK ? wait_for(worker, &worker->may_start, error) : err;
}

/* ---- the loop ---- */

/* In a service a source that has nothing more to read stays for the barriers to come, until it is
 * told to finish. */
static enum mr_err poll_source(struct mr_worker *worker, struct mr_error *error)
{
	enum mr_err err = MR_END;
	if (!worker->drained && !worker->draining)
		err = mr_worker_rests(worker, worker->now.steady_us)
			  ? MR_AGAIN
			  : mr_chain_poll(&worker->chain, error);
	if (err != MR_END || worker->env.finite)
		return err;
	if (!worker->drained) {
		worker->ended = !worker->draining;
		mr_worker_say(worker, MR_CONTROL_DRAINED, worker->ended, 0, (struct mr_slice){0});
	}
	worker->drained = true;
	return worker->may_finish ? MR_END : MR_AGAIN;
}

/* One step of the work at hand. MR_OK: there may be more at once. MR_FULL: the outputs must be sent
 * first. MR_AGAIN: nothing to do now. */
static enum mr_err work(struct mr_worker *worker, enum phase *phase, struct mr_error *error)
{
	struct mr_chain *chain = &worker->chain;
	enum mr_err err;
	if (!mr_chain_is_idle(chain))
		return mr_chain_go(chain, error);
	if (mr_worker_at_barrier(worker))
		return mr_worker_barrier(worker, error);
	if (mr_chain_is_source(chain))
		err = poll_source(worker, error);
	else if (mr_writer_ready(&worker->writer))
		err = mr_worker_receive(worker, error);
	else
		err = MR_FULL;
	if (err != MR_END)
		return err;
	*phase = PHASE_FINISH;
	return MR_OK;
}

static enum mr_err step(struct mr_worker *worker, enum phase *phase, struct mr_error *error)
{
	enum mr_err err;
	switch (*phase) {
	case PHASE_WORK:
		return work(worker, phase, error);
	case PHASE_FINISH:
		err = mr_chain_finish(&worker->chain, error);
		if (err == MR_OK)
			*phase = PHASE_FLUSH;
		return err;
	case PHASE_FLUSH:
		if (!mr_worker_is_sent(worker))
			return MR_FULL;
		*phase = PHASE_END;
		return MR_OK;
	case PHASE_END:
		err = mr_worker_end(worker, error);
		if (err == MR_OK)
			*phase = PHASE_DONE;
		return err;
	case PHASE_DONE:
		break;
	}
	return MR_OK;
}

struct timers {
	int64_t tick_us;
	int64_t report_us;
	struct mr_dry dry;
	bool ticked; /* in this turn: what had no room may have */
};

static enum mr_err run_timers(struct mr_worker *worker, struct timers *timers, int64_t now_us,
			      enum phase phase, struct mr_error *error)
{
	if (now_us >= timers->report_us) {
		timers->report_us = now_us + REPORT_US;
		mr_worker_report(worker, false);
	}
	if (worker->committed != 0 && mr_chain_is_idle(&worker->chain)) {
		/* One that comes late says nothing of what was done for the next one. */
		if (worker->committed == worker->barrier.report_number &&
		    (!mr_worker_at_barrier(worker) || worker->barrier.number == worker->committed))
			mr_chain_committed(&worker->chain);
		worker->committed = 0;
	}
	mr_worker_barrier_reap(worker);
	timers->ticked = false;
	if ((now_us < timers->tick_us && !worker->waits_news) || phase != PHASE_WORK ||
	    !mr_writer_ready(&worker->writer))
		return MR_OK;
	worker->waits_news = false;
	timers->ticked = true;
	timers->tick_us = now_us + TICK_US;
	return mr_chain_tick(&worker->chain, mr_clock_wall_us(), error);
}

static int at_most(int timeout_ms, int most_ms)
{
	return timeout_ms < most_ms ? timeout_ms : most_ms;
}

static int timeout_of(struct mr_worker *worker, enum phase phase, const struct timers *timers,
		      int64_t now_us)
{
	/* A tick that is due has to wait for the outputs: what they wait for wakes us. */
	bool ticks = timers->tick_us > now_us && timers->tick_us < timers->report_us;
	int64_t due_us = ticks ? timers->tick_us : timers->report_us;
	int64_t dry_us = mr_dry_at_us(&timers->dry);
	if (now_us < dry_us && dry_us < due_us && !mr_worker_is_sent(worker))
		due_us = dry_us;
	if (mr_worker_rests(worker, now_us) && worker->waits.rest_us < due_us)
		due_us = worker->waits.rest_us;
	int timeout_ms = due_us <= now_us ? 0 : (int)((due_us - now_us) / 1000) + 1;
	if (phase == PHASE_END)
		return at_most(timeout_ms, END_MS);
	if (phase == PHASE_WORK && mr_chain_is_source(&worker->chain) &&
	    mr_worker_calls_stages(worker))
		return at_most(timeout_ms,
			       worker->waits.count > 0 ? SOURCE_WAIT_MS : SOURCE_IDLE_MS);
	return timeout_ms;
}

static void make_room(struct mr_worker *worker)
{
	uint32_t wanted = mr_worker_links(worker) + worker->waits.count + 1;
	if (wanted <= worker->fds_capacity)
		return;
	worker->fds = mr_realloc(worker->fds, wanted * sizeof *worker->fds);
	worker->fds_capacity = wanted;
}

/* Until a link, control or a descriptor of a stage has news, or until something is due. */
static enum mr_err idle(struct mr_worker *worker, enum phase phase, const struct timers *timers,
			struct mr_error *error)
{
	bool input = phase == PHASE_WORK && mr_chain_is_idle(&worker->chain) &&
		     !mr_chain_is_source(&worker->chain) && mr_writer_ready(&worker->writer) &&
		     !mr_worker_at_barrier(worker);
	/* One time for both: at the end of a rest either its news is waited for, or that end. */
	int64_t now_us = mr_clock_us();
	make_room(worker);
	uint32_t links = mr_worker_poll_set(worker, input, worker->fds);
	uint32_t count = links;
	if (phase == PHASE_WORK)
		count += mr_worker_poll_stages(worker, now_us, worker->fds + links);
	enum mr_err err = mr_worker_wait(worker, worker->fds, count,
					 timeout_of(worker, phase, timers, now_us), error);
	mr_worker_poll_news(worker, worker->fds, links);
	for (uint32_t i = links; i < count; i++)
		worker->waits_news |= worker->fds[i].revents != 0;
	return err;
}

/* Between two steps. A worker that waits hears at once; one that always finds something to do asks
 * those who had nothing to send, too. */
static enum mr_err listen_between(struct mr_worker *worker, int64_t now_us, struct mr_error *error)
{
	if (now_us - worker->heard_us < LISTEN_US)
		return MR_OK;
	worker->heard_us = now_us;
	mr_worker_ask_all(worker);
	return mr_worker_listen(worker, error);
}

/* Input that runs dry sends what there is; so does the end, and whoever has to wait. */
static bool sends_partial(const struct mr_worker *worker, struct timers *timers,
			  enum mr_err step_err, enum phase phase, int64_t now_us)
{
	if (step_err == MR_OK)
		mr_dry_came(&timers->dry, now_us);
	else
		mr_dry_none(&timers->dry, now_us);
	if (step_err != MR_AGAIN || phase != PHASE_WORK || worker->drained ||
	    mr_worker_at_barrier(worker))
		return step_err != MR_OK || phase > PHASE_FINISH;
	return now_us >= mr_dry_at_us(&timers->dry);
}

static enum mr_err loop(struct mr_worker *worker, struct mr_error *error)
{
	struct timers timers = {0};
	enum phase phase = PHASE_WORK;
	while (phase != PHASE_DONE) {
		read_clocks(worker);
		mr_worker_time_barrier(worker);
		enum mr_err step_err = step(worker, &phase, error);
		if (step_err != MR_OK && step_err != MR_FULL && step_err != MR_AGAIN)
			return step_err;
		int64_t now_us = mr_clock_us();
		enum mr_err err = run_timers(worker, &timers, now_us, phase, error);
		bool partial = sends_partial(worker, &timers, step_err, phase, now_us);
		bool moved = false;
		if (err == MR_OK)
			err = mr_worker_send(worker, partial, now_us, &moved, error);
		if (err == MR_OK && (step_err == MR_OK || moved || timers.ticked))
			err = listen_between(worker, now_us, error);
		else if (err == MR_OK)
			err = idle(worker, phase, &timers, error);
		if (err != MR_OK)
			return err;
	}
	return MR_OK;
}

static void close_worker(struct mr_worker *worker)
{
	mr_log_set_sink(NULL, NULL);
	mr_alive_listen(NULL, NULL);
	mr_snapshot_await(worker);
	worker->env.ends = !mr_sandbox_sanitized(); /* which looks for what was not given back */
	mr_chain_close(&worker->chain);
	mr_retell_close(&worker->retell);
	mr_worker_unlink(worker);
	mr_worker_unwatch(worker);
	mr_writer_fini(&worker->writer);
	mr_barrier_fini(&worker->barrier);
	mr_marks_fini(&worker->marks);
	mr_waits_fini(&worker->waits);
	free(worker->fds);
	mr_buf_fini(&worker->region);
	mr_tally_fini(&worker->tally);
	mr_books_fini(&worker->books);
	mr_files_free(worker->files);
	mr_tables_free(worker->tables);
	mr_setup_fini(&worker->setup);
	mr_control_fini(&worker->control);
	free(worker);
}

static enum mr_err run(struct mr_worker *worker, struct mr_error *error)
{
	enum mr_err err = start(worker, error);
	if (err != MR_OK)
		return err;
	return loop(worker, error);
}

bool mr_worker_is_child(int argc, char **argv)
{
	if (argc != 2 || !mr_spawned_by(argv[1])) {
		fprintf(stderr, "millrace %s: only a supervisor starts this\n", argv[0]);
		return false;
	}
	return true;
}

int mr_worker_main(int argc, char **argv)
{
	if (!mr_worker_is_child(argc, argv))
		return 2;
	struct mr_worker *worker = mr_calloc(1, sizeof *worker);
	mr_control_init(&worker->control, MR_WORKER_CONTROL_FD);
	mr_barrier_init(&worker->barrier);
	worker->tables = mr_tables_new();
	mr_worker_attach(worker);
	struct mr_error error = {0};
	enum mr_err err = run(worker, &error);
	mr_worker_report(worker, true);
	if (err == MR_OK) {
		mr_worker_report_tally(worker);
		mr_worker_say(worker, MR_CONTROL_DONE, 0, 0, (struct mr_slice){0});
	} else {
		mr_worker_say(worker, MR_CONTROL_FAILED, (uint64_t)err, 0, mr_slice(error.text));
	}
	mr_control_flush_all(&worker->control);
	close_worker(worker);
	return err == MR_OK ? 0 : 1;
}
