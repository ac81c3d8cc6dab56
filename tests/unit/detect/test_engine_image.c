/* test_engine_image.c - an image survives any damage, and a big one is what a small one is. */
#include "engine_harness.h"
#include "engine_image.h"
#include "sigma_harness.h"

static const char many_tests[] = "title: t\nid: x\nlogsource: {}\ndetection:\n"
				 "  s:\n"
				 "    a|contains: [alpha, beta, gamma, delta, 'eps*lon?']\n"
				 "    b|re: ['^ab+', '(x)\\1', 'c.d']\n"
				 "    c|cidr: 10.0.0.0/8\n"
				 "    d|gt: 1.5\n"
				 "    e|fieldref: a\n"
				 "    f|hour: 3\n"
				 "  k: [needle, 'hay?stack', third, fourth]\n"
				 "  t:\n    a: [one, two, 3, null]\n"
				 "  condition: s or k or not t\n";

static const char event_text[] =
    "{\"a\":\"xalphay\",\"b\":\"abbb\",\"c\":\"10.1.1.1\",\"d\":2,\"e\":\"xALPHAy\","
    "\"f\":\"2021-05-18T03:13:33\",\"g\":\"a needle\"}";

struct made {
	struct rules rules;
	struct mr_buf image;
	struct bench bench;
	struct mr_event *event;
};

static int make(void **state)
{
	static struct made made;
	made = (struct made){0};
	rules_load(&made.rules, (const char *const[]){many_tests}, 1, NULL);
	assert_int_equal(made.rules.set.rule_count, 1);
	engine_close(engine_of(&made.rules.set, made.rules.fields, &made.image));
	bench_init(&made.bench, made.rules.fields);
	made.event = bench_event(&made.bench, event_text);
	*state = &made;
	return 0;
}

static int unmake(void **state)
{
	struct made *made = *state;
	bench_fini(&made->bench);
	mr_buf_fini(&made->image);
	rules_fini(&made->rules);
	return 0;
}

static void seal(char *image, size_t len)
{
	size_t covered = offsetof(struct image_header, checksum) + sizeof(uint64_t);
	uint64_t checksum = mr_hash64(image + covered, len - covered, 0);
	memcpy(image + offsetof(struct image_header, checksum), &checksum, sizeof(checksum));
}

/* Opened, and if it opens, run: nothing may read past its end (the buffer is of exact size). */
static bool survives(struct made *made, const char *bytes, size_t len)
{
	char *exact = mr_malloc(len);
	memcpy(exact, bytes, len);
	struct engine *engine = NULL;
	struct mr_error error = {0};
	enum mr_err err =
	    engine_open((struct mr_slice){exact, len}, made->rules.fields, &engine, &error);
	if (err == MR_OK) {
		const uint32_t *matched;
		engine_match(engine, &made->bench.events, made->event, &matched);
		engine_close(engine);
	} else {
		assert_int_equal(err, MR_BAD_INPUT);
		assert_true(strlen(error.text) > 0);
	}
	free(exact);
	return err == MR_OK;
}

static void a_cut_image_is_refused(void **state)
{
	struct made *made = *state;
	for (size_t len = 0; len < made->image.len; len += len < 512 ? 1 : 97)
		assert_false(survives(made, made->image.data, len));
	assert_true(survives(made, made->image.data, made->image.len));
}

static void a_changed_byte_is_refused(void **state)
{
	struct made *made = *state;
	for (size_t at = 0; at < made->image.len; at += at < 4096 ? 1 : 61) {
		made->image.data[at] ^= 0x40;
		assert_false(survives(made, made->image.data, made->image.len));
		made->image.data[at] ^= 0x40;
	}
}

/* Whoever could write a checksum still finds every index checked. */
static void a_forged_image_survives(void **state)
{
	struct made *made = *state;
	const struct image_header *header = (const void *)made->image.data;
	size_t tables = header->sections[ENGINE_BYTES].offset;
	char *copy = mr_malloc(made->image.len);
	int opened = 0;
	static const unsigned char changes[] = {0x01, 0x80, 0xff};
	for (size_t at = 24; at < tables; at++) {
		for (size_t c = 0; c < sizeof changes; c++) {
			memcpy(copy, made->image.data, made->image.len);
			copy[at] = (char)(copy[at] ^ changes[c]);
			seal(copy, made->image.len);
			opened += survives(made, copy, made->image.len);
		}
	}
	free(copy);
	assert_true(opened > 0);
}

static void an_unaligned_image_opens(void **state)
{
	struct made *made = *state;
	char *moved = mr_malloc(made->image.len + 1);
	memcpy(moved + 1, made->image.data, made->image.len);
	struct engine *engine = NULL;
	struct mr_error error = {0};
	assert_int_equal(engine_open((struct mr_slice){moved + 1, made->image.len},
				     made->rules.fields, &engine, &error),
			 MR_OK);
	free(moved);
	const uint32_t *matched;
	assert_int_equal(engine_match(engine, &made->bench.events, made->event, &matched), 1);
	engine_close(engine);
}

static void another_dictionary_is_refused(void **state)
{
	struct made *made = *state;
	struct mr_fields *fields = mr_fields_new();
	struct engine *engine = NULL;
	struct mr_error error = {0};
	struct mr_slice image = {made->image.data, made->image.len};
	assert_int_equal(engine_open(image, fields, &engine, &error), MR_BAD_INPUT);
	for (size_t id = 1; id < mr_fields_count(made->rules.fields); id++)
		mr_fields_add(fields, mr_fields_name(made->rules.fields, (mr_field)id));
	mr_fields_add(fields, MR_SLICE("added later"));
	assert_int_equal(engine_open(image, fields, &engine, &error), MR_OK);
	engine_close(engine);
	mr_fields_free(fields);
}

/* A rule whose tree is too deep, and one whose regex is wrong, are named. */
static void what_cannot_be_compiled_is_named(void **state)
{
	(void)state;
	struct mr_fields *fields = mr_fields_new();
	struct sigma_predicate leaf = {
	    .field = MR_F_OPERATION, .test = SIGMA_REGEX, .text = MR_SLICE("a(b")};
	struct sigma_node nodes[400] = {{.kind = SIGMA_LEAF, .leaf = &leaf}};
	struct mr_rule named = {.id = MR_SLICE("the-rule")};
	struct sigma_rule rule = {.kinds = ~0u, .condition = nodes};
	struct sigma_set set = {
	    .rules = &rule, .rule_count = 1, .catalog = {.rules = &named, .count = 1}};
	struct mr_buf image = {0};
	struct mr_error error = {0};
	assert_int_equal(engine_compile(&set, engine_search(), fields, &image, &error),
			 MR_UNSUPPORTED);
	assert_non_null(strstr(error.text, "the-rule"));
	assert_non_null(strstr(error.text, "offset 3"));
	struct sigma_node *children[400];
	for (int i = 1; i < 400; i++) {
		children[i] = &nodes[i - 1];
		nodes[i] = (struct sigma_node){
		    .kind = SIGMA_NOT, .children = &children[i], .child_count = 1};
	}
	leaf.text = MR_SLICE("ab");
	rule.condition = &nodes[399];
	assert_int_equal(engine_compile(&set, engine_search(), fields, &image, &error),
			 MR_UNSUPPORTED);
	assert_non_null(strstr(error.text, "deeper"));
	assert_int_equal(image.len, 0);
	mr_buf_fini(&image);
	mr_fields_free(fields);
}

/* Longer than what the cache takes, which would rest after so many that it does not know. */
static void put_members(struct mr_buf *json, int count)
{
	for (int i = 0; i < count; i++)
		mr_buf_printf(json, "%s\"fooxxxxxxxxxxxx!fooxxxxxxxxxxxx!%0200d\"", i ? "," : "",
			      i);
}

/* Values each of which stays within a text's bound: the event has one for them all. What was not
 * looked for because of others is found where it stands alone: the cache does not know it. */
static void a_regex_has_a_bound_for_each_event(void **state)
{
	(void)state;
	struct rules rules;
	struct mr_buf image = {0}, json = {0};
	struct bench bench;
	const uint32_t *matched;
	rules_load(
	    &rules,
	    (const char *const[]){HEAD "  s:\n    a|re: 'foo(x+x+)+(?<=x{9})$'\n  condition: s\n"},
	    1, NULL);
	struct engine *engine = engine_of(&rules.set, rules.fields, &image);
	bench_init(&bench, rules.fields);
	struct mr_event *event =
	    bench_event(&bench, "{\"a\":\"fooxxxxxxxxxxxx!fooxxxxxxxxxxxx!0\"}");
	engine_match(engine, &bench.events, event, &matched);
	assert_int_equal(engine_limits(engine), 0);
	mr_buf_add_text(&json, "{\"a\":[");
	put_members(&json, 3000);
	mr_buf_add_text(&json, ",\"fooxxxxxxxxxxxx!fooxxxxxxxxxxxx!fooxxxxxxxxxxxxxxxxxx\"]}");
	mr_buf_add(&json, "", 1);
	event = bench_event(&bench, json.data);
	assert_int_equal(engine_match(engine, &bench.events, event, &matched), 0);
	assert_true(engine_limits(engine) > 1000);
	event = bench_event(&bench,
			    "{\"a\":\"fooxxxxxxxxxxxx!fooxxxxxxxxxxxx!fooxxxxxxxxxxxxxxxxxx\"}");
	assert_int_equal(engine_match(engine, &bench.events, event, &matched), 1);
	assert_int_equal(engine_limits(engine), 0);
	engine_close(engine);
	bench_fini(&bench);
	mr_buf_fini(&json);
	mr_buf_fini(&image);
	rules_fini(&rules);
}

/* A regex that backtracks without end is given up, counted, and ends soon. */
static void a_hopeless_regex_is_given_up(void **state)
{
	(void)state;
	struct rules rules;
	struct mr_buf image = {0};
	struct bench bench;
	const uint32_t *matched;
	rules_load(&rules,
		   (const char *const[]){HEAD "  s:\n    a|re: '^(a+)+(?!x)b$'\n  condition: s\n"},
		   1, NULL);
	struct engine *engine = engine_of(&rules.set, rules.fields, &image);
	bench_init(&bench, rules.fields);
	char json[20000] = "{\"a\":\"";
	memset(json + 6, 'a', 15000);
	strcpy(json + 15006, " b\"}"); /* PCRE2 looks for the b first */
	struct mr_event *event = bench_event(&bench, json);
	assert_int_equal(engine_match(engine, &bench.events, event, &matched), 0);
	assert_int_equal(engine_limits(engine), 1);
	assert_int_equal(engine_limits(engine), 0);
	/* It is named once, however often it is given up. */
	uint32_t rule = 7;
	struct mr_slice regex;
	engine_match(engine, &bench.events, event, &matched);
	assert_true(engine_given_up(engine, &rule, &regex));
	assert_int_equal(rule, 0);
	assert_true(mr_slice_eq(regex, MR_SLICE("^(a+)+(?!x)b$")));
	assert_false(engine_given_up(engine, &rule, &regex));
	engine_close(engine);
	bench_fini(&bench);
	mr_buf_fini(&image);
	rules_fini(&rules);
}

/* More distinct values than a cache holds, each judged as the first time. */
static void a_full_cache_forgets_and_never_errs(void **state)
{
	(void)state;
	struct rules rules;
	struct mr_buf image = {0};
	struct bench bench;
	const uint32_t *matched;
	rules_load(&rules,
		   (const char *const[]){HEAD "  s:\n    a|endswith: '7'\n  condition: s\n"}, 1,
		   NULL);
	struct engine *engine = engine_of(&rules.set, rules.fields, &image);
	bench_init(&bench, rules.fields);
	for (int round = 0; round < 40000; round++) {
		char json[64];
		int value = (round * 31) % 7001;
		snprintf(json, sizeof json, "{\"a\":\"value %d\"}", value);
		struct mr_event *event = bench_event(&bench, json);
		assert_int_equal(engine_match(engine, &bench.events, event, &matched),
				 value % 10 == 7);
	}
	engine_close(engine);
	bench_fini(&bench);
	mr_buf_fini(&image);
	rules_fini(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_cut_image_is_refused, make, unmake),
	    cmocka_unit_test_setup_teardown(a_changed_byte_is_refused, make, unmake),
	    cmocka_unit_test_setup_teardown(a_forged_image_survives, make, unmake),
	    cmocka_unit_test_setup_teardown(an_unaligned_image_opens, make, unmake),
	    cmocka_unit_test_setup_teardown(another_dictionary_is_refused, make, unmake),
	    cmocka_unit_test(what_cannot_be_compiled_is_named),
	    cmocka_unit_test(a_regex_has_a_bound_for_each_event),
	    cmocka_unit_test(a_hopeless_regex_is_given_up),
	    cmocka_unit_test(a_full_cache_forgets_and_never_errs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
