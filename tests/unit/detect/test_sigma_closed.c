/* test_sigma_closed.c - values that a normalised field can never have are told, and no others. */
#include "detect/sigma_harness.h"

#define NEVER "is never"

/* What is said of one test in a rule of this logsource, or NULL for nothing. */
static void said(int test_line, const char *logsource, const char *detection, const char *wanted)
{
	struct rules rules;
	char *text = mr_asprintf("title: t\nlogsource: %s\nlevel: low\ndetection:\n s:\n  %s\n"
				 " condition: s\n",
				 logsource, detection);
	rules_load(&rules, (const char *const[]){text}, 1, NULL);
	free(text);
	assert_int_equal(rules.err, MR_OK);
	assert_int_equal(rules.set.refused.count, 0);
	if (rules_told(&rules, NEVER) != (wanted != NULL) ||
	    (wanted != NULL && rules_told(&rules, wanted) != 1))
		fail_msg(
		    "line %d: %u times said, %.*s", test_line, rules_told(&rules, NEVER),
		    rules.set.warnings.count == 0 ? 0 : (int)rules.set.warnings.items[0].reason.len,
		    rules.set.warnings.items[0].reason.at);
	if (wanted != NULL) {
		const struct sigma_note *note = &rules.set.warnings.items[0];
		const char *colon = strchr(detection, ':');
		assert_int_equal(note->line, 6);
		assert_int_equal(note->column, 3 + (colon - detection) + 2);
	}
	rules_fini(&rules);
}
#define SAID(detection, wanted) said(__LINE__, "{}", detection, wanted)
#define FITS(detection) said(__LINE__, "{}", detection, NULL)

static void words_of_a_closed_set(void **state)
{
	(void)state;
	SAID("metadata.log_name: m365", "the field \"metadata.log_name\" is never \"m365\": it is "
					"one of unknown, m365.audit, ");
	SAID("Metadata.Log_Name: entra.signIns", "\"entra.signIns\"");
	SAID("metadata.log_name: ''", "never \"\"");
	SAID("metadata.log_name: true", "never \"true\"");
	SAID("metadata.log_name: 365", "never \"365\"");
	SAID("metadata.log_name|neq: m365", "never \"m365\"");
	SAID("metadata.log_name|cased: M365.audit", "never \"M365.audit\"");
	FITS("metadata.log_name: M365.Audit");
	FITS("metadata.log_name: [m365.audit, entra.risk, null, 'entra.*', '*']");
	FITS("metadata.log_name|startswith: azur");
	FITS("metadata.log_name|contains: [sign, x]");
	FITS("metadata.log_name|re: ^x$");
	FITS("metadata.log_name|exists: false");
	FITS("metadata.log_name|fieldref: a");
	SAID("src_endpoint.proxy_type: proxy",
	     "it is one of vpn, tor, hosting, public_proxy, residential_proxy");
	FITS("src_endpoint.proxy_type: [VPN, Tor, hosting, public_proxy, residential_proxy]");
}

static void booleans(void **state)
{
	(void)state;
	static const char *const fields[] = {"is_mfa", "actor.user.known",
					     "actor.user.is_privileged", "actor.user.is_enabled"};
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		char *wrong = mr_asprintf("%s: 'yes'", fields[i]);
		char *right = mr_asprintf("%s: [true, false, 'True', FALSE, null]", fields[i]);
		SAID(wrong, "never \"yes\": it is one of true, false");
		FITS(right);
		free(wrong);
		free(right);
	}
	SAID("is_mfa: 1", "never \"1\"");
	SAID("src_endpoint.is_anonymous: false", "never \"false\": it is only true");
	FITS("src_endpoint.is_anonymous: true");
}

/* Whatever a record, a database or a list says can be anything. */
static void open_fields(void **state)
{
	(void)state;
	FITS("status: Failed");
	FITS("risk_level: x");
	FITS("actor.user.type: 7");
	FITS("src_endpoint.network_kind: x");
	FITS("actor.user.risk_level: 3");
	FITS("mfa: x");
	FITS("native.is_mfa: x");
}

static void texts_of_one_form(void **state)
{
	(void)state;
	SAID("src_endpoint.ip: 10.0.0.0/8", "never \"10.0.0.0/8\": it is an address");
	SAID("src_endpoint.ip: 2001:db8:0::1", "in its shortest form");
	SAID("src_endpoint.ip: '[2001:db8::1]'", "an address");
	SAID("src_endpoint.ip: 192.0.2.1:443", "an address");
	SAID("src_endpoint.ip: ::ffff:192.0.2.1", "an address");
	SAID("src_endpoint.ip: 1", "an address");
	FITS("src_endpoint.ip: [192.0.2.1, 2001:DB8::1, '192.0.2.*', null]");
	FITS("src_endpoint.ip|startswith: '10.'");
	FITS("src_endpoint.ip|cidr: 10.0.0.0/8");
	SAID("src_endpoint.location.country: Netherlands",
	     "never \"Netherlands\": it is a code of two letters, such as NL");
	SAID("src_endpoint.location.country: 31", "two letters");
	FITS("src_endpoint.location.country: [NL, de, No, '*', null]");
	FITS("src_endpoint.location.country|re: Netherlands");
	SAID("actor.user.home_country: Netherlands",
	     "never \"Netherlands\": it is a code of two letters, such as NL");
	FITS("actor.user.home_country: [NL, de, null]");
}

/* A text equals a number in its shortest form only; a number is compared by what it is. */
static void numbers(void **state)
{
	(void)state;
	static const char *const whole[] = {"src_endpoint.port",
					    "src_endpoint.autonomous_system.number"};
	static const char *const any[] = {"src_endpoint.location.lat",
					  "src_endpoint.location.long"};
	static const char *const none[] = {"AS64496", "''", "true", "'0443'", "443/tcp", "'+1'"};
	for (size_t f = 0; f < 2; f++) {
		char *fits_whole =
		    mr_asprintf("%s: [443, '443', 443.0, 0x1bb, 0, '44*', null]", whole[f]);
		char *fits_any = mr_asprintf("%s: [52.370, '52.37', -4, '-4', 0, '5*']", any[f]);
		FITS(fits_whole);
		FITS(fits_any);
		for (size_t n = 0; n < sizeof none / sizeof none[0]; n++) {
			char *in_whole = mr_asprintf("%s: %s", whole[f], none[n]);
			char *in_any = mr_asprintf("%s: %s", any[f], none[n]);
			SAID(in_whole, "it is a whole number, such as ");
			SAID(in_any, "it is a number in its shortest form, such as ");
			free(in_whole);
			free(in_any);
		}
		free(fits_whole);
		free(fits_any);
	}
	SAID("src_endpoint.port: -1", "never \"-1\": it is a whole number, such as 443");
	SAID("src_endpoint.port: 1.5", "a whole number");
	SAID("src_endpoint.autonomous_system.number: '64496.0'", "a whole number, such as 64496");
	SAID("src_endpoint.location.lat: '52.370'", "shortest form, such as 52.37");
	SAID("src_endpoint.location.long: 52,37", "shortest form, such as 4.89");
}

/* A rule meets the kinds of records that its logsource sees, in whichever view. */
static void kinds_of_the_logsource(void **state)
{
	(void)state;
	said(__LINE__, "{product: m365, service: exchange}", "metadata.log_name: entra.signin",
	     "never \"entra.signin\": it is only m365.audit");
	said(__LINE__, "{product: azure, service: riskdetection}", "metadata.log_name: entra.audit",
	     "it is one of m365.audit, entra.risk, entra.risky_user");
	said(__LINE__, "{product: azure, service: riskdetection}",
	     "metadata.log_name: [entra.risk, m365.audit]", NULL);
	said(__LINE__, "{product: windows}", "metadata.log_name: entra.audit", NULL);
}

/* Each value where it stands, each once, though the logsource has several views. */
static void lists(void **state)
{
	(void)state;
	struct rules rules;
	const char *text =
	    "title: t\nlogsource: {product: azure, service: signinlogs}\nlevel: low\ndetection:\n"
	    " s:\n  is_mfa:\n   - x\n   - true\n   - y\n condition: s\n---\n"
	    "title: f\nlogsource: {product: azure, service: signinlogs}\nfilter:\n rules: any\n"
	    " f: {is_mfa|expand: '%a%'}\n condition: not f\n";
	char values[] = "/tmp/millrace-values-XXXXXX";
	int fd = mkstemp(values);
	assert_int_equal(write(fd, "a: [true, z]\n", 13), 13);
	close(fd);
	rules_load(&rules, &text, 1, values);
	unlink(values);
	assert_int_equal(rules.err, MR_OK);
	assert_int_equal(rules_told(&rules, NEVER), 3);
	assert_int_equal(rules.set.warnings.count, 3);
	static const uint32_t lines[] = {16, 7, 9};
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(rules.set.warnings.items[i].line, lines[i]);
	assert_int_equal(rules_told(&rules, "never \"z\""), 1);
	rules_fini(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_of_a_closed_set),
	    cmocka_unit_test(booleans),
	    cmocka_unit_test(open_fields),
	    cmocka_unit_test(texts_of_one_form),
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(kinds_of_the_logsource),
	    cmocka_unit_test(lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
