/* plan.h - what the walk of one record decided, for all other records of its shape.
 *
 * flatten.c notes each decision as a deed. Once the walk is over the plan is settled: whether a
 * value joins its field hangs on ranks and nulls, and these are the shape's; only what lies in a
 * string, or is named by one, differs from record to record. So the values of all fields that no
 * such string leads to are known once for all: they are kept, field by field, and put into an event
 * without a question. What may differ stays a deed, done in the walk's order. Settled so, an
 * event's fields take 1,400 instructions in place of 3,000 (./run cost --functions, 30 November
 * 2026). */
#ifndef MILLRACE_PARSE_PLAN_H
#define MILLRACE_PARSE_PLAN_H

#include "kind.h"
#include "millrace/json.h"
#include "names.h"

/* What makes an object of an array a named value. */
struct mr_named {
	struct mr_json_node name, value, old_value, new_value; /* index 0: has none */
};

enum mr_deed_what {
	MR_DEED_STRING, /* field, rank, node */
	MR_DEED_SCALAR, /* likewise; a number or a boolean */
	MR_DEED_NULL,   /* field, rank */
	MR_DEED_RAW,    /* field, rank, node, behind */
	MR_DEED_OPENED, /* names, rank, node: a string that may hold JSON */
	MR_DEED_NAMED,  /* names, rank, named, guess */
	MR_DEED_BELOW   /* names, rank, named: its name and value alone */
};

/* One decision of a walk. */
struct mr_deed {
	enum mr_deed_what what;
	uint16_t rank;
	mr_field field;
	uint32_t names;
	uint32_t guess; /* where the last record's name was found: written as it is done */
	struct mr_json_node node;
	struct mr_json_node behind;
	struct mr_named named;
};

/* A value that is its field's in each record of the shape. */
struct mr_kept {
	struct mr_json_node node; /* MR_DEED_RAW: its index is the token behind it instead */
	mr_field field;
	uint8_t what;    /* enum mr_deed_what */
	bool more;       /* the next one is of the same field */
	uint16_t before; /* so many are of the same field */
};

struct mr_plan {
	uint64_t shape;       /* whose it is, 0: none's */
	struct mr_kept *kept; /* by field */
	uint32_t kept_count;
	struct mr_deed *deeds; /* in the order of the walk */
	uint32_t count;
	uint32_t capacity;
	struct mr_known known;
};

/* How a field stands while a plan is settled. */
struct mr_standing {
	uint32_t since; /* number of the deed, from 1, that its values begin with; 0: it has none */
	uint32_t count; /* of its values */
	uint32_t begin; /* where they begin among those kept */
	uint16_t rank;
	bool null; /* its first value is one */
	bool open; /* a string may lead to it */
};

void mr_plan_fini(struct mr_plan *plan);
void mr_plan_note(struct mr_plan *plan, const struct mr_deed *deed);
/* `standings` is room for one of each field. */
__attribute__((cold)) void mr_plan_settle(struct mr_plan *plan, struct mr_names *names,
					  struct mr_standing *standings, size_t field_count);

/* Whether a value that was reached through `rank` keys may join those of a field that has some,
 * through `held` keys, with a null as the first; *anew: those go. */
static inline bool mr_plan_admits(unsigned held, bool held_null, unsigned rank, bool null,
				  bool *anew)
{
	*anew = rank < held || (held_null && !null && rank == held);
	return rank < held || (rank == held && !null);
}

#endif
