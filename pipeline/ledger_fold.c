/* ledger_fold.c - keeps the ledger from growing with every checkpoint for ever.
 *
 * An hour is made in one commit, and proved by that checkpoint: sums of counts, last states of
 * positions and outputs. The rows that it stands for stay until KEPT_BEHIND more checkpoints are
 * committed, since a recovery may go back over the commit that made it (rewind then deletes the
 * hour), and go a few at each commit, so that none takes long. Hours follow each other by number,
 * not by time: a clock that is put back makes a second hour of the same name. */
#include "ledger_fold.h"

#include <stdio.h>

#define KEPT_BEHIND 8
#define SWEPT "4"      /* at one commit */
#define HOUR_MOST 4096 /* checkpoints in one hour's row */

enum mr_err mr_ledger_change(sqlite3 *db, const char *sql, int64_t a, int64_t b, int64_t c,
			     struct mr_error *error)
{
	const int64_t numbers[] = {a, b, c};
	sqlite3_stmt *stmt = NULL;
	enum mr_err err = mr_ledger_db_prepare(db, sql, &stmt, error);
	for (int i = 0; err == MR_OK && i < sqlite3_bind_parameter_count(stmt); i++)
		sqlite3_bind_int64(stmt, i + 1, numbers[i]);
	if (err == MR_OK)
		err = mr_ledger_db_run(stmt, error);
	sqlite3_finalize(stmt);
	return err;
}

enum mr_err mr_ledger_keep_proofs(sqlite3 *db, int64_t cut,
				  const struct mr_ledger_proof proofs[MR_PART_COUNT],
				  struct mr_error *error)
{
	sqlite3_stmt *stmt = NULL;
	enum mr_err err =
	    mr_ledger_db_prepare(db, "INSERT INTO proof VALUES (?1, ?2, ?3, ?4)", &stmt, error);
	for (int i = 0; i < MR_PART_COUNT && err == MR_OK; i++) {
		sqlite3_bind_int64(stmt, 1, cut);
		mr_ledger_db_bind(stmt, 2, mr_slice(mr_ledger_part_name((enum mr_ledger_part)i)));
		sqlite3_bind_int64(stmt, 3, proofs[i].rows);
		mr_ledger_db_bind(stmt, 4, mr_slice(proofs[i].hash.hex));
		err = mr_ledger_db_run(stmt, error);
	}
	sqlite3_finalize(stmt);
	return err;
}

/* One row of numbers; zeroes where there is none, or where they are NULL. */
static enum mr_err ask(sqlite3 *db, const char *sql, int64_t key, int64_t *out, int count,
		       struct mr_error *error)
{
	sqlite3_stmt *stmt = NULL;
	enum mr_err err = mr_ledger_db_prepare(db, sql, &stmt, error);
	if (err == MR_OK && sqlite3_bind_parameter_count(stmt) > 0)
		sqlite3_bind_int64(stmt, 1, key);
	if (err == MR_OK)
		err = mr_ledger_db_step(stmt, error);
	for (int i = 0; i < count; i++)
		out[i] = err == MR_OK ? sqlite3_column_int64(stmt, i) : 0;
	sqlite3_finalize(stmt);
	return err == MR_END ? MR_OK : err;
}

static enum mr_err read_hour(struct mr_ledger_fold *fold, struct mr_error *error)
{
	sqlite3_stmt *stmt = NULL;
	fold->hour = 0;
	fold->last = 0;
	fold->hash[0] = 0;
	enum mr_err err = mr_ledger_db_prepare(
	    fold->db, "SELECT cut, last, hash FROM hour ORDER BY cut LIMIT 1", &stmt, error);
	if (err == MR_OK)
		err = mr_ledger_db_step(stmt, error);
	if (err == MR_OK) {
		struct mr_slice hash = mr_ledger_db_text(stmt, 2);
		fold->hour = sqlite3_column_int64(stmt, 0);
		fold->last = sqlite3_column_int64(stmt, 1);
		snprintf(fold->hash, sizeof fold->hash, "%.*s", (int)hash.len, hash.at);
	}
	sqlite3_finalize(stmt);
	return err == MR_END ? MR_OK : err;
}

static enum mr_err read_first(struct mr_ledger_fold *fold, struct mr_error *error)
{
	int64_t first[2];
	enum mr_err err = ask(fold->db,
			      "SELECT number, time_us FROM checkpoint WHERE number > ?1"
			      " ORDER BY number LIMIT 1",
			      fold->last, first, 2, error);
	fold->first = first[0];
	fold->first_us = first[1];
	return err;
}

enum mr_err mr_ledger_fold_open(struct mr_ledger_fold *fold, sqlite3 *db, struct mr_error *error)
{
	int64_t counts[2];
	fold->db = db;
	enum mr_err err = read_hour(fold, error);
	if (err == MR_OK)
		err = read_first(fold, error);
	if (err == MR_OK)
		err = ask(db,
			  "SELECT count(*) FILTER (WHERE number > ?1),"
			  " count(*) FILTER (WHERE number <= ?1) FROM checkpoint",
			  fold->last, counts, 2, error);
	if (err != MR_OK)
		return err;
	fold->count = counts[0];
	fold->residual = counts[1];
	return MR_OK;
}

static int64_t hour_of(int64_t time_us)
{
	int64_t hour = time_us / MR_HOUR_US;
	return (hour - (time_us % MR_HOUR_US < 0)) * MR_HOUR_US;
}

/* The last checkpoint of the run of those in one hour that begins with the first, and how many they
 * are. */
static enum mr_err find_run(const struct mr_ledger_fold *fold, int64_t *last, int64_t *count,
			    struct mr_error *error)
{
	sqlite3_stmt *stmt = NULL;
	int64_t hour = hour_of(fold->first_us);
	*count = 0;
	enum mr_err err = mr_ledger_db_prepare(
	    fold->db,
	    "SELECT number, time_us FROM checkpoint WHERE number > ?1 ORDER BY number LIMIT ?2",
	    &stmt, error);
	if (err != MR_OK)
		return err;
	sqlite3_bind_int64(stmt, 1, fold->last);
	sqlite3_bind_int64(stmt, 2, HOUR_MOST);
	while ((err = mr_ledger_db_step(stmt, error)) == MR_OK) {
		if (hour_of(sqlite3_column_int64(stmt, 1)) != hour)
			break;
		*last = sqlite3_column_int64(stmt, 0);
		++*count;
	}
	sqlite3_finalize(stmt);
	return err == MR_END ? MR_OK : err;
}

struct hour_row {
	struct mr_ledger_head head;
	char chain[MR_LEDGER_HEX];
	struct mr_ledger_hash hash;
};

static enum mr_err read_chain(sqlite3 *db, int64_t number, char out[MR_LEDGER_HEX],
			      struct mr_error *error)
{
	sqlite3_stmt *stmt = NULL;
	out[0] = 0;
	enum mr_err err =
	    mr_ledger_db_prepare(db, "SELECT hash FROM checkpoint WHERE number = ?1", &stmt, error);
	if (err == MR_OK) {
		sqlite3_bind_int64(stmt, 1, number);
		err = mr_ledger_db_step(stmt, error);
	}
	if (err == MR_OK) {
		struct mr_slice hash = mr_ledger_db_text(stmt, 0);
		snprintf(out, MR_LEDGER_HEX, "%.*s", (int)hash.len, hash.at);
	}
	sqlite3_finalize(stmt);
	return err == MR_END ? MR_OK : err;
}

static enum mr_err keep_hour(sqlite3 *db, const struct hour_row *row, struct mr_error *error)
{
	sqlite3_stmt *stmt = NULL;
	enum mr_err err = mr_ledger_db_prepare(
	    db, "INSERT INTO hour VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", &stmt, error);
	for (int i = 0; i < MR_LEDGER_HEAD_NUMBERS && err == MR_OK; i++)
		sqlite3_bind_int64(stmt, i + 1, row->head.numbers[i]);
	if (err == MR_OK) {
		mr_ledger_db_bind(stmt, 7, mr_slice(row->chain));
		mr_ledger_db_bind(stmt, 8, mr_slice(row->hash.hex));
		err = mr_ledger_db_run(stmt, error);
	}
	sqlite3_finalize(stmt);
	return err;
}

static enum mr_err fold_run(struct mr_ledger_fold *fold, struct mr_ledger_prover *prover,
			    int64_t number, struct mr_error *error)
{
	int64_t last = 0, count = 0, cut = fold->hour - 1;
	struct mr_ledger_proof proofs[MR_PART_COUNT];
	enum mr_err err = find_run(fold, &last, &count, error);
	for (int i = 0; i < MR_PART_COUNT && err == MR_OK; i++) {
		enum mr_ledger_part part = (enum mr_ledger_part)i;
		err = mr_ledger_change(fold->db, mr_ledger_part_fold(part), cut, fold->first, last,
				       error);
		if (err == MR_OK)
			err = mr_ledger_prove(prover, part, cut, &proofs[i], error);
	}
	struct hour_row row = {
	    .head = {.kind = "hour",
		     .numbers = {cut, hour_of(fold->first_us), fold->first, last, count, number},
		     .before = fold->hash,
		     .other = row.chain}};
	if (err == MR_OK)
		err = mr_ledger_keep_proofs(fold->db, cut, proofs, error);
	if (err == MR_OK)
		err = read_chain(fold->db, last, row.chain, error);
	if (err != MR_OK)
		return err;
	mr_ledger_link(&row.head, proofs, &row.hash);
	err = keep_hour(fold->db, &row, error);
	fold->hour = cut;
	fold->last = last;
	fold->count -= count;
	fold->residual += count;
	memcpy(fold->hash, row.hash.hex, sizeof fold->hash);
	return err == MR_OK ? read_first(fold, error) : err;
}

enum mr_err mr_ledger_fold(struct mr_ledger_fold *fold, struct mr_ledger_prover *prover,
			   int64_t number, int64_t now_us, struct mr_error *error)
{
	if (fold->count == 0)
		return MR_OK;
	int64_t end_us = hour_of(fold->first_us) + MR_HOUR_US;
	bool past = now_us > end_us && now_us - end_us >= fold->keep_us;
	return past || fold->count > fold->most ? fold_run(fold, prover, number, error) : MR_OK;
}

/* What belongs to the checkpoints from `first` to `last`, or to hours of such cuts. */
static enum mr_err delete_rows(sqlite3 *db, int64_t first, int64_t last, struct mr_error *error)
{
	static const char *const deletes[] = {
	    "DELETE FROM counter WHERE cut BETWEEN ?1 AND ?2",
	    "DELETE FROM position WHERE cut BETWEEN ?1 AND ?2",
	    "DELETE FROM link WHERE cut BETWEEN ?1 AND ?2",
	    "DELETE FROM output WHERE cut BETWEEN ?1 AND ?2",
	    "DELETE FROM latency WHERE cut BETWEEN ?1 AND ?2",
	    "DELETE FROM proof WHERE cut BETWEEN ?1 AND ?2",
	};
	enum mr_err err = MR_OK;
	for (size_t i = 0; i < sizeof deletes / sizeof *deletes && err == MR_OK; i++)
		err = mr_ledger_change(db, deletes[i], first, last, 0, error);
	return err;
}

enum mr_err mr_ledger_sweep(struct mr_ledger_fold *fold, struct mr_error *error)
{
	int64_t safe = 0, bounds[2] = {0, 0};
	if (fold->residual == 0)
		return MR_OK;
	enum mr_err err =
	    ask(fold->db, "SELECT number FROM checkpoint ORDER BY number DESC LIMIT 1 OFFSET ?1",
		KEPT_BEHIND, &safe, 1, error);
	if (err == MR_OK)
		err = ask(fold->db, "SELECT max(last) FROM hour WHERE made < ?1", safe, &safe, 1,
			  error);
	if (err == MR_OK)
		err = ask(fold->db,
			  "SELECT min(number), max(number) FROM (SELECT number FROM checkpoint"
			  " WHERE number <= ?1 ORDER BY number LIMIT " SWEPT ")",
			  safe, bounds, 2, error);
	if (err != MR_OK || bounds[1] == 0)
		return err;
	err = delete_rows(fold->db, bounds[0], bounds[1], error);
	if (err == MR_OK)
		err = mr_ledger_change(fold->db,
				       "DELETE FROM checkpoint WHERE number BETWEEN ?1 AND ?2",
				       bounds[0], bounds[1], 0, error);
	if (err == MR_OK)
		fold->residual -= sqlite3_changes(fold->db);
	return err;
}

enum mr_err mr_ledger_fold_back(struct mr_ledger_fold *fold, int64_t number, struct mr_error *error)
{
	int64_t cut = 0;
	enum mr_err err =
	    ask(fold->db, "SELECT max(cut) FROM hour WHERE made > ?1", number, &cut, 1, error);
	if (err == MR_OK && cut < 0)
		err = delete_rows(fold->db, fold->hour, cut, error);
	if (err == MR_OK)
		err = delete_rows(fold->db, number + 1, INT64_MAX, error);
	if (err == MR_OK)
		err = mr_ledger_change(fold->db, "DELETE FROM hour WHERE made > ?1", number, 0, 0,
				       error);
	if (err == MR_OK)
		err = mr_ledger_change(fold->db, "DELETE FROM checkpoint WHERE number > ?1", number,
				       0, 0, error);
	return err;
}
