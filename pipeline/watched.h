/* watched.h - what the supervisor knows of one worker's health: its answers, and what comes with
 * them.
 *
 * A worker answers MR_CONTROL_PING with MR_CONTROL_PONG: `number` is the question's, `other` how
 * many batches wait to be sent, the bytes are its marks of event time. What it timed it tells by
 * itself, MR_CONTROL_LATENCY: `number` is an enum mr_latency, the bytes its whole histogram. */
#ifndef MILLRACE_WATCHED_H
#define MILLRACE_WATCHED_H

#include "millrace/histogram.h"
#include "millrace/metric.h"
#include "pulse.h"

struct mr_watched {
	struct mr_pulse pulse;
	bool waits;       /* with all of its host, for a disk as it seems (health.c) */
	uint64_t queued;  /* batches */
	int64_t event_us; /* the highest event time that it has met; MR_NO_TIME */
	/* A moment ago, for the rate. */
	int64_t rate_us;
	uint64_t rate_count;
	int64_t rate; /* items a second, of a source bytes; MR_STATUS_UNKNOWN at first */
	struct mr_latencies latencies;
};

#endif
