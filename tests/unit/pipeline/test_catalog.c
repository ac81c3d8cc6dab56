/* test_catalog.c - rules and filters to and from bytes: round trips, and every prefix.
 *
 * Bytes are decoded from heap buffers of exactly their size, so that an over-read shows under the
 * address sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "millrace/pack.h"
#include "millrace/rule.h"

#include "exact.h"

static struct mr_slice text_items[] = {C("attack.t1110"), C("attack.credential-access")};
static uint32_t named[] = {0, 0};
static struct mr_condition_part condition[] = {{MR_GTE, 10, C("")}, {MR_NEQ, 12, C("")}};
static struct mr_condition_part numbers[] = {{MR_LT, 0, C("-2.5e3")}};
static mr_field group_fields[] = {1, 0, 2, 3};
static mr_field value_fields[] = {4, 0};
static mr_field shown_fields[] = {0, 9};
static struct mr_refusal refusals[] = {{C("rules/b.yml"), C("b"), C("no such modifier"), 5, true},
				       {C("rules/c.yml"), C(""), C("no YAML"), 0, false}};
static uint32_t filters_rules[] = {0};
static struct mr_rule filter = {
    .kind = MR_RULE_FILTER, .id = C("f"), .rules = filters_rules, .rule_count = 1, .made = 9};

static void fill_catalog(struct mr_catalog *catalog, struct mr_rule rules[2])
{
	rules[0] = (struct mr_rule){.kind = MR_RULE_DETECTION,
				    .id = S("d"),
				    .title = S("Detection"),
				    .level = MR_LEVEL_HIGH,
				    .tags = {text_items, 2},
				    .alerts = true,
				    .shown = {text_items, 2},
				    .shown_fields = shown_fields,
				    .file = S("rules/a.yml"),
				    .line = 3};
	rules[1] = (struct mr_rule){.kind = MR_RULE_CORRELATION,
				    .id = S("c"),
				    .title = S("Correlation"),
				    .type = MR_CORRELATION_VALUE_COUNT,
				    .rules = named,
				    .rule_count = 2,
				    .timespan_us = 60000000,
				    .condition = condition,
				    .condition_count = 2,
				    .group_by = {text_items, 2},
				    .fields = {text_items, 1},
				    .group_fields = group_fields,
				    .value_fields = value_fields,
				    .meaning = UINT64_MAX,
				    .content = UINT64_MAX - 1};
	*catalog = (struct mr_catalog){.rules = rules,
				       .count = 2,
				       .layers = 1,
				       .detections = 1,
				       .correlations = 1,
				       .filters = &filter,
				       .filter_count = 1,
				       .refusals = refusals,
				       .refused = 2,
				       .idle = refusals + 1,
				       .idle_count = 1};
}

static enum mr_err decode_catalog(struct mr_slice bytes)
{
	struct mr_catalog catalog;
	enum mr_err err = mr_catalog_decode(bytes, &catalog, NULL);
	if (err == MR_OK)
		mr_catalog_fini(&catalog);
	return err;
}

static void a_catalog_comes_back_whole(void **state)
{
	(void)state;
	struct mr_rule rules[2];
	struct mr_catalog want, got;
	struct mr_buf out = {0};
	fill_catalog(&want, rules);
	mr_catalog_encode(&want, &out);
	assert_int_equal(mr_catalog_decode((struct mr_slice){out.data, out.len}, &got, NULL),
			 MR_OK);
	assert_int_equal(got.count, 2);
	assert_int_equal(got.refused, 2);
	assert_slice(got.refusals[0].reason, S("no such modifier"));
	assert_slice(got.refusals[1].file, S("rules/c.yml"));
	assert_int_equal(got.refusals[0].line, 5);
	assert_true(got.refusals[0].filter && !got.refusals[1].filter);
	assert_int_equal(got.idle_count, 1);
	assert_slice(got.idle[0].reason, S("no YAML"));
	assert_int_equal(got.filter_count, 1);
	assert_slice(got.filters[0].id, S("f"));
	assert_true(got.filters[0].rules[0] == 0 && got.filters[0].made == 9);
	assert_int_equal(got.rules[0].level, MR_LEVEL_HIGH);
	assert_slice(got.rules[0].tags.items[1], S("attack.credential-access"));
	assert_slice(got.rules[0].file, S("rules/a.yml"));
	assert_true(got.rules[0].alerts && !got.rules[1].alerts);
	assert_slice(got.rules[0].shown.items[0], S("attack.t1110"));
	assert_int_equal(got.rules[0].shown_fields[1], 9);
	assert_int_equal(got.rules[1].condition_count, 2);
	assert_int_equal(got.rules[1].condition[0].count, 10);
	assert_int_equal(got.rules[1].condition[1].op, MR_NEQ);
	assert_int_equal(got.rules[1].group_fields[3], 3);
	assert_int_equal(got.rules[1].value_fields[0], 4);
	assert_true(got.rules[1].meaning == UINT64_MAX);
	assert_true(got.rules[1].content == UINT64_MAX - 1);
	mr_catalog_fini(&got);
	trickle(&out, decode_catalog);
	mr_buf_fini(&out);
}

static enum mr_err reencode_catalog(const struct mr_catalog *catalog)
{
	struct mr_buf out = {0};
	mr_catalog_encode(catalog, &out);
	enum mr_err err = decode_catalog((struct mr_slice){out.data, out.len});
	mr_buf_fini(&out);
	return err;
}

static void a_catalog_with_a_circle_is_an_error(void **state)
{
	(void)state;
	struct mr_rule rules[2];
	struct mr_catalog catalog;
	uint32_t itself[] = {1, 0};
	fill_catalog(&catalog, rules);
	assert_int_equal(reencode_catalog(&catalog), MR_OK);
	rules[1].rules = itself;
	assert_int_equal(reencode_catalog(&catalog), MR_BAD_INPUT);
	itself[0] = 2;
	assert_int_equal(reencode_catalog(&catalog), MR_BAD_INPUT);
	fill_catalog(&catalog, rules);
	rules[1].layer = 1;
	assert_int_equal(reencode_catalog(&catalog), MR_BAD_INPUT);
}

/* Nor is a rule one of the filters, and a filter has no rule that is not there. */
static void a_filter_is_no_rule(void **state)
{
	(void)state;
	struct mr_rule rules[2];
	struct mr_catalog catalog;
	fill_catalog(&catalog, rules);
	filters_rules[0] = 2;
	assert_int_equal(reencode_catalog(&catalog), MR_BAD_INPUT);
	filters_rules[0] = 0;
	catalog.filters = rules;
	assert_int_equal(reencode_catalog(&catalog), MR_BAD_INPUT);
	fill_catalog(&catalog, rules);
	rules[0].kind = MR_RULE_FILTER;
	assert_int_equal(reencode_catalog(&catalog), MR_BAD_INPUT);
	fill_catalog(&catalog, rules);
	catalog.count = 0;
	assert_int_equal(reencode_catalog(&catalog), MR_BAD_INPUT);
}

static void a_condition_fits_its_type(void **state)
{
	(void)state;
	struct mr_rule rules[2];
	struct mr_catalog catalog, got;
	struct mr_buf out = {0};
	fill_catalog(&catalog, rules);
	rules[1].condition = numbers;
	rules[1].condition_count = 1;
	assert_int_equal(reencode_catalog(&catalog), MR_BAD_INPUT);
	rules[1].type = MR_CORRELATION_VALUE_AVG;
	assert_int_equal(reencode_catalog(&catalog), MR_OK);
	rules[1].type = MR_CORRELATION_VALUE_PERCENTILE;
	assert_int_equal(reencode_catalog(&catalog), MR_BAD_INPUT);
	rules[1].percentile = 95;
	mr_catalog_encode(&catalog, &out);
	assert_int_equal(mr_catalog_decode((struct mr_slice){out.data, out.len}, &got, NULL),
			 MR_OK);
	assert_int_equal(got.rules[1].percentile, 95);
	assert_slice(got.rules[1].condition[0].number, S("-2.5e3"));
	mr_catalog_fini(&got);
	mr_buf_fini(&out);
	rules[1].condition = condition;
	assert_int_equal(reencode_catalog(&catalog), MR_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_catalog_comes_back_whole),
	    cmocka_unit_test(a_catalog_with_a_circle_is_an_error),
	    cmocka_unit_test(a_filter_is_no_rule),
	    cmocka_unit_test(a_condition_fits_its_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
