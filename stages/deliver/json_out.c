/* json_out.c - the few calls that write JSON. Called by ocsf*.c and dead_letter.c; cannot fail. */
#include "json_out.h"

/* So many digits surely fit 64 bits, and a double's range. */
#define WHOLE_DIGITS 18
#define EXPONENT_DIGITS 2

void json_key(struct mr_buf *out, const char *key)
{
	size_t len = key == NULL ? 0 : strlen(key);
	char last = out->len == 0 ? '\n' : out->data[out->len - 1];
	char *at = mr_buf_reserve(out, len + 4); /* , "key" : */
	char *from = at;
	if (last != '{' && last != '[' && last != ':' && last != '\n')
		*at++ = ',';
	if (key != NULL) {
		*at++ = '"';
		memcpy(at, key, len);
		at += len;
		*at++ = '"';
		*at++ = ':';
	}
	out->len += (size_t)(at - from);
}

struct json_part json_begin(struct mr_buf *out, const char *key, char bracket)
{
	struct json_part part = {.before = out->len, .close = bracket == '{' ? '}' : ']'};
	json_key(out, key);
	mr_buf_add(out, &bracket, 1);
	part.inside = out->len;
	return part;
}

void json_end(struct mr_buf *out, struct json_part part)
{
	mr_buf_add(out, &part.close, 1);
}

void json_end_or_drop(struct mr_buf *out, struct json_part part)
{
	if (out->len == part.inside)
		out->len = part.before;
	else
		json_end(out, part);
}

void json_text(struct mr_buf *out, const char *key, struct mr_slice text)
{
	json_key(out, key);
	mr_json_put_string(out, text);
}

void json_text_if(struct mr_buf *out, const char *key, struct mr_slice text)
{
	if (text.len > 0)
		json_text(out, key, text);
}

void json_int(struct mr_buf *out, const char *key, int64_t number)
{
	char room[MR_DECIMAL_ROOM];
	struct mr_slice digits = mr_decimal_int(number, room);
	json_key(out, key);
	mr_buf_add(out, digits.at, digits.len);
}

void json_uint(struct mr_buf *out, const char *key, uint64_t number)
{
	json_key(out, key);
	mr_buf_add_uint(out, number);
}

void json_bool(struct mr_buf *out, const char *key, bool yes)
{
	json_key(out, key);
	mr_buf_add_text(out, yes ? "true" : "false");
}

void json_time(struct mr_buf *out, const char *key, const char *key_dt, int64_t time_us)
{
	char text[MR_TIME_TEXT];
	int64_t time_ms = time_us / 1000 - (time_us % 1000 < 0);
	json_int(out, key, time_ms);
	size_t len = mr_time_text(time_us, text);
	json_text(out, key_dt, (struct mr_slice){text, len});
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
