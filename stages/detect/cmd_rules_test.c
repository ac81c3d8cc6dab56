/* cmd_rules_test.c - `millrace rules test`: what tests say of rules, by the stages of scan.
 *
 * Records go through parse, enrich, detect and correlate in this process (millrace/trial.h). In
 * detect's place stands detect itself with an ear: it gives records the times that a test says, and
 * hears whether the rule matches. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd_rules.h"
#include "detect.h"
#include "millrace/trial.h"
#include "rule_explain.h"
#include "rule_report.h"
#include "rule_test.h"

/* A test's time 0 where a record has `at`: 2026-01-01T00:00:00Z, where a day and an ISO week's
 * Thursday begin, and so every window of whole hours, days and weeks since 1970. */
#define START_US (INT64_C(20454) * MR_DAY_US)

static const char test_usage[] =
    "usage: millrace rules test [OPTIONS] FILE|DIR...\n"
    "\n"
    "Runs the tests that stand in rules' files or beside them (NAME.test.yml beside NAME.yml):\n"
    "records in, matches or alerts out, by the stages that scan runs. README says how a test is\n"
    "written.\n"
    "\n";
static const char test_status[] =
    "\n"
    "Exit status: 0 all tests passed, 1 one did not or a rule was refused, 2 a path can't be\n"
    "read, or no test is there.\n";

enum { ALL, JSON, JUNIT, PLACEHOLDERS, GEOIP, IDENTITY, NETWORKS, HELP };
static const struct mr_option test_options[] = {
    [ALL] = {"all", 'a', NULL, "name those that passed, too"},
    [JSON] = {"json", 0, NULL, "as one JSON object"},
    [JUNIT] = {"junit", 0, "FILE", "write the outcome there as JUnit's XML, besides"},
    [PLACEHOLDERS] = MR_OPTION_SETTING("placeholders"),
    [GEOIP] = MR_OPTION_SETTING("geoip"),
    [IDENTITY] = MR_OPTION_SETTING("identity"),
    [NETWORKS] = MR_OPTION_SETTING("networks"),
    MR_OPTION_HELP,
    {0},
};

struct got { /* an alert */
	uint8_t id[MR_ALERT_ID_BYTES];
	struct mr_slice *key;
	int64_t first_us, last_us;
};

#define EXPLAINED_MAX 50 /* failures: each costs some milliseconds */

struct testing {
	struct mr_trial *trial;
	struct sigma_set labelled; /* once a failure is explained */
	uint32_t explained;
	struct rule_suites suites;
	struct rule_outcomes outcomes;
	struct mr_arena arena;   /* reasons */
	struct mr_arena scratch; /* of the test in hand: */
	uint32_t rule;           /* catalog index */
	struct got *alerts;
	uint32_t alert_count, alert_capacity;
	struct mr_slice rejected; /* why its record is none */
	struct mr_buf tree;       /* why its record matches, or does not */
};

/* ---- detect, with an ear ---- */

struct ear {
	struct detect detect;
	struct testing *testing;
	/* Of the record to come: */
	uint32_t rule;
	bool expects, wanted; /* it is to match, or not */
	bool has_at;
	int64_t time_us;
	uint32_t copy; /* of a record that is repeated; 0 is the first */
	/* Of the record that came: */
	bool matched, has_time, gave_up, seen;
};

static enum mr_err ear_open(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct ear *ear = state;
	return mr_stage_detect.open(&ear->detect, env, error);
}

static void ear_close(void *state)
{
	struct ear *ear = state;
	mr_stage_detect.close(&ear->detect);
}

/* Whether the record has no id of its own. */
static bool is_nameless(const struct mr_event *event)
{
	uint8_t hash[32];
	char hex[2 * sizeof hash + 1];
	mr_sha256(event->raw.at, event->raw.len, hash);
	mr_hex(hash, sizeof hash, hex);
	return mr_slice_eq(event->id, (struct mr_slice){hex, 2 * sizeof hash});
}

/* As if the record bore that time: it is another one then than the same at another time, unless it
 * has an id of its own. Repetitions are records of their own in any case. */
static void place(const struct ear *ear, struct mr_events *events, struct mr_event *event)
{
	struct mr_buf id = {0};
	mr_event_complete(events, event); /* it has its id by then */
	mr_buf_add(&id, event->id.at, event->id.len);
	if (ear->has_at && is_nameless(event))
		mr_buf_printf(&id, "@%lld", (long long)ear->time_us);
	if (ear->copy > 0)
		mr_buf_printf(&id, "#%u", ear->copy);
	event->id = (struct mr_slice){mr_arena_copy(&events->arena, id.data, id.len), id.len};
	mr_buf_fini(&id);
	if (!ear->has_at)
		return;
	event->time_us = ear->time_us;
	event->has_time = true;
	event->first[MR_F_TIME] = 0;
	mr_event_add_int(events, event, MR_F_TIME, ear->time_us);
}

static void explain(struct testing *testing, const struct mr_events *events,
		    const struct mr_event *event)
{
	struct mr_fields *fields = mr_trial_fields(testing->trial);
	struct explained explained;
	testing->tree.len = 0;
	if (testing->explained++ >= EXPLAINED_MAX)
		return;
	if (testing->explained == 1 && rules_load_labelled(mr_trial_config(testing->trial), fields,
							   &testing->labelled, NULL) != MR_OK)
		return;
	if (testing->labelled.catalog.count > testing->rule &&
	    rule_explain(&testing->labelled, testing->rule, events, event, fields,
			 &testing->scratch, &explained, NULL) == MR_OK)
		rule_tree_text(&explained, false, &testing->tree);
}

static enum mr_err ear_process(void *state, struct mr_reader *in, struct mr_writer *out,
			       struct mr_error *error)
{
	struct ear *ear = state;
	struct mr_events *events = mr_reader_events(in);
	const uint32_t *rules;
	(void)error;
	if (!mr_writer_ready(out))
		return MR_FULL;
	assert(events->count == 1);
	place(ear, events, events->items);
	size_t count = detect_judge(&ear->detect, events, events->items, out, &rules);
	ear->matched = false;
	for (size_t i = 0; i < count; i++)
		ear->matched |= rules[i] == ear->rule;
	if (ear->expects && ear->matched != ear->wanted)
		explain(ear->testing, events, events->items);
	ear->has_time = events->items->has_time;
	ear->seen = engine_rule_sees(ear->detect.engine, events->items, ear->rule);
	ear->gave_up = engine_limits(ear->detect.engine) > 0;
	mr_reader_advance(in);
	return MR_OK;
}

static const struct mr_stage_ops ear_stage = {
    .name = "detect",
    .state_size = sizeof(struct ear),
    .reads = MR_CONTENT_EVENTS,
    .open = ear_open,
    .process = ear_process,
    .close = ear_close,
};

/* ---- in deliver's place ---- */

static struct mr_slice keep(struct mr_arena *arena, struct mr_slice text)
{
	return (struct mr_slice){mr_arena_copy(arena, text.at, text.len), text.len};
}

static struct got *find_alert(struct testing *testing, const struct mr_alert *alert)
{
	for (uint32_t i = 0; i < testing->alert_count; i++) {
		if (memcmp(testing->alerts[i].id, alert->id, sizeof alert->id) == 0)
			return &testing->alerts[i];
	}
	return NULL;
}

static void take_alert(void *context, const struct mr_alert *alert)
{
	struct testing *testing = context;
	if (alert->rule != testing->rule || find_alert(testing, alert) != NULL)
		return;
	if (testing->alert_count == testing->alert_capacity) {
		testing->alert_capacity =
		    (uint32_t)mr_grow(testing->alert_capacity, testing->alert_count + 1u);
		testing->alerts =
		    mr_realloc(testing->alerts, testing->alert_capacity * sizeof *testing->alerts);
	}
	struct got *got = &testing->alerts[testing->alert_count++];
	*got = (struct got){.first_us = alert->first_time_us, .last_us = alert->last_time_us};
	memcpy(got->id, alert->id, sizeof got->id);
	got->key = mr_arena_alloc(&testing->scratch, (alert->key_count + 1) * sizeof *got->key);
	for (uint32_t i = 0; i < alert->key_count; i++)
		got->key[i] = keep(&testing->scratch, alert->key[i]);
}

static void take_reject(void *context, const struct mr_reject *reject)
{
	struct testing *testing = context;
	testing->rejected = keep(&testing->scratch, reject->reason);
}

/* ---- one test ---- */

static enum rule_verdict end_with(struct testing *testing, struct rule_outcome *outcome,
				  enum rule_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static enum rule_verdict end_with(struct testing *testing, struct rule_outcome *outcome,
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

/* Each copy of one record; false where the outcome is known already. */
static bool feed(struct testing *testing, struct rule_outcome *outcome,
		 const struct rule_record *record, uint32_t number)
{
	struct ear *ear = mr_trial_judge(testing->trial);
	const struct rule_test *test = outcome->test;
	struct mr_error error = {0};
	for (uint32_t i = 0; i < record->repeat; i++) {
		ear->testing = testing;
		ear->rule = testing->rule;
		ear->expects = !test->counts;
		ear->wanted = test->matches;
		ear->has_at = record->has_at || record->every_us > 0;
		ear->time_us = START_US + record->at_us + i * record->every_us;
		ear->copy = i;
		outcome->verdict = RULE_BROKEN;
		if (mr_trial_record(testing->trial, outcome->suite->source, record->json, &error) !=
		    MR_OK)
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

static void put_alert(const struct mr_rule *rule, const struct got *got, struct mr_buf *out)
{
	char time[MR_TIME_TEXT];
	for (uint32_t i = 0; i < rule->group_by.count; i++)
		mr_buf_printf(out, "%s%.*s: %.*s", i == 0 ? "{" : ", ",
			      (int)rule->group_by.items[i].len, rule->group_by.items[i].at,
			      SIGMA_SHOW(got->key[i]));
	if (rule->group_by.count > 0)
		mr_buf_add_text(out, "} ");
	size_t len = mr_time_text(got->first_us, time);
	mr_buf_printf(out, "from %.*s", (int)len, time);
	len = mr_time_text(got->last_us, time);
	mr_buf_printf(out, " to %.*s", (int)len, time);
}

/* What there is, a line each. */
static enum rule_verdict end_alerts(struct testing *testing, struct rule_outcome *outcome,
				    const char *wrong)
{
	struct mr_buf text = {0};
	mr_buf_printf(&text, "%u alert%s%s", testing->alert_count,
		      testing->alert_count == 1 ? "" : "s", wrong);
	for (uint32_t i = 0; i < testing->alert_count && i < 10; i++) {
		mr_buf_add_text(&text, "\n");
		put_alert(outcome->rule, &testing->alerts[i], &text);
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

static bool is_by(const struct mr_rule *rule, const struct got *got, const struct mr_yaml *by)
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
static bool are_by(struct testing *testing, const struct mr_rule *rule, const struct mr_yaml *by)
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

static enum rule_verdict judge_alerts(struct testing *testing, struct rule_outcome *outcome)
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

static enum rule_verdict run(struct testing *testing, struct rule_outcome *outcome)
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
static enum rule_verdict try(struct testing *testing, struct rule_outcome *outcome)
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

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static enum mr_err run_all(struct testing *testing, struct mr_error *error)
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
			testing->alert_count = 0;
			testing->rejected = (struct mr_slice){0};
			mr_arena_reset(&testing->scratch);
			outcome->verdict = try(testing, outcome);
			outcome->seconds = seconds_now() - from;
			outcomes->sums[outcome->verdict]++;
		}
	}
	return err;
}

/* ---- the command ---- */

struct wish {
	bool all, json;
	const char *junit;
	struct mr_config config;
	struct mr_buf refusals;
	const char **paths; /* those named, and what stands beside them */
	size_t path_count;
};

static void add_path(struct wish *wish, const char *path)
{
	wish->paths = mr_realloc(wish->paths, (wish->path_count + 1) * sizeof *wish->paths);
	wish->paths[wish->path_count++] = mr_strdup(path);
	mr_config_add(&wish->config, "rules", path);
}

/* Beside a file NAME.yml its tests NAME.test.yml, beside tests the rule. */
static void add_beside(struct wish *wish, const char *path)
{
	static const char *const endings[] = {".yml", ".yaml"};
	struct stat about;
	struct mr_slice base = mr_slice(path);
	bool tests = false;
	if (stat(path, &about) != 0 || !S_ISREG(about.st_mode))
		return;
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(endings[i]);
		if (base.len > len && strcmp(path + base.len - len, endings[i]) == 0)
			base.len -= len;
	}
	if (base.len > 5 && memcmp(base.at + base.len - 5, ".test", 5) == 0) {
		tests = true;
		base.len -= 5;
	}
	for (size_t i = 0; i < 2; i++) {
		char *other = mr_asprintf("%.*s%s%s", (int)base.len, base.at, tests ? "" : ".test",
					  endings[i]);
		if (access(other, F_OK) == 0)
			add_path(wish, other);
		free(other);
	}
}

/* What suites say of their records, sources say: each suite has one, the first says nothing. */
static void add_sources(struct wish *wish, struct rule_suites *suites)
{
	uint32_t count = 1;
	mr_config_part_add(&wish->config, MR_PART_SOURCE, "records");
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
		    mr_config_part_add(&wish->config, MR_PART_SOURCE, suite->logsource.at);
		mr_config_add(&part->settings, "logsource", suite->logsource.at);
	}
}

/* What is refused is in the report, where there is one. */
static enum mr_err prepare(struct wish *wish, struct testing *testing, struct mr_error *error)
{
	const struct mr_trial_taker taker = {testing, take_alert, take_reject};
	mr_config_add(&wish->config, "trial", "true");
	enum mr_err err = rule_suites_read(wish->paths, wish->path_count, &testing->suites, error);
	if (err == MR_OK &&
	    testing->suites.count + testing->suites.faults.count + testing->suites.unread == 0)
		return mr_error_set(error, MR_CONFIG, "%s: no test is there", wish->paths[0]);
	add_sources(wish, &testing->suites);
	rules_hush(&wish->refusals);
	if (err == MR_OK)
		err = mr_trial_prepare(&wish->config, &testing->trial, error);
	if (err == MR_OK)
		err = mr_trial_open(testing->trial, &ear_stage, &taker, error);
	if (err != MR_OK)
		return err;
	const struct mr_catalog *catalog = mr_trial_catalog(testing->trial);
	testing->outcomes.suites = &testing->suites;
	testing->outcomes.catalog = catalog;
	testing->outcomes.tested = mr_arena_alloc(&testing->arena, catalog->count + 1u);
	memset(testing->outcomes.tested, 0, catalog->count + 1u);
	return MR_OK;
}

static bool write_junit(const struct wish *wish, const struct rule_outcomes *outcomes)
{
	struct mr_buf out = {0};
	struct mr_error error = {0};
	FILE *file = fopen(wish->junit, "we");
	rule_report_junit(outcomes, &out);
	bool written = file != NULL && fwrite(out.data, 1, out.len, file) == out.len;
	written &= file != NULL && fclose(file) == 0;
	mr_buf_fini(&out);
	if (written)
		return true;
	mr_error_errno(&error, MR_IO, "%s: cannot be written", wish->junit);
	mr_log(MR_LOG_ERROR, "millrace rules test: %s", error.text);
	return false;
}

static int report(const struct wish *wish, const struct rule_outcomes *outcomes)
{
	struct mr_buf out = {0};
	if (wish->json)
		rule_report_json(outcomes, &out);
	else
		rule_report_text(outcomes, wish->all, &out);
	bool written = rules_write(&out);
	mr_buf_fini(&out);
	if (wish->junit != NULL)
		written &= write_junit(wish, outcomes);
	return written ? rule_outcomes_status(outcomes) : 1;
}

static int test(struct wish *wish)
{
	struct testing testing = {0};
	struct mr_error error = {0};
	enum mr_err err = prepare(wish, &testing, &error);
	if (err == MR_OK)
		err = run_all(&testing, &error);
	int status = 2;
	if (err == MR_OK)
		status = report(wish, &testing.outcomes);
	else
		rules_failed("test", &wish->refusals, &error);
	mr_trial_free(testing.trial);
	rule_suites_fini(&testing.suites);
	mr_arena_fini(&testing.arena);
	mr_arena_fini(&testing.scratch);
	sigma_set_fini(&testing.labelled);
	mr_buf_fini(&testing.tree);
	free(testing.alerts);
	return status;
}

static int take_options(struct wish *wish, int argc, char **argv)
{
	int option;
	while ((option = mr_option_next(test_options, argc, argv)) != MR_OPTIONS_END) {
		if (option == HELP)
			return mr_help(test_usage, test_options, test_status);
		if (option == MR_OPTIONS_WRONG)
			return rules_misused("test");
		wish->all |= option == ALL;
		wish->json |= option == JSON;
		if (option == JUNIT)
			wish->junit = optarg;
		else if (option > JUNIT)
			mr_option_add(&wish->config, &test_options[option], optarg);
	}
	if (optind >= argc)
		return rules_misused("test");
	for (int i = optind; i < argc; i++) {
		add_path(wish, argv[i]);
		add_beside(wish, argv[i]);
	}
	return -1;
}

static int test_main(int argc, char **argv)
{
	struct wish wish = {0};
	int status = take_options(&wish, argc, argv);
	if (status < 0)
		status = test(&wish);
	for (size_t i = 0; i < wish.path_count; i++)
		free((char *)(uintptr_t)wish.paths[i]);
	free(wish.paths);
	mr_buf_fini(&wish.refusals);
	mr_config_fini(&wish.config);
	return status;
}

const struct mr_command rules_command_test = {
    .name = "test",
    .summary = "run the tests of rules",
    .main = test_main,
    .options = test_options,
};
