/* cmd_rules_list.c - `millrace rules list`: the rules that are there, and which of them work on
 * records of one logsource, or on those of a file.
 *
 * Records go through collect, parse and enrich in this process (millrace/trial.h). In detect's
 * place stands who only looks which fields they have. */
#include <getopt.h>
#include <stdlib.h>

#include "cmd_rules.h"
#include "millrace/trial.h"
#include "rule_use.h"

#define FIELDS_SHOWN 10

static const char list_usage[] =
    "usage: millrace rules list [OPTIONS] FILE|DIR...\n"
    "\n"
    "Names the rules that are not refused: id, level, kind, title and file, and says on standard\n"
    "error which are refused. One that a correlation names is \"base only\", without alerts of\n"
    "its own, unless one says `generate: true`. At the line's end stands which filters a rule\n"
    "has. Behind the rules come the filters, and how many rules have each.\n"
    "\n"
    "With --logsource or --records those that see such records, and before all else how they do:\n"
    "direct, their fields as they stand; mapped, some looked for where these records have them;\n"
    "never; inactive, for want of a placeholder's value. Behind all else stands why none of the\n"
    "records satisfies a rule, which of its fields are mapped and, with --records, which it "
    "lacks,\n"
    "since none has them.\n"
    "\n";
static const char list_status[] =
    "\nExit status: 0 nothing was refused, 1 something was, or an input could not be read whole, "
    "2 the\noptions or the files they name are wrong.\n";

enum { JSON, LOGSOURCE, RECORDS, PLACEHOLDERS, HELP };
static const struct mr_option list_options[] = {
    [JSON] = {"json", 0, NULL, "as one JSON array, with all rules, and their filters by their ids"},
    [LOGSOURCE] =
	{"logsource", 0, "product=P,category=C,service=S",
	 "say of each rule whether it works on such records: of m365 and azure those that "
	 "are told by their content, else those whose source says it"},
    [RECORDS] = {"records", 0, "FILE|DIR|-", "say it of these records, and what they lack, often"},
    [PLACEHOLDERS] = MR_OPTION_SETTING("placeholders"),
    MR_OPTION_HELP,
    {0},
};

struct listing {
	bool json;
	bool asks; /* which rules work */
	const char *logsource;
	struct mr_logsource asked;
	struct mr_trial *trial; /* where there are records */
	struct rule_seen seen;
	uint64_t unread;
	struct mr_fields *own;          /* else */
	const struct mr_fields *fields; /* one or the other's */
	struct sigma_set set;
	struct rule_used *used; /* by catalog index; NULL: nobody asks */
	struct mr_arena arena;
	struct mr_buf out, words, refusals;
};

/* ---- in detect's place ---- */

struct looker {
	struct listing *listing;
};

static enum mr_err look(void *state, struct mr_reader *in, struct mr_writer *out,
			struct mr_error *error)
{
	struct looker *looker = state;
	struct mr_events *events = mr_reader_events(in);
	(void)out;
	(void)error;
	for (uint32_t i = 0; i < events->count; i++) {
		mr_event_complete(events, &events->items[i]);
		rule_seen_add(&looker->listing->seen, &events->items[i]);
	}
	mr_reader_advance(in);
	return MR_OK;
}

static const struct mr_stage_ops looker_stage = {
    .name = "detect",
    .state_size = sizeof(struct looker),
    .reads = MR_CONTENT_EVENTS,
    .process = look,
};

static void take_reject(void *context, const struct mr_reject *reject)
{
	struct listing *listing = context;
	(void)reject;
	listing->seen.rejected++;
}

/* ---- rules and records ---- */

static enum mr_err read_records(struct listing *listing, struct mr_error *error)
{
	const struct mr_trial_taker taker = {.context = listing, .reject = take_reject};
	rule_seen_init(&listing->seen, listing->fields);
	enum mr_err err = mr_trial_open(listing->trial, &looker_stage, &taker, error);
	if (err == MR_OK) {
		struct looker *looker = mr_trial_judge(listing->trial);
		looker->listing = listing;
		err = mr_trial_begin(listing->trial, error);
	}
	if (err == MR_OK)
		err = mr_trial_inputs(listing->trial, &listing->unread, error);
	return err;
}

/* What is told by its content no source has to say. */
static enum mr_err ask(struct listing *listing, struct mr_config *config, struct mr_error *error)
{
	if (listing->logsource == NULL)
		return MR_OK;
	enum mr_err err = mr_logsource_read(listing->logsource, &listing->asked, error);
	if (err == MR_OK && !sigma_logsource_is_told(&listing->asked))
		mr_config_add(config, "logsource", listing->logsource);
	return err;
}

static enum mr_err prepare(struct listing *listing, struct mr_config *config,
			   struct mr_error *error)
{
	struct mr_fields *fields = listing->own = mr_fields_new();
	bool reads = mr_config_count(config, "input") > 0;
	const struct sigma_wishes wishes = {.asked =
						listing->logsource == NULL ? NULL : &listing->asked,
					    .labelled = listing->asks,
					    .lints = true};
	rules_hush(&listing->refusals);
	enum mr_err err = ask(listing, config, error);
	if (err == MR_OK && reads) {
		mr_config_add(config, "trial", "true");
		err = mr_trial_prepare(config, &listing->trial, error);
		fields = mr_trial_fields(listing->trial);
		config = NULL;
	}
	listing->fields = fields;
	if (err == MR_OK)
		err = rules_load_settings(reads ? mr_trial_config(listing->trial) : config, wishes,
					  fields, &listing->set, error);
	if (err == MR_OK && reads)
		err = read_records(listing, error);
	if (err == MR_OK && listing->asks)
		listing->used = rule_uses_find(&listing->set, fields, reads ? &listing->seen : NULL,
					       &listing->arena);
	return err;
}

/* ---- telling ---- */

static const char *const levels[] = {"-", "informational", "low", "medium", "high", "critical"};

static void put_names(struct mr_buf *out, const char *what, const struct mr_texts *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		mr_buf_printf(out, "%s%.*s", i == 0 ? what : ", ", (int)names->items[i].len,
			      names->items[i].at);
}

/* What there is to say of it, in one column. */
static void put_why(struct mr_buf *out, const struct rule_used *used)
{
	size_t from = out->len + 1;
	mr_buf_printf(out, "\t%.*s", (int)used->why.len, used->why.at);
	put_names(out, out->len > from ? "; maps " : "maps ", &used->mapped);
	put_names(out, out->len > from ? "; lacks " : "lacks ", &used->lacks);
}

static bool has_rule(const struct mr_rule *filter, uint32_t index)
{
	for (uint32_t i = 0; i < filter->rule_count; i++) {
		if (filter->rules[i] == index)
			return true;
	}
	return false;
}

static void put_filters_of(struct mr_buf *out, const struct mr_catalog *catalog, uint32_t index)
{
	const char *before = "\tfiltered by ";
	for (uint32_t i = 0; i < catalog->filter_count; i++) {
		const struct mr_rule *filter = &catalog->filters[i];
		if (!has_rule(filter, index))
			continue;
		mr_buf_printf(out, "%s\"%.*s\"", before, (int)filter->title.len, filter->title.at);
		before = ", ";
	}
}

/* Where it is asked which rules work, those alone are told. */
static void put_filters(struct listing *listing)
{
	const struct mr_catalog *catalog = &listing->set.catalog;
	for (uint32_t i = 0; i < catalog->filter_count && !listing->asks; i++) {
		const struct mr_rule *filter = &catalog->filters[i];
		mr_buf_printf(&listing->out, "%.*s\t-\tfilter\t%.*s\t%.*s\tof %u rule%s\n",
			      (int)filter->id.len, filter->id.at, (int)filter->title.len,
			      filter->title.at, (int)filter->file.len, filter->file.at,
			      filter->rule_count, filter->rule_count == 1 ? "" : "s");
	}
}

static void put_list(struct listing *listing)
{
	const struct mr_catalog *catalog = &listing->set.catalog;
	struct mr_buf *out = &listing->out;
	for (uint32_t i = 0; i < catalog->count; i++) {
		const struct mr_rule *rule = &catalog->rules[i];
		const struct rule_used *used = listing->used == NULL ? NULL : &listing->used[i];
		struct mr_slice what = rules_kind(rule);
		if (used != NULL && used->use == RULE_USE_OTHER)
			continue;
		if (used != NULL)
			mr_buf_printf(out, "%s\t", rule_use_name(used->use));
		mr_buf_printf(out, "%.*s\t%s\t%.*s%s\t%.*s\t%.*s", (int)rule->id.len, rule->id.at,
			      levels[rule->level], (int)what.len, what.at,
			      rule->inactive ? " (inactive)"
			      : rule->alerts ? ""
					     : " (base only)",
			      (int)rule->title.len, rule->title.at, (int)rule->file.len,
			      rule->file.at);
		if (used != NULL)
			put_why(out, used);
		put_filters_of(out, catalog, i);
		mr_buf_add_text(out, "\n");
	}
	put_filters(listing);
}

static void put_member(struct mr_buf *out, const char *name, struct mr_slice text)
{
	mr_buf_printf(out, ", \"%s\": ", name);
	mr_json_put_string(out, text);
}

static void put_texts(struct mr_buf *out, const char *name, const struct mr_texts *texts)
{
	mr_buf_printf(out, ", \"%s\": [", name);
	for (uint32_t i = 0; i < texts->count; i++) {
		mr_buf_add_text(out, i == 0 ? "" : ", ");
		mr_json_put_string(out, texts->items[i]);
	}
	mr_buf_add_text(out, "]");
}

static void put_begin(struct mr_buf *out, const struct mr_rule *rule)
{
	mr_buf_add_text(out, out->len == 1 ? "{\"id\": " : ", {\"id\": ");
	mr_json_put_string(out, rule->id);
	put_member(out, "name", rule->name);
	put_member(out, "title", rule->title);
	put_member(out, "kind", rules_kind(rule));
	put_member(out, "level", mr_slice(rule->level == MR_LEVEL_NONE ? "" : levels[rule->level]));
	put_member(out, "status", rule->status);
	put_member(out, "file", rule->file);
	mr_buf_printf(out, ", \"line\": %u", rule->line);
}

static void put_id(struct mr_buf *out, bool *more, struct mr_slice id)
{
	mr_buf_add_text(out, *more ? ", " : "");
	mr_json_put_string(out, id);
	*more = true;
}

static void put_filter_ids(struct mr_buf *out, const struct mr_catalog *catalog, uint32_t index)
{
	bool more = false;
	mr_buf_add_text(out, ", \"filters\": [");
	for (uint32_t i = 0; i < catalog->filter_count; i++) {
		if (has_rule(&catalog->filters[i], index))
			put_id(out, &more, catalog->filters[i].id);
	}
	mr_buf_add_text(out, "]");
}

static void put_rule_ids(struct mr_buf *out, const struct mr_catalog *catalog,
			 const struct mr_rule *filter)
{
	bool more = false;
	mr_buf_add_text(out, ", \"rules\": [");
	for (uint32_t i = 0; i < filter->rule_count; i++)
		put_id(out, &more, catalog->rules[filter->rules[i]].id);
	mr_buf_add_text(out, "]");
}

static void put_json(struct listing *listing)
{
	struct mr_buf *out = &listing->out;
	const struct mr_catalog *catalog = &listing->set.catalog;
	mr_buf_add_text(out, "[");
	for (uint32_t i = 0; i < catalog->count; i++) {
		const struct mr_rule *rule = &catalog->rules[i];
		put_begin(out, rule);
		mr_buf_printf(out, ", \"inactive\": %s, \"alerts\": %s",
			      rule->inactive ? "true" : "false", rule->alerts ? "true" : "false");
		put_texts(out, "tags", &rule->tags);
		put_filter_ids(out, catalog, i);
		if (listing->used != NULL) {
			const struct rule_used *used = &listing->used[i];
			put_member(out, "use", mr_slice(rule_use_name(used->use)));
			put_member(out, "why", used->why);
			put_texts(out, "mapped", &used->mapped);
			put_texts(out, "lacks", &used->lacks);
		}
		mr_buf_add_text(out, "}");
	}
	for (uint32_t i = 0; i < catalog->filter_count && !listing->asks; i++) {
		put_begin(out, &catalog->filters[i]);
		put_rule_ids(out, catalog, &catalog->filters[i]);
		mr_buf_add_text(out, "}");
	}
	mr_buf_add_text(out, "]\n");
}

/* ---- apart from the list, which programs read ---- */

static void put_uses(struct listing *listing, struct mr_buf *out)
{
	uint32_t counts[RULE_USE_DIRECT + 1] = {0};
	for (uint32_t i = 0; i < listing->set.catalog.count; i++)
		counts[listing->used[i].use]++;
	mr_buf_printf(out, "%u of %u rules work on ",
		      counts[RULE_USE_DIRECT] + counts[RULE_USE_MAPPED],
		      listing->set.catalog.count);
	mr_buf_printf(out, listing->logsource == NULL ? "these records" : "records of %s",
		      listing->logsource);
	mr_buf_printf(out, ": %u direct, %u mapped; %u never hold there, %u are inactive\n",
		      counts[RULE_USE_DIRECT], counts[RULE_USE_MAPPED], counts[RULE_USE_NEVER],
		      counts[RULE_USE_INACTIVE]);
	const struct sigma_fed *fed = listing->set.declared;
	if (listing->set.declared_count > 0 && (!fed->fed || !fed->named) && fed->meant.len > 0)
		mr_buf_printf(out, "is the logsource %.*s meant?\n", SIGMA_SHOW(fed->meant));
}

static void put_kinds(const struct rule_seen *seen, struct mr_buf *out)
{
	const char *before = ": ";
	mr_buf_printf(out, "%llu records, %llu not parsed", (unsigned long long)seen->records,
		      (unsigned long long)seen->rejected);
	for (uint32_t kind = 0; kind < MR_KIND_COUNT; kind++) {
		struct mr_slice name = mr_record_kind_name((enum mr_record_kind)kind);
		if (seen->kinds[kind] == 0)
			continue;
		mr_buf_printf(out, "%s%llu %.*s", before, (unsigned long long)seen->kinds[kind],
			      (int)name.len, name.at);
		before = ", ";
	}
	mr_buf_add_text(out, "\n");
}

/* A field that no record has, and how many rules ask for it. */
struct lacked {
	struct mr_slice name;
	uint32_t rules;
};

static int by_name(const void *left, const void *right)
{
	const struct lacked *a = left;
	const struct lacked *b = right;
	size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
	int order = memcmp(a->name.at, b->name.at, len);
	return order != 0 ? order : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

static int most_first(const void *left, const void *right)
{
	const struct lacked *a = left;
	const struct lacked *b = right;
	return a->rules != b->rules ? (a->rules < b->rules) - (a->rules > b->rules)
				    : by_name(left, right);
}

/* Sorted, each name once; the caller frees it. */
static struct lacked *find_lacked(const struct listing *listing, size_t *count_out)
{
	size_t all = 0, count = 0;
	for (uint32_t i = 0; i < listing->set.catalog.count; i++)
		all += listing->used[i].lacks.count;
	struct lacked *items = mr_calloc(all + 1, sizeof *items);
	for (uint32_t i = 0; i < listing->set.catalog.count; i++) {
		for (uint32_t f = 0; f < listing->used[i].lacks.count; f++)
			items[count++] = (struct lacked){listing->used[i].lacks.items[f], 1};
	}
	if (count > 1)
		qsort(items, count, sizeof *items, by_name);
	*count_out = 0;
	for (size_t i = 0; i < count; i++) {
		if (*count_out > 0 && by_name(&items[*count_out - 1], &items[i]) == 0)
			items[*count_out - 1].rules++;
		else
			items[(*count_out)++] = items[i];
	}
	if (*count_out > 1)
		qsort(items, *count_out, sizeof *items, most_first);
	return items;
}

static void put_lacked(const struct listing *listing, struct mr_buf *out)
{
	size_t count;
	struct lacked *lacked = find_lacked(listing, &count);
	for (size_t i = 0; i < count && i < FIELDS_SHOWN; i++)
		mr_buf_printf(out, "%s%.*s (%u)",
			      i == 0 ? "fields that no record has, and rules that ask for them: "
				     : ", ",
			      SIGMA_SHOW(lacked[i].name), lacked[i].rules);
	if (count > FIELDS_SHOWN)
		mr_buf_printf(out, " and %zu more", count - FIELDS_SHOWN);
	mr_buf_add_text(out, count > 0 ? "\n" : "");
	free(lacked);
}

static void tell(struct listing *listing)
{
	struct mr_buf *words = &listing->words;
	rules_put_notes(words, "refused", &listing->set.refused);
	if (listing->asks)
		put_uses(listing, words);
	if (listing->trial != NULL)
		put_kinds(&listing->seen, words);
	if (listing->trial != NULL)
		put_lacked(listing, words);
	if (words->len > 0)
		fwrite(words->data, 1, words->len, stderr);
}

static int report(struct listing *listing)
{
	if (listing->json)
		put_json(listing);
	else
		put_list(listing);
	bool written = rules_write(&listing->out);
	tell(listing);
	return !written || listing->set.refused.count > 0 || listing->unread > 0 ? 1 : 0;
}

/* ---- the command ---- */

/* Into both; -1: go on; else the exit status. */
static int take_options(struct listing *listing, struct mr_config *config, int argc, char **argv)
{
	int option;
	while ((option = mr_option_next(list_options, argc, argv)) != MR_OPTIONS_END) {
		if (option == HELP)
			return mr_help(list_usage, list_options, list_status);
		if (option == MR_OPTIONS_WRONG)
			return rules_misused("list");
		listing->json |= option == JSON;
		listing->asks |= option == LOGSOURCE || option == RECORDS;
		if (option == LOGSOURCE)
			listing->logsource = optarg;
		else if (option == RECORDS)
			mr_config_add(config, "input", optarg);
		else if (option == PLACEHOLDERS)
			mr_option_add(config, &list_options[option], optarg);
	}
	for (int i = optind; i < argc; i++)
		mr_config_add(config, "rules", argv[i]);
	return optind < argc ? -1 : rules_misused("list");
}

static int list_main(int argc, char **argv)
{
	struct listing listing = {0};
	struct mr_config config = {0};
	struct mr_error error = {0};
	int status = take_options(&listing, &config, argc, argv);
	if (status < 0) {
		enum mr_err err = prepare(&listing, &config, &error);
		if (err != MR_OK)
			rules_failed("list", &listing.refusals, &error);
		status = err == MR_OK ? report(&listing) : 2;
	}
	rule_seen_fini(&listing.seen);
	sigma_set_fini(&listing.set);
	mr_trial_free(listing.trial);
	mr_fields_free(listing.own);
	mr_arena_fini(&listing.arena);
	mr_buf_fini(&listing.out);
	mr_buf_fini(&listing.words);
	mr_buf_fini(&listing.refusals);
	mr_config_fini(&config);
	return status;
}

const struct mr_command rules_command_list = {
    .name = "list",
    .summary = "the rules that are there, and which of them work on which records",
    .main = list_main,
    .options = list_options,
};
