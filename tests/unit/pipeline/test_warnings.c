/* test_warnings.c - of each kind of warning ten lines, however many rules and workers say it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "millrace/text.h"
#include "warnings.h"

static bool take(struct mr_warnings *warnings, uint64_t kind, uint32_t number)
{
	char line[40];
	int len = snprintf(line, sizeof line, "rule %u: given up", number);
	return mr_warnings_take(warnings, kind, (struct mr_slice){line, (size_t)len}) ==
	       MR_LOG_WARNING;
}

/* What is told at the end; the caller frees. */
static char *told(struct mr_warnings *warnings)
{
	struct mr_progress progress = {.least = MR_LOG_WARNING};
	FILE *file = tmpfile();
	int before = dup(STDERR_FILENO);
	char *text = mr_calloc(1, 4096);
	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	mr_warnings_tell(warnings, &progress);
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(file);
	(void)!fread(text, 1, 4095, file);
	fclose(file);
	return text;
}

static void ten_of_a_kind_are_shown(void **state)
{
	(void)state;
	struct mr_warnings warnings = {0};
	uint32_t shown = 0;
	for (int worker = 0; worker < 3; worker++) {
		for (uint32_t rule = 0; rule < 184; rule++)
			shown += take(&warnings, 7, rule);
		shown += take(&warnings, 8, 0); /* another kind has its own ten */
	}
	assert_int_equal(shown, MR_WARNINGS_SHOWN + 1);
	char *text = told(&warnings);
	assert_string_equal(text, "millrace: warning: and 174 more like this (log level debug "
				  "shows each): rule 10: given up\n");
	free(text);
	mr_warnings_fini(&warnings);
}

static void ten_are_not_spoken_of_again(void **state)
{
	(void)state;
	struct mr_warnings warnings = {0};
	for (uint32_t i = 0; i < 2 * MR_WARNINGS_SHOWN; i++)
		assert_true(take(&warnings, 7, i % MR_WARNINGS_SHOWN) == (i < MR_WARNINGS_SHOWN));
	char *text = told(&warnings);
	assert_string_equal(text, "");
	free(text);
	mr_warnings_fini(&warnings);
}

/* A service's workers end often, and the next ones warn of the same again. */
static void what_was_told_is_not_told_again(void **state)
{
	(void)state;
	struct mr_warnings warnings = {0};
	const uint32_t shown = MR_WARNINGS_SHOWN;
	for (uint32_t i = 0; i < shown + 5; i++)
		assert_true(take(&warnings, 7, i) == (i < shown));
	free(told(&warnings));
	for (uint32_t i = 0; i < shown + 7; i++)
		assert_false(take(&warnings, 7, i));
	char *text = told(&warnings);
	char *wanted =
	    mr_asprintf("millrace: warning: and 2 more like this (log level debug shows each): "
			"rule %u: given up\n",
			shown + 5);
	assert_string_equal(text, wanted);
	free(wanted);
	free(text);
	text = told(&warnings);
	assert_string_equal(text, "");
	free(text);
	mr_warnings_fini(&warnings);
}

/* A worker may say what it likes, as often as it likes: memory is bounded, nothing is silent. */
static void all_is_bounded(void **state)
{
	(void)state;
	struct mr_warnings warnings = {0};
	uint32_t shown = 0;
	for (uint32_t kind = 0; kind < 10 * MR_WARNINGS_KINDS; kind++)
		shown += take(&warnings, kind, kind);
	assert_int_equal(shown, MR_WARNINGS_KINDS - 1 + MR_WARNINGS_SHOWN);
	assert_int_equal(warnings.count, MR_WARNINGS_KINDS);
	for (uint32_t i = 0; i < 3 * MR_WARNINGS_TEXTS; i++)
		take(&warnings, 0, i);
	char *text = told(&warnings);
	char *wanted = mr_asprintf("and %d more like this (log level debug shows each): rule 10",
				   3 * MR_WARNINGS_TEXTS - MR_WARNINGS_SHOWN);
	assert_non_null(strstr(text, wanted));
	free(wanted);
	free(text);
	mr_warnings_fini(&warnings);
	mr_warnings_fini(&warnings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ten_of_a_kind_are_shown),
	    cmocka_unit_test(ten_are_not_spoken_of_again),
	    cmocka_unit_test(what_was_told_is_not_told_again),
	    cmocka_unit_test(all_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
