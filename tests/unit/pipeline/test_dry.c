/* test_dry.c - when input that brings nothing counts as dry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dry.h"

/* Nothing comes from `from_us` on, and then something. */
static void wait_between(struct mr_dry *dry, int64_t from_us, int64_t to_us)
{
	mr_dry_none(dry, from_us);
	mr_dry_none(dry, (from_us + to_us) / 2);
	mr_dry_came(dry, to_us);
}

static void what_comes_is_not_dry(void **state)
{
	(void)state;
	struct mr_dry dry = {0};
	assert_int_equal(mr_dry_at_us(&dry), INT64_MAX);
	mr_dry_came(&dry, 100);
	assert_int_equal(mr_dry_at_us(&dry), INT64_MAX);
	mr_dry_none(&dry, 200);
	mr_dry_came(&dry, 300);
	assert_int_equal(mr_dry_at_us(&dry), INT64_MAX);
}

static void silence_counts_from_its_beginning(void **state)
{
	(void)state;
	struct mr_dry dry = {0};
	mr_dry_none(&dry, 100);
	mr_dry_none(&dry, 4000);
	assert_int_equal(mr_dry_at_us(&dry), 100 + MR_DRY_US);
}

static void one_long_wait_tells_nothing(void **state)
{
	(void)state;
	struct mr_dry dry = {0};
	wait_between(&dry, 100, 900000);
	mr_dry_none(&dry, 900100);
	assert_int_equal(mr_dry_at_us(&dry), 900100 + MR_DRY_US);
}

static void two_long_waits_announce_a_third(void **state)
{
	(void)state;
	struct mr_dry dry = {0};
	wait_between(&dry, 1000, 1000 + MR_DRY_US);
	wait_between(&dry, 10000, 10000 + MR_DRY_US);
	mr_dry_came(&dry, 16000); /* more than one step of work is still one wait */
	mr_dry_none(&dry, 20000);
	assert_int_equal(mr_dry_at_us(&dry), 20000);
}

static void a_short_wait_ends_that(void **state)
{
	(void)state;
	struct mr_dry dry = {0};
	wait_between(&dry, 1000, 90000);
	wait_between(&dry, 100000, 190000);
	wait_between(&dry, 200000, 200000 + MR_DRY_US - 1);
	mr_dry_none(&dry, 300000);
	assert_int_equal(mr_dry_at_us(&dry), 300000 + MR_DRY_US);
	mr_dry_came(&dry, 390000);
	mr_dry_none(&dry, 400000);
	assert_int_equal(mr_dry_at_us(&dry), 400000 + MR_DRY_US);
	mr_dry_came(&dry, 490000);
	mr_dry_none(&dry, 500000);
	assert_int_equal(mr_dry_at_us(&dry), 500000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_comes_is_not_dry),
	    cmocka_unit_test(silence_counts_from_its_beginning),
	    cmocka_unit_test(one_long_wait_tells_nothing),
	    cmocka_unit_test(two_long_waits_announce_a_third),
	    cmocka_unit_test(a_short_wait_ends_that),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
