/* test_ocsf.c - alerts as OCSF findings: what a person reads, what a machine checks, what an
 * attacker wrote.
 *
 * All lines made here also pass tests/e2e/ocsf_check.py, where MILLRACE_ROOT says where that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "millrace/log.h"
#include "ocsf_world.h"

static void a_plain_alert_says_what_who_where_when(void **state)
{
	(void)state;
	struct mr_alert alert = plain_alert();
	write_alert(&alert);
	assert_at(
	    "message",
	    "Inbox forwarding: Alice Smith (alice@contoso.com, Accountant, Finance, "
	    "privileged) did New-InboxRule on carol@contoso.com (alice\\forward) from 203.0.113.9 "
	    "(Amsterdam, NL, KPN) at 2021-05-18T21:13:33.123456Z");
	assert_at("class_uid", "2004");
	assert_at("type_uid", "200401");
	assert_at("severity_id", "4");
	assert_at("severity", "High");
	assert_at("time", "1621372413123");
	assert_at("time_dt", "2021-05-18T21:13:33.123456Z");
	assert_at("finding_info.uid", "abcd0000000000000000000000000000");
	assert_at("finding_info.title", "Inbox forwarding");
	assert_at("finding_info.analytic.uid", "rule-1");
	assert_at("finding_info.first_seen_time", "1621372413123");
	assert_at("finding_info.src_url", "https://example.com/a");
	assert_at("finding_info.data_sources.0", "m365.audit");
	assert_at("metadata.version", "1.3.0");
	assert_at("metadata.labels.7", "cve.2024-1");
	assert_at("actor.user.full_name", "Alice Smith");
	assert_at("unmapped.millrace.tenant", "t-1");
	assert_at("unmapped.millrace.key", "[\"r1\"]");
	assert_at("unmapped.millrace.slot", "0");
	assert_at("unmapped.millrace.records", "1");
	assert_at("unmapped.millrace.lower_bound", "false");
	assert_null(json_at(&line, "unmapped.millrace.time_unknown"));
	assert_at("unmapped.millrace.references.1", "https://example.com/b");
	assert_at("unmapped.millrace.false_positives.0", "People who move house");
	assert_at("resources.0.name", "alice\\forward");
	json_line_close(&line);
}

static void an_operation_that_ends_as_a_sentence_does_not_end_the_message(void **state)
{
	(void)state;
	struct mr_signal_field field = {MR_F_OPERATION, MR_STRING, C("Add user. ")};
	struct mr_alert alert = plain_alert();
	alert.evidence[0] = evidence_of(&field, 1);
	write_alert(&alert);
	assert_at("message",
		  "Inbox forwarding: somebody did Add user at 2021-05-18T21:13:33.123456Z");
	assert_at("evidences.0.api.operation", "Add user. ");
	json_line_close(&line);
}

static void evidence_says_all_that_is_known(void **state)
{
	(void)state;
	struct mr_alert alert = plain_alert();
	write_alert(&alert);
	assert_at("evidences.0.data.Operation", "New-InboxRule");
	assert_at("evidences.0.data.n", "[1,2]");
	assert_at("evidences.0.actor.user.ldap_person.job_title", "Accountant");
	assert_at("evidences.0.actor.user.ldap_person.manager.name", "bob@contoso.com");
	assert_at("evidences.0.actor.user.ldap_person.labels.0", "privileged");
	assert_at("evidences.0.actor.user.groups.1.name", "Exchange Administrator");
	assert_at("evidences.0.actor.user.org.ou_name", "Finance");
	assert_at("evidences.0.actor.user.risk_level_id", "3");
	assert_at("evidences.0.actor.user.type_id", "1");
	assert_at("evidences.0.actor.session.is_mfa", "false");
	assert_at("evidences.0.src_endpoint.port", "443");
	assert_at("evidences.0.src_endpoint.location.lat", "52.37");
	assert_at("evidences.0.src_endpoint.autonomous_system.number", "1136");
	assert_at("evidences.0.api.operation", "New-InboxRule");
	assert_at("evidences.0.api.service.name", "Exchange");
	assert_at("evidences.0.api.response.message", "Success");
	assert_null(json_at(&line, "evidences.0.api.response.error"));
	assert_at("evidences.0.device.os.type_id", "100");
	assert_at("evidences.0.user.name", "carol@contoso.com");
	assert_at("unmapped.millrace.evidence.0.record_id", "r1");
	assert_at("unmapped.millrace.evidence.0.source", "audit.ndjson");
	assert_at("unmapped.millrace.evidence.0.offset", "100");
	assert_at("unmapped.millrace.evidence.0.intact", "true");
	assert_at("unmapped.millrace.evidence.0.fields.clientappused", "Other clients");
	char hash[24];
	snprintf(hash, sizeof(hash), "xxh3:%016llx",
		 (unsigned long long)mr_hash64(record, RECORD_LEN, 0));
	assert_at("unmapped.millrace.evidence.0.hash", hash);
	json_line_close(&line);
}

static void a_system_that_the_schema_has_no_number_for_is_other(void **state)
{
	(void)state;
	struct mr_signal_field fields[] = {{MR_F_DEVICE_NAME, MR_STRING, C("LAPTOP-7")},
					   {MR_F_DEVICE_OS, MR_STRING, C("WinDesktop")}};
	struct mr_alert alert = plain_alert();
	alert.evidence[0] = evidence_of(fields, 2);
	write_alert(&alert);
	assert_at("evidences.0.device.os.type_id", "100");
	json_line_close(&line);
	fields[1].text = S("Plan 9");
	write_alert(&alert);
	assert_at("evidences.0.device.os.type_id", "99");
	assert_at("evidences.0.device.os.type", "Plan 9"); /* as the schema demands */
	json_line_close(&line);
}

static void tags_become_techniques_and_tactics(void **state)
{
	(void)state;
	struct mr_alert alert = plain_alert();
	write_alert(&alert);
	assert_at("finding_info.attacks.0.tactic.uid", "TA0009");
	assert_at("finding_info.attacks.1.technique.uid", "T1114");
	assert_at("finding_info.attacks.1.technique.name", "Email Collection");
	assert_at("finding_info.attacks.1.sub_technique.uid", "T1114.003");
	assert_at("finding_info.attacks.1.sub_technique.name", "Email Forwarding Rule");
	assert_at("finding_info.attacks.1.sub_technique.src_url",
		  "https://attack.mitre.org/techniques/T1114/003/");
	assert_at("finding_info.attacks.2.tactic.name", "Initial Access");
	assert_at("finding_info.attacks.3.technique.uid", "T1078");
	assert_null(json_at(&line, "finding_info.attacks.3.sub_technique"));
	assert_at("finding_info.attacks.4.tactic.name", "Stealth");
	assert_null(json_at(&line, "finding_info.attacks.5"));
	json_line_close(&line);
}

static const struct mr_signal_field other[] = {
    {MR_F_ACTOR_NAME, MR_STRING, C("mallory@contoso.com")},
    {MR_F_ACTOR_KNOWN, MR_BOOL, C("false")},
    {MR_F_SRC_IP, MR_STRING, C("2001:db8::1")},
    {MR_F_SRC_ANONYMITY, MR_STRING, C("tor")},
};

static void a_correlation_shows_all_its_members(void **state)
{
	(void)state;
	struct mr_alert alert = plain_alert();
	alert.rule = 1;
	alert.slot = -3;
	alert.key[0] = S("alice@contoso.com");
	alert.first_time_us = 0;
	alert.event_count = 212;
	alert.value_count = 40;
	alert.lower_bound = true;
	alert.evidence_count = 3;
	alert.evidence[1] = evidence_of(other, 4);
	alert.evidence[2] = alert.evidence[0];
	write_alert(&alert);
	assert_at(
	    "message",
	    "Many addresses: at least 212 records with at least 40 different addresses for user "
	    "alice@contoso.com; in the name of at least 2 accounts: Alice Smith "
	    "(alice@contoso.com, Accountant, Finance, privileged) and mallory@contoso.com (not in "
	    "the identity store); on at least 1 target: carol@contoso.com (alice\\forward); from "
	    "at least 40 "
	    "addresses, such as 203.0.113.9 (Amsterdam, NL, KPN) and 2001:db8::1 (tor); between "
	    "1970-01-01T00:00:00Z and 2021-05-18T21:13:33.123456Z");
	assert_null(json_at(&line, "actor"));
	assert_at("finding_info.analytic.category", "value_count");
	assert_at("finding_info.related_analytics.0.uid", "rule-1");
	assert_at("count", "212");
	assert_at("start_time", "0");
	assert_at("unmapped.millrace.values", "40");
	assert_at("unmapped.millrace.lower_bound", "true");
	assert_at("unmapped.millrace.slot", "-3");
	assert_at("unmapped.millrace.timespan_seconds", "3600");
	assert_at("observables.0.value", "alice@contoso.com");
	assert_at("observables.1.value", "mallory@contoso.com");
	assert_at("observables.2.value", "203.0.113.9");
	assert_at("observables.3.value", "2001:db8::1");
	assert_at("observables.4.type_id", "16");
	assert_null(json_at(&line, "observables.5"));
	assert_at("evidences.1.actor.user.ldap_person.labels.0", "not in the identity store");
	assert_at("evidences.2.src_endpoint.ip", "203.0.113.9");
	json_line_close(&line);
}

/* ---- who and where, when records differ ---- */

#define PEOPLE 12
static const char *const people[PEOPLE] = {"ann", "bob", "cyd", "dan", "eve", "fay",
					   "gus", "hal", "ida", "jan", "kim", "lou"};

/* One record of a person's; enriched, so that what differs beside the name is seen too. */
struct deed {
	struct mr_signal_field fields[6];
	char id[16];
};
static struct mr_evidence deed_of(struct deed *deed, const char *person, const char *address,
				  const char *file)
{
	static uint32_t number;
	*deed = (struct deed){.fields = {{MR_F_ACTOR_NAME, MR_STRING, mr_slice(person)},
					 {MR_F_ACTOR_DEPARTMENT, MR_STRING, C("Finance")},
					 {MR_F_APP_NAME, MR_STRING, C("Outlook")},
					 {MR_F_MFA, MR_BOOL, C("false")},
					 {MR_F_RESOURCE_NAME, MR_STRING, mr_slice(file)},
					 {MR_F_SRC_IP, MR_STRING, mr_slice(address)}}};
	snprintf(deed->id, sizeof(deed->id), "deed-%u", number++);
	struct mr_evidence evidence = evidence_of(deed->fields, 6);
	evidence.record_id = mr_slice(deed->id);
	return evidence;
}

static struct mr_alert correlated(uint64_t records, const char *key)
{
	struct mr_alert alert = plain_alert();
	alert.rule = 1;
	alert.key[0] = mr_slice(key);
	alert.event_count = records;
	alert.evidence_count = records < MR_EVIDENCE_MAX ? (uint32_t)records : MR_EVIDENCE_MAX;
	return alert;
}

static void assert_says(const char *part)
{
	const char *message = json_at(&line, "message");
	if (strstr(message, part) == NULL)
		fail_msg("\"%s\" is not in: %s", part, message);
}

static void a_spray_names_no_victim_as_the_actor(void **state)
{
	(void)state;
	struct deed deeds[MR_EVIDENCE_MAX];
	counted_fields[0] = MR_F_ACTOR_NAME;
	counted[0] = S("actor.user.name");
	group_by[0] = S("src_endpoint.ip");
	/* Ten attempts on ten people of 17; then ten on the first of them. */
	for (int same = 0; same < 2; same++) {
		struct mr_alert alert = correlated(45, "203.0.113.9");
		alert.value_count = 17;
		for (uint32_t i = 0; i < MR_EVIDENCE_MAX; i++)
			alert.evidence[i] =
			    deed_of(&deeds[i], people[same ? 0 : i], "203.0.113.9", "Mail");
		write_alert(&alert);
		assert_null(json_at(&line, "actor"));
		assert_says("; from 203.0.113.9");
		assert_says(same ? "; in the name of 17 accounts, such as ann (Finance); on"
				 : "; in the name of 17 accounts, such as ann (Finance), bob "
				   "(Finance) and cyd (Finance); on at least 1 target: Mail; from");
		json_line_close(&line);
		/* Of more records than are kept, what is known of the values is said. */
		alert.lower_bound = true;
		alert.event_count = 20;
		alert.value_count = 200;
		write_alert(&alert);
		assert_says("Many addresses: at least 200 different users; in the name of "
			    "at least 200 accounts");
		json_line_close(&line);
	}
	counted_fields[0] = MR_F_SRC_IP;
	counted[0] = S("src_endpoint.ip");
	group_by[0] = S("actor.user.name");
}

static void a_mass_download_names_who_did_it(void **state)
{
	(void)state;
	struct deed deeds[MR_EVIDENCE_MAX];
	struct mr_alert alert = correlated(500, "ann");
	for (uint32_t i = 0; i < MR_EVIDENCE_MAX; i++)
		alert.evidence[i] =
		    deed_of(&deeds[i], i % 2 == 0 ? "ann" : "Ann", "203.0.113.9", people[i]);
	write_alert(&alert);
	assert_at("actor.user.name", "ann");
	assert_at("actor.user.org.ou_name", "Finance");
	assert_null(json_at(&line, "actor.app_name")); /* of ten among 500 */
	assert_null(json_at(&line, "actor.session"));
	assert_says("; by ann (Finance); on at least 10 targets, such as ann, bob and cyd; from at "
		    "least 1 address: 203.0.113.9");
	assert_at("resources.9.name", "jan");
	json_line_close(&line);
}

/* Ten records of ten are all there are; ten of eleven are not, nor where the count is of alerts,
 * nor ten copies of nine records where there are ten. */
static void all_ten_records_name_who_did_it(void **state)
{
	(void)state;
	struct deed deeds[MR_EVIDENCE_MAX];
	static const struct {
		uint64_t records;
		uint8_t layer;
		enum mr_correlation_type type;
		bool copy, whole;
	} cases[] = {{9, 0, MR_CORRELATION_EVENT_COUNT, false, true},
		     {10, 0, MR_CORRELATION_EVENT_COUNT, false, true},
		     {11, 0, MR_CORRELATION_EVENT_COUNT, false, false},
		     {9, 1, MR_CORRELATION_EVENT_COUNT, false, true},
		     {10, 1, MR_CORRELATION_EVENT_COUNT, false, false},
		     {10, 1, MR_CORRELATION_TEMPORAL, false, true},
		     {10, 0, MR_CORRELATION_TEMPORAL, true, false},
		     {9, 0, MR_CORRELATION_TEMPORAL, true, true}};
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct mr_alert alert = correlated(cases[c].records, "203.0.113.9");
		if (cases[c].copy)
			alert.evidence_count = MR_EVIDENCE_MAX;
		for (uint32_t i = 0; i < alert.evidence_count; i++)
			alert.evidence[i] = deed_of(&deeds[i], "ann", "203.0.113.9", people[i]);
		if (cases[c].copy)
			alert.evidence[1].record_id = alert.evidence[0].record_id;
		rules[1].layer = cases[c].layer;
		rules[1].type = cases[c].type;
		write_alert(&alert);
		bool alerts = cases[c].layer > 0 && cases[c].type == MR_CORRELATION_EVENT_COUNT;
		assert_null(json_at(&line, alerts ? "unmapped.millrace.records"
						  : "unmapped.millrace.alerts"));
		assert_non_null(json_at(&line, alerts ? "unmapped.millrace.alerts"
						      : "unmapped.millrace.records"));
		if (cases[c].whole)
			assert_at("actor.user.name", "ann");
		else
			assert_null(json_at(&line, "actor.user"));
		json_line_close(&line);
	}
	rules[1].layer = 0;
	rules[1].type = MR_CORRELATION_VALUE_COUNT;
}

static void a_chain_names_all_who_took_part(void **state)
{
	(void)state;
	struct deed deeds[2];
	struct mr_alert alert = correlated(2, "Evil App"); /* one consents, one reads */
	alert.evidence[0] = deed_of(&deeds[0], "ann", "203.0.113.9", "Evil App");
	alert.evidence[1] = deed_of(&deeds[1], "bob", "203.0.113.9", "Evil App");
	write_alert(&alert);
	assert_null(json_at(&line, "actor.user"));
	assert_at("actor.app_name", "Outlook");
	assert_says(
	    "; in the name of 2 accounts: ann (Finance) and bob (Finance); on Evil App; from "
	    "203.0.113.9");
	json_line_close(&line);
	/* The same with one actor, who is then named although the key says nothing of it. */
	alert.evidence[1] = deed_of(&deeds[1], "ann", "203.0.113.10", "Mail");
	write_alert(&alert);
	assert_at("actor.user.name", "ann");
	assert_at("actor.session.is_mfa", "false");
	assert_says("; by ann (Finance); on 2 targets: Evil App and Mail; from 2 addresses: "
		    "203.0.113.9 and 203.0.113.10");
	json_line_close(&line);
	/* A record that says nothing of who: the other's name is not its. */
	alert.evidence[1].field_count = 0;
	write_alert(&alert);
	assert_null(json_at(&line, "actor"));
	assert_says("; in the name of at least 1 account: ann (Finance)");
	json_line_close(&line);
}

static void an_alert_without_anything_is_still_one(void **state)
{
	(void)state;
	struct mr_alert alert = {.activity = MR_ACTIVITY_CLOSE, .rule = 1, .tenant = S("unknown")};
	write_alert(&alert);
	assert_at("activity_name", "Close");
	assert_at("status", "Suppressed");
	assert_at("unmapped.millrace.key", "[]");
	assert_at("unmapped.millrace.evidence", "[]");
	assert_null(json_at(&line, "evidences"));
	assert_null(json_at(&line, "start_time"));
	json_line_close(&line);
	alert = plain_alert();
	alert.has_time = false;
	alert.evidence[0].has_time = false;
	alert.evidence[0].field_count = 0;
	write_alert(&alert);
	assert_at("message", "Inbox forwarding: somebody did something at an unknown time, read at "
			     "2023-11-14T22:13:20Z");
	assert_at("time", "1700000000000");
	assert_at("unmapped.millrace.time_unknown", "true");
	assert_null(json_at(&line, "start_time"));
	assert_null(json_at(&line, "finding_info.first_seen_time"));
	assert_null(json_at(&line, "evidences.0.actor"));
	json_line_close(&line);
}

/* ---- records that cannot be shown as they are ---- */

static void put_record(struct mr_alert *alert, const char *bytes, size_t len)
{
	memcpy(world.region + 500, bytes, len);
	alert->evidence[0].origin = (struct mr_origin){
	    .position = 500, .length = (uint32_t)len, .hash = mr_hash64(bytes, len, 0)};
}

static void a_repaired_record_is_shown_repaired(void **state)
{
	(void)state;
	static const struct {
		const char *raw, *want;
	} cases[] = {
	    {"{\"a\":\"\xff\x01\"}", "{\"a\":\"\xef\xbf\xbd\x01\"}"},
	    {"{\"a\":\"\\ud800\"}", "{\"a\":\"\\ufffd\"}"},
	    {"{\"a\":\"\xff\"}", "{\"a\":\"\xef\xbf\xbd\"}"},
	    {"{\"a\":1}}", "{\"a\":1}}"},
	    {"[1]", "[1]"},
	    {"{\"a\":123456789012345678901234567890}",
	     "{\"a\":\"123456789012345678901234567890\"}"},
	    {"{\"a\":\"\xed\xa0\x80\n\"", "{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n\""}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mr_alert alert = plain_alert();
		put_record(&alert, cases[i].raw, strlen(cases[i].raw));
		write_alert(&alert);
		assert_at("evidences.0.data", cases[i].want);
		assert_at("unmapped.millrace.evidence.0.intact", "true");
		json_line_close(&line);
	}
}

static void a_deep_record_is_shown_as_text(void **state)
{
	(void)state;
	for (int depth = 63; depth <= 65; depth++) {
		struct mr_buf text = {0};
		mr_buf_add_text(&text, "{\"]\\\"[\":");
		for (int i = 1; i < depth; i++)
			mr_buf_add_text(&text, "[");
		for (int i = 1; i < depth; i++)
			mr_buf_add_text(&text, "]");
		mr_buf_add_text(&text, "}");
		struct mr_alert alert = plain_alert();
		put_record(&alert, text.data, text.len);
		write_alert(&alert);
		struct mr_buf want = {0};
		mr_buf_add(&want, text.data, text.len);
		mr_buf_add(&want, "", 1);
		assert_at("evidences.0.data", want.data);
		assert_int_equal(json_at(&line, "evidences.0.data.]\"[") == NULL, depth > 64);
		json_line_close(&line);
		mr_buf_fini(&text);
		mr_buf_fini(&want);
	}
}

static char logged[1024];
static void remember(void *context, enum mr_log_level level, uint64_t kind, const char *text,
		     size_t len)
{
	(void)kind;
	(void)context;
	(void)level;
	snprintf(logged, sizeof(logged), "%.*s", (int)len, text);
}

#define GONE "the journal holds it no more (journal_age, journal_bytes), or is damaged: "

static void evidence_that_changed_is_not_shown(void **state)
{
	(void)state;
	struct mr_alert alert = plain_alert();
	mr_log_set_sink(remember, NULL);
	alert.evidence[0].origin.hash ^= 1;
	write_alert(&alert);
	assert_at(
	    "evidences.0.data",
	    "the record cannot be shown: audit.ndjson: the 51 bytes at byte 100 are no longer the "
	    "record that was judged");
	assert_at("unmapped.millrace.evidence.0.intact", "false");
	assert_true(strstr(logged, "evidence cannot be shown: audit.ndjson") != NULL);
	json_line_close(&line);

	alert = plain_alert();
	world.files.bytes[0].len = RECORD_AT + 10; /* cut short */
	write_alert(&alert);
	assert_at("unmapped.millrace.evidence.0.problem", "audit.ndjson: has become shorter");
	assert_null(json_at(&line, "evidences.0.data.Id"));
	json_line_close(&line);
	world.files.bytes[0].len = sizeof(world.region);

	alert.evidence[0].origin.partition = 77;
	write_alert(&alert);
	assert_at("unmapped.millrace.evidence.0.problem", GONE "there is no file 77");
	json_line_close(&line);
	alert.evidence[0].origin.length = UINT32_MAX;
	write_alert(&alert);
	assert_at("unmapped.millrace.evidence.0.intact", "false");
	json_line_close(&line);
	mr_log_set_sink(NULL, NULL);
}

static void a_spooled_record_names_its_original(void **state)
{
	(void)state;
	struct mr_alert alert = plain_alert();
	struct mr_frame frame = {RECORD_LEN, 2, 1ull << 33};
	mr_frame_encode(&frame, world.region + RECORD_AT - MR_FRAME_HEADER);
	alert.evidence[0].origin.partition = 1;
	write_alert(&alert);
	assert_at("evidences.0.data.Id", "r1");
	assert_at("unmapped.millrace.evidence.0.source", "a.csv");
	assert_at("unmapped.millrace.evidence.0.offset", "8589934592");
	json_line_close(&line);
	alert.evidence[0].origin.hash ^= 1; /* the number is another segment's by now */
	write_alert(&alert);
	assert_at(
	    "unmapped.millrace.evidence.0.problem", GONE
	    "journal/audit/7/: the 51 bytes at byte 100 are no longer the record that was judged");
	assert_at("unmapped.millrace.evidence.0.source", "");
	assert_at("unmapped.millrace.evidence.0.offset", "100");
	json_line_close(&line);
	alert.evidence[0].origin.position = 5; /* no room for a frame */
	write_alert(&alert);
	assert_at("unmapped.millrace.evidence.0.intact", "false");
	assert_at("unmapped.millrace.evidence.0.source", "");
	json_line_close(&line);
}

static void a_record_may_come_with_its_alert(void **state)
{
	(void)state;
	struct mr_alert alert = plain_alert();
	alert.evidence[0].record = (struct mr_slice){record, RECORD_LEN};
	alert.evidence[0].origin.partition = 77;
	write_alert(&alert);
	assert_at("evidences.0.data.Id", "r1");
	json_line_close(&line);
}

/* ---- what an attacker wrote ---- */

static const struct mr_signal_field hostile[] = {
    {MR_F_ACTOR_NAME, MR_STRING, C("\x1b[2Jroot\n\r\x00\xff\xed\xa0\x80\"\\")},
    {MR_F_ACTOR_UPN, MR_STRING, C("not\x00an@address.example")},
    {MR_F_ACTOR_TYPE, MR_STRING, C("Robot")},
    {MR_F_ACTOR_RISK, MR_STRING, C("extreme")},
    {MR_F_SRC_IP, MR_STRING, C("1.1.1.1\x00\x1b")},
    {MR_F_SRC_PORT, MR_STRING, C("99999999999999999999")},
    {MR_F_SRC_LAT, MR_DOUBLE, C("01e")},
    {MR_F_SRC_CITY, MR_STRING,
     C("\xe2\x80\xae"
       "evil")},
    {MR_F_OPERATION, MR_STRING, C("</script>\xe2\x80\xa8")},
    {MR_F_DEVICE_NAME, MR_STRING, C("\xf4\x90\x80\x80")},
    {MR_F_MFA, MR_STRING, C("perhaps")},
    {MR_F_USER_AGENT, MR_INT, C("0x10")},
    {MR_F_SRC_ASN, MR_UINT, C("18446744073709551615")},
    {MR_F_STATUS_CODE, MR_DOUBLE, C("1e999")},
    {60000, MR_STRING, C("no such field")},
};

static void hostile_texts_stay_inside_their_strings(void **state)
{
	(void)state;
	struct mr_alert alert = plain_alert();
	alert.evidence[0] = evidence_of(hostile, sizeof(hostile) / sizeof(hostile[0]));
	alert.key[0] = S("\xff\n\"");
	alert.tenant = S("\x07t");
	write_alert(&alert);
	assert_at("unmapped.millrace.key.0", "\xef\xbf\xbd\n\"");
	assert_at("evidences.0.actor.user.type_id", "99");
	assert_null(json_at(&line, "evidences.0.src_endpoint"));
	assert_null(json_at(&line, "evidences.0.actor.user.email_addr"));
	assert_null(json_at(&line, "evidences.0.actor.session"));
	assert_at("evidences.0.api.operation", "</script>\xe2\x80\xa8"); /* as it is */
	const char *fields = json_at(&line, "unmapped.millrace.evidence.0.fields");
	assert_true(strstr(fields, "\"http_request.user_agent\":\"0x10\"") != NULL);
	assert_true(strstr(fields, "\"status_code\":\"1e999\"") != NULL);
	json_line_close(&line);
}

/* Values of several fields may stand in any order: each field is a member once, and the next record
 * begins anew. */
static void a_field_with_several_values_is_one_array(void **state)
{
	(void)state;
	mr_field own = mr_fields_find(world.fields, MR_SLICE("ClientAppUsed"));
	const struct mr_signal_field fields[] = {
	    {MR_F_ACTOR_ROLES, MR_STRING, C("a")}, {own, MR_STRING, C("b\"")},
	    {MR_F_ACTOR_ROLES, MR_STRING, C("c")}, {own, MR_INT, C("7")},
	    {UINT16_MAX, MR_STRING, C("unheard")}, {MR_F_SRC_IP, MR_STRING, C("192.0.2.1")},
	    {MR_F_ACTOR_ROLES, MR_BOOL, C("true")}};
	struct mr_alert alert = plain_alert();
	alert.evidence_count = 2;
	alert.event_count = 2;
	alert.evidence[0] = evidence_of(fields, 7);
	alert.evidence[1] = evidence_of(fields + 2, 2);
	write_alert(&alert);
	assert_at("unmapped.millrace.evidence.0.fields",
		  "{\"actor.user.roles\":[\"a\",\"c\",true],\"clientappused\":[\"b\\\"\",7],"
		  "\"src_endpoint.ip\":\"192.0.2.1\"}");
	assert_at("unmapped.millrace.evidence.1.fields",
		  "{\"actor.user.roles\":\"c\",\"clientappused\":7}");
	json_line_close(&line);
}

/* Where there is one record, the alert's actor is that record's, and none where it names none. */
static void one_record_and_its_alert_have_one_actor(void **state)
{
	(void)state;
	struct mr_alert alert = plain_alert();
	write_alert(&alert);
	assert_string_equal(json_at(&line, "actor"), json_at(&line, "evidences.0.actor"));
	json_line_close(&line);
	struct mr_signal_field field = {MR_F_OPERATION, MR_STRING, C("Add user")};
	alert.evidence[0] = evidence_of(&field, 1);
	write_alert(&alert);
	assert_null(json_at(&line, "actor"));
	assert_null(json_at(&line, "evidences.0.actor"));
	json_line_close(&line);
}

/* The first name has the first id; what else a record names stands by itself. */
static void each_thing_is_a_resource_once(void **state)
{
	(void)state;
	static const struct mr_signal_field first[] = {{MR_F_RESOURCE_NAME, MR_STRING, C("ann")},
						       {MR_F_RESOURCE_NAME, MR_STRING, C("Group")},
						       {MR_F_RESOURCE_NAME, MR_STRING, C("Role")},
						       {MR_F_RESOURCE_UID, MR_STRING, C("1")}};
	static const struct mr_signal_field second[] = {{MR_F_RESOURCE_NAME, MR_STRING, C("bob")},
							{MR_F_RESOURCE_NAME, MR_STRING, C("Role")}};
	struct mr_alert alert = plain_alert();
	alert.evidence_count = 2;
	alert.evidence[0] = evidence_of(first, 4);
	alert.evidence[1] = evidence_of(second, 2);
	write_alert(&alert);
	assert_at("resources", "[{\"name\":\"ann\",\"uid\":\"1\"},{\"name\":\"Group\"},"
			       "{\"name\":\"Role\"},{\"name\":\"bob\"}]");
	json_line_close(&line);
}

static void every_line_passes_the_schema(void **state)
{
	(void)state;
	const char *root = getenv("MILLRACE_ROOT");
	char path[] = "/tmp/millrace-ocsf-XXXXXX";
	if (root == NULL)
		skip();
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, world.all.data, world.all.len), world.all.len);
	close(fd);
	char *command = mr_asprintf("python3 '%s/tests/e2e/ocsf_check.py' %s", root, path);
	int status = system(command);
	unlink(path);
	free(command);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_plain_alert_says_what_who_where_when),
	    cmocka_unit_test(an_operation_that_ends_as_a_sentence_does_not_end_the_message),
	    cmocka_unit_test(evidence_says_all_that_is_known),
	    cmocka_unit_test(a_system_that_the_schema_has_no_number_for_is_other),
	    cmocka_unit_test(tags_become_techniques_and_tactics),
	    cmocka_unit_test(a_correlation_shows_all_its_members),
	    cmocka_unit_test(a_spray_names_no_victim_as_the_actor),
	    cmocka_unit_test(a_mass_download_names_who_did_it),
	    cmocka_unit_test(all_ten_records_name_who_did_it),
	    cmocka_unit_test(a_chain_names_all_who_took_part),
	    cmocka_unit_test(an_alert_without_anything_is_still_one),
	    cmocka_unit_test(a_repaired_record_is_shown_repaired),
	    cmocka_unit_test(a_deep_record_is_shown_as_text),
	    cmocka_unit_test(a_field_with_several_values_is_one_array),
	    cmocka_unit_test(one_record_and_its_alert_have_one_actor),
	    cmocka_unit_test(evidence_that_changed_is_not_shown),
	    cmocka_unit_test(a_spooled_record_names_its_original),
	    cmocka_unit_test(a_record_may_come_with_its_alert),
	    cmocka_unit_test(hostile_texts_stay_inside_their_strings),
	    cmocka_unit_test(each_thing_is_a_resource_once),
	    cmocka_unit_test(every_line_passes_the_schema),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
