/* worker_barrier.c - a barrier's way through one worker (PROTOCOL.md 4.1).
 *
 * Called by worker.c between batches. A barrier opens at a source when the supervisor says so,
 * elsewhere when the first upstream worker sends it; that one is then not read until all have sent
 * it or ended. Then: what is due only at barriers is written and sent, the state is written to the
 * files that the supervisor gave, the barrier goes on to every pair, and the supervisor is told.
 * State by key that is large is written by a forked child while the work goes on
 * (worker_snapshot.c). */
#include "worker.h"

#include <unistd.h>

#include "clock.h"
#include "sandbox.h"

static bool has_file(const struct mr_worker *worker, uint32_t stage)
{
	return worker->barrier.files[stage] >= 0;
}

static bool has_files(const struct mr_worker *worker)
{
	bool given = worker->barrier.files_number == worker->barrier.number;
	for (uint32_t i = 0; i < worker->chain.count; i++) {
		if (mr_stage_has_state(worker->chain.items[i].ops) &&
		    !(given && has_file(worker, i)))
			return false;
	}
	return true;
}

static void close_files(struct mr_barrier *barrier)
{
	for (uint32_t i = 0; i < MR_CHAIN_MAX; i++) {
		if (barrier->files[i] >= 0)
			close(barrier->files[i]);
		barrier->files[i] = -1;
	}
}

void mr_barrier_init(struct mr_barrier *barrier)
{
	*barrier = (struct mr_barrier){.child_fd = -1};
	for (uint32_t i = 0; i < MR_CHAIN_MAX; i++)
		barrier->files[i] = -1;
}

enum mr_err mr_barrier_settle(struct mr_worker *worker, struct mr_error *error)
{
	const struct mr_group *group = &worker->setup.topology.groups[worker->group];
	/* The allocator of a sanitizer may be locked by another thread at a fork, and is then so
	 * for good in the child. */
	worker->barrier.forks = mr_group_has_keyed_state(group) && !mr_sandbox_sanitized();
	return mr_config_int(&worker->setup.config, "health_timeout", &worker->barrier.patience_us,
			     error);
}

void mr_barrier_fini(struct mr_barrier *barrier)
{
	close_files(barrier);
	if (barrier->child_fd >= 0)
		close(barrier->child_fd);
	mr_marks_fini(&barrier->marks);
	mr_cut_report_fini(&barrier->report);
}

enum mr_err mr_worker_snapshot_file(struct mr_worker *worker, uint64_t number, uint64_t stage,
				    int fd, struct mr_error *error)
{
	struct mr_barrier *barrier = &worker->barrier;
	/* It and its barrier come two ways: either may be first. */
	if (stage >= worker->chain.count || fd < 0 || number < barrier->number ||
	    number <= barrier->report_number || number < barrier->files_number) {
		if (fd >= 0)
			close(fd);
		return mr_error_set(error, MR_PROTOCOL, "control: a snapshot file that is none");
	}
	/* Those of a checkpoint that was given up before it came here. */
	if (number > barrier->files_number)
		close_files(barrier);
	barrier->files_number = number;
	if (has_file(worker, (uint32_t)stage))
		close(barrier->files[stage]);
	barrier->files[stage] = fd;
	return MR_OK;
}

/* ---- opening ---- */

static void open_barrier(struct mr_barrier *barrier, uint64_t number)
{
	barrier->number = number;
	barrier->step = MR_BARRIER_ALIGN;
	mr_marks_fini(&barrier->marks);
}

/* From here on all that is done is done for the checkpoint. */
static void begin_release(struct mr_barrier *barrier)
{
	barrier->step = MR_BARRIER_RELEASE;
	barrier->cpu_ns = mr_clock_cpu_ns();
}

enum mr_err mr_worker_barrier_begin(struct mr_worker *worker, uint64_t number,
				    struct mr_error *error)
{
	struct mr_barrier *barrier = &worker->barrier;
	if (!mr_chain_is_source(&worker->chain) || number <= barrier->number ||
	    barrier->step != MR_BARRIER_NONE)
		return mr_error_set(error, MR_PROTOCOL, "control: a barrier out of its turn");
	open_barrier(barrier, number);
	begin_release(barrier);
	return MR_OK;
}

static enum mr_err merge_marks(struct mr_barrier *barrier, const struct mr_upstream *up,
			       struct mr_slice body, struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(body);
	struct mr_marks marks;
	mr_marks_decode(&in, &marks);
	bool whole = mr_unpack_done(&in);
	if (whole)
		mr_marks_merge(&barrier->marks, &marks);
	mr_marks_fini(&marks);
	return whole ? MR_OK
		     : mr_error_set(error, MR_PROTOCOL,
				    "link from worker %u: a barrier whose marks do not decode",
				    up->sender);
}

void mr_worker_barrier_align(struct mr_worker *worker)
{
	struct mr_barrier *barrier = &worker->barrier;
	if (barrier->step != MR_BARRIER_ALIGN)
		return;
	for (uint32_t i = 0; i < worker->upstream_count; i++) {
		if (!worker->upstream[i].ended && worker->upstream[i].barrier != barrier->number)
			return;
	}
	begin_release(barrier);
}

enum mr_err mr_worker_barrier_came(struct mr_worker *worker, struct mr_upstream *up,
				   uint64_t number, struct mr_slice body, struct mr_error *error)
{
	struct mr_barrier *barrier = &worker->barrier;
	bool opens = barrier->step == MR_BARRIER_NONE && number > barrier->number;
	if (worker->env.finite)
		return mr_error_set(error, MR_PROTOCOL,
				    "link from worker %u: a barrier; this pipeline takes no "
				    "checkpoints",
				    up->sender);
	if (!opens && (barrier->step != MR_BARRIER_ALIGN || number != barrier->number))
		return mr_error_set(error, MR_PROTOCOL,
				    "link from worker %u: barrier %llu out of its turn; the last "
				    "one was %llu",
				    up->sender, (unsigned long long)number,
				    (unsigned long long)barrier->number);
	if (opens)
		open_barrier(barrier, number);
	up->barrier = number;
	enum mr_err err = merge_marks(barrier, up, body, error);
	if (err == MR_OK)
		mr_worker_barrier_align(worker);
	return err;
}

/* ---- the cut ---- */

static void say_part(void *context, struct mr_slice part)
{
	struct mr_worker *worker = context;
	mr_worker_say(worker, MR_CONTROL_BOOKS, worker->barrier.number, 0, part);
}

static void say_books(struct mr_worker *worker)
{
	mr_books_encode(&worker->books, MR_CONTROL_BYTES_MAX / 2, say_part, worker);
	mr_books_clear(&worker->books);
}

/* The cut is here: what the counters say now is before it. */
static void cut(struct mr_worker *worker)
{
	struct mr_barrier *barrier = &worker->barrier;
	struct mr_cut_report *report = &barrier->report;
	report->counters = worker->counters;
	say_books(worker);
	mr_worker_report_tally(worker);
	mr_marks_merge(&report->marks, &worker->marks);
	report->owed = worker->owed;
	report->untold = worker->untold;
	report->held = worker->held;
	report->waiting = worker->waiting;
	barrier->report_number = barrier->number;
	bool by_child = barrier->forks && mr_snapshot_start(worker);
	if (!by_child)
		mr_snapshot_write(worker, report, NULL);
	report->cpu_ns = mr_clock_cpu_ns() - barrier->cpu_ns + barrier->ending_ns;
	barrier->ending_ns = 0;
	close_files(barrier);
	barrier->step = MR_BARRIER_PASS;
	if (!by_child)
		mr_snapshot_report(worker);
}

/* ---- passing on ---- */

static enum mr_err pass_to(struct mr_worker *worker, struct mr_downstream *peer,
			   struct mr_error *error)
{
	const struct mr_barrier *barrier = &worker->barrier;
	if (peer->barrier == barrier->number)
		return MR_OK;
	struct mr_batch_header header = {.kind = MR_BATCH_BARRIER, .barrier = barrier->number};
	struct mr_buf body = {0};
	mr_marks_encode(&worker->marks, &body);
	enum mr_err err = mr_link_send(peer->tx, &header, &body, error);
	mr_buf_fini(&body);
	if (err == MR_OK)
		peer->barrier = barrier->number;
	return err;
}

/* MR_AGAIN where a pair is full. */
static enum mr_err pass_on(struct mr_worker *worker, struct mr_error *error)
{
	bool all = true;
	for (uint32_t i = 0; i < worker->outlet_count; i++) {
		for (uint32_t p = 0; p < worker->outlets[i].peer_count; p++) {
			enum mr_err err = pass_to(worker, &worker->outlets[i].peers[p], error);
			if (err != MR_OK && err != MR_AGAIN)
				return err;
			all &= err == MR_OK;
		}
	}
	return all ? MR_OK : MR_AGAIN;
}

/* ---- the way through ---- */

static enum mr_err release(struct mr_worker *worker, struct mr_error *error)
{
	struct mr_barrier *barrier = &worker->barrier;
	mr_marks_merge(&worker->marks, &barrier->marks);
	mr_marks_fini(&barrier->marks);
	mr_marks_advance(&worker->marks);
	int64_t watermark_us =
	    worker->marks.has_watermark ? worker->marks.watermark_us : MR_NO_TIME;
	enum mr_err err = mr_chain_barrier(&worker->chain, watermark_us, error);
	if (err == MR_OK)
		barrier->step = MR_BARRIER_FLUSH;
	return err;
}

void mr_worker_time_barrier(struct mr_worker *worker)
{
	bool at = mr_worker_at_barrier(worker);
	int64_t now_us = at || worker->barrier_us != 0 ? mr_clock_us() : 0;
	if (at && worker->barrier_us == 0) {
		worker->barrier_us = now_us;
	} else if (!at && worker->barrier_us != 0) {
		mr_histogram_add(&worker->latencies.at[MR_L_BARRIER], now_us - worker->barrier_us);
		worker->barrier_us = 0;
	}
}

enum mr_err mr_worker_barrier(struct mr_worker *worker, struct mr_error *error)
{
	struct mr_barrier *barrier = &worker->barrier;
	enum mr_err err;
	switch (barrier->step) {
	case MR_BARRIER_RELEASE:
		return release(worker, error);
	case MR_BARRIER_FLUSH:
		if (!mr_worker_is_sent(worker))
			return MR_FULL;
		/* One snapshot at a time; and the files may be a word behind the barrier. */
		if (barrier->child_fd >= 0 || !has_files(worker))
			return MR_AGAIN;
		cut(worker);
		return MR_OK;
	case MR_BARRIER_PASS:
		err = pass_on(worker, error);
		if (err == MR_OK)
			barrier->step = MR_BARRIER_NONE;
		return err;
	case MR_BARRIER_NONE:
	case MR_BARRIER_ALIGN:
		break;
	}
	return MR_OK;
}
