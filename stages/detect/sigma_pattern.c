/* sigma_pattern.c - Sigma's wildcards and escapes become lists of parts.
 *
 * Called by sigma_value.c and sigma_mapping.c; nothing here fails. `*` is any run, `?` one
 * character; a backslash takes the meaning from `*`, `?` and a backslash and is itself before
 * anything else. */
#include "sigma_build.h"

/* Parts grow by doubling: the capacity is the power of two at or above the count. */
static struct sigma_part *push(struct mr_arena *arena, struct sigma_pattern *pattern,
			       struct sigma_part part)
{
	uint32_t count = pattern->count;

	if ((count & (count - 1)) == 0) {
		size_t capacity = count == 0 ? 1 : (size_t)count * 2;
		struct sigma_part *parts = mr_arena_alloc(arena, capacity * sizeof(*parts));
		if (count > 0)
			memcpy(parts, pattern->parts, count * sizeof(*parts));
		pattern->parts = parts;
	}
	pattern->parts[pattern->count] = part;
	return &pattern->parts[pattern->count++];
}

void sigma_pattern_add_any(struct mr_arena *arena, struct sigma_pattern *pattern)
{
	if (pattern->count > 0 && pattern->parts[pattern->count - 1].kind == SIGMA_ANY)
		return;
	push(arena, pattern, (struct sigma_part){.kind = SIGMA_ANY});
}

void sigma_pattern_add_literal(struct mr_arena *arena, struct sigma_pattern *pattern,
			       struct mr_slice text)
{
	if (text.len == 0)
		return;
	if (pattern->count > 0 && pattern->parts[pattern->count - 1].kind == SIGMA_LITERAL) {
		struct sigma_part *last = &pattern->parts[pattern->count - 1];
		char *joined = mr_arena_alloc(arena, last->text.len + text.len);
		memcpy(joined, last->text.at, last->text.len);
		memcpy(joined + last->text.len, text.at, text.len);
		last->text = (struct mr_slice){joined, last->text.len + text.len};
		return;
	}
	push(arena, pattern, (struct sigma_part){.kind = SIGMA_LITERAL, .text = text});
}

void sigma_pattern_add(struct mr_arena *arena, struct sigma_pattern *pattern, struct mr_slice text)
{
	char *plain = mr_arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t at = 0; at < text.len; at++) {
		char c = text.at[at];
		if (c != '*' && c != '?') {
			if (c == '\\' && at + 1 < text.len &&
			    (text.at[at + 1] == '*' || text.at[at + 1] == '?' ||
			     text.at[at + 1] == '\\'))
				c = text.at[++at];
			plain[len++] = c;
			continue;
		}
		sigma_pattern_add_literal(arena, pattern, (struct mr_slice){plain, len});
		plain += len;
		len = 0;
		if (c == '*')
			sigma_pattern_add_any(arena, pattern);
		else
			push(arena, pattern, (struct sigma_part){.kind = SIGMA_ONE});
	}
	sigma_pattern_add_literal(arena, pattern, (struct mr_slice){plain, len});
}

struct sigma_pattern sigma_pattern_wrap(struct mr_arena *arena, const struct sigma_pattern *pattern,
					bool before, bool after)
{
	struct sigma_pattern out = {0};

	if (before)
		sigma_pattern_add_any(arena, &out);
	for (uint32_t at = 0; at < pattern->count; at++) {
		if (pattern->parts[at].kind == SIGMA_ANY)
			sigma_pattern_add_any(arena, &out);
		else
			push(arena, &out, pattern->parts[at]);
	}
	if (after)
		sigma_pattern_add_any(arena, &out);
	return out;
}

bool sigma_pattern_has_wildcard(const struct sigma_pattern *pattern)
{
	return pattern->count > 1 ||
	       (pattern->count == 1 && pattern->parts[0].kind != SIGMA_LITERAL);
}

struct mr_slice sigma_pattern_literal(const struct sigma_pattern *pattern)
{
	return pattern->count == 0 ? (struct mr_slice){"", 0} : pattern->parts[0].text;
}

void sigma_pattern_to_regex(const struct sigma_pattern *pattern, struct mr_buf *out)
{
	for (uint32_t at = 0; at < pattern->count; at++) {
		const struct sigma_part *part = &pattern->parts[at];
		if (part->kind == SIGMA_ANY)
			mr_buf_add_text(out, "(?s:.*)");
		else if (part->kind == SIGMA_ONE)
			mr_buf_add_text(out, "(?s:.)");
		for (size_t i = 0; i < part->text.len; i++) {
			char c = part->text.at[i];
			if (strchr("\\^$.[]|()?*+{}-#&~ \t\n\r", c) != NULL && c != 0)
				mr_buf_add(out, "\\", 1);
			mr_buf_add(out, &c, 1);
		}
	}
}

struct sigma_predicate sigma_pattern_predicate(struct mr_arena *arena,
					       const struct sigma_pattern *pattern, bool cased)
{
	struct sigma_predicate predicate = {.test = SIGMA_TEXT, .cased = cased};
	struct sigma_part *parts =
	    mr_arena_alloc(arena, ((size_t)pattern->count + 1) * sizeof(*parts));

	for (uint32_t at = 0; at < pattern->count; at++) {
		parts[at] = pattern->parts[at];
		if (!cased && parts[at].kind == SIGMA_LITERAL)
			parts[at].text = mr_fold_arena(arena, parts[at].text);
	}
	predicate.parts = parts;
	predicate.part_count = pattern->count;
	return predicate;
}
