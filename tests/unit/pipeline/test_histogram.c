/* test_histogram.c - buckets, quantiles and their bounds, and the form on the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "millrace/histogram.h"

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void an_empty_one_says_nothing(void **state)
{
	(void)state;
	struct mr_histogram empty = {0};
	assert_int_equal(mr_histogram_quantile(&empty, 0.99), 0);
	assert_int_equal(mr_histogram_within(&empty, 40), 0);
}

/* One value alone: every quantile is that value, since the most bounds what an edge says. */
static void one_value_is_itself(void **state)
{
	(void)state;
	const int64_t values[] = {
	    0, 1, 2, 31, 32, 33, 1000, 999999, 1 << 30, INT64_C(1) << 40, INT64_MAX};
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		struct mr_histogram one = {0};
		mr_histogram_add(&one, values[i]);
		assert_int_equal(mr_histogram_quantile(&one, 0), values[i]);
		assert_int_equal(mr_histogram_quantile(&one, 1), values[i]);
	}
}

/* Against the sorted values themselves: never too low, at most one part in 32 too high. */
static void a_quantile_errs_upwards_by_a_part_at_most(void **state)
{
	(void)state;
	enum { COUNT = 20000 };
	static uint64_t values[COUNT];
	struct mr_histogram histogram = {0};
	uint64_t random = 42;
	for (size_t i = 0; i < COUNT; i++) {
		values[i] = next_random(&random) >> (24 + next_random(&random) % 36);
		mr_histogram_add(&histogram, (int64_t)values[i]);
	}
	qsort(values, COUNT, sizeof *values, by_size);
	const double shares[] = {0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1};
	for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
		uint64_t exact = values[(size_t)(shares[i] * COUNT) - 1];
		uint64_t said = mr_histogram_quantile(&histogram, shares[i]);
		assert_true(said >= exact);
		assert_true((double)said <= (double)exact * (1 + 1.0 / 32) + 1);
	}
}

static void what_is_within_a_power_of_two_is_exact(void **state)
{
	(void)state;
	struct mr_histogram histogram = {0};
	uint64_t within[41] = {0};
	for (unsigned power = 0; power <= 40; power++) {
		int64_t edge = INT64_C(1) << power;
		const int64_t values[] = {edge - 1, edge, edge + 1};
		for (size_t i = 0; i < 3; i++) {
			mr_histogram_add(&histogram, values[i]);
			for (unsigned p = 0; p <= 40; p++)
				within[p] += values[i] <= INT64_C(1) << p;
		}
	}
	/* What is past the range shares its last bucket. */
	for (unsigned power = 0; power < 40; power++)
		assert_int_equal(mr_histogram_within(&histogram, power), within[power]);
}

static void a_clock_put_back_counts_as_nothing(void **state)
{
	(void)state;
	struct mr_histogram histogram = {0};
	mr_histogram_add(&histogram, -3600000000);
	mr_histogram_add(&histogram, INT64_MIN);
	assert_int_equal(histogram.count, 2);
	assert_int_equal(histogram.sum_us, 0);
	assert_int_equal(mr_histogram_quantile(&histogram, 1), 0);
}

static void sums_stay_at_their_end(void **state)
{
	(void)state;
	struct mr_histogram histogram = {0};
	for (int i = 0; i < 3; i++)
		mr_histogram_add(&histogram, INT64_MAX);
	assert_true(histogram.sum_us == UINT64_MAX);
	struct mr_histogram twice = histogram;
	mr_histogram_merge(&twice, &histogram);
	assert_true(twice.sum_us == UINT64_MAX);
	assert_int_equal(twice.count, 6);
}

static void what_came_between_is_the_difference(void **state)
{
	(void)state;
	struct mr_histogram earlier = {0}, later, between = {0}, added = {0}, sum;
	uint64_t random = 7;
	for (int i = 0; i < 100; i++)
		mr_histogram_add(&earlier, (int64_t)(next_random(&random) >> 40));
	later = earlier;
	for (int i = 0; i < 50; i++) {
		int64_t value = (int64_t)(next_random(&random) >> 40);
		mr_histogram_add(&later, value);
		mr_histogram_add(&added, value);
	}
	assert_true(mr_histogram_since(&later, &earlier, &between));
	assert_int_equal(between.count, 50);
	assert_int_equal(between.sum_us, added.sum_us);
	assert_memory_equal(between.buckets, added.buckets, sizeof added.buckets);
	assert_false(mr_histogram_since(&earlier, &later, &between));
	sum = earlier;
	mr_histogram_merge(&sum, &added);
	assert_memory_equal(&sum, &later, sizeof sum);
}

static enum mr_err decode(struct mr_slice bytes)
{
	struct mr_unpack in = mr_unpack(bytes);
	struct mr_histogram histogram;
	mr_histogram_decode(&in, &histogram);
	return mr_unpack_done(&in) ? MR_OK : MR_BAD_INPUT;
}

static void what_is_encoded_comes_back(void **state)
{
	(void)state;
	struct mr_histogram histogram = {0}, back;
	struct mr_buf bytes = {0};
	mr_histogram_encode(&histogram, &bytes);
	struct mr_unpack in = mr_unpack((struct mr_slice){bytes.data, bytes.len});
	mr_histogram_decode(&in, &back);
	assert_true(mr_unpack_done(&in));
	assert_memory_equal(&histogram, &back, sizeof back);
	for (int64_t value = 0; value < INT64_C(1) << 42; value = value * 3 + 1)
		mr_histogram_add(&histogram, value);
	bytes.len = 0;
	mr_histogram_encode(&histogram, &bytes);
	in = mr_unpack((struct mr_slice){bytes.data, bytes.len});
	mr_histogram_decode(&in, &back);
	assert_true(mr_unpack_done(&in));
	assert_memory_equal(&histogram, &back, sizeof back);
	trickle(&bytes, decode);
	mr_buf_fini(&bytes);
}

static void the_fullest_one_fits_its_bound(void **state)
{
	(void)state;
	struct mr_histogram full = {.count = 1, .sum_us = UINT64_MAX, .most_us = UINT64_C(1) << 40};
	struct mr_buf bytes = {0};
	for (size_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++)
		full.buckets[i] = UINT64_MAX / MR_HISTOGRAM_BUCKETS;
	mr_histogram_encode(&full, &bytes);
	assert_true(bytes.len <= MR_HISTOGRAM_ENCODED_MAX);
	assert_int_equal(decode((struct mr_slice){bytes.data, bytes.len}), MR_OK);
	mr_buf_fini(&bytes);
}

static enum mr_err decode_items(const uint64_t *items, size_t count)
{
	struct mr_buf bytes = {0};
	mr_pack_array(&bytes, count);
	for (size_t i = 0; i < count; i++)
		mr_pack_uint(&bytes, items[i]);
	enum mr_err err = decode((struct mr_slice){bytes.data, bytes.len});
	mr_buf_fini(&bytes);
	return err;
}
#define DECODE(...)                                                                                \
	decode_items((const uint64_t[]){__VA_ARGS__},                                              \
		     sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void what_is_no_histogram_is_refused(void **state)
{
	(void)state;
	assert_int_equal(DECODE(7, 4, 1, 1, 3, 1), MR_OK);
	assert_int_equal(DECODE(7, 4, 3, 1, 1, 1), MR_BAD_INPUT); /* order */
	assert_int_equal(DECODE(7, 4, 3, 1, 3, 1), MR_BAD_INPUT); /* twice */
	assert_int_equal(DECODE(7, 4, 1, 0, 3, 1), MR_BAD_INPUT); /* nothing in it */
	assert_int_equal(DECODE(7, 4, 1, 1), MR_BAD_INPUT);       /* the most is elsewhere */
	assert_int_equal(DECODE(3, 4, 3, 1), MR_BAD_INPUT);       /* less than its most */
	assert_int_equal(DECODE(7, 4, 3), MR_BAD_INPUT);
	assert_int_equal(DECODE(7, 4, 1, UINT64_MAX, 3, 1), MR_BAD_INPUT);
	assert_int_equal(DECODE(7, 4, MR_HISTOGRAM_BUCKETS, 1), MR_BAD_INPUT);
	assert_int_equal(DECODE(0, 1), MR_BAD_INPUT);
	assert_int_equal(DECODE(0), MR_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_one_says_nothing),
	    cmocka_unit_test(one_value_is_itself),
	    cmocka_unit_test(a_quantile_errs_upwards_by_a_part_at_most),
	    cmocka_unit_test(what_is_within_a_power_of_two_is_exact),
	    cmocka_unit_test(a_clock_put_back_counts_as_nothing),
	    cmocka_unit_test(sums_stay_at_their_end),
	    cmocka_unit_test(what_came_between_is_the_difference),
	    cmocka_unit_test(what_is_encoded_comes_back),
	    cmocka_unit_test(the_fullest_one_fits_its_bound),
	    cmocka_unit_test(what_is_no_histogram_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
