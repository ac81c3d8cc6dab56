/* test_sigma_conditions.c - conditions: precedence, quantities, patterns, and what is refused. */
#include "detect/sigma_harness.h"

#define ABC " a: {A: 1}\n b: {B: 2}\n c: {C: 3}\n _h: {H: 4}\n condition: "

static void precedence(void **state)
{
	(void)state;
	TREE(ABC "a or b and not c", "(or a=#1 (and b=#2 (not c=#3)))");
	TREE(ABC "(a or b) and c", "(and (or a=#1 b=#2) c=#3)");
	TREE(ABC "not not a", "a=#1");
	TREE(ABC "not (a or b)", "(not (or a=#1 b=#2))");
	TREE(ABC "[a and b, c]", "(or (and a=#1 b=#2) c=#3)");
	TREE(" not_x: {A: 1}\n and-y: {B: 2}\n condition: not_x and and-y", "(and a=#1 b=#2)");
}

static void quantities(void **state)
{
	(void)state;
	TREE(ABC "1 of them", "(or a=#1 b=#2 c=#3)");
	TREE(ABC "any of them", "(or a=#1 b=#2 c=#3)");
	TREE(ABC "all of them", "(and a=#1 b=#2 c=#3)");
	TREE(ABC "all of _*", "h=#4");
	TREE(ABC "3 of them", "(and a=#1 b=#2 c=#3)");
	TREE(ABC "2 of them", "(or (and a=#1 (or b=#2 c=#3)) (and b=#2 c=#3))");
	TREE(" s_x: {A: 1}\n s_y: {B: 2}\n t_x: {C: 3}\n condition: 1 of s_*", "(or a=#1 b=#2)");
	TREE(" s_x: {A: 1}\n s_y: {B: 2}\n t_x: {C: 3}\n condition: all of *_x", "(and a=#1 c=#3)");
}

static void refused(void **state)
{
	(void)state;
	REFUSED(HEAD ABC "a and d", 9, 19, "\"d\" is not in this detection");
	REFUSED(HEAD ABC "1 of d*", 9, 18, "no identifier of this detection fits");
	REFUSED(HEAD ABC "a | count() > 5", 9, 15, "write a correlation");
	REFUSED(HEAD ABC "a AND b", 9, 15, "written in lower case");
	REFUSED(HEAD ABC "4 of them", 9, 13, "1 to 3");
	REFUSED(HEAD ABC "0 of them", 9, 13, "1 to 3");
	REFUSED(HEAD ABC "(a", 9, 15, "closing parenthesis");
	REFUSED(HEAD ABC "a b", 9, 15, "`and`, `or` or the end");
	REFUSED(HEAD ABC "''", 9, 14, "identifier should stand");
	REFUSED(HEAD ABC "[]", 9, 13, "empty list");
	REFUSED(HEAD " a: {A: 1}", 5, 2, "\"condition\" is missing");
	REFUSED(HEAD " 'a b': {A: 1}\n condition: a", 5, 2, "is no identifier");
	REFUSED(HEAD " a|contains: {A: 1}\n condition: a", 5, 2,
		"a modifier stands behind a field");
}

/* Bounded in time, stack and memory. */
static void hostile(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	mr_buf_add_text(&text, HEAD " a: {A: 1}\n condition: ");
	for (int i = 0; i < 20000; i++)
		mr_buf_add_text(&text, "(");
	mr_buf_add(&text, "a", 2);
	REFUSED(text.data, 6, 113, "100 parentheses");
	text.len = 0;
	mr_buf_add_text(&text, HEAD);
	for (int i = 0; i < 60; i++)
		mr_buf_printf(&text, " a%d: {A: %d}\n", i, i);
	mr_buf_add_text(&text, " condition: 30 of them");
	mr_buf_add(&text, "", 1);
	REFUSED(text.data, 65, 19, "too many combinations");
	mr_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(precedence),
	    cmocka_unit_test(quantities),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
