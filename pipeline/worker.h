/* worker.h - one worker process: its entry, and what its files share.
 *
 * worker.c owns the loop and the clock, worker_links.c what comes in and goes out,
 * worker_barrier.c the way of a barrier, worker_snapshot.c what is written at it, worker_control.c
 * the setup and the words to and from the supervisor. */
#ifndef MILLRACE_WORKER_H
#define MILLRACE_WORKER_H

#include <sys/types.h>

#include "millrace/link.h"

#include "chain.h"
#include "chain_state.h"
#include "control.h"
#include "cut_report.h"
#include "files.h"
#include "millrace/histogram.h"
#include "retell.h"
#include "setup.h"
#include "tables.h"
#include "waits.h"

/* The descriptor that the supervisor leaves its end of the control socket in. */
#define MR_WORKER_CONTROL_FD 3
/* And a service's lock (state_dir.h), to hold it. */
#define MR_WORKER_LOCK_FD 4

/* `millrace worker PARENT`: what a fresh exec of the program does. Returns the exit status. */
int mr_worker_main(int argc, char **argv);

/* Of a process that a supervisor starts: whether one did. It is then bound to its life, and leaves
 * signals to it. Else a person is told. */
bool mr_worker_is_child(int argc, char **argv);

/* What of one lane of the writer is on its way out. */
struct mr_parcel {
	bool waits; /* a batch that could not be sent yet */
	struct mr_batch_header header;
	struct mr_buf body;
	int64_t since_us; /* when the oldest item still with the writer was written; 0 is none */
};

struct mr_upstream {
	struct mr_link_rx *rx;
	uint32_t edge;
	uint32_t sender;
	uint64_t barrier; /* the last one that it sent */
	bool ended;
	bool quiet; /* it said "again", and no news of it is known: it is not asked */
};

struct mr_downstream {
	struct mr_link_tx *tx;
	uint32_t receiver;
	uint64_t barrier; /* the last one that it was sent */
	bool end_sent;
	bool end_acked;
	struct mr_parcel held; /* keyed edges */
};

/* One outgoing edge. */
struct mr_outlet {
	uint32_t edge;
	bool leaves; /* this host: records go inline */
	struct mr_downstream *peers;
	uint32_t peer_count;
	uint32_t turn;         /* spread: whose turn it is */
	struct mr_parcel held; /* spread edges */
};

enum mr_barrier_step {
	MR_BARRIER_NONE,
	MR_BARRIER_ALIGN,   /* some upstream workers have sent it */
	MR_BARRIER_RELEASE, /* the stages do what is due at a barrier */
	MR_BARRIER_FLUSH,   /* what they wrote is sent; then the state is cut */
	MR_BARRIER_PASS     /* it goes on to every pair */
};

/* The barrier in hand, and the snapshot that a child may still be writing. */
struct mr_barrier {
	enum mr_barrier_step step;
	bool forks;            /* a child writes the state where it is large */
	int64_t patience_us;   /* health_timeout */
	uint64_t number;       /* of the one in hand, or of the last */
	struct mr_marks marks; /* what upstream workers sent with it */
	uint64_t cpu_ns;       /* this thread's when all had sent it */
	uint64_t files_number; /* whose files these are */
	int files[MR_CHAIN_MAX];
	uint64_t report_number;      /* of the last that was cut */
	struct mr_cut_report report; /* of what the child writes */
	pid_t child;                 /* the last one, until it is reaped before the next */
	uint64_t child_ns;           /* of CPU, as it said */
	uint64_t ending_ns;          /* that the last one took after it had said so */
	int child_fd;                /* until it has ended; -1: there is none */
	bool child_heard;            /* it has said all, and is still to end */
	bool child_left;             /* it was stopped, and is waited for no more */
	uint64_t faults;             /* of pages, when it was forked */
	int64_t stopped_us;          /* since when the child stands still; 0: it goes on */
};

struct mr_worker {
	struct mr_control control;
	uint32_t number;
	uint32_t group;
	struct mr_setup setup;
	struct mr_tables *tables;
	struct mr_files *files;
	struct mr_counters counters;
	struct mr_counters reported;
	struct mr_books books; /* since the last barrier; kept in a service */
	struct mr_tally tally;
	struct mr_latencies latencies;
	uint64_t latencies_told[MR_L_COUNT]; /* how many had been added */
	int64_t barrier_us;                  /* since when a barrier has it; 0 is none */
	uint64_t lines_dropped;              /* log lines that the control socket could not take */
	int64_t alive_us;                    /* when it last said so from within a step */
	int64_t heard_us;                    /* when it last listened, or could have */
	bool warnings_dropped;               /* one of them was a warning or an error */

	/* What the supervisor has said. */
	bool has_setup;
	bool may_connect;
	bool may_start;
	bool draining; /* a source: read no more */
	bool may_finish;
	uint64_t committed; /* this checkpoint is, and the stages do not know yet; 0: none */
	bool has_file_answer;
	struct mr_error unread;       /* of a region that was to be sent */
	struct mr_error file_refused; /* the answer, where it is no number */
	uint32_t file_number;

	void *context; /* ZeroMQ's */
	struct mr_upstream *upstream;
	uint32_t upstream_count;
	uint32_t upstream_turn;
	struct mr_outlet *outlets; /* outlets[i] sends writer.outputs[i] */
	uint32_t outlet_count;
	struct mr_writer writer;
	struct mr_stage_env env;
	unsigned needs; /* enum mr_need, of its chain */
	struct mr_watch watch;
	struct mr_chain chain;
	struct mr_retell retell; /* where mr_retell_is_for says so */
	struct mr_waits waits;
	struct mr_now now;
	struct mr_marks marks;
	uint64_t owed;
	uint64_t untold;
	uint64_t held, waiting;
	struct mr_barrier barrier;
	struct pollfd *fds; /* room for whatever is waited for at once */
	uint32_t fds_capacity;
	bool drained;         /* a source: nothing will come, and the supervisor knows */
	bool ended;           /* and never will */
	bool waits_news;      /* a descriptor that a stage waits for has news */
	struct mr_buf region; /* the region in hand, read from its file */
};

/* ---- worker_control.c ---- */

/* Handle all that the supervisor has sent. MR_PEER_LOST where it is gone. */
enum mr_err mr_worker_listen(struct mr_worker *worker, struct mr_error *error);
/* Wait up to `timeout_ms` (-1: for ever) for a word or for one of these; a word is listened to. */
struct pollfd;
enum mr_err mr_worker_wait(struct mr_worker *worker, struct pollfd *fds, uint32_t count,
			   int timeout_ms, struct mr_error *error);
void mr_worker_say(struct mr_worker *worker, enum mr_control_kind kind, uint64_t number,
		   uint64_t other, struct mr_slice bytes);
void mr_worker_report(struct mr_worker *worker, bool last);
/* What is new in the tally: at a barrier, and when the work is done. */
void mr_worker_report_tally(struct mr_worker *worker);
/* mr_log lines and mr_files_add go to the supervisor from here on. */
void mr_worker_attach(struct mr_worker *worker);
/* mr_alive goes there, too; not in a scan, where nobody asks. Once the setup is there. */
void mr_worker_say_alive(struct mr_worker *worker);

/* ---- worker_restore.c ---- */

/* What the last checkpoint holds for this worker, if there is one: the marks before its stages are
 * open, their state after. MR_BAD_INPUT names the stage. */
enum mr_err mr_worker_restore_marks(struct mr_worker *worker, struct mr_error *error);
enum mr_err mr_worker_restore(struct mr_worker *worker, struct mr_error *error);

/* ---- worker_barrier.c ---- */

void mr_barrier_init(struct mr_barrier *barrier);
/* By the setup, once that is there. */
enum mr_err mr_barrier_settle(struct mr_worker *worker, struct mr_error *error);
void mr_barrier_fini(struct mr_barrier *barrier);
/* The supervisor's words. The descriptor is taken. MR_PROTOCOL. */
enum mr_err mr_worker_snapshot_file(struct mr_worker *worker, uint64_t number, uint64_t stage,
				    int fd, struct mr_error *error);
enum mr_err mr_worker_barrier_begin(struct mr_worker *worker, uint64_t number,
				    struct mr_error *error);
/* An upstream worker has sent it, or has ended: whether now all have. MR_PROTOCOL. */
enum mr_err mr_worker_barrier_came(struct mr_worker *worker, struct mr_upstream *up,
				   uint64_t number, struct mr_slice body, struct mr_error *error);
void mr_worker_barrier_align(struct mr_worker *worker);
/* One step of the way, while the chain is idle and the step is RELEASE or later. MR_FULL: the
 * outputs must be sent first; MR_AGAIN: a word, or a pair, is waited for. */
enum mr_err mr_worker_barrier(struct mr_worker *worker, struct mr_error *error);
/* Whether the barrier has the worker: no batch may be taken. */
static inline bool mr_worker_at_barrier(const struct mr_worker *worker)
{
	return worker->barrier.step >= MR_BARRIER_RELEASE;
}
/* Whether a source wants no news yet. */
static inline bool mr_worker_rests(const struct mr_worker *worker, int64_t now_us)
{
	return now_us < worker->waits.rest_us;
}
/* Called in each round: times how long a barrier has it. */
void mr_worker_time_barrier(struct mr_worker *worker);

/* ---- worker_snapshot.c ---- */

/* All stages' state to their files; what failed is in the report. */
void mr_snapshot_write(struct mr_worker *worker, struct mr_cut_report *report,
		       const struct mr_snapshot_watch *watch);
/* Of state that is smaller a child costs more, in time and in the pause, than to write it. */
#define MR_SNAPSHOT_FORK_BYTES (UINT64_C(2) << 20)
/* A child does it, and this process goes on at once. False: there is none, for so little. */
bool mr_snapshot_start(struct mr_worker *worker);
/* Before the state is given up: until the child that has written it is gone, or for a few seconds.
 * What it still has of the state would be copied, page by page, as each is freed. */
void mr_snapshot_await(struct mr_worker *worker);
/* The report goes to the supervisor. */
void mr_snapshot_report(struct mr_worker *worker);
/* Tells the supervisor of a snapshot that a child has written. One that hung is ended by its own
 * timer. One that somebody stopped for longer than `health_timeout` is left to itself; until it has
 * ended this process writes its state by itself. */
void mr_worker_barrier_reap(struct mr_worker *worker);
/* Of a `struct mr_barrier`: what this process has copied since its child was forked; 0 without one.
 */
uint64_t mr_snapshot_copied(const void *barrier);

/* ---- worker_lock.c ---- */

/* Before ZeroMQ's threads: what the chain needs, and Landlock's fence around it. */
enum mr_err mr_worker_fence(struct mr_worker *worker, struct mr_error *error);
enum mr_err mr_worker_lock(struct mr_worker *worker, struct mr_error *error);
/* The page of the record in hand, and which records are set aside. */
enum mr_err mr_worker_watch(struct mr_worker *worker, struct mr_error *error);
void mr_worker_unwatch(struct mr_worker *worker);

/* ---- worker_limits.c ---- */

/* Descriptors that one of this group needs, with so many tables, before any of records' files. */
uint64_t mr_worker_descriptors(const struct mr_setup *setup, uint32_t group, size_t tables);
/* What settings, tables and links may make this one take, each several times over, so that no
 * honest worker meets it. */
uint64_t mr_worker_memory(const struct mr_worker *worker);
/* Files that it may have open at once; 0: as many as the system gives, for it opens them itself. */
uint64_t mr_worker_files(const struct mr_worker *worker);

/* ---- worker_links.c ---- */

enum mr_err mr_worker_bind(struct mr_worker *worker, struct mr_error *error);
enum mr_err mr_worker_connect(struct mr_worker *worker, struct mr_error *error);
/* MR_OK once each pair has met; MR_AGAIN, MR_PEER_LOST, MR_PROTOCOL. */
enum mr_err mr_worker_met(struct mr_worker *worker, struct mr_error *error);
/* Give the next batch there is to the chain. MR_AGAIN where there is none, MR_END where all
 * upstream workers have ended. Who said "again" is asked once there is news of it. */
enum mr_err mr_worker_receive(struct mr_worker *worker, struct mr_error *error);
/* Send what is full, and with `partial` what there is; `moved` tells whether anything went. */
enum mr_err mr_worker_send(struct mr_worker *worker, bool partial, int64_t now_us, bool *moved,
			   struct mr_error *error);
/* How many batches wait to be sent. */
uint64_t mr_worker_waiting(const struct mr_worker *worker);
/* Whether nothing waits to be sent. */
bool mr_worker_is_sent(const struct mr_worker *worker);
/* Send `end` where it was not sent yet. MR_OK once all have acknowledged it. */
enum mr_err mr_worker_end(struct mr_worker *worker, struct mr_error *error);
/* The descriptors to wait for; `input` says whether batches are wanted. Room for mr_worker_links.
 */
uint32_t mr_worker_poll_set(const struct mr_worker *worker, bool input, struct pollfd *out);
/* Whether its stages are called when there is news for them: not while their outputs are full, and
 * a source neither while a barrier has it nor once it reads no more. */
bool mr_worker_calls_stages(struct mr_worker *worker);
/* The descriptors of the stages to wait for: none whose news nobody would hear now, or it would
 * wake the worker without end. Room for those of `waits`. */
uint32_t mr_worker_poll_stages(struct mr_worker *worker, int64_t now_us, struct pollfd *out);
/* These of them, as poll left them: who has news is read again, and who was not looked at. */
void mr_worker_poll_news(struct mr_worker *worker, const struct pollfd *fds, uint32_t count);
/* All are read again, whether or not they have news. */
void mr_worker_ask_all(struct mr_worker *worker);
uint32_t mr_worker_links(const struct mr_worker *worker);
void mr_worker_unlink(struct mr_worker *worker);

#endif
