/* test_figures.c - figures of a part over control: whole or not at all, whatever the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "exact.h"
#include "millrace/figures.h"

static const struct mr_figures sink = {.kind = MR_PART_SINK,
				       .name = C("siem"),
				       .words = C("HTTP 503"),
				       .full = true,
				       .bytes = 1,
				       .segments = 2,
				       .input = C("/srv/a.csv"),
				       .delivered = 3,
				       .spooled = 4,
				       .refused = INT64_MAX,
				       .trouble_us = 5,
				       .failing_us = 6,
				       .refused_us = 7,
				       .next_us = 8,
				       .untried = true};

static void figures_come_back(void **state)
{
	(void)state;
	struct mr_buf bytes = {0};
	struct mr_figures got;
	mr_figures_encode(&sink, &bytes);
	assert_true(mr_figures_decode((struct mr_slice){bytes.data, bytes.len}, &got));
	assert_true(got.kind == MR_PART_SINK && got.full);
	assert_true(mr_slice_eq(got.name, sink.name) && mr_slice_eq(got.words, sink.words));
	assert_true(mr_slice_eq(got.input, sink.input));
	assert_true(got.bytes == 1 && got.segments == 2 && got.delivered == 3 && got.spooled == 4);
	assert_true(got.refused == INT64_MAX && got.trouble_us == 5 && got.failing_us == 6);
	assert_true(got.refused_us == 7 && got.next_us == 8 && got.untried);
	mr_buf_fini(&bytes);
}

static void what_is_cut_or_more_is_none(void **state)
{
	(void)state;
	struct mr_buf bytes = {0};
	struct mr_figures got;
	mr_figures_encode(&sink, &bytes);
	for (size_t len = 0; len < bytes.len; len++) {
		struct mr_slice part = exact(bytes.data, len);
		assert_false(mr_figures_decode(part, &got));
		drop(part);
	}
	mr_pack_uint(&bytes, 1);
	assert_false(mr_figures_decode((struct mr_slice){bytes.data, bytes.len}, &got));
	mr_buf_fini(&bytes);
}

static void what_no_status_holds_is_none(void **state)
{
	(void)state;
	struct mr_figures wrong = sink;
	struct mr_buf bytes = {0};
	struct mr_figures got;
	wrong.spooled = (uint64_t)INT64_MAX + 1;
	mr_figures_encode(&wrong, &bytes);
	assert_false(mr_figures_decode((struct mr_slice){bytes.data, bytes.len}, &got));
	mr_buf_fini(&bytes);
}

static void long_words_are_cut_between_characters(void **state)
{
	(void)state;
	char words[2 * MR_FIGURES_WORDS];
	struct mr_figures many = sink;
	struct mr_buf bytes = {0};
	struct mr_figures got;
	words[0] = 'x';
	for (size_t i = 1; i + 1 < sizeof words; i += 2)
		memcpy(words + i, "\xc3\xa9", 2);
	many.words = (struct mr_slice){words, sizeof words - 1};
	mr_figures_encode(&many, &bytes);
	assert_true(mr_figures_decode((struct mr_slice){bytes.data, bytes.len}, &got));
	assert_int_equal(got.words.len, MR_FIGURES_WORDS - 1);
	mr_buf_fini(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(figures_come_back),
	    cmocka_unit_test(what_is_cut_or_more_is_none),
	    cmocka_unit_test(what_no_status_holds_is_none),
	    cmocka_unit_test(long_words_are_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
