/* dry.h - when input counts as dry (PROTOCOL.md 2.3), so that what was made of it leaves.
 *
 * Where nothing has come for 5 ms. At once would be too soon: workers that share a processor would
 * send a batch of a few items each time that another one got it. But where the last two waits for
 * input took as long, this one will: then it is dry at once. Zeroed is a worker that has just
 * begun. Called by worker.c in each turn of its loop. */
#ifndef MILLRACE_DRY_H
#define MILLRACE_DRY_H

#include <stdbool.h>
#include <stdint.h>

#define MR_DRY_US 5000

struct mr_dry {
	int64_t since_us;    /* when nothing was there to do; 0: there was, just now */
	int64_t waits_us[2]; /* how long that took before: the last time, the time before */
};

static inline void mr_dry_came(struct mr_dry *dry, int64_t now_us)
{
	if (dry->since_us == 0)
		return;
	dry->waits_us[1] = dry->waits_us[0];
	dry->waits_us[0] = now_us - dry->since_us;
	dry->since_us = 0;
}

static inline void mr_dry_none(struct mr_dry *dry, int64_t now_us)
{
	if (dry->since_us == 0)
		dry->since_us = now_us;
}

/* When it is dry if nothing comes before; INT64_MAX while something comes. */
static inline int64_t mr_dry_at_us(const struct mr_dry *dry)
{
	bool will_last = dry->waits_us[0] >= MR_DRY_US && dry->waits_us[1] >= MR_DRY_US;

	if (dry->since_us == 0)
		return INT64_MAX;
	return will_last ? dry->since_us : dry->since_us + MR_DRY_US;
}

#endif
