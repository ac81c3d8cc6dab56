/* owed.c - see owed.h. */
#include "owed.h"

#include "millrace/log.h"

void mr_owed_begin(struct mr_owed *owed)
{
	owed->since_us = 0;
}

void mr_owed_forget(struct mr_owed *owed)
{
	owed->past = 0;
}

void mr_owed_note(struct mr_owed *owed, uint64_t count)
{
	if (count < owed->past)
		owed->past = count;
}

bool mr_owed_is_even(struct mr_owed *owed, uint64_t count, int64_t now_us)
{
	mr_owed_note(owed, count);
	if (count == owed->past)
		return true;
	unsigned long long left = count - owed->past;
	if (owed->since_us == 0)
		mr_log(MR_LOG_INFO,
		       "the reload waits for what was read before: %llu lines are to be made again",
		       left);
	if (owed->since_us == 0 || count != owed->count)
		owed->since_us = now_us;
	owed->count = count;
	if (now_us - owed->since_us <= MR_OWED_STILL_US)
		return false;
	mr_log(MR_LOG_WARNING,
	       "%llu lines in outputs were not made again: they are waited for no longer", left);
	owed->past = count;
	return true;
}
