/* engine_image.h - how a compiled set of rules lies in its image.
 *
 * Written by engine_compile.c, checked by engine_open.c, read in place by engine_match.c. The image
 * is a header and sections of fixed-size items, 8-byte aligned, in the machine's own byte order: it
 * never leaves the host. Items refer to each other by index; a span is a range of a section.
 *
 * A predicate is one test on one field, the same for all rules that ask for it. Most predicates
 * belong to a group: those on one field that look at the same form of the value (folded, or as it
 * is) and are judged together, once for an event at most:
 *
 *   equal texts   through an open-addressed table of hashes (ENGINE_SLOTS)
 *   literals      that a pattern or regex cannot match without, through tables of needles
 *   regexes       without such a literal that libhs reads as PCRE2 does, through one libhs
 *                 database; PCRE2 confirms
 *   the rest      one by one (a list of predicates)
 *
 * A rule is a program of steps: each tests one predicate and goes forward, or ends with a verdict.
 * Its witness is a set of grouped predicates without which it cannot match. */
#ifndef MILLRACE_DETECT_ENGINE_IMAGE_H
#define MILLRACE_DETECT_ENGINE_IMAGE_H

#include "engine.h"

#define ENGINE_MAGIC 0x4944524du /* "MRDI" */
#define ENGINE_VERSION 5u
#define ENGINE_KINDS                                                                               \
	32u /* bits of sigma_rule.kinds; the plans of declared logsources stand behind */
#define ENGINE_NONE UINT32_MAX
/* Targets of a step that end the program. */
#define ENGINE_TRUE UINT32_MAX
#define ENGINE_FALSE (UINT32_MAX - 1)

enum engine_section {
	ENGINE_GROUPS,     /* struct image_group */
	ENGINE_PREDICATES, /* struct image_predicate */
	ENGINE_PARTS,      /* struct image_part */
	ENGINE_RULES,      /* struct image_rule, by catalog index */
	ENGINE_STEPS,      /* struct image_step */
	ENGINE_SLOTS,      /* struct image_slot */
	ENGINE_NEEDLES,    /* struct image_needle */
	ENGINE_LISTS,      /* uint32_t */
	ENGINE_PLANS, /* struct image_plan: one for each kind, one for each declared logsource */
	ENGINE_BYTES, /* texts and databases */
	ENGINE_SECTIONS
};

struct image_span {
	uint32_t first, count;
};

struct image_header {
	uint32_t magic, version;
	uint64_t size_bytes;
	uint64_t checksum;    /* of all that follows this member */
	uint64_t fields_hash; /* of the names of the ids below field_count */
	uint64_t field_count; /* of the dictionary at compile time; it may have grown since */
	/* ENGINE_LISTS: rule by rule, by position, words with a bit for each declared logsource */
	struct image_span declared;
	struct {
		uint64_t offset; /* from the image's start, a multiple of 8 */
		uint64_t count;  /* items */
	} sections[ENGINE_SECTIONS];
};

/* A needle is a text that is looked for in values. Of each a gram is chosen, some bytes that few
 * others have: what a value has at a place is looked up in a filter of grams, and what passes it
 * among the needles of its bucket. A tier has those whose grams are of one size and stand at one
 * place: anywhere, so far from a value's start, or so far from its end. */
#define ENGINE_WINDOW 64u /* bytes of a needle that are compared at its place */
enum image_place { ENGINE_ANYWHERE, ENGINE_FROM_START, ENGINE_FROM_END };
static const struct {
	uint8_t size, place, distance;
} engine_tiers[] = {
    {4, ENGINE_ANYWHERE, 0},    {2, ENGINE_ANYWHERE, 0},   {1, ENGINE_ANYWHERE, 0},
    {4, ENGINE_FROM_START, 16}, {4, ENGINE_FROM_START, 8}, {4, ENGINE_FROM_START, 0},
    {2, ENGINE_FROM_START, 0},  {1, ENGINE_FROM_START, 0}, {4, ENGINE_FROM_END, 8},
    {4, ENGINE_FROM_END, 4},    {2, ENGINE_FROM_END, 2},   {1, ENGINE_FROM_END, 1},
};
#define ENGINE_TIERS (sizeof(engine_tiers) / sizeof(engine_tiers[0]))
#define ENGINE_RAW_TIERS 3 /* the first ones: anywhere */
struct image_tier {
	uint32_t stride; /* places from one look to the next: each needle has as many grams, side by
			    side */
	struct image_span filter;  /* ENGINE_BYTES: a power of two; 1 where a gram's hash ends so */
	struct image_span starts;  /* ENGINE_LISTS: of each bucket its first, and the end */
	struct image_span needles; /* none: the tier is empty */
};

struct image_needle {
	uint32_t predicate;
	uint32_t gram;
	uint32_t before;        /* bytes of the text in front of the gram */
	uint32_t verdict;       /* found is all that the predicate asks */
	struct image_span text; /* ENGINE_BYTES: all of it, or ENGINE_WINDOW bytes */
};

struct image_group {
	uint32_t field; /* 0: the record's leaf values */
	uint32_t folded;
	/* Keywords none of which holds where no needle of these stands in the record's own bytes,
	 * folded: as JSON writes them. */
	uint32_t in_raw;
	struct image_tier raw[ENGINE_RAW_TIERS];
	struct image_span slots; /* a power of two, or none */
	struct image_span rest;  /* ENGINE_LISTS: predicates */
	struct image_tier tiers[ENGINE_TIERS];
	uint32_t tiers_used;       /* a bit for each that is not empty */
	struct image_span regexes; /* ENGINE_BYTES: a serialised database, or none */
};

enum image_how {
	ENGINE_GROUPED, /* judged with its group */
	ENGINE_ALONE,   /* judged when a rule asks, once an event */
	ENGINE_PRESENCE /* only whether the field is there */
};

struct image_predicate {
	uint8_t how;
	uint8_t test; /* enum sigma_test */
	uint8_t cased;
	uint8_t scanned; /* a regex that a database stands before */
	uint8_t op;      /* enum mr_compare */
	uint8_t ref;     /* enum sigma_fieldref */
	uint8_t part;    /* enum sigma_timepart */
	uint8_t truth;
	uint8_t prefix;
	uint8_t number_type; /* enum mr_type: MR_INT, MR_UINT, MR_DOUBLE */
	uint8_t unused[6];
	uint32_t field, other;
	uint32_t group;
	uint32_t regex_flags;
	struct image_span text;    /* ENGINE_BYTES: the regex; the number's shortest form */
	struct image_span digits;  /* ENGINE_BYTES: the number as it is written */
	struct image_span parts;   /* ENGINE_PARTS */
	struct image_span witness; /* ENGINE_LISTS: rules (positions) that it is a witness of */
	uint8_t network[16];
	int64_t part_value;
	uint64_t number_bits; /* the union's bytes */
};

struct image_part {
	uint32_t kind; /* enum sigma_part_kind */
	struct image_span text;
};

struct image_rule {
	uint32_t index; /* in the catalog */
	uint32_t kinds;
	struct image_span steps;
};

/* Steps lead to a later step of the rule, counted from its first, or to the end. */
struct image_step {
	uint32_t predicate;
	uint32_t group; /* ENGINE_NONE where it is not judged with one */
	uint32_t on_true, on_false;
	uint32_t on_none; /* where none of the group holds: behind all that ask for more of it */
};

struct image_slot {
	uint32_t hash;
	uint32_t predicate; /* ENGINE_NONE: free */
};

/* For one record kind or declared logsource: what to judge first, and the rules that no witness
 * announces. */
struct image_plan {
	struct image_span groups; /* ENGINE_LISTS */
	struct image_span always; /* ENGINE_LISTS: rules (positions) */
};

/* Bytes of one item of each section: engine_open.c. */
extern const size_t engine_item_sizes[ENGINE_SECTIONS];

#define ENGINE_HASH_SEED 0x6d696c6c72616365u
/* Tables of rules' own texts: nothing of an attacker's is ever put in. */
static inline uint32_t engine_slot_hash(struct mr_slice text)
{
	return (uint32_t)mr_hash64(text.at, text.len, ENGINE_HASH_SEED);
}

/* A gram's place in a filter is told by the lower bits, its bucket by the upper ones. */
static inline uint32_t engine_gram_hash(uint32_t gram)
{
	return (uint32_t)(gram * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* What JSON writes behind a backslash for a character, '\0' where it needs none or has none. */
static inline char engine_json_letter(char character)
{
	static const char escaped[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
	const char *found = memchr(escaped, character, sizeof(escaped) - 1);
	return found != NULL ? letters[found - escaped] : '\0';
}

/* Of the names of ids 1 .. count - 1. */
uint64_t engine_fields_hash(const struct mr_fields *fields, uint64_t count);

#endif
