/* sample.h - memory of processes as the kernel shares it out. */
#ifndef MILLRACE_SAMPLE_H
#define MILLRACE_SAMPLE_H

#include <stdint.h>
#include <sys/types.h>

/* The proportional set size of a process in bytes: shared pages count by their share. 0 where the
 * process is gone. */
uint64_t mr_sample_pss(pid_t pid);

#endif
