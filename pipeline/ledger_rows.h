/* ledger_rows.h - what workers and the supervisor have counted, as rows of the ledger.
 *
 * Called by the supervisor between mr_ledger_begin and mr_ledger_commit: for each worker group its
 * books and its counters, then each latency. */
#ifndef MILLRACE_LEDGER_ROWS_H
#define MILLRACE_LEDGER_ROWS_H

#include "ledger_store.h"
#include "millrace/histogram.h"
#include "millrace/metric.h"

/* How a person calls what books have numbers for; empty where there is none of that number: the
 * rows then bear the number. Borrowed. */
struct mr_ledger_names {
	void *context;
	struct mr_slice (*source)(void *context, uint32_t number);
	struct mr_slice (*edge)(void *context, uint32_t number);
	struct mr_slice (*worker)(void *context, uint32_t number);
};

/* All that the group's workers have said since the last checkpoint. */
void mr_ledger_put_books(struct mr_ledger *ledger, struct mr_slice group,
			 const struct mr_books *books, const struct mr_ledger_names *names);
/* Counters of no source: what came since `before`. Those that books have by source are left out. */
void mr_ledger_put_counters(struct mr_ledger *ledger, struct mr_slice group,
			    const struct mr_counters *now, const struct mr_counters *before);
/* What came since the last checkpoint, by powers of two of microseconds. */
void mr_ledger_put_histogram(struct mr_ledger *ledger, struct mr_slice step,
			     const struct mr_histogram *since);

#endif
