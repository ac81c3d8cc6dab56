/* sigma_modifier.c - a key such as `Field|contains|all`: what is allowed together, in which order.
 *
 * Called by sigma_detection.c. Fails with a fault at the modifier's place. */
#include "sigma_build.h"

enum group { PLACE, LIST, FORM, TEST, FLAG, CODE, WIDE };

static const struct {
	const char *name;
	enum group group;
} modifiers[] = {
#define X(symbol, name, group) [SIGMA_MOD_##symbol] = {name, group},
#include "sigma_modifier.def"
#undef X
};

#define PLACES (SIGMA_BIT(CONTAINS) | SIGMA_BIT(STARTSWITH) | SIGMA_BIT(ENDSWITH))
#define LISTS (SIGMA_BIT(ALL) | SIGMA_BIT(NEQ))
#define FLAGS (SIGMA_BIT(I) | SIGMA_BIT(M) | SIGMA_BIT(S))

/* What may stand beside each kind of test. */
static uint64_t companions(enum sigma_modifier test)
{
	switch (test) {
	case SIGMA_MOD_RE:
		return FLAGS | LISTS | SIGMA_BIT(EXPAND);
	case SIGMA_MOD_CIDR:
		return LISTS | SIGMA_BIT(EXPAND);
	case SIGMA_MOD_FIELDREF:
		return PLACES | LISTS | SIGMA_BIT(CASED);
	case SIGMA_MOD_EXISTS:
		return 0;
	default:
		return LISTS;
	}
}

static uint64_t group_bits(enum group group)
{
	uint64_t bits = 0;

	for (unsigned at = 0; at < SIGMA_MOD_COUNT; at++)
		if (modifiers[at].group == group)
			bits |= 1ull << at;
	return bits;
}

static const char *first_name(uint64_t bits)
{
	return modifiers[__builtin_ctzll(bits)].name;
}

/* Where a piece of the key starts. */
static uint32_t column_of(const struct mr_yaml *key, size_t offset)
{
	return key->indent == UINT8_MAX
		   ? key->column
		   : key->column + key->indent +
			 (uint32_t)mr_utf8_count((struct mr_slice){key->text.at, offset});
}

/* One more modifier at the end of a chain: is it allowed there? */
static bool check_next(struct sigma_scope *scope, uint64_t before, enum sigma_modifier next,
		       const struct mr_yaml *key, size_t offset)
{
	enum group group = modifiers[next].group;
	const char *name = modifiers[next].name;
	uint32_t line = key->line, column = column_of(key, offset);
	uint64_t codes = group_bits(CODE) | group_bits(WIDE);

	if (before & (1ull << next))
		return sigma_refuse(scope, line, column, "the modifier %s stands twice", name);
	if ((group == PLACE || group == TEST || group == CODE || group == WIDE) &&
	    (before & group_bits(group)))
		return sigma_refuse(scope, line, column, "%s and %s exclude each other",
				    first_name(before & group_bits(group)), name);
	if (group == FLAG && !(before & SIGMA_BIT(RE)))
		return sigma_refuse(scope, line, column, "the flag %s follows re, as in re|%s",
				    name, name);
	if ((group == CODE || group == WIDE) && (before & PLACES))
		return sigma_refuse(scope, line, column, "%s stands before %s, not behind it", name,
				    first_name(before & PLACES));
	if (group == WIDE && (before & group_bits(CODE)))
		return sigma_refuse(scope, line, column, "%s stands before %s, not behind it", name,
				    first_name(before & group_bits(CODE)));
	if ((next == SIGMA_MOD_WINDASH || next == SIGMA_MOD_EXPAND) && (before & codes))
		return sigma_refuse(scope, line, column, "%s stands before %s, not behind it", name,
				    first_name(before & codes));
	if (next == SIGMA_MOD_FIELDREF && before != 0)
		return sigma_refuse(scope, line, column,
				    "fieldref is the first modifier of a field");
	return true;
}

/* The chain as a whole. */
static bool check_whole(struct sigma_scope *scope, const struct sigma_chain *chain)
{
	const struct mr_yaml *key = chain->key;
	uint64_t bits = chain->modifiers, tests = bits & group_bits(TEST);
	uint64_t wides = bits & group_bits(WIDE);

	if (tests != 0) {
		uint64_t strangers =
		    bits & ~tests & ~companions((enum sigma_modifier)__builtin_ctzll(tests));
		if (strangers != 0)
			return sigma_refuse(scope, SIGMA_AT(key), "%s does not go with %s",
					    first_name(strangers), first_name(tests));
	}
	if (wides != 0 && !(bits & group_bits(CODE)))
		return sigma_refuse(
		    scope, SIGMA_AT(key),
		    "%s needs base64 or base64offset behind it: UTF-16 is no text of a "
		    "record",
		    first_name(wides));
	if (chain->field.len == 0) {
		uint64_t allowed =
		    SIGMA_BIT(ALL) | SIGMA_BIT(CASED) | SIGMA_BIT(RE) | FLAGS | SIGMA_BIT(EXPAND);
		if (bits == 0)
			return sigma_refuse(scope, SIGMA_AT(key), "a field without a name");
		if (bits & ~allowed)
			return sigma_refuse(
			    scope, SIGMA_AT(key),
			    "%s does not work on keywords; all, cased, re and expand do",
			    first_name(bits & ~allowed));
	}
	return true;
}

static bool find_modifier(struct mr_slice name, enum sigma_modifier *out)
{
	for (unsigned at = 0; at < SIGMA_MOD_COUNT; at++) {
		if (mr_slice_eq(mr_slice(modifiers[at].name), name)) {
			*out = (enum sigma_modifier)at;
			return true;
		}
	}
	return false;
}

bool sigma_chain_parse(struct sigma_scope *scope, struct mr_yaml *key, struct sigma_chain *out)
{
	struct mr_slice text = key->text;
	size_t at = 0;

	while (at < text.len && text.at[at] != '|')
		at++;
	*out = (struct sigma_chain){.field = {text.at, at}, .key = key};
	while (at < text.len) {
		size_t from = ++at;
		enum sigma_modifier next;
		while (at < text.len && text.at[at] != '|')
			at++;
		struct mr_slice name = {text.at + from, at - from};
		if (!find_modifier(name, &next))
			return sigma_refuse(
			    scope, key->line, column_of(key, from),
			    "the modifier \"%.*s\" is not known; Sigma 2.1 has contains, "
			    "startswith, endswith, all, cased, re, cidr, exists, gt, gte, "
			    "lt, lte, neq, base64, base64offset, wide, utf16le, utf16be, "
			    "utf16, windash, fieldref, expand and parts of a time",
			    SIGMA_SHOW(name));
		if (!check_next(scope, out->modifiers, next, key, from))
			return false;
		out->modifiers |= 1ull << next;
	}
	if (out->field.len > 1000)
		return sigma_refuse(scope, SIGMA_AT(key), "a field name of more than 1,000 bytes");
	sigma_name_lint(scope, SIGMA_AT(key), out->field);
	return check_whole(scope, out);
}
