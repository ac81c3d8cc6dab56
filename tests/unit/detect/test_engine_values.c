/* test_engine_values.c - what each test of a rule says of each kind of value (SIGMA.md, "Values").
 */
#include "engine_harness.h"
#include "engine_run.h"
#include "sigma_harness.h"

static bool matches(const char *detection, const char *json)
{
	struct rules rules;
	struct mr_buf image = {0};
	struct bench bench;
	const uint32_t *matched;
	char *text = mr_asprintf(HEAD "  s:\n%s\n  condition: s\n", detection);
	rules_load(&rules, (const char *const[]){text}, 1, NULL);
	free(text);
	if (rules.err != MR_OK || rules.set.rule_count != 1)
		fail_msg("%s refused: %s %.*s", detection, rules.error.text,
			 rules.set.refused.count ? (int)rules.set.refused.items[0].reason.len : 0,
			 rules.set.refused.count ? rules.set.refused.items[0].reason.at : "");
	struct engine *engine = engine_of(&rules.set, rules.fields, &image);
	bench_init(&bench, rules.fields);
	struct mr_event *event = bench_event(&bench, json);
	size_t first = engine_match(engine, &bench.events, event, &matched);
	size_t again = engine_match(engine, &bench.events, event, &matched); /* from the cache */
	assert_int_equal(first, again);
	assert_int_equal(engine_limits(engine), 0);
	engine_close(engine);
	bench_fini(&bench);
	mr_buf_fini(&image);
	rules_fini(&rules);
	return first == 1;
}

#define YES(detection, json)                                                                       \
	if (!matches("    " detection, json))                                                      \
	fail_msg("line %d: does not match", __LINE__)
#define NO(detection, json)                                                                        \
	if (matches("    " detection, json))                                                       \
	fail_msg("line %d: matches", __LINE__)

static void texts_match_whole_and_folded(void **state)
{
	(void)state;
	YES("a: Set-Mailbox", "{\"a\":\"sET-mAILBOX\"}");
	NO("a: Set-Mailbox", "{\"a\":\"Set-MailboxPlan\"}");
	YES("a: \"\\u0130\\u1e9e\\u03a3\"", "{\"a\":\"\\u0130\\u1e9e\\u03c2\"}");
	YES("a: STRASSE\xc3\x84", "{\"a\":\"strasse\xc3\xa4\"}");
	YES("a: \"\\u212aelvin\"", "{\"a\":\"KELVIN\"}");
	NO("a: \"stra\\u00dfe\"", "{\"a\":\"strasse\"}");
	YES("a|cased: Abc", "{\"a\":\"Abc\"}");
	NO("a|cased: Abc", "{\"a\":\"abc\"}");
	YES("a: ''", "{\"a\":\"\"}");
	NO("a: ''", "{\"a\":null}");
	NO("a: ''", "{}");
	YES("a|startswith: ''", "{\"a\":7}");
	NO("a|startswith: ''", "{\"a\":null}");
	YES("a: [x, y]", "{\"a\":[\"q\",\"Y\"]}");
	YES("a|contains|all: [x, y]", "{\"a\":[\"1x\",\"2y\"]}");
	NO("a|contains|all: [x, y]", "{\"a\":[\"1x\",\"2x\"]}");
}

static void wildcards(void **state)
{
	(void)state;
	YES("a: '*b?d*'", "{\"a\":\"a B\xc3\xb6"
			  "D e\"}");
	NO("a: 'a?'", "{\"a\":\"a\"}");
	YES("a: 'a?'", "{\"a\":\"a\xf0\x9f\x98\x80\"}");
	NO("a: 'a?'", "{\"a\":\"a\xc3\xb6\xc3\xb6\"}");
	YES("a: 'a*z'", "{\"a\":\"a\\n\\u0000Z\"}");
	YES("a: 'ab*bc'", "{\"a\":\"abbc\"}");
	NO("a: 'ab*bc'", "{\"a\":\"abc\"}");
	YES("a: '*ab?'", "{\"a\":\"abcabd\"}");
	YES("a: '*?'", "{\"a\":\"x\"}");
	NO("a: '*?'", "{\"a\":\"\"}");
	YES("a: '*'", "{\"a\":\"\"}");
	YES("a|endswith: 'bab'", "{\"a\":\"ababab\"}");
	NO("a|endswith: 'bab'", "{\"a\":\"bababx\"}");
	YES("a|contains: '\\*x'", "{\"a\":\"y*x\"}");
	NO("a|contains: '\\*x'", "{\"a\":\"yx\"}");
}

static void numbers_and_texts(void **state)
{
	(void)state;
	YES("a: 50126", "{\"a\":50126}");
	YES("a: 50126", "{\"a\":\"50126\"}");
	YES("a: '50126'", "{\"a\":50126}");
	YES("a: 5", "{\"a\":5.0}");
	YES("a: '5'", "{\"a\":5.0}");
	NO("a: '5.0'", "{\"a\":5.0}");
	NO("a: 5", "{\"a\":\"5.0\"}");
	NO("a: 5", "{\"a\":\"05\"}");
	YES("a: 1.5", "{\"a\":1.50}");
	YES("a: 1.5", "{\"a\":\"1.5\"}");
	NO("a: 1.5", "{\"a\":\"1.50\"}");
	YES("a: '1000'", "{\"a\":1e3}");
	YES("a|contains: '0e'", "{\"a\":1.50e1}");
	YES("a|startswith: '-'", "{\"a\":-3}");
	NO("a: 1", "{\"a\":true}");
	NO("a: 9007199254740993", "{\"a\":9007199254740992}");
	YES("a: 9007199254740993", "{\"a\":9007199254740993}");
	YES("a: 18446744073709551615", "{\"a\":18446744073709551615}");
	YES("a: -9223372036854775808", "{\"a\":-9223372036854775808}");
	YES("a: 0", "{\"a\":-0.0}");
	YES("a: 5", "{\"a\":[null,[4,5]]}");
}

static void comparisons(void **state)
{
	(void)state;
	YES("a|gt: 5", "{\"a\":6}");
	NO("a|gt: 5", "{\"a\":5}");
	YES("a|gte: 5", "{\"a\":\"5\"}");
	YES("a|lt: 5", "{\"a\":4.999}");
	NO("a|lt: 5", "{\"a\":\"4 \"}");
	NO("a|lt: 5", "{\"a\":true}");
	NO("a|lt: 5", "{}");
	YES("a|gt: 9007199254740992", "{\"a\":9007199254740993}");
	YES("a|lte: -1.5", "{\"a\":-2}");
	YES("a|lt: 18446744073709551615", "{\"a\":18446744073709551614}");
}

static void booleans_and_null(void **state)
{
	(void)state;
	YES("a: true", "{\"a\":true}");
	YES("a: true", "{\"a\":\"TRUE\"}");
	YES("a: 'True'", "{\"a\":true}");
	NO("a: true", "{\"a\":1}");
	NO("a: false", "{\"a\":null}");
	YES("a: null", "{}");
	YES("a: null", "{\"a\":null}");
	YES("a: null", "{\"a\":[]}");
	YES("a: null", "{\"a\":[null]}");
	NO("a: null", "{\"a\":{}}");
	NO("a: null", "{\"a\":\"\"}");
	NO("a|neq: null", "{\"a\":[null]}");
	YES("a|neq: null", "{\"a\":[null,1]}");
	YES("a|exists: true", "{\"a\":null}");
	NO("a|exists: true", "{}");
	YES("a|exists: false", "{}");
	YES("a|neq: x", "{}");
	YES("a|neq: [x, y]", "{\"a\":\"z\"}");
	NO("a|neq: [x, y]", "{\"a\":[\"z\",\"X\"]}");
}

static void addresses(void **state)
{
	(void)state;
	YES("a|cidr: 10.0.0.0/8", "{\"a\":\"10.1.2.3\"}");
	YES("a|cidr: 10.0.0.0/8", "{\"a\":\"10.1.2.3:443\"}");
	YES("a|cidr: 10.0.0.0/8", "{\"a\":\"::ffff:10.1.2.3\"}");
	YES("a|cidr: 10.0.0.0/8", "{\"a\":\"[::ffff:10.1.2.3]:443\"}");
	NO("a|cidr: 10.0.0.0/8", "{\"a\":\"11.1.2.3\"}");
	NO("a|cidr: 10.0.0.0/8", "{\"a\":\"10.1.2.3:x\"}");
	NO("a|cidr: 10.0.0.0/8", "{\"a\":\"10.1.2\"}");
	NO("a|cidr: 10.0.0.0/8", "{\"a\":\"\"}");
	YES("a|cidr: 2001:db8::/33", "{\"a\":\"[2001:db8:7fff::1]:80\"}");
	YES("a|cidr: 2001:db8::/33", "{\"a\":\"2001:db8::1%eth0\"}");
	NO("a|cidr: 2001:db8::/33", "{\"a\":\"2001:db8:8000::1\"}");
	NO("a|cidr: '::/0'", "{\"a\":\"1.2.3.4\"}");
	YES("a|cidr: 0.0.0.0/0", "{\"a\":\"255.2.3.4\"}");
	NO("a|cidr: 0.0.0.0/0", "{\"a\":\"::1\"}");
	YES("a|cidr: 192.168.1.1", "{\"a\":[\"1.1.1.1\",\"192.168.1.1\"]}");
}

static void regular_expressions(void **state)
{
	(void)state;
	YES("a|re: 'b.d'", "{\"a\":\"abcde\"}");
	NO("a|re: 'B.d'", "{\"a\":\"abcde\"}");
	YES("a|re|i: 'B.d'", "{\"a\":\"abcde\"}");
	NO("a|re: 'a.b'", "{\"a\":\"a\\nb\"}");
	YES("a|re|s: 'a.b'", "{\"a\":\"a\\nb\"}");
	YES("a|re|m: '^b$'", "{\"a\":\"a\\nb\\nc\"}");
	NO("a|re: '^b$'", "{\"a\":\"a\\nb\\nc\"}");
	YES("a|re: 'b$'", "{\"a\":\"ab\\n\"}");
	YES("a|re: '^.$'", "{\"a\":\"\xf0\x9f\x98\x80\"}");
	NO("a|re: '\\d'", "{\"a\":\"\xd9\xa3\"}");
	NO("a|re: '\\w'", "{\"a\":\"\xc3\xb6\"}");
	YES("a|re|i: '\xc3\x84'", "{\"a\":\"\xc3\xa4\"}");
	YES("a|re|i: '[k]x'", "{\"a\":\"\xe2\x84\xaax\"}");
	YES("a|re: '(a)\\1'", "{\"a\":\"xaa\"}");
	YES("a|re: 'a(?=b)'", "{\"a\":\"ab\"}");
	YES("a|re: 'x*'", "{\"a\":\"\"}");
	YES("a|re: '^1\\.50$'", "{\"a\":1.50}");
	YES("a|re: '^true$'", "{\"a\":true}");
	YES("a|re: '^\\{\"N\":'", "{\"a\":[{\"N\":1}]}");
	NO("a|re: 'x*'", "{}");
}

static void references_and_times(void **state)
{
	(void)state;
	YES("a|fieldref: b", "{\"a\":\"X\",\"b\":[\"q\",\"x\"]}");
	YES("a|fieldref: b", "{\"a\":5,\"b\":5.0}");
	YES("a|fieldref: b", "{\"a\":\"5\",\"b\":5.0}");
	NO("a|fieldref: b", "{\"a\":1,\"b\":true}");
	NO("a|fieldref: b", "{\"a\":null,\"b\":null}");
	NO("a|fieldref: b", "{}");
	YES("a|fieldref|endswith: b", "{\"a\":\"user@X.com\",\"b\":\"x.COM\"}");
	YES("a|fieldref|neq: b", "{\"a\":1}");
	YES("a|hour: 23", "{\"a\":\"2021-05-18T21:13:33-02:30\"}");
	YES("a|hour: 21", "{\"a\":\"2021-05-18T21:13:33.1234567\"}");
	YES("a|week: 53", "{\"a\":\"2021-01-03\"}");
	YES("a|week: 1", "{\"a\":\"2024-12-30T00:00:00Z\"}");
	YES("a|minute: 59", "{\"a\":\"1969-12-31 23:59:59Z\"}");
	YES("a|year: 1969", "{\"a\":\"1970-01-01T00:00:00+01\"}");
	NO("a|month: 2", "{\"a\":\"2023-02-29\"}");
	YES("a|month: 1", "{\"a\":\"0000-01-01T00:00:00Z\"}");
	NO("a|month: 12", "{\"a\":\"0000-01-01T00:00:00+00:01\"}");
	YES("a|month: 12", "{\"a\":\"9999-12-31T23:59:59.9Z\"}");
	NO("a|month: 1", "{\"a\":\"9999-12-31T23:59:60Z\"}");
	NO("a|year: 2021", "{\"a\":2021}");
	NO("a|year: 2021", "{\"a\":\"2021-05-18T21:13:33x\"}");
}

static void keywords(void **state)
{
	(void)state;
	YES("- needle", "{\"q\":{\"w\":[1,\"a NEEDLE b\"]}}");
	NO("- needle", "{\"needle\":\"x\"}");
	NO("- 'ab'", "{\"q\":[\"a\",\"b\"]}");
	YES("- 'a/b'", "{\"q\":\"xa\\/by\"}");
	YES("- 'a\"b'", "{\"q\":\"a\\\"b\"}");
	YES("- true", "{\"q\":true}");
	YES("- 12", "{\"q\":3124}");
	YES("'|all': [one, two]", "{\"q\":\"one\",\"r\":\"two\"}");
	NO("'|all': [one, two]", "{\"q\":\"one\",\"r\":\"tw\"}");
	YES("'|re': '^a.c$'", "{\"q\":\"abc\"}");
	YES("'|re': '(b)\\1'", "{\"q\":[\"x\",\"abb\"]}");
	NO("'|cased': Abc", "{\"q\":\"xabc\"}");
	YES("'|cased': Abc", "{\"q\":\"xAbc\"}");
	YES("- 'a*b?d'", "{\"q\":[\"xa\",\"b d\",\"za b-d!\"]}");
	NO("- 'a*b?d'", "{\"q\":[\"xa\",\"b d\"]}");
}

/* A record may write a character in more than one way, and any in front of a keyword. */
static void keywords_however_they_are_written(void **state)
{
	(void)state;
	YES("- needle", "{\"q\":\"n\\u0065edle\"}");
	YES("- needle", "{\"q\":\"\\\\needle\"}");
	YES("- needle", "{\"q\":\"\\nneedle\"}");
	YES("- 'x\\needle'", "{\"q\":\"x\\\\needle\"}");
	YES("- 'x\\needle'", "{\"q\":\"x\\u005cneedle\"}");
	YES("- 'say \"needle\"'", "{\"q\":\"say \\\"needle\\\"\"}");
	YES("- '//needle//'", "{\"q\":\"\\/\\/needle\\/\\/\"}");
	YES("- kelvin", "{\"q\":\"\xe2\x84\xaa"
			"ELVIN\"}");
	YES("- \xc3\xa4\xc3\xb6", "{\"q\":\"\xc3\x84\\u00d6\"}");
	NO("- needle", "{\"q\":\"need\\nle\"}");
	NO("- needle", "{\"q\":[\"need\",\"le\"]}");
}

/* Each has its gram at another place, and a look is at each eighth byte only. */
static void keywords_at_each_place(void **state)
{
	(void)state;
	char json[128];
	for (int before = 0; before < 20; before++) {
		snprintf(json, sizeof json, "{\"q\":\"%*sprivilege::debug\"}", before, "");
		YES("- 'privilege::debug'", json);
		YES("- 'privilege::debug'\n    - 'sekurlsa::logon'\n    - 'lsadump::secrets'",
		    json);
	}
}

/* However the record writes other characters, one that has no keyword is not parsed for it. */
static void a_record_without_a_keyword_is_not_read_again(void **state)
{
	(void)state;
	struct rules rules;
	struct mr_buf image = {0};
	struct bench bench;
	const uint32_t *matched;
	rules_load(&rules,
		   (const char *const[]){HEAD "  s:\n    - 'a/b\"c\\d'\n    - '\xc3\xa4needle'\n"
					      "  t:\n    - '@'\n  condition: s and t\n"},
		   1, NULL);
	struct engine *engine = engine_of(&rules.set, rules.fields, &image);
	bench_init(&bench, rules.fields);
	engine_match(
	    engine, &bench.events,
	    bench_event(&bench, "{\"q\":\"C:\\\\Users\\/a \\u00ae\\u003c\",\"r\":\"a\\/b@\"}"),
	    &matched);
	assert_null(engine->leaves.reader);
	assert_int_equal(engine_match(engine, &bench.events,
				      bench_event(&bench, "{\"q\":\"@a\\u002fb\\u0022c\\\\d\"}"),
				      &matched),
			 1);
	assert_non_null(engine->leaves.reader);
	engine_close(engine);
	bench_fini(&bench);
	mr_buf_fini(&image);
	rules_fini(&rules);
}

static void ends_check(const char *modifier, const char *wanted, const char *text, bool holds)
{
	char detection[160], json[128];
	snprintf(detection, sizeof detection, "    a|%s: '%s'", modifier, wanted);
	snprintf(json, sizeof json, "{\"a\":\"%s\"}", text);
	if (matches(detection, json) != holds)
		fail_msg("%s %s, %s", detection, holds ? "does not match" : "matches", json);
}

/* An end is looked for by a few bytes of it, at one place. */
static void ends_of_each_length(void **state)
{
	(void)state;
	char wanted[81] = "", text[96];
	for (int len = 1; len <= 80; len += len < 24 ? 1 : 7) {
		for (int i = 0; i < len; i++)
			wanted[i] = (char)('a' + (i * 7 + len) % 26);
		wanted[len] = '\0';
		ends_check("endswith", wanted, wanted, true);
		ends_check("startswith", wanted, wanted, true);
		snprintf(text, sizeof text, "%s-", wanted);
		ends_check("startswith", wanted, text, true);
		ends_check("endswith", wanted, text, false);
		snprintf(text, sizeof text, "-%s", wanted);
		ends_check("endswith", wanted, text, true);
		ends_check("startswith", wanted, text, false);
		ends_check("endswith", wanted, wanted + 1, false);
		text[0] = '\0';
		strncat(text, wanted, (size_t)len - 1);
		ends_check("startswith", wanted, text, false);
	}
	YES("a: 'abcdefgh*ijklmnop'", "{\"a\":\"abcdefgh-ijklmnop\"}");
	NO("a: 'abcdefgh*hijklmnop'", "{\"a\":\"abcdefghijklmnop\"}");
	YES("a: '?bcdefgh*'", "{\"a\":\"\xc3\xa4"
			      "bcdefgh\"}");
}

static void many_texts_on_one_field(void **state)
{
	(void)state;
	YES("a|contains: [alpha, beta, gamma, delta, 'eps*lon?', zeta]", "{\"a\":\"xDELTAy\"}");
	YES("a|contains: [alpha, beta, gamma, delta, 'eps*lon?', zeta]", "{\"a\":\"epsi lonx\"}");
	NO("a|contains: [alpha, beta, gamma, delta, 'eps*lon?', zeta]", "{\"a\":\"epsilon\"}");
	YES("a|startswith: [alpha, beta, gamma, delta]", "{\"a\":\"Gammaalpha\"}");
	NO("a|startswith: [alpha, beta, gamma, delta]", "{\"a\":\"xgammaalpha\"}");
	YES("a|endswith: [alpha, beta, gamma, delta]", "{\"a\":\"gammaALPHA\"}");
	NO("a|endswith: [alpha, beta, gamma, delta]", "{\"a\":\"gammaalpha.\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_match_whole_and_folded),
	    cmocka_unit_test(wildcards),
	    cmocka_unit_test(numbers_and_texts),
	    cmocka_unit_test(comparisons),
	    cmocka_unit_test(booleans_and_null),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(regular_expressions),
	    cmocka_unit_test(references_and_times),
	    cmocka_unit_test(keywords),
	    cmocka_unit_test(keywords_however_they_are_written),
	    cmocka_unit_test(keywords_at_each_place),
	    cmocka_unit_test(a_record_without_a_keyword_is_not_read_again),
	    cmocka_unit_test(ends_of_each_length),
	    cmocka_unit_test(many_texts_on_one_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
