/* fold.c - Unicode simple case folding, with a fast way through ASCII. */
#include "millrace/text.h"

#include "millrace/block.h"

static const struct fold_run {
	uint32_t first;
	uint32_t last;
	uint32_t step;
	int32_t delta;
} fold_runs[] = {
#define X(first, last, step, delta) {first, last, step, delta},
#include "fold.def"
#undef X
};

uint32_t mr_fold_codepoint(uint32_t point)
{
	if (point < 0x80)
		return point >= 'A' && point <= 'Z' ? point + 32 : point;
	size_t low = 0;
	size_t high = sizeof fold_runs / sizeof fold_runs[0];
	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct fold_run *run = &fold_runs[middle];
		if (point > run->last)
			low = middle + 1;
		else if (point < run->first)
			high = middle;
		else if ((point - run->first) % run->step != 0)
			return point;
		else
			return point + (uint32_t)run->delta;
	}
	return point;
}

#define ONES UINT64_C(0x0101010101010101)
#define HIGH (ONES * 0x80)

/* The high bit of each byte from 'A' to 'Z', of eight that are ASCII. */
static uint64_t upper_of(uint64_t word)
{
	uint64_t from_a = word + ONES * (0x80 - 'A');
	uint64_t past_z = word + ONES * (0x7f - 'Z');
	return from_a & ~past_z & HIGH;
}

/* Eight ASCII bytes at once: those from 'A' to 'Z' get bit 5 set. */
static uint64_t fold_word(uint64_t word)
{
	return word | upper_of(word) >> 2;
}

static uint64_t load(const char *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof word);
	return word;
}

/* The first four bytes and the last, of four to eight. */
static uint64_t load_ends(const char *at, size_t len)
{
	uint32_t begin, end;
	memcpy(&begin, at, sizeof begin);
	memcpy(&end, at + len - sizeof end, sizeof end);
	return begin | (uint64_t)end << 32;
}

static void store_ends(char *at, size_t len, uint64_t word)
{
	uint32_t begin = (uint32_t)word, end = (uint32_t)(word >> 32);
	memcpy(at, &begin, sizeof begin);
	memcpy(at + len - sizeof end, &end, sizeof end);
}

/* The last eight bytes are folded over again, rather than a few one by one. Gives how many bytes of
 * the beginning are done. */
static size_t fold_ascii(const char *text, size_t len, char *out)
{
	size_t at = 0;
	for (; len - at >= MR_BLOCK; at += MR_BLOCK) {
		mr_block bytes = mr_block_at(text + at);
		if (mr_block_any(bytes < 0))
			return at;
		bytes |= (bytes >= 'A') & (bytes <= 'Z') & 0x20;
		memcpy(out + at, &bytes, sizeof bytes);
	}
	while (at < len && len >= 8) {
		size_t from = len - at > 8 ? at : len - 8;
		uint64_t word = load(text + from);
		if ((word & HIGH) != 0)
			return at;
		word = fold_word(word);
		memcpy(out + from, &word, sizeof word);
		at = from + 8;
	}
	if (at < len && len >= 4) {
		uint64_t word = load_ends(text, len);
		if ((word & HIGH) != 0)
			return at;
		store_ends(out, len, fold_word(word));
		at = len;
	}
	return at;
}

size_t mr_fold(const char *text, size_t len, char *out)
{
	size_t put = 0;
	for (size_t at = 0; at < len;) {
		size_t ascii = fold_ascii(text + at, len - at, out + put);
		at += ascii;
		put += ascii;
		if (at == len)
			break;
		unsigned char c = (unsigned char)text[at];
		if (c < 0x80) {
			out[put++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
			at++;
			continue;
		}
		bool bad = false;
		size_t from = at;
		uint32_t point = mr_utf8_next(text, len, &at, &bad);
		if (bad)
			out[put++] = text[from];
		else
			put += mr_utf8_put(mr_fold_codepoint(point), out + put);
	}
	return put;
}

static bool is_folded_ascii(struct mr_slice text)
{
	uint64_t odd = 0;
	if (text.len >= 8) {
		for (size_t at = 0; at + 8 < text.len; at += 8) {
			uint64_t word = load(text.at + at);
			odd |= upper_of(word) | word;
		}
		uint64_t word = load(text.at + text.len - 8);
		odd |= upper_of(word) | word;
		return (odd & HIGH) == 0;
	}
	for (size_t at = 0; at < text.len; at++) {
		unsigned char c = (unsigned char)text.at[at];
		if (c >= 0x80 || (c >= 'A' && c <= 'Z'))
			return false;
	}
	return true;
}

struct mr_slice mr_fold_arena(struct mr_arena *arena, struct mr_slice text)
{
	if (is_folded_ascii(text))
		return text;
	char *out = mr_arena_alloc(arena, mr_fold_max(text.len));
	return (struct mr_slice){out, mr_fold(text.at, text.len, out)};
}

/* How many bytes at the beginning are ASCII in both and the same when folded, as far as eight at a
 * time tell; SIZE_MAX where an ASCII byte differs. Texts of one length are done whole. */
static size_t same_ascii(struct mr_slice a, struct mr_slice b)
{
	size_t least = a.len < b.len ? a.len : b.len;
	size_t at = 0;
	while (at + 8 <= least || (at < least && least >= 8 && a.len == b.len)) {
		size_t from = at + 8 <= least ? at : least - 8;
		uint64_t x = load(a.at + from), y = load(b.at + from);
		if (((x | y) & HIGH) != 0)
			return at;
		if (fold_word(x) != fold_word(y))
			return SIZE_MAX;
		at = from + 8;
	}
	return at;
}

bool mr_fold_eq(struct mr_slice a, struct mr_slice b)
{
	size_t at = same_ascii(a, b);
	size_t other = at;
	if (at == SIZE_MAX)
		return false;
	while (at < a.len && other < b.len) {
		unsigned char c = (unsigned char)a.at[at];
		unsigned char d = (unsigned char)b.at[other];
		if ((c | d) < 0x80) {
			c = c >= 'A' && c <= 'Z' ? c + 32 : c;
			d = d >= 'A' && d <= 'Z' ? d + 32 : d;
			if (c != d)
				return false;
			at++;
			other++;
			continue;
		}
		bool bad_a = false;
		bool bad_b = false;
		unsigned char byte_a = (unsigned char)a.at[at];
		unsigned char byte_b = (unsigned char)b.at[other];
		uint32_t point_a = mr_fold_codepoint(mr_utf8_next(a.at, a.len, &at, &bad_a));
		uint32_t point_b = mr_fold_codepoint(mr_utf8_next(b.at, b.len, &other, &bad_b));
		if (bad_a != bad_b || point_a != point_b || (bad_a && byte_a != byte_b))
			return false;
	}
	return at == a.len && other == b.len;
}
