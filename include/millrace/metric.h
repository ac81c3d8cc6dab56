/* metric.h - counters, declared once in counter.def; and what of them the ledger wants by source.
 *
 * A worker counts in its own array, without locks; the pipeline carries it to the supervisor. In a
 * service the counters have books besides (books.h). */
#ifndef MILLRACE_METRIC_H
#define MILLRACE_METRIC_H

#include "millrace/books.h"

enum mr_counter {
#define X(symbol, name, prose) MR_C_##symbol,
#include "millrace/counter.def"
#undef X
	MR_C_COUNT
};

struct mr_counters {
	uint64_t at[MR_C_COUNT];
	struct mr_books *books; /* borrowed; NULL: nobody keeps a ledger */
};

const char *mr_counter_name(enum mr_counter counter);

static inline void mr_count(struct mr_counters *counters, enum mr_counter counter, uint64_t n)
{
	counters->at[counter] += n;
}

/* For the ledger, of one source. */
static inline void mr_count_of(struct mr_counters *counters, uint32_t source, enum mr_book book,
			       uint64_t n)
{
	if (counters->books != NULL)
		mr_book(counters->books, source, book, n);
}
static inline void mr_count_reject(struct mr_counters *counters, uint32_t source,
				   enum mr_reject_kind kind)
{
	mr_count(counters, MR_C_RECORDS, 1);
	mr_count(counters, MR_C_REJECTED, 1);
	mr_count_of(counters, source, MR_B_RECORDS, 1);
	mr_count_of(counters, source, (enum mr_book)(MR_B_REJECTED + (int)kind), 1);
}

/* As an array of all. */
void mr_counters_encode(const struct mr_counters *counters, struct mr_buf *out);
void mr_counters_add(struct mr_counters *sum, const struct mr_counters *more);

#endif
