/* rule_explain.h - why a rule holds of a record, or does not: its condition as a tree, with what
 * each test saw.
 *
 * Whether a test holds is what the engine says: the tests of the tree are compiled as rules of
 * their own, one each, and matched (rule_explain.c). Why not, and what was seen, are words for a
 * person (rule_words.c). */
#ifndef MILLRACE_DETECT_RULE_EXPLAIN_H
#define MILLRACE_DETECT_RULE_EXPLAIN_H

#include "detect.h"
#include "sigma.h"

/* Of a field's several values, or of all of the record, those that a test holds of. */
struct explain_member {
	uint32_t first; /* its place among them, from 1; 0: there are not several */
	uint32_t count;
	struct mr_value value; /* the first */
	struct mr_slice path;  /* of a keyword: where in the record that stands */
};

struct explain_node {
	enum sigma_node_kind kind;
	bool holds;
	/* What of the document it stands for, the outermost first. */
	const struct sigma_label **labels;
	uint32_t label_count;
	struct explain_node *children;
	uint32_t child_count;
	/* SIGMA_LEAF */
	const struct sigma_predicate *test;
	struct mr_slice field;        /* as the record has it; empty: any value of the record */
	struct mr_slice asks;         /* such as: contains "x" */
	struct mr_slice saw;          /* such as: "a", "b"; empty where there is nothing */
	uint32_t values;              /* how many there are */
	struct explain_member member; /* it holds of them */
	struct mr_slice matched;      /* the first, as it is said */
	struct mr_slice why;          /* it does not hold; empty where it does */
};

struct explained {
	const struct mr_rule *rule; /* a detection */
	enum mr_record_kind kind;   /* of the record */
	uint32_t kinds;             /* bits of those that the rule sees */
	struct explain_node *root;  /* NULL: the rule sees no such records */
};
static inline bool explained_holds(const struct explained *explained)
{
	return explained->root != NULL && explained->root->holds;
}

/* `set` has labels, and its fields are in `fields`. All that is made lives in the arena; `set` and
 * the event are borrowed as long. MR_UNSUPPORTED: the engine cannot take it. */
enum mr_err rule_explain(const struct sigma_set *set, uint32_t rule, const struct mr_events *events,
			 const struct mr_event *event, struct mr_fields *fields,
			 struct mr_arena *arena, struct explained *out, struct mr_error *error);

/* ---- rule_member.c ---- */

/* Tests, each the whole condition of a rule that has its index. */
struct rule_tests {
	const struct sigma_rule *rules;
	const bool *holds;
	uint32_t count;
};
/* Of which values they hold, into `out`, which is zeroed: each value is judged by the engine as if
 * it were the only one. What stands there lives in the events or the arena. */
void rule_members_find(struct engine *engine, const struct mr_events *events,
		       const struct mr_event *event, const struct rule_tests *tests,
		       struct mr_arena *arena, struct explain_member *out);

/* ---- rule_words.c ---- */

/* The record that is explained. */
struct rule_words {
	const struct mr_events *events;
	const struct mr_event *event;
	const struct mr_fields *fields;
	struct mr_arena *arena;
	/* The names at its top level, read when one is first looked for, folded and as they are. */
	const char **names, **own_names;
	size_t name_count;
	mr_field near_field; /* the last one that was looked for */
	const char *near;    /* what it is a slip of, or NULL */
};
/* What a leaf asks, saw, and why it does not hold. The field that the rule names, as it is written
 * there, or an empty text. */
void rule_words_add(struct rule_words *words, struct explain_node *leaf,
		    struct mr_slice as_written);
/* The values of a field, the first few, and how many there are (NULL: not asked for); empty where
 * there are none. */
struct mr_slice rule_values(const struct mr_events *events, const struct mr_value *value,
			    struct mr_arena *arena, uint32_t *count_out);

/* ---- rule_tree.c ---- */

/* A line for each node, with colours where they are wanted. Of many that do not hold under one that
 * any could make hold, the first few. */
void rule_tree_text(const struct explained *explained, bool colours, struct mr_buf *out);
void rule_tree_json(const struct explained *explained, struct mr_buf *out);

#endif
