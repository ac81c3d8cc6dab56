/* test_forms.c - the forms of times, addresses and recipients, and the repair of what is nearly
 * JSON. */
#include "parse/harness.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "forms.h"
#include "millrace/repair.h"

/* "-" where the text is no time, else its ISO form. Each text lies in a heap buffer of its length.
 */
static void check_time(int line, const char *text, const char *expected)
{
	char got[MR_TIME_TEXT + 1] = "-";
	int64_t time_us;
	size_t len = strlen(text);
	char *exact = mr_malloc(len + (len == 0));
	memcpy(exact, text, len);
	if (mr_time_parse((struct mr_slice){exact, len}, &time_us))
		got[mr_time_text(time_us, got)] = '\0';
	free(exact);
	if (strcmp(got, expected) != 0)
		fail_msg("line %d: %s is %s, not %s", line, text, got, expected);
}
#define TIME(text, expected) check_time(__LINE__, text, expected)

static void times(void **state)
{
	(void)state;
	TIME("2021-05-18T21:13:33", "2021-05-18T21:13:33Z");
	TIME("2021-05-18 21:13:33", "2021-05-18T21:13:33Z");
	TIME("2021-05-18T21:13:33Z", "2021-05-18T21:13:33Z");
	TIME("2021-05-18T21:13:33.1234567Z", "2021-05-18T21:13:33.123456Z");
	TIME("2021-05-18T21:13:33.5", "2021-05-18T21:13:33.500000Z");
	TIME("2021-05-18T21:13:33.123456789Z", "2021-05-18T21:13:33.123456Z");
	TIME("2021-05-18T21:13:33.1234567890Z", "-");
	TIME("2021-05-18T21:13:33.Z", "-");
	TIME("2021-05-18T21:13:33+02:00", "2021-05-18T19:13:33Z");
	TIME("2021-05-18T21:13:33-0230", "2021-05-18T23:43:33Z");
	TIME("2021-05-18T21:13Z", "2021-05-18T21:13:00Z");
	TIME("2021-05-18", "2021-05-18T00:00:00Z");
	TIME("2021-02-29T00:00:00", "-");
	TIME("2000-02-29T00:00:00", "2000-02-29T00:00:00Z");
	TIME("1900-02-29T00:00:00", "-");
	TIME("2021-13-01T00:00:00", "-");
	TIME("2021-05-18T24:00:00", "-");
	TIME("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z");
	TIME("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z");
	TIME("5/18/2021 9:13:33 PM", "2021-05-18T21:13:33Z");
	TIME("05/18/2021 12:00:00 AM", "2021-05-18T00:00:00Z");
	TIME("5/18/2021 12:30 pm", "2021-05-18T12:30:00Z");
	TIME("5/18/2021 21:13:33", "2021-05-18T21:13:33Z");
	TIME("18/5/2021 21:13:33", "-");
	TIME("5/18/2021 13:00:00 PM", "-");
	TIME("1621372413", "2021-05-18T21:13:33Z");
	TIME("1621372413.25", "2021-05-18T21:13:33.250000Z");
	TIME("1621372413123", "2021-05-18T21:13:33.123000Z");
	TIME("1621372413123456", "2021-05-18T21:13:33.123456Z");
	TIME("1621372413123456789", "2021-05-18T21:13:33.123456Z");
	TIME("99999999999999999999", "-");
	TIME("-1", "1969-12-31T23:59:59Z");
	TIME("0", "1970-01-01T00:00:00Z");
	TIME("/Date(1621372413123)/", "2021-05-18T21:13:33.123000Z");
	TIME("/Date(1621372413123+0200)/", "2021-05-18T21:13:33.123000Z");
	TIME("/Date()/", "-");
	TIME("", "-");
	TIME("-", "-");
	TIME("yesterday", "-");
	TIME("2021-05-18T21:13:33Zx", "-");
}

/* The form of nearly all records is read eight bytes at a time, but not with a blank for its T: the
 * two agree, whatever byte stands wherever. */
static void the_common_form_is_read_as_the_others(void **state)
{
	(void)state;
	static const char *const texts[] = {"2021-05-18T21:13:33", "2000-12-31T19:59:60.25Z"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		for (size_t at = 0; at < strlen(texts[i]); at++)
			for (int byte = 0; byte < 256; byte++) {
				char text[32], blank[32];
				int64_t time_us = -1, other_us = -1;
				size_t len = strlen(texts[i]);
				memcpy(text, texts[i], len);
				text[at] = (char)byte;
				memcpy(blank, text, len);
				if (text[10] == 'T')
					blank[10] = ' ';
				bool is = mr_time_parse((struct mr_slice){text, len}, &time_us);
				bool other =
				    mr_time_parse((struct mr_slice){blank, len}, &other_us);
				assert_int_equal(is, other);
				assert_int_equal(time_us, other_us);
			}
}

/* Each form at the edges of what RFC 3339 can write. */
static void times_at_the_edges(void **state)
{
	(void)state;
	TIME("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z");
	TIME("0000-01-01T00:00:00+00:01", "-");
	TIME("0000-01-01T00:00:00+23:59", "-");
	TIME("0000-01-01", "0000-01-01T00:00:00Z");
	TIME("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z");
	TIME("9999-12-31T23:59:60Z", "-");
	TIME("9999-12-31T23:59:60.9999999Z", "-");
	TIME("9999-12-31T23:59:59-00:01", "-");
	TIME("1/1/0000", "0000-01-01T00:00:00Z");
	TIME("12/31/9999 11:59:59 PM", "9999-12-31T23:59:59Z");
	TIME("12/31/9999 11:59:60 PM", "-");
	TIME("-62167219200", "0000-01-01T00:00:00Z");
	TIME("-62167219201", "-");
	TIME("-62167219200000", "0000-01-01T00:00:00Z");
	TIME("-62167219200001", "-");
	TIME("99999999999.9", "5138-11-16T09:46:39.900000Z"); /* no later, by its size */
	TIME("/Date(253402300799999)/", "9999-12-31T23:59:59.999000Z");
	TIME("/Date(253402300800000)/", "-");
	TIME("/Date(999999999999999)/", "-");
	TIME("/Date(-62167219200000)/", "0000-01-01T00:00:00Z");
	TIME("/Date(-62167219200001)/", "-");
}

static void check_address(int line, const char *text, const char *expected)
{
	char got[128] = "-";
	struct mr_address address;
	size_t len = strlen(text);
	char *exact = mr_malloc(len + (len == 0));
	memcpy(exact, text, len);
	if (mr_address_parse((struct mr_slice){exact, len}, &address)) {
		size_t put = (size_t)snprintf(got, sizeof got, "%.*s", (int)address.text.len,
					      address.text.at);
		if (address.is_v4) {
			char dotted[INET_ADDRSTRLEN];
			uint32_t bytes = htonl(address.v4);
			inet_ntop(AF_INET, &bytes, dotted, sizeof dotted);
			assert_string_equal(got, dotted);
		}
		if (address.has_port)
			snprintf(got + put, sizeof got - put, " %u", address.port);
	}
	free(exact);
	if (strcmp(got, expected) != 0)
		fail_msg("line %d: %s is %s, not %s", line, text, got, expected);
}
#define ADDRESS(text, expected) check_address(__LINE__, text, expected)

static void addresses(void **state)
{
	(void)state;
	ADDRESS("1.2.3.4", "1.2.3.4");
	ADDRESS(" 1.2.3.4 ", "1.2.3.4");
	ADDRESS("1.2.3.4:443", "1.2.3.4 443");
	ADDRESS("[1.2.3.4]:443", "1.2.3.4 443");
	ADDRESS("1.2.3.4:", "-");
	ADDRESS("1.2.3.4:65536", "-");
	ADDRESS("1.2.3.256", "-");
	ADDRESS("1.2.3", "-");
	ADDRESS("01.2.3.4", "-");
	ADDRESS("1.2.3.4.5", "-");
	ADDRESS("255.255.255.255", "255.255.255.255");
	ADDRESS("255.255.255.255:65535", "255.255.255.255 65535");
	ADDRESS("255.255.255.2555", "-");
	ADDRESS("255.255.255.25555555", "-");
	ADDRESS("1.2.3.04", "-");
	ADDRESS("1.2.3.00", "-");
	ADDRESS("0.0.0.0", "0.0.0.0");
	ADDRESS("1..3.4", "-");
	ADDRESS("1.2.3.", "-");
	ADDRESS("1.2.3.4x", "-");
	ADDRESS("2001:DB8::1", "2001:db8::1");
	ADDRESS("2001:0db8:0:0:0:0:0:1", "2001:db8::1");
	ADDRESS("[2001:db8::1]:443", "2001:db8::1 443");
	ADDRESS("[2001:db8::1]", "2001:db8::1");
	ADDRESS("[fe80::1%eth0]:8", "fe80::1 8");
	ADDRESS("fe80::1%12", "fe80::1");
	ADDRESS("::ffff:1.2.3.4", "1.2.3.4");
	ADDRESS("[::ffff:1.2.3.4]:443", "1.2.3.4 443");
	ADDRESS("::ffff:0102:0304", "1.2.3.4");
	ADDRESS("[2001:db8::1", "-");
	ADDRESS("[]:1", "-");
	ADDRESS("<null>", "-");
	ADDRESS("", "-");
	ADDRESS(":", "-");
	ADDRESS("localhost", "-");
}

static void add_recipient(void *context, struct mr_slice address)
{
	struct mr_buf *got = context;
	struct mr_slice domain = mr_recipient_domain(address);
	mr_buf_printf(got, "%s%.*s (%.*s)", got->len > 0 ? " " : "", (int)address.len, address.at,
		      (int)domain.len, domain.at);
}

static void check_recipients(int line, const char *text, const char *expected)
{
	size_t len = strlen(text);
	char *exact = mr_malloc(len + (len == 0));
	struct mr_buf got = {0};
	memcpy(exact, text, len);
	mr_recipients_each((struct mr_slice){exact, len}, add_recipient, &got);
	if (!mr_slice_eq((struct mr_slice){got.data, got.len}, mr_slice(expected)))
		fail_msg("line %d: %s is %.*s, not %s", line, text, (int)got.len, got.data,
			 expected);
	for (size_t cut = 0; cut < len; cut++) { /* no read past the end, whatever is left */
		char *part = mr_malloc(cut + (cut == 0));
		memcpy(part, text, cut);
		mr_recipients_each((struct mr_slice){part, cut}, add_recipient, &got);
		free(part);
	}
	mr_buf_fini(&got);
	free(exact);
}
#define RECIPIENTS(text, expected) check_recipients(__LINE__, text, expected)

static void recipients(void **state)
{
	(void)state;
	RECIPIENTS("a@x.com", "a@x.com (x.com)");
	RECIPIENTS("a@x.com;b@y.com", "a@x.com (x.com) b@y.com (y.com)");
	RECIPIENTS("a@x.com, b@y.com;", "a@x.com (x.com) b@y.com (y.com)");
	RECIPIENTS("a@x.com b@y.com", "a@x.com (x.com) b@y.com (y.com)");
	RECIPIENTS("smtp:a@x.com", "a@x.com (x.com)");
	RECIPIENTS("SMTP:a@x.com", "a@x.com (x.com)");
	RECIPIENTS("[SMTP:x.com@y.com]", "x.com@y.com (y.com)");
	RECIPIENTS("a@x.com.y.com", "a@x.com.y.com (x.com.y.com)");
	RECIPIENTS("a@y.com@x.com", "a@y.com@x.com (x.com)");
	RECIPIENTS("\"Doe, Ann\" [SMTP:a@x.com]", "a@x.com (x.com)");
	RECIPIENTS("Ann <a@x.com>", "a@x.com (x.com)");
	RECIPIENTS("a@x.com [SMTP:b@y.com]", "b@y.com (y.com)");
	RECIPIENTS("[SMTP:b@y.com] [SMTP:a@x.com]", "b@y.com (y.com) a@x.com (x.com)");
	RECIPIENTS("{a@x.com, 'b@y.com'}", "a@x.com (x.com) b@y.com (y.com)");
	RECIPIENTS("\"a b\"@x.com", "@x.com (x.com)");
	RECIPIENTS("o'brien@x.com", "o'brien@x.com (x.com)");
	RECIPIENTS("a@x.com <", "a@x.com (x.com)");
	RECIPIENTS("[SMTP:a@x.com", "a@x.com (x.com)");
	RECIPIENTS("a@", "a@ ()");
	RECIPIENTS("Ann", "");
	RECIPIENTS("\"Ann\" [EX:/o=ExchangeLabs/cn=Recipients/cn=ann]", "");
	RECIPIENTS("", "");
	RECIPIENTS(";,[]<>'", "");
}

static void check_repair(int line, const char *text, const char *expected)
{
	size_t len = strlen(text);
	char *exact = mr_malloc(len);
	char *out = mr_malloc(mr_repair_max(len));
	memcpy(exact, text, len);
	size_t put = mr_repair((struct mr_slice){exact, len}, out);
	bool same = put == strlen(expected) && memcmp(out, expected, put) == 0;
	if (!same)
		fail_msg("line %d: %s became %.*s, not %s", line, text, (int)put, out, expected);
	free(exact);
	free(out);
}
#define REPAIR(text, expected) check_repair(__LINE__, text, expected)
#define R "\xef\xbf\xbd"

static void repairs(void **state)
{
	(void)state;
	REPAIR("{\"a\":1}", "");
	REPAIR("{\"a\":\"\\ud834\\udd1e \xf0\x9d\x84\x9e\"}", "");
	REPAIR("{\"a\":\"\\ud834\"}", "{\"a\":\"\\ufffd\"}");
	REPAIR("{\"a\":\"\\udd1e\\ud834\"}", "{\"a\":\"\\ufffd\\ufffd\"}");
	REPAIR("{\"a\":\"\\ud834\\ud834\\udd1e\"}", "{\"a\":\"\\ufffd\\ud834\\udd1e\"}");
	REPAIR("{\"a\":\"\\\\ud834\"}", "");
	REPAIR("{\"a\":\"\xff\"}", "{\"a\":\"" R "\"}");
	REPAIR("{\"a\":\"\xe2\x82z\xed\xa0\x80\"}", "{\"a\":\"" R "z" R R R "\"}");
	REPAIR("{\"a\":\"\xf0\x9d\x84\"}", "{\"a\":\"" R "\"}");
	REPAIR("{\"a\":\"\xc0\xaf\"}", "{\"a\":\"" R R "\"}");
	REPAIR("{\"a\":18446744073709551616}", "{\"a\":\"18446744073709551616\"}");
	REPAIR("{\"a\":18446744073709551615}", "");
	REPAIR("{\"a\":-9223372036854775809}", "{\"a\":\"-9223372036854775809\"}");
	REPAIR("[1e400,-1E+999,1e-400,1.5]", "[\"1e400\",\"-1E+999\",1e-400,1.5]");
	REPAIR("{\"a\":\"1e400", "");
	REPAIR("\xff", "");
	REPAIR("\"\\", "");
	REPAIR("\"\\ud8", "");
	REPAIR("[-012345678901234567890,1e,18446744073709551616]",
	       "[-012345678901234567890,1e,\"18446744073709551616\"]");
}

/* Four million of them took hours. */
static void digits_that_are_no_number_are_passed_once(void **state)
{
	(void)state;
	size_t len = (size_t)4 << 20;
	char *zeros = mr_malloc(len);
	char *out = mr_malloc(mr_repair_max(len));
	memset(zeros, '0', len);
	assert_int_equal(mr_repair((struct mr_slice){zeros, len}, out), 0);
	free(zeros);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times),
	    cmocka_unit_test(the_common_form_is_read_as_the_others),
	    cmocka_unit_test(times_at_the_edges),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(recipients),
	    cmocka_unit_test(repairs),
	    cmocka_unit_test(digits_that_are_no_number_are_passed_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
