/* What an occurrence brings along and an alert shows, through layers and snapshots: the record, the
 * inner alert that it completed, the detections that it matched; and which of its copies stands. */
#include "world.h"

static struct mr_signal with_record(struct world *world, struct mr_signal signal)
{
	signal.record = text(world, "{\"Id\":%u}", (uint32_t)signal.origin.position);
	return signal;
}

/* The newest alert's evidence: these records, each with its bytes. */
static void assert_records(struct world *world, const struct house *house, uint32_t from,
			   uint32_t to)
{
	assert_int_equal(house->last.evidence_count, to - from);
	for (uint32_t i = from; i < to; i++) {
		struct mr_slice record = text(world, "{\"Id\":%u}", i);
		assert_int_equal(house->last_evidence_origin[i - from], i);
		assert_int_equal(house->last_evidence_record[i - from],
				 mr_hash64(record.at, record.len, 0));
	}
}

static void a_record_reaches_a_detections_alert(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world, 1);
	house_open(&house, &world.catalog, world.fields, 1, true);
	feed(&house, with_record(&world, signal_of(&world, 0, 0, 5, 1)));
	assert_records(&world, &house, 5, 6);
	house_close(&house);
	world_close(&world);
}

/* Kept as evidence and while it waits, in a snapshot, and sent on to an outer correlation, which
 * does not count by it. */
static void records_reach_outer_alerts(void **state)
{
	struct world world;
	struct house before, after;
	(void)state;
	world_open(&world, 2);
	uint32_t inner = correlation(&world, MR_CORRELATION_TEMPORAL, 2, HOUR, 0);
	uint32_t outer = catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, &inner, 1,
					     HOUR, 1, 0, 0);
	house_open(&before, &world.catalog, world.fields, 1, true);
	house_open(&after, &world.catalog, world.fields, 2, true);
	for (uint32_t i = 0; i < 4; i++)
		feed(&before, with_record(&world, signal_of(&world, inner, 1, i, i + 1)));
	house_move(&before, &after);
	feed(&after, signal_of(&world, inner, 1, 0, 1)); /* a repeat, without it */
	struct mr_signal last = signal_of(&world, inner, 0, 9, 0);
	feed(&after, last); /* completes the others, and not itself */
	assert_int_equal(after.counters.at[MR_C_INNER_SIGNALS], 4);
	house_finish(&after);
	assert_int_equal(after.made.count, 2);
	assert_int_equal(after.last.rule, outer);
	assert_records(&world, &after, 0, 4);
	house_close(&before);
	house_close(&after);
	world_close(&world);
}

static void records_reach_a_correlations_alert(void **state)
{
	struct world world;
	struct house before, after;
	(void)state;
	world_open(&world, 1);
	uint32_t count = correlation(&world, MR_CORRELATION_EVENT_COUNT, 1, HOUR, 4);
	house_open(&before, &world.catalog, world.fields, 2, true);
	house_open(&after, &world.catalog, world.fields, 3, true);
	for (uint32_t i = 3; i > 0; i--)
		feed(&before, with_record(&world, signal_of(&world, count, 0, i, i)));
	house_move(&before, &after);
	feed(&after, with_record(&world, signal_of(&world, count, 0, 4, 4)));
	house_finish(&after);
	assert_records(&world, &after, 1, 5);
	house_close(&before);
	house_close(&after);
	world_close(&world);
}

/* Of copies of one record, written twice and matched by two rules that show other fields, one
 * stands in the alert, of the correlation and of one over it, in whatever order they come. */
static void one_copy_stands(void **state)
{
	static const uint32_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct world world;
	(void)state;
	world_open(&world, 3);
	uint32_t inner = correlation(&world, MR_CORRELATION_EVENT_COUNT, 3, HOUR, 1);
	uint32_t outer = catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, &inner, 1,
					     HOUR, 1, 0, 0);
	struct mr_signal signals[3];
	struct mr_signal_field fields[3];
	for (uint32_t i = 0; i < 3; i++) {
		static const uint32_t rules[] = {2, 0, 1};
		fields[i] = (struct mr_signal_field){world.value, MR_STRING,
						     text(&world, "seen by rule %u", rules[i])};
		signals[i] = signal_of(&world, inner, rules[i], 7, 5);
		signals[i].origin.position = i == 1 ? 20 : 10;
		signals[i].fields = &fields[i];
		signals[i].field_count = 1;
	}
	for (int feeds = 0; feeds < 2; feeds++) {
		world.catalog.rules[inner].alerts = feeds == 0;
		world.catalog.rules[outer].alerts = feeds == 1;
		for (size_t o = 0; o < sizeof(orders) / sizeof(*orders); o++) {
			struct house house;
			house_open(&house, &world.catalog, world.fields, 1, true);
			for (uint32_t i = 0; i < 3; i++)
				feed(&house, signals[orders[o][i]]);
			house_finish(&house);
			assert_int_equal(house.last.rule, feeds == 0 ? inner : outer);
			assert_int_equal(house.last_evidence_origin[0], 10);
			assert_true(house.last_evidence_fields[0] ==
				    mr_hash64(fields[2].text.at, fields[2].text.len, 0));
			house_close(&house);
		}
	}
	world_close(&world);
}

/* Which alert of the inner correlation, and which detections. */
struct traced {
	uint8_t inner[MR_ALERT_ID_BYTES];
	uint32_t outer, seen;
};

static void is_traced(void *context, const struct mr_alert *alert)
{
	struct traced *traced = context;
	if (alert->rule != traced->outer)
		return;
	for (uint32_t i = 0; i < alert->evidence_count; i++) {
		const struct mr_evidence *evidence = &alert->evidence[i];
		assert_int_equal(evidence->inner_id.len, MR_ALERT_ID_BYTES);
		assert_memory_equal(evidence->inner_id.at, traced->inner, MR_ALERT_ID_BYTES);
		assert_int_equal(evidence->matched_count, 2);
		assert_int_equal(evidence->matched[0] * 10 + evidence->matched[1], 1);
		traced->seen++;
	}
}

/* What waits and what is kept says what it stands on, behind a snapshot, too. Of a record that
 * several alerts of the inner one give, the one with the least id is shown, whichever came first.
 */
static void outer_alerts_say_what_they_stand_on(void **state)
{
	static const uint32_t matched[] = {0, 1};
	struct world world;
	struct house before, after;
	(void)state;
	world_open(&world, 2);
	uint32_t inner = correlation(&world, MR_CORRELATION_TEMPORAL, 2, HOUR, 0);
	uint32_t outer = catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, &inner, 1,
					     HOUR, 1, 0, 0);
	for (uint32_t order = 0; order < 2; order++) {
		struct traced traced = {.outer = outer};
		uint8_t other[MR_ALERT_ID_BYTES];
		struct mr_signal signals[4];
		for (uint32_t i = 0; i < 4; i++) { /* two of each key */
			signals[i] = signal_of(&world, inner, i % 2, i % 2, 5);
			signals[i].key[0] = i / 2 == order ? MR_SLICE("ann") : MR_SLICE("bob");
			signals[i].matched = matched;
			signals[i].matched_count = 2;
		}
		struct mr_slice id = world.catalog.rules[inner].id;
		mr_alert_id(signals[0].tenant, id, MR_SLICE(""), signals[0].key, 1, 0,
			    traced.inner);
		mr_alert_id(signals[2].tenant, id, MR_SLICE(""), signals[2].key, 1, 0, other);
		if (memcmp(other, traced.inner, sizeof(other)) < 0)
			memcpy(traced.inner, other, sizeof(other));
		house_open(&before, &world.catalog, world.fields, 1, true);
		house_open(&after, &world.catalog, world.fields, 2, true);
		after.watch = is_traced;
		after.context = &traced;
		feed(&before, signals[0]);
		feed(&before, signals[2]);
		feed(&before, signals[1]);
		house_move(&before, &after);
		feed(&after, signals[3]);
		house_finish(&after);
		assert_int_equal(traced.seen, 2);
		house_close(&before);
		house_close(&after);
	}
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_record_reaches_a_detections_alert),
	    cmocka_unit_test(records_reach_outer_alerts),
	    cmocka_unit_test(one_copy_stands),
	    cmocka_unit_test(outer_alerts_say_what_they_stand_on),
	    cmocka_unit_test(records_reach_a_correlations_alert),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
