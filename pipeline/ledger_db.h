/* ledger_db.h - the ledger's SQLite file: opening it safely, and what its users share.
 *
 * ledger_store.c writes, ledger_check.c and ledger_report.c read. The file may be anybody's: it is
 * opened without trust in its schema, checked whole before it is believed, and what it holds is
 * compared with the schema of this program, byte by byte. */
#ifndef MILLRACE_LEDGER_DB_H
#define MILLRACE_LEDGER_DB_H

#include <sqlite3.h>
#include <sys/types.h>

#include "millrace/line_hash.h"

#define MR_LEDGER_VERSION 1

enum mr_ledger_access { MR_LEDGER_READ, MR_LEDGER_WRITE, MR_LEDGER_CREATE };

/* Zeroed is closed. */
struct mr_ledger_db {
	sqlite3 *db;
	uint64_t rounds; /* reading: how often SQLite may still ask whether to go on */
	/* Writing: the file and its write-ahead log, as they were first seen. */
	struct {
		dev_t device;
		ino_t inode; /* 0: not seen yet */
	} files[2];
};
/* MR_NOT_FOUND, MR_UNSUPPORTED (of a newer version), MR_BAD_INPUT (damaged, or no ledger), MR_AGAIN
 * (somebody else writes to it), MR_NO_SPACE, MR_IO. */
enum mr_err mr_ledger_db_open(const char *path, enum mr_ledger_access access,
			      struct mr_ledger_db *out, struct mr_error *error);
void mr_ledger_db_close(struct mr_ledger_db *db);
/* Within a transaction: whether what is written still has its names. MR_BAD_INPUT: the file or its
 * log was removed, moved or replaced; what goes on being written would be nobody's. */
enum mr_err mr_ledger_db_in_place(struct mr_ledger_db *db, struct mr_error *error);
/* What the last call on `db` failed with, as `path: what: why`. */
enum mr_err mr_ledger_db_error(sqlite3 *db, const char *what, struct mr_error *error);
enum mr_err mr_ledger_db_exec(sqlite3 *db, const char *sql, struct mr_error *error);
enum mr_err mr_ledger_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out,
				 struct mr_error *error);
/* Run a statement that gives no row, and reset it. */
enum mr_err mr_ledger_db_run(sqlite3_stmt *stmt, struct mr_error *error);
/* MR_OK: a row is there; MR_END: no more, and it is reset; else it is reset, too. */
enum mr_err mr_ledger_db_step(sqlite3_stmt *stmt, struct mr_error *error);
void mr_ledger_db_bind(sqlite3_stmt *stmt, int at, struct mr_slice text);
/* Borrowed until the next step; empty where the column is NULL. */
struct mr_slice mr_ledger_db_text(sqlite3_stmt *stmt, int column);
/* Counts as SQLite has them are signed; none that is real is lost. */
uint64_t mr_ledger_db_count(sqlite3_stmt *stmt, int column);

/* ---- ledger_proof.c: what makes the books provable ---- */

/* The kinds of rows that belong to a cut: to a checkpoint (its number), or to an hour (below 0). */
enum mr_ledger_part {
	MR_PART_COUNTER,
	MR_PART_POSITION,
	MR_PART_LINK,
	MR_PART_OUTPUT,
	MR_PART_LATENCY,
	MR_PART_COUNT
};
const char *mr_ledger_part_name(enum mr_ledger_part part);
/* Makes one cut's rows of all checkpoints from ?2 to ?3, as those of cut ?1. */
const char *mr_ledger_part_fold(enum mr_ledger_part part);

#define MR_LEDGER_HEX (2 * MR_LINE_HASH_BYTES + 1)
struct mr_ledger_hash {
	uint8_t bytes[MR_LINE_HASH_BYTES];
	char hex[MR_LEDGER_HEX];
};
struct mr_ledger_proof {
	int64_t rows;
	struct mr_ledger_hash hash; /* SHA-256 over the rows' canonical text */
};

/* Proves the rows of cuts: zeroed is closed. */
struct mr_ledger_prover {
	sqlite3_stmt *rows[MR_PART_COUNT];
	struct mr_buf text;
};
enum mr_err mr_ledger_prover_open(struct mr_ledger_prover *prover, sqlite3 *db,
				  struct mr_error *error);
void mr_ledger_prover_close(struct mr_ledger_prover *prover);
enum mr_err mr_ledger_prove(struct mr_ledger_prover *prover, enum mr_ledger_part part, int64_t cut,
			    struct mr_ledger_proof *out, struct mr_error *error);

/* A checkpoint's or an hour's own numbers; `before` and `other` are hashes: of the one before, and
 * of the newest hour (a checkpoint) or of the hour's last checkpoint (an hour). The link of the
 * chain is SHA-256 over all of it and the proofs. */
#define MR_LEDGER_HEAD_NUMBERS 6
struct mr_ledger_head {
	const char *kind; /* "checkpoint" or "hour" */
	int64_t numbers[MR_LEDGER_HEAD_NUMBERS];
	const char *before;
	const char *other;
};
void mr_ledger_link(const struct mr_ledger_head *head,
		    const struct mr_ledger_proof proofs[MR_PART_COUNT], struct mr_ledger_hash *out);

#endif
