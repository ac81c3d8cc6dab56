/* Random streams through the kinds of correlation against the definition: ties, repeats,
 * copies of one record at other times, disorder, slots before 1970; any order, 1 to 4 workers,
 * given twice. */
#include "harness.h"
#include "naive.h"

#define RULES 4 /* detections */
#define SETUPS 40
#define STREAMS 200 /* keys of one run */
#define RUNS 12
#define LONGEST 400
#define MINUTE INT64_C(60000000) /* what a slot has to settle */

struct setup {
	struct naive_rule rule;
	uint32_t index; /* in the catalog */
};

struct stream {
	const struct setup *setup;
	char key[16];
	struct naive_occurrence occurrences[LONGEST];
	uint32_t count;
};

struct bench {
	struct mr_fields *fields;
	mr_field group, value;
	struct mr_catalog catalog;
	struct setup setups[SETUPS];
	struct stream *streams;
	struct mr_signal *signals;
	size_t signal_count;
	struct mr_arena arena;
	struct fired_list wanted;
	bool dense;
};

static void setup_make(struct bench *bench, struct setup *setup, enum mr_correlation_type type,
		       uint64_t *random)
{
	static const int64_t spans[] = {1, 2, 3, 5, 7, 10, 16, 25, 60};
	struct naive_rule *rule = &setup->rule;
	bool ordered = type == MR_CORRELATION_TEMPORAL_ORDERED;
	*rule = (struct naive_rule){.type = type};
	rule->list_count = 1 + random_below(random, ordered ? 4 : 3);
	for (uint32_t i = 0; i < rule->list_count; i++)
		rule->list[i] = ordered ? random_below(random, 3) : i;
	rule->span = bench->dense ? 40 + random_below(random, 400)
				  : spans[random_below(random, sizeof(spans) / sizeof(spans[0]))];
	uint32_t threshold = 1 + random_below(random, bench->dense ? 45 : 5);
	bool numbers = naive_adds_up(type);
	if (type == MR_CORRELATION_TEMPORAL && random_below(random, 2) == 0)
		threshold = 0; /* every rule of the list */
	else if (type == MR_CORRELATION_TEMPORAL)
		threshold = 1 + random_below(random, rule->list_count);
	rule->threshold = threshold == 0 ? rule->list_count : threshold;
	setup->index = catalog_correlation(&bench->catalog, type, rule->list, rule->list_count,
					   rule->span, ordered || numbers ? 0 : threshold,
					   bench->group, naive_has_field(type) ? bench->value : 0);
	/* Half of the others may become false again. */
	if (numbers || (!ordered && random_below(random, 2) == 0)) {
		struct mr_condition_part parts[2];
		uint32_t count =
		    naive_condition(rule, random_below, random, &bench->catalog.arena, parts);
		catalog_condition(&bench->catalog, setup->index, parts, count, rule->percentile);
	}
}

static void stream_make(struct bench *bench, struct stream *stream, uint32_t number,
			uint64_t *random)
{
	const struct setup *setup = &bench->setups[random_below(random, SETUPS)];
	const struct naive_rule *rule = &setup->rule;
	bool slow = rule->type == MR_CORRELATION_TEMPORAL_ORDERED || naive_adds_up(rule->type);
	uint32_t most = !bench->dense ? 30 : slow ? 60 : LONGEST; /* for the definition */
	uint32_t records = 1 + random_below(random, bench->dense ? 300 : 20);
	int64_t width = rule->span * random_between(random, 1, 6);
	bool starts_in_middle = random_below(random, 2) == 0;
	stream->setup = setup;
	stream->count = 1 + random_below(random, most);
	snprintf(stream->key, sizeof(stream->key), "key%u", number);
	for (uint32_t i = 0; i < stream->count; i++) {
		struct naive_occurrence *one = &stream->occurrences[i];
		*one = (struct naive_occurrence){0};
		if (i > 0 && random_below(random, 6) == 0) {
			*one =
			    stream->occurrences[random_below(random, i)]; /* a repeat or a copy */
			if (random_below(random, 2) == 0)
				one->time += random_between(random, -rule->span, rule->span);
			continue;
		}
		one->rule = rule->list[random_below(random, rule->list_count)];
		one->id = random_below(random, records);
		one->time = random_between(random, starts_in_middle ? 0 : -width, width);
		one->value_count = random_below(random, NAIVE_VALUES + 1);
		for (uint32_t v = 0; v < one->value_count; v++)
			one->values[v] = random_below(random, bench->dense ? 120 : 8);
	}
}

static struct mr_slice text(struct bench *bench, const char *form, uint32_t number)
{
	char bytes[32];
	int len = snprintf(bytes, sizeof(bytes), form, number);
	return (struct mr_slice){mr_arena_copy(&bench->arena, bytes, (size_t)len), (size_t)len};
}

/* What detect would send. */
static void signal_make(struct bench *bench, const struct stream *stream,
			const struct naive_occurrence *one, struct mr_signal *signal)
{
	*signal = (struct mr_signal){.consumer = stream->setup->index,
				     .rule = one->rule,
				     .kind = one->id % 2 == 0 ? MR_KIND_UAL : MR_KIND_SIGNIN,
				     .has_time = true,
				     .time_us = one->time,
				     .tenant = MR_SLICE("tenant"),
				     .record_id = text(bench, "record-%u", one->id / 2),
				     .key_count = 1};
	signal->key[0] = mr_slice(stream->key);
	enum mr_correlation_type type = stream->setup->rule.type;
	if (!naive_has_field(type))
		return;
	struct mr_slice *values = mr_arena_alloc(&bench->arena, NAIVE_VALUES * sizeof(*values));
	for (uint32_t v = 0; v < one->value_count; v++) {
		char number[NAIVE_NUMBER];
		naive_number(naive_halves(one->values[v]), number);
		values[v] = text(bench, "value-%u", one->values[v]);
		if (naive_adds_up(type))
			values[v] = (struct mr_slice){
			    mr_arena_copy(&bench->arena, number, strlen(number)), strlen(number)};
	}
	signal->values = values;
	signal->value_count = one->value_count;
	signal->value_width = 1;
}

static void bench_make(struct bench *bench, enum mr_correlation_type type, bool dense,
		       uint64_t *random)
{
	*bench = (struct bench){.fields = mr_fields_new(), .dense = dense};
	bench->group = mr_fields_add(bench->fields, MR_SLICE("group"));
	bench->value = mr_fields_add(bench->fields, MR_SLICE("value"));
	for (uint32_t i = 0; i < RULES; i++)
		catalog_add(&bench->catalog, MR_RULE_DETECTION);
	for (uint32_t i = 0; i < SETUPS; i++)
		setup_make(bench, &bench->setups[i], type, random);
	bench->streams = mr_calloc(STREAMS, sizeof(*bench->streams));
	bench->signals = mr_calloc((size_t)STREAMS * LONGEST, sizeof(*bench->signals));
	for (uint32_t s = 0; s < STREAMS; s++) {
		struct stream *stream = &bench->streams[s];
		stream_make(bench, stream, s, random);
		naive_judge(&stream->setup->rule, stream->occurrences, stream->count);
		for (uint32_t i = 0; i < stream->count; i++) {
			const struct naive_occurrence *one = &stream->occurrences[i];
			signal_make(bench, stream, one, &bench->signals[bench->signal_count++]);
			if (one->completes)
				fired_add(&bench->wanted, stream->setup->index,
					  mr_slice(stream->key),
					  naive_slot(&stream->setup->rule, one->time));
		}
	}
	fired_unique(&bench->wanted);
}

static void bench_fini(struct bench *bench)
{
	free(bench->streams);
	free(bench->signals);
	mr_arena_fini(&bench->arena);
	mr_catalog_fini(&bench->catalog);
	mr_fields_free(bench->fields);
	fired_fini(&bench->wanted);
}

/* A service judges at any barriers, and judges again. The last one is behind all. */
static void feed_with_barriers(struct house *house, const struct mr_signal *signals, size_t count,
			       uint64_t *random)
{
	for (size_t at = 0, part; at < count; at += part) {
		part = 1 + random_below(random, 2000);
		part = part < count - at ? part : count - at;
		house_feed(house, signals + at, part);
		house_barrier(house, MINUTE + random_between(random, -500, 500));
		if (random_below(random, 3) > 0)
			house_commit(house);
	}
	house_barrier(house, 2 * MINUTE);
	house_commit(house);
	house_barrier(house, 2 * MINUTE);
}

static double value_of(const struct naive_window *window)
{
	int64_t value = 0, scale = 1;
	if (!naive_adds_up(window->rule->type))
		return (double)naive_count(window);
	assert_true(naive_value(window, &value, &scale) > 0);
	return (double)value / 2 / (double)scale;
}

/* Of the windows that meet the condition the alert says the one that meets it furthest. */
static void value_is_the_furthest(void *context, const struct mr_alert *alert)
{
	const struct bench *bench = context;
	uint32_t number;
	assert_int_equal(sscanf(alert->key[0].at, "key%u", &number), 1);
	const struct stream *stream = &bench->streams[number];
	const struct naive_rule *rule = &stream->setup->rule;
	double furthest = 0;
	int64_t time = INT64_MIN;
	bool least = true;
	if (!mr_rule_settles(&bench->catalog.rules[alert->rule]) ||
	    rule->type == MR_CORRELATION_TEMPORAL) {
		assert_int_equal(alert->value.len, 0);
		return;
	}
	for (uint32_t i = 0; i < rule->part_count; i++)
		least &= rule->parts[i].op == MR_LT || rule->parts[i].op == MR_LTE;
	for (uint32_t i = 0; i < stream->count; i++) {
		const struct naive_occurrence *one = &stream->occurrences[i];
		struct naive_window window = {rule, stream->occurrences, stream->count,
					      one->time - rule->span, one->time};
		if (!one->completes || naive_slot(rule, one->time) != alert->slot)
			continue;
		double value = value_of(&window);
		bool same = time != INT64_MIN && value == furthest;
		if (time == INT64_MIN || (!same && (value < furthest) == least) ||
		    (same && one->time < time)) {
			furthest = value;
			time = one->time;
		}
	}
	char text[64] = {0};
	assert_in_range(alert->value.len, 1, sizeof(text) - 1);
	memcpy(text, alert->value.at, alert->value.len);
	assert_float_equal(strtod(text, NULL), furthest, 1e-5);
	assert_true(alert->value_time_us == time);
}

static void run(enum mr_correlation_type type, bool dense, uint64_t seed)
{
	uint64_t random = seed;
	struct bench bench;
	bench_make(&bench, type, dense, &random);
	struct mr_signal *signals = mr_calloc(2 * bench.signal_count, sizeof(*signals));
	for (uint32_t workers = 1; workers <= HOUSE_WORKERS; workers++) {
		struct house house;
		house_open(&house, &bench.catalog, bench.fields, workers, workers != 2);
		house.asks_open = true;
		house.context = &bench;
		house.watch = workers == 1 ? value_is_the_furthest : NULL;
		house.batch = 1 + random_below(&random, 50);
		size_t count = bench.signal_count;
		memcpy(signals, bench.signals, count * sizeof(*signals));
		if (workers == 3) { /* given twice */
			memcpy(signals + count, bench.signals, count * sizeof(*signals));
			count *= 2;
		}
		if (workers > 1)
			signals_shuffle(signals, count, &random);
		if (house.finite)
			house_feed(&house, signals, count);
		else
			feed_with_barriers(&house, signals, count, &random);
		house_finish(&house);
		fired_sort(&house.open);
		fired_assert_equal(&house.open, &bench.wanted, "alerts", seed);
		if (house.finite) {
			fired_assert_equal(&house.announced, &bench.wanted, "announcements", seed);
			fired_assert_equal(&house.made, &bench.wanted, "alerts", seed);
			assert_int_equal(house.counters.at[MR_C_ALERTS], bench.wanted.count);
		}
		assert_int_equal(house.counters.at[MR_C_SIGNALS_RECEIVED], count);
		house_close(&house);
	}
	free(signals);
	bench_fini(&bench);
}

static void kind(void **state)
{
	enum mr_correlation_type type = (enum mr_correlation_type)(uintptr_t)*state;
	for (uint64_t seed = 1; seed <= RUNS; seed++)
		run(type, seed % 4 == 0, seed * 1000 + (uint64_t)type);
	print_message("%u streams, seeds 1%03u to %u%03u\n", RUNS * STREAMS, (unsigned)type, RUNS,
		      (unsigned)type);
}

int main(void)
{
	return run_each_kind(kind);
}
