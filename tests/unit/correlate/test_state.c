/* What correlate remembers, shows, releases and gives back: plain detections, evidence and counts,
 * bounds, barriers, snapshots whole and broken. */
#include "state.h"
#include "world.h"

/* ---- plain detections ---- */

static void plain(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world, 2);
	house_open(&house, &world.catalog, world.fields, 3, true);
	struct mr_signal one = signal_of(&world, 0, 0, 1, 5 * SECOND);
	feed(&house, one);
	feed(&house, one);
	assert_int_equal(house.made.count, 1);
	assert_int_equal(house.announced.count, 0);
	assert_int_equal(house.counters.at[MR_C_REPEATED], 1);
	uint8_t id[MR_ALERT_ID_BYTES];
	mr_alert_id(MR_SLICE("tenant"), world.catalog.rules[0].id, mr_record_kind_name(MR_KIND_UAL),
		    one.key, 1, 0, id);
	assert_memory_equal(house.last.id, id, sizeof(id));
	assert_int_equal(house.last.evidence_count, 1);
	assert_int_equal(house.last.arrival_us, 1001);
	assert_int_equal(house.last_evidence_origin[0], 1);

	one.rule = one.consumer = 1; /* the same record, another rule */
	feed(&house, one);
	one.kind = MR_KIND_SIGNIN; /* another kind */
	feed(&house, one);
	one.tenant = MR_SLICE("other");
	feed(&house, one);
	one.has_time = false; /* is detected all the same, and is the same record */
	feed(&house, one);
	assert_int_equal(house.made.count, 4);
	house_finish(&house);
	assert_int_equal(house.made.count, 4);
	assert_int_equal(house.counters.at[MR_C_ALERTS], 4);
	assert_int_equal(house.counters.at[MR_C_REPEATED], 2);
	house_close(&house);
	world_close(&world);
}

static void impossible_signals(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 3);
	uint32_t count = correlation(&world, MR_CORRELATION_EVENT_COUNT, 1, SECOND, 2);
	struct mr_signal bad[6];
	for (size_t i = 0; i < 6; i++)
		bad[i] = signal_of(&world, count, 0, 1, 0);
	bad[0].consumer = 99;
	bad[1].rule = 99;
	bad[2].rule = 2; /* not in its list */
	bad[3].key_count = 0;
	bad[4].consumer = 1; /* a detection's own alert, made by another */
	struct mr_signal_field unknown = {1000, MR_STRING, MR_SLICE("text")};
	bad[5].fields = &unknown;
	for (size_t i = 0; i < 6; i++) {
		struct house house;
		struct mr_body body = {.count = 1};
		struct mr_reader in = {0};
		struct mr_error error = {0};
		house_open(&house, &world.catalog, world.fields, 1, true);
		mr_signal_encode(&bad[i], &body.bytes);
		mr_reader_open_body(&in, MR_CONTENT_SIGNALS, &body);
		assert_int_equal(mr_stage_correlate.process(house.states[0][0], &in,
							    &house.writers[0][0], &error),
				 MR_PROTOCOL);
		mr_reader_fini(&in);
		mr_body_fini(&body);
		house_close(&house);
	}
	world_close(&world);
}

static void without_time(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world, 1);
	uint32_t count = correlation(&world, MR_CORRELATION_EVENT_COUNT, 1, SECOND, 1);
	house_open(&house, &world.catalog, world.fields, 1, true);
	struct mr_signal signal = signal_of(&world, count, 0, 1, 0);
	signal.has_time = false;
	feed(&house, signal);
	house_finish(&house);
	assert_int_equal(house.made.count, 0);
	assert_int_equal(house.counters.at[MR_C_NOT_CORRELATED], 1);
	house_close(&house);
	world_close(&world);
}

/* ---- what an alert shows ---- */

/* Three at the end of slot 0 and one at the start of slot 1: the alert of slot 1 shows all four. */
static void evidence_across_slots(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world, 1);
	uint32_t count = correlation(&world, MR_CORRELATION_EVENT_COUNT, 1, 100, 4);
	house_open(&house, &world.catalog, world.fields, 1, true);
	static const int64_t times[] = {105, 99, 2, 98, 97};
	for (uint32_t i = 0; i < 5; i++)
		feed(&house, signal_of(&world, count, 0, i, times[i]));
	house_finish(&house);
	assert_int_equal(house.made.count, 2);
	assert_int_equal(house.made.items[0].slot, 0);
	assert_int_equal(house.made.items[1].slot, 1);
	assert_int_equal(house.last.slot, 1);
	assert_int_equal(house.last.event_count, 4);
	assert_false(house.last.lower_bound);
	assert_int_equal(house.last.first_time_us, 97);
	assert_int_equal(house.last.last_time_us, 105);
	assert_int_equal(house.last.evidence_count, 4);
	static const uint32_t shown[] = {4, 3, 1, 0};
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(house.last_evidence_origin[i], shown[i]);
	house_close(&house);
	world_close(&world);
}

/* Evidence and counts of a crowded slot are those of the set, in whatever order it came. */
static void evidence_any_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world world;
		struct house house;
		uint64_t random = seed;
		world_open(&world, 1);
		uint32_t count = correlation(&world, MR_CORRELATION_EVENT_COUNT, 1, HOUR, 3);
		house_open(&house, &world.catalog, world.fields, 1, true);
		uint32_t order[200];
		for (uint32_t i = 0; i < 200; i++) {
			uint32_t other = random_below(&random, i + 1);
			order[i] = order[other];
			order[other] = i;
		}
		for (uint32_t i = 0; i < 200; i++)
			feed(&house, signal_of(&world, count, 0, order[i], order[i] / 3 * SECOND));
		house_finish(&house);
		assert_int_equal(house.made.count, 1);
		assert_int_equal(house.announced.count, 1);
		assert_int_equal(house.last.event_count, 20); /* ten earliest and ten latest */
		assert_true(house.last.lower_bound);
		assert_int_equal(house.last.evidence_count, MR_EVIDENCE_MAX);
		for (uint32_t i = 0; i < MR_EVIDENCE_MAX; i++)
			assert_int_equal(house.last_evidence_origin[i], i);
		assert_int_equal(house.last.last_time_us, 66 * SECOND);
		house_close(&house);
		world_close(&world);
	}
}

/* Fifteen records at the start of slot 0, fifty at its end, ten in slot 1, whose alert is about the
 * sixty. It begins with the first of them, though of slot 0 only the ten latest may be shown there;
 * of the one rule of a temporal correlation no more than its latest time is known. */
static void first_of_what_is_counted(void **state)
{
	static const struct {
		int64_t threshold, first_us;
	} wanted[] = {[MR_CORRELATION_EVENT_COUNT] = {60, 30},
		      [MR_CORRELATION_VALUE_COUNT] = {60, 30},
		      [MR_CORRELATION_TEMPORAL] = {0, 70},
		      [MR_CORRELATION_TEMPORAL_ORDERED] = {0, 30},
		      [MR_CORRELATION_VALUE_SUM] = {60, 30}};
	static const struct mr_slice one = {"1", 1};
	(void)state;
	for (int type = 0; type <= MR_CORRELATION_VALUE_SUM; type++) {
		struct world world;
		struct house house;
		world_open(&world, 1);
		uint32_t index = correlation(&world, (enum mr_correlation_type)type, 1, 100,
					     wanted[type].threshold);
		house_open(&house, &world.catalog, world.fields, 1, true);
		for (uint32_t i = 0; i < 75; i++) {
			uint32_t number = i * 7 % 75;
			uint32_t gap = number < 15 ? 0 : number < 65 ? 15 : 55;
			struct mr_signal signal = signal_of(&world, index, 0, number, number + gap);
			signal.values = type == MR_CORRELATION_VALUE_SUM ? &one : &signal.record_id;
			signal.value_count = signal.value_width =
			    mr_correlation_has_field((enum mr_correlation_type)type);
			feed(&house, signal);
		}
		house_finish(&house);
		assert_int_equal(house.last.slot, 1);
		assert_int_equal(house.last.first_time_us, wanted[type].first_us);
		assert_int_equal(house.last.last_time_us, 129);
		house_close(&house);
		world_close(&world);
	}
}

static void extreme_times(void **state)
{
	static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX - 1, INT64_MAX};
	static const int64_t spans[] = {1, 7, HOUR, INT64_MAX / 4};
	static const struct mr_slice one = {"1", 1};
	(void)state;
	for (size_t s = 0; s < sizeof(spans) / sizeof(spans[0]); s++) {
		for (int type = 0; type < MR_CORRELATION_COUNT; type++) {
			struct world world;
			struct house house;
			world_open(&world, 1);
			uint32_t index =
			    correlation(&world, (enum mr_correlation_type)type, 1, spans[s], 1);
			house_open(&house, &world.catalog, world.fields, 1, false);
			for (uint32_t i = 0; i < 6; i++) {
				struct mr_signal signal = signal_of(&world, index, 0, i, times[i]);
				signal.values = &one;
				signal.value_count = signal.value_width =
				    mr_correlation_has_field((enum mr_correlation_type)type);
				feed(&house, signal);
			}
			house_barrier(&house, INT64_MIN + 5);
			house_barrier(&house, INT64_MAX);
			house_commit(&house);
			house_barrier(&house, INT64_MAX);
			house_finish(&house);
			assert_true(house.made.count >= 2);
			house_close(&house);
			world_close(&world);
		}
	}
}

/* ---- bounds ---- */

/* However many come of one rule, what the next one asks is whether one of them is near enough. */
static void ordered_bound(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	for (uint32_t late = 0; late < 2; late++) {
		world_open(&world, 2);
		uint32_t index =
		    correlation(&world, MR_CORRELATION_TEMPORAL_ORDERED, 2, 2 * HOUR, 0);
		house_open(&house, &world.catalog, world.fields, 1, true);
		for (uint32_t i = 0; i < 6000; i++)
			feed(&house, signal_of(&world, index, 0, i, i * SECOND));
		assert_int_equal(house.counters.at[MR_C_OCCURRENCES_CAPPED], 6000 - 4096);
		feed(&house, signal_of(&world, index, 0, 0, 0)); /* known, not left out */
		assert_int_equal(house.counters.at[MR_C_OCCURRENCES_CAPPED], 6000 - 4096);
		/* In this slot; and in the next, where the last alone are near enough. */
		feed(&house,
		     signal_of(&world, index, 1, 7000, (late == 0 ? 6010 : 7200 + 5990) * SECOND));
		house_finish(&house);
		assert_int_equal(house.made.count, 1);
		house_close(&house);
		world_close(&world);
	}
}

static void waiting_bound(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world, 3);
	uint32_t inner = correlation(&world, MR_CORRELATION_TEMPORAL, 2, HOUR, 0);
	catalog_correlation(&world.catalog, MR_CORRELATION_EVENT_COUNT, &inner, 1, HOUR, 1, 0, 0);
	house_open(&house, &world.catalog, world.fields, 1, true);
	for (uint32_t i = 0; i < 4200; i++)
		feed(&house, signal_of(&world, inner, 1, i, i));
	assert_int_equal(house.counters.at[MR_C_OCCURRENCES_CAPPED], 4200 - 4096);
	assert_int_equal(house.counters.at[MR_C_INNER_SIGNALS], 0);
	feed(&house,
	     signal_of(&world, inner, 0, 9999, 0)); /* completes all that wait, and itself not */
	assert_int_equal(house.counters.at[MR_C_INNER_SIGNALS], 4096 + 1);
	house_finish(&house);
	assert_int_equal(house.made.count, 2);
	house_close(&house);
	world_close(&world);
}

/* ---- barriers ---- */

static void release(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world, 1);
	uint32_t index = correlation(&world, MR_CORRELATION_EVENT_COUNT, 1, HOUR, 2);
	house_open(&house, &world.catalog, world.fields, 1, false);
	feed(&house, signal_of(&world, 0, 0, 1, 0));
	feed(&house, signal_of(&world, index, 0, 1, 0));
	/* Slot 0 ends at 1 h; it goes once W is past 1 h + 1 h + 24 h. */
	house_barrier(&house, 26 * HOUR);
	feed(&house, signal_of(&world, index, 0, 2, 30));
	assert_int_equal(house.made.count, 2);
	assert_int_equal(house.last.arrival_us, 1002); /* of what made it fire */
	assert_int_equal(house.counters.at[MR_C_BEYOND_LATENESS], 1);
	house_barrier(&house, 26 * HOUR + 1);
	feed(&house, signal_of(&world, index, 0, 3, 40));
	assert_int_equal(house.made.count, 2); /* alone in its slot now */
	assert_int_equal(house.counters.at[MR_C_BEYOND_LATENESS], 2);
	feed(&house, signal_of(&world, 0, 0, 1, 0)); /* so is the plain bit gone */
	assert_int_equal(house.made.count, 3);
	assert_int_equal(house.counters.at[MR_C_BEYOND_LATENESS], 3);
	assert_false(house.last.lower_bound);
	feed(&house,
	     signal_of(&world, index, 0, 4, HOUR + 1)); /* with that of 40, and what is gone */
	assert_int_equal(house.made.count, 4);
	assert_true(house.last.lower_bound);
	house_close(&house);
	world_close(&world);
}

static void revisions(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world, 1);
	uint32_t index = correlation(&world, MR_CORRELATION_EVENT_COUNT, 1, HOUR, 2);
	house_open(&house, &world.catalog, world.fields, 1, false);
	for (uint32_t i = 0; i < 3; i++)
		feed(&house, signal_of(&world, index, 0, i, i));
	house_barrier(&house, 0);
	assert_int_equal(house.revised.count, 0); /* 3 is not twice 2 */
	feed(&house, signal_of(&world, index, 0, 3, 3));
	assert_int_equal(house.revised.count, 0); /* only at a barrier */
	house_barrier(&house, 0);
	assert_int_equal(house.revised.count, 1);
	assert_int_equal(house.last.event_count, 4);
	for (uint32_t i = 4; i < 20; i++)
		feed(&house, signal_of(&world, index, 0, i, i));
	house_barrier(&house, 0);
	assert_int_equal(house.revised.count, 1); /* at most one */
	assert_int_equal(house.made.count, 1);
	house_close(&house);
	world_close(&world);
}

/* ---- snapshots ---- */

static void fill(struct world *world, struct house *house, const uint32_t *index)
{
	for (uint32_t i = 0; i < 8; i++) {
		feed(house, signal_of(world, 0, 0, i, i));
		for (uint32_t c = 0; c < 4; c++) {
			struct mr_signal signal = signal_of(world, index[c], i % 2, i, i * 10);
			signal.record = i % 2 == 0 ? MR_SLICE("") : MR_SLICE("{}");
			signal.values = &signal.record_id;
			signal.value_count = signal.value_width =
			    world->catalog.rules[index[c]].fields.count;
			feed(house, signal);
		}
	}
}

static void worlds_snapshot(struct world *world, struct house *house, struct mr_buf *out)
{
	uint32_t index[4];
	world_open(world, 2);
	for (int type = 0; type < 4; type++)
		index[type] = correlation(world, (enum mr_correlation_type)type, 2, 50,
					  type == MR_CORRELATION_TEMPORAL_ORDERED ? 0 : 2);
	catalog_correlation(&world->catalog, MR_CORRELATION_EVENT_COUNT, index, 4, 500, 30, 0, 0);
	house_open(house, &world->catalog, world->fields, 1, true);
	fill(world, house, index);
	/* One section that holds much: the group of the key "alice" differs by rule, so take the
	 * longest. */
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++) {
		struct mr_buf bytes = {0};
		mr_stage_correlate.snapshot(house->states[0][0], (uint8_t)g, &bytes);
		if (bytes.len > out->len) {
			mr_buf_fini(out);
			*out = bytes;
		} else {
			mr_buf_fini(&bytes);
		}
	}
}

/* What no signal could have made: an item outside its slot, a rule that the correlation lacks. */
static void assert_possible(const struct corr_slot *slot)
{
	const struct corr_rule *rule = slot->key->rule;
	for (uint32_t i = 0; i < slot->items.count; i++) {
		const struct corr_item *item = slot->items.at[i];
		assert_true(corr_slot_number(item->time_us, rule->span_us) == slot->number);
		assert_true(item->rule < rule->rule->rule_count);
	}
	for (uint32_t i = 0; i < slot->set.count; i++) {
		uint64_t step = corr_id_keyed(&slot->set.entries[i].id);
		assert_true(rule->rule->type != MR_CORRELATION_TEMPORAL ||
			    (step > 0 && step <= rule->step_count));
	}
}

static void assert_group_possible(const struct corr_group *group)
{
	for (uint32_t i = 0; i < group->key_places; i++) {
		const struct corr_key *key = group->keys[i].key;
		const struct corr_slot *slot = key == NULL ? NULL : key->slots;
		for (; slot != NULL; slot = slot->next_of_key)
			assert_possible(slot);
	}
}

/* Every cut, and every byte changed, is an error value or a state that goes on working. */
static void broken_snapshots(void **state)
{
	struct world world;
	struct house house;
	struct mr_buf whole = {0};
	struct mr_error error;
	(void)state;
	worlds_snapshot(&world, &house, &whole);
	house_close(&house);
	house_open(&house, &world.catalog, world.fields, 1, true);
	for (size_t len = 0; len < whole.len; len++) {
		char *exact = mr_malloc(len + 1);
		memcpy(exact, whole.data, len);
		exact = mr_realloc(exact, len == 0 ? 1 : len);
		assert_int_equal(mr_stage_correlate.restore(house.states[0][0], 7,
							    (struct mr_slice){exact, len}, &error),
				 MR_BAD_INPUT);
		free(exact);
	}
	for (size_t at = 0; at < whole.len; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct mr_buf again = {0};
			whole.data[at] = (char)(whole.data[at] ^ (1 << bit));
			(void)mr_stage_correlate.restore(house.states[0][0], (uint8_t)bit,
							 (struct mr_slice){whole.data, whole.len},
							 &error);
			const struct corr *corr = house.states[0][0];
			assert_group_possible(&corr->groups[bit]);
			mr_stage_correlate.snapshot(house.states[0][0], (uint8_t)bit, &again);
			mr_buf_fini(&again);
			whole.data[at] = (char)(whole.data[at] ^ (1 << bit));
		}
	}
	whole.data[1]++; /* its version */
	assert_int_equal(mr_stage_correlate.restore(house.states[0][0], 7,
						    (struct mr_slice){whole.data, whole.len},
						    &error),
			 MR_UNSUPPORTED);
	house_close(&house);
	mr_buf_fini(&whole);
	world_close(&world);
}

/* What fuzz_state begins with: in a form that is read no more it would be refused at its first
 * bytes. */
static void seeds_of_the_fuzzer_are_whole(void **state)
{
	struct world world;
	struct house house;
	const char *root = getenv("MILLRACE_ROOT");
	(void)state;
	if (root == NULL)
		skip();
	world_open(&world, 2);
	house_open(&house, &world.catalog, world.fields, 1, true);
	memset(house.envs[0][0].seed, 0, sizeof(house.envs[0][0].seed));
	for (int i = 0; i < 16; i++) { /* half of them in the oldest form that is read */
		char bytes[8192];
		char *path = mr_asprintf("%s/tests/fuzz/correlate/seeds_state/section_%d", root, i);
		FILE *file = fopen(path, "rb");
		assert_non_null(file);
		size_t len = fread(bytes, 1, sizeof(bytes), file);
		struct mr_error error = {0};
		if (mr_stage_correlate.restore(house.states[0][0], 3, /* one byte is the target's */
					       (struct mr_slice){bytes + 1, len - 1},
					       &error) != MR_OK)
			fail_msg("%s: %s", path, error.text);
		fclose(file);
		free(path);
	}
	house_close(&house);
	world_close(&world);
}

/* A state that went through bytes gives the same bytes again. */
static void snapshot_is_stable(void **state)
{
	struct world world;
	struct house house, other;
	struct mr_buf whole = {0}, again = {0};
	struct mr_error error;
	(void)state;
	worlds_snapshot(&world, &house, &whole);
	house_open(&other, &world.catalog, world.fields, 1, true);
	assert_int_equal(mr_stage_correlate.restore(other.states[0][0], 7,
						    (struct mr_slice){whole.data, whole.len},
						    &error),
			 MR_OK);
	mr_stage_correlate.snapshot(other.states[0][0], 7, &again);
	assert_int_equal(again.len, whole.len);
	mr_buf_fini(&whole);
	mr_buf_fini(&again);
	house_close(&other);
	house_close(&house);
	world_close(&world);
}

/* Whatever its meaning is said to be, a key of another shape is no reason not to start. */
static void check_changed(bool shape)
{
	struct world world;
	struct house before, after;
	world_open(&world, 1);
	uint32_t kept = correlation(&world, MR_CORRELATION_EVENT_COUNT, 1, HOUR, 2);
	uint32_t changed = correlation(&world, MR_CORRELATION_EVENT_COUNT, 1, HOUR, 2);
	house_open(&before, &world.catalog, world.fields, 2, true);
	feed(&before, signal_of(&world, kept, 0, 1, 1));
	feed(&before, signal_of(&world, changed, 0, 1, 1));
	if (shape)
		world.catalog.rules[changed].group_by.count = 0;
	else
		world.catalog.rules[changed].meaning++;
	house_open(&after, &world.catalog, world.fields, 3, true);
	house_move(&before, &after);
	assert_int_equal(after.counters.at[MR_C_STATE_DROPPED], 1);
	feed(&after, signal_of(&world, kept, 0, 2, 2));
	if (!shape)
		feed(&after, signal_of(&world, changed, 0, 2, 2));
	house_finish(&after);
	assert_int_equal(after.made.count, 1);
	assert_int_equal(after.made.items[0].rule, kept);
	house_close(&before);
	house_close(&after);
	world_close(&world);
}

static void changed_meaning(void **state)
{
	(void)state;
	check_changed(false);
	check_changed(true);
}

/* The evidence outlives a snapshot, under field ids that may be others. */
static void fields_by_name(void **state)
{
	struct world world;
	struct house before, after;
	(void)state;
	world_open(&world, 1);
	uint32_t index = correlation(&world, MR_CORRELATION_EVENT_COUNT, 1, HOUR, 2);
	house_open(&before, &world.catalog, world.fields, 1, true);
	feed(&before, signal_of(&world, index, 0, 1, 1));
	struct mr_fields *fields = mr_fields_new();
	mr_fields_add(fields, MR_SLICE("another"));
	mr_fields_add(fields, MR_SLICE("group"));
	mr_fields_add(fields, MR_SLICE("more"));
	mr_field moved = mr_fields_add(fields, MR_SLICE("value"));
	assert_int_not_equal(moved, world.value);
	house_open(&after, &world.catalog, fields, 1, true);
	house_move(&before, &after);
	world.value = moved;
	feed(&after, signal_of(&world, index, 0, 2, 2));
	struct mr_body body;
	struct mr_reader in = {0};
	struct mr_alert alert;
	struct mr_error error = {0};
	assert_int_equal(
	    mr_stage_correlate.finish(after.states[0][0], &after.writers[0][0], &error), MR_OK);
	assert_true(mr_output_take(&after.writers[0][0], 0, 0, true, &body));
	mr_reader_open_body(&in, MR_CONTENT_ALERTS, &body);
	assert_true(mr_reader_alert(&in, &alert));
	assert_int_equal(alert.evidence_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(alert.evidence[i].field_count, 1);
		assert_int_equal(alert.evidence[i].fields[0].field, moved);
		assert_true(mr_slice_eq(alert.evidence[i].fields[0].text, MR_SLICE("seen")));
	}
	mr_reader_advance(&in);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	house_close(&before);
	house_close(&after);
	mr_fields_free(fields);
	world_close(&world);
}

/* Behind so much of the section of the key's group the names begin; `distance_at_out`: where that
 * is said. */
static size_t names_of(const struct mr_buf *section, size_t *distance_at_out)
{
	struct mr_unpack in = mr_unpack((struct mr_slice){section->data, section->len});
	mr_unpack_array(&in, 7);
	mr_unpack_uint(&in, 10);
	mr_unpack_uint(&in, UINT64_MAX);
	struct mr_slice distance = mr_unpack_bytes(&in);
	assert_true(mr_unpack_ok(&in));
	assert_int_equal(distance.len, 8);
	*distance_at_out = (size_t)(distance.at - section->data);
	size_t low = (uint8_t)distance.at[0], high = (uint8_t)distance.at[1];
	return *distance_at_out + 8 + low + (high << 8);
}

static enum mr_err restored(const struct house *house, const struct mr_buf *section)
{
	struct mr_error error = {0};
	char *exact = mr_malloc(section->len);
	memcpy(exact, section->data, section->len);
	enum mr_err err = mr_stage_correlate.restore(
	    house->states[0][0], 7, (struct mr_slice){exact, section->len}, &error);
	free(exact);
	return err;
}

/* A field without a name, names in no order or twice, and a distance that leads elsewhere: none is
 * taken. */
static void names_that_do_not_fit(void **state)
{
	struct world world;
	struct house house;
	struct mr_buf section = {0};
	size_t distance_at;
	(void)state;
	worlds_snapshot(&world, &house, &section);
	size_t names_at = names_of(&section, &distance_at), len = section.len;
	house_close(&house);
	house_open(&house, &world.catalog, world.fields, 1, true);
	assert_int_equal(restored(&house, &section), MR_OK);
	struct mr_slice name = mr_fields_name(world.fields, world.value);
	const struct {
		mr_field ids[2];
		size_t count;
		enum mr_err err;
	} tables[] = {
	    {{world.value}, 1, MR_OK},
	    {{0}, 0, MR_BAD_INPUT},
	    {{0}, 1, MR_BAD_INPUT},
	    {{(mr_field)(world.value + 1)}, 1, MR_BAD_INPUT},
	    {{world.value, world.value}, 2, MR_BAD_INPUT},
	    {{world.value, (mr_field)(world.value + 1)}, 2, MR_OK},
	    {{(mr_field)(world.value + 1), world.value}, 2, MR_BAD_INPUT},
	    {{world.value, MR_FIELDS_MAX}, 2, MR_OK},
	};
	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++) {
		section.len = names_at;
		mr_pack_array(&section, 2 * tables[t].count);
		for (size_t i = 0; i < tables[t].count; i++) {
			mr_pack_uint(&section, tables[t].ids[i]);
			mr_pack_bytes(&section, name);
		}
		assert_int_equal(restored(&house, &section), tables[t].err);
		mr_pack_bool(&section, true); /* more than the names */
		assert_int_equal(restored(&house, &section), MR_BAD_INPUT);
	}
	section.len = names_at;
	mr_pack_array(&section, 2);
	mr_pack_uint(&section, MR_FIELDS_MAX + 1);
	mr_pack_bytes(&section, name);
	assert_int_equal(restored(&house, &section), MR_BAD_INPUT);
	section.len = len;
	for (size_t at = 0; at < 8; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			section.data[distance_at + at] ^= (char)(1u << bit);
			assert_int_equal(restored(&house, &section), MR_BAD_INPUT);
			section.data[distance_at + at] ^= (char)(1u << bit);
		}
	}
	house_close(&house);
	mr_buf_fini(&section);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain),
	    cmocka_unit_test(impossible_signals),
	    cmocka_unit_test(without_time),
	    cmocka_unit_test(evidence_across_slots),
	    cmocka_unit_test(evidence_any_order),
	    cmocka_unit_test(first_of_what_is_counted),
	    cmocka_unit_test(extreme_times),
	    cmocka_unit_test(ordered_bound),
	    cmocka_unit_test(waiting_bound),
	    cmocka_unit_test(release),
	    cmocka_unit_test(revisions),
	    cmocka_unit_test(broken_snapshots),
	    cmocka_unit_test(seeds_of_the_fuzzer_are_whole),
	    cmocka_unit_test(snapshot_is_stable),
	    cmocka_unit_test(changed_meaning),
	    cmocka_unit_test(fields_by_name),
	    cmocka_unit_test(names_that_do_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
