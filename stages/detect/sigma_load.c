/* sigma_load.c - from paths to a set of rules.
 *
 * Called by detect.c and cmd_rules.c. A document that is refused is noted with its place and does
 * not stop the others; only a path or placeholder file that can't be read, or neither rule nor
 * filter at all, is an error. */
#include <stdlib.h>

#include "rule_test.h"
#include "sigma_file.h"
#include "sigma_mapping.h"

/* What the documents of one file may cost together (struct yaml.cost), so that neither
 * aliases nor `action: global` make a file larger than by a factor. A file without them stays below
 * it. */
#define BUDGET_BASE ((uint64_t)8 << 20)
#define BUDGET_FACTOR 128

struct loading {
	struct sigma_builder builder;
	struct sigma_sources detections, correlations;
	struct sigma_filters filters;
	struct sigma_index filter_ids;
	struct mr_yaml *global; /* of the file in hand */
	struct mr_yaml *repeat; /* likewise, the document that `action: repeat` goes on from */
	uint64_t budget;        /* likewise, what is left of what its documents may cost */
	uint32_t rule_capacity, waiting_capacity; /* of the set's */
};

static void note_refused(struct loading *load, struct mr_slice file, struct mr_slice id,
			 const struct mr_fault *fault)
{
	sigma_note_add(&load->builder, &load->builder.set->refused,
		       (struct sigma_note){.file = file,
					   .id = id,
					   .reason = fault->reason,
					   .line = fault->line,
					   .column = fault->column});
}

/* ---- documents ---- */

static struct mr_slice id_of(struct loading *load, const struct mr_yaml *root)
{
	const struct mr_yaml *id = mr_yaml_get(root, "id");
	if (id != NULL && id->kind == MR_YAML_SCALAR && id->text.len != 0 &&
	    id->type != MR_YAML_NULL)
		return id->text;
	return sigma_tree_hash(load->builder.arena, root);
}

static bool check_id(struct loading *load, struct sigma_scope *scope, struct sigma_source *source)
{
	const struct sigma_entry *entry = sigma_index_find(&load->builder.ids, source->id);
	if (entry == NULL)
		entry = sigma_index_find(&load->filter_ids, source->id);
	if (entry == NULL)
		return true;
	const struct sigma_source *other = entry->thing;
	struct mr_yaml *at = mr_yaml_get(source->root, "id");
	return sigma_refuse(
	    scope, at == NULL ? source->root->line : at->line,
	    at == NULL ? source->root->column : at->column,
	    "the id \"%.*s\" is that of an earlier rule (%.*s:%u); give each its own",
	    SIGMA_SHOW(source->id), SIGMA_SHOW_END(other->file), other->root->line);
}

static void add_filter(struct loading *load, struct sigma_scope *scope, struct sigma_source *source)
{
	sigma_filter_add(scope, source, &load->filters);
	if (!mr_fault_is(&scope->fault))
		sigma_index_add(&load->filter_ids, scope->arena, source->id, source);
}

static void add_rule(struct loading *load, struct sigma_scope *scope, struct sigma_source *source)
{
	struct mr_yaml *correlation = mr_yaml_get(source->root, "correlation");
	source->rule.kind = correlation != NULL ? MR_RULE_CORRELATION : MR_RULE_DETECTION;
	source->rule.alerts = true;
	if (!sigma_meta_read(scope, source))
		source->refused = true;
	else if (correlation != NULL)
		source->refused = !sigma_correlation_read(scope, source);
	else
		source->refused = !sigma_logsource_read(scope, source->root, &source->logsource);
	/* Refused ones stay known, so that correlations over them say why they are refused. */
	sigma_sources_add(scope->arena,
			  correlation != NULL ? &load->correlations : &load->detections, source);
	sigma_index_add(&load->builder.ids, scope->arena, source->id, source);
	const struct sigma_entry *same = sigma_index_find(&load->builder.names, source->name);
	if (source->name.len != 0 && same != NULL) {
		const struct sigma_source *other = same->thing;
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(mr_yaml_get(source->root, "name")),
			   "the name \"%.*s\" is that of an earlier rule, too (%.*s:%u): no "
			   "correlation can name either by it",
			   SIGMA_SHOW(source->name), SIGMA_SHOW_END(other->file),
			   other->root->line);
	}
	if (source->name.len != 0)
		sigma_index_add(&load->builder.names, scope->arena, source->name, source);
}

/* What a document is: of these keys it has one. */
static bool check_shape(struct sigma_scope *scope, const struct mr_yaml *root)
{
	static const char *const shapes[] = {"detection", "correlation", "filter"};
	const char *first = NULL;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		const struct mr_yaml *key = mr_yaml_key(root, shapes[i]);
		if (key != NULL && first != NULL)
			return sigma_refuse(scope, SIGMA_AT(key),
					    "\"%s\" and \"%s\" exclude each other; write two "
					    "documents, with `---` between them",
					    first, shapes[i]);
		if (key != NULL)
			first = shapes[i];
	}
	return first != NULL ||
	       sigma_refuse(scope, root->line, root->column,
			    "neither \"detection\" nor \"correlation\" nor \"filter\" is there");
}

static void add_document(struct loading *load, struct mr_slice file, struct mr_yaml *root)
{
	struct sigma_source *source = mr_arena_alloc(load->builder.arena, sizeof *source);
	*source = (struct sigma_source){.root = root, .file = file, .id = id_of(load, root)};
	struct sigma_scope scope = {
	    .load = &load->builder, .arena = load->builder.arena, .file = file, .id = source->id};
	enum sigma_lint lint = SIGMA_LINT_REFUSED;
	if (!check_id(load, &scope, source)) {
		lint = SIGMA_LINT_DUPLICATE_ID;
	} else if (check_shape(&scope, root)) {
		if (mr_yaml_get(root, "filter") != NULL)
			add_filter(load, &scope, source);
		else
			add_rule(load, &scope, source);
	}
	if (mr_fault_is(&scope.fault)) {
		struct sigma_notes *refused = &load->builder.set->refused;
		note_refused(load, file, source->id, &scope.fault);
		refused->items[refused->count - 1].lint = lint;
		refused->items[refused->count - 1].filter = mr_yaml_get(root, "filter") != NULL;
	}
}

/* What `action` asks of this document; false where it is no rule by itself. */
static bool act(struct loading *load, struct mr_slice file, struct mr_yaml **root)
{
	struct mr_arena *arena = load->builder.arena;
	struct mr_yaml *action = mr_yaml_get(*root, "action");
	bool alone =
	    mr_yaml_get(*root, "correlation") != NULL || mr_yaml_get(*root, "filter") != NULL;
	struct mr_fault fault = {0};
	if (action == NULL) {
		if (load->global != NULL && !alone)
			*root = sigma_tree_merge(arena, load->global, *root);
		load->repeat = *root;
		return true;
	}
	if (mr_yaml_is(action, "global")) {
		load->global =
		    load->global == NULL ? *root : sigma_tree_merge(arena, load->global, *root);
		return false;
	}
	if (mr_yaml_is(action, "reset")) {
		load->global = NULL;
		load->repeat = NULL;
		return false;
	}
	if (mr_yaml_is(action, "repeat") && load->repeat != NULL) {
		*root = sigma_tree_merge(arena, load->repeat, *root);
		load->repeat = *root;
		return true;
	}
	mr_fault_set(arena, &fault, SIGMA_AT(action),
		     mr_yaml_is(action, "repeat")
			 ? "nothing stands before this that could be repeated"
			 : "unknown action: global, reset and repeat are known");
	note_refused(load, file, (struct mr_slice){"", 0}, &fault);
	return false;
}

static bool too_large(struct loading *load, const struct mr_yaml *root, struct mr_fault *fault)
{
	if (root->cost <= load->budget) {
		load->budget -= root->cost;
		return false;
	}
	load->budget = 0; /* no more of this file, and no more merging */
	mr_fault_set(load->builder.arena, fault, SIGMA_AT(root),
		     "this file grows more than a hundredfold where its aliases are followed "
		     "and `action: global` and `repeat` carried out; from here on it is not "
		     "read, make it several smaller ones");
	return true;
}

/* One document of a file; false where it is no rule by itself. */
static bool load_document(struct loading *load, struct mr_slice file,
			  const struct mr_yaml_document *document)
{
	struct mr_yaml *root = document->root;
	struct mr_fault fault = document->fault;
	if (root != NULL && load->budget > 0 && root->kind == MR_YAML_MAP &&
	    (sigma_document_is_mapping(root) || rule_document_is_tests(root) ||
	     !act(load, file, &root)))
		return false;
	if (root != NULL && root->kind != MR_YAML_MAP)
		mr_fault_set(load->builder.arena, &fault, SIGMA_AT(root),
			     "%s where a rule, a map, should stand", mr_yaml_what(root));
	else if (root != NULL && !too_large(load, root, &fault))
		add_document(load, file, root);
	if (mr_fault_is(&fault))
		note_refused(load, file, (struct mr_slice){"", 0}, &fault);
	return true;
}

static enum mr_err load_file(struct loading *load, const char *path, struct mr_error *error)
{
	struct mr_arena *arena = load->builder.arena;
	struct mr_yaml_documents documents = {0};
	struct mr_buf bytes = {0};
	struct mr_slice file = {mr_arena_copy(arena, path, strlen(path)), strlen(path)};
	enum mr_err err = sigma_file_read(path, MR_YAML_FILE_MAX, &bytes, error);
	if (err != MR_OK)
		return err;
	if (bytes.len > MR_YAML_FILE_MAX) {
		struct mr_fault fault = {0};
		mr_fault_set(arena, &fault, 1, 1, "the file is longer than 16 MiB");
		note_refused(load, file, (struct mr_slice){"", 0}, &fault);
	} else {
		mr_yaml_parse(arena, (struct mr_slice){bytes.data, bytes.len}, &documents);
	}
	load->global = NULL;
	load->repeat = NULL;
	load->budget = BUDGET_BASE + BUDGET_FACTOR * bytes.len;
	mr_buf_fini(&bytes);
	bool rules = false;
	for (uint32_t i = 0; i < documents.count; i++)
		rules |= load_document(load, file, &documents.items[i]);
	load->builder.set->files += rules;
	return MR_OK;
}

/* ---- detections ---- */

/* The rule as one view of its logsource sees it. */
static struct sigma_node *compile_view(struct loading *load, struct sigma_scope *scope,
				       struct sigma_source *source, const struct sigma_view *view)
{
	scope->view = view;
	scope->tests = 0;
	struct sigma_node *node =
	    sigma_detection_compile(scope, mr_yaml_get(source->root, "detection"), NULL);
	if (node == NULL || !sigma_filters_join(scope, &load->filters, source, &node))
		return NULL;
	scope->again = true;
	if (view == NULL || view->where == NULL)
		return node;
	struct sigma_node *seen = sigma_node_label(
	    scope, SIGMA_LABEL_LOGSOURCE, sigma_logsource_show(scope->arena, &source->logsource),
	    source->logsource.at, sigma_view_where(scope, view));
	return seen == NULL ? NULL : sigma_node_pair(scope->arena, SIGMA_AND, seen, node);
}

/* All records whose source says what they are. */
static const struct sigma_view declared_view = {.kinds = 1u << MR_KIND_DECLARED, .declared = true};

/* What a view of the taxonomy brings is what the rule does not see at once. */
static void see(struct sigma_rule *rule, struct sigma_source *source, const struct sigma_view *view)
{
	for (uint32_t i = 0; i < SIGMA_DECLARED_WORDS; i++)
		rule->declared[i] = view->where == NULL ? source->declared[i]
							: view->said[i] & ~source->declared[i];
	for (uint32_t i = 0; i < MR_DECLARED_MAX; i++)
		source->fed[i] |= (rule->declared[i / 32] >> i % 32 & 1) != 0;
}

static struct sigma_rule *room_for(struct mr_arena *arena, struct sigma_rule **items,
				   uint32_t *count, uint32_t *capacity)
{
	if (*count == *capacity) {
		*capacity = (uint32_t)mr_grow(*capacity, *count + 1u);
		struct sigma_rule *grown = mr_arena_alloc(arena, *capacity * sizeof *grown);
		if (*count > 0)
			memcpy(grown, *items, *count * sizeof *grown);
		*items = grown;
	}
	return &(*items)[(*count)++];
}

static struct sigma_rule *keep(struct loading *load, struct sigma_source *source,
			       struct sigma_node *node, const struct sigma_view *view)
{
	struct sigma_set *set = load->builder.set;
	struct sigma_rule *rule =
	    room_for(&set->arena, &set->rules, &set->rule_count, &load->rule_capacity);
	*rule = (struct sigma_rule){.index = source->index, .condition = node};
	if (view == NULL)
		rule->kinds = (1u << MR_KIND_COUNT) - 1;
	else if (view->declared)
		see(rule, source, view);
	else
		rule->kinds = view->kinds;
	rule->asked = sigma_logsource_asked(&load->builder, rule, view);
	return rule;
}

/* The views of a detection's logsource, NULL among them where it sees all records; false where
 * nothing feeds it. */
static bool find_views(struct sigma_builder *load, struct sigma_source *source)
{
	const struct sigma_view *views[SIGMA_VIEWS_MAX + 1 + SIGMA_TAXONOMY_MAX] = {NULL};
	source->view_count = 1;
	if (!sigma_logsource_is_all(&source->logsource))
		source->view_count =
		    sigma_mapping_find(sigma_mapping_of(load), &source->logsource, views);
	if (sigma_logsource_declared(load, &source->logsource, source->declared))
		views[source->view_count++] = &declared_view;
	source->view_count += sigma_taxonomy_find(load, &source->logsource, source->declared,
						  views + source->view_count);
	source->views = mr_arena_alloc(load->arena, (source->view_count + 1) * sizeof *views);
	memcpy(source->views, views, source->view_count * sizeof *views);
	for (uint32_t i = 0; i < source->view_count; i++)
		source->kinds |= views[i] == NULL ? 0 : views[i]->kinds;
	return source->view_count > 0;
}

/* Why a detection that is not refused never fires: it sees nothing, what it sees never satisfies
 * it, or it is inactive. */
static void tell_silent(struct sigma_scope *scope, const struct sigma_source *source, bool fed)
{
	const struct sigma_logsource *logsource = &source->logsource;
	scope->again = false;
	if (!fed) {
		struct mr_slice has = sigma_logsource_show(scope->arena, logsource);
		struct mr_slice hint = sigma_logsource_hint(scope->load, logsource);
		if (hint.len == 0)
			hint = sigma_logsource_setting(scope->arena, logsource);
		sigma_warn(scope, SIGMA_LINT_UNFED_LOGSOURCE, SIGMA_AT(logsource->at),
			   "nothing feeds the logsource %.*s: the rule sees nothing%.*s",
			   (int)has.len, has.at, (int)hint.len, hint.at);
	}
	sigma_reach_tell(scope, mr_yaml_get(source->root, "detection"));
	if (scope->missing.len == 0)
		return;
	sigma_warn(scope, SIGMA_LINT_INACTIVE, scope->missing_at.line, scope->missing_at.column,
		   "inactive: the placeholder %%%.*s%% has no value", SIGMA_SHOW(scope->missing));
	sigma_note_idle(scope->load, false);
}

/* What it would see if it were active. */
static void put_aside(struct loading *load, uint32_t first)
{
	struct sigma_set *set = load->builder.set;
	for (uint32_t i = first; i < set->rule_count; i++)
		*room_for(&set->arena, &set->waiting, &set->waiting_count,
			  &load->waiting_capacity) = set->rules[i];
}

/* Compile a detection for each view of its logsource; its index is the next if it is good. One that
 * nothing feeds is compiled all the same, to find its faults. */
static void compile_detection(struct loading *load, struct sigma_source *source, uint32_t index)
{
	struct sigma_set *set = load->builder.set;
	struct sigma_scope scope = {.load = &load->builder,
				    .arena = load->builder.arena,
				    .file = source->file,
				    .id = source->id};
	uint32_t first = set->rule_count;
	uint32_t at = 0;
	const struct mr_yaml *detection = mr_yaml_get(source->root, "detection");
	bool fed = find_views(&load->builder, source);
	scope.kinds = source->kinds;
	source->index = index;
	sigma_reach_begin(&scope, detection);
	do {
		const struct sigma_view *view = at < source->view_count ? source->views[at] : NULL;
		struct sigma_node *node = compile_view(load, &scope, source, view);
		if (node == NULL)
			break;
		sigma_reach_rule(&scope, node);
		struct sigma_rule *rule = keep(load, source, node, view);
		if (load->builder.labelled)
			rule->never = sigma_reach_why(&scope, node, detection);
	} while (++at < source->view_count);
	source->rule.inactive = scope.missing.len != 0;
	source->rule.made = scope.made;
	source->refused = mr_fault_is(&scope.fault);
	if (source->refused)
		note_refused(load, source->file, source->id, &scope.fault);
	else
		tell_silent(&scope, source, fed);
	if (load->builder.lints && !source->refused)
		sigma_tree_lint(&scope, source);
	if (source->rule.inactive && !source->refused && fed)
		put_aside(load, first);
	if (source->refused || source->rule.inactive || !fed)
		set->rule_count = first;
}

/* ---- the set ---- */

static void put_in_catalog(struct sigma_builder *builder, struct sigma_source *source)
{
	struct mr_catalog *catalog = &builder->set->catalog;
	sigma_level_lint(builder, source);
	source->rule.content = sigma_tree_content(builder->arena, source->root);
	source->index = catalog->count;
	catalog->rules[catalog->count++] = source->rule;
	catalog->inactive += source->rule.inactive;
	if (source->rule.kind == MR_RULE_DETECTION)
		catalog->detections++;
	else
		catalog->correlations++;
	if (source->rule.layer + 1 > catalog->layers)
		catalog->layers = (uint8_t)(source->rule.layer + 1);
}

/* For those who only see the catalog. */
static struct mr_refusal *tell(struct sigma_set *set, const struct sigma_notes *notes,
			       uint32_t *count_out)
{
	struct mr_refusal *out = mr_arena_alloc(&set->arena, (notes->count + 1u) * sizeof *out);
	for (uint32_t i = 0; i < notes->count; i++) {
		const struct sigma_note *note = &notes->items[i];
		out[i] = (struct mr_refusal){note->file, note->id, note->reason, note->line,
					     note->filter};
	}
	*count_out = notes->count;
	return out;
}

static void make_set(struct loading *load)
{
	struct sigma_set *set = load->builder.set;
	uint32_t index = 0;
	sigma_filters_link(&load->builder, &load->filters);
	for (uint32_t i = 0; i < load->detections.count; i++) {
		struct sigma_source *source = load->detections.items[i];
		if (source->refused)
			continue;
		compile_detection(load, source, index);
		index += !source->refused;
	}
	sigma_logsources_feed(&load->builder, &load->detections);
	sigma_filters_lint(&load->builder, &load->filters);
	sigma_placeholders_lint(&load->builder);
	sigma_correlations_link(&load->builder, &load->correlations);
	struct mr_catalog *catalog = &set->catalog;
	size_t most = load->detections.count + (size_t)load->correlations.count + 1;
	catalog->rules = mr_arena_alloc(&set->arena, most * sizeof *catalog->rules);
	catalog->layers = 1;
	for (uint32_t i = 0; i < load->detections.count; i++) {
		if (load->detections.items[i]->refused)
			continue;
		sigma_filters_know(&load->builder, &load->filters, load->detections.items[i]);
		put_in_catalog(&load->builder, load->detections.items[i]);
	}
	for (uint32_t i = 0; i < load->correlations.count; i++) {
		if (!load->correlations.items[i]->refused)
			put_in_catalog(&load->builder, load->correlations.items[i]);
	}
	sigma_correlations_finish(&load->builder, &load->detections, &load->correlations);
	sigma_filters_finish(&load->builder, &load->filters);
	catalog->refusals = tell(set, &set->refused, &catalog->refused);
	catalog->idle = tell(set, &set->idle, &catalog->idle_count);
}

enum mr_err sigma_load_with(const char *const *paths, size_t path_count,
			    const struct sigma_wishes *wishes, struct mr_fields *fields,
			    struct sigma_set *out, struct mr_error *error)
{
	struct sigma_files files = {0};
	*out = (struct sigma_set){0};
	const struct mr_declared none = {0};
	struct loading load = {
	    .builder = {.set = out,
			.arena = &out->arena,
			.fields = fields,
			.declared = wishes->declared != NULL ? wishes->declared : &none,
			.asked = wishes->asked,
			.labelled = wishes->labelled,
			.lints = wishes->lints}};
	enum mr_err err = MR_OK;
	if (wishes->placeholders != NULL)
		err = sigma_placeholders_read(&load.builder, wishes->placeholders, error);
	for (size_t i = 0; i < path_count && err == MR_OK; i++)
		err = sigma_files_find(&files, paths[i], error);
	for (size_t i = 0; i < files.count && err == MR_OK; i++)
		err = load_file(&load, files.items[i], error);
	sigma_files_fini(&files);
	if (err == MR_OK) {
		make_set(&load);
		if (out->catalog.count + out->catalog.filter_count + out->refused.count == 0)
			err = mr_error_set(error, MR_CONFIG, "%s: no rule is there",
					   path_count > 0 ? paths[0] : "rules");
	}
	sigma_index_fini(&load.builder.ids);
	sigma_index_fini(&load.builder.names);
	sigma_index_fini(&load.filter_ids);
	sigma_filters_fini(&load.filters);
	if (err != MR_OK)
		sigma_set_fini(out);
	return err;
}

void sigma_set_fini(struct sigma_set *set)
{
	mr_arena_fini(&set->arena);
	*set = (struct sigma_set){0};
}
