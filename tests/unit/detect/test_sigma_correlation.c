/* test_sigma_correlation.c - correlation documents become catalog entries, or are refused. */
#include "detect/sigma_harness.h"

#define R(id)                                                                                      \
	"---\ntitle: t\nid: " id "\nname: n" id "\nlogsource: {}\ndetection: {s: {a: 1}, "         \
	"condition: s}\n"
#define C(id, body) "---\ntitle: t\nid: " id "\ncorrelation: {" body "}\n"
#define COUNT(id, rules, more)                                                                     \
	C(id, "type: event_count, rules: " rules ", timespan: 1h, condition: {gte: 3}" more)

/* Nothing of it may be refused. */
static void load_whole(struct rules *rules, const char *text)
{
	load(rules, text);
	for (uint32_t i = 0; i < rules->set.refused.count; i++)
		fail_msg("%.*s", (int)rules->set.refused.items[i].reason.len,
			 rules->set.refused.items[i].reason.at);
}

static mr_field field(const struct rules *rules, const char *name)
{
	return mr_fields_find(rules->fields, mr_slice(name));
}

static void a_count(void **state)
{
	(void)state;
	struct rules rules;
	load_whole(&rules,
		   R("a") R("b") C("c", "type: value_count, rules: [na, b], group-by: [u, v], "
					"timespan: 90m, condition: {gt: 2, gte: 4, field: [w, x]}, "
					"aliases: {u: {a: A.U, nb: B.U}}"));
	const struct mr_rule *rule = &rules.set.catalog.rules[2];
	assert_int_equal(rule->kind, MR_RULE_CORRELATION);
	assert_int_equal(rule->type, MR_CORRELATION_VALUE_COUNT);
	assert_int_equal(rule->rule_count, 2);
	assert_int_equal(rule->rules[0], 0);
	assert_int_equal(rule->rules[1], 1);
	assert_int_equal(rule->timespan_us, 90ll * 60 * 1000000);
	assert_int_equal(rule->condition_count, 2);
	assert_int_equal(rule->condition[0].op, MR_GTE);
	assert_int_equal(rule->condition[0].count, 4);
	assert_int_equal(rule->condition[1].op, MR_GT);
	assert_int_equal(rule->condition[1].count, 2);
	assert_int_equal(rule->group_fields[0], field(&rules, "a.u"));
	assert_int_equal(rule->group_fields[1], field(&rules, "v"));
	assert_int_equal(rule->group_fields[2], field(&rules, "b.u"));
	assert_int_equal(rule->value_fields[3], field(&rules, "x"));
	assert_int_not_equal(field(&rules, "a.u"), 0);
	assert_int_equal(field(&rules, "u"), 0);
	assert_true(rule->alerts);
	assert_false(rules.set.catalog.rules[0].alerts);
	assert_int_equal(rules.set.catalog.correlations, 1);
	rules_fini(&rules);
}

static void timespans(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {{"5s", 5},      {"5m", 300},     {"2h", 7200},    {"1d", 86400},
		    {"1w", 604800}, {"1M", 2592000}, {"1y", 31536000}};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct rules rules;
		char *text = mr_asprintf(R("a") C("c", "type: temporal, rules: a, timespan: %s"),
					 good[i].text);
		load_whole(&rules, text);
		assert_int_equal(rules.set.catalog.rules[1].timespan_us, good[i].seconds * 1000000);
		rules_fini(&rules);
		free(text);
	}
	static const char *const bad[] = {"0s",  "1.5h",         "5",   "h", "-1h",
					  "1 h", "99999999999y", "[1h]"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *text =
		    mr_asprintf(R("a") C("c", "type: temporal, rules: [a], timespan: %s"), bad[i]);
		check_refused(__LINE__, (const char *const[]){text}, 1, 10, 53, "no timespan");
		free(text);
	}
}

static uint32_t told_of_first(const char *condition)
{
	struct rules rules;
	char *text = mr_asprintf(
	    R("a") C("c", "type: event_count, rules: [a], timespan: 1h, condition: {%s}"),
	    condition);
	rules_lints = true;
	load(&rules, text);
	rules_lints = false;
	uint32_t told = rules_told(&rules, "each first occurrence meets the condition");
	rules_fini(&rules);
	free(text);
	return told;
}

/* A window ends at each occurrence, so the first one's holds 1. */
static void what_each_first_occurrence_meets_is_told(void **state)
{
	(void)state;
	assert_int_equal(told_of_first("lt: 5"), 1);
	assert_int_equal(told_of_first("lte: 5"), 1);
	assert_int_equal(told_of_first("eq: 1"), 1);
	assert_int_equal(told_of_first("neq: 0"), 1);
	assert_int_equal(told_of_first("gte: 1, lt: 5"), 1);
	assert_int_equal(told_of_first("gte: 1"), 0);
	assert_int_equal(told_of_first("gte: 2, lt: 5"), 0);
	assert_int_equal(told_of_first("eq: 2"), 0);
}

/* Null is the name of no field. */
static void no_member_is_null(void **state)
{
	(void)state;
	REFUSED(R("a") COUNT("c", "[a]", ", group-by: [u, ~]"), 10, 95,
		"where a text should stand");
	REFUSED(R("a") COUNT("c", "[a, null]", ""), 10, 45, "where a text should stand");
}

/* References across files, backwards and forwards; layers; who alerts. */
static void layers(void **state)
{
	(void)state;
	struct rules rules;
	const char *texts[] = {COUNT("outer", "[inner, b]", ""), R("a") R("b"),
			       COUNT("inner", "[a]", ", generate: true")};
	rules_load(&rules, texts, 3, NULL);
	assert_int_equal(rules.err, MR_OK);
	assert_int_equal(rules.set.refused.count, 0);
	const struct mr_rule *items = rules.set.catalog.rules;
	assert_int_equal(rules.set.catalog.count, 4); /* a, b, outer, inner */
	assert_int_equal(rules.set.catalog.layers, 2);
	assert_int_equal(items[2].layer, 1);
	assert_int_equal(items[3].layer, 0);
	assert_true(items[3].feeds);
	assert_false(items[2].feeds);
	assert_true(items[0].alerts); /* generate */
	assert_false(items[1].alerts);
	assert_true(items[2].alerts);
	assert_false(items[3].alerts);
	rules_fini(&rules);
	load_whole(&rules, R("a") COUNT("c", "[a]", "") "generate: true\n");
	assert_true(rules.set.catalog.rules[0].alerts);
	rules_fini(&rules);
}

static uint64_t meaning(const char *text)
{
	struct rules rules;
	load_whole(&rules, text);
	uint64_t meaning = rules.set.catalog.rules[rules.set.catalog.count - 1].meaning;
	rules_fini(&rules);
	return meaning;
}

static void meanings(void **state)
{
	(void)state;
#define PARTED(parts) C("c", "type: event_count, rules: [a], timespan: 1h, condition: {" parts "}")
	uint64_t base = meaning(R("a") R("b") COUNT("c", "[a]", ", group-by: [u]"));
	assert_int_equal(
	    base, meaning(R("b") R("a") COUNT("c", "[na]", ", group-by: U, generate: true")));
	assert_int_not_equal(base, meaning(R("a") R("b") COUNT("c", "[b]", ", group-by: [u]")));
	assert_int_not_equal(base, meaning(R("a") COUNT("c", "[a]", ", group-by: [v]")));
	assert_int_not_equal(
	    base, meaning(R("a") COUNT("c", "[a]", ", group-by: [u], aliases: {u: {a: x}}")));
	/* A condition is one however its parts stand. */
	assert_int_equal(meaning(R("a") PARTED("lt: 5, gte: 2")),
			 meaning(R("a") PARTED("gte: 2, lt: 5")));
	assert_int_not_equal(meaning(R("a") PARTED("gte: 2, lt: 5")),
			     meaning(R("a") PARTED("gt: 2, lt: 5")));
	/* An inner one that begins to settle: the outer one keeps other things. */
	uint64_t over = meaning(R("a") COUNT("c", "[a]", "") COUNT("d", "[c]", ""));
	uint64_t over_settled =
	    meaning(R("a") C("c", "type: event_count, rules: [a], timespan: 1h, condition: {lt: 3}")
			COUNT("d", "[c]", ""));
	assert_int_not_equal(over, over_settled);
	/* An id that passes from one kind of rule to the other. */
	assert_int_not_equal(over, meaning(R("a") R("c") COUNT("d", "[c]", "")));
#undef PARTED
}

/* The same names, parted otherwise into those of the key and those of the value. */
static void meanings_of_lists(void **state)
{
	(void)state;
#define VALUES(more, field)                                                                        \
	R("a")                                                                                     \
	C("c", "type: value_count, rules: [a], timespan: 1h" more                                  \
	       ", condition: {gte: 2, field: " field "}")
	uint64_t most = meaning(VALUES(", group-by: [u, v]", "[w]"));
	uint64_t some = meaning(VALUES(", group-by: [u]", "[v, w]"));
	uint64_t none = meaning(VALUES("", "[u, v, w]"));
	assert_int_equal(most, meaning(VALUES(", group-by: [u, v]", "w")));
	assert_int_not_equal(most, some);
	assert_int_not_equal(some, none);
	assert_int_not_equal(most, none);
#undef VALUES
}

static void inactive(void **state)
{
	(void)state;
	struct rules rules;
	load_whole(
	    &rules,
	    R("b") "---\ntitle: t\nid: a\nlogsource: {}\ndetection: {s: {'a|expand': '%x%'}, "
		   "condition: s}\n" C("t", "type: temporal, rules: [a, b], timespan: 1h")
		       COUNT("c", "[a, b]", ""));
	assert_int_equal(rules.set.catalog.inactive, 2);
	assert_true(rules.set.catalog.rules[2].inactive);
	assert_false(rules.set.catalog.rules[3].inactive);
	assert_int_equal(rules_told(&rules, "inactive: it needs the rule \"a\", which is inactive"),
			 1);
	rules_fini(&rules);
}

static void conditions(void **state)
{
	struct rules rules;
	(void)state;
	load(&rules,
	     R("a") C("c",
		      "type: value_percentile, rules: [a], timespan: 1h, condition: {field: f, "
		      "percentile: 95, gte: -2.5e3, neq: 0.0}")
		 C("d",
		   "type: event_count, rules: [a], timespan: 1h, condition: {gt: 1, gte: 2, lt: "
		   "9, lte: 8, eq: 3, neq: 4}"));
	assert_int_equal(rules.set.catalog.refused, 0);
	const struct mr_rule *rule = &rules.set.catalog.rules[1];
	assert_int_equal(rule->percentile, 95);
	assert_int_equal(rule->condition_count, 2);
	assert_int_equal(rule->condition[0].op, MR_GTE);
	assert_true(mr_slice_eq(rule->condition[0].number, MR_SLICE("-2.5e3")));
	assert_int_equal(rule->condition[1].op, MR_NEQ);
	rule = &rules.set.catalog.rules[2];
	static const struct mr_condition_part wanted[] = {
	    {.op = MR_GTE, .count = 2}, {.op = MR_GT, .count = 1}, {.op = MR_LTE, .count = 8},
	    {.op = MR_LT, .count = 9},  {.op = MR_EQ, .count = 3}, {.op = MR_NEQ, .count = 4}};
	assert_int_equal(rule->condition_count, 6);
	for (uint32_t i = 0; i < 6; i++) {
		assert_int_equal(rule->condition[i].op, wanted[i].op);
		assert_int_equal(rule->condition[i].count, wanted[i].count);
	}
	rules_fini(&rules);
}

static void refused(void **state)
{
	(void)state;
	REFUSED(R("a") C("c", "rules: [a], timespan: 1h"), 10, 14, "\"type\" is missing");
	REFUSED(R("a") C("c", "type: value_least, rules: [a], timespan: 1h"), 10, 21,
		"not supported");
	REFUSED(R("a") C("c", "type: event_count, rules: [a], timespan: 1h"), 10, 14,
		"\"condition\" is missing");
	REFUSED(R("a") C("c", "type: event_count, rules: [a], timespan: 1h, condition: {le: 3}"),
		10, 72, "no key \"le\"");
	REFUSED(R("a") C("c", "type: event_count, rules: [a], timespan: 1h, condition: {lt: 1}"),
		10, 76, "can never hold: no number");
	REFUSED(R("a") C("c", "type: event_count, rules: [a], timespan: 1h, condition: {gte: 3, "
			      "lt: 3}"),
		10, 77, "can never hold: no number");
	REFUSED(R("a") C("c", "type: event_count, rules: [a], timespan: 1h, condition: {gt: 1.5}"),
		10, 76, "whole number");
	REFUSED(R("a") C("c", "type: event_count, rules: [a], timespan: 1h, condition: {gte: 0}"),
		10, 77, "whole number");
	REFUSED(R("a")
		    C("c",
		      "type: event_count, rules: [a], timespan: 1h, condition: {gte: 1, field: f}"),
		10, 80, "takes no field");
	REFUSED(R("a") C("c", "type: value_count, rules: [a], timespan: 1h, condition: {gte: 1}"),
		10, 71, "needs \"field\"");
	REFUSED(R("a")
		    C("c", "type: temporal_ordered, rules: [a], timespan: 1h, condition: {gte: 1}"),
		10, 76, "takes no condition");
	REFUSED(R("a") C("c", "type: event_count, rules: [a], timespan: 1h, condition: {gte: "
			      "268435456}"),
		10, 77, "from 1 to 268435455");
	REFUSED(R("a") R("b") C("c", "type: temporal, rules: [a, b, a], timespan: 1h, condition: "
				     "{gt: 2}"),
		16, 79, "can never hold: fewer different rules");
	REFUSED(R("a") COUNT("c", "[z]", ""), 10, 42, "no rule has the id or name \"z\"");
	REFUSED(R("a") COUNT("c", "[]", ""), 10, 41, "1 to 64");
	REFUSED(R("a") COUNT("c", "[a]", ", aliases: [x]"), 10, 90, "not a map");
	REFUSED(R("a") COUNT("c", "[a]", ", aliases: {u: [x]}"), 10, 94,
		"a map of rules to fields");
	REFUSED(R("a") R("b") COUNT("c", "[a, na]", ", group-by: [u], aliases: {u: {a: x, b: y}}"),
		16, 120, "\"b\" is none of the correlation's rules, which are: na");
	REFUSED(R("a") COUNT("c", "[a]", ", aliases: {u: {a: x, z: y}}"), 10, 101,
		"\"z\" is none of");
	REFUSED(R("a") "---\ntitle: t\nid: b\nname: na\nlogsource: {}\ndetection: {s: {a: 1}, "
		       "condition: "
		       "s}\n" COUNT("c", "[na]", ""),
		16, 42, "several rules have the name");
	REFUSED(R("a") COUNT("c", "[c]", ""), 10, 42, "a cycle");
	REFUSED(R("a") COUNT("c", "[a]",
			     "") "---\ntitle: f\nlogsource: {}\nfilter: {rules: [c], s: {u: "
				 "x}, condition: not s}\n",
		14, 18, "cannot apply to the correlation");
}

static void refused_numbers(void **state)
{
	(void)state;
	REFUSED(R("a") C("c", "type: value_sum, rules: [a], timespan: 1h, condition: {gt: 1}"), 10,
		69, "needs \"field\"");
	REFUSED(R("a") C("c", "type: value_sum, rules: [a], timespan: 1h, condition: {field: [f, "
			      "g], gt: 1}"),
		10, 77, "1 to 1 members");
	REFUSED(R("a")
		    C("c", "type: value_avg, rules: [a], timespan: 1h, condition: {field: f, gt: "
			   "x}"),
		10, 84, "a number in decimal form");
	REFUSED(R("a")
		    C("c", "type: value_avg, rules: [a], timespan: 1h, condition: {field: f, gt: "
			   "2, lt: 2.0}"),
		10, 84, "can never hold");
	REFUSED(R("a")
		    C("c", "type: value_avg, rules: [a], timespan: 1h, condition: {field: f, gt: "
			   "2, percentile: 5}"),
		10, 87, "takes no percentile");
	REFUSED(R("a")
		    C("c", "type: value_percentile, rules: [a], timespan: 1h, condition: {field: "
			   "f, gt: 2}"),
		10, 76, "needs \"percentile\"");
	REFUSED(R("a")
		    C("c", "type: value_percentile, rules: [a], timespan: 1h, condition: {field: "
			   "f, percentile: 0, gt: 2}"),
		10, 99, "from 1 to 99");
}

static void refused_together(void **state)
{
	(void)state;
	struct rules rules;
	const char *text = R("a") COUNT("c", "[d]", "") COUNT("d", "[c]", "") COUNT(
	    "e", "[d]",
	    "") "---\ntitle: t\nid: x\nlogsource: {}\ndetection: {condition: s}\n" COUNT("f", "[x]",
											 "");
	rules_load(&rules, &text, 1, NULL);
	assert_int_equal(rules.err, MR_OK);
	assert_int_equal(rules.set.refused.count, 5); /* c, d, e, x, f */
	assert_int_equal(rules.set.catalog.count, 1);
	assert_true(rules.set.catalog.rules[0].alerts);
	rules_fini(&rules);
}

/* A long chain must not exhaust the stack, whichever end is met first. */
static void long_chain(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	struct rules rules;
	mr_buf_add_text(&text, R("0"));
	for (int i = 2000; i > 0; i--)
		mr_buf_printf(&text, COUNT("%d", "['%d']", ""), i, i - 1);
	mr_buf_add(&text, "", 1);
	const char *texts[] = {text.data};
	rules_load(&rules, texts, 1, NULL);
	assert_int_equal(rules.err, MR_OK);
	assert_int_equal(rules.set.catalog.layers, 64);
	assert_true(rules.set.refused.count > 0);
	rules_fini(&rules);
	mr_buf_fini(&text);
}

/* Which of a chain of 68 stand on too many layers, whichever comes first. */
static void depth_in_any_order(void **state)
{
	(void)state;
	for (int down = 0; down < 2; down++) {
		struct mr_buf text = {0};
		struct rules rules;
		mr_buf_add_text(&text, R("c0"));
		for (int i = 0; i < 68; i++) {
			int number = down ? 68 - i : i + 1;
			mr_buf_printf(&text, COUNT("c%d", "[c%d]", ""), number, number - 1);
		}
		mr_buf_add(&text, "", 1);
		const char *texts[] = {text.data};
		rules_load(&rules, texts, 1, NULL);
		assert_int_equal(rules.err, MR_OK);
		assert_int_equal(rules.set.refused.count, 4);
		assert_int_equal(rules.set.catalog.count, 65);
		for (uint32_t i = 1; i < 65; i++) {
			const struct mr_rule *rule = &rules.set.catalog.rules[i];
			assert_int_equal(rule->layer, atoi(rule->id.at + 1) - 1);
		}
		rules_fini(&rules);
		mr_buf_fini(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_count),
	    cmocka_unit_test(timespans),
	    cmocka_unit_test(no_member_is_null),
	    cmocka_unit_test(what_each_first_occurrence_meets_is_told),
	    cmocka_unit_test(layers),
	    cmocka_unit_test(meanings),
	    cmocka_unit_test(meanings_of_lists),
	    cmocka_unit_test(inactive),
	    cmocka_unit_test(conditions),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(refused_numbers),
	    cmocka_unit_test(refused_together),
	    cmocka_unit_test(long_chain),
	    cmocka_unit_test(depth_in_any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
