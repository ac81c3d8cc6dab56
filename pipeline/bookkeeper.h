/* bookkeeper.h - the supervisor's side of the ledger: gathers what workers say at a barrier, and
 * commits it with the checkpoint.
 *
 * Order: open; before each incarnation begin, which goes back to the checkpoint that it starts
 * from; then for each barrier take and count, whatever workers say, and commit, between the sync of
 * the state files and the rename of the manifest (PROTOCOL.md 4.4), settle once that is there;
 * close. A checkpoint that fails needs no call: what was said stays for the next, which takes back
 * what the ledger has of it. So the ledger is never more than one checkpoint ahead of the manifest,
 * and one that is, without a manifest, tells of manifests that were lost. */
#ifndef MILLRACE_BOOKKEEPER_H
#define MILLRACE_BOOKKEEPER_H

#include "ledger_rows.h"

struct mr_ledger_cut {
	uint64_t number;
	uint8_t head[MR_LINE_HASH_BYTES];
};

struct mr_bookkeeper_group {
	char *name;
	struct mr_books books;        /* since the last commit */
	struct mr_counters now;       /* at the barrier, of those workers that have reported */
	struct mr_counters committed; /* at the last commit, since the incarnation began */
};

/* Zeroed is closed, and every call but open and close then does nothing. */
struct mr_bookkeeper {
	struct mr_ledger *ledger;
	struct mr_bookkeeper_group *groups;
	uint32_t group_count;
	uint64_t barrier; /* whose counters `now` are */
	uint64_t incarnation;
	bool waiting;              /* at the last commit lines waited for a sink's receiver */
	struct mr_latencies timed; /* since the incarnation began */
	struct mr_latencies timed_before; /* likewise, at the last commit */
	/* The checkpoint of the manifest, and what is to be so once the next one is there. */
	struct mr_ledger_cut settled;
	struct mr_ledger_cut open; /* number 0: there is none */
	struct mr_latencies timed_open;
	/* Rows alone, of all settled checkpoints since it was opened; what came behind one that an
	 * incarnation goes back to, and was settled, counts again. */
	struct mr_books sums;
};

/* `known` is the checkpoint that the manifest names; the ledger must then be there. 0: there is no
 * manifest; MR_BAD_INPUT where the ledger knows of one. Errors: see mr_ledger_open. */
enum mr_err mr_bookkeeper_open(struct mr_bookkeeper *keeper, const char *path, uint64_t known,
			       struct mr_error *error);
void mr_bookkeeper_close(struct mr_bookkeeper *keeper);

/* An incarnation of these worker groups starts from checkpoint `number`, whose commit gave `head`.
 * Errors: see mr_ledger_rewind. */
enum mr_err mr_bookkeeper_begin(struct mr_bookkeeper *keeper, const char *const *groups,
				uint32_t group_count, uint64_t number,
				const uint8_t head[MR_LINE_HASH_BYTES], struct mr_error *error);

/* A part of a worker's books (mr_books_encode). MR_BAD_INPUT, MR_NO_SPACE. */
enum mr_err mr_bookkeeper_take(struct mr_bookkeeper *keeper, uint32_t group, struct mr_slice part,
			       struct mr_error *error);
/* One worker's counters at barrier `number`. */
void mr_bookkeeper_count(struct mr_bookkeeper *keeper, uint32_t group, uint64_t number,
			 const struct mr_counters *counters);
/* One worker's, whole. All are added up; the sum is begun anew by each commit. */
void mr_bookkeeper_time(struct mr_bookkeeper *keeper, const struct mr_latencies *latencies);
/* All workers have reported. `head_out` is for the manifest; zeroed where there is no ledger. After
 * an error nothing of it is in the ledger, and the next checkpoint has it too, as it has where this
 * one is not settled. Errors: see mr_ledger_commit, mr_ledger_rewind. */
enum mr_err mr_bookkeeper_commit(struct mr_bookkeeper *keeper, uint64_t number, int64_t time_us,
				 int64_t duration_us, const struct mr_ledger_names *names,
				 uint8_t head_out[MR_LINE_HASH_BYTES], struct mr_error *error);
/* The manifest of that checkpoint, which was committed last, is there. */
void mr_bookkeeper_settle(struct mr_bookkeeper *keeper, uint64_t number);

#endif
