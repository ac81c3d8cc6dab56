/* checkpoint.h - takes checkpoints of a running pipeline (PROTOCOL.md 4).
 *
 * Owned by service.c; told by supervisor_words.c what workers report. One at a time: begin, the
 * reports of all workers, then the commitment at once, or none where a worker could not write. */
#ifndef MILLRACE_PIPELINE_CHECKPOINT_H
#define MILLRACE_PIPELINE_CHECKPOINT_H

#include "bookkeeper.h"
#include "cut_report.h"
#include "state_dir.h"

struct mr_supervisor;
struct mr_service;

struct mr_checkpoint {
	const struct mr_state_dir *dir;
	struct mr_bookkeeper *keeper; /* borrowed */
	struct mr_manifest last;      /* that a start would go on from; empty before the first */
	bool renamed;                 /* the disk has it under its old name */
	uint64_t before;              /* number of the one before it */
	uint64_t number;              /* of the one under way, or the last begun */
	bool under_way;
	uint32_t missing; /* workers that have not reported */
	bool *reported;   /* by worker */
	bool put;         /* its manifest was written, or was to be */
	struct mr_manifest next;
	char failure[512];      /* of the one under way */
	char last_failure[512]; /* of the last that failed */
	int64_t begun_us;
	int64_t due_us;
	int64_t interval_us; /* the setting */
	uint32_t failures;   /* one after the other */
	uint64_t failed;     /* all of them */
	int64_t took_us;     /* from the last one's barrier to its commitment; 0 before the first */
	uint64_t cost_ns;    /* CPU of the last one, of workers and here */
	uint32_t here;       /* committed since the incarnation began */
	uint64_t lines;      /* of outputs, that this incarnation had made at the last */
	uint64_t lines_next; /* and at the one under way */
	uint64_t owed;       /* lines of outputs that were not made again, at the last */
	uint64_t owed_next;  /* and at the one under way */
	uint64_t held;       /* bytes that correlations remembered at the last */
	uint64_t held_next;  /* and at the one under way */
	uint64_t waiting;    /* likewise, slots that wait for a source (cut_report.h) */
	uint64_t waiting_next;
	bool untold;      /* at the last, some alerts waited for its commitment to be written */
	bool untold_next; /* and at the one under way */
	struct mr_counters seen; /* of all workers, when it began */
};

/* What a worker writes for stage `stage` of its chain. Borrows the names, which nobody changes. */
struct mr_manifest_file mr_checkpoint_file(const struct mr_supervisor *supervisor, uint32_t worker,
					   uint32_t stage);

/* `dir` and `keeper` are borrowed. Takes over the manifest that was recovered. */
void mr_checkpoint_init(struct mr_checkpoint *checkpoint, const struct mr_state_dir *dir,
			struct mr_bookkeeper *keeper, struct mr_manifest *recovered,
			int64_t interval_us);
void mr_checkpoint_fini(struct mr_checkpoint *checkpoint);
/* From here on another one is the last: it was recovered, too. Takes it over. */
void mr_checkpoint_return(struct mr_checkpoint *checkpoint, struct mr_manifest *recovered);
/* What was under way is given up: its workers are dead. */
void mr_checkpoint_abandon(struct mr_checkpoint *checkpoint);

/* The last checkpoint names its generation anew, here alone until that is kept. */
void mr_checkpoint_rename(struct mr_checkpoint *checkpoint, const struct mr_service *service);
/* On the disk, too, before anything is read behind it. After an error the disk has the old name. */
enum mr_err mr_checkpoint_keep_name(struct mr_checkpoint *checkpoint, struct mr_error *error);

/* The next one is wanted sooner: so long after the last, or after what that costs, but not before
 * now. */
void mr_checkpoint_hurry(struct mr_checkpoint *checkpoint, int64_t now_us, int64_t interval_us);

/* While nothing has been counted since the last one began, and nothing waits for a barrier,
 * the next would say the same: when it is due, it is put off by an interval, up to ten of them in
 * all. */
void mr_checkpoint_put_off(struct mr_checkpoint *checkpoint, const struct mr_supervisor *supervisor,
			   int64_t now_us);

/* Lines of outputs among these counts. */
uint64_t mr_checkpoint_lines(const struct mr_counters *counters);
/* Gives every worker the files for its state and has the sources begin the barrier. A disk that is
 * full is no error of the call: the checkpoint then fails, and the next is due. */
void mr_checkpoint_begin(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor);
/* A part of what a worker has for the ledger at barrier `number`. MR_PROTOCOL where it is not its
 * turn, or has more to say than there can be. */
enum mr_err mr_checkpoint_books(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor,
				uint32_t worker, uint64_t number, struct mr_slice part,
				struct mr_error *error);
/* What one worker reports. With the last report the checkpoint is committed or given up.
 * MR_PROTOCOL where the worker has no report to make. */
enum mr_err mr_checkpoint_snapped(struct mr_checkpoint *checkpoint,
				  struct mr_supervisor *supervisor, uint32_t worker,
				  uint64_t number, struct mr_slice bytes, struct mr_error *error);

#endif
