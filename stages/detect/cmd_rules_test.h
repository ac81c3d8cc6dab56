/* cmd_rules_test.h - what the files of `millrace rules test` share.
 *
 * cmd_rules_test.c takes the command and tells what came of it, cmd_rules_test_run.c runs tests,
 * cmd_rules_ear.c is the stage in detect's place. */
#ifndef MILLRACE_DETECT_CMD_RULES_TEST_H
#define MILLRACE_DETECT_CMD_RULES_TEST_H

#include "cmd_rules.h"
#include "detect.h"
#include "millrace/trial.h"
#include "rule_report.h"
#include "rule_test.h"

struct rules_alert { /* one that a test got */
	uint8_t id[MR_ALERT_ID_BYTES];
	struct mr_slice *key;
	int64_t first_us, last_us;
};

struct rules_testing {
	struct mr_trial *trial;
	struct sigma_set labelled; /* once a failure is explained */
	uint32_t explained;
	struct rule_suites suites;
	struct rule_outcomes outcomes;
	struct mr_arena arena;   /* reasons */
	struct mr_arena scratch; /* of the test in hand: */
	uint32_t rule;           /* catalog index */
	struct rules_alert *alerts;
	uint32_t alert_count, alert_capacity;
	struct mr_slice rejected; /* why its record is none */
	struct mr_buf tree;       /* why its record matches, or does not */
	struct mr_buf bytes;      /* its record, numbered */
	uint32_t records;         /* that were judged */
	uint32_t *matches;        /* of them, by catalog index */
	uint32_t keyless;         /* matches that lacked a field of group-by */
	uint32_t missed;          /* groups in a slot of time that made no alert */
	struct mr_buf misses;     /* what the first of them came to, a line each */
};

/* ---- cmd_rules_ear.c ---- */

struct rules_ear {
	struct detect detect;
	struct rules_testing *testing;
	/* Of the record to come: */
	bool expects, wanted;           /* it is to match, or not */
	const struct mr_yaml *given[2]; /* of the test, of the record; or NULL */
	bool has_at;
	int64_t time_us;
	uint32_t copy; /* of a record that is repeated; 0 is the first */
	/* Of the record that came: */
	bool matched, has_time, gave_up, seen;
};
extern const struct mr_stage_ops rules_ear_stage;

/* ---- cmd_rules_test_run.c ---- */

/* Prepares a trial of these settings, moved; what suites say is read. */
enum mr_err rules_testing_open(struct rules_testing *testing, struct mr_config *config,
			       struct mr_error *error);
/* All tests, into the outcomes. */
enum mr_err rules_testing_run(struct rules_testing *testing, struct mr_error *error);
void rules_testing_fini(struct rules_testing *testing);

#endif
