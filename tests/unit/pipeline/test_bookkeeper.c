/* test_bookkeeper.c - what workers say is in the ledger once, whatever fails between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bookkeeper.h"
#include "ledger_books.h"

static struct mr_slice no_name(void *context, uint32_t number)
{
	(void)context;
	(void)number;
	return S("");
}
static const struct mr_ledger_names names = {NULL, no_name, no_name, no_name};
static const char *const groups[] = {"collect", "parse"};

static struct mr_bookkeeper keeper;
static uint8_t heads[10][MR_LINE_HASH_BYTES];

static void take_part(void *context, struct mr_slice part)
{
	const uint32_t *group = context;
	assert_int_equal(mr_bookkeeper_take(&keeper, *group, part, NULL), MR_OK);
}

/* One worker at a barrier: 10 records more, and `geo` hits since the incarnation began. */
static void report(uint32_t group, uint64_t number, uint64_t geo)
{
	struct mr_books books = {0};
	struct mr_counters counters = {.at = {[MR_C_GEO_HITS] = geo}};
	mr_book(&books, 0, MR_B_MATCHED, 10);
	mr_books_encode(&books, 1000, take_part, &group);
	mr_bookkeeper_count(&keeper, group, number, &counters);
	mr_books_fini(&books);
}

static enum mr_err commit_alone(uint64_t number)
{
	return mr_bookkeeper_commit(&keeper, number, BEGIN_US, 1, &names, heads[number], NULL);
}

static enum mr_err commit(uint64_t number)
{
	enum mr_err err = commit_alone(number);
	mr_bookkeeper_settle(&keeper, number);
	return err;
}

static void begin(uint64_t number)
{
	assert_int_equal(mr_bookkeeper_begin(&keeper, groups, 2, number, heads[number], NULL),
			 MR_OK);
}

#define MATCHED "SELECT coalesce(sum(n), 0) FROM counters WHERE counter = 'matched'"
#define GEO "SELECT coalesce(sum(n), 0) FROM counters WHERE counter = 'geo_hits'"

/* What the status says. */
static uint64_t settled(void)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < keeper.sums.row_count; i++)
		sum += keeper.sums.rows[i].at[MR_B_MATCHED];
	return sum;
}

static void each_count_is_there_once(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	desk_stop(&desk);
	assert_int_equal(mr_bookkeeper_open(&keeper, desk.ledger, 0, NULL), MR_OK);
	begin(0);
	report(0, 1, 5);
	report(1, 1, 7);
	report(1, 1, 1);
	assert_int_equal(commit(1), MR_OK);
	assert_int_equal(ask(&desk, MATCHED), 30);
	assert_int_equal(ask(&desk, GEO), 13);
	/* Barrier 2 is given up: what was said at it counts with 3. */
	report(0, 2, 6);
	report(0, 3, 9);
	report(1, 3, 8);
	assert_int_equal(commit(3), MR_OK);
	assert_int_equal(ask(&desk, MATCHED), 60);
	assert_int_equal(ask(&desk, GEO), 17);
	assert_int_equal(settled(), 60);
	/* A death: the manifest of 3 was not renamed, and what came behind it is said again. */
	report(0, 4, 100);
	assert_int_equal(settled(), 60);
	begin(1);
	assert_int_equal(ask(&desk, MATCHED), 30);
	report(0, 4, 3);
	assert_int_equal(commit(4), MR_OK);
	assert_int_equal(ask(&desk, MATCHED), 40);
	assert_int_equal(ask(&desk, GEO), 16);
	mr_bookkeeper_close(&keeper);
	assert_int_equal(ask(&desk, "SELECT max(incarnation) FROM checkpoint"), 2);
	desk_close(&desk);
}

#define TIMED "SELECT coalesce(sum(n), 0) FROM latencies WHERE step = 'alert_latency'"

/* Of two workers, so many alerts since the incarnation began. */
static void time_alerts(unsigned first, unsigned second)
{
	static struct mr_latencies took[2];
	memset(took, 0, sizeof took);
	for (unsigned i = 0; i < first; i++)
		mr_histogram_add(&took[0].at[MR_L_ALERT], 1000);
	for (unsigned i = 0; i < second; i++)
		mr_histogram_add(&took[1].at[MR_L_ALERT], 5000);
	mr_bookkeeper_time(&keeper, &took[0]);
	mr_bookkeeper_time(&keeper, &took[1]);
}

static void each_latency_is_there_once(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	desk_stop(&desk);
	assert_int_equal(mr_bookkeeper_open(&keeper, desk.ledger, 0, NULL), MR_OK);
	begin(0);
	time_alerts(3, 4);
	assert_int_equal(commit(1), MR_OK);
	assert_int_equal(ask(&desk, TIMED), 7);
	time_alerts(5, 4);
	assert_int_equal(commit(2), MR_OK);
	assert_int_equal(ask(&desk, TIMED), 9);
	assert_int_equal(ask(&desk, TIMED " AND within_us = 1024"), 5);
	/* New workers begin at nothing. */
	begin(2);
	time_alerts(1, 0);
	assert_int_equal(commit(3), MR_OK);
	assert_int_equal(ask(&desk, TIMED), 10);
	mr_bookkeeper_close(&keeper);
	desk_close(&desk);
}

static void a_ledger_that_is_gone_is_told(void **state)
{
	(void)state;
	struct mr_error error = {0};
	assert_int_equal(mr_bookkeeper_open(&keeper, "/tmp/none/ledger.sqlite", 3, &error),
			 MR_NOT_FOUND);
	mr_bookkeeper_close(&keeper);
	/* Without one nothing is kept, and nothing fails. */
	report(0, 1, 5);
	assert_int_equal(commit(1), MR_OK);
}

#define CHECKPOINTS "SELECT count(*) FROM checkpoint"

/* Without its manifest a commit is none: the next one has all of it. */
static void what_is_not_settled_is_taken_back(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	desk_stop(&desk);
	assert_int_equal(mr_bookkeeper_open(&keeper, desk.ledger, 0, NULL), MR_OK);
	begin(0);
	for (uint64_t number = 1; number < 4; number++) {
		report(0, number, number);
		time_alerts((unsigned)number, 0);
		assert_int_equal(commit_alone(number), MR_OK);
		mr_bookkeeper_settle(&keeper, number - 1);
		assert_int_equal(ask(&desk, CHECKPOINTS), 1);
		assert_int_equal(ask(&desk, MATCHED), 10 * number);
		assert_int_equal(ask(&desk, GEO), number);
		assert_int_equal(ask(&desk, TIMED), number);
	}
	/* So it stands after a death: the pipeline begins anew. */
	mr_bookkeeper_close(&keeper);
	assert_int_equal(mr_bookkeeper_open(&keeper, desk.ledger, 0, NULL), MR_OK);
	begin(0);
	assert_int_equal(ask(&desk, CHECKPOINTS), 0);
	mr_bookkeeper_close(&keeper);
	desk_close(&desk);
}

static void a_manifest_that_is_gone_is_told(void **state)
{
	(void)state;
	struct desk desk;
	struct mr_error error = {0};
	desk_open(&desk);
	desk_stop(&desk);
	assert_int_equal(mr_bookkeeper_open(&keeper, desk.ledger, 0, NULL), MR_OK);
	begin(0);
	report(0, 1, 1);
	assert_int_equal(commit(1), MR_OK);
	report(0, 2, 2);
	assert_int_equal(commit_alone(2), MR_OK);
	mr_bookkeeper_close(&keeper);
	assert_int_equal(mr_bookkeeper_open(&keeper, desk.ledger, 0, &error), MR_BAD_INPUT);
	assert_non_null(strstr(error.text, "it has 2 checkpoints, and no manifest"));
	assert_int_equal(ask(&desk, MATCHED), 20);
	assert_int_equal(mr_bookkeeper_open(&keeper, desk.ledger, 1, NULL), MR_OK);
	mr_bookkeeper_close(&keeper);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_count_is_there_once),
	    cmocka_unit_test(each_latency_is_there_once),
	    cmocka_unit_test(a_ledger_that_is_gone_is_told),
	    cmocka_unit_test(what_is_not_settled_is_taken_back),
	    cmocka_unit_test(a_manifest_that_is_gone_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
