/* test_json.c - the JSON reader: its verdict with reason and offset, its values, its edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "naive_json.h"

static struct mr_json_reader *reader;

/* The document in a heap buffer of its length and the padding. Gives the refusal, or "" where it
 * was taken and the naive reader agrees with all of it. */
static const char *judged(const char *bytes, size_t len)
{
	static struct mr_error error;
	struct mr_json_node root;
	char *exact = mr_malloc(len + MR_JSON_PADDING);
	memcpy(exact, bytes, len);
	memset(exact + len, '7', MR_JSON_PADDING);
	error = (struct mr_error){0};
	struct mr_slice doc = {exact, len};
	bool taken = mr_json_read(reader, doc, &root, &error) == MR_OK;
	assert_true(mr_json_as_dom(reader, doc, taken));
	if (taken)
		naive_check(reader, doc, root);
	free(exact);
	return error.text;
}

static void valid_documents_agree(void **state)
{
	(void)state;
	static const char *const documents[] = {
	    "{}",
	    "[]",
	    " 1 ",
	    "\"\"",
	    "null",
	    "-0",
	    "[[],[[]],{},{\"a\":{}}]",
	    "{\"a\":[1,2.5,-3e-7,1E+2,true,false,null,\"x\"],\"b\":{\"c\":"
	    "\"\\u0041\\ud834\\udd1e\"}}",
	    "[\"\\\"\",\"\\\\\",\"\\\\\\\"\",\"a\\\"b\",\"\\/\\b\\f\\n\\r\\t\"]",
	    "[18446744073709551615,9223372036854775808,-9223372036854775808,9007199254740993]",
	    "[1.7976931348623157e308,5e-324,0.1,1e-400,123456789012345678901234567890.5]",
	    " { \"a\" : [ 1 , { \"b\" : null } , [ ] ] , \"\\u00e9\xc3\xa9\" : "
	    "\"\xf0\x9d\x84\x9e\" } ",
	    "[{\"Name\":\"a\",\"Value\":1},{\"Name\":\"b\",\"Value\":[]},{\"Name\":\"c\",\"Value\":"
	    "2.0}]",
	};
	for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
		assert_string_equal(judged(documents[i], strlen(documents[i])), "");
}

static void refusals_say_where_and_why(void **state)
{
	(void)state;
	static const struct {
		const char *document;
		const char *text;
	} cases[] = {
	    {"", "not JSON: nothing at offset 0"},
	    {"  ", "not JSON: nothing at offset 2"},
	    {"{\"a\" 1}", "not JSON: a key without a colon behind it at offset 5"},
	    {"[1 2]", "not JSON: something else where a comma or a closing bracket should stand at "
		      "offset 3"},
	    {"[1,]", "not JSON: something else where a value should stand at offset 3"},
	    {"{,}", "not JSON: something else where a key should stand at offset 1"},
	    {"[\"abc", "not JSON: a string without its end at offset 1"},
	    {"[\"\\u12g4\"]", "not JSON: \\u without four hexadecimal digits at offset 2"},
	    {"[\"\\udc00\"]", "not JSON: a low surrogate without a high one before it at offset 2"},
	    {"[\"\\ud800x\"]",
	     "not JSON: a high surrogate without a low one behind it at offset 2"},
	    {"[18446744073709551616]", "not JSON: an integer past 64 bits at offset 1"},
	    {"[-1e999]", "not JSON: a number past what a double holds at offset 1"},
	    {"[1.]", "not JSON: a number without digits behind its point at offset 1"},
	    {"[1e]", "not JSON: a number without digits in its exponent at offset 1"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(judged(cases[i].document, strlen(cases[i].document)),
				    cases[i].text);
}

/* Every beginning of a document is refused, with a place, and never read past. */
static void cut_documents_are_refused(void **state)
{
	(void)state;
	const char *document =
	    "{\"a\":[1,2.5,-3e-7,true,null,\"x\\u00e9\\n\xc3\xa9\"],\"b\":{\"c\":\"\"}}";
	for (size_t len = 0; len < strlen(document); len++)
		assert_non_null(strstr(judged(document, len), " at offset "));
	assert_string_equal(judged(document, strlen(document)), "");
}

static void depth_is_bounded(void **state)
{
	(void)state;
	for (size_t depth = 1000; depth <= 100000; depth += 99000) {
		char *document = mr_malloc(2 * depth);
		memset(document, '[', depth);
		memset(document + depth, ']', depth);
		const char *text = judged(document, 2 * depth);
		if (depth == 1000)
			assert_string_equal(text, "");
		else
			assert_non_null(strstr(text, "nesting that is too deep at offset 1023"));
		free(document);
	}
}

static void length_is_bounded(void **state)
{
	(void)state;
	struct mr_json_reader *small = mr_json_reader_new(4);
	struct mr_json_node root;
	struct mr_error error = {0};
	char document[5 + MR_JSON_PADDING] = "[1 ] ";
	assert_int_equal(mr_json_read(small, (struct mr_slice){document, 4}, &root, &error), MR_OK);
	assert_int_equal(mr_json_read(small, (struct mr_slice){document, 5}, &root, &error),
			 MR_BAD_INPUT);
	assert_string_equal(error.text, "5 bytes long, the longest taken is 4");
	mr_json_reader_free(small);
	mr_json_reader_free(NULL);
}

/* What is read here and what is left to simdjson: as_dom compares the bits. */
static void decimals_are_the_doms(void **state)
{
	(void)state;
	static const char *const wholes[] = {"",
					     "0",
					     "-0",
					     "7",
					     "-12",
					     "00",
					     "-01",
					     "52",
					     "48.",
					     "123456789012345",
					     "99999999999999",
					     "1234567890123456"};
	static const char *const fractions[] = {"",
						"0",
						"1",
						"3",
						"52",
						"0001",
						"740061",
						"000000000000001",
						"9999999999999",
						"12345678901234",
						"99999999999999999"};
	static const char *const ends[] = {"", " ", "x", "e3", "E-2", ".", "-", "\"", "\xb0"};
	for (size_t w = 0; w < sizeof wholes / sizeof *wholes; w++)
		for (size_t f = 0; f < sizeof fractions / sizeof *fractions; f++)
			for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
				char text[96];
				int len = snprintf(text, sizeof text, "[%s.%s%s,%s.%s]", wholes[w],
						   fractions[f], ends[e], wholes[w], fractions[f]);
				judged(text, (size_t)len);
				judged(text + 1, strcspn(text + 1, ","));
			}
}

static void numbers_in_a_shape_are_the_doms(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    "0",    "9",      "10",   "12345678", "98765432", "123456789", "01",       "00000000",
	    "-5",   "1.5",    "2 ",   "1x",       "1:",       "3/",        "1234567/", "1\xb0",
	    "true", "falsey", "null", "\"1\"",    "1 2",      "99999999"};
	struct mr_json_reader *plain = reader;
	reader = mr_json_reader_new(1 << 10);
	mr_json_reader_learns(reader);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char text[64];
		judged("{\"a\":1,\"b\":7}", strlen("{\"a\":1,\"b\":7}"));
		int len = snprintf(text, sizeof text, "{\"a\":%s,\"b\":7}", texts[i]);
		judged(text, (size_t)len);
	}
	mr_json_reader_free(reader);
	reader = plain;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decimals_are_the_doms),
	    cmocka_unit_test(numbers_in_a_shape_are_the_doms),
	    cmocka_unit_test(valid_documents_agree),
	    cmocka_unit_test(refusals_say_where_and_why),
	    cmocka_unit_test(cut_documents_are_refused),
	    cmocka_unit_test(depth_is_bounded),
	    cmocka_unit_test(length_is_bounded),
	};
	reader = mr_json_reader_new(1 << 20);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	mr_json_reader_free(reader);
	return failed;
}
