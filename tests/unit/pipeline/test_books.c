/* test_books.c - the books of a worker: they add up, travel in parts, and survive any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "millrace/books.h"

#include "exact.h"

static struct mr_book_output output_of(const char *sink, uint64_t taken)
{
	struct mr_book_output output = {.sink = (char *)(uintptr_t)sink,
					.file = (char *)(uintptr_t) "/var/lib/alerts.ndjson",
					.taken = taken,
					.delivered = taken - 3,
					.refused = 1,
					.spooled = 2};
	mr_line_hash_add(&output.lines, S("a line\n"));
	return output;
}

static void fill(struct mr_books *books)
{
	struct mr_book_link sent = {
	    .edge = 1, .from = 2, .to = 3, .sent_batches = 4, .sent_items = 40};
	struct mr_book_link got = {
	    .edge = 1, .from = 2, .to = 3, .received_batches = 4, .received_items = 40};
	struct mr_book_output output = output_of("alerts", 9);
	mr_book(books, 0, MR_B_PARSED, 7);
	mr_book(books, 2, MR_B_PARSED, UINT64_MAX);
	mr_book(books, 2, (enum mr_book)(MR_B_REJECTED + MR_REJECT_NOT_JSON), 1);
	mr_book(books, UINT32_MAX, MR_B_ALERTS, 5);
	mr_books_link(books, &sent);
	mr_books_link(books, &got);
	mr_books_position(books, 2, S("a/file"), 10);
	mr_books_position(books, 2, S("a/file"), 20);
	mr_books_output(books, &output);
	output.taken = 10;
	mr_books_output(books, &output);
}

static void expect_filled(const struct mr_books *books, uint64_t times)
{
	assert_int_equal(books->row_count, MR_BOOKS_SOURCES_MAX + 1);
	assert_int_equal(books->rows[0].at[MR_B_PARSED], 7 * times);
	assert_int_equal(books->rows[2].at[MR_B_REJECTED + MR_REJECT_NOT_JSON], times);
	assert_int_equal(books->rows[MR_BOOKS_SOURCES_MAX].at[MR_B_ALERTS], 5 * times);
	assert_int_equal(books->link_count, 1);
	assert_int_equal(books->links[0].sent_items, 40 * times);
	assert_int_equal(books->links[0].received_items, 40 * times);
	assert_int_equal(books->position_count, 2 * times);
	assert_string_equal(books->positions[0].partition, "a/file");
	assert_int_equal(books->positions[1].position, 20);
	assert_int_equal(books->output_count, 1);
	assert_int_equal(books->outputs[0].taken, 10);
	assert_int_equal(books->outputs[0].lines.lines, 1);
	assert_int_equal(books->outputs[0].lines.bytes, 7);
	assert_string_equal(books->outputs[0].file, "/var/lib/alerts.ndjson");
}

static void gather(void *context, struct mr_slice part)
{
	mr_buf_add(context, part.at, part.len);
}

static void take_part(void *context, struct mr_slice part)
{
	struct mr_slice own = exact(part.at, part.len);
	assert_in_range(part.len, 1, 64 + 300);
	assert_int_equal(mr_books_decode(own, context, NULL), MR_OK);
	drop(own);
}

static void books_add_up_and_travel_in_parts(void **state)
{
	(void)state;
	struct mr_books books = {0}, back = {0};
	fill(&books);
	expect_filled(&books, 1);
	mr_books_encode(&books, 64, take_part, &back);
	expect_filled(&back, 1);
	mr_books_add(&back, &books);
	expect_filled(&back, 2);
	mr_books_clear(&books);
	struct mr_buf nothing = {0};
	mr_books_encode(&books, 64, gather, &nothing);
	assert_int_equal(nothing.len, 0);
	fill(&books);
	expect_filled(&books, 1);
	mr_books_fini(&back);
	mr_books_fini(&books);
}

static void any_bytes_are_survived(void **state)
{
	(void)state;
	struct mr_books books = {0}, back = {0};
	struct mr_buf out = {0};
	fill(&books);
	mr_books_encode(&books, 1 << 20, gather, &out);
	for (size_t len = 0; len <= out.len; len++) {
		struct mr_slice part = exact(out.data, len);
		mr_books_decode(part, &back, NULL);
		for (size_t i = 0; i < len; i++) {
			char *byte = (char *)(uintptr_t)part.at + i;
			*byte = (char)(*byte ^ 0xff);
			mr_books_decode(part, &back, NULL);
			*byte = (char)(*byte ^ 0xff);
			mr_books_clear(&back);
		}
		drop(part);
	}
	assert_int_equal(mr_books_decode(S("\x94\x00\x00\x00"), &back, NULL), MR_BAD_INPUT);
	assert_int_equal(mr_books_decode(S("\x94\x04\x00\x00\x00"), &back, NULL), MR_BAD_INPUT);
	assert_int_equal(mr_books_decode(S("\x93\x00\x00\x00"), &back, NULL), MR_BAD_INPUT);
	/* A partition with a zero byte in its name. */
	assert_int_equal(mr_books_decode(S("\x94\x02\x00\xa1\x00\x00"), &back, NULL), MR_BAD_INPUT);
	mr_buf_fini(&out);
	mr_books_fini(&back);
	mr_books_fini(&books);
}

static void each_count_has_a_name(void **state)
{
	(void)state;
	for (int book = 0; book < MR_B_COUNT; book++) {
		assert_true(strlen(mr_book_name((enum mr_book)book)) > 0);
		assert_true(strlen(mr_book_prose((enum mr_book)book)) > 0);
	}
	assert_string_equal(mr_book_name((enum mr_book)(MR_B_REJECTED + MR_REJECT_TOO_LONG)),
			    "rejected_too_long");
}

static struct mr_line_hash hash_of(const char *const *lines, size_t count)
{
	struct mr_line_hash hash = {0};
	for (size_t i = 0; i < count; i++)
		mr_line_hash_add(&hash, mr_slice(lines[i]));
	return hash;
}

static void the_hash_of_lines_tells_order_from_content(void **state)
{
	(void)state;
	struct mr_line_hash one = hash_of((const char *[]){"a\n", "b\n", "c"}, 3);
	struct mr_line_hash same = hash_of((const char *[]){"a", "b", "c\n"}, 3);
	struct mr_line_hash swapped = hash_of((const char *[]){"b\n", "a\n", "c\n"}, 3);
	struct mr_line_hash altered = hash_of((const char *[]){"a\n", "b\n", "d\n"}, 3);
	assert_true(mr_line_hash_equal(&one, &same));
	assert_int_equal(one.bytes, 6);
	assert_false(mr_line_hash_equal(&one, &swapped));
	assert_true(one.sum[0] == swapped.sum[0] && one.sum[1] == swapped.sum[1]);
	assert_false(one.sum[0] == altered.sum[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(books_add_up_and_travel_in_parts),
	    cmocka_unit_test(any_bytes_are_survived),
	    cmocka_unit_test(each_count_has_a_name),
	    cmocka_unit_test(the_hash_of_lines_tells_order_from_content),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
