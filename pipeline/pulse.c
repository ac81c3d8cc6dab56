/* pulse.c - questions to a worker and their answers. Called by the supervisor. Cannot fail. */
#include "pulse.h"

#define QUESTIONS_PER_LIMIT 4

static bool waits(const struct mr_pulse *pulse)
{
	return pulse->asked != pulse->answered;
}

bool mr_pulse_ask(struct mr_pulse *pulse, int64_t now_us, int64_t limit_us)
{
	if (waits(pulse) ||
	    (pulse->asked > 0 && now_us - pulse->asked_us < limit_us / QUESTIONS_PER_LIMIT))
		return false;
	pulse->asked++;
	pulse->asked_us = now_us;
	return true;
}

bool mr_pulse_answer(struct mr_pulse *pulse, uint64_t number)
{
	if (!waits(pulse) || number != pulse->asked)
		return false;
	pulse->answered = number;
	return true;
}

int64_t mr_pulse_silent_us(const struct mr_pulse *pulse, int64_t now_us)
{
	return waits(pulse) ? now_us - pulse->asked_us : 0;
}

void mr_pulse_forgive(struct mr_pulse *pulse, int64_t now_us)
{
	pulse->asked_us = now_us;
}
