/* sigma_placeholder.c - `%name%` under `expand`, and the file that gives the values.
 *
 * Called by sigma_load.c (the file: read, lint) and sigma_value.c (a value: fill, lint). A
 * placeholder without value is no fault: the scope remembers it and the rule becomes inactive. */
#include "sigma_build.h"
#include "sigma_file.h"

static bool is_name(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '-';
}

/* The length of `%name%` at `at`, with both signs; 0 where there is none. */
static size_t placeholder_at(struct mr_slice text, size_t at)
{
	size_t end = at + 1;

	if (text.at[at] != '%')
		return 0;
	while (end < text.len && is_name((unsigned char)text.at[end]))
		end++;
	return end > at + 1 && end < text.len && text.at[end] == '%' ? end + 1 - at : 0;
}

void sigma_placeholder_lint(struct sigma_scope *scope, const struct sigma_chain *chain,
			    const struct mr_yaml *value)
{
	struct mr_slice text = value->text, field = chain->field, others = {"", 0};
	if (text.len == 0 || placeholder_at(text, 0) != text.len ||
	    sigma_chain_has(chain, SIGMA_BIT(FIELDREF)))
		return;
	if (chain->modifiers != 0) {
		others.at = chain->key->text.at + field.len;
		others.len = chain->key->text.len - field.len;
	}
	sigma_warn(scope, SIGMA_LINT_PLACEHOLDER, SIGMA_AT(value),
		   "`%.*s` is taken as text; for a placeholder write `%.*s|expand%.*s`",
		   SIGMA_SHOW(text), SIGMA_SHOW(field), SIGMA_SHOW(others));
}

static uint64_t hash_values(const struct mr_yaml *values)
{
	uint64_t hash = mr_hash64(values->text.at, values->text.len, 0);
	for (uint32_t i = 0; i < values->count; i++)
		hash = mr_hash64(values->items[i]->text.at, values->items[i]->text.len, hash);
	return hash;
}

/* The list of a placeholder, by which the rule is made; NULL where it has no value. */
static struct mr_yaml *find_values(struct sigma_scope *scope, struct mr_slice name)
{
	const struct sigma_placeholders *placeholders = &scope->load->placeholders;
	const struct mr_yaml *map = placeholders->map;

	if (map == NULL)
		return NULL;
	for (uint32_t at = 0; at < map->count; at++) {
		struct mr_yaml *values = map->items[at];
		if (!mr_slice_eq(map->keys[at]->text, name))
			continue;
		if (!placeholders->used[at])
			placeholders->hashes[at] = hash_values(values);
		placeholders->used[at] = true;
		if (!scope->again)
			scope->made =
			    mr_hash64(&placeholders->hashes[at], sizeof(uint64_t), scope->made);
		return values->kind == MR_YAML_LIST && values->count == 0 ? NULL : values;
	}
	return NULL;
}

static void miss(struct sigma_scope *scope, const struct mr_yaml *value, struct mr_slice name)
{
	if (scope->missing.len > 0)
		return;
	scope->missing = name;
	scope->missing_at.line = value->line;
	scope->missing_at.column = value->column;
}

static struct sigma_filled with_piece(struct mr_arena *arena, const struct sigma_filled *filled,
				      struct sigma_piece piece)
{
	struct sigma_filled out = {
	    .pieces = mr_arena_alloc(arena, (filled->count + 1) * sizeof(struct sigma_piece)),
	    .count = filled->count + 1};

	if (filled->count > 0)
		memcpy(out.pieces, filled->pieces, filled->count * sizeof(struct sigma_piece));
	out.pieces[filled->count] = piece;
	return out;
}

/* Every combination so far, with each value of the list behind it. */
static bool multiply(struct sigma_scope *scope, const struct mr_yaml *value,
		     const struct mr_yaml *list, struct sigma_filled **all, uint32_t *count)
{
	uint32_t values = list->kind == MR_YAML_LIST ? list->count : 1;

	if (*count > SIGMA_VALUES_MAX / values)
		return sigma_refuse(scope, SIGMA_AT(value), "expands to more than 10,000 values");
	struct sigma_filled *next =
	    mr_arena_alloc(scope->arena, (size_t)values * *count * sizeof(*next));
	for (uint32_t at = 0; at < *count; at++) {
		for (uint32_t v = 0; v < values; v++) {
			const struct mr_yaml *item =
			    list->kind == MR_YAML_LIST ? list->items[v] : list;
			next[at * values + v] = with_piece(scope->arena, &(*all)[at],
							   (struct sigma_piece){item->text, true});
		}
	}
	*all = next;
	*count *= values;
	return true;
}

static void add_plain(struct sigma_scope *scope, struct sigma_filled *all, uint32_t count,
		      struct mr_slice text)
{
	for (uint32_t at = 0; text.len > 0 && at < count; at++)
		all[at] = with_piece(scope->arena, &all[at], (struct sigma_piece){text, false});
}

/* A percent character behind a backslash begins no placeholder. */
static bool is_plain_percent(struct mr_slice text, size_t at)
{
	return text.at[at] == '\\' && at + 1 < text.len && text.at[at + 1] == '%';
}

/* How many bytes stand for one character of the text. */
static size_t escape_at(struct mr_slice text, size_t at)
{
	return text.at[at] == '\\' && at + 1 < text.len &&
		       memchr("\\*?%", text.at[at + 1], 4) != NULL
		   ? 2
		   : 1;
}

bool sigma_placeholders_fill(struct sigma_scope *scope, const struct mr_yaml *value,
			     struct sigma_filled **out, uint32_t *count_out)
{
	struct mr_slice text = value->text;
	struct sigma_filled *all = mr_arena_alloc(scope->arena, sizeof(*all));
	uint32_t count = 1, found = 0;
	size_t plain = 0;
	bool lacks =
	    false; /* a value: the others are looked up all the same, so that they are used */

	all[0] = (struct sigma_filled){0};
	for (size_t at = 0; at < text.len;) {
		size_t len = placeholder_at(text, at);
		if (len == 0) {
			if (is_plain_percent(text, at)) {
				add_plain(scope, all, count,
					  (struct mr_slice){text.at + plain, at - plain});
				plain = at + 1;
			}
			at += escape_at(text, at);
			continue;
		}
		if (++found > 16)
			return sigma_refuse(scope, SIGMA_AT(value),
					    "more than 16 placeholders in one text");
		struct mr_slice name = {text.at + at + 1, len - 2};
		const struct mr_yaml *list = find_values(scope, name);
		if (list == NULL) {
			miss(scope, value, name);
			lacks = true;
		} else if (!lacks) {
			add_plain(scope, all, count,
				  (struct mr_slice){text.at + plain, at - plain});
			if (!multiply(scope, value, list, &all, &count))
				return false;
		}
		at += len;
		plain = at;
	}
	add_plain(scope, all, count, (struct mr_slice){text.at + plain, text.len - plain});
	*out = all;
	*count_out = lacks ? 0 : count;
	return true;
}

static enum mr_err bad_file(struct mr_error *error, const char *path, const struct mr_yaml *node,
			    const char *wrong)
{
	return mr_error_set(error, MR_CONFIG,
			    "%s:%u:%u: %s; a placeholder file is a map of names to lists of values",
			    path, node->line, node->column, wrong);
}

static enum mr_err check_values(const char *path, struct mr_yaml *map, struct mr_error *error)
{
	for (uint32_t at = 0; at < map->count; at++) {
		struct mr_yaml *key = map->keys[at], *list = map->items[at];
		uint32_t values = list->kind == MR_YAML_LIST ? list->count : 1;
		for (size_t i = 0; i < key->text.len; i++)
			if (!is_name((unsigned char)key->text.at[i]))
				return bad_file(
				    error, path, key,
				    "a name has other characters than letters, digits, _ . and -");
		if (list->kind == MR_YAML_MAP)
			return bad_file(error, path, list,
					"a map where a list of values should stand");
		for (uint32_t v = 0; v < values; v++) {
			struct mr_yaml *item = list->kind == MR_YAML_LIST ? list->items[v] : list;
			if (item->kind != MR_YAML_SCALAR || item->type == MR_YAML_NULL)
				return bad_file(error, path, item,
						"a value is neither a text nor a number");
			if (item->type == MR_YAML_NUMBER && item->number.len > 0)
				item->text = item->number;
		}
	}
	return MR_OK;
}

enum mr_err sigma_placeholders_read(struct sigma_builder *load, const char *path,
				    struct mr_error *error)
{
	struct mr_yaml_documents documents;
	struct mr_buf bytes = {0};
	enum mr_err err = sigma_file_read(path, MR_YAML_FILE_MAX, &bytes, error);

	if (err == MR_OK)
		mr_yaml_parse(load->arena, (struct mr_slice){bytes.data, bytes.len}, &documents);
	mr_buf_fini(&bytes);
	if (err != MR_OK)
		return err;
	if (documents.count == 0)
		return MR_OK;
	const struct mr_fault *fault = &documents.items[0].fault;
	if (documents.items[0].root == NULL)
		return mr_error_set(error, MR_CONFIG, "%s:%u:%u: %.*s", path, fault->line,
				    fault->column, (int)fault->reason.len, fault->reason.at);
	struct mr_yaml *root = documents.items[0].root;
	if (root->kind != MR_YAML_MAP)
		return bad_file(error, path, root, mr_yaml_what(root));
	if (documents.count > 1)
		return mr_error_set(error, MR_CONFIG, "%s: a placeholder file holds one document",
				    path);
	load->placeholders = (struct sigma_placeholders){
	    .map = root,
	    .file = {mr_arena_copy(load->arena, path, strlen(path)), strlen(path)},
	    .used = mr_arena_alloc(load->arena, root->count + 1u),
	    .hashes = mr_arena_alloc(load->arena, (root->count + 1u) * sizeof(uint64_t))};
	memset(load->placeholders.used, 0, root->count);
	return check_values(path, root, error);
}

/* What is refused is not read to its end, so nobody knows what it would use. */
void sigma_placeholders_lint(struct sigma_builder *load)
{
	const struct sigma_placeholders *placeholders = &load->placeholders;
	struct sigma_scope scope = {
	    .load = load, .arena = load->arena, .file = placeholders->file, .id = {"", 0}};

	if (placeholders->map == NULL || load->set->refused.count > 0)
		return;
	for (uint32_t at = 0; at < placeholders->map->count; at++) {
		const struct mr_yaml *name = placeholders->map->keys[at];
		if (!placeholders->used[at])
			sigma_warn(&scope, SIGMA_LINT_PLACEHOLDER, SIGMA_AT(name),
				   "no rule uses the placeholder %%%.*s%%", SIGMA_SHOW(name->text));
	}
}
