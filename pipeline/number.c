/* number.c - exact sums and order of decimal numbers.
 *
 * A sum is an array of limbs of nine decimal digits each, of which every digit of a number goes to
 * its own: nothing is carried until the sum is read, so that adding and taking away are a few
 * additions, and the order is no matter. Never fails. */
#include "millrace/number.h"

#include <string.h>

#define LIMB INT64_C(1000000000)
#define EXPONENT_MAX INT64_C(1000000000000000)

/* ---- the grammar ---- */

/* What a number's text consists of. */
struct parts {
	const char *digits; /* of the whole part, then perhaps a point, then of the fraction */
	size_t len;
	int64_t exponent; /* of the digit before the point */
	bool negative;
};

static size_t skip_digits(struct mr_slice text, size_t at)
{
	while (at < text.len && text.at[at] >= '0' && text.at[at] <= '9')
		at++;
	return at;
}

/* 0 where there are none, or a 0 before others. */
static size_t whole_part(struct mr_slice text, size_t start)
{
	size_t end = skip_digits(text, start);
	return end == start || (text.at[start] == '0' && end > start + 1) ? 0 : end;
}

static size_t fraction(struct mr_slice text, size_t at)
{
	if (at == text.len || text.at[at] != '.')
		return at;
	size_t end = skip_digits(text, at + 1);
	return end == at + 1 ? 0 : end;
}

/* Behind the 'e'; what is too long to matter stays out of range. */
static bool read_exponent(struct mr_slice text, size_t at, int64_t *out)
{
	bool negative = at < text.len && text.at[at] == '-';
	if (at < text.len && (text.at[at] == '+' || text.at[at] == '-'))
		at++;
	size_t end = skip_digits(text, at);
	if (end == at || end != text.len)
		return false;
	for (*out = 0; at < end; at++)
		*out = *out > EXPONENT_MAX ? *out : *out * 10 + (text.at[at] - '0');
	*out = negative ? -*out : *out;
	return true;
}

static bool split(struct mr_slice text, struct parts *out)
{
	size_t start = text.len > 0 && text.at[0] == '-' ? 1 : 0;
	size_t point = whole_part(text, start);
	size_t end = point == 0 ? 0 : fraction(text, point);
	if (end == 0)
		return false;
	*out = (struct parts){text.at + start, end - start, 0, start == 1};
	if (end < text.len && (text.at[end] | 0x20) == 'e') {
		if (!read_exponent(text, end + 1, &out->exponent))
			return false;
		end = text.len;
	}
	out->exponent += (int64_t)(point - start) - 1;
	return end == text.len;
}

/* The next digit other than 0, and its power of ten. */
static bool next_digit(struct parts *parts, int64_t *power_out, int64_t *digit_out)
{
	while (parts->len > 0) {
		char c = *parts->digits++;
		parts->len--;
		if (c == '.')
			continue;
		*power_out = parts->exponent--;
		*digit_out = c - '0';
		if (c != '0')
			return true;
	}
	return false;
}

bool mr_number_written(struct mr_slice text, bool exponent, bool *integer_out)
{
	struct parts parts;
	*integer_out = false;
	if (!split(text, &parts))
		return false;
	bool plain = parts.digits + parts.len == text.at + text.len;
	*integer_out = plain && memchr(parts.digits, '.', parts.len) == NULL;
	return plain || exponent;
}

bool mr_number_is(struct mr_slice text, bool exponent)
{
	struct parts parts;
	int64_t power, digit;
	bool integer;
	if (text.len > MR_NUMBER_TEXT_MAX || !mr_number_written(text, exponent, &integer) ||
	    !split(text, &parts))
		return false;
	while (next_digit(&parts, &power, &digit)) {
		if (power < -MR_NUMBER_DIGITS || power >= MR_NUMBER_DIGITS)
			return false;
	}
	return true;
}

/* ---- sums ---- */

static void limb_add(struct mr_sum *sum, uint16_t limb, int64_t more)
{
	if (sum->above == 0 || limb < sum->least)
		sum->least = limb;
	if (limb >= sum->above)
		sum->above = (uint16_t)(limb + 1);
	sum->limbs[limb] += more;
}

void mr_sum_add(struct mr_sum *sum, struct mr_slice number, int64_t times)
{
	static const int64_t powers[MR_SUM_LIMB_DIGITS] = {
	    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
	struct parts parts;
	int64_t power, digit;
	if (!split(number, &parts))
		return;
	if (parts.negative)
		times = -times;
	while (next_digit(&parts, &power, &digit)) {
		uint64_t place = (uint64_t)(power + MR_NUMBER_DIGITS);
		if (place < 2 * MR_NUMBER_DIGITS)
			limb_add(sum, (uint16_t)(place / MR_SUM_LIMB_DIGITS),
				 digit * times * powers[place % MR_SUM_LIMB_DIGITS]);
	}
}

/* Every limb 0 to LIMB - 1; gives what is carried past the last. */
static int64_t carried(const struct mr_sum *sum, int64_t limbs[MR_SUM_LIMBS], bool negate)
{
	int64_t carry = 0;
	for (size_t i = 0; i < MR_SUM_LIMBS; i++) {
		int64_t limb = carry + (negate ? -sum->limbs[i] : sum->limbs[i]);
		limbs[i] = 0;
		if (limb == 0) {
			carry = 0;
			continue;
		}
		carry = limb / LIMB - (limb % LIMB < 0);
		limbs[i] = limb - carry * LIMB;
	}
	return carry;
}

int mr_sum_sign(const struct mr_sum *sum)
{
	int64_t carry = 0;
	bool zero = true;
	for (size_t i = sum->least; i < sum->above; i++) {
		int64_t limb = sum->limbs[i] + carry;
		carry = limb / LIMB - (limb % LIMB < 0);
		zero &= limb == carry * LIMB;
	}
	return carry < 0 ? -1 : carry > 0 || !zero;
}

void mr_sum_text(const struct mr_sum *sum, struct mr_buf *out)
{
	int64_t limbs[MR_SUM_LIMBS];
	char digits[2 * MR_NUMBER_DIGITS];
	bool negative = mr_sum_sign(sum) < 0;
	int64_t carry = carried(sum, limbs, negative);
	memset(digits, '0', sizeof(digits));
	for (size_t i = 0; i < MR_SUM_LIMBS; i++)
		for (char *digit = digits + sizeof(digits) - i * MR_SUM_LIMB_DIGITS; limbs[i] > 0;
		     limbs[i] /= 10)
			*--digit = (char)('0' + limbs[i] % 10);
	size_t from = 0, point = MR_NUMBER_DIGITS, to = 2 * MR_NUMBER_DIGITS;
	while (from + 1 < point && digits[from] == '0' && carry == 0)
		from++;
	while (to > point && digits[to - 1] == '0')
		to--;
	if (negative)
		mr_buf_add(out, "-", 1);
	if (carry > 0)
		mr_buf_printf(out, "%lld", (long long)carry);
	mr_buf_add(out, digits + from, point - from);
	if (to > point) {
		mr_buf_add(out, ".", 1);
		mr_buf_add(out, digits + point, to - point);
	}
}

#define QUOTIENT_PLACES 6 /* more than the dividend has */

/* Zeros that say nothing go, and the sign of what is nothing. */
static void shorten(struct mr_buf *out, size_t from, bool has_point)
{
	char *text = out->data + from;
	size_t len = out->len - from, skip = 0;
	while (has_point && text[len - 1] == '0')
		len--;
	len -= text[len - 1] == '.';
	while (skip + 1 < len && text[skip] == '0' && text[skip + 1] != '.')
		skip++;
	memmove(text, text + skip, len - skip);
	out->len = from + len - skip;
}

void mr_decimal_divide(struct mr_slice decimal, uint64_t by, struct mr_buf *out)
{
	bool negative = decimal.len > 0 && decimal.at[0] == '-', has_point = false;
	size_t begin = out->len;
	uint64_t rest = 0;
	if (negative)
		mr_buf_add(out, "-", 1);
	size_t from = out->len;
	for (size_t i = negative; i < decimal.len + QUOTIENT_PLACES; i++) {
		char c = i < decimal.len ? decimal.at[i] : '0';
		if (i >= decimal.len && rest == 0)
			break;
		if (c == '.' || (i == decimal.len && !has_point)) {
			mr_buf_add(out, ".", 1);
			has_point = true;
		}
		if (c == '.')
			continue;
		rest = rest * 10 + (uint64_t)(c - '0');
		c = (char)('0' + rest / by);
		mr_buf_add(out, &c, 1);
		rest %= by;
	}
	shorten(out, from, has_point);
	if (negative && out->len == from + 1 && out->data[from] == '0') {
		out->data[begin] = '0';
		out->len = begin + 1;
	}
}

void mr_decimal_show(struct mr_slice decimal, struct mr_buf *out)
{
	size_t from = decimal.len > 0 && decimal.at[0] == '-', to = from;
	while (to < decimal.len && decimal.at[to] >= '0' && decimal.at[to] <= '9')
		to++;
	bool plain = to == decimal.len || decimal.at[to] == '.';
	for (size_t i = 0; i < decimal.len; i++) {
		if (plain && i > from && i < to && (to - i) % 3 == 0)
			mr_buf_add(out, ",", 1);
		mr_buf_add(out, &decimal.at[i], 1);
	}
}

/* ---- order ---- */

static int sign_of(struct parts parts)
{
	int64_t power, digit;
	return !next_digit(&parts, &power, &digit) ? 0 : parts.negative ? -1 : 1;
}

/* Digit by digit, the greatest first, whatever their signs. */
static int compare_sizes(struct parts a, struct parts b)
{
	for (;;) {
		int64_t left_power, left, right_power, right;
		bool more = next_digit(&a, &left_power, &left);
		bool other = next_digit(&b, &right_power, &right);
		if (!more || !other)
			return (int)more - (int)other;
		if (left_power != right_power)
			return left_power < right_power ? -1 : 1;
		if (left != right)
			return left < right ? -1 : 1;
	}
}

int mr_number_compare(struct mr_slice a, struct mr_slice b)
{
	struct parts left, right;
	if (!split(a, &left) || !split(b, &right))
		return 0;
	int sign = sign_of(left), other = sign_of(right);
	if (sign != other)
		return sign < other ? -1 : 1;
	return sign < 0 ? compare_sizes(right, left) : compare_sizes(left, right);
}
