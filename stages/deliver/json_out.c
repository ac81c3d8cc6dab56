/* json_out.c - the few calls that write JSON. Called by ocsf*.c and dead_letter.c; cannot fail. */
#include "json_out.h"

/* So many digits surely fit 64 bits, and a double's range. */
#define WHOLE_DIGITS 18
#define EXPONENT_DIGITS 2

void json_put_int(struct mr_buf *out, int64_t number)
{
	char room[MR_DECIMAL_ROOM];
	struct mr_slice digits = mr_decimal_int(number, room);
	mr_buf_add(out, digits.at, digits.len);
}

void json_put_time(struct mr_buf *out, int64_t time_us)
{
	char *at = mr_buf_reserve(out, MR_TIME_TEXT + 1);
	size_t len = mr_time_text(time_us, at + 1);
	at[0] = at[len + 1] = '"';
	out->len += len + 2;
}

/* How many digits stand at `at`. */
static size_t digits(struct mr_slice text, size_t at)
{
	size_t count = 0;
	while (at + count < text.len && text.at[at + count] >= '0' && text.at[at + count] <= '9')
		count++;
	return count;
}

bool json_is_number(struct mr_slice text)
{
	size_t at = text.len > 0 && text.at[0] == '-';
	size_t whole = digits(text, at);
	if (whole == 0 || whole > WHOLE_DIGITS || (whole > 1 && text.at[at] == '0'))
		return false;
	at += whole;
	if (at < text.len && text.at[at] == '.') {
		size_t fraction = digits(text, at + 1);
		if (fraction == 0)
			return false;
		at += 1 + fraction;
	}
	if (at < text.len && (text.at[at] == 'e' || text.at[at] == 'E')) {
		at++;
		if (at < text.len && (text.at[at] == '+' || text.at[at] == '-'))
			at++;
		size_t exponent = digits(text, at);
		if (exponent == 0 || exponent > EXPONENT_DIGITS)
			return false;
		at += exponent;
	}
	return at == text.len;
}

void json_number(struct mr_buf *out, const char *key, struct mr_slice text)
{
	json_key(out, key);
	if (json_is_number(text))
		mr_buf_add(out, text.at, text.len);
	else
		mr_json_put_string(out, text);
}
