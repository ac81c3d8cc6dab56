/* test_engine_bounds.c - which regexes go into a database of libhs, whose time to make it is no
 * longer bounded by what was read past some: those are left to PCRE2 alone. */
#include "detect/engine_harness.h"

#include "detect/sigma_harness.h"
#include "engine_image.h"

/* How many of the rule's regexes are in a database. */
static uint32_t scanned_of(struct mr_buf *rule)
{
	struct rules rules;
	struct mr_buf image = {0};
	uint32_t count = 0;
	mr_buf_add(rule, "", 1);
	load(&rules, rule->data);
	assert_int_equal(rules.set.refused.count, 0);
	struct engine *engine = engine_by(ENGINE_AT_ONCE, &rules.set, rules.fields, &image);
	const struct image_header *header = (const void *)image.data;
	const struct image_predicate *predicates =
	    (const void *)(image.data + header->sections[ENGINE_PREDICATES].offset);
	for (uint64_t i = 0; i < header->sections[ENGINE_PREDICATES].count; i++)
		count += predicates[i].scanned;
	engine_close(engine);
	mr_buf_fini(&image);
	rules_fini(&rules);
	rule->len = 0;
	return count;
}

static void put_head(struct mr_buf *rule)
{
	mr_buf_add_text(rule, HEAD " condition: s\n s:\n  F|re:\n");
}

/* `times` such parts, and an end of its own of three; no text that tables could find. */
static void put_regex(struct mr_buf *rule, const char *part, int times, int number)
{
	mr_buf_add_text(rule, "  - '");
	for (int i = 0; i < times; i++)
		mr_buf_add_text(rule, part);
	mr_buf_printf(rule, "[%d][%d][%d]'\n", number / 100, number / 10 % 10, number % 10);
}

static uint32_t is_scanned(const char *part, int times)
{
	struct mr_buf rule = {0};
	put_head(&rule);
	put_regex(&rule, part, times, 0);
	uint32_t scanned = scanned_of(&rule);
	mr_buf_fini(&rule);
	return scanned;
}

static void parts_that_may_be_left_out(void **state)
{
	(void)state;
	static const char *const parts[] = {"a?", "a*", "(a|b)?"};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		assert_int_equal(is_scanned(parts[i], 50), 1);
		assert_int_equal(is_scanned(parts[i], 51), 0);
	}
	assert_int_equal(is_scanned("a{0,1}", 50), 1);
	assert_int_equal(is_scanned("a{0,1}", 51), 0);
}

static void long_patterns(void **state)
{
	(void)state;
	assert_int_equal(is_scanned("[ab]", 497), 1);
	assert_int_equal(is_scanned("[ab]", 498), 0);
	assert_int_equal(is_scanned("\\w", 498), 0);
}

/* Groups in groups, each repeated. */
static uint32_t is_nested_scanned(int depth)
{
	struct mr_buf rule = {0};
	put_head(&rule);
	mr_buf_add_text(&rule, "  - '");
	for (int i = 0; i < depth; i++)
		mr_buf_add_text(&rule, "(");
	mr_buf_add_text(&rule, "[ab]");
	for (int i = 0; i < depth; i++)
		mr_buf_add_text(&rule, "[cd])+");
	mr_buf_add_text(&rule, "'\n");
	uint32_t scanned = scanned_of(&rule);
	mr_buf_fini(&rule);
	return scanned;
}

static void deep_groups(void **state)
{
	(void)state;
	assert_int_equal(is_nested_scanned(20), 1);
	assert_int_equal(is_nested_scanned(21), 0);
}

/* 200,000 positions: 400 patterns of 500. */
static void many_patterns(void **state)
{
	(void)state;
	struct mr_buf rule = {0};
	put_head(&rule);
	for (int i = 0; i < 450; i++)
		put_regex(&rule, "[a]", 497, i);
	assert_int_equal(scanned_of(&rule), 400);
	mr_buf_fini(&rule);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parts_that_may_be_left_out),
	    cmocka_unit_test(long_patterns),
	    cmocka_unit_test(deep_groups),
	    cmocka_unit_test(many_patterns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
