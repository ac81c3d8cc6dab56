/* test_books.c - the books of a worker: they add up, travel in parts, and survive any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

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
	mr_books_shed(books, S("rule-1"), 3);
	mr_books_shed(books, S(""), 2);
	mr_books_shed(books, S("rule-1"), 4);
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
	assert_int_equal(books->shed_count, 2);
	assert_string_equal(books->sheds[0].rule, "rule-1");
	assert_int_equal(books->sheds[0].slots, 7 * times);
	assert_int_equal(books->sheds[1].slots, 2 * times);
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
	mr_books_encode(&books, 64, take_part, &back);
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

/* Said at one barrier after another that is given up: they take no more room. */
static void of_a_partition_the_last_position_stays(void **state)
{
	(void)state;
	struct mr_books books = {0};
	char name[16];
	uint64_t last[3][5] = {{0}};
	for (uint64_t i = 0; i < 10000; i++) {
		uint32_t source = (uint32_t)(i % 3), partition = (uint32_t)(i % 5);
		snprintf(name, sizeof name, "file %u", partition);
		mr_books_position(&books, source, mr_slice(name), i);
		last[source][partition] = i;
	}
	assert_in_range(books.position_capacity, 15, 64);
	assert_in_range(books.position_bytes, 15, 64 * 48);
	uint64_t seen[3][5] = {{0}};
	for (size_t i = 0; i < books.position_count; i++) {
		const struct mr_book_position *it = &books.positions[i];
		seen[it->source][it->partition[5] - '0'] = it->position;
	}
	assert_memory_equal(seen, last, sizeof last);
	mr_books_clear(&books);
	assert_int_equal(books.position_bytes, 0);
	mr_books_fini(&books);
}

/* A part of one item of this kind, which none has said before. */
static void put_new(struct mr_buf *out, int kind, uint64_t i)
{
	char name[8192];
	struct mr_books books = {0};
	struct mr_book_link link = {.edge = (uint32_t)i};
	struct mr_book_output output = output_of(name, i);
	memset(name, 'x', sizeof name - 1);
	snprintf(name, sizeof name, "%020llu", (unsigned long long)i);
	if (kind == 0)
		mr_books_link(&books, &link);
	if (kind == 1)
		mr_books_output(&books, &output);
	name[20] = 'x';
	name[sizeof name - 1] = 0;
	if (kind == 2)
		mr_books_position(&books, 0, mr_slice(name), i);
	if (kind == 3)
		mr_books_shed(&books, (struct mr_slice){name, 20}, i);
	out->len = 0;
	mr_books_encode(&books, 1 << 20, gather, out);
	mr_books_fini(&books);
}

/* A hundred rules by themselves: what is shown of them is bounded. */
static void sheds_of_many_rules_are_summed(void **state)
{
	(void)state;
	struct mr_books sums = {0};
	for (int round = 1; round <= 2; round++) {
		struct mr_books books = {0};
		for (int i = 0; i < 150; i++) {
			char name[16];
			snprintf(name, sizeof name, "rule-%d", i);
			mr_books_shed(&books, mr_slice(name), 3);
		}
		mr_books_add_sheds(&sums, &books);
		mr_books_fini(&books);
		assert_int_equal(sums.shed_count, 101);
		assert_int_equal(sums.sheds[99].slots, 3 * round);
		assert_string_equal(sums.sheds[100].rule, "(others)");
		assert_int_equal(sums.sheds[100].slots, 50 * 3 * round);
	}
	mr_books_fini(&sums);
}

static void books_have_an_end(void **state)
{
	(void)state;
	const uint64_t most[] = {MR_BOOKS_LINKS_MAX, MR_BOOKS_OUTPUTS_MAX,
				 MR_BOOKS_POSITION_BYTES_MAX / 8192, MR_BOOKS_SHEDS_MAX};
	for (int kind = 0; kind < 4; kind++) {
		struct mr_books books = {0};
		struct mr_buf part = {0};
		struct mr_error error = {0};
		enum mr_err err = MR_OK;
		uint64_t taken = 0;
		for (; taken <= most[kind] && err == MR_OK; taken += err == MR_OK) {
			put_new(&part, kind, taken);
			err =
			    mr_books_decode((struct mr_slice){part.data, part.len}, &books, &error);
		}
		assert_int_equal(err, MR_NO_SPACE);
		assert_in_range(taken, most[kind] - most[kind] / 100, most[kind]);
		mr_buf_fini(&part);
		mr_books_fini(&books);
	}
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
	for (int book = 0; book < MR_B_COUNT; book++)
		assert_true(strlen(mr_book_name((enum mr_book)book)) > 0);
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
	    cmocka_unit_test(of_a_partition_the_last_position_stays),
	    cmocka_unit_test(books_have_an_end),
	    cmocka_unit_test(sheds_of_many_rules_are_summed),
	    cmocka_unit_test(any_bytes_are_survived),
	    cmocka_unit_test(each_count_has_a_name),
	    cmocka_unit_test(the_hash_of_lines_tells_order_from_content),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
