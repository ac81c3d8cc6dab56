/* histogram.c - log-linear buckets: adding, merging, quantiles, and their form on the wire.
 *
 * Called by stages (add), workers (encode) and the supervisor. Source: HdrHistogram,
 * hdrhistogram.github.io. Only decoding can fail. */
#include "millrace/histogram.h"

const char *mr_latency_name(enum mr_latency latency)
{
	static const char *const names[] = {
#define X(symbol, name, prose) name,
#include "millrace/latency.def"
#undef X
	};
	return names[latency];
}

/* Which bucket holds a time. Less one, so that upper edges lie within. */
static uint32_t bucket_of(uint64_t took_us)
{
	uint64_t value = took_us == 0 ? 0 : took_us - 1;
	if (value >> MR_HISTOGRAM_RANGE_BITS != 0)
		return MR_HISTOGRAM_BUCKETS - 1;
	if (value < MR_HISTOGRAM_PARTS)
		return (uint32_t)value;
	unsigned power = 63 - (unsigned)__builtin_clzll(value);
	unsigned shift = power - MR_HISTOGRAM_BITS;
	return (shift << MR_HISTOGRAM_BITS) + (uint32_t)(value >> shift);
}

static uint64_t upper_edge(uint32_t bucket)
{
	if (bucket < MR_HISTOGRAM_PARTS)
		return bucket + UINT64_C(1);
	unsigned shift = (bucket >> MR_HISTOGRAM_BITS) - 1;
	uint64_t part = (bucket & (MR_HISTOGRAM_PARTS - 1)) | MR_HISTOGRAM_PARTS;
	return (part + 1) << shift;
}

static uint64_t add_up(uint64_t a, uint64_t b)
{
	uint64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void mr_histogram_add(struct mr_histogram *histogram, int64_t took_us)
{
	uint64_t took = took_us > 0 ? (uint64_t)took_us : 0;
	histogram->count++;
	histogram->sum_us = add_up(histogram->sum_us, took);
	if (took > histogram->most_us)
		histogram->most_us = took;
	histogram->buckets[bucket_of(took)]++;
}

void mr_histogram_merge(struct mr_histogram *sum, const struct mr_histogram *more)
{
	sum->count += more->count;
	sum->sum_us = add_up(sum->sum_us, more->sum_us);
	if (more->most_us > sum->most_us)
		sum->most_us = more->most_us;
	for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++)
		sum->buckets[i] += more->buckets[i];
}

bool mr_histogram_since(const struct mr_histogram *later, const struct mr_histogram *earlier,
			struct mr_histogram *out)
{
	if (later->sum_us < earlier->sum_us || later->most_us < earlier->most_us)
		return false;
	for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++) {
		if (later->buckets[i] < earlier->buckets[i])
			return false;
	}
	*out = (struct mr_histogram){.count = later->count - earlier->count,
				     .sum_us = later->sum_us - earlier->sum_us,
				     .most_us = later->most_us};
	for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++)
		out->buckets[i] = later->buckets[i] - earlier->buckets[i];
	return true;
}

uint64_t mr_histogram_quantile(const struct mr_histogram *histogram, double share)
{
	double wanted = share * (double)histogram->count;
	uint64_t seen = 0;
	for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen == 0 || (double)seen < wanted)
			continue;
		uint64_t edge = i + 1 < MR_HISTOGRAM_BUCKETS ? upper_edge(i) : UINT64_MAX;
		return edge < histogram->most_us ? edge : histogram->most_us;
	}
	return histogram->most_us;
}

uint64_t mr_histogram_within(const struct mr_histogram *histogram, unsigned power)
{
	uint64_t seen = 0;
	for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS - 1; i++) {
		if (power >= 64 || upper_edge(i) > UINT64_C(1) << power)
			break;
		seen += histogram->buckets[i];
	}
	return seen;
}

/* ---- on the wire ---- */

void mr_histogram_encode(const struct mr_histogram *histogram, struct mr_buf *out)
{
	uint32_t used = 0;
	for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++)
		used += histogram->buckets[i] > 0;
	mr_pack_array(out, 2 + 2 * (size_t)used);
	mr_pack_uint(out, histogram->sum_us);
	mr_pack_uint(out, histogram->most_us);
	for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++) {
		if (histogram->buckets[i] == 0)
			continue;
		mr_pack_uint(out, i);
		mr_pack_uint(out, histogram->buckets[i]);
	}
}

/* Buckets come in their order, each once and with something in it; the last is the one of the most.
 */
static bool decode_buckets(struct mr_unpack *in, size_t used, struct mr_histogram *out)
{
	uint64_t next = 0;
	for (size_t i = 0; i < used && mr_unpack_ok(in); i++) {
		uint64_t bucket = mr_unpack_uint(in, MR_HISTOGRAM_BUCKETS - 1);
		uint64_t count = mr_unpack_uint(in, UINT64_MAX);
		if (!mr_unpack_ok(in) || bucket < next || count == 0 ||
		    __builtin_add_overflow(out->count, count, &out->count))
			return false;
		out->buckets[bucket] = count;
		next = bucket + 1;
	}
	if (!mr_unpack_ok(in))
		return false;
	return used == 0 ? out->most_us == 0 : next == bucket_of(out->most_us) + UINT64_C(1);
}

void mr_histogram_decode(struct mr_unpack *in, struct mr_histogram *out)
{
	*out = (struct mr_histogram){0};
	size_t items = mr_unpack_array(in, 2 + 2 * (size_t)MR_HISTOGRAM_BUCKETS);
	out->sum_us = mr_unpack_uint(in, UINT64_MAX);
	out->most_us = mr_unpack_uint(in, UINT64_MAX);
	if (mr_unpack_ok(in) && items >= 2 && items % 2 == 0 &&
	    decode_buckets(in, items / 2 - 1, out) && out->sum_us >= out->most_us)
		return;
	in->bad = true;
	*out = (struct mr_histogram){0};
}
