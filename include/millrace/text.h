/* text.h - slices of bytes, case folding, UTF-8, hashing.
 *
 * A slice borrows: it points into a batch's buffer, an arena or a table, and lives as long as
 * that. Its bytes need not end in zero. */
#ifndef MILLRACE_TEXT_H
#define MILLRACE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "millrace/memory.h"

struct mr_slice {
	const char *at;
	size_t len;
};

#define MR_SLICE(literal) ((struct mr_slice){(literal), sizeof(literal) - 1})

static inline struct mr_slice mr_slice(const char *text)
{
	return (struct mr_slice){text, strlen(text)};
}

static inline bool mr_slice_eq(struct mr_slice a, struct mr_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* The white space of JSON, YAML and CSV. */
static inline bool mr_is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Without the blanks at both ends. */
static inline struct mr_slice mr_trim(struct mr_slice text)
{
	for (; text.len > 0 && mr_is_blank(text.at[0]); text.at++)
		text.len--;
	while (text.len > 0 && mr_is_blank(text.at[text.len - 1]))
		text.len--;
	return text;
}

/* By bytes, the shorter first where one is the other's beginning. */
int mr_slice_cmp(struct mr_slice a, struct mr_slice b);

/* Unicode simple case folding (CaseFolding.txt, statuses C and S). Folding can make a text longer
 * (U+023A, two bytes, folds to U+2C65, three), never more than 3/2. Bytes that are not UTF-8 stay
 * as they are. Returns the folded length; `out` has room for mr_fold_max(len). */
static inline size_t mr_fold_max(size_t len)
{
	return len + len / 2 + 1;
}
size_t mr_fold(const char *text, size_t len, char *out);
/* The folded text; borrows `text` itself where folding changes nothing. */
struct mr_slice mr_fold_arena(struct mr_arena *arena, struct mr_slice text);
uint32_t mr_fold_codepoint(uint32_t codepoint);
/* Equal after folding. */
bool mr_fold_eq(struct mr_slice a, struct mr_slice b);

/* A text that is no value: empty, or what the services write for null, in any case of letters. */
static inline bool mr_text_is_missing(struct mr_slice text)
{
	return text.len == 0 || (text.len == 6 && mr_fold_eq(text, MR_SLICE("<null>")));
}

/* The code point at text[*at], *at moves behind it. Ill-formed bytes give U+FFFD one byte at a time
 * and set *bad (may be NULL). */
uint32_t mr_utf8_next(const char *text, size_t len, size_t *at, bool *bad);
/* Writes 1 to 4 bytes, returns how many. */
size_t mr_utf8_put(uint32_t codepoint, char *out);
bool mr_utf8_valid(const char *text, size_t len);
/* How many characters stand in a text, ill-formed bytes aside. */
size_t mr_utf8_count(struct mr_slice text);
/* How many bytes of a text to show where `most` may be: all, or fewer, cut between characters. */
size_t mr_utf8_cut(struct mr_slice text, size_t most);

/* Whether a character that is shown as it is would do something to the text around it, so that a
 * person reads or runs what is not there. By Unicode's general categories:
 * - Cc, all: a terminal obeys escapes, and a line end begins a line that nobody wrote;
 * - Zl and Zp (U+2028, U+2029): likewise;
 * - Cf that turns the direction of writing (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to
 *   U+2069), or is not seen at all (U+00AD, U+180E, U+200B, U+2060 to U+2065, U+206A to U+206F,
 *   U+FEFF, annotations, shorthand and musical formats, tags): two names that differ look alike.
 * Not Cf that is seen (number signs such as U+0600), and not U+200C and U+200D: Persian, the
 * scripts of India and emoji are written with them. */
bool mr_codepoint_misleads(uint32_t codepoint);
/* Puts U+FFFD for each such character from buf->data[from] on, and for each byte that is no UTF-8:
 * what is made for people to read goes through here, on the screen and in a file. */
void mr_buf_show(struct mr_buf *buf, size_t from);

/* Levenshtein's distance: how many bytes to leave out, put in or change make one text the other;
 * `most` + 1 where it is more than `most`, or one is longer than MR_NEAR_MAX bytes. */
#define MR_NEAR_MAX 80
unsigned mr_text_distance(struct mr_slice a, struct mr_slice b, unsigned most);
/* Of ASCII names in lower case the one that `text`, which is none of them, is a slip of: in any
 * case of letters, with two bytes wrong at most, and fewer than half of the name's. NULL where none
 * is so near. */
#define MR_SLIPS_MAX 2
const char *mr_text_nearest(struct mr_slice text, const char *const *names, size_t count);

/* XXH3, 64 bits. Tables filled with an attacker's keys use a random seed. */
uint64_t mr_hash64(const void *bytes, size_t len, uint64_t seed);

/* Mixes `seed` with the beginning, middle and end of a text of 8 bytes and more: for a cache, where
 * texts that are alike there only push each other out, never for a table that must hold them all.
 */
static inline uint64_t mr_hash_ends(const char *text, size_t len, uint64_t seed)
{
	const uint64_t m = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t begin, middle, end;
	memcpy(&begin, text, sizeof begin);
	memcpy(&middle, text + len / 2 - 4, sizeof middle);
	memcpy(&end, text + len - 8, sizeof end);
	seed = (seed ^ begin) * m;
	seed ^= seed >> 29;
	seed = (seed ^ middle) * m;
	seed ^= seed >> 32;
	seed = (seed ^ end) * m;
	return seed ^ seed >> 31;
}

/* Likewise all of a text of less than 8 bytes: two of one length that differ have other hashes. */
static inline uint64_t mr_hash_short(const char *text, size_t len, uint64_t seed)
{
	uint64_t bytes = 0;
	uint32_t begin, end;
	if (len >= 4) {
		memcpy(&begin, text, sizeof begin);
		memcpy(&end, text + len - 4, sizeof end);
		bytes = begin | (uint64_t)end << 32;
	} else if (len > 0) {
		bytes = (uint64_t)(uint8_t)text[0] | (uint64_t)(uint8_t)text[len / 2] << 8 |
			(uint64_t)(uint8_t)text[len - 1] << 16;
	}
	seed = (seed ^ bytes) * UINT64_C(0x9e3779b97f4a7c15);
	return seed ^ seed >> 32;
}

/* Whether two texts of 8 bytes and more are the same, where most are short and are: eight bytes at
 * a time, the last eight over again. */
static inline bool mr_same_bytes(const char *a, const char *b, size_t len)
{
	uint64_t x, y;
	for (size_t at = 0; at + 8 < len; at += 8) {
		memcpy(&x, a + at, sizeof x);
		memcpy(&y, b + at, sizeof y);
		if (x != y)
			return false;
	}
	memcpy(&x, a + len - 8, sizeof x);
	memcpy(&y, b + len - 8, sizeof y);
	return x == y;
}

/* SHA-256; `out` has 32 bytes. */
void mr_sha256(const void *bytes, size_t len, uint8_t *out);
/* Lower-case hexadecimal of `len` bytes, and a zero byte: out has 2 * len + 1. */
void mr_hex(const uint8_t *bytes, size_t len, char *out);
/* The value of a hexadecimal digit, and of four, as JSON has them behind \u; -1 where they are
 * none.
 */
static inline int mr_hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}
static inline int32_t mr_hex4(const char *at)
{
	int32_t value = 0;
	for (int i = 0; i < 4; i++) {
		int digit = mr_hex_digit(at[i]);
		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

/* The bytes as a JSON string with its quotes: ill-formed UTF-8 becomes U+FFFD, control characters
 * are escaped. */
void mr_json_put_string(struct mr_buf *out, struct mr_slice text);

/* The text between the quotes of a JSON string that has no escapes, else the text itself. */
struct mr_slice mr_json_unquoted(struct mr_slice text);

/* Decimal digits, behind a '-' where `negative` (the magnitude is then no more than that of
 * INT64_MIN). The slice lies in `room`, which has MR_DECIMAL_ROOM bytes. */
#define MR_DECIMAL_ROOM 20
extern const char mr_digit_pairs[]; /* 00 to 99 */
static inline struct mr_slice mr_decimal(uint64_t magnitude, bool negative, char *room)
{
	size_t at = MR_DECIMAL_ROOM;
	for (; magnitude >= 10; magnitude /= 100) {
		at -= 2;
		memcpy(room + at, mr_digit_pairs + 2 * (magnitude % 100), 2);
	}
	if (magnitude != 0 || at == MR_DECIMAL_ROOM)
		room[--at] = (char)('0' + magnitude);
	if (negative)
		room[--at] = '-';
	return (struct mr_slice){room + at, MR_DECIMAL_ROOM - at};
}
static inline struct mr_slice mr_decimal_int(int64_t number, char *room)
{
	return mr_decimal(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, number < 0, room);
}

/* A PUID, the sixteen hexadecimal digits that Microsoft knows a person by, without the @domain that
 * some records put behind it; any other text as it is. */
#define MR_PUID_CHARS 16u
static inline struct mr_slice mr_bare_puid(struct mr_slice text)
{
	if (text.len <= MR_PUID_CHARS + 1 || text.at[MR_PUID_CHARS] != '@')
		return text;
	for (size_t i = 0; i < MR_PUID_CHARS; i++)
		if (mr_hex_digit(text.at[i]) < 0)
			return text;
	return (struct mr_slice){text.at, MR_PUID_CHARS};
}

/* 8-4-4-4-12 hexadecimal digits: a GUID, or UUID, in its common form. */
static inline bool mr_text_is_guid(struct mr_slice text)
{
	if (text.len != 36)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
		if (dash ? c != '-' : !hex)
			return false;
	}
	return true;
}

/* Parse a whole signed decimal integer; false where it is anything else or does not fit. */
bool mr_parse_int64(struct mr_slice text, int64_t *out);

/* The proleptic Gregorian calendar: days since 1970-01-01, and back. Months and days count from 1.
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
int64_t mr_days_of_date(int64_t year, int64_t month, int64_t day);
void mr_date_of_days(int64_t days, int64_t *year_out, int64_t *month_out, int64_t *day_out);

/* ISO 8601 from microseconds since the epoch: 2021-05-18T21:13:33.123456Z (no fraction where it is
 * zero). `out` has MR_TIME_TEXT bytes. Returns the length. */
#define MR_TIME_TEXT 40
size_t mr_time_text(int64_t time_us, char *out);
/* Whether that text is a time of RFC 3339 too: the years 0000 to 9999, whose four digits are all it
 * has. Whoever makes a time of bytes from outside asks here: none else is a time. */
bool mr_time_is_rfc3339(int64_t time_us);

#endif
