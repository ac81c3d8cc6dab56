/* Crowded slots of correlations that feed another, against the definition: every completing
 * occurrence is sent once, whatever was left out of the sets, in any order, moved half way to other
 * workers by way of a snapshot. */
#include "harness.h"
#include "naive.h"

#define RULES 3
#define RUNS 40
#define LONGEST 1200

struct bench {
	struct mr_fields *fields;
	mr_field group, value;
	struct mr_catalog catalog;
	struct naive_rule rule;
	uint32_t index;
	struct naive_occurrence occurrences[LONGEST];
	struct mr_signal signals[LONGEST];
	size_t count;
	struct mr_arena arena;
	struct fired_list wanted;
	size_t completing; /* distinct occurrences */
};

static struct mr_slice text(struct bench *bench, const char *form, uint32_t number)
{
	char bytes[32];
	int len = snprintf(bytes, sizeof(bytes), form, number);
	return (struct mr_slice){mr_arena_copy(&bench->arena, bytes, (size_t)len), (size_t)len};
}

static void occurrence_make(struct bench *bench, size_t i, uint32_t records, uint64_t *random)
{
	const struct naive_rule *rule = &bench->rule;
	struct naive_occurrence *one = &bench->occurrences[i];
	if (i > 0 && random_below(random, 8) == 0) {
		*one = bench->occurrences[random_below(random, (uint32_t)i)];
		if (random_below(random, 2) == 0)
			one->time += random_between(random, -rule->span, rule->span);
		return;
	}
	*one = (struct naive_occurrence){.rule = rule->list[random_below(random, rule->list_count)],
					 .id = random_below(random, records),
					 .time = random_between(random, 0, 4 * rule->span),
					 .value_count = 1 + random_below(random, NAIVE_VALUES)};
	/* One burst: past what a set keeps. */
	if (random_below(random, 3) == 0)
		one->time = 2 * rule->span + random_between(random, 0, rule->span / 8);
	for (uint32_t v = 0; v < one->value_count; v++)
		one->values[v] = random_below(random, records);
}

static void signal_make(struct bench *bench, size_t i)
{
	const struct naive_occurrence *one = &bench->occurrences[i];
	struct mr_signal *signal = &bench->signals[i];
	*signal = (struct mr_signal){.consumer = bench->index,
				     .rule = one->rule,
				     .kind = MR_KIND_UAL,
				     .has_time = true,
				     .time_us = one->time,
				     .tenant = MR_SLICE("tenant"),
				     .record_id = text(bench, "record-%u", one->id),
				     .key_count = 1};
	signal->key[0] = MR_SLICE("alice");
	if (bench->rule.type != MR_CORRELATION_VALUE_COUNT)
		return;
	struct mr_slice *values = mr_arena_alloc(&bench->arena, NAIVE_VALUES * sizeof(*values));
	for (uint32_t v = 0; v < one->value_count; v++)
		values[v] = text(bench, "value-%u", one->values[v]);
	signal->values = values;
	signal->value_count = one->value_count;
	signal->value_width = 1;
}

/* What the outer correlation can tell from no other occurrence is sent once: by which of the inner
 * one's rules it came is nothing that it sees. */
static bool is_repeat(const struct bench *bench, size_t i)
{
	const struct naive_occurrence *one = &bench->occurrences[i];
	for (size_t k = 0; k < i; k++) {
		const struct naive_occurrence *other = &bench->occurrences[k];
		if (other->id == one->id && other->time == one->time)
			return true;
	}
	return false;
}

static void bench_make(struct bench *bench, enum mr_correlation_type type, uint64_t *random)
{
	bool ordered = type == MR_CORRELATION_TEMPORAL_ORDERED;
	bool counts = !ordered && type != MR_CORRELATION_TEMPORAL;
	bench->fields = mr_fields_new();
	bench->group = mr_fields_add(bench->fields, MR_SLICE("group"));
	bench->value = mr_fields_add(bench->fields, MR_SLICE("value"));
	struct naive_rule *rule = &bench->rule;
	*rule = (struct naive_rule){.type = type, .list = {0, 1, 2}, .list_count = RULES};
	rule->span = random_between(random, 20, 2000);
	rule->threshold = counts ? 1 + random_below(random, 60) : RULES;
	for (uint32_t i = 0; i < RULES; i++)
		catalog_add(&bench->catalog, MR_RULE_DETECTION);
	bench->index = catalog_correlation(&bench->catalog, type, rule->list, RULES, rule->span,
					   counts ? rule->threshold : 0, bench->group,
					   type == MR_CORRELATION_VALUE_COUNT ? bench->value : 0);
	catalog_correlation(&bench->catalog, MR_CORRELATION_EVENT_COUNT, &bench->index, 1, 100, 1,
			    0, 0);
	bench->count = ordered ? 60 : LONGEST;
	uint32_t records = 1 + random_below(random, 2 * LONGEST);
	for (size_t i = 0; i < bench->count; i++) {
		occurrence_make(bench, i, records, random);
		signal_make(bench, i);
	}
	naive_judge(rule, bench->occurrences, bench->count);
	for (size_t i = 0; i < bench->count; i++) {
		if (!bench->occurrences[i].completes)
			continue;
		bench->completing += !is_repeat(bench, i);
		fired_add(&bench->wanted, bench->index, MR_SLICE("alice"),
			  naive_slot(rule, bench->occurrences[i].time));
	}
	fired_unique(&bench->wanted);
}

/* The inner one's alerts. */
static void keep_inner(struct fired_list *list, uint32_t index)
{
	size_t count = 0;
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].rule == index)
			list->items[count++] = list->items[i];
	}
	list->count = count;
}

static void compare(struct bench *bench, bool in_order, uint64_t seed, uint64_t *random)
{
	struct house first, second;
	size_t cut = random_below(random, (uint32_t)bench->count);
	for (size_t i = bench->count; i > 1 && !in_order; i--) {
		size_t other = random_below(random, (uint32_t)i);
		struct mr_signal kept = bench->signals[i - 1];
		bench->signals[i - 1] = bench->signals[other];
		bench->signals[other] = kept;
	}
	house_open(&first, &bench->catalog, bench->fields, 1, true);
	house_open(&second, &bench->catalog, bench->fields, 2, true);
	house_feed(&first, bench->signals, cut);
	house_move(&first, &second);
	house_feed(&second, bench->signals + cut, bench->count - cut);
	assert_int_equal(first.counters.at[MR_C_INNER_SIGNALS] +
			     second.counters.at[MR_C_INNER_SIGNALS],
			 bench->completing);
	house_finish(&second);
	keep_inner(&second.made, bench->index);
	fired_assert_equal(&second.made, &bench->wanted, "alerts", seed);
	house_close(&first);
	house_close(&second);
}

static int by_time(const void *a, const void *b)
{
	const struct mr_signal *x = a, *y = b;
	return (x->time_us > y->time_us) - (x->time_us < y->time_us);
}

static void kind(void **state)
{
	enum mr_correlation_type type = (enum mr_correlation_type)(uintptr_t)*state;
	size_t completing = 0;
	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		uint64_t random = seed * 10 + (uint64_t)type;
		struct bench *bench = mr_calloc(1, sizeof(*bench));
		bench_make(bench, type, &random);
		completing += bench->completing;
		compare(bench, false, seed, &random);
		qsort(bench->signals, bench->count, sizeof(bench->signals[0]), by_time);
		compare(bench, true, seed, &random);
		fired_fini(&bench->wanted);
		mr_arena_fini(&bench->arena);
		mr_catalog_fini(&bench->catalog);
		mr_fields_free(bench->fields);
		free(bench);
	}
	print_message("seeds 1 to %d: %zu occurrences complete\n", RUNS, completing);
}

int main(void)
{
	return run_each_at_once(kind);
}
