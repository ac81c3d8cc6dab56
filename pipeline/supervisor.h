/* supervisor.h - one run of the pipeline: prepares the stages, starts the workers, wires them,
 * watches them, collects their counts, and leaves nothing behind.
 *
 * Order: init, add settings and tables, prepare, set the topology, run, fini. */
#ifndef MILLRACE_SUPERVISOR_H
#define MILLRACE_SUPERVISOR_H

#include <signal.h>
#include <sys/types.h>

#include "control.h"
#include "file_numbers.h"
#include "millrace/rule.h"
#include "millrace/tally.h"
#include "progress.h"
#include "rundir.h"
#include "setup.h"
#include "suspects.h"
#include "tables.h"
#include "warnings.h"
#include "watched.h"

struct mr_supervised {
	pid_t pid; /* 0 once it was reaped */
	pid_t reaped;
	int status;
	struct mr_control control;
	struct mr_counters counters;
	uint64_t stage_cpu_ns[MR_CHAIN_MAX]; /* by the place in the group's chain */
	bool bound;
	bool ready;
	bool done;
	bool failed;                     /* it said what at */
	bool drained;                    /* a source that reads no more */
	bool ended;                      /* and never will */
	bool owes_file;                  /* its word that it has the file that is registered */
	uint32_t expected;               /* files that it said it will add, and has not */
	size_t expected_bytes;           /* of their names */
	bool fell;                       /* before anybody of ours killed it */
	bool hung;                       /* and somebody of ours did, since it did not answer */
	volatile struct mr_inhand *page; /* what it has, or had, in hand */
	char name[MR_WORKER_NAME];
	struct mr_watched watched;
};

/* A file that a worker registers, until all readers have it. */
struct mr_registration {
	bool open;
	uint32_t worker; /* who asked */
	uint32_t number;
	uint32_t missing; /* readers that have not acknowledged it */
};

struct mr_supervisor {
	struct mr_setup setup; /* config, finite and, after prepare, topology are the caller's */
	struct mr_tables *tables;
	struct mr_progress progress;
	struct mr_service *service; /* NULL: the work is done once (scan), or another host leads */
	struct mr_health *health;   /* NULL: nobody watches it */
	struct mr_hosts *hosts;     /* NULL: there is one */
	/* Private. */
	struct mr_warnings warnings;
	struct mr_rundir rundir;
	struct mr_supervised *workers;
	uint32_t worker_count;
	struct mr_registration registration;
	struct mr_file_numbers numbers;
	int signals; /* signalfd */
	int64_t start_us;
	struct mr_tables *restored; /* a service's state of the last checkpoint */
	bool started;               /* all workers are ready */
	bool ending;                /* one is done */
	bool over;                  /* all are, or were killed */
	/* What came of it. */
	struct mr_catalog catalog; /* from prepare on */
	struct mr_counters sums;
	struct mr_tally tally;
	double wall_seconds;
	double cpu_seconds;    /* of all processes, user and system */
	uint64_t memory_bytes; /* of all processes and their tables, a moment ago */
	uint64_t peak_memory_bytes;
	int interrupted; /* the signal that ended it, or 0 */
};

void mr_supervisor_init(struct mr_supervisor *supervisor);
/* Lets each stage check its files and build what workers share. */
enum mr_err mr_supervisor_prepare(struct mr_supervisor *supervisor, struct mr_error *error);
/* What was prepared is forgotten, and may be prepared again. No worker runs. */
void mr_supervisor_unprepare(struct mr_supervisor *supervisor);
/* Blocks until the work is done or has failed; then no worker, socket or temporary file is left.
 * Usage errors (mr_err_class) come before any worker starts. */
enum mr_err mr_supervisor_run(struct mr_supervisor *supervisor, struct mr_error *error);
/* Of a command whose run ended so, or never began: as DESIGN.md 9, and 128 and the number of a
 * signal that ended it. */
int mr_supervisor_exit_status(const struct mr_supervisor *supervisor, enum mr_err err);
/* From the start of a service on, also between incarnations: signals are heard when there is
 * something to end or to reload. */
void mr_supervisor_hold_signals(void);
/* Between two incarnations: all but settings, tables and the numbers of files is forgotten. */
void mr_supervisor_reset(struct mr_supervisor *supervisor);
void mr_supervisor_fini(struct mr_supervisor *supervisor);

/* Whether nothing comes before it. */
bool mr_supervisor_is_source(const struct mr_supervisor *supervisor, uint32_t worker);
/* Whether nothing comes behind it: it writes to the world. */
bool mr_supervisor_is_sink(const struct mr_supervisor *supervisor, uint32_t worker);
void mr_supervisor_tell_all(struct mr_supervisor *supervisor, enum mr_control_kind kind,
			    uint64_t number);
void mr_supervisor_tell_sources(struct mr_supervisor *supervisor, enum mr_control_kind kind,
				uint64_t number);

/* A signal has come. */
enum mr_err mr_supervisor_interrupted(struct mr_supervisor *supervisor, struct mr_error *error);

/* ---- supervisor_limits.c ---- */

/* Before all else: whether a process may have the memory that it takes to begin. MR_NO_SPACE. */
enum mr_err mr_supervisor_memory(struct mr_error *error);
/* Adds to the words on a death that memory is limited, where it is. */
enum mr_err mr_supervisor_blame_memory(struct mr_error *error);
enum mr_err mr_supervisor_limits(struct mr_supervisor *supervisor, struct mr_error *error);

/* ---- supervisor_blame.c ---- */

/* What a worker that was reaped died of, in words: MR_PEER_LOST. */
enum mr_err mr_supervisor_blame(const struct mr_supervisor *supervisor,
				const struct mr_supervised *worker, struct mr_error *error);
/* After a run that failed: the deaths of its workers, by what they had in hand. True where a record
 * was set aside. */
bool mr_supervisor_inquest(const struct mr_supervisor *supervisor, struct mr_suspects *suspects);

/* ---- supervisor_start.c ---- */

/* Lets each stage prepare, those that read from the world or write to it only where they are
 * wanted. */
enum mr_err mr_supervisor_prepare_stages(const struct mr_prepare *prepare, bool sources, bool sinks,
					 struct mr_error *error);
/* Whether a table of this name is made on the host alone that leads. */
bool mr_supervisor_table_is_leaders(const char *name);
enum mr_err mr_supervisor_spawn(struct mr_supervisor *supervisor, struct mr_error *error);

/* ---- supervisor_words.c ---- */

/* Act on all that a worker has said. MR_OK, or why the run ends. */
enum mr_err mr_supervisor_listen(struct mr_supervisor *supervisor, uint32_t worker,
				 struct mr_error *error);
void mr_supervisor_tell(struct mr_supervisor *supervisor, uint32_t worker,
			enum mr_control_kind kind, uint64_t number, uint64_t other);
/* What it failed with, behind its name: once, where the words begin with it, being a stage's. */
enum mr_err mr_supervisor_quote(const struct mr_supervised *from, enum mr_err code,
				struct mr_slice words, struct mr_error *error);
/* Words that a worker and a gate say alike: a line, counters, a failure. */
enum mr_err mr_supervisor_common_word(struct mr_supervisor *supervisor, struct mr_supervised *from,
				      const struct mr_control_message *message,
				      struct mr_error *error);
/* Of all workers, and of the gate where there are hosts. */
struct mr_counters mr_supervisor_sum(const struct mr_supervisor *supervisor);
void mr_supervisor_sample(struct mr_supervisor *supervisor);
/* All are ready: to a person, or in the log of a service. */
void mr_supervisor_show_workers(struct mr_supervisor *supervisor);
/* Show a warning, of `who` or, where that is NULL, of this process, within the bound of its kind.
 */
void mr_supervisor_warn(struct mr_supervisor *supervisor, const char *who, uint64_t kind,
			struct mr_slice line);

/* ---- supervisor_tally.c ---- */

enum mr_err mr_supervisor_tally(struct mr_supervisor *supervisor, uint32_t from,
				const struct mr_control_message *message, struct mr_error *error);
/* Warns, once, of each correlation whose matches all lacked what it groups or counts by; of a
 * service once there are some, since one more may have it. */
void mr_supervisor_tell_deaf(struct mr_supervisor *supervisor);

#endif
