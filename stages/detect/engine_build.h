/* engine_build.h - what the parts of the compiler share.
 *
 * engine_compile.c interns predicates, makes groups and writes the image; engine_plan.c turns trees
 * into steps and finds witnesses; engine_literal.c says what texts a regex needs, engine_needle.c
 * makes tables of texts, engine_database.c libhs databases. All of it lives in one arena for the
 * time of one engine_compile. */
#ifndef MILLRACE_DETECT_ENGINE_BUILD_H
#define MILLRACE_DETECT_ENGINE_BUILD_H

#include "engine_image.h"

/* A tree may nest so deep; far past what a person writes. */
#define ENGINE_DEPTH_MAX 256
/* From so many literals on, one scan for all beats a search for each. */
#define ENGINE_SCAN_FROM 4

enum build_way { BUILD_EQUAL, BUILD_LITERAL, BUILD_REGEX, BUILD_REST };

struct build_list {
	uint32_t *items;
	uint32_t count, capacity;
};

struct build_predicate {
	const struct sigma_predicate *source;
	struct mr_slice key; /* the same for the same test */
	enum image_how how;
	enum build_way way;
	/* BUILD_EQUAL: the text; BUILD_LITERAL: a pattern's longest literal, of those that a regex
	 * needs the shortest */
	struct mr_slice text;
	/* BUILD_LITERAL: texts of which one stands in each value that it holds for, folded where
	 * the group is */
	const struct mr_slice *literals;
	uint32_t literal_count;
	enum image_place place; /* where in the value */
	uint32_t group;
	uint32_t uses; /* leaves of rules that ask for it */
	bool hit_is_verdict;
	bool scanned;
	bool each;                 /* a rule that no witness announces asks for it */
	struct build_list witness; /* positions of rules */
};

struct build_group {
	mr_field field;
	bool folded;
	uint32_t scope;  /* of keywords: those of rules that see other records are another group */
	uint32_t equals; /* how many BUILD_EQUAL */
	struct build_list members;
	struct image_group image;
};

/* How many texts have a gram: an open-addressed table. */
struct build_census {
	struct build_count {
		uint32_t gram, count;
	} * counts;
	uint32_t mask, used;
};

struct build {
	const struct sigma_set *set;
	enum engine_search search;
	const struct sigma_rule **rules; /* by catalog index */
	struct mr_arena arena;
	struct build_predicate *predicates;
	uint32_t predicate_count, predicate_capacity;
	uint32_t *index; /* open-addressed by hash of the key: predicate + 1 */
	uint32_t index_size;
	struct build_group *groups;
	uint32_t group_count, group_capacity;
	struct build_list scopes; /* of each the first rule, by position */
	uint32_t scope;           /* of the rule in hand */
	struct image_span declared;
	uint32_t plan_count;
	uint64_t positions; /* of the regexes in databases */
	struct build_census censuses[2]
				    [3]; /* of texts, and as JSON writes them; of 1, 2, 4 bytes */
	struct build_list *always;       /* of each plan */
	struct build_list *firsts;       /* groups to judge first */
	struct mr_buf sections[ENGINE_SECTIONS];
	struct mr_error *error;
};

void build_list_add(struct build *build, struct build_list *list, uint32_t item);
/* The predicate of a leaf, interned. */
uint32_t build_intern(struct build *build, const struct sigma_predicate *leaf);
struct image_span build_bytes(struct build *build, const void *bytes, size_t len, size_t align);
/* A list as it stands in ENGINE_LISTS. */
struct image_span build_items(struct build *build, const struct build_list *list);
/* Append one item to a section. */
void build_put(struct build *build, enum engine_section section, const void *item, size_t size);

/* engine_plan.c */
enum mr_err build_check_depth(struct build *build, uint32_t rule);
void build_steps(struct build *build, uint32_t rule, struct image_span *steps_out);
/* Once predicates stay in their groups: what a rule's steps know of these. */
void build_step_groups(struct build *build, struct image_span steps);
/* Whether the rule sees the records of a plan. */
bool build_sees(const struct build *build, uint32_t rule, uint32_t plan);
/* Choose the rule's witness: enters it with its predicates, or into `always`. */
void build_witness(struct build *build, uint32_t rule);

/* engine_literal.c */
/* Folded texts without one of which the regex cannot match; 0 where none are known. In the arena.
 */
uint32_t build_regex_literals(struct mr_arena *arena, struct mr_slice pattern,
			      const struct mr_slice **out);

/* engine_needle.c */
/* The tables that all BUILD_LITERAL members of a group are found by, in values or as JSON writes
 * them, which may not tell of one: then there are none. `tiers` is zeroed; gives a bit for each
 * that is used. */
uint32_t build_needles(struct build *build, const struct build_group *group, bool in_raw,
		       struct image_tier *tiers);

/* engine_database.c */
/* Whether libhs reads the regex exactly as PCRE2 does and takes it. */
bool build_regex_fits(const struct sigma_predicate *predicate);
/* Behind the class of a regex that begins with the "[" at `at`. */
size_t build_class_end(struct mr_slice text, size_t at);
/* BUILD_REGEX members as a database; those that libhs refuses after all, all of them where it is
 * not trusted, are ENGINE_ALONE. The span is empty where none is left. */
enum mr_err build_database(struct build *build, uint32_t group, struct image_span *out);

#endif
