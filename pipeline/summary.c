/* summary.c - the summary of a scan: the counters that a user asks for, and what it cost. */
#include "summary.h"

#include <string.h>

/* A stage's calls in all workers; the rest of cpu_seconds is start, links and control. */
static double stage_cpu_seconds(const struct mr_supervisor *supervisor, const char *stage)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	uint64_t sum_ns = 0;
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		const struct mr_group *group = &topology->groups[mr_setup_group(topology, i)];
		for (uint32_t k = 0; k < mr_group_length(group); k++)
			sum_ns += strcmp(group->chain[k], stage) == 0
				      ? supervisor->workers[i].stage_cpu_ns[k]
				      : 0;
	}
	return (double)sum_ns / 1e9;
}

static void put_stages(const struct mr_supervisor *supervisor, struct mr_buf *out)
{
	for (size_t i = 0; mr_stages[i] != NULL; i++)
		mr_buf_printf(out, "%s\"%s\": %.6f", i == 0 ? "" : ", ", mr_stages[i]->name,
			      stage_cpu_seconds(supervisor, mr_stages[i]->name));
}

void mr_summary_write(const struct mr_supervisor *supervisor, bool complete, struct mr_buf *out)
{
	static const enum mr_counter shown[] = {
	    MR_C_RECORDS,  MR_C_PARSED,       MR_C_REJECTED, MR_C_REPAIRED,
	    MR_C_REPEATED, MR_C_UNKNOWN_KIND, MR_C_BYTES,    MR_C_SIGNALS,
	    MR_C_ALERTS,   MR_C_STATE_SHED,   MR_C_GEO_HITS, MR_C_IDENTITY_HITS,
	};
	const struct mr_catalog *catalog = &supervisor->catalog;
	mr_buf_printf(out, "{\"complete\": %s, ", complete ? "true" : "false");
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
		      "\"peak_rss_bytes\": %llu, \"stage_cpu_seconds\": {",
		      wall, supervisor->cpu_seconds,
		      wall > 0 ? (double)supervisor->sums.at[MR_C_PARSED] / wall : 0,
		      (unsigned long long)supervisor->peak_memory_bytes);
	put_stages(supervisor, out);
	mr_buf_add_text(out, "}, \"counters\": {");
	for (enum mr_counter i = 0; i < MR_C_COUNT; i++)
		mr_buf_printf(out, "%s\"%s\": %llu", i == 0 ? "" : ", ", mr_counter_name(i),
			      (unsigned long long)supervisor->sums.at[i]);
	mr_buf_add_text(out, "}}\n");
}
