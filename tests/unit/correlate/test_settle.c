/* When a correlation that settles is judged, when people hear of it, and what a snapshot makes of
 * that. */
#include "key.h"
#include "settle_world.h"
#include "state.h"

#include <time.h>

static void judged_when_settled(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world);
	house_open(&house, &world.catalog, world.fields, 1, false);
	house.asks_open = true;
	feed(&world, &house, 1, "a", 1, "5");
	house_barrier(&house, SPAN + SETTLING - 1);
	house_commit(&house);
	house_barrier(&house, SPAN + SETTLING - 1);
	assert_int_equal(house.made.count, 0);
	house_commit(&house);
	house_barrier(&house, SPAN + SETTLING); /* judged here, told behind its commitment */
	assert_int_equal(house.made.count, 0);
	house_barrier(&house, SPAN + SETTLING); /* which was none */
	assert_int_equal(house.made.count, 0);
	house_commit(&house);
	house_barrier(&house, SPAN + SETTLING);
	assert_int_equal(house.made.count, 1);
	assert_int_equal(house.counters.at[MR_C_ALERTS], 1);
	house_commit(&house);
	house_barrier(&house, SPAN + SETTLING);
	assert_int_equal(house.made.count, 1);
	house_close(&house);
	world_close(&world);
}

static void judge_and_tell(struct house *house)
{
	house_barrier(house, SPAN + SETTLING);
	house_commit(house);
	house_barrier(house, SPAN + SETTLING);
	house_commit(house);
}

/* Made once; then closed and opened as late ones come. */
static void judged_again(void **state)
{
	static const int activities[] = {MR_ACTIVITY_CREATE, MR_ACTIVITY_CLOSE, MR_ACTIVITY_UPDATE,
					 MR_ACTIVITY_CLOSE};
	static const char *const values[] = {"5", "-1", "2.5", "-3"};
	static const char *const records[] = {"a", "b", "c", "d"};
	struct world world;
	struct house house;
	(void)state;
	world_open(&world);
	house_open(&house, &world.catalog, world.fields, 1, false);
	house.asks_open = true;
	for (int i = 0; i < 4; i++) {
		feed(&world, &house, 1, records[i], 1, values[i]);
		judge_and_tell(&house);
		assert_int_equal(house.last.activity, activities[i]);
		assert_int_equal(house.last.event_count, i + 1);
		assert_int_equal(house.open.count, i % 2 == 0);
	}
	feed(&world, &house, 1, "d", 1, "-3"); /* a repeat */
	judge_and_tell(&house);
	assert_int_equal(house.made.count, 1);
	assert_int_equal(house.revised.count, 3);
	assert_int_equal(house.counters.at[MR_C_ALERTS], 1);
	house_close(&house);
	world_close(&world);
}

/* A late one may change the slot behind, too. */
static void the_next_slot_is_judged_again(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world);
	house_open(&house, &world.catalog, world.fields, 1, false);
	house.asks_open = true;
	feed(&world, &house, 2, "a", SPAN + 5, "");
	house_barrier(&house, 3 * SPAN + SETTLING);
	house_commit(&house);
	house_barrier(&house, 3 * SPAN + SETTLING);
	assert_int_equal(house.open.count, 1);
	feed(&world, &house, 2, "b", SPAN - 2, "");
	feed(&world, &house, 2, "c", SPAN - 1, "");
	house_barrier(&house, 3 * SPAN + SETTLING);
	house_commit(&house);
	house_barrier(&house, 3 * SPAN + SETTLING);
	assert_int_equal(house.open.count, 1); /* that of the slot before; its own was withdrawn */
	assert_int_equal(house.open.items[0].slot, 0);
	house_close(&house);
	world_close(&world);
}

/* A checkpoint that holds a verdict: whoever goes on from it tells it. One before: nobody did. */
static void a_start_tells_what_was_judged(void **state)
{
	struct world world;
	struct house before, after;
	(void)state;
	world_open(&world);
	house_open(&before, &world.catalog, world.fields, 2, false);
	before.asks_open = true;
	feed(&world, &before, 1, "a", 1, "7");
	house_barrier(&before, SPAN + SETTLING);
	house_open(&after, &world.catalog, world.fields, 3, false);
	after.asks_open = true;
	house_move(&before, &after);
	house_barrier(&after, SPAN + SETTLING);
	assert_int_equal(after.made.count, 1);
	house_commit(&after);
	feed(&world, &after, 1, "b", 0, "-7");
	house_barrier(&after, SPAN + SETTLING);
	house_close(&before);
	house_open(&before, &world.catalog, world.fields, 1, false);
	before.asks_open = true;
	house_move(&after, &before);
	house_barrier(&before, SPAN + SETTLING);
	assert_int_equal(before.made.count, 0);
	assert_int_equal(before.last.activity, MR_ACTIVITY_CLOSE);
	house_close(&before);
	house_close(&after);
	world_close(&world);
}

/* A count that has doubled is told once: by the start that goes on from where it was judged, and
 * where one more comes before that. */
static void a_revision_is_not_lost(void **state)
{
	struct world world;
	struct house before, after;
	(void)state;
	world_open(&world);
	house_open(&before, &world.catalog, world.fields, 1, false);
	house_open(&after, &world.catalog, world.fields, 1, false);
	feed(&world, &before, 1, "a", 1, "5");
	judge_and_tell(&before);
	feed(&world, &before, 1, "b", 2, "5");
	house_barrier(&before, SPAN + SETTLING);
	house_move(&before, &after);
	feed(&world, &before, 1, "a", 1, "5"); /* a repeat: judged again before it is told */
	house_barrier(&before, SPAN + SETTLING);
	judge_and_tell(&before);
	assert_int_equal(before.revised.count, 1);
	judge_and_tell(&after);
	assert_int_equal(after.revised.count, 1);
	assert_int_equal(after.last.activity, MR_ACTIVITY_UPDATE);
	feed(&world, &after, 1, "c", 3, "5");
	feed(&world, &after, 1, "d", 4, "5");
	judge_and_tell(&after);
	assert_int_equal(after.revised.count, 1);
	house_close(&before);
	house_close(&after);
	world_close(&world);
}

static void feed_many(struct world *world, struct house *house, uint32_t rule, char first,
		      int count)
{
	char record[] = {first, 'a', 0};
	for (int i = 0; i < count; i++, record[1]++)
		feed(world, house, rule, record, 1 + i, "");
}

/* It fired while its rule made no alerts: a reload that lets it make some brings one, once. */
static void what_fired_in_silence_is_made(void **state)
{
	static const uint32_t list[] = {0};
	struct world world;
	struct house silent, loud, again;
	(void)state;
	world_open(&world);
	uint32_t rule = catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, list, 1,
					    SPAN, 3, world.group, 0);
	world.catalog.rules[rule].alerts = false;
	house_open(&silent, &world.catalog, world.fields, 1, false);
	world.catalog.rules[rule].alerts = true;
	house_open(&loud, &world.catalog, world.fields, 1, false);
	house_open(&again, &world.catalog, world.fields, 1, false);
	feed_many(&world, &silent, rule, 'a', 3);
	judge_and_tell(&silent);
	assert_int_equal(silent.made.count, 0);
	house_move(&silent, &loud);
	feed_many(&world, &loud, rule, 'b', 1);
	judge_and_tell(&loud);
	assert_int_equal(loud.made.count, 1);
	assert_int_equal(loud.counters.at[MR_C_ALERTS], 1);
	house_move(&loud, &again);
	feed_many(&world, &again, rule, 'c', 5);
	judge_and_tell(&again);
	assert_int_equal(again.made.count, 0);
	assert_int_equal(loud.revised.count, 0);
	assert_int_equal(again.revised.count, 1);
	house_close(&silent);
	house_close(&loud);
	house_close(&again);
	world_close(&world);
}

/* Where no source has more to say, nothing is waited for; one that may wake up is. */
static void judged_at_the_end_of_all_sources(void **state)
{
	struct world world;
	struct house house;
	struct mr_marks marks = {0};
	uint64_t untold = 0;
	(void)state;
	world_open(&world);
	house_open(&house, &world.catalog, world.fields, 1, false);
	house.asks_open = true;
	house.envs[0][0].marks = &marks;
	house.envs[0][0].untold = &untold;
	mr_marks_state(&marks, 0, MR_SOURCE_ENDED);
	mr_marks_state(&marks, 1, MR_SOURCE_IDLE);
	feed(&world, &house, 1, "a", 1, "5");
	house_barrier(&house, 0);
	assert_int_equal(untold, 0);
	mr_marks_state(&marks, 1, MR_SOURCE_ENDED);
	house_barrier(&house, 0);
	assert_int_equal(untold, 1);
	house_commit(&house);
	house_barrier(&house, 0);
	assert_int_equal(untold, 0);
	assert_int_equal(house.made.count, 1);
	house_close(&house);
	mr_marks_fini(&marks);
	world_close(&world);
}

/* What one source holds back is counted: what the foremost would let be judged. */
static void what_waits_for_a_source_is_counted(void **state)
{
	struct world world;
	struct house house;
	struct mr_marks marks = {0};
	uint64_t waiting = 9;
	(void)state;
	world_open(&world);
	house_open(&house, &world.catalog, world.fields, 1, false);
	house.envs[0][0].marks = &marks;
	house.envs[0][0].waiting = &waiting;
	mr_marks_event(&marks, 0, 0, 0);
	mr_marks_event(&marks, 1, SPAN + SETTLING - 1, INT64_MAX);
	for (int64_t slot = 0; slot < 3; slot++)
		feed(&world, &house, 1, "a", slot * SPAN + 1, "5");
	house_barrier(&house, 0);
	assert_int_equal(waiting, 0);
	mr_marks_event(&marks, 1, 2 * SPAN + SETTLING, INT64_MAX);
	house_barrier(&house, 0);
	assert_int_equal(waiting, 2);
	house_barrier(&house, SPAN + SETTLING);
	assert_int_equal(waiting, 1);
	house_barrier(&house, 2 * SPAN + SETTLING);
	assert_int_equal(waiting, 0);
	house_close(&house);
	mr_marks_fini(&marks);
	world_close(&world);
}

static uint32_t keys_of(const struct house *house)
{
	const struct corr *corr = house->states[0][0];
	uint32_t keys = 0;
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
		keys += corr->groups[g].key_count;
	return keys;
}

/* It goes once the lateness is over, but not before its verdict is told. */
static void released_when_told(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world);
	house_open_set(&house, &world.catalog, world.fields, 1, false, "lateness", "1s");
	house.asks_open = true;
	feed(&world, &house, 1, "a", 1, "5");
	house_barrier(&house, 3 * SPAN + SETTLING);
	house_barrier(&house, 3 * SPAN + SETTLING);
	assert_int_equal(keys_of(&house), 1);
	house_commit(&house);
	house_barrier(&house, 3 * SPAN + SETTLING);
	assert_int_equal(house.made.count, 1);
	assert_int_equal(keys_of(&house), 0);
	house_close(&house);
	world_close(&world);
}

/* One of 1970 in each interval, of which something is to be told each time, keeps nothing else. */
static void what_is_untold_holds_up_nothing(void **state)
{
	struct world world;
	struct house house;
	char record[16];
	(void)state;
	world_open(&world);
	house_open_set(&house, &world.catalog, world.fields, 1, false, "lateness", "1s");
	house.asks_open = true;
	for (int i = 0; i < 10; i++) {
		int64_t now = i * 100 * (SPAN + SETTLING);
		snprintf(record, sizeof(record), "r%d", i);
		feed(&world, &house, 1, record, -i * 3 * SPAN, "5");
		feed(&world, &house, 2, record, now, "");
		house_barrier(&house, now + SPAN);
		house_commit(&house);
		const struct corr *corr = house.states[0][0];
		assert_in_range(corr->dues.count, 1, 4);
	}
	assert_int_equal(house.counters.at[MR_C_ALERTS], 17);
	house_close(&house);
	world_close(&world);
}

static void sees_both(void *context, const struct mr_alert *alert)
{
	if (alert->slot == 1)
		*(uint64_t *)context = alert->event_count;
}

/* Both slots that an alert is about are there when it is told, however far W has come. */
static void the_slot_before_waits_too(void **state)
{
	struct world world;
	struct house house;
	uint64_t count = 0;
	(void)state;
	world_open(&world);
	house_open_set(&house, &world.catalog, world.fields, 1, false, "lateness", "1s");
	house.watch = sees_both;
	house.context = &count;
	feed(&world, &house, 1, "a", SPAN - 1, "3");
	feed(&world, &house, 1, "b", SPAN + 1, "3");
	house_barrier(&house, 100 * SPAN);
	house_commit(&house);
	house_barrier(&house, 100 * SPAN);
	assert_int_equal(count, 2);
	assert_int_equal(keys_of(&house), 0);
	house_close(&house);
	world_close(&world);
}

/* An alert of the sum, and one over it, of what is in two slots. */
static void tell_across_slots(struct world *world, struct house *house)
{
	feed(world, house, 1, "a", SPAN - 1, "3");
	feed(world, house, 1, "b", SPAN + 1, "3");
	for (int i = 0; i < 3; i++) {
		house_barrier(house, 4 * SPAN + 2 * SETTLING);
		house_commit(house);
	}
	assert_int_equal(house->open.count, 2);
	assert_int_equal(house->revised.count, 0);
}

static void outer_add(struct world *world)
{
	static const uint32_t sums[] = {1};
	catalog_correlation(&world->catalog, MR_CORRELATION_EVENT_COUNT, sums, 1, SPAN, 1, 0, 0);
}

static void sums_that_are_low(void *context, const struct mr_alert *alert)
{
	*(int *)context += alert->rule == 1 && alert->lower_bound;
}

/* The slot before is released a span earlier. What is judged without it withdraws nothing, and
 * fires only where more occurrences could not undo that. */
static void one_behind_the_lateness_undoes_nothing(void **state)
{
	const int64_t late = 86400 * SECOND + 2 * SPAN + SETTLING + 1;
	struct world world;
	struct house house;
	int low = 0;
	(void)state;
	world_open(&world);
	outer_add(&world);
	house_open(&house, &world.catalog, world.fields, 1, false);
	house.asks_open = true;
	tell_across_slots(&world, &house);
	feed(&world, &house, 2, "a", SPAN - 1, "");
	feed(&world, &house, 2, "b", SPAN - 1, "");
	feed(&world, &house, 2, "c", SPAN + 1, ""); /* the third: its slot does not fire */
	house_barrier(&house, late);
	house_commit(&house);
	house_barrier(&house, late);
	size_t made = house.made.count;
	feed(&world, &house, 1, "x", SPAN + 2, "0");
	feed(&world, &house, 2, "c", SPAN + 1, "");
	for (int i = 0; i < 3; i++) {
		house_barrier(&house, late);
		house_commit(&house);
	}
	assert_int_equal(house.made.count, made);
	assert_int_equal(house.revised.count, 0);
	house.watch = sums_that_are_low;
	house.context = &low;
	feed(&world, &house, 1, "y", SPAN + 3, "9");
	feed(&world, &house, 1, "z", -SPAN, "9"); /* a slot of its own */
	for (int i = 0; i < 3; i++) {
		house_barrier(&house, late);
		house_commit(&house);
	}
	assert_int_equal(house.made.count, made + 2);
	assert_int_equal(low, 1);
	house_close(&house);
	world_close(&world);
}

static void what_was_given_up_undoes_nothing(void **state)
{
	struct world world;
	struct house house;
	char record[16];
	(void)state;
	world_open(&world);
	outer_add(&world);
	house_open_set(&house, &world.catalog, world.fields, 1, false, "state_bytes", "1048576");
	house.asks_open = true;
	tell_across_slots(&world, &house);
	for (int i = 0; i < 20000; i++) {
		snprintf(record, sizeof(record), "x%d", i);
		feed(&world, &house, 1, record, SPAN + 2 + i, "0");
	}
	assert_true(house.counters.at[MR_C_STATE_SHED] > 0);
	for (int i = 0; i < 3; i++) {
		house_barrier(&house, 4 * SPAN + 2 * SETTLING);
		house_commit(&house);
	}
	assert_int_equal(house.open.count, 2);
	assert_int_equal(house.last.activity, MR_ACTIVITY_UPDATE); /* its count has doubled */
	assert_true(house.last.lower_bound);
	house_close(&house);
	world_close(&world);
}

static const struct corr_key *key_of(const struct house *house)
{
	const struct corr *corr = house->states[0][0];
	const struct corr_key *key = NULL;
	for (uint32_t g = 0; g < MR_KEY_GROUPS && key == NULL; g++)
		for (uint32_t i = 0; i < corr->groups[g].key_places && key == NULL; i++)
			key = corr->groups[g].keys[i].key;
	return key;
}

/* What a scan gives up of a key is judged for its alert; the slot in use is another and stays. */
static void the_slot_in_use_stays(void **state)
{
	enum { SLOTS = 4000 };
	struct world world;
	struct house house;
	char record[16];
	(void)state;
	world_open(&world);
	house_open_set(&house, &world.catalog, world.fields, 1, true, "state_bytes", "1048576");
	for (int i = 0; i < SLOTS; i++) {
		snprintf(record, sizeof(record), "r%d", i);
		feed(&world, &house, 1, record, 2 * i * SPAN, "5");
		assert_non_null(key_of(&house)->recent);
		assert_int_equal(key_of(&house)->recent->number, 2 * i);
	}
	assert_true(house.counters.at[MR_C_STATE_SHED] > SLOTS / 2);
	house_finish(&house);
	assert_int_equal(house.made.count, SLOTS);
	house_close(&house);
	world_close(&world);
}

/* Every cut is an error, every changed byte an error or a state that goes on working. */
static void broken_snapshots(void **state)
{
	struct world world;
	struct house house;
	struct mr_buf whole = {0};
	struct mr_error error;
	(void)state;
	world_open(&world);
	uint32_t inner[] = {1, 2};
	catalog_correlation(&world.catalog, MR_CORRELATION_TEMPORAL, inner, 2, SPAN, 0, 0, 0);
	house_open(&house, &world.catalog, world.fields, 1, false);
	house.asks_open = true;
	for (uint32_t i = 0; i < 4; i++) {
		char record[8];
		snprintf(record, sizeof(record), "r%u", i);
		feed(&world, &house, 1, record, i * 3 * SECOND, i == 2 ? "2.5" : "1");
		feed(&world, &house, 2, record, i * 3 * SECOND, "");
		house_barrier(&house, SPAN + SETTLING);
	}
	uint8_t group = mr_key_group(house.envs[0][0].seed, MR_SLICE("a rule"), MR_SLICE("tenant"),
				     &(struct mr_slice){"ann", 3}, 1);
	mr_stage_correlate.snapshot(house.states[0][0], group, &whole);
	for (size_t at = 0; at < whole.len; at++) {
		char *exact = mr_malloc(at + 1);
		memcpy(exact, whole.data, at);
		exact = mr_realloc(exact, at == 0 ? 1 : at);
		assert_int_equal(mr_stage_correlate.restore(house.states[0][0], group,
							    (struct mr_slice){exact, at}, &error),
				 MR_BAD_INPUT);
		free(exact);
	}
	for (size_t at = 0; at < whole.len; at++) {
		whole.data[at] = (char)(whole.data[at] ^ 5);
		(void)mr_stage_correlate.restore(house.states[0][0], (uint8_t)at,
						 (struct mr_slice){whole.data, whole.len}, &error);
		whole.data[at] = (char)(whole.data[at] ^ 5);
	}
	house.withdraws = true;
	house_commit(&house);
	house_barrier(&house, 1000 * SPAN);
	house_close(&house);
	mr_buf_fini(&whole);
	world_close(&world);
}

static enum mr_err take_values(struct house *house, const char *first, const char *second)
{
	struct mr_slice values[] = {mr_slice(first), mr_slice(second == NULL ? "" : second)};
	struct mr_signal signal = {.consumer = 1,
				   .kind = MR_KIND_UAL,
				   .has_time = true,
				   .time_us = SECOND,
				   .tenant = MR_SLICE("tenant"),
				   .record_id = MR_SLICE("r"),
				   .key_count = 1,
				   .key = {MR_SLICE("k")},
				   .value_width = 1,
				   .value_count = second == NULL ? 1 : 2,
				   .values = values};
	struct mr_body body = {.count = 1};
	struct mr_reader in = {0};
	mr_signal_encode(&signal, &body.bytes);
	mr_reader_open_body(&in, MR_CONTENT_SIGNALS, &body);
	enum mr_err err =
	    mr_stage_correlate.process(house->states[0][0], &in, &house->writers[0][0], NULL);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	return err;
}

/* Whoever sends it, or writes it into a state file. */
static void what_is_no_number(void **state)
{
	static const char *const bad[][2] = {
	    {"1", ""}, {"1 ", NULL}, {"", NULL}, {"1 2", NULL}, {"x", NULL}};
	struct world world;
	struct house house;
	struct mr_buf bytes = {0};
	(void)state;
	world_open(&world);
	house_open(&house, &world.catalog, world.fields, 1, true);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(take_values(&house, bad[i][0], bad[i][1]), MR_PROTOCOL);
	assert_int_equal(take_values(&house, "31415", "2718"), MR_OK);
	mr_stage_correlate.snapshot(house.states[0][0], 0, &bytes);
	char *text = memmem(bytes.data, bytes.len, "31415 2718", 10);
	assert_non_null(text);
	for (size_t at = 0; at < 3; at++) {
		static const char *const others[] = {"31415 271 ", " 1415 2718", "31415  718"};
		struct house other;
		memcpy(text, others[at], 10);
		house_open(&other, &world.catalog, world.fields, 1, true);
		assert_int_equal(
		    mr_stage_correlate.restore(other.states[0][0], 0,
					       (struct mr_slice){bytes.data, bytes.len}, NULL),
		    MR_BAD_INPUT);
		house_close(&other);
	}
	mr_buf_fini(&bytes);
	house_close(&house);
	world_close(&world);
}

static void offer(struct corr *corr, struct corr_slot *slot, uint32_t number, bool withdrawn)
{
	char id[16];
	snprintf(id, sizeof(id), "r%u", number);
	struct mr_signal signal = {
	    .kind = MR_KIND_UAL, .record_id = mr_slice(id), .withdrawn = withdrawn};
	struct corr_occurrence occurrence = {
	    .signal = &signal, .record = corr_id_of_record(corr, signal.kind, signal.record_id)};
	bool new = corr_offer_add(corr, slot, &occurrence);
	assert_true(new || number % 3 == 0 || withdrawn);
}

/* CPU nanoseconds of 3,000 occurrences that are there. */
static int64_t cost_of_repeats(struct corr *corr, struct corr_slot *slot)
{
	int64_t least = INT64_MAX;
	for (int round = 0; round < 5; round++) {
		struct timespec begun, ended;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
		for (uint32_t i = 0; i < 3000; i++)
			offer(corr, slot, 0, false);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
		int64_t took = (ended.tv_sec - begun.tv_sec) * INT64_C(1000000000) + ended.tv_nsec -
			       begun.tv_nsec;
		least = took < least ? took : least;
	}
	return least;
}

/* Many come, some twice, and some are withdrawn: each is found among all. */
static void offers_are_found(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world);
	house_open(&house, &world.catalog, world.fields, 1, true);
	struct corr *corr = house.states[0][0];
	int64_t alone = 0;
	struct corr_slot *slot =
	    corr_slot_get(corr, key_get(corr, 0, &corr->rules[2], "t", MR_SLICE("k")), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		offer(corr, slot, i, false);
		if (i % 3 == 0)
			offer(corr, slot, i, false);
		assert_int_equal(slot->settled->offer_count, i + 1);
		if (i == 0)
			alone = cost_of_repeats(corr, slot);
	}
	int64_t among = cost_of_repeats(corr, slot);
	print_message("a repeat costs %lld ns, %lld among 3,000\n", (long long)alone / 3000,
		      (long long)among / 3000);
	assert_true(among < 3 * alone);     /* looking through all: twenty times as much */
	for (uint32_t i = 0; i < 6000; i++) /* those past 3,000 are not there */
		offer(corr, slot, i * 7 % 6000, true);
	assert_int_equal(slot->settled->offer_count, 0);
	assert_int_equal(slot->settled->offer_bytes, 0);
	for (uint32_t i = 0; i < 6000 / 7; i++)
		offer(corr, slot, i, false);
	for (uint32_t i = 0; i < 400; i++)
		offer(corr, slot, 2 * i, true);
	assert_int_equal(slot->settled->offer_count, 6000 / 7 - 400);
	for (uint32_t i = 0; i < 400; i++)
		offer(corr, slot, 3 * i, false);
	assert_int_equal(slot->settled->offer_count, 6000 / 7 - 400 + 248);
	corr_slot_weigh(corr, slot);
	house_close(&house);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(judged_when_settled),
	    cmocka_unit_test(judged_again),
	    cmocka_unit_test(the_next_slot_is_judged_again),
	    cmocka_unit_test(a_start_tells_what_was_judged),
	    cmocka_unit_test(a_revision_is_not_lost),
	    cmocka_unit_test(what_fired_in_silence_is_made),
	    cmocka_unit_test(judged_at_the_end_of_all_sources),
	    cmocka_unit_test(what_waits_for_a_source_is_counted),
	    cmocka_unit_test(released_when_told),
	    cmocka_unit_test(what_is_untold_holds_up_nothing),
	    cmocka_unit_test(the_slot_before_waits_too),
	    cmocka_unit_test(one_behind_the_lateness_undoes_nothing),
	    cmocka_unit_test(what_was_given_up_undoes_nothing),
	    cmocka_unit_test(the_slot_in_use_stays),
	    cmocka_unit_test(broken_snapshots),
	    cmocka_unit_test(what_is_no_number),
	    cmocka_unit_test(offers_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
