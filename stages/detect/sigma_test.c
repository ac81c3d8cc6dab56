/* sigma_test.c - re, cidr, exists, comparisons, fieldref and parts of a time.
 *
 * Called by sigma_value.c. Fails with a fault at the value's place. */
#include <arpa/inet.h>
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "sigma_mapping.h"
#include "sigma_test.h"

#define REGEX_MAX 65536 /* bytes of a pattern */

struct sigma_node *sigma_test_leaf(struct sigma_scope *scope, const struct sigma_chain *chain,
				   struct sigma_predicate *predicate)
{
	struct sigma_node *node;

	if (!sigma_tests_add(scope, SIGMA_AT(chain->key), 1))
		return NULL;
	node = sigma_view_leaf(scope, chain->field, predicate);
	if (node == NULL)
		sigma_refuse(scope, SIGMA_AT(chain->key),
			     "too many different fields in all rules; 65,534 are possible");
	return node;
}

const char *sigma_test_name(const struct sigma_chain *chain)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} names[] = {
	    {SIGMA_BIT(RE), "re"},
	    {SIGMA_BIT(CIDR), "cidr"},
	    {SIGMA_BIT(FIELDREF), "fieldref"},
	    {SIGMA_BIT(EXPAND), "expand"},
	    {SIGMA_BIT(WINDASH), "windash"},
	    {SIGMA_BIT(BASE64), "base64"},
	    {SIGMA_BIT(BASE64OFFSET), "base64offset"},
	    {SIGMA_BIT(CONTAINS), "contains"},
	    {SIGMA_BIT(STARTSWITH), "startswith"},
	    {SIGMA_BIT(ENDSWITH), "endswith"},
	    {SIGMA_BIT(CASED), "cased"},
	};

	for (size_t at = 0; at < sizeof(names) / sizeof(names[0]); at++)
		if (sigma_chain_has(chain, names[at].bit))
			return names[at].name;
	return "this modifier";
}

struct sigma_node *sigma_test_regex(struct sigma_scope *scope, const struct sigma_chain *chain,
				    const struct mr_yaml *value, struct mr_slice pattern)
{
	struct sigma_predicate predicate = {.test = SIGMA_REGEX, .text = pattern};
	uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
	int code;
	PCRE2_SIZE offset;

	if (pattern.len > REGEX_MAX)
		return sigma_refuse(scope, SIGMA_AT(value),
				    "a regular expression of more than 64 KiB"),
		       NULL;
	if (sigma_chain_has(chain, SIGMA_BIT(I))) {
		predicate.regex_flags |= SIGMA_RE_I;
		options |= PCRE2_CASELESS;
	}
	if (sigma_chain_has(chain, SIGMA_BIT(M))) {
		predicate.regex_flags |= SIGMA_RE_M;
		options |= PCRE2_MULTILINE;
	}
	if (sigma_chain_has(chain, SIGMA_BIT(S))) {
		predicate.regex_flags |= SIGMA_RE_S;
		options |= PCRE2_DOTALL;
	}
	pcre2_code *compiled =
	    pcre2_compile((PCRE2_SPTR)pattern.at, pattern.len, options, &code, &offset, NULL);
	if (compiled == NULL) {
		PCRE2_UCHAR text[200];
		pcre2_get_error_message(code, text, sizeof(text));
		sigma_refuse(scope, SIGMA_AT(value),
			     "not a regular expression of PCRE2: %s, at character %zu of it",
			     (const char *)text,
			     mr_utf8_count((struct mr_slice){pattern.at, offset}) + 1);
		return NULL;
	}
	pcre2_code_free(compiled);
	if (scope->load->lints)
		sigma_regex_lint(scope, value, &predicate);
	return sigma_test_leaf(scope, chain, &predicate);
}

/* "a.b.c.d" or an IPv6 address, as 16 bytes; the bits of its family. */
static bool parse_address(struct mr_slice text, uint8_t out[16], unsigned *bits_out)
{
	char copy[INET6_ADDRSTRLEN];

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	if (strlen(copy) != text.len)
		return false;
	memset(out, 0, 10);
	memset(out + 10, 0xff, 2);
	*bits_out = 32;
	if (inet_pton(AF_INET, copy, out + 12) == 1)
		return true;
	*bits_out = 128;
	return inet_pton(AF_INET6, copy, out) == 1;
}

static bool host_bits(const uint8_t network[16], unsigned prefix)
{
	for (unsigned bit = prefix; bit < 128; bit++)
		if (network[bit / 8] & (0x80u >> (bit % 8)))
			return true;
	return false;
}

struct sigma_node *sigma_test_cidr(struct sigma_scope *scope, const struct sigma_chain *chain,
				   const struct mr_yaml *value, struct mr_slice network)
{
	struct sigma_predicate predicate = {.test = SIGMA_CIDR};
	const char *slash = memchr(network.at, '/', network.len);
	struct mr_slice address = {network.at,
				   slash == NULL ? network.len : (size_t)(slash - network.at)};
	struct mr_slice digits = {network.at + address.len + 1,
				  slash == NULL ? 0 : network.len - address.len - 1};
	int64_t prefix = 0;
	unsigned bits;

	if (!parse_address(address, predicate.network, &bits) ||
	    (slash != NULL && (digits.len == 0 || digits.len > 3 || digits.at[0] == '-' ||
			       digits.at[0] == '+' || !mr_parse_int64(digits, &prefix)))) {
		sigma_refuse(scope, SIGMA_AT(value),
			     "\"%.*s\" is no network; write it as 10.0.0.0/8 or 2001:db8::/32",
			     SIGMA_SHOW(network));
		return NULL;
	}
	if (slash == NULL)
		prefix = bits;
	if (prefix < 0 || prefix > bits)
		return sigma_refuse(scope, SIGMA_AT(value), "the prefix of \"%.*s\" is not 0 to %u",
				    SIGMA_SHOW(network), bits),
		       NULL;
	predicate.prefix = (uint8_t)(prefix + (128 - bits));
	if (host_bits(predicate.network, predicate.prefix))
		return sigma_refuse(
			   scope, SIGMA_AT(value),
			   "\"%.*s\" has bits set behind its prefix; write the network's first "
			   "address",
			   SIGMA_SHOW(network)),
		       NULL;
	return sigma_test_leaf(scope, chain, &predicate);
}

struct sigma_node *sigma_test_filled(struct sigma_scope *scope, const struct sigma_chain *chain,
				     const struct mr_yaml *value, const struct sigma_filled *filled)
{
	bool regex = sigma_chain_has(chain, SIGMA_BIT(RE));
	struct mr_buf whole = {0};

	for (uint32_t at = 0; at < filled->count; at++) {
		struct mr_slice text = filled->pieces[at].text;
		struct sigma_pattern pattern = {0};
		if (regex && filled->pieces[at].from_list) {
			sigma_pattern_add(scope->arena, &pattern, text);
			sigma_pattern_to_regex(&pattern, &whole);
		} else {
			mr_buf_add(&whole, text.at, text.len);
		}
	}
	struct mr_slice text = {
	    mr_arena_copy(scope->arena, whole.len > 0 ? whole.data : "", whole.len), whole.len};
	mr_buf_fini(&whole);
	return regex ? sigma_test_regex(scope, chain, value, text)
		     : sigma_test_cidr(scope, chain, value, text);
}

struct sigma_node *sigma_test_compare(struct sigma_scope *scope, const struct sigma_chain *chain,
				      const struct mr_yaml *value)
{
	struct sigma_predicate predicate = {.test = SIGMA_COMPARE, .text = value->number};

	if (value->type != MR_YAML_NUMBER || value->number.len == 0)
		return sigma_refuse(scope, SIGMA_AT(value),
				    "gt, gte, lt and lte want a number without quotes, not %s",
				    value->type == MR_YAML_NUMBER
					? "one that is not finite or too long"
					: mr_yaml_what(value)),
		       NULL;
	predicate.op = sigma_chain_has(chain, SIGMA_BIT(GT))    ? MR_GT
		       : sigma_chain_has(chain, SIGMA_BIT(GTE)) ? MR_GTE
		       : sigma_chain_has(chain, SIGMA_BIT(LT))  ? MR_LT
								: MR_LTE;
	return sigma_test_leaf(scope, chain, &predicate);
}

struct sigma_node *sigma_test_time(struct sigma_scope *scope, const struct sigma_chain *chain,
				   const struct mr_yaml *value)
{
	static const struct {
		uint64_t bit;
		const char *name;
		int64_t least, most;
	} parts[] = {
	    [SIGMA_MINUTE] = {SIGMA_BIT(MINUTE), "minute", 0, 59},
	    [SIGMA_HOUR] = {SIGMA_BIT(HOUR), "hour", 0, 23},
	    [SIGMA_DAY] = {SIGMA_BIT(DAY), "day", 1, 31},
	    [SIGMA_WEEK] = {SIGMA_BIT(WEEK), "week", 1, 53},
	    [SIGMA_MONTH] = {SIGMA_BIT(MONTH), "month", 1, 12},
	    [SIGMA_YEAR] = {SIGMA_BIT(YEAR), "year", 1, 9999},
	};
	struct sigma_predicate predicate = {.test = SIGMA_TIMEPART};

	while (!sigma_chain_has(chain, parts[predicate.part].bit))
		predicate.part++;
	if (value->type != MR_YAML_NUMBER ||
	    !mr_parse_int64(value->number, &predicate.part_value) ||
	    predicate.part_value < parts[predicate.part].least ||
	    predicate.part_value > parts[predicate.part].most) {
		sigma_refuse(scope, SIGMA_AT(value),
			     "%s wants a whole number without quotes from %lld to %lld",
			     parts[predicate.part].name, (long long)parts[predicate.part].least,
			     (long long)parts[predicate.part].most);
		return NULL;
	}
	return sigma_test_leaf(scope, chain, &predicate);
}

struct sigma_node *sigma_test_exists(struct sigma_scope *scope, const struct sigma_chain *chain,
				     const struct mr_yaml *value)
{
	struct sigma_predicate predicate = {.test = SIGMA_EXISTS, .truth = value->truth};

	if (value->type != MR_YAML_BOOL)
		return sigma_refuse(scope, SIGMA_AT(value),
				    "exists wants true or false without quotes, not %s",
				    mr_yaml_what(value)),
		       NULL;
	return sigma_test_leaf(scope, chain, &predicate);
}

struct sigma_node *sigma_test_fieldref(struct sigma_scope *scope, const struct sigma_chain *chain,
				       const struct mr_yaml *value)
{
	struct sigma_predicate predicate = {.test = SIGMA_FIELDREF,
					    .cased = sigma_chain_has(chain, SIGMA_BIT(CASED))};

	if (value->text.len == 0)
		return sigma_refuse(scope, SIGMA_AT(value), "fieldref wants the name of a field"),
		       NULL;
	predicate.ref = sigma_chain_has(chain, SIGMA_BIT(CONTAINS))     ? SIGMA_REF_CONTAINS
			: sigma_chain_has(chain, SIGMA_BIT(STARTSWITH)) ? SIGMA_REF_STARTSWITH
			: sigma_chain_has(chain, SIGMA_BIT(ENDSWITH))   ? SIGMA_REF_ENDSWITH
									: SIGMA_REF_EQUALS;
	sigma_name_lint(scope, SIGMA_AT(value), value->text);
	predicate.other = mr_fields_add(scope->load->fields, value->text);
	if (predicate.other == 0)
		return sigma_refuse(scope, SIGMA_AT(value),
				    "too many different fields in all rules; 65,534 are possible"),
		       NULL;
	return sigma_test_leaf(scope, chain, &predicate);
}
