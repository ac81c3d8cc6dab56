/* pulse.h - whether a worker answers.
 *
 * The supervisor asks each worker over control, one question at a time, and the worker's loop
 * answers between two batches, whether or not its outputs take any: back-pressure fails no check
 * (PROTOCOL.md 4.3). A worker that leaves a question unanswered for the limit is taken for dead. */
#ifndef MILLRACE_PULSE_H
#define MILLRACE_PULSE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed is valid: nothing asked yet. */
struct mr_pulse {
	uint64_t asked;    /* number of the last question */
	uint64_t answered; /* of the last answer */
	int64_t asked_us;
};

/* Whether to ask now: a quarter of the limit after the last question, once that is answered. The
 * question's number is then pulse->asked. */
bool mr_pulse_ask(struct mr_pulse *pulse, int64_t now_us, int64_t limit_us);
/* False where nobody asked that: it is no answer. */
bool mr_pulse_answer(struct mr_pulse *pulse, uint64_t number);
/* How long a question has been waiting for its answer; 0 where none does. */
int64_t mr_pulse_silent_us(const struct mr_pulse *pulse, int64_t now_us);
/* The supervisor itself stood still (it was stopped, or the machine slept): no worker is to blame
 * for what it did not hear meanwhile. Or the worker said that it gets on. */
void mr_pulse_forgive(struct mr_pulse *pulse, int64_t now_us);

#endif
