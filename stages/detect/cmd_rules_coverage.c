/* cmd_rules_coverage.c - `millrace rules coverage`: which techniques of ATT&CK rules look for.
 *
 * As a layer of the ATT&CK Navigator, version 4.5 of its format (mitre-attack/attack-navigator,
 * layers/spec/v4.5). What cannot fire covers nothing, and is counted apart. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd_rules.h"
#include "millrace/attack.h"

#define RULES_NAMED 50 /* with one technique */

static const char coverage_usage[] =
    "usage: millrace rules coverage [OPTIONS] FILE|DIR...\n"
    "\n"
    "Says which techniques of ATT&CK the rules look for, by their tags, as a layer of the ATT&CK\n"
    "Navigator: a technique's score is how many rules name it. Rules that cannot fire are left\n"
    "out, and counted on standard error: refused, inactive, without an alert of their own, or of "
    "a\n"
    "logsource that nothing feeds or whose records never satisfy them.\n"
    "\n";
static const char coverage_status[] =
    "\nExit status: 0 nothing was refused, 1 something was, 2 a path can't be read.\n";

enum { NAME, ALL, TEXT, PLACEHOLDERS, HELP };
static const struct mr_option coverage_options[] = {
    [NAME] = {"name", 0, "NAME", "what the layer is called; without it Millrace"},
    [ALL] = {"all", 'a', NULL, "with the rules that cannot fire"},
    [TEXT] = {"text", 't', NULL, "a line for each technique, not a layer"},
    [PLACEHOLDERS] = MR_OPTION_SETTING("placeholders"),
    MR_OPTION_HELP,
    {0},
};

struct wish {
	const char *name;
	bool all, text;
};

struct named { /* one rule names one technique */
	char uid[MR_TECHNIQUE_UID + 1];
	uint32_t rule;
};

struct cover {
	struct named *items;
	uint32_t count, capacity;
	uint32_t most; /* rules that name one technique */
	uint32_t untagged;
	uint32_t silent; /* rules that cannot fire */
};

/* ---- what covers ---- */

/* Of a correlation: one of its rules can. Each is asked once. */
static bool can_fire(const struct sigma_set *set, bool *reached, bool *asked, uint32_t index)
{
	const struct mr_rule *rule = &set->catalog.rules[index];
	if (rule->kind == MR_RULE_DETECTION || asked[index])
		return reached[index];
	asked[index] = true;
	for (uint32_t i = 0; i < rule->rule_count; i++)
		reached[index] |= can_fire(set, reached, asked, rule->rules[i]);
	return reached[index];
}

/* Of detections: they see records that can satisfy them. */
static bool *find_reached(const struct sigma_set *set)
{
	bool *reached = mr_calloc(set->catalog.count + 1u, sizeof *reached);
	for (uint32_t i = 0; i < set->rule_count; i++)
		reached[set->rules[i].index] = true;
	for (uint32_t n = 0; n < set->warnings.count; n++) {
		const struct sigma_note *note = &set->warnings.items[n];
		for (uint32_t i = 0; note->lint == SIGMA_LINT_UNREACHABLE && i < set->catalog.count;
		     i++)
			reached[i] &= !mr_slice_eq(set->catalog.rules[i].id, note->id);
	}
	return reached;
}

static void add(struct cover *cover, const char *uid, size_t len, uint32_t rule)
{
	if (cover->count == cover->capacity) {
		cover->capacity = (uint32_t)mr_grow(cover->capacity, cover->count + 1u);
		cover->items = mr_realloc(cover->items, cover->capacity * sizeof *cover->items);
	}
	struct named *named = &cover->items[cover->count++];
	*named = (struct named){.rule = rule};
	memcpy(named->uid, uid, len);
}

/* Techniques that its tags name; false where there is none. */
static bool add_tags(struct cover *cover, const struct mr_rule *rule, uint32_t index)
{
	const struct mr_slice space = MR_SLICE("attack.");
	bool any = false;
	for (uint32_t i = 0; i < rule->tags.count; i++) {
		struct mr_slice tag = rule->tags.items[i];
		char uid[MR_TECHNIQUE_UID];
		if (tag.len <= space.len ||
		    !mr_fold_eq((struct mr_slice){tag.at, space.len}, space))
			continue;
		size_t len = mr_technique_uid(
		    (struct mr_slice){tag.at + space.len, tag.len - space.len}, uid);
		if (len > 0)
			add(cover, uid, len, index);
		any |= len > 0;
	}
	return any;
}

static int by_technique(const void *left, const void *right)
{
	const struct named *a = left;
	const struct named *b = right;
	int order = strcmp(a->uid, b->uid);
	return order != 0 ? order : (a->rule > b->rule) - (a->rule < b->rule);
}

/* Sorted, each pair once. */
static void settle(struct cover *cover)
{
	uint32_t kept = 0;
	uint32_t run = 0;
	if (cover->count > 1)
		qsort(cover->items, cover->count, sizeof *cover->items, by_technique);
	for (uint32_t i = 0; i < cover->count; i++) {
		if (kept > 0 && by_technique(&cover->items[kept - 1], &cover->items[i]) == 0)
			continue;
		bool same =
		    kept > 0 && strcmp(cover->items[kept - 1].uid, cover->items[i].uid) == 0;
		run = same ? run + 1 : 1;
		cover->most = run > cover->most ? run : cover->most;
		cover->items[kept++] = cover->items[i];
	}
	cover->count = kept;
}

static void find(struct cover *cover, const struct wish *wish, const struct sigma_set *set)
{
	bool *reached = find_reached(set);
	bool *asked = mr_calloc(set->catalog.count + 1u, sizeof *asked);
	for (uint32_t i = 0; i < set->catalog.count; i++) {
		const struct mr_rule *rule = &set->catalog.rules[i];
		bool fires = rule->alerts && !rule->inactive && can_fire(set, reached, asked, i);
		cover->silent += !fires;
		if (fires || wish->all)
			cover->untagged += !add_tags(cover, rule, i);
	}
	free(reached);
	free(asked);
	settle(cover);
}

/* How many from `at` on are of one technique. */
static uint32_t run_of(const struct cover *cover, uint32_t at)
{
	uint32_t end = at;
	while (end < cover->count && strcmp(cover->items[at].uid, cover->items[end].uid) == 0)
		end++;
	return end - at;
}

/* ---- telling ---- */

static void put_technique(const struct cover *cover, const struct sigma_set *set, uint32_t at,
			  uint32_t count, struct mr_buf *out)
{
	mr_buf_printf(out,
		      "{\"techniqueID\": \"%s\", \"score\": %u, \"enabled\": true, \"comment\": "
		      "\"%u rule%s\", \"metadata\": [",
		      cover->items[at].uid, count, count, count == 1 ? "" : "s");
	for (uint32_t i = 0; i < count && i < RULES_NAMED; i++) {
		const struct mr_rule *rule = &set->catalog.rules[cover->items[at + i].rule];
		mr_buf_printf(out, "%s{\"name\": \"rule\", \"value\": ", i == 0 ? "" : ", ");
		mr_json_put_string(out, rule->title);
		mr_buf_add_text(out, "}");
	}
	mr_buf_add_text(out, "]}");
}

static void put_layer(const struct cover *cover, const struct wish *wish,
		      const struct sigma_set *set, struct mr_buf *out)
{
	mr_buf_add_text(out, "{\"name\": ");
	mr_json_put_string(out, mr_slice(wish->name == NULL ? "Millrace" : wish->name));
	mr_buf_printf(out,
		      ", \"versions\": {\"navigator\": \"4.9.0\", \"layer\": \"4.5\"}, \"domain\": "
		      "\"enterprise-attack\", \"description\": \"%u rules; a technique's score is "
		      "how many of them name it\", \"sorting\": 3, \"techniques\": [",
		      set->catalog.count - (wish->all ? 0 : cover->silent));
	for (uint32_t at = 0, count; at < cover->count; at += count) {
		count = run_of(cover, at);
		mr_buf_add_text(out, at == 0 ? "" : ", ");
		put_technique(cover, set, at, count, out);
	}
	mr_buf_printf(out,
		      "], \"gradient\": {\"colors\": [\"#ffffff\", \"#8ec843\"], \"minValue\": 0, "
		      "\"maxValue\": %u}}\n",
		      cover->most > 0 ? cover->most : 1);
}

static void put_text(const struct cover *cover, const struct sigma_set *set, struct mr_buf *out)
{
	for (uint32_t at = 0, count; at < cover->count; at += count) {
		size_t from = out->len;
		count = run_of(cover, at);
		mr_buf_printf(out, "%-9s %5u  ", cover->items[at].uid, count);
		for (uint32_t i = 0; i < count && i < 3; i++) {
			const struct mr_rule *rule = &set->catalog.rules[cover->items[at + i].rule];
			mr_buf_printf(out, "%s%.*s", i == 0 ? "" : "; ", SIGMA_SHOW(rule->title));
		}
		mr_buf_add_text(out, count > 3 ? "; …" : "");
		mr_buf_show(out, from);
		mr_buf_add_text(out, "\n");
	}
}

static int report(const void *context, const struct sigma_set *set)
{
	const struct wish *wish = context;
	struct cover cover = {0};
	struct mr_buf out = {0};
	find(&cover, wish, set);
	if (wish->text)
		put_text(&cover, set, &out);
	else
		put_layer(&cover, wish, set, &out);
	bool written = rules_write(&out);
	if (set->refused.count > 0)
		mr_log(MR_LOG_WARNING, "%u rules are refused (`rules check` says why)",
		       set->refused.count);
	if (cover.silent > 0)
		mr_log(MR_LOG_WARNING,
		       "%u of %u rules cannot fire, or have no alert of their own%s", cover.silent,
		       set->catalog.count,
		       wish->all ? ""
				 : ": they are left out (`rules check` says why, `--all` takes "
				   "them in)");
	if (cover.untagged > 0)
		mr_log(MR_LOG_WARNING, "%u rules name no technique", cover.untagged);
	free(cover.items);
	mr_buf_fini(&out);
	return !written || set->refused.count > 0 ? 1 : 0;
}

/* ---- the command ---- */

static int coverage_main(int argc, char **argv)
{
	struct wish wish = {0};
	const char *placeholders = NULL;
	int option;
	while ((option = mr_option_next(coverage_options, argc, argv)) != MR_OPTIONS_END) {
		if (option == HELP)
			return mr_help(coverage_usage, coverage_options, coverage_status);
		if (option == MR_OPTIONS_WRONG)
			return rules_misused("coverage");
		wish.all |= option == ALL;
		wish.text |= option == TEXT;
		if (option == NAME)
			wish.name = optarg;
		else if (option == PLACEHOLDERS)
			placeholders = optarg;
	}
	return rules_load("coverage", argc, argv, placeholders, report, &wish);
}

const struct mr_command rules_command_coverage = {
    .name = "coverage",
    .summary = "which techniques of ATT&CK they look for, as a Navigator layer",
    .main = coverage_main,
    .options = coverage_options,
};
