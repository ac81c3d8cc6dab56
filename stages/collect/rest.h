/* rest.h - how long sources that have run dry are left alone.
 *
 * What comes a little at a time, as from a tenant all day, would be a block of the journal, a batch
 * and a wake-up of each worker for every few records. So behind what was read none is looked at for
 * a while, and what comes meanwhile goes together. A record that comes later than that waits for
 * nothing. Called by sources.c. */
#ifndef MILLRACE_COLLECT_REST_H
#define MILLRACE_COLLECT_REST_H

#include <stdint.h>

/* As long as a partial batch may wait (PROTOCOL.md 2.3). */
#define MR_REST_MOST_US 20000
/* A shorter rest saves nobody anything. */
#define MR_REST_LEAST_US 1000
/* So much together is worth a batch: a larger one costs little less for each event, and waits for
 * nothing (`./run bench growth --curves batch`). */
#define MR_REST_ENOUGH (128u << 10)
/* Of a source that says no more: the least that senders can be relied on to have room for, if each
 * record takes some besides its bytes. In a socket's 208 KiB (socket(7), SO_SNDBUF) 278 have room
 * that are sent one by one, however short they are: less than 32 KiB of a hundred bytes each. */
#define MR_REST_ROOM (32u << 10)
#define MR_REST_RECORD 512

/* So many bytes came in `over_us`: as long as they take to fill `room` at that rate, so that who
 * sends is never held up, or to be enough; 0 where that is too short. A sender that was held up
 * nevertheless has sent more than `room`, and each rest is a part of the last one. */
static inline int64_t mr_rest_us(uint64_t bytes, int64_t over_us, uint64_t room)
{
	uint64_t most = room < MR_REST_ENOUGH ? room : MR_REST_ENOUGH;
	double rest_us = (double)over_us * (double)most / (double)bytes;

	if (rest_us >= MR_REST_MOST_US)
		return MR_REST_MOST_US;
	return rest_us >= MR_REST_LEAST_US ? (int64_t)rest_us : 0;
}

#endif
