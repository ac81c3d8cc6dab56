/* follow_pace.c - when all that is followed is looked at again.
 *
 * Called by follow.c. As long as there is something to read, a scan of many files is followed by as
 * many steps of reading as it is worth; where there is not, it may come at once. It never takes
 * most of the processor. */
#include "follow.h"

#include <time.h>

#define SCAN_US (INT64_C(1000) * 1000)
#define SCAN_PAUSE 5   /* a scan is one part of so many of the time until the next */
#define FILES_A_STEP 8 /* that a scan looks at in about the time of a step */

/* Of the processor: what others take of it makes no scan longer. */
static int64_t spent_us(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return spent.tv_sec * INT64_C(1000000) + spent.tv_nsec / 1000;
}

bool mr_pace_due(const struct mr_pace *pace, size_t files, int64_t now_us)
{
	if (!pace->begun)
		return true;
	return (pace->idle || pace->steps >= files / FILES_A_STEP) &&
	       ((pace->asked && !pace->slow) || now_us >= pace->due_us);
}

void mr_pace_begin(struct mr_pace *pace)
{
	*pace = (struct mr_pace){.begun = true, .spent_us = spent_us()};
}

void mr_pace_end(struct mr_pace *pace, int64_t now_us)
{
	int64_t pause_us = SCAN_PAUSE * (spent_us() - pace->spent_us);

	pace->slow = pause_us > SCAN_US;
	pace->due_us = now_us + (pace->slow ? pause_us : SCAN_US);
}

void mr_pace_step(struct mr_pace *pace)
{
	pace->idle = false;
	pace->steps++;
}
