/* detect.c - the detect stage: events in, signals out.
 *
 * Called by the pipeline through mr_stage_detect. Prepare loads and compiles the rules in the
 * supervisor, into the tables "detect.image" (the engine's), "detect.places", "detect.logsources"
 * and "catalog" (everybody's). Fails only in prepare and open; an event can't make it fail. */
#include "detect.h"

#include <stdlib.h>

#include "engine.h"
#include "millrace/own_file.h"
#include "millrace/poison.h"
#include "sigma.h"
#include "sigma_file.h"

/* ---- in the supervisor ---- */

#define SAID_OF_EACH 3 /* warnings of one finding; of the others their count */

static void say(enum mr_log_level level, enum mr_event_name event, const char *what,
		const struct sigma_note *note)
{
	mr_log_event(level, event, "%.*s:%u:%u: %s%.*s [%s]", (int)note->file.len, note->file.at,
		     note->line, note->column, what, (int)note->reason.len, note->reason.at,
		     sigma_lint_name(note->lint));
}

/* A public collection has thousands that are one warning: nothing feeds them. */
static void say_warnings(const struct sigma_notes *notes)
{
	uint32_t counts[SIGMA_LINT_COUNT] = {0};
	for (uint32_t i = 0; i < notes->count; i++)
		say(counts[notes->items[i].lint]++ < SAID_OF_EACH ? MR_LOG_WARNING : MR_LOG_DEBUG,
		    MR_EVENT_RULE_WARNED, "", &notes->items[i]);
	for (int lint = 0; lint < SIGMA_LINT_COUNT; lint++) {
		if (counts[lint] > SAID_OF_EACH)
			mr_log_event(MR_LOG_WARNING, MR_EVENT_RULE_WARNED,
				     "and %u more [%s]: %s (millrace rules check says each)",
				     counts[lint] - SAID_OF_EACH,
				     sigma_lint_name((enum sigma_lint)lint),
				     sigma_lint_prose((enum sigma_lint)lint));
	}
}

static enum mr_err share(const struct mr_prepare *prepare, struct sigma_set *set,
			 const struct mr_declared *declared, struct mr_error *error)
{
	struct mr_buf bytes = {0};
	enum engine_search search = engine_scan_is_sound() ? ENGINE_AT_ONCE : ENGINE_ONE_BY_ONE;
	if (search == ENGINE_ONE_BY_ONE)
		mr_log(
		    MR_LOG_INFO,
		    "libhs %s overlooks texts that are there: rules' regular expressions are tried "
		    "one by one, which costs more time (Hyperscan finds them: libhyperscan5)",
		    engine_scan_version());
	enum mr_err err = engine_compile(set, search, prepare->fields, &bytes, error);
	if (err == MR_OK)
		err = mr_tables_add_bytes(prepare->tables, "detect.image",
					  (struct mr_slice){bytes.data, bytes.len}, error);
	bytes.len = 0;
	if (err == MR_OK) {
		detect_places_encode(set, &bytes);
		err = mr_tables_add_bytes(prepare->tables, "detect.places",
					  (struct mr_slice){bytes.data, bytes.len}, error);
	}
	bytes.len = 0;
	if (err == MR_OK) {
		detect_logsources_encode(declared, &bytes);
		err = mr_tables_add_bytes(prepare->tables, "detect.logsources",
					  (struct mr_slice){bytes.data, bytes.len}, error);
	}
	bytes.len = 0;
	if (err == MR_OK) {
		mr_catalog_encode(&set->catalog, &bytes);
		err = mr_tables_add_bytes(prepare->tables, "catalog",
					  (struct mr_slice){bytes.data, bytes.len}, error);
	}
	mr_buf_fini(&bytes);
	return err;
}

/* For who tries rules: each is to be seen, also one that only others look at. */
static void let_alert(struct mr_catalog *catalog)
{
	for (uint32_t i = 0; i < catalog->count; i++)
		catalog->rules[i].alerts = true;
}

/* Of a folder its rule files alone count: results may go into it. */
static enum mr_err check_own(const struct mr_config *config, const char *const *rules, size_t count,
			     const char *placeholders, struct mr_error *error)
{
	struct sigma_files files = {0};
	enum mr_err err = MR_OK;
	if (placeholders != NULL)
		err = mr_own_files_check(config, &placeholders, 1, error);
	for (size_t i = 0; i < count && err == MR_OK; i++)
		err = sigma_files_find(&files, rules[i], error);
	if (err == MR_OK)
		err = mr_own_files_check(config, (const char *const *)files.items, files.count,
					 error);
	sigma_files_fini(&files);
	return err;
}

/* What each signal to a correlation says is there without completing the event. */
static void ask_for_signals(const struct mr_prepare *prepare, const struct mr_catalog *catalog)
{
	bool correlates = false;
	for (uint32_t i = 0; i < catalog->count; i++)
		correlates |= catalog->rules[i].kind == MR_RULE_CORRELATION;
	for (int id = 1; id < MR_F_NORMALISED_END && correlates; id++)
		if (mr_field_in_signal((mr_field)id))
			mr_fields_ask(prepare->fields, (mr_field)id);
}

static enum mr_err use(const struct mr_prepare *prepare, struct sigma_set *set,
		       const struct mr_declared *declared, struct mr_error *error)
{
	for (uint32_t i = 0; i < set->refused.count; i++)
		say(MR_LOG_WARNING, MR_EVENT_RULE_REFUSED, "refused: ", &set->refused.items[i]);
	say_warnings(&set->warnings);
	detect_say_needs(prepare, set);
	if (set->refused.count > 0 && mr_config_flag(prepare->config, "strict")) {
		const struct sigma_note *note = &set->refused.items[0];
		return mr_error_set(error, MR_CONFIG,
				    "strict: %u rules were refused, the first at %.*s:%u:%u: %.*s",
				    set->refused.count, (int)note->file.len, note->file.at,
				    note->line, note->column, (int)note->reason.len,
				    note->reason.at);
	}
	if (set->catalog.count == set->catalog.inactive)
		return mr_error_set(error, MR_CONFIG, "no usable rule is left%s",
				    set->catalog.inactive > 0
					? ": all are inactive, for want of a placeholder's values "
					  "(--placeholders FILE)"
					: "");
	ask_for_signals(prepare, &set->catalog);
	bool trial = mr_config_flag(prepare->config, "trial");
	if (trial)
		let_alert(&set->catalog);
	enum mr_err err =
	    trial ? MR_OK : detect_logsources_check(prepare->config, declared, set, error);
	return err == MR_OK ? share(prepare, set, declared, error) : err;
}

static enum mr_err prepare_stage(const struct mr_prepare *prepare, struct mr_error *error)
{
	const struct mr_config *config = prepare->config;
	size_t count = mr_config_count(config, "rules");
	const char **paths = mr_calloc(count, sizeof *paths);
	for (size_t i = 0; i < count; i++)
		paths[i] = mr_config_get(config, "rules", i);
	const char *placeholders = mr_config_get(config, "placeholders", 0);
	struct sigma_set set = {0};
	struct mr_declared declared = {0};
	enum mr_err err = check_own(config, paths, count, placeholders, error);
	if (err == MR_OK)
		err = mr_declared_read(config, &declared, error);
	if (err == MR_OK)
		err = sigma_load_with(
		    paths, count,
		    &(struct sigma_wishes){.placeholders = placeholders, .declared = &declared},
		    prepare->fields, &set, error);
	free(paths);
	if (err == MR_OK)
		err = use(prepare, &set, &declared, error);
	sigma_set_fini(&set);
	mr_declared_fini(&declared);
	return err;
}

/* ---- in a worker ---- */

static void close_stage(void *state)
{
	struct detect *detect = state;
	engine_close(detect->engine);
	mr_catalog_fini(&detect->catalog);
	mr_arena_fini(&detect->arena);
	detect_signals_fini(&detect->signals);
}

static enum mr_err open_tables(struct detect *detect, const struct mr_stage_env *env,
			       struct mr_error *error)
{
	struct mr_slice image;
	struct mr_slice places;
	struct mr_slice logsources;
	struct mr_slice catalog;
	struct detect_places decoded = {0};
	enum mr_err err = mr_tables_map(env->tables, "detect.image", &image, error);
	if (err == MR_OK)
		err = mr_tables_map(env->tables, "detect.places", &places, error);
	if (err == MR_OK)
		err = mr_tables_map(env->tables, "detect.logsources", &logsources, error);
	if (err == MR_OK)
		err = mr_tables_map(env->tables, "catalog", &catalog, error);
	if (err == MR_OK)
		err = mr_catalog_decode(catalog, &detect->catalog, error);
	if (err == MR_OK)
		err = detect_places_decode(places, env->fields, &detect->arena, &decoded, error);
	if (err == MR_OK)
		err = detect_logsources_decode(logsources, env->config, &detect->arena,
					       &detect->logsources, error);
	if (err == MR_OK)
		err = engine_open(image, env->fields, &detect->engine, error);
	if (err == MR_OK)
		detect->signals.consumers =
		    detect_consumers_find(&detect->catalog, &decoded, env, &detect->arena);
	return err;
}

static enum mr_err open_stage(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct detect *detect = state;
	enum mr_err err = open_tables(detect, env, error);
	if (err != MR_OK) {
		mr_catalog_fini(&detect->catalog);
		mr_arena_fini(&detect->arena);
		return err;
	}
	detect->signals.catalog = &detect->catalog;
	detect->signals.counters = env->counters;
	detect->signals.tally = env->tally;
	memcpy(detect->signals.seed, env->seed, sizeof detect->signals.seed);
	return MR_OK;
}

size_t detect_match(struct detect *detect, const struct mr_events *events, struct mr_event *event,
		    const uint32_t **rules_out)
{
	event->logsource = detect_logsource_of(&detect->logsources, event->origin.source);
	return engine_match(detect->engine, events, event, rules_out);
}

size_t detect_judge(struct detect *detect, struct mr_events *events, struct mr_event *event,
		    struct mr_writer *out, const uint32_t **rules_out)
{
	MR_POISON("detect", event->raw);
	size_t count = detect_match(detect, events, event, rules_out);
	if (count == 0)
		return 0;
	detect_signals_begin(&detect->signals, *rules_out, count);
	if (detect_signals_complete(&detect->signals))
		mr_event_complete(events, event);
	else
		mr_event_identify(events, event);
	mr_count(detect->signals.counters, MR_C_MATCHES, count);
	mr_count_of(detect->signals.counters, event->origin.source, MR_B_MATCHED, 1);
	for (size_t i = 0; i < count; i++)
		detect_signals_emit(&detect->signals, events, event, (*rules_out)[i], out);
	return count;
}

/* A match may have been missed: each test is named once, however often it is given up. */
static void say_given_up(struct detect *detect)
{
	uint32_t index;
	struct mr_slice regex;
	while (engine_given_up(detect->engine, &index, &regex)) {
		const struct mr_rule *rule = &detect->catalog.rules[index];
		if (regex.at != NULL)
			mr_log_event(MR_LOG_WARNING, MR_EVENT_RULE_WARNED,
				     MR_RULE_NAMED
				     ": a record takes its regular expression \"%.*s\" past "
				     "PCRE2's limit; what it cannot decide counts as no "
				     "match, and a \"not\" before it holds",
				     MR_RULE_NAMES(rule), SIGMA_SHOW(regex));
		else
			mr_log_event(MR_LOG_WARNING, MR_EVENT_RULE_WARNED,
				     MR_RULE_NAMED
				     ": a record takes a fieldref of it past the limit on "
				     "comparing; what it cannot decide counts as no match, "
				     "and a \"not\" before it holds",
				     MR_RULE_NAMES(rule));
	}
}

static enum mr_err process(void *state, struct mr_reader *in, struct mr_writer *out,
			   struct mr_error *error)
{
	(void)error;
	struct detect *detect = state;
	struct mr_events *events = mr_reader_events(in);
	const uint32_t *rules;
	if (events == NULL)
		return MR_OK;
	for (; detect->next < events->count; detect->next++) {
		if (!mr_writer_ready(out))
			return MR_FULL;
		detect_judge(detect, events, &events->items[detect->next], out, &rules);
	}
	mr_count(detect->signals.counters, MR_C_MATCH_LIMIT, engine_limits(detect->engine));
	say_given_up(detect);
	detect->next = 0;
	mr_reader_advance(in);
	return MR_OK;
}

const struct mr_stage_ops mr_stage_detect = {
    .name = "detect",
    .state_size = sizeof(struct detect),
    .reads = MR_CONTENT_EVENTS,
    .prepare = prepare_stage,
    .open = open_stage,
    .process = process,
    .close = close_stage,
};
