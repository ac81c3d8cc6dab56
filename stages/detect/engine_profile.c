/* engine_profile.c - measures the engine, set by set, and parts what it costs among the rules.
 *
 * Called by cmd_rules_profile.c, and from within engine_match.c and engine_group.c where an engine
 * has a profile. The clock is a monotonic one: it costs a fraction of what a system call does. A
 * set in which this thread lost the processor is weighted with its CPU time. */
#include "engine_profile.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "engine_run.h"
#include "millrace/cost.h"

struct interval {
	uint32_t plan, number; /* of a group, or of a rule */
	bool group;
	uint64_t ns;
};

struct engine_profile {
	struct engine *engine;
	uint32_t plan_count;
	uint64_t sets;
	bool parts; /* the set in hand is measured in its parts */
	/* The set in hand. */
	struct interval *intervals;
	size_t count, capacity;
	uint64_t cpu_ns, switches; /* when it began */
	uint64_t nested_ns;        /* of groups, within the rule in hand */
	uint64_t clock_ns;         /* what looking at the clock costs */
	/* What was measured whole, and in parts. */
	uint64_t whole_events, part_events;
	double whole_ns;
	double *groups;  /* by plan and group */
	double *rules;   /* by rule position */
	uint64_t *tried; /* likewise */
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t switches(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_nvcsw + (uint64_t)usage.ru_nivcsw;
}

struct engine_profile *engine_profile_new(struct engine *engine)
{
	struct engine_profile *profile = mr_calloc(1, sizeof *profile);
	size_t groups = engine->counts[ENGINE_GROUPS] + 1u;
	size_t rules = engine->counts[ENGINE_RULES] + 1u;
	profile->engine = engine;
	profile->plan_count = engine->counts[ENGINE_PLANS];
	profile->clock_ns = mr_cost_of_look(now_ns);
	profile->groups = mr_calloc(groups * (profile->plan_count + 1u), sizeof *profile->groups);
	profile->rules = mr_calloc(rules, sizeof *profile->rules);
	profile->tried = mr_calloc(rules, sizeof *profile->tried);
	return profile;
}

void engine_profile_free(struct engine_profile *profile)
{
	if (profile == NULL)
		return;
	profile->engine->profile = NULL;
	free(profile->intervals);
	free(profile->groups);
	free(profile->rules);
	free(profile->tried);
	free(profile);
}

/* ---- from within the engine ---- */

static void add(struct engine_profile *profile, struct interval interval)
{
	if (profile->count == profile->capacity) {
		profile->capacity = mr_grow(profile->capacity, profile->count + 1);
		profile->intervals =
		    mr_realloc(profile->intervals, profile->capacity * sizeof *profile->intervals);
	}
	uint64_t cost = profile->clock_ns;
	interval.ns = interval.ns > cost ? interval.ns - cost : 0;
	profile->intervals[profile->count++] = interval;
}

void engine_profile_group(struct engine *engine, uint32_t number)
{
	struct engine_profile *profile = engine->profile;
	uint64_t from = now_ns();
	engine_group_judge_now(engine, number);
	uint64_t took = now_ns() - from;
	profile->nested_ns += took;
	add(profile, (struct interval){engine->plan, number, true, took});
}

bool engine_profile_rule(struct engine *engine, uint32_t number)
{
	struct engine_profile *profile = engine->profile;
	profile->nested_ns = 0;
	uint64_t from = now_ns();
	bool holds = engine_rule_holds(engine, &engine->rules[number]);
	uint64_t took = now_ns() - from;
	uint64_t own = took > profile->nested_ns ? took - profile->nested_ns : 0;
	add(profile, (struct interval){engine->plan, number, false, own});
	return holds;
}

/* ---- sets ---- */

void engine_profile_begin(struct engine_profile *profile)
{
	profile->parts = profile->sets++ % 2 == 1;
	profile->engine->profile = profile->parts ? profile : NULL;
	profile->count = 0;
	profile->switches = switches();
	profile->cpu_ns = mr_cost_clock_ns();
}

/* What of the intervals' time was this thread's. */
static double weight_of(const struct engine_profile *profile, uint64_t took_ns)
{
	uint64_t sum = 0;
	if (switches() == profile->switches)
		return 1;
	for (size_t i = 0; i < profile->count; i++)
		sum += profile->intervals[i].ns;
	return sum <= took_ns ? 1 : (double)took_ns / (double)sum;
}

void engine_profile_end(struct engine_profile *profile, uint32_t events)
{
	uint64_t took_ns = mr_cost_clock_ns() - profile->cpu_ns;
	profile->engine->profile = NULL;
	if (!profile->parts) {
		profile->whole_events += events;
		profile->whole_ns += (double)took_ns;
		return;
	}
	double weight = weight_of(profile, took_ns);
	uint32_t groups = profile->engine->counts[ENGINE_GROUPS];
	profile->part_events += events;
	for (size_t i = 0; i < profile->count; i++) {
		const struct interval *interval = &profile->intervals[i];
		double ns = (double)interval->ns * weight;
		if (interval->group) {
			profile->groups[(size_t)interval->plan * groups + interval->number] += ns;
			continue;
		}
		profile->rules[interval->number] += ns;
		profile->tried[interval->number]++;
	}
}

/* ---- the parts ---- */

/* A rule has so many tests in a group. */
struct use {
	uint32_t rule, group, tests;
};
struct uses {
	struct use *items;
	size_t count, capacity;
};

static int by_number(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left;
	uint32_t b = *(const uint32_t *)right;
	return (a > b) - (a < b);
}

static void add_use(struct uses *uses, uint32_t rule, uint32_t group)
{
	for (size_t i = uses->count; i > 0 && uses->items[i - 1].rule == rule; i--) {
		if (uses->items[i - 1].group == group) {
			uses->items[i - 1].tests++;
			return;
		}
	}
	if (uses->count == uses->capacity) {
		uses->capacity = mr_grow(uses->capacity, uses->count + 1);
		uses->items = mr_realloc(uses->items, uses->capacity * sizeof *uses->items);
	}
	uses->items[uses->count++] = (struct use){rule, group, 1};
}

/* The distinct tests of one rule. */
static void find_uses(const struct engine *engine, uint32_t number, struct uses *uses)
{
	const struct image_rule *rule = &engine->rules[number];
	uint32_t *tests = mr_calloc(rule->steps.count + 1u, sizeof *tests);
	for (uint32_t i = 0; i < rule->steps.count; i++)
		tests[i] = engine->steps[rule->steps.first + i].predicate;
	if (rule->steps.count > 1)
		qsort(tests, rule->steps.count, sizeof *tests, by_number);
	for (uint32_t i = 0; i < rule->steps.count; i++) {
		const struct image_predicate *test = &engine->predicates[tests[i]];
		if (test->how == ENGINE_GROUPED && (i == 0 || tests[i] != tests[i - 1]))
			add_use(uses, number, test->group);
	}
	free(tests);
}

/* Adds to each rule what it has of the time that its groups took, in the plans that see it. */
static void part_groups(const struct engine_profile *profile, const struct uses *uses,
			uint32_t plan, double *tests, double *shares)
{
	const struct engine *engine = profile->engine;
	uint32_t groups = engine->counts[ENGINE_GROUPS];
	const double *took = profile->groups + (size_t)plan * groups;
	memset(tests, 0, groups * sizeof *tests);
	for (size_t i = 0; i < uses->count; i++) {
		const struct use *use = &uses->items[i];
		if (engine_sees(engine, use->rule, plan))
			tests[use->group] += use->tests;
	}
	for (size_t i = 0; i < uses->count; i++) {
		const struct use *use = &uses->items[i];
		if (took[use->group] > 0 && engine_sees(engine, use->rule, plan))
			shares[use->rule] += took[use->group] * use->tests / tests[use->group];
	}
}

static bool is_idle(const struct engine_profile *profile, uint32_t plan)
{
	uint32_t groups = profile->engine->counts[ENGINE_GROUPS];
	const double *took = profile->groups + (size_t)plan * groups;
	for (uint32_t i = 0; i < groups; i++) {
		if (took[i] > 0)
			return false;
	}
	return true;
}

static void part_all(const struct engine_profile *profile, double *shares)
{
	const struct engine *engine = profile->engine;
	struct uses uses = {0};
	double *tests = mr_calloc(engine->counts[ENGINE_GROUPS] + 1u, sizeof *tests);
	for (uint32_t i = 0; i < engine->counts[ENGINE_RULES]; i++)
		find_uses(engine, i, &uses);
	for (uint32_t plan = 0; plan < profile->plan_count; plan++) {
		if (!is_idle(profile, plan))
			part_groups(profile, &uses, plan, tests, shares);
	}
	free(tests);
	free(uses.items);
}

double engine_profile_read(const struct engine_profile *profile, struct engine_cost *costs,
			   double *unparted_out)
{
	const struct engine *engine = profile->engine;
	uint32_t count = engine->counts[ENGINE_RULES];
	*unparted_out = 0;
	if (profile->whole_events == 0 || profile->part_events == 0)
		return 0;
	double *shares = mr_calloc(count + 1u, sizeof *shares);
	double events = (double)profile->part_events;
	double whole = profile->whole_ns / (double)profile->whole_events;
	double sum = 0;
	part_all(profile, shares);
	for (uint32_t i = 0; i < count; i++)
		sum += (profile->rules[i] + shares[i]) / events;
	/* Measured in parts it may have taken longer than whole. */
	double scale = sum > whole ? whole / sum : 1;
	for (uint32_t i = 0; i < count; i++) {
		struct engine_cost *cost = &costs[engine->rules[i].index];
		cost->own_ns += profile->rules[i] * scale / events;
		cost->share_ns += shares[i] * scale / events;
		cost->tried += (double)profile->tried[i] / events;
	}
	*unparted_out = whole - sum * scale;
	free(shares);
	return whole;
}
