/* naive_json.h - a JSON reader of the plainest kind, to compare the real one with.
 *
 * Written from RFC 8259 and sharing nothing with pipeline/json.cc. It reads a document that the
 * real one took, value by value, and checks kind, bytes, numbers and unescaped text of each. Where
 * the two disagree it aborts. */
#ifndef MILLRACE_TEST_NAIVE_JSON_H
#define MILLRACE_TEST_NAIVE_JSON_H

#include <stdio.h>
#include <stdlib.h>

#include "millrace/json.h"

struct naive {
	const struct mr_json_reader *reader;
	const char *text;
	size_t len;
	size_t at;
};

static inline void naive_must(const struct naive *in, bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "the readers differ at offset %zu: %s: %.*s\n", in->at, what, (int)in->len,
		in->text);
	abort();
}

static inline void naive_blanks(struct naive *in)
{
	while (in->at < in->len && in->text[in->at] != '\0' && strchr(" \t\r\n", in->text[in->at]))
		in->at++;
}

static inline unsigned naive_hex4(const struct naive *in, size_t at)
{
	char digits[5] = {0};
	memcpy(digits, in->text + at, 4);
	return (unsigned)strtoul(digits, NULL, 16);
}

/* At the quote; the unescaped text is appended. */
static inline void naive_string(struct naive *in, struct mr_buf *out)
{
	in->at++;
	while (in->text[in->at] != '"') {
		char c = in->text[in->at++];
		if (c != '\\') {
			mr_buf_add(out, &c, 1);
			continue;
		}
		c = in->text[in->at++];
		const char *plain = "\"\\/bfnrt";
		const char *found = strchr(plain, c);
		if (found != NULL) {
			mr_buf_add(out, &"\"\\/\b\f\n\r\t"[found - plain], 1);
			continue;
		}
		uint32_t point = naive_hex4(in, in->at);
		in->at += 4;
		if (point >= 0xd800 && point < 0xdc00) {
			point = 0x10000 + ((point - 0xd800) << 10) +
				(naive_hex4(in, in->at + 2) - 0xdc00);
			in->at += 6;
		}
		char bytes[4];
		mr_buf_add(out, bytes, mr_utf8_put(point, bytes));
	}
	in->at++;
}

static inline void naive_scalar(struct naive *in, struct mr_json_node node)
{
	size_t from = in->at;
	struct mr_buf text = {0};
	struct mr_value value = mr_json_value(in->reader, node);
	if (in->text[in->at] == '"') {
		naive_string(in, &text);
		naive_must(in, value.type == MR_STRING, "a string");
	} else {
		while (in->at < in->len && !strchr(" \t\r\n,]}", in->text[in->at]))
			in->at++;
		mr_buf_add(&text, in->text + from, in->at - from);
	}
	struct mr_slice raw = mr_json_raw(in->reader, node);
	naive_must(in, raw.at == in->text + from && raw.len == in->at - from, "bytes of a scalar");
	if (value.type == MR_NULL) {
		naive_must(in, text.len == 4 && memcmp(text.data, "null", 4) == 0, "null");
	} else {
		naive_must(in, value.len == text.len, "length of a text");
		naive_must(in, text.len == 0 || memcmp(value.text, text.data, text.len) == 0,
			   "text");
	}
	mr_buf_add(&text, "", 1);
	if (value.type == MR_BOOL)
		naive_must(in, value.num.i == (text.data[0] == 't'), "a boolean");
	else if (value.type == MR_INT)
		naive_must(in, value.num.i == strtoll(text.data, NULL, 10), "an integer");
	else if (value.type == MR_UINT)
		naive_must(in, value.num.u == strtoull(text.data, NULL, 10), "a large integer");
	else if (value.type == MR_DOUBLE)
		naive_must(in, value.num.d == strtod(text.data, NULL), "a number");
	mr_buf_fini(&text);
}

/* Some containers are only looked at from outside, so that skipping is compared as well. */
static inline void naive_value(struct naive *in, struct mr_json_node node)
{
	naive_blanks(in);
	size_t from = in->at;
	char open = in->text[in->at];
	if (open != '{' && open != '[') {
		naive_scalar(in, node);
		return;
	}
	naive_must(in,
		   mr_json_kind(in->reader, node) == (open == '{' ? MR_JSON_OBJECT : MR_JSON_ARRAY),
		   "a container");
	struct mr_json_walk walk = mr_json_enter(in->reader, node);
	in->at++;
	bool more;
	naive_blanks(in);
	while ((more = mr_json_step(in->reader, &walk))) {
		naive_blanks(in);
		if (open == '{') {
			struct mr_buf key = {0};
			naive_string(in, &key);
			naive_must(in, key.len == walk.key.len, "length of a key");
			naive_must(in, key.len == 0 || memcmp(key.data, walk.key.at, key.len) == 0,
				   "a key");
			mr_buf_fini(&key);
			naive_blanks(in);
			in->at++;
		}
		naive_value(in, walk.value);
		naive_blanks(in);
		if (in->text[in->at] != ',')
			break;
		in->at++;
	}
	naive_must(in, !more || !mr_json_step(in->reader, &walk), "the end of a container");
	naive_must(in, in->text[in->at] == (open == '{' ? '}' : ']'), "its bracket");
	in->at++;
	struct mr_slice raw = mr_json_raw(in->reader, node);
	struct mr_slice walked =
	    mr_json_between(in->reader, node, mr_json_behind_container(in->reader, node));
	naive_must(in, raw.at == in->text + from && raw.len == in->at - from,
		   "bytes of a container");
	naive_must(in, walked.at == raw.at && walked.len == raw.len, "bytes of a walk");
}

/* The same walk inline, telling each outer walk where the inner one ended. */
static inline struct mr_json_node naive_leaves(const struct mr_json_reader *reader,
					       struct mr_json_node node, struct mr_buf *out)
{
	if (mr_json_kind(reader, node) < MR_JSON_ARRAY)
		return mr_json_behind(reader, node);
	bool object = mr_json_type(reader, node) == '{';
	struct mr_json_node at = mr_json_inside(node);
	uint32_t end = mr_json_end(reader, node);
	while (at.index < end) {
		struct mr_json_node value = object ? mr_json_member(at) : at;
		struct mr_slice raw = mr_json_raw(reader, value);
		mr_buf_add(out, raw.at, raw.len);
		at = mr_json_next(naive_leaves(reader, value, out));
	}
	return mr_json_leave(node, at, end);
}

/* The same without. */
static inline void naive_skips(const struct mr_json_reader *reader, struct mr_json_node node,
			       struct mr_buf *out)
{
	struct mr_json_walk walk = mr_json_enter(reader, node);
	while (mr_json_step(reader, &walk)) {
		struct mr_slice raw = mr_json_raw(reader, walk.value);
		mr_buf_add(out, raw.at, raw.len);
		naive_skips(reader, walk.value, out);
	}
}

/* A document that the reader took. */
static inline void naive_check(const struct mr_json_reader *reader, struct mr_slice doc,
			       struct mr_json_node root)
{
	struct naive in = {.reader = reader, .text = doc.at, .len = doc.len};
	naive_value(&in, root);
	naive_blanks(&in);
	naive_must(&in, in.at == in.len, "the end");
	struct mr_buf one = {0};
	struct mr_buf other = {0};
	if (doc.len < 4096) { /* copies each level's bytes */
		naive_leaves(reader, root, &one);
		naive_skips(reader, root, &other);
	}
	naive_must(&in,
		   one.len == other.len &&
		       (one.len == 0 || memcmp(one.data, other.data, one.len) == 0),
		   "two ways of walking");
	mr_buf_fini(&one);
	mr_buf_fini(&other);
}

#endif
