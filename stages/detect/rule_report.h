/* rule_report.h - what came of tests of rules, and how it is told. */
#ifndef MILLRACE_DETECT_RULE_REPORT_H
#define MILLRACE_DETECT_RULE_REPORT_H

#include "millrace/rule.h"
#include "rule_test.h"

enum rule_verdict {
	RULE_PASSED,
	RULE_FAILED, /* the rule does not do what the test expects */
	RULE_BROKEN  /* the test could not be run, or says nothing */
};

struct rule_outcome {
	const struct rule_suite *suite;
	const struct rule_test *test;
	const struct mr_rule *rule; /* NULL: there is none */
	enum rule_verdict verdict;
	struct mr_slice reason; /* empty where it passed; may have several lines */
	double seconds;
};

struct rule_outcomes {
	struct rule_outcome *items; /* in the order of the files */
	uint32_t count;
	uint32_t sums[3]; /* by verdict */
	const struct rule_suites *suites;
	const struct mr_catalog *catalog;
	bool *tested; /* by catalog index: a test names it */
};

/* 0 all passed, and nothing was refused. */
int rule_outcomes_status(const struct rule_outcomes *outcomes);
/* Each appended to `out`. */
void rule_report_text(const struct rule_outcomes *outcomes, bool all, struct mr_buf *out);
void rule_report_json(const struct rule_outcomes *outcomes, struct mr_buf *out);
/* As Jenkins and GitLab read it: a test suite for each rule. */
void rule_report_junit(const struct rule_outcomes *outcomes, struct mr_buf *out);

#endif
