/* test_alike.c - records that are written alike: what is known of the first ones changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse/alike.h"

/* Pairs of one shape, and pairs that differ from it in one thing. */
static const char *const pairs[][2] = {
    {"{\"a\":\"x\",\"Id\":\"1\"}", "{\"a\":\"y\",\"Id\":\"2\"}"},
    {"{\"a\":1}", "{\"a\":-2.5e3}"},
    {"{\"a\":1}", "{\"a\":12345678901234567890}"},
    {"{\"a\":1}", "{\"a\":123456789012345678901234567890}"},
    {"{\"a\":1}", "{\"a\":01}"},
    {"{\"a\":1}", "{\"a\":1x}"},
    {"{\"a\":true}", "{\"a\":null}"},
    {"{\"a\":true}", "{\"a\":false}"},
    {"{\"a\":[1,true]}", "{\"a\":[1,null]}"},
    {"{\"a\":[null]}", "{\"a\":[0]}"},
    {"{\"a\":\"x\"}", "{\"a\":{}}"},
    {"{\"a\":{}}", "{\"a\":[]}"},
    {"{\"a\":\"xyz\"}", "{\"a\":\"\\u00e9\\\"\"}"},
    {"{\"a\":\"xyz\"}", "{\"a\":\"\\ud800\"}"},
    {"{\"a\":\"xyz\"}", "{\"a\":\"\\x\"}"},
    {"{\"a\":\"xyz\"}", "{\"a\":\"x\" }"},
    {"{\"a\":\"xyz\"}", "{\"a\" :\"x\"}"},
    {"{\"a\":\"{\\\"b\\\":1}\"}", "{\"a\":\"{\\\"b\\\":{\\\"c\\\":2}}\"}"},
    {"{\"a\":\"{\\\"b\\\":1}\"}", "{\"a\":\"[{\\\"b\\\":2,\\\"b\\\":3}]\"}"},
    {"{\"a\":\"x\",\"b\":\"x\"}", "{\"a\":\"x\",\"a\":\"y\"}"},
    {"{\"a\":\"x\",\"b\":\"x\"}", "{\"a\":\"x\",\"A\":\"y\"}"},
    {"{\"Parameters\":[{\"Name\":\"ForwardTo\",\"Value\":\"p\"}]}",
     "{\"Parameters\":[{\"Name\":\"a.b\",\"Value\":\"q\"}]}"},
    {"{\"Parameters\":[{\"Name\":\"ForwardTo\",\"Value\":\"p\"},{\"Name\":\"x\",\"Value\":\"p\"}]}",
     "{\"Parameters\":[{\"Name\":\"x\",\"Value\":\"q\"},{\"Name\":\"FORWARDTO\",\"Value\":\"r\"}]"
     "}"},
    {"{\"Parameters\":[{\"Name\":\"x\",\"Value\":{\"b\":1}}],\"Parameters.a\":{\"b\":2}}",
     "{\"Parameters\":[{\"Name\":\"a\",\"Value\":{\"b\":3}}],\"Parameters.a\":{\"b\":4}}"},
    {"{\"ModifiedProperties\":[{\"displayName\":\"X\",\"oldValue\":{\"a\":1},\"newValue\":\"n\"}]}",
     "{\"ModifiedProperties\":[{\"displayName\":\"Y\",\"oldValue\":{\"a\":2},\"newValue\":\"m\"}]"
     "}"},
    {"{\"properties\":{\"message\":\"m\",\"a\":{\"b\":\"c\"}},\"a\":\"t\"}",
     "{\"properties\":{\"message\":\"n\",\"a\":{\"b\":\"d\"}},\"a\":\"u\"}"},
    {"{\"properties\":\"{\\\"a\\\":1}\"}", "{\"properties\":\"{\\\"message\\\":2}\"}"},
    {"{\"a\":\"x\"}", "{\"b\":\"x\"}"},
    {"{\"a\":\"x\"}", "{\"a\":\"x\"}}"},
    {"{\"a\":\"x\"}", "{\"a\":\"x\"]"},
    {"[{\"a\":\"x\"}]", "[{\"a\":\"y\"}]"},
    {"{\"Event\":{\"EventData\":{\"Data\":[{\"#attributes\":{\"Name\":\"Image\"},\"#text\":\"i\"},"
     "{\"#attributes\":{\"Name\":\"a\"},\"#text\":\"v\"}]}}}",
     "{\"Event\":{\"EventData\":{\"Data\":[{\"#attributes\":{\"Name\":\"Details\"},\"#text\":\"d\"}"
     ","
     "{\"#attributes\":{\"Name\":\"Image\"},\"#text\":\"w\"}]}}}"},
    {"{\"EventData\":{\"Data\":[{\"@Name\":\"x\",\"#text\":\"1\"},{\"@Name\":\"y\",\"#text\":\"2\"}"
     "]}}",
     "{\"EventData\":{\"Data\":[{\"@Name\":\"Image\",\"#text\":\"3\"},"
     "{\"@Name\":\"Image\",\"#text\":\"4\"}]}}"},
    {"{\"EventData\":{\"Data\":{\"Name\":\"\",\"Value\":{\"b\":1}}}}",
     "{\"EventData\":{\"Data\":{\"Name\":\"a\",\"Value\":{\"b\":2}}}}"},
    {"{\"Event\":{\"System\":{\"Provider\":{\"#attributes\":{\"Name\":\"p\"}},\"Computer\":\"c\"}}"
     "}",
     "{\"Event\":{\"System\":{\"Provider\":{\"#attributes\":{\"Name\":\"q\"}},\"Computer\":\"d\"}}"
     "}"},
    {"{\"winlog\":{\"event_data\":{\"Image\":\"x\"},\"computer_name\":\"c\"},\"Details\":\"t\"}",
     "{\"winlog\":{\"event_data\":{\"Image\":\"y\"},\"computer_name\":\"d\"},\"Details\":\"u\"}"},
};

static void what_was_seen_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		alike_check(mr_slice(pairs[i][0]), mr_slice(pairs[i][1]));
		alike_check(mr_slice(pairs[i][1]), mr_slice(pairs[i][0]));
	}
}

/* Of one shape, from a source that says what its records are, and from one that does not. */
static void what_another_source_sent_changes_nothing(void **state)
{
	(void)state;
	const char *text = "{\"EventData\":{\"Image\":\"x\"},\"Id\":\"1\"}";
	for (uint32_t first = 0; first < 2; first++) {
		struct harness both, fresh;
		harness_logsource_1 = "product=windows";
		harness_open(&both, alike_names, NULL, "65536");
		harness_open(&fresh, alike_names, NULL, "65536");
		harness_logsource_1 = NULL;
		harness_source = first;
		harness_text(&both, text);
		harness_text(&both, text);
		harness_source = 1 - first;
		harness_same(&both, harness_text(&both, text), &fresh, harness_text(&fresh, text));
		harness_source = 0;
		harness_close(&both);
		harness_close(&fresh);
	}
}

/* More shapes than are remembered, each met again and again. */
static void more_shapes_than_are_kept(void **state)
{
	(void)state;
	struct harness many, fresh;
	char record[256];
	harness_open(&many, alike_names, NULL, "65536");
	for (unsigned i = 0; i < 60000; i++) {
		unsigned shape = (i * 2654435761u >> 8) % 3000;
		snprintf(record, sizeof record,
			 "{\"k%u\":%u,\"a\":{\"b\":\"v%u\"},\"Parameters\":[%s\"z\"]}",
			 shape % 1500, i, i, shape < 1500 ? "" : "\"y\",");
		const struct mr_event *event = harness_text(&many, record);
		assert_non_null(event);
		if (i % 200 != 0)
			continue;
		harness_open(&fresh, alike_names, NULL, "65536");
		harness_same(&many, event, &fresh, harness_text(&fresh, record));
		harness_close(&fresh);
	}
	harness_close(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_seen_changes_nothing),
	    cmocka_unit_test(what_another_source_sent_changes_nothing),
	    cmocka_unit_test(more_shapes_than_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
