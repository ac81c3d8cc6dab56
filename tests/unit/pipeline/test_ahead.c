/* test_ahead.c - signals that are looked at together, and moved past one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "pipeline/stage_io.h"

#define COUNT (MR_SIGNALS_AHEAD + 2)

/* Each at a position of its own, the last one cut. */
static struct mr_slice signals_make(void)
{
	struct mr_buf out = {0};
	for (uint32_t i = 0; i < COUNT; i++) {
		struct mr_signal signal = {
		    .tenant = S("t"), .record_id = S("r"), .origin.position = 100 + i};
		mr_signal_encode(&signal, &out);
	}
	struct mr_slice bytes = exact(out.data, out.len - 1);
	mr_buf_fini(&out);
	return bytes;
}

/* The page names the signal that is the current one, not the last that was looked at. */
static void each_is_in_hand_in_its_turn(void **state)
{
	(void)state;
	struct mr_inhand page = {0};
	struct mr_watch watch = {.page = &page};
	struct mr_reader in = {.watch = &watch};
	struct mr_signal shown[MR_SIGNALS_AHEAD];
	struct mr_slice bytes = signals_make();
	mr_reader_open_items(&in, MR_CONTENT_SIGNALS, COUNT, bytes);
	assert_int_equal(mr_reader_signals(&in, shown, 3), 3);
	assert_int_equal(shown[2].origin.position, 102);
	assert_int_equal(page.record.position, 100);
	mr_reader_advance(&in);
	assert_int_equal(page.record.position, 101);
	/* What was looked at and not moved past is shown again. */
	assert_int_equal(mr_reader_signals(&in, shown, MR_SIGNALS_AHEAD), MR_SIGNALS_AHEAD);
	for (uint32_t i = 0; i < MR_SIGNALS_AHEAD; i++) {
		assert_int_equal(shown[i].origin.position, 101 + i);
		assert_int_equal(page.record.position, 101 + i);
		mr_reader_advance(&in);
	}
	assert_int_equal(mr_reader_signals(&in, shown, MR_SIGNALS_AHEAD), 0);
	assert_int_equal(mr_reader_finish(&in, NULL), MR_PROTOCOL);
	drop(bytes);
	mr_reader_fini(&in);
}

static void a_broken_one_is_none_of_those_before_it(void **state)
{
	(void)state;
	struct mr_reader in = {0};
	struct mr_signal shown[MR_SIGNALS_AHEAD];
	struct mr_slice bytes = signals_make();
	mr_reader_open_items(&in, MR_CONTENT_SIGNALS, COUNT, bytes);
	assert_int_equal(mr_reader_signals(&in, shown, MR_SIGNALS_AHEAD), MR_SIGNALS_AHEAD);
	for (uint32_t i = 0; i < MR_SIGNALS_AHEAD; i++)
		mr_reader_advance(&in);
	assert_int_equal(mr_reader_signals(&in, shown, MR_SIGNALS_AHEAD), 1);
	mr_reader_advance(&in);
	assert_int_equal(mr_reader_signals(&in, shown, MR_SIGNALS_AHEAD), 0);
	assert_int_equal(mr_reader_finish(&in, NULL), MR_PROTOCOL);
	drop(bytes);
	mr_reader_fini(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_is_in_hand_in_its_turn),
	    cmocka_unit_test(a_broken_one_is_none_of_those_before_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
