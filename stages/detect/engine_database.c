/* engine_database.c - many regexes as one libhs database.
 *
 * Called by engine_compile.c. Regexes go in only where their text is of a kind that libhs and PCRE2
 * read alike, and PCRE2 confirms each hit: libhs may then find too much, never too little. What it
 * refuses is left to PCRE2 alone. */
#include "engine_build.h"

#include <hs.h>
#include <stdlib.h>

/* ---- which regexes both read alike ---- */

/* Behind a backslash: classes that are ASCII in both, control characters, and escaped punctuation.
 */
static bool escape_fits(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return strchr("dDwWsSbBnrtf", c) != NULL;
	return c > ' ' && c < 0x7f;
}

/* Only plain, unnamed groups: "(" or "(?:". */
static bool group_fits(struct mr_slice text, size_t at)
{
	if (at + 1 >= text.len || (text.at[at + 1] != '?' && text.at[at + 1] != '*'))
		return true;
	return text.at[at + 1] == '?' && at + 2 < text.len && text.at[at + 2] == ':';
}

static bool regex_text_fits(struct mr_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];
		if (c >= 0x80 || c < ' ')
			return false;
		if (c == '\\') {
			if (++i == text.len || !escape_fits(text.at[i]))
				return false;
		} else if (c == '(' && !group_fits(text, i)) {
			return false;
		} else if (c == '[' && i + 1 < text.len && strchr(":.=", text.at[i + 1]) != NULL) {
			return false; /* a POSIX class, or what looks like one */
		}
	}
	return true;
}

/* ---- what repeats cost ---- */

/* libhs writes repeats out: what they add to a pattern, and to all patterns of a database, is
 * bounded, for its time grows faster than that. */
#define GROWTH_PATTERN_MAX 100u
#define GROWTH_DATABASE_MAX 1000u
#define GROWTH_CAP (UINT64_C(1) << 32)
/* Where many parts in a row may be left out, each place leads to each later one: libhs then takes
 * the cube of their number. */
#define OPTIONAL_MAX 50u
/* Each position costs it some 20 us, and more in a long pattern. */
#define POSITIONS_PATTERN_MAX 500u
#define POSITIONS_MAX 200000u /* of all databases */
/* Its time grows with the cube of how deep repeated groups lie. */
#define DEPTH_MAX 20u

/* Positions of a part of a pattern, as written and with its repeats written out; how many parts of
 * it may be left out; how deep its groups lie within each other. */
struct extent {
	uint64_t plain, full, optional, depth;
};

static void extent_add(struct extent *sum, struct extent part)
{
	sum->plain += part.plain;
	sum->full = sum->full + part.full > GROWTH_CAP ? GROWTH_CAP : sum->full + part.full;
	sum->optional += part.optional;
	sum->depth = part.depth > sum->depth ? part.depth : sum->depth;
}

/* A "]" that comes first is a character. */
size_t build_class_end(struct mr_slice text, size_t at)
{
	at += at + 1 < text.len && text.at[at + 1] == '^' ? 2 : 1;
	for (size_t first = at; at < text.len && (text.at[at] != ']' || at == first); at++)
		at += text.at[at] == '\\';
	return at + 1;
}

/* The larger number of the repeat at "{", at least 1; *at moves behind it. A brace that begins no
 * repeat is a character like any other. */
static uint64_t repeat_most(struct mr_slice text, size_t *at)
{
	uint64_t most = 1, number = 0;
	for (++*at; *at < text.len && text.at[*at] != '}'; ++*at) {
		char c = text.at[*at];
		bool digit = c >= '0' && c <= '9';
		number = digit ? number * 10 + (uint64_t)(c - '0') : 0;
		number = number > GROWTH_CAP ? GROWTH_CAP : number;
		most = number > most ? number : most;
	}
	++*at;
	return most;
}

/* Up to the ")" that closes the group which *at stands in, or the end; *at moves behind it. PCRE2
 * has bounded how deep groups lie. */
static struct extent extent_of(struct mr_slice text, size_t *at)
{
	struct extent sum = {0}, last = {0};
	while (*at < text.len && text.at[*at] != ')') {
		char c = text.at[*at];
		if (c == '{') {
			uint64_t most = repeat_most(text, at);
			last.full = last.full * most > GROWTH_CAP ? GROWTH_CAP : last.full * most;
			last.optional++; /* perhaps */
			continue;
		}
		extent_add(&sum, last);
		last = (struct extent){1, 1, c == '?' || c == '*', 0};
		if (c == '(') {
			++*at;
			last = extent_of(text, at);
			last.depth++;
		} else {
			*at = c == '[' ? build_class_end(text, *at) : *at + (c == '\\' ? 2 : 1);
		}
	}
	extent_add(&sum, last);
	++*at;
	return sum;
}

static struct extent extent_of_all(struct mr_slice text)
{
	size_t at = 0;
	return extent_of(text, &at);
}

static bool extent_fits(struct mr_slice text)
{
	struct extent extent = extent_of_all(text);
	return extent.full - extent.plain <= GROWTH_PATTERN_MAX &&
	       extent.full <= POSITIONS_PATTERN_MAX && extent.optional <= OPTIONAL_MAX &&
	       extent.depth <= DEPTH_MAX;
}

static unsigned regex_flags(const struct sigma_predicate *predicate)
{
	return HS_FLAG_UTF8 | HS_FLAG_SINGLEMATCH |
	       (predicate->regex_flags & SIGMA_RE_I ? HS_FLAG_CASELESS : 0) |
	       (predicate->regex_flags & SIGMA_RE_M ? HS_FLAG_MULTILINE : 0) |
	       (predicate->regex_flags & SIGMA_RE_S ? HS_FLAG_DOTALL : 0);
}

bool build_regex_fits(const struct sigma_predicate *predicate)
{
	struct mr_slice text = predicate->text;
	if (!regex_text_fits(text) || !extent_fits(text))
		return false;
	char *copy = mr_malloc(text.len + 1);
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *wrong = NULL;
	hs_error_t got = hs_expression_info(copy, regex_flags(predicate), &info, &wrong);
	/* A pattern that matches the empty text matches everything: no database is needed. */
	bool fits = got == HS_SUCCESS && info->min_width > 0;
	free(info);
	hs_free_compile_error(wrong);
	free(copy);
	return fits;
}

/* ---- databases ---- */

struct patterns {
	const char **texts; /* zero-terminated */
	size_t *lens;
	unsigned *flags, *ids;
	unsigned count;
};

static void patterns_init(struct build *build, struct patterns *patterns,
			  const struct build_group *group)
{
	size_t room = group->members.count + 1;
	patterns->texts = mr_arena_alloc(&build->arena, room * sizeof(*patterns->texts));
	patterns->lens = mr_arena_alloc(&build->arena, room * sizeof(*patterns->lens));
	patterns->flags = mr_arena_alloc(&build->arena, room * sizeof(*patterns->flags));
	patterns->ids = mr_arena_alloc(&build->arena, room * sizeof(*patterns->ids));
	patterns->count = 0;
	for (uint32_t i = 0; i < group->members.count; i++) {
		uint32_t number = group->members.items[i];
		const struct build_predicate *member = &build->predicates[number];
		if (member->way != BUILD_REGEX)
			continue;
		struct mr_slice text = member->source->text;
		unsigned at = patterns->count++;
		patterns->texts[at] = mr_arena_copy(&build->arena, text.at, text.len);
		patterns->lens[at] = text.len;
		patterns->flags[at] = regex_flags(member->source);
		patterns->ids[at] = number;
	}
}

/* Leave one pattern out: it is judged by itself from now on. */
static void refuse(struct build *build, struct patterns *patterns, unsigned at)
{
	struct build_predicate *member = &build->predicates[patterns->ids[at]];
	member->how = ENGINE_ALONE;
	member->way = BUILD_REST;
	unsigned after = --patterns->count - at;
	memmove(&patterns->texts[at], &patterns->texts[at + 1], after * sizeof(*patterns->texts));
	memmove(&patterns->lens[at], &patterns->lens[at + 1], after * sizeof(*patterns->lens));
	memmove(&patterns->flags[at], &patterns->flags[at + 1], after * sizeof(*patterns->flags));
	memmove(&patterns->ids[at], &patterns->ids[at + 1], after * sizeof(*patterns->ids));
}

/* Leave out what comes past the bounds of a database and of all. */
static void bound_extent(struct build *build, struct patterns *patterns)
{
	uint64_t sum = 0;
	for (unsigned at = 0; at < patterns->count;) {
		struct extent extent =
		    extent_of_all((struct mr_slice){patterns->texts[at], patterns->lens[at]});
		uint64_t growth = extent.full - extent.plain;
		if ((growth > 0 && sum + growth > GROWTH_DATABASE_MAX) ||
		    build->positions + extent.full > POSITIONS_MAX) {
			refuse(build, patterns, at);
			continue;
		}
		sum += growth;
		build->positions += extent.full;
		at++;
	}
}

static hs_error_t compile(const struct patterns *patterns, hs_database_t **database_out,
			  hs_compile_error_t **wrong_out)
{
	return hs_compile_multi(patterns->texts, patterns->flags, patterns->ids, patterns->count,
				HS_MODE_BLOCK, NULL, database_out, wrong_out);
}

static enum mr_err serialise(struct build *build, hs_database_t *database, struct image_span *out)
{
	char *bytes = NULL;
	size_t len = 0;
	hs_error_t got = hs_serialize_database(database, &bytes, &len);
	hs_free_database(database);
	if (got != HS_SUCCESS)
		return mr_error_set(build->error, MR_UNSUPPORTED,
				    "libhs cannot write its database (error %d)", got);
	*out = build_bytes(build, bytes, len, 8);
	free(bytes);
	return MR_OK;
}

enum mr_err build_database(struct build *build, uint32_t group, struct image_span *out)
{
	struct patterns patterns;
	patterns_init(build, &patterns, &build->groups[group]);
	while (build->search == ENGINE_ONE_BY_ONE && patterns.count > 0)
		refuse(build, &patterns, patterns.count - 1);
	bound_extent(build, &patterns);
	*out = (struct image_span){0, 0};
	while (patterns.count > 0) {
		hs_database_t *database = NULL;
		hs_compile_error_t *wrong = NULL;
		hs_error_t got = compile(&patterns, &database, &wrong);
		if (got == HS_SUCCESS) {
			for (unsigned i = 0; i < patterns.count; i++)
				build->predicates[patterns.ids[i]].scanned = true;
			return serialise(build, database, out);
		}
		/* It names the pattern, or none where all together are too large. */
		int at = wrong != NULL ? wrong->expression : -1;
		hs_free_compile_error(wrong);
		refuse(build, &patterns,
		       at >= 0 && (unsigned)at < patterns.count ? (unsigned)at
								: patterns.count - 1);
	}
	return MR_OK;
}
