/* test_message.c - the sentence of an alert: what was counted, who did it, what things are called.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "message.h"
#include "words.h"

#define S(text) MR_SLICE(text)
#define C(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}                /* in static initialisers */
#define R "\xef\xbf\xbd" /* what stands for a character that misleads */
#define OWN_FIELD MR_F_NORMALISED_END

static enum mr_record_kind said_kind;

static void says(const struct mr_rule *rule, const struct mr_signal_field *fields, uint32_t count,
		 const char *wanted)
{
	struct mr_rule copy = *rule;
	struct mr_catalog catalog = {.rules = &copy, .count = 1, .layers = 1};
	struct mr_alert alert = {.has_time = true, .event_count = 1, .evidence_count = 1};
	struct mr_buf out = {0};
	alert.evidence[0] =
	    (struct mr_evidence){.kind = said_kind, .field_count = count, .fields = fields};
	message_put(&out, &catalog, &alert);
	mr_buf_add(&out, "", 1);
	assert_string_equal(out.data, wanted);
	mr_buf_fini(&out);
}

static void a_detection_says_its_own_fields(void **state)
{
	(void)state;
	struct mr_slice names[] = {S("ClientAppUsed"), S("none"), S("actor.user.roles")};
	mr_field ids[] = {OWN_FIELD, 0, MR_F_ACTOR_ROLES};
	const struct mr_signal_field fields[] = {
	    {MR_F_OPERATION, MR_STRING, S("Op")},  {OWN_FIELD, MR_STRING, S("IMAP4\r\n(old)")},
	    {MR_F_ACTOR_ROLES, MR_STRING, S("a")}, {MR_F_ACTOR_ROLES, MR_STRING, S("b")},
	    {MR_F_ACTOR_ROLES, MR_STRING, S("c")}, {MR_F_ACTOR_ROLES, MR_STRING, S("d")},
	    {MR_F_ACTOR_ROLES, MR_STRING, S("e")}};
	struct mr_rule rule = {.title = S("T"), .shown = {names, 3}, .shown_fields = ids};
	says(&rule, fields, sizeof fields / sizeof fields[0],
	     "T: somebody did Op at 1970-01-01T00:00:00Z; ClientAppUsed: IMAP4 (old); "
	     "role: a, b, c, …");
}

/* A log of another kind names what happened by a code, and who did it by a program. */
static void a_declared_record_says_what_it_has(void **state)
{
	(void)state;
	struct mr_slice names[] = {S("CommandLine")};
	mr_field ids[] = {OWN_FIELD};
	struct mr_rule rule = {.title = S("T")};
	const struct mr_signal_field fields[] = {{MR_F_EVENT_CODE, MR_STRING, S("13")},
						 {MR_F_DEVICE_NAME, MR_STRING, S("pc-1")},
						 {MR_F_PROCESS, MR_STRING, S("C:\\reg.exe")},
						 {MR_F_RESOURCE_NAME, MR_STRING, S("HKLM\\x")},
						 {MR_F_COMMAND, MR_STRING, S("reg add\r\n x")},
						 {OWN_FIELD, MR_STRING, S("reg add\r\n x")},
						 {MR_F_PRODUCT, MR_STRING, S("Sysmon")},
						 {MR_F_OPERATION, MR_STRING, S("SetValue")}};
	said_kind = MR_KIND_DECLARED;
	says(&rule, fields, 1, "T: somebody caused event 13 at 1970-01-01T00:00:00Z");
	says(&rule, fields, 5,
	     "T: somebody caused event 13 on HKLM\\x with C:\\reg.exe on device pc-1 at "
	     "1970-01-01T00:00:00Z; command line: reg add x");
	says(&rule, fields, 8,
	     "T: somebody did SetValue (event 13 of Sysmon) on HKLM\\x with C:\\reg.exe on device "
	     "pc-1 at 1970-01-01T00:00:00Z; command line: reg add x");
	/* Once, where the rule shows it, too. */
	rule.shown = (struct mr_texts){names, 1};
	rule.shown_fields = ids;
	says(&rule, fields + 4, 2,
	     "T: somebody did something at 1970-01-01T00:00:00Z; CommandLine: reg add x");
	said_kind = MR_KIND_UNKNOWN;
}

/* The whole value stands in the evidence; in the sentence it loses its quotes and its layout. */
static void a_value_loses_its_quotes_and_its_layout(void **state)
{
	(void)state;
	struct mr_slice names[] = {S("Value")};
	mr_field ids[] = {OWN_FIELD};
	struct mr_rule rule = {.title = S("T"), .shown = {names, 1}, .shown_fields = ids};
	static const struct {
		struct mr_slice value;
		const char *wanted;
	} cases[] = {{C("\"Global Administrator\""), "Global Administrator"},
		     {C("[\r\n \t\"a\"\n]"), "[ \"a\" ]"},
		     {C("\"a\\\"b\""), "\"a\\\"b\""},
		     {C("\"a\", \"b\""), "\"a\", \"b\""},
		     {C("\""), "\""}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct mr_signal_field field = {OWN_FIELD, MR_STRING, cases[i].value};
		char *wanted =
		    mr_asprintf("T: somebody did something at 1970-01-01T00:00:00Z; Value: %s",
				cases[i].wanted);
		says(&rule, &field, 1, wanted);
		free(wanted);
	}
}

static void exchange_names_a_thing_by_itself(void **state)
{
	(void)state;
	struct mr_rule rule = {.title = S("T")};
	static const struct {
		struct mr_slice name;
		const char *wanted;
	} cases[] = {
	    {C("X.OUTLOOK.COM/Microsoft Exchange Hosted Organizations/t.example/ann\\rule"),
	     "ann\\rule"},
	    {C("/Microsoft Exchange Hosted Organizations/t.example/"),
	     "/Microsoft Exchange Hosted Organizations/t.example/"},
	    {C("/Microsoft Exchange Hosted Organizations/t.example"),
	     "/Microsoft Exchange Hosted Organizations/t.example"}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct mr_signal_field field = {MR_F_RESOURCE_NAME, MR_STRING, cases[i].name};
		char *wanted = mr_asprintf(
		    "T: somebody did something on %s at 1970-01-01T00:00:00Z", cases[i].wanted);
		says(&rule, &field, 1, wanted);
		free(wanted);
	}
}

/* ---- what things are called ---- */

static void calls(const char *name, const struct mr_texts *among, const char *wanted)
{
	struct words words = words_of_field(mr_slice(name), among);
	char *got = mr_asprintf("%s%.*s", words.before, (int)words.text.len, words.text.at);
	assert_string_equal(got, wanted);
	free(got);
}

static void a_field_is_called_by_its_word_or_the_end_of_its_path(void **state)
{
	(void)state;
	calls("HTTP_request.user_agent", NULL, "user agent");
	calls("actor.app_uid", NULL, "application id");
	calls("src_endpoint.networ\xe2\x84\xaa", NULL, "named network"); /* the Kelvin sign's k */
	calls("email.to_external", NULL, "external recipient");
	calls("MailboxOwnerUPN", NULL, "MailboxOwnerUPN");
	calls("Parameters.ForwardTo", NULL, "ForwardTo");
	calls("targetResources.modifiedProperties.KeyDescription.newValue", NULL,
	      "new KeyDescription");
	calls("ModifiedProperties.LiveType.OldValue", NULL, "old LiveType");
	calls("targetResources.modifiedProperties.Role.DisplayName.newValue", NULL,
	      "new Role.DisplayName");
	calls("targetResources.modifiedProperties.displayName", NULL,
	      "modifiedProperties.displayName");
	calls("newValue", NULL, "newValue");
	calls("name", NULL, "name");
	calls("a.b.", NULL, "");
	calls("", NULL, "");
}

/* A rule's file may hold names of any length: they are not taken apart. */
static void a_long_path_stays_whole(void **state)
{
	char path[WORDS_NAME_MAX + 2];
	(void)state;
	for (size_t i = 0; i + 1 < sizeof path; i++)
		path[i] = i % 2 == 0 ? '.' : 'a';
	path[WORDS_NAME_MAX] = 0;
	calls(path, NULL, "a");
	path[WORDS_NAME_MAX] = 'z';
	path[WORDS_NAME_MAX + 1] = 0;
	calls(path, NULL, path);
}

static void two_fields_are_not_called_the_same(void **state)
{
	(void)state;
	struct mr_slice names[] = {S("Grant.Scope.newValue"), S("Token.scope.newValue"), S("Other"),
				   S("Deep.Other")};
	struct mr_texts among = {names, 4};
	calls("Grant.Scope.newValue", &among, "new Grant.Scope");
	calls("Token.scope.newValue", &among, "new Token.scope");
	calls("Other", &among, "Other");
	calls("Deep.Other", &among, "Deep.Other");
}

/* ---- what was counted, and who ---- */

/* An alert over two rules of another title, with three fields of each record. */
struct counted {
	struct mr_rule rules[3];
	uint32_t named[2];
	struct mr_slice key_name, value_names[2];
	mr_field value_fields[4];
	struct mr_catalog catalog;
	struct mr_alert alert;
	struct mr_signal_field fields[2][3];
};

static void counted_init(struct counted *c)
{
	*c = (struct counted){.rules = {{.title = S("Outer"), .kind = MR_RULE_CORRELATION},
					{.title = S("One"), .kind = MR_RULE_CORRELATION},
					{.title = S("Two")}},
			      .named = {1, 2},
			      .key_name = S("actor.app_uid"),
			      .alert = {.has_time = true, .event_count = 2, .evidence_count = 2}};
	c->rules[0].type = MR_CORRELATION_EVENT_COUNT;
	c->rules[0].layer = 1;
	c->rules[0].rules = c->named;
	c->rules[0].rule_count = 1;
	c->rules[0].group_by = (struct mr_texts){&c->key_name, 1};
	c->rules[0].value_fields = c->value_fields;
	c->catalog = (struct mr_catalog){.rules = c->rules, .count = 3, .layers = 2};
	for (int i = 0; i < 2; i++)
		c->alert.evidence[i] = (struct mr_evidence){.has_time = true,
							    .record_id = i == 0 ? S("r0") : S("r1"),
							    .fields = c->fields[i]};
}

static void counted_says(const struct counted *c, const char *wanted)
{
	struct mr_buf out = {0};
	message_put(&out, &c->catalog, &c->alert);
	mr_buf_add(&out, "", 1);
	assert_string_equal(out.data, wanted);
	mr_buf_fini(&out);
}

/* A correlation over one detection says what all its records say of what that one shows. */
static void a_correlation_says_what_all_its_records_show(void **state)
{
	(void)state;
	struct counted c;
	struct mr_slice names[] = {S("Scope"), S("actor.app_uid")};
	mr_field ids[] = {OWN_FIELD, MR_F_APP_UID};
	counted_init(&c);
	c.rules[0].layer = 0;
	c.rules[2].shown = (struct mr_texts){names, 2};
	c.rules[2].shown_fields = ids;
	c.alert.key_count = 1;
	c.alert.key[0] = S("a-1");
	for (int i = 0; i < 2; i++) {
		c.fields[i][0] = (struct mr_signal_field){OWN_FIELD, MR_STRING, S("Mail.Read")};
		c.fields[i][1] = (struct mr_signal_field){MR_F_APP_UID, MR_STRING, S("a-1")};
		c.alert.evidence[i].field_count = 2;
		c.alert.evidence[i].rule = 2;
	}
#define BY "Outer: 2 records; by a-1 at 1970-01-01T00:00:00Z"
	counted_says(&c, BY "; Scope: Mail.Read");
	c.alert.evidence[1].rule = 1; /* which shows nothing */
	counted_says(&c, BY);
	c.alert.evidence[1].rule = 2;
	c.fields[1][0].text = S("Mail.Send");
	counted_says(&c, BY);
	c.fields[1][0].text = S("Mail.Read");
	c.alert.lower_bound = true; /* there are others, which may say something else */
	counted_says(&c, "Outer: at least 2 records; by a-1 at "
			 "1970-01-01T00:00:00Z");
#undef BY
}

/* The group, role or application of a change stands beside the person. */
static void a_target_is_named_with_what_the_record_names_besides(void **state)
{
	(void)state;
	struct mr_rule rule = {.title = S("T")};
	const struct mr_signal_field fields[] = {
	    {MR_F_TARGET_NAME, MR_STRING, S("ann@x.y")},
	    {MR_F_RESOURCE_NAME, MR_STRING, S("Ann@x.y")},
	    {MR_F_RESOURCE_NAME, MR_STRING, S("Splunk")},
	    {MR_F_RESOURCE_NAME, MR_STRING, S("")},
	    {MR_F_RESOURCE_NAME, MR_STRING, S("splunk")},
	    {MR_F_RESOURCE_NAME, MR_STRING, S("b")},
	    {MR_F_RESOURCE_NAME, MR_STRING,
	     S("X/Microsoft Exchange Hosted Organizations/t.example/c")},
	    {MR_F_RESOURCE_NAME, MR_STRING, S("d")}};
	says(&rule, fields, 5,
	     "T: somebody did something on ann@x.y (Splunk) at 1970-01-01T00:00:00Z");
	says(&rule, fields, 7,
	     "T: somebody did something on ann@x.y (Splunk, b, c) at 1970-01-01T00:00:00Z");
	says(&rule, fields, 8,
	     "T: somebody did something on ann@x.y (Splunk, b, c, …) at 1970-01-01T00:00:00Z");
	says(&rule, fields + 2, 1, "T: somebody did something on Splunk at 1970-01-01T00:00:00Z");
}

static void a_target_of_several_records_is_named_with_all_that_they_name(void **state)
{
	(void)state;
	struct counted c;
	counted_init(&c);
	c.rules[0].layer = 0;
	for (int i = 0; i < 2; i++) {
		c.fields[i][0] = (struct mr_signal_field){MR_F_TARGET_NAME, MR_STRING, S("ann")};
		c.fields[i][1] = (struct mr_signal_field){MR_F_RESOURCE_NAME, MR_STRING,
							  i == 0 ? S("One") : S("Two")};
		c.alert.evidence[i].field_count = 2;
	}
	counted_says(&c, "Outer: 2 records; on ann (One, Two) at 1970-01-01T00:00:00Z");
	c.fields[1][0].text = S("bob");
	counted_says(&c, "Outer: 2 records; on 2 targets: ann (One) and bob (Two) at "
			 "1970-01-01T00:00:00Z");
}

/* Its own name alone does not say which organisation's it is: then the key stands, too. */
static void a_key_that_is_said_in_part_stands(void **state)
{
	(void)state;
	struct counted c;
	counted_init(&c);
	c.rules[0].layer = 0;
	c.alert.key_count = 1;
	c.alert.key[0] = S("f/Microsoft Exchange Hosted Organizations/contoso/ann");
	for (int i = 0; i < 2; i++) {
		c.fields[i][0] =
		    (struct mr_signal_field){MR_F_TARGET_NAME, MR_STRING, c.alert.key[0]};
		c.alert.evidence[i].field_count = 1;
	}
	counted_says(&c, "Outer: 2 records for application id "
			 "f/Microsoft Exchange Hosted Organizations/contoso/ann; on ann at "
			 "1970-01-01T00:00:00Z");
}

/* A name, a rule's own field and the key: whatever an attacker puts there, nothing acts. */
static void an_attackers_text_does_nothing_in_the_sentence(void **state)
{
	(void)state;
	struct mr_slice names[] = {S("Value")};
	mr_field ids[] = {OWN_FIELD};
	struct mr_rule rule = {.title = S("T"), .shown = {names, 1}, .shown_fields = ids};
	const struct mr_signal_field fields[] = {
	    {MR_F_ACTOR_NAME, MR_STRING, S("a\x1b[2J\x07\nb\x7f\xc2\x9b")},
	    {MR_F_RESOURCE_NAME, MR_STRING, S("x\xe2\x80\xaetxt.exe\xe2\x80\xa8y\xd8\x9c")},
	    {OWN_FIELD, MR_STRING, S("\"p\r\n  q\xe2\x80\x8b\xef\xbb\xbf\"")}};
	says(&rule, fields, 3,
	     "T: a" R "[2J" R R "b" R R " did something on x" R "txt.exe" R "y" R
	     " at 1970-01-01T00:00:00Z; Value: p q" R R);
	struct counted c;
	counted_init(&c);
	c.alert.key_count = 1;
	c.alert.key[0] = S("k\x1b\xe2\x81\xa6");
	counted_says(&c, "Outer: 2 alerts of 'One' for application id k" R R
			 " at 1970-01-01T00:00:00Z");
}

static void an_announcement_cannot_move_the_cursor(void **state)
{
	(void)state;
	struct mr_rule rule = {.title = S("T\x1b[2J"), .level = MR_LEVEL_HIGH};
	struct mr_catalog catalog = {.rules = &rule, .count = 1, .layers = 1};
	const struct mr_signal_field fields[] = {
	    {MR_F_ACTOR_FULL_NAME, MR_STRING, S("Ann Smith")},
	    {MR_F_ACTOR_NAME, MR_STRING, S("ann\r\n")},
	    {MR_F_SRC_IP, MR_STRING, S("203.0.113.9")},
	    {MR_F_SRC_CITY, MR_STRING, S("\xe2\x80\xaemadretsmA\xff")},
	    {MR_F_SRC_COUNTRY, MR_STRING, S("NL")}};
	struct mr_alert alert = {.id = {0xab, 0xcd}, .has_time = true, .evidence_count = 1};
	struct mr_buf out = {0};
	alert.evidence[0] = (struct mr_evidence){.field_count = 5, .fields = fields};
	alert.event_count = 1;
	message_announce(&out, &catalog, &alert);
	mr_buf_add(&out, "", 1);
	assert_string_equal(out.data, "1970-01-01T00:00:00Z High: T" R "[2J; by Ann Smith (ann" R R
				      "); from 203.0.113.9 (" R "madretsmA" R ", NL); "
				      "abcd0000000000000000000000000000");
	out.len = 0;
	alert.activity = MR_ACTIVITY_CLOSE;
	message_announce(&out, &catalog, &alert);
	mr_buf_add(&out, "", 1);
	assert_non_null(strstr(out.data, " High: Withdrawn: T" R "[2J; by "));
	mr_buf_fini(&out);
}

static void an_outer_count_is_one_of_alerts(void **state)
{
	(void)state;
	struct counted c;
	counted_init(&c);
	counted_says(&c, "Outer: 2 alerts of 'One' at 1970-01-01T00:00:00Z");
	c.rules[0].rule_count = 2;
	c.alert.event_count = 1;
	c.alert.lower_bound = true;
	counted_says(&c, "Outer: at least 1 alert of 'One' and 'Two' at 1970-01-01T00:00:00Z");
	c.rules[0].layer = 0; /* over detections: records */
	counted_says(&c, "Outer: at least 1 record at 1970-01-01T00:00:00Z");
	c.alert.activity = MR_ACTIVITY_CLOSE;
	counted_says(&c, "Withdrawn: Outer: at least 1 record at 1970-01-01T00:00:00Z");
	c.alert.activity = MR_ACTIVITY_UPDATE;
	c.rules[0].layer = 1;
	c.rules[0].type = MR_CORRELATION_TEMPORAL;
	counted_says(&c, "Outer: at least 1 record at 1970-01-01T00:00:00Z");
}

static void values_are_counted_by_their_word(void **state)
{
	(void)state;
	struct counted c;
	counted_init(&c);
	c.rules[0].type = MR_CORRELATION_VALUE_COUNT;
	c.rules[0].fields = (struct mr_texts){c.value_names, 1};
	c.value_names[0] = S("src_endpoint.location.country");
	c.value_names[1] = S("Parameters.Identity");
	c.alert.value_count = 2;
	counted_says(&c, "Outer: 2 records with 2 different countries at 1970-01-01T00:00:00Z");
	c.alert.value_count = 1;
	counted_says(&c, "Outer: 2 records with 1 country at 1970-01-01T00:00:00Z");
	c.rules[0].fields.count = 2;
	c.alert.value_count = 2;
	counted_says(&c,
		     "Outer: 2 records with 2 different combinations of country and Identity at "
		     "1970-01-01T00:00:00Z");
	c.rules[0].fields = (struct mr_texts){&c.value_names[1], 1};
	counted_says(&c, "Outer: 2 records with 2 different values of Identity at "
			 "1970-01-01T00:00:00Z");
}

/* What was compared, and with what. */
static void a_condition_is_said(void **state)
{
	(void)state;
	struct counted c;
	struct mr_condition_part parts[] = {{.op = MR_GT, .count = 1000},
					    {.op = MR_LTE, .count = 2000}};
	counted_init(&c);
	c.rules[0].layer = 0;
	c.rules[0].condition = parts;
	c.rules[0].condition_count = 2;
	c.rules[0].timespan_us = INT64_C(5400000000);
	c.alert.event_count = 1234;
	counted_says(&c, "Outer: 1,234 records (more than 1,000 and 2,000 or less within 90m) at "
			 "1970-01-01T00:00:00Z");
	c.rules[0].type = MR_CORRELATION_TEMPORAL;
	counted_says(&c, "Outer: 1,234 records at 1970-01-01T00:00:00Z");
	c.rules[0].type = MR_CORRELATION_VALUE_PERCENTILE;
	c.rules[0].percentile = 95;
	c.rules[0].fields = (struct mr_texts){c.value_names, 1};
	c.value_names[0] = S("a.BytesOut");
	parts[0] = (struct mr_condition_part){.op = MR_EQ, .number = S("1234567.5")};
	c.rules[0].condition_count = 1;
	c.rules[0].timespan_us = INT64_C(86400000000);
	c.alert.value = S("1234567.5");
	c.alert.value_time_us = 1000000;
	counted_says(&c, "Outer: 1,234 records; percentile 95 of BytesOut is 1,234,567.5 in the "
			 "window up to 1970-01-01T00:00:01Z (exactly 1,234,567.5 within 1d) at "
			 "1970-01-01T00:00:00Z");
}

/* Sign-ins and audit records name one application differently. */
static void an_application_is_one_under_all_its_names(void **state)
{
	(void)state;
	struct counted c;
	counted_init(&c);
	c.rules[0].layer = 0;
	for (int i = 0; i < 2; i++) {
		c.fields[i][0] = (struct mr_signal_field){
		    MR_F_ACTOR_NAME, MR_STRING, i == 0 ? S("Archiver") : S("ServicePrincipal_a-1")};
		c.fields[i][1] =
		    (struct mr_signal_field){MR_F_ACTOR_TYPE, MR_STRING, S("ServicePrincipal")};
		c.fields[i][2] = (struct mr_signal_field){MR_F_APP_UID, MR_STRING, S("a-1")};
		c.alert.evidence[i].field_count = 3;
	}
	counted_says(&c, "Outer: 2 records; by Archiver at 1970-01-01T00:00:00Z");
	/* Its id is in the key: then it holds for those that are not shown, too. */
	c.alert.key_count = 1;
	c.alert.key[0] = S("a-1");
	c.alert.lower_bound = true;
	counted_says(&c, "Outer: at least 2 records for application id a-1; by Archiver at "
			 "1970-01-01T00:00:00Z");
	/* People are not told apart by the application that they use. */
	c.fields[0][1].text = S("User");
	c.fields[1][1].text = S("User");
	counted_says(&c,
		     "Outer: at least 2 records for application id a-1; in the name of at least "
		     "2 accounts: Archiver and ServicePrincipal_a-1 at 1970-01-01T00:00:00Z");
}

/* What an answer says need not be said before it. */
static void a_key_that_is_answered_stands_once(void **state)
{
	(void)state;
	struct counted c;
	counted_init(&c);
	c.rules[0].layer = 0;
	c.key_name = S("actor.user.name");
	c.alert.key_count = 1;
	c.alert.key[0] = S("ann");
	for (int i = 0; i < 2; i++) {
		c.fields[i][0] = (struct mr_signal_field){MR_F_ACTOR_NAME, MR_STRING, S("Ann")};
		c.fields[i][1] =
		    (struct mr_signal_field){MR_F_ACTOR_FULL_NAME, MR_STRING, S("Ann Smith")};
		c.alert.evidence[i].field_count = 2;
	}
	counted_says(&c, "Outer: 2 records; by Ann Smith (Ann) at 1970-01-01T00:00:00Z");
	c.fields[1][0].text = S("bob");
	counted_says(&c,
		     "Outer: 2 records for user ann; in the name of 2 accounts: Ann Smith (Ann) "
		     "and Ann Smith (bob) at 1970-01-01T00:00:00Z");
}

static void a_long_name_is_cut_between_characters(void **state)
{
	(void)state;
	char name[401];
	for (int i = 0; i < 400; i += 2)
		memcpy(name + i, "\xc3\xa4", 2);
	for (size_t shift = 0; shift < 2; shift++) {
		struct mr_rule rule = {.title = S("T")};
		struct mr_catalog catalog = {.rules = &rule, .count = 1, .layers = 1};
		struct mr_signal_field field = {MR_F_ACTOR_NAME, MR_STRING, {name + shift, 399}};
		struct mr_alert alert = {.has_time = true, .event_count = 1, .evidence_count = 1};
		struct mr_buf out = {0};
		if (shift == 0)
			name[0] = 'x', name[1] = 'y';
		alert.evidence[0] = (struct mr_evidence){.field_count = 1, .fields = &field};
		message_put(&out, &catalog, &alert);
		assert_true(mr_utf8_valid(out.data, out.len));
		assert_true(out.len < 300);
		mr_buf_fini(&out);
	}
}

/* Whatever a rule names and a record holds, the sentence ends. */
static void the_sentence_is_bounded(void **state)
{
	(void)state;
	static char long_text[5000];
	struct mr_slice names[MR_RULE_SHOWN_MAX];
	mr_field ids[MR_RULE_SHOWN_MAX];
	struct mr_signal_field fields[MR_RULE_SHOWN_MAX];
	memset(long_text, 'x', sizeof long_text);
	for (uint16_t i = 0; i < MR_RULE_SHOWN_MAX; i++) {
		names[i] = (struct mr_slice){long_text, sizeof long_text};
		ids[i] = (mr_field)(OWN_FIELD + i);
		fields[i] = (struct mr_signal_field){ids[i], MR_STRING, names[i]};
	}
	struct mr_rule rule = {
	    .title = S("T"), .shown = {names, MR_RULE_SHOWN_MAX}, .shown_fields = ids};
	struct mr_catalog catalog = {.rules = &rule, .count = 1, .layers = 1};
	struct mr_alert alert = {.has_time = true, .event_count = 1, .evidence_count = 1};
	struct mr_buf out = {0};
	alert.evidence[0] =
	    (struct mr_evidence){.field_count = MR_RULE_SHOWN_MAX, .fields = fields};
	message_put(&out, &catalog, &alert);
	assert_in_range(out.len, 8 * (160 + 400), 5000);
	mr_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_detection_says_its_own_fields),
	    cmocka_unit_test(a_declared_record_says_what_it_has),
	    cmocka_unit_test(a_value_loses_its_quotes_and_its_layout),
	    cmocka_unit_test(exchange_names_a_thing_by_itself),
	    cmocka_unit_test(a_field_is_called_by_its_word_or_the_end_of_its_path),
	    cmocka_unit_test(a_long_path_stays_whole),
	    cmocka_unit_test(two_fields_are_not_called_the_same),
	    cmocka_unit_test(a_correlation_says_what_all_its_records_show),
	    cmocka_unit_test(a_target_is_named_with_what_the_record_names_besides),
	    cmocka_unit_test(a_target_of_several_records_is_named_with_all_that_they_name),
	    cmocka_unit_test(a_key_that_is_said_in_part_stands),
	    cmocka_unit_test(an_attackers_text_does_nothing_in_the_sentence),
	    cmocka_unit_test(an_announcement_cannot_move_the_cursor),
	    cmocka_unit_test(an_outer_count_is_one_of_alerts),
	    cmocka_unit_test(values_are_counted_by_their_word),
	    cmocka_unit_test(a_condition_is_said),
	    cmocka_unit_test(an_application_is_one_under_all_its_names),
	    cmocka_unit_test(a_key_that_is_answered_stands_once),
	    cmocka_unit_test(a_long_name_is_cut_between_characters),
	    cmocka_unit_test(the_sentence_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
