/* test_signal.c - what is done to texts before a signal takes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "millrace/signal.h"

/* Characters of one to four bytes, the cut at each of their bytes. */
static void a_long_shown_text_is_cut_between_characters(void **state)
{
	(void)state;
	static const char mark[] = "…";
	static const char *const characters[] = {"x", "é", "…", "\xf0\x9f\x98\x80"};
	struct mr_arena arena = {0};
	struct mr_buf text = {0};
	for (size_t c = 0; c < 4; c++) {
		for (int shift = 0; shift < 4; shift++) {
			text.len = 0;
			mr_buf_add(&text, "abcd", (size_t)shift);
			while (text.len <= MR_SHOWN_TEXT_MAX)
				mr_buf_add_text(&text, characters[c]);
			struct mr_slice whole = {text.data, text.len};
			struct mr_slice shown = mr_signal_shown(&arena, whole);
			size_t kept = shown.len - strlen(mark);
			assert_in_range(shown.len, MR_SHOWN_TEXT_MAX - 3, MR_SHOWN_TEXT_MAX);
			assert_memory_equal(shown.at, text.data, kept);
			assert_memory_equal(shown.at + kept, mark, strlen(mark));
			assert_true(mr_utf8_valid(shown.at, shown.len));
			whole.len = MR_SHOWN_TEXT_MAX;
			assert_ptr_equal(mr_signal_shown(&arena, whole).at, text.data);
			assert_int_equal(mr_signal_shown(&arena, whole).len, MR_SHOWN_TEXT_MAX);
		}
	}
	mr_buf_fini(&text);
	mr_arena_fini(&arena);
}

static void a_long_value_is_a_digest_that_no_text_is(void **state)
{
	(void)state;
	struct mr_arena arena = {0};
	char text[MR_VALUE_TEXT_MAX + 1], other[1000];
	memset(text, 'a', sizeof text);
	memset(other, 'a', sizeof other);
	struct mr_slice value = mr_signal_value(&arena, (struct mr_slice){text, MR_VALUE_TEXT_MAX});
	assert_ptr_equal(value.at, text);
	assert_int_equal(value.len, MR_VALUE_TEXT_MAX);
	value = mr_signal_value(&arena, (struct mr_slice){text, sizeof text});
	assert_int_equal(value.len, MR_VALUE_TEXT_MAX + 1);
	assert_memory_equal(value.at,
			    "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb", 64);
	assert_true(
	    mr_slice_eq(value, mr_signal_value(&arena, (struct mr_slice){other, sizeof text})));
	assert_false(
	    mr_slice_eq(value, mr_signal_value(&arena, (struct mr_slice){other, sizeof other})));
	/* The digest as a text of its own is another value. */
	assert_false(mr_slice_eq(value, mr_signal_value(&arena, value)));
	mr_arena_fini(&arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_long_shown_text_is_cut_between_characters),
	    cmocka_unit_test(a_long_value_is_a_digest_that_no_text_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
