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

/* ---- filters, and what is idle ---- */

static uint32_t both[] = {0, 1};

/* Rules a and b in a.yml, and a filter in f.yml that both have. */
static struct mr_catalog filtered(struct mr_rule rules[2], struct mr_rule *filter)
{
	rules[0] = (struct mr_rule){.id = MR_SLICE("a"), .file = MR_SLICE("a.yml"), .content = 1};
	rules[1] = (struct mr_rule){.id = MR_SLICE("b"), .file = MR_SLICE("a.yml"), .content = 2};
	*filter = (struct mr_rule){.kind = MR_RULE_FILTER,
				   .id = MR_SLICE("f"),
				   .title = MR_SLICE("Test f"),
				   .file = MR_SLICE("f.yml"),
				   .content = 3,
				   .rules = both,
				   .rule_count = 2};
	return (struct mr_catalog){
	    .rules = rules, .count = 2, .filters = filter, .filter_count = 1};
}

/* Whether a reload to a catalog is refused, in words that end so. */
static void assert_lost(const struct mr_catalog *new, const char *words)
{
	struct mr_rule rules[2], filter;
	const struct mr_catalog old = filtered(rules, &filter);
	struct mr_error error = {0};
	enum mr_err err = mr_reload_check_lost(&old, new, &error);
	assert_int_equal(err, words == NULL ? MR_OK : MR_CONFIG);
	if (words != NULL && strstr(error.text, words) == NULL)
		fail_msg("%s", error.text);
}

#define LEFT                                                                                       \
	"the filter \"Test f\" is in force, and would be lost: what it leaves out would be "       \
	"alerted"

static void a_filter_is_refused(void **state)
{
	(void)state;
	struct mr_rule rules[2], filter;
	struct mr_catalog new = filtered(rules, &filter);
	struct mr_refusal refusal = {.id = MR_SLICE("f"),
				     .file = MR_SLICE("g.yml"),
				     .reason = MR_SLICE("why"),
				     .filter = true};
	new.filter_count = 0;
	assert_lost(&new, NULL); /* its file was taken away */
	new.refusals = &refusal;
	new.refused = 1;
	assert_lost(&new, "g.yml:0: why; " LEFT);
	refusal = (struct mr_refusal){.file = MR_SLICE("f.yml"), .reason = MR_SLICE("no YAML")};
	assert_lost(&new, LEFT);
	refusal.file = MR_SLICE("other.yml");
	assert_lost(&new, NULL);
}

static void a_filter_lets_a_rule_go(void **state)
{
	(void)state;
	struct mr_rule rules[2], filter;
	struct mr_catalog new = filtered(rules, &filter);
	struct mr_refusal idle = {.id = MR_SLICE("f"), .reason = MR_SLICE("no b"), .filter = true};
	filter.rule_count = 1;
	assert_lost(&new, NULL); /* it was told to */
	new.idle = &idle;
	new.idle_count = 1;
	assert_lost(&new, LEFT);
	new.count = 1; /* the rule went */
	assert_lost(&new, NULL);
	new.count = 2;
	filter.rule_count = 2; /* the idle name is a further one */
	assert_lost(&new, NULL);
}

static void a_rule_becomes_inactive(void **state)
{
	(void)state;
	struct mr_rule rules[2], filter;
	struct mr_catalog new = filtered(rules, &filter);
	struct mr_refusal idle = {.id = MR_SLICE("b"), .reason = MR_SLICE("no value")};
	new.idle = &idle;
	new.idle_count = 1;
	rules[1].inactive = true;
	assert_lost(&new, "no value; the rule \"\" is in force, and would be lost");
	/* And was before, too. */
	logged_begin();
	mr_reload_say_lost(&new, &new);
	assert_string_equal(logged, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_copied_id_displaces_a_rule),
	    cmocka_unit_test(a_copy_that_is_refused_displaces_none),
	    cmocka_unit_test(a_filter_is_refused),
	    cmocka_unit_test(a_filter_lets_a_rule_go),
	    cmocka_unit_test(a_rule_becomes_inactive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
