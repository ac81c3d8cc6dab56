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
	enum mr_counter got_counters[2];
};

static const struct entry books[] = {
    {"bytes collected",
     {MR_C_BYTES_COLLECTED, MR_C_COUNT},
     "bytes received by parse",
     {MR_C_BYTES_RECEIVED, MR_C_COUNT}},
    {"records parsed and rejected",
     {MR_C_PARSED, MR_C_REJECTED},
     "records met",
     {MR_C_RECORDS, MR_C_COUNT}},
    {"signals sent by detect",
     {MR_C_SIGNALS, MR_C_COUNT},
     "signals received by correlate and too large",
     {MR_C_SIGNALS_RECEIVED, MR_C_SIGNALS_TOO_LARGE}},
    {"occurrences sent to outer correlations",
     {MR_C_INNER_SIGNALS, MR_C_COUNT},
     "occurrences received by outer correlations and too large",
     {MR_C_INNER_SIGNALS_RECEIVED, MR_C_INNER_SIGNALS_TOO_LARGE}},
    {"alerts made by correlate",
     {MR_C_ALERTS, MR_C_COUNT},
     "alerts received by deliver and too large",
     {MR_C_ALERTS_RECEIVED, MR_C_ALERTS_TOO_LARGE}},
    {"alerts received by deliver",
     {MR_C_ALERTS_RECEIVED, MR_C_COUNT},
     "alert lines written",
     {MR_C_DELIVERED, MR_C_COUNT}},
    {"records rejected",
     {MR_C_REJECTED, MR_C_COUNT},
     "rejected records received by deliver",
     {MR_C_REJECTS_RECEIVED, MR_C_COUNT}},
    {"rejected records received by deliver",
     {MR_C_REJECTS_RECEIVED, MR_C_COUNT},
     "dead-letter lines written and not asked for",
     {MR_C_REJECTS_WRITTEN, MR_C_REJECTS_UNWRITTEN}},
};

static uint64_t add_up(const struct mr_counters *sums, const enum mr_counter counters[2])
{
	uint64_t sum = sums->at[counters[0]];
	return counters[1] == MR_C_COUNT ? sum : sum + sums->at[counters[1]];
}

enum mr_err mr_ledger_balance(const struct mr_counters *sums, struct mr_error *error)
{
	char holes[sizeof error->text] = "";
	size_t len = 0;
	for (size_t i = 0; i < sizeof books / sizeof *books; i++) {
		const struct entry *entry = &books[i];
		uint64_t given = add_up(sums, entry->given_counters);
		uint64_t got = add_up(sums, entry->got_counters);
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
