/* Numbers: what is one, order, and exact sums, against plain fixed-point arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "millrace/number.h"

static bool is_number(const char *text, bool exponent)
{
	struct mr_slice bytes = exact(text, strlen(text));
	bool is = mr_number_is(bytes, exponent);
	drop(bytes);
	return is;
}

static void what_is_one(void **state)
{
	static const char *const numbers[] = {"0",      "-0",     "7",      "10.50",   "-3.14",
					      "1e3",    "1E+3",   "2.5e-7", "1e308",   "5e-324",
					      "0e9999", "-0.0e5", "0.1",    "1.0e-300"};
	static const char *const others[] = {
	    "",      "-",   "01",  "1.",  ".5",  "+1",    "1e",     "1e+",  "0x1",  "1 ", " 1",
	    "1e3.5", "--1", "1,5", "nan", "inf", "1e999", "1e-999", "1.e5", "true", "1_0"};
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_true(is_number(numbers[i], true));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(is_number(others[i], true));
	assert_false(is_number("1e3", false));
	assert_true(is_number("1.3", false));
	char longest[MR_NUMBER_TEXT_MAX + 2];
	memset(longest, '9', sizeof(longest));
	assert_false(mr_number_is((struct mr_slice){NULL, 0}, false));
	assert_true(mr_number_is((struct mr_slice){longest, MR_NUMBER_TEXT_MAX}, false));
	assert_false(mr_number_is((struct mr_slice){longest, MR_NUMBER_TEXT_MAX + 1}, false));
}

static void order(void **state)
{
	static const char *const rising[] = {"-1e300",
					     "-12.5",
					     "-1",
					     "-1e-300",
					     "0",
					     "5e-324",
					     "0.1",
					     "0.10000000000000000001",
					     "1",
					     "1.5",
					     "2",
					     "10",
					     "9007199254740993",
					     "1e17",
					     "1e308"};
	size_t count = sizeof(rising) / sizeof(rising[0]);
	(void)state;
	for (size_t a = 0; a < count; a++)
		for (size_t b = 0; b < count; b++) {
			int wanted = a < b ? -1 : a > b;
			assert_int_equal(
			    mr_number_compare(mr_slice(rising[a]), mr_slice(rising[b])), wanted);
		}
	assert_int_equal(mr_number_compare(MR_SLICE("1e3"), MR_SLICE("1000.00")), 0);
	assert_int_equal(mr_number_compare(MR_SLICE("-0"), MR_SLICE("0.0")), 0);
	assert_int_equal(mr_number_compare(MR_SLICE("-1e-99999999"), MR_SLICE("-0")), -1);
	assert_int_equal(mr_number_compare(MR_SLICE("1e99999999"), MR_SLICE("1e99999998")), 1);
	char longer[MR_NUMBER_TEXT_MAX + 40];
	memset(longer, '7', sizeof(longer));
	struct mr_slice all = {longer, sizeof(longer)}, fewer = {longer, sizeof(longer) - 1};
	assert_int_equal(mr_number_compare(all, fewer), 1);
	assert_int_equal(mr_number_compare(all, all), 0);
}

static void assert_text(const struct mr_sum *sum, const char *wanted)
{
	struct mr_buf text = {0};
	mr_sum_text(sum, &text);
	mr_buf_add(&text, "", 1);
	assert_string_equal(text.data, wanted);
	mr_buf_fini(&text);
}

static void sums(void **state)
{
	struct mr_sum sum = {0};
	(void)state;
	assert_text(&sum, "0");
	assert_int_equal(mr_sum_sign(&sum), 0);
	for (int i = 0; i < 10; i++)
		mr_sum_add(&sum, MR_SLICE("0.1"), 1);
	mr_sum_add(&sum, MR_SLICE("1"), -1);
	assert_int_equal(mr_sum_sign(&sum), 0);
	mr_sum_add(&sum, MR_SLICE("1e308"), 1);
	mr_sum_add(&sum, MR_SLICE("0.001"), -3);
	mr_sum_add(&sum, MR_SLICE("1e308"), -1);
	assert_text(&sum, "-0.003");
	assert_int_equal(mr_sum_sign(&sum), -1);
	mr_sum_add(&sum, MR_SLICE("999999999"), 1 << 28);
	assert_text(&sum, "268435455731564543.997");
}

/* In thousandths, in any order, and taken away again. */
static void at_random(void **state)
{
	uint64_t random = 88172645463325252u;
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct mr_sum sum = {0};
		int64_t wanted = 0;
		for (int i = 0; i < 50; i++) {
			char text[32];
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			int64_t number = (int64_t)(random % 2000000000000) - 1000000000000;
			int64_t times = (int64_t)(random >> 60) - 7;
			int len = snprintf(text, sizeof(text), "%s%lld.%03lld",
					   number < 0 ? "-" : "", (long long)llabs(number / 1000),
					   (long long)llabs(number % 1000));
			mr_sum_add(&sum, (struct mr_slice){text, (size_t)len}, times);
			wanted += number * times;
		}
		assert_int_equal(mr_sum_sign(&sum), (wanted > 0) - (wanted < 0));
		char rest[32];
		int len = snprintf(rest, sizeof(rest), "%llde-3", (long long)-wanted);
		mr_sum_add(&sum, (struct mr_slice){rest, (size_t)len}, 1);
		assert_int_equal(mr_sum_sign(&sum), 0);
	}
}

static void assert_divided(const char *text, uint64_t by, const char *wanted)
{
	struct mr_buf out = {0};
	struct mr_slice bytes = exact(text, strlen(text));
	mr_buf_add_text(&out, "7");
	mr_decimal_divide(bytes, by, &out);
	mr_buf_add(&out, "", 1);
	assert_string_equal(out.data + 1, wanted);
	drop(bytes);
	mr_buf_fini(&out);
}

static void divided(void **state)
{
	(void)state;
	assert_divided("0", 1, "0");
	assert_divided("1236681.5", 1, "1236681.5");
	assert_divided("-1", 2, "-0.5");
	assert_divided("10", 2, "5");
	assert_divided("100", 4, "25");
	assert_divided("1", 3, "0.333333");
	assert_divided("-2.5", 3, "-0.8333333");
	assert_divided("0.0005", UINT64_C(1) << 32, "0");
	assert_divided("-0.0005", UINT64_C(1) << 32, "0");
	assert_divided("1000000000000000000000000000001", 7,
		       "142857142857142857142857142857.285714");
}

static void assert_shown(const char *text, const char *wanted)
{
	struct mr_buf out = {0};
	struct mr_slice bytes = exact(text, strlen(text));
	mr_decimal_show(bytes, &out);
	mr_buf_add(&out, "", 1);
	assert_string_equal(out.data, wanted);
	drop(bytes);
	mr_buf_fini(&out);
}

static void shown(void **state)
{
	(void)state;
	assert_shown("0", "0");
	assert_shown("-999", "-999");
	assert_shown("1000", "1,000");
	assert_shown("-1234567.8901", "-1,234,567.8901");
	assert_shown("1234567", "1,234,567");
	assert_shown("12345e3", "12345e3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_one), cmocka_unit_test(order),   cmocka_unit_test(sums),
	    cmocka_unit_test(at_random),   cmocka_unit_test(divided), cmocka_unit_test(shown)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
