/* ledger_balance.h - the parts of a check; called by ledger_check.c within one reading transaction.
 */
#ifndef MILLRACE_LEDGER_BALANCE_H
#define MILLRACE_LEDGER_BALANCE_H

#include "ledger_check.h"
#include "ledger_db.h"

/* How a person calls a cut: "checkpoint 7", "hour 3 (2026-03-01T10:00:00Z)". */
#define MR_CUT_TEXT 80
void mr_ledger_cut_text(sqlite3 *db, int64_t cut, char out[MR_CUT_TEXT]);

/* ledger_chain.c: rows against their proofs, proofs against the chain, the chain against itself and
 * the manifest. `state` gets the checkpoint that files are to be compared with. */
enum mr_err mr_ledger_check_chain(sqlite3 *db, const struct mr_ledger_expected *expected,
				  struct mr_findings *findings, struct mr_ledger_state *state,
				  struct mr_error *error);
/* ledger_balance.c: double entry, by source, link and sink. */
enum mr_err mr_ledger_check_balance(sqlite3 *db, struct mr_findings *findings,
				    struct mr_error *error);
/* ledger_files.c: the sinks' files, read again. */
enum mr_err mr_ledger_check_files(sqlite3 *db, int64_t last, struct mr_findings *findings,
				  struct mr_error *error);

#endif
