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

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_long_shown_text_is_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
