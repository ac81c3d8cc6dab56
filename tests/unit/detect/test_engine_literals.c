/* test_engine_literals.c - which texts a regex needs: none that it can match without. */
#include "engine_harness.h"
#include "sigma_harness.h"

#include "engine_build.h"
#include "engine_regex.h"

#include <stdlib.h>

static void needs(const char *pattern, const char *wanted)
{
	struct mr_arena arena = {0};
	struct mr_buf got = {0};
	const struct mr_slice *literals;
	uint32_t count = build_regex_literals(&arena, mr_slice(pattern), &literals);
	for (uint32_t i = 0; i < count; i++) {
		mr_buf_add_text(&got, i == 0 ? "" : " ");
		mr_buf_add(&got, literals[i].at, literals[i].len);
	}
	if (!mr_slice_eq((struct mr_slice){got.data, got.len}, mr_slice(wanted)))
		fail_msg("%s needs \"%.*s\", not \"%s\"", pattern, (int)got.len, got.data, wanted);
	mr_buf_fini(&got);
	mr_arena_fini(&arena);
}

static void what_must_stand_there(void **state)
{
	(void)state;
	needs("PowerShell", "powershell");
	needs("^abc$", "abc");
	needs("abc.*defgh", "defgh");
	needs("\\.exe\\b", ".exe");
	needs("(?i)Invoke-(?:Mimi|Kerbe)", "invoke-");
	needs("(?:Mimi|Kerbe)x", "mimi kerbe");
	needs("foobar|barfoo", "foobar barfoo");
	needs("x(abc)+y", "abc");
	needs("(?>abc)d", "abc");
	needs("abcd+e", "abcd");
	needs("abc{2}", "abc");
	needs("[abc]def[^]x]ghij\\d", "ghij");
	needs("(?-i:abc)", "abc");
	needs("\xc3\xa4"
	      "abc\xc3\xa4",
	      "abc");
	needs("`\\w+`", "`");
}

static void what_may_be_missing(void **state)
{
	(void)state;
	needs("ab", "");
	needs("abcd?e", "abc");
	needs("abc*", "");
	needs("abc{0,3}x", "");
	needs("(abc)?de", "");
	needs("(abc){0}de", "");
	needs("abc|", "");
	needs("abc|de", "");
	needs("(abc|d*)", "");
	needs("(?=abc)d", "");
	needs("(?!abc)d", "");
	needs("(?<!abc)d", "");
	needs("[abc]", "");
	needs("\\w\\d\\s", "");
	needs("", "");
}

static void what_is_not_read(void **state)
{
	(void)state;
	needs("(?x)a b c d", "");
	needs("(*ACCEPT)abc", "");
	needs("abc(*ACCEPT)def", "");
	needs("\\Qa.c\\Eabc", "");
	needs("(?#abc)", "");
	needs("(?<n>abc)", "");
	needs("(?(1)abc|d)", "");
	needs("(?R)?abc", "");
	needs("a{2}{0}bcd", "");
	needs("{abc", "");
	needs("\\x41bcd", "");
	needs("\\p{L}abc", "");
	needs("[[:alpha:]]abc", "");
	needs("abc)def", "");
	needs("(abc", "");
	needs("abc\\", "");
}

/* ---- what PCRE2 says of random patterns and texts ---- */

static uint64_t random_state = 1;

static uint32_t below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % limit);
}

static const char *const pieces[] = {
    "a",   "B",     "k",   "s",  "aB",  "ks",  ".",     "*",   "+",    "?",    "{0}",
    "{2}", "{0,1}", "{1,", "}",  "(",   ")",   "(?:",   "|",   "[aB]", "[^a]", "\\b",
    "\\w", "(?i)",  "^",   "$",  "\\.", "(?=", "(?!",   "(?>", "?",    "\\",   "(?-i)",
    "aaa", "kBs",   ")?",  ")*", "[k",  "]",   "(?<=a", "(a|", "aB|",  "\\d",  "``"};
static const char *const texts[] = {"a",        "A", "B", "b",   "k",   "s", "K", "\xe2\x84\xaa",
				    "\xc5\xbf", ".", "`", "aaa", "\xff"};

static void fill(struct mr_buf *out, const char *const *from, uint32_t count, uint32_t most)
{
	out->len = 0;
	for (uint32_t i = 1 + below(most); i-- > 0;)
		mr_buf_add_text(out, from[below(count)]);
}

static void check(struct engine_regex_room *room, const struct engine_regex *code,
		  struct mr_slice pattern, const struct mr_slice *literals, uint32_t count)
{
	struct mr_buf text = {0}, folded = {0};
	for (int i = 0; i < 60; i++) {
		fill(&text, texts, sizeof(texts) / sizeof(*texts), 9);
		struct mr_slice slice = {text.data, text.len};
		uint64_t spent = 0;
		if (engine_regex_find(room, code, slice, &spent) != ENGINE_FOUND)
			continue;
		folded.len = 0;
		char *at = mr_buf_reserve(&folded, mr_fold_max(text.len));
		size_t len = mr_fold(text.data, text.len, at);
		bool there = false;
		for (uint32_t j = 0; j < count; j++)
			there |= memmem(at, len, literals[j].at, literals[j].len) != NULL;
		if (!there)
			fail_msg("%.*s matches %.*s without what it needs", (int)pattern.len,
				 pattern.at, (int)text.len, text.data);
	}
	mr_buf_fini(&text);
	mr_buf_fini(&folded);
}

static void no_match_without_them(void **state)
{
	(void)state;
	struct engine_regex_room room;
	struct mr_buf pattern = {0};
	uint32_t read = 0;
	engine_regex_room_init(&room);
	for (int i = 0; i < 60000; i++) {
		struct mr_arena arena = {0};
		const struct mr_slice *literals;
		int wrong;
		size_t offset;
		fill(&pattern, pieces, sizeof(pieces) / sizeof(*pieces), 9);
		struct mr_slice slice = {pattern.data, pattern.len};
		uint32_t count = build_regex_literals(&arena, slice, &literals);
		uint32_t flags = below(2) ? SIGMA_RE_I : 0;
		struct engine_regex *code =
		    count == 0 ? NULL : engine_regex_compile(slice, flags, &wrong, &offset);
		if (code != NULL)
			check(&room, code, slice, literals, count);
		read += code != NULL;
		engine_regex_free(code);
		mr_arena_fini(&arena);
	}
	assert_true(read > 1000);
	mr_buf_fini(&pattern);
	engine_regex_room_fini(&room);
}

/* What 16 KiB are looked through for, without an end: of a longer text the bytes are counted, over
 * all its texts, and all else of it is as it is of a short one. */
static void long_texts_are_bounded_and_judged_alike(void **state)
{
	(void)state;
	struct engine_regex_room room;
	struct mr_buf text = {0};
	int wrong;
	size_t offset;
	engine_regex_room_init(&room);
	struct engine_regex *regex = engine_regex_compile(
	    mr_slice("cmd(?:\\.exe)?\\s+[^\"]*\"set\\s[a-z]"), 0, &wrong, &offset);
	assert_non_null(regex);
	while (text.len < 400000)
		mr_buf_add_text(&text, "cmd ");
	mr_buf_add_text(&text, "\"set"); /* PCRE2 looks for its letters first */
	uint64_t spent = 0;
	struct mr_slice whole = {text.data, text.len};
	assert_int_equal(engine_regex_find(&room, regex, whole, &spent), ENGINE_SPENT);
	assert_int_equal(spent, ENGINE_REGEX_SPENT_MAX);
	assert_int_equal(engine_regex_find(&room, regex, whole, &spent), ENGINE_SPENT);
	/* One that has no more than it needs, and one where it stands far behind. */
	spent = 0;
	memset(text.data + 4, 'x', text.len - 8);
	assert_int_equal(engine_regex_find(&room, regex, whole, &spent), ENGINE_ABSENT);
	assert_true(spent < 10 * text.len);
	mr_buf_add_text(&text, "cmd.exe x \"set y");
	whole = (struct mr_slice){text.data, text.len};
	assert_int_equal(engine_regex_find(&room, regex, whole, &spent), ENGINE_FOUND);
	engine_regex_free(regex);
	mr_buf_fini(&text);
	engine_regex_room_fini(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_must_stand_there),
	    cmocka_unit_test(what_may_be_missing),
	    cmocka_unit_test(what_is_not_read),
	    cmocka_unit_test(long_texts_are_bounded_and_judged_alike),
	    cmocka_unit_test(no_match_without_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
