/* test_sigma_reach.c - a rule that no record can satisfy is told of, with the reason; no other. */
#include "detect/sigma_harness.h"

#define NEVER "no record that the vendor documents satisfies"
#define AUDITLOGS "{product: azure, service: auditlogs}"
#define SIGNINLOGS "{product: azure, service: signinlogs}"

/* What is said of a rule with this selection `s`, or NULL for nothing. */
static void said(int test_line, const char *logsource, const char *detection, const char *condition,
		 const char *wanted)
{
	struct rules rules;
	char *text = mr_asprintf("title: t\nlogsource: %s\nlevel: low\ndetection:\n s:\n  %s\n"
				 " condition: %s\n",
				 logsource, detection, condition);
	rules_load(&rules, (const char *const[]){text}, 1, NULL);
	free(text);
	assert_int_equal(rules.err, MR_OK);
	assert_int_equal(rules.set.refused.count, 0);
	struct mr_slice first = {"", 0};
	if (rules.set.warnings.count > 0)
		first = rules.set.warnings.items[0].reason;
	if (rules_told(&rules, NEVER) != (wanted != NULL) ||
	    (wanted != NULL && rules_told(&rules, wanted) != 1))
		fail_msg("line %d: %u times said, %.*s", test_line, rules_told(&rules, NEVER),
			 (int)first.len, first.at);
	rules_fini(&rules);
}
#define SAID(logsource, detection, wanted) said(__LINE__, logsource, detection, "s", wanted)
#define FITS(logsource, detection) said(__LINE__, logsource, detection, "s", NULL)

static void fields(void **state)
{
	(void)state;
	SAID(AUDITLOGS, "Tarrget|contains: x", NEVER " the rule: none has the field \"Tarrget\"");
	SAID(AUDITLOGS, "Initiatied.By: x", "none has the field \"Initiatied.By\"");
	SAID(AUDITLOGS, "properties.tarrget: x", "none has the field \"properties.tarrget\"");
	SAID(AUDITLOGS, "a|exists: true", "none has the field \"a\"");
	SAID(SIGNINLOGS, "ActivityDetails: Sign-ins", "none has the field \"ActivityDetails\"");
	SAID("{product: azure, service: pim}", "a: x", "none has the field \"a\"");
	FITS(AUDITLOGS, "a: null");
	FITS(AUDITLOGS, "a|exists: false");
	FITS(AUDITLOGS, "TARGETRESOURCES.x.y: z");
	FITS(AUDITLOGS, "properties.targetResources.x: z");
	FITS(AUDITLOGS, "native.time: z");
	FITS(AUDITLOGS, "'@odata.type': z");
	FITS(AUDITLOGS, "_ItemId: z");
	FITS(AUDITLOGS, "src_endpoint.ip: 192.0.2.1");
	FITS(AUDITLOGS, "properties.message: Add user");
	/* One of its kinds of record has it. */
	FITS(AUDITLOGS, "Target: x");
	FITS(SIGNINLOGS, "LogonError: x");
	/* Nothing is known of the records. */
	FITS("{product: m365, service: audit}", "a: x");
	FITS("{product: azure, service: activitylogs}", "a: x");
	FITS("{product: windows}", "a: x");
	FITS("{}", "a: x");
}

static void values(void **state)
{
	(void)state;
	SAID(
	    AUDITLOGS, "Status: Sucess",
	    NEVER
	    " the rule: the field \"result\" is never \"Sucess\", it is one of success, failure, ");
	SAID(AUDITLOGS, "properties.result: 7", "is never \"7\"");
	SAID(AUDITLOGS, "Status: [Sucess, done]", "is never \"Sucess\"");
	FITS(AUDITLOGS, "Status: SUCCESS");
	FITS(AUDITLOGS, "Status: [Sucess, Failure]");
	FITS(AUDITLOGS, "Status|contains: x");
	FITS(AUDITLOGS, "Status: 's*'");
	FITS(AUDITLOGS, "Status: null");
	FITS(AUDITLOGS, "Status: Admin registered temporary access pass method for user");
	/* Names of other logs are not known. */
	FITS(SIGNINLOGS, "ResourceDisplayName: x");
}

static void texts_that_stand_apart(void **state)
{
	(void)state;
	SAID(
	    AUDITLOGS, "properties.message|contains|all: [Add user, Add member to role]",
	    NEVER
	    " the rule: \"activityDisplayName\" holds at most one of Add user, Add member to role");
	SAID(AUDITLOGS, "OperationName|contains|all: [add USER, x, Delete user]",
	     "holds at most one of Add user, Delete user");
	FITS(AUDITLOGS, "properties.message|contains: [Add user, Add member to role]");
	FITS(AUDITLOGS, "properties.message|contains|all: [Add, member to role]");
	FITS(AUDITLOGS, "properties.message|contains|all: [Add user, feature rollout]");
	FITS(AUDITLOGS, "properties.message|contains: Add user");
}

/* What stands under `not`, and in a choice, decides nothing by itself; but then an identifier does
 * nothing, which is told. */
static void conditions(void **state)
{
	(void)state;
	static const char *const two = "a: x\n t:\n  category: Policy";
	static const char *const dead = "satisfies \"s\": none has the field \"a\"";
	said(__LINE__, AUDITLOGS, two, "s and t", "none has the field \"a\"");
	said(__LINE__, AUDITLOGS, two, "t and not s", dead);
	said(__LINE__, AUDITLOGS, two, "s or t", dead);
	said(__LINE__, AUDITLOGS, two, "not s", dead);
	said(__LINE__, AUDITLOGS, two, "t", NULL);
	said(__LINE__, AUDITLOGS, "a: [x]\n  category: Policy\n t:\n  a: null", "s or t", dead);
	said(__LINE__, AUDITLOGS, "a: null\n t:\n  category: Policy", "t and not s",
	     "none has the field \"a\"");
	said(__LINE__, AUDITLOGS, "category: x\n t:\n  a: x", "s and not (t or not t)", NEVER);
}

/* It is told where the slip stands, once, whatever views there are; of a filter's slip at the
 * rule's detection. */
static void places(void **state)
{
	(void)state;
	struct rules rules;
	const char *text =
	    "title: t\nid: t\nlogsource: " AUDITLOGS "\nlevel: low\ndetection:\n s:\n"
	    "  category: Policy\n  Status:\n   - Sucess\n condition: s\n---\n"
	    "title: u\nid: u\nlogsource: " SIGNINLOGS "\nlevel: low\ndetection:\n s:\n"
	    "  userAgent: x\n condition: s\n---\n"
	    "title: f\nlogsource: " SIGNINLOGS "\nfilter:\n rules: [u]\n g: {no: x}\n"
	    " condition: g\n";
	rules_load(&rules, &text, 1, NULL);
	assert_int_equal(rules.err, MR_OK);
	assert_int_equal(rules_told(&rules, NEVER), 2);
	static const uint32_t wanted[][2] = {{9, 6}, {17, 2}};
	uint32_t found = 0;
	for (uint32_t i = 0; i < rules.set.warnings.count; i++) {
		const struct sigma_note *note = &rules.set.warnings.items[i];
		if (memmem(note->reason.at, note->reason.len, NEVER, sizeof NEVER - 1) == NULL)
			continue;
		assert_int_equal(note->line, wanted[found][0]);
		assert_int_equal(note->column, wanted[found++][1]);
	}
	assert_int_equal(rules_told(&rules, "none has the field \"no\""), 1);
	rules_fini(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields),
	    cmocka_unit_test(values),
	    cmocka_unit_test(texts_that_stand_apart),
	    cmocka_unit_test(conditions),
	    cmocka_unit_test(places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
