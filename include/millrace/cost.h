/* cost.h - what each correlation costs, for `millrace rules profile`.
 *
 * Correlate adds to the costs that its environment has. In a run it has none, and no clock is
 * looked at. Order: init, then begin and end around each piece of work; fini. */
#ifndef MILLRACE_COST_H
#define MILLRACE_COST_H

#include <stddef.h>
#include <stdint.h>

struct mr_cost {
	uint64_t ns;     /* of CPU */
	uint64_t times;  /* that it was asked: an occurrence came */
	uint64_t passed; /* occurrences that it handed to what is over it */
};

struct mr_costs {
	struct mr_cost *rules; /* by catalog index */
	uint64_t clock_ns;     /* what looking at the clock costs */
};

void mr_costs_init(struct mr_costs *costs, uint32_t rule_count);
void mr_costs_fini(struct mr_costs *costs);

/* Nanoseconds of CPU that this thread has used; a system call. */
uint64_t mr_cost_clock_ns(void);
/* What a look at a clock costs, in its nanoseconds: the least of many. */
uint64_t mr_cost_of_look(uint64_t (*look)(void));
void mr_cost_add(struct mr_costs *costs, uint32_t rule, uint64_t from_ns);

/* All accept NULL: nobody measures. */
static inline uint64_t mr_cost_begin(const struct mr_costs *costs)
{
	return costs == NULL ? 0 : mr_cost_clock_ns();
}
static inline void mr_cost_end(struct mr_costs *costs, uint32_t rule, uint64_t from_ns)
{
	if (costs != NULL)
		mr_cost_add(costs, rule, from_ns);
}
static inline void mr_cost_asked(struct mr_costs *costs, uint32_t rule)
{
	if (costs != NULL)
		costs->rules[rule].times++;
}
static inline void mr_cost_passed(struct mr_costs *costs, uint32_t rule)
{
	if (costs != NULL)
		costs->rules[rule].passed++;
}

#endif
