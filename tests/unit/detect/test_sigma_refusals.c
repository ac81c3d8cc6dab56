/* test_sigma_refusals.c - what the loader refuses, and the place that it names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "sigma.h"

#define HEAD "title: t\nlogsource: {}\ndetection:\n"

struct refusal {
	const char *text;
	uint32_t line, column;
	const char *reason; /* its beginning */
};

/* Loads one text as a file. */
static void load(const char *text, struct mr_fields *fields, struct sigma_set *set)
{
	char path[40];
	const char *paths[] = {path};
	struct mr_error error = {0};
	int fd = memfd_create("rule", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(sigma_load(paths, 1, NULL, fields, set, &error), MR_OK);
	close(fd);
}

static void faults_have_a_place_and_a_reason(void **state)
{
	static const struct refusal refusals[] = {
	    {"a: 1\na: 2\n", 2, 1, "the key a stands twice"},
	    {"a: !!str 1\n", 1, 10, "tags"},
	    {"a: &x {b: 1}\nc:\n  <<: *x\n", 3, 3, "merge keys"},
	    {"title: \xff\n", 1, 8, "byte 0xff is not UTF-8"},
	    {"a:\n\t- b\n", 2, 1, "not YAML: tab"},
	    {"? [a]\n: b\n", 1, 3, "a key is a text"},
	    {HEAD "  a: {F: x}\n  condition: a | count() > 5\n", 5, 16,
	     "\"|\": a condition has no"},
	    {HEAD "  a: {F: x}\n  condition: b\n", 5, 14, "the identifier \"b\" is not"},
	    {HEAD "  a: {F: x}\n  condition: 1 of b*\n", 5, 19, "no identifier of this detection"},
	    {HEAD "  a: {F|upper: x}\n  condition: a\n", 4, 9,
	     "the modifier \"upper\" is not known"},
	    {HEAD "  a: {F|gt: '5'}\n  condition: a\n", 4, 13, "gt, gte, lt and lte want a number"},
	    {HEAD "  a: {F|cidr: 10.0.0.1/8}\n  condition: a\n", 4, 15,
	     "\"10.0.0.1/8\" has bits set"},
	    {HEAD "  a: {}\n  condition: a\n", 4, 6, "an empty map"},
	    {HEAD "  a: {F: []}\n  condition: a\n", 4, 10, "an empty list"},
	};

	(void)state;
	for (size_t at = 0; at < sizeof(refusals) / sizeof(refusals[0]); at++) {
		struct mr_fields *fields = mr_fields_new();
		struct sigma_set set;
		load(refusals[at].text, fields, &set);
		assert_int_equal(set.refused.count, 1);
		const struct sigma_note *note = &set.refused.items[0];
		assert_int_equal(note->line, refusals[at].line);
		assert_int_equal(note->column, refusals[at].column);
		assert_true(note->reason.len >= strlen(refusals[at].reason));
		assert_memory_equal(note->reason.at, refusals[at].reason,
				    strlen(refusals[at].reason));
		sigma_set_fini(&set);
		mr_fields_free(fields);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(faults_have_a_place_and_a_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
