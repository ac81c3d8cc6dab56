/* ledger_chain.c - finds what was changed in the ledger itself.
 *
 * Each cut's rows are proved again and compared with the proof that was kept, the proof with the
 * cut's link, each link with the one before, and the last with the manifest. What is told is the
 * change, not what follows from it: behind a link that does not fit, the chain goes on with the
 * hash that is there. */
#include <stdio.h>
#include <stdlib.h>

#include "ledger_balance.h"

struct walk {
	sqlite3 *db;
	struct mr_findings *findings;
	struct mr_ledger_prover prover;
	sqlite3_stmt *proof;
	int64_t last;              /* the checkpoint before */
	bool broken;               /* its hash is not known */
	char chain[MR_LEDGER_HEX]; /* of that checkpoint */
	char hours[MR_LEDGER_HEX]; /* of the newest hour so far */
};

static void keep(char out[MR_LEDGER_HEX], struct mr_slice hash)
{
	snprintf(out, MR_LEDGER_HEX, "%.*s", (int)mr_utf8_cut(hash, MR_LEDGER_HEX - 1), hash.at);
}

static void compare(struct walk *walk, int64_t cut, const char *part,
		    const struct mr_ledger_proof *is, const struct mr_ledger_proof *was)
{
	char name[MR_CUT_TEXT];
	bool same = strcmp(is->hash.hex, was->hash.hex) == 0;
	if (same && is->rows == was->rows)
		return;
	mr_ledger_cut_text(walk->db, cut, name);
	if (is->rows < was->rows)
		mr_find(walk->findings,
			"%s: %lld rows of table %s, %lld were committed: a row was removed", name,
			(long long)is->rows, part, (long long)was->rows);
	else if (is->rows > was->rows)
		mr_find(walk->findings,
			"%s: %lld rows of table %s, %lld were committed: a row was added", name,
			(long long)is->rows, part, (long long)was->rows);
	else
		mr_find(walk->findings, "%s: a row of table %s was altered", name, part);
}

/* Compares the rows with the proofs that were kept, which are given out: the link is over them. */
static enum mr_err check_rows(struct walk *walk, int64_t cut,
			      struct mr_ledger_proof was[MR_PART_COUNT], struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (int i = 0; i < MR_PART_COUNT && err == MR_OK; i++) {
		enum mr_ledger_part part = (enum mr_ledger_part)i;
		struct mr_ledger_proof is;
		sqlite3_stmt *proof = walk->proof;
		was[i] = (struct mr_ledger_proof){.rows = 0};
		sqlite3_bind_int64(proof, 1, cut);
		mr_ledger_db_bind(proof, 2, mr_slice(mr_ledger_part_name(part)));
		err = mr_ledger_db_step(proof, error);
		if (err == MR_OK) {
			was[i].rows = sqlite3_column_int64(proof, 0);
			keep(was[i].hash.hex, mr_ledger_db_text(proof, 1));
			sqlite3_reset(proof);
		}
		if (err == MR_OK || err == MR_END)
			err = mr_ledger_prove(&walk->prover, part, cut, &is, error);
		if (err == MR_OK)
			compare(walk, cut, mr_ledger_part_name(part), &is, &was[i]);
	}
	return err;
}

/* Whether the cut's own numbers, its proofs and what came before make its hash. */
static void check_link(struct walk *walk, const struct mr_ledger_head *head,
		       const struct mr_ledger_proof proofs[MR_PART_COUNT], struct mr_slice hash)
{
	struct mr_ledger_hash link;
	char name[MR_CUT_TEXT];
	mr_ledger_link(head, proofs, &link);
	if (mr_slice_eq(hash, mr_slice(link.hex)))
		return;
	mr_ledger_cut_text(walk->db, head->numbers[0], name);
	mr_find(walk->findings,
		"%s: its numbers, its proof or what came before it are not what was committed",
		name);
}

/* ---- hours ---- */

static enum mr_err check_hour(struct walk *walk, sqlite3_stmt *row, int64_t expected,
			      struct mr_error *error)
{
	struct mr_ledger_proof proofs[MR_PART_COUNT];
	char before[MR_LEDGER_HEX];
	struct mr_ledger_head head = {.kind = "hour", .before = before, .other = walk->chain};
	for (int i = 0; i < MR_LEDGER_HEAD_NUMBERS; i++)
		head.numbers[i] = sqlite3_column_int64(row, i);
	int64_t cut = head.numbers[0];
	memcpy(before, walk->hours, sizeof before);
	keep(walk->chain, mr_ledger_db_text(row, 6));
	keep(walk->hours, mr_ledger_db_text(row, 7));
	walk->last = head.numbers[3];
	enum mr_err err = check_rows(walk, cut, proofs, error);
	if (err == MR_OK && cut != expected)
		mr_find(walk->findings, "hour %llu is not there: an hour was removed",
			(unsigned long long)-(uint64_t)expected);
	else if (err == MR_OK)
		check_link(walk, &head, proofs, mr_ledger_db_text(row, 7));
	return err;
}

static enum mr_err check_hours(struct walk *walk, struct mr_ledger_state *state,
			       struct mr_error *error)
{
	sqlite3_stmt *row = NULL;
	int64_t expected = -1;
	enum mr_err err =
	    mr_ledger_db_prepare(walk->db,
				 "SELECT cut, start_us, first, last, checkpoints, made, chain, hash"
				 " FROM hour ORDER BY cut DESC",
				 &row, error);
	while (err == MR_OK && (err = mr_ledger_db_step(row, error)) == MR_OK) {
		int64_t cut = sqlite3_column_int64(row, 0);
		err = check_hour(walk, row, expected, error);
		expected = cut == INT64_MIN ? cut : cut - 1;
		state->hours++;
	}
	sqlite3_finalize(row);
	return err == MR_END ? MR_OK : err;
}

/* ---- checkpoints ---- */

static enum mr_err check_checkpoint(struct walk *walk, sqlite3_stmt *row, struct mr_error *error)
{
	struct mr_ledger_proof proofs[MR_PART_COUNT];
	char hours[MR_LEDGER_HEX];
	struct mr_ledger_head head = {.kind = "checkpoint", .before = walk->chain, .other = hours};
	for (int i = 0; i < MR_LEDGER_HEAD_NUMBERS - 1; i++)
		head.numbers[i] = sqlite3_column_int64(row, i);
	int64_t number = head.numbers[0], previous = head.numbers[1];
	keep(hours, mr_ledger_db_text(row, 5));
	enum mr_err err = check_rows(walk, number, proofs, error);
	if (err == MR_OK && previous != walk->last)
		mr_find(walk->findings,
			"checkpoint %lld follows checkpoint %lld, which is not there: a checkpoint "
			"was removed",
			(long long)number, (long long)previous);
	else if (err == MR_OK)
		check_link(walk, &head, proofs, mr_ledger_db_text(row, 6));
	keep(walk->chain, mr_ledger_db_text(row, 6));
	walk->last = number;
	return err;
}

/* The manifest's checkpoint is passed: what is there must be it. */
static void check_head(struct walk *walk, const struct mr_ledger_expected *expected,
		       struct mr_slice hash)
{
	char head[MR_LEDGER_HEX];
	mr_hex(expected->head, sizeof expected->head, head);
	if (!mr_slice_eq(hash, mr_slice(head)))
		mr_find(walk->findings,
			"checkpoint %llu is not the one that the manifest names: the ledger was "
			"written anew",
			(unsigned long long)expected->number);
}

static enum mr_err check_checkpoints(struct walk *walk, const struct mr_ledger_expected *expected,
				     struct mr_ledger_state *state, struct mr_error *error)
{
	sqlite3_stmt *row = NULL;
	bool met = !expected->known || expected->number == 0;
	char hours[MR_LEDGER_HEX] = "";
	enum mr_err err = mr_ledger_db_prepare(
	    walk->db,
	    "SELECT number, previous, time_us, incarnation, duration_us, hours, hash"
	    " FROM checkpoint WHERE number > ?1 ORDER BY number",
	    &row, error);
	if (err == MR_OK)
		sqlite3_bind_int64(row, 1, walk->last);
	while (err == MR_OK && (err = mr_ledger_db_step(row, error)) == MR_OK) {
		uint64_t number = mr_ledger_db_count(row, 0);
		state->checkpoints++;
		if (!expected->known || number <= expected->number)
			state->checkpoint = number;
		if (expected->known && number == expected->number) {
			check_head(walk, expected, mr_ledger_db_text(row, 6));
			met = true;
		}
		keep(hours, mr_ledger_db_text(row, 5));
		err = check_checkpoint(walk, row, error);
	}
	sqlite3_finalize(row);
	if (err != MR_END)
		return err;
	if (expected->known && expected->number == 0 && state->checkpoints + state->hours > 1)
		mr_find(walk->findings,
			"there is no manifest, and the ledger has %llu checkpoints and %llu hours",
			(unsigned long long)state->checkpoints, (unsigned long long)state->hours);
	if (!met)
		mr_find(walk->findings,
			"the manifest names checkpoint %llu, the ledger ends with %llu: a "
			"checkpoint was removed",
			(unsigned long long)expected->number,
			(unsigned long long)state->checkpoint);
	if (state->checkpoints > 0 && strcmp(hours, walk->hours) != 0)
		mr_find(walk->findings,
			"checkpoint %lld was committed with other hours than are there: an hour "
			"was removed, added or altered",
			(long long)walk->last);
	return MR_OK;
}

/* ---- rows that belong to nothing ---- */

static enum mr_err check_orphans(struct walk *walk, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (int i = 0; i <= MR_PART_COUNT && err == MR_OK; i++) {
		sqlite3_stmt *row = NULL;
		const char *part =
		    i == MR_PART_COUNT ? "proof" : mr_ledger_part_name((enum mr_ledger_part)i);
		char *sql = mr_asprintf("SELECT cut FROM %s WHERE cut NOT IN (SELECT number FROM "
					"checkpoint UNION ALL SELECT cut FROM hour) LIMIT 1",
					part);
		err = mr_ledger_db_prepare(walk->db, sql, &row, error);
		free(sql);
		if (err == MR_OK)
			err = mr_ledger_db_step(row, error);
		if (err == MR_OK) {
			int64_t cut = sqlite3_column_int64(row, 0);
			mr_find(walk->findings,
				"table %s has rows of %s %llu, which is not there: it was removed, "
				"or they were added",
				part, cut < 0 ? "hour" : "checkpoint",
				(unsigned long long)(cut < 0 ? -(uint64_t)cut : (uint64_t)cut));
		}
		sqlite3_finalize(row);
		err = err == MR_END ? MR_OK : err;
	}
	return err;
}

enum mr_err mr_ledger_check_chain(sqlite3 *db, const struct mr_ledger_expected *expected,
				  struct mr_findings *findings, struct mr_ledger_state *state,
				  struct mr_error *error)
{
	struct walk walk = {.db = db, .findings = findings};
	enum mr_err err = mr_ledger_prover_open(&walk.prover, db, error);
	if (err == MR_OK)
		err = mr_ledger_db_prepare(
		    db, "SELECT rows, hash FROM proof WHERE cut = ?1 AND part = ?2", &walk.proof,
		    error);
	if (err == MR_OK)
		err = check_hours(&walk, state, error);
	if (err == MR_OK)
		err = check_checkpoints(&walk, expected, state, error);
	if (err == MR_OK)
		err = check_orphans(&walk, error);
	sqlite3_finalize(walk.proof);
	mr_ledger_prover_close(&walk.prover);
	return err;
}
