/* metric.c - counters' names and sums. */
#include "millrace/metric.h"

#include "millrace/pack.h"

const char *mr_counter_name(enum mr_counter counter)
{
	static const char *const names[] = {
#define X(symbol, name, prose) name,
#include "millrace/counter.def"
#undef X
	};
	return names[counter];
}

void mr_counters_encode(const struct mr_counters *counters, struct mr_buf *out)
{
	mr_pack_array(out, MR_C_COUNT);
	for (size_t i = 0; i < MR_C_COUNT; i++)
		mr_pack_uint(out, counters->at[i]);
}

void mr_counters_add(struct mr_counters *sum, const struct mr_counters *more)
{
	for (int i = 0; i < MR_C_COUNT; i++)
		sum->at[i] += more->at[i];
}
