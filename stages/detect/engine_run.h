/* engine_run.h - an opened engine: the image's views, and what one worker needs to judge events.
 *
 * engine_open.c checks the image and makes this, engine_match.c runs rules, engine_group.c judges
 * groups of predicates, engine_scan.c those that are looked for together, engine_refer.c compares
 * two fields, engine_leaves.c walks a record's leaf values for keywords, engine_limit.c knows what
 * was given up. */
#ifndef MILLRACE_DETECT_ENGINE_RUN_H
#define MILLRACE_DETECT_ENGINE_RUN_H

#include "engine_image.h"
#include "engine_regex.h"
#include "engine_value.h"
#include "millrace/json.h"

#include <hs.h>

/* A value that a field had before, and which predicates of the group held for it. Values of an
 * event are an attacker's: the table is direct-mapped, of fixed size and hashed with a random
 * seed, so the worst that they can do is to make it useless. */
#define CACHE_TEXT 160
#define CACHE_FOUND 5
struct cache_entry { /* three cache lines; most looks need only the first */
	uint64_t hash;
	uint16_t len;
	uint8_t type; /* enum mr_type; MR_NULL: free */
	uint8_t count;
	uint32_t found[CACHE_FOUND];
	char text[CACHE_TEXT];
};

/* What is read of a group for each event: one cache line. */
struct run_group {
	uint64_t epoch;            /* of the event that it was judged for */
	uint32_t *hits;            /* the predicates that hold; room for all members */
	struct cache_entry *cache; /* NULL: it judges leaf values */
	const struct image_group *image;
	hs_database_t *regexes; /* NULL: none */
	uint32_t hit_count;
	uint32_t cache_mask;
	/* A cache that hardly hits is left alone for a while. */
	uint32_t looks, misses, skip;
	mr_field field; /* 0: leaf values */
};
_Static_assert(sizeof(struct run_group) == 64, "a cache line");

/* A group's predicates. */
struct run_members {
	uint32_t *items;
	uint32_t count;
};

/* A group that a plan judges first, where the event has the field. Most of a plan's groups have no
 * field in an event: what tells so lies side by side, not in each group and its image (108
 * instructions an event and two cache lines a group, ./run cost). */
struct run_first {
	uint32_t group;
	mr_field field; /* 0: leaf values, which each event has */
};
struct run_plan {
	const struct run_first *firsts;
	uint32_t count;
};

/* A group that is about to be judged: what its field has in the event, and that value's hash, by
 * which its place in the cache is on its way from memory. */
struct run_look {
	uint64_t hash;
	const struct mr_value *value; /* NULL: it is judged without a look, as leaf values are */
	uint32_t group;
};

/* The leaf values of the record in hand. */
struct run_leaves {
	struct mr_json_reader *reader;
	size_t reader_bytes;
	uint64_t epoch; /* of the event that they belong to */
	struct mr_value *values;
	uint32_t count, capacity;
	/* All texts, folded or not, each with 0xff behind it; ends[i] is where leaf i ends. */
	struct mr_buf joined;
	uint32_t *ends;
	uint32_t ends_capacity;
};

/* The distinct values of one of two fields that are compared, as texts: a hash set. */
struct kept_item {
	uint64_t hash; /* seeded */
	size_t start, len;
};
struct run_kept {
	struct mr_buf text; /* one behind the other */
	struct kept_item *items;
	uint32_t count, item_capacity;
	uint32_t *slots; /* item + 1, 0: free */
	uint32_t slot_mask, slot_capacity;
};

/* What an event's texts have cost a regex. */
struct run_spent {
	uint64_t epoch; /* of the event */
	uint64_t steps;
};

struct engine {
	char *copy; /* the image, where the caller's was not aligned */
	const struct image_header *header;
	const struct image_group *group_images;
	const struct image_predicate *predicates;
	const struct image_part *part_images;
	const struct image_rule *rules;
	const struct image_step *steps;
	const struct image_slot *slots;
	const struct image_needle *needles;
	const uint32_t *lists;
	const struct image_plan *plans;
	const char *bytes;
	uint32_t counts[ENGINE_SECTIONS];
	uint32_t declared_words; /* of each rule */

	struct run_group *groups;
	struct run_members *members; /* of each group */
	void *caches;                /* of all groups */
	struct run_first *firsts;    /* of all plans */
	struct run_plan *run_plans;
	struct run_look *looks; /* room for those of any plan */
	struct engine_part *parts;
	struct engine_regex **regexes; /* for each predicate; NULL where it is none */
	hs_scratch_t *scratch;
	struct engine_regex_room room;
	uint64_t seed;
	uint64_t limits;
	/* Predicates that were given up, each once, and how many of them have been told. */
	uint32_t *given_up;
	uint32_t given_up_count, given_up_told;

	struct engine_profile *profile; /* NULL but for who measures */

	/* The event in hand. */
	uint32_t plan;
	const struct mr_events *events;
	const struct mr_event *event;
	uint64_t epoch;
	uint8_t *truth;          /* for each predicate */
	struct run_spent *spent; /* for each predicate */
	/* The event whose values are judged by less than they would be alone: nothing of them is
	 * kept for others. */
	uint64_t undecided;
	uint64_t *judged;  /* ENGINE_ALONE: the event that truth belongs to */
	uint64_t *tried;   /* for each rule: the event that it was last run for */
	uint32_t *matched; /* rule positions, then catalog indices */
	uint32_t *found;   /* predicates that hold for the value in hand */
	uint32_t found_count;
	uint64_t scans;    /* of texts for many needles or regexes */
	uint64_t *decided; /* for each predicate: the scan that it was judged in */
	struct mr_buf folded, folded_other;
	struct mr_buf raw;  /* the record's own bytes, folded, with no escape that need not be */
	uint64_t raw_epoch; /* of the event that they belong to */
	struct run_leaves leaves;
	struct run_kept kept;
};

/* engine_match.c */
bool engine_rule_holds(struct engine *engine, const struct image_rule *rule);
/* Whether a rule, by its position, sees the records of a plan. */
static inline bool engine_sees(const struct engine *engine, uint32_t rule, uint32_t plan)
{
	if (__builtin_expect(plan < ENGINE_KINDS, 1))
		return engine->rules[rule].kinds >> plan & 1;
	uint32_t declared = plan - ENGINE_KINDS;
	uint32_t words = engine->header->declared.first + rule * engine->declared_words;
	return engine->lists[words + declared / 32] >> declared % 32 & 1;
}

/* engine_profile.c: the same, measured. */
void engine_profile_group(struct engine *engine, uint32_t group);
bool engine_profile_rule(struct engine *engine, uint32_t rule);

/* engine_group.c */
/* Once for an event; for the first time; and unmeasured. */
void engine_group_judge_first(struct engine *engine, uint32_t group);
void engine_group_judge_now(struct engine *engine, uint32_t group);
static inline void engine_group_judge(struct engine *engine, uint32_t group)
{
	if (__builtin_expect(engine->groups[group].epoch != engine->epoch, 0))
		engine_group_judge_first(engine, group);
}
/* All groups that an event asks for first are looked at before the first of them is judged, so that
 * their caches are fetched side by side. The event has the field. */
struct run_look engine_group_look(const struct engine *engine, const struct run_first *first);
/* Once for an event. */
void engine_group_judge_looked(struct engine *engine, const struct run_look *look);
bool engine_regex_holds(struct engine *engine, uint32_t predicate, struct mr_slice text);
struct mr_slice engine_fold(struct mr_buf *room, const struct mr_value *value);

bool engine_pattern_holds(const struct engine *engine, const struct image_predicate *predicate,
			  struct mr_slice text);
/* The predicate holds for the value in hand. */
static inline void engine_found(struct engine *engine, uint32_t predicate)
{
	if (engine->found_count < engine->counts[ENGINE_PREDICATES])
		engine->found[engine->found_count++] = predicate;
}

/* engine_scan.c */
struct engine_scan {
	struct engine *engine;
	uint32_t group;
	struct mr_slice text; /* as the group sees it */
	struct mr_slice raw;  /* as it stands in the record */
	bool joined;          /* it is all leaves, not one value */
};
/* False where none of an in_raw group's keywords stands in the record in hand. */
bool engine_scan_raw(struct engine *engine, const struct image_group *group);
void engine_scan_needles(const struct engine_scan *scan);
void engine_scan_regexes(const struct engine_scan *scan);

/* engine_limit.c */
/* The predicate cannot be decided within its bound. */
void engine_give_up(struct engine *engine, uint32_t predicate);

/* engine_refer.c */
bool engine_refer_holds(struct engine *engine, uint32_t predicate);
void engine_refer_fini(struct run_kept *kept);

/* engine_leaves.c */
/* The record's leaf values: read once for each event. */
void engine_leaves_read(struct engine *engine);
void engine_leaves_join(struct engine *engine, bool folded);
void engine_leaves_fini(struct run_leaves *leaves);

/* The values of a field, or of all leaves where it is 0. */
struct run_values {
	const struct mr_value *at;
	uint32_t left; /* leaves behind `at` */
	bool leaves;
};
static inline struct run_values engine_values(struct engine *engine, uint32_t field)
{
	if (field != 0)
		return (struct run_values){
		    mr_event_get(engine->events, engine->event, (mr_field)field), 0, false};
	engine_leaves_read(engine);
	if (engine->leaves.count == 0)
		return (struct run_values){NULL, 0, true};
	return (struct run_values){engine->leaves.values, engine->leaves.count - 1, true};
}
static inline void engine_values_next(const struct engine *engine, struct run_values *values)
{
	if (!values->leaves)
		values->at = mr_value_next(engine->events, values->at);
	else if (values->left == 0)
		values->at = NULL;
	else
		values->at++, values->left--;
}

#endif
