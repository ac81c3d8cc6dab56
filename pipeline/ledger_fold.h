/* ledger_fold.h - hours take the place of old checkpoints; called within a commit. */
#ifndef MILLRACE_LEDGER_FOLD_H
#define MILLRACE_LEDGER_FOLD_H

#include "ledger_db.h"

#define MR_HOUR_US (INT64_C(3600) * 1000000)

struct mr_ledger_fold {
	sqlite3 *db;
	int64_t keep_us; /* an hour is folded so long after its end */
	int64_t most;    /* checkpoints with rows of their own, whatever the clock says */
	/* The checkpoints that are not folded: how many, the first, and its time. */
	int64_t count;
	int64_t first;
	int64_t first_us;
	int64_t residual; /* folded ones whose rows are still there; at least so many */
	int64_t hour;     /* the newest hour's cut; 0: none */
	int64_t last;     /* the last checkpoint that is folded */
	char hash[MR_LEDGER_HEX];
};

/* Reads where things stand. */
enum mr_err mr_ledger_fold_open(struct mr_ledger_fold *fold, sqlite3 *db, struct mr_error *error);
/* Folds an hour where one is due at `now_us`, as part of checkpoint `number`. */
enum mr_err mr_ledger_fold(struct mr_ledger_fold *fold, struct mr_ledger_prover *prover,
			   int64_t number, int64_t now_us, struct mr_error *error);
/* Deletes rows of a few checkpoints whose hour no recovery can undo any more. */
enum mr_err mr_ledger_sweep(struct mr_ledger_fold *fold, struct mr_error *error);
/* Deletes checkpoints above `number`, and the hours that they made. */
enum mr_err mr_ledger_fold_back(struct mr_ledger_fold *fold, int64_t number,
				struct mr_error *error);
/* Keeps a cut's proofs. */
enum mr_err mr_ledger_keep_proofs(sqlite3 *db, int64_t cut,
				  const struct mr_ledger_proof proofs[MR_PART_COUNT],
				  struct mr_error *error);
/* Runs `sql` with up to three numbers, ?1 to ?3. */
enum mr_err mr_ledger_change(sqlite3 *db, const char *sql, int64_t a, int64_t b, int64_t c,
			     struct mr_error *error);

#endif
