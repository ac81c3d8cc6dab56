/* utf16.c - byte order marks and UTF-16.
 *
 * Called by collect and by the import of identities: the audit search's export is UTF-8 with a
 * mark, but what a spreadsheet saves as "Unicode text" is UTF-16, and so is what some shells and
 * programs write, without a mark. Never fails. */
#include "millrace/utf16.h"

#define REPLACEMENT 0xfffd

/* Records, and heads of columns, begin with ASCII; in UTF-8 no byte of it is 0. */
static enum mr_encoding detect_unmarked(const unsigned char *bytes, size_t len, bool last)
{
	if (len >= 2 && (bytes[0] == 0) == (bytes[1] == 0))
		return MR_ENCODING_UTF8;
	if (len < 4)
		return last ? MR_ENCODING_UTF8 : MR_ENCODING_UNKNOWN;
	if ((bytes[2] == 0) != (bytes[0] == 0) || (bytes[3] == 0) != (bytes[1] == 0))
		return MR_ENCODING_UTF8;
	return bytes[0] == 0 ? MR_ENCODING_UTF16BE : MR_ENCODING_UTF16LE;
}

/* UNKNOWN while more bytes are needed to tell. */
static enum mr_encoding detect(const unsigned char *bytes, size_t len, bool last, size_t *mark_out)
{
	*mark_out = 0;
	if (len == 0)
		return last ? MR_ENCODING_UTF8 : MR_ENCODING_UNKNOWN;
	if (bytes[0] == 0xef) {
		if (len < 3 && !last && (len < 2 || bytes[1] == 0xbb))
			return MR_ENCODING_UNKNOWN;
		if (len >= 3 && bytes[1] == 0xbb && bytes[2] == 0xbf)
			*mark_out = 3;
		return MR_ENCODING_UTF8;
	}
	if (bytes[0] != 0xff && bytes[0] != 0xfe)
		return detect_unmarked(bytes, len, last);
	if (len < 2)
		return last ? MR_ENCODING_UTF8 : MR_ENCODING_UNKNOWN;
	if (bytes[1] != (bytes[0] ^ 1))
		return MR_ENCODING_UTF8;
	/* With two zeros behind it this is UTF-32's mark, which decode_foreign.c is to see. */
	if (bytes[0] == 0xff && len < 4 && !last)
		return MR_ENCODING_UNKNOWN;
	if (bytes[0] == 0xff && len >= 4 && bytes[2] == 0 && bytes[3] == 0)
		return MR_ENCODING_UTF8;
	*mark_out = 2;
	return bytes[0] == 0xff ? MR_ENCODING_UTF16LE : MR_ENCODING_UTF16BE;
}

static void put(struct mr_buf *out, uint32_t codepoint)
{
	out->len += mr_utf8_put(codepoint, mr_buf_reserve(out, 4));
}

static void put_unit(struct mr_recode *recode, uint32_t unit, struct mr_buf *out)
{
	uint32_t high = recode->high;

	recode->high = 0;
	if (high != 0 && unit >= 0xdc00 && unit <= 0xdfff) {
		put(out, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
		return;
	}
	if (high != 0)
		put(out, REPLACEMENT);
	if (unit >= 0xd800 && unit <= 0xdbff)
		recode->high = unit;
	else
		put(out, unit >= 0xdc00 && unit <= 0xdfff ? REPLACEMENT : unit);
}

static void convert(struct mr_recode *recode, struct mr_slice bytes, bool last, struct mr_buf *out)
{
	bool little = recode->encoding == MR_ENCODING_UTF16LE;

	for (size_t i = 0; i < bytes.len; i++) {
		uint32_t first;
		uint32_t second = (unsigned char)bytes.at[i];

		if (recode->held_len == 0) {
			recode->held[0] = (unsigned char)second;
			recode->held_len = 1;
			continue;
		}
		first = recode->held[0];
		recode->held_len = 0;
		put_unit(recode, little ? first | second << 8 : first << 8 | second, out);
	}
	if (last && (recode->high != 0 || recode->held_len != 0))
		put(out, REPLACEMENT);
}

/* What was held while it was not known what it means. */
static void take_held(struct mr_recode *recode, size_t mark, struct mr_buf *out)
{
	struct mr_recode before = *recode;
	struct mr_slice held = {(const char *)before.held + mark, before.held_len - mark};

	recode->held_len = 0;
	if (recode->encoding == MR_ENCODING_UTF8)
		mr_buf_add(out, held.at, held.len);
	else
		convert(recode, held, false, out);
}

struct mr_slice mr_recode_step(struct mr_recode *recode, struct mr_slice bytes, bool last,
			       struct mr_buf *out, size_t *skipped_out)
{
	struct mr_slice text = bytes;
	size_t mark;

	out->len = 0;
	*skipped_out = 0;
	if (recode->encoding == MR_ENCODING_UTF8 || (bytes.len == 0 && !last))
		return bytes;
	if (recode->encoding == MR_ENCODING_UNKNOWN) {
		struct mr_buf start = {0};

		/* A mark in pieces: put what was held before what came. */
		mr_buf_add(&start, recode->held, recode->held_len);
		mr_buf_add(&start, bytes.at, bytes.len < 4 ? bytes.len : 4);
		recode->encoding =
		    detect((const unsigned char *)start.data, start.len, last, &mark);
		if (recode->encoding == MR_ENCODING_UNKNOWN) {
			memcpy(recode->held, start.data, start.len);
			recode->held_len = (uint32_t)start.len;
			mr_buf_fini(&start);
			return (struct mr_slice){out->data, 0};
		}
		if (mark >= recode->held_len) {
			text.at += mark - recode->held_len;
			text.len -= mark - recode->held_len;
			recode->held_len = 0;
		} else {
			take_held(recode, mark, out);
			if (recode->encoding == MR_ENCODING_UTF8) {
				mr_buf_add(out, text.at, text.len);
				text = (struct mr_slice){out->data, out->len};
			}
		}
		mr_buf_fini(&start);
		if (recode->encoding == MR_ENCODING_UTF8) {
			*skipped_out = mark;
			return text;
		}
	}
	convert(recode, text, last, out);
	return (struct mr_slice){out->data, out->len};
}
