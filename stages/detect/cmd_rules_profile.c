/* cmd_rules_profile.c - `millrace rules profile`: what each rule costs and finds in real records.
 *
 * Records go through collect, parse and enrich in this process (millrace/trial.h). In detect's
 * place stands detect's engine with a profile (engine_profile.h); what matches
 * goes on to correlate, which adds to the costs of its environment (millrace/cost.h). */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd_rules.h"
#include "detect.h"
#include "engine_profile.h"
#include "millrace/trial.h"

#define TOP 20 /* rules that are shown, where nobody says how many */

static const char profile_usage[] =
    "usage: millrace rules profile [OPTIONS] FILE|DIR|-...\n"
    "\n"
    "Runs rules over audit records, as scan reads them, and says what each costs and how often it\n"
    "matches, dearest first. Looking at a field is shared by all rules that ask for it, and "
    "parted\n"
    "among them by their tests there (share); a rule's own steps are its own. Leaving out a rule\n"
    "saves its own, and of its share what no other rule needs. Of a correlation own is what its\n"
    "occurrences and alerts cost, hits are its alerts, or, where it makes none of its own, what\n"
    "it hands on.\n"
    "\n";
static const char profile_status[] =
    "\n"
    "Exit status: 0 done, 1 an input could not be read whole, 2 the options or the files they\n"
    "name are wrong.\n";

static const struct mr_option profile_options[] = RULES_TRIAL_OPTIONS(
    "as one JSON object, with all rules", "top", "so many rules; without it 20");
static const struct rules_manual manual = {
    .command = "profile",
    .usage = profile_usage,
    .status = profile_status,
    .options = profile_options,
    .least = 1,
    .most = INT_MAX,
};

struct profiling {
	bool json;
	int64_t top;
	struct mr_trial *trial;
	struct mr_buf refusals;
	uint64_t *hits;        /* by catalog index */
	struct mr_costs costs; /* of correlations */
	uint64_t records, rejected;
};

/* ---- in detect's place ---- */

struct match {
	uint32_t event, rule;
};

struct profiler {
	struct detect detect;
	struct engine_profile *profile;
	struct profiling *wish;
	/* Of the set in hand, for correlations; in the order of events. */
	struct match *matches;
	size_t count, capacity, next;
	bool judged;
};

static enum mr_err profiler_open(void *state, const struct mr_stage_env *env,
				 struct mr_error *error)
{
	struct profiler *profiler = state;
	enum mr_err err = mr_stage_detect.open(&profiler->detect, env, error);
	if (err == MR_OK)
		profiler->profile = engine_profile_new(profiler->detect.engine);
	return err;
}

static void profiler_close(void *state)
{
	struct profiler *profiler = state;
	engine_profile_free(profiler->profile);
	free(profiler->matches);
	mr_stage_detect.close(&profiler->detect);
}

static void add_match(struct profiler *profiler, uint32_t event, uint32_t rule)
{
	const struct detect_consumers *consumers = &profiler->detect.signals.consumers[rule];
	bool correlated = false;
	profiler->wish->hits[rule]++;
	for (uint32_t i = 0; i < consumers->count; i++)
		correlated |= !consumers->items[i].plain;
	if (!correlated)
		return;
	if (profiler->count == profiler->capacity) {
		profiler->capacity = mr_grow(profiler->capacity, profiler->count + 1);
		profiler->matches =
		    mr_realloc(profiler->matches, profiler->capacity * sizeof *profiler->matches);
	}
	profiler->matches[profiler->count++] = (struct match){event, rule};
}

static void judge(struct profiler *profiler, struct mr_events *events)
{
	engine_profile_begin(profiler->profile);
	for (uint32_t i = 0; i < events->count; i++) {
		const uint32_t *rules;
		size_t count = detect_match(&profiler->detect, events, &events->items[i], &rules);
		for (size_t r = 0; r < count; r++)
			add_match(profiler, i, rules[r]);
	}
	engine_profile_end(profiler->profile, events->count);
	profiler->wish->records += events->count;
	profiler->judged = true;
}

/* The signals of the next event that has some. */
static void send(struct profiler *profiler, struct mr_events *events, struct mr_writer *out)
{
	uint32_t at = profiler->matches[profiler->next].event;
	struct mr_event *event = &events->items[at];
	mr_event_complete(events, event);
	detect_signals_begin(&profiler->detect.signals, NULL, 0); /* nobody is shown what matched */
	for (; profiler->next < profiler->count && profiler->matches[profiler->next].event == at;
	     profiler->next++)
		detect_signals_emit(&profiler->detect.signals, events, event,
				    profiler->matches[profiler->next].rule, out);
}

static enum mr_err profiler_process(void *state, struct mr_reader *in, struct mr_writer *out,
				    struct mr_error *error)
{
	struct profiler *profiler = state;
	struct mr_events *events = mr_reader_events(in);
	(void)error;
	if (!profiler->judged)
		judge(profiler, events);
	while (profiler->next < profiler->count) {
		if (!mr_writer_ready(out))
			return MR_FULL;
		send(profiler, events, out);
	}
	profiler->count = profiler->next = 0;
	profiler->judged = false;
	mr_reader_advance(in);
	return MR_OK;
}

static const struct mr_stage_ops profiler_stage = {
    .name = "detect",
    .state_size = sizeof(struct profiler),
    .reads = MR_CONTENT_EVENTS,
    .open = profiler_open,
    .process = profiler_process,
    .close = profiler_close,
};

static void take_reject(void *context, const struct mr_reject *reject)
{
	struct profiling *wish = context;
	(void)reject;
	wish->rejected++;
}

static void take_alert(void *context, const struct mr_alert *alert)
{
	struct profiling *wish = context;
	if (mr_trial_catalog(wish->trial)->rules[alert->rule].kind == MR_RULE_CORRELATION)
		wish->hits[alert->rule]++;
}

/* ---- telling ---- */

struct row {
	uint32_t rule;
	struct engine_cost cost;
	uint64_t hits;
};

static double sum_of(const struct row *row)
{
	return row->cost.own_ns + row->cost.share_ns;
}

static int dearest_first(const void *left, const void *right)
{
	const struct row *a = left;
	const struct row *b = right;
	if (sum_of(a) != sum_of(b))
		return sum_of(a) > sum_of(b) ? -1 : 1;
	if (a->hits != b->hits)
		return a->hits > b->hits ? -1 : 1;
	return a->rule < b->rule ? -1 : 1;
}

static struct row correlation_row(const struct profiling *wish, uint32_t rule)
{
	const struct mr_cost *cost = &wish->costs.rules[rule];
	double records = wish->records > 0 ? (double)wish->records : 1;
	bool alerts = mr_trial_catalog(wish->trial)->rules[rule].alerts;
	return (struct row){
	    .rule = rule,
	    .cost = {.own_ns = (double)cost->ns / records, .tried = (double)cost->times / records},
	    .hits = alerts ? wish->hits[rule] : cost->passed,
	};
}

/* One for each rule, dearest first; what correlations cost is added to `whole`. */
static struct row *make_rows(const struct profiling *wish, const struct engine_cost *costs,
			     double *whole)
{
	const struct mr_catalog *catalog = mr_trial_catalog(wish->trial);
	struct row *rows = mr_calloc(catalog->count + 1u, sizeof *rows);
	for (uint32_t i = 0; i < catalog->count; i++) {
		bool detection = catalog->rules[i].kind == MR_RULE_DETECTION;
		rows[i] =
		    detection ? (struct row){i, costs[i], wish->hits[i]} : correlation_row(wish, i);
		*whole += detection ? 0 : rows[i].cost.own_ns;
	}
	if (catalog->count > 1)
		qsort(rows, catalog->count, sizeof *rows, dearest_first);
	return rows;
}

static void put_text(const struct profiling *wish, const struct row *rows, double whole,
		     double unparted, struct mr_buf *out)
{
	const struct mr_catalog *catalog = mr_trial_catalog(wish->trial);
	uint32_t count = catalog->count;
	mr_buf_printf(
	    out,
	    "%llu records, %llu not parsed; %u detections and %u correlations cost %.0f ns "
	    "a record, %.0f of them no rule's\n",
	    (unsigned long long)wish->records, (unsigned long long)wish->rejected,
	    catalog->detections, catalog->correlations, whole, unparted);
	mr_buf_printf(out, "%7s %9s %9s %7s %10s  %s\n", "cost", "own ns", "share ns", "tried",
		      "hits", "rule");
	for (uint32_t i = 0; i < count && i < wish->top; i++) {
		const struct row *row = &rows[i];
		size_t from = out->len;
		mr_buf_printf(out, "%6.1f%% %9.1f %9.1f %6.1f%% %10llu  " MR_RULE_NAMED,
			      whole > 0 ? 100 * sum_of(row) / whole : 0, row->cost.own_ns,
			      row->cost.share_ns, 100 * row->cost.tried,
			      (unsigned long long)row->hits,
			      MR_RULE_NAMES(&catalog->rules[row->rule]));
		mr_buf_show(out, from);
		mr_buf_add_text(out, "\n");
	}
	if (count > wish->top)
		mr_buf_printf(out, "… and %lld more (--top N)\n", (long long)(count - wish->top));
}

static void put_json(const struct profiling *wish, const struct row *rows, double whole,
		     double unparted, struct mr_buf *out)
{
	const struct mr_catalog *catalog = mr_trial_catalog(wish->trial);
	mr_buf_printf(out,
		      "{\"records\": %llu, \"not_parsed\": %llu, \"ns_per_record\": %.3f, "
		      "\"unparted_ns\": %.3f, \"rules\": [",
		      (unsigned long long)wish->records, (unsigned long long)wish->rejected, whole,
		      unparted);
	for (uint32_t i = 0; i < catalog->count; i++) {
		const struct row *row = &rows[i];
		const struct mr_rule *rule = &catalog->rules[row->rule];
		mr_buf_add_text(out, i == 0 ? "{\"id\": " : ", {\"id\": ");
		mr_json_put_string(out, rule->id);
		mr_buf_add_text(out, ", \"title\": ");
		mr_json_put_string(out, rule->title);
		mr_buf_add_text(out, ", \"file\": ");
		mr_json_put_string(out, rule->file);
		mr_buf_printf(out, ", \"kind\": \"%.*s\"", SIGMA_SHOW(rules_kind(rule)));
		mr_buf_printf(out,
			      ", \"line\": %u, \"own_ns\": %.3f, \"share_ns\": %.3f, \"tried\": "
			      "%.6f, \"hits\": %llu}",
			      rule->line, row->cost.own_ns, row->cost.share_ns, row->cost.tried,
			      (unsigned long long)row->hits);
	}
	mr_buf_add_text(out, "]}\n");
}

static bool report(const struct profiling *wish)
{
	const struct profiler *profiler = mr_trial_judge(wish->trial);
	const struct mr_catalog *catalog = mr_trial_catalog(wish->trial);
	struct engine_cost *costs = mr_calloc(catalog->count + 1u, sizeof *costs);
	struct mr_buf out = {0};
	double unparted;
	double whole = engine_profile_read(profiler->profile, costs, &unparted);
	struct row *rows = make_rows(wish, costs, &whole);
	if (wish->json)
		put_json(wish, rows, whole, unparted, &out);
	else
		put_text(wish, rows, whole, unparted, &out);
	bool written = rules_write(&out);
	free(rows);
	free(costs);
	mr_buf_fini(&out);
	return written;
}

/* ---- the command ---- */

static enum mr_err profile(struct profiling *wish, struct mr_config *config, uint64_t *unread,
			   struct mr_error *error)
{
	const struct mr_trial_taker taker = {
	    .context = wish, .alert = take_alert, .reject = take_reject, .costs = &wish->costs};
	rules_hush(&wish->refusals);
	enum mr_err err = mr_trial_prepare(config, &wish->trial, error);
	if (err != MR_OK)
		return err;
	uint32_t rules = mr_trial_catalog(wish->trial)->count;
	wish->hits = mr_calloc(rules + 1u, sizeof *wish->hits);
	mr_costs_init(&wish->costs, rules);
	err = mr_trial_open(wish->trial, &profiler_stage, &taker, error);
	if (err == MR_OK) {
		struct profiler *profiler = mr_trial_judge(wish->trial);
		profiler->wish = wish;
		err = mr_trial_begin(wish->trial, error);
	}
	if (err == MR_OK)
		err = mr_trial_inputs(wish->trial, unread, error);
	return err == MR_OK ? mr_trial_end(wish->trial, error) : err;
}

static int profile_main(int argc, char **argv)
{
	struct profiling wish = {.top = TOP};
	struct mr_config config = {0};
	struct mr_error error = {0};
	uint64_t unread = 0;
	int status = rules_take_options(&manual, argc, argv, &config, &wish.json, &wish.top);
	for (int i = optind; status < 0 && i < argc; i++)
		mr_config_add(&config, "input", argv[i]);
	if (status < 0) {
		enum mr_err err = profile(&wish, &config, &unread, &error);
		if (err != MR_OK)
			rules_failed("profile", &wish.refusals, &error);
		if (err == MR_OK)
			status = report(&wish) && unread == 0 ? 0 : 1;
		else
			status = mr_err_class(err) == MR_CLASS_USAGE ? 2 : 1;
	}
	mr_trial_free(wish.trial);
	mr_costs_fini(&wish.costs);
	mr_buf_fini(&wish.refusals);
	free(wish.hits);
	mr_config_fini(&config);
	return status;
}

const struct mr_command rules_command_profile = {
    .name = "profile",
    .summary = "what each costs and finds in real records, dearest first",
    .main = profile_main,
    .options = profile_options,
};
