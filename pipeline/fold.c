/* fold.c - Unicode simple case folding, with a fast way through ASCII. */
#include "millrace/text.h"

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

/* Eight ASCII bytes at once: those from 'A' to 'Z' get bit 5 set. */
static uint64_t fold_word(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t from_a = word + ones * (0x80 - 'A');
	uint64_t past_z = word + ones * (0x7f - 'Z');
	uint64_t upper = (from_a & ~past_z) & (ones * 0x80);
	return word | upper >> 2;
}

/* Sixteen at once, as vectors of each machine. */
typedef signed char fold_bytes __attribute__((vector_size(16)));
typedef uint64_t fold_words __attribute__((vector_size(16)));

static size_t fold_ascii(const char *text, size_t len, char *out)
{
	size_t at = 0;
	uint64_t word;
	fold_bytes bytes;
	for (; len - at >= sizeof bytes; at += sizeof bytes) {
		memcpy(&bytes, text + at, sizeof bytes);
		fold_words words = (fold_words)bytes;
		if (((words[0] | words[1]) & 0x8080808080808080u) != 0)
			return at;
		bytes |= (bytes >= 'A') & (bytes <= 'Z') & 0x20;
		memcpy(out + at, &bytes, sizeof bytes);
	}
	if (len - at >= sizeof word) {
		memcpy(&word, text + at, sizeof word);
		if ((word & 0x8080808080808080u) != 0)
			return at;
		word = fold_word(word);
		memcpy(out + at, &word, sizeof word);
		at += sizeof word;
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

struct mr_slice mr_fold_arena(struct mr_arena *arena, struct mr_slice text)
{
	size_t at = 0;
	uint64_t word;
	for (; at + sizeof word <= text.len; at += sizeof word) {
		memcpy(&word, text.at + at, sizeof word);
		if ((word & 0x8080808080808080u) != 0 || fold_word(word) != word)
			break;
	}
	while (at < text.len) {
		unsigned char c = (unsigned char)text.at[at];
		if (c >= 0x80 || (c >= 'A' && c <= 'Z'))
			break;
		at++;
	}
	if (at == text.len)
		return text;
	char *out = mr_arena_alloc(arena, mr_fold_max(text.len));
	return (struct mr_slice){out, mr_fold(text.at, text.len, out)};
}

bool mr_fold_eq(struct mr_slice a, struct mr_slice b)
{
	size_t at = 0;
	size_t other = 0;
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
