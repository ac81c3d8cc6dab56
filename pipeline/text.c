/* text.c - slices, UTF-8, hashing, times and numbers as text. Case folding is fold.c. */
#include "millrace/text.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "millrace/alive.h"
#include "millrace/block.h"
#include "millrace/xxh3.h"

int mr_slice_cmp(struct mr_slice a, struct mr_slice b)
{
	size_t least = a.len < b.len ? a.len : b.len;
	int order = least == 0 ? 0 : memcmp(a.at, b.at, least);
	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

/* The length that a leading byte announces, 0 where it can't lead (Unicode 15, table 3-7). */
static size_t utf8_length(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2)
		return 0;
	if (lead < 0xe0)
		return 2;
	if (lead < 0xf0)
		return 3;
	return lead < 0xf5 ? 4 : 0;
}

/* The code point of `need` bytes, or UINT32_MAX where they are ill-formed. */
static uint32_t utf8_decode(const unsigned char *at, size_t need)
{
	static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t point = at[0] & lead_mask[need];
	for (size_t i = 1; i < need; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return UINT32_MAX;
		point = point << 6 | (at[i] & 0x3f);
	}
	bool surrogate = point >= 0xd800 && point <= 0xdfff;
	return point < least[need] || point > 0x10ffff || surrogate ? UINT32_MAX : point;
}

uint32_t mr_utf8_next(const char *text, size_t len, size_t *at, bool *bad)
{
	const unsigned char *here = (const unsigned char *)text + *at;
	size_t need = utf8_length(here[0]);
	uint32_t point = UINT32_MAX;
	if (need != 0 && need <= len - *at)
		point = utf8_decode(here, need);
	if (point == UINT32_MAX) {
		if (bad != NULL)
			*bad = true;
		*at += 1;
		return 0xfffd;
	}
	*at += need;
	return point;
}

size_t mr_utf8_put(uint32_t point, char *out)
{
	if (point < 0x80) {
		out[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (char)(0xc0 | point >> 6);
		out[1] = (char)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		out[0] = (char)(0xe0 | point >> 12);
		out[1] = (char)(0x80 | (point >> 6 & 0x3f));
		out[2] = (char)(0x80 | (point & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | point >> 18);
	out[1] = (char)(0x80 | (point >> 12 & 0x3f));
	out[2] = (char)(0x80 | (point >> 6 & 0x3f));
	out[3] = (char)(0x80 | (point & 0x3f));
	return 4;
}

bool mr_utf8_valid(const char *text, size_t len)
{
	bool bad = false;
	for (size_t at = 0; at < len && !bad;)
		mr_utf8_next(text, len, &at, &bad);
	return !bad;
}

uint64_t mr_hash64(const void *bytes, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, len, seed);
}

size_t mr_utf8_count(struct mr_slice text)
{
	size_t count = 0;
	for (size_t i = 0; i < text.len; i++)
		count += ((uint8_t)text.at[i] & 0xc0) != 0x80;
	return count;
}

size_t mr_utf8_cut(struct mr_slice text, size_t most)
{
	size_t len = most;
	if (text.len <= most)
		return text.len;
	while (len > 0 && most - len < 3 && ((uint8_t)text.at[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/* Printable ASCII; a byte of another character is negative. */
static inline mr_block not_printable(mr_block bytes)
{
	return (bytes < 0x20) | (bytes == 0x7f);
}

/* ---- what people are shown ---- */

bool mr_codepoint_misleads(uint32_t point)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
	    {0x00, 0x1f},       {0x7f, 0x9f},       {0xad, 0xad},     {0x61c, 0x61c},
	    {0x180e, 0x180e},   {0x200b, 0x200b},   {0x200e, 0x200f}, {0x2028, 0x202e},
	    {0x2060, 0x206f},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb}, {0x1bca0, 0x1bca3},
	    {0x1d173, 0x1d17a}, {0xe0000, 0xe007f},
	};
	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0] && point >= ranges[i].first; i++)
		if (point <= ranges[i].last)
			return true;
	return false;
}

/* Where the first character stands, from `at` on, that is not shown as it is. */
static size_t shown_run(const char *text, size_t len, size_t at)
{
	while (at < len) {
		unsigned char c = (unsigned char)text[at];
		size_t next = at;
		bool bad = false;
		if (len - at >= MR_BLOCK && !mr_block_any(not_printable(mr_block_at(text + at))))
			next += MR_BLOCK;
		else if (c >= 0x20 && c < 0x7f)
			next++;
		else if (mr_codepoint_misleads(mr_utf8_next(text, len, &next, &bad)) || bad)
			return at;
		at = next;
	}
	return at;
}

void mr_buf_show(struct mr_buf *buf, size_t from)
{
	size_t at = shown_run(buf->data, buf->len, from);
	if (at == buf->len)
		return;
	size_t len = buf->len - at;
	char *rest = mr_malloc(len);
	memcpy(rest, buf->data + at, len);
	buf->len = at;
	for (at = 0; at < len;) {
		size_t end = shown_run(rest, len, at);
		mr_buf_add(buf, rest + at, end - at);
		at = end;
		if (at == len)
			break;
		mr_utf8_next(rest, len, &at, NULL);
		mr_buf_add_text(buf, "\xef\xbf\xbd");
	}
	free(rest);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Row by row. */
unsigned mr_text_distance(struct mr_slice a, struct mr_slice b, unsigned most)
{
	unsigned row[MR_NEAR_MAX + 1];
	if (a.len > MR_NEAR_MAX || b.len > MR_NEAR_MAX || a.len > b.len + most ||
	    b.len > a.len + most)
		return most + 1;
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 0; i < a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = i + 1;
		for (unsigned j = 0; j < b.len; j++) {
			unsigned changed = diagonal + (a.at[i] != b.at[j]);
			diagonal = row[j + 1];
			row[j + 1] = least(changed, least(diagonal, row[j]) + 1);
		}
	}
	return least(row[b.len], most + 1);
}

const char *mr_text_nearest(struct mr_slice text, const char *const *names, size_t count)
{
	char room[MR_NEAR_MAX + MR_NEAR_MAX / 2 + 1];
	const char *nearest = NULL;
	unsigned slips = MR_SLIPS_MAX + 1;
	if (text.len > MR_NEAR_MAX)
		return NULL;
	struct mr_slice folded = {room, mr_fold(text.at, text.len, room)};
	for (size_t i = 0; i < count; i++) {
		struct mr_slice name = mr_slice(names[i]);
		unsigned found = mr_text_distance(folded, name, MR_SLIPS_MAX);
		if (found < slips && 2 * found < name.len) {
			slips = found;
			nearest = names[i];
		}
	}
	return nearest;
}

static void sha256_in_pieces(const char *at, size_t len, uint8_t *out)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_DigestInit_ex(context, EVP_sha256(), NULL);
	while (len > 0) {
		size_t piece = len < MR_ALIVE_BYTES ? len : MR_ALIVE_BYTES;
		EVP_DigestUpdate(context, at, piece);
		at += piece;
		len -= piece;
		mr_alive();
	}
	EVP_DigestFinal_ex(context, out, NULL);
	EVP_MD_CTX_free(context);
}

static EVP_MD *sha256; /* NULL: OpenSSL looks for it at each call */

static void sha256_find(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

/* To look for it takes OpenSSL as long as to hash an alert's id. */
static void sha256_at_once(const void *bytes, size_t len, uint8_t *out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, sha256_find);
	if (sha256 == NULL || EVP_Digest(bytes, len, out, NULL, sha256, NULL) != 1)
		SHA256(bytes, len, out);
}

void mr_sha256(const void *bytes, size_t len, uint8_t *out)
{
	if (len > MR_ALIVE_BYTES)
		sha256_in_pieces(bytes, len, out);
	else
		sha256_at_once(bytes, len, out);
}

void mr_hex(const uint8_t *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
}

/* One character that can't stand in a JSON string as it is. */
static void put_escaped(struct mr_buf *out, unsigned char c)
{
	static const char short_forms[] = "\bb\ff\nn\rr\tt\"\"\\\\";
	for (const char *form = short_forms; *form != '\0'; form += 2) {
		if ((unsigned char)form[0] == c) {
			mr_buf_add(out, (char[]){'\\', form[1]}, 2);
			return;
		}
	}
	char hex[3];
	mr_hex(&c, 1, hex);
	mr_buf_add(out, (char[]){'\\', 'u', '0', '0', hex[0], hex[1]}, 6);
}

/* A text of eight to sixteen bytes: its beginning and its end, which may overlap. */
static inline mr_block block_of_ends(const char *at, size_t len)
{
	mr_block bytes;
	memcpy(&bytes, at, MR_BLOCK / 2);
	memcpy((char *)&bytes + MR_BLOCK / 2, at + len - MR_BLOCK / 2, MR_BLOCK / 2);
	return bytes;
}

static inline bool is_plain_block(mr_block bytes)
{
	return !mr_block_any(not_printable(bytes) | (bytes == '"') | (bytes == '\\'));
}

static inline bool is_plain(char byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* Copies the bytes that stand in a JSON string as they are, up to the first that does not, and
 * gives how many: printable ASCII but quote and backslash. The texts of an alert, 150 of some 20
 * bytes, are such from end to end: by blocks, the last of which may overlap the one before, they
 * take a third of the instructions that they take byte by byte and by words of eight. `to` has room
 * for all of them. */
static inline size_t copy_plain(char *to, const char *from, size_t len)
{
	size_t at = 0;
	for (; at + MR_BLOCK <= len && is_plain_block(mr_block_at(from + at)); at += MR_BLOCK)
		memcpy(to + at, from + at, MR_BLOCK);
	if (at > 0 && len - at < MR_BLOCK && is_plain_block(mr_block_at(from + len - MR_BLOCK))) {
		memcpy(to + len - MR_BLOCK, from + len - MR_BLOCK, MR_BLOCK);
		return len;
	}
	if (len >= MR_BLOCK / 2 && len < MR_BLOCK && is_plain_block(block_of_ends(from, len))) {
		memcpy(to, from, MR_BLOCK / 2);
		memcpy(to + len - MR_BLOCK / 2, from + len - MR_BLOCK / 2, MR_BLOCK / 2);
		return len;
	}
	for (; at < len && is_plain(from[at]); at++)
		to[at] = from[at];
	return at;
}

/* The rest of a string, from a character on that may need more than its own bytes. */
static void put_rest(struct mr_buf *out, struct mr_slice text, size_t at)
{
	while (at < text.len) {
		unsigned char c = (unsigned char)text.at[at];
		if (c < 0x80) {
			put_escaped(out, c);
			at++;
		} else {
			char point[4];
			size_t len = mr_utf8_put(mr_utf8_next(text.at, text.len, &at, NULL), point);
			mr_buf_add(out, point, len);
		}
		size_t left = text.len - at;
		size_t plain = copy_plain(mr_buf_reserve(out, left), text.at + at, left);
		out->len += plain;
		at += plain;
	}
}

void mr_json_put_string(struct mr_buf *out, struct mr_slice text)
{
	char *to = mr_buf_reserve(out, text.len + 2);
	size_t plain = copy_plain(to + 1, text.at, text.len);
	to[0] = '"';
	out->len += 1 + plain;
	if (plain < text.len)
		put_rest(out, text, plain);
	mr_buf_add(out, "\"", 1);
}

struct mr_slice mr_json_unquoted(struct mr_slice text)
{
	if (text.len < 2 || text.at[0] != '"' || text.at[text.len - 1] != '"')
		return text;
	struct mr_slice inside = {text.at + 1, text.len - 2};
	bool plain = memchr(inside.at, '"', inside.len) == NULL &&
		     memchr(inside.at, '\\', inside.len) == NULL;
	return plain ? inside : text;
}

bool mr_parse_int64(struct mr_slice text, int64_t *out)
{
	size_t at = text.len != 0 && text.at[0] == '-';
	bool negative = at == 1;
	if (at == text.len)
		return false;
	uint64_t sum = 0;
	uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
	for (; at < text.len; at++) {
		unsigned digit = (unsigned)(text.at[at] - '0');
		if (digit > 9 || sum > (most - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*out = negative ? (int64_t)(0 - sum) : (int64_t)sum;
	return true;
}

#define TEN(tens)                                                                                  \
	tens "0" tens "1" tens "2" tens "3" tens "4" tens "5" tens "6" tens "7" tens "8" tens "9"
const char mr_digit_pairs[] =
    TEN("0") TEN("1") TEN("2") TEN("3") TEN("4") TEN("5") TEN("6") TEN("7") TEN("8") TEN("9");
#undef TEN

/* Years begin in March, so that the leap day is the last; an era is 400 years, 146,097 days. */
int64_t mr_days_of_date(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void mr_date_of_days(int64_t days, int64_t *year_out, int64_t *month_out, int64_t *day_out)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted = (5 * of_year + 2) / 153;
	*day_out = of_year - (153 * shifted + 2) / 5 + 1;
	*month_out = shifted + (shifted < 10 ? 3 : -9);
	*year_out = year_of_era + era * 400 + (*month_out <= 2);
}

bool mr_time_is_rfc3339(int64_t time_us)
{
	const int64_t day_us = INT64_C(86400000000);
	return time_us >= mr_days_of_date(0, 1, 1) * day_us &&
	       time_us < mr_days_of_date(10000, 1, 1) * day_us;
}

/* Two digits of a number below 100, and the mark behind them. */
static char *put_pair(char *out, unsigned number, char mark)
{
	memcpy(out, mr_digit_pairs + 2 * number, 2);
	out[2] = mark;
	return out + 3;
}

/* Of a year with four digits, or of any other. */
static char *put_year(char *out, int64_t year)
{
	if (year < 0 || year > 9999)
		return out + snprintf(out, MR_TIME_TEXT, "%04lld-", (long long)year);
	put_pair(out, (unsigned)year / 100, '\0');
	return put_pair(out + 2, (unsigned)year % 100, '-');
}

/* A point, and six digits that are not all 0; where they are, nothing. */
static char *put_fraction(char *out, unsigned micros)
{
	if (micros == 0)
		return out;
	*out = '.';
	put_pair(out + 1, micros / 10000, '\0');
	put_pair(out + 3, micros / 100 % 100, '\0');
	return put_pair(out + 5, micros % 100, '\0') - 1;
}

size_t mr_time_text(int64_t time_us, char *out)
{
	int64_t seconds = time_us / 1000000;
	int64_t fraction = time_us % 1000000;
	if (fraction < 0) {
		fraction += 1000000;
		seconds--;
	}
	int64_t days = seconds / 86400;
	int64_t rest = seconds % 86400;
	if (rest < 0) {
		rest += 86400;
		days--;
	}
	int64_t year;
	int64_t month;
	int64_t day;
	mr_date_of_days(days, &year, &month, &day);
	char *end = put_year(out, year);
	end = put_pair(end, (unsigned)month, '-');
	end = put_pair(end, (unsigned)day, 'T');
	end = put_pair(end, (unsigned)rest / 3600, ':');
	end = put_pair(end, (unsigned)rest / 60 % 60, ':');
	end = put_pair(end, (unsigned)rest % 60, '\0') - 1;
	end = put_fraction(end, (unsigned)fraction);
	*end++ = 'Z';
	*end = '\0';
	return (size_t)(end - out);
}
