/* engine_naive.h - a rule's meaning written down plainly: no index, no cache, no shortcut. It
 * shares nothing with the engine. */
#ifndef MILLRACE_TEST_ENGINE_NAIVE_H
#define MILLRACE_TEST_ENGINE_NAIVE_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "millrace/json.h"
#include "sigma.h"

struct naive {
	const struct mr_events *events;
	const struct mr_event *event;
	struct mr_json_reader *reader;
	char folded[2][4096];
};

static inline size_t naive_char(struct mr_slice text, size_t at)
{
	mr_utf8_next(text.at, text.len, &at, NULL);
	return at;
}

static inline bool naive_pattern(const struct sigma_part *parts, uint32_t count,
				 struct mr_slice text)
{
	if (count == 0)
		return text.len == 0;
	struct mr_slice rest = text;
	if (parts->kind == SIGMA_LITERAL) {
		if (text.len < parts->text.len || memcmp(text.at, parts->text.at, parts->text.len))
			return false;
		rest = (struct mr_slice){text.at + parts->text.len, text.len - parts->text.len};
		return naive_pattern(parts + 1, count - 1, rest);
	}
	if (parts->kind == SIGMA_ANY && naive_pattern(parts + 1, count - 1, text))
		return true;
	if (text.len == 0)
		return false;
	size_t one = naive_char(text, 0);
	rest = (struct mr_slice){text.at + one, text.len - one};
	return parts->kind == SIGMA_ANY ? naive_pattern(parts, count, rest)
					: naive_pattern(parts + 1, count - 1, rest);
}

static inline bool naive_is_number(const struct mr_value *value)
{
	return value->type == MR_INT || value->type == MR_UINT || value->type == MR_DOUBLE;
}

/* Numbers of the tests have at most two decimals and are small: hundredths are exact. */
static inline bool naive_hundredths(struct mr_slice text, int64_t *out)
{
	char copy[32], again[48];
	if (text.len == 0 || text.len > 18)
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	char *end;
	double number = strtod(copy, &end);
	for (const char *c = copy; *c; c++)
		if (strchr("0123456789.-", *c) == NULL)
			return false;
	if (*end || end == copy || copy[text.len - 1] == '.')
		return false;
	*out = (int64_t)(number * 100 + (number < 0 ? -0.5 : 0.5));
	/* Leading zeros, "+1", ".5" are no numbers. */
	snprintf(again, sizeof again, "%.*f",
		 strchr(copy, '.') ? (int)strlen(strchr(copy, '.') + 1) : 0, number);
	return strcmp(again, copy) == 0;
}

static inline struct mr_slice naive_shortest(struct mr_slice digits, char room[48])
{
	char copy[32];
	memcpy(copy, digits.at, digits.len);
	copy[digits.len] = 0;
	snprintf(room, 48, "%.15g", strtod(copy, NULL));
	return mr_slice(room);
}

static inline struct mr_slice naive_text(struct naive *naive, const struct mr_value *value,
					 bool cased, int room)
{
	struct mr_slice text = {value->text, value->len};
	if (!cased)
		text = (struct mr_slice){naive->folded[room],
					 mr_fold(text.at, text.len, naive->folded[room])};
	return text;
}

static inline bool naive_is_equality(const struct sigma_predicate *leaf)
{
	return leaf->part_count == 0 ||
	       (leaf->part_count == 1 && leaf->parts->kind == SIGMA_LITERAL);
}

static inline bool naive_regex(const struct sigma_predicate *leaf, struct mr_slice text)
{
	int code;
	size_t offset;
	uint32_t flags = (leaf->regex_flags & SIGMA_RE_I ? PCRE2_CASELESS : 0) |
			 (leaf->regex_flags & SIGMA_RE_M ? PCRE2_MULTILINE : 0) |
			 (leaf->regex_flags & SIGMA_RE_S ? PCRE2_DOTALL : 0);
	pcre2_code *regex = pcre2_compile((PCRE2_SPTR)leaf->text.at, leaf->text.len,
					  PCRE2_UTF | flags, &code, &offset, NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int found = pcre2_match(regex, (PCRE2_SPTR)text.at, text.len, 0, 0, data, NULL);
	pcre2_match_data_free(data);
	pcre2_code_free(regex);
	return found >= 0;
}

static inline bool naive_cidr(const struct sigma_predicate *leaf, const struct mr_value *value)
{
	char copy[64] = {0};
	uint8_t address[16] = {[10] = 0xff, [11] = 0xff};
	if (value->type != MR_STRING || value->len >= sizeof copy)
		return false;
	memcpy(copy, value->text, value->len);
	if (inet_pton(AF_INET, copy, address + 12) != 1 && inet_pton(AF_INET6, copy, address) != 1)
		return false;
	for (int bit = 0; bit < leaf->prefix; bit++)
		if ((address[bit / 8] ^ leaf->network[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

static inline bool naive_time(const struct sigma_predicate *leaf, const struct mr_value *value)
{
	static const char *const formats[] = {"%M", "%H", "%d", "%V", "%m", "%Y"};
	char copy[64] = {0}, part[16];
	struct tm when = {0};
	if (value->type != MR_STRING || value->len != 20)
		return false;
	memcpy(copy, value->text, value->len);
	if (strptime(copy, "%Y-%m-%dT%H:%M:%SZ", &when) == NULL)
		return false;
	strftime(part, sizeof part, formats[leaf->part], &when);
	return atol(part) == leaf->part_value;
}

static inline bool naive_equal(struct naive *naive, const struct mr_value *a,
			       const struct mr_value *b, bool cased)
{
	char one[48], two[48];
	if ((a->type == MR_BOOL && naive_is_number(b)) ||
	    (b->type == MR_BOOL && naive_is_number(a)))
		return false;
	struct mr_slice left = naive_text(naive, a, cased, 0);
	struct mr_slice right = naive_text(naive, b, cased, 1);
	if (naive_is_number(a))
		left = naive_shortest((struct mr_slice){a->text, a->len}, one);
	if (naive_is_number(b))
		right = naive_shortest((struct mr_slice){b->text, b->len}, two);
	return mr_slice_eq(left, right);
}

static inline bool naive_refers(struct naive *naive, const struct sigma_predicate *leaf,
				const struct mr_value *a, const struct mr_value *b)
{
	if (leaf->ref == SIGMA_REF_EQUALS)
		return naive_equal(naive, a, b, leaf->cased);
	struct mr_slice text = naive_text(naive, a, leaf->cased, 0);
	struct sigma_part parts[] = {{SIGMA_ANY, {"", 0}},
				     {SIGMA_LITERAL, naive_text(naive, b, leaf->cased, 1)},
				     {SIGMA_ANY, {"", 0}}};
	uint32_t from = leaf->ref == SIGMA_REF_STARTSWITH;
	uint32_t count = leaf->ref == SIGMA_REF_CONTAINS ? 3 : 2;
	return naive_pattern(parts + from, count, text);
}

static inline bool naive_compare(const struct sigma_predicate *leaf, const struct mr_value *value)
{
	int64_t left, right;
	if ((!naive_is_number(value) && value->type != MR_STRING) ||
	    !naive_hundredths((struct mr_slice){value->text, value->len}, &left) ||
	    !naive_hundredths(leaf->text, &right))
		return false;
	return leaf->op == MR_GT    ? left > right
	       : leaf->op == MR_GTE ? left >= right
	       : leaf->op == MR_LT  ? left < right
				    : left <= right;
}

static inline bool naive_value(struct naive *naive, const struct sigma_predicate *leaf,
			       const struct mr_value *value)
{
	char one[48], two[48];
	struct mr_slice text = {value->text, value->len};
	if (value->type == MR_NULL)
		return false;
	switch (leaf->test) {
	case SIGMA_TEXT:
		if (naive_is_equality(leaf) && naive_is_number(value))
			return naive_pattern(leaf->parts, leaf->part_count,
					     naive_shortest(text, one));
		return naive_pattern(leaf->parts, leaf->part_count,
				     naive_text(naive, value, leaf->cased, 0));
	case SIGMA_REGEX:
		return naive_regex(leaf, text);
	case SIGMA_CIDR:
		return naive_cidr(leaf, value);
	case SIGMA_NUMBER:
		if (naive_is_number(value))
			text = naive_shortest(text, one);
		return (naive_is_number(value) || value->type == MR_STRING) &&
		       mr_slice_eq(text, naive_shortest(leaf->text, two));
	case SIGMA_BOOL:
		return (value->type == MR_BOOL || value->type == MR_STRING) &&
		       mr_fold_eq(text, mr_slice(leaf->truth ? "true" : "false"));
	case SIGMA_COMPARE:
		return naive_compare(leaf, value);
	case SIGMA_TIMEPART:
		return naive_time(leaf, value);
	default:
		return false;
	}
}

static inline bool naive_field(struct naive *naive, const struct sigma_predicate *leaf)
{
	const struct mr_value *value = mr_event_get(naive->events, naive->event, leaf->field);
	if (leaf->test == SIGMA_EXISTS)
		return (value != NULL) == leaf->truth;
	bool present = false, holds = false;
	for (; value != NULL; value = mr_value_next(naive->events, value)) {
		present |= value->type != MR_NULL;
		holds |= naive_value(naive, leaf, value);
		if (leaf->test != SIGMA_FIELDREF || value->type == MR_NULL)
			continue;
		const struct mr_value *other =
		    mr_event_get(naive->events, naive->event, leaf->other);
		for (; other != NULL; other = mr_value_next(naive->events, other))
			holds |= other->type != MR_NULL && naive_refers(naive, leaf, value, other);
	}
	if (leaf->test == SIGMA_NULL || leaf->test == SIGMA_PRESENT)
		return present == (leaf->test == SIGMA_PRESENT);
	return holds;
}

static inline bool naive_leaf_values(struct naive *naive, const struct sigma_predicate *leaf,
				     struct mr_json_node node)
{
	enum mr_json_kind kind = mr_json_kind(naive->reader, node);
	if (kind != MR_JSON_OBJECT && kind != MR_JSON_ARRAY) {
		struct mr_value value = mr_json_value(naive->reader, node);
		return naive_value(naive, leaf, &value);
	}
	struct mr_json_walk walk = mr_json_enter(naive->reader, node);
	while (mr_json_step(naive->reader, &walk))
		if (naive_leaf_values(naive, leaf, walk.value))
			return true;
	return false;
}

static inline bool naive_holds(struct naive *naive, const struct sigma_node *node)
{
	struct mr_json_node root;
	switch (node->kind) {
	case SIGMA_LEAF:
		if (node->leaf->field != 0)
			return naive_field(naive, node->leaf);
		return mr_json_read(naive->reader, naive->event->json, &root, NULL) == MR_OK &&
		       naive_leaf_values(naive, node->leaf, root);
	case SIGMA_NOT:
		return !naive_holds(naive, node->children[0]);
	default:
		for (uint32_t i = 0; i < node->child_count; i++)
			if (naive_holds(naive, node->children[i]) == (node->kind == SIGMA_OR))
				return node->kind == SIGMA_OR;
		return node->kind == SIGMA_AND;
	}
}

#endif
