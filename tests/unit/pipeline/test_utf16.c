/* test_utf16.c - byte order marks and UTF-16, in pieces of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "millrace/utf16.h"

static void check_text(const char *bytes, size_t len, const char *want, size_t want_len)
{
	for (size_t piece = 1; piece <= len; piece++) {
		struct mr_recode recode = {0};
		struct mr_buf out = {0};
		struct mr_buf all = {0};
		size_t skipped;

		for (size_t at = 0; at <= len; at += piece) {
			size_t left = len - at;
			struct mr_slice part = {bytes + at, left < piece ? left : piece};
			struct mr_slice text =
			    mr_recode_step(&recode, part, left < piece, &out, &skipped);

			if (text.len > 0)
				mr_buf_add(&all, text.at, text.len);
		}
		assert_int_equal(all.len, want_len);
		assert_memory_equal(all.data, want, want_len);
		mr_buf_fini(&all);
		mr_buf_fini(&out);
	}
}

static void encodings_are_told_in_pieces(void **state)
{
	(void)state;
	check_text("{\"\xc3\xa9\"}", 6, "{\"\xc3\xa9\"}", 6);
	check_text("\xef\xbb\xbf{}", 5, "{}", 2);
	check_text("\xff\xfe{\0\xe9\0}\0", 8, "{\xc3\xa9}", 4);
	check_text("\xfe\xff\0{\0\xe9\0}", 8, "{\xc3\xa9}", 4);
	check_text("{\0\"\0\xe9\0", 6, "{\"\xc3\xa9", 4);
	check_text("\0{\0\"\0\xe9", 6, "{\"\xc3\xa9", 4);
	check_text("a\0\0\0", 4, "a\0\0\0", 4); /* a tar archive begins so */
	check_text("{\0\"", 3, "{\0\"", 3);
	check_text("\xff\xfe", 2, "", 0);
	check_text("\xff\xfe{\0", 4, "{", 1);
	check_text("\xff\xfe{\0}", 5, "{\xef\xbf\xbd", 4);
	/* UTF-32 stays as it is. */
	check_text("\xff\xfe\0\0{\0\0\0", 8, "\xff\xfe\0\0{\0\0\0", 8);
	check_text("\0\0\xfe\xff\0\0\0{", 8, "\0\0\xfe\xff\0\0\0{", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encodings_are_told_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
