/* fuzz_rule_tests.c - any bytes as a file of tests: each test has a fault, or records within its
 * bounds and a name; and all that is told of them can be. */
#include <stdlib.h>

#include "known_leaks.h"
#include "rule_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void look(const struct rule_test *test)
{
	uint64_t records = 0;
	if (mr_fault_is(&test->fault))
		return;
	must(test->name.len > 0 && test->record_count > 0);
	for (uint32_t i = 0; i < test->record_count; i++) {
		const struct rule_record *record = &test->records[i];
		records += record->repeat;
		must(record->repeat > 0 && record->at_us >= 0 && record->every_us >= 0);
	}
	must(records <= RULE_RECORDS_MAX);
	must(test->by == NULL || test->counts);
}

static void report(const struct rule_suites *suites)
{
	struct mr_catalog catalog = {0};
	struct rule_outcome items[64];
	struct rule_outcomes outcomes = {.items = items, .suites = suites, .catalog = &catalog};
	struct mr_buf out = {0};
	for (uint32_t s = 0; s < suites->count; s++) {
		const struct rule_suite *suite = &suites->items[s];
		for (uint32_t t = 0; t < suite->test_count && outcomes.count < 64; t++) {
			const struct rule_test *test = &suite->tests[t];
			items[outcomes.count++] =
			    (struct rule_outcome){.suite = suite,
						  .test = test,
						  .verdict = (enum rule_verdict)(t % 3),
						  .reason = test->fault.reason};
			look(test);
		}
	}
	rule_report_text(&outcomes, true, &out);
	rule_report_json(&outcomes, &out);
	rule_report_junit(&outcomes, &out);
	mr_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rule_suites suites = {0};
	rule_suites_parse(&suites, MR_SLICE("tests.yml"),
			  (struct mr_slice){(const char *)data, size});
	report(&suites);
	rule_suites_fini(&suites);
	return 0;
}
