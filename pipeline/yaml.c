/* yaml.c - libfyaml's events become trees.
 *
 * Called by detect and by topology_file.c. Fails by putting a fault into the document; a file that
 * libfyaml cannot read ends there. libfyaml's own document builder is not used: it has no bound on
 * what aliases expand to. What it is known to handle badly (bytes that are no UTF-8, NUL) never
 * reaches it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <libfyaml.h>

#include "yaml_scalar.h"

bool mr_fault_set(struct mr_arena *arena, struct mr_fault *fault, uint32_t line, uint32_t column,
		  const char *format, ...)
{
	char text[600];
	va_list args;

	if (mr_fault_is(fault))
		return false;
	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	fault->reason = (struct mr_slice){mr_arena_copy(arena, text, (size_t)len), (size_t)len};
	fault->line = line;
	fault->column = column;
	return false;
}

struct frame { /* a container that is still open */
	struct mr_yaml *node;
	struct mr_slice anchor;
	size_t base; /* its first member in `open` */
};

struct anchor {
	struct mr_slice name;
	struct mr_yaml *node;
};

struct builder {
	struct mr_arena *arena;
	struct fy_parser *parser;
	struct mr_fault fault;
	struct frame frames[MR_YAML_DEPTH_MAX];
	uint32_t depth;
	struct mr_yaml **open; /* members of open containers; keys and values in turn */
	size_t open_count, open_capacity;
	struct anchor *anchors;
	size_t anchor_count, anchor_capacity;
	struct mr_yaml *root;
	uint32_t line, column;        /* where the document's first node stands; 0 before it */
	const struct mr_yaml *newest; /* node of the document; NULL before the first */
};

static struct mr_slice token_text(struct builder *builder, struct fy_token *token)
{
	size_t len = 0;
	const char *text = token == NULL ? NULL : fy_token_get_text(token, &len);

	if (text == NULL)
		return (struct mr_slice){"", 0};
	return (struct mr_slice){mr_arena_copy(builder->arena, text, len), len};
}

static struct mr_yaml *new_node(struct builder *builder, enum mr_yaml_kind kind,
				struct fy_event *event)
{
	struct mr_yaml *node = mr_arena_alloc(builder->arena, sizeof(*node));
	const struct fy_mark *mark = fy_event_start_mark(event);

	*node = (struct mr_yaml){.kind = kind, .indent = UINT8_MAX};
	if (mark != NULL) {
		node->line = (uint32_t)mark->line + 1;
		node->column = (uint32_t)mark->column + 1;
	} else if (builder->newest != NULL) { /* nothing is written: behind a key, or in a list */
		node->line = builder->newest->line;
		node->column = builder->newest->column;
	}
	builder->newest = node;
	if (builder->line == 0) {
		builder->line = node->line;
		builder->column = node->column;
	}
	return node;
}

static bool fail(struct builder *builder, const struct mr_yaml *node, const char *reason)
{
	return mr_fault_set(builder->arena, &builder->fault, node->line, node->column, "%s",
			    reason);
}

static bool name_node(struct builder *builder, struct mr_slice name, struct mr_yaml *node)
{
	if (name.len == 0)
		return true;
	if (builder->anchor_count == MR_YAML_ANCHORS_MAX)
		return fail(builder, node, "too many anchors; a document may have 1,000");
	if (builder->anchor_count == builder->anchor_capacity) {
		builder->anchor_capacity =
		    mr_grow(builder->anchor_capacity, builder->anchor_count + 1);
		builder->anchors = mr_realloc(builder->anchors,
					      builder->anchor_capacity * sizeof(*builder->anchors));
	}
	builder->anchors[builder->anchor_count++] = (struct anchor){name, node};
	return true;
}

/* A finished node takes its place in what is open around it. */
static bool put(struct builder *builder, struct mr_yaml *node)
{
	if (node->cost > MR_YAML_COST_MAX)
		return fail(builder, node,
			    "the document, its aliases followed, is larger than 32 MiB");
	if (builder->depth == 0) {
		builder->root = node;
		return true;
	}
	struct frame *frame = &builder->frames[builder->depth - 1];
	bool is_key =
	    frame->node->kind == MR_YAML_MAP && (builder->open_count - frame->base) % 2 == 0;
	if (is_key && node->kind != MR_YAML_SCALAR)
		return fail(builder, node, "a key is a text, not a list or a map");
	if (is_key && node->indent == 0 && mr_slice_eq(node->text, MR_SLICE("<<")))
		return fail(builder, node,
			    "merge keys are not part of YAML 1.2; write the keys out");
	if (builder->open_count == builder->open_capacity) {
		builder->open_capacity = mr_grow(builder->open_capacity, builder->open_count + 1);
		builder->open =
		    mr_realloc(builder->open, builder->open_capacity * sizeof(*builder->open));
	}
	builder->open[builder->open_count++] = node;
	return true;
}

static bool check_tag(struct builder *builder, const struct mr_yaml *node, struct fy_token *tag)
{
	if (tag == NULL)
		return true;
	return fail(builder, node, "tags (such as !!str) are not allowed; quote a text instead");
}

/* Where each character of the text stands as written, on one line, a place within it can be told.
 */
static void set_indent(struct mr_yaml *node, struct fy_event *event, enum fy_scalar_style style)
{
	const struct fy_mark *from = fy_event_start_mark(event), *to = fy_event_end_mark(event);
	size_t quote = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;

	if (style == FYSS_LITERAL || style == FYSS_FOLDED || from == NULL || to == NULL)
		return;
	/* libfyaml's marks stand within the quotes; a scalar's place is the quote. */
	if (quote != 0 && node->column > 1)
		node->column--;
	if (from->line == to->line && to->input_pos - from->input_pos == node->text.len)
		node->indent = (uint8_t)quote;
}

static bool on_scalar(struct builder *builder, struct fy_event *event)
{
	struct mr_yaml *node = new_node(builder, MR_YAML_SCALAR, event);
	struct fy_token *value = event->scalar.value;
	enum fy_scalar_style style = value == NULL ? FYSS_PLAIN : fy_token_scalar_style(value);

	if (!check_tag(builder, node, event->scalar.tag))
		return false;
	node->text = token_text(builder, value);
	node->cost = sizeof(*node) + node->text.len;
	if (style == FYSS_PLAIN || style == FYSS_ANY)
		mr_yaml_scalar_type(builder->arena, node);
	set_indent(node, event, style);
	return name_node(builder, token_text(builder, event->scalar.anchor), node) &&
	       put(builder, node);
}

static bool on_alias(struct builder *builder, struct fy_event *event)
{
	struct mr_slice name = token_text(builder, event->alias.anchor);
	struct mr_yaml *here = new_node(builder, MR_YAML_SCALAR, event);

	/* libfyaml's mark stands behind the asterisk. */
	if (here->column > 1)
		here->column--;
	for (size_t at = builder->anchor_count; at > 0; at--)
		if (mr_slice_eq(builder->anchors[at - 1].name, name))
			return put(builder, builder->anchors[at - 1].node);
	return mr_fault_set(builder->arena, &builder->fault, here->line, here->column,
			    "nothing before this place has the anchor &%.*s",
			    (int)(name.len > 60 ? 60 : name.len), name.at);
}

static bool on_open(struct builder *builder, struct fy_event *event)
{
	bool map = event->type == FYET_MAPPING_START;
	struct mr_yaml *node = new_node(builder, map ? MR_YAML_MAP : MR_YAML_LIST, event);
	struct fy_token *tag = map ? event->mapping_start.tag : event->sequence_start.tag;
	struct fy_token *anchor = map ? event->mapping_start.anchor : event->sequence_start.anchor;

	if (!check_tag(builder, node, tag))
		return false;
	if (builder->depth == MR_YAML_DEPTH_MAX)
		return fail(builder, node, "nested too deeply; 60 levels are allowed");
	builder->frames[builder->depth++] =
	    (struct frame){node, token_text(builder, anchor), builder->open_count};
	return true;
}

static int compare_keys(const void *left, const void *right)
{
	const struct mr_yaml *a = *(struct mr_yaml *const *)left;
	const struct mr_yaml *b = *(struct mr_yaml *const *)right;
	int order = mr_slice_cmp(a->text, b->text);

	if (order != 0)
		return order;
	return a->line != b->line ? (a->line < b->line ? -1 : 1)
				  : (a->column < b->column ? -1 : a->column > b->column);
}

static bool check_duplicates(struct builder *builder, const struct mr_yaml *map)
{
	struct mr_yaml **keys = mr_malloc((map->count + 1) * sizeof(struct mr_yaml *));
	bool good = true;

	if (map->count > 0)
		memcpy(keys, map->keys, map->count * sizeof(*keys));
	qsort(keys, map->count, sizeof(struct mr_yaml *), compare_keys);
	for (uint32_t at = 1; good && at < map->count; at++)
		if (mr_slice_eq(keys[at - 1]->text, keys[at]->text))
			good = mr_fault_set(
			    builder->arena, &builder->fault, keys[at]->line, keys[at]->column,
			    "the key %.*s stands twice in one map; the first is on line %u",
			    (int)(keys[at]->text.len > 60 ? 60 : keys[at]->text.len),
			    keys[at]->text.at, keys[at - 1]->line);
	free(keys);
	return good;
}

static bool on_close(struct builder *builder)
{
	struct frame *frame = &builder->frames[builder->depth - 1];
	struct mr_yaml *node = frame->node;
	size_t count = builder->open_count - frame->base;
	struct mr_yaml **members = count == 0 ? NULL : builder->open + frame->base;

	node->cost = sizeof(*node) + count * sizeof(struct mr_yaml *);
	for (size_t at = 0; at < count; at++)
		node->cost += members[at]->cost;
	if (node->kind == MR_YAML_MAP) {
		count /= 2;
		node->keys = mr_arena_alloc(builder->arena, (count + 1) * sizeof(struct mr_yaml *));
		node->items =
		    mr_arena_alloc(builder->arena, (count + 1) * sizeof(struct mr_yaml *));
		for (size_t at = 0; at < count; at++) {
			node->keys[at] = members[2 * at];
			node->items[at] = members[2 * at + 1];
		}
	} else {
		node->items =
		    mr_arena_alloc(builder->arena, (count + 1) * sizeof(struct mr_yaml *));
		if (count > 0)
			memcpy(node->items, members, count * sizeof(struct mr_yaml *));
	}
	node->count = (uint32_t)count;
	builder->open_count = frame->base;
	builder->depth--;
	if (node->kind == MR_YAML_MAP && count > MR_YAML_KEYS_MAX)
		return fail(builder, node, "a map of more than 1,000 keys");
	if (node->kind == MR_YAML_MAP && !check_duplicates(builder, node))
		return false;
	return name_node(builder, frame->anchor, node) && put(builder, node);
}

static bool on_event(struct builder *builder, struct fy_event *event)
{
	switch (event->type) {
	case FYET_SCALAR:
		return on_scalar(builder, event);
	case FYET_ALIAS:
		return on_alias(builder, event);
	case FYET_MAPPING_START:
	case FYET_SEQUENCE_START:
		return on_open(builder, event);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		return on_close(builder);
	default:
		return true;
	}
}

static void add_document(struct mr_arena *arena, struct mr_yaml_documents *out,
			 struct mr_yaml *root, struct mr_fault fault)
{
	if (out->count == out->capacity) {
		uint32_t capacity = (uint32_t)mr_grow(out->capacity, out->count + 1);
		struct mr_yaml_document *items = mr_arena_alloc(arena, capacity * sizeof(*items));
		if (out->count > 0)
			memcpy(items, out->items, out->count * sizeof(*items));
		out->items = items;
		out->capacity = capacity;
	}
	out->items[out->count++] =
	    (struct mr_yaml_document){mr_fault_is(&fault) ? NULL : root, fault};
}

/* The first past the bound, whatever else may be wrong with it. */
static void refuse_document(struct builder *builder)
{
	builder->fault = (struct mr_fault){0};
	mr_fault_set(builder->arena, &builder->fault, builder->line, builder->column,
		     "more than 10,000 documents in one file; from here on it is not read");
}

static void end_document(struct builder *builder, struct mr_yaml_documents *out)
{
	bool empty = builder->root == NULL ||
		     (builder->root->kind == MR_YAML_SCALAR && builder->root->type == MR_YAML_NULL);

	if (mr_fault_is(&builder->fault) || !empty) {
		if (out->count == MR_YAML_DOCUMENTS_MAX)
			refuse_document(builder);
		add_document(builder->arena, out, builder->root, builder->fault);
	}
	builder->fault = (struct mr_fault){0};
	builder->root = NULL;
	builder->line = 0;
	builder->newest = NULL;
	builder->depth = 0;
	builder->open_count = 0;
	builder->anchor_count = 0;
}

/* libfyaml's first error, as a fault. */
static void take_error(struct builder *builder, struct fy_diag *diag)
{
	void *iterator = NULL;
	struct fy_diag_error *error = fy_diag_errors_iterate(diag, &iterator);

	if (error == NULL || error->msg == NULL) {
		mr_fault_set(builder->arena, &builder->fault, 1, 1, "this is not YAML 1.2");
		return;
	}
	size_t len = strcspn(error->msg, "\n");
	mr_fault_set(builder->arena, &builder->fault, error->line > 0 ? (uint32_t)error->line : 0,
		     error->column > 0 ? (uint32_t)error->column : 0, "not YAML: %.*s",
		     (int)(len > 200 ? 200 : len), error->msg);
}

/* Containers that are open, also in a part that is only skipped. */
static uint32_t level_after(uint32_t level, enum fy_event_type type)
{
	switch (type) {
	case FYET_MAPPING_START:
	case FYET_SEQUENCE_START:
		return level + 1;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		return level - 1;
	default:
		return level;
	}
}

static void run_parser(struct builder *builder, struct fy_diag *diag, struct mr_yaml_documents *out)
{
	struct fy_event *event;
	bool ended = false, whole = true;
	uint32_t level = 0;

	/* libfyaml takes some hundred bytes for each level: past any sense the file is given up. */
	while (level <= MR_YAML_LEVELS_MAX && (event = fy_parser_parse(builder->parser)) != NULL) {
		enum fy_event_type type = event->type;
		level = level_after(level, type);
		/* After a fault the rest of the document is only skipped. */
		if (whole)
			whole = on_event(builder, event);
		fy_parser_event_free(builder->parser, event);
		if (type == FYET_DOCUMENT_END) {
			end_document(builder, out);
			whole = true;
			if (out->count > MR_YAML_DOCUMENTS_MAX)
				return;
		}
		ended = type == FYET_STREAM_END;
	}
	if (level > MR_YAML_LEVELS_MAX) {
		add_document(builder->arena, out, NULL, builder->fault);
	} else if (!ended || fy_diag_got_error(diag)) {
		take_error(builder, diag);
		add_document(builder->arena, out, NULL, builder->fault);
	}
}

static void quiet(struct fy_diag *diag, void *user, const char *text, size_t len)
{
	(void)diag;
	(void)user;
	(void)text;
	(void)len;
}

static void parse_text(struct builder *builder, struct mr_slice text, struct mr_yaml_documents *out)
{
	struct fy_diag_cfg diag_config;

	fy_diag_cfg_default(&diag_config);
	diag_config.fp = NULL;
	diag_config.output_fn = quiet;
	diag_config.level = FYET_ERROR;
	diag_config.colorize = false;
	struct fy_diag *diag = fy_diag_create(&diag_config);
	if (diag == NULL)
		abort();
	fy_diag_set_collect_errors(diag, true);
	struct fy_parse_cfg config = {
	    .search_path = "",
	    .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE,
	    .diag = diag,
	};
	builder->parser = fy_parser_create(&config);
	if (builder->parser == NULL)
		abort();
	if (fy_parser_set_string(builder->parser, text.at, text.len) == 0) {
		run_parser(builder, diag, out);
	} else {
		take_error(builder, diag);
		add_document(builder->arena, out, NULL, builder->fault);
	}
	fy_parser_destroy(builder->parser);
	fy_diag_destroy(diag);
}

/* Bytes that YAML does not allow, told with their place; true where there are none. */
static bool check_bytes(struct mr_arena *arena, struct mr_slice text, struct mr_fault *fault)
{
	uint32_t line = 1;
	size_t start = 0;

	for (size_t at = 0; at < text.len;) {
		size_t from = at;
		bool bad = false;
		uint32_t c = mr_utf8_next(text.at, text.len, &at, &bad);
		uint32_t column = (uint32_t)(from - start) + 1;
		if (bad)
			return mr_fault_set(arena, fault, line, column,
					    "byte 0x%02x is not UTF-8, which YAML is",
					    (unsigned char)text.at[from]);
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			return mr_fault_set(
			    arena, fault, line, column,
			    "the control character 0x%02x is not allowed in YAML; write "
			    "an escape in double quotes",
			    (unsigned)c);
		if (c == '\n') {
			line++;
			start = at;
		}
	}
	return true;
}

/* Whether the line that starts there ends a document, whatever is open in it. */
static bool is_border(struct mr_slice text, size_t at)
{
	return at + 3 <= text.len &&
	       (memcmp(text.at + at, "---", 3) == 0 || memcmp(text.at + at, "...", 3) == 0) &&
	       (at + 3 == text.len || mr_is_blank(text.at[at + 3]));
}

/* libfyaml holds a list or map in brackets as tokens until it ends, some hundred bytes for each
 * bracket or comma. Brackets stand behind a blank or at a line's start. False, with the document's
 * place, where one that may have them is too long. */
static bool check_brackets(struct mr_arena *arena, struct mr_slice text, size_t *good_out,
			   struct mr_fault *fault)
{
	bool brackets = false;
	uint32_t line = 1, first = 1;

	*good_out = 0;
	for (size_t at = 0; at < text.len; at++) {
		bool starts = at == 0 || text.at[at - 1] == '\n';
		line += starts && at > 0;
		if (starts && is_border(text, at)) {
			brackets = false;
			*good_out = at;
			first = line;
		}
		brackets |= (text.at[at] == '[' || text.at[at] == '{') &&
			    (at == 0 || mr_is_blank(text.at[at - 1]));
		if (brackets && at - *good_out >= MR_YAML_BRACKETS_MAX)
			return mr_fault_set(
			    arena, fault, first, 1,
			    "a document of more than 1 MiB with brackets in it; write its long "
			    "lists line by line, with a dash before each member");
	}
	*good_out = text.len;
	return true;
}

void mr_yaml_parse(struct mr_arena *arena, struct mr_slice text, struct mr_yaml_documents *out)
{
	struct builder *builder;
	struct mr_fault fault = {0};

	*out = (struct mr_yaml_documents){0};
	if (text.len >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
		text = (struct mr_slice){text.at + 3, text.len - 3};
	if (text.len == 0)
		return;
	if (text.len > MR_YAML_FILE_MAX)
		mr_fault_set(arena, &fault, 0, 0, "larger than 16 MiB");
	else
		check_bytes(arena, text, &fault);
	if (mr_fault_is(&fault)) {
		add_document(arena, out, NULL, fault);
		return;
	}
	check_brackets(arena, text, &text.len, &fault);
	builder = mr_calloc(1, sizeof(*builder));
	builder->arena = arena;
	parse_text(builder, text, out);
	if (mr_fault_is(&fault))
		add_document(arena, out, NULL, fault);
	free(builder->open);
	free(builder->anchors);
	free(builder);
}
