/* test_decode.c - containers cut into records: JSON, CSV, lines, and how they are told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decode_harness.h"

/* The same notes, however the bytes trickle in. */
static void check(const struct mr_decoder_ops *ops, const char *text, const char *want)
{
	static const size_t pieces[] = {0, 1, 2, 3, 5, 7, 64};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct notes notes;

		notes_run(&notes, ops, mr_slice(text), pieces[i], NULL);
		assert_string_equal(notes.lines.data, want);
		notes_fini(&notes);
	}
}

static void check_reason(const struct mr_decoder_ops *ops, const char *text, const char *part)
{
	struct notes notes;

	notes_run(&notes, ops, mr_slice(text), 0, NULL);
	if (!strstr(notes.reason, part))
		fail_msg("'%s' does not say '%s'", notes.reason, part);
	notes_fini(&notes);
}

/* ---- JSON ---- */

static void json_containers(void **state)
{
	(void)state;
	check(&mr_decode_json, "[]", "");
	check(&mr_decode_json, "[{\"a\":1}, {\"b\":[{}]}\n]\n",
	      "record 1 {\"a\":1}\nrecord 10 {\"b\":[{}]}\n");
	check(&mr_decode_json, "{\"value\":[{\"a\":\"]}\\\"\"}]}",
	      "record 10 {\"a\":\"]}\\\"\"}\n");
	check(
	    &mr_decode_json,
	    "{\"@odata.context\":\"x\",\"n\":{\"value\":[{}]},\"value\" : [ {\"a\":1},{\"b\":2} ],"
	    "\"@odata.nextLink\":\"y\",\"z\":[{\"c\":3}]}",
	    "record 53 {\"a\":1}\nrecord 61 {\"b\":2}\n");
	check(&mr_decode_json,
	      "{\"records\":[]}\n{\"records\":[{\"a\":1}]}\n{\"value\":[{\"b\":2}]}",
	      "record 27 {\"a\":1}\nrecord 47 {\"b\":2}\n");
	check(&mr_decode_json, "{\n  \"a\": 1\n}\n{\n  \"b\": 2\n}\n",
	      "record 0 {\n  \"a\": 1\n}\nrecord 13 {\n  \"b\": 2\n}\n");
	check(&mr_decode_json, "{\"a\":1}{\"b\":2}[{\"c\":3}]",
	      "record 0 {\"a\":1}\nrecord 7 {\"b\":2}\nrecord 15 {\"c\":3}\n");
}

static void json_records_that_look_like_envelopes(void **state)
{
	(void)state;
	check(&mr_decode_json, "{\"Id\":\"x\",\"value\":[{\"a\":1}]}",
	      "record 0 {\"Id\":\"x\",\"value\":[{\"a\":1}]}\n");
	check(&mr_decode_json, "{\"value\":[1,2]}", "record 0 {\"value\":[1,2]}\n");
	check(&mr_decode_json, "{\"value\":{\"value\":[{}]}}",
	      "record 0 {\"value\":{\"value\":[{}]}}\n");
	check(&mr_decode_json, "{\"x\":\"value\",\"y\":[{}]}",
	      "record 0 {\"x\":\"value\",\"y\":[{}]}\n");
	check(&mr_decode_json, "{\"values\":[{}]}", "record 0 {\"values\":[{}]}\n");
	/* Whatever else is said is not lost. */
	static const char *const whole[] = {
	    "{\"records\":[1,{\"a\":1}],\"value\":[]}", "{\"value\":[],\"records\":[\"x\",{}]}",
	    "{\"@odata.context\":\"x\",\"records\":[[1]],\"value\":[{\"a\":1}]}",
	    "{\"value\":[],\"Operation\":\"X\"}", "{\"Operation\":\"X\",\"records\":[]}"};
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		char want[128];
		snprintf(want, sizeof(want), "record 0 %s\n", whole[i]);
		check(&mr_decode_json, whole[i], want);
	}
	check(&mr_decode_json, "{\"@odata.context\":\"x\",\"value\":[]}[{}]", "record 34 {}\n");
	check(&mr_decode_json, "{\"value\":[{}],\"id\":1,\"records\":[\"x\",{\"b\":2}]}",
	      "record 10 {}\nrecord 32 \"x\"\nrecord 36 {\"b\":2}\n");
}

static void json_elements_of_any_kind(void **state)
{
	(void)state;
	check(&mr_decode_json, "[1, \"a,]\" ,[2,[3]], null,{}]",
	      "record 1 1\nrecord 4 \"a,]\"\nrecord 11 [2,[3]]\nrecord 20 null\nrecord 25 {}\n");
	/* A broken record in a whole container is handed on. */
	check(&mr_decode_json, "[{\"a\" 1 x},{\"b\":2}]",
	      "record 1 {\"a\" 1 x}\nrecord 11 {\"b\":2}\n");
}

static void json_that_ends_in_the_middle(void **state)
{
	(void)state;
	check(&mr_decode_json, "[{\"a\":1},", "record 1 {\"a\":1}\ndamage\n");
	check(&mr_decode_json, "[{\"a\":1},{\"b", "record 1 {\"a\":1}\ndamage\nrefused 9 {\"b\n");
	check(&mr_decode_json, "{\"value\":[{\"a\":1}],\"x\":", "record 10 {\"a\":1}\ndamage\n");
	check(&mr_decode_json, "{\"a\":", "damage\nrefused 0 {\"a\":\n");
	check_reason(&mr_decode_json, "[{\"a\":1},{\"b", "ends at offset 12 inside an element");
}

static void json_goes_on_behind_damage(void **state)
{
	(void)state;
	check(&mr_decode_json, "[{\"a\":1} x {\"b\":2}]\n{\"records\":[{\"c\":3}]}\n",
	      "record 1 {\"a\":1}\ndamage\nrefused 9 x {\"b\":2}]\n\nrecord 32 {\"c\":3}\n");
	/* A line that was cut short, in a string and outside. */
	check(&mr_decode_json,
	      "{\"records\":[{\"a\":1},{\"b\":\"x\n{\"records\":[{\"c\":3},{\"d\":4\n"
	      "{\"records\":[{\"e\":5}]}\n",
	      "record 12 {\"a\":1}\ndamage\nrefused 20 {\"b\":\"x\n\nrecord 40 {\"c\":3}\n"
	      "damage\nrefused 48 {\"d\":4\n\nrecord 67 {\"e\":5}\n");
	check(&mr_decode_json, "[{\"a\":1}\n{\"b\":2}",
	      "record 1 {\"a\":1}\ndamage\nrecord 9 {\"b\":2}\n");
	check(&mr_decode_json, "[{\"a\":[}]\n{\"b\":2}",
	      "damage\nrefused 1 {\"a\":[}]\n\nrecord 10 {\"b\":2}\n");
	check(&mr_decode_json, "hello\n[{\"b\":2}]",
	      "damage\nrefused 0 hello\n\nrecord 7 {\"b\":2}\n");
	check_reason(&mr_decode_json, "[{\"a\":1} x]", "offset 9: text between the elements");
}

/* Every place where a container can end: all records before it come out, nothing else does. */
static void json_cut_everywhere(void **state)
{
	static const char text[] =
	    "{\"c\":\"d\",\"value\":[{\"a\":\"\\\"]\"},{\"b\":[1]}],\"e\":2}";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		struct notes notes;
		size_t want = len < 29 ? 0 : len < 39 ? 1 : 2;

		notes_run(&notes, &mr_decode_json, (struct mr_slice){text, len}, 1, NULL);
		assert_int_equal(notes.records, want);
		assert_int_equal(notes.damages, len > 0 && len < sizeof(text) - 1);
		notes_fini(&notes);
		notes_run(&notes, &mr_decode_json, (struct mr_slice){text, len}, 0, "cut");
		assert_int_equal(notes.records, want);
		assert_int_equal(notes.damages, 0);
		notes_fini(&notes);
	}
}

static void json_nested_without_bound(void **state)
{
	size_t depth = 200000;
	struct mr_buf text = {0};
	struct notes notes;

	(void)state;
	mr_buf_add_text(&text, "[");
	for (size_t i = 0; i < depth; i++)
		mr_buf_add(&text, i % 2 ? "[" : "{", 1);
	for (size_t i = depth; i > 0; i--)
		mr_buf_add(&text, (i - 1) % 2 ? "]" : "}", 1);
	mr_buf_add_text(&text, ",{\"a\":1}]");
	notes_run(&notes, &mr_decode_json, (struct mr_slice){text.data, text.len}, 4096, NULL);
	assert_int_equal(notes.records, 2);
	assert_int_equal(notes.damages, 0);
	notes_fini(&notes);
	notes_run(&notes, &mr_decode_json, (struct mr_slice){text.data, depth}, 4096, NULL);
	assert_int_equal(notes.refused, 1);
	notes_fini(&notes);
	mr_buf_fini(&text);
}

/* ---- CSV ---- */

static void csv_as_exported(void **state)
{
	(void)state;
	check(&mr_decode_csv,
	      "\"Identity\",\"CreationDate\",\"AuditData\"\r\n"
	      "\"1\",\"x\",\"{\"\"a\"\":1}\"\r\n\"2\",\"y\",\"{\"\"b\"\":\"\"\r\n\"\"}\"\r\n",
	      "record 48 {\"a\":1}\nrecord 69 {\"b\":\"\r\n\"}\n");
	check(&mr_decode_csv, "RecordId,auditdata,UserIds\n1,\" {\"\"a\"\":1} \",u\n2,\"{}\",v",
	      "record 31 {\"a\":1}\nrecord 48 {}\n");
	check(&mr_decode_csv, "a;AUDITDATA\n1;\"{}\"\n\n2;{\"x\":1,\"y\":2}\n",
	      "record 15 {}\nrecord 22 {\"x\":1,\"y\":2}\n");
	check(&mr_decode_csv, "AuditData\n\"{}\"\n", "record 11 {}\n");
	check(&mr_decode_csv, "AuditData,x\n", "");
	check(&mr_decode_csv, "x,AuditData\na\"b,\"{}\"", "record 17 {}\n");
}

/* What Windows PowerShell's Export-Csv and Excel write before the head. */
static void csv_behind_another_line(void **state)
{
	(void)state;
	check(&mr_decode_csv,
	      "#TYPE Deserialized.UnifiedAuditEvent\r\n\"a\",\"AuditData\"\r\n1,\"{}\"\r\n",
	      "record 58 {}\n");
	check(&mr_decode_csv, "sep=;\na;AuditData\n1;\"{}\"\n", "record 21 {}\n");
	check(&mr_decode_csv, "SEP=,\r\na;AuditData\n1;\"{}\"\n", "record 22 {}\n");
	check(&mr_decode_csv, "#TYPE x, AuditData\na,b\n1,2\n", "damage\nrefused 23 1,2\n\n");
	static const char *const heads[] = {"#TYPE X.Y\r\n\"a\",\"AuditData\"\r\n",
					    "sep=,\na,AuditData\n"};
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		assert_string_equal(mr_decoder_find(mr_slice(heads[i]), true)->name, "CSV");
		assert_null(mr_decoder_find((struct mr_slice){heads[i], 8}, false));
	}
}

static void csv_without_the_column(void **state)
{
	(void)state;
	check(&mr_decode_csv, "Identity,Date\n1,2\n", "damage\nrefused 14 1,2\n\n");
	check_reason(&mr_decode_csv, "\n\nIdentity,Date\n1,2\n",
		     "line 3, column 1: the head of this CSV file names 2 columns and none is "
		     "AuditData; the audit search's export has");
}

static void csv_rows_without_a_record(void **state)
{
	(void)state;
	check(&mr_decode_csv, "x,AuditData\n1\n2,\n3,\"\"\n4,\"{}\"\n",
	      "refused 12 1\nrefused 14 2,\nrefused 17 3,\"\"\nrecord 25 {}\n");
	check(&mr_decode_csv, "x,AuditData\r\n1,\r\n2, \r\n",
	      "refused 13 1,\r\nrefused 17 2, \r\n");
	check(&mr_decode_csv, "x,AuditData,y\n\"a\"\"b\",,\"c\nd\"\r\n",
	      "refused 14 \"a\"\"b\",,\"c\nd\"\r\n");
	check_reason(&mr_decode_csv, "x,AuditData\n1,\"{}\"\n2,\n",
		     "line 3: the row has no AuditData");
}

/* Of a row without a record the first 16 KiB; of one broken by a quote all from its field on. */
static void csv_rows_that_are_long(void **state)
{
	struct mr_buf text = {0};
	struct mr_buf want = {0};

	(void)state;
	mr_buf_add_text(&text, "x,AuditData\n");
	for (size_t i = 0; i < 20000; i++)
		mr_buf_add_text(&text, i % 2 == 0 ? "a" : "b");
	mr_buf_add_text(&want, "refused 12 ");
	mr_buf_add(&want, text.data + 12, 16384);
	mr_buf_add_text(&want, "+3619\ndamage\nrefused 20019 ");
	mr_buf_add_text(&text, ",\"\"\n1,\"");
	mr_buf_add(&want, text.data + 12, 20000);
	mr_buf_add(&want, "\n", 2);
	for (size_t i = 0; i < 20000; i++)
		mr_buf_add_text(&text, i % 2 == 0 ? "a" : "b");
	mr_buf_add(&text, "", 1);
	check(&mr_decode_csv, text.data, want.data);
	mr_buf_fini(&text);
	mr_buf_fini(&want);
}

static void csv_with_broken_quotes(void **state)
{
	(void)state;
	/* Never closed, at the end of the file and before another row. */
	check(&mr_decode_csv, "x,AuditData\n\"1\",\"{}\"\n\"2\",\"{\"\"a",
	      "record 17 {}\ndamage\nrefused 21 \"2\",\"{\"\"a\n");
	check(&mr_decode_csv, "x,AuditData\n\"1\",\"{\n\"2\",\"{}\"\n",
	      "damage\nrefused 12 \"1\",\"{\n\nrecord 24 {}\n");
	check(&mr_decode_csv, "x,AuditData\n\"1\",\"{}\" x\n\"2\",\"{}\"\n",
	      "damage\nrefused 12 \"1\",\"{}\" x\nrecord 28 {}\n");
	/* The row that was read anew is broken, too. */
	check(&mr_decode_csv, "x,AuditData\n\"1\",\"{\n\"2\",\"{}\" x\n",
	      "damage\nrefused 12 \"1\",\"{\n\ndamage\nrefused 19 \"2\",\"{}\" x\n");
	check_reason(&mr_decode_csv, "x,AuditData\n\"1\",\"{\n\"2\",\"{}\"\n",
		     "line 3: a quoted field");
	check_reason(&mr_decode_csv, "x,AuditData\n\"1\",\"{}",
		     "line 2: a quoted field of the row");
}

static void csv_cut_everywhere(void **state)
{
	static const char text[] = "\"a\",\"AuditData\"\n\"1\",\"{\"\"b\"\":1}\"\n\"2\",\"{}\"\n";

	(void)state;
	for (size_t len = 16; len < sizeof(text); len++) {
		struct notes notes;
		size_t want = len < 32 ? 0 : len < 41 ? 1 : 2;

		notes_run(&notes, &mr_decode_csv, (struct mr_slice){text, len}, 1, "cut");
		assert_int_equal(notes.records, want);
		assert_int_equal(notes.damages, 0);
		notes_fini(&notes);
	}
}

/* ---- lines ---- */

static void lines_of_all_kinds(void **state)
{
	(void)state;
	check(&mr_decode_lines, "{\"a\":1}\n\r\n  \n {\"b\":2} \r\n{\"c\"",
	      "record 0 {\"a\":1}\nrecord 14 {\"b\":2}\nrecord 24 {\"c\"\n");
	check(&mr_decode_lines, "", "");
}

/* ---- which is it ---- */

static const char *kind_of(const char *text, bool whole)
{
	const struct mr_decoder_ops *ops = mr_decoder_find(mr_slice(text), whole);

	return ops ? ops->name : "more";
}

static void told_by_content(void **state)
{
	static const struct {
		const char *text;
		const char *kind;
	} rows[] = {
	    {"", "NDJSON"},
	    {"{\"a\":1}", "NDJSON"},
	    {"{\"a\":1}\n", "NDJSON"},
	    {"\n\n{\"a\":1}\r\n{\"b\":2}\n", "NDJSON"},
	    {"{\"a\":1", "NDJSON"},
	    {"{\"a\":1\n", "NDJSON"},
	    {"{\"a\":1\n{\"b\":2}\n", "NDJSON"},
	    {"{\"a\":\"x\n{\"b\":2}\n", "NDJSON"},
	    {"{\"a\":1} x\n", "NDJSON"},
	    {"{\"a\":1}}\n{}", "NDJSON"},
	    {"ationTime\":\"2021\",\"Id\":1}\n{\"b\":2}\n", "NDJSON"},
	    {"\"x\",\"{y\"\n", "NDJSON"},
	    {"hello\n", "NDJSON"},
	    {"{\"Id\":1,\"value\":[{}]}\n", "NDJSON"},
	    {"[", "JSON"},
	    {" \n[{\"a\":1}]", "JSON"},
	    {"{\"value\":[{\"a\":1}", "JSON"},
	    {"{\"x\":1,\"records\":[]}", "NDJSON"},
	    {"{\"x\":1,\"records\":[{}]}", "JSON"},
	    {"{\"nextLink\":\"x\",\"value\":[]}", "JSON"},
	    {"{\"a\":1}{\"b\":2}", "JSON"},
	    {"{\n\"a\":1\n}\n", "JSON"},
	    {"{\n\"a\":1,\n", "JSON"},
	    {"\"Identity\",\"AuditData\"\r\n", "CSV"},
	    {"\"AuditData\"\n\"{}\"", "CSV"},
	    {"AuditData", "CSV"},
	    {"Record Id;Creation Date\n", "CSV"},
	    {"a,b", "CSV"},
	    {"PAR1", "foreign"},
	    {"PAR", "NDJSON"},
	    {"ElfFile", "NDJSON"},
	    {"PK\x03\x04, and more", "foreign"},
	    {"\nPK\x03\x04", "NDJSON"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(kind_of(rows[i].text, true), rows[i].kind);
	assert_string_equal(kind_of("", false), "more");
	assert_string_equal(kind_of("{\"a\":1", false), "more");
	assert_string_equal(kind_of("{\"a\":1}", false), "more");
	assert_string_equal(kind_of("\"Identity\",\"Aud", false), "more");
	assert_string_equal(kind_of("{\"value\":[{", false), "JSON");
	assert_string_equal(kind_of("{\"a\":1}\n", false), "NDJSON");
	assert_string_equal(kind_of("7z", false), "more");
}

/* Byte by byte: each look begins at the beginning. */
static void a_head_that_grows_slowly_costs_no_square(void **state)
{
	static const char *const begins[] = {"\n", "{\"", "\"Audit"};
	char *head = mr_malloc(MR_PROBE_HEAD_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		size_t begin = strlen(begins[i]), len = begin;
		const struct mr_decoder_ops *found = NULL;
		uint64_t looked = 0, in_all = 0;

		memset(head, i == 0 ? '\n' : 'x', MR_PROBE_HEAD_MAX);
		memcpy(head, begins[i], begin);
		for (; !found && len <= MR_PROBE_HEAD_MAX; len++) {
			uint64_t before = looked;

			found = mr_decoder_look(&looked, (struct mr_slice){head, len}, false);
			in_all += found ? len : looked - before;
		}
		assert_non_null(found);
		assert_int_equal(looked, 0);
		assert_true(in_all <= MR_PROBE_LEAST + (MR_PROBE_TIMES + 1) * len);
	}
	free(head);
}

/* What comes in pieces as a person writes is looked at each time. */
static void a_short_head_is_known_at_once(void **state)
{
	uint64_t looked = 0;
	const char *text = "{\"a\":\"a record that comes a byte at a time\"}\n";

	(void)state;
	for (size_t len = 1; len < strlen(text); len++)
		assert_null(mr_decoder_look(&looked, (struct mr_slice){text, len}, false));
	assert_ptr_equal(mr_decoder_look(&looked, mr_slice(text), false), &mr_decode_lines);
}

static void foreign_is_damage_once(void **state)
{
	(void)state;
	const char evtx[] = "ElfFile\0\0\0";
	assert_non_null(strstr(mr_decode_foreign_reason((struct mr_slice){evtx, 8}), "EVTX"));
	check(&mr_decode_foreign, "PAR1\x15\n{\"a\":1}\nPAR1", "damage\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_containers),
	    cmocka_unit_test(json_records_that_look_like_envelopes),
	    cmocka_unit_test(json_elements_of_any_kind),
	    cmocka_unit_test(json_that_ends_in_the_middle),
	    cmocka_unit_test(json_goes_on_behind_damage),
	    cmocka_unit_test(json_cut_everywhere),
	    cmocka_unit_test(json_nested_without_bound),
	    cmocka_unit_test(csv_as_exported),
	    cmocka_unit_test(csv_behind_another_line),
	    cmocka_unit_test(csv_without_the_column),
	    cmocka_unit_test(csv_rows_without_a_record),
	    cmocka_unit_test(csv_rows_that_are_long),
	    cmocka_unit_test(csv_with_broken_quotes),
	    cmocka_unit_test(csv_cut_everywhere),
	    cmocka_unit_test(lines_of_all_kinds),
	    cmocka_unit_test(told_by_content),
	    cmocka_unit_test(a_head_that_grows_slowly_costs_no_square),
	    cmocka_unit_test(a_short_head_is_known_at_once),
	    cmocka_unit_test(foreign_is_damage_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
