/* test_dead_letter.c - rejected records: text, bytes, long ones, and those that cannot be read
 * again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dead_letter.h"
#include "millrace/alive.h"
#include "fake_files.h"
#include "read_json.h"

#define S(text) MR_SLICE(text)

static enum mr_err gather(void *context, struct mr_slice bytes, struct mr_error *error)
{
	(void)error;
	mr_buf_add(context, bytes.at, bytes.len);
	return MR_OK;
}

static enum mr_err refuse(void *context, struct mr_slice bytes, struct mr_error *error)
{
	uint64_t *left = context;
	(void)bytes;
	if ((*left)-- == 0)
		return mr_error_set(error, MR_NO_SPACE, "full");
	return MR_OK;
}

static struct json_line line;
static uint64_t most = UINT64_MAX;

static void write_line(const struct mr_files *files, const struct mr_reject *reject)
{
	struct mr_buf buf = {0};
	struct dead_letter_out out = {.put = gather, .context = &buf, .most = most};
	assert_int_equal(dead_letter_put(&out, NULL, files, reject, NULL), MR_OK);
	assert_int_equal(buf.data[buf.len - 1], '\n');
	assert_null(memchr(buf.data, '\n', buf.len - 1));
	assert_true(json_line_open(&line, buf.data, buf.len - 1));
	mr_buf_fini(&buf);
}

static void text_stands_as_it_is(void **state)
{
	(void)state;
	struct mr_reject reject = {.length = 9,
				   .name = S("a\"b.json"),
				   .offset = 1ull << 40,
				   .reason = S("no \x01 JSON"),
				   .bytes = S("{\"a\":\n\\ud")};
	write_line(NULL, &reject);
	assert_string_equal(json_at(&line, "source"), "a\"b.json");
	assert_string_equal(json_at(&line, "offset"), "1099511627776");
	assert_string_equal(json_at(&line, "length"), "9");
	assert_string_equal(json_at(&line, "reason"), "no \x01 JSON");
	assert_string_equal(json_at(&line, "record"), "{\"a\":\n\\ud");
	assert_null(json_at(&line, "record_base64"));
	json_line_close(&line);
}

static void bytes_are_base64(void **state)
{
	(void)state;
	struct mr_reject reject = {
	    .length = 5, .name = S("f"), .reason = S("r"), .bytes = S("\xff\x00{}\xc3")};
	write_line(NULL, &reject);
	assert_string_equal(json_at(&line, "record_base64"), "/wB7fcM=");
	assert_null(json_at(&line, "record"));
	json_line_close(&line);
}

static void nothing_is_an_empty_record(void **state)
{
	(void)state;
	struct mr_reject reject = {.name = S("f"), .reason = S("r")};
	write_line(NULL, &reject);
	assert_string_equal(json_at(&line, "record"), "");
	json_line_close(&line);
}

/* A long text of characters of 1 to 4 bytes, shifted so that they fall on every cut. */
static void a_long_record_comes_in_pieces(void **state)
{
	(void)state;
	static const char *const characters[] = {"a", "\xc3\xa4", "\xe2\x82\xac",
						 "\xf0\x9f\x98\x80"};
	for (size_t shift = 0; shift < 5; shift++) {
		struct mr_buf text = {0};
		for (size_t i = 0; i < shift; i++)
			mr_buf_add_text(&text, "x");
		for (size_t i = 0; text.len < 200000; i++)
			mr_buf_add_text(&text, characters[i % 4]);
		struct mr_files files = {.names = {S("spool")}, .bytes = {{text.data, text.len}}};
		struct mr_reject reject = {.length = text.len,
					   .name = S("f"),
					   .reason = S("r"),
					   .origin = {.length = (uint32_t)text.len}};
		write_line(&files, &reject);
		mr_buf_add(&text, "", 1);
		assert_string_equal(json_at(&line, "record"), text.data);
		json_line_close(&line);
		/* One ill-formed byte at its end makes all of it bytes. */
		text.data[text.len - 1] = (char)0xe2;
		files.bytes[0].len = text.len;
		reject.length = text.len;
		reject.origin.length = (uint32_t)text.len;
		write_line(&files, &reject);
		assert_null(json_at(&line, "record"));
		assert_int_equal(strlen(json_at(&line, "record_base64")), (text.len + 2) / 3 * 4);
		json_line_close(&line);
		mr_buf_fini(&text);
	}
}

static void a_file_cut_short_leaves_a_whole_line(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	while (text.len < 100000)
		mr_buf_add_text(&text, "0123456789");
	struct mr_files files = {.names = {S("cut")}, .bytes = {{text.data, 60000}}};
	struct mr_reject reject = {.length = text.len,
				   .name = S("f"),
				   .reason = S("r"),
				   .origin = {.length = (uint32_t)text.len}};
	write_line(&files, &reject);
	assert_string_equal(json_at(&line, "problem"), "cut: has become shorter");
	assert_string_equal(json_at(&line, "written"), "49152");
	assert_int_equal(strlen(json_at(&line, "record")), 49152);
	json_line_close(&line);
	reject.origin.partition = 9;
	write_line(&files, &reject);
	assert_string_equal(json_at(&line, "record"), "");
	assert_string_equal(json_at(&line, "problem"), "there is no file 9");
	json_line_close(&line);
	mr_buf_fini(&text);
}

/* Whichever read it is, of bytes that are no text. */
static void one_that_the_disk_does_not_give(void **state)
{
	(void)state;
	char bytes[100000];
	memset(bytes, 0xff, sizeof bytes);
	struct mr_files files = {.names = {S("spool")}, .bytes = {{bytes, sizeof bytes}}};
	struct mr_reject reject = {.length = sizeof bytes,
				   .name = S("f"),
				   .reason = S("r"),
				   .origin = {.length = sizeof bytes}};
	unsigned failed = 0;
	for (bool met = true; met; failed += met) {
		struct mr_buf buf = {0};
		struct mr_error error = {0};
		struct dead_letter_out out = {
		    .put = gather, .context = &buf, .most = UINT64_MAX, .whole = true};
		fake_reads = 0;
		fake_unread = failed + 1;
		enum mr_err err = dead_letter_put(&out, NULL, &files, &reject, &error);
		met = fake_reads >= fake_unread;
		assert_int_equal(err, met ? MR_IO : MR_OK);
		assert_string_equal(error.text,
				    met ? "spool: cannot read: Input/output error" : "");
		mr_buf_fini(&buf);
		fake_reads = 0;
		write_line(&files, &reject);
		assert_null(json_at(&line, "record"));
		assert_true(met == (json_at(&line, "problem") != NULL) || failed == 0);
		json_line_close(&line);
	}
	fake_unread = 0;
	assert_int_equal(failed, 4); /* one looks whether it is text, and three write it down */
}

/* The spool keeps so much of a record that is far too long; a region past 4 GiB cannot say how long
 * it is. */
static void what_was_kept_is_written(void **state)
{
	(void)state;
	struct mr_files files = {.names = {S("spool")}, .bytes = {S("0123456789")}};
	struct mr_reject reject = {
	    .length = 5000000000, .name = S("f"), .reason = S("r"), .origin = {.length = 10}};
	write_line(&files, &reject);
	assert_string_equal(json_at(&line, "record"), "0123456789");
	assert_string_equal(json_at(&line, "length"), "5000000000");
	assert_string_equal(json_at(&line, "written"), "10");
	assert_null(json_at(&line, "problem"));
	json_line_close(&line);
	reject.origin.length = UINT32_MAX;
	write_line(&files, &reject);
	assert_string_equal(json_at(&line, "problem"), "spool: has become shorter");
	json_line_close(&line);
}

/* Text is cut between two characters. */
static void of_one_that_is_far_too_long_a_part_is_written(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	while (text.len < 100000)
		mr_buf_add_text(&text, "0\xc3\xa4"); /* three bytes */
	struct mr_reject reject = {.length = text.len, .name = S("f"), .reason = S("r")};
	reject.bytes = (struct mr_slice){text.data, text.len};
	for (most = 49151; most < 49158; most++) {
		char want[16];
		uint64_t whole = most - (most % 3 == 2);
		write_line(NULL, &reject);
		snprintf(want, sizeof want, "%llu", (unsigned long long)whole);
		assert_string_equal(json_at(&line, "written"), want);
		assert_int_equal(strlen(json_at(&line, "record")), whole);
		json_line_close(&line);
	}
	reject.bytes.at = text.data + 2; /* begins within a character */
	reject.bytes.len = reject.length = text.len - 2;
	most = 50000;
	write_line(NULL, &reject);
	assert_string_equal(json_at(&line, "written"), "50000");
	assert_non_null(json_at(&line, "record_base64"));
	json_line_close(&line);
	most = UINT64_MAX;
	mr_buf_fini(&text);
}

/* A control character takes six bytes as text. */
static void text_of_escapes_is_no_longer_than_base64(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	while (text.len < 90000)
		mr_buf_add_text(&text, "\x01");
	struct mr_reject reject = {.length = text.len, .name = S("f"), .reason = S("r")};
	reject.bytes = (struct mr_slice){text.data, text.len};
	most = 60000;
	write_line(NULL, &reject);
	assert_null(json_at(&line, "record"));
	assert_int_equal(strlen(json_at(&line, "record_base64")), 80000);
	assert_string_equal(json_at(&line, "written"), "60000");
	json_line_close(&line);
	for (size_t plain = 0; plain < text.len; plain++)
		text.data[plain] = plain % 15 == 0 ? '\x01' : 'x'; /* 20 bytes of 15 */
	write_line(NULL, &reject);
	assert_int_equal(strlen(json_at(&line, "record")), 60000);
	json_line_close(&line);
	text.data[1] = '"';
	write_line(NULL, &reject);
	assert_int_equal(strlen(json_at(&line, "record_base64")), 80000);
	json_line_close(&line);
	most = UINT64_MAX;
	memset(text.data, 1, text.len);
	write_line(NULL, &reject);
	assert_int_equal(strlen(json_at(&line, "record")), text.len);
	json_line_close(&line);
	mr_buf_fini(&text);
}

static void count_sign(void *context)
{
	++*(unsigned *)context;
}

static void long_ones_give_signs_of_life(void **state)
{
	(void)state;
	unsigned signs = 0;
	struct mr_buf text = {0};
	while (text.len < 1000000)
		mr_buf_add_text(&text, "0123456789");
	struct mr_reject reject = {.length = text.len, .name = S("f"), .reason = S("r")};
	reject.bytes = (struct mr_slice){text.data, text.len};
	mr_alive_listen(count_sign, &signs);
	write_line(NULL, &reject);
	mr_alive_listen(NULL, NULL);
	assert_true(signs >= 2 * text.len / 50000); /* it is read twice */
	json_line_close(&line);
	mr_buf_fini(&text);
}

static void every_write_may_fail(void **state)
{
	(void)state;
	struct mr_reject reject = {.length = 2, .name = S("f"), .reason = S("r"), .bytes = S("ab")};
	uint64_t left;
	struct dead_letter_out out = {.put = refuse, .context = &left, .most = UINT64_MAX};
	for (uint64_t call = 0; call < 3; call++) {
		left = call;
		assert_int_equal(dead_letter_put(&out, NULL, NULL, &reject, NULL), MR_NO_SPACE);
	}
	left = 3;
	assert_int_equal(dead_letter_put(&out, NULL, NULL, &reject, NULL), MR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_stands_as_it_is),
	    cmocka_unit_test(bytes_are_base64),
	    cmocka_unit_test(nothing_is_an_empty_record),
	    cmocka_unit_test(a_long_record_comes_in_pieces),
	    cmocka_unit_test(a_file_cut_short_leaves_a_whole_line),
	    cmocka_unit_test(one_that_the_disk_does_not_give),
	    cmocka_unit_test(what_was_kept_is_written),
	    cmocka_unit_test(of_one_that_is_far_too_long_a_part_is_written),
	    cmocka_unit_test(text_of_escapes_is_no_longer_than_base64),
	    cmocka_unit_test(long_ones_give_signs_of_life),
	    cmocka_unit_test(every_write_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
