/* test_ledger.c - the books balance, or each hole is named with both figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "millrace/ledger.h"

static struct mr_counters whole(void)
{
	struct mr_counters sums = {0};
	sums.at[MR_C_RECORDS] = 10;
	sums.at[MR_C_PARSED] = 8;
	sums.at[MR_C_REJECTED] = 2;
	sums.at[MR_C_REJECTS_RECEIVED] = 2;
	sums.at[MR_C_REJECTS_WRITTEN] = 2;
	sums.at[MR_C_BYTES_COLLECTED] = 1000;
	sums.at[MR_C_BYTES_RECEIVED] = 1000;
	sums.at[MR_C_SIGNALS] = 5;
	sums.at[MR_C_SIGNALS_RECEIVED] = 5;
	sums.at[MR_C_INNER_SIGNALS] = 4;
	sums.at[MR_C_INNER_SIGNALS_RECEIVED] = 4;
	sums.at[MR_C_ALERTS] = 3;
	sums.at[MR_C_ALERTS_RECEIVED] = 3;
	sums.at[MR_C_DELIVERED] = 3;
	return sums;
}

static void whole_books_balance(void **state)
{
	(void)state;
	struct mr_counters sums = whole();
	struct mr_error error = {0};
	assert_int_equal(mr_ledger_balance(&sums, &error), MR_OK);
	assert_int_equal(error.code, MR_OK);
	sums = (struct mr_counters){0};
	assert_int_equal(mr_ledger_balance(&sums, NULL), MR_OK);
}

/* Every counter of the books, one too many: a hole that says both figures. */
static void each_hole_is_named(void **state)
{
	(void)state;
	const enum mr_counter booked[] = {
	    MR_C_RECORDS,          MR_C_PARSED,          MR_C_REJECTED,
	    MR_C_REJECTS_RECEIVED, MR_C_REJECTS_WRITTEN, MR_C_REJECTS_UNWRITTEN,
	    MR_C_BYTES_COLLECTED,  MR_C_BYTES_RECEIVED,  MR_C_SIGNALS,
	    MR_C_SIGNALS_RECEIVED, MR_C_INNER_SIGNALS,   MR_C_INNER_SIGNALS_RECEIVED,
	    MR_C_ALERTS,           MR_C_ALERTS_RECEIVED, MR_C_DELIVERED};
	for (size_t i = 0; i < sizeof booked / sizeof *booked; i++) {
		struct mr_counters sums = whole();
		sums.at[booked[i]] += 100000;
		struct mr_error error = {0};
		assert_int_equal(mr_ledger_balance(&sums, &error), MR_IO);
		assert_non_null(strstr(error.text, "10"));
		assert_non_null(strstr(error.text, "do not balance"));
	}
}

static void all_holes_are_named(void **state)
{
	(void)state;
	struct mr_counters sums = whole();
	sums.at[MR_C_SIGNALS_RECEIVED] = 4;
	sums.at[MR_C_DELIVERED] = 2;
	struct mr_error error = {0};
	assert_int_equal(mr_ledger_balance(&sums, &error), MR_IO);
	assert_non_null(strstr(error.text, "signals sent by detect: 5, signals received by "
					   "correlate and too large: 4"));
	assert_non_null(strstr(error.text, "alert lines written: 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_books_balance),
	    cmocka_unit_test(each_hole_is_named),
	    cmocka_unit_test(all_holes_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
