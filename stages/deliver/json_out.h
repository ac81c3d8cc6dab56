/* json_out.h - JSON written into a growing buffer, one line an item.
 *
 * Commas are put where they belong: the last byte written tells. Keys are our own and need no
 * escape; texts are anybody's. Nothing here fails. */
#ifndef MILLRACE_DELIVER_JSON_OUT_H
#define MILLRACE_DELIVER_JSON_OUT_H

#include "millrace/text.h"

/* An object or array that is being written. */
struct json_part {
	size_t before; /* where the buffer stood before it */
	size_t inside; /* behind its opening bracket */
	char close;
};
/* `key` is NULL in an array and at the top; `bracket` is '{' or '['. */
struct json_part json_begin(struct mr_buf *out, const char *key, char bracket);
void json_end(struct mr_buf *out, struct json_part part);
/* As json_end, but takes a part that stayed empty out again. */
void json_end_or_drop(struct mr_buf *out, struct json_part part);

void json_text(struct mr_buf *out, const char *key, struct mr_slice text);
/* Left out where the text is empty. */
void json_text_if(struct mr_buf *out, const char *key, struct mr_slice text);
void json_int(struct mr_buf *out, const char *key, int64_t number);
void json_uint(struct mr_buf *out, const char *key, uint64_t number);
void json_bool(struct mr_buf *out, const char *key, bool yes);
/* Microseconds as milliseconds under `key`, and as RFC 3339 text under `key_dt`. */
void json_time(struct mr_buf *out, const char *key, const char *key_dt, int64_t time_us);
/* The place of a value that the caller appends itself, as valid JSON. */
void json_key(struct mr_buf *out, const char *key);
/* Whether the whole text is a JSON number that any reader can hold. */
bool json_is_number(struct mr_slice text);
/* As a number where any reader can hold it, else as a text. */
void json_number(struct mr_buf *out, const char *key, struct mr_slice text);

#endif
