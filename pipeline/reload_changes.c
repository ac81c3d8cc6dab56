/* reload_changes.c - what a reload would change, and whether it may.
 *
 * Called by reload.c, when the new set is prepared. */
#include <stdio.h>
#include <string.h>

#include "millrace/log.h"
#include "reload.h"

#define SHOWN 10 /* rules of one kind of change that are named */

static const struct mr_rule *find_rule(const struct mr_catalog *catalog, struct mr_slice id)
{
	for (uint32_t i = 0; i < catalog->count; i++) {
		if (mr_slice_eq(catalog->rules[i].id, id))
			return &catalog->rules[i];
	}
	return NULL;
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

/* Another has its id now, and it is refused for that: of its file, or of any where that one is new,
 * too. An edited rule whose copy is refused is itself. */
static bool is_displaced(const struct mr_rule *rule, const struct mr_rule *now,
			 const struct mr_refusal *refusal)
{
	bool own = mr_slice_eq(now->file, rule->file);
	return mr_slice_eq(refusal->id, rule->id) && now->content != rule->content &&
	       (!own || mr_slice_eq(refusal->file, rule->file));
}

/* Of the same file or id, and no longer there; NULL where it was refused before, too. */
static const struct mr_rule *lost_rule(const struct mr_catalog *old, const struct mr_catalog *new,
				       const struct mr_refusal *refusal)
{
	if (was_refused(old, refusal))
		return NULL;
	for (uint32_t i = 0; i < old->count; i++) {
		const struct mr_rule *rule = &old->rules[i];
		bool named =
		    mr_slice_eq(rule->id, refusal->id) || mr_slice_eq(rule->file, refusal->file);
		const struct mr_rule *now = named ? find_rule(new, rule->id) : NULL;
		if (named && (now == NULL || is_displaced(rule, now, refusal)))
			return rule;
	}
	return NULL;
}

/* PROTOCOL.md 9.3. */
static enum mr_err check_refusals(const struct mr_catalog *old, const struct mr_catalog *new,
				  struct mr_error *error)
{
	for (uint32_t i = 0; i < new->refused; i++) {
		const struct mr_refusal *refusal = &new->refusals[i];
		const struct mr_rule *rule = lost_rule(old, new, refusal);
		if (rule != NULL)
			return mr_error_set(
			    error, MR_CONFIG,
			    "%.*s:%u: %.*s; the rule \"%.*s\" is in force, and would be lost",
			    (int)mr_utf8_cut(refusal->file, 300), refusal->file.at, refusal->line,
			    (int)mr_utf8_cut(refusal->reason, 300), refusal->reason.at,
			    (int)mr_utf8_cut(rule->title, 80), rule->title.at);
	}
	return MR_OK;
}

void mr_reload_say_lost(const struct mr_catalog *old, const struct mr_catalog *new)
{
	for (uint32_t i = 0; i < new->refused; i++) {
		const struct mr_refusal *refusal = &new->refusals[i];
		const struct mr_rule *rule = lost_rule(old, new, refusal);
		if (rule != NULL)
			mr_log(MR_LOG_WARNING,
			       "%.*s:%u: the rule \"%.*s\" was in force before this start, and is "
			       "none any more: it is refused",
			       (int)mr_utf8_cut(refusal->file, 300), refusal->file.at,
			       refusal->line, (int)mr_utf8_cut(rule->title, 80), rule->title.at);
	}
}

enum mr_err mr_reload_check(const struct mr_supervisor *old, const struct mr_prepared *new,
			    struct mr_error *error)
{
	enum mr_err err = check_settings(&old->setup.config, &new->config, error);
	if (err == MR_OK)
		err = check_refusals(&old->catalog, &new->catalog, error);
	return err == MR_OK ? mr_topology_check(&new->topology, error) : err;
}

/* ---- what it brings ---- */

struct changes {
	uint32_t added, removed, changed;
};

static void say_rule(uint32_t *count, const char *what, const struct mr_rule *rule)
{
	if (++*count <= SHOWN)
		mr_log_event(MR_LOG_INFO, MR_EVENT_RULE_CHANGED, "reload: rule %s: " MR_RULE_NAMED,
			     what, MR_RULE_NAMES(rule));
}

static struct changes compare_rules(const struct mr_catalog *old, const struct mr_catalog *new)
{
	struct changes changes = {0};
	for (uint32_t i = 0; i < new->count; i++) {
		const struct mr_rule *before = find_rule(old, new->rules[i].id);
		if (before == NULL)
			say_rule(&changes.added, "added", &new->rules[i]);
		else if (before->content != new->rules[i].content ||
			 before->inactive != new->rules[i].inactive)
			say_rule(&changes.changed, "changed", &new->rules[i]);
	}
	for (uint32_t i = 0; i < old->count; i++) {
		if (find_rule(new, old->rules[i].id) == NULL)
			say_rule(&changes.removed, "removed", &old->rules[i]);
	}
	return changes;
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
	struct changes rules = compare_rules(&old->catalog, &new->catalog);
	bool same = rules.added + rules.removed + rules.changed == 0;
	mr_buf_printf(&text, "rules: %u added, %u removed, %u changed", rules.added, rules.removed,
		      rules.changed);
	if (same && !same_table(old_generation, &new->generation, "detect.image"))
		mr_buf_printf(&text, "; what they are made with is new");
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
