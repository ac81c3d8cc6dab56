/* metric.h - counters, declared once in counter.def.
 *
 * A worker counts in its own array, without locks; the pipeline carries it to the supervisor. */
#ifndef MILLRACE_METRIC_H
#define MILLRACE_METRIC_H

#include <stdint.h>

enum mr_counter {
#define X(symbol, name, prose) MR_C_##symbol,
#include "millrace/counter.def"
#undef X
	MR_C_COUNT
};

struct mr_counters {
	uint64_t at[MR_C_COUNT];
};

const char *mr_counter_name(enum mr_counter counter);

static inline void mr_count(struct mr_counters *counters, enum mr_counter counter, uint64_t n)
{
	counters->at[counter] += n;
}

void mr_counters_add(struct mr_counters *sum, const struct mr_counters *more);

#endif
