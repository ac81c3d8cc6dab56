/* ocsf_world.h - two rules, a file with a record, alerts of it, and the lines that they become. For
 * test_ocsf.c. */
#ifndef MILLRACE_TEST_OCSF_WORLD_H
#define MILLRACE_TEST_OCSF_WORLD_H

#include "fake_files.h"
#include "millrace/batch.h"
#include "ocsf.h"
#include "read_json.h"

#define S(text) MR_SLICE(text)
#define C(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	} /* in static initialisers */

static const char record[] = "{\"Id\":\"r1\",\n \"Operation\":\"New-InboxRule\",\"n\":[1,2]}";
#define RECORD_LEN (sizeof(record) - 1)
#define RECORD_AT 100

static struct mr_slice tags[] = {
    C("attack.collection"), C("attack.t1114.003"), C("attack.initial_access"),
    C("attack.T1078"),      C("attack.stealth"),   C("attack.t12"),
    C("attack."),           C("cve.2024-1")};
static struct mr_slice references[] = {C("https://example.com/a"), C("https://example.com/b")};
static struct mr_slice false_positives[] = {C("People who move house")};
static struct mr_slice group_by[] = {C("actor.user.name")};
static struct mr_slice counted[] = {C("src_endpoint.ip")};
static mr_field counted_fields[] = {MR_F_SRC_IP};
static uint32_t named[] = {0};
static struct mr_rule rules[2];
static struct mr_catalog catalog = {.rules = rules, .count = 2, .layers = 1};

static struct {
	struct mr_files files;
	char region[4096];
	struct mr_declared declared;
	struct record_reader records;
	struct mr_fields *fields;
	struct ocsf ocsf;
	struct mr_buf all; /* every line that was made, for the checker */
} world;

static int set_up(void **state)
{
	(void)state;
	rules[0] = (struct mr_rule){.kind = MR_RULE_DETECTION,
				    .id = S("rule-1"),
				    .title = S("Inbox forwarding"),
				    .description = S("A rule sends mail away."),
				    .file = S("rules/mail.yml"),
				    .line = 3,
				    .level = MR_LEVEL_HIGH,
				    .date = S("2026-11-24"),
				    .tags = {tags, 8},
				    .references = {references, 2},
				    .falsepositives = {false_positives, 1}};
	rules[1] = (struct mr_rule){.kind = MR_RULE_CORRELATION,
				    .id = S("rule-2"),
				    .title = S("Many addresses"),
				    .file = S("rules/mail.yml"),
				    .level = MR_LEVEL_CRITICAL,
				    .type = MR_CORRELATION_VALUE_COUNT,
				    .rules = named,
				    .rule_count = 1,
				    .timespan_us = 3600000000,
				    .group_by = {group_by, 1},
				    .fields = {counted, 1},
				    .value_fields = counted_fields};
	memset(world.region, ' ', sizeof(world.region));
	memcpy(world.region + RECORD_AT, record, RECORD_LEN);
	world.files = (struct mr_files){
	    .names = {S("audit.ndjson"), S("journal/audit/7/"), S("a.csv")},
	    .bytes = {{world.region, sizeof(world.region)}, {world.region, sizeof(world.region)}}};
	world.fields = mr_fields_new();
	mr_fields_add(world.fields, S("ClientAppUsed"));
	record_reader_init(&world.records, &world.files, 1 << 20);
	ocsf_init(&world.ocsf, &catalog, world.fields, &world.records, &world.declared);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ocsf_fini(&world.ocsf);
	record_reader_fini(&world.records);
	mr_fields_free(world.fields);
	mr_buf_fini(&world.all);
	return 0;
}

static const struct mr_signal_field who[] = {
    {MR_F_KIND, MR_STRING, C("m365.audit")},
    {MR_F_PRODUCT, MR_STRING, C("Exchange")},
    {MR_F_OPERATION, MR_STRING, C("New-InboxRule")},
    {MR_F_STATUS, MR_STRING, C("Success")},
    {MR_F_STATUS_CODE, MR_STRING, C("Succeeded")},
    {MR_F_ACTOR_NAME, MR_STRING, C("alice@contoso.com")},
    {MR_F_ACTOR_UID, MR_STRING, C("u-1")},
    {MR_F_ACTOR_TYPE, MR_STRING, C("User")},
    {MR_F_ACTOR_FULL_NAME, MR_STRING, C("Alice Smith")},
    {MR_F_ACTOR_UPN, MR_STRING, C("alice@contoso.com")},
    {MR_F_ACTOR_DEPARTMENT, MR_STRING, C("Finance")},
    {MR_F_ACTOR_TITLE, MR_STRING, C("Accountant")},
    {MR_F_ACTOR_MANAGER, MR_STRING, C("bob@contoso.com")},
    {MR_F_ACTOR_ROLES, MR_STRING, C("Global Administrator")},
    {MR_F_ACTOR_ROLES, MR_STRING, C("Exchange Administrator")},
    {MR_F_ACTOR_PRIVILEGED, MR_BOOL, C("true")},
    {MR_F_ACTOR_KNOWN, MR_BOOL, C("true")},
    {MR_F_ACTOR_RISK, MR_STRING, C("high")},
    {MR_F_ACTOR_HOME_COUNTRY, MR_STRING, C("NL")},
    {MR_F_SESSION, MR_STRING, C("s-1")},
    {MR_F_MFA, MR_BOOL, C("false")},
    {MR_F_SRC_IP, MR_STRING, C("203.0.113.9")},
    {MR_F_SRC_PORT, MR_INT, C("443")},
    {MR_F_SRC_COUNTRY, MR_STRING, C("NL")},
    {MR_F_SRC_CITY, MR_STRING, C("Amsterdam")},
    {MR_F_SRC_LAT, MR_DOUBLE, C("52.37")},
    {MR_F_SRC_LONG, MR_DOUBLE, C("4.89")},
    {MR_F_SRC_ASN, MR_INT, C("1136")},
    {MR_F_SRC_AS_NAME, MR_STRING, C("KPN")},
    {MR_F_DEVICE_NAME, MR_STRING, C("LAPTOP-7")},
    {MR_F_DEVICE_OS, MR_STRING, C("Windows 11")},
    {MR_F_USER_AGENT, MR_STRING, C("axios/1.7")},
    {MR_F_RESOURCE_NAME, MR_STRING, C("alice\\forward")},
    {MR_F_TARGET_NAME, MR_STRING, C("carol@contoso.com")},
    {MR_F_NORMALISED_END, MR_STRING, C("Other clients")},
};

static struct mr_evidence evidence_of(const struct mr_signal_field *fields, size_t count)
{
	return (struct mr_evidence){.kind = MR_KIND_UAL,
				    .has_time = true,
				    .time_us = 1621372413123456,
				    .arrival_us = 1700000000000000,
				    .record_id = S("r1"),
				    .origin = {.position = RECORD_AT,
					       .length = RECORD_LEN,
					       .hash = mr_hash64(record, RECORD_LEN, 0)},
				    .field_count = (uint32_t)count,
				    .fields = fields};
}

static struct mr_alert plain_alert(void)
{
	struct mr_alert alert = {.id = {0xab, 0xcd},
				 .activity = MR_ACTIVITY_CREATE,
				 .tenant = S("t-1"),
				 .key_count = 1,
				 .key = {S("r1")},
				 .has_time = true,
				 .first_time_us = 1621372413123456,
				 .last_time_us = 1621372413123456,
				 .event_count = 1,
				 .evidence_count = 1};
	alert.evidence[0] = evidence_of(who, sizeof(who) / sizeof(who[0]));
	return alert;
}

static struct json_line line;

/* As deliver has it: with the places of its fields, and each record read for the second time. */
static void assert_same_from_bytes(const struct mr_alert *alert, const struct mr_buf *first)
{
	struct mr_buf bytes = {0}, again = {0};
	struct mr_arena arena = {0};
	struct mr_alert decoded;
	size_t at = 0;
	mr_alert_encode(alert, &bytes);
	assert_int_equal(
	    mr_alert_decode((struct mr_slice){bytes.data, bytes.len}, &at, &arena, &decoded, NULL),
	    MR_OK);
	ocsf_put_alert(&world.ocsf, &decoded, &again);
	assert_int_equal(again.len, first->len);
	assert_memory_equal(again.data, first->data, first->len);
	mr_buf_fini(&bytes);
	mr_buf_fini(&again);
	mr_arena_fini(&arena);
}

static void write_alert(const struct mr_alert *alert)
{
	struct mr_buf out = {0};
	ocsf_put_alert(&world.ocsf, alert, &out);
	assert_same_from_bytes(alert, &out);
	assert_int_equal(out.data[out.len - 1], '\n');
	assert_null(memchr(out.data, '\n', out.len - 1));
	assert_true(mr_utf8_valid(out.data, out.len));
	assert_true(json_line_open(&line, out.data, out.len - 1));
	mr_buf_add(&world.all, out.data, out.len);
	mr_buf_fini(&out);
}

static void assert_at(const char *path, const char *want)
{
	const char *got = json_at(&line, path);
	if (got == NULL)
		fail_msg("%s is not there", path);
	assert_string_equal(got, want);
}

#endif
