/* What the ceiling of state costs whom: no rule what another one's keys take, no key what another
 * one's occurrences do. */
#include "harness.h"
#include "shed.h"

#define HOUR INT64_C(3600000000)
#define MIB "1048576"

/* Two detections (0, 1); rule 2 counts ten of the first, rule 3 is the test's, over the second. */
struct world {
	struct mr_fields *fields;
	mr_field group;
	struct mr_catalog catalog;
	struct house house;
	int64_t now_us; /* at which records arrive; 0: unknown */
};

static void world_begin(struct world *world)
{
	static const uint32_t list[] = {0};
	*world = (struct world){.fields = mr_fields_new()};
	world->group = mr_fields_add(world->fields, MR_SLICE("group"));
	catalog_add(&world->catalog, MR_RULE_DETECTION);
	catalog_add(&world->catalog, MR_RULE_DETECTION);
	catalog_correlation(&world->catalog, MR_CORRELATION_EVENT_COUNT, list, 1, HOUR, 10,
			    world->group, 0);
}

static void beside(struct world *world, int64_t threshold, enum mr_compare op)
{
	static const uint32_t list[] = {1};
	const struct mr_condition_part part = {.op = op, .count = threshold};
	uint32_t index = catalog_correlation(&world->catalog, MR_CORRELATION_EVENT_COUNT, list, 1,
					     HOUR, threshold, world->group, 0);
	catalog_condition(&world->catalog, index, &part, 1, 0);
	house_open_set(&world->house, &world->catalog, world->fields, 1, false, "state_bytes", MIB);
}

static void world_end(struct world *world)
{
	house_close(&world->house);
	mr_catalog_fini(&world->catalog);
	mr_fields_free(world->fields);
}

static void feed_as(struct world *world, uint32_t detection, uint32_t rule, uint32_t user,
		    uint32_t record, int64_t time_us)
{
	struct mr_slice one = MR_SLICE("1");
	char key[24], id[24];
	int key_len = snprintf(key, sizeof(key), "user-%u", user);
	int id_len = snprintf(id, sizeof(id), "record-%u", record);
	struct mr_signal signal = {.rule = detection,
				   .consumer = rule,
				   .kind = MR_KIND_UAL,
				   .has_time = true,
				   .time_us = time_us,
				   .arrival_us = world->now_us,
				   .tenant = MR_SLICE("tenant"),
				   .record_id = {id, (size_t)id_len},
				   .origin = {.position = record, .length = 1},
				   .key_count = 1};
	signal.key[0] = (struct mr_slice){key, (size_t)key_len};
	signal.value_count = signal.value_width =
	    mr_correlation_has_field(world->catalog.rules[rule].type);
	signal.values = &one;
	house_feed(&world->house, &signal, 1);
}

static void feed(struct world *world, uint32_t rule, uint32_t user, uint32_t record,
		 int64_t time_us)
{
	feed_as(world, rule - 2, rule, user, record, time_us);
}

static const struct corr *stage_of(const struct world *world)
{
	return world->house.states[0][0];
}

static uint64_t shed(const struct world *world)
{
	return world->house.counters.at[MR_C_STATE_SHED];
}

/* ---- rules ---- */

/* Ten records of one user of rule 2, each followed by a thousand new users of rule 3. */
static void attack_in_a_flood(int64_t threshold, enum mr_compare op)
{
	struct world world;
	world_begin(&world);
	beside(&world, threshold, op);
	for (uint32_t i = 0; i < 10; i++) {
		feed(&world, 2, 0, i, i);
		for (uint32_t user = 1; user <= 1000; user++)
			feed(&world, 3, 1000 * i + user, 0, i);
		assert_true(stage_of(&world)->bytes <= 1048576);
	}
	assert_true(shed(&world) > 5000);
	assert_int_equal(world.house.made.count, 1);
	assert_int_equal(world.house.made.items[0].rule, 2);
	house_barrier(&world.house, INT64_MIN);
	assert_int_equal(world.house.shed_words, 1); /* rule 3's */
	world_end(&world);
}

static void flood_of_another_rule(void **state)
{
	(void)state;
	attack_in_a_flood(2, MR_GTE); /* each of its keys holds a half, the attacked one a tenth */
	attack_in_a_flood(3, MR_LT);  /* and here all */
}

/* Nor do records of a detection, each of which makes an alert. */
static void flood_of_a_detection(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 2, MR_GTE);
	for (uint32_t i = 0; i < 10; i++) {
		feed(&world, 2, 0, i, i);
		for (uint32_t k = 0; k < 6000; k++) {
			char id[24];
			int len = snprintf(id, sizeof(id), "%u", 6000 * i + k);
			struct mr_signal signal = {
			    .kind = MR_KIND_UAL, .record_id = {id, (size_t)len}, .key_count = 1};
			signal.key[0] = signal.record_id;
			house_feed(&world.house, &signal, 1);
		}
	}
	assert_true(shed(&world) > 20000);
	assert_int_equal(world.house.made.items[world.house.made.count - 1].rule, 0);
	uint32_t found = 0;
	for (size_t i = 0; i < world.house.made.count; i++)
		found += world.house.made.items[i].rule == 2;
	assert_int_equal(found, 1);
	world_end(&world);
}

/* What one rule does not use, others may. */
static void all_of_it_for_one(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 2, MR_GTE);
	for (uint32_t user = 0; shed(&world) == 0; user++)
		feed(&world, 3, user, 0, 0);
	assert_in_range(stage_of(&world)->bytes, 700000, 786432);
	world_end(&world);
}

/* So many rules that each one's share is a sixth of a hundredth: none is emptied for the others. */
static void many_rules(void **state)
{
	enum { RULES = 1200 };
	static const uint32_t list[] = {1};
	struct world world;
	(void)state;
	world_begin(&world);
	for (uint32_t i = 0; i < RULES; i++)
		catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, list, 1, HOUR, 3,
				    world.group, 0);
	house_open_set(&world.house, &world.catalog, world.fields, 1, false, "state_bytes",
		       "4194304");
	for (uint32_t record = 0; record < 2; record++)
		for (uint32_t i = 0; i < RULES; i++)
			feed_as(&world, 1, 3 + i, 0, record, 0);
	for (uint32_t user = 1; user < 7; user++)
		for (uint32_t i = 0; i < RULES; i++)
			feed_as(&world, 1, 3 + i, user, 0, 0);
	assert_true(shed(&world) > RULES);
	for (uint32_t i = 0; i < RULES; i++)
		feed_as(&world, 1, 3 + i, 0, 2, 0);
	assert_int_equal(world.house.made.count, RULES);
	world_end(&world);
}

/* ---- keys ---- */

/* Of a correlation that settles one slot has all its occurrences. */
static void one_slot_of_one_key(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 3, MR_LT);
	for (uint32_t user = 1; user <= 50; user++) {
		for (uint32_t i = 0; i < 9; i++)
			feed(&world, 2, user, i, i);
		feed(&world, 3, user, 0, 0);
	}
	for (uint32_t i = 0; i < 60000; i++) {
		feed(&world, 3, 0, i, i);
		assert_true(stage_of(&world)->bytes <= 1048576);
	}
	assert_true(shed(&world) > 0);
	for (uint32_t user = 1; user <= 50; user++)
		feed(&world, 2, user, 9, 9);
	assert_int_equal(world.house.made.count, 50);
	house_barrier(&world.house, 2 * HOUR);
	house_commit(&world.house);
	house_barrier(&world.house, 2 * HOUR);
	assert_int_equal(world.house.made.count, 51 + 50); /* those of rule 3 are there, too */
	world_end(&world);
}

/* Many slots: the oldest go, the latest completes. */
static void many_slots_of_one_key(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 2, MR_GTE);
	for (uint32_t user = 1; user <= 50; user++)
		for (uint32_t i = 0; i < 9; i++)
			feed(&world, 2, user, i, i);
	for (uint32_t i = 0; i < 9000; i++) {
		feed(&world, 2, 0, i, 2 * i * HOUR);
		assert_true(stage_of(&world)->bytes <= 1048576);
	}
	assert_true(shed(&world) > 7000);
	for (uint32_t i = 1; i < 10; i++) /* the latest but one is still whole */
		feed(&world, 2, 0, 9000 + i, 2 * 8998 * HOUR + i);
	assert_int_equal(world.house.made.count, 1);
	for (uint32_t user = 1; user <= 50; user++)
		feed(&world, 2, user, 9, 9);
	assert_int_equal(world.house.made.count, 51);
	world_end(&world);
}

/* What its condition needs stays, past a flood of its own rule. */
static void key_in_hand_stays(void **state)
{
	enum { NEED = 8000 };
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, NEED, MR_GTE);
	for (uint32_t i = 0; i < NEED - 1; i++)
		feed(&world, 3, 0, i, i);
	for (uint32_t user = 1; user <= 3000; user++)
		feed(&world, 3, user, 0, 0);
	assert_true(shed(&world) > 2000);
	feed(&world, 3, 0, NEED - 1, NEED - 1);
	assert_int_equal(world.house.made.count, 1);
	world_end(&world);
}

/* A condition that wants more than fits is not let past the ceiling. */
static void need_past_the_ceiling(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 1000000, MR_GTE);
	for (uint32_t i = 0; i < 60000; i++) {
		feed(&world, 3, 0, i, i);
		assert_true(stage_of(&world)->bytes <= 1048576);
	}
	assert_true(shed(&world) > 0);
	world_end(&world);
}

static struct corr_key *key_of(const struct world *world)
{
	const struct corr *corr = stage_of(world);
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
		for (uint32_t i = 0; i < corr->groups[g].key_places; i++)
			if (corr->groups[g].keys[i].key != NULL)
				return corr->groups[g].keys[i].key;
	return NULL;
}

/* What a slot no longer holds its windows no longer count: it comes again, and counts once. */
static void what_was_trimmed_counts_once(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 8, MR_GTE);
	for (uint32_t i = 0; i < 6; i++)
		feed(&world, 3, 0, i, i);
	for (uint32_t i = 6; i < 12; i++) /* no window has more than six */
		feed(&world, 3, 0, i, HOUR + HOUR / 2 + i);
	struct corr_key *key = key_of(&world);
	assert_int_equal(key->recent->set.count, 6);
	assert_int_equal(corr_key_trim(world.house.states[0][0], key, true), 2);
	assert_int_equal(key->recent->set.count, 3);
	for (uint32_t i = 6; i < 12; i++)
		feed(&world, 3, 0, i, HOUR + HOUR / 2 + i);
	assert_int_equal(key->recent->set.count, 6);
	assert_int_equal(world.house.made.count, 0);
	world_end(&world);
}

/* ---- what is kept whole ---- */

/* A key whose large records wait for an outer correlation gives them up, the older first. */
static void large_records_of_one_key(enum mr_correlation_type type)
{
	enum { RECORDS = 600, FIELDS = 8 };
	static const uint32_t list[] = {1}, outer[] = {3};
	static char text[1000];
	struct world world;
	struct mr_signal_field fields[FIELDS];
	struct mr_slice one = MR_SLICE("1");
	world_begin(&world);
	memset(text, 'x', sizeof(text));
	for (uint32_t f = 0; f < FIELDS; f++)
		fields[f] = (struct mr_signal_field){world.group, MR_STRING, {text, sizeof(text)}};
	bool has_field = mr_correlation_has_field(type);
	catalog_correlation(&world.catalog, type, list, 1, HOUR, 500, world.group,
			    has_field ? world.group : 0);
	catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, outer, 1, HOUR, 1, 0, 0);
	house_open_set(&world.house, &world.catalog, world.fields, 1, false, "state_bytes", MIB);
	for (uint32_t i = 0; i < 9; i++)
		feed(&world, 2, 0, i, i);
	for (uint32_t i = 0; i < RECORDS; i++) {
		char id[24];
		int len = snprintf(id, sizeof(id), "%u", i);
		struct mr_signal signal = {.rule = 1,
					   .consumer = 3,
					   .kind = MR_KIND_UAL,
					   .has_time = true,
					   .time_us = i,
					   .tenant = MR_SLICE("tenant"),
					   .record_id = {id, (size_t)len},
					   .key_count = 1,
					   .key = {MR_SLICE("user")},
					   .fields = fields,
					   .field_count = FIELDS};
		signal.value_count = signal.value_width = has_field;
		signal.values = &one;
		house_feed(&world.house, &signal, 1);
		assert_true(stage_of(&world)->bytes <= 1048576);
	}
	assert_true(shed(&world) > 0);
	feed(&world, 2, 0, 9, 9);
	house_barrier(&world.house, 3 * HOUR);
	house_commit(&world.house);
	house_barrier(&world.house, 3 * HOUR);
	uint32_t found = 0;
	for (size_t i = 0; i < world.house.made.count; i++)
		found |= 1u << world.house.made.items[i].rule;
	assert_int_equal(found, 1u << 2 | 1u << 3 | 1u << 4);
	world_end(&world);
}

static void large_records_go_the_older_first(void **state)
{
	(void)state;
	large_records_of_one_key(MR_CORRELATION_EVENT_COUNT);
	large_records_of_one_key(MR_CORRELATION_VALUE_SUM);
}

/* ---- one record a key ---- */

/* Rules 0 and 1 in that order, of each user. */
static uint32_t in_order(struct world *world)
{
	static const uint32_t list[] = {0, 1};
	return catalog_correlation(&world->catalog, MR_CORRELATION_TEMPORAL_ORDERED, list, 2, HOUR,
				   0, world->group, 0);
}

/* A user's records, each followed by more keys than fit, which have one record as he has at first;
 * his first one in the slot before. What it counted outlives it, until event time leaves it. */
static void one_comes_again(uint32_t records, bool ordered, bool feeds)
{
	enum { OTHERS = 2000 };
	static const uint32_t list[] = {3};
	struct world world;
	world_begin(&world);
	if (ordered)
		in_order(&world);
	else
		catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT,
				    (const uint32_t[]){1}, 1, HOUR, records, world.group, 0);
	if (feeds)
		catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, list, 1, HOUR, 1, 0,
				    0);
	house_open_set(&world.house, &world.catalog, world.fields, 1, false, "state_bytes", MIB);
	for (uint32_t i = 0; i < records; i++) {
		int64_t time_us = HOUR - 1 + (i == 0 ? 0 : i + HOUR / 2);
		feed_as(&world, !ordered || i > 0, 3, 0, i, time_us);
		for (uint32_t user = 1; user <= OTHERS; user++)
			feed_as(&world, !ordered, 3, OTHERS * i + user, 0, time_us);
		assert_true(stage_of(&world)->bytes <= 1048576);
	}
	assert_true(shed(&world) > 1000);
	assert_int_equal(world.house.made.count, 1 + feeds);
	assert_int_equal(world.house.made.items[0].rule, 3);
	assert_string_equal(world.house.made.items[0].key, "user-0");
	assert_true(feeds || world.house.last.lower_bound);
	assert_true(ordered || feeds || world.house.last.event_count == records);
	house_barrier(&world.house, 100 * HOUR);
	assert_int_equal(stage_of(&world)->rules[3].bytes, 0);
	world_end(&world);
}

static void one_of_ten_comes_again(void **state)
{
	(void)state;
	one_comes_again(10, false, false);
	one_comes_again(4, false, true);
	one_comes_again(2, true, false);
}

/* ---- the future ---- */

/* What is ahead of a slow source, or of the last barrier, is no future while records come. */
static void ahead_of_w(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 2, MR_GTE);
	house_barrier(&world.house, 0);
	world.now_us = 5 * HOUR;
	for (uint32_t i = 0; i < 10; i++) {
		feed(&world, 2, 0, i, world.now_us + i);
		for (uint32_t user = 1; user <= 600; user++)
			feed(&world, 3, 600 * i + user, 0, world.now_us + i);
	}
	assert_true(shed(&world) > 3000);
	assert_int_equal(world.house.made.count, 1);
	world_end(&world);
}

/* A key's slots that are ahead of all clocks go before that of the present. */
static void ahead_of_all_clocks(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 2, MR_GTE);
	world.now_us = 5 * HOUR;
	for (uint32_t i = 0; i < 10; i++) {
		feed(&world, 2, 0, i, world.now_us + i);
		for (uint32_t k = 1; k <= 300; k++)
			feed(&world, 2, 0, 10, (int64_t)(300 * i + k) * 2 * HOUR + 8 * HOUR);
	}
	assert_true(shed(&world) > 1500);
	assert_int_equal(world.house.made.count, 1);
	world_end(&world);
}

static void detect(struct world *world, uint32_t record, int64_t time_us)
{
	char id[24];
	int len = snprintf(id, sizeof(id), "%u", record);
	struct mr_signal signal = {.kind = MR_KIND_UAL,
				   .has_time = true,
				   .time_us = time_us,
				   .arrival_us = world->now_us,
				   .record_id = {id, (size_t)len},
				   .key_count = 1,
				   .key = {{id, (size_t)len}}};
	house_feed(&world->house, &signal, 1);
}

/* Nor do records of a detection that are dated so push out those of the present. */
static void detections_ahead_of_all_clocks(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 2, MR_GTE);
	world.now_us = 5 * HOUR;
	for (uint32_t i = 0; i < 100; i++)
		detect(&world, i, world.now_us);
	for (uint32_t i = 100; i < 30000; i++)
		detect(&world, i, (int64_t)i * HOUR);
	size_t made = world.house.made.count;
	for (uint32_t i = 0; i < 100; i++)
		detect(&world, i, world.now_us);
	assert_true(shed(&world) > 5000);
	assert_int_equal(world.house.made.count, made);
	world_end(&world);
}

/* Keys that fired go first once what they could add to is over. */
static void what_fired_is_over(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 2, MR_GTE);
	world.now_us = 1;
	for (uint32_t i = 0; shed(&world) < 100; i++)
		feed(&world, 3, i / 2, i, i);
	size_t made = world.house.made.count;
	world.now_us = 3 * HOUR;
	for (uint32_t i = 0; i < 600; i++) { /* each fires 300 others later */
		feed(&world, 3, 10000 + i, 0, world.now_us);
		if (i >= 300)
			feed(&world, 3, 10000 + i - 300, 1, world.now_us);
	}
	assert_int_equal(world.house.made.count, made + 300);
	for (uint32_t i = 0; i < 200; i++) /* the first ones come again: they do not fire again */
		feed(&world, 3, i / 2, i, i);
	assert_int_equal(world.house.made.count, made + 300);
	world_end(&world);
}

/* ---- counts ---- */

/* Ten records of a user from that hour on; gives whether the alert says "at least". */
static bool is_at_least(struct world *world, uint32_t user, int64_t hour)
{
	size_t made = world->house.made.count;
	for (uint32_t i = 0; i < 10; i++)
		feed(world, 2, user, i, hour * HOUR + i);
	assert_int_equal(world->house.made.count, made + 1);
	return world->house.last.lower_bound;
}

/* Slots that may lack what was given up say so, also after a restart; others are exact. */
static void counts_say_that_they_are_low(void **state)
{
	struct world world;
	struct house other;
	(void)state;
	world_begin(&world);
	beside(&world, 2, MR_GTE);
	assert_false(is_at_least(&world, 0, 5));
	for (uint32_t user = 1; shed(&world) == 0; user++)
		feed(&world, 2, user, 10, 5 * HOUR);
	assert_true(is_at_least(&world, 1, 5));
	assert_true(is_at_least(&world, 2, 6));
	assert_false(is_at_least(&world, 3, 4));
	assert_false(is_at_least(&world, 4, 7));
	feed(&world, 2, 5, 11, 6 * HOUR);
	house_open(&other, &world.catalog, world.fields, 3, false);
	house_move(&world.house, &other);
	house_close(&world.house);
	world.house = other;
	assert_true(is_at_least(&world, 5, 6));
	assert_true(is_at_least(&world, 2, 5));
	assert_true(is_at_least(&world, 3, 6));
	assert_false(is_at_least(&world, 3, 8));
	world_end(&world);
}

/* A slot that stood all the time may lack what went of the one before it. */
static void the_slot_behind_says_it(void **state)
{
	struct world world;
	(void)state;
	world_begin(&world);
	beside(&world, 2, MR_GTE);
	for (uint32_t hour = 0; hour < 32; hour++)
		feed(&world, 2, 0, 100, hour * HOUR + HOUR / 2);
	struct corr_key *key = key_of(&world);
	int64_t gone = (int64_t)corr_key_trim(world.house.states[0][0], key, false);
	assert_in_range(gone, 3, 5);
	assert_true(is_at_least(&world, 0, gone));
	assert_false(is_at_least(&world, 0, gone + 2));
	world_end(&world);
}

/* Event time leaves what was given up behind, also where some of it was dated far ahead. */
static void counts_are_whole_again(void **state)
{
	const bool *w_is_known = *state;
	const int64_t last = *w_is_known ? 5 : 5 + 24;
	struct world world;
	world_begin(&world);
	beside(&world, 2, MR_GTE);
	if (*w_is_known)
		house_barrier(&world.house, 5 * HOUR);
	feed(&world, 2, 5, 10, 9000000 * HOUR);
	for (uint32_t user = 10; shed(&world) < 100; user++)
		feed(&world, 2, user, 10, 5 * HOUR);
	if (!*w_is_known)
		house_barrier(&world.house, 5 * HOUR);
	assert_true(is_at_least(&world, 5, last));
	assert_false(is_at_least(&world, 5, last + 2));
	house_barrier(&world.house, (last + 24 + 2) * HOUR - 1);
	assert_true(is_at_least(&world, 5, 6));
	house_barrier(&world.house, (last + 24 + 2) * HOUR);
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
		assert_false(corr_has_lost(&stage_of(&world)->rules[2], (uint8_t)g));
	world_end(&world);
}

static void is_low(void *context, const struct mr_alert *alert)
{
	uint32_t *low = context;
	*low += alert->lower_bound;
}

/* So does an alert that a finite run makes before its end, to make room. */
static void alerts_before_the_end_say_it(void **state)
{
	static const uint32_t list[] = {1};
	struct world world;
	uint32_t low = 0;
	(void)state;
	world_begin(&world);
	catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, list, 1, HOUR, 2,
			    world.group, 0);
	house_open_set(&world.house, &world.catalog, world.fields, 1, true, "state_bytes", MIB);
	world.house.watch = is_low;
	world.house.context = &low;
	for (uint32_t i = 0; i < 4000; i++)
		feed(&world, 3, i / 2, i, i);
	assert_true(world.house.made.count > 500);
	assert_int_equal(low, world.house.made.count);
	house_finish(&world.house);
	assert_int_equal(world.house.made.count, 2000);
	world_end(&world);
}

/* ---- a finite run ---- */

/* Rule 2 counts ten; behind it the test's, of that kind. */
static void finite_begin(struct world *world, enum mr_correlation_type type, int64_t span_us,
			 int64_t threshold)
{
	static const uint32_t list[] = {1};
	world_begin(world);
	catalog_correlation(&world->catalog, type, list, 1, span_us, threshold, world->group,
			    mr_correlation_has_field(type) ? world->group : 0);
	house_open_set(&world->house, &world->catalog, world->fields, 1, true, "state_bytes", MIB);
}

/* What fired leaves little behind, so that it costs no other rule its share. */
static void alerts_of_a_flood(void **state)
{
	enum { USERS = 12000 };
	struct world world;
	(void)state;
	finite_begin(&world, MR_CORRELATION_EVENT_COUNT, HOUR, 2);
	for (uint32_t i = 0; i < 9; i++)
		feed(&world, 2, 0, i, i);
	for (uint32_t i = 0; i < 2 * USERS; i++) {
		feed(&world, 3, i / 2, i, i);
		assert_true(stage_of(&world)->bytes <= 1048576);
	}
	feed(&world, 2, 0, 9, 9);
	for (uint32_t i = 0; i < 2 * USERS; i++) /* they come again */
		feed(&world, 3, i / 2, i, i);
	house_finish(&world.house);
	assert_int_equal(world.house.made.count, USERS + 1);
	fired_unique(&world.house.made);
	assert_int_equal(world.house.made.count, USERS + 1);
	world_end(&world);
}

/* Three records, of the number 1, in each second of one user, in no order, and once more. */
static void alerts_of_one_key(enum mr_correlation_type type)
{
	enum { SECONDS = 3000 };
	struct world world;
	finite_begin(&world, type, 1000000, 3);
	for (uint32_t i = 0; i < 2 * SECONDS; i++) {
		uint32_t second = 3 * (i * 1009 % SECONDS);
		for (uint32_t k = 0; k < 3; k++)
			feed(&world, 3, 0, 3 * second + k, second * INT64_C(1000000) + k);
		assert_true(stage_of(&world)->bytes <= 1048576);
	}
	assert_true(shed(&world) > 0);
	house_finish(&world.house);
	assert_int_equal(world.house.made.count, SECONDS);
	fired_unique(&world.house.made);
	assert_int_equal(world.house.made.count, SECONDS);
	world_end(&world);
}

static void alerts_of_one_key_are_all_made(void **state)
{
	(void)state;
	alerts_of_one_key(MR_CORRELATION_EVENT_COUNT);
	alerts_of_one_key(MR_CORRELATION_VALUE_SUM);
}

static void is_whole(void *context, const struct mr_alert *alert)
{
	uint32_t *whole = context;
	*whole += alert->event_count == 10 && mr_slice_eq(alert->key[0], MR_SLICE("user-0"));
}

/* Nine records of a user, one of each of many others, and his tenth. */
static void nine_of_ten_stay(enum mr_correlation_type type, int64_t threshold)
{
	struct world world;
	uint32_t whole = 0;
	finite_begin(&world, type, HOUR, threshold);
	world.house.watch = is_whole;
	world.house.context = &whole;
	for (uint32_t i = 0; i < 9; i++)
		feed(&world, 3, 0, i, i);
	for (uint32_t user = 1; user <= 2000; user++)
		feed(&world, 3, user, 0, 9);
	feed(&world, 3, 0, 9, 10);
	assert_true(shed(&world) > 500);
	house_finish(&world.house);
	assert_int_equal(whole, 1);
	world_end(&world);
}

static void nine_of_ten_of_numbers_stay(void **state)
{
	(void)state;
	nine_of_ten_stay(MR_CORRELATION_VALUE_SUM, 10);
	nine_of_ten_stay(MR_CORRELATION_VALUE_AVG, 1);
	nine_of_ten_stay(MR_CORRELATION_VALUE_MEDIAN, 1);
}

int main(void)
{
	static const bool known[] = {false, true};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(flood_of_another_rule),
	    cmocka_unit_test(flood_of_a_detection),
	    cmocka_unit_test(all_of_it_for_one),
	    cmocka_unit_test(many_rules),
	    cmocka_unit_test(large_records_go_the_older_first),
	    cmocka_unit_test(one_of_ten_comes_again),
	    cmocka_unit_test(ahead_of_w),
	    cmocka_unit_test(ahead_of_all_clocks),
	    cmocka_unit_test(detections_ahead_of_all_clocks),
	    cmocka_unit_test(what_fired_is_over),
	    cmocka_unit_test(one_slot_of_one_key),
	    cmocka_unit_test(many_slots_of_one_key),
	    cmocka_unit_test(key_in_hand_stays),
	    cmocka_unit_test(need_past_the_ceiling),
	    cmocka_unit_test(what_was_trimmed_counts_once),
	    cmocka_unit_test(the_slot_behind_says_it),
	    cmocka_unit_test(counts_say_that_they_are_low),
	    cmocka_unit_test_prestate(counts_are_whole_again, (void *)(uintptr_t)&known[0]),
	    cmocka_unit_test_prestate(counts_are_whole_again, (void *)(uintptr_t)&known[1]),
	    cmocka_unit_test(alerts_before_the_end_say_it),
	    cmocka_unit_test(alerts_of_a_flood),
	    cmocka_unit_test(alerts_of_one_key_are_all_made),
	    cmocka_unit_test(nine_of_ten_of_numbers_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
