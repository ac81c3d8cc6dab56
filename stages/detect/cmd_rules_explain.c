/* cmd_rules_explain.c - `millrace rules explain`: why a rule matches a record, or does not.
 *
 * The record goes through parse and enrich in this process (millrace/trial.h). In detect's place
 * stands who explains; it asks the run's own engine for the verdict, too, and says so where the
 * tree would say another. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd_rules.h"
#include "millrace/trial.h"
#include "rule_explain.h"
#include "sigma_file.h"

static const char explain_usage[] =
    "usage: millrace rules explain [OPTIONS] RULE RECORD\n"
    "\n"
    "Says why a rule matches a record, or does not: its condition as a tree, and what each test\n"
    "of it saw. RULE is a rule's file, or the id, name or title of one of --rules; of a\n"
    "correlation the rules that it is over are explained. RECORD is a file with one, - for\n"
    "standard input, or the record itself, which begins with {.\n"
    "\n";
static const char explain_status[] =
    "\n"
    "Exit status: 0 the rule matches, 1 it does not, 2 the rule or the record can't be read.\n";

static const struct mr_option explain_options[] =
    RULES_TRIAL_OPTIONS("as one JSON object", "line", "the record is the N-th line of its file");
static const struct rules_manual manual = {
    .command = "explain",
    .usage = explain_usage,
    .status = explain_status,
    .options = explain_options,
    .least = 2,
    .most = 2,
};

struct explaining {
	bool json, colours;
	const char *called; /* the rule */
	bool is_file;       /* it is called by its file */
	const char *record; /* as given */
	int64_t line;       /* 0: the whole file is one */
	struct mr_trial *trial;
	struct sigma_set set; /* with labels */
	struct mr_arena arena;
	struct mr_buf out, refusals;
	bool *done;            /* by catalog index: it was explained */
	bool matches;          /* one does */
	uint32_t count;        /* explained */
	struct mr_error error; /* of the stage */
};

/* ---- in detect's place ---- */

struct explainer {
	struct detect detect;
	struct explaining *wish;
	const uint32_t *matches; /* of the record */
	size_t match_count;
};

static enum mr_err explainer_open(void *state, const struct mr_stage_env *env,
				  struct mr_error *error)
{
	struct explainer *explainer = state;
	return mr_stage_detect.open(&explainer->detect, env, error);
}

static void explainer_close(void *state)
{
	struct explainer *explainer = state;
	mr_stage_detect.close(&explainer->detect);
}

static bool is_matched(const struct explainer *explainer, uint32_t rule)
{
	for (size_t i = 0; i < explainer->match_count; i++) {
		if (explainer->matches[i] == rule)
			return true;
	}
	return false;
}

static void put_again(struct explaining *wish, const struct mr_rule *rule)
{
	size_t from = wish->out.len;
	if (wish->json) {
		mr_buf_add_text(&wish->out, "{\"above\": true, \"id\": ");
		mr_json_put_string(&wish->out, rule->id);
		mr_buf_add_text(&wish->out, "}");
		return;
	}
	mr_buf_printf(&wish->out, MR_RULE_NAMED ", as above", MR_RULE_NAMES(rule));
	mr_buf_show(&wish->out, from);
	mr_buf_add_text(&wish->out, "\n");
}

static enum mr_err explain_detection(struct explainer *explainer, const struct mr_events *events,
				     const struct mr_event *event, uint32_t rule,
				     struct mr_error *error)
{
	struct explaining *wish = explainer->wish;
	struct explained explained;
	enum mr_err err =
	    rule_explain(&wish->set, rule, events, event, mr_trial_fields(wish->trial),
			 &wish->arena, &explained, error);
	if (err != MR_OK)
		return err;
	bool matches = is_matched(explainer, rule);
	if (matches != explained_holds(&explained))
		return mr_error_set(error, MR_UNSUPPORTED,
				    MR_RULE_NAMED " %s the record, but the tree says otherwise: "
						  "a fault of this program",
				    MR_RULE_NAMES(explained.rule),
				    matches ? "matches" : "does not match");
	wish->matches |= matches;
	if (wish->json)
		rule_tree_json(&explained, &wish->out);
	else
		rule_tree_text(&explained, wish->colours, &wish->out);
	return MR_OK;
}

/* What the record gives a correlation to group by, through one of its rules. */
static void put_groups(struct explainer *explainer, const struct mr_events *events,
		       const struct mr_event *event, const struct mr_rule *over, uint32_t position)
{
	struct explaining *wish = explainer->wish;
	const struct detect_places places = {wish->set.places, wish->set.place_count};
	const mr_field *fields = mr_rule_group_fields(over, position);
	for (uint32_t i = 0; i < over->group_by.count; i++) {
		struct detect_field field =
		    detect_field_of(&places, over->rules[position], fields[i]);
		mr_field found = detect_field_find(events, event, &field);
		struct mr_slice name = over->group_by.items[i];
		struct mr_slice saw = {"", 0};
		if (found != 0)
			saw = rule_values(events, mr_event_get(events, event, found), &wish->arena,
					  NULL);
		if (wish->json) {
			mr_buf_add_text(&wish->out, i == 0 ? "" : ", ");
			mr_json_put_string(&wish->out, name);
			mr_buf_add_text(&wish->out, ": ");
			mr_json_put_string(&wish->out, saw);
			continue;
		}
		size_t from = wish->out.len;
		mr_buf_printf(&wish->out, "     group-by %.*s: %.*s", (int)name.len, name.at,
			      saw.len == 0 ? 19 : (int)saw.len,
			      saw.len == 0 ? "the record has none" : saw.at);
		mr_buf_show(&wish->out, from);
		mr_buf_add_text(&wish->out, "\n");
	}
}

static enum mr_err explain_rule(struct explainer *explainer, const struct mr_events *events,
				const struct mr_event *event, uint32_t index,
				struct mr_error *error);

static enum mr_err explain_correlation(struct explainer *explainer, const struct mr_events *events,
				       const struct mr_event *event, const struct mr_rule *rule,
				       struct mr_error *error)
{
	struct explaining *wish = explainer->wish;
	struct mr_slice type = mr_correlation_name(rule->type);
	enum mr_err err = MR_OK;
	if (wish->json) {
		mr_buf_add_text(&wish->out, "{\"id\": ");
		mr_json_put_string(&wish->out, rule->id);
		mr_buf_printf(&wish->out, ", \"type\": \"%.*s\", \"rules\": [", (int)type.len,
			      type.at);
	} else {
		size_t from = wish->out.len;
		mr_buf_printf(&wish->out,
			      MR_RULE_NAMED " is of type %.*s, over:", MR_RULE_NAMES(rule),
			      (int)type.len, type.at);
		mr_buf_show(&wish->out, from);
		mr_buf_add_text(&wish->out, "\n");
	}
	for (uint32_t i = 0; i < rule->rule_count && err == MR_OK; i++) {
		if (wish->json)
			mr_buf_printf(&wish->out, "%s{\"group_by\": {", i == 0 ? "" : ", ");
		bool detection = wish->set.catalog.rules[rule->rules[i]].kind == MR_RULE_DETECTION;
		if (wish->json && detection)
			put_groups(explainer, events, event, rule, i);
		if (wish->json)
			mr_buf_add_text(&wish->out, "}, \"rule\": ");
		err = explain_rule(explainer, events, event, rule->rules[i], error);
		if (!wish->json && detection)
			put_groups(explainer, events, event, rule, i);
		if (wish->json)
			mr_buf_add_text(&wish->out, "}");
	}
	if (wish->json)
		mr_buf_add_text(&wish->out, "]}");
	return err;
}

static enum mr_err explain_rule(struct explainer *explainer, const struct mr_events *events,
				const struct mr_event *event, uint32_t index,
				struct mr_error *error)
{
	struct explaining *wish = explainer->wish;
	const struct mr_rule *rule = &wish->set.catalog.rules[index];
	if (wish->done[index]) {
		put_again(wish, rule);
		return MR_OK;
	}
	wish->done[index] = true;
	return rule->kind == MR_RULE_DETECTION
		   ? explain_detection(explainer, events, event, index, error)
		   : explain_correlation(explainer, events, event, rule, error);
}

static bool is_called(const struct explaining *wish, const struct mr_rule *rule)
{
	struct mr_slice called = mr_slice(wish->called);
	if (wish->is_file)
		return mr_slice_eq(rule->file, called);
	return mr_slice_eq(rule->id, called) || mr_slice_eq(rule->name, called) ||
	       mr_slice_eq(rule->title, called);
}

static enum mr_err explainer_process(void *state, struct mr_reader *in, struct mr_writer *out,
				     struct mr_error *error)
{
	struct explainer *explainer = state;
	struct explaining *wish = explainer->wish;
	struct mr_events *events = mr_reader_events(in);
	enum mr_err err = MR_OK;
	(void)out;
	mr_event_complete(events, events->items);
	explainer->match_count =
	    detect_match(&explainer->detect, events, events->items, &explainer->matches);
	for (uint32_t i = 0; i < wish->set.catalog.count && err == MR_OK; i++) {
		if (!is_called(wish, &wish->set.catalog.rules[i]))
			continue;
		if (wish->json && wish->count > 0)
			mr_buf_add_text(&wish->out, ", ");
		wish->count++;
		err = explain_rule(explainer, events, events->items, i, error);
	}
	mr_reader_advance(in);
	return err;
}

static const struct mr_stage_ops explainer_stage = {
    .name = "detect",
    .state_size = sizeof(struct explainer),
    .reads = MR_CONTENT_EVENTS,
    .open = explainer_open,
    .process = explainer_process,
    .close = explainer_close,
};

static const char *if_lines(const struct explaining *wish)
{
	return wish->line == 0 ? " (several records, one on a line? --line N chooses one)" : "";
}

static void take_reject(void *context, const struct mr_reject *reject)
{
	struct explaining *wish = context;
	mr_error_set(&wish->error, MR_BAD_INPUT, "the record cannot be parsed: %.*s%s",
		     (int)reject->reason.len, reject->reason.at, if_lines(wish));
}

/* ---- rule and record ---- */

/* The n-th line; false where there are fewer. */
static bool cut_line(struct mr_slice *bytes, int64_t line)
{
	for (; line > 1; line--) {
		const char *end = memchr(bytes->at, '\n', bytes->len);
		if (end == NULL)
			return false;
		bytes->len -= (size_t)(end + 1 - bytes->at);
		bytes->at = end + 1;
	}
	const char *end = memchr(bytes->at, '\n', bytes->len);
	if (end != NULL)
		bytes->len = (size_t)(end - bytes->at);
	return true;
}

/* Into `room`, but for one that is given as it is. */
static enum mr_err read_record(const struct explaining *wish, struct mr_buf *room,
			       struct mr_slice *out, struct mr_error *error)
{
	const size_t most = (size_t)64 << 20; /* a file of lines may be long */
	const char *path = strcmp(wish->record, "-") == 0 ? "/dev/stdin" : wish->record;
	*out = mr_slice(wish->record);
	if (wish->record[0] == '{')
		return MR_OK;
	enum mr_err err = sigma_file_read(path, most, room, error);
	if (err != MR_OK)
		return err;
	*out = (struct mr_slice){room->len == 0 ? "" : room->data, room->len};
	if (wish->line > 0 && !cut_line(out, wish->line))
		return mr_error_set(error, MR_BAD_INPUT, "%s: there is no line %lld", wish->record,
				    (long long)wish->line);
	*out = mr_trim(*out);
	return MR_OK;
}

static const struct mr_rule *first_called(const struct explaining *wish)
{
	const struct mr_catalog *catalog = &wish->set.catalog;
	for (uint32_t i = 0; i < catalog->count; i++) {
		if (is_called(wish, &catalog->rules[i]))
			return &catalog->rules[i];
	}
	return NULL;
}

/* Why none is called so: it was refused, perhaps. */
static enum mr_err not_there(const struct explaining *wish, struct mr_error *error)
{
	struct mr_slice called = mr_slice(wish->called);
	for (uint32_t i = 0; i < wish->set.refused.count; i++) {
		const struct sigma_note *note = &wish->set.refused.items[i];
		if (mr_slice_eq(wish->is_file ? note->file : note->id, called))
			return mr_error_set(error, MR_CONFIG, "%.*s:%u:%u: refused: %.*s",
					    (int)note->file.len, note->file.at, note->line,
					    note->column, (int)note->reason.len, note->reason.at);
	}
	return mr_error_set(error, MR_CONFIG,
			    wish->is_file ? "%s: no rule is there"
					  : "\"%s\" is no file, and no rule's id, name or title",
			    wish->called);
}

static enum mr_err explain(struct explaining *wish, struct mr_config *config,
			   struct mr_error *error)
{
	const struct mr_trial_taker taker = {.context = wish, .reject = take_reject};
	struct mr_slice record;
	struct mr_buf room = {0};
	rules_hush(&wish->refusals);
	enum mr_err err = read_record(wish, &room, &record, error);
	if (err == MR_OK)
		err = mr_trial_prepare(config, &wish->trial, error);
	if (err == MR_OK)
		err = rules_load_settings(mr_trial_config(wish->trial),
					  (struct sigma_wishes){.labelled = true},
					  mr_trial_fields(wish->trial), &wish->set, error);
	if (err == MR_OK && first_called(wish) == NULL)
		err = not_there(wish, error);
	if (err == MR_OK && record.len > MR_ITEM_RECORD_MAX)
		err = mr_error_set(error, MR_BAD_INPUT,
				   "a record of %zu bytes; %zu are possible here%s", record.len,
				   (size_t)MR_ITEM_RECORD_MAX, if_lines(wish));
	wish->done = mr_calloc(wish->set.catalog.count + 1u, sizeof *wish->done);
	if (err == MR_OK && first_called(wish)->inactive)
		err = mr_error_set(error, MR_CONFIG,
				   "the rule is inactive: a placeholder has no value "
				   "(--placeholders)");
	if (err == MR_OK)
		err = mr_trial_open(wish->trial, &explainer_stage, &taker, error);
	if (err == MR_OK) {
		struct explainer *explainer = mr_trial_judge(wish->trial);
		explainer->wish = wish;
		err = mr_trial_record(wish->trial, 0, record, error);
	}
	if (err == MR_OK && wish->error.code != MR_OK) {
		*error = wish->error;
		err = wish->error.code;
	}
	mr_buf_fini(&room);
	return err;
}

/* ---- the command ---- */

static bool wants_colours(void)
{
	const char *none = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");
	return isatty(STDOUT_FILENO) && (none == NULL || none[0] == '\0') && terminal != NULL &&
	       strcmp(terminal, "dumb") != 0;
}

static int report(struct explaining *wish)
{
	struct mr_buf whole = {0};
	if (wish->json)
		mr_buf_printf(&whole, "{\"matches\": %s, \"rules\": [",
			      wish->matches ? "true" : "false");
	mr_buf_add(&whole, wish->out.data, wish->out.len);
	mr_buf_add_text(&whole, wish->json ? "]}\n" : "");
	bool written = rules_write(&whole);
	mr_buf_fini(&whole);
	return written && wish->matches ? 0 : 1;
}

/* The operands. */
static void take_operands(struct explaining *wish, struct mr_config *config, char **operands)
{
	wish->called = operands[0];
	wish->record = operands[1];
	wish->is_file = access(wish->called, F_OK) == 0;
	if (wish->is_file)
		mr_config_add(config, "rules", wish->called);
	mr_config_add(config, "trial", "true");
	wish->colours = wants_colours();
}

static int explain_main(int argc, char **argv)
{
	struct explaining wish = {0};
	struct mr_config config = {0};
	struct mr_error error = {0};
	int status = rules_take_options(&manual, argc, argv, &config, &wish.json, &wish.line);
	if (status < 0) {
		take_operands(&wish, &config, argv + optind);
		status = 2;
		if (explain(&wish, &config, &error) == MR_OK)
			status = report(&wish);
		else
			rules_failed("explain", &wish.refusals, &error);
	}
	mr_trial_free(wish.trial);
	sigma_set_fini(&wish.set);
	mr_arena_fini(&wish.arena);
	mr_buf_fini(&wish.out);
	mr_buf_fini(&wish.refusals);
	free(wish.done);
	mr_config_fini(&config);
	return status;
}

const struct mr_command rules_command_explain = {
    .name = "explain",
    .summary = "why a rule matches a record, or does not",
    .main = explain_main,
    .options = explain_options,
};
