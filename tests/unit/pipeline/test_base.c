/* Base: text, folding, numbers, times, arenas, the field dictionary, events, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#include "millrace/alive.h"
#include "millrace/event.h"
#include "millrace/log.h"

/* The text in a heap buffer of exactly its size, so that an over-read shows under ASan. */
static char *exact(const char *text, size_t len)
{
	char *copy = mr_malloc(len + (len == 0));
	memcpy(copy, text, len);
	return copy;
}

static void cleans_to(const char *line, const char *clean)
{
	size_t len = strlen(line);
	char *copy = exact(line, len);
	mr_log_clean(copy, len);
	assert_memory_equal(copy, clean, len);
	free(copy);
}

static void test_log_clean(void **state)
{
	(void)state;
	cleans_to("\x1b[2J\r\n\t\x7f", "?[2J????");
	cleans_to("caf\xc3\xa9 \xc2\x9b"
		  "31m \xc2\xa0\xc2",
		  "caf\xc3\xa9 ??31m \xc2\xa0?");
	cleans_to("\xff\xfei\x80 \xed\xa0\x80", "??i? ???");
	cleans_to("a\xe2\x80\xae"
		  "b\xe2\x80\x8d\xe2\x80",
		  "a???b\xe2\x80\x8d??");
	cleans_to("", "");
}

static void shows(const char *text, size_t len, const char *shown)
{
	struct mr_buf buf = {mr_malloc(2 + len), 2 + len, 2 + len};
	memcpy(buf.data, "\x1b|", 2); /* what stands before `from` is not looked at */
	memcpy(buf.data + 2, text, len);
	mr_buf_show(&buf, 2);
	assert_int_equal(buf.len, 2 + strlen(shown));
	assert_memory_equal(buf.data, "\x1b|", 2);
	assert_memory_equal(buf.data + 2, shown, strlen(shown));
	mr_buf_fini(&buf);
}

#define REPLACED "\xef\xbf\xbd"

/* The sets that a person is misled by, each at its ends, and what stands just beside them. */
static void test_show(void **state)
{
	(void)state;
	static const uint32_t taken[] = {
	    0,      7,      0xa,    0x1b,   0x1f,   0x7f,   0x85,    0x9b,    0x9f,    0xad,
	    0x61c,  0x180e, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029,  0x202a,  0x202e,  0x2060,
	    0x2066, 0x2069, 0x206f, 0xfeff, 0xfff9, 0xfffb, 0x1bca0, 0x1d17a, 0xe0000, 0xe007f};
	static const uint32_t kept[] = {0x20,   0x7e,    0xa0,    0xac,    0xae,    0x600,  0x61b,
					0x61d,  0x200a,  0x200c,  0x200d,  0x2010,  0x2027, 0x202f,
					0x205f, 0x2070,  0xfefe,  0xff00,  0xfff8,  0xfffd, 0xe4,
					0x4e2d, 0x1f600, 0x1d172, 0xe0080, 0x10ffff};
	for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
		char text[8] = "a";
		size_t len = 1 + mr_utf8_put(taken[i], text + 1);
		text[len++] = 'b';
		assert_true(mr_codepoint_misleads(taken[i]));
		shows(text, len, "a" REPLACED "b");
	}
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		char text[8] = "";
		size_t len = mr_utf8_put(kept[i], text);
		assert_false(mr_codepoint_misleads(kept[i]));
		shows(text, len, text);
	}
	shows("", 0, "");
	shows("\x1b", 1, REPLACED);
	shows("\xff", 1, REPLACED);
	shows("\n\n\xe2\x80\xaex\xe2\x80", 8, REPLACED REPLACED REPLACED "x" REPLACED REPLACED);
}

static void folds_to(const char *text, const char *folded)
{
	size_t len = strlen(text);
	char *in = exact(text, len);
	char *out = mr_malloc(mr_fold_max(len));
	size_t got = mr_fold(in, len, out);
	assert_int_equal(got, strlen(folded));
	assert_memory_equal(out, folded, got);
	free(in);
	free(out);
}

static void test_fold(void **state)
{
	(void)state;
	folds_to("", "");
	folds_to("New-InboxRule@[`{", "new-inboxrule@[`{");
	folds_to("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "abcdefghijklmnopqrstuvwxyz0123456789");
	folds_to("ÄÖÜ", "äöü");
	folds_to("ΑΣΣς", "ασσσ");
	folds_to("ẞ", "ß"); /* status S, not F: one character stays one */
	folds_to("Kelvin", "kelvin");
	folds_to("\xc8\xba", "\xe2\xb1\xa5"); /* U+023A grows by a byte */
	folds_to("A\xff\xc3", "a\xff\xc3");   /* not UTF-8: stays */
	assert_true(mr_fold_eq(MR_SLICE("Grüße ΣΑΣ"), MR_SLICE("GRüßE σας")));
	assert_false(mr_fold_eq(MR_SLICE("abc"), MR_SLICE("abcd")));
	assert_false(mr_fold_eq(MR_SLICE("\xff"), MR_SLICE("\xfe")));
	assert_false(mr_fold_eq(MR_SLICE("\xff"), MR_SLICE("\xef\xbf\xbd")));
}

/* Character by character, into `out`; the length. */
static size_t fold_slowly(struct mr_slice text, char *out)
{
	size_t put = 0;
	for (size_t at = 0; at < text.len;) {
		size_t from = at;
		bool bad = false;
		uint32_t point = mr_utf8_next(text.at, text.len, &at, &bad);
		if (bad)
			out[put++] = text.at[from];
		else
			put += mr_utf8_put(mr_fold_codepoint(point), out + put);
	}
	return put;
}

static void fold_is_as_slow_ones(struct mr_slice text)
{
	struct mr_arena arena = {0};
	char wanted[128];
	struct mr_slice slow = {wanted, fold_slowly(text, wanted)};
	char *out = mr_malloc(mr_fold_max(text.len));
	struct mr_slice folded = {out, mr_fold(text.at, text.len, out)};
	struct mr_slice kept = mr_fold_arena(&arena, text);
	assert_true(mr_slice_eq(folded, slow));
	assert_true(mr_slice_eq(kept, slow));
	assert_true(mr_fold_eq(text, folded));
	assert_true(mr_fold_eq(folded, text));
	if (text.len > 0) {
		struct mr_slice shorter = {out, folded.len - 1};
		assert_false(mr_fold_eq(text, shorter));
		out[folded.len / 2] ^= 0x10;
		assert_false(mr_fold_eq(text, folded));
	}
	free(out);
	mr_arena_fini(&arena);
}

/* Each length and place: what is done many bytes at a time begins and ends everywhere. */
static void folding_at_each_place(void **state)
{
	(void)state;
	static const char *const odd[] = {"A",    "Z",    "@",        "[",
					  "\x7f", "\xff", "\xc3\x84", "\xe2\x84\xaa"};
	for (size_t len = 0; len < 40; len++)
		for (size_t at = 0; at <= len; at++)
			for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
				char text[64];
				size_t own = strlen(odd[i]);
				memset(text, 'm', len);
				memcpy(text + at, odd[i], own);
				size_t whole = len > at + own ? len : at + own;
				char *tight = exact(text, whole);
				fold_is_as_slow_ones((struct mr_slice){tight, whole});
				free(tight);
			}
	fold_is_as_slow_ones(MR_SLICE(""));
}

static void decimals_of_each_length(void **state)
{
	(void)state;
	char room[MR_DECIMAL_ROOM], wanted[32];
	for (uint64_t power = 1, i = 0; i < 20; i++, power *= 10)
		for (uint64_t more = 0; more < 3; more++) {
			uint64_t number = power - 1 + more;
			struct mr_slice got = mr_decimal(number, false, room);
			snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)number);
			assert_true(mr_slice_eq(got, mr_slice(wanted)));
			if (number > INT64_MAX)
				continue;
			got = mr_decimal_int(-(int64_t)number, room);
			snprintf(wanted, sizeof wanted, "%lld", -(long long)number);
			assert_true(mr_slice_eq(got, mr_slice(wanted)));
		}
	assert_true(
	    mr_slice_eq(mr_decimal(UINT64_MAX, false, room), MR_SLICE("18446744073709551615")));
	assert_true(mr_slice_eq(mr_decimal_int(INT64_MIN, room), MR_SLICE("-9223372036854775808")));
}

static void test_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
	    {"plain", true},     {"\xc3\xa4", true},          {"\xf0\x9f\x98\x80", true},
	    {"\xc0\x80", false}, {"\xed\xa0\x80", false},     {"\xf4\x90\x80\x80", false},
	    {"\xe2\x82", false}, {"\xf8\x88\x80\x80", false}, {"\x80", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t len = strlen(cases[i].text);
		char *in = exact(cases[i].text, len);
		assert_int_equal(mr_utf8_valid(in, len), cases[i].valid);
		free(in);
	}
	for (uint32_t point = 0; point <= 0x10ffff; point++) {
		if (point >= 0xd800 && point <= 0xdfff)
			continue;
		char bytes[4];
		size_t len = mr_utf8_put(point, bytes);
		size_t at = 0;
		bool bad = false;
		if (mr_utf8_next(bytes, len, &at, &bad) != point || bad || at != len)
			fail_msg("U+%04X does not come back", point);
	}
}

static void test_cut(void **state)
{
	(void)state;
	assert_int_equal(mr_utf8_count(MR_SLICE("")), 0);
	assert_int_equal(mr_utf8_count(MR_SLICE("ab\xc3\xa9\xf0\x9f\x98\x80")), 4);
	assert_int_equal(mr_utf8_cut(MR_SLICE("abc"), 3), 3);
	assert_int_equal(mr_utf8_cut(MR_SLICE("abcd"), 3), 3);
	assert_int_equal(mr_utf8_cut(MR_SLICE("ab\xf0\x9f\x98\x80"), 6), 6);
	for (size_t most = 2; most < 6; most++)
		assert_int_equal(mr_utf8_cut(MR_SLICE("ab\xf0\x9f\x98\x80"), most), 2);
	/* Bytes that begin no character are not followed to the text's start. */
	assert_int_equal(mr_utf8_cut(MR_SLICE("\x80\x80\x80\x80\x80\x80"), 5), 2);
}

static void test_near(void **state)
{
	static const char *const names[] = {"id", "upn", "display_name", "enabled"};
	static const struct {
		const char *text;
		const char *nearest; /* "": none */
	} cases[] = {
	    {"displayname", "display_name"},
	    {"Display_Nmae", "display_name"},
	    {"disply_nam", "display_name"},
	    {"ENABLED", "enabled"},
	    {"unp", ""}, /* two of three */
	    {"ou", ""},
	    {"userPrincipalName", ""},
	    {"", ""},
	};
	char longest[MR_NEAR_MAX + 1];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *nearest = mr_text_nearest(mr_slice(cases[i].text), names, 4);
		assert_string_equal(nearest == NULL ? "" : nearest, cases[i].nearest);
	}
	memset(longest, 'x', sizeof longest);
	struct mr_slice most = {longest, MR_NEAR_MAX};
	assert_int_equal(mr_text_distance(most, most, 2), 0);
	assert_int_equal(mr_text_distance((struct mr_slice){longest, MR_NEAR_MAX + 1}, most, 2), 3);
	assert_null(mr_text_nearest((struct mr_slice){longest, MR_NEAR_MAX + 1}, names, 4));
	assert_int_equal(mr_text_distance(MR_SLICE("kitten"), MR_SLICE("sitting"), 9), 3);
	assert_int_equal(mr_text_distance(MR_SLICE("kitten"), MR_SLICE("sitting"), 2), 3);
	assert_int_equal(mr_text_distance(MR_SLICE(""), MR_SLICE("ab"), 2), 2);
}

static void test_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
		int64_t value;
	} cases[] = {
	    {"0", true, 0},
	    {"-1", true, -1},
	    {"9223372036854775807", true, INT64_MAX},
	    {"9223372036854775808", false, 0},
	    {"-9223372036854775808", true, INT64_MIN},
	    {"-9223372036854775809", false, 0},
	    {"", false, 0},
	    {"-", false, 0},
	    {"1x", false, 0},
	    {"+1", false, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t value = 0;
		assert_int_equal(mr_parse_int64(mr_slice(cases[i].text), &value), cases[i].good);
		if (cases[i].good)
			assert_int_equal(value, cases[i].value);
	}
}

static void test_time_text(void **state)
{
	(void)state;
	static const struct {
		int64_t time_us;
		const char *text;
	} cases[] = {
	    {0, "1970-01-01T00:00:00Z"},
	    {-1, "1969-12-31T23:59:59.999999Z"},
	    {1621372413000000, "2021-05-18T21:13:33Z"},
	    {1621372413123456, "2021-05-18T21:13:33.123456Z"},
	    {1621372413009080, "2021-05-18T21:13:33.009080Z"},
	    {951782400000000, "2000-02-29T00:00:00Z"},
	    {INT64_C(-62135596800000000), "0001-01-01T00:00:00Z"},
	    {INT64_C(253402300799000001), "9999-12-31T23:59:59.000001Z"},
	    {INT64_C(253402300800000000), "10000-01-01T00:00:00Z"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[MR_TIME_TEXT];
		size_t len = mr_time_text(cases[i].time_us, text);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(len, strlen(text));
	}
	for (time_t at = -3000000000; at < 5000000000; at += 7654321) {
		char own[MR_TIME_TEXT], libc[MR_TIME_TEXT];
		struct tm parts;
		mr_time_text((int64_t)at * 1000000, own);
		strftime(libc, sizeof libc, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &parts));
		assert_string_equal(own, libc);
	}
	assert_true(mr_time_is_rfc3339(INT64_C(-62167219200000000)));
	assert_false(mr_time_is_rfc3339(INT64_C(-62167219200000001)));
	assert_true(mr_time_is_rfc3339(INT64_C(253402300799999999)));
	assert_false(mr_time_is_rfc3339(INT64_C(253402300800000000)));
	char text[MR_TIME_TEXT];
	assert_in_range(mr_time_text(INT64_MAX, text), 20, MR_TIME_TEXT - 1);
	assert_in_range(mr_time_text(INT64_MIN, text), 20, MR_TIME_TEXT - 1);
}

/* Byte by byte, for ASCII. */
static void put_string_slowly(struct mr_buf *out, struct mr_slice text)
{
	static const char escaped[] = "\b\f\n\r\t\"\\", names[] = "bfnrt\"\\";
	mr_buf_add_text(out, "\"");
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		const char *found = c == '\0' ? NULL : strchr(escaped, c);
		if (found != NULL)
			mr_buf_printf(out, "\\%c", names[found - escaped]);
		else if (c < 0x20 || c == 0x7f)
			mr_buf_printf(out, "\\u%04x", (unsigned)c);
		else
			mr_buf_add(out, &c, 1);
	}
	mr_buf_add_text(out, "\"");
}

/* At each place of a text of each length, one byte or two that cannot stand there as they are. */
static void test_json_string_at_any_place(void **state)
{
	(void)state;
	static const char odd[] = "\"\\\x7f\n\x1f\0 ~[]";
	struct mr_buf got = {0}, want = {0};
	for (size_t len = 0; len < 70; len++) {
		for (size_t at = 0; at <= len; at++) {
			char text[70];
			for (size_t i = 0; i < len; i++)
				text[i] = (char)('a' + i % 26);
			if (at < len)
				text[at] = odd[at % (sizeof odd - 1)];
			if (at > 0 && len % 3 == 0)
				text[at / 2] = odd[len % (sizeof odd - 1)];
			struct mr_slice bytes = {exact(text, len), len};
			got.len = want.len = 0;
			mr_json_put_string(&got, bytes);
			put_string_slowly(&want, bytes);
			assert_int_equal(got.len, want.len);
			assert_memory_equal(got.data, want.data, want.len);
			free((void *)(uintptr_t)bytes.at);
		}
	}
	mr_buf_fini(&got);
	mr_buf_fini(&want);
}

/* What people are shown, likewise: but for quote and backslash. */
static void test_shown_at_any_place(void **state)
{
	(void)state;
	struct mr_buf buf = {0};
	for (size_t len = 1; len < 40; len++) {
		for (size_t at = 0; at < len; at++) {
			buf.len = 0;
			for (size_t i = 0; i < len; i++)
				mr_buf_add_text(&buf, i == at      ? "\n"
						      : i % 5 == 0 ? "\xc3\xa4"
								   : "x");
			mr_buf_show(&buf, 0);
			char *mark = memmem(buf.data, buf.len, "\xef\xbf\xbd", 3);
			assert_non_null(mark);
			assert_null(memchr(buf.data, '\n', buf.len));
			assert_int_equal(mark - buf.data, at + (at + 4) / 5);
			assert_int_equal(mr_utf8_count((struct mr_slice){buf.data, buf.len}), len);
		}
	}
	mr_buf_fini(&buf);
}

static void test_json_string(void **state)
{
	(void)state;
	struct mr_buf out = {0};
	mr_json_put_string(&out, (struct mr_slice){"a\"\\\n\x01\x7f\xff\xc3\xa4", 9});
	const char *want = "\"a\\\"\\\\\\n\\u0001\\u007f\xef\xbf\xbd\xc3\xa4\"";
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.data, want, out.len);
	mr_buf_fini(&out);
}

static void test_arena(void **state)
{
	(void)state;
	struct mr_arena arena = {0};
	for (int round = 0; round < 3; round++) {
		for (size_t size = 1; size < 300000; size = size * 3 + 1) {
			char *memory = mr_arena_alloc(&arena, size);
			assert_int_equal((uintptr_t)memory % 8, 0);
			memset(memory, round, size);
		}
		mr_arena_reset(&arena);
		assert_int_equal(arena.used_bytes, 0);
	}
	mr_arena_fini(&arena);
	mr_arena_fini(&arena);
}

static void test_fields(void **state)
{
	(void)state;
	struct mr_fields *fields = mr_fields_new();
	assert_int_equal(mr_fields_find(fields, MR_SLICE("TIME")), MR_F_TIME);
	mr_field operation = mr_fields_add(fields, MR_SLICE("Operation"));
	assert_int_equal(operation, MR_F_NORMALISED_END);
	assert_int_equal(mr_fields_add(fields, MR_SLICE("operaTION")), operation);
	assert_int_equal(mr_fields_find(fields, MR_SLICE("unheard")), 0);
	assert_int_equal(mr_fields_add(fields, MR_SLICE("")), 0);
	for (int i = 0; i < 5000; i++) {
		char name[16];
		snprintf(name, sizeof name, "f%d", i);
		assert_int_equal(mr_fields_add(fields, mr_slice(name)), operation + 1 + i);
	}
	assert_true(mr_fields_asked(fields, operation)); /* nobody asked for any */
	mr_fields_ask(fields, MR_F_TIME);
	mr_fields_ask(fields, (mr_field)(operation + 70));
	mr_fields_ask(fields, (mr_field)(operation + 70));
	struct mr_buf bytes = {0};
	mr_fields_encode(fields, &bytes);
	struct mr_fields *back = NULL;
	struct mr_error error = {0};
	char *copy = exact(bytes.data, bytes.len);
	struct mr_slice whole = {copy, bytes.len};
	assert_int_equal(mr_fields_decode(whole, &back, &error), MR_OK);
	assert_int_equal(mr_fields_hash(back), mr_fields_hash(fields));
	for (size_t id = 1; id < mr_fields_count(back); id++)
		assert_int_equal(mr_fields_asked(back, (mr_field)id),
				 id == MR_F_TIME || id == operation + 70u);
	mr_fields_free(back);
	free(copy);
	for (size_t len = 0; len < bytes.len; len += 1 + len / 50) {
		copy = exact(bytes.data, len);
		whole = (struct mr_slice){copy, len};
		assert_int_equal(mr_fields_decode(whole, &back, &error), MR_BAD_INPUT);
		free(copy);
	}
	mr_buf_fini(&bytes);
	mr_fields_free(fields);
}

static void test_events(void **state)
{
	(void)state;
	struct mr_fields *fields = mr_fields_new();
	mr_field many = mr_fields_add(fields, MR_SLICE("many"));
	struct mr_events events;
	mr_events_init(&events, fields, 3);
	for (int round = 0; round < 2; round++) {
		struct mr_event *one = mr_events_push(&events);
		struct mr_event *two = mr_events_push(&events);
		for (int i = 0; i < 1000; i++) {
			mr_event_add_int(&events, one, many, i);
			mr_event_add_bool(&events, two, many, i % 2);
		}
		int64_t next = 0;
		for (const struct mr_value *value = mr_event_get(&events, one, many); value != NULL;
		     value = mr_value_next(&events, value))
			assert_int_equal(value->num.i, next++);
		assert_int_equal(next, 1000);
		assert_null(mr_event_get(&events, two, MR_F_TIME));
		assert_int_equal(mr_event_text(&events, two, many).len, 5);
		assert_non_null(mr_events_push(&events));
		assert_null(mr_events_push(&events));
		mr_events_pop(&events);
		assert_non_null(mr_events_push(&events));
		mr_events_reset(&events);
	}
	mr_events_fini(&events);
	mr_fields_free(fields);
}

static const char *text_of(int number)
{
	static struct mr_error error;
	errno = number;
	mr_error_errno(&error, MR_IO, "x");
	return error.text;
}

/* What the system says, and where it is this process's limit that is reached, which. */
static void test_limits_are_named(void **unused)
{
	static const struct {
		int number, resource;
		const char *plain, *limited;
	} cases[] = {
	    {EFBIG, RLIMIT_FSIZE, "x: File too large",
	     "x: the file size limit (ulimit -f) is reached"},
	    {ENOMEM, RLIMIT_AS, "x: Cannot allocate memory",
	     "x: the memory limit (ulimit -v) is reached"},
	};
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rlimit before, limited;
		assert_int_equal(getrlimit((unsigned)cases[i].resource, &before), 0);
		limited = before;
		limited.rlim_cur = INT64_MAX;
		if (before.rlim_cur == RLIM_INFINITY)
			assert_string_equal(text_of(cases[i].number), cases[i].plain);
		assert_int_equal(setrlimit((unsigned)cases[i].resource, &limited), 0);
		assert_string_equal(text_of(cases[i].number), cases[i].limited);
		assert_int_equal(setrlimit((unsigned)cases[i].resource, &before), 0);
	}
	assert_string_equal(text_of(ENOENT), "x: No such file or directory");
}

static void count_sign(void *context)
{
	++*(unsigned *)context;
}

/* What is long is hashed in pieces, to the same hash, with a sign of life behind each. */
static void test_long_hash(void **state)
{
	(void)state;
	unsigned signs = 0;
	char hex[65];
	uint8_t hash[32];
	size_t len = 3 * MR_ALIVE_BYTES + 7;
	char *bytes = calloc(1, len);
	mr_alive_listen(count_sign, &signs);
	mr_sha256(bytes, len, hash);
	assert_int_equal(signs, 4);
	mr_sha256(bytes, MR_ALIVE_BYTES, hash);
	mr_alive_listen(NULL, NULL);
	assert_int_equal(signs, 4);
	mr_sha256(bytes, len, hash);
	mr_hex(hash, sizeof hash, hex);
	assert_string_equal(hex,
			    "f395f662db5cb6d4af68e95e95bf3a780950e8855cd43c7140367d36d6b5d1a3");
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log_clean),
	    cmocka_unit_test(test_show),
	    cmocka_unit_test(test_fold),
	    cmocka_unit_test(folding_at_each_place),
	    cmocka_unit_test(decimals_of_each_length),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_near),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_time_text),
	    cmocka_unit_test(test_json_string),
	    cmocka_unit_test(test_json_string_at_any_place),
	    cmocka_unit_test(test_shown_at_any_place),
	    cmocka_unit_test(test_arena),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_limits_are_named),
	    cmocka_unit_test(test_long_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
