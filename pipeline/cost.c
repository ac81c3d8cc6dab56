/* cost.c - CPU time by rule. See cost.h. Nothing here fails. */
#include "millrace/cost.h"

#include <stdlib.h>

#include "clock.h"
#include "millrace/memory.h"

/* Others only add to the least. */
uint64_t mr_cost_of_look(uint64_t (*look)(void))
{
	uint64_t least = UINT64_MAX;
	for (int i = 0; i < 1000; i++) {
		uint64_t from = look();
		uint64_t took = look() - from;
		least = took < least ? took : least;
	}
	return least;
}

void mr_costs_init(struct mr_costs *costs, uint32_t rule_count)
{
	*costs = (struct mr_costs){.rules = mr_calloc(rule_count + 1u, sizeof *costs->rules),
				   .clock_ns = mr_cost_of_look(mr_cost_clock_ns)};
}

void mr_costs_fini(struct mr_costs *costs)
{
	free(costs->rules);
	*costs = (struct mr_costs){0};
}

uint64_t mr_cost_clock_ns(void)
{
	return mr_clock_cpu_ns();
}

void mr_cost_add(struct mr_costs *costs, uint32_t rule, uint64_t from_ns)
{
	uint64_t took = mr_clock_cpu_ns() - from_ns;
	costs->rules[rule].ns += took > costs->clock_ns ? took - costs->clock_ns : 0;
}
