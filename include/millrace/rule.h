/* rule.h - the catalog: every rule and correlation of a run, as all stages see it.
 *
 * Made by detect's prepare from the rule files, handed to correlate, deliver and the supervisor's
 * summary as the table "catalog". How a detection is matched is detect's own affair and not here.
 */
#ifndef MILLRACE_RULE_H
#define MILLRACE_RULE_H

#include "millrace/signal.h"

/* A filter is none of a catalog's rules: it stands among its filters. */
enum mr_rule_kind { MR_RULE_DETECTION, MR_RULE_CORRELATION, MR_RULE_FILTER };

enum mr_correlation_type {
#define X(symbol, name, counts, condition) MR_CORRELATION_##symbol,
#include "millrace/correlation.def"
#undef X
	MR_CORRELATION_COUNT
};
struct mr_slice mr_correlation_name(enum mr_correlation_type type);

enum mr_correlation_counts {
	MR_COUNTS_RECORDS,
	MR_COUNTS_VALUES,
	MR_COUNTS_RULES,
	MR_COUNTS_NUMBERS
};
enum mr_correlation_counts mr_correlation_counts(enum mr_correlation_type type);
/* Whether its condition has a `field`, whose values its signals bear. */
static inline bool mr_correlation_has_field(enum mr_correlation_type type)
{
	enum mr_correlation_counts counts = mr_correlation_counts(type);
	return counts == MR_COUNTS_VALUES || counts == MR_COUNTS_NUMBERS;
}

enum mr_correlation_condition {
	MR_CONDITION_REQUIRED,
	MR_CONDITION_OPTIONAL,
	MR_CONDITION_NONE,
	MR_CONDITION_PERCENTILE
};
enum mr_correlation_condition mr_correlation_condition(enum mr_correlation_type type);

enum mr_level {
	MR_LEVEL_NONE,
	MR_LEVEL_INFORMATIONAL,
	MR_LEVEL_LOW,
	MR_LEVEL_MEDIUM,
	MR_LEVEL_HIGH,
	MR_LEVEL_CRITICAL
};

enum mr_compare { MR_GTE, MR_GT, MR_LTE, MR_LT, MR_EQ, MR_NEQ };
/* Whether it holds for what stands so to what it is compared with: `order` is negative, 0,
 * positive.
 */
static inline bool mr_compare_holds(enum mr_compare op, int order)
{
	switch (op) {
	case MR_GTE:
		return order >= 0;
	case MR_GT:
		return order > 0;
	case MR_LTE:
		return order <= 0;
	case MR_LT:
		return order < 0;
	case MR_EQ:
		return order == 0;
	case MR_NEQ:
		return order != 0;
	}
	return false;
}

#define MR_CONDITION_COUNT_MAX ((INT64_C(1) << 28) - 1)
struct mr_condition_part {
	enum mr_compare op;
	int64_t count;          /* 0 to MR_CONDITION_COUNT_MAX; of the types over numbers 0 */
	struct mr_slice number; /* of those (number.h); else empty */
};

/* A named list of texts, of a rule's own at most MR_RULE_TEXTS_MAX. */
#define MR_RULE_TEXTS_MAX 1000
struct mr_texts {
	struct mr_slice *items;
	uint32_t count;
};

/* Fields that the alerts of one detection show besides those that all show. */
#define MR_RULE_SHOWN_MAX 32

struct mr_rule {
	enum mr_rule_kind kind;
	struct mr_slice id;   /* as written; a hash of the document where it has none */
	struct mr_slice name; /* Sigma's `name`, or empty */
	struct mr_slice title, description, author, status, date, modified, license;
	struct mr_slice file; /* path as given, for messages */
	uint32_t line;
	enum mr_level level;
	struct mr_texts tags, references, falsepositives;
	bool inactive; /* named, never fires: a placeholder without value; a temporal kind over
			* such a rule */
	bool alerts;   /* makes alerts of its own: no correlation names it, or `generate` */

	/* Detections only: Sigma's `fields`, as written, and what they are in the dictionary; 0
	 * where it is full. */
	struct mr_texts shown;
	mr_field *shown_fields;

	/* Catalog indices: of a correlation the rules that it names, in the order written; of a
	 * filter those that have it. */
	uint32_t *rules;
	uint32_t rule_count;

	/* Correlations only. */
	enum mr_correlation_type type;
	int64_t timespan_us;
	struct mr_condition_part *condition; /* all hold */
	uint32_t condition_count;
	uint8_t percentile;       /* 1 to 99 where the type has one, else 0 */
	struct mr_texts group_by; /* field names as written: aliases or fields */
	struct mr_texts fields;   /* condition.field, one or more */
	/* What rule rules[r] calls the member g of group_by / member f of fields:
	 * group_fields[r * group_by.count + g], value_fields[r * fields.count + f]; 0 where that
	 * rule has no such field (an alias that leaves it out). */
	mr_field *group_fields;
	mr_field *value_fields;
	/* Where another correlation names this one. */
	bool feeds;
	uint8_t layer;    /* 0 over detections, else one more than the highest layer it names */
	uint64_t meaning; /* hash of what gives its state meaning (PROTOCOL.md 4.5) */

	uint64_t content; /* hash of the whole document */
	uint64_t made;    /* of what else made it: filters, values of placeholders; 0: nothing */
};

/* Whether more occurrences can make the condition of a correlation false, or true only by chance:
 * it is judged when they have settled (PROTOCOL.md 6.9). One that names such a correlation settles,
 * too. */
bool mr_rule_settles(const struct mr_rule *rule);

/* A correlation's condition for a person: "more than 1,000 and less than 2,000 within 1h". Nothing
 * where it has none. */
void mr_rule_show_condition(const struct mr_rule *rule, struct mr_buf *out);
/* A part's number, in decimal. */
struct mr_slice mr_condition_number(const struct mr_condition_part *part,
				    char room[MR_DECIMAL_ROOM]);
/* As Sigma writes it: "gte". */
const char *mr_compare_name(enum mr_compare op);

/* As messages name a rule, file:line: "title": ("..." MR_RULE_NAMED "...", MR_RULE_NAMES(rule)). */
#define MR_RULE_NAMED "%.*s:%u: \"%.*s\""
#define MR_RULE_NAMES(rule)                                                                        \
	(int)(rule)->file.len, (rule)->file.at, (rule)->line, (int)mr_utf8_cut((rule)->title, 80), \
	    (rule)->title.at

/* What the position-th of a correlation's rules calls the members of group_by, and of fields. NULL
 * where there are none: the arrays may then be missing altogether. */
static inline const mr_field *mr_rule_group_fields(const struct mr_rule *rule, uint32_t position)
{
	size_t width = rule->group_by.count;
	return width == 0 ? NULL : rule->group_fields + position * width;
}
static inline const mr_field *mr_rule_value_fields(const struct mr_rule *rule, uint32_t position)
{
	size_t width = rule->fields.count;
	return width == 0 ? NULL : rule->value_fields + position * width;
}

/* Why a document is refused, or stands there without effect. */
struct mr_refusal {
	struct mr_slice file, id, reason; /* the id is empty where it could not be read */
	uint32_t line;                    /* 0 is unknown */
	bool filter;
};

struct mr_catalog {
	struct mr_rule *rules;
	uint32_t count;
	struct mr_rule *filters;
	uint32_t filter_count;
	struct mr_refusal *refusals;
	uint32_t refused;
	/* Why rules are inactive, and names of rules in filters do nothing. */
	struct mr_refusal *idle;
	uint32_t idle_count;
	uint8_t layers;                              /* layers of correlation, at least 1 */
	uint32_t detections, correlations, inactive; /* what was read */
	struct mr_arena arena;                       /* owns everything above */
};

void mr_catalog_fini(struct mr_catalog *catalog);
void mr_catalog_encode(const struct mr_catalog *catalog, struct mr_buf *out);
/* Survives any bytes; every index and count is checked. */
enum mr_err mr_catalog_decode(struct mr_slice bytes, struct mr_catalog *out,
			      struct mr_error *error);

#endif
