/* test_flatten.c - what of a record becomes which field. */
#include "parse/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

static struct harness h;

/* The field of the record, with only this name asked for. */
#define CHECK(record, name, expected) check_field(__LINE__, record, name, expected)
static void check_field(int line, const char *record, const char *name, const char *expected)
{
	const char *names[] = {name, NULL};
	harness_open(&h, names, NULL, NULL);
	struct mr_event *event = harness_text(&h, record);
	if (event == NULL)
		fail_msg("line %d: rejected: %s", line, h.reason);
	const char *got = shown(&h, event, name);
	if (strcmp(got, expected) != 0)
		fail_msg("line %d: %s is %s, not %s", line, name, got, expected);
	harness_close(&h);
}

static void scalars_keep_type_and_text(void **state)
{
	(void)state;
	CHECK("{\"x\":\"abc\"}", "x", "abc");
	CHECK("{\"x\":\"a\\/b\\u0041\\n\"}", "x", "a/bA\n");
	CHECK("{\"x\":\"\"}", "x", "");
	CHECK("{\"x\":true,\"y\":1}", "x", "btrue");
	CHECK("{\"x\":null}", "x", "(null)");
	CHECK("{\"x\":-0}", "x", "i-0");
	CHECK("{\"x\":1.0}", "x", "d1.0");
	CHECK("{\"x\":1e5 }", "x", "d1e5");
	CHECK("{\"x\":1E2}", "x", "d1E2");
	CHECK("{\"x\":9007199254740993}", "x", "i9007199254740993");
	CHECK("{\"x\":18446744073709551615}", "x", "u18446744073709551615");
	CHECK("{\"x\":-9223372036854775808}", "x", "i-9223372036854775808");
	CHECK("{\"y\":1}", "x", "-");
}

static void nesting_joins_with_dots(void **state)
{
	(void)state;
	CHECK("{\"a\":{\"b\":{\"c\":1}}}", "a.b.c", "i1");
	CHECK("{\"A\":{\"B\":{\"C\":1}}}", "a.b.c", "i1");
	CHECK("{\"a.b\":{\"c\":1}}", "a.b.c", "i1");
	CHECK("{\"a\":{\"b.c\":1}}", "a.b.c", "i1");
	CHECK("{\"a\":{\"b\":{\"c\":1}},\"a.b.c\":2}", "a.b.c", "i2");
	CHECK("{\"a.b.c\":2,\"a\":{\"b\":{\"c\":1}}}", "a.b.c", "i2");
	CHECK("{\"a.b\":{\"c\":3},\"a\":{\"b\":{\"c\":1}}}", "a.b.c", "i3");
	CHECK("{\"a\":1}", "a.b.c", "-");
	CHECK("{\"a\":{ \"b\": [1, {}] } ,\"z\":0}", "a", "j{ \"b\": [1, {}] }");
	CHECK("{\"\\u0041\":1}", "a", "i1");
	CHECK("{\"\xc3\x84rger\":1}", "\xc3\xa4RGER", "i1");
	CHECK("{\"a\":{}}", "a", "j{}");
}

static void arrays_make_several_values(void **state)
{
	(void)state;
	CHECK("{\"a\":[1,\"b\",null,[2,[3]]]}", "a", "i1|b|i2|i3");
	CHECK("{\"a\":[]}", "a", "(null)");
	CHECK("{\"a\":[null,[null,[]]]}", "a", "(null)");
	CHECK("{\"a\":[{}]}", "a", "j[{}]");
	CHECK("{\"a\":[{\"b\":1},{\"b\":2},{\"c\":3}]}", "a.b", "i1|i2");
	CHECK("{\"a\":[{\"b\":null},{\"b\":2}]}", "a.b", "i2");
	CHECK("{\"a\":[{\"b\":null},{\"b\":null}]}", "a.b", "(null)");
	CHECK("{\"a\":[{\"b\":[{\"c\":1},{\"c\":2}]},{\"b\":[{\"c\":3}]}]}", "a.b.c", "i1|i2|i3");
	CHECK("{\"a\":[ {\"b\":1} ,null]}", "a", "j[ {\"b\":1} ,null]");
}

static void three_views_of_named_values(void **state)
{
	(void)state;
	const char *record =
	    "{\"Parameters\":[{\"Name\":\"ForwardTo\",\"Value\":\"x@y\"},"
	    "{\"Name\":\"Keep\",\"Value\":\"True\"},{\"Name\":\"forwardto\",\"Value\":2}]}";
	CHECK(record, "parameters.ForwardTo", "x@y|i2");
	CHECK(record, "Parameters.Name", "ForwardTo|Keep|forwardto");
	CHECK(record, "Parameters.Value", "x@y|True|i2");
	CHECK(record, "Parameters",
	      "j[{\"Name\":\"ForwardTo\",\"Value\":\"x@y\"},{\"Name\":\"Keep\",\"Value\":\"True\"},"
	      "{\"Name\":\"forwardto\",\"Value\":2}]");
	CHECK("{\"E\":[{\"Key\":\"a b.c\",\"Value\":{\"d\":1}}]}", "e.a b.c.d", "i1");
	CHECK("{\"E\":[{\"value\":\"v\",\"key\":\"k\"}]}", "e.k", "v");
	CHECK("{\"E\":[{\"Name\":1,\"Value\":\"v\"},{\"Value\":\"w\"}]}", "e.1", "-");
	CHECK("{\"E\":[{\"Name\":\"Name\",\"Value\":\"v\"}]}", "e.name", "Name|v");
	CHECK("{\"E\":{\"Name\":\"k\",\"Value\":\"v\"}}", "e.k", "-");
}

static void old_and_new_values(void **state)
{
	(void)state;
	const char *record = "{\"ModifiedProperties\":[{\"Name\":\"Key.Description\",\"NewValue\":"
			     "\"n\",\"OldValue\":\"o\"},{\"Name\":\"B\",\"NewValue\":\"m\"}]}";
	CHECK(record, "ModifiedProperties.Key.Description.NewValue", "n");
	CHECK(record, "modifiedproperties.key.description.oldvalue", "o");
	CHECK(record, "ModifiedProperties.NewValue", "n|m");
	CHECK(record, "ModifiedProperties.Name", "Key.Description|B");
	CHECK("{\"t\":[{\"modifiedProperties\":[{\"displayName\":\"R\",\"newValue\":\"1\"}]}]}",
	      "t.modifiedProperties.R.newValue", "1");
}

static void json_in_strings_is_opened(void **state)
{
	(void)state;
	CHECK("{\"Data\":\"{\\\"op\\\":\\\"MailRedirect\\\"}\"}", "Data.op", "MailRedirect");
	CHECK("{\"Data\":\"{\\\"op\\\":1}\"}", "Data", "{\"op\":1}");
	CHECK("{\"Data\":\" [{\\\"op\\\":1},{\\\"op\\\":2}]\"}", "Data.op", "i1|i2");
	CHECK("{\"Data\":\"\\t{\\\"op\\\":1}\"}", "Data.op", "i1");
	CHECK("{\"Data\":\"{\\\"op\\\":1\"}", "Data.op", "-");
	CHECK("{\"E\":[{\"Name\":\"d\",\"Value\":\"{\\\"User-Agent\\\":\\\"x\\\"}\"}]}",
	      "E.d.User-Agent", "x");
	CHECK("{\"a\":\"{\\\"b\\\":\\\"{\\\\\\\"c\\\\\\\":7}\\\"}\"}", "a.b.c", "i7");
	/* The third level stays shut. */
	CHECK("{\"a\":\"{\\\"b\\\":\\\"{\\\\\\\"c\\\\\\\":\\\\\\\"{"
	      "\\\\\\\\\\\\\\\"d\\\\\\\\\\\\\\\":1}\\\\\\\"}"
	      "\\\"}\"}",
	      "a.b.c.d", "-");
}

static uint64_t counted(const char *record, const char *const *names, enum mr_counter counter)
{
	harness_open(&h, names, NULL, NULL);
	assert_non_null(harness_text(&h, record));
	uint64_t count = h.counters.at[counter];
	harness_close(&h);
	return count;
}

static void json_in_strings_is_repaired(void **state)
{
	(void)state;
	const char *large = "{\"Foo\":\"{\\\"x\\\":1,\\\"y\\\":123456789012345678901}\"}";
	const char *lone = "{\"Foo\":\"{\\\"x\\\":1,\\\"y\\\":\\\"\\\\ud800\\\"}\"}";
	CHECK(large, "Foo.x", "i1");
	CHECK(large, "Foo.y", "123456789012345678901");
	CHECK(large, "Foo", "{\"x\":1,\"y\":123456789012345678901}");
	CHECK(lone, "Foo.x", "i1");
	CHECK(lone, "Foo.y", "\xef\xbf\xbd");
	CHECK("{\"Foo\":\"{\\\"x\\\":1e999\"}", "Foo.x", "-");
	CHECK("{\"a\":\"{\\\"b\\\":\\\"{\\\\\\\"c\\\\\\\":1e999}\\\"}\"}", "a.b.c", "1e999");
	static const char *const names[] = {"Foo.x", "Bar.x", NULL}, *const others[] = {"Foo",
											NULL};
	const char *three = "{\"\xff\":1,\"Foo\":\"[1e999]\",\"Bar\":\"[1e999]\"}";
	assert_int_equal(counted(large, names, MR_C_REPAIRED), 1);
	assert_int_equal(counted(three, names, MR_C_REPAIRED), 1);
	assert_int_equal(counted(large, others, MR_C_REPAIRED), 0);
	assert_int_equal(counted("{\"Foo\":\"[1e999\"}", names, MR_C_REPAIRED), 0);
}

static void envelopes_answer_twice(void **state)
{
	(void)state;
	const char *record =
	    "{\"category\":\"X\",\"properties\":{\"category\":\"Y\",\"a\":{\"b\":1}}}";
	CHECK(record, "properties.a.b", "i1");
	CHECK(record, "a.b", "i1");
	CHECK(record, "category", "X");
	CHECK(record, "properties.category", "Y");
	CHECK("{\"properties\":{\"a\":1},\"a\":2}", "a", "i2");
	CHECK("{\"a\":2,\"Properties\":{\"a\":1}}", "a", "i2");
	CHECK("{\"properties\":\"{\\\"a\\\":1}\"}", "a", "i1");
}

static void names_have_no_blanks(void **state)
{
	(void)state;
	CHECK("{\"New Value\":1}", "NewValue", "i1");
	CHECK("{\"New Value\":1}", "new value", "i1");
	CHECK("{\"newvalue\":1}", "New Value", "i1");
	CHECK("{\"a b\":{\" c \":1}}", "ab.c", "i1");
	CHECK("{\"a\":[{\"Name\":\"S A M\",\"Value\":1}]}", "a.SAM", "i1");
	CHECK("{\"a b\":1,\"ab\":2,\"A B \":3}", "ab", "i3");
	CHECK("{\"\":1,\" \":2}", " ", "i2");
}

/* Where a source says what its records are. */
#define EVENT(record, name, expected) check_event(__LINE__, record, name, expected)
static void check_event(int line, const char *record, const char *name, const char *expected)
{
	harness_logsource = "product=windows";
	check_field(line, record, name, expected);
	harness_logsource = NULL;
}

static void a_windows_event_answers_to_its_names(void **state)
{
	(void)state;
	const char *record =
	    "{\"Event\":{\"#attributes\":{\"xmlns\":\"x\"},\"System\":{\"Provider\":{"
	    "\"#attributes\":{\"Name\":\"P\",\"Guid\":\"G\"}},\"EventID\":{\"#attributes\":{"
	    "\"Qualifiers\":5},\"#text\":400},\"Channel\":\"C\",\"Level\":4},\"EventData\":{"
	    "\"Image\":\"I\",\"Threat Name\":\"T\",\"Level\":\"L\",\"Channel\":null}}}";
	EVENT(record, "Provider_Name", "P");
	EVENT(record, "provider_guid", "G");
	EVENT(record, "EventID", "i400");
	EVENT(record, "EventID_Qualifiers", "i5");
	EVENT(record, "Image", "I");
	EVENT(record, "ThreatName", "T");
	EVENT(record, "Level", "L"); /* the body before the header */
	EVENT(record, "Channel", "(null)");
	EVENT(record, "Event.System.Channel", "C");
	EVENT(record, "Event.EventData.Image", "I");
	EVENT(record, "Provider", "-");
	CHECK(record, "Image", "-"); /* nobody says what it is */
	/* Its own names come first. */
	EVENT("{\"Image\":1,\"Event\":{\"EventData\":{\"Image\":2}}}", "Image", "i1");
	EVENT("{\"Event\":{\"UserData\":{\"Fault\":{\"Id\":7}}}}", "Id", "i7");
	EVENT("{\"Event\":{\"UserData\":[1],\"EventData\":null,\"System\":\"x\"}}", "x", "-");
	EVENT("{\"Event\":{\"EventData\":{\"x\":1,\"X\":2}}}", "x", "i2");
}

static void a_windows_event_in_other_forms(void **state)
{
	(void)state;
	EVENT("{\"System\":{\"Channel\":\"C\"},\"EventData\":{\"x\":[1,2]}}", "Channel", "C");
	EVENT("{\"System\":{\"Channel\":\"C\"},\"EventData\":{\"x\":[1,2]}}", "x", "i1|i2");
	EVENT("{\"EventID\":1,\"EventData\":{\"x\":1}}", "x", "i1");
	/* Attributes as members, and with their mark. */
	EVENT("{\"System\":{\"Provider\":{\"Name\":\"P\"},\"EventID\":{\"Value\":1}}}",
	      "Provider_Name", "P");
	EVENT("{\"System\":{\"EventID\":{\"Value\":1}}}", "EventID", "i1");
	EVENT("{\"Event\":{\"System\":{\"Provider\":{\"@Name\":\"P\"}}}}", "Provider_Name", "P");
	/* Data elements, each with its name. */
	EVENT("{\"Event\":{\"EventData\":{\"Data\":[{\"@Name\":\"x\",\"#text\":\"1\"},{"
	      "\"@Name\":\"y\"},{\"@Name\":\"x\",\"#text\":\"2\"},7,{\"#text\":\"3\"}]}}}",
	      "x", "1");
	EVENT("{\"EventData\":{\"Data\":[{\"@Name\":\"y\"}]}}", "y", "-");
	EVENT("{\"EventData\":{\"Data\":{\"#attributes\":{\"Name\":\"x\"},\"#text\":\"1\"}}}", "x",
	      "1");
	EVENT("{\"EventData\":{\"Data\":[{\"Name\":\"x y\",\"Value\":1}]}}", "xy", "i1");
	EVENT("{\"EventData\":{\"Data\":[\"a\",\"b\"]}}", "Data", "a|b");
	/* A forwarder's own names. */
	const char *beat = "{\"winlog\":{\"channel\":\"C\",\"event_id\":\"1\",\"provider_name\":"
			   "\"P\",\"computer_name\":\"H\",\"event_data\":{\"x\":1},\"user_data\":{"
			   "\"y\":2}}}";
	EVENT(beat, "Channel", "C");
	EVENT(beat, "EventID", "1");
	EVENT(beat, "Provider_Name", "P");
	EVENT(beat, "Computer", "H");
	EVENT(beat, "x", "i1");
	EVENT(beat, "y", "i2");
}

static void the_last_of_two_keys_wins(void **state)
{
	(void)state;
	CHECK("{\"x\":1,\"x\":2}", "x", "i2");
	CHECK("{\"x\":1,\"y\":0,\"X\":2}", "x", "i2");
	CHECK("{\"x\":{\"a\":1},\"x\":{\"b\":2}}", "x.a", "-");
	CHECK("{\"x\":{\"a\":1},\"x\":{\"b\":2}}", "x.b", "i2");
	CHECK("{\"x\":[1,2],\"x\":[3,4]}", "x", "i3|i4");
	CHECK("{\"x\":[{\"a\":1,\"a\":2},{\"a\":3}]}", "x.a", "i2|i3");
	CHECK("{\"x\":5,\"x\":null}", "x", "(null)");
}

static uint64_t duplicates(const char *record)
{
	static const char *const names[] = {"x", "n.a", NULL};
	return counted(record, names, MR_C_DUPLICATE_KEYS);
}

static void keys_given_twice_are_counted_once(void **state)
{
	(void)state;
	assert_int_equal(duplicates("{\"x\":1,\"X\":2}"), 0);
	assert_int_equal(duplicates("{\"x\":1,\"x\":2,\"x\":3}"), 1);
	assert_int_equal(duplicates("{\"unasked\":1,\"unasked\":2}"), 1);
	assert_int_equal(duplicates("{\"n\":[{\"a\":1},{\"a\":1}]}"), 0);
	assert_int_equal(duplicates("{\"n\":[{\"a\":1,\"a\":1}]}"), 1);
	assert_int_equal(duplicates("{\"a-key-that-is-too-long-for-the-cache-of-exact-names\":1}"),
			 0);
	assert_int_equal(duplicates("{\"a-key-that-is-too-long-for-the-cache-of-exact-names\":1,"
				    "\"a-key-that-is-too-long-for-the-cache-of-exact-names\":1}"),
			 1);
}

/* More keys than the cache holds: the second walk decides. */
static void very_many_keys(void **state)
{
	(void)state;
	const char *names[] = {"key77", NULL};
	struct mr_buf record = {0};
	mr_buf_add_text(&record, "{");
	for (int i = 0; i < 20000; i++)
		mr_buf_printf(&record, "\"key%d\":%d,", i, i);
	size_t shared = record.len;
	mr_buf_add_text(&record, "\"end\":1}");
	harness_open(&h, names, NULL, NULL);
	struct mr_event *event = harness_record(&h, (struct mr_slice){record.data, record.len});
	assert_string_equal(shown(&h, event, "key77"), "i77");
	assert_int_equal(h.counters.at[MR_C_DUPLICATE_KEYS], 0);
	record.len = shared;
	mr_buf_add_text(&record, "\"key77\":1}");
	event = harness_record(&h, (struct mr_slice){record.data, record.len});
	assert_string_equal(shown(&h, event, "key77"), "i1");
	assert_int_equal(h.counters.at[MR_C_DUPLICATE_KEYS], 1);
	harness_close(&h);
	mr_buf_fini(&record);
}

static void deep_nesting(void **state)
{
	(void)state;
	for (int depth = 998; depth < 1200; depth += 100) {
		const char *names[] = {"a", "a.b", NULL};
		struct mr_buf record = {0};
		mr_buf_add_text(&record, "{\"a\":");
		for (int i = 0; i < depth; i++)
			mr_buf_add_text(&record, "[");
		mr_buf_add_text(&record, "{\"b\":7}");
		for (int i = 0; i < depth; i++)
			mr_buf_add_text(&record, "]");
		mr_buf_add_text(&record, "}");
		harness_open(&h, names, NULL, NULL);
		struct mr_event *event =
		    harness_record(&h, (struct mr_slice){record.data, record.len});
		if (depth < 1000)
			assert_string_equal(shown(&h, event, "a.b"), "i7");
		else
			assert_null(event);
		if (event == NULL)
			assert_non_null(strstr(h.reason, depth < 1024 ? "" : "too deep"));
		harness_close(&h);
		mr_buf_fini(&record);
	}
}

/* ---- two walks ---- */

static uint64_t random_state;

static uint32_t below(uint32_t count)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 33) % count;
}

static const char *const random_keys[] = {
    "a", "A",    "b",      "a.b",        "properties", "Parameters", "Name", "Value", "NewValue",
    "x", "time", "status", "PARAMETERS", "c",          "Key",        "x.a",  "b.c"};
#define KEY_COUNT (sizeof random_keys / sizeof random_keys[0])

static void put_random(struct mr_buf *out, int depth);

static void put_random_object(struct mr_buf *out, int depth)
{
	uint32_t members = below(5);
	mr_buf_add_text(out, "{");
	for (uint32_t i = 0; i < members; i++) {
		mr_buf_printf(out, "%s\"%s\":", i == 0 ? "" : ",", random_keys[below(KEY_COUNT)]);
		put_random(out, depth - 1);
	}
	mr_buf_add_text(out, "}");
}

static void put_random(struct mr_buf *out, int depth)
{
	uint32_t elements;
	struct mr_buf text = {0};
	switch (below(depth > 0 ? 9 : 4)) {
	case 0:
		mr_buf_add_text(out, "null");
		break;
	case 1:
		mr_buf_printf(out, "%u", below(100));
		break;
	case 2:
	case 3:
		mr_buf_printf(out, "\"%s\"", random_keys[below(KEY_COUNT)]);
		break;
	case 4:
		put_random_object(&text, depth - 1);
		mr_json_put_string(out, (struct mr_slice){text.data, text.len});
		break;
	case 5:
	case 6:
		put_random_object(out, depth);
		break;
	default:
		elements = below(4);
		mr_buf_add_text(out, "[");
		for (uint32_t i = 0; i < elements; i++) {
			mr_buf_add_text(out, i == 0 ? "" : ",");
			put_random(out, depth - 1);
		}
		mr_buf_add_text(out, "]");
	}
	mr_buf_fini(&text);
}

/* A key given twice, whatever its name, has the record walked with care: the fields are the same.
 */
static void careful_walks_find_the_same(void **state)
{
	(void)state;
	const char *names[] = {"a",
			       "a.b",
			       "b",
			       "x",
			       "a.b.c",
			       "parameters.a",
			       "parameters.x.newvalue",
			       "properties.a",
			       "properties.b.c",
			       "properties",
			       "native.time",
			       "c",
			       "b.name",
			       NULL};
	random_state = (uint64_t)time(NULL) | 1;
	print_message("seed %llu\n", (unsigned long long)random_state);
	harness_open(&h, names, NULL, NULL);
	for (int round = 0; round < 20000; round++) {
		char once[13][4096];
		struct mr_buf record = {0};
		put_random_object(&record, 4);
		struct mr_event *event =
		    harness_record(&h, (struct mr_slice){record.data, record.len});
		for (size_t i = 0; i < 13; i++)
			strcpy(once[i], shown(&h, event, names[i]));
		record.len--;
		mr_buf_add_text(&record, record.len > 1 ? "," : "");
		mr_buf_add_text(&record, "\"zz\":1,\"zz\":1}");
		event = harness_record(&h, (struct mr_slice){record.data, record.len});
		for (size_t i = 0; i < 13; i++)
			if (strcmp(once[i], shown(&h, event, names[i])) != 0)
				fail_msg("%s is %s, or %s: %.*s", names[i], once[i],
					 shown(&h, event, names[i]), (int)record.len, record.data);
		mr_buf_fini(&record);
	}
	harness_close(&h);
}

static void envelopes_do_not_hide_a_key_given_twice(void **state)
{
	(void)state;
	const char *names[] = {"foo", NULL};
	harness_open(&h, names, NULL, NULL);
	struct mr_event *event =
	    harness_text(&h, "{\"Foo\":\"aaa\",\"properties\":{\"foo\":\"bbb\"},\"FOO\":\"ccc\"}");
	assert_string_equal(shown(&h, event, "foo"), "ccc");
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(scalars_keep_type_and_text),
	    cmocka_unit_test(nesting_joins_with_dots),
	    cmocka_unit_test(arrays_make_several_values),
	    cmocka_unit_test(three_views_of_named_values),
	    cmocka_unit_test(old_and_new_values),
	    cmocka_unit_test(json_in_strings_is_opened),
	    cmocka_unit_test(json_in_strings_is_repaired),
	    cmocka_unit_test(envelopes_answer_twice),
	    cmocka_unit_test(names_have_no_blanks),
	    cmocka_unit_test(a_windows_event_answers_to_its_names),
	    cmocka_unit_test(a_windows_event_in_other_forms),
	    cmocka_unit_test(the_last_of_two_keys_wins),
	    cmocka_unit_test(keys_given_twice_are_counted_once),
	    cmocka_unit_test(envelopes_do_not_hide_a_key_given_twice),
	    cmocka_unit_test(careful_walks_find_the_same),
	    cmocka_unit_test(very_many_keys),
	    cmocka_unit_test(deep_nesting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
