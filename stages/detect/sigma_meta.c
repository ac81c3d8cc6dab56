/* sigma_meta.c - what a document says of itself: title, level, tags and the rest.
 *
 * Called by sigma_load.c. Without title or logsource a rule is refused; other faults are warnings,
 * here of what cannot be taken, in sigma_lint.c of what can. */
#include "sigma_build.h"

void sigma_sources_add(struct mr_arena *arena, struct sigma_sources *sources,
		       struct sigma_source *source)
{
	if (sources->count == sources->capacity) {
		uint32_t capacity = (uint32_t)mr_grow(sources->capacity, sources->count + 1u);
		struct sigma_source **items = mr_arena_alloc(arena, capacity * sizeof *items);
		if (sources->count > 0)
			memcpy(items, sources->items, sources->count * sizeof *items);
		sources->items = items;
		sources->capacity = capacity;
	}
	sources->items[sources->count++] = source;
}

struct mr_slice sigma_meta_text(struct sigma_scope *scope, const struct mr_yaml *root,
				const char *key)
{
	struct mr_yaml *node = mr_yaml_get(root, key);
	if (node == NULL)
		return (struct mr_slice){"", 0};
	if (node->kind == MR_YAML_SCALAR)
		return node->type == MR_YAML_NULL ? (struct mr_slice){"", 0} : node->text;
	sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(node), "\"%s\" is %s, not a text: left out",
		   key, mr_yaml_what(node));
	return (struct mr_slice){"", 0};
}

static struct mr_texts list_of(struct sigma_scope *scope, const struct mr_yaml *root,
			       const char *key)
{
	struct mr_texts texts = {0};
	struct mr_yaml *node = mr_yaml_get(root, key);
	if (node == NULL || (node->kind == MR_YAML_SCALAR && node->type == MR_YAML_NULL))
		return texts;
	bool one = node->kind == MR_YAML_SCALAR;
	uint32_t count = one ? 1 : node->count;
	if (node->kind == MR_YAML_MAP) {
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(node),
			   "\"%s\" is a map, not a list: left out", key);
		return texts;
	}
	texts.items = mr_arena_alloc(scope->arena, (count + 1u) * sizeof *texts.items);
	for (uint32_t i = 0; i < count; i++) {
		const struct mr_yaml *item = one ? node : node->items[i];
		if (item->kind == MR_YAML_SCALAR && item->type != MR_YAML_NULL)
			texts.items[texts.count++] = item->text;
	}
	if (texts.count > MR_RULE_TEXTS_MAX) {
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(node),
			   "\"%s\" has %u members: %d are kept", key, texts.count,
			   MR_RULE_TEXTS_MAX);
		texts.count = MR_RULE_TEXTS_MAX;
	}
	return texts;
}

static enum mr_level level_of(struct sigma_scope *scope, const struct mr_yaml *root)
{
	static const char *const names[] = {"",       "informational", "low",
					    "medium", "high",          "critical"};
	struct mr_slice text = sigma_meta_text(scope, root, "level");
	for (uint32_t level = 0; level < sizeof names / sizeof *names; level++) {
		if (mr_slice_eq(text, mr_slice(names[level])))
			return (enum mr_level)level;
	}
	sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(mr_yaml_get(root, "level")),
		   "\"%.*s\" is no level: informational, low, medium, high or critical",
		   SIGMA_SHOW(text));
	return MR_LEVEL_NONE;
}

static void read_shown(struct sigma_scope *scope, const struct mr_yaml *root, struct mr_texts *out)
{
	const struct mr_yaml *list = mr_yaml_get(root, "fields");
	*out = list_of(scope, root, "fields");
	if (out->count > MR_RULE_SHOWN_MAX) {
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(list),
			   "\"fields\" has %u members: %d are shown", out->count,
			   MR_RULE_SHOWN_MAX);
		out->count = MR_RULE_SHOWN_MAX;
	}
	for (uint32_t i = 0; i < out->count; i++)
		sigma_name_lint(scope, SIGMA_AT(list), out->items[i]);
}

bool sigma_meta_read(struct sigma_scope *scope, struct sigma_source *source)
{
	const struct mr_yaml *root = source->root;
	struct mr_rule *rule = &source->rule;
	rule->title = sigma_meta_text(scope, root, "title");
	if (rule->title.len == 0)
		return sigma_refuse(scope, root->line, root->column,
				    "\"title\" is missing: a line that says what was found");
	rule->id = source->id;
	rule->name = sigma_meta_text(scope, root, "name");
	rule->description = sigma_meta_text(scope, root, "description");
	rule->author = sigma_meta_text(scope, root, "author");
	rule->status = sigma_meta_text(scope, root, "status");
	rule->date = sigma_meta_text(scope, root, "date");
	rule->modified = sigma_meta_text(scope, root, "modified");
	rule->license = sigma_meta_text(scope, root, "license");
	rule->file = source->file;
	rule->line = root->line;
	rule->level = level_of(scope, root);
	rule->tags = list_of(scope, root, "tags");
	rule->references = list_of(scope, root, "references");
	rule->falsepositives = list_of(scope, root, "falsepositives");
	if (rule->kind == MR_RULE_DETECTION)
		read_shown(scope, root, &rule->shown);
	source->name = rule->name;
	sigma_meta_lint(scope, source);
	return true;
}
