/* cmd_rules_test_run.c - one test after the other: records in, and whether what came out is what
 * the test expects.
 *
 * Called by cmd_rules_test.c. A test that fails, or cannot be run, is an outcome; only a stage that
 * fails is an error. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd_rules_test.h"
#include "millrace/number.h"

/* A test's time 0 where a record has `at`: 2026-01-01T00:00:00Z, where a day and an ISO week's
 * Thursday begin, and so every window of whole hours, days and weeks since 1970. */
#define START_US (INT64_C(20454) * MR_DAY_US)

#define MISSES_MAX 3 /* are told of */

/* ---- in deliver's place ---- */

static struct mr_slice keep(struct mr_arena *arena, struct mr_slice text)
{
	return (struct mr_slice){mr_arena_copy(arena, text.at, text.len), text.len};
}

static void put_key(const struct mr_rule *rule, const struct mr_slice *key, struct mr_buf *out)
{
	for (uint32_t i = 0; i < rule->group_by.count; i++)
		mr_buf_printf(out, "%s%.*s: %.*s", i == 0 ? "{" : ", ",
			      (int)rule->group_by.items[i].len, rule->group_by.items[i].at,
			      SIGMA_SHOW(key[i]));
	if (rule->group_by.count > 0)
		mr_buf_add_text(out, "} ");
}

static struct rules_alert *find_alert(struct rules_testing *testing, const struct mr_alert *alert)
{
	for (uint32_t i = 0; i < testing->alert_count; i++) {
		if (memcmp(testing->alerts[i].id, alert->id, sizeof alert->id) == 0)
			return &testing->alerts[i];
	}
	return NULL;
}

static void take_alert(void *context, const struct mr_alert *alert)
{
	struct rules_testing *testing = context;
	if (alert->rule != testing->rule || find_alert(testing, alert) != NULL)
		return;
	if (testing->alert_count == testing->alert_capacity) {
		testing->alert_capacity =
		    (uint32_t)mr_grow(testing->alert_capacity, testing->alert_count + 1u);
		testing->alerts =
		    mr_realloc(testing->alerts, testing->alert_capacity * sizeof *testing->alerts);
	}
	struct rules_alert *got = &testing->alerts[testing->alert_count++];
	*got =
	    (struct rules_alert){.first_us = alert->first_time_us, .last_us = alert->last_time_us};
	memcpy(got->id, alert->id, sizeof got->id);
	got->key = mr_arena_alloc(&testing->scratch, (alert->key_count + 1) * sizeof *got->key);
	for (uint32_t i = 0; i < alert->key_count; i++)
		got->key[i] = keep(&testing->scratch, alert->key[i]);
}

/* What it came to, or which of the rules were seen, in order of time. */
static void put_miss(const struct rules_testing *testing, const struct mr_rule *rule,
		     const struct mr_alert *nearest, struct mr_buf *out)
{
	const struct mr_catalog *catalog = mr_trial_catalog(testing->trial);
	char time[MR_TIME_TEXT];
	put_key(rule, nearest->key, out);
	if (nearest->value.len > 0) {
		mr_buf_add_text(out, "came to ");
		mr_decimal_show(nearest->value, out);
		mr_buf_add_text(out, ", not ");
		mr_rule_show_condition(rule, out);
		return;
	}
	mr_buf_add_text(out, nearest->evidence_count == 0 ? "nothing" : "in order of time: ");
	for (uint32_t i = 0; i < nearest->evidence_count; i++) {
		const struct mr_evidence *evidence = &nearest->evidence[i];
		mr_time_text(evidence->time_us, time);
		mr_buf_printf(out, "%s\"%.*s\" at %s", i == 0 ? "" : ", ",
			      SIGMA_SHOW(catalog->rules[evidence->rule].title), time);
	}
	for (uint32_t i = 0; i < rule->rule_count && rule->type == MR_CORRELATION_TEMPORAL_ORDERED;
	     i++)
		mr_buf_printf(out, "%s\"%.*s\"", i == 0 ? "; wanted: " : ", ",
			      SIGMA_SHOW(catalog->rules[rule->rules[i]].title));
}

static void take_miss(void *context, const struct mr_alert *nearest)
{
	struct rules_testing *testing = context;
	const struct mr_rule *rule = &mr_trial_catalog(testing->trial)->rules[testing->rule];
	if (nearest->rule != testing->rule || testing->missed++ >= MISSES_MAX)
		return;
	mr_buf_add_text(&testing->misses, "\n");
	put_miss(testing, rule, nearest, &testing->misses);
}

static void take_reject(void *context, const struct mr_reject *reject)
{
	struct rules_testing *testing = context;
	testing->rejected = keep(&testing->scratch, reject->reason);
}

/* ---- one test ---- */

static enum rule_verdict end_with(struct rules_testing *testing, struct rule_outcome *outcome,
				  enum rule_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static enum rule_verdict end_with(struct rules_testing *testing, struct rule_outcome *outcome,
				  enum rule_verdict verdict, const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		abort();
	outcome->reason = keep(&testing->arena, (struct mr_slice){text, (size_t)len});
	free(text);
	return verdict;
}

/* The record's bytes, with the number of the copy, from 1, where it stands for one. */
static struct mr_slice bytes_of(struct rules_testing *testing, const struct rule_record *record,
				uint32_t copy)
{
	struct mr_slice rest = record->json;
	if (record->number.len == 0)
		return rest;
	testing->bytes.len = 0;
	for (;;) {
		const char *sign = memmem(rest.at, rest.len, record->number.at, record->number.len);
		size_t len = sign == NULL ? rest.len : (size_t)(sign - rest.at);
		mr_buf_add(&testing->bytes, rest.at, len);
		if (sign == NULL)
			break;
		mr_buf_printf(&testing->bytes, "%u", copy + 1);
		len += record->number.len;
		rest = (struct mr_slice){rest.at + len, rest.len - len};
	}
	return (struct mr_slice){testing->bytes.data, testing->bytes.len};
}

/* Each copy of one record; false where the outcome is known already. */
static bool feed(struct rules_testing *testing, struct rule_outcome *outcome,
		 const struct rule_record *record, uint32_t number)
{
	struct rules_ear *ear = mr_trial_judge(testing->trial);
	const struct rule_test *test = outcome->test;
	struct mr_error error = {0};
	for (uint32_t i = 0; i < record->repeat; i++) {
		ear->given[0] = test->given;
		ear->given[1] = record->given;
		ear->expects = !test->counts;
		ear->wanted = test->matches;
		ear->has_at = record->has_at || record->every_us > 0;
		ear->time_us = START_US + record->at_us + i * record->every_us;
		ear->copy = i;
		outcome->verdict = RULE_BROKEN;
		if (mr_trial_record(testing->trial, outcome->suite->source,
				    bytes_of(testing, record, i), &error) != MR_OK)
			return end_with(testing, outcome, RULE_BROKEN, "%s", error.text), false;
		if (testing->rejected.len > 0)
			return end_with(testing, outcome, RULE_BROKEN,
					"record %u cannot be parsed: %.*s", number,
					(int)testing->rejected.len, testing->rejected.at),
			       false;
		if (ear->gave_up)
			return end_with(testing, outcome, RULE_BROKEN,
					"record %u takes a test past its limit of work", number),
			       false;
		if (test->counts && !ear->has_time && outcome->rule->kind == MR_RULE_CORRELATION)
			return end_with(testing, outcome, RULE_BROKEN,
					"record %u has no time: give it one, or `at`", number),
			       false;
		if (!test->counts && !test->matches && !ear->seen)
			return end_with(testing, outcome, RULE_BROKEN,
					"the rule sees no records such as record %u: the test says "
					"nothing of it%s",
					number,
					outcome->suite->logsource.len > 0
					    ? ""
					    : " (is `logsource` missing?)"),
			       false;
		outcome->verdict = RULE_FAILED;
		if (!test->counts && ear->matched != test->matches)
			return end_with(testing, outcome, RULE_FAILED,
					"the rule %s record %u\n%.*s",
					ear->matched ? "matches" : "does not match", number,
					(int)testing->tree.len, testing->tree.data),
			       false;
	}
	return true;
}

/* ---- alerts ---- */

static void put_alert(const struct mr_rule *rule, const struct rules_alert *got, struct mr_buf *out)
{
	char time[MR_TIME_TEXT];
	put_key(rule, got->key, out);
	size_t len = mr_time_text(got->first_us, time);
	mr_buf_printf(out, "from %.*s", (int)len, time);
	len = mr_time_text(got->last_us, time);
	mr_buf_printf(out, " to %.*s", (int)len, time);
}

/* How often what a correlation is over matched: where too few came, that is the first question. */
static void put_matches(const struct rules_testing *testing, const struct mr_rule *rule,
			struct mr_buf *out)
{
	const struct mr_catalog *catalog = mr_trial_catalog(testing->trial);
	for (uint32_t i = 0; i < rule->rule_count; i++) {
		const struct mr_rule *named = &catalog->rules[rule->rules[i]];
		if (named->kind == MR_RULE_DETECTION)
			mr_buf_printf(out, "\n" MR_RULE_NAMED " matched %u of %u records",
				      MR_RULE_NAMES(named), testing->matches[rule->rules[i]],
				      testing->records);
	}
	if (testing->keyless > 0)
		mr_buf_printf(out, "\n%u match%s lacked a field of group-by", testing->keyless,
			      testing->keyless == 1 ? "" : "es");
}

static void put_misses(const struct rules_testing *testing, struct mr_buf *out)
{
	mr_buf_add(out, testing->misses.data, testing->misses.len);
	if (testing->missed > MISSES_MAX)
		mr_buf_printf(out, "\nand %u more that made no alert",
			      testing->missed - MISSES_MAX);
}

/* What there is, a line each. */
static enum rule_verdict end_alerts(struct rules_testing *testing, struct rule_outcome *outcome,
				    const char *wrong)
{
	struct mr_buf text = {0};
	mr_buf_printf(&text, "%u alert%s%s", testing->alert_count,
		      testing->alert_count == 1 ? "" : "s", wrong);
	for (uint32_t i = 0; i < testing->alert_count && i < 10; i++) {
		mr_buf_add_text(&text, "\n");
		put_alert(outcome->rule, &testing->alerts[i], &text);
	}
	if (testing->alert_count < outcome->test->alerts) {
		put_matches(testing, outcome->rule, &text);
		put_misses(testing, &text);
	}
	end_with(testing, outcome, RULE_FAILED, "%.*s", (int)text.len, text.data);
	mr_buf_fini(&text);
	return RULE_FAILED;
}

static uint32_t group_of(const struct mr_rule *rule, struct mr_slice name)
{
	uint32_t at = 0;
	while (at < rule->group_by.count && !mr_fold_eq(rule->group_by.items[at], name))
		at++;
	return at;
}

static bool is_by(const struct mr_rule *rule, const struct rules_alert *got,
		  const struct mr_yaml *by)
{
	for (uint32_t i = 0; i < by->count; i++) {
		uint32_t group = group_of(rule, by->keys[i]->text);
		if (group == rule->group_by.count ||
		    !mr_fold_eq(got->key[group], by->items[i]->text))
			return false;
	}
	return true;
}

/* Each of the list is the key of an alert of its own. */
static bool are_by(struct rules_testing *testing, const struct mr_rule *rule,
		   const struct mr_yaml *by)
{
	bool *taken = mr_calloc(testing->alert_count + 1u, sizeof *taken);
	bool good = true;
	for (uint32_t b = 0; b < (by->kind == MR_YAML_LIST ? by->count : 0) && good; b++) {
		uint32_t i = 0;
		while (i < testing->alert_count &&
		       (taken[i] || !is_by(rule, &testing->alerts[i], by->items[b])))
			i++;
		good = i < testing->alert_count;
		taken[good ? i : 0] = true;
	}
	for (uint32_t i = 0; by->kind == MR_YAML_MAP && i < testing->alert_count; i++)
		good &= is_by(rule, &testing->alerts[i], by);
	free(taken);
	return good;
}

static enum rule_verdict judge_alerts(struct rules_testing *testing, struct rule_outcome *outcome)
{
	const struct rule_test *test = outcome->test;
	char wrong[64];
	if (testing->alert_count != test->alerts) {
		snprintf(wrong, sizeof wrong, ", not %u", test->alerts);
		return end_alerts(testing, outcome, wrong);
	}
	if (test->by != NULL && !are_by(testing, outcome->rule, test->by))
		return end_alerts(testing, outcome, ", but not by what `by` says");
	return RULE_PASSED;
}

/* ---- a test, whole ---- */

static enum rule_verdict run(struct rules_testing *testing, struct rule_outcome *outcome)
{
	const struct rule_test *test = outcome->test;
	struct mr_error error = {0};
	if (test->counts && mr_trial_begin(testing->trial, &error) != MR_OK)
		return end_with(testing, outcome, RULE_BROKEN, "%s", error.text);
	for (uint32_t i = 0; i < test->record_count; i++) {
		if (!feed(testing, outcome, &test->records[i], i + 1))
			return outcome->verdict;
	}
	if (!test->counts)
		return RULE_PASSED;
	if (mr_trial_end(testing->trial, &error) != MR_OK)
		return end_with(testing, outcome, RULE_BROKEN, "%s", error.text);
	return judge_alerts(testing, outcome);
}

static const struct mr_rule *find_rule(const struct mr_catalog *catalog, struct mr_slice called)
{
	for (uint32_t i = 0; i < catalog->count; i++) {
		if (mr_slice_eq(catalog->rules[i].id, called))
			return &catalog->rules[i];
	}
	for (uint32_t i = 0; i < catalog->count; i++) {
		if (mr_slice_eq(catalog->rules[i].name, called))
			return &catalog->rules[i];
	}
	return NULL;
}

/* Whether it can be run at all. */
static enum rule_verdict try(struct rules_testing *testing, struct rule_outcome *outcome)
{
	const struct mr_catalog *catalog = mr_trial_catalog(testing->trial);
	const struct rule_test *test = outcome->test;
	const struct mr_rule *rule = find_rule(catalog, outcome->suite->rule);
	outcome->rule = rule;
	if (rule == NULL)
		return end_with(testing, outcome, RULE_BROKEN,
				"no rule that is loaded has the id or name \"%.*s\"",
				SIGMA_SHOW(outcome->suite->rule));
	testing->rule = (uint32_t)(rule - catalog->rules);
	testing->outcomes.tested[testing->rule] = true;
	if (mr_fault_is(&test->fault))
		return end_with(testing, outcome, RULE_BROKEN, "%u:%u: %.*s", test->fault.line,
				test->fault.column, (int)test->fault.reason.len,
				test->fault.reason.at);
	if (rule->inactive)
		return end_with(
		    testing, outcome, RULE_BROKEN,
		    "the rule is inactive: a placeholder has no value (--placeholders)");
	if (!test->counts && rule->kind == MR_RULE_CORRELATION)
		return end_with(testing, outcome, RULE_BROKEN,
				"a correlation makes alerts: write `alerts: N`, not `matches`");
	for (uint32_t i = 0;
	     test->by != NULL && test->by->kind == MR_YAML_MAP && i < test->by->count; i++) {
		if (group_of(rule, test->by->keys[i]->text) == rule->group_by.count)
			return end_with(testing, outcome, RULE_BROKEN,
					"\"%.*s\" is not in the rule's group-by",
					SIGMA_SHOW(test->by->keys[i]->text));
	}
	return run(testing, outcome);
}

/* Nothing of one test is known in the next. */
static void forget(struct rules_testing *testing)
{
	uint32_t count = mr_trial_catalog(testing->trial)->count;
	testing->alert_count = 0;
	testing->missed = 0;
	testing->misses.len = 0;
	testing->records = 0;
	testing->keyless = 0;
	testing->rejected = (struct mr_slice){0};
	memset(testing->matches, 0, count * sizeof *testing->matches);
	mr_arena_reset(&testing->scratch);
}

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

enum mr_err rules_testing_run(struct rules_testing *testing, struct mr_error *error)
{
	struct rule_outcomes *outcomes = &testing->outcomes;
	struct mr_arena *arena = &testing->arena;
	uint32_t count = 0;
	for (uint32_t i = 0; i < testing->suites.count; i++)
		count += testing->suites.items[i].test_count;
	outcomes->items = mr_arena_alloc(arena, (count + 1u) * sizeof *outcomes->items);
	enum mr_err err = mr_trial_begin(testing->trial, error);
	for (uint32_t i = 0; i < testing->suites.count && err == MR_OK; i++) {
		const struct rule_suite *suite = &testing->suites.items[i];
		for (uint32_t t = 0; t < suite->test_count; t++) {
			struct rule_outcome *outcome = &outcomes->items[outcomes->count++];
			*outcome = (struct rule_outcome){.suite = suite, .test = &suite->tests[t]};
			double from = seconds_now();
			forget(testing);
			outcome->verdict = try(testing, outcome);
			outcome->seconds = seconds_now() - from;
			outcomes->sums[outcome->verdict]++;
		}
	}
	return err;
}

/* ---- before and after ---- */

/* What suites say of their records, sources say: each suite has one, the first says nothing. */
static void add_sources(struct mr_config *config, struct rule_suites *suites)
{
	uint32_t count = 1;
	mr_config_part_add(config, MR_PART_SOURCE, "records");
	for (uint32_t i = 0; i < suites->count; i++) {
		struct rule_suite *suite = &suites->items[i];
		uint32_t same = 0;
		while (same < i && !mr_slice_eq(suites->items[same].logsource, suite->logsource))
			same++;
		if (suite->logsource.len == 0)
			continue;
		suite->source = same < i ? suites->items[same].source : count++;
		if (same < i)
			continue;
		struct mr_part *part =
		    mr_config_part_add(config, MR_PART_SOURCE, suite->logsource.at);
		mr_config_add(&part->settings, "logsource", suite->logsource.at);
	}
}

enum mr_err rules_testing_open(struct rules_testing *testing, struct mr_config *config,
			       struct mr_error *error)
{
	const struct mr_trial_taker taker = {
	    .context = testing, .alert = take_alert, .reject = take_reject, .missed = take_miss};
	mr_config_add(config, "trial", "true");
	add_sources(config, &testing->suites);
	enum mr_err err = mr_trial_prepare(config, &testing->trial, error);
	if (err == MR_OK)
		err = mr_trial_open(testing->trial, &rules_ear_stage, &taker, error);
	if (err != MR_OK)
		return err;
	struct rules_ear *ear = mr_trial_judge(testing->trial);
	const struct mr_catalog *catalog = mr_trial_catalog(testing->trial);
	ear->testing = testing;
	testing->outcomes.suites = &testing->suites;
	testing->outcomes.catalog = catalog;
	testing->outcomes.tested = mr_arena_alloc(&testing->arena, catalog->count + 1u);
	memset(testing->outcomes.tested, 0, catalog->count + 1u);
	testing->matches = mr_calloc(catalog->count + 1u, sizeof *testing->matches);
	return MR_OK;
}

void rules_testing_fini(struct rules_testing *testing)
{
	mr_trial_free(testing->trial);
	rule_suites_fini(&testing->suites);
	mr_arena_fini(&testing->arena);
	mr_arena_fini(&testing->scratch);
	sigma_set_fini(&testing->labelled);
	mr_buf_fini(&testing->tree);
	mr_buf_fini(&testing->bytes);
	mr_buf_fini(&testing->misses);
	free(testing->alerts);
	free(testing->matches);
}
