/* What correlate does at its bounds: which repeats it knows, what goes at the memory ceiling and
 * what stays, how late is late, revisions that fill the outputs; and the hash that ids are made
 * with. */
#include "harness.h"
#include "state.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define MIB "1048576"

struct world {
	struct mr_fields *fields;
	mr_field group;
	struct mr_catalog catalog;
	struct mr_arena arena;
};

static void world_open(struct world *world)
{
	*world = (struct world){.fields = mr_fields_new()};
	world->group = mr_fields_add(world->fields, MR_SLICE("group"));
	catalog_add(&world->catalog, MR_RULE_DETECTION);
	catalog_add(&world->catalog, MR_RULE_DETECTION);
}

static void world_close(struct world *world)
{
	mr_arena_fini(&world->arena);
	mr_catalog_fini(&world->catalog);
	mr_fields_free(world->fields);
}

static uint32_t count_of(struct world *world, int64_t threshold)
{
	static const uint32_t list[] = {0, 1};
	return catalog_correlation(&world->catalog, MR_CORRELATION_EVENT_COUNT, list, 2, HOUR,
				   threshold, world->group, 0);
}

/* One worker, with the rules of a world that counts to a threshold; gives the correlation. */
static uint32_t bench_open(struct world *world, struct house *house, int64_t threshold, bool finite,
			   const char *setting, const char *value)
{
	world_open(world);
	uint32_t index = count_of(world, threshold);
	house_open_set(house, &world->catalog, world->fields, 1, finite, setting, value);
	return index;
}

static void bench_close(struct world *world, struct house *house)
{
	house_close(house);
	world_close(world);
}

static struct mr_slice text(struct world *world, const char *form, uint32_t number)
{
	char bytes[32];
	int len = snprintf(bytes, sizeof(bytes), form, number);
	return (struct mr_slice){mr_arena_copy(&world->arena, bytes, (size_t)len), (size_t)len};
}

static struct mr_signal signal_of(struct world *world, uint32_t consumer, uint32_t key,
				  uint32_t record, int64_t time_us)
{
	struct mr_signal signal = {.consumer = consumer,
				   .kind = MR_KIND_UAL,
				   .has_time = true,
				   .time_us = time_us,
				   .tenant = MR_SLICE("tenant"),
				   .record_id = text(world, "record-%u", record),
				   .origin = {.position = record, .length = 1},
				   .key_count = 1};
	signal.key[0] = consumer == 0 ? signal.record_id : text(world, "user-%u", key);
	return signal;
}

static void feed(struct house *house, struct mr_signal signal)
{
	house_feed(house, &signal, 1);
}

static const struct corr *stage_of(const struct house *house)
{
	return house->states[0][0];
}

/* ---- the log ---- */

static char logged[1 << 16];

static void log_keep(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		     size_t len)
{
	(void)kind;
	(void)context;
	(void)level;
	size_t used = strlen(logged);
	if (used + len + 2 < sizeof(logged)) {
		memcpy(logged + used, line, len);
		memcpy(logged + used + len, "\n", 2);
	}
}

static int log_begin(void **state)
{
	(void)state;
	logged[0] = '\0';
	mr_log_set_sink(log_keep, NULL);
	return 0;
}

static int log_end(void **state)
{
	(void)state;
	mr_log_set_sink(NULL, NULL);
	return 0;
}

/* ---- the hash ---- */

/* As `openssl mac -macopt size:8 … SIPHASH` gives them, and the reference implementation. */
static void siphash(void **state)
{
	static const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
	static const uint8_t text[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	(void)state;
	assert_int_equal(corr_siphash(key, text, 0), UINT64_C(0x726fdb47dd0e0e31));
	assert_int_equal(corr_siphash(key, text, 1), UINT64_C(0x74f839c593dc67fd));
	assert_int_equal(corr_siphash(key, text, 15), UINT64_C(0xa129ca6149be45e5));
}

/* ---- repeats ---- */

/* One pass of `count` signals of one slot, two rules of a record at each time. */
static void pass(struct world *world, struct house *house, uint32_t index, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct mr_signal signal = signal_of(world, index, 1, i / 2, i / 2 * 1000);
		signal.rule = i % 2;
		feed(house, signal);
	}
}

static void repeats_of_a_slot(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	uint32_t index = bench_open(&world, &house, 3, true, NULL, NULL);
	pass(&world, &house, index, CORR_SEEN_BOUND);
	assert_int_equal(house.counters.at[MR_C_REPEATED], 0);
	pass(&world, &house, index, CORR_SEEN_BOUND);
	assert_int_equal(house.counters.at[MR_C_REPEATED], CORR_SEEN_BOUND);
	bench_close(&world, &house);
}

/* Of more the first 4,096 are known, and the ten latest records, with both their rules. */
static void repeats_past_the_bound(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	uint32_t index = bench_open(&world, &house, 3, true, NULL, NULL);
	pass(&world, &house, index, CORR_SEEN_BOUND + 1000);
	assert_int_equal(house.counters.at[MR_C_REPEATED], 0);
	pass(&world, &house, index, CORR_SEEN_BOUND + 1000);
	assert_int_equal(house.counters.at[MR_C_REPEATED], CORR_SEEN_BOUND + 20);
	bench_close(&world, &house);
}

/* A correlation that makes no alert of its own keeps no evidence, and knows repeats all the same;
 * so does one whose state came from a snapshot. */
static void repeats_without_evidence(void **state)
{
	struct world world;
	struct house house, other;
	(void)state;
	world_open(&world);
	uint32_t index = count_of(&world, 3);
	catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, &index, 1, HOUR, 1, 0, 0);
	world.catalog.rules[index].alerts = false;
	house_open(&house, &world.catalog, world.fields, 1, true);
	house_open(&other, &world.catalog, world.fields, 3, true);
	pass(&world, &house, index, 3000);
	house_move(&house, &other);
	pass(&world, &other, index, 3000);
	assert_int_equal(house.counters.at[MR_C_REPEATED], 0);
	assert_int_equal(other.counters.at[MR_C_REPEATED], 3000);
	house_close(&house);
	house_close(&other);
	world_close(&world);
}

/* ---- the ceiling ---- */

/* Of keys that hold one of ten the oldest go; one that holds nine stays, however old. */
static void smallest_part_first(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	uint32_t index = bench_open(&world, &house, 10, false, "state_bytes", MIB);
	for (uint32_t i = 0; i < 9; i++)
		feed(&house, signal_of(&world, index, 0, i, i));
	for (uint32_t i = 1; i <= 5000; i++) {
		feed(&house, signal_of(&world, index, i, 100, i * HOUR));
		assert_true(stage_of(&house)->bytes <= 1048576);
	}
	assert_true(house.counters.at[MR_C_STATE_SHED] > 2000);
	assert_non_null(strstr(logged, "\"rule-2\": its state is given up in part"));
	assert_non_null(strstr(logged, "its ceiling of 1048576 bytes (state_bytes)"));
	assert_non_null(strstr(logged, "no longer promised to be exact"));
	feed(&house, signal_of(&world, index, 0, 9, 9));
	assert_int_equal(house.made.count, 1);
	for (uint32_t i = 1; i < 10; i++) { /* the oldest has lost one, the newest has not */
		feed(&house, signal_of(&world, index, 1, i, HOUR));
		feed(&house, signal_of(&world, index, 5000, i, 5000 * HOUR));
	}
	assert_int_equal(house.made.count, 2);
	assert_string_equal(house.made.items[1].key, "user-5000");
	bench_close(&world, &house);
}

/* At a barrier the books and deliver hear it, each rule in one word, and once. */
static void what_was_given_up_is_told(void **state)
{
	struct world world;
	struct house house;
	struct mr_books books = {0};
	(void)state;
	uint32_t index = bench_open(&world, &house, 10, false, "state_bytes", MIB);
	house.counters.books = &books;
	for (uint32_t i = 0; i < 3000; i++)
		feed(&house, signal_of(&world, index, i, 1, 0));
	uint64_t *shed = &house.counters.at[MR_C_STATE_SHED];
	assert_int_equal(house.shed_words, 0);
	for (int again = 0; again < 2; again++) {
		house_barrier(&house, INT64_MIN);
		assert_int_equal(house.shed_words, 1);
		assert_int_equal(house.shed, *shed);
		assert_int_equal(books.shed_count, 1);
		assert_string_equal(books.sheds[0].rule, "rule-2");
		assert_int_equal(books.sheds[0].slots, *shed);
	}
	for (uint32_t i = 0; i < 60000; i++)
		feed(&house, signal_of(&world, 0, 0, 10000 + i, i));
	house_finish(&house);
	assert_int_equal(house.shed_words, 3);
	assert_int_equal(house.shed, *shed);
	assert_int_equal(house.last.rule, MR_ALERT_NO_RULE);
	assert_string_equal(books.sheds[1].rule, "");
	mr_books_fini(&books);
	bench_close(&world, &house);
}

/* The setting is of all workers together; each gives up at its own share, and says both. */
static void shares_of_the_ceiling(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world);
	uint32_t index = count_of(&world, 10);
	house_open_set(&house, &world.catalog, world.fields, 2, false, "state_bytes", "3145728");
	for (uint32_t i = 1; house.counters.at[MR_C_STATE_SHED] == 0; i++)
		feed(&house, signal_of(&world, index, i, 100, i * HOUR));
	assert_non_null(strstr(logged, "its ceiling of 3145728 bytes, 1572864 for each of 2 "
				       "workers (state_bytes)"));
	bench_close(&world, &house);
}

static uint64_t copied_now(const void *copier)
{
	return *(const uint64_t *)copier;
}

/* A snapshot under way makes the worker copy what it writes to: that counts, but no state goes for
 * it. */
static void copied_pages_count_toward_the_ceiling(void **state)
{
	struct world world;
	struct house house;
	uint64_t copied = 0;
	struct mr_error error = {0};
	(void)state;
	uint32_t index = bench_open(&world, &house, 10, false, "state_bytes", MIB);
	house.envs[0][0].copied_bytes = copied_now;
	house.envs[0][0].copier = &copied;
	for (uint32_t i = 0; stage_of(&house)->bytes < 600000; i++)
		feed(&house, signal_of(&world, index, i, 100, 0));
	house_barrier(&house, INT64_MIN);
	struct mr_signal more = signal_of(&world, index, 9999, 100, 0);
	struct mr_body body = {.count = 1};
	struct mr_reader in = {0};
	mr_signal_encode(&more, &body.bytes);
	memset(mr_buf_reserve(&body.bytes, 64), 0, 64);
	mr_reader_open_body(&in, MR_CONTENT_SIGNALS, &body);
	copied = 400000;
	assert_int_equal(
	    mr_stage_correlate.process(house.states[0][0], &in, &house.writers[0][0], &error),
	    MR_FULL);
	assert_int_equal(house.counters.at[MR_C_STATE_SHED], 0);
	copied = 200000; /* there is room for that */
	assert_int_equal(
	    mr_stage_correlate.process(house.states[0][0], &in, &house.writers[0][0], &error),
	    MR_OK);
	assert_int_equal(mr_reader_finish(&in, &error), MR_OK);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	bench_close(&world, &house);
}

static uint64_t copied_at_the_second_look(const void *copier)
{
	uint32_t *looks = (uint32_t *)(uintptr_t)copier;
	return (*looks)++ == 0 ? 0 : 1000000;
}

/* A batch may make it copy all: it looks in the middle, too. */
static void copied_pages_are_seen_within_a_batch(void **state)
{
	struct world world;
	struct house house;
	struct mr_error error = {0};
	uint32_t looks = 0;
	(void)state;
	uint32_t index = bench_open(&world, &house, 10, false, "state_bytes", MIB);
	for (uint32_t i = 0; stage_of(&house)->bytes < 600000; i++)
		feed(&house, signal_of(&world, index, i, 100, 0));
	house_barrier(&house, INT64_MIN);
	house.envs[0][0].copied_bytes = copied_at_the_second_look;
	house.envs[0][0].copier = &looks;
	struct mr_body body = {.count = 200};
	struct mr_reader in = {0};
	for (uint32_t i = 0; i < body.count; i++) {
		struct mr_signal more = signal_of(&world, index, i, 101, 0);
		mr_signal_encode(&more, &body.bytes);
	}
	memset(mr_buf_reserve(&body.bytes, 64), 0, 64);
	mr_reader_open_body(&in, MR_CONTENT_SIGNALS, &body);
	uint64_t before = house.counters.at[MR_C_SIGNALS_RECEIVED];
	assert_int_equal(
	    mr_stage_correlate.process(house.states[0][0], &in, &house.writers[0][0], &error),
	    MR_FULL);
	assert_in_range(house.counters.at[MR_C_SIGNALS_RECEIVED] - before, 1, 100);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	bench_close(&world, &house);
}

/* Slots past W + 10 minutes go before all others. */
static void times_to_come_first(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	uint32_t index = bench_open(&world, &house, 2, false, "state_bytes", MIB);
	house_barrier(&house, HOUR);
	for (uint32_t i = 0; i < 200; i++)
		feed(&house, signal_of(&world, index, i, 1, 0));
	for (uint32_t i = 0; i < 5000; i++) /* the same slot as W is in is no time to come */
		feed(&house, signal_of(&world, index, 1000 + i, 1, i == 0 ? HOUR : 2 * HOUR));
	assert_true(house.counters.at[MR_C_STATE_SHED] > 2000);
	assert_true(stage_of(&house)->bytes <= 1048576);
	for (uint32_t i = 0; i < 200; i++)
		feed(&house, signal_of(&world, index, i, 2, 0));
	feed(&house, signal_of(&world, index, 1000, 2, HOUR));
	assert_int_equal(house.made.count, 201);
	bench_close(&world, &house);
}

/* Those that came before W was known are among them. */
static void times_to_come_are_found_later(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	uint32_t index = bench_open(&world, &house, 2, false, "state_bytes", MIB);
	for (uint32_t i = 0; i < 200; i++)
		feed(&house, signal_of(&world, index, i, 1, 0));
	for (uint32_t i = 0; i < 200; i++)
		feed(&house, signal_of(&world, index, 1000 + i, 1, 2 * HOUR));
	house_barrier(&house, HOUR);
	uint64_t *shed = &house.counters.at[MR_C_STATE_SHED];
	for (uint32_t i = 0; *shed == 0; i++)
		feed(&house, signal_of(&world, index, 2000 + i, 1, HOUR));
	assert_true(*shed <= 200);
	for (uint32_t i = 0; i < 200; i++)
		feed(&house, signal_of(&world, index, i, 2, 0));
	assert_int_equal(house.made.count, 200);
	bench_close(&world, &house);
}

/* What a restart gives back is as old as it was. */
static void oldest_first_after_a_restart(void **state)
{
	enum { KEYS = 1000 };
	struct world world;
	struct house before, house;
	(void)state;
	uint32_t index = bench_open(&world, &house, 2, false, "state_bytes", MIB);
	house_open(&before, &world.catalog, world.fields, 1, false);
	for (uint32_t i = 0; i < KEYS; i++)
		feed(&before, signal_of(&world, index, i, 1, i * HOUR));
	house_move(&before, &house);
	house_close(&before);
	uint64_t *shed = &house.counters.at[MR_C_STATE_SHED];
	for (uint32_t i = KEYS; *shed == 0; i++)
		feed(&house, signal_of(&world, index, i, 1, i * HOUR));
	assert_in_range(*shed, 2, KEYS / 2);
	uint32_t gone = (uint32_t)*shed;
	feed(&house, signal_of(&world, index, gone, 2, gone * HOUR));
	assert_int_equal(house.made.count, 1);
	assert_false(house.last.lower_bound);
	feed(&house, signal_of(&world, index, gone - 1, 2, (gone - 1) * HOUR));
	assert_true(house.last.lower_bound);
	feed(&house, signal_of(&world, index, 0, 2, 0));
	assert_true(house.last.lower_bound);
	bench_close(&world, &house);
}

/* Nothing is looked through for it: one at a time, and not a share of all at once, but for the room
 * of what stays of them, when that grows. */
static void few_go_at_once(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	uint32_t index = bench_open(&world, &house, 10, false, "state_bytes", MIB);
	uint64_t *shed = &house.counters.at[MR_C_STATE_SHED], before = 0;
	uint32_t at_once = 0;
	for (uint32_t i = 0; i < 20000; i++) {
		feed(&house, signal_of(&world, index, i, 1, 0));
		at_once += *shed - before > 60;
		assert_true(*shed - before <= 200);
		before = *shed;
	}
	assert_true(*shed > 15000);
	assert_in_range(at_once, 0, 10);
	bench_close(&world, &house);
}

/* They count as all else that is kept. */
static void records_count_toward_the_ceiling(void **state)
{
	enum { RECORD = 100000 };
	struct world world;
	struct house house;
	static char record[RECORD];
	(void)state;
	uint32_t index = bench_open(&world, &house, 100, false, "state_bytes", MIB);
	struct mr_signal signal = signal_of(&world, index, 0, 0, 0);
	feed(&house, signal);
	size_t before = stage_of(&house)->bytes;
	signal = signal_of(&world, index, 0, 1, 1);
	signal.record = (struct mr_slice){record, RECORD};
	feed(&house, signal);
	assert_in_range(stage_of(&house)->bytes - before, corr_taken(RECORD),
			corr_taken(RECORD) + 1000);
	for (uint32_t i = 1; i < 20; i++) {
		signal = signal_of(&world, index, i, 1, 1);
		signal.record = (struct mr_slice){record, RECORD};
		feed(&house, signal);
		assert_true(stage_of(&house)->bytes <= 1048576);
	}
	assert_true(house.counters.at[MR_C_STATE_SHED] >= 10);
	bench_close(&world, &house);
}

static const struct corr_items *only_items(const struct house *house)
{
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++) {
		const struct corr_group *group = &stage_of(house)->groups[g];
		for (uint32_t i = 0; i < group->key_places; i++)
			if (group->keys[i].key != NULL)
				return &group->keys[i].key->slots->items;
	}
	return NULL;
}

/* A slot that keeps all that comes has none. They are few, and count as all else. */
static void proofs_begin_with_a_loss(void **state)
{
	static const uint32_t list[] = {0, 1};
	struct world world;
	struct house house;
	(void)state;
	world_open(&world);
	uint32_t index = catalog_correlation(&world.catalog, MR_CORRELATION_TEMPORAL, list, 2, HOUR,
					     0, world.group, 0);
	house_open(&house, &world.catalog, world.fields, 1, true);
	for (uint32_t i = 0; i < 20; i++)
		feed(&house, signal_of(&world, index, 1, i, i));
	const struct corr_items *items = only_items(&house);
	assert_null(items->proofs);
	for (uint32_t i = 20; i < 1000; i++) {
		struct mr_signal signal = signal_of(&world, index, 1, i, i);
		signal.rule = i == 500;
		feed(&house, signal);
	}
	struct corr_item *proofs[2 * CORR_FACETS_SIDE];
	assert_int_equal(corr_proofs_list(items, proofs), 1); /* the one of the other rule */
	assert_int_equal(proofs[0]->time_us, 500);
	size_t bytes = corr_proofs_bytes(items->proofs) + corr_item_bytes(proofs[0]);
	for (uint32_t i = 0; i < 20; i++)
		bytes += sizeof(items->at[i]) + corr_item_bytes(items->at[i]);
	assert_int_equal(corr_items_bytes(items), bytes);
	bench_close(&world, &house);
}

/* A finite run makes each alert once, at the ceiling, too. */
static void finite_run_alerts_once(void **state)
{
	struct world world;
	struct house house;
	enum { KEYS = 2000 };
	(void)state;
	struct mr_books books = {0};
	uint32_t index = bench_open(&world, &house, 2, true, "state_bytes", MIB);
	house.counters.books = &books;
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < KEYS; i++) {
			feed(&house, signal_of(&world, index, i, 1, i));
			feed(&house, signal_of(&world, index, i, 2, i + 1));
		}
	}
	assert_true(house.counters.at[MR_C_STATE_SHED] > KEYS / 4);
	house_finish(&house);
	assert_int_equal(house.made.count, KEYS);
	assert_int_equal(house.counters.at[MR_C_ALERTS], KEYS);
	assert_int_equal(books.rows[0].at[MR_B_ALERTS], KEYS);
	assert_int_equal(books.rows[0].at[MR_B_SIGNALS_RECEIVED], 4 * KEYS);
	mr_books_fini(&books);
	bench_close(&world, &house);
}

enum { RECORDS = 60000 };

/* A detection fires for many records, the next `step_us` after the one before. */
static void records_past_the_ceiling(struct world *world, struct house *house, int64_t first_us,
				     int64_t step_us)
{
	world_open(world);
	house_open_set(house, &world->catalog, world->fields, 1, true, "state_bytes", MIB);
	for (uint32_t i = 0; i < RECORDS; i++) {
		feed(house, signal_of(world, 0, 0, i, first_us + i * step_us));
		assert_true(stage_of(house)->bytes <= 1048576);
	}
	assert_int_equal(house->made.count, RECORDS);
	assert_true(house->counters.at[MR_C_STATE_SHED] > RECORDS / 4);
}

/* Of the records that detections fired for the older are forgotten. */
static void records_of_detections(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	records_past_the_ceiling(&world, &house, 0, 1);
	assert_non_null(strstr(logged, "makes its alert again"));
	feed(&house, signal_of(&world, 0, 0, RECORDS - 1, RECORDS - 1));
	assert_int_equal(house.counters.at[MR_C_REPEATED], 1);
	feed(&house, signal_of(&world, 0, 0, 0, 0));
	assert_int_equal(house.counters.at[MR_C_REPEATED], 1);
	bench_close(&world, &house);
}

/* Records of one time, as a burst or a coarse clock gives them, do not pass the ceiling either. */
static void records_of_one_time(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	records_past_the_ceiling(&world, &house, HOUR, 0);
	bench_close(&world, &house);
}

/* ---- lateness ---- */

static size_t fired_after(struct world *world, uint32_t index, const char *lateness, int64_t w_us,
			  uint64_t *beyond_out)
{
	struct house house;
	house_open_set(&house, &world->catalog, world->fields, 1, false, "lateness", lateness);
	feed(&house, signal_of(world, index, 1, 1, 0));
	house_barrier(&house, w_us);
	feed(&house, signal_of(world, index, 1, 2, 1));
	size_t fired = house.made.count;
	*beyond_out = house.counters.at[MR_C_BEYOND_LATENESS];
	house_close(&house);
	return fired;
}

/* Slot 0 ends at 1 h, and goes once W - lateness - 1 h is past that. What comes later than the
 * lateness allows is counted before that, too. */
static void lateness_is_a_setting(void **state)
{
	struct world world;
	uint64_t beyond;
	(void)state;
	world_open(&world);
	uint32_t index = count_of(&world, 2);
	assert_int_equal(fired_after(&world, index, "60s", 2 * HOUR + 60 * SECOND, &beyond), 1);
	assert_int_equal(beyond, 1);
	assert_int_equal(fired_after(&world, index, "60s", 60 * SECOND + 1, &beyond), 1);
	assert_int_equal(beyond, 0);
	assert_int_equal(fired_after(&world, index, "60s", 60 * SECOND + 2, &beyond), 1);
	assert_int_equal(beyond, 1);
	assert_int_equal(fired_after(&world, index, "60s", 2 * HOUR + 60 * SECOND + 1, &beyond), 0);
	assert_int_equal(beyond, 1);
	assert_int_equal(fired_after(&world, index, "0", 2 * HOUR, &beyond), 1);
	assert_int_equal(fired_after(&world, index, "0", 2 * HOUR + 1, &beyond), 0);
	assert_int_equal(fired_after(&world, index, "unlimited", INT64_MAX, &beyond), 1);
	assert_int_equal(beyond, 0);
	world_close(&world);
}

static void refused(const struct world *world, const char *name, const char *value)
{
	struct mr_buf bytes = {0};
	struct mr_error error = {0};
	struct mr_config config = {0};
	struct mr_tables *tables = mr_tables_new();
	mr_config_add(&config, name, value);
	mr_catalog_encode(&world->catalog, &bytes);
	mr_tables_add_bytes(tables, "catalog", (struct mr_slice){bytes.data, bytes.len}, &error);
	struct mr_stage_env env = {.config = &config, .tables = tables, .workers = 1};
	void *stage = mr_calloc(1, mr_stage_correlate.state_size);
	assert_int_equal(mr_stage_correlate.open(stage, &env, &error), MR_CONFIG);
	assert_non_null(strstr(error.text, name));
	assert_non_null(strstr(error.text, value));
	free(stage);
	mr_buf_fini(&bytes);
	mr_tables_free(tables);
	mr_config_fini(&config);
}

static void bad_settings(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	refused(&world, "lateness", "-1");
	refused(&world, "lateness", "24");
	refused(&world, "state_bytes", "1048575");
	refused(&world, "state_bytes", "lots");
	world_close(&world);
}

/* ---- barriers ---- */

/* More revisions than the outputs hold: the barrier goes on where it stopped. */
static void revisions_fill_the_outputs(void **state)
{
	struct world world;
	struct house house;
	struct mr_error error;
	enum { KEYS = 3000 };
	(void)state;
	uint32_t index = bench_open(&world, &house, 2, false, NULL, NULL);
	for (uint32_t i = 0; i < 4 * KEYS; i++)
		feed(&house, signal_of(&world, index, i % KEYS, i / KEYS, i / KEYS));
	assert_int_equal(house.made.count, KEYS);
	assert_int_equal(
	    mr_stage_correlate.barrier(house.states[0][0], 0, &house.writers[0][0], &error),
	    MR_FULL);
	house_drain(&house, 0, 0);
	assert_true(house.revised.count > 0 && house.revised.count < KEYS);
	house_barrier(&house, 0);
	assert_int_equal(house.revised.count, KEYS);
	bench_close(&world, &house);
}

/* The watermark goes with the state: what is late stays late. */
static void watermark_in_snapshot(void **state)
{
	struct world world;
	struct house before, after;
	(void)state;
	world_open(&world);
	uint32_t index = count_of(&world, 2);
	house_open(&before, &world.catalog, world.fields, 1, false);
	house_open(&after, &world.catalog, world.fields, 2, false);
	house_barrier(&before, 100 * HOUR);
	house_move(&before, &after);
	feed(&after, signal_of(&world, index, 1, 1, 0));
	assert_int_equal(after.counters.at[MR_C_BEYOND_LATENESS], 1);
	house_close(&before);
	house_close(&after);
	world_close(&world);
}

/* What a released slot held counts no more in the next one, as after a restart from a snapshot. */
static void released_counts_no_more(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world);
	uint32_t index = count_of(&world, 10);
	catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, &index, 1, HOUR, 99, 0, 0);
	house_open_set(&house, &world.catalog, world.fields, 1, false, "lateness", "0");
	for (uint32_t i = 0; i < 6; i++)
		feed(&house, signal_of(&world, index, 1, i, i));
	for (uint32_t i = 6; i < 10; i++)
		feed(&house, signal_of(&world, index, 1, i, HOUR + 1000));
	house_barrier(&house, 2 * HOUR + 1);
	for (uint32_t i = 10; i < 14; i++)
		feed(&house, signal_of(&world, index, 1, i, HOUR));
	assert_int_equal(house.counters.at[MR_C_INNER_SIGNALS], 0);
	for (uint32_t i = 14; i < 16; i++) /* the ninth and the tenth of the slot */
		feed(&house, signal_of(&world, index, 1, i, HOUR + 2000));
	assert_int_equal(house.counters.at[MR_C_INNER_SIGNALS], 2);
	bench_close(&world, &house);
}

int main(void)
{
#define LOGGED(test) cmocka_unit_test_setup_teardown(test, log_begin, log_end)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(siphash),
	    cmocka_unit_test(repeats_of_a_slot),
	    cmocka_unit_test(repeats_past_the_bound),
	    cmocka_unit_test(repeats_without_evidence),
	    LOGGED(smallest_part_first),
	    LOGGED(shares_of_the_ceiling),
	    LOGGED(records_count_toward_the_ceiling),
	    LOGGED(copied_pages_count_toward_the_ceiling),
	    LOGGED(copied_pages_are_seen_within_a_batch),
	    LOGGED(what_was_given_up_is_told),
	    LOGGED(times_to_come_first),
	    LOGGED(times_to_come_are_found_later),
	    LOGGED(oldest_first_after_a_restart),
	    LOGGED(few_go_at_once),
	    cmocka_unit_test(proofs_begin_with_a_loss),
	    LOGGED(finite_run_alerts_once),
	    LOGGED(records_of_detections),
	    LOGGED(records_of_one_time),
	    cmocka_unit_test(lateness_is_a_setting),
	    cmocka_unit_test(bad_settings),
	    cmocka_unit_test(revisions_fill_the_outputs),
	    cmocka_unit_test(watermark_in_snapshot),
	    cmocka_unit_test(released_counts_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
