/* json_fault.c - why a document is no JSON. See json_fault.h.
 *
 * A strict reader, one byte after the other, that stops at the first fault. */
#include "json_fault.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "millrace/json.h"

struct finder {
	const char *text;
	size_t len;
	size_t at;
	const char *reason;
	bool objects[MR_JSON_DEPTH]; /* which of the open brackets are braces */
	size_t depth;
};

static bool fail(struct finder *f, size_t offset, const char *why)
{
	f->at = offset;
	f->reason = why;
	return false;
}

static char peek(const struct finder *f)
{
	return f->at < f->len ? f->text[f->at] : '\0';
}

static void blanks(struct finder *f)
{
	while (f->at < f->len && mr_is_blank(f->text[f->at]))
		f->at++;
}

static bool hex4(const struct finder *f, size_t from, uint32_t *out)
{
	int32_t value = from + 4 <= f->len ? mr_hex4(f->text + from) : -1;
	*out = (uint32_t)value;
	return value >= 0;
}

static bool unicode_escape(struct finder *f) /* at the backslash */
{
	uint32_t high, low;
	if (!hex4(f, f->at + 2, &high))
		return fail(f, f->at, "\\u without four hexadecimal digits");
	if (high >= 0xdc00 && high <= 0xdfff)
		return fail(f, f->at, "a low surrogate without a high one before it");
	if (high >= 0xd800 && high <= 0xdbff) {
		if (f->at + 7 >= f->len || f->text[f->at + 6] != '\\' ||
		    f->text[f->at + 7] != 'u' || !hex4(f, f->at + 8, &low) || low < 0xdc00 ||
		    low > 0xdfff)
			return fail(f, f->at, "a high surrogate without a low one behind it");
		f->at += 6;
	}
	f->at += 6;
	return true;
}

static bool escape(struct finder *f)
{
	char c = f->at + 1 < f->len ? f->text[f->at + 1] : '\0';
	if (c == 'u')
		return unicode_escape(f);
	if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
		return fail(f, f->at, "an escape that JSON does not know");
	f->at += 2;
	return true;
}

static bool string(struct finder *f) /* at the quote */
{
	size_t open = f->at++;
	while (f->at < f->len && f->text[f->at] != '"') {
		unsigned char c = (unsigned char)f->text[f->at];
		if (c < 0x20)
			return fail(f, f->at,
				    "a control character in a string, which must be escaped");
		if (c == '\\') {
			if (!escape(f))
				return false;
		} else if (c < 0x80) {
			f->at++;
		} else {
			size_t from = f->at;
			bool bad = false;
			mr_utf8_next(f->text, f->len, &f->at, &bad);
			if (bad)
				return fail(f, from, "bytes that are not UTF-8");
		}
	}
	if (f->at >= f->len)
		return fail(f, open, "a string without its end");
	f->at++;
	return true;
}

static size_t digits(struct finder *f)
{
	size_t from = f->at;
	while (f->at < f->len && f->text[f->at] >= '0' && f->text[f->at] <= '9')
		f->at++;
	return f->at - from;
}

static bool fits(const struct finder *f, size_t from, bool whole)
{
	char copy[64];
	size_t size = f->at - from;
	if (whole && size >= sizeof copy)
		return false;
	char *heap = mr_malloc(size + 1);
	memcpy(heap, f->text + from, size);
	heap[size] = '\0';
	errno = 0;
	bool good;
	if (!whole)
		good = isfinite(strtod(heap, NULL));
	else if (heap[0] == '-')
		good = (strtoll(heap, NULL, 10), errno == 0);
	else
		good = (strtoull(heap, NULL, 10), errno == 0);
	free(heap);
	return good;
}

static bool number(struct finder *f)
{
	size_t from = f->at;
	bool whole = true;
	if (peek(f) == '-')
		f->at++;
	size_t first = f->at;
	size_t count = digits(f);
	if (count == 0 || (count > 1 && f->text[first] == '0'))
		return fail(f, from, "a number that JSON does not know");
	if (peek(f) == '.') {
		f->at++;
		whole = false;
		if (digits(f) == 0)
			return fail(f, from, "a number without digits behind its point");
	}
	if (peek(f) == 'e' || peek(f) == 'E') {
		f->at++;
		whole = false;
		if (peek(f) == '+' || peek(f) == '-')
			f->at++;
		if (digits(f) == 0)
			return fail(f, from, "a number without digits in its exponent");
	}
	if (f->at < f->len && strchr(" \t\n\r,:{}[]", f->text[f->at]) == NULL)
		return fail(f, from, "a number that JSON does not know");
	return fits(f, from, whole) ||
	       fail(f, from,
		    whole ? "an integer past 64 bits" : "a number past what a double holds");
}

static bool word(struct finder *f, const char *expected)
{
	size_t size = strlen(expected);
	if (f->len - f->at < size || memcmp(f->text + f->at, expected, size) != 0 ||
	    (f->at + size < f->len && strchr(" \t\n\r,:{}[]", f->text[f->at + size]) == NULL))
		return fail(f, f->at, "a word that is not true, false or null");
	f->at += size;
	return true;
}

static bool scalar(struct finder *f)
{
	switch (peek(f)) {
	case '"':
		return string(f);
	case 't':
		return word(f, "true");
	case 'f':
		return word(f, "false");
	case 'n':
		return word(f, "null");
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return number(f);
	default:
		return fail(f, f->at,
			    f->at < f->len ? "something else where a value should stand"
					   : "an end where a value should stand");
	}
}

static bool key(struct finder *f)
{
	blanks(f);
	if (peek(f) != '"')
		return fail(f, f->at,
			    f->at < f->len ? "something else where a key should stand"
					   : "an end where a key should stand");
	if (!string(f))
		return false;
	blanks(f);
	if (peek(f) != ':')
		return fail(f, f->at, "a key without a colon behind it");
	f->at++;
	return true;
}

/* Opens a bracket. An empty one is closed at once, and is no level of its own. */
static bool open(struct finder *f, bool *value_done)
{
	bool object = f->text[f->at] == '{';
	size_t bracket = f->at++;
	blanks(f);
	*value_done = peek(f) == (object ? '}' : ']');
	if (*value_done) {
		f->at++;
		return true;
	}
	if (f->depth + 1 >= MR_JSON_DEPTH)
		return fail(f, bracket, "nesting that is too deep");
	f->objects[f->depth++] = object;
	return !object || key(f);
}

/* Behind a value: closes what ends here, up to the next value. */
static bool next(struct finder *f, bool *document_done)
{
	*document_done = false;
	while (f->depth > 0) {
		bool object = f->objects[f->depth - 1];
		blanks(f);
		if (peek(f) == ',') {
			f->at++;
			return !object || key(f);
		}
		if (peek(f) != (object ? '}' : ']'))
			return fail(f, f->at,
				    f->at < f->len ? "something else where a comma or a closing "
						     "bracket should stand"
						   : "an end where a bracket is still open");
		f->at++;
		f->depth--;
	}
	*document_done = true;
	blanks(f);
	return f->at == f->len || fail(f, f->at, "something behind the end of the value");
}

static bool document(struct finder *f)
{
	bool document_done = false;
	blanks(f);
	if (f->at == f->len)
		return fail(f, f->at, "nothing");
	while (!document_done) {
		bool value_done = true;
		blanks(f);
		if (peek(f) == '{' || peek(f) == '[') {
			if (!open(f, &value_done))
				return false;
		} else if (!scalar(f)) {
			return false;
		}
		if (value_done && !next(f, &document_done))
			return false;
	}
	return true;
}

const char *mr_json_fault(struct mr_slice doc, size_t *offset_out)
{
	struct finder finder = {.text = doc.at, .len = doc.len};
	bool whole = document(&finder);
	*offset_out = finder.at;
	return whole ? NULL : finder.reason;
}
