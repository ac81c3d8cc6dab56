/* stage.h - what a stage provides, and what the pipeline promises it.
 *
 * One process, one thread. pipeline/worker.c owns the loop, the links and the clock; a stage owns
 * no socket and reads no clock. In the supervisor, once for a run and before any worker starts:
 * prepare_begin of all stages, prepare of all, prepare_end of all; what began runs beside the rest,
 * and no thread is left behind. In a worker: open, restore?, then process / apply / poll /
 * tick in any order, never nested, at a barrier barrier, then snapshot for each key group and
 * snapshot_named, later committed, finish once when all upstream workers have ended, close last. */
#ifndef MILLRACE_STAGE_H
#define MILLRACE_STAGE_H

#include "millrace/batch.h"
#include "millrace/checkpoint.h"
#include "millrace/config.h"
#include "millrace/cost.h"
#include "millrace/figures.h"
#include "millrace/file.h"
#include "millrace/histogram.h"
#include "millrace/log.h"
#include "millrace/metric.h"
#include "millrace/need.h"
#include "millrace/tally.h"
#include "millrace/watermark.h"

/* ---- what the supervisor gives to prepare ---- */

/* Tables are blobs that all workers share: a sealed memfd or a file, named "stage.what". */
struct mr_tables;
/* Takes the descriptor. Names are unique. */
void mr_tables_add(struct mr_tables *tables, const char *name, int fd, size_t size_bytes);
/* Likewise a sealed memfd of whose bytes the XXH3 is known: a table is some hundred MB, and cheaply
 * hashed only while it is copied. */
void mr_tables_add_hashed(struct mr_tables *tables, const char *name, int fd, size_t size_bytes,
			  uint64_t hash);
/* A sealed memfd with these bytes, added under the name. */
enum mr_err mr_tables_add_bytes(struct mr_tables *tables, const char *name, struct mr_slice bytes,
				struct mr_error *error);
/* Borrowed descriptor and size; false where there is no such table. */
bool mr_tables_find(const struct mr_tables *tables, const char *name, int *fd_out,
		    size_t *size_bytes_out);
/* The table mapped read-only and shared, until the process ends. MR_NOT_FOUND, MR_IO. */
enum mr_err mr_tables_map(const struct mr_tables *tables, const char *name,
			  struct mr_slice *bytes_out, struct mr_error *error);

/* Whether a table is what its stage would make now. */
typedef bool mr_table_fits(void *context, struct mr_slice bytes);

struct mr_prepare {
	const struct mr_config *config; /* the run's settings: see setting.def */
	struct mr_fields *fields;       /* add what the stage reads or writes */
	struct mr_tables *tables;
	/* The table of that name that an earlier run of this very program made and kept, where one
	 * fits: a sealed memfd, the caller's, and the XXH3 of its bytes. In any thread. NULL: none
	 * was kept. */
	bool (*recall)(const struct mr_config *config, const char *name, mr_table_fits *fits,
		       void *context, int *fd_out, size_t *size_bytes_out, uint64_t *hash_out);
};

/* ---- what a worker gives to open ---- */

/* As of the worker's last step: kept fresh while the stage runs. */
struct mr_now {
	int64_t wall_us;   /* the time of day, which people set forward and back */
	int64_t steady_us; /* from some beginning on: how long something lasts */
};

/* Descriptors whose news wakes the worker: poll (sources) or tick (all others) is then called. */
struct mr_waits;
/* Wait for these of POLLIN and POLLOUT; for none of them at 0. Borrows the descriptor, until it is
 * dropped. */
void mr_waits_set(struct mr_waits *waits, int fd, short events);
/* Before it is closed. One that is not there is no matter. */
void mr_waits_drop(struct mr_waits *waits, int fd);
/* A source: until then (as steady_us counts) poll is not called, whatever has news. */
void mr_waits_rest(struct mr_waits *waits, int64_t until_us);

struct mr_stage_env {
	const struct mr_config *config;
	const struct mr_fields *fields;
	const struct mr_tables *tables;
	struct mr_files *files;
	struct mr_counters *counters;
	struct mr_tally *tally;         /* where signals are made */
	struct mr_latencies *latencies; /* where alerts are handed over */
	uint8_t
	    seed[16];    /* the run's: key groups, and hash tables filled with an attacker's keys */
	uint32_t worker; /* which of the group */
	uint32_t workers; /* in the group */
	uint8_t layer;    /* correlate: which layer of correlations this group is */
	bool finite;      /* scan: the input ends, alerts of correlations are made at the end */
	bool ends;        /* at close: the process ends with it, and its memory goes by itself */
	int64_t start_us; /* when the run started: the arrival time of what scan reads */
	const struct mr_now *now;
	struct mr_waits *waits;
	/* Memory that a snapshot under way has cost so far, since this process writes to pages that
	 * it shares with the one that writes the snapshot; a system call. NULL: there are none. */
	uint64_t (*copied_bytes)(const void *copier);
	const void *copier;
	struct mr_marks *marks; /* collect: states of its sources; parse: times of events;
				   correlate: as the barrier brought them */
	uint64_t *owed;    /* a sink, at a barrier: lines that stand in its outputs since before a
			      restart, and were not made again yet; NULL: nobody asks */
	uint64_t *held;    /* correlate, at a barrier: bytes of its state; NULL: nobody asks */
	uint64_t *waiting; /* correlate, at a barrier: slots that would be judged if each source had
			      come as far as the foremost; NULL: nobody asks */
	uint64_t *untold;  /* correlate, at a barrier: alerts that wait for its commitment to be
			      written; NULL: nobody asks */
	/* detect: signals to correlations need not say all that an alert shows of a record, since
	 * it is told again. */
	bool retells;
	/* correlate, of a correlation's alert before it is written: packs into each piece of
	 * evidence what its record says besides what the signal said, as the tables of now have it;
	 * borrowed until the next alert. NULL: signals have said all. */
	void (*retell)(void *retell_context, struct mr_alert *alert);
	void *retell_context;
	struct mr_costs *costs; /* correlate: what each correlation costs; NULL: nobody asks */
	/* correlate, at the end of a finite run: what each slot that did not fire would say, no
	 * alert; borrowed for the call. NULL: nobody asks. */
	void (*missed)(void *context, const struct mr_alert *nearest);
	void *missed_context;
};

/* ---- reading ---- */

/* The items of one incoming batch, one after the other. A next function shows the current item and
 * gives false at the end (or where the batch holds another content); advance moves on. What an
 * item borrows lives until the batch is done. An item that does not decode ends the worker's
 * process call with MR_PROTOCOL, seen by the pipeline, never by the stage. */
struct mr_reader;
enum mr_content mr_reader_content(const struct mr_reader *in);
bool mr_reader_record(struct mr_reader *in, struct mr_record *out);
bool mr_reader_signal(struct mr_reader *in, struct mr_signal *out);
/* The current one and those behind it, as many as there are up to `most`, at most
 * MR_SIGNALS_AHEAD; 0 at the end. Each advance makes the next of them the current one; `out` is
 * borrowed until the last. */
#define MR_SIGNALS_AHEAD 16
uint32_t mr_reader_signals(struct mr_reader *in, struct mr_signal *out, uint32_t most);
bool mr_reader_alert(struct mr_reader *in, struct mr_alert *out);
bool mr_reader_reject(struct mr_reader *in, struct mr_reject *out);
/* In a fused chain: all events of the batch at once, borrowed, mutable. NULL otherwise. */
struct mr_events *mr_reader_events(struct mr_reader *in);
void mr_reader_advance(struct mr_reader *in);

/* ---- writing ---- */

/* Where results go. Ask ready before each item of input: where it says no, return MR_FULL with that
 * item unread and unapplied; once it said yes, everything that one item of input makes is taken. */
struct mr_writer;
bool mr_writer_ready(struct mr_writer *out);
/* Records that lie in a file that readers have (file.h); */
void mr_writer_region(struct mr_writer *out, const struct mr_region *region);
/* or one whose bytes travel with it, copied: at most MR_ITEM_RECORD_MAX, a longer one is for its
 * source to reject. In no order with regions. */
void mr_writer_record(struct mr_writer *out, const struct mr_record *record);
void mr_writer_signal(struct mr_writer *out, const struct mr_signal *signal);
void mr_writer_alert(struct mr_writer *out, const struct mr_alert *alert);
void mr_writer_reject(struct mr_writer *out, const struct mr_reject *reject);
/* Parse: where its events go. mr_events_push gives NULL where it is full; then return MR_FULL. */
struct mr_events *mr_writer_events(struct mr_writer *out);

/* ---- the stage ---- */

struct mr_option;
struct mr_command { /* a subcommand, e.g. "rules" */
	const char *name;
	const char *summary; /* one line for help */
	/* Exit status as DESIGN.md 9: 0 done, 1 the work failed, 2 the command or its files are
	 * wrong. argv[0] is the command's name. NULL: the command that it is part of does it. */
	int (*main)(int argc, char **argv);
	const struct mr_option *options;          /* option.h; NULL: only its commands have some */
	const struct mr_command *const *commands; /* its own, NULL behind the last; NULL: none */
};

struct mr_stage_ops {
	const char *name;      /* as in a topology file, e.g. "enrich" */
	size_t state_size;     /* the pipeline zeroes and owns `state` */
	enum mr_content reads; /* MR_CONTENT_NONE for a source */

	/* In the supervisor, once, before any stage's prepare: begin, in threads of the stage's
	 * own, what takes long and hangs on settings alone. They have config and recall, which do
	 * not change meanwhile; fields, tables and mr_log are not theirs. Cannot fail: what goes
	 * wrong is prepare_end's to say, which is given what this returns. Both may be NULL. */
	void *(*prepare_begin)(const struct mr_prepare *prepare);

	/* Then: check files, add fields, build tables. May block and take long. Warnings go to
	 * mr_log. May be NULL. */
	enum mr_err (*prepare)(const struct mr_prepare *prepare, struct mr_error *error);

	/* When all stages have prepared or one has failed, this one, too: wait for what was begun,
	 * add its tables, free `begun`. No thread is left, and no descriptor but in the tables. */
	enum mr_err (*prepare_end)(void *begun, const struct mr_prepare *prepare,
				   struct mr_error *error);

	/* In a worker, before open: what the stage still needs once the worker has locked itself
	 * in. NULL: nothing at all. */
	void (*needs)(const struct mr_config *config, const struct mr_tables *tables,
		      struct mr_needs *needs);

	/* In the supervisor: how many files each worker may have open of its own, besides inputs
	 * and those that records are referred to in. NULL: a few. */
	uint64_t (*descriptors)(const struct mr_config *config);

	/* Borrows `env` until close. After an error hold nothing: close is not called. */
	enum mr_err (*open)(void *state, const struct mr_stage_env *env, struct mr_error *error);

	/* Sources: read on and write what there is. MR_OK: call again; MR_FULL: the writer is not
	 * ready; MR_AGAIN: nothing to read now; MR_END: nothing will come any more, and it is not
	 * called again; barriers may still come. */
	enum mr_err (*poll)(void *state, struct mr_writer *out, struct mr_error *error);

	/* Consume `in` to its end (MR_OK), or stop where `out` is not ready (MR_FULL) and be called
	 * again with the rest. A bad item is data: mr_writer_reject it. Any other result ends the
	 * worker. */
	enum mr_err (*process)(void *state, struct mr_reader *in, struct mr_writer *out,
			       struct mr_error *error);

	/* Instead of process, for a stage that adds fields to events in place: to all of them, at
	 * most MR_EVENTS_TOGETHER. Once for each set of events. */
	enum mr_err (*apply)(void *state, struct mr_events *events, struct mr_error *error);

	/* For the stage that makes events: say which record it is (mr_event_identify). Once at most
	 * for an event, after apply and before complete. May be NULL. */
	void (*identify)(void *state, struct mr_events *events, struct mr_event *event);

	/* For a stage that makes events or adds to them: add the fields that it held back, since
	 * nobody asked for them (mr_event_complete). Once at most for an event, after apply and
	 * before the events are reset. May be NULL. */
	void (*complete)(void *state, struct mr_events *events, struct mr_event *event);

	/* About once a second of wall clock, barriers or none, and when a descriptor that it waits
	 * for has news. May be NULL. */
	enum mr_err (*tick)(void *state, int64_t now_us, struct mr_writer *out,
			    struct mr_error *error);

	/* All upstream workers have ended: write what was held back. A source of a service: the
	 * last checkpoint is made, and what is written would come too late; keep what cannot be
	 * asked for again. MR_FULL: call again. May be NULL. */
	enum mr_err (*finish)(void *state, struct mr_writer *out, struct mr_error *error);

	/* At a barrier, once it has come from all upstream workers and before the snapshot:
	 * `watermark_us` is W of PROTOCOL.md 6.6, INT64_MIN where there is none yet; it never goes
	 * back. What is due only at barriers is written, and state that no occurrence within the
	 * lateness can touch any more goes. A source writes what it has read and not handed on yet;
	 * a sink makes durable what it has. What is written goes ahead of the barrier. MR_FULL:
	 * call again, until MR_OK. May be NULL. */
	enum mr_err (*barrier)(void *state, int64_t watermark_us, struct mr_writer *out,
			       struct mr_error *error);

	/* The state of one key group, appended to `out`; and back. A stage without such state has
	 * neither. Restore survives any bytes (MR_BAD_INPUT) and is called for each group that the
	 * worker owns. */
	void (*snapshot)(void *state, uint8_t key_group, struct mr_buf *out);
	enum mr_err (*restore)(void *state, uint8_t key_group, struct mr_slice bytes,
			       struct mr_error *error);

	/* State that no key owns, a section for each name (mr_snapshot_named); and back. A source
	 * names its partitions, a sink itself: what has a position of its own. A name is owned by
	 * one worker of the group, by a rule that the stage alone knows, and its owner alone writes
	 * it. Restore survives any bytes and is called for every name that any worker wrote; the
	 * stage passes over those that this worker does not own. What cannot be gone on from is an
	 * error, which fails this checkpoint alone. A stage without such state has neither. */
	enum mr_err (*snapshot_named)(void *state, struct mr_buf *out, struct mr_error *error);
	enum mr_err (*restore_named)(void *state, struct mr_slice name, struct mr_slice bytes,
				     struct mr_error *error);

	/* The checkpoint of the last barrier is whole and durable: what was kept for a return to
	 * the one before may go, and a source may tell its origin how far it has come
	 * (PROTOCOL.md 4.4). May be NULL. */
	void (*committed)(void *state);

	/* A few times a second, at any time once it is open: the figures of each source or sink
	 * that this worker owns. May be NULL. */
	void (*show)(const void *state, mr_figures_taker take, void *context);

	void (*close)(void *state);
};

/* All stages, by name; NULL where there is none. The table is pipeline/stages.c. */
const struct mr_stage_ops *mr_stage_find(const char *name);
extern const struct mr_stage_ops *const mr_stages[]; /* ends in NULL */
/* All commands of the program, likewise. The table is pipeline/cmd_table.c. */
extern const struct mr_command *const mr_commands[];

#endif
