/* yaml_scalar.c - what a plain scalar is in YAML 1.2's core schema.
 *
 * Called by yaml.c for every scalar without quotes; never fails. Quoted scalars are always
 * texts. The forms are those of https://yaml.org/spec/1.2.2/#1032-tag-resolution. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "millrace/number.h"
#include "yaml_scalar.h"

/* Longer ones keep no decimal form: nothing compares with them. */
#define NUMBER_MAX 64

static bool is_one_of(struct mr_slice text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (mr_slice_eq(text, mr_slice(*words)))
			return true;
	return false;
}

static size_t digits(struct mr_slice text, size_t at)
{
	size_t from = at;

	while (at < text.len && text.at[at] >= '0' && text.at[at] <= '9')
		at++;
	return at - from;
}

static bool is_integer(struct mr_slice text)
{
	size_t at = text.len > 0 && (text.at[0] == '-' || text.at[0] == '+');
	size_t count = digits(text, at);

	return count > 0 && at + count == text.len;
}

static bool is_float(struct mr_slice text)
{
	size_t at = text.len > 0 && (text.at[0] == '-' || text.at[0] == '+');
	size_t whole = digits(text, at), fraction = 0;

	at += whole;
	if (at < text.len && text.at[at] == '.') {
		fraction = digits(text, at + 1);
		at += 1 + fraction;
	}
	if (whole + fraction == 0)
		return false;
	if (at < text.len && (text.at[at] == 'e' || text.at[at] == 'E')) {
		at++;
		if (at < text.len && (text.at[at] == '-' || text.at[at] == '+'))
			at++;
		size_t exponent = digits(text, at);
		if (exponent == 0)
			return false;
		at += exponent;
	}
	return at == text.len;
}

/* 0x and 0o; the value where it fits 64 bits. */
static bool is_based(struct mr_slice text, uint64_t *out, bool *fits)
{
	if (text.len < 3 || text.at[0] != '0' || (text.at[1] != 'x' && text.at[1] != 'o'))
		return false;
	unsigned base = text.at[1] == 'x' ? 16 : 8;
	uint64_t value = 0;
	*fits = true;
	for (size_t at = 2; at < text.len; at++) {
		unsigned digit = (unsigned)mr_hex_digit(text.at[at]); /* none: past any base */
		if (digit >= base)
			return false;
		if (value > (UINT64_MAX - digit) / base)
			*fits = false;
		value = value * base + digit;
	}
	*out = value;
	return true;
}

/* Sign, leading zeros and "-0" tidied; any length up to NUMBER_MAX. */
static struct mr_slice integer_form(struct mr_arena *arena, struct mr_slice text)
{
	bool negative = text.at[0] == '-';
	size_t at = negative || text.at[0] == '+';

	while (at + 1 < text.len && text.at[at] == '0')
		at++;
	if (text.len - at > NUMBER_MAX)
		return (struct mr_slice){"", 0};
	if (text.at[at] == '0')
		negative = false;
	char form[NUMBER_MAX + 2];
	int len = snprintf(form, sizeof(form), "%s%.*s", negative ? "-" : "", (int)(text.len - at),
			   text.at + at);
	return (struct mr_slice){mr_arena_copy(arena, form, (size_t)len), (size_t)len};
}

static struct mr_slice float_form(struct mr_arena *arena, struct mr_slice text)
{
	char form[48], copy[NUMBER_MAX + 1];

	if (text.len > NUMBER_MAX)
		return (struct mr_slice){"", 0};
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	double value = strtod(copy, NULL);
	if (!isfinite(value))
		return (struct mr_slice){"", 0};
	if (value == floor(value) && fabs(value) < 9007199254740992.0) {
		snprintf(form, sizeof(form), "%lld", (long long)value);
	} else {
		for (int precision = 1; precision <= 17; precision++) {
			snprintf(form, sizeof(form), "%.*g", precision, value);
			if (strtod(form, NULL) == value)
				break;
		}
	}
	/* What no double is so near to keeps its digits, where JSON has them so. */
	struct mr_slice own = {text.at + (text.at[0] == '+'), text.len - (text.at[0] == '+')};
	struct mr_slice best = mr_slice(form);
	bool integer;
	if (mr_number_written(own, true, &integer) && mr_number_compare(own, best) != 0)
		best = own;
	return (struct mr_slice){mr_arena_copy(arena, best.at, best.len), best.len};
}

void mr_yaml_scalar_type(struct mr_arena *arena, struct mr_yaml *node)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const truths[] = {"true", "True", "TRUE", NULL};
	static const char *const lies[] = {"false", "False", "FALSE", NULL};
	static const char *const endless[] = {".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
					      "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
					      ".NaN",  ".NAN",  NULL};
	struct mr_slice text = node->text;
	uint64_t value;
	bool fits;

	if (is_one_of(text, nulls)) {
		node->type = MR_YAML_NULL;
	} else if (is_one_of(text, truths) || is_one_of(text, lies)) {
		node->type = MR_YAML_BOOL;
		node->truth = is_one_of(text, truths);
	} else if (is_integer(text)) {
		node->type = MR_YAML_NUMBER;
		node->integer = true;
		node->number = integer_form(arena, text);
	} else if (is_based(text, &value, &fits)) {
		char form[24];
		int len = snprintf(form, sizeof(form), "%llu", (unsigned long long)value);
		node->type = MR_YAML_NUMBER;
		node->integer = true;
		if (fits)
			node->number =
			    (struct mr_slice){mr_arena_copy(arena, form, (size_t)len), (size_t)len};
	} else if (is_float(text)) {
		node->type = MR_YAML_NUMBER;
		node->number = float_form(arena, text);
	} else if (is_one_of(text, endless)) {
		node->type = MR_YAML_NUMBER;
	}
}
