/* sample.h - memory and CPU time of processes, as the kernel counts them (proc(5)). */
#ifndef MILLRACE_SAMPLE_H
#define MILLRACE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What several processes of one program take together, each page once:
 * - pages of their own (RssAnon of /proc/PID/status), of each process that is added. A child that
 *   writes a snapshot is to be left out: its pages are its parent's, but for those that the parent
 *   has copied since, which so count once;
 * - pages of files (RssFile), which are those of program and libraries: of the process that has
 *   most of them.
 * What lies in memory files (RssShmem) is all processes' together: mr_tables_taken counts it.
 * The sum of their Pss (smaps_rollup) is much the same, but the kernel walks all pages for it: 20
 * to 30 ms for ten processes that share 310 MB of tables. */
struct mr_memory {
	uint64_t own_bytes;
	uint64_t file_bytes;
};
/* Adds a process; one that is gone adds nothing. */
void mr_sample_memory(pid_t pid, struct mr_memory *memory);

/* How many pages this process was given so far, new ones and copies. */
uint64_t mr_sample_faults(void);

struct mr_sample {
	int64_t cpu_us; /* user and system */
	int64_t rss_bytes;
};
/* False where the process is gone. */
bool mr_sample_process(pid_t pid, struct mr_sample *out);

#endif
