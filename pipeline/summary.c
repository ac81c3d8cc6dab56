/* summary.c - the summary of a scan: the counters that a user asks for, and what it cost. */
#include "summary.h"

void mr_summary_write(const struct mr_supervisor *supervisor, struct mr_buf *out)
{
	static const enum mr_counter shown[] = {
	    MR_C_RECORDS,  MR_C_PARSED,       MR_C_REJECTED,      MR_C_REPAIRED,
	    MR_C_REPEATED, MR_C_UNKNOWN_KIND, MR_C_BYTES,         MR_C_SIGNALS,
	    MR_C_ALERTS,   MR_C_GEO_HITS,     MR_C_IDENTITY_HITS,
	};
	const struct mr_catalog *catalog = &supervisor->catalog;
	mr_buf_add_text(out, "{");
	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
		mr_buf_printf(out, "\"%s\": %llu, ", mr_counter_name(shown[i]),
			      (unsigned long long)supervisor->sums.at[shown[i]]);
	mr_buf_printf(out,
		      "\"rules\": %u, \"rules_refused\": %u, \"rules_inactive\": %u, "
		      "\"workers\": %u, ",
		      catalog->detections + catalog->correlations, catalog->refused,
		      catalog->inactive, supervisor->worker_count);
	double wall = supervisor->wall_seconds;
	mr_buf_printf(out,
		      "\"wall_seconds\": %.6f, \"cpu_seconds\": %.6f, \"events_per_second\": %.1f, "
		      "\"peak_rss_bytes\": %llu, \"counters\": {",
		      wall, supervisor->cpu_seconds,
		      wall > 0 ? (double)supervisor->sums.at[MR_C_PARSED] / wall : 0,
		      (unsigned long long)supervisor->peak_pss_bytes);
	for (enum mr_counter i = 0; i < MR_C_COUNT; i++)
		mr_buf_printf(out, "%s\"%s\": %llu", i == 0 ? "" : ", ", mr_counter_name(i),
			      (unsigned long long)supervisor->sums.at[i]);
	mr_buf_add_text(out, "}}\n");
}
