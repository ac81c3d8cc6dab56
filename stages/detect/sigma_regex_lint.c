/* sigma_regex_lint.c - regular expressions that are dear to look for.
 *
 * Called by sigma_test.c for rules' authors, with one that PCRE2 has taken. Never fails. */
#include "engine_build.h"
#include "sigma_build.h"

#define GROUPS_MAX 64

/* The quantifier at `at`, if there is one, has no upper bound. */
static bool is_unbounded(struct mr_slice text, size_t at)
{
	if (at >= text.len)
		return false;
	if (text.at[at] == '*' || text.at[at] == '+')
		return at + 1 >= text.len || text.at[at + 1] != '+'; /* not a possessive one */
	if (text.at[at] != '{')
		return false;
	const char *end = memchr(text.at + at, '}', text.len - at);
	return end != NULL && end[-1] == ',';
}

/* A group that repeats without bound what repeats without bound: (a+)+ parts n characters in 2^n
 * ways. */
static bool is_nested(struct mr_slice text)
{
	bool repeats[GROUPS_MAX] = {false}; /* by depth: something in the group does */
	size_t depth = 0;
	for (size_t at = 0; at < text.len;) {
		char c = text.at[at];
		bool close = c == ')' && depth > 0;
		bool inside = close && repeats[depth];
		size_t next = c == '[' ? build_class_end(text, at) : c == '\\' ? at + 2 : at + 1;
		if (c == '(' && depth + 1 < GROUPS_MAX)
			repeats[++depth] = false;
		if (close)
			depth--;
		bool again = c != '(' && c != '|' && is_unbounded(text, next);
		if (again && inside)
			return true;
		repeats[depth] |= again || inside;
		at = next;
	}
	return false;
}

void sigma_regex_lint(struct sigma_scope *scope, const struct mr_yaml *at,
		      const struct sigma_predicate *predicate)
{
	if (is_nested(predicate->text))
		sigma_warn(scope, SIGMA_LINT_EXPENSIVE_REGEX, SIGMA_AT(at),
			   "the regular expression repeats what repeats: a record may make it try "
			   "very many ways, and past PCRE2's limit it counts as no match");
	else if (!build_regex_fits(predicate))
		sigma_warn(scope, SIGMA_LINT_EXPENSIVE_REGEX, SIGMA_AT(at),
			   "the regular expression cannot be looked for together with others: it "
			   "costs a search of its own in each value (such are back references, "
			   "lookaround, long counted repeats, and what matches the empty text)");
}
