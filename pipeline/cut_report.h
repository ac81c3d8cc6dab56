/* cut_report.h - what a worker says of one barrier: the word MR_CONTROL_SNAPPED.
 *
 * Made by worker_barrier.c, read by checkpoint.c. */
#ifndef MILLRACE_CUT_REPORT_H
#define MILLRACE_CUT_REPORT_H

#include "chain_state.h"

struct mr_cut_file {
	uint32_t stage; /* in the group's chain */
	struct mr_file_sum sum;
};

struct mr_cut_report {
	struct mr_counters counters; /* of all before the barrier, since the incarnation began */
	struct mr_marks marks;
	uint64_t owed;    /* of its sinks */
	uint64_t untold;  /* alerts that it writes once the barrier is committed */
	uint64_t held;    /* bytes that correlations remember */
	uint64_t waiting; /* slots that are not judged for want of a source's word */
	uint32_t file_count;
	struct mr_cut_file files[MR_CHAIN_MAX];
	uint64_t cpu_ns;   /* that the barrier and the snapshot cost */
	char failure[300]; /* why there is no snapshot; empty where there is one */
};

void mr_cut_report_encode(const struct mr_cut_report *report, struct mr_buf *out);
/* Survives any bytes: false, and `out` holds nothing. */
bool mr_cut_report_decode(struct mr_slice bytes, struct mr_cut_report *out);
void mr_cut_report_fini(struct mr_cut_report *report);

/* The files alone, as a child that wrote them tells its parent. */
void mr_cut_files_encode(const struct mr_cut_report *report, struct mr_buf *out);
bool mr_cut_files_decode(struct mr_slice bytes, struct mr_cut_report *out);

#endif
