/* sigma_harness.h - loads rules from texts and writes what became of them as one line.
 *
 * A leaf is field~'pattern' (c before the quote: cased; no field: a keyword), field/regex/flags,
 * field=#number, field=true, field=null, field!null, field?true (exists), field>=#number,
 * field@network/bits, field=other, field.hour=3. */
#ifndef MILLRACE_TEST_SIGMA_H
#define MILLRACE_TEST_SIGMA_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "sigma.h"

struct rules {
	struct mr_fields *fields;
	struct sigma_set set;
	struct mr_error error;
	enum mr_err err;
};

/* What sources say, for the next rules_load. */
static struct mr_declared rules_declared;
static bool rules_lints;

/* Each text becomes a file of its own, loaded in the order given. */
static inline void rules_load(struct rules *rules, const char *const *texts, size_t count,
			      const char *placeholders)
{
	char *paths[8];
	*rules = (struct rules){.fields = mr_fields_new()};
	assert_true(count <= 8);
	for (size_t i = 0; i < count; i++) {
		paths[i] = mr_strdup("/tmp/millrace-rules-XXXXXX");
		int fd = mkstemp(paths[i]);
		assert_true(fd >= 0);
		size_t len = strlen(texts[i]);
		assert_int_equal(write(fd, texts[i], len), (ssize_t)len);
		close(fd);
	}
	const struct sigma_wishes wishes = {
	    .placeholders = placeholders, .declared = &rules_declared, .lints = rules_lints};
	rules->err = sigma_load_with((const char *const *)paths, count, &wishes, rules->fields,
				     &rules->set, &rules->error);
	for (size_t i = 0; i < count; i++) {
		unlink(paths[i]);
		free(paths[i]);
	}
}

static inline void rules_fini(struct rules *rules)
{
	sigma_set_fini(&rules->set);
	mr_fields_free(rules->fields);
}

static inline void put_slice(struct mr_buf *out, struct mr_slice text)
{
	mr_buf_add(out, text.at, text.len);
}

static inline void put_leaf(const struct rules *rules, const struct sigma_predicate *leaf,
			    struct mr_buf *out)
{
	static const char *const ops[] = {">=", ">", "<=", "<", "==", "!="};
	static const char *const refs[] = {"=", "~contains:", "~startswith:", "~endswith:"};
	static const char *const parts[] = {"minute", "hour", "day", "week", "month", "year"};
	if (leaf->field != 0)
		put_slice(out, mr_fields_name(rules->fields, leaf->field));
	switch (leaf->test) {
	case SIGMA_TEXT:
		mr_buf_add_text(out, leaf->cased ? "~c'" : "~'");
		for (uint32_t i = 0; i < leaf->part_count; i++) {
			if (leaf->parts[i].kind == SIGMA_LITERAL)
				put_slice(out, leaf->parts[i].text);
			else
				mr_buf_add_text(out, leaf->parts[i].kind == SIGMA_ANY ? "*" : "?");
		}
		mr_buf_add_text(out, "'");
		break;
	case SIGMA_REGEX:
		mr_buf_printf(out, "/%.*s/%s%s%s", (int)leaf->text.len, leaf->text.at,
			      leaf->regex_flags & SIGMA_RE_I ? "i" : "",
			      leaf->regex_flags & SIGMA_RE_M ? "m" : "",
			      leaf->regex_flags & SIGMA_RE_S ? "s" : "");
		break;
	case SIGMA_CIDR: {
		char hex[33];
		mr_hex(leaf->network, 16, hex);
		mr_buf_printf(out, "@%s/%u", hex, leaf->prefix);
		break;
	}
	case SIGMA_NUMBER:
		mr_buf_printf(out, "=#%.*s", (int)leaf->text.len, leaf->text.at);
		break;
	case SIGMA_BOOL:
		mr_buf_add_text(out, leaf->truth ? "=true" : "=false");
		break;
	case SIGMA_NULL:
		mr_buf_add_text(out, "=null");
		break;
	case SIGMA_PRESENT:
		mr_buf_add_text(out, "!null");
		break;
	case SIGMA_EXISTS:
		mr_buf_add_text(out, leaf->truth ? "?true" : "?false");
		break;
	case SIGMA_COMPARE:
		mr_buf_printf(out, "%s#%.*s", ops[leaf->op], (int)leaf->text.len, leaf->text.at);
		break;
	case SIGMA_FIELDREF:
		mr_buf_add_text(out, refs[leaf->ref]);
		put_slice(out, mr_fields_name(rules->fields, leaf->other));
		break;
	case SIGMA_TIMEPART:
		mr_buf_printf(out, ".%s=%lld", parts[leaf->part], (long long)leaf->part_value);
		break;
	}
}

static inline void put_tree(const struct rules *rules, const struct sigma_node *node,
			    struct mr_buf *out)
{
	static const char *const names[] = {"", "(and", "(or", "(not"};
	if (node->kind == SIGMA_LEAF) {
		put_leaf(rules, node->leaf, out);
		return;
	}
	mr_buf_add_text(out, names[node->kind]);
	for (uint32_t i = 0; i < node->child_count; i++) {
		mr_buf_add_text(out, " ");
		put_tree(rules, node->children[i], out);
	}
	mr_buf_add_text(out, ")");
}

/* The tree of the n-th compiled rule; to be freed. */
static inline char *rules_tree(const struct rules *rules, uint32_t n)
{
	struct mr_buf out = {0};
	assert_true(n < rules->set.rule_count);
	put_tree(rules, rules->set.rules[n].condition, &out);
	mr_buf_add(&out, "", 1);
	return out.data;
}

/* How many warnings have these words. */
static inline uint32_t rules_told(const struct rules *rules, const char *words)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < rules->set.warnings.count; i++) {
		struct mr_slice reason = rules->set.warnings.items[i].reason;
		count += memmem(reason.at, reason.len, words, strlen(words)) != NULL;
	}
	return count;
}

/* The warnings, but for those of the short ids that tests give their rules. */
static inline uint32_t rules_warnings(const struct rules *rules)
{
	return rules->set.warnings.count - rules_told(rules, "is no UUID");
}

#define HEAD "title: t\nid: x\nlogsource: {}\ndetection:\n"

/* A detection's lines, indented by one, and what they become. */
#define TREE(detection, expected) check_tree(__LINE__, detection, expected)
static inline void check_tree(int line, const char *detection, const char *expected)
{
	struct rules rules;
	char *text = mr_asprintf(HEAD "%s\n", detection);
	rules_load(&rules, (const char *const[]){text}, 1, NULL);
	free(text);
	if (rules.err != MR_OK || rules.set.rule_count != 1)
		fail_msg("line %d: refused: %s%.*s", line, rules.error.text,
			 rules.set.refused.count ? (int)rules.set.refused.items[0].reason.len : 0,
			 rules.set.refused.count ? rules.set.refused.items[0].reason.at : "");
	char *got = rules_tree(&rules, 0);
	if (strcmp(got, expected) != 0)
		fail_msg("line %d: is %s, not %s", line, got, expected);
	free(got);
	rules_fini(&rules);
}

/* The texts have one fault, there, with these words in its reason. */
#define REFUSED(text, line, column, words)                                                         \
	check_refused(__LINE__, (const char *const[]){text}, 1, line, column, words)
static inline void check_refused(int test_line, const char *const *texts, size_t count,
				 uint32_t line, uint32_t column, const char *words)
{
	struct rules rules;
	rules_load(&rules, texts, count, NULL);
	if (rules.err != MR_OK || rules.set.refused.count != 1)
		fail_msg("line %d: %u refused, %s", test_line, rules.set.refused.count,
			 rules.error.text);
	const struct sigma_note *note = &rules.set.refused.items[0];
	if (note->line != line || note->column != column ||
	    memmem(note->reason.at, note->reason.len, words, strlen(words)) == NULL)
		fail_msg("line %d: at %u:%u: %.*s", test_line, note->line, note->column,
			 (int)note->reason.len, note->reason.at);
	rules_fini(&rules);
}

#define RULE(id, logsource, detection)                                                             \
	"title: t\nid: " id "\nlogsource: " logsource "\ndetection: {s: {" detection               \
	"}, condition: s}\nlevel: high\n"

/* One text, which has to be loaded. */
static inline void load(struct rules *rules, const char *text)
{
	rules_load(rules, &text, 1, NULL);
	if (rules->err != MR_OK)
		fail_msg("%s", rules->error.text);
}

static inline void tree_is(const struct rules *rules, uint32_t n, const char *wanted)
{
	char *got = rules_tree(rules, n);
	assert_string_equal(got, wanted);
	free(got);
}

#endif
