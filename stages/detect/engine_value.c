/* engine_value.c - numbers, text patterns and addresses.
 *
 * Called by engine_compile.c and engine_match.c. Nothing here fails: what is no number or no
 * address is simply none. Time is bounded by text times pattern. */
#include "engine_value.h"

#include "millrace/number.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t skip_digits(struct mr_slice text, size_t at)
{
	while (at < text.len && is_digit(text.at[at]))
		at++;
	return at;
}

static bool read_uint64(struct mr_slice text, uint64_t *out)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < text.len; i++) {
		uint64_t digit = (uint64_t)(text.at[i] - '0');
		if (sum > (UINT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*out = sum;
	return true;
}

bool engine_number_read(struct mr_slice text, bool exponent, struct engine_number *out)
{
	char copy[512];
	bool integer = false;
	if (text.len >= sizeof(copy) || !mr_number_written(text, exponent, &integer))
		return false;
	out->text = text;
	if (integer && mr_parse_int64(text, &out->num.i)) {
		out->type = MR_INT;
		return true;
	}
	if (integer && text.at[0] != '-' && read_uint64(text, &out->num.u)) {
		out->type = MR_UINT;
		return true;
	}
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	out->type = MR_DOUBLE;
	out->num.d = strtod(copy, NULL);
	return isfinite(out->num.d);
}

bool engine_number_of(const struct mr_value *value, struct engine_number *out)
{
	switch (value->type) {
	case MR_INT:
		out->num.i = value->num.i;
		break;
	case MR_UINT:
		out->num.u = value->num.u;
		break;
	case MR_DOUBLE:
		out->num.d = value->num.d;
		break;
	default:
		return false;
	}
	out->type = value->type;
	out->text = (struct mr_slice){value->text, value->len};
	return true;
}

/* 64 bits of mantissa at least: holds every integer and every double as it is. */
static long double number_wide(struct engine_number number)
{
	_Static_assert(__LDBL_MANT_DIG__ >= 64, "long double must hold 64-bit integers");
	if (number.type == MR_INT)
		return (long double)number.num.i;
	if (number.type == MR_UINT)
		return (long double)number.num.u;
	return (long double)number.num.d;
}

/* A double is the nearest to what is written, so that two which differ are in the order of what is
 * written; of two that do not the digits tell. */
int engine_number_compare(struct engine_number a, struct engine_number b)
{
	long double left = number_wide(a);
	long double right = number_wide(b);
	if (isnan(left) || isnan(right))
		return 2;
	if (a.type == MR_DOUBLE || b.type == MR_DOUBLE) {
		left = (double)left;
		right = (double)right;
		if (left == right)
			return mr_number_compare(a.text, b.text);
	}
	return left < right ? -1 : left > right;
}

static size_t put_uint64(uint64_t number, bool negative, char out[ENGINE_NUMBER_TEXT])
{
	char digits[24];
	size_t count = 0;
	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	size_t len = 0;
	if (negative)
		out[len++] = '-';
	while (count > 0)
		out[len++] = digits[--count];
	return len;
}

static size_t put_double(double number, char out[ENGINE_NUMBER_TEXT])
{
	if (number == trunc(number) && fabs(number) < 0x1p64) {
		bool negative = number < 0;
		return put_uint64((uint64_t)fabs(number), negative, out);
	}
	int len = 0;
	for (int digits = 1; digits <= 17; digits++) {
		len = snprintf(out, ENGINE_NUMBER_TEXT, "%.*g", digits, number);
		if (strtod(out, NULL) == number)
			break;
	}
	return (size_t)len;
}

/* As it is written, but for zeros behind the last digit of a fraction. */
static struct mr_slice own_digits(struct mr_slice text)
{
	bool integer;
	if (!mr_number_written(text, false, &integer) || integer)
		return text;
	while (text.at[text.len - 1] == '0')
		text.len--;
	text.len -= text.at[text.len - 1] == '.';
	return text;
}

struct mr_slice engine_number_text(struct engine_number number, char room[ENGINE_NUMBER_TEXT])
{
	if (number.type == MR_UINT)
		return (struct mr_slice){room, put_uint64(number.num.u, false, room)};
	if (number.type == MR_DOUBLE) {
		struct mr_slice form = {room, put_double(number.num.d, room)};
		return mr_number_compare(form, number.text) == 0 ? form : own_digits(number.text);
	}
	bool negative = number.num.i < 0;
	uint64_t size = negative ? 0 - (uint64_t)number.num.i : (uint64_t)number.num.i;
	return (struct mr_slice){room, put_uint64(size, negative, room)};
}

struct mr_slice engine_equal_text(const struct mr_value *value, char room[ENGINE_NUMBER_TEXT])
{
	struct engine_number number;
	if (!engine_number_of(value, &number))
		return (struct mr_slice){value->text, value->len};
	return engine_number_text(number, room);
}

/* Match parts [0, count) without SIGMA_ANY at text[at]; the end, or SIZE_MAX. */
static size_t chunk_match(const struct engine_part *parts, size_t count, struct mr_slice text,
			  size_t at)
{
	for (size_t i = 0; i < count; i++) {
		if (parts[i].kind == SIGMA_ONE) {
			if (at >= text.len)
				return SIZE_MAX;
			mr_utf8_next(text.at, text.len, &at, NULL);
			continue;
		}
		if (text.len - at < parts[i].text.len ||
		    memcmp(text.at + at, parts[i].text.at, parts[i].text.len) != 0)
			return SIZE_MAX;
		at += parts[i].text.len;
	}
	return at;
}

/* The first place at or behind `at` where the chunk matches; its end, or SIZE_MAX. */
static size_t chunk_find(const struct engine_part *parts, size_t count, struct mr_slice text,
			 size_t at)
{
	while (at <= text.len) {
		if (parts[0].kind == SIGMA_LITERAL) {
			const char *found = memmem(text.at + at, text.len - at, parts[0].text.at,
						   parts[0].text.len);
			if (found == NULL)
				return SIZE_MAX;
			at = (size_t)(found - text.at);
		}
		size_t end = chunk_match(parts, count, text, at);
		if (end != SIZE_MAX)
			return end;
		if (at == text.len)
			return SIZE_MAX;
		mr_utf8_next(text.at, text.len, &at, NULL);
	}
	return SIZE_MAX;
}

/* The last chunk: it must end where the text ends. A chunk's length in bytes depends on the
 * characters that '?' stands for, so it is measured from behind. */
static bool chunk_ends(const struct engine_part *parts, size_t count, struct mr_slice text,
		       size_t from)
{
	size_t end = text.len;
	for (size_t i = count; i-- > 0;) {
		if (parts[i].kind == SIGMA_LITERAL) {
			size_t len = parts[i].text.len;
			if (end - from < len ||
			    memcmp(text.at + end - len, parts[i].text.at, len) != 0)
				return false;
			end -= len;
			continue;
		}
		if (end == from)
			return false;
		/* Step back over one character: the farthest start, at most four bytes off, from
		 * which a single character reaches to the end. */
		size_t start = end - 1;
		for (size_t back = 4; back > 1; back--) {
			if (end - from < back)
				continue;
			size_t at = end - back;
			mr_utf8_next(text.at, end, &at, NULL);
			if (at == end) {
				start = end - back;
				break;
			}
		}
		end = start;
	}
	return true;
}

/* Leftmost is best for each chunk between two SIGMA_ANY, so there is no way back to try. */
bool engine_pattern_match(const struct engine_part *parts, size_t count, struct mr_slice text)
{
	size_t at = 0;
	bool floating = false; /* a SIGMA_ANY stands before */
	for (size_t i = 0; i < count;) {
		if (parts[i].kind == SIGMA_ANY) {
			floating = true;
			i++;
			continue;
		}
		size_t chunk = i;
		while (i < count && parts[i].kind != SIGMA_ANY)
			i++;
		if (i == count && floating)
			return chunk_ends(parts + chunk, i - chunk, text, at);
		at = floating ? chunk_find(parts + chunk, i - chunk, text, at)
			      : chunk_match(parts + chunk, i - chunk, text, at);
		if (at == SIZE_MAX)
			return false;
		floating = false;
	}
	return floating || at == text.len;
}

/* Take off "[...]" with or without ":port", and the port behind an IPv4 address. */
static bool address_bare(struct mr_slice *text)
{
	size_t len = text->len;
	if (len > 0 && text->at[0] == '[') {
		const char *close = memchr(text->at, ']', len);
		if (close == NULL)
			return false;
		size_t end = (size_t)(close - text->at);
		if (end + 1 < len &&
		    (text->at[end + 1] != ':' || skip_digits(*text, end + 2) != len))
			return false;
		*text = (struct mr_slice){text->at + 1, end - 1};
		return true;
	}
	const char *colon = memchr(text->at, ':', len);
	if (colon == NULL)
		return true;
	size_t at = (size_t)(colon - text->at);
	if (memchr(colon + 1, ':', len - at - 1) != NULL)
		return true;
	if (at + 1 == len || skip_digits(*text, at + 1) != len)
		return false;
	text->len = at;
	return true;
}

bool engine_address_read(struct mr_slice text, uint8_t out[16])
{
	char copy[INET6_ADDRSTRLEN + 1];
	if (text.len < 2 || text.len > 128 || !address_bare(&text))
		return false;
	const char *zone = memchr(text.at, '%', text.len);
	if (zone != NULL)
		text.len = (size_t)(zone - text.at);
	if (text.len >= sizeof(copy) || memchr(text.at, 0, text.len) != NULL)
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	if (memchr(copy, ':', text.len) != NULL)
		return inet_pton(AF_INET6, copy, out) == 1;
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	memcpy(out, mapped, sizeof(mapped));
	return zone == NULL && inet_pton(AF_INET, copy, out + 12) == 1;
}

bool engine_address_within(const uint8_t address[16], const uint8_t network[16], uint8_t prefix)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	/* An IPv4 address lies in no IPv6 network, however wide. */
	if (prefix < 96 && memcmp(address, mapped, sizeof(mapped)) == 0)
		return false;
	size_t whole = prefix / 8;
	if (memcmp(address, network, whole) != 0)
		return false;
	unsigned left = prefix % 8;
	return left == 0 || ((address[whole] ^ network[whole]) >> (8 - left)) == 0;
}
