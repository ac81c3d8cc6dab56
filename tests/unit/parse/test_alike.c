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
    /* Rows that a string decides on, and a kind that another has. */
    {"{\"Operation\":\"o\",\"Workload\":\"w\",\"UserId\":\"a@b.c\",\"ExtendedProperties\":"
     "[{\"Name\":\"x\",\"Value\":\"1\"}],\"CreationTime\":\"2026-01-02T03:04:05\"}",
     "{\"Operation\":\"p\",\"Workload\":\"v\",\"UserId\":\"d@e.f\",\"ExtendedProperties\":"
     "[{\"Name\":\"UserAgent\",\"Value\":\"2\"}],\"CreationTime\":\"2026-01-02 03:04:06\"}"},
    {"{\"category\":\"SignInLogs\",\"ipAddress\":\"10.1.2.3:45\",\"identity\":\"i\",\"id\":\"1\","
     "\"createdDateTime\":\"2026-01-02T03:04:05Z\",\"operationName\":\"n\"}",
     "{\"category\":\"AuditLogs\",\"ipAddress\":\"10.1.2.4:56\",\"identity\":\"j\",\"id\":\"2\","
     "\"createdDateTime\":\"2026-01-02T03:04:06Z\",\"operationName\":\"m\"}"},
    /* What joins a field, and what begins it anew. */
    {"{\"a\":[{\"b\":null},{\"b\":2},{\"b\":null},{\"b\":\"x\"}]}",
     "{\"a\":[{\"b\":null},{\"b\":3},{\"b\":null},{\"b\":\"y\"}]}"},
    {"{\"a\":{\"b\":{\"c\":1}},\"a.b\":{\"c\":2},\"a.b.c\":3}",
     "{\"a\":{\"b\":{\"c\":4}},\"a.b\":{\"c\":5},\"a.b.c\":6}"},
    {"{\"a.b.c\":null,\"a\":{\"b\":{\"c\":1}}}", "{\"a.b.c\":null,\"a\":{\"b\":{\"c\":2}}}"},
    {"{\"a\":[{\"b\":1},[2,\"x\",{\"b\":true}]],\"Id\":\"1\"}",
     "{\"a\":[{\"b\":3},[4,\"\\n\",{\"b\":false}]],\"Id\":\"2\"}"},
    /* Fields that the record and a string of it give values to. */
    {"{\"a\":\"{\\\"b\\\":1}\",\"a.b\":2}", "{\"a\":\"{\\\"c\\\":1}\",\"a.b\":3}"},
    {"{\"a.b\":null,\"a\":[\"{\\\"b\\\":1}\",{\"b\":4}]}",
     "{\"a.b\":null,\"a\":[\"{\\\"b\\\":{}}\",{\"b\":5}]}"},
    {"{\"Parameters\":[{\"Name\":\"x\",\"Value\":\"p\"},{\"ForwardTo\":\"q\"}],\"Parameters.Name\":"
     "1}",
     "{\"Parameters\":[{\"Name\":\"ForwardTo\",\"Value\":\"r\"},{\"ForwardTo\":\"s\"}],"
     "\"Parameters.Name\":2}"},
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

/* What stands where a number stood. */
static void numbers_of_each_form(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    "0",
	    "9",
	    "-0",
	    "-7",
	    "10",
	    "01",
	    "00000000",
	    "12345678",
	    "98765432",
	    "123456789",
	    "1 ",
	    "12345678 ",
	    " 5",
	    "1.5",
	    "12e1",
	    "1e",
	    "1.",
	    "-",
	    "1-",
	    "1/",
	    "1:",
	    "123456:",
	    "/",
	    "1\xb0",
	    "+1",
	    "1\"\"",
	    "1 2",
	    "1234567x",
	    "999999999999999999",
	    "9999999999999999999",
	    "true",
	    "null",
	    "tru",
	    "falsy",
	    "nul",
	    "nulls",
	    "true ",
	    "false",
	    "t",
	};
	static const char *const before[] = {"1", "true", "null"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		for (size_t k = 0; k < sizeof before / sizeof *before; k++) {
			char first[64], second[64];
			snprintf(first, sizeof first, "{\"a\":[%s,\"x\"]}", before[k]);
			snprintf(second, sizeof second, "{\"a\":[%s,\"y\"]}", texts[i]);
			alike_check(mr_slice(first), mr_slice(second));
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

/* Shapes of as many tokens push each other out: what is known of one then lies where that of
 * another lay, which has other fields, in another order. */
static void a_new_shape_in_the_place_of_an_old_one(void **state)
{
	(void)state;
	static const char *const forms[] = {
	    "{\"k%02u\":1,\"Computer\":\"v\",\"Image\":[\"z\",\"w\",\"x\",\"y\"]}",
	    "{\"k%02u\":1,\"Image\":[\"v\",\"z\",\"w\",\"y\"],\"Computer\":\"x\"}",
	    "{\"k%02u\":1,\"Image\":[\"v\",\"z\",\"w\",\"y\"],\"Details\":\"x\"}",
	    "{\"k%02u\":1,\"Details\":[\"v\",\"z\",\"w\",\"y\"],\"Image\":\"x\"}",
	    "{\"k%02u\":1,\"Computer\":[\"v\",\"z\",\"w\",\"y\"],\"Image\":\"x\"}",
	};
	struct harness many, fresh;
	char record[256];
	harness_open(&many, alike_names, NULL, "65536");
	for (unsigned i = 0; i < 100; i++) {
		snprintf(record, sizeof record, forms[i % (sizeof forms / sizeof *forms)], i);
		harness_open(&fresh, alike_names, NULL, "65536");
		const struct mr_event *one = harness_text(&fresh, record);
		for (unsigned again = 0; again < 3; again++)
			harness_same(&many, harness_text(&many, record), &fresh, one);
		harness_close(&fresh);
	}
	harness_close(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_seen_changes_nothing),
	    cmocka_unit_test(numbers_of_each_form),
	    cmocka_unit_test(what_another_source_sent_changes_nothing),
	    cmocka_unit_test(a_new_shape_in_the_place_of_an_old_one),
	    cmocka_unit_test(more_shapes_than_are_kept),
	};
	/* Where rules ask for little, the shape also tells what is made for another's sake. */
	static const mr_field asked[] = {MR_F_EMAIL_TO_EXTERNAL, MR_F_STATUS};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	memcpy(harness_asked, asked, sizeof asked);
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
