/* histogram.h - how long things took, as counts in log-linear buckets.
 *
 * Each power of two is parted into MR_HISTOGRAM_PARTS buckets of one width, so that what a quantile
 * says is at most one part in so many too high, over the whole range (the layout of HdrHistogram).
 * Bucket edges are whole microseconds, and a bucket holds its upper edge, not its lower one: all
 * powers of two are edges, as are the `le` of what metrics show.
 *
 * Fixed size: nothing is allocated, and what is encoded fits a word of control however full it is.
 * A worker adds; the pipeline carries what it counted; the supervisor merges. */
#ifndef MILLRACE_HISTOGRAM_H
#define MILLRACE_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/error.h"
#include "millrace/pack.h"

#define MR_HISTOGRAM_BITS 5
#define MR_HISTOGRAM_PARTS (1u << MR_HISTOGRAM_BITS)
#define MR_HISTOGRAM_RANGE_BITS 40 /* twelve days; what takes longer is in the last bucket */
#define MR_HISTOGRAM_BUCKETS                                                                       \
	((MR_HISTOGRAM_RANGE_BITS - MR_HISTOGRAM_BITS + 1) * MR_HISTOGRAM_PARTS)
#define MR_HISTOGRAM_ENCODED_MAX (MR_HISTOGRAM_BUCKETS * 12 + 32)

/* Zeroed is empty. */
struct mr_histogram {
	uint64_t count;
	uint64_t sum_us; /* stays at UINT64_MAX where it would pass it */
	uint64_t most_us;
	uint64_t buckets[MR_HISTOGRAM_BUCKETS];
};

enum mr_latency {
#define X(symbol, name, prose) MR_L_##symbol,
#include "millrace/latency.def"
#undef X
	MR_L_COUNT
};
struct mr_latencies {
	struct mr_histogram at[MR_L_COUNT];
};
const char *mr_latency_name(enum mr_latency latency);

/* A clock that was put back makes less than nothing of a time: that counts as 0. */
void mr_histogram_add(struct mr_histogram *histogram, int64_t took_us);
void mr_histogram_merge(struct mr_histogram *sum, const struct mr_histogram *more);
/* What came between two states of one histogram; its most is the later one's. False, and nothing
 * is written, where `later` is no later state of `earlier`. */
bool mr_histogram_since(const struct mr_histogram *later, const struct mr_histogram *earlier,
			struct mr_histogram *out);

/* The least upper edge that `share` (0 to 1) of all is within, or the most where that is less; 0
 * where there is none. */
uint64_t mr_histogram_quantile(const struct mr_histogram *histogram, double share);
/* How many took at most 2^power microseconds: exact. */
uint64_t mr_histogram_within(const struct mr_histogram *histogram, unsigned power);

/* As msgpack: only buckets that hold something. At most MR_HISTOGRAM_ENCODED_MAX bytes. */
void mr_histogram_encode(const struct mr_histogram *histogram, struct mr_buf *out);
/* Survives any bytes; what is no histogram makes `in` bad, and `out` is then empty. */
void mr_histogram_decode(struct mr_unpack *in, struct mr_histogram *out);

#endif
