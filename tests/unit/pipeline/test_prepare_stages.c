/* test_prepare_stages.c - what stages prepare: begun, done and ended in order, whatever has failed,
 * and told in the order of the stages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor.h"

/* What was called: a stage's letter, and < where it begins, > where it ends, ' in between. */
static char calls[64];
static char logged[256];
/* Letters, as above, of what fails. */
static const char *fails;

static void call(char letter, const char *mark)
{
	size_t len = strlen(calls);
	snprintf(calls + len, sizeof calls - len, "%c%s", letter, mark);
}

static enum mr_err outcome(char letter, const char *mark, struct mr_error *error)
{
	char name[4];
	snprintf(name, sizeof name, "%c%s", letter, mark);
	call(letter, mark);
	return strstr(fails, name) == NULL ? MR_OK : mr_error_set(error, MR_CONFIG, "%s", name);
}

static void hear(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		 size_t len)
{
	(void)context, (void)kind;
	assert_int_equal(level, MR_LOG_ERROR);
	snprintf(logged, sizeof logged, "%.*s", (int)len, line);
}

/* A stage of each kind; a source, and what comes behind it, may work in threads. */
#define PREPARES(letter)                                                                           \
	static enum mr_err prepare_##letter(const struct mr_prepare *prepare,                      \
					    struct mr_error *error)                                \
	{                                                                                          \
		(void)prepare;                                                                     \
		return outcome(#letter[0], "'", error);                                            \
	}
#define BEGINS(letter)                                                                             \
	PREPARES(letter)                                                                           \
	static int begun_##letter;                                                                 \
	static void *begin_##letter(const struct mr_prepare *prepare)                              \
	{                                                                                          \
		(void)prepare;                                                                     \
		call(#letter[0], "<");                                                             \
		return &begun_##letter;                                                            \
	}                                                                                          \
	static enum mr_err end_##letter(void *begun, const struct mr_prepare *prepare,             \
					struct mr_error *error)                                    \
	{                                                                                          \
		(void)prepare;                                                                     \
		assert_ptr_equal(begun, &begun_##letter);                                          \
		return outcome(#letter[0], ">", error);                                            \
	}
BEGINS(s)
BEGINS(a)
PREPARES(b)
BEGINS(c)
BEGINS(o)

static const struct mr_stage_ops source = {.name = "collect",
					   .reads = MR_CONTENT_NONE,
					   .prepare_begin = begin_s,
					   .prepare = prepare_s,
					   .prepare_end = end_s};
static const struct mr_stage_ops first = {.name = "parse",
					  .reads = MR_CONTENT_RECORDS,
					  .prepare_begin = begin_a,
					  .prepare = prepare_a,
					  .prepare_end = end_a};
static const struct mr_stage_ops plain = {
    .name = "detect", .reads = MR_CONTENT_EVENTS, .prepare = prepare_b};
static const struct mr_stage_ops last = {.name = "correlate",
					 .reads = MR_CONTENT_SIGNALS,
					 .prepare_begin = begin_c,
					 .prepare = prepare_c,
					 .prepare_end = end_c};
static const struct mr_stage_ops nothing = {.name = "archive", .reads = MR_CONTENT_EVENTS};
static const struct mr_stage_ops sink = {.name = "deliver",
					 .reads = MR_CONTENT_ALERTS,
					 .prepare_begin = begin_o,
					 .prepare = prepare_o,
					 .prepare_end = end_o};
const struct mr_stage_ops *const mr_stages[] = {&source,  &first, &plain, &last,
						&nothing, &sink,  NULL};

const struct mr_stage_ops *mr_stage_find(const char *name)
{
	(void)name;
	return NULL;
}

/* The error's text; empty where all went well. */
static const char *prepared(const char *what_fails, bool world)
{
	static struct mr_error error;
	const struct mr_prepare prepare = {0};
	error = (struct mr_error){0};
	calls[0] = logged[0] = '\0';
	fails = what_fails;
	enum mr_err err = mr_supervisor_prepare_stages(&prepare, world, world, &error);
	assert_int_equal(err, error.code);
	return error.text;
}

static void what_is_begun_runs_beside_all_else(void **state)
{
	(void)state;
	assert_string_equal(prepared("", true), "");
	assert_string_equal(calls, "s<a<c<o<s'a'b'c'o's>a>c>o>");
}

static void sources_and_sinks_of_another_host_prepare_nothing(void **state)
{
	(void)state;
	assert_string_equal(prepared("s' o> s>", false), "");
	assert_string_equal(calls, "a<c<a'b'c'a>c>");
}

static void what_is_begun_is_ended_whatever_fails(void **state)
{
	(void)state;
	assert_string_equal(prepared("b'", true), "b'");
	assert_string_equal(calls, "s<a<c<o<s'a'b's>a>c>o>");
	assert_string_equal(prepared("a'", true), "a'");
	assert_string_equal(calls, "s<a<c<o<s'a's>a>c>o>");
	assert_string_equal(prepared("a>", true), "a>");
	assert_string_equal(calls, "s<a<c<o<s'a'b'c'o's>a>c>o>");
	assert_string_equal(logged, "");
}

static void the_first_stage_is_told_not_the_first_failure(void **state)
{
	(void)state;
	assert_string_equal(prepared("b' a>", true), "a>");
	assert_string_equal(prepared("a' a>", true), "a'");
	assert_string_equal(prepared("c> o'", true), "c>");
	assert_string_equal(logged, "");
}

/* A person mends an input and the rules at once. */
static void behind_a_source_one_more_is_told(void **state)
{
	(void)state;
	assert_string_equal(prepared("s'", true), "s'");
	assert_string_equal(logged, "");
	assert_string_equal(prepared("s' b' a> o'", true), "s'");
	assert_string_equal(logged, "a>");
	assert_string_equal(prepared("s> c'", true), "s>");
	assert_string_equal(logged, "c'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_begun_runs_beside_all_else),
	    cmocka_unit_test(sources_and_sinks_of_another_host_prepare_nothing),
	    cmocka_unit_test(what_is_begun_is_ended_whatever_fails),
	    cmocka_unit_test(the_first_stage_is_told_not_the_first_failure),
	    cmocka_unit_test(behind_a_source_one_more_is_told),
	};
	mr_log_set_sink(hear, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
