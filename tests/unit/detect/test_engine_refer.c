/* test_engine_refer.c - one field against another: few values and many, and records that are made
 * to cost much. */
#include "engine_harness.h"
#include "sigma_harness.h"

#include <time.h>

struct world {
	struct rules rules;
	struct mr_buf image;
	struct bench bench;
	struct engine *engine;
};

/* A rule whose only test is `a|MODIFIERS: b`. */
static void world_init(struct world *world, const char *modifiers)
{
	char *text = mr_asprintf(HEAD "  s:\n    a|%s: b\n  condition: s\n", modifiers);
	*world = (struct world){0};
	rules_load(&world->rules, (const char *const[]){text}, 1, NULL);
	free(text);
	assert_int_equal(world->rules.set.rule_count, 1);
	world->engine = engine_of(&world->rules.set, world->rules.fields, &world->image);
	bench_init(&world->bench, world->rules.fields);
}

static void world_fini(struct world *world)
{
	engine_close(world->engine);
	bench_fini(&world->bench);
	mr_buf_fini(&world->image);
	rules_fini(&world->rules);
}

static bool world_matches(struct world *world, const char *json)
{
	const uint32_t *matched;
	struct mr_event *event = bench_event(&world->bench, json);
	return engine_match(world->engine, &world->bench.events, event, &matched) == 1;
}

/* `count` texts that begin with `name`, then `last`, as an array. */
static void put_many(struct mr_buf *json, const char *name, int count, const char *last)
{
	mr_buf_add_text(json, "[");
	for (int i = 0; i < count; i++)
		mr_buf_printf(json, "\"%s%d\",null,", name, i);
	mr_buf_printf(json, "%s]", last);
}

/* The same is said of two values, and of these among `left` and `right` others. */
static void check(int line, bool wanted, const char *modifiers, const char *a, const char *b)
{
	static const int sizes[][2] = {{0, 0}, {1, 1}, {0, 9}, {9, 0}, {40, 20}, {20, 40}};
	struct world world;
	world_init(&world, modifiers);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct mr_buf json = {0};
		mr_buf_add_text(&json, "{\"a\":");
		put_many(&json, "~left", sizes[i][0], a);
		mr_buf_add_text(&json, ",\"b\":");
		put_many(&json, "~right", sizes[i][1], b);
		mr_buf_add(&json, "}", 2);
		if (world_matches(&world, json.data) != wanted)
			fail_msg("line %d: not %d for %s", line, wanted, json.data);
		mr_buf_fini(&json);
	}
	assert_int_equal(engine_limits(world.engine), 0);
	world_fini(&world);
}
#define YES(modifiers, a, b) check(__LINE__, true, modifiers, a, b)
#define NO(modifiers, a, b) check(__LINE__, false, modifiers, a, b)

static void texts(void **state)
{
	(void)state;
	YES("fieldref", "\"Ann\"", "\"aNN\"");
	NO("fieldref", "\"Ann\"", "\"Anna\"");
	YES("fieldref", "\"\"", "\"\"");
	NO("fieldref", "null", "null");
	YES("fieldref|cased", "\"Ann\"", "\"Ann\"");
	NO("fieldref|cased", "\"Ann\"", "\"ann\"");
	YES("fieldref|contains", "\"x Ann y\"", "\"aNN\"");
	NO("fieldref|contains", "\"Ann\"", "\"x ann y\"");
	YES("fieldref|contains", "\"x\"", "\"\"");
	YES("fieldref|startswith", "\"Ann y\"", "\"aNN\"");
	NO("fieldref|startswith", "\"x Ann\"", "\"ann\"");
	YES("fieldref|endswith", "\"x Ann\"", "\"aNN\"");
	NO("fieldref|endswith", "\"Ann y\"", "\"ann\"");
	NO("fieldref|endswith", "\"Ann\"", "\"x ann\"");
}

static void numbers(void **state)
{
	(void)state;
	YES("fieldref", "5", "5.0");
	YES("fieldref", "5.0", "\"5\"");
	NO("fieldref", "5.0", "\"5.0\"");
	YES("fieldref", "1e3", "1000");
	YES("fieldref", "0", "-0.0");
	YES("fieldref", "0.1", "1e-1");
	NO("fieldref", "0.1", "0.10000000000000002");
	YES("fieldref", "1e300", "10e299");
	YES("fieldref", "9007199254740992", "9007199254740992.0");
	NO("fieldref", "9007199254740993", "9007199254740992.0");
	YES("fieldref", "-9223372036854775808", "-9223372036854775808.0");
	YES("fieldref", "18446744073709551615", "18446744073709551615");
	NO("fieldref", "18446744073709551615", "18446744073709551616.0");
	NO("fieldref", "1", "true");
	YES("fieldref", "true", "\"TRUE\"");
	YES("fieldref", "true", "true");
	NO("fieldref", "true", "false");
	YES("fieldref|contains", "1.50", "\".50\"");
}

/* An array of texts, each the format with its own number. */
static void put_texts(struct mr_buf *json, const char *field, int count, const char *format)
{
	mr_buf_printf(json, "\"%s\":[", field);
	for (int i = 0; i < count; i++) {
		char text[64];
		snprintf(text, sizeof text, format, i);
		mr_buf_printf(json, "%s\"%s\"", i > 0 ? "," : "", text);
	}
	mr_buf_add_text(json, "]");
}

static char *hostile(int count, const char *left, const char *right)
{
	struct mr_buf json = {0};
	mr_buf_add_text(&json, "{");
	put_texts(&json, "a", count, left);
	mr_buf_add_text(&json, ",");
	put_texts(&json, "b", count, right);
	mr_buf_add(&json, "}", 2);
	assert_true(json.len < 1u << 20);
	return json.data;
}

/* In seconds of CPU: more than twenty times what it takes, a hundredth of what all pairs do. */
#define SECONDS_MOST 5.0

static void equality_of_many_values_is_linear(void **state)
{
	(void)state;
	struct world world;
	char *same = hostile(130000, "x", "y");
	char *different = hostile(50000, "x%d", "y%d");
	char *met = hostile(40000, "x%d", "X3999%d");
	world_init(&world, "fieldref");
	clock_t start = clock();
	assert_false(world_matches(&world, same));
	assert_false(world_matches(&world, different));
	assert_true(world_matches(&world, met));
	assert_true((double)(clock() - start) / CLOCKS_PER_SEC < SECONDS_MOST);
	assert_int_equal(engine_limits(world.engine), 0);
	world_fini(&world);
	free(same);
	free(different);
	free(met);
}

static void the_other_relations_are_given_up(void **state)
{
	static const char *const modifiers[] = {"fieldref|contains", "fieldref|startswith",
						"fieldref|endswith"};
	(void)state;
	char *json = hostile(50000, "x%d", "y%d");
	char *same = hostile(130000, "x", "y");
	for (size_t i = 0; i < sizeof modifiers / sizeof modifiers[0]; i++) {
		struct world world;
		uint32_t rule = 7;
		struct mr_slice regex = MR_SLICE("none");
		world_init(&world, modifiers[i]);
		clock_t start = clock();
		assert_false(world_matches(&world, same));
		assert_int_equal(engine_limits(world.engine), 0);
		assert_false(world_matches(&world, json));
		assert_int_equal(engine_limits(world.engine), 1);
		assert_false(world_matches(&world, json));
		assert_int_equal(engine_limits(world.engine), 1);
		assert_true((double)(clock() - start) / CLOCKS_PER_SEC < SECONDS_MOST);
		/* It is told once, however often it is given up. */
		assert_true(engine_given_up(world.engine, &rule, &regex));
		assert_int_equal(rule, 0);
		assert_null(regex.at);
		assert_false(engine_given_up(world.engine, &rule, &regex));
		/* The next record is judged as if nothing had been. */
		assert_true(world_matches(&world, "{\"a\":\"x\",\"b\":[1,2,3,4,5,6,\"X\"]}"));
		world_fini(&world);
	}
	free(json);
	free(same);
}

/* One long text and many short ones: it is folded once, not for each. */
static void a_long_text_is_folded_once(void **state)
{
	(void)state;
	struct world world;
	struct mr_buf json = {0};
	world_init(&world, "fieldref|startswith");
	mr_buf_add_text(&json, "{\"a\":\"");
	for (int i = 0; i < 500000; i++)
		mr_buf_add_text(&json, "A");
	mr_buf_add_text(&json, "\",");
	put_texts(&json, "b", 50000, "y%d");
	mr_buf_add(&json, "}", 2);
	clock_t start = clock();
	assert_false(world_matches(&world, json.data));
	assert_true((double)(clock() - start) / CLOCKS_PER_SEC < SECONDS_MOST);
	assert_int_equal(engine_limits(world.engine), 0);
	mr_buf_fini(&json);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts),
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(equality_of_many_values_is_linear),
	    cmocka_unit_test(the_other_relations_are_given_up),
	    cmocka_unit_test(a_long_text_is_folded_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
