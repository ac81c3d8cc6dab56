/* test_ledger_rows.c - what was counted stands in the ledger under its names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger_books.h"
#include "ledger_rows.h"

static struct mr_slice source_name(void *context, uint32_t number)
{
	(void)context;
	return number == 2 ? S("mail") : S("");
}
static struct mr_slice edge_name(void *context, uint32_t number)
{
	(void)context;
	return number == 1 ? S("signals") : S("");
}
static struct mr_slice worker_name(void *context, uint32_t number)
{
	static char name[20];
	(void)context;
	snprintf(name, sizeof name, "worker-%u", number);
	return mr_slice(name);
}
static const struct mr_ledger_names names = {NULL, source_name, edge_name, worker_name};

static void begin(struct desk *desk)
{
	const struct mr_ledger_checkpoint checkpoint = {.number = ++desk->number,
							.time_us = BEGIN_US};
	assert_int_equal(mr_ledger_begin(desk->books, &checkpoint, NULL), MR_OK);
}

static void books_become_rows(void **state)
{
	(void)state;
	struct desk desk;
	struct mr_books books = {0};
	const struct mr_book_link link = {.edge = 1, .from = 7, .to = 7, .sent_items = 4};
	desk_open(&desk);
	mr_book(&books, 2, MR_B_MATCHED, 7);
	mr_book(&books, 3, MR_B_MATCHED, 8);
	mr_book(&books, UINT32_MAX, MR_B_MATCHED, 9);
	mr_books_shed(&books, S("a-rule"), 5);
	mr_books_shed(&books, S(""), 6);
	mr_books_link(&books, &link);
	mr_books_position(&books, 2, S("a/file"), 10);
	mr_books_position(&books, 2, S("a/file"), 20);
	begin(&desk);
	mr_ledger_put_books(desk.books, S("collect"), &books, &names);
	assert_int_equal(mr_ledger_commit(desk.books, desk.head, NULL), MR_OK);
	assert_int_equal(ask(&desk, "SELECT n FROM counters WHERE source = 'mail' AND"
				    " worker_group = 'collect' AND counter = 'matched'"),
			 7);
	assert_int_equal(ask(&desk, "SELECT n FROM counters WHERE source = 'number 3'"), 8);
	assert_int_equal(ask(&desk, "SELECT n FROM counters WHERE source = '(none)'"), 9);
	assert_int_equal(ask(&desk, "SELECT n FROM counters WHERE source = '(rule a-rule)' AND"
				    " counter = 'state_shed'"),
			 5);
	assert_int_equal(ask(&desk, "SELECT n FROM counters WHERE source = '(detections)'"), 6);
	assert_int_equal(ask(&desk, "SELECT sent_items FROM links WHERE edge = 'signals' AND"
				    " sender = 'worker-7'"),
			 4);
	assert_int_equal(ask(&desk, "SELECT position FROM positions WHERE source = 'mail'"), 20);
	mr_books_fini(&books);
	desk_close(&desk);
}

static void counters_are_what_came_since(void **state)
{
	(void)state;
	struct desk desk;
	struct mr_counters now = {.at = {0}}, before = {.at = {0}};
	desk_open(&desk);
	before.at[MR_C_GEO_HITS] = 3;
	now.at[MR_C_GEO_HITS] = 10;
	now.at[MR_C_PARSED] = 5; /* the books have it */
	now.at[MR_C_REJECTED] = 5;
	begin(&desk);
	mr_ledger_put_counters(desk.books, S("parse"), &now, &before);
	assert_int_equal(mr_ledger_commit(desk.books, desk.head, NULL), MR_OK);
	assert_int_equal(ask(&desk, "SELECT count(*) FROM counters"), 1);
	assert_int_equal(
	    ask(&desk, "SELECT n FROM counters WHERE source = '' AND counter = 'geo_hits'"), 7);
	desk_close(&desk);
}

static void latencies_are_told_by_powers_of_two(void **state)
{
	(void)state;
	struct desk desk;
	struct mr_histogram *took = mr_calloc(1, sizeof *took);
	desk_open(&desk);
	mr_histogram_add(took, 1000);
	mr_histogram_add(took, 1024);
	mr_histogram_add(took, 1025);
	mr_histogram_add(took, INT64_MAX);
	begin(&desk);
	mr_ledger_put_histogram(desk.books, S("alert_latency"), took);
	assert_int_equal(mr_ledger_commit(desk.books, desk.head, NULL), MR_OK);
	assert_int_equal(ask(&desk, "SELECT n FROM latencies WHERE within_us = 1024"), 2);
	assert_int_equal(ask(&desk, "SELECT n FROM latencies WHERE within_us = 2048"), 1);
	assert_int_equal(ask(&desk, "SELECT sum(n) FROM latencies"), 4);
	free(took);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(books_become_rows),
	    cmocka_unit_test(counters_are_what_came_since),
	    cmocka_unit_test(latencies_are_told_by_powers_of_two),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
