/* sigma_condition.c - conditions: `selection and not 1 of filter_*`.
 *
 * Called by sigma_detection.c. Fails with a fault at the word's place. `not` binds closest, then
 * `and`, then `or`; words are lower case. The grammar, read by descent:
 *
 *     or:    and { "or" and }
 *     and:   not { "and" not }
 *     not:   { "not" } ( "(" or ")" | quantity "of" pattern | identifier ) */
#include "sigma_build.h"

enum word_kind { WORD_END, WORD_NAME, WORD_OPEN, WORD_CLOSE, WORD_BAD };

struct parser {
	struct sigma_scope *scope;
	const struct mr_yaml *node;
	struct sigma_names *names;
	size_t at;
	unsigned depth;
	enum word_kind kind; /* the word in hand */
	struct mr_slice word;
	size_t word_at;
};

static struct sigma_node *parse_or(struct parser *parser);

static void *refuse(struct parser *parser, const char *reason, struct mr_slice about)
{
	const struct mr_yaml *node = parser->node;
	uint32_t column = node->column;

	if (node->indent != UINT8_MAX)
		column += node->indent + (uint32_t)parser->word_at;
	sigma_refuse(parser->scope, node->line, column, reason, SIGMA_SHOW(about));
	return NULL;
}

static bool is_word(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '-' || c == '*';
}

static void next_word(struct parser *parser)
{
	struct mr_slice text = parser->node->text;

	while (parser->at < text.len && memchr(" \t\r\n", text.at[parser->at], 4) != NULL)
		parser->at++;
	parser->word_at = parser->at;
	if (parser->at == text.len) {
		parser->kind = WORD_END;
		parser->word = MR_SLICE("the end");
		return;
	}
	unsigned char c = (unsigned char)text.at[parser->at];
	mr_utf8_next(text.at, text.len, &parser->at, NULL);
	parser->kind = c == '('     ? WORD_OPEN
		       : c == ')'   ? WORD_CLOSE
		       : is_word(c) ? WORD_NAME
				    : WORD_BAD;
	while (parser->kind == WORD_NAME && parser->at < text.len &&
	       is_word((unsigned char)text.at[parser->at]))
		parser->at++;
	parser->word = (struct mr_slice){text.at + parser->word_at, parser->at - parser->word_at};
}

static bool is(const struct parser *parser, const char *word)
{
	return parser->kind == WORD_NAME && mr_slice_eq(parser->word, mr_slice(word));
}

#define UPPER "\"%.*s\": and, or, not, of, all, any and them are written in lower case"

/* A word of the language, but for its case. */
static bool is_upper(const struct parser *parser)
{
	static const char *const words[] = {"and", "or", "not", "of", "all", "any", "them"};
	size_t w = 0;
	while (w < sizeof words / sizeof *words && !mr_fold_eq(parser->word, mr_slice(words[w])))
		w++;
	return parser->kind == WORD_NAME && w < sizeof words / sizeof *words &&
	       !is(parser, words[w]);
}

/* `*` is any run. What stands between two of them is best found where it stands first, so the time
 * is that of reading both. */
static bool glob(struct mr_slice pattern, struct mr_slice text)
{
	const char *star = memchr(pattern.at, '*', pattern.len);
	size_t head = star == NULL ? pattern.len : (size_t)(star - pattern.at);

	if (text.len < head || memcmp(text.at, pattern.at, head) != 0)
		return false;
	if (star == NULL)
		return text.len == head;
	pattern = (struct mr_slice){pattern.at + head, pattern.len - head};
	text = (struct mr_slice){text.at + head, text.len - head};
	while (pattern.len > 0) {
		pattern = (struct mr_slice){pattern.at + 1, pattern.len - 1};
		star = memchr(pattern.at, '*', pattern.len);
		size_t part = star == NULL ? pattern.len : (size_t)(star - pattern.at);
		if (star == NULL)
			return text.len >= part &&
			       memcmp(text.at + text.len - part, pattern.at, part) == 0;
		const char *found = memmem(text.at, text.len, pattern.at, part);
		if (found == NULL)
			return false;
		text.len -= (size_t)(found - text.at) + part;
		text.at = found + part;
		pattern = (struct mr_slice){star, pattern.len - part};
	}
	return true;
}

/* What stands in a condition once more counts once more. */
static bool book(struct parser *parser, const struct sigma_node *node)
{
	return sigma_tests_add(parser->scope, SIGMA_AT(parser->node),
			       (uint32_t)sigma_node_size(node, SIGMA_NODES_MAX));
}

static bool use(struct parser *parser, struct sigma_name *name)
{
	bool again = name->used;

	name->used = true;
	return !again || book(parser, name->node);
}

static bool select_names(struct parser *parser, struct sigma_nodes *out)
{
	bool them = is(parser, "them"), hidden = parser->word.at[0] == '_';
	struct sigma_scope *scope = parser->scope;

	for (uint32_t at = 0; at < parser->names->count; at++) {
		struct sigma_name *name = &parser->names->items[at];
		struct mr_slice text = name->key->text;
		if (text.len > 0 && text.at[0] == '_' && (them || !hidden))
			continue;
		if (!them && !glob(parser->word, text))
			continue;
		if (!use(parser, name))
			return false;
		sigma_nodes_add(scope->arena, out, name->node);
	}
	return true;
}

/* At least `want` of nodes[from..]: the first and want - 1 of the rest, or want of the rest. */
static struct sigma_node *at_least(struct sigma_scope *scope, const struct sigma_nodes *nodes,
				   uint32_t from, uint32_t want)
{
	struct sigma_nodes rest = {nodes->items + from, nodes->count - from, 0};

	if (want == 1)
		return sigma_node_join(scope->arena, SIGMA_OR, &rest);
	if (want == rest.count)
		return sigma_node_join(scope->arena, SIGMA_AND, &rest);
	return sigma_node_pair(scope->arena, SIGMA_OR,
			       sigma_node_pair(scope->arena, SIGMA_AND, rest.items[0],
					       at_least(scope, nodes, from + 1, want - 1)),
			       at_least(scope, nodes, from + 1, want));
}

/* The number of nodes that at_least would make; stops growing at the limit. */
static uint64_t at_least_size(uint32_t count, uint32_t want)
{
	uint64_t size = 1;

	for (uint32_t i = 1; i <= want && size <= SIGMA_NODES_MAX; i++)
		size = size * (count - want + i) / i;
	return size * want;
}

/* A quantity and its pattern; the word in hand is the quantity. */
static struct sigma_node *parse_of(struct parser *parser, int64_t want, bool all)
{
	struct sigma_nodes nodes = {0};

	next_word(parser); /* "of" */
	next_word(parser);
	if (parser->kind != WORD_NAME)
		return refuse(parser, "%.*s where a pattern of identifiers or `them` should stand",
			      parser->word);
	if (!select_names(parser, &nodes))
		return NULL;
	if (nodes.count == 0 && is_upper(parser))
		return refuse(parser, UPPER, parser->word);
	if (nodes.count == 0)
		return refuse(parser, "no identifier of this detection fits \"%.*s\"",
			      parser->word);
	if (all)
		want = nodes.count;
	if (want < 1 || want > nodes.count) {
		sigma_refuse(parser->scope, SIGMA_AT(parser->node),
			     "\"%.*s\" selects %u, so the number before `of` is 1 to %u",
			     SIGMA_SHOW(parser->word), nodes.count, nodes.count);
		return NULL;
	}
	if (want > 1 && want < nodes.count &&
	    at_least_size(nodes.count, (uint32_t)want) > SIGMA_NODES_MAX)
		return refuse(parser,
			      "too many combinations of \"%.*s\"; 100,000 tests are possible",
			      parser->word);
	next_word(parser);
	struct sigma_node *node = at_least(parser->scope, &nodes, 0, (uint32_t)want);
	bool combined = want > 1 && want < nodes.count;
	return combined && !book(parser, node) ? NULL : node;
}

/* Whether the word behind the one in hand is "of". */
static bool of_follows(struct parser *parser)
{
	struct parser ahead = *parser;

	next_word(&ahead);
	return is(&ahead, "of");
}

static void lint_number(struct parser *parser, int64_t want)
{
	if (want > 1)
		sigma_warn(parser->scope, SIGMA_LINT_PORTABILITY, SIGMA_AT(parser->node),
			   "`%lld of`: the specification has `1 of`, `any of` and `all of`, and "
			   "other engines may refuse another number",
			   (long long)want);
}

static struct sigma_node *parse_name(struct parser *parser)
{
	int64_t want = 1;

	if (of_follows(parser)) {
		if (is(parser, "all"))
			return parse_of(parser, 0, true);
		if (is(parser, "any") || mr_parse_int64(parser->word, &want)) {
			lint_number(parser, want);
			return parse_of(parser, want, false);
		}
		if (is_upper(parser))
			return refuse(parser, UPPER, parser->word);
		return refuse(parser, "\"%.*s of\": a number, `any` or `all` stands before `of`",
			      parser->word);
	}
	for (uint32_t at = 0; at < parser->names->count; at++) {
		struct sigma_name *name = &parser->names->items[at];
		if (mr_slice_eq(name->key->text, parser->word)) {
			next_word(parser);
			return use(parser, name) ? name->node : NULL;
		}
	}
	if (is_upper(parser))
		return refuse(parser, UPPER, parser->word);
	if (memchr(parser->word.at, '*', parser->word.len) != NULL)
		return refuse(parser, "the pattern \"%.*s\" needs `1 of` or `all of` before it",
			      parser->word);
	return refuse(parser, "the identifier \"%.*s\" is not in this detection", parser->word);
}

static struct sigma_node *parse_not(struct parser *parser)
{
	struct sigma_node *node;
	bool negate = false;

	while (is(parser, "not")) {
		negate = !negate;
		next_word(parser);
	}
	if (parser->kind == WORD_OPEN) {
		if (++parser->depth > SIGMA_NESTING_MAX)
			return refuse(parser, "more than 100 parentheses within each other%.*s",
				      (struct mr_slice){"", 0});
		next_word(parser);
		node = parse_or(parser);
		if (node != NULL && parser->kind != WORD_CLOSE)
			return refuse(parser, "%.*s where a closing parenthesis should stand",
				      parser->word);
		next_word(parser);
		parser->depth--;
	} else if (parser->kind != WORD_NAME || is(parser, "and") || is(parser, "or") ||
		   is(parser, "of")) {
		if (parser->kind == WORD_BAD && parser->word.at[0] == '|')
			return refuse(
			    parser, "\"%.*s\": a condition has no aggregation; write a correlation",
			    parser->word);
		return refuse(parser, "\"%.*s\" where an identifier should stand", parser->word);
	} else {
		node = parse_name(parser);
	}
	return node != NULL && negate ? sigma_node_not(parser->scope->arena, node) : node;
}

static struct sigma_node *parse_chain(struct parser *parser, const char *word,
				      enum sigma_node_kind kind,
				      struct sigma_node *(*part)(struct parser *))
{
	struct sigma_nodes nodes = {0};

	for (;;) {
		struct sigma_node *node = part(parser);
		if (node == NULL)
			return NULL;
		sigma_nodes_add(parser->scope->arena, &nodes, node);
		if (!is(parser, word))
			return sigma_node_join(parser->scope->arena, kind, &nodes);
		next_word(parser);
	}
}

static struct sigma_node *parse_and(struct parser *parser)
{
	return parse_chain(parser, "and", SIGMA_AND, parse_not);
}

static struct sigma_node *parse_or(struct parser *parser)
{
	return parse_chain(parser, "or", SIGMA_OR, parse_and);
}

static struct sigma_node *compile_one(struct sigma_scope *scope, const struct mr_yaml *condition,
				      struct sigma_names *names)
{
	struct parser parser = {.scope = scope, .node = condition, .names = names};

	if (!mr_yaml_is_string(condition)) {
		sigma_refuse(scope, SIGMA_AT(condition), "%s where a condition should stand",
			     mr_yaml_what(condition));
		return NULL;
	}
	if (condition->text.len > 65536)
		return sigma_refuse(scope, SIGMA_AT(condition), "a condition of more than 64 KiB"),
		       NULL;
	next_word(&parser);
	struct sigma_node *node = parse_or(&parser);
	if (node == NULL || parser.kind == WORD_END)
		return sigma_node_label(scope, SIGMA_LABEL_CONDITION, condition->text, condition,
					node);
	if (parser.kind == WORD_BAD && parser.word.at[0] == '|')
		return refuse(&parser,
			      "\"%.*s\": a condition has no aggregation; write a correlation",
			      parser.word);
	if (is_upper(&parser))
		return refuse(&parser, UPPER, parser.word);
	return refuse(&parser, "\"%.*s\" where `and`, `or` or the end should stand", parser.word);
}

struct sigma_node *sigma_condition_compile(struct sigma_scope *scope, struct mr_yaml *condition,
					   struct sigma_names *names)
{
	struct sigma_nodes nodes = {0};

	if (condition->kind != MR_YAML_LIST)
		return compile_one(scope, condition, names);
	if (condition->count == 0)
		return sigma_refuse(scope, SIGMA_AT(condition), "an empty list of conditions"),
		       NULL;
	for (uint32_t at = 0; at < condition->count; at++) {
		struct sigma_node *node = compile_one(scope, condition->items[at], names);
		if (node == NULL)
			return NULL;
		sigma_nodes_add(scope->arena, &nodes, node);
	}
	return sigma_node_join(scope->arena, SIGMA_OR, &nodes);
}
