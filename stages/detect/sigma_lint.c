/* sigma_lint.c - what a document says of itself that is surely wrong, or surely without effect.
 *
 * Called by sigma_meta.c, and by sigma_load.c when correlations are linked. All are warnings: the
 * rule works without it. */
#include "engine_value.h"
#include "sigma_build.h"

#include "millrace/attack.h"

/* An id that is none makes no trouble here, but whoever shares the rule has to give it one. */
static void lint_id(struct sigma_scope *scope, const struct mr_yaml *id)
{
	if (id == NULL || (id->kind == MR_YAML_SCALAR && id->type == MR_YAML_NULL))
		return;
	if (id->kind != MR_YAML_SCALAR)
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(id),
			   "\"id\" is %s, not a text: the rule has none", mr_yaml_what(id));
	else if (id->text.len > 0 && !mr_text_is_guid(id->text))
		sigma_warn(scope, SIGMA_LINT_NO_UUID, SIGMA_AT(id),
			   "the id \"%.*s\" is no UUID, such as "
			   "6f0c2b9e-4d1a-4f57-9a53-0d6c1c3b7e21",
			   SIGMA_SHOW(id->text));
}

/* Only told: a deprecated or unsupported rule works like any other. */
static void lint_status(struct sigma_scope *scope, const struct mr_yaml *root,
			struct mr_slice status)
{
	static const char *const names[] = {"",           "stable",     "test", "experimental",
					    "deprecated", "unsupported"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (mr_slice_eq(status, mr_slice(names[i])))
			return;
	}
	sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(mr_yaml_get(root, "status")),
		   "\"%.*s\" is no status: stable, test, experimental, deprecated or unsupported",
		   SIGMA_SHOW(status));
}

/* Names of another taxonomy are those of the records, or the rule sees nothing. */
static void lint_taxonomy(struct sigma_scope *scope, const struct mr_yaml *root)
{
	const struct mr_yaml *taxonomy = mr_yaml_get(root, "taxonomy");
	if (taxonomy != NULL && taxonomy->kind != MR_YAML_SCALAR)
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(taxonomy),
			   "\"taxonomy\" is %s, not a text: left out", mr_yaml_what(taxonomy));
	else if (taxonomy != NULL && !mr_slice_eq(taxonomy->text, MR_SLICE("sigma")))
		sigma_warn(scope, SIGMA_LINT_PORTABILITY, SIGMA_AT(taxonomy),
			   "the taxonomy \"%.*s\" is not translated: fields and logsource are "
			   "taken as they stand",
			   SIGMA_SHOW(taxonomy->text));
}

/* YYYY-MM-DD, and nothing behind it. */
static bool is_date(struct mr_slice text)
{
	int64_t time_us;
	return text.len == 10 && text.at[4] == '-' && text.at[7] == '-' &&
	       engine_time_read(text, &time_us);
}

/* As the specification writes the day; empty where it is none. */
static struct mr_slice as_date(struct sigma_scope *scope, struct mr_slice text)
{
	char *copy = mr_arena_copy(scope->arena, text.at, text.len);
	for (size_t i = 0; i < text.len; i++) {
		if (copy[i] == '/' || copy[i] == '.')
			copy[i] = '-';
	}
	struct mr_slice date = {copy, text.len};
	return is_date(date) ? date : (struct mr_slice){"", 0};
}

static void lint_date(struct sigma_scope *scope, const struct mr_yaml *root, const char *key,
		      struct mr_slice text)
{
	if (text.len == 0 || is_date(text))
		return;
	struct mr_slice date = as_date(scope, text);
	const struct mr_yaml *at = mr_yaml_get(root, key);
	if (date.len > 0)
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(at),
			   "\"%s\" is \"%.*s\", which the specification writes %.*s", key,
			   SIGMA_SHOW(text), SIGMA_SHOW(date));
	else
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(at),
			   "\"%s\" is \"%.*s\", which is no day of the calendar, written as "
			   "2024-02-29",
			   key, SIGMA_SHOW(text));
}

static void lint_length(struct sigma_scope *scope, const struct mr_yaml *root, const char *key,
			struct mr_slice text, size_t most)
{
	size_t count = mr_utf8_count(text);
	if (count > most)
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(mr_yaml_get(root, key)),
			   "\"%s\" has %zu characters: the specification has %zu at most", key,
			   count, most);
}

/* Only told: nothing here follows from it. */
static void lint_relation(struct sigma_scope *scope, const struct mr_yaml *one)
{
	static const char *const types[] = {"derived", "obsolete", "merged", "renamed", "similar"};
	const struct mr_yaml *id = mr_yaml_get(one, "id");
	const struct mr_yaml *type = mr_yaml_get(one, "type");
	size_t t = 0;
	while (t < sizeof types / sizeof *types && (type == NULL || !mr_yaml_is(type, types[t])))
		t++;
	if (one->kind != MR_YAML_MAP || id == NULL || id->kind != MR_YAML_SCALAR)
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(one),
			   "a member of \"related\" is {id: …, type: …}");
	else if (t == sizeof types / sizeof *types)
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(type == NULL ? one : type),
			   "the type of a relation is derived, obsolete, merged, renamed or "
			   "similar");
}

static void lint_related(struct sigma_scope *scope, const struct mr_yaml *related)
{
	if (related == NULL || (related->kind == MR_YAML_SCALAR && related->type == MR_YAML_NULL))
		return;
	if (related->kind != MR_YAML_LIST)
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(related),
			   "\"related\" is %s, not a list of {id: …, type: …}",
			   mr_yaml_what(related));
	for (uint32_t i = 0; related->kind == MR_YAML_LIST && i < related->count; i++)
		lint_relation(scope, related->items[i]);
}

/* Parts of other kinds of documents. */
static void lint_strangers(struct sigma_scope *scope, const struct sigma_source *source)
{
	static const char *const of_correlations[] = {"logsource", "fields", NULL};
	static const char *const of_filters[] = {"level", "status", "tags", "fields", NULL};
	bool filter = mr_yaml_get(source->root, "filter") != NULL;
	bool detection = mr_yaml_get(source->root, "detection") != NULL;
	const char *const *names = filter ? of_filters : of_correlations;
	for (; !detection && *names != NULL; names++) {
		const struct mr_yaml *key = mr_yaml_key(source->root, *names);
		if (key != NULL)
			sigma_warn(scope, SIGMA_LINT_IGNORED, SIGMA_AT(key),
				   "\"%s\" does nothing in a %s", *names,
				   filter ? "filter" : "correlation");
	}
}

/* Any other key is allowed in a rule, but one that is nearly one of these is a slip. */
static void lint_keys(struct sigma_scope *scope, const struct mr_yaml *root)
{
	static const char *const known[] = {
	    "title",       "id",       "name",   "related",        "taxonomy",  "status",
	    "author",      "license",  "date",   "references",     "modified",  "description",
	    "logsource",   "level",    "fields", "falsepositives", "detection", "tags",
	    "correlation", "generate", "filter", "scope",          "action"};
	const size_t count = sizeof known / sizeof *known;
	for (uint32_t i = 0; i < root->count; i++) {
		struct mr_slice key = root->keys[i]->text;
		size_t k = 0;
		while (k < count && !mr_slice_eq(key, mr_slice(known[k])))
			k++;
		const char *meant = k < count ? NULL : mr_text_nearest(key, known, count);
		if (meant != NULL)
			sigma_warn(scope, SIGMA_LINT_MISSPELT, SIGMA_AT(root->keys[i]),
				   "\"%.*s\" is left out; is \"%s\" meant?", SIGMA_SHOW(key),
				   meant);
	}
}

/* "g0007", "s0154", "ds0015", "m1047", "a0008": groups, software, data sources, mitigations and
 * assets, which Sigma's tags may name too. */
static bool is_other_object(struct mr_slice word)
{
	static const char *const kinds[] = {"g", "s", "ds", "m", "a"};
	char uid[MR_TECHNIQUE_UID];
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		size_t len = strlen(kinds[i]);
		char as_technique[5] = "t";
		if (word.len != len + 4 ||
		    !mr_fold_eq((struct mr_slice){word.at, len}, mr_slice(kinds[i])))
			continue;
		memcpy(as_technique + 1, word.at + len, 4);
		if (mr_technique_uid((struct mr_slice){as_technique, 5}, uid) != 0)
			return true;
	}
	return false;
}

static bool is_attack(struct mr_slice word)
{
	char uid[MR_TECHNIQUE_UID];
	return mr_technique_uid(word, uid) != 0 || mr_tactic_find(word) != NULL;
}

/* What stands behind "attack.": alerts show tactics and techniques, and nothing else. */
static void lint_attack(struct sigma_scope *scope, const struct mr_yaml *at, struct mr_slice word)
{
	static const char *const tactics[] = {
#define X(tag, uid, name) tag,
#include "millrace/tactic.def"
#undef X
	};
	if (is_attack(word) || is_other_object(word))
		return;
	const char *meant = mr_text_nearest(word, tactics, sizeof tactics / sizeof *tactics);
	sigma_warn(scope, SIGMA_LINT_UNKNOWN_TAG, SIGMA_AT(at),
		   "the tag \"%.*s\" is no tactic of ATT&CK's enterprise matrix, and no technique, "
		   "such as attack.t1078.004: alerts leave it out%s%s%s",
		   SIGMA_SHOW(at->text), meant == NULL ? "" : "; is \"attack.",
		   meant == NULL ? "" : meant, meant == NULL ? "" : "\" meant?");
}

static bool is_tag(struct mr_slice tag)
{
	for (size_t i = 0; i < tag.len; i++) {
		unsigned char c = (unsigned char)tag.at[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '-' || c == '.'))
			return false;
	}
	return memchr(tag.at, '.', tag.len) != NULL;
}

/* Name spaces whose tags the specification lists. */
static void lint_listed(struct sigma_scope *scope, const struct mr_yaml *at)
{
	static const char *const listed[] = {"tlp.red",        "tlp.amber",
					     "tlp.clear",      "tlp.amber-strict",
					     "tlp.green",      "detection.threat-hunting",
					     "detection.dfir", "detection.emerging-threats"};
	const size_t count = sizeof listed / sizeof *listed;
	size_t dot = (size_t)((const char *)memchr(at->text.at, '.', at->text.len) - at->text.at);
	size_t same = 0;
	bool space = false;
	while (same < count && !mr_slice_eq(at->text, mr_slice(listed[same])))
		space |= strncmp(listed[same++], at->text.at, dot + 1) == 0;
	const char *meant = mr_text_nearest(at->text, listed, count);
	if (same == count && space)
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(at),
			   "the specification has no tag \"%.*s\"%s%s%s", SIGMA_SHOW(at->text),
			   meant == NULL ? "" : "; is \"", meant == NULL ? "" : meant,
			   meant == NULL ? "" : "\" meant?");
}

/* Tags of other name spaces are anybody's, but one that is nearly ATT&CK's is a slip. */
static void lint_tag(struct sigma_scope *scope, const struct mr_yaml *at)
{
	static const char *const known[] = {"attack"};
	struct mr_slice tag = at->text;
	if (!is_tag(tag)) {
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(at),
			   "\"%.*s\" is no tag: letters, digits, _ and -, with a dot behind the "
			   "name space, such as attack.t1078.004",
			   SIGMA_SHOW(tag));
		return;
	}
	const char *dot = memchr(tag.at, '.', tag.len);
	struct mr_slice space = {tag.at, (size_t)(dot - tag.at)};
	struct mr_slice rest = {dot, tag.len - space.len};
	if (mr_fold_eq(space, mr_slice(known[0])))
		lint_attack(scope, at, (struct mr_slice){dot + 1, rest.len - 1});
	else if (mr_text_nearest(space, known, 1) != NULL)
		sigma_warn(scope, SIGMA_LINT_UNKNOWN_TAG, SIGMA_AT(at),
			   "the tag \"%.*s\" names no technique or tactic; is \"%s%.*s\" meant?",
			   SIGMA_SHOW(tag), known[0], SIGMA_SHOW(rest));
	else
		lint_listed(scope, at);
}

static void lint_tags(struct sigma_scope *scope, const struct mr_yaml *tags)
{
	if (tags == NULL || tags->kind == MR_YAML_MAP)
		return;
	bool one = tags->kind == MR_YAML_SCALAR;
	for (uint32_t i = 0; i < (one ? 1 : tags->count); i++) {
		const struct mr_yaml *item = one ? tags : tags->items[i];
		if (item->kind == MR_YAML_SCALAR && item->type != MR_YAML_NULL)
			lint_tag(scope, item);
	}
}

static void lint_attack_is_there(struct sigma_scope *scope, const struct sigma_source *source)
{
	const struct mr_texts *tags = &source->rule.tags;
	for (uint32_t i = 0; i < tags->count; i++) {
		struct mr_slice tag = tags->items[i];
		if (tag.len > 7 && mr_fold_eq((struct mr_slice){tag.at, 7}, MR_SLICE("attack.")) &&
		    is_attack((struct mr_slice){tag.at + 7, tag.len - 7}))
			return;
	}
	sigma_warn(scope, SIGMA_LINT_MISSING_ATTACK, SIGMA_AT(source->root),
		   "no tag names a technique or tactic of ATT&CK, such as attack.t1078.004: "
		   "coverage leaves the rule out");
}

void sigma_meta_lint(struct sigma_scope *scope, const struct sigma_source *source)
{
	const struct mr_yaml *root = source->root;
	lint_id(scope, mr_yaml_get(root, "id"));
	lint_length(scope, root, "title", source->rule.title, 256);
	lint_length(scope, root, "description", source->rule.description, 65535);
	lint_related(scope, mr_yaml_get(root, "related"));
	lint_taxonomy(scope, root);
	lint_status(scope, root, source->rule.status);
	lint_date(scope, root, "date", source->rule.date);
	lint_date(scope, root, "modified", source->rule.modified);
	lint_keys(scope, root);
	lint_strangers(scope, source);
	lint_tags(scope, mr_yaml_get(root, "tags"));
}

void sigma_level_lint(struct sigma_builder *load, const struct sigma_source *source)
{
	const struct mr_yaml *root = source->root;
	const struct mr_yaml *level = mr_yaml_get(root, "level");
	struct sigma_scope scope = {
	    .load = load, .arena = load->arena, .file = source->file, .id = source->id};
	if (load->lints)
		lint_attack_is_there(&scope, source);
	if (source->rule.alerts && (level == NULL || level->type == MR_YAML_NULL))
		sigma_warn(&scope, SIGMA_LINT_MISSING_LEVEL, SIGMA_AT(root),
			   "\"level\" is missing: the severity of its alerts is Unknown");
	if (!source->rule.alerts && source->rule.level >= MR_LEVEL_MEDIUM)
		sigma_warn(&scope, SIGMA_LINT_SILENT_LEVEL, SIGMA_AT(level),
			   "a correlation names the rule, so that it makes no alert of its own; "
			   "`generate: true` in the correlation lets it");
}
