/* ledger.c - double entry over the sums of a finished run.
 *
 * Called by the supervisor once all workers have ended. A hole is MR_IO and named with both
 * figures. */
#include "millrace/ledger.h"

#include <stdio.h>
#include <string.h>

struct entry {
	const char *given; /* in words: what one step says that it passed on */
	enum mr_counter given_counters[2];
	const char *got;
	enum mr_counter got_counter;
};

static const struct entry books[] = {
    {"bytes collected", {MR_C_BYTES_COLLECTED, MR_C_COUNT}, "bytes judged by parse", MR_C_BYTES},
    {"records parsed and rejected", {MR_C_PARSED, MR_C_REJECTED}, "records met", MR_C_RECORDS},
    {"signals sent by detect",
     {MR_C_SIGNALS, MR_C_COUNT},
     "signals received by correlate",
     MR_C_SIGNALS_RECEIVED},
    {"occurrences sent to outer correlations",
     {MR_C_INNER_SIGNALS, MR_C_COUNT},
     "occurrences received by outer correlations",
     MR_C_INNER_SIGNALS_RECEIVED},
    {"alerts made by correlate",
     {MR_C_ALERTS, MR_C_COUNT},
     "alerts received by deliver",
     MR_C_ALERTS_RECEIVED},
    {"alerts received by deliver",
     {MR_C_ALERTS_RECEIVED, MR_C_COUNT},
     "alert lines written",
     MR_C_DELIVERED},
    {"records rejected",
     {MR_C_REJECTED, MR_C_COUNT},
     "rejected records received by deliver",
     MR_C_REJECTS_RECEIVED},
    {"rejected records received by deliver",
     {MR_C_REJECTS_RECEIVED, MR_C_COUNT},
     "dead-letter lines written",
     MR_C_REJECTS_WRITTEN},
};

enum mr_err mr_ledger_balance(const struct mr_counters *sums, struct mr_error *error)
{
	char holes[sizeof error->text] = "";
	size_t len = 0;
	for (size_t i = 0; i < sizeof books / sizeof *books; i++) {
		const struct entry *entry = &books[i];
		uint64_t given = sums->at[entry->given_counters[0]];
		if (entry->given_counters[1] != MR_C_COUNT)
			given += sums->at[entry->given_counters[1]];
		uint64_t got = sums->at[entry->got_counter];
		if (given == got || len >= sizeof holes)
			continue;
		int added = snprintf(holes + len, sizeof holes - len, "%s%s: %llu, %s: %llu",
				     len == 0 ? "" : "; ", entry->given, (unsigned long long)given,
				     entry->got, (unsigned long long)got);
		len += added > 0 ? (size_t)added : 0;
	}
	if (len == 0)
		return MR_OK;
	return mr_error_set(error, MR_IO, "the books do not balance: %s", holes);
}
