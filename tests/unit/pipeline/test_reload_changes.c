/* test_reload_changes.c - which rules a new set would take out of force without saying so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "logged.h"
#include "reload.h"

/* No topology is looked at here. */
const struct mr_stage_ops *mr_stage_find(const char *name)
{
	(void)name;
	return NULL;
}

static struct mr_rule in_force(const char *file, uint64_t content)
{
	return (struct mr_rule){.id = MR_SLICE("one"),
				.title = MR_SLICE("Test one"),
				.file = mr_slice(file),
				.content = content};
}

/* Whether the rule of one.yml, of content 1, would be lost where its id is `now`'s and another
 * document with it, in that file, is refused. */
static bool is_lost(struct mr_rule now, const char *refused)
{
	struct mr_rule before = in_force("one.yml", 1);
	struct mr_refusal refusal = {.id = MR_SLICE("one"),
				     .file = mr_slice(refused),
				     .reason = MR_SLICE("twice"),
				     .line = 2};
	const struct mr_catalog old = {.rules = &before, .count = 1};
	const struct mr_catalog new = {
	    .rules = &now, .count = 1, .refusals = &refusal, .refused = 1};

	logged_begin();
	mr_reload_say_lost(&old, &new);
	return strstr(logged, "the rule \"Test one\" was in force") != NULL;
}

static void a_copied_id_displaces_a_rule(void **state)
{
	(void)state;
	assert_true(is_lost(in_force("a_copy.yml", 2), "one.yml"));
	/* Also where its file has another name now, or both stand in one. */
	assert_true(is_lost(in_force("a_copy.yml", 2), "renamed.yml"));
	assert_true(is_lost(in_force("one.yml", 2), "one.yml"));
}

static void a_copy_that_is_refused_displaces_none(void **state)
{
	(void)state;
	assert_false(is_lost(in_force("one.yml", 1), "z_copy.yml"));
	assert_false(is_lost(in_force("one.yml", 2), "z_copy.yml")); /* it was edited */
	assert_false(is_lost(in_force("a_copy.yml", 1), "one.yml")); /* they are the same */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_copied_id_displaces_a_rule),
	    cmocka_unit_test(a_copy_that_is_refused_displaces_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
