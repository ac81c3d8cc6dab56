/* reload_changes.c - what a reload would change, and whether it may.
 *
 * Called by reload.c, when the new set is prepared. */
#include <stdio.h>
#include <string.h>

#include "millrace/log.h"
#include "reload.h"

#define SHOWN 10 /* rules, and filters, of one kind of change that are named */

static const struct mr_rule *find_among(const struct mr_rule *items, uint32_t count,
					struct mr_slice id)
{
	for (uint32_t i = 0; i < count; i++) {
		if (mr_slice_eq(items[i].id, id))
			return &items[i];
	}
	return NULL;
}

/* No filter has a rule's id. */
static const struct mr_rule *find(const struct mr_catalog *catalog, struct mr_slice id)
{
	const struct mr_rule *rule = find_among(catalog->rules, catalog->count, id);
	return rule != NULL ? rule : find_among(catalog->filters, catalog->filter_count, id);
}

/* Rules, then filters. */
static const struct mr_rule *document_at(const struct mr_catalog *catalog, uint32_t at)
{
	return at < catalog->count ? &catalog->rules[at] : &catalog->filters[at - catalog->count];
}

static bool is_filter(const struct mr_rule *document)
{
	return document->kind == MR_RULE_FILTER;
}

/* ---- whether it may be ---- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* What the supervisor itself has opened stays as long as it lives. */
static enum mr_err check_settings(const struct mr_config *old, const struct mr_config *new,
				  struct mr_error *error)
{
	static const char *const fixed[] = {"log_format", "metrics_port", "health_timeout"};
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
		if (!same_text(mr_config_get(old, fixed[i], 0), mr_config_get(new, fixed[i], 0)))
			return mr_error_set(error, MR_CONFIG,
					    "`%s` cannot change while the service runs: stop it, "
					    "and start it again",
					    fixed[i]);
	}
	/* Whoever comes back must find what the others have. */
	if (mr_config_get(old, "host", 0) != NULL &&
	    !same_text(mr_config_get(old, "topology", 0), mr_config_get(new, "topology", 0)))
		return mr_error_set(error, MR_CONFIG,
				    "the topology file of several hosts cannot change while they "
				    "run: stop them all, and start them again");
	return MR_OK;
}

static bool was_refused(const struct mr_catalog *old, const struct mr_refusal *refusal)
{
	for (uint32_t i = 0; i < old->refused; i++) {
		const struct mr_refusal *before = &old->refusals[i];
		if (mr_slice_eq(before->file, refusal->file) &&
		    mr_slice_eq(before->id, refusal->id) &&
		    (before->id.len > 0 || mr_slice_eq(before->reason, refusal->reason)))
			return true;
	}
	return false;
}

static bool is_in_force(const struct mr_rule *document)
{
	return is_filter(document) ? document->rule_count > 0 : !document->inactive;
}

/* Another has its id now, and it is refused for that: of its file, or of any where that one is new,
 * too. An edited rule whose copy is refused is itself. */
static bool is_displaced(const struct mr_rule *before, const struct mr_rule *now,
			 const struct mr_refusal *refusal)
{
	bool own = mr_slice_eq(now->file, before->file);
	return mr_slice_eq(refusal->id, before->id) && now->content != before->content &&
	       (!own || mr_slice_eq(refusal->file, before->file));
}

/* Of the same file or id, and no longer there; NULL where it was refused before, too. */
static const struct mr_rule *lost_to_refusal(const struct mr_catalog *old,
					     const struct mr_catalog *new,
					     const struct mr_refusal *refusal)
{
	if (was_refused(old, refusal))
		return NULL;
	for (uint32_t i = 0; i < old->count + old->filter_count; i++) {
		const struct mr_rule *before = document_at(old, i);
		bool named = is_in_force(before) && (mr_slice_eq(before->id, refusal->id) ||
						     mr_slice_eq(before->file, refusal->file));
		const struct mr_rule *now = named ? find(new, before->id) : NULL;
		if (named && (now == NULL || is_displaced(before, now, refusal)))
			return before;
	}
	return NULL;
}

static bool has_rule(const struct mr_catalog *catalog, const struct mr_rule *filter,
		     const struct mr_rule *rule)
{
	for (uint32_t i = 0; i < filter->rule_count; i++) {
		if (&catalog->rules[filter->rules[i]] == rule)
			return true;
	}
	return false;
}

/* Of a rule that stays the filter's part is lost. */
static bool lets_go(const struct mr_catalog *old, const struct mr_catalog *new,
		    const struct mr_rule *before, const struct mr_rule *now)
{
	for (uint32_t i = 0; i < before->rule_count; i++) {
		const struct mr_rule *rule = find(new, old->rules[before->rules[i]].id);
		if (rule != NULL && !has_rule(new, now, rule))
			return true;
	}
	return false;
}

/* It stands there as before, and does less. */
static const struct mr_rule *lost_where_it_is(const struct mr_catalog *old,
					      const struct mr_catalog *new,
					      const struct mr_refusal *idle)
{
	const struct mr_rule *before = find(old, idle->id);
	const struct mr_rule *now = find(new, idle->id);
	if (before == NULL || now == NULL || before->kind != now->kind || !is_in_force(before))
		return NULL;
	bool lost = is_filter(now) ? lets_go(old, new, before, now) : now->inactive;
	return lost ? before : NULL;
}

/* What was in force and is to stay in force, from `at` on, of refusals first, then of what is idle;
 * NULL behind the last. Taking a document away is the way to end it. */
static const struct mr_rule *next_lost(const struct mr_catalog *old, const struct mr_catalog *new,
				       uint32_t *at, const struct mr_refusal **why_out)
{
	while (*at < new->refused + new->idle_count) {
		bool refused = *at < new->refused;
		*why_out = refused ? &new->refusals[*at] : &new->idle[*at - new->refused];
		++*at;
		const struct mr_rule *lost = refused ? lost_to_refusal(old, new, *why_out)
						     : lost_where_it_is(old, new, *why_out);
		if (lost != NULL)
			return lost;
	}
	return NULL;
}

/* PROTOCOL.md 9.3. */
enum mr_err mr_reload_check_lost(const struct mr_catalog *old, const struct mr_catalog *new,
				 struct mr_error *error)
{
	uint32_t at = 0;
	const struct mr_refusal *why;
	const struct mr_rule *lost = next_lost(old, new, &at, &why);
	if (lost == NULL)
		return MR_OK;
	bool filter = is_filter(lost);
	return mr_error_set(error, MR_CONFIG,
			    "%.*s:%u: %.*s; the %s \"%.*s\" is in force, and would be lost%s",
			    (int)mr_utf8_cut(why->file, 300), why->file.at, why->line,
			    (int)mr_utf8_cut(why->reason, 300), why->reason.at,
			    filter ? "filter" : "rule", (int)mr_utf8_cut(lost->title, 80),
			    lost->title.at, filter ? ": what it leaves out would be alerted" : "");
}

void mr_reload_say_lost(const struct mr_catalog *old, const struct mr_catalog *new)
{
	uint32_t at = 0;
	const struct mr_refusal *why;
	for (;;) {
		const struct mr_rule *lost = next_lost(old, new, &at, &why);
		if (lost == NULL)
			return;
		bool filter = is_filter(lost);
		mr_log(MR_LOG_WARNING,
		       "%.*s:%u: the %s \"%.*s\" was in force before this start, and is none any "
		       "more: %s%s",
		       (int)mr_utf8_cut(why->file, 300), why->file.at, why->line,
		       filter ? "filter" : "rule", (int)mr_utf8_cut(lost->title, 80),
		       lost->title.at,
		       at <= new->refused ? "it is refused"
		       : filter           ? "it does nothing to a rule that it was for"
					  : "it is inactive",
		       filter ? "; what it left out is alerted now" : "");
	}
}

enum mr_err mr_reload_check(const struct mr_supervisor *old, const struct mr_prepared *new,
			    struct mr_error *error)
{
	enum mr_err err = check_settings(&old->setup.config, &new->config, error);
	if (err == MR_OK)
		err = mr_reload_check_lost(&old->catalog, &new->catalog, error);
	return err == MR_OK ? mr_topology_check(&new->topology, error) : err;
}

/* ---- what it brings ---- */

struct changes {
	uint32_t added, removed, changed;
};

static void say_change(uint32_t *count, const char *what, const struct mr_rule *document,
		       const char *by)
{
	if (++*count <= SHOWN)
		mr_log_event(
		    MR_LOG_INFO, MR_EVENT_RULE_CHANGED, "reload: %s %s: " MR_RULE_NAMED "%s",
		    is_filter(document) ? "filter" : "rule", what, MR_RULE_NAMES(document), by);
}

static void compare_document(const struct mr_rule *before, const struct mr_rule *now,
			     struct changes *changes)
{
	if (before == NULL)
		say_change(&changes->added, "added", now, "");
	else if (before->content != now->content || before->inactive != now->inactive)
		say_change(&changes->changed, "changed", now, "");
	else if (before->made != now->made)
		say_change(&changes->changed, "changed", now,
			   is_filter(now) ? ", by a placeholder's values"
					  : ", by a filter or a placeholder's values");
}

/* Of the rules, or of the filters. */
static struct changes compare_documents(const struct mr_rule *old, uint32_t old_count,
					const struct mr_rule *new, uint32_t new_count)
{
	struct changes changes = {0};
	for (uint32_t i = 0; i < new_count; i++)
		compare_document(find_among(old, old_count, new[i].id), &new[i], &changes);
	for (uint32_t i = 0; i < old_count; i++) {
		if (find_among(new, new_count, old[i].id) == NULL)
			say_change(&changes.removed, "removed", &old[i], "");
	}
	return changes;
}

static bool are_none(const struct changes *changes)
{
	return changes->added + changes->removed + changes->changed == 0;
}

static void put_changes(struct mr_buf *out, const char *what, const struct changes *changes)
{
	mr_buf_printf(out, "%s: %u added, %u removed, %u changed", what, changes->added,
		      changes->removed, changes->changed);
}

/* Filters only where theirs are some. */
static void put_documents(struct mr_buf *out, const struct mr_catalog *old,
			  const struct mr_catalog *new, bool same_image)
{
	struct changes rules = compare_documents(old->rules, old->count, new->rules, new->count);
	struct changes filters =
	    compare_documents(old->filters, old->filter_count, new->filters, new->filter_count);
	put_changes(out, "rules", &rules);
	if (!are_none(&filters))
		put_changes(out, "; filters", &filters);
	if (are_none(&rules) && are_none(&filters) && !same_image)
		mr_buf_printf(out, "; what they are made with is new");
}

void mr_reload_say_changes(const struct mr_catalog *old, const struct mr_catalog *new)
{
	struct mr_buf words = {0};
	put_documents(&words, old, new, true);
	mr_log(MR_LOG_INFO, "since the last start: %.*s", (int)words.len, words.data);
	mr_buf_fini(&words);
}

static const struct mr_generation_table *find_table(const struct mr_generation *generation,
						    const char *name)
{
	for (size_t i = 0; i < generation->count; i++) {
		if (strcmp(generation->tables[i].name, name) == 0)
			return &generation->tables[i];
	}
	return NULL;
}

static bool same_table(const struct mr_generation *a, const struct mr_generation *b,
		       const char *name)
{
	const struct mr_generation_table *one = find_table(a, name);
	const struct mr_generation_table *other = find_table(b, name);
	if (one == NULL || other == NULL)
		return one == other;
	return one->size == other->size && one->hash == other->hash;
}

/* From `at` on the first setting that a person has made: what the program sets itself is found anew
 * at each start. NULL behind the last. */
static const struct mr_setting *next_setting(const struct mr_config *config, size_t *at)
{
	while (*at < config->count) {
		const struct mr_setting *setting = &config->items[(*at)++];
		const struct mr_setting_row *row =
		    mr_setting_find(config->scope, mr_slice(setting->name));
		if (row == NULL || row->scopes != 1u << MR_SCOPE_OWN)
			return setting;
	}
	return NULL;
}

static bool same_settings(const struct mr_config *a, const struct mr_config *b)
{
	size_t i = 0, k = 0;
	const struct mr_setting *one, *other;
	do {
		one = next_setting(a, &i);
		other = next_setting(b, &k);
		if (one != NULL && other != NULL &&
		    (strcmp(one->name, other->name) != 0 || strcmp(one->value, other->value) != 0))
			return false;
	} while (one != NULL && other != NULL);
	bool same = one == other && a->part_count == b->part_count;
	for (size_t p = 0; p < a->part_count && same; p++)
		same = a->parts[p].kind == b->parts[p].kind &&
		       strcmp(a->parts[p].name, b->parts[p].name) == 0 &&
		       same_settings(&a->parts[p].settings, &b->parts[p].settings);
	return same;
}

static bool same_bytes(const struct mr_tables *a, const struct mr_tables *b, const char *name)
{
	struct mr_slice one, other;
	if (mr_tables_map(a, name, &one, NULL) != MR_OK)
		return false;
	bool same = mr_tables_map(b, name, &other, NULL) == MR_OK && mr_slice_eq(one, other);
	mr_tables_unmap(one);
	mr_tables_unmap(other);
	return same;
}

/* Whether each secret of one is the other's, too. */
static bool has_secrets(const struct mr_tables *of, const struct mr_tables *other)
{
	for (size_t i = 0; i < mr_tables_count(of); i++) {
		const char *name;
		int fd;
		size_t size;
		mr_tables_at(of, i, &name, &fd, &size);
		if (mr_tables_secret(name) && !same_bytes(of, other, name))
			return false;
	}
	return true;
}

bool mr_reload_compare(const struct mr_supervisor *old, const struct mr_generation *old_generation,
		       const struct mr_prepared *new, char *words, size_t size)
{
	static const struct {
		const char *table, *word;
	} databases[] = {{"enrich.geoip", "GeoIP"},
			 {"enrich.identity", "identities"},
			 {"enrich.networks", "networks"}};
	bool settings = !same_settings(&old->setup.config, &new->config);
	struct mr_buf text = {0};
	bool key_files =
	    !has_secrets(old->tables, new->tables) || !has_secrets(new->tables, old->tables);
	if (!settings && !key_files && old_generation->id == new->generation.id)
		return false;
	put_documents(&text, &old->catalog, &new->catalog,
		      same_table(old_generation, &new->generation, "detect.image"));
	for (size_t i = 0; i < sizeof databases / sizeof *databases; i++) {
		if (!same_table(old_generation, &new->generation, databases[i].table))
			mr_buf_printf(&text, "; %s: new", databases[i].word);
	}
	if (key_files)
		mr_buf_printf(&text, "; keys or certificates: new");
	if (settings)
		mr_buf_printf(&text, "; settings: changed");
	snprintf(words, size, "%.*s", (int)text.len, text.data);
	mr_buf_fini(&text);
	return true;
}
