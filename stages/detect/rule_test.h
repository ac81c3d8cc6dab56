/* rule_test.h - tests of rules, as they stand in YAML: documents of the form
 *
 *     rule: its id or name
 *     logsource: {product: windows, category: process_creation}   # what the records are
 *     tests:
 *       - name: a sentence
 *         record: {Operation: X}                    # or a list, records
 *         given: {actor.user.is_privileged: true}   # what databases would know of it
 *         matches: true                             # or alerts, a number, and by, what of
 *
 * where records are {at: 10s, record: {…}, repeat: 5, every: 1s, number: '#', given: {…}},
 *
 * in a rule's own file or another one. Read for `millrace rules test` alone; the loader passes them
 * over. Everything lives in the arena of its struct rule_suites. */
#ifndef MILLRACE_DETECT_RULE_TEST_H
#define MILLRACE_DETECT_RULE_TEST_H

#include "sigma.h"
#include "millrace/yaml.h"

#define RULE_RECORDS_MAX 100000 /* of one test, each repetition counted */
#define RULE_TIME_MAX_DAYS 36500

struct rule_record {
	struct mr_slice json; /* the record's bytes */
	bool has_at;
	int64_t at_us;   /* from the test's start */
	uint32_t repeat; /* so many, 1 or more */
	int64_t every_us;
	struct mr_slice number; /* stands in the record for the number of the copy; or empty */
	const struct mr_yaml
	    *given; /* fields that a setting fills, to a value or values; or NULL */
};

struct rule_test {
	struct mr_slice name;
	uint32_t line, column;
	struct mr_fault fault; /* it cannot be run */
	struct rule_record *records;
	uint32_t record_count;
	bool counts; /* alerts; else it asks whether the record matches */
	bool matches;
	uint32_t alerts;
	const struct mr_yaml *given; /* of all records, as in one */
	const struct mr_yaml *by;    /* a map for all alerts, a list of one for each, or NULL */
};

/* One document. */
struct rule_suite {
	struct mr_slice file;
	struct mr_slice rule; /* id or name */
	uint32_t line, column;
	struct mr_slice logsource; /* of the records, as a setting says it, a zero byte behind;
				    * or empty */
	uint32_t source;           /* whoever runs it numbers them; from 0 */
	struct rule_test *tests;
	uint32_t test_count;
};

struct rule_suites {
	struct rule_suite *items;
	uint32_t count, capacity;
	struct sigma_notes faults; /* documents that are no tests, though they should be */
	uint32_t unread;           /* documents that cannot be read: the loader says why */
	struct mr_arena arena;
};

/* Whether a document is of tests, and no rule. */
bool rule_document_is_tests(const struct mr_yaml *root);

/* All suites of files and folders. MR_CONFIG, MR_IO: a path can't be read. Fini it also then. */
enum mr_err rule_suites_read(const char *const *paths, size_t count, struct rule_suites *out,
			     struct mr_error *error);
/* Those of one file's bytes. Survives any. */
void rule_suites_parse(struct rule_suites *suites, struct mr_slice file, struct mr_slice bytes);
void rule_suites_fini(struct rule_suites *suites);

/* ---- rule_record.c ---- */

/* A record written in YAML as JSON, appended. False, with the fault: a number that JSON has not. */
bool rule_record_put(struct mr_arena *arena, const struct mr_yaml *node, struct mr_buf *out,
		     struct mr_fault *fault);

#endif
