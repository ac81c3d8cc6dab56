/* What a signal costs, by the shape of the stream: nanoseconds of CPU, printed; and that none of
 * the shapes costs many times what the plainest does, as a window that is looked through again for
 * each signal would. An argument chooses the shapes whose name holds it. */
#include "harness.h"

#include <time.h>

#include "sanitized.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define BATCH 500
#define ROUNDS (SANITIZED ? 1 : 5) /* a sanitizer's cost is its own */
#define RESTORES 5       /* they are brief: alone, one that is disturbed takes twice as long */
#define TIMES_DEAREST 25 /* the dearest shape to the plainest; measured: under 8 */

struct shape {
	const char *name;
	enum mr_correlation_type type;
	int64_t threshold;
	uint32_t signals;
	uint32_t keys;
	uint32_t a_slot; /* signals of one key in one hour */
	uint32_t jitter; /* how many places a signal may be from its turn */
	bool feeds;
	bool only_second; /* only the second of two rules occurs */
};

static const struct shape shapes[] = {
    {"plain detection", MR_CORRELATION_COUNT, 0, 40000, 1, 100, 0, false, false},
    {"event_count 100, 1,000 keys", MR_CORRELATION_EVENT_COUNT, 100, 40000, 1000, 20, 0, false,
     false},
    {"value_count 100, 1,000 keys", MR_CORRELATION_VALUE_COUNT, 100, 40000, 1000, 20, 0, false,
     false},
    {"event_count 100, one crowded key", MR_CORRELATION_EVENT_COUNT, 100, 40000, 1, 40000, 0, false,
     false},
    {"value_count 100, one crowded key", MR_CORRELATION_VALUE_COUNT, 100, 40000, 1, 40000, 0, false,
     false},
    {"event_count 100, disordered", MR_CORRELATION_EVENT_COUNT, 100, 40000, 100, 90, 3000, false,
     false},
    {"event_count 1,000, below it", MR_CORRELATION_EVENT_COUNT, 1000, 20000, 1, 990, 0, false,
     false},
    {"event_count 1,000, below it, disordered", MR_CORRELATION_EVENT_COUNT, 1000, 20000, 1, 990,
     900, false, false},
    {"event_count 1,000 that feeds", MR_CORRELATION_EVENT_COUNT, 1000, 20000, 1, 990, 0, true,
     false},
    {"event_count 1,000 that feeds, disordered", MR_CORRELATION_EVENT_COUNT, 1000, 20000, 1, 990,
     900, true, false},
    {"event_count 1,000 that feeds, crowded", MR_CORRELATION_EVENT_COUNT, 1000, 40000, 1, 20000,
     5000, true, false},
    {"temporal that feeds, half of it", MR_CORRELATION_TEMPORAL, 0, 20000, 1, 4000, 1000, true,
     true},
    {"temporal_ordered, half of it", MR_CORRELATION_TEMPORAL_ORDERED, 0, 20000, 1, 4000, 1000, true,
     true},
};
static const char *wanted = "";
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

struct world {
	struct mr_fields *fields;
	struct mr_catalog catalog;
	mr_field group, value;
	uint32_t index;
};

static void world_open(struct world *world, const struct shape *shape)
{
	*world = (struct world){.fields = mr_fields_new()};
	world->group = mr_fields_add(world->fields, MR_SLICE("group"));
	world->value = mr_fields_add(world->fields, MR_SLICE("value"));
	uint32_t list[2] = {0, 1};
	catalog_add(&world->catalog, MR_RULE_DETECTION);
	catalog_add(&world->catalog, MR_RULE_DETECTION);
	if (shape->type == MR_CORRELATION_COUNT)
		return;
	world->index = catalog_correlation(
	    &world->catalog, shape->type, list, 2, HOUR, shape->threshold, world->group,
	    shape->type == MR_CORRELATION_VALUE_COUNT ? world->value : 0);
	if (shape->feeds)
		catalog_correlation(&world->catalog, MR_CORRELATION_EVENT_COUNT, &world->index, 1,
				    HOUR, 1, 0, 0);
}

/* What an audit record's signal looks like. */
static void signal_put(const struct world *world, const struct shape *shape, uint32_t turn,
		       uint32_t number, struct mr_buf *out)
{
	static const char agent[] = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Edg/124.0.0.0";
	char record[48], key[32], address[32];
	struct mr_slice value;
	struct mr_signal_field fields[12];
	int len =
	    snprintf(record, sizeof(record), "0873ee4d-d342-44f2-8961-74c4%08x", number * 2654435);
	struct mr_signal signal = {.consumer = world->index,
				   .rule = shape->only_second ? 1 : number % 2,
				   .kind = MR_KIND_UAL,
				   .has_time = true,
				   .time_us = turn / shape->keys * (HOUR / shape->a_slot),
				   .tenant = MR_SLICE("0873ee4d-d342-44f2-8961-74c442a2fad2"),
				   .record_id = {record, (size_t)len},
				   .origin = {.position = number, .length = 1400},
				   .key_count = 1,
				   .fields = fields,
				   .field_count = 12};
	len = snprintf(key, sizeof(key), "user%u@example.com", number % shape->keys);
	signal.key[0] = (struct mr_slice){key, (size_t)len};
	if (shape->type == MR_CORRELATION_COUNT) {
		signal.rule = signal.consumer = number % 2;
		signal.key[0] = signal.record_id;
	}
	len = snprintf(address, sizeof(address), "192.0.%u.%u", number / 256 % 256, number % 256);
	value = (struct mr_slice){address, (size_t)len};
	if (shape->type == MR_CORRELATION_VALUE_COUNT) {
		signal.value_count = signal.value_width = 1;
		signal.values = &value;
	}
	for (uint32_t i = 0; i < 12; i++)
		fields[i] = (struct mr_signal_field){
		    (mr_field)(1 + i), MR_STRING,
		    i == 3 ? (struct mr_slice){agent, sizeof(agent) - 1} : value};
	fields[11] = (struct mr_signal_field){world->group, MR_STRING, signal.key[0]};
	signal.key_group = mr_key_group((const uint8_t *)"0123456789abcdef", MR_SLICE("a rule"),
					signal.tenant, signal.key, signal.key_count);
	mr_signal_encode(&signal, out);
}

static struct mr_body *bodies_make(const struct world *world, const struct shape *shape)
{
	uint64_t random = 1;
	uint32_t *order = mr_malloc(shape->signals * sizeof(*order));
	struct mr_body *bodies = mr_calloc(shape->signals / BATCH, sizeof(*bodies));
	for (uint32_t i = 0; i < shape->signals; i++)
		order[i] = i;
	for (uint32_t i = 0; i + shape->jitter < shape->signals && shape->jitter > 0; i++) {
		uint32_t other = i + random_below(&random, shape->jitter), kept = order[i];
		order[i] = order[other];
		order[other] = kept;
	}
	for (uint32_t i = 0; i < shape->signals; i++) {
		signal_put(world, shape, order[i], order[i], &bodies[i / BATCH].bytes);
		bodies[i / BATCH].count++;
	}
	free(order);
	return bodies;
}

static int64_t cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void discard(struct mr_writer *writer)
{
	struct mr_body body;
	while (mr_writer_take(writer, MR_CONTENT_ALERTS, 0, &body))
		mr_body_fini(&body);
	while (mr_writer_take(writer, MR_CONTENT_SIGNALS, 1, &body))
		mr_body_fini(&body);
}

/* One pass over all bodies; without a stage only the reading of them. */
static int64_t pass(struct mr_body *bodies, size_t count, struct house *house)
{
	struct mr_reader in = {0};
	struct mr_error error = {0};
	struct mr_signal signal;
	int64_t start = cpu_ns();
	for (size_t i = 0; i < count; i++) {
		enum mr_err err = MR_OK;
		mr_reader_open_body(&in, MR_CONTENT_SIGNALS, &bodies[i]);
		while (house == NULL && mr_reader_signal(&in, &signal))
			mr_reader_advance(&in);
		while (house != NULL &&
		       (err = mr_stage_correlate.process(house->states[0][0], &in,
							 &house->writers[0][0], &error)) == MR_FULL)
			discard(&house->writers[0][0]);
		assert_int_equal(err, MR_OK);
	}
	int64_t took = cpu_ns() - start;
	mr_reader_fini(&in);
	return took;
}

/* Nanoseconds a signal: the best of some rounds, and how much of it is the reading. */
static int64_t shape_cost(const struct shape *shape, int64_t *reading_out)
{
	struct world world;
	int64_t best = INT64_MAX;
	*reading_out = INT64_MAX;
	world_open(&world, shape);
	struct mr_body *bodies = bodies_make(&world, shape);
	for (int round = 0; round < ROUNDS; round++) {
		struct house house;
		house_open(&house, &world.catalog, world.fields, 1, true);
		int64_t reading = pass(bodies, shape->signals / BATCH, NULL);
		int64_t took = pass(bodies, shape->signals / BATCH, &house);
		discard(&house.writers[0][0]);
		best = took < best ? took : best;
		*reading_out = reading < *reading_out ? reading : *reading_out;
		house_close(&house);
	}
	for (size_t i = 0; i < shape->signals / BATCH; i++)
		mr_body_fini(&bodies[i]);
	free(bodies);
	mr_catalog_fini(&world.catalog);
	mr_fields_free(world.fields);
	*reading_out /= shape->signals;
	return best / shape->signals;
}

static void cost_of_a_signal(void **state)
{
	int64_t costs[SHAPES], least = INT64_MAX;
	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		int64_t reading;
		costs[i] = 0;
		if (strstr(shapes[i].name, wanted) == NULL)
			continue;
		costs[i] = shape_cost(&shapes[i], &reading);
		print_message("%-42s %7lld ns, of which reading it %lld\n", shapes[i].name,
			      (long long)costs[i], (long long)reading);
		if (shapes[i].type != MR_CORRELATION_COUNT && costs[i] < least)
			least = costs[i];
	}
	for (size_t i = 0; i < SHAPES; i++) {
		if (costs[i] > TIMES_DEAREST * least)
			fail_msg("%s costs %lld ns a signal, the plainest %lld", shapes[i].name,
				 (long long)costs[i], (long long)least);
	}
}

/* Nanoseconds to write and restore some keys of the last rule of so many. */
static int64_t restore_cost(uint32_t rules)
{
	static const uint32_t list[] = {0};
	struct mr_fields *fields = mr_fields_new();
	struct mr_catalog catalog = {0};
	struct house from, to;
	int64_t least = INT64_MAX;
	mr_field group = mr_fields_add(fields, MR_SLICE("group"));
	for (uint32_t i = 0; i < rules; i++)
		catalog_add(&catalog, MR_RULE_DETECTION);
	uint32_t index =
	    catalog_correlation(&catalog, MR_CORRELATION_EVENT_COUNT, list, 1, HOUR, 9, group, 0);
	house_open(&from, &catalog, fields, 1, false);
	for (int i = 0; i < 5000; i++) {
		char user[16];
		snprintf(user, sizeof(user), "user%d", i);
		struct mr_signal signal = {.consumer = index,
					   .kind = MR_KIND_UAL,
					   .has_time = true,
					   .tenant = MR_SLICE("t"),
					   .record_id = mr_slice(user),
					   .key_count = 1,
					   .key = {mr_slice(user)}};
		house_feed(&from, &signal, 1);
	}
	for (int round = 0; round < RESTORES; round++) {
		house_open(&to, &catalog, fields, 1, false);
		int64_t begun = cpu_ns();
		house_move(&from, &to);
		int64_t took = cpu_ns() - begun;
		least = took < least ? took : least;
		house_close(&to);
	}
	house_close(&from);
	mr_catalog_fini(&catalog);
	mr_fields_free(fields);
	return least;
}

/* Looking through all rules for each key made it thirty times as much. */
static void rules_cost_a_restore_nothing(void **state)
{
	(void)state;
	int64_t few = restore_cost(1), many = restore_cost(10000);
	print_message("5,000 keys restored: %lld us, %lld with 10,000 rules\n",
		      (long long)few / 1000, (long long)many / 1000);
	assert_true(many < 8 * few);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		wanted = argv[1];
	const struct CMUnitTest tests[] = {cmocka_unit_test(cost_of_a_signal),
					   cmocka_unit_test(rules_cost_a_restore_nothing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
