/* Correlations of correlations, three layers deep, against the definition: each completing
 * occurrence of an inner one is an occurrence of the outer one, whatever the order in which it came
 * to complete. */
#include "harness.h"
#include "naive.h"

#define RUNS 60
#define SIGNALS 500
#define POOL 200000
#define ALERT_IDS 20000
#define GROUPS 2
#define MINUTE INT64_C(60000000) /* what a slot has to settle */

/* An occurrence on its way to one correlation, with what its record says. */
struct full {
	uint32_t consumer;
	char key[16];
	uint32_t record;
	struct naive_occurrence one;
	uint32_t groups[GROUPS];
	uint32_t group_count;
};

struct bench {
	struct mr_fields *fields;
	mr_field user, group, value;
	struct mr_catalog catalog;
	struct naive_rule rules[32]; /* by catalog index */
	struct full *pool;
	size_t pool_count, first_count; /* those that detect sends */
	struct fired_list alert_ids;
	struct fired_list wanted;
	struct mr_arena arena;
	bool settles; /* conditions may become false again */
};

/* ---- the definition ---- */

/* A number for an inner alert, past all records' numbers. */
static uint32_t alert_number(struct bench *bench, const struct fired *alert)
{
	size_t i = 0;
	while (i < bench->alert_ids.count && fired_compare(&bench->alert_ids.items[i], alert) != 0)
		i++;
	if (i == bench->alert_ids.count)
		fired_add(&bench->alert_ids, alert->rule, mr_slice(alert->key), alert->slot);
	assert_true(i < ALERT_IDS);
	return (uint32_t)i + 1000;
}

static void feed_outers(struct bench *bench, const struct full *inner, int64_t slot)
{
	struct fired alert = {.rule = inner->consumer, .slot = slot};
	memcpy(alert.key, inner->key, sizeof(inner->key));
	for (uint32_t c = inner->consumer + 1; c < bench->catalog.count; c++) {
		const struct naive_rule *outer = &bench->rules[c];
		bool named = false;
		for (uint32_t i = 0; i < outer->list_count; i++)
			named |= outer->list[i] == inner->consumer;
		for (uint32_t g = 0; named && g < inner->group_count; g++) {
			assert_true(bench->pool_count < POOL);
			struct full *next = &bench->pool[bench->pool_count++];
			*next = *inner;
			next->consumer = c;
			next->one.rule = inner->consumer;
			/* What is added up is added once for each record. */
			next->one.id = naive_adds_up(outer->type) ? inner->record
								  : alert_number(bench, &alert);
			snprintf(next->key, sizeof(next->key), "group-%u", inner->groups[g]);
		}
	}
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(struct full *const *)a)->key, (*(struct full *const *)b)->key);
}

static void judge_key(struct bench *bench, struct full **members, size_t count)
{
	uint32_t consumer = members[0]->consumer;
	const struct naive_rule *rule = &bench->rules[consumer];
	struct naive_occurrence *all = mr_malloc(count * sizeof(*all));
	for (size_t i = 0; i < count; i++)
		all[i] = members[i]->one;
	naive_judge(rule, all, count);
	for (size_t i = 0; i < count; i++) {
		if (!all[i].completes)
			continue;
		int64_t slot = naive_slot(rule, all[i].time);
		fired_add(&bench->wanted, consumer, mr_slice(members[i]->key), slot);
		feed_outers(bench, members[i], slot);
	}
	free(all);
}

static void judge_all(struct bench *bench)
{
	struct full **members = mr_malloc(POOL * sizeof(struct full *));
	for (uint32_t c = 0; c < bench->catalog.count; c++) {
		size_t count = 0;
		for (size_t i = 0; i < bench->pool_count; i++) {
			if (bench->pool[i].consumer == c)
				members[count++] = &bench->pool[i];
		}
		qsort(members, count, sizeof(struct full *), by_key);
		for (size_t from = 0, to; from < count; from = to) {
			to = from + 1;
			while (to < count && strcmp(members[to]->key, members[from]->key) == 0)
				to++;
			judge_key(bench, members + from, to - from);
		}
	}
	free(members);
	fired_unique(&bench->wanted);
}

/* ---- a random catalog and stream ---- */

static void correlation_make(struct bench *bench, const uint32_t *named, uint32_t named_count,
			     mr_field group, int64_t span, uint64_t *random)
{
	struct naive_rule rule = {.type = (enum mr_correlation_type)random_below(
				      random, bench->settles ? MR_CORRELATION_COUNT : 4),
				  .span = span,
				  .threshold = 1 + random_below(random, 4)};
	bool ordered = rule.type == MR_CORRELATION_TEMPORAL_ORDERED;
	bool numbers = naive_adds_up(rule.type);
	rule.list_count = 1 + random_below(random, named_count < 3 ? named_count : 3);
	uint32_t skip = random_below(random, named_count - rule.list_count + 1);
	for (uint32_t i = 0; i < rule.list_count; i++)
		rule.list[i] = named[skip + i];
	if (rule.type == MR_CORRELATION_TEMPORAL)
		rule.threshold = rule.list_count;
	uint32_t index = catalog_correlation(
	    &bench->catalog, rule.type, rule.list, rule.list_count, span,
	    ordered || numbers || rule.type == MR_CORRELATION_TEMPORAL ? 0 : rule.threshold, group,
	    naive_has_field(rule.type) ? bench->value : 0);
	if (numbers || (bench->settles && !ordered && random_below(random, 2) == 0)) {
		struct mr_condition_part parts[2];
		uint32_t count =
		    naive_condition(&rule, random_below, random, &bench->catalog.arena, parts);
		catalog_condition(&bench->catalog, index, parts, count, rule.percentile);
	}
	bench->rules[index] = rule;
}

static void catalog_make(struct bench *bench, uint64_t *random)
{
	uint32_t detections[3], inner[4], outer[5];
	for (uint32_t i = 0; i < 3; i++) {
		detections[i] = bench->catalog.count;
		catalog_add(&bench->catalog, MR_RULE_DETECTION);
	}
	for (uint32_t i = 0; i < 4; i++) {
		inner[i] = bench->catalog.count;
		correlation_make(bench, detections, 3, bench->user, 2 + random_below(random, 20),
				 random);
	}
	for (uint32_t i = 0; i < 4; i++) {
		outer[i] = bench->catalog.count;
		correlation_make(bench, inner, 4, bench->group, 2 + random_below(random, 40),
				 random);
	}
	outer[4] = inner[0]; /* a layer may be skipped */
	for (uint32_t i = 0; i < 2; i++)
		correlation_make(bench, outer, 5, bench->group, 2 + random_below(random, 60),
				 random);
}

static void stream_make(struct bench *bench, uint64_t *random)
{
	uint32_t users = 1 + random_below(random, 8);
	for (uint32_t i = 0; i < SIGNALS; i++) {
		struct full *full = &bench->pool[bench->pool_count++];
		if (i > 0 && random_below(random, 8) == 0) { /* a repeat, or a copy that differs */
			*full = bench->pool[random_below(random, i)];
			uint32_t how = random_below(random, 3);
			if (how == 1)
				full->one.time += random_between(random, -10, 10);
			if (how == 2)
				full->groups[0] = random_below(random, 3);
			continue;
		}
		uint32_t consumer = 3 + random_below(random, 4);
		const struct naive_rule *rule = &bench->rules[consumer];
		full->consumer = consumer;
		snprintf(full->key, sizeof(full->key), "user-%u", random_below(random, users));
		full->record = random_below(random, 300);
		full->one.rule = rule->list[random_below(random, rule->list_count)];
		full->one.id = full->record;
		full->one.time = random_between(random, -150, 150);
		full->one.value_count = random_below(random, NAIVE_VALUES + 1);
		for (uint32_t v = 0; v < full->one.value_count; v++)
			full->one.values[v] = random_below(random, 6);
		full->group_count = random_below(random, GROUPS + 1);
		for (uint32_t g = 0; g < full->group_count; g++)
			full->groups[g] = random_below(random, 3);
	}
	bench->first_count = bench->pool_count;
}

/* ---- signals ---- */

static struct mr_slice text(struct bench *bench, const char *form, uint32_t number)
{
	char bytes[32];
	int len = snprintf(bytes, sizeof(bytes), form, number);
	return (struct mr_slice){mr_arena_copy(&bench->arena, bytes, (size_t)len), (size_t)len};
}

static struct mr_slice text_copy(struct bench *bench, const char *bytes)
{
	size_t len = strlen(bytes);
	return (struct mr_slice){mr_arena_copy(&bench->arena, bytes, len), len};
}

static void signal_make(struct bench *bench, const struct full *full, struct mr_signal *signal)
{
	struct mr_slice *values = mr_arena_alloc(&bench->arena, NAIVE_VALUES * sizeof(*values));
	struct mr_signal_field *fields =
	    mr_arena_alloc(&bench->arena, (NAIVE_VALUES + GROUPS) * sizeof(*fields));
	*signal = (struct mr_signal){.consumer = full->consumer,
				     .rule = full->one.rule,
				     .kind = MR_KIND_UAL,
				     .has_time = true,
				     .time_us = full->one.time,
				     .tenant = MR_SLICE("tenant"),
				     .record_id = text(bench, "record-%u", full->record),
				     .key_count = 1,
				     .values = values,
				     .fields = fields};
	signal->key[0] = mr_slice(full->key);
	for (uint32_t v = 0; v < full->one.value_count; v++) {
		char number[NAIVE_NUMBER];
		naive_number(naive_halves(full->one.values[v]), number);
		values[v] = bench->settles ? text_copy(bench, number)
					   : text(bench, "value-%u", full->one.values[v]);
		/* As the record wrote it: the outer correlation folds it. */
		struct mr_slice written = values[v];
		if (!bench->settles)
			written = text(bench, "Value-%u", full->one.values[v]);
		fields[signal->field_count++] =
		    (struct mr_signal_field){bench->value, MR_STRING, written};
	}
	for (uint32_t g = 0; g < full->group_count; g++)
		fields[signal->field_count++] = (struct mr_signal_field){
		    bench->group, MR_STRING, text(bench, "GROUP-%u", full->groups[g])};
	if (naive_has_field(bench->rules[full->consumer].type)) {
		signal->value_count = full->one.value_count;
		signal->value_width = 1;
	}
}

static void compare(struct bench *bench, struct mr_signal *signals, uint32_t workers, uint64_t seed,
		    uint64_t *random)
{
	struct house house, half;
	size_t count = bench->first_count, cut = random_below(random, SIGNALS);
	signals_shuffle(signals, count, random);
	house_open(&half, &bench->catalog, bench->fields, 2, true);
	half.asks_open = true;
	house_open(&house, &bench->catalog, bench->fields, workers, true);
	house.asks_open = true;
	house.batch = 1 + random_below(random, 20);
	house_feed(&half, signals, cut);
	house_move(&half, &house);
	house_feed(&house, signals + cut, count - cut);
	house_finish(&house);
	fired_assert_equal(&house.made, &bench->wanted, "alerts", seed);
	assert_int_equal(house.counters.at[MR_C_INNER_SIGNALS] +
			     half.counters.at[MR_C_INNER_SIGNALS],
			 house.counters.at[MR_C_INNER_SIGNALS_RECEIVED] +
			     half.counters.at[MR_C_INNER_SIGNALS_RECEIVED]);
	/* Given again, all of it is known: nothing is sent a second time. */
	uint64_t sent = house.counters.at[MR_C_INNER_SIGNALS];
	house_feed(&house, signals, count);
	assert_int_equal(house.counters.at[MR_C_INNER_SIGNALS], sent);
	house_close(&half);
	house_close(&house);
}

/* A service: judged at barriers, and judged again; what an inner one withdraws the outer one
 * forgets. */
static void compare_service(struct bench *bench, struct mr_signal *signals, uint64_t seed,
			    uint64_t *random)
{
	struct house house;
	size_t count = bench->first_count;
	house_open(&house, &bench->catalog, bench->fields, 1 + random_below(random, HOUSE_WORKERS),
		   false);
	house.asks_open = true;
	house.withdraws = bench->settles;
	for (size_t at = 0, part; at < count; at += part) {
		part = 1 + random_below(random, SIGNALS / 2);
		part = part < count - at ? part : count - at;
		house_feed(&house, signals + at, part);
		house_barrier(&house, MINUTE + random_between(random, -150, 4 * MINUTE));
		if (random_below(random, 3) > 0)
			house_commit(&house);
	}
	house_barrier(&house, 10 * MINUTE);
	house_commit(&house);
	house_barrier(&house, 10 * MINUTE);
	fired_sort(&house.open);
	fired_assert_equal(&house.open, &bench->wanted, "a service's alerts", seed);
	assert_int_equal(house.counters.at[MR_C_INNER_SIGNALS],
			 house.counters.at[MR_C_INNER_SIGNALS_RECEIVED]);
	house_close(&house);
}

static void layers(void **state)
{
	size_t fired = 0;
	bool settles = *state != NULL;
	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		uint64_t random = seed;
		struct bench bench = {.fields = mr_fields_new(), .settles = settles};
		struct mr_signal *signals = mr_calloc(SIGNALS, sizeof(*signals));
		bench.user = mr_fields_add(bench.fields, MR_SLICE("user"));
		bench.group = mr_fields_add(bench.fields, MR_SLICE("group"));
		bench.value = mr_fields_add(bench.fields, MR_SLICE("value"));
		bench.pool = mr_calloc(POOL, sizeof(*bench.pool));
		catalog_make(&bench, &random);
		stream_make(&bench, &random);
		for (size_t i = 0; i < bench.first_count; i++)
			signal_make(&bench, &bench.pool[i], &signals[i]);
		judge_all(&bench);
		fired += bench.wanted.count;
		for (uint32_t workers = 1; workers <= HOUSE_WORKERS; workers++)
			compare(&bench, signals, workers, seed, &random);
		compare_service(&bench, signals, seed, &random);
		free(signals);
		free(bench.pool);
		fired_fini(&bench.wanted);
		fired_fini(&bench.alert_ids);
		mr_arena_fini(&bench.arena);
		mr_catalog_fini(&bench.catalog);
		mr_fields_free(bench.fields);
	}
	print_message("seeds 1 to %u: %zu alerts\n", RUNS, fired);
}

/* ---- many ways to one correlation ---- */

#define DIAMOND_RECORDS 3

static uint32_t any_of(struct mr_catalog *catalog, const uint32_t *list, uint32_t count)
{
	return catalog_correlation(catalog, MR_CORRELATION_EVENT_COUNT, list, count, 1000, 1, 0, 0);
}

/* Two correlations over the one given, and one over both. */
static uint32_t diamond(struct mr_catalog *catalog, uint32_t inner)
{
	const uint32_t sides[] = {any_of(catalog, &inner, 1), any_of(catalog, &inner, 1)};
	return any_of(catalog, sides, 2);
}

/* A record reaches the last of two diamonds in four ways. It is one occurrence of each correlation
 * all the same, or each further diamond would double the work, and the alert shows it once, by its
 * own id. */
static void diamonds(void **state)
{
	struct mr_fields *fields = mr_fields_new();
	struct mr_catalog catalog = {0};
	struct mr_signal signals[DIAMOND_RECORDS];
	char ids[DIAMOND_RECORDS][16];
	struct house house;
	(void)state;
	uint32_t detection = catalog.count;
	catalog_add(&catalog, MR_RULE_DETECTION);
	uint32_t first = any_of(&catalog, &detection, 1);
	uint32_t last = diamond(&catalog, diamond(&catalog, first));
	for (uint32_t i = 0; i < DIAMOND_RECORDS; i++) {
		int len = snprintf(ids[i], sizeof(ids[i]), "record-%u", i);
		signals[i] = (struct mr_signal){.consumer = first,
						.rule = detection,
						.kind = MR_KIND_UAL,
						.has_time = true,
						.time_us = i,
						.tenant = MR_SLICE("tenant"),
						.record_id = {ids[i], (size_t)len}};
	}
	house_open(&house, &catalog, fields, 2, true);
	house.asks_open = true;
	house_feed(&house, signals, DIAMOND_RECORDS);
	house_finish(&house);
	/* Two from the first to the sides and two from these, and again. */
	assert_int_equal(house.counters.at[MR_C_INNER_SIGNALS], 8 * DIAMOND_RECORDS);
	assert_int_equal(house.made.count, 7);
	assert_int_equal(house.last.rule, last);
	assert_int_equal(house.last.evidence_count, DIAMOND_RECORDS);
	for (uint32_t i = 0; i < DIAMOND_RECORDS; i++)
		assert_true(house.last_evidence_id[i] ==
			    mr_hash64(ids[i], signals[i].record_id.len, 0));
	house_close(&house);
	mr_catalog_fini(&catalog);
	mr_fields_free(fields);
}

int main(void)
{
	static char settles;
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(layers),
	    cmocka_unit_test_prestate(layers, &settles),
	    cmocka_unit_test(diamonds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
