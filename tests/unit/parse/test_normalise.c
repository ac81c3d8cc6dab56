/* test_normalise.c - what the kinds of records become: one meaning for each normalised field. */
#include "parse/record_checks.h"

/* A row of Log Analytics is of its workspace's tenant. */
static void rows_of_log_analytics(void **state)
{
	(void)state;
	check_kind("{\"Category\":\"SignInLogs\",\"Id\":\"P\",\"TimeGenerated\":"
		   "\"2023-01-02T03:04:00Z\",\"TenantId\":\"W\",\"AADTenantId\":\"T\"}",
		   MR_KIND_SIGNIN, "p", "t", "2023-01-02T03:04:00Z");
	const char *office =
	    "{\"TimeGenerated\":\"2023-01-02T03:04:00Z\",\"RecordType\":"
	    "\"SharePointFileOperation\","
	    "\"Operation\":\"X\",\"OfficeWorkload\":\"SharePoint\",\"OfficeId\":\"O\","
	    "\"UserType\":\"Regular\",\"Client_IPAddress\":\"192.0.2.1\","
	    "\"OfficeObjectId\":\"https://s/f\",\"TenantId\":\"W\",\"OrganizationId\":\"T\"}";
	check_kind(office, MR_KIND_UAL, "o", "t", "2023-01-02T03:04:00Z");
	check_field(office, "metadata.product.name", "SharePoint");
	check_field(office, "resources.name", "https://s/f");
	check_field(office, "actor.user.type", "User");
	check_field(office, "src_endpoint.ip", "192.0.2.1");
	check_field(
	    "{\"CategoryValue\":\"Administrative\",\"Category\":\"Administrative\","
	    "\"ResourceId\":\"R\",\"OperationName\":\"Create it\",\"OperationNameValue\":\"A/B\"}",
	    "api.operation", "A/B");
	check_field("{\"category\":{\"value\":\"Administrative\"},\"resourceId\":\"R\","
		    "\"operationName\":{\"value\":\"A/B\",\"localizedValue\":\"Create it\"}}",
		    "api.operation", "A/B");
}

static void a_puid_is_the_same_in_all_forms(void **state)
{
	(void)state;
#define KEY(key) "{\"Operation\":\"X\",\"Workload\":\"Y\",\"UserKey\":\"" key "\"}"
	static const char *const keys[] = {KEY("10032001266C162C"),
					   KEY("10032001266C162C@contoso.onmicrosoft.com"),
					   KEY("i:0h.f|membership|10032001266C162C@live.com")};
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		check_field(keys[i], "actor.user.uid", "10032001266C162C");
	check_field(KEY("10032001266C162G@contoso.com"), "actor.user.uid",
		    "10032001266C162G@contoso.com");
	check_field(KEY("10032001266C162C@"), "actor.user.uid", "10032001266C162C@");
#undef KEY
}

static void audit_log_is_normalised(void **state)
{
	(void)state;
	const char *login =
	    "{\"CreationTime\":\"2021-05-16T09:58:14\",\"Operation\":\"UserLoggedIn\","
	    "\"RecordType\":15,"
	    "\"ResultStatus\":\"Success\",\"UserKey\":\"9d8001cb-a159-4252-a3a1-c2dc689f322a\","
	    "\"UserType\":0,\"Workload\":\"AzureActiveDirectory\",\"ClientIP\":\"[2001:db8::1]:"
	    "443\","
	    "\"UserId\":\"joey@x.com\",\"ExtendedProperties\":[{\"Name\":\"UserAgent\",\"Value\":"
	    "\"M\"}],"
	    "\"ApplicationId\":\"app\",\"DeviceProperties\":[{\"Name\":\"OS\",\"Value\":\"Windows "
	    "10\"},"
	    "{\"Name\":\"SessionId\",\"Value\":\"s1\"}],\"ErrorNumber\":\"0\"}";
	check_field(login, "time", "i1621159094000000");
	check_field(login, "metadata.log_name", "m365.audit");
	check_field(login, "api.operation", "UserLoggedIn");
	check_field(login, "status", "Success");
	check_field(login, "actor.user.name", "joey@x.com");
	check_field(login, "actor.user.uid", "9d8001cb-a159-4252-a3a1-c2dc689f322a");
	check_field(login, "actor.user.type", "User");
	check_field(login, "actor.app_uid", "app");
	check_field(login, "actor.session.uid", "s1");
	check_field(login, "src_endpoint.ip", "2001:db8::1");
	check_field(login, "src_endpoint.port", "i443");
	check_field(login, "http_request.user_agent", "M");
	check_field(login, "device.os.name", "Windows 10");
}

static void audit_log_names_who_and_what(void **state)
{
	(void)state;
	const char *share = "{\"Operation\":\"X\",\"RecordType\":6,\"UserKey\":\"i:0h.f|membership|"
			    "100320012668d61a@live.com\",\"ClientIP\":\"<null>\"}";
	check_field(share, "actor.user.uid", "100320012668d61a");
	check_field(share, "src_endpoint.ip", "-");
	const char *app = "{\"Operation\":\"X\",\"RecordType\":8,\"UserKey\":\"Not Available\","
			  "\"UserId\":\"ServicePrincipal_0df31120-5486-4bda-ab7b-656f09dca3be\"}";
	check_field(app, "actor.user.uid", "0df31120-5486-4bda-ab7b-656f09dca3be");
	const char *secret =
	    "{\"Operation\":\"X\",\"RecordType\":8,\"UserId\":\"joey@sub.x.com\",\"ObjectId\":"
	    "\"Application_5e2a1f35-f5af-40f0-bb96-089dad4f820d\",\"Target\":[{\"ID\":"
	    "\"Application_"
	    "5e2a1f35-f5af-40f0-bb96-089dad4f820d\",\"Type\":2},{\"ID\":"
	    "\"5e2a1f35-f5af-40f0-bb96-089dad4f820d\",\"Type\":2},{\"ID\":\"Application\",\"Type\":"
	    "2},"
	    "{\"ID\":\"SANS-Test\",\"Type\":1}]}";
	check_field(secret, "resources.name", "SANS-Test");
	check_field(secret, "resources.uid", "5e2a1f35-f5af-40f0-bb96-089dad4f820d");
	check_field(secret, "actor.user.domain", "sub.x.com");
	check_field(secret, "user.uid", "-");
	const char *member =
	    "{\"Operation\":\"X\",\"RecordType\":8,\"Target\":[{\"ID\":"
	    "\"User_9d8001cb-a159-4252-a3a1-c2dc689f322a\",\"Type\":2},{\"ID\":\"joey@x.com\","
	    "\"Type\":5}]}";
	check_field(member, "user.uid", "9d8001cb-a159-4252-a3a1-c2dc689f322a");
	check_field(member, "user.name", "joey@x.com");
	check_field(
	    "{\"Operation\":\"X\",\"RecordType\":8,\"ObjectId\":\"o\",\"Target\":[{\"ID\":\"a\"}]}",
	    "resources.name", "o");
	check_field("{\"Operation\":\"X\",\"RecordType\":8,\"UserId\":\"ServicePrincipal_\"}",
		    "actor.user.uid", "-");
}

/* Types as old and as new as the schema knows them, and one that it does not. */
static void audit_log_types_are_named(void **state)
{
	(void)state;
	check_field("{\"Operation\":\"X\",\"RecordType\":6}", "metadata.product.name",
		    "SharePointFileOperation");
	check_field("{\"Operation\":\"X\",\"RecordType\":1}", "metadata.product.name",
		    "ExchangeAdmin");
	check_field("{\"Operation\":\"X\",\"RecordType\":294,\"RiskEventType\":\"y\"}",
		    "metadata.product.name", "AadRiskDetection");
	check_field("{\"Operation\":\"X\",\"RecordType\":463}", "metadata.product.name",
		    "VivaGlintAgenticCampaign");
	check_field("{\"Operation\":\"X\",\"RecordType\":9999}", "metadata.product.name", "-");
}

static void audit_log_says_whether_it_worked(void **state)
{
	(void)state;
	check_field("{\"Operation\":\"X\",\"Workload\":\"Y\",\"ResultStatus\":\"Failed\"}",
		    "status", "Failure");
	check_field(
	    "{\"Operation\":\"UserLoginFailed\",\"Workload\":\"Y\",\"ResultStatus\":\"Success\","
	    "\"LogonError\":\"IdsLocked\"}",
	    "status", "Failure");
	check_field(
	    "{\"Operation\":\"UserLoginFailed\",\"Workload\":\"Y\",\"ResultStatus\":\"Success\"}",
	    "status", "Failure");
	check_field(
	    "{\"Operation\":\"UserLoggedIn\",\"Workload\":\"Y\",\"ResultStatus\":\"Success\","
	    "\"LogonError\":\"None\"}",
	    "status", "Success");
	/* A native name that is a normalised one too. */
	const char *alert =
	    "{\"Operation\":\"X\",\"Workload\":\"Y\",\"ResultStatus\":\"Succeeded\","
	    "\"Status\":\"Active\"}";
	check_field(alert, "status", "Success");
	check_field(alert, "native.status", "Active");
	check_field("{\"Operation\":\"X\",\"Workload\":\"Y\",\"Status\":\"Active\"}", "status",
		    "Active");
}

#define SETS(parameters)                                                                           \
	"{\"Operation\":\"X\",\"Workload\":\"Exchange\",\"UserId\":\"joe@Contoso.com\","           \
	"\"Parameters\":[" parameters "]}"
#define SET(name, value) "{\"Name\":\"" name "\",\"Value\":\"" value "\"}"

static void recipients_are_judged_each(void **state)
{
	(void)state;
	const char *rule = SETS(SET("ForwardTo", "boss@contoso.COM;evil@evil.net"));
	check_field(rule, "email.to", "boss@contoso.COM|evil@evil.net");
	check_field(rule, "email.to_external", "evil@evil.net");
	const char *both =
	    SETS(SET("RedirectTo", "evil@evil.net") "," SET("ForwardTo", "me@contoso.com"));
	check_field(both, "email.to", "me@contoso.com|evil@evil.net");
	check_field(both, "email.to_external", "evil@evil.net");
	const char *alike =
	    SETS(SET("ForwardAsAttachmentTo", "[SMTP:contoso.com@evil.net]") "," SET(
		"ForwardingSmtpAddress", "smtp:a@contoso.com.evil.net"));
	check_field(alike, "email.to_external", "contoso.com@evil.net|a@contoso.com.evil.net");
	const char *transport = SETS(SET("BlindCopyTo", "a@b.c") "," SET("CopyTo", "d@e.f") "," SET(
	    "RedirectMessageTo", "g@h.i") "," SET("AddToRecipients", "j@contoso.com"));
	check_field(transport, "email.to", "g@h.i|a@b.c|d@e.f|j@contoso.com");
	check_field(transport, "email.to_external", "g@h.i|a@b.c|d@e.f");
	const char *inside = SETS(SET("ForwardTo", "Boss") "," SET("RedirectTo", "x@contoso.com"));
	check_field(inside, "email.to", "x@contoso.com");
	check_field(inside, "email.to_external", "-");
	check_field(
	    "{\"Operation\":\"X\",\"Workload\":\"Y\",\"UserId\":\"SYSTEM\",\"Parameters\":[" SET(
		"ForwardTo", "a@b.c") "]}",
	    "email.to_external", "a@b.c");
}

/* However many addresses of the company stand before it, the one outside is seen. */
static void recipients_are_bounded(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	for (int i = 0; i < 100; i++)
		mr_buf_printf(&text, "p%d@contoso.com;", i);
	mr_buf_add(&text, "evil@evil.net", sizeof "evil@evil.net");
	char *record = mr_malloc(text.len + 200);
	snprintf(record, text.len + 200, SETS(SET("ForwardTo", "%s")), text.data);
	check_field(record, "email.to_external", "evil@evil.net");
	const struct mr_event *event = harness_text(&h, record);
	uint32_t count = 0;
	for (const struct mr_value *value = mr_event_get(&h.events, event, MR_F_EMAIL_TO);
	     value != NULL; value = mr_value_next(&h.events, value))
		count++;
	assert_int_equal(count, 64);
	free(record);
	mr_buf_fini(&text);
}

static void entra_records_are_normalised(void **state)
{
	(void)state;
	const char *signin =
	    "{\"category\":\"SignInLogs\",\"properties\":{\"userPrincipalName\":\"a@b.c\","
	    "\"ipAddress\":"
	    "\"1.2.3.4\",\"status\":{\"errorCode\":50126,\"failureReason\":\"bad\"},"
	    "\"authenticationRequirement\":\"multiFactorAuthentication\","
	    "\"deviceDetail\":{\"operatingSystem\":\"iOS\"},\"authenticationProtocol\":"
	    "\"deviceCode\"}}";
	check_field(signin, "status", "Failure");
	check_field(signin, "status_code", "50126");
	check_field(signin, "status_detail", "bad");
	check_field(signin, "actor.user.name", "a@b.c");
	check_field(signin, "src_endpoint.ip", "1.2.3.4");
	check_field(signin, "is_mfa", "-"); /* it was asked for, and nobody came so far */
#define FACTORS(code, asked)                                                                       \
	"{\"category\":\"SignInLogs\",\"resultType\":\"" code "\",\"properties\":{"                \
	"\"authenticationRequirement\":\"" asked "FactorAuthentication\"}}"
	check_field(FACTORS("0", "multi"), "is_mfa", "btrue");
	check_field(FACTORS("50126", "multi"), "is_mfa", "-");
	check_field(FACTORS("50126", "multi"), "status", "Failure");
	check_field(FACTORS("50140", "multi"), "status", "Success");
	check_field(FACTORS("0", "single"), "is_mfa", "bfalse");
	check_field(FACTORS("50126", "single"), "is_mfa", "bfalse");
#undef FACTORS
	check_field(signin, "device.os.name", "iOS");
	check_field(signin, "auth_protocol", "deviceCode");
	const char *audit =
	    "{\"activityDisplayName\":\"Add member\",\"activityDateTime\":\"2023-01-01T00:00:00Z\","
	    "\"result\":\"success\",\"initiatedBy\":{\"app\":null,\"user\":{\"id\":\"u1\","
	    "\"userPrincipalName\":\"a@b.c\",\"ipAddress\":\"1.2.3.4\"}},\"targetResources\":"
	    "[{\"id\":\"t1\",\"type\":\"User\",\"userPrincipalName\":\"t@b.c\"},{\"id\":\"t2\","
	    "\"type\":\"Group\",\"displayName\":\"G\"},{\"id\":\"t3\",\"type\":\"user\"}]}";
	check_field(audit, "api.operation", "Add member");
	check_field(audit, "status", "Success");
	check_field(audit, "actor.user.uid", "u1");
	check_field(audit, "user.name", "t@b.c");
	check_field(audit, "user.uid", "t1|t3");
	check_field(audit, "resources.uid", "t1|t2|t3");
	check_field(audit, "resources.name", "G");
	check_field(
	    "{\"category\":\"MicrosoftGraphActivityLogs\",\"properties\":{\"requestUri\":\"/u\","
	    "\"responseStatusCode\":403}}",
	    "status", "Failure");
}

/* ---- records whose source says what they are ---- */

static void declared_records_are_normalised(void **state)
{
	(void)state;
	static const char *const names[] = {"metadata.log_name", "metadata.product.name",
					    "actor.user.name",   "actor.user.uid",
					    "user.name",         "device.name",
					    "resources.name",    "src_endpoint.ip",
					    "native.status",     "metadata.event_code",
					    "process.file.path", "process.cmd_line",
					    "api.operation",     NULL};
	const char *sysmon =
	    "{\"Id\":\"x\",\"TenantId\":\"t\",\"Event\":{\"System\":{\"Provider\":{\"#attributes\":"
	    "{"
	    "\"Name\":\"Microsoft-Windows-Sysmon\"}},\"TimeCreated\":{\"#attributes\":{"
	    "\"SystemTime\":"
	    "\"2025-11-27T07:40:10.165324Z\"}},\"EventID\":13,\"Computer\":\"H\"},\"EventData\":{"
	    "\"User\":"
	    "\"D\\\\u\","
	    "\"UtcTime\":\"2025-11-27 "
	    "07:40:10.132\",\"SubjectUserSid\":\"-\",\"TargetUserName\":\"v\","
	    "\"TargetObject\":\"HKLM\",\"Image\":\"reg\",\"CommandLine\":\"reg "
	    "add\",\"EventType\":\"SetValue\",\"IpAddress\":\"::ffff:10.0.0.1\",\"status\":\"0x1\"}"
	    "}}";
	static struct harness own;
	harness_logsource = "product=windows";
	harness_open(&own, names, NULL, NULL);
	harness_logsource = NULL;
	struct mr_event *event = harness_text(&own, sysmon);
	assert_non_null(event);
	assert_int_equal(event->kind, MR_KIND_DECLARED);
	assert_int_equal(event->time_us, INT64_C(1764229210165324));
	/* Nobody knows what these tell in such a record. */
	check_slice(event->tenant, "unknown");
	assert_int_equal(event->id.len, 64);
	static const char *const wanted[] = {"declared", "Microsoft-Windows-Sysmon",
					     "D\\u",     "-",
					     "v",        "H",
					     "HKLM",     "10.0.0.1",
					     "0x1",      "13",
					     "reg",      "reg add",
					     "SetValue"};
	for (size_t i = 0; names[i] != NULL; i++)
		assert_string_equal(shown(&own, event, names[i]), wanted[i]);
	event = harness_text(&own, "{\"UtcTime\":\"2025-11-27 07:40:10.132\"}");
	assert_int_equal(event->time_us, INT64_C(1764229210132000));
	assert_string_equal(shown(&own, event, "metadata.product.name"), "windows");
	/* Whatever it looks like. */
	event = harness_text(&own, "{\"Operation\":\"x\",\"Workload\":\"Exchange\",\"Id\":\"1\"}");
	assert_int_equal(event->kind, MR_KIND_DECLARED);
	harness_close(&own);
}

static void a_source_alone_may_say_it(void **state)
{
	(void)state;
	struct mr_error error = {0};
	static const char *const names[] = {"x", NULL};
	static struct harness own;
	struct harness bad = {.fields = mr_fields_new()};
	mr_config_add(&bad.config, "logsource", "product");
	struct mr_prepare prepare = {.config = &bad.config, .fields = bad.fields};
	assert_int_equal(mr_stage_parse.prepare(&prepare, &error), MR_CONFIG);
	assert_non_null(strstr(error.text, "\"product\" is no logsource"));
	mr_config_fini(&bad.config);
	mr_fields_free(bad.fields);
	harness_open(&own, names, NULL, NULL);
	assert_int_equal(harness_text(&own, "{\"x\":1}")->kind, MR_KIND_UNKNOWN);
	harness_close(&own);
}

/* ---- what a change names besides its target ---- */

#define CHANGE(name, old, new)                                                                     \
	"{\"Name\":\"" name "\",\"OldValue\":\"" old "\",\"NewValue\":\"" new "\"}"
#define CHANGED_FOR(target, type, changes)                                                         \
	"{\"Operation\":\"X\",\"RecordType\":8,\"Target\":[{\"ID\":\"" target "\",\"Type\":" type  \
	"}],\"ModifiedProperties\":[" changes "]}"
#define OWNER                                                                                      \
	"{\"Operation\":\"X\",\"RecordType\":8,\"ObjectId\":\"ann@x.y\",\"ModifiedProperties\":["
#define ID "2383a669-0671-49c4-a7e6-a15950eccc2e"

static void audit_log_names_what_was_changed(void **state)
{
	(void)state;
	static const struct {
		const char *record, *names, *people;
	} cases[] = {
	    {OWNER CHANGE("Application.DisplayName", "", "Splunk") "]}", "ann@x.y|Splunk",
	     "ann@x.y"},
	    {OWNER CHANGE("Group.DisplayName", "G", "") "]}", "ann@x.y|G", "ann@x.y"},
	    {OWNER CHANGE("Role.DisplayName", "", "\\\"Global Reader\\\"") "]}",
	     "ann@x.y|Global Reader", "ann@x.y"},
	    {OWNER CHANGE("Device.DisplayName", "d", "D") "]}", "ann@x.y|D", "ann@x.y"},
	    {OWNER CHANGE("Group.DisplayName", "", "\\\"\\\"") "]}", "ann@x.y", "ann@x.y"},
	    {OWNER CHANGE("Role.ObjectID", "", "r") "]}", "ann@x.y", "ann@x.y"},
	    /* an app role for a service principal, for a user; the target is the resource */
	    {CHANGED_FOR("Microsoft Graph", "1",
			 CHANGE("ServicePrincipal.ObjectID", "",
				ID) "," CHANGE("ServicePrincipal.DisplayName", "", "Test2")),
	     "Microsoft Graph|Test2", "-"},
	    {CHANGED_FOR("Test2", "1", CHANGE("User.UPN", "", "bob@x.y")), "Test2", "bob@x.y"},
	    /* a delegated grant, and its end */
	    {CHANGED_FOR("Microsoft Graph", "1",
			 CHANGE("ServicePrincipal.ObjectID", "",
				ID) "," CHANGE("ServicePrincipal.DisplayName", "", "")),
	     "Microsoft Graph|" ID, "-"},
	    {CHANGED_FOR("Microsoft Graph", "1", CHANGE("ServicePrincipal.ObjectID", ID, "")),
	     "Microsoft Graph|" ID, "-"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		check_field(cases[i].record, "resources.name", cases[i].names);
		check_field(cases[i].record, "user.name", cases[i].people);
	}
}

static void entra_names_what_was_changed(void **state)
{
	(void)state;
	const char *audit =
	    "{\"activityDisplayName\":\"Remove member from group\",\"activityDateTime\":"
	    "\"2023-01-01T00:00:00Z\",\"targetResources\":[{\"id\":\"t1\",\"type\":\"User\","
	    "\"userPrincipalName\":\"t@b.c\",\"modifiedProperties\":[{\"displayName\":"
	    "\"Group.DisplayName\",\"oldValue\":\"\\\"G\\\"\",\"newValue\":null},"
	    "{\"displayName\":\"User.UPN\",\"newValue\":\"\\\"T@b.c\\\"\"}]},"
	    "{\"id\":\"t2\",\"displayName\":\"H\"}]}";
	check_field(audit, "resources.name", "H|G");
	check_field(audit, "user.name", "t@b.c");
	check_field(audit, "resources.uid", "t1|t2");
	/* A user that has no display name is named as in the other log. */
	const char *role =
	    "{\"activityDisplayName\":\"Add member to role\",\"activityDateTime\":"
	    "\"2023-01-01T00:00:00Z\",\"targetResources\":[{\"id\":\"t1\",\"displayName\":null,"
	    "\"userPrincipalName\":\"t@b.c\",\"modifiedProperties\":[{\"displayName\":"
	    "\"Role.DisplayName\",\"newValue\":\"\\\"R\\\"\"}]}]}";
	check_field(role, "resources.name", "t@b.c|R");
}

static void changed_names_are_bounded(void **state)
{
	(void)state;
	struct mr_buf record = {0};
	mr_buf_add_text(&record, "{\"Operation\":\"X\",\"RecordType\":8,\"ModifiedProperties\":[");
	for (int i = 0; i < 100; i++)
		mr_buf_printf(&record, "%s" CHANGE("Role.DisplayName", "", "r%d"),
			      i == 0 ? "" : ",", i);
	mr_buf_add(&record, "]}", 3);
	const struct mr_event *event = parsed(record.data);
	mr_event_complete(&h.events, &h.events.items[0]);
	uint32_t count = 0;
	for (const struct mr_value *value = mr_event_get(&h.events, event, MR_F_RESOURCE_NAME);
	     value != NULL; value = mr_value_next(&h.events, value))
		count++;
	assert_int_equal(count, 16);
	mr_buf_fini(&record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_of_log_analytics),
	    cmocka_unit_test(a_puid_is_the_same_in_all_forms),
	    cmocka_unit_test(audit_log_is_normalised),
	    cmocka_unit_test(audit_log_names_who_and_what),
	    cmocka_unit_test(audit_log_types_are_named),
	    cmocka_unit_test(audit_log_says_whether_it_worked),
	    cmocka_unit_test(recipients_are_judged_each),
	    cmocka_unit_test(recipients_are_bounded),
	    cmocka_unit_test(entra_records_are_normalised),
	    cmocka_unit_test(declared_records_are_normalised),
	    cmocka_unit_test(a_source_alone_may_say_it),
	    cmocka_unit_test(audit_log_names_what_was_changed),
	    cmocka_unit_test(entra_names_what_was_changed),
	    cmocka_unit_test(changed_names_are_bounded),
	};
	return run_all(tests, sizeof tests / sizeof tests[0]);
}
