/* test_sigma_values.c - a field, its modifiers and its values become tests. */
#include "detect/sigma_harness.h"

#define S(key_and_value) " s: {" key_and_value "}\n condition: s"

static void texts(void **state)
{
	(void)state;
	TREE(S("F: AbC"), "f~'abc'");
	TREE(S("F: 'a*b?c'"), "f~'a*b?c'");
	TREE(S("F: 'a**b'"), "f~'a*b'");
	TREE(S("F: ''"), "f~''");
	TREE(S("F|contains: a"), "f~'*a*'");
	TREE(S("F|startswith: ''"), "f~'*'");
	TREE(S("F|startswith: 'a*'"), "f~'a*'");
	TREE(S("F|endswith: a"), "f~'*a'");
	TREE(S("F|cased: AbC"), "f~c'AbC'");
	TREE(S("F|contains|cased: AbC"), "f~c'*AbC*'");
	TREE(S("F: [a, b]"), "(or f~'a' f~'b')");
	TREE(S("F|contains|all: [a, b]"), "(and f~'*a*' f~'*b*')");
	TREE(S("F|all|contains: [a, b]"), "(and f~'*a*' f~'*b*')");
	TREE(S("F: a, G: b"), "(and f~'a' g~'b')");
	TREE(S("A.B: a"), "a.b~'a'");
}

static void digits_behind_a_zero_are_a_text(void **state)
{
	(void)state;
	TREE(S("F: 00000429"), "f~'00000429'");
	TREE(S("F|contains: [0000042a, 00000429]"), "(or f~'*0000042a*' f~'*00000429*')");
	TREE(S("F: 010"), "f~'010'");
	TREE(S("F: -01"), "f~'-01'");
	TREE(S("F: 00.5"), "f~'00.5'");
	TREE(S("F: 0"), "f=#0");
	TREE(S("F: 0.5"), "f=#0.5");
	TREE(S("F: 0x10"), "f=#16");
	TREE(S("F|gt: 010"), "f>#10");
	TREE(S("F|hour: 08"), "f.hour=8");
}

static void escapes(void **state)
{
	(void)state;
	TREE(S("F: 'a\\*b'"), "f~'a*b'");
	TREE(S("F: 'a\\\\b'"), "f~'a\\b'");
	TREE(S("F: 'a\\b'"), "f~'a\\b'");
	TREE(S("F: 'a\\'"), "f~'a\\'");
	TREE(S("F|startswith: 'a\\\\*'"), "f~'a\\*'");
	TREE(S("F: 'a\\?'"), "f~'a?'");
}

static void scalars(void **state)
{
	(void)state;
	TREE(S("F: 12"), "f=#12");
	TREE(S("F: 0x10"), "f=#16");
	TREE(S("F: 1.50"), "f=#1.5");
	TREE(S("F: '12'"), "f~'12'");
	TREE(S("F: true"), "f=true");
	TREE(S("F: yes"), "f~'yes'");
	TREE(S("F: null"), "f=null");
	TREE(S("F: [null, '']"), "(or f=null f~'')");
	TREE(S("F|contains: 12"), "f~'*12*'");
	TREE(S("F|neq: null"), "f!null");
	TREE(S("F|neq: [a, b]"), "(not (or f~'a' f~'b'))");
	TREE(S("F|neq|all: [a, b]"), "(not (and f~'a' f~'b'))");
	TREE(S("F|exists: false"), "f?false");
	TREE(S("F|gte: 5"), "f>=#5");
	TREE(S("F|lt: -1.5"), "f<#-1.5");
	TREE(S("F|hour: [1, 2]"), "(or f.hour=1 f.hour=2)");
	TREE(S("F|week: 53"), "f.week=53");
}

static void other_tests(void **state)
{
	(void)state;
	TREE(S("F|re: 'a.*B'"), "f/a.*B/");
	TREE(S("F|re|i|s: a"), "f/a/is");
	TREE(S("F|cidr: 10.0.0.0/8"), "f@00000000000000000000ffff0a000000/104");
	TREE(S("F|cidr: 10.1.2.3"), "f@00000000000000000000ffff0a010203/128");
	TREE(S("F|cidr: 2001:db8::/32"), "f@20010db8000000000000000000000000/32");
	TREE(S("F|fieldref: G"), "f=g");
	TREE(S("F|fieldref|startswith: G"), "f~startswith:g");
	TREE(S("F|fieldref|neq: G"), "(not f=g)");
	TREE(S("F|base64offset|contains: foobar"),
	     "(or f~'*zm9vymfy*' f~'*zvb2jhc*' f~'*mb29iyx*')");
	TREE(S("F|base64|cased: foobar"), "f~c'Zm9vYmFy'");
	TREE(S("F|wide|base64|cased: ab"), "f~c'YQBiAA=='");
	TREE(S("F|windash: ' -a'"), "(or f~' -a' f~' /a' f~' \xe2\x80\x93"
				    "a' f~' \xe2\x80\x94"
				    "a' f~' \xe2\x80\x95"
				    "a')");
}

static void keywords(void **state)
{
	(void)state;
	TREE(" s: [a, B]\n condition: s", "(or ~'*a*' ~'*b*')");
	TREE(" s: a\n condition: s", "~'*a*'");
	TREE(S("'|all': [a, b]"), "(and ~'*a*' ~'*b*')");
	TREE(S("'|re': a"), "/a/");
	TREE(" s: [a, {F: b}]\n condition: s", "(or ~'*a*' f~'b')");
	TREE(" s: [{F: a, G: b}, {F: c}]\n condition: s", "(or (and f~'a' g~'b') f~'c')");
}

/* The fifth line is `s`; columns are those of what is wrong. */
static void refused(void **state)
{
	(void)state;
	REFUSED(HEAD S("F|containz: a"), 5, 8, "\"containz\" is not known");
	REFUSED(HEAD S("F|contains|startswith: a"), 5, 17, "exclude each other");
	REFUSED(HEAD S("F|cased|cased: a"), 5, 14, "twice");
	REFUSED(HEAD S("F|contains|base64: a"), 5, 17, "base64 stands before contains");
	REFUSED(HEAD S("F|wide: a"), 5, 6, "needs base64");
	REFUSED(HEAD S("F|base64: 'a*'"), 5, 16, "wildcard cannot be encoded");
	REFUSED(HEAD S("F|re: '('"), 5, 12, "regular expression");
	REFUSED(HEAD S("F|re: 5"), 5, 12, "re wants a text");
	REFUSED(HEAD S("F|re|contains: a"), 5, 6, "does not go with");
	REFUSED(HEAD S("F|cidr: 10.0.0.1/8"), 5, 14, "bits set behind its prefix");
	REFUSED(HEAD S("F|exists: 'true'"), 5, 16, "exists wants true or false");
	REFUSED(HEAD S("F|gt: '5'"), 5, 12, "want a number without quotes");
	REFUSED(HEAD S("F|hour: 24"), 5, 14, "from 0 to 23");
	REFUSED(HEAD S("F|i: a"), 5, 8, "follows re");
	REFUSED(HEAD S("F: []"), 5, 9, "an empty list");
	REFUSED(HEAD S(""), 5, 5, "an empty map");
	REFUSED(HEAD S("F: {a: b}"), 5, 9, "a map where a value should stand");
	REFUSED(HEAD " s: [a, null]\n condition: s", 5, 9, "null is no keyword");
	REFUSED(HEAD " s: ''\n condition: s", 5, 5, "empty keyword");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts),       cmocka_unit_test(digits_behind_a_zero_are_a_text),
	    cmocka_unit_test(escapes),     cmocka_unit_test(scalars),
	    cmocka_unit_test(other_tests), cmocka_unit_test(keywords),
	    cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
