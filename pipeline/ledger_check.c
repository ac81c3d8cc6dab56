/* ledger_check.c - the books, checked: opens them, asks each of the checks, gathers what is found.
 *
 * Called by cmd_ledger.c. All of it sees the same state of the file, also while a service writes.
 */
#include "ledger_check.h"

#include <stdarg.h>
#include <stdio.h>

#include "ledger_balance.h"

void mr_find(struct mr_findings *findings, const char *format, ...)
{
	char line[1024];
	struct mr_buf *lines = &findings->lines;
	va_list args;
	if (findings->count++ >= MR_FINDINGS_MAX)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	size_t from = lines->len;
	mr_buf_add_text(lines, line);
	mr_buf_show(lines, from);
	mr_buf_add(lines, "\n", 1);
}

void mr_findings_fini(struct mr_findings *findings)
{
	mr_buf_fini(&findings->lines);
	*findings = (struct mr_findings){0};
}

void mr_ledger_cut_text(sqlite3 *db, int64_t cut, char out[MR_CUT_TEXT])
{
	sqlite3_stmt *stmt = NULL;
	char time[MR_TIME_TEXT] = "?";
	if (cut >= 0) {
		snprintf(out, MR_CUT_TEXT, "checkpoint %lld", (long long)cut);
		return;
	}
	if (mr_ledger_db_prepare(db, "SELECT start_us FROM hour WHERE cut = ?1", &stmt, NULL) ==
	    MR_OK) {
		sqlite3_bind_int64(stmt, 1, cut);
		if (mr_ledger_db_step(stmt, NULL) == MR_OK)
			mr_time_text(sqlite3_column_int64(stmt, 0), time);
	}
	sqlite3_finalize(stmt);
	snprintf(out, MR_CUT_TEXT, "hour %llu (%s)", (unsigned long long)-(uint64_t)cut, time);
}

enum mr_err mr_ledger_check(const char *path, const struct mr_ledger_expected *expected,
			    struct mr_findings *findings, struct mr_ledger_state *state,
			    struct mr_error *error)
{
	struct mr_ledger_db db;
	*state = (struct mr_ledger_state){0};
	enum mr_err err = mr_ledger_db_open(path, MR_LEDGER_READ, &db, error);
	if (err == MR_OK)
		err = mr_ledger_db_exec(db.db, "BEGIN", error);
	if (err == MR_OK)
		err = mr_ledger_check_chain(db.db, expected, findings, state, error);
	int64_t last = (int64_t)state->checkpoint;
	if (err == MR_OK)
		err = mr_ledger_check_balance(db.db, findings, error);
	if (err == MR_OK)
		err = mr_ledger_check_files(db.db, last, findings, error);
	mr_ledger_db_close(&db);
	return err;
}
