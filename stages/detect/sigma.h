/* sigma.h - what the Sigma loader makes and the engine compiles.
 *
 * The loader (sigma_*.c) reads files, applies every modifier, filter, placeholder and mapping, and
 * leaves trees whose leaves are single tests on single fields; the engine (engine_*.c) knows no
 * YAML and no modifier. Everything lives in the arena of its struct sigma_set. */
#ifndef MILLRACE_DETECT_SIGMA_H
#define MILLRACE_DETECT_SIGMA_H

#include "millrace/config.h"
#include "millrace/event.h"
#include "millrace/logsource.h"
#include "millrace/rule.h"

enum sigma_test {
	SIGMA_TEXT,     /* the value's text matches `parts` as a whole */
	SIGMA_REGEX,    /* PCRE2 pattern `text` is found in the value's text */
	SIGMA_CIDR,     /* the value is an address within network/prefix */
	SIGMA_NUMBER,   /* the value equals the number `text` (SIGMA.md: numbers and strings) */
	SIGMA_BOOL,     /* the value is the boolean, or text that reads so */
	SIGMA_NULL,     /* missing or null */
	SIGMA_PRESENT,  /* not missing and not null: what stands under `neq: null` */
	SIGMA_EXISTS,   /* the field is there, null or not */
	SIGMA_COMPARE,  /* number `op` `text`; only numbers, or text in a number's form */
	SIGMA_FIELDREF, /* compared with any value of `other` */
	SIGMA_TIMEPART  /* a part of a time in UTC equals `part_value` */
};

enum sigma_part_kind { SIGMA_LITERAL, SIGMA_ANY /* any run */, SIGMA_ONE /* one character */ };

/* A text pattern is a list of parts; contains, startswith and endswith have become SIGMA_ANY at
 * their ends. No two SIGMA_ANY, no two literals stand side by side. The empty pattern (no parts)
 * matches only the empty text. */
struct sigma_part {
	enum sigma_part_kind kind;
	struct mr_slice text; /* folded, unless the test is cased */
};

enum sigma_regex_flag { SIGMA_RE_I = 1, SIGMA_RE_M = 2, SIGMA_RE_S = 4 };
enum sigma_fieldref {
	SIGMA_REF_EQUALS,
	SIGMA_REF_CONTAINS,
	SIGMA_REF_STARTSWITH,
	SIGMA_REF_ENDSWITH
};
enum sigma_timepart { SIGMA_MINUTE, SIGMA_HOUR, SIGMA_DAY, SIGMA_WEEK, SIGMA_MONTH, SIGMA_YEAR };

struct sigma_predicate {
	mr_field field; /* 0: a keyword, looked for in every leaf value of the record */
	enum sigma_test test;
	bool cased;               /* SIGMA_TEXT, SIGMA_FIELDREF */
	struct sigma_part *parts; /* SIGMA_TEXT */
	uint32_t part_count;
	struct mr_slice text; /* SIGMA_REGEX pattern; SIGMA_NUMBER, SIGMA_COMPARE the digits */
	uint32_t regex_flags;
	uint8_t network[16]; /* SIGMA_CIDR: IPv4 as ::ffff:a.b.c.d */
	uint8_t prefix;      /* bits of the 128 */
	bool truth;          /* SIGMA_BOOL, SIGMA_EXISTS */
	enum mr_compare op;  /* SIGMA_COMPARE: MR_GT, MR_GTE, MR_LT, MR_LTE */
	mr_field other;      /* SIGMA_FIELDREF */
	enum sigma_fieldref ref;
	enum sigma_timepart part; /* SIGMA_TIMEPART */
	int64_t part_value;
};

enum sigma_node_kind { SIGMA_LEAF, SIGMA_AND, SIGMA_OR, SIGMA_NOT };

/* What of a document a node stands for: where a set is loaded to be explained. Such a node is an
 * AND of one, around what the label is for. */
enum sigma_label_kind {
	SIGMA_LABEL_CONDITION,
	SIGMA_LABEL_IDENTIFIER,
	SIGMA_LABEL_KEY,      /* a field and its modifiers */
	SIGMA_LABEL_VALUE,    /* one of its list */
	SIGMA_LABEL_EXPANDED, /* what its placeholders stand for */
	SIGMA_LABEL_MAPPING,  /* the field is looked for where these records have it */
	SIGMA_LABEL_LOGSOURCE,
	SIGMA_LABEL_FILTER
};
struct sigma_label {
	enum sigma_label_kind kind;
	struct mr_slice text;
	uint32_t line, column;
};

struct sigma_node {
	enum sigma_node_kind kind;
	struct sigma_predicate *leaf; /* SIGMA_LEAF */
	struct sigma_node **children; /* SIGMA_AND, SIGMA_OR: one or more; SIGMA_NOT: one */
	uint32_t child_count;
	const struct sigma_label *label; /* NULL: none */
};

/* What is known of a test, and so of a tree, of all records that are meant. */
enum sigma_verdict { SIGMA_NEVER, SIGMA_OPEN, SIGMA_ALWAYS };
struct sigma_walk {
	enum sigma_verdict (*leaf)(const struct sigma_walk *walk,
				   const struct sigma_predicate *predicate);
	/* Of a tree that never holds: the first test that makes it so, or NULL. NULL before. */
	const struct sigma_predicate *decider;
};
/* sigma_node.c */
enum sigma_verdict sigma_node_verdict(struct sigma_walk *walk, const struct sigma_node *node);

#define SIGMA_DECLARED_WORDS ((MR_DECLARED_MAX + 31) / 32)

/* One detection. `kinds` has a bit (1 << MR_KIND_x) for each record kind that its logsource sees,
 * `declared` one for each logsource that sources say of their records, by its place in the run's
 * list; `condition` includes whatever else the logsource asks of the record, filters and mappings.
 */
struct sigma_rule {
	uint32_t index; /* in the catalog; the views of one logsource make several with one index */
	uint32_t kinds;
	uint32_t declared[SIGMA_DECLARED_WORDS];
	struct sigma_node *condition;
	bool asked; /* it sees records of the logsource that was asked for, or none was */
	/* Of a set with labels: why no record that it sees satisfies it, in words; else empty. */
	struct mr_slice never;
};

/* Where a field that a correlation names stands in a record that one detection matched, as one of
 * its views says: the first slot that the record has, and the last in any case. Records of other
 * kinds, or that lack what the view asks, are left to the next place; a record that none is for has
 * the field itself. */
struct sigma_slot {
	mr_field field;
	mr_field when; /* not 0: `field` only where this has the text, `otherwise` elsewhere */
	struct mr_slice text;
	mr_field otherwise; /* 0: nothing */
};
#define SIGMA_SLOTS_MAX 4
struct sigma_place {
	uint32_t rule; /* the detection's catalog index */
	mr_field name; /* as the correlation calls it */
	uint32_t kinds;
	mr_field where; /* not 0: only records in which this has one of the texts */
	struct mr_texts texts;
	struct sigma_slot slots[SIGMA_SLOTS_MAX];
	uint32_t slot_count;
};

enum sigma_lint {
#define X(symbol, name, prose) SIGMA_LINT_##symbol,
#include "sigma_lint.def"
#undef X
	SIGMA_LINT_COUNT
};
const char *sigma_lint_name(enum sigma_lint lint);
/* What it is, in a few words. */
const char *sigma_lint_prose(enum sigma_lint lint);

/* What the loader says of a file that it refuses or finds odd. */
struct sigma_note {
	struct mr_slice file, id, reason;
	uint32_t line, column; /* from 1; 0 is unknown */
	enum sigma_lint lint;
	bool filter; /* it is of one */
};
struct sigma_notes {
	struct sigma_note *items;
	uint32_t count, capacity;
};

void sigma_note_put(struct mr_arena *arena, struct sigma_notes *notes, struct sigma_note note);

struct sigma_set {
	struct mr_catalog catalog; /* detections first, in load order, then correlations */
	struct sigma_rule *rules;  /* active detections only */
	uint32_t rule_count;
	struct sigma_rule *waiting; /* those that are inactive, likewise */
	uint32_t waiting_count;
	struct sigma_place *places; /* by rule, then name */
	uint32_t place_count;
	/* For each logsource that sources say, whether a rule is for it; else the nearest that one
	 * is for, as it is said, or nothing. */
	struct sigma_fed {
		bool fed;
		bool named;            /* each of its parts by some rule */
		struct mr_slice meant; /* the nearest of a rule, where one of these is false */
	} * declared;
	uint32_t declared_count;
	struct sigma_notes refused, warnings;
	struct sigma_notes idle; /* those of the warnings that are the catalog's, too */
	uint32_t files;
	struct mr_arena arena;
};

/* How rules are loaded; borrowed for the call. */
struct sigma_wishes {
	const char *placeholders;           /* a file of their values, or NULL */
	const struct mr_declared *declared; /* what sources say of their records, or NULL */
	const struct mr_logsource *asked; /* told of each rule whether it sees its records; NULL: of
					     none */
	bool labelled;                    /* trees have labels; they mean the same */
	bool lints;                       /* warn of what only a rule's author wants to know */
};
/* Load files and folders (recursively, in sorted order), add their fields to `fields`. A rule that
 * is refused is noted and does not stop the others. MR_CONFIG / MR_IO: a path or the placeholder
 * file can't be read; then hold nothing. */
enum mr_err sigma_load_with(const char *const *paths, size_t path_count,
			    const struct sigma_wishes *wishes, struct mr_fields *fields,
			    struct sigma_set *out, struct mr_error *error);
/* Likewise, without labels, for records that are told by their content; `placeholders` may be NULL.
 */
static inline enum mr_err sigma_load(const char *const *paths, size_t path_count,
				     const char *placeholders, struct mr_fields *fields,
				     struct sigma_set *out, struct mr_error *error)
{
	const struct sigma_wishes wishes = {.placeholders = placeholders};
	return sigma_load_with(paths, path_count, &wishes, fields, out, error);
}
void sigma_set_fini(struct sigma_set *set);
/* Whether records of it are told by their content, so that no source has to say it. */
bool sigma_logsource_is_told(const struct mr_logsource *logsource);

/* At most 80 bytes of a text, cut between characters: for messages ("%.*s", SIGMA_SHOW(slice)). */
int sigma_show_len(struct mr_slice text);
#define SIGMA_SHOW(slice) sigma_show_len(slice), (slice).at

#endif
