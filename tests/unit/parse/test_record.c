/* test_record.c - what becomes of a whole record: told, named, repaired or set aside. */
#include "parse/record_checks.h"

static void kinds_are_told(void **state)
{
	(void)state;
	check_kind("{\"CreationTime\":\"2021-05-18T21:13:33\",\"Id\":\"AB\",\"Operation\":\"X\","
		   "\"RecordType\":1,\"OrganizationId\":\"ORG\"}",
		   MR_KIND_UAL, "ab", "org", "2021-05-18T21:13:33Z");
	check_kind("{\"operation\":\"X\",\"workload\":\"Y\",\"id\":7}", MR_KIND_UAL, "7", "unknown",
		   "-");
	check_kind("{\"time\":\"2023-01-02T03:04:05.1234567Z\",\"category\":\"SignInLogs\","
		   "\"tenantId\":\"T\",\"properties\":{\"id\":\"P\",\"createdDateTime\":"
		   "\"2023-01-02T03:04:00Z\"}}",
		   MR_KIND_SIGNIN, "p", "t", "2023-01-02T03:04:00Z");
	check_kind("{\"category\":\"NonInteractiveUserSignInLogs\",\"properties\":{\"id\":\"P\"}}",
		   MR_KIND_SIGNIN_NONINTERACTIVE, "p", "unknown", "-");
	check_kind("{\"category\":\"ServicePrincipalSignInLogs\",\"properties\":{\"id\":\"P\"}}",
		   MR_KIND_SIGNIN_SERVICE, "p", "unknown", "-");
	check_kind("{\"category\":\"ManagedIdentitySignInLogs\",\"properties\":{\"id\":\"P\"}}",
		   MR_KIND_SIGNIN_MANAGED, "p", "unknown", "-");
	check_kind("{\"id\":\"S\",\"createdDateTime\":\"2023-01-02T03:04:00Z\","
		   "\"signInEventTypes\":[\"nonInteractiveUser\"]}",
		   MR_KIND_SIGNIN_NONINTERACTIVE, "s", "unknown", "2023-01-02T03:04:00Z");
	check_kind("{\"id\":\"S\",\"createdDateTime\":\"2023-01-02T03:04:00Z\","
		   "\"appDisplayName\":\"A\",\"status\":{\"errorCode\":0}}",
		   MR_KIND_SIGNIN, "s", "unknown", "2023-01-02T03:04:00Z");
	check_kind("{\"id\":\"A\",\"category\":\"Policy\",\"activityDisplayName\":\"Add\","
		   "\"activityDateTime\":\"2023-01-02T03:04:00Z\"}",
		   MR_KIND_AUDIT, "a", "unknown", "2023-01-02T03:04:00Z");
	check_kind("{\"category\":\"AuditLogs\",\"time\":1672628640,\"properties\":{\"id\":\"Q\"}}",
		   MR_KIND_AUDIT, "q", "unknown", "2023-01-02T03:04:00Z");
	check_kind("{\"id\":\"R\",\"riskEventType\":\"unfamiliarFeatures\",\"detectedDateTime\":"
		   "\"2023-01-02T03:04:00Z\"}",
		   MR_KIND_RISK, "r", "unknown", "2023-01-02T03:04:00Z");
	check_kind("{\"id\":\"U\",\"riskState\":\"atRisk\",\"riskLastUpdatedDateTime\":"
		   "\"2023-01-02T03:04:00Z\"}",
		   MR_KIND_RISKY_USER, "u", "unknown", "2023-01-02T03:04:00Z");
	check_kind("{\"category\":\"MicrosoftGraphActivityLogs\",\"properties\":{\"id\":\"G\"}}",
		   MR_KIND_GRAPH_ACTIVITY, "g", "unknown", "-");
	check_kind("{\"id\":\"Z\",\"category\":\"Administrative\",\"operationName\":\"O\","
		   "\"resourceId\":\"R\",\"time\":\"2023-01-02T03:04:00Z\"}",
		   MR_KIND_AZURE_ACTIVITY, "z", "unknown", "2023-01-02T03:04:00Z");
	/* The id is that of a key: the record has none, and is named by its bytes. */
	const char *const vault =
	    "{\"category\":\"AuditEvent\",\"time\":\"2023-01-02T03:04:00Z\",\"properties\":{"
	    "\"id\":\"https://v/keys/k\"}}";
	check_kind(vault, MR_KIND_AZURE_RESOURCE,
		   "c19169c96a11d3be259db9239b9267481313ad680d422f085548783d7eefbf93", "unknown",
		   "2023-01-02T03:04:00Z");
	check_kind("{\"id\":\"N\",\"timestamp\":1672628640123}", MR_KIND_UNKNOWN, "n", "unknown",
		   "2023-01-02T03:04:00.123000Z");
}

/* A cluster's audit log is a text in the envelope. */
static void what_a_resource_logs(void **state)
{
	(void)state;
	static const char *const cluster =
	    "{\"category\":\"kube-audit\",\"operationName\":\"O\",\"resourceId\":\"R\","
	    "\"properties\":{"
	    "\"log\":\"{\\\"verb\\\":\\\"delete\\\",\\\"user\\\":{\\\"username\\\":\\\"a@b.c\\\"},"
	    "\\\"objectRef\\\":{\\\"name\\\":\\\"web\\\"},\\\"sourceIPs\\\":[\\\"192.0.2.7\\\"],"
	    "\\\"responseStatus\\\":{\\\"code\\\":403}}\"}}";
	static const char *const vault =
	    "{\"category\":\"AuditEvent\",\"operationName\":\"KeyDelete\",\"callerIpAddress\":"
	    "\"192.0.2.8\","
	    "\"identity\":{\"claim\":{\"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	    "upn\":\"d@e.f\"}},"
	    "\"properties\":{\"requestUri\":\"https://v/keys/k\",\"httpStatusCode\":200}}";
	check_field(cluster, "api.operation", "delete");
	check_field(cluster, "actor.user.name", "a@b.c");
	check_field(cluster, "resources.name", "web");
	check_field(cluster, "src_endpoint.ip", "192.0.2.7");
	check_field(cluster, "status", "Failure");
	check_field(vault, "api.operation", "KeyDelete");
	check_field(vault, "actor.user.name", "d@e.f");
	check_field(vault, "resources.name", "https://v/keys/k");
	check_field(vault, "src_endpoint.ip", "192.0.2.8");
	check_field(vault, "status", "Success");
}

static void rows_of_the_audit_search_are_opened(void **state)
{
	(void)state;
	check_kind(
	    "{\"RecordType\":\"ExchangeAdmin\",\"CreationDate\":\"2021-05-18T00:00:00Z\","
	    "\"UserIds\":\"a@b.c\",\"Operations\":\"X\",\"AuditData\":\"{\\\"Id\\\":\\\"AB\\\","
	    "\\\"CreationTime\\\":\\\"2021-05-18T21:13:33\\\",\\\"Operation\\\":\\\"X\\\","
	    "\\\"RecordType\\\":1}\"}",
	    MR_KIND_UAL, "ab", "unknown", "2021-05-18T21:13:33Z");
	check_kind("{\"id\":\"O\",\"AuditData\":\"{\\\"Id\\\":\\\"AB\\\"}\"}", MR_KIND_UNKNOWN, "o",
		   "unknown", "-");
	check_kind("{\"id\":\"O\",\"AuditData\":\"{\"}", MR_KIND_UNKNOWN, "o", "unknown", "-");
	/* Graph's auditLogRecord. */
	check_kind("{\"id\":\"O\",\"auditLogRecordType\":\"X\",\"auditData\":{\"Id\":\"AB\","
		   "\"Operation\":\"X\",\"RecordType\":1,\"OrganizationId\":\"T\"}}",
		   MR_KIND_UAL, "ab", "t", "-");
	check_kind("{\"id\":\"O\",\"auditData\":{\"a\":1}}", MR_KIND_UNKNOWN, "o", "unknown", "-");
}

/* A row with the record's text in it, as JSON writes a string. */
static const char *row_of(const char *record)
{
	static char row[1024];
	size_t len = (size_t)snprintf(row, sizeof row, "{\"RecordType\":1,\"AuditData\":\"");
	for (; *record != '\0'; record++) {
		assert_true(len + 8 < sizeof row);
		if (*record == '"' || *record == '\\')
			row[len++] = '\\';
		row[len++] = *record;
	}
	memcpy(row + len, "\"}", 3);
	return row;
}

static void a_record_in_a_row_is_repaired(void **state)
{
	(void)state;
#define KNOWN "\"Operation\":\"X\",\"Workload\":\"Y\",\"x\":"
	static const struct {
		const char *record, *x, *json;
	} cases[] = {
	    {"{" KNOWN "123456789012345678901234567890}", "123456789012345678901234567890",
	     "{" KNOWN "\"123456789012345678901234567890\"}"},
	    {"{" KNOWN "\"\\ud800\"}", "\xef\xbf\xbd", "{" KNOWN "\"\\ufffd\"}"},
	    /* Here the row, with which the record is read, and then both. */
	    {"{" KNOWN "\"\xff\"}", "\xef\xbf\xbd", "{" KNOWN "\"\xef\xbf\xbd\"}"},
	    {"{" KNOWN "[\"\xff\",1e400]}", "\xef\xbf\xbd|1e400",
	     "{" KNOWN "[\"\xef\xbf\xbd\",\"1e400\"]}"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t before = h.counters.at[MR_C_REPAIRED];
		struct mr_event *event = parsed(row_of(cases[i].record));
		assert_int_equal(event->kind, MR_KIND_UAL);
		assert_string_equal(shown(&h, event, "x"), cases[i].x);
		check_slice(event->json, cases[i].json);
		check_slice(event->raw, row_of(cases[i].record));
		assert_int_equal(h.counters.at[MR_C_REPAIRED], before + 1);
	}
	/* No record: the row is what there is, and nothing of it was repaired. */
	uint64_t before = h.counters.at[MR_C_REPAIRED];
	struct mr_event *event = parsed(row_of("{\"x\":1e400}"));
	assert_int_equal(event->kind, MR_KIND_UNKNOWN);
	check_slice(event->json, row_of("{\"x\":1e400}"));
	assert_int_equal(h.counters.at[MR_C_REPAIRED], before);
#undef KNOWN
}

static void a_record_in_a_row_has_the_id_of_its_own_bytes(void **state)
{
	(void)state;
	static const char *const records[] = {
	    "{\"Operation\":\"X\",\"Workload\":\"Y\",\"x\":1}",
	    "{\"Operation\":\"X\",\"Workload\":\"Y\",\"x\":1e400}",
	};
	for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
		char id[65] = "";
		struct mr_slice alone = parsed(records[i])->id;
		assert_int_equal(alone.len, 64);
		memcpy(id, alone.at, 64);
		check_slice(parsed(row_of(records[i]))->id, id);
	}
	/* No record: the row's. */
	const char *row = "{\"AuditData\":\"{}\"}";
	char id[65] = "";
	uint8_t hash[32];
	mr_sha256(row, strlen(row), hash);
	mr_hex(hash, sizeof hash, id);
	check_slice(parsed(row)->id, id);
}

static void an_envelope_among_records_is_none(void **state)
{
	(void)state;
	static const char *const envelopes[] = {"{\"records\":[{\"Operation\":\"X\"}]}",
						"{\"@odata.context\":\"x\",\"value\":[{}]}"};
	for (size_t i = 0; i < sizeof envelopes / sizeof envelopes[0]; i++)
		assert_null(harness_text(&h, envelopes[i]));
	static const char *const records[] = {
	    "{\"id\":1,\"value\":[{}]}", "{\"value\":[1]}", "{\"records\":[]}",
	    "{\"Operation\":\"X\",\"Workload\":\"Y\",\"value\":[{}]}", "{\"Value\":[{}]}"};
	for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
		assert_non_null(harness_text(&h, records[i]));
}

static void names_fall_back(void **state)
{
	(void)state;
	/* printf '{}' | sha256sum */
	check_slice(parsed("{}")->id,
		    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
	check_slice(parsed("{\"Id\":null,\"OrganizationId\":\"\",\"tenantId\":\"B\"}")->tenant,
		    "b");
	assert_int_equal(parsed("{\"Id\":\"<null>\"}")->id.len, 64);
	assert_int_equal(parsed("{\"Id\":\"<NULL>\"}")->id.len, 64);
	assert_int_equal(parsed("{}")->arrival_us, 77);
	struct harness other;
	harness_open(&other, NULL, "Contoso", NULL);
	check_slice(harness_text(&other, "{\"OrganizationId\":\"x\"}")->tenant, "contoso");
	harness_close(&other);
}

static void bad_records_are_set_aside(void **state)
{
	(void)state;
	static const struct {
		const char *record;
		const char *reason;
	} cases[] = {
	    {"{\"x\":1", "an end where a bracket is still open at offset 6"},
	    {"{\"x\":tru}", "a word that is not true, false or null at offset 5"},
	    {"[1]", "an array where an object should be"},
	    {"12", "a number where an object should be"},
	    {"\"x\"", "a string where an object should be"},
	    {"null", "null where an object should be"},
	    {"{\"x\":\"\x01\"}",
	     "a control character in a string, which must be escaped at offset 6"},
	    {"{} {}", "something behind the end of the value at offset 3"},
	    {"{\"x\":\"\\q\"}", "an escape that JSON does not know at offset 6"},
	    {"{\"x\":01}", "a number that JSON does not know at offset 5"},
	    {"nonsense", "a word that is not true, false or null at offset 0"},
	    {"{\"x\":\"\xff\",}", "bytes that are not UTF-8 at offset 6"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_null(harness_text(&h, cases[i].record));
		if (strstr(h.reason, cases[i].reason) == NULL)
			fail_msg("%s: %s", cases[i].record, h.reason);
	}
	assert_null(harness_record(&h, (struct mr_slice){"{\"x\":\"\0\"}", 9}));
	assert_non_null(strstr(h.reason, "control character"));
	struct harness small;
	harness_open(&small, NULL, NULL, "10");
	assert_non_null(harness_text(&small, "{\"x\":1234}"));
	assert_null(harness_text(&small, "{\"x\":12345}"));
	assert_non_null(strstr(small.reason, "11 bytes long"));
	assert_int_equal(small.counters.at[MR_C_RECORDS], 2);
	assert_int_equal(small.counters.at[MR_C_REJECTED], 1);
	assert_int_equal(small.counters.at[MR_C_BYTES], 10); /* of the parsed one */
	harness_close(&small);
}

static void near_json_is_repaired_once(void **state)
{
	(void)state;
	uint64_t before = h.counters.at[MR_C_REPAIRED];
	check_field("{\"x\":\"a\xff\"}", "x", "a\xef\xbf\xbd");
	check_field("{\"x\":\"a\\ud800\"}", "x", "a\xef\xbf\xbd");
	check_field("{\"x\":18446744073709551616}", "x", "18446744073709551616");
	assert_int_equal(h.counters.at[MR_C_REPAIRED], before + 3);
	struct mr_event *event = parsed("{\"x\":1e400}");
	check_slice(event->raw, "{\"x\":1e400}");
	check_slice(event->json, "{\"x\":\"1e400\"}");
	assert_int_equal(event->origin.hash, mr_hash64("{\"x\":1e400}", 11, 0));
	check_field("\xef\xbb\xbf{\"x\":1}", "x", "i1");
}

/* Repaired, and even so no record: what that took is given back. */
static void bad_records_take_no_memory(void **state)
{
	(void)state;
	const char *const bad[] = {"{\"x\":\"a\xff\"", "[\"a\xff\"]", "\xff\xfe\xfd"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_null(harness_text(&h, bad[i]));
		assert_int_equal(h.events.arena.used_bytes, 0);
	}
}

/* Each beginning of a record is no record, in a buffer of just that size. */
static void cut_records_are_no_records(void **state)
{
	(void)state;
	const char *record =
	    "{\"Id\":\"\\u00e9\\n\xc3\xa9\",\"x\":[1.5e3,{\"y\":null},true,\"\\\"\"],\"z\":-0}";
	for (size_t len = 1; len < strlen(record); len++)
		assert_null(harness_record(&h, (struct mr_slice){record, len}));
	assert_non_null(harness_record(&h, mr_slice(record)));
}

/* An alert could not show it as RFC 3339 does. */
static void a_time_past_the_year_9999_is_none(void **state)
{
	(void)state;
	check_kind(
	    "{\"CreationTime\":\"/Date(999999999999999)/\",\"Id\":\"AB\",\"Operation\":\"X\","
	    "\"RecordType\":1}",
	    MR_KIND_UAL, "ab", "unknown", "-");
	check_field("{\"CreationTime\":\"0000-01-01T00:00:00+23:59\",\"Operation\":\"X\","
		    "\"RecordType\":1}",
		    "time", "-");
}

static void the_ledger_gets_its_counts_by_source(void **state)
{
	(void)state;
	struct mr_books books = {0};
	struct harness other;
	harness_open(&other, no_names, NULL, "100");
	other.counters.books = &books;
	assert_non_null(harness_text(&other, "{\"a\": 1}"));
	assert_non_null(harness_text(&other, "{\"a\": \"\\ud800\"}"));
	assert_null(harness_text(&other, "{\"a\": "));
	assert_null(harness_text(&other, "[1]"));
	char long_one[200] = "{\"a\": \"";
	memset(long_one + 7, 'x', sizeof long_one - 8);
	assert_null(harness_text(&other, long_one));
	const uint64_t *at = books.rows[0].at;
	assert_int_equal(at[MR_B_RECORDS], 5);
	assert_int_equal(at[MR_B_PARSED], 2);
	assert_int_equal(at[MR_B_REPAIRED], 1);
	assert_int_equal(at[MR_B_REJECTED + MR_REJECT_NOT_JSON], 1);
	assert_int_equal(at[MR_B_REJECTED + MR_REJECT_NOT_RECORD], 1);
	assert_int_equal(at[MR_B_REJECTED + MR_REJECT_TOO_LONG], 1);
	assert_int_equal(other.counters.at[MR_C_RECORDS], 5);
	mr_books_fini(&books);
	harness_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_ledger_gets_its_counts_by_source),
	    cmocka_unit_test(kinds_are_told),
	    cmocka_unit_test(what_a_resource_logs),
	    cmocka_unit_test(rows_of_the_audit_search_are_opened),
	    cmocka_unit_test(a_record_in_a_row_is_repaired),
	    cmocka_unit_test(a_record_in_a_row_has_the_id_of_its_own_bytes),
	    cmocka_unit_test(an_envelope_among_records_is_none),
	    cmocka_unit_test(names_fall_back),
	    cmocka_unit_test(bad_records_are_set_aside),
	    cmocka_unit_test(near_json_is_repaired_once),
	    cmocka_unit_test(bad_records_take_no_memory),
	    cmocka_unit_test(cut_records_are_no_records),
	    cmocka_unit_test(a_time_past_the_year_9999_is_none),
	};
	return run_all(tests, sizeof tests / sizeof tests[0]);
}
