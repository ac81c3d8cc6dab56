/* fuzz_pattern.c - any pattern on any text: it matches exactly where a naive matcher says so, which
 * follows all ways at once. The first line of the input is the pattern, the rest the text. */
#include <stdlib.h>

#include "engine_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATTERN_MAX 256

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* No two SIGMA_ANY and no two literals side by side, as the loader makes them. */
static size_t make_parts(struct mr_slice pattern, struct engine_part *parts)
{
	size_t count = 0;
	for (size_t i = 0; i < pattern.len;) {
		size_t start = i;
		while (i < pattern.len && pattern.at[i] != '*' && pattern.at[i] != '?')
			i++;
		if (i > start) {
			parts[count++] =
			    (struct engine_part){SIGMA_LITERAL, {pattern.at + start, i - start}};
			continue;
		}
		enum sigma_part_kind kind = pattern.at[i++] == '*' ? SIGMA_ANY : SIGMA_ONE;
		if (kind == SIGMA_ONE || count == 0 || parts[count - 1].kind != SIGMA_ANY)
			parts[count++] = (struct engine_part){.kind = kind, .text = {"", 0}};
	}
	return count;
}

/* From the places reached before one sign of the pattern to those behind it. */
static void step(char sign, struct mr_slice text, const bool *before, bool *behind)
{
	memset(behind, 0, text.len + 1);
	for (size_t at = 0; at <= text.len; at++) {
		if (!before[at])
			continue;
		if (sign == '*') {
			memset(behind + at, 1, text.len + 1 - at);
			return;
		}
		if (at == text.len)
			return;
		size_t next = at + 1;
		if (sign == '?')
			while (next < text.len && ((unsigned char)text.at[next] & 0xc0) == 0x80)
				next++;
		else if (text.at[at] != sign)
			continue;
		behind[next] = true;
	}
}

/* A run may end within a character: what follows it in the pattern then does not fit there, but '?'
 * would. */
static void keep_boundaries(struct mr_slice text, bool *reached)
{
	for (size_t at = 0; at < text.len; at++)
		reached[at] = reached[at] && ((unsigned char)text.at[at] & 0xc0) != 0x80;
}

static bool naive_match(struct mr_slice pattern, struct mr_slice text)
{
	bool *reached = mr_calloc(text.len + 1, sizeof *reached);
	bool *next = mr_calloc(text.len + 1, sizeof *next);
	reached[0] = true;
	for (size_t i = 0; i < pattern.len; i++) {
		step(pattern.at[i], text, reached, next);
		if (pattern.at[i] == '*')
			keep_boundaries(text, next);
		bool *kept = reached;
		reached = next;
		next = kept;
	}
	bool matches = reached[text.len];
	free(reached);
	free(next);
	return matches;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
	struct engine_part parts[PATTERN_MAX];
	if (end == NULL || end - data > PATTERN_MAX)
		return 0;
	struct mr_slice pattern = {(const char *)data, (size_t)(end - data)};
	size_t text_len = size - pattern.len - 1;
	char *exact = mr_malloc(text_len);
	if (text_len > 0)
		memcpy(exact, end + 1, text_len);
	struct mr_slice text = {exact, text_len};
	if (mr_utf8_valid(pattern.at, pattern.len) && mr_utf8_valid(text.at, text.len)) {
		size_t count = make_parts(pattern, parts);
		must(engine_pattern_match(parts, count, text) == naive_match(pattern, text));
	}
	free(exact);
	return 0;
}
