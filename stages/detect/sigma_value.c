/* sigma_value.c - a field's values become predicates.
 *
 * Called by sigma_detection.c with a checked chain of modifiers. Fails with a fault at the value's
 * place. A list is OR (AND with `all`), `neq` is NOT over all of it; what stands for one value in
 * several forms (offsets, dashes) is OR within that value. */
#include "sigma_test.h"

#define TEXT_MODS                                                                                  \
	(SIGMA_BIT(CONTAINS) | SIGMA_BIT(STARTSWITH) | SIGMA_BIT(ENDSWITH) | SIGMA_BIT(CASED))
#define STRING_MODS                                                                                \
	(SIGMA_BIT(WINDASH) | SIGMA_BIT(EXPAND) | SIGMA_BIT(BASE64) | SIGMA_BIT(BASE64OFFSET))
#define COMPARE_MODS (SIGMA_BIT(GT) | SIGMA_BIT(GTE) | SIGMA_BIT(LT) | SIGMA_BIT(LTE))
#define TIME_MODS                                                                                  \
	(SIGMA_BIT(MINUTE) | SIGMA_BIT(HOUR) | SIGMA_BIT(DAY) | SIGMA_BIT(WEEK) |                  \
	 SIGMA_BIT(MONTH) | SIGMA_BIT(YEAR))
#define WINDASH_MAX 625

/* Where a placeholder has no value the rule never fires; the tree only has to be whole. */
static struct sigma_node *inactive_leaf(struct sigma_scope *scope)
{
	struct sigma_predicate nothing = {.test = SIGMA_TEXT};

	return sigma_node_leaf(scope->arena, &nothing);
}

static enum sigma_utf16 wide_form(const struct sigma_chain *chain)
{
	if (sigma_chain_has(chain, SIGMA_BIT(WIDE) | SIGMA_BIT(UTF16LE)))
		return SIGMA_UTF16LE;
	if (sigma_chain_has(chain, SIGMA_BIT(UTF16BE)))
		return SIGMA_UTF16BE;
	return sigma_chain_has(chain, SIGMA_BIT(UTF16)) ? SIGMA_UTF16BOM : SIGMA_UTF8;
}

/* The base64 forms of a text; no wildcards may be in it. */
static bool encode(struct sigma_scope *scope, const struct sigma_chain *chain,
		   const struct mr_yaml *value, const struct sigma_pattern *pattern,
		   struct sigma_pattern *out, uint32_t *count_out)
{
	struct mr_slice text = sigma_pattern_literal(pattern);
	bool offsets = sigma_chain_has(chain, SIGMA_BIT(BASE64OFFSET));

	if (sigma_pattern_has_wildcard(pattern))
		return sigma_refuse(
		    scope, SIGMA_AT(value),
		    "a wildcard cannot be encoded; write \\* or \\? for the character "
		    "itself");
	if (text.len == 0)
		return sigma_refuse(scope, SIGMA_AT(value), "an empty text cannot be encoded");
	text = sigma_encode_utf16(scope->arena, text, wide_form(chain));
	*count_out = offsets ? 3 : 1;
	for (unsigned at = 0; at < *count_out; at++) {
		struct mr_slice code = offsets ? sigma_encode_base64_offset(scope->arena, text, at)
					       : sigma_encode_base64(scope->arena, text);
		if (code.len == 0)
			return sigma_refuse(
			    scope, SIGMA_AT(value),
			    "too short for base64offset: nothing of it is the same at "
			    "every offset");
		out[at] = (struct sigma_pattern){0};
		sigma_pattern_add_literal(scope->arena, &out[at], code);
	}
	return true;
}

/* One pattern, in the forms that windash and the encodings give it, as one node. */
static struct sigma_node *text_node(struct sigma_scope *scope, const struct sigma_chain *chain,
				    const struct mr_yaml *value,
				    const struct sigma_pattern *pattern)
{
	struct sigma_pattern own = *pattern, *dashed = &own;
	struct sigma_nodes nodes = {0};
	uint32_t dashed_count = 1;
	bool keyword = chain->field.len == 0;
	bool inside = sigma_chain_has(chain, SIGMA_BIT(CONTAINS)) || keyword;

	if (sigma_chain_has(chain, SIGMA_BIT(WINDASH)) &&
	    !sigma_encode_windash(scope->arena, pattern, WINDASH_MAX, &dashed, &dashed_count)) {
		sigma_refuse(scope, SIGMA_AT(value),
			     "more than four dashes or slashes under windash would make more than "
			     "625 forms; split the text");
		return NULL;
	}
	for (uint32_t at = 0; at < dashed_count; at++) {
		struct sigma_pattern codes[3] = {dashed[at]};
		uint32_t count = 1;
		if (sigma_chain_has(chain, SIGMA_BIT(BASE64) | SIGMA_BIT(BASE64OFFSET)) &&
		    !encode(scope, chain, value, &dashed[at], codes, &count))
			return NULL;
		for (uint32_t code = 0; code < count; code++) {
			struct sigma_pattern whole = sigma_pattern_wrap(
			    scope->arena, &codes[code],
			    inside || sigma_chain_has(chain, SIGMA_BIT(ENDSWITH)),
			    inside || sigma_chain_has(chain, SIGMA_BIT(STARTSWITH)));
			struct sigma_predicate predicate = sigma_pattern_predicate(
			    scope->arena, &whole, sigma_chain_has(chain, SIGMA_BIT(CASED)));
			sigma_closed_lint(scope, chain, value, &predicate);
			struct sigma_node *leaf = sigma_test_leaf(scope, chain, &predicate);
			if (leaf == NULL)
				return NULL;
			sigma_nodes_add(scope->arena, &nodes, leaf);
		}
	}
	return sigma_node_join(scope->arena, SIGMA_OR, &nodes);
}

static bool add_node(struct sigma_scope *scope, struct sigma_nodes *nodes, struct sigma_node *node)
{
	if (node != NULL)
		sigma_nodes_add(scope->arena, nodes, node);
	return node != NULL;
}

/* The value, with what its placeholders stand for here. */
static struct sigma_node *label_filled(struct sigma_scope *scope, const struct mr_yaml *value,
				       const struct sigma_filled *filled, struct sigma_node *node)
{
	struct mr_buf text = {0};
	for (uint32_t i = 0; i < filled->count; i++)
		mr_buf_add(&text, filled->pieces[i].text.at, filled->pieces[i].text.len);
	struct mr_slice kept = {
	    mr_arena_copy(scope->arena, text.len == 0 ? "" : text.data, text.len), text.len};
	mr_buf_fini(&text);
	return sigma_node_label(scope, SIGMA_LABEL_EXPANDED, kept, value, node);
}

/* A text with `expand`: each combination of its placeholders' values is a value of the list. */
static bool expanded(struct sigma_scope *scope, const struct sigma_chain *chain,
		     const struct mr_yaml *value, struct sigma_nodes *nodes)
{
	struct sigma_filled *filled;
	uint32_t count;
	bool good = true;

	if (!sigma_placeholders_fill(scope, value, &filled, &count))
		return false;
	if (count == 0)
		return add_node(scope, nodes, inactive_leaf(scope));
	if (nodes->count + count > SIGMA_VALUES_MAX)
		return sigma_refuse(scope, SIGMA_AT(value), "expands to more than 10,000 values");
	for (uint32_t at = 0; good && at < count; at++) {
		struct sigma_pattern pattern = {0};
		struct sigma_node *node;
		bool pieces = sigma_chain_has(chain, SIGMA_BIT(RE) | SIGMA_BIT(CIDR));
		for (uint32_t piece = 0; piece < filled[at].count && !pieces; piece++)
			sigma_pattern_add(scope->arena, &pattern, filled[at].pieces[piece].text);
		if (pattern.count == 0 && chain->field.len == 0 && !pieces)
			return sigma_refuse(scope, SIGMA_AT(value),
					    "an empty keyword is in every record");
		node = pieces ? sigma_test_filled(scope, chain, value, &filled[at])
			      : text_node(scope, chain, value, &pattern);
		if (scope->load->labelled)
			node = label_filled(scope, value, &filled[at], node);
		good = add_node(scope, nodes, node);
	}
	return good;
}

/* A number, boolean or null without a test of its own. */
static struct sigma_node *plain_node(struct sigma_scope *scope, const struct sigma_chain *chain,
				     const struct mr_yaml *value)
{
	struct sigma_predicate predicate = {0};
	struct sigma_pattern pattern = {0};
	bool keyword = chain->field.len == 0;

	if (value->type == MR_YAML_NULL && keyword)
		return sigma_refuse(scope, SIGMA_AT(value), "null is no keyword"), NULL;
	if (sigma_chain_has(chain, STRING_MODS) ||
	    (sigma_chain_has(chain, TEXT_MODS) && value->type != MR_YAML_NUMBER && !keyword)) {
		sigma_refuse(scope, SIGMA_AT(value),
			     "%s does not fit %s; quote it to make it a text",
			     sigma_test_name(chain), mr_yaml_what(value));
		return NULL;
	}
	if (value->type == MR_YAML_NUMBER && value->number.len == 0)
		return sigma_refuse(scope, SIGMA_AT(value),
				    "a number that is too long or not finite"),
		       NULL;
	if (sigma_chain_has(chain, TEXT_MODS) || keyword) {
		sigma_pattern_add_literal(scope->arena, &pattern,
					  value->type == MR_YAML_NUMBER ? value->number
					  : value->truth                ? MR_SLICE("true")
									: MR_SLICE("false"));
		return text_node(scope, chain, value, &pattern);
	}
	switch (value->type) {
	case MR_YAML_NULL:
		predicate.test = SIGMA_NULL;
		break;
	case MR_YAML_BOOL:
		predicate.test = SIGMA_BOOL;
		predicate.truth = value->truth;
		break;
	default:
		predicate.test = SIGMA_NUMBER;
		predicate.text = value->number;
	}
	sigma_closed_lint(scope, chain, value, &predicate);
	return sigma_test_leaf(scope, chain, &predicate);
}

static bool one_value(struct sigma_scope *scope, const struct sigma_chain *chain,
		      const struct mr_yaml *value, struct sigma_nodes *nodes)
{
	struct sigma_pattern pattern = {0};

	if (value->kind != MR_YAML_SCALAR)
		return sigma_refuse(scope, SIGMA_AT(value), "%s where a value should stand",
				    mr_yaml_what(value));
	if (sigma_chain_has(chain, COMPARE_MODS))
		return add_node(scope, nodes, sigma_test_compare(scope, chain, value));
	if (sigma_chain_has(chain, TIME_MODS))
		return add_node(scope, nodes, sigma_test_time(scope, chain, value));
	if (sigma_chain_has(chain, SIGMA_BIT(EXISTS)))
		return add_node(scope, nodes, sigma_test_exists(scope, chain, value));
	if (sigma_chain_has(chain, SIGMA_BIT(RE) | SIGMA_BIT(CIDR) | SIGMA_BIT(FIELDREF)) &&
	    value->type != MR_YAML_STRING)
		return sigma_refuse(scope, SIGMA_AT(value), "%s wants a text, not %s",
				    sigma_test_name(chain), mr_yaml_what(value));
	if (value->type != MR_YAML_STRING)
		return add_node(scope, nodes, plain_node(scope, chain, value));
	if (sigma_chain_has(chain, SIGMA_BIT(EXPAND)))
		return expanded(scope, chain, value, nodes);
	sigma_placeholder_lint(scope, chain, value);
	if (sigma_chain_has(chain, SIGMA_BIT(RE)))
		return add_node(scope, nodes, sigma_test_regex(scope, chain, value, value->text));
	if (sigma_chain_has(chain, SIGMA_BIT(CIDR)))
		return add_node(scope, nodes, sigma_test_cidr(scope, chain, value, value->text));
	if (sigma_chain_has(chain, SIGMA_BIT(FIELDREF)))
		return add_node(scope, nodes, sigma_test_fieldref(scope, chain, value));
	if (value->text.len == 0 && chain->field.len == 0)
		return sigma_refuse(scope, SIGMA_AT(value), "an empty keyword is in every record");
	sigma_pattern_add(scope->arena, &pattern, value->text);
	return add_node(scope, nodes, text_node(scope, chain, value, &pattern));
}

/* What the specification does not let stand there, and other engines may read in their own way. */
static void lint_list(struct sigma_scope *scope, const struct sigma_chain *chain,
		      const struct mr_yaml *value, uint32_t count)
{
	if (sigma_chain_has(chain, SIGMA_BIT(ALL)) && count == 1)
		sigma_warn(scope, SIGMA_LINT_PORTABILITY, SIGMA_AT(chain->key),
			   "`all` over a single value: the specification wants several, and other "
			   "engines may refuse it");
	for (uint32_t at = 0; value->kind == MR_YAML_LIST && count > 1 && at < count; at++) {
		const struct mr_yaml *one = value->items[at];
		if (one->kind == MR_YAML_SCALAR && one->type == MR_YAML_NULL)
			sigma_warn(scope, SIGMA_LINT_PORTABILITY, SIGMA_AT(one),
				   "null among other values: the specification wants an identifier "
				   "of its own for it, and other engines may refuse this");
	}
}

/* YAML 1.1, by which other engines read rules, has these as booleans. */
static void lint_word(struct sigma_scope *scope, const struct mr_yaml *value)
{
	static const char *const words[] = {"yes", "no", "on", "off"};
	bool plain =
	    value->kind == MR_YAML_SCALAR && value->type == MR_YAML_STRING && value->indent == 0;
	for (size_t i = 0; i < sizeof words / sizeof *words && plain; i++) {
		if (mr_fold_eq(value->text, mr_slice(words[i])))
			sigma_warn(scope, SIGMA_LINT_PORTABILITY, SIGMA_AT(value),
				   "%.*s is taken as a text, and by other engines for a boolean: "
				   "put it in quotes, or write true or false",
				   SIGMA_SHOW(value->text));
	}
}

/* Digits behind a leading zero are a text: no record writes a number so, YAML 1.1, by which other
 * engines read rules, has them as texts or octal, and who writes 00000429 means all of it. */
static const struct mr_yaml *as_written(struct sigma_scope *scope, const struct sigma_chain *chain,
					const struct mr_yaml *value)
{
	struct mr_slice text = value->text;
	size_t at = text.len > 0 && (text.at[0] == '-' || text.at[0] == '+');
	if (value->kind != MR_YAML_SCALAR || value->type != MR_YAML_NUMBER || at + 1 >= text.len ||
	    text.at[at] != '0' || text.at[at + 1] < '0' || text.at[at + 1] > '9' ||
	    sigma_chain_has(chain, COMPARE_MODS | TIME_MODS))
		return value;
	struct mr_yaml *copy = mr_arena_alloc(scope->arena, sizeof *copy);
	*copy = *value;
	copy->type = MR_YAML_STRING;
	sigma_warn(scope, SIGMA_LINT_PORTABILITY, SIGMA_AT(value),
		   "%.*s is taken as a text, leading zeros and all; put it in quotes, which no "
		   "engine takes for another number",
		   SIGMA_SHOW(text));
	return copy;
}

struct sigma_node *sigma_chain_compile(struct sigma_scope *scope, const struct sigma_chain *chain,
				       struct mr_yaml *value)
{
	struct sigma_nodes nodes = {0};
	bool list = value->kind == MR_YAML_LIST;
	uint32_t count = list ? value->count : 1;
	enum sigma_node_kind kind = sigma_chain_has(chain, SIGMA_BIT(ALL)) ? SIGMA_AND : SIGMA_OR;

	if (count == 0)
		return sigma_refuse(scope, SIGMA_AT(value), "an empty list matches nothing"), NULL;
	if (count > SIGMA_VALUES_MAX)
		return sigma_refuse(scope, SIGMA_AT(value), "a list of more than 10,000 values"),
		       NULL;
	lint_list(scope, chain, value, count);
	if (list && sigma_chain_has(chain, SIGMA_BIT(EXISTS)))
		return sigma_refuse(scope, SIGMA_AT(value),
				    "exists wants true or false, not a list"),
		       NULL;
	if (count == 1 && sigma_chain_has(chain, SIGMA_BIT(NEQ)) &&
	    !sigma_chain_has(chain, TEXT_MODS | STRING_MODS)) {
		const struct mr_yaml *only = list ? value->items[0] : value;
		struct sigma_predicate present = {.test = SIGMA_PRESENT};
		if (only->kind == MR_YAML_SCALAR && only->type == MR_YAML_NULL &&
		    (chain->modifiers & ~(SIGMA_BIT(NEQ) | SIGMA_BIT(ALL))) == 0)
			return sigma_test_leaf(scope, chain, &present);
	}
	for (uint32_t at = 0; at < count; at++) {
		const struct mr_yaml *one =
		    as_written(scope, chain, list ? value->items[at] : value);
		uint32_t made = nodes.count;
		if (!sigma_chain_has(chain, SIGMA_BIT(EXISTS))) /* it refuses a text by itself */
			lint_word(scope, one);
		if (!one_value(scope, chain, one, &nodes))
			return NULL;
		for (; made < nodes.count; made++)
			nodes.items[made] = sigma_node_label(scope, SIGMA_LABEL_VALUE, one->text,
							     one, nodes.items[made]);
	}
	struct sigma_node *node = sigma_node_join(scope->arena, kind, &nodes);
	return sigma_chain_has(chain, SIGMA_BIT(NEQ)) ? sigma_node_not(scope->arena, node) : node;
}
