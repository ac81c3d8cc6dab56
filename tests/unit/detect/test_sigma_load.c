/* test_sigma_load.c - files, documents, metadata, filters, mappings, hostile files. */
#include <fcntl.h>

#include "detect/sigma_harness.h"
#include "os_faults.h"

static void is_text(struct mr_slice got, const char *wanted)
{
	if (!mr_slice_eq(got, mr_slice(wanted)))
		fail_msg("is %.*s, not %s", (int)got.len, got.at, wanted);
}

static void metadata(void **state)
{
	(void)state;
	struct rules rules;
	load(&rules, "title: A title\nid: i-1\nname: n\nlevel: high\nstatus: test\nauthor: me\n"
		     "date: 2026-01-02\nmodified: 2026-01-03\ntags: [attack.t1110, b.c]\n"
		     "references: https://x\nfalsepositives: [none]\nlogsource: {}\n"
		     "detection: {s: {a: 1}, condition: s}\n");
	const struct mr_rule *rule = &rules.set.catalog.rules[0];
	is_text(rule->title, "A title");
	is_text(rule->id, "i-1");
	is_text(rule->name, "n");
	is_text(rule->status, "test");
	is_text(rule->author, "me");
	is_text(rule->date, "2026-01-02");
	is_text(rule->modified, "2026-01-03");
	assert_int_equal(rule->level, MR_LEVEL_HIGH);
	assert_int_equal(rule->tags.count, 2);
	is_text(rule->tags.items[0], "attack.t1110");
	assert_int_equal(rule->references.count, 1);
	assert_int_equal(rule->falsepositives.count, 1);
	assert_int_equal(rule->line, 1);
	assert_true(rule->alerts);
	assert_false(rule->inactive);
	assert_int_equal(rules_warnings(&rules), 0);
	assert_int_equal(rules.set.files, 1);
	assert_int_equal(rules.set.catalog.layers, 1);
	rules_fini(&rules);
}

/* What is not written stands where its key does, or its list. */
static void places_of_nothing(void **state)
{
	(void)state;
	REFUSED("title: t\nlogsource: {}\ndetection:\n", 3, 1, "null where a map should stand");
	REFUSED("title: t\nlogsource: {}\ndetection:\n  s:\n  condition: s\n", 4, 3,
		"null is no keyword");
	REFUSED("title: t\nlogsource: {}\ndetection:\n  s:\n    - x\n    -\n  condition: s\n", 5, 7,
		"null is no keyword");
}

static void metadata_faults(void **state)
{
	(void)state;
	struct rules rules;
	REFUSED("id: x\nlogsource: {}\ndetection: {s: {a: 1}, condition: s}\n", 1, 1, "\"title\"");
	REFUSED("title: t\ndetection: {s: {a: 1}, condition: s}\n", 1, 1, "\"logsource\"");
	REFUSED("title: t\nlogsource: {}\n", 1, 1, "neither");
	REFUSED(RULE("x", "{}", "a: 1") "---\n" RULE("x", "{}", "b: 1"), 8, 5, "earlier rule");
	REFUSED("- a\n", 1, 1, "a list where a rule, a map, should stand");
	load(&rules,
	     "title: t\nlevel: severe\nlogsource: {}\ndetection: {s: {a: 1}, condition: s}\n");
	assert_int_equal(rules_warnings(&rules), 1);
	assert_int_equal(rules.set.catalog.rules[0].id.len, 32);
	rules_fini(&rules);
}

/* The one warning that a line of metadata gets, as "line:column: words"; NULL: none. */
static void meta_is(int test_line, const char *meta, uint32_t line, uint32_t column,
		    const char *words)
{
	struct rules rules;
	char *text = mr_asprintf("title: t\nlogsource: {}\nlevel: low\n"
				 "detection: {s: {a: 1}, condition: s}\n%s\n",
				 meta);
	load(&rules, text);
	free(text);
	assert_int_equal(rules.set.refused.count, 0);
	if (rules.set.warnings.count != (words != NULL))
		fail_msg("line %d: %u warnings of %s", test_line, rules.set.warnings.count, meta);
	if (words != NULL) {
		const struct sigma_note *note = &rules.set.warnings.items[0];
		if (note->line != line || note->column != column || rules_told(&rules, words) != 1)
			fail_msg("line %d: %u:%u: %.*s", test_line, note->line, note->column,
				 (int)note->reason.len, note->reason.at);
	}
	rules_fini(&rules);
}
#define META_IS(...) meta_is(__LINE__, __VA_ARGS__)
#define META_FITS(meta) meta_is(__LINE__, meta, 0, 0, NULL)

static void metadata_slips(void **state)
{
	(void)state;
	META_FITS("id: 6F0C2b9e-4d1a-4f57-9a53-0d6c1c3b7e21");
	META_FITS("id: ''");
	META_IS("id: 6f0c2b9e-4d1a-4f57-9a53-0d6c1c3b7e2", 5, 5, "no UUID");
	META_IS("id: 6f0c2b9e-4d1a-4f57-9a53-0d6c1c3b7e2g", 5, 5, "no UUID");
	META_FITS("status: unsupported");
	META_IS("status: stabel", 5, 9, "\"stabel\" is no status");
	META_FITS("date: 2024-02-29\nmodified: ''");
	META_IS("modified: 2024/12/31", 5, 11, "the specification writes 2024-12-31");
	META_IS("modified: 2024-02-29T23:59:59Z", 5, 11, "no day");
	META_IS("date: 2024-02-30", 5, 7, "\"date\" is \"2024-02-30\", which is no day");
	META_IS("modified: 2023/02/29", 5, 11, "\"modified\" is \"2023/02/29\"");
	META_IS("date: 2024-13-01", 5, 7, "no day");
	META_IS("date: 2024-1-01", 5, 7, "no day");
	META_IS("date: 20240101", 5, 7, "no day");
	META_IS("date: 2024.01-02", 5, 7, "the specification writes 2024-01-02");
	META_IS("date: last summer, as far as anybody who was there remembers", 5, 7, "no day");
}

static void metadata_tags(void **state)
{
	(void)state;
	META_FITS("tags: [attack.t1110, attack.T1078.004, attack.g0016, ATTACK.S0154]");
	META_FITS(
	    "tags: [attack.ds0015, attack.m1047, attack.A0008, d3fend.d3f-WindowsNtOpenFile]");
	META_IS("tags: [attack]", 5, 8, "\"attack\" is no tag");
	META_IS("tags: [attack.ds015]", 5, 8, "no tactic");
	META_IS("tags: [attack.d0015]", 5, 8, "no tactic");
	META_FITS("tags: [attack.initial-access, attack.initial_access, Attack.Impact]");
	META_FITS("tags: [attack.TA0001, attack.ta0112]");
	META_IS("tags: attack.ta0113", 5, 7, "no tactic");
	META_FITS("tags: [car.2013-05-002, cve.2024-1, tlp.red, detection.emerging-threats, null]");
	META_IS("tags: {attack.x: 1}", 5, 7, "\"tags\" is a map");
	META_IS("tags: attack.t123", 5, 7, "\"attack.t123\" is no tactic");
	META_IS("tags: [x.y, attack.t1078.04]", 5, 13, "no technique");
	META_IS("tags: [attack.t1078.0044]", 5, 8, "alerts leave it out");
	META_IS("tags: ['attack.']", 5, 8, "\"attack.\" is no tactic");
	META_IS("tags: [\"attack.\\01078\"]", 5, 8, "is no tag");
	META_IS("tags: [attack.g16]", 5, 8, "no tactic");
	META_IS("tags:\n  - attack.impact\n  - attack.persistance", 7, 5,
		"is \"attack.persistence\" meant?");
	META_IS("tags: [attck.t1078.004]", 5, 8, "is \"attack.t1078.004\" meant?");
}

static void fields_to_show(void **state)
{
	(void)state;
	struct rules rules;
	load(&rules, "title: t\nlevel: low\nlogsource: {}\nfields: [A.b, actor.user.nam]\n"
		     "detection: {s: {a: 1}, condition: s}\n");
	const struct mr_rule *rule = &rules.set.catalog.rules[0];
	assert_int_equal(rule->shown.count, 2);
	is_text(rule->shown.items[0], "A.b");
	assert_int_equal(rule->shown_fields[0], mr_fields_find(rules.fields, MR_SLICE("a.B")));
	assert_int_not_equal(rule->shown_fields[0], 0);
	assert_int_equal(rules_warnings(&rules), 1); /* "actor.user.name" is meant */
	rules_fini(&rules);
	load(&rules,
	     "title: t\nlevel: low\nlogsource: {}\nfields: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9,\n"
	     "  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,\n"
	     "  29, 30, 31, 32]\ndetection: {s: {a: 1}, condition: s}\n");
	assert_int_equal(rules.set.catalog.rules[0].shown.count, MR_RULE_SHOWN_MAX);
	assert_int_equal(rules_warnings(&rules), 1);
	rules_fini(&rules);
}

static void actions(void **state)
{
	(void)state;
	struct rules rules;
	load(&rules, "action: global\ntitle: g\nlogsource: {}\nlevel: low\n---\n"
		     "id: a\ntitle: own\ndetection: {s: {a: 1}, condition: s}\n---\n"
		     "action: repeat\nid: b\ndetection: {s: {b: 2}}\n---\n"
		     "action: reset\n---\n" RULE("c", "{}", "c: 3"));
	assert_int_equal(rules.set.refused.count, 0);
	assert_int_equal(rules.set.catalog.count, 3);
	is_text(rules.set.catalog.rules[0].title, "own");
	is_text(rules.set.catalog.rules[1].title, "own");
	assert_int_equal(rules.set.catalog.rules[1].level, MR_LEVEL_LOW);
	assert_int_equal(rules.set.catalog.rules[2].level, MR_LEVEL_HIGH);
	tree_is(&rules, 0, "a=#1");
	tree_is(&rules, 1, "(and a=#1 b=#2)");
	tree_is(&rules, 2, "c=#3");
	rules_fini(&rules);
	REFUSED("action: repeat\nid: b\n", 1, 9, "nothing stands before this");
	REFUSED(RULE("a", "{}", "a: 1") "---\naction: reset\n---\naction: repeat\n", 9, 9,
		"nothing stands before this");
	REFUSED("action: bogus\n", 1, 9, "unknown action");
}

#define FILTER(rules, condition)                                                                   \
	"---\ntitle: f\nid: f\nlogsource: {}\nfilter:\n rules: " rules                             \
	"\n s: {u: x}\n condition: " condition "\n"

/* The specification wants `rules`: a key that is forgotten must not silence every rule. */
static void filters_name_their_rules(void **state)
{
	(void)state;
	REFUSED("title: f\nid: f\nlogsource: {}\nfilter:\n s: {u: x}\n condition: not s\n", 5, 2,
		"\"rules\" is missing");
	REFUSED("title: f\nid: f\nlogsource: {}\nfilter:\n rules:\n s: {u: x}\n condition: not s\n",
		5, 2, "\"rules\" is missing");
	REFUSED(
	    "title: f\nid: f\nlogsource: {}\nfilter:\n rules: ''\n s: {u: x}\n condition: not s\n",
	    5, 9, "where a rule's id or name should stand");
	REFUSED("title: f\nid: f\nlogsource: {}\nfilter:\n rules: [~]\n s: {u: x}\n condition: not "
		"s\n",
		5, 10, "where a rule's id or name should stand");
}

static void filters(void **state)
{
	(void)state;
	static const char *const named[] = {"[a]", "any", "[any]", "[]", "a"};
	struct rules rules;
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
		char *text = mr_asprintf(RULE("a", "{}", "a: 1") FILTER("%s", "not s"), named[i]);
		load(&rules, text);
		tree_is(&rules, 0, "(and a=#1 (not u~'x'))");
		assert_int_equal(rules.set.catalog.filter_count, 1);
		assert_int_equal(rules.set.catalog.filters[0].kind, MR_RULE_FILTER);
		assert_int_equal(rules.set.catalog.filters[0].rule_count, 1);
		assert_int_equal(rules.set.catalog.filters[0].rules[0], 0);
		assert_int_equal(rules.set.catalog.idle_count, 0);
		assert_int_equal(rules_warnings(&rules), 0);
		rules_fini(&rules);
		free(text);
	}
	load(&rules, RULE("a", "{product: m365, service: audit}", "a: 1") FILTER("[a, b]", "s"));
	tree_is(&rules, 0, "a=#1");
	assert_int_equal(rules_warnings(&rules), 3); /* no `not`; a's logsource; no b */
	assert_int_equal(rules.set.catalog.filters[0].rule_count, 0);
	assert_int_equal(rules.set.catalog.idle_count, 2);
	assert_true(rules.set.catalog.idle[0].filter);
	assert_true(mr_slice_eq(rules.set.catalog.idle[1].id, MR_SLICE("f")));
	rules_fini(&rules);
	load(&rules, FILTER("any", "not t"));
	assert_true(rules.set.catalog.refused == 1 && rules.set.catalog.refusals[0].filter);
	rules_fini(&rules);
	REFUSED(RULE("a", "{}", "a: 1") FILTER("any", "not t"), 13, 17, "\"t\" is not in this");
}

static uint64_t made(const char *text)
{
	struct rules rules;
	load(&rules, text);
	uint64_t made = rules.set.catalog.rules[0].made;
	rules_fini(&rules);
	return made;
}

/* A rule whose own document is the same is another where a filter is. */
static void filters_make_rules(void **state)
{
	(void)state;
	uint64_t plain = made(RULE("a", "{}", "a: 1"));
	uint64_t one = made(RULE("a", "{}", "a: 1") FILTER("any", "not s"));
	assert_true(plain == 0 && one != 0);
	assert_true(made(RULE("a", "{}", "a: 1") FILTER("any", "not s")) == one);
	assert_true(made(RULE("a", "{}", "a: 1") FILTER("any", "not 1 of s")) != one);
	assert_true(made(RULE("a", "{}", "a: 1") FILTER("b", "not s")) == plain);
}

static void logsources(void **state)
{
	(void)state;
	struct rules rules;
	load(
	    &rules,
	    RULE("a", "{}", "a: 1") "---\n" RULE(
		"b", "{product: m365, service: audit}",
		"b: 1") "---\n" RULE("c", "{product: windows, category: process_creation}",
				     "c: 1") "---\n" RULE("d",
							  "{product: azure, service: activitylogs}",
							  "d: 1"));
	assert_int_equal(rules.set.catalog.count, 4);
	assert_int_equal(rules.set.rule_count, 6);
	assert_int_equal(rules.set.rules[0].kinds, (1u << MR_KIND_COUNT) - 1);
	assert_int_equal(rules.set.rules[1].kinds, 1u << MR_KIND_UAL);
	assert_int_equal(rules.set.rules[2].kinds, 1u << MR_KIND_AZURE_ACTIVITY);
	assert_int_equal(rules.set.rules[3].kinds, 1u << MR_KIND_AUDIT);
	assert_int_equal(rules.set.rules[4].kinds, 1u << MR_KIND_AZURE_RESOURCE);
	assert_int_equal(rules.set.rules[5].kinds, 1u << MR_KIND_AZURE_RESOURCE);
	for (uint32_t i = 3; i < 6; i++)
		assert_int_equal(rules.set.rules[i].index, rules.set.rules[2].index);
	assert_int_equal(rules_warnings(&rules), 1);     /* nothing feeds windows */
	assert_int_equal(rules.set.catalog.inactive, 0); /* it sees nothing, which is not that */
	rules_fini(&rules);
}

/* What is said of a logsource that nothing feeds, and where. */
static void unfed(int test_line, const char *logsource, const char *wanted)
{
	struct rules rules;
	char *text = mr_asprintf(RULE("a", "%s", "a: 1"), logsource);
	char *reason = mr_asprintf("nothing feeds the logsource %s: the rule sees nothing%s",
				   logsource, wanted);
	load(&rules, text);
	assert_int_equal(rules.set.catalog.inactive, 0);
	assert_int_equal(rules.set.rule_count, 0);
	const struct sigma_note *note = &rules.set.warnings.items[rules.set.warnings.count - 1];
	if (!mr_slice_eq(note->reason, mr_slice(reason)) || note->line != 3 || note->column != 12)
		fail_msg("line %d: %u:%u: %.*s", test_line, note->line, note->column,
			 (int)note->reason.len, note->reason.at);
	free(text);
	free(reason);
	rules_fini(&rules);
}
#define UNFED(logsource, wanted) unfed(__LINE__, logsource, wanted)

static void logsources_that_nothing_feeds(void **state)
{
	(void)state;
	UNFED("{product: windows, category: process_creation}",
	      "; a source feeds it that says `logsource: "
	      "product=windows,category=process_creation`");
	UNFED("{product: aws, service: audit}",
	      "; a source feeds it that says `logsource: product=aws,service=audit`");
	UNFED("{category: application}",
	      "; a source feeds it that says `logsource: category=application`");
	UNFED("{product: o365, service: audit}", "; is {product: m365, service: audit} meant?");
	UNFED("{product: O365}", "; is {product: m365} meant?");
	UNFED("{product: azuread, service: audit}",
	      "; is {product: azure, service: auditlogs} meant?");
	UNFED("{product: azure, service: signin}",
	      "; is {product: azure, service: signinlogs} meant?");
	UNFED("{product: azure, service: AzureActivityLogs}",
	      "; is {product: azure, service: activitylogs} meant?");
	UNFED("{product: azure, category: SignInLogs}",
	      "; is {product: azure, service: signinlogs} meant?");
	UNFED("{product: m365, category: ThreatManagement, service: Exchange}",
	      "; is {product: m365, service: exchange} meant?");
	UNFED("{service: signinlog}", "; is {product: azure, service: signinlogs} meant?");
	UNFED("{product: M365, service: teams}",
	      "; the services of this product that are fed: audit, exchange, threat_management, "
	      "threat_detection");
}

/* A filter for it is likewise told what is meant. */
static void filters_that_nothing_feeds(void **state)
{
	(void)state;
	struct rules rules;
	load(&rules, RULE("a", "{product: azure, service: signinlogs}",
			  "a: 1") "---\n"
				  "title: f\nid: f\nlogsource: {product: azure, service: signin}\n"
				  "filter: {rules: any, s: {u: x}, condition: not s}\n");
	assert_int_equal(rules_told(&rules, "is {product: azure, service: signinlogs} meant?"), 1);
	rules_fini(&rules);
	load(&rules, "title: f\nid: f\nlogsource: {product: azure, service: pim}\n"
		     "filter: {rules: any, s: {u: x}, condition: not s}\n");
	assert_int_equal(rules_told(&rules, "the filter does nothing"), 1);
	assert_int_equal(rules_told(&rules, "meant"), 0);
	rules_fini(&rules);
}

/* One rule, as each of its views sees it. */
static void mapped(const char *logsource, const char *detection, const char *const *wanted)
{
	struct rules rules;
	char *text = mr_asprintf(RULE("a", "%s", "%s"), logsource, detection);
	load(&rules, text);
	uint32_t count = 0;
	for (; wanted[count] != NULL; count++)
		tree_is(&rules, count, wanted[count]);
	assert_int_equal(rules.set.rule_count, count);
	rules_fini(&rules);
	free(text);
}
#define MAPPED(logsource, detection, ...)                                                          \
	mapped(logsource, detection, (const char *const[]){__VA_ARGS__, NULL})
#define AUDITLOGS "{product: azure, service: auditlogs}"
#define SIGNINLOGS "{product: azure, service: signinlogs}"
#define DIRECTORY "(or recordtype=#8 recordtype=#9)"

#define EXCHANGE                                                                                   \
	"(or eventsource~'exchange' (and (not eventsource?true) (or workload~'exchange' (and "     \
	"(not workload?true) officeworkload~'exchange'))))"
#define EVENT_NAME                                                                                 \
	"(or eventname~'x' (and (not eventname?true) (or (and operation~'alerttriggered' "         \
	"name~'x') (and (not operation~'alerttriggered') operation~'x'))))"

static void mappings_of_audit_logs(void **state)
{
	(void)state;
	MAPPED("{product: m365, service: exchange}", "eventSource: Exchange",
	       "(and workload~'exchange' " EXCHANGE ")");
	MAPPED("{product: m365, service: audit}", "status: success",
	       "(or resultstatus~'success' resultstatus~'succeeded' resultstatus~'true' "
	       "status~'success')");
	MAPPED("{product: m365, service: audit}", "status: Failure",
	       "(or resultstatus~'failure' status~'failure')");
	MAPPED("{product: m365, service: threat_management}", "eventName: X",
	       "(and workload~'securitycompliancecenter' " EVENT_NAME ")");
	MAPPED("{product: m365, service: audit}", "Payload|contains: pst", "~'*pst*'");
	MAPPED(AUDITLOGS, "Status: failure", "result~'failure'",
	       "(and " DIRECTORY " (or resultstatus~'failure' resultstatus~'failed' "
	       "resultstatus~'false'))");
	MAPPED(AUDITLOGS, "OperationName: Update user",
	       "(or operationname~'update user' operationname~'update user ' (and (not "
	       "operationname?true) (or activitydisplayname~'update user' "
	       "activitydisplayname~'update user ')))",
	       "(and " DIRECTORY " (or operationname~'update user' (and (not operationname?true) "
	       "(or operation~'update user' operation~'update user.' operation~'update user "
	       "'))))");
	MAPPED(AUDITLOGS, "OperationName|contains: x",
	       "(or operationname~'*x*' (and (not operationname?true) activitydisplayname~'*x*'))",
	       "(and " DIRECTORY " (or operationname~'*x*' (and (not operationname?true) "
	       "operation~'*x*')))");
	MAPPED(AUDITLOGS, "Category: Policy",
	       "(or properties.category~'policy' (and (not properties.category?true) "
	       "category~'policy'))",
	       "(and " DIRECTORY " (or category~'policy' (and (not category?true) "
	       "extendedproperties.extendedauditeventcategory~'policy')))");
	MAPPED(AUDITLOGS, "failure_status_reason: x",
	       "(or failure_status_reason~'x' (and (not failure_status_reason?true) "
	       "resultreason~'x'))",
	       "(and " DIRECTORY " failure_status_reason~'x')");
}

static void mappings_of_other_logs(void **state)
{
	(void)state;
	MAPPED(SIGNINLOGS, "ResultType: 50057",
	       "(or resulttype=#50057 (and (not resulttype?true) status.errorcode=#50057))",
	       "(and recordtype=#15 (or resulttype=#50057 (and (not resulttype?true) "
	       "errornumber=#50057)))");
	MAPPED(SIGNINLOGS, "Status: Success",
	       "(or status~'success' status.additionaldetails~'success')",
	       "(and recordtype=#15 status~'success')");
	MAPPED(SIGNINLOGS, "location|contains: se",
	       "(or location.countryorregion~'*se*' (and (not location.countryorregion?true) "
	       "location~'*se*'))",
	       "(and recordtype=#15 (or location~'*se*' (and (not location?true) "
	       "src_endpoint.location.country~'*se*')))");
	MAPPED(SIGNINLOGS, "Status: null", "status=null", "(and recordtype=#15 status=null)");
	MAPPED(SIGNINLOGS, "NetworkLocationDetails: '[]'",
	       "(or networklocationdetails~'[]' networklocationdetails=null)",
	       "(and recordtype=#15 networklocationdetails~'[]')");
	MAPPED("{product: azure, service: pim}", "riskEventType: InvalidLicenseAlertIncident",
	       "(or riskeventtype~'invalidlicensealertincident' (and "
	       "activitydisplayname~'triggered pim alert' targetresources.displayname~'the "
	       "organization doesn't have *'))");
	MAPPED("{product: azure, service: pim}", "LoggedByService: PIM", "loggedbyservice~'pim'");
	MAPPED("{product: azure, service: activitylogs}", "ResourceProviderValue: A",
	       "(or resourceprovidervalue~'a' (and (not resourceprovidervalue?true) (or "
	       "resourceprovidername.value~'a' (and (not resourceprovidername.value?true) "
	       "operationname~'a/*'))))",
	       "(and (or activitydisplayname~'delete device' activitydisplayname~'delete device "
	       "configuration' activitydisplayname~'update device' activitydisplayname~'update "
	       "device configuration') resourceprovidervalue~'a')",
	       "(and category~'auditevent' resourceprovidervalue~'a')",
	       "(and (or category~'kube-audit' category~'kube-audit-admin') "
	       "resourceprovidervalue~'a')");
	MAPPED("{product: azure, service: riskdetection}", "riskEventType: x", "riskeventtype~'x'",
	       "(and recordtype=#294 riskeventtype~'x')");
}

/* A text that stands for others does so whole and as a part, not among others, not in an
 * expression. */
static void mappings_of_values(void **state)
{
	(void)state;
	static const char *const audit = "{product: m365, service: audit}";
	MAPPED(audit, "status|contains: success",
	       "(or resultstatus~'*success*' resultstatus~'succeeded' "
	       "resultstatus~'true' status~'*success*')");
	MAPPED(audit, "status|startswith: success",
	       "(or resultstatus~'success*' resultstatus~'succeeded' "
	       "resultstatus~'true' status~'success*')");
	MAPPED(audit, "status: success*y", "(or resultstatus~'success*y' status~'success*y')");
	MAPPED(audit, "status: success?", "(or resultstatus~'success?' status~'success?')");
	MAPPED(audit, "status|re: success", "(or resultstatus/success/ status/success/)");
	MAPPED(audit, "status: ''", "(or resultstatus~'' status~'')");
	/* A pattern of another field, and a list of texts of a third. */
	MAPPED("{product: azure, service: activitylogs}",
	       "OperationNameValue|endswith: /jobs/write",
	       "(or operationnamevalue~'*/jobs/write' (and (not operationnamevalue?true) (or "
	       "operationname.value~'*/jobs/write' (and (not operationname.value?true) "
	       "operationname~'*/jobs/write'))))",
	       "(and (or activitydisplayname~'delete device' activitydisplayname~'delete device "
	       "configuration' activitydisplayname~'update device' activitydisplayname~'update "
	       "device configuration') operationnamevalue~'*/jobs/write')",
	       "(and category~'auditevent' operationname~'*/jobs/write')",
	       "(and (or category~'kube-audit' category~'kube-audit-admin') (or "
	       "operationname~'*/jobs/write' (and log.objectref.resource~'jobs' (or "
	       "log.verb~'create' log.verb~'update' log.verb~'patch'))))");
}

/* What a missing field passes must not pass where the record has it elsewhere. */
static void mappings_of_missing_fields(void **state)
{
	(void)state;
	MAPPED(SIGNINLOGS, "ClientApp: null",
	       "(or (and clientapp?true clientapp=null) (and (not clientapp?true) "
	       "clientappused=null))",
	       "(and recordtype=#15 clientapp=null)");
	MAPPED(SIGNINLOGS, "ClientApp|exists: false",
	       "(or (and clientapp?true clientapp?false) (and (not clientapp?true) "
	       "clientappused?false))",
	       "(and recordtype=#15 clientapp?false)");
}

/* Both sides of a fieldref. */
static void mappings_of_field_references(void **state)
{
	(void)state;
	MAPPED(SIGNINLOGS, "a|fieldref: ClientApp",
	       "(or a=clientapp (and (not clientapp?true) a=clientappused))",
	       "(and recordtype=#15 a=clientapp)");
	MAPPED("{product: m365, service: audit}", "a|fieldref|contains: status",
	       "a~contains:resultstatus");
	MAPPED("{product: m365, service: audit}", "a|fieldref: eventName",
	       "(or a=eventname (and (not eventname?true) (or (and operation~'alerttriggered' "
	       "a=name) (and (not operation~'alerttriggered') a=operation))))");
	MAPPED("{product: m365, service: audit}", "UserAgent|fieldref|neq: eventSource",
	       "(not (or useragent=eventsource (and (not useragent?true) "
	       "extendedproperties.useragent=eventsource) (and (not eventsource?true) (or "
	       "useragent=workload (and (not useragent?true) "
	       "extendedproperties.useragent=workload) (and (not workload?true) (or "
	       "useragent=officeworkload (and (not useragent?true) "
	       "extendedproperties.useragent=officeworkload)))))))");
}

/* A placeholder file; its path is to be freed. */
static char *make_values(const char *text)
{
	char *path = mr_strdup("/tmp/millrace-values-XXXXXX");
	int fd = mkstemp(path);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return path;
}

static void placeholders(void **state)
{
	(void)state;
	struct rules rules;
	const char *text = RULE("a", "{}", "'F|expand': '%x%'");
	load(&rules, text);
	assert_int_equal(rules.set.catalog.inactive, 1);
	assert_true(rules.set.catalog.rules[0].inactive);
	assert_int_equal(rules.set.rule_count, 0);
	rules_fini(&rules);
	char *path = make_values("x: [a, 'b*']\n");
	rules_load(&rules, &text, 1, path);
	unlink(path);
	assert_int_equal(rules.err, MR_OK);
	assert_int_equal(rules.set.catalog.inactive, 0);
	tree_is(&rules, 0, "(or f~'a' f~'b*')");
	rules_fini(&rules);
	rules_load(&rules, &text, 1, path);
	assert_int_equal(rules.err, MR_CONFIG);
	rules_fini(&rules);
	free(path);
}

/* Names that no rule uses are told once, where they stand; a filter uses them too, and so does a
 * text whose other placeholder has no value. */
static void unused_placeholders(void **state)
{
	(void)state;
	struct rules rules;
	char *path = make_values("a: 1\nb: 1\nempty: []\nc: 1\nd: [1]\n");
	const char *texts[] = {
	    RULE("a", "{}", "'F|expand': ['%gone%%a%', '%gone%%empty%']"),
	    "title: f\nid: g\nlogsource: {}\nfilter: {rules: any, s: {'u|expand': '%c%'}, "
	    "condition: not s}\n",
	    "title: t\n"};
	rules_load(&rules, texts, 1, path);
	assert_int_equal(rules_told(&rules, "no rule uses the placeholder"), 3);
	const struct sigma_note *note = &rules.set.warnings.items[rules.set.warnings.count - 1];
	is_text(note->reason, "no rule uses the placeholder %d%");
	is_text(note->file, path);
	is_text(note->id, "");
	assert_int_equal(note->line, 5);
	assert_int_equal(note->column, 1);
	rules_fini(&rules);
	rules_load(&rules, texts, 2, path);
	assert_int_equal(rules_told(&rules, "no rule uses the placeholder"), 2);
	rules_fini(&rules);
	rules_load(&rules, texts, 3, path); /* who knows what the last would have used */
	assert_int_equal(rules.set.refused.count, 1);
	assert_int_equal(rules_told(&rules, "no rule uses the placeholder"), 0);
	rules_fini(&rules);
	unlink(path);
	free(path);
}

/* Under `expand` only is it a placeholder; what stands around it makes it a text. */
static void placeholders_without_expand(void **state)
{
	(void)state;
	static const struct {
		const char *detection, *told;
	} cases[] = {
	    {"UserId: '%VIPs%'",
	     "`%VIPs%` is taken as text; for a placeholder write `UserId|expand`"},
	    {"'u|contains|all': ['%a%', b]", "`%a%` is taken as text; for a placeholder write "
					     "`u|expand|contains|all`"},
	    {"'u|re|i': '%a.b-c_1%'",
	     "`%a.b-c_1%` is taken as text; for a placeholder write `u|expand|re|i`"},
	    {"'|cased': '%a%'", "`%a%` is taken as text; for a placeholder write `|expand|cased`"},
	    {"'u|base64': '%a%'", "for a placeholder write `u|expand|base64`"},
	    {"u: ['%%', '%a b%', 'x%a%', '%a%x', '%a', '%a%%b%', '*', '']", NULL},
	    {"'u|expand': '%a%'", NULL},
	    {"'u|fieldref': '%a%'", NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rules rules;
		char *text = mr_asprintf("title: t\nid: x\nlevel: low\n"
					 "logsource: {product: azure, service: signinlogs}\n"
					 "detection: {s: {%s}, condition: s}\n",
					 cases[i].detection);
		load(&rules, text);
		free(text);
		assert_int_equal(rules_told(&rules, "is taken as text"), cases[i].told != NULL);
		if (cases[i].told != NULL)
			assert_int_equal(rules_told(&rules, cases[i].told), 1);
		rules_fini(&rules);
	}
	struct rules rules;
	load(&rules,
	     "title: t\nlevel: low\nlogsource: {}\ndetection:\n s: ['%a%']\n condition: s\n");
	assert_int_equal(rules.set.warnings.count, 1);
	is_text(rules.set.warnings.items[0].reason,
		"`%a%` is taken as text; for a placeholder write `|expand`");
	assert_int_equal(rules.set.warnings.items[0].line, 5);
	assert_int_equal(rules.set.warnings.items[0].column, 6);
	rules_fini(&rules);
	char *path = make_values("VIPs: [a]\n");
	const char *slip = RULE("a", "{}", "F: '%VIPs%'");
	rules_load(&rules, &slip, 1, path);
	assert_int_equal(rules_told(&rules, "for a placeholder write `F|expand`"), 1);
	assert_int_equal(rules_told(&rules, "no rule uses the placeholder %VIPs%"), 1);
	rules_fini(&rules);
	unlink(path);
	free(path);
}

static void paths(void **state)
{
	(void)state;
	struct rules rules = {.fields = mr_fields_new()};
	const char *missing[] = {"/nowhere/at/all.yml"};
	assert_int_equal(sigma_load(missing, 1, NULL, rules.fields, &rules.set, &rules.error),
			 MR_CONFIG);
	assert_non_null(strstr(rules.error.text, "/nowhere/at/all.yml"));
	rules_fini(&rules);
	const char *mapping = "mapping: []\n";
	rules_load(&rules, &mapping, 1, NULL);
	assert_int_equal(rules.err, MR_CONFIG); /* no rule is there */
	rules_fini(&rules);
}

/* ---- what must end quickly, with a reason ---- */

static void hostile(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	mr_buf_add_text(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 30; i++)
		mr_buf_printf(&text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i,
			      i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	mr_buf_add(&text, "", 1);
	struct rules rules;
	load(&rules, text.data);
	assert_int_equal(rules.set.refused.count, 1);
	rules_fini(&rules);
	text.len = 0;
	for (int i = 0; i < 100000; i++)
		mr_buf_add_text(&text, "[");
	mr_buf_add(&text, "", 1);
	load(&rules, text.data);
	assert_int_equal(rules.set.refused.count, 1);
	rules_fini(&rules);
	mr_buf_fini(&text);
	REFUSED("title: \x01\n", 1, 8, "control character 0x01");
	REFUSED("title: \xff\n", 1, 8, "not UTF-8");
	REFUSED("[]\n", 1, 1, "a list where a rule");
	REFUSED("{}\n", 1, 1, "neither");
	REFUSED("a: *b\n", 1, 4, "anchor");
	REFUSED("a: 1\na: 2\n", 2, 1, "twice");
	REFUSED("a: !!str 1\n", 1, 10, "tags");
	REFUSED("<<: {a: 1}\n", 1, 1, "merge keys");
}

static void nul_bytes(void **state)
{
	(void)state;
	char path[] = "/tmp/millrace-nul-XXXXXX";
	const char *paths[] = {path};
	struct rules rules = {.fields = mr_fields_new()};
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "title: a\0b\n", 11), 11);
	close(fd);
	assert_int_equal(sigma_load(paths, 1, NULL, rules.fields, &rules.set, &rules.error), MR_OK);
	unlink(path);
	assert_int_equal(rules.set.refused.count, 1);
	assert_int_equal(rules.set.refused.items[0].column, 9);
	rules_fini(&rules);
}

/* A folder that cannot be listed to its end is no folder with fewer rules. */
static void a_listing_that_breaks_off(void **state)
{
	char folder[] = "/tmp/millrace-rules-XXXXXX";
	const char *paths[] = {folder};
	(void)state;
	assert_non_null(mkdtemp(folder));
	char *path = mr_asprintf("%s/a.yml", folder);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	const char *text = RULE("5d3f5b0c-1b1f-4a39-8a7c-2f3f1e6d9b01", "{product: m365}", "a: b");
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	for (unsigned n = 1;; n++) {
		struct rules rules = {.fields = mr_fields_new()};
		os_fault((struct os_fault){.call = OS_READDIR, .nth = n, .number = EIO});
		rules.err = sigma_load(paths, 1, NULL, rules.fields, &rules.set, &rules.error);
		bool met = os_fault_met();
		os_faults_end();
		assert_int_equal(rules.err, met ? MR_CONFIG : MR_OK);
		assert_true(!met || strstr(rules.error.text, folder) != NULL);
		assert_int_equal(rules.set.catalog.detections, !met);
		rules_fini(&rules);
		if (!met)
			break;
	}
	unlink(path);
	rmdir(folder);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(metadata),
	    cmocka_unit_test(places_of_nothing),
	    cmocka_unit_test(metadata_faults),
	    cmocka_unit_test(metadata_slips),
	    cmocka_unit_test(metadata_tags),
	    cmocka_unit_test(fields_to_show),
	    cmocka_unit_test(actions),
	    cmocka_unit_test(filters_name_their_rules),
	    cmocka_unit_test(filters),
	    cmocka_unit_test(filters_make_rules),
	    cmocka_unit_test(logsources),
	    cmocka_unit_test(logsources_that_nothing_feeds),
	    cmocka_unit_test(filters_that_nothing_feeds),
	    cmocka_unit_test(mappings_of_audit_logs),
	    cmocka_unit_test(mappings_of_other_logs),
	    cmocka_unit_test(mappings_of_values),
	    cmocka_unit_test(mappings_of_missing_fields),
	    cmocka_unit_test(mappings_of_field_references),
	    cmocka_unit_test(placeholders),
	    cmocka_unit_test(unused_placeholders),
	    cmocka_unit_test(placeholders_without_expand),
	    cmocka_unit_test(paths),
	    cmocka_unit_test(a_listing_that_breaks_off),
	    cmocka_unit_test(hostile),
	    cmocka_unit_test(nul_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
