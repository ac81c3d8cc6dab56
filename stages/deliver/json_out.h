/* json_out.h - JSON written into a growing buffer, one line an item.
 *
 * Commas are put where they belong: the last byte written tells. Keys are our own and need no
 * escape; texts are anybody's. Nothing here fails. */
#ifndef MILLRACE_DELIVER_JSON_OUT_H
#define MILLRACE_DELIVER_JSON_OUT_H

#include "millrace/text.h"

/* What follows is inline where it takes a key: a key is mostly a literal, whose length and bytes
 * the compiler then puts into the code. Some 200 keys an alert, by call and strlen, were an eighth
 * of what deliver does. */
#define JSON_INLINE static inline __attribute__((always_inline))

/* Whether something stands before the next member or item. */
JSON_INLINE bool json_follows(const struct mr_buf *out)
{
	char last = out->len == 0 ? '\n' : out->data[out->len - 1];
	return last != '{' && last != '[' && last != ':' && last != '\n';
}

/* The place of a value that the caller appends itself, as valid JSON. `key` is NULL in an array and
 * at the top. */
JSON_INLINE void json_key(struct mr_buf *out, const char *key)
{
	size_t len = key == NULL ? 0 : strlen(key);
	char *from = mr_buf_reserve(out, len + 4); /* , "key" : */
	char *at = from;
	*at = ',';
	at += json_follows(out);
	if (key != NULL) {
		*at++ = '"';
		memcpy(at, key, len);
		at += len;
		*at++ = '"';
		*at++ = ':';
	}
	out->len += (size_t)(at - from);
}

/* Members or items that are JSON already. */
JSON_INLINE void json_ready(struct mr_buf *out, struct mr_slice members)
{
	if (members.len == 0)
		return;
	json_key(out, NULL);
	mr_buf_add(out, members.at, members.len);
}

/* An object or array that is being written. */
struct json_part {
	size_t before; /* where the buffer stood before it */
	size_t inside; /* behind its opening bracket */
	char close;
};
/* `bracket` is '{' or '['. */
JSON_INLINE struct json_part json_begin(struct mr_buf *out, const char *key, char bracket)
{
	struct json_part part = {.before = out->len, .close = bracket == '{' ? '}' : ']'};
	json_key(out, key);
	*mr_buf_reserve(out, 1) = bracket;
	part.inside = ++out->len;
	return part;
}

JSON_INLINE void json_end(struct mr_buf *out, struct json_part part)
{
	*mr_buf_reserve(out, 1) = part.close;
	out->len++;
}

/* As json_end, but takes a part that stayed empty out again. */
JSON_INLINE void json_end_or_drop(struct mr_buf *out, struct json_part part)
{
	if (out->len == part.inside)
		out->len = part.before;
	else
		json_end(out, part);
}

JSON_INLINE void json_text(struct mr_buf *out, const char *key, struct mr_slice text)
{
	json_key(out, key);
	mr_json_put_string(out, text);
}

/* Left out where the text is empty. */
JSON_INLINE void json_text_if(struct mr_buf *out, const char *key, struct mr_slice text)
{
	if (text.len > 0)
		json_text(out, key, text);
}

JSON_INLINE void json_uint(struct mr_buf *out, const char *key, uint64_t number)
{
	json_key(out, key);
	mr_buf_add_uint(out, number);
}

JSON_INLINE void json_bool(struct mr_buf *out, const char *key, bool yes)
{
	json_key(out, key);
	mr_buf_add_text(out, yes ? "true" : "false");
}

void json_put_int(struct mr_buf *out, int64_t number); /* json_int's own */
JSON_INLINE void json_int(struct mr_buf *out, const char *key, int64_t number)
{
	json_key(out, key);
	json_put_int(out, number);
}

void json_put_time(struct mr_buf *out, int64_t time_us); /* json_time's own */
/* Microseconds as milliseconds under `key`, and as RFC 3339 text under `key_dt`. */
JSON_INLINE void json_time(struct mr_buf *out, const char *key, const char *key_dt, int64_t time_us)
{
	json_int(out, key, time_us / 1000 - (time_us % 1000 < 0));
	json_key(out, key_dt);
	json_put_time(out, time_us);
}

/* Whether the whole text is a JSON number that any reader can hold. */
bool json_is_number(struct mr_slice text);
/* As a number where any reader can hold it, else as a text. */
void json_number(struct mr_buf *out, const char *key, struct mr_slice text);

#endif
