/* test_sigma_declared.c - rules for what sources say of their records, and what other engines may
 * read otherwise. */
#include "detect/sigma_harness.h"

/* What the specification does not let a rule say, and what is not translated. */
static void what_others_may_read_otherwise_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *detection, *words;
		uint32_t times;
	} told[] = {
	    {"a|contains|all: x", "`all` over a single value", 1},
	    {"a|all: [x]", "`all` over a single value", 1},
	    {"a|all: [x, y]", "`all` over a single value", 0},
	    {"a: [x, null]", "null among other values", 1},
	    {"a: [null]", "null among other values", 0},
	    {"a: null", "null among other values", 0},
	    {"a: 0429", "0429 is taken as a text", 1},
	    {"a: 429", "is taken as a text", 0},
	};
	for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
		struct rules rules;
		char *text = mr_asprintf(RULE("a", "{}", "%s"), told[i].detection);
		load(&rules, text);
		assert_int_equal(rules_told(&rules, told[i].words), told[i].times);
		free(text);
		rules_fini(&rules);
	}
	struct rules rules;
	load(&rules, "taxonomy: ecs\n" RULE("a", "{}", "a: 1") "---\ntaxonomy: sigma\n" RULE(
			 "b", "{}", "a: 1"));
	assert_int_equal(rules_told(&rules, "the taxonomy \"ecs\" is not translated"), 1);
	assert_int_equal(rules_told(&rules, "is not translated"), 1);
	rules_fini(&rules);
}

/* ---- what sources say of their records ---- */

#define SAID(product, category, service)                                                           \
	{                                                                                          \
		MR_SLICE(product), MR_SLICE(category), MR_SLICE(service)                           \
	}

static void load_said(struct rules *rules, struct mr_logsource *said, uint32_t count,
		      const char *text)
{
	rules_declared = (struct mr_declared){.items = said, .count = count};
	load(rules, text);
	rules_declared = (struct mr_declared){0};
}

/* Each part that a rule names has to be said, in any case; what it does not name may be anything.
 */
static void rules_see_what_sources_say(void **state)
{
	(void)state;
	struct mr_logsource said[] = {SAID("windows", "process_creation", ""),
				      SAID("windows", "", "security"), SAID("m365", "", "audit"),
				      SAID("windws", "", "")};
	static const struct {
		const char *logsource;
		uint32_t bits;
	} rules_of[] = {{"{product: windows, category: process_creation}", 1},
			{"{product: Windows}", 3},
			{"{category: process_creation}", 1},
			{"{service: security}", 2},
			{"{product: windows, category: process_creation, service: sysmon}", 0},
			{"{product: linux, category: process_creation}", 0},
			{"{product: m365, service: audit}", 4},
			{"{}", 15}};
	for (size_t i = 0; i < sizeof rules_of / sizeof rules_of[0]; i++) {
		struct rules rules;
		uint32_t bits = 0;
		char *text = mr_asprintf(RULE("a", "%s", "a: 1"), rules_of[i].logsource);
		load_said(&rules, said, 4, text);
		for (uint32_t r = 0; r < rules.set.rule_count; r++) {
			bits |= rules.set.rules[r].declared[0];
			assert_true(rules.set.rules[r].kinds == 0 ||
				    rules.set.rules[r].declared[0] == 0);
		}
		assert_int_equal(bits, rules_of[i].bits);
		for (uint32_t d = 0; d < 4; d++)
			assert_int_equal(rules.set.declared[d].fed, rules_of[i].bits >> d & 1);
		free(text);
		rules_fini(&rules);
	}
}

static void what_no_rule_is_for_is_near(void **state)
{
	(void)state;
	struct mr_logsource said[] = {SAID("windws", "process_creation", ""),
				      SAID("windows", "process_creatio", ""),
				      SAID("linux", "dns", "")};
	static const char *const wanted[] = {"product=windows,category=process_creation",
					     "product=windows,category=process_creation", ""};
	struct rules rules;
	load_said(&rules, said, 3,
		  RULE("a", "{product: windows, category: process_creation}",
		       "a: 1") "---\n" RULE("b", "{product: azure, service: pim}", "a: 1"));
	for (uint32_t d = 0; d < 3; d++) {
		assert_false(rules.set.declared[d].fed);
		assert_true(mr_slice_eq(rules.set.declared[d].meant, mr_slice(wanted[d])));
	}
	rules_fini(&rules);
}

/* A rule that names only the product sees the records; the category is misspelt all the same. */
static void a_part_that_no_rule_names_is_near(void **state)
{
	(void)state;
	struct mr_logsource said[] = {SAID("windows", "process_create", ""),
				      SAID("Windows", "process_creation", ""),
				      SAID("windows", "dns", "")};
	struct rules rules;
	load_said(&rules, said, 3,
		  RULE("a", "{product: windows, category: process_creation}",
		       "a: 1") "---\n" RULE("b", "{product: windows}", "a: 1"));
	for (uint32_t d = 0; d < 3; d++) {
		assert_true(rules.set.declared[d].fed);
		assert_int_equal(rules.set.declared[d].named, d == 1);
	}
	assert_true(mr_slice_eq(rules.set.declared[0].meant,
				MR_SLICE("product=windows,category=process_creation")));
	assert_int_equal(rules.set.declared[2].meant.len, 0);
	rules_fini(&rules);
}

/* A source that says less than the rule asks: channel and number of an event tell the rest. */
static void windows_events_tell_their_logsource(void **state)
{
	(void)state;
	struct mr_logsource said[] = {SAID("windows", "", ""),
				      SAID("windows", "registry_event", ""), SAID("linux", "", "")};
	struct rules rules;
	load_said(
	    &rules, said, 3,
	    RULE("a", "{product: windows, category: registry_event}", "a: 1") "---\n" RULE(
		"b", "{product: windows, service: security}",
		"b: 1") "---\n" RULE("c", "{product: windows}",
				     "c: 1") "---\n" RULE("d",
							  "{product: linux, category: file_event}",
							  "d: 1"));
	assert_int_equal(rules.set.rule_count, 4);
	tree_is(&rules, 0, "a=#1");
	assert_int_equal(rules.set.rules[0].declared[0], 2);
	tree_is(&rules, 1,
		"(and channel~'microsoft-windows-sysmon/operational' (or eventid=#12 eventid=#13 "
		"eventid=#14) a=#1)");
	assert_int_equal(rules.set.rules[1].declared[0], 1);
	tree_is(&rules, 2, "(and channel~'security' b=#1)");
	assert_int_equal(rules.set.rules[2].declared[0], 1);
	tree_is(&rules, 3, "c=#1");
	assert_int_equal(rules.set.rules[3].declared[0], 3);
	assert_true(rules.set.declared[0].fed && rules.set.declared[1].fed);
	assert_false(rules.set.declared[2].fed);
	rules_fini(&rules);
}

/* What the record itself calls so comes before what Millrace calls so; nothing is mapped. */
static void declared_records_are_not_mapped(void **state)
{
	(void)state;
	struct mr_logsource said[] = {SAID("m365", "", "audit")};
	struct rules rules;
	load_said(&rules, said, 1,
		  RULE("a", "{product: m365, service: audit}", "eventSource: x, status: y"));
	assert_int_equal(rules.set.rule_count, 2);
	assert_int_equal(rules.set.rules[1].declared[0], 1);
	tree_is(&rules, 1,
		"(and eventsource~'x' (or native.status~'y' (and (not native.status?true) "
		"status~'y')))");
	rules_fini(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_others_may_read_otherwise_is_told),
	    cmocka_unit_test(rules_see_what_sources_say),
	    cmocka_unit_test(what_no_rule_is_for_is_near),
	    cmocka_unit_test(a_part_that_no_rule_names_is_near),
	    cmocka_unit_test(windows_events_tell_their_logsource),
	    cmocka_unit_test(declared_records_are_not_mapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
