/* ledger_check.h - whether the books balance, and whether anybody has changed them.
 *
 * Called by `millrace ledger check`. Reads only: the ledger, and the files that sinks wrote. */
#ifndef MILLRACE_LEDGER_CHECK_H
#define MILLRACE_LEDGER_CHECK_H

#include "millrace/line_hash.h"

/* What is wrong, one line each. Zeroed is empty. */
#define MR_FINDINGS_MAX 100 /* that are told; all are counted */
struct mr_findings {
	struct mr_buf lines;
	uint64_t count;
};
void mr_find(struct mr_findings *findings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void mr_findings_fini(struct mr_findings *findings);

/* The manifest's word. */
struct mr_ledger_expected {
	bool known;
	uint64_t number;
	uint8_t head[MR_LINE_HASH_BYTES];
};
struct mr_ledger_state {
	uint64_t checkpoint; /* that the files were compared with; 0: there is none */
	uint64_t checkpoints;
	uint64_t hours;
};

/* MR_OK: it could be checked, and what is wrong stands in `findings`. Else it could not be read:
 * see mr_ledger_db_open. */
enum mr_err mr_ledger_check(const char *path, const struct mr_ledger_expected *expected,
			    struct mr_findings *findings, struct mr_ledger_state *state,
			    struct mr_error *error);

#endif
