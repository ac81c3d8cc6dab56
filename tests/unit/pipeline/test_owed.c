/* test_owed.c - which lines a reload waits for, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "owed.h"

#define LONG_US (MR_OWED_STILL_US + 1)

static int64_t now_us;

/* Waits for so many in vain. */
static void give_up(struct mr_owed *owed, uint64_t count)
{
	assert_false(mr_owed_is_even(owed, count, now_us += 1));
	assert_true(mr_owed_is_even(owed, count, now_us += LONG_US));
}

static void what_was_given_up_is_not_waited_for_again(void **state)
{
	struct mr_owed owed = {0};
	(void)state;
	give_up(&owed, 5);
	mr_owed_begin(&owed);
	assert_true(mr_owed_is_even(&owed, 5, now_us));
	/* More of them are others. */
	mr_owed_begin(&owed);
	give_up(&owed, 8);
}

static void each_that_comes_begins_the_wait_anew(void **state)
{
	struct mr_owed owed = {0};
	(void)state;
	for (uint64_t count = 4; count > 0; count--) {
		assert_false(mr_owed_is_even(&owed, count, now_us += LONG_US));
		assert_false(mr_owed_is_even(&owed, count, now_us += MR_OWED_STILL_US));
	}
	assert_true(mr_owed_is_even(&owed, 0, now_us));
}

/* Also at a checkpoint that no reload waits for: then later lines are not taken for them. */
static void what_came_after_all_is_given_up_no_more(void **state)
{
	struct mr_owed owed = {0};
	(void)state;
	give_up(&owed, 5);
	mr_owed_note(&owed, 2);
	mr_owed_begin(&owed);
	assert_false(mr_owed_is_even(&owed, 5, now_us));
	assert_true(mr_owed_is_even(&owed, 2, now_us));
}

static void an_output_that_is_left_out_takes_its_own_with_it(void **state)
{
	struct mr_owed owed = {0};
	(void)state;
	give_up(&owed, 5);
	mr_owed_forget(&owed);
	mr_owed_begin(&owed);
	assert_false(mr_owed_is_even(&owed, 3, now_us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_given_up_is_not_waited_for_again),
	    cmocka_unit_test(each_that_comes_begins_the_wait_anew),
	    cmocka_unit_test(what_came_after_all_is_given_up_no_more),
	    cmocka_unit_test(an_output_that_is_left_out_takes_its_own_with_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
