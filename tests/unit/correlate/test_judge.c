/* What it takes to judge a correlation that settles: which windows are looked at, and memory. */
#include "measure.h"
#include "settle_world.h"

#include "millrace/alive.h"

static uint32_t asked;
static const struct corr_measure *measured;

static bool compare_counted(const struct corr_window *window, const struct mr_condition_part *part,
			    int *order_out)
{
	asked++;
	return measured->compare(window, part, order_out);
}

/* Of rule 1: windows that are asked are counted from now on. */
static void count_asked(struct house *house, struct corr_kind *kind, struct corr_measure *measure)
{
	struct corr *corr = house->states[0][0];
	measured = corr->rules[1].kind->measure;
	*kind = *corr->rules[1].kind;
	*measure = *measured;
	measure->compare = compare_counted;
	kind->measure = measure;
	corr->rules[1].kind = kind;
	asked = 0;
}

static void feed_many(struct world *world, struct house *house, int64_t from_us, uint32_t count,
		      const char *value)
{
	for (uint32_t i = 0; i < count; i++) {
		char record[16];
		snprintf(record, sizeof(record), "r%u", i);
		feed(world, house, 1, record, from_us + i, value);
	}
}

static uint32_t asked_at(struct house *house)
{
	asked = 0;
	house_barrier(house, 2 * SPAN + SETTLING);
	return asked;
}

/* A late one changes the windows behind it, and the first ones of the next slot. */
static void only_what_changed_is_judged(void **state)
{
	struct world world;
	struct house house, after;
	struct corr_kind kind;
	struct corr_measure measure;
	(void)state;
	world_open(&world);
	house_open(&house, &world.catalog, world.fields, 1, false);
	count_asked(&house, &kind, &measure);
	feed_many(&world, &house, 0, 500, "0");
	feed_many(&world, &house, SPAN, 500, "0");
	assert_int_equal(asked_at(&house), 1000);
	feed(&world, &house, 1, "late", SPAN + 495, "0");
	assert_int_equal(asked_at(&house), 5);
	feed(&world, &house, 1, "later", 490, "0"); /* 10 there, 491 here */
	assert_int_equal(asked_at(&house), 10 + 491);
	feed(&world, &house, 1, "five", SPAN + 100, "5"); /* from here on it holds */
	assert_int_equal(asked_at(&house), 1);
	feed(&world, &house, 1, "behind", SPAN + 300, "-5");
	assert_int_equal(asked_at(&house), 0);
	feed(&world, &house, 1, "before", SPAN + 50, "-1"); /* now it never does */
	assert_int_equal(asked_at(&house), 450);
	assert_int_equal(asked_at(&house), 0);
	house_open(&after, &world.catalog, world.fields, 1, false);
	house_move(&house, &after);
	count_asked(&after, &kind, &measure);
	feed(&world, &after, 1, "after a start", SPAN + 495, "0");
	assert_int_equal(asked_at(&after), 5);
	house_close(&after);
	house_close(&house);
	world_close(&world);
}

static void count_signs(void *context)
{
	++*(uint32_t *)context;
}

static void long_work_gives_signs_of_life(void **state)
{
	struct world world;
	struct house house;
	uint32_t signs = 0;
	(void)state;
	world_open(&world);
	house_open(&house, &world.catalog, world.fields, 1, false);
	feed_many(&world, &house, 0, 40000, "0");
	mr_alive_listen(count_signs, &signs);
	house_barrier(&house, SPAN + SETTLING);
	mr_alive_listen(NULL, NULL);
	assert_in_range(signs, 4, 100);
	house_close(&house);
	world_close(&world);
}

/* State alone is below its ceiling; with what judging it takes it is not. */
static void its_memory_is_counted(void **state)
{
	struct world world;
	struct house house;
	(void)state;
	world_open(&world);
	house_open_set(&house, &world.catalog, world.fields, 1, false, "state_bytes", "1048576");
	const struct corr *corr = house.states[0][0];
	feed_many(&world, &house, 0, 14000, "0");
	size_t before = corr->bytes;
	assert_in_range(before, 600000, 1048576 / 4 * 3);
	assert_int_equal(house.counters.at[MR_C_STATE_SHED], 0);
	house_barrier(&house, SPAN + SETTLING);
	assert_int_equal(house.counters.at[MR_C_STATE_SHED], 1);
	assert_in_range(corr->bytes, before / 3, before / 3 * 2);
	assert_int_equal(house.shed_words, 1);
	house_close(&house);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_what_changed_is_judged),
	    cmocka_unit_test(long_work_gives_signs_of_life),
	    cmocka_unit_test(its_memory_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
