/* ledger_store.c - writes the books: rows of a checkpoint, their proof, and the way back.
 *
 * Called by the supervisor, once for each checkpoint. What SQLite refuses is kept until commit
 * tells it; then nothing of the checkpoint is in the file. */
#include "ledger_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "ledger_fold.h"

#define KEEP_US (2 * MR_HOUR_US)
#define KEEP_MOST (4 * 3600)

enum statement {
	ST_FIND_NAME,
	ST_ADD_NAME,
	ST_COUNTER,
	ST_POSITION,
	ST_LINK,
	ST_OUTPUT,
	ST_LATENCY,
	ST_CHECKPOINT,
	ST_LAST,
	ST_HOW_MANY,
	ST_COUNT
};

static const char *const statements[ST_COUNT] = {
    [ST_FIND_NAME] = "SELECT id FROM name WHERE text = ?1",
    [ST_ADD_NAME] = "INSERT INTO name(text) VALUES (?1)",
    [ST_COUNTER] = "INSERT INTO counter VALUES (?1, ?2, ?3, ?4, ?5)"
		   " ON CONFLICT DO UPDATE SET n = n + excluded.n",
    [ST_POSITION] = "INSERT INTO position VALUES (?1, ?2, ?3, ?4)"
		    " ON CONFLICT DO UPDATE SET position = excluded.position",
    [ST_LINK] = "INSERT INTO link VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
		" ON CONFLICT DO UPDATE SET sent_batches = sent_batches + excluded.sent_batches,"
		" sent_items = sent_items + excluded.sent_items,"
		" received_batches = received_batches + excluded.received_batches,"
		" received_items = received_items + excluded.received_items",
    [ST_OUTPUT] = "INSERT OR REPLACE INTO output"
		  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [ST_LATENCY] = "INSERT INTO latency VALUES (?1, ?2, ?3, ?4)"
		   " ON CONFLICT DO UPDATE SET n = n + excluded.n",
    [ST_CHECKPOINT] = "INSERT INTO checkpoint VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [ST_HOW_MANY] = "SELECT (SELECT coalesce(sum(checkpoints), 0) FROM hour) + count(*)"
		    " FROM checkpoint WHERE number > (SELECT coalesce(max(last), 0) FROM hour)",
    [ST_LAST] = "SELECT number, hash FROM checkpoint ORDER BY number DESC LIMIT 1",
};

struct mr_ledger {
	struct mr_ledger_db db;
	sqlite3_stmt *statements[ST_COUNT];
	struct mr_ledger_prover prover;
	struct mr_ledger_fold fold;
	int64_t last; /* the last checkpoint committed; 0: none */
	char head[MR_LEDGER_HEX];
	/* The one in hand. */
	bool begun;
	struct mr_ledger_checkpoint checkpoint;
	struct mr_error failed; /* what a put met; code MR_OK: nothing */
};

/* ---- opening ---- */

static enum mr_err read_last(struct mr_ledger *ledger, struct mr_error *error)
{
	sqlite3_stmt *stmt = ledger->statements[ST_LAST];
	ledger->last = 0;
	ledger->head[0] = 0;
	enum mr_err err = mr_ledger_db_step(stmt, error);
	if (err == MR_OK) {
		struct mr_slice hash = mr_ledger_db_text(stmt, 1);
		ledger->last = sqlite3_column_int64(stmt, 0);
		snprintf(ledger->head, sizeof ledger->head, "%.*s", (int)hash.len, hash.at);
		sqlite3_reset(stmt);
	}
	if (err == MR_OK || err == MR_END)
		err = mr_ledger_fold_open(&ledger->fold, ledger->db.db, error);
	return err;
}

enum mr_err mr_ledger_open(const char *path, bool create, struct mr_ledger **out,
			   struct mr_error *error)
{
	struct mr_ledger *ledger = mr_calloc(1, sizeof *ledger);
	enum mr_err err = mr_ledger_db_open(path, create ? MR_LEDGER_CREATE : MR_LEDGER_WRITE,
					    &ledger->db, error);
	for (int i = 0; i < ST_COUNT && err == MR_OK; i++)
		err = mr_ledger_db_prepare(ledger->db.db, statements[i], &ledger->statements[i],
					   error);
	if (err == MR_OK)
		err = mr_ledger_prover_open(&ledger->prover, ledger->db.db, error);
	mr_ledger_keep(ledger, KEEP_US, KEEP_MOST);
	if (err == MR_OK)
		err = read_last(ledger, error);
	if (err == MR_OK) {
		*out = ledger;
		return MR_OK;
	}
	mr_ledger_close(ledger);
	return err;
}

void mr_ledger_keep(struct mr_ledger *ledger, int64_t keep_us, int64_t most)
{
	ledger->fold.keep_us = keep_us;
	ledger->fold.most = most;
}

static void roll_back(struct mr_ledger *ledger)
{
	if (sqlite3_get_autocommit(ledger->db.db) == 0)
		sqlite3_exec(ledger->db.db, "ROLLBACK", NULL, NULL, NULL);
	ledger->begun = false;
}

void mr_ledger_close(struct mr_ledger *ledger)
{
	if (ledger == NULL)
		return;
	if (ledger->begun)
		roll_back(ledger);
	for (int i = 0; i < ST_COUNT; i++)
		sqlite3_finalize(ledger->statements[i]);
	mr_ledger_prover_close(&ledger->prover);
	mr_ledger_db_close(&ledger->db);
	free(ledger);
}

/* ---- going back ---- */

static enum mr_err check_head(const struct mr_ledger *ledger, int64_t number,
			      const uint8_t head[MR_LINE_HASH_BYTES], struct mr_error *error)
{
	char wanted[MR_LEDGER_HEX] = "";
	const char *path = sqlite3_db_filename(ledger->db.db, "main");
	if (ledger->last != number)
		return mr_error_set(error, MR_BAD_INPUT,
				    "%s: the ledger has no checkpoint %lld: the last one before it "
				    "is %lld; what was committed last may stand in %s-wal alone",
				    path, (long long)number, (long long)ledger->last, path);
	if (head != NULL && number > 0)
		mr_hex(head, MR_LINE_HASH_BYTES, wanted);
	if (wanted[0] != 0 && strcmp(wanted, ledger->head) != 0)
		return mr_error_set(error, MR_BAD_INPUT,
				    "%s: checkpoint %lld of the ledger is not the one of the "
				    "manifest: its hash differs",
				    path, (long long)number);
	return MR_OK;
}

enum mr_err mr_ledger_rewind(struct mr_ledger *ledger, uint64_t number,
			     const uint8_t head[MR_LINE_HASH_BYTES], struct mr_error *error)
{
	int64_t to = number > INT64_MAX ? INT64_MAX : (int64_t)number;
	if (ledger->begun)
		roll_back(ledger);
	enum mr_err err = mr_ledger_db_exec(ledger->db.db, "BEGIN IMMEDIATE", error);
	if (err == MR_OK && to < ledger->last)
		err = mr_ledger_fold_back(&ledger->fold, to, error);
	if (err == MR_OK)
		err = read_last(ledger, error);
	if (err == MR_OK)
		err = check_head(ledger, to, head, error);
	if (err == MR_OK)
		return mr_ledger_db_exec(ledger->db.db, "COMMIT", error);
	roll_back(ledger);
	read_last(ledger, NULL);
	return err;
}

enum mr_err mr_ledger_count(struct mr_ledger *ledger, uint64_t *out, struct mr_error *error)
{
	sqlite3_stmt *stmt = ledger->statements[ST_HOW_MANY];
	enum mr_err err = mr_ledger_db_step(stmt, error);
	*out = err == MR_OK ? mr_ledger_db_count(stmt, 0) : 0;
	sqlite3_reset(stmt);
	return err;
}

/* ---- a checkpoint ---- */

enum mr_err mr_ledger_begin(struct mr_ledger *ledger, const struct mr_ledger_checkpoint *checkpoint,
			    struct mr_error *error)
{
	if (ledger->begun)
		roll_back(ledger);
	if (checkpoint->number > INT64_MAX || (int64_t)checkpoint->number <= ledger->last)
		return mr_error_set(
		    error, MR_BAD_INPUT, "checkpoint %llu for a ledger that has come to %lld",
		    (unsigned long long)checkpoint->number, (long long)ledger->last);
	enum mr_err err = mr_ledger_db_exec(ledger->db.db, "BEGIN IMMEDIATE", error);
	if (err == MR_OK)
		err = mr_ledger_db_in_place(&ledger->db, error);
	if (err != MR_OK) {
		roll_back(ledger);
		return err;
	}
	ledger->begun = true;
	ledger->checkpoint = *checkpoint;
	ledger->failed = (struct mr_error){.code = MR_OK};
	return MR_OK;
}

/* The statement, with the cut as ?1; NULL where something has failed already. */
static sqlite3_stmt *start(struct mr_ledger *ledger, enum statement which)
{
	sqlite3_stmt *stmt = ledger->statements[which];
	if (!ledger->begun || ledger->failed.code != MR_OK)
		return NULL;
	sqlite3_bind_int64(stmt, 1, (int64_t)ledger->checkpoint.number);
	return stmt;
}

static void bind_name(struct mr_ledger *ledger, sqlite3_stmt *stmt, int at, struct mr_slice name)
{
	sqlite3_stmt *find = ledger->statements[ST_FIND_NAME];
	sqlite3_stmt *add = ledger->statements[ST_ADD_NAME];
	if (ledger->failed.code != MR_OK)
		return;
	mr_ledger_db_bind(find, 1, name);
	enum mr_err err = mr_ledger_db_step(find, &ledger->failed);
	if (err == MR_OK) {
		sqlite3_bind_int64(stmt, at, sqlite3_column_int64(find, 0));
		sqlite3_reset(find);
	} else if (err == MR_END) {
		mr_ledger_db_bind(add, 1, name);
		if (mr_ledger_db_run(add, &ledger->failed) == MR_OK)
			sqlite3_bind_int64(stmt, at, sqlite3_last_insert_rowid(ledger->db.db));
	}
}

static void bind_numbers(struct mr_ledger *ledger, sqlite3_stmt *stmt, int from,
			 const uint64_t *numbers, int count)
{
	for (int i = 0; i < count; i++) {
		if (numbers[i] > INT64_MAX && ledger->failed.code == MR_OK)
			mr_error_set(&ledger->failed, MR_BAD_INPUT,
				     "%llu is no count that the ledger can keep",
				     (unsigned long long)numbers[i]);
		sqlite3_bind_int64(stmt, from + i, (int64_t)numbers[i]);
	}
}

static void finish(struct mr_ledger *ledger, sqlite3_stmt *stmt)
{
	if (ledger->failed.code == MR_OK)
		mr_ledger_db_run(stmt, &ledger->failed);
}

void mr_ledger_put_count(struct mr_ledger *ledger, struct mr_slice source, struct mr_slice group,
			 struct mr_slice counter, uint64_t n)
{
	sqlite3_stmt *stmt = n == 0 ? NULL : start(ledger, ST_COUNTER);
	if (stmt == NULL)
		return;
	bind_name(ledger, stmt, 2, source);
	bind_name(ledger, stmt, 3, group);
	bind_name(ledger, stmt, 4, counter);
	bind_numbers(ledger, stmt, 5, &n, 1);
	finish(ledger, stmt);
}

void mr_ledger_put_position(struct mr_ledger *ledger, struct mr_slice source,
			    struct mr_slice partition, uint64_t position)
{
	sqlite3_stmt *stmt = start(ledger, ST_POSITION);
	if (stmt == NULL)
		return;
	bind_name(ledger, stmt, 2, source);
	bind_name(ledger, stmt, 3, partition);
	bind_numbers(ledger, stmt, 4, &position, 1);
	finish(ledger, stmt);
}

void mr_ledger_put_link(struct mr_ledger *ledger, struct mr_slice edge, struct mr_slice from,
			struct mr_slice to, const struct mr_book_link *link)
{
	sqlite3_stmt *stmt = start(ledger, ST_LINK);
	if (stmt == NULL)
		return;
	bind_name(ledger, stmt, 2, edge);
	bind_name(ledger, stmt, 3, from);
	bind_name(ledger, stmt, 4, to);
	bind_numbers(ledger, stmt, 5,
		     (const uint64_t[]){link->sent_batches, link->sent_items,
					link->received_batches, link->received_items},
		     4);
	finish(ledger, stmt);
}

void mr_ledger_put_output(struct mr_ledger *ledger, const struct mr_book_output *output)
{
	char chain[MR_LEDGER_HEX], sum[33];
	const struct mr_line_hash *lines = &output->lines;
	sqlite3_stmt *stmt = start(ledger, ST_OUTPUT);
	if (stmt == NULL)
		return;
	mr_hex(lines->chain, sizeof lines->chain, chain);
	snprintf(sum, sizeof sum, "%016llx%016llx", (unsigned long long)lines->sum[0],
		 (unsigned long long)lines->sum[1]);
	bind_name(ledger, stmt, 2, mr_slice(output->sink));
	bind_name(ledger, stmt, 3, mr_slice(output->file));
	bind_numbers(ledger, stmt, 4, (const uint64_t[]){lines->bytes, lines->lines}, 2);
	mr_ledger_db_bind(stmt, 6, mr_slice(chain));
	mr_ledger_db_bind(stmt, 7, mr_slice(sum));
	bind_numbers(
	    ledger, stmt, 8,
	    (const uint64_t[]){output->taken, output->delivered, output->refused, output->spooled},
	    4);
	finish(ledger, stmt);
}

void mr_ledger_put_latency(struct mr_ledger *ledger, struct mr_slice step, uint64_t within_us,
			   uint64_t n)
{
	sqlite3_stmt *stmt = n == 0 ? NULL : start(ledger, ST_LATENCY);
	if (stmt == NULL)
		return;
	bind_name(ledger, stmt, 2, step);
	bind_numbers(ledger, stmt, 3, (const uint64_t[]){within_us, n}, 2);
	finish(ledger, stmt);
}

/* ---- commit ---- */

static enum mr_err keep_checkpoint(struct mr_ledger *ledger, struct mr_ledger_hash *link,
				   struct mr_error *error)
{
	const struct mr_ledger_checkpoint *checkpoint = &ledger->checkpoint;
	int64_t number = (int64_t)checkpoint->number;
	struct mr_ledger_proof proofs[MR_PART_COUNT];
	enum mr_err err = MR_OK;
	for (int i = 0; i < MR_PART_COUNT && err == MR_OK; i++)
		err = mr_ledger_prove(&ledger->prover, (enum mr_ledger_part)i, number, &proofs[i],
				      error);
	if (err == MR_OK)
		err = mr_ledger_keep_proofs(ledger->db.db, number, proofs, error);
	if (err != MR_OK)
		return err;
	const struct mr_ledger_head head = {
	    .kind = "checkpoint",
	    .numbers = {number, ledger->last, checkpoint->time_us, (int64_t)checkpoint->incarnation,
			checkpoint->duration_us, 0},
	    .before = ledger->head,
	    .other = ledger->fold.hash,
	};
	mr_ledger_link(&head, proofs, link);
	sqlite3_stmt *stmt = ledger->statements[ST_CHECKPOINT];
	for (int i = 0; i < MR_LEDGER_HEAD_NUMBERS - 1; i++)
		sqlite3_bind_int64(stmt, i + 1, head.numbers[i]);
	mr_ledger_db_bind(stmt, 6, mr_slice(ledger->fold.hash));
	mr_ledger_db_bind(stmt, 7, mr_slice(link->hex));
	return mr_ledger_db_run(stmt, error);
}

static enum mr_err write_all(struct mr_ledger *ledger, struct mr_ledger_hash *link,
			     struct mr_error *error)
{
	int64_t number = (int64_t)ledger->checkpoint.number;
	if (ledger->failed.code != MR_OK) {
		*error = ledger->failed;
		return ledger->failed.code;
	}
	enum mr_err err = mr_ledger_fold(&ledger->fold, &ledger->prover, number,
					 ledger->checkpoint.time_us, error);
	if (err == MR_OK)
		err = mr_ledger_sweep(&ledger->fold, error);
	if (err == MR_OK)
		err = keep_checkpoint(ledger, link, error);
	if (err == MR_OK)
		err = mr_ledger_db_exec(ledger->db.db, "COMMIT", error);
	return err;
}

enum mr_err mr_ledger_commit(struct mr_ledger *ledger, uint8_t head_out[MR_LINE_HASH_BYTES],
			     struct mr_error *error)
{
	struct mr_ledger_hash link;
	struct mr_error failed = {0};
	if (!ledger->begun)
		return mr_error_set(error, MR_BAD_INPUT, "no checkpoint of the ledger has begun");
	enum mr_err err = write_all(ledger, &link, &failed);
	if (err != MR_OK) {
		roll_back(ledger);
		read_last(ledger, NULL);
		return mr_error_set(error, err, "%s", failed.text);
	}
	ledger->begun = false;
	ledger->last = (int64_t)ledger->checkpoint.number;
	memcpy(ledger->head, link.hex, sizeof ledger->head);
	if (ledger->fold.count++ == 0) {
		ledger->fold.first = ledger->last;
		ledger->fold.first_us = ledger->checkpoint.time_us;
	}
	memcpy(head_out, link.bytes, MR_LINE_HASH_BYTES);
	return MR_OK;
}
