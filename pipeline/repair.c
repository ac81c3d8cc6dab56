/* repair.c - one pass over a record that is nearly JSON. See repair.h. Never fails, reads no byte
 * behind the text. */
#include "millrace/repair.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct repair {
	const char *text;
	size_t len;
	size_t at;
	char *out;
	size_t put;
	bool changed;
};

static void copy(struct repair *r, size_t count)
{
	memcpy(r->out + r->put, r->text + r->at, count);
	r->put += count;
	r->at += count;
}

/* The length of a well-formed character at p, or, negative, that of the maximal part of an
 * ill-formed one. */
static int character(const unsigned char *p, size_t left)
{
	unsigned char lead = p[0];
	int need = lead < 0x80   ? 1
		   : lead < 0xc2 ? 0
		   : lead < 0xe0 ? 2
		   : lead < 0xf0 ? 3
		   : lead < 0xf5 ? 4
				 : 0;
	unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (need == 0)
		return -1;
	for (int i = 1; i < need; i++) {
		if ((size_t)i >= left || p[i] < low || p[i] > high)
			return -i;
		low = 0x80;
		high = 0xbf;
	}
	return need;
}

/* The value of four hexadecimal digits behind \u at text[at], or -1. */
static int escaped(const struct repair *r, size_t at)
{
	if (at + 6 > r->len || r->text[at] != '\\' || r->text[at + 1] != 'u')
		return -1;
	return mr_hex4(r->text + at + 2);
}

static void escape(struct repair *r)
{
	int value = escaped(r, r->at);
	if (value < 0xd800 || value > 0xdfff) {
		copy(r, r->len - r->at < 2 ? r->len - r->at : 2);
		return;
	}
	int low = value < 0xdc00 ? escaped(r, r->at + 6) : -1;
	if (low >= 0xdc00 && low <= 0xdfff) {
		copy(r, 12);
		return;
	}
	memcpy(r->out + r->put, "\\ufffd", 6);
	r->put += 6;
	r->at += 6;
	r->changed = true;
}

static void string(struct repair *r)
{
	copy(r, 1);
	while (r->at < r->len) {
		char c = r->text[r->at];
		if (c == '\\') {
			escape(r);
			continue;
		}
		int length = character((const unsigned char *)r->text + r->at, r->len - r->at);
		if (length > 0) {
			copy(r, (size_t)length);
		} else {
			memcpy(r->out + r->put, "\xef\xbf\xbd", 3);
			r->put += 3;
			r->at += (size_t)-length;
			r->changed = true;
		}
		if (c == '"')
			return;
	}
}

static size_t digits(const struct repair *r, size_t at)
{
	size_t from = at;
	while (at < r->len && r->text[at] >= '0' && r->text[at] <= '9')
		at++;
	return at - from;
}

/* The length of a number as JSON has it, or 0; whether it is written as an integer. */
static size_t number_length(const struct repair *r, bool *whole)
{
	size_t at = r->at + (r->text[r->at] == '-');
	size_t count = digits(r, at);
	*whole = true;
	if (count == 0 || (count > 1 && r->text[at] == '0'))
		return 0;
	at += count;
	if (at < r->len && r->text[at] == '.') {
		*whole = false;
		count = digits(r, ++at);
		if (count == 0)
			return 0;
		at += count;
	}
	if (at < r->len && (r->text[at] | 0x20) == 'e') {
		*whole = false;
		at++;
		at += at < r->len && (r->text[at] == '+' || r->text[at] == '-');
		count = digits(r, at);
		if (count == 0)
			return 0;
		at += count;
	}
	return at - r->at;
}

static bool number_fits(const char *digits, size_t len, bool whole)
{
	if (whole && len < 19)
		return true;
	char *text = mr_malloc(len + 1);
	memcpy(text, digits, len);
	text[len] = '\0';
	errno = 0;
	bool fits;
	if (!whole)
		fits = isfinite(strtod(text, NULL));
	else if (text[0] == '-')
		fits = (strtoll(text, NULL, 10), errno == 0);
	else
		fits = (strtoull(text, NULL, 10), errno == 0);
	free(text);
	return fits;
}

static void number(struct repair *r)
{
	bool whole;
	size_t length = number_length(r, &whole);
	if (length == 0) {
		/* No number, and so no JSON: with its digits, or each of them would be counted
		 * again. */
		copy(r, 1 + digits(r, r->at + 1));
		return;
	}
	if (number_fits(r->text + r->at, length, whole)) {
		copy(r, length);
		return;
	}
	r->out[r->put++] = '"';
	copy(r, length);
	r->out[r->put++] = '"';
	r->changed = true;
}

size_t mr_repair(struct mr_slice text, char *out)
{
	struct repair r = {.text = text.at, .len = text.len, .out = out};
	while (r.at < r.len) {
		char c = r.text[r.at];
		if (c == '"')
			string(&r);
		else if (c == '-' || (c >= '0' && c <= '9'))
			number(&r);
		else
			copy(&r, 1);
	}
	return r.changed ? r.put : 0;
}
