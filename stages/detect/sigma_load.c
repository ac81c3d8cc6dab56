/* sigma_load.c - from paths to a set of rules.
 *
 * Called by detect.c and cmd_rules.c. A document that is refused is noted with its place and does
 * not stop the others; only a path or placeholder file that can't be read, or no usable rule at
 * all, is an error. */
#include <stdlib.h>

#include "sigma_file.h"
#include "sigma_mapping.h"

struct loading {
	struct sigma_builder builder;
	struct sigma_sources detections, correlations;
	struct sigma_filters filters;
	struct sigma_yaml *global; /* of the file in hand */
	struct sigma_yaml *repeat; /* likewise, the document that `action: repeat` goes on from */
};

static void note_refused(struct loading *load, struct mr_slice file, struct mr_slice id,
			 const struct sigma_fault *fault)
{
	sigma_note_add(&load->builder, &load->builder.set->refused,
		       (struct sigma_note){file, id, fault->reason, fault->line, fault->column});
}

/* ---- documents ---- */

static struct mr_slice id_of(struct loading *load, const struct sigma_yaml *root)
{
	const struct sigma_yaml *id = sigma_yaml_get(root, "id");
	if (id != NULL && id->kind == SIGMA_YAML_SCALAR && id->text.len != 0 &&
	    id->type != SIGMA_YAML_NULL)
		return id->text;
	return sigma_yaml_hash(load->builder.arena, root);
}

static bool id_is_taken(const struct loading *load, struct mr_slice id)
{
	const struct sigma_sources *const lists[] = {&load->detections, &load->correlations};
	for (uint32_t i = 0; i < load->filters.count; i++) {
		if (mr_slice_eq(load->filters.items[i].source->id, id))
			return true;
	}
	for (size_t l = 0; l < 2; l++) {
		for (uint32_t i = 0; i < lists[l]->count; i++) {
			if (mr_slice_eq(lists[l]->items[i]->id, id))
				return true;
		}
	}
	return false;
}

static void add_filter(struct loading *load, struct sigma_scope *scope, struct sigma_source *source)
{
	struct sigma_filters *filters = &load->filters;
	if (filters->count == filters->capacity) {
		uint32_t capacity = (uint32_t)mr_grow(filters->capacity, filters->count + 1u);
		struct sigma_filter *items = mr_arena_alloc(scope->arena, capacity * sizeof *items);
		if (filters->count > 0)
			memcpy(items, filters->items, filters->count * sizeof *items);
		filters->items = items;
		filters->capacity = capacity;
	}
	/* Compiled here only to find its faults; each rule it applies to compiles it for its views.
	 */
	if (sigma_meta_read(scope, source) &&
	    sigma_logsource_read(scope, source->root, &source->logsource) &&
	    sigma_filter_read(scope, source, &filters->items[filters->count]) &&
	    sigma_detection_compile(scope, filters->items[filters->count].body, "rules") != NULL) {
		sigma_filter_lint(scope, &filters->items[filters->count]);
		filters->count++;
	}
}

static bool check_id(struct loading *load, struct sigma_scope *scope, struct sigma_source *source)
{
	if (!id_is_taken(load, source->id))
		return true;
	struct sigma_yaml *at = sigma_yaml_get(source->root, "id");
	return sigma_refuse(scope, at == NULL ? source->root->line : at->line,
			    at == NULL ? source->root->column : at->column,
			    "the id \"%.*s\" is that of an earlier rule", SIGMA_SHOW(source->id));
}

static void add_rule(struct loading *load, struct sigma_scope *scope, struct sigma_source *source)
{
	struct sigma_yaml *correlation = sigma_yaml_get(source->root, "correlation");
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
}

static void add_document(struct loading *load, struct mr_slice file, struct sigma_yaml *root)
{
	struct sigma_source *source = mr_arena_alloc(load->builder.arena, sizeof *source);
	*source = (struct sigma_source){.root = root, .file = file, .id = id_of(load, root)};
	struct sigma_scope scope = {
	    .load = &load->builder, .arena = load->builder.arena, .file = file, .id = source->id};
	if (!check_id(load, &scope, source))
		;
	else if (sigma_yaml_get(root, "filter") != NULL)
		add_filter(load, &scope, source);
	else if (sigma_yaml_get(root, "correlation") == NULL &&
		 sigma_yaml_get(root, "detection") == NULL)
		sigma_refuse(&scope, root->line, root->column,
			     "neither \"detection\" nor \"correlation\" nor \"filter\" is there");
	else
		add_rule(load, &scope, source);
	if (sigma_fault_is(&scope.fault))
		note_refused(load, file, source->id, &scope.fault);
}

/* What `action` asks of this document; false where it is no rule by itself. */
static bool act(struct loading *load, struct mr_slice file, struct sigma_yaml **root)
{
	struct mr_arena *arena = load->builder.arena;
	struct sigma_yaml *action = sigma_yaml_get(*root, "action");
	bool alone =
	    sigma_yaml_get(*root, "correlation") != NULL || sigma_yaml_get(*root, "filter") != NULL;
	struct sigma_fault fault = {0};
	if (action == NULL) {
		if (load->global != NULL && !alone)
			*root = sigma_yaml_merge(arena, load->global, *root);
		load->repeat = *root;
		return true;
	}
	if (sigma_yaml_is(action, "global")) {
		load->global =
		    load->global == NULL ? *root : sigma_yaml_merge(arena, load->global, *root);
		return false;
	}
	if (sigma_yaml_is(action, "reset")) {
		load->global = NULL;
		load->repeat = NULL;
		return false;
	}
	if (sigma_yaml_is(action, "repeat") && load->repeat != NULL) {
		*root = sigma_yaml_merge(arena, load->repeat, *root);
		load->repeat = *root;
		return true;
	}
	sigma_fault_set(arena, &fault, SIGMA_AT(action),
			sigma_yaml_is(action, "repeat")
			    ? "nothing stands before this that could be repeated"
			    : "unknown action: global, reset and repeat are known");
	note_refused(load, file, (struct mr_slice){"", 0}, &fault);
	return false;
}

static enum mr_err load_file(struct loading *load, const char *path, struct mr_error *error)
{
	struct mr_arena *arena = load->builder.arena;
	struct sigma_documents documents = {0};
	struct mr_buf bytes = {0};
	struct mr_slice file = {mr_arena_copy(arena, path, strlen(path)), strlen(path)};
	enum mr_err err = sigma_file_read(path, SIGMA_YAML_FILE_MAX, &bytes, error);
	if (err != MR_OK)
		return err;
	if (bytes.len > SIGMA_YAML_FILE_MAX) {
		struct sigma_fault fault = {.line = 1, .column = 1};
		sigma_fault_set(arena, &fault, 1, 1, "the file is longer than 16 MiB");
		note_refused(load, file, (struct mr_slice){"", 0}, &fault);
	} else {
		sigma_yaml_parse(arena, (struct mr_slice){bytes.data, bytes.len}, &documents);
	}
	mr_buf_fini(&bytes);
	load->global = NULL;
	load->repeat = NULL;
	bool rules = false;
	for (uint32_t i = 0; i < documents.count; i++) {
		struct sigma_yaml *root = documents.items[i].root;
		if (root == NULL) {
			note_refused(load, file, (struct mr_slice){"", 0},
				     &documents.items[i].fault);
		} else if (root->kind != SIGMA_YAML_MAP) {
			struct sigma_fault fault = {0};
			sigma_fault_set(arena, &fault, SIGMA_AT(root),
					"%s where a rule, a map, should stand",
					sigma_yaml_what(root));
			note_refused(load, file, (struct mr_slice){"", 0}, &fault);
		} else if (!sigma_document_is_mapping(root) && act(load, file, &root)) {
			add_document(load, file, root);
		} else {
			continue;
		}
		rules = true;
	}
	load->builder.set->files += rules;
	return MR_OK;
}

/* ---- detections ---- */

/* A filter stands in its own file and name space, but is seen as the rule is. A placeholder without
 * value makes the rule inactive. */
static bool add_filters(struct loading *load, struct sigma_scope *scope,
			struct sigma_source *source, struct sigma_node **node)
{
	for (uint32_t i = 0; i < load->filters.count; i++) {
		struct sigma_filter *filter = &load->filters.items[i];
		if (!sigma_filter_applies(filter, source))
			continue;
		struct sigma_scope own = *scope;
		own.file = filter->source->file;
		own.id = filter->source->id;
		own.again = true;
		struct sigma_node *more = sigma_detection_compile(&own, filter->body, "rules");
		scope->missing = own.missing;
		scope->missing_at = own.missing_at;
		if (more == NULL)
			return sigma_refuse(scope, source->rule.line, 1,
					    "with the filter \"%.*s\": %.*s", SIGMA_SHOW(own.id),
					    SIGMA_SHOW(own.fault.reason));
		*node = sigma_node_pair(scope->arena, SIGMA_AND, *node, more);
	}
	return true;
}

/* The rule as one view of its logsource sees it. */
static struct sigma_node *compile_view(struct loading *load, struct sigma_scope *scope,
				       struct sigma_source *source, const struct sigma_view *view)
{
	scope->view = view;
	struct sigma_node *node =
	    sigma_detection_compile(scope, sigma_yaml_get(source->root, "detection"), NULL);
	if (node == NULL || !add_filters(load, scope, source, &node))
		return NULL;
	scope->again = true;
	if (view == NULL || view->detection == NULL)
		return node;
	scope->view = NULL;
	struct sigma_node *seen = sigma_detection_compile(scope, view->detection, NULL);
	return seen == NULL ? NULL : sigma_node_pair(scope->arena, SIGMA_AND, seen, node);
}

static void keep(struct sigma_set *set, uint32_t *capacity, struct sigma_source *source,
		 struct sigma_node *node, uint32_t kinds)
{
	if (set->rule_count == *capacity) {
		*capacity = (uint32_t)mr_grow(*capacity, set->rule_count + 1u);
		struct sigma_rule *rules = mr_arena_alloc(&set->arena, *capacity * sizeof *rules);
		if (set->rule_count > 0)
			memcpy(rules, set->rules, set->rule_count * sizeof *rules);
		set->rules = rules;
	}
	set->rules[set->rule_count++] =
	    (struct sigma_rule){.index = source->index, .kinds = kinds, .condition = node};
}

/* Compile a detection for each view of its logsource; its index is the next if it is good. */
static void compile_detection(struct loading *load, struct sigma_source *source, uint32_t index,
			      uint32_t *capacity)
{
	struct sigma_set *set = load->builder.set;
	const struct sigma_view *views[SIGMA_VIEWS_MAX];
	struct sigma_scope scope = {.load = &load->builder,
				    .arena = load->builder.arena,
				    .file = source->file,
				    .id = source->id};
	const struct sigma_logsource *logsource = &source->logsource;
	bool all = logsource->product.len + logsource->service.len + logsource->category.len == 0;
	uint32_t count = 1;
	uint32_t first = set->rule_count;
	views[0] = NULL;
	if (!all)
		count = sigma_mapping_find(load->builder.mapping, logsource, views);
	if (count == 0) {
		sigma_warn(&scope, source->rule.line, 1,
			   "nothing feeds the logsource \"%.*s/%.*s/%.*s\": the rule sees nothing",
			   SIGMA_SHOW(logsource->product), SIGMA_SHOW(logsource->category),
			   SIGMA_SHOW(logsource->service));
		views[0] = NULL; /* compiled all the same, to find its faults */
	}
	source->index = index;
	for (uint32_t i = 0; i < (count == 0 ? 1 : count); i++) {
		struct sigma_node *node = compile_view(load, &scope, source, views[i]);
		if (node == NULL)
			break;
		uint32_t kinds = count == 0         ? 0
				 : views[i] == NULL ? (1u << MR_KIND_COUNT) - 1
						    : views[i]->kinds;
		if (kinds != 0)
			keep(set, capacity, source, node, kinds);
	}
	source->rule.inactive = scope.missing.len != 0;
	source->refused = sigma_fault_is(&scope.fault);
	scope.again = false;
	if (source->rule.inactive && !source->refused)
		sigma_warn(&scope, scope.missing_at.line, scope.missing_at.column,
			   "inactive: the placeholder %%%.*s%% has no value",
			   SIGMA_SHOW(scope.missing));
	if (source->refused)
		note_refused(load, source->file, source->id, &scope.fault);
	if (source->refused || source->rule.inactive)
		set->rule_count = first;
}

/* Filters work on records, so those that name a correlation are refused. */
static void refuse_filters_on_correlations(struct loading *load)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < load->filters.count; i++) {
		struct sigma_filter *filter = &load->filters.items[i];
		struct sigma_fault fault = {0};
		for (uint32_t c = 0; c < load->correlations.count; c++) {
			const struct sigma_source *source = load->correlations.items[c];
			if (sigma_filter_names(filter, source))
				sigma_fault_set(
				    load->builder.arena, &fault, SIGMA_AT(filter->body),
				    "a filter cannot apply to the correlation \"%.*s\"; "
				    "name its rules",
				    SIGMA_SHOW(source->id));
		}
		if (sigma_fault_is(&fault))
			note_refused(load, filter->source->file, filter->source->id, &fault);
		else
			load->filters.items[kept++] = *filter;
	}
	load->filters.count = kept;
}

static void warn_lost_filters(struct loading *load)
{
	for (uint32_t i = 0; i < load->filters.count; i++) {
		const struct sigma_filter *filter = &load->filters.items[i];
		struct sigma_scope scope = {.load = &load->builder,
					    .arena = load->builder.arena,
					    .file = filter->source->file,
					    .id = filter->source->id};
		for (uint32_t r = 0; r < filter->rules.count && !filter->any; r++) {
			if (!filter->found[r])
				sigma_warn(&scope, SIGMA_AT(filter->body),
					   "the filter names a rule that is not there: \"%.*s\"",
					   SIGMA_SHOW(filter->rules.items[r]));
		}
	}
}

/* ---- the set ---- */

static void put_in_catalog(struct mr_catalog *catalog, struct sigma_source *source)
{
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

static void make_set(struct loading *load)
{
	struct sigma_set *set = load->builder.set;
	uint32_t capacity = 0;
	uint32_t index = 0;
	refuse_filters_on_correlations(load);
	for (uint32_t i = 0; i < load->detections.count; i++) {
		struct sigma_source *source = load->detections.items[i];
		if (source->refused)
			continue;
		compile_detection(load, source, index, &capacity);
		index += !source->refused;
	}
	warn_lost_filters(load);
	sigma_correlations_link(&load->builder, &load->detections, &load->correlations);
	struct mr_catalog *catalog = &set->catalog;
	size_t most = load->detections.count + (size_t)load->correlations.count + 1;
	catalog->rules = mr_arena_alloc(&set->arena, most * sizeof *catalog->rules);
	catalog->layers = 1;
	catalog->filters = load->filters.count;
	for (uint32_t i = 0; i < load->detections.count; i++) {
		if (!load->detections.items[i]->refused)
			put_in_catalog(catalog, load->detections.items[i]);
	}
	for (uint32_t i = 0; i < load->correlations.count; i++) {
		if (!load->correlations.items[i]->refused)
			put_in_catalog(catalog, load->correlations.items[i]);
	}
	sigma_correlations_finish(&load->builder, &load->correlations);
	catalog->refused = set->refused.count;
}

enum mr_err sigma_load(const char *const *paths, size_t path_count, const char *placeholders,
		       struct mr_fields *fields, struct sigma_set *out, struct mr_error *error)
{
	struct sigma_files files = {0};
	*out = (struct sigma_set){0};
	struct loading load = {.builder = {.set = out, .arena = &out->arena, .fields = fields}};
	load.builder.mapping = sigma_mapping_read(&out->arena);
	enum mr_err err = MR_OK;
	if (placeholders != NULL)
		err = sigma_placeholders_read(&load.builder, placeholders, error);
	for (size_t i = 0; i < path_count && err == MR_OK; i++)
		err = sigma_files_find(&files, paths[i], error);
	for (size_t i = 0; i < files.count && err == MR_OK; i++)
		err = load_file(&load, files.items[i].path, error);
	sigma_files_fini(&files);
	if (err == MR_OK) {
		make_set(&load);
		if (out->catalog.count == 0 && out->refused.count == 0)
			err = mr_error_set(error, MR_CONFIG, "%s: no rule is there",
					   path_count > 0 ? paths[0] : "rules");
	}
	if (err != MR_OK)
		sigma_set_fini(out);
	return err;
}

void sigma_set_fini(struct sigma_set *set)
{
	mr_arena_fini(&set->arena);
	*set = (struct sigma_set){0};
}
