/* ledger.h - the books: what came in and what became of it. Double entry: what one step says that
 * it passed on, the next must say that it got.
 *
 * Counters are kept by the workers (metric.h) and added up by the supervisor. There are none for
 * what a source lists and what is fetched of it: files, standard input and sockets say of no record
 * that it is there before it is read. The first kind of source that does brings these rows along
 * (book.def), and their balance. */
#ifndef MILLRACE_LEDGER_H
#define MILLRACE_LEDGER_H

#include "millrace/error.h"
#include "millrace/metric.h"

/* Whether the sums of a finished run balance: bytes collected = received, records = parsed +
 * rejected, signals sent = received, those between layers of correlations likewise, alerts made =
 * received = delivered, rejects = received = written. MR_IO names each hole with both figures. */
enum mr_err mr_ledger_balance(const struct mr_counters *sums, struct mr_error *error);

#endif
