/* sample.h - memory and CPU time of processes, as the kernel counts them. */
#ifndef MILLRACE_SAMPLE_H
#define MILLRACE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The proportional set size of a process in bytes: shared pages count by their share. 0 where the
 * process is gone. */
uint64_t mr_sample_pss(pid_t pid);

/* How many pages this process was given so far, new ones and copies. */
uint64_t mr_sample_faults(void);

struct mr_sample {
	int64_t cpu_us; /* user and system */
	int64_t rss_bytes;
};
/* False where the process is gone. */
bool mr_sample_process(pid_t pid, struct mr_sample *out);

#endif
