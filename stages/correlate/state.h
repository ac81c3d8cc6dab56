/* state.h - what correlate remembers, and how the files of this folder share it.
 *
 * State is cut by key group (256 of them), then by key (correlation, tenant, group key), then by
 * slot of event time: slot number floor(t / timespan). All times inside a slot are offsets from its
 * start, 0 .. timespan - 1, so that no sum of times can overflow. The window [t - S, t] of an
 * occurrence at offset x of slot s is then: offsets >= x of slot s - 1, and offsets <= x of slot s.
 *
 * correlate.c owns the stage's calls, state.c the tables, window.c the counting of distinct things,
 * evidence.c the records shown, feed.c what goes to outer correlations, fire.c the alerts,
 * expiry.c the release, snapshot.c the bytes. One file for each kind of correlation. */
#ifndef MILLRACE_CORRELATE_STATE_H
#define MILLRACE_CORRELATE_STATE_H

#include "millrace/rule.h"
#include "millrace/stage.h"

#define CORR_ID_BYTES 16
#define CORR_ITEMS_SIDE 10   /* occurrences kept whole at either end of a slot */
#define CORR_SLOT_BOUND 4096 /* ordered times, and waiting occurrences, of one slot */
#define CORR_KEEP_LEAST 10   /* distinct things kept at either end of a slot, at least */
#define CORR_UNLIMITED INT64_MAX
#define CORR_NEVER INT64_MIN

/* What is counted once: a record, an inner alert, a value tuple, a rule. A keyed hash. */
struct corr_id {
	uint8_t bytes[CORR_ID_BYTES];
};

/* ---- one slot ---- */

/* An occurrence kept whole: as evidence, or because it waits to complete. */
struct corr_item {
	struct corr_item *next;
	int64_t time_us;
	int64_t arrival_us;
	uint64_t rules; /* bit (position % 64) of each rule that the record matched at this time */
	struct mr_origin origin;
	uint32_t record_id_len;
	uint32_t fields_len;
	uint32_t rule; /* position in the correlation's rules, the smallest of those seen */
	uint8_t kind;
	char bytes[]; /* the record id, then the fields as mr_signal_fields_encode gives them */
};

struct corr_entry {
	struct corr_id id;
	int64_t first; /* earliest offset in the slot */
	int64_t last;  /* latest */
};

/* Distinct things of a slot. Holds at least those with the `keep` earliest firsts and the `keep`
 * latest lasts (PROTOCOL.md 6.5). */
struct corr_set {
	struct corr_entry *entries;
	uint32_t *index; /* entry + 1 by id; only where count is past a few */
	uint32_t count;
	uint32_t capacity;
	uint32_t index_mask;
	bool pruned; /* something was left out */
};

/* The distinct times of each rule, sorted: temporal_ordered only. */
struct corr_times_of {
	int64_t *offsets;
	uint32_t count;
	uint32_t capacity;
};
struct corr_times {
	uint32_t total;
	struct corr_times_of of[]; /* by corr_rule.step */
};

/* A set of ids, open addressing. */
struct corr_ids {
	struct corr_id *slots;
	uint32_t count;
	uint32_t mask; /* 0: no memory yet */
};

/* Where the correlation feeds another: what was told or waits to complete. */
struct corr_feed {
	struct corr_item *waiting;
	uint32_t waiting_count;
	struct corr_ids seen;
};

struct corr_key;
struct corr_slot {
	struct corr_slot *next_in_bucket;
	struct corr_slot *next_of_key;
	struct corr_key *key;
	int64_t number;
	uint64_t told;           /* the count that the alert said */
	struct corr_item *items; /* sorted; the earliest and the latest of the slot */
	struct corr_set set;
	struct corr_times *times;
	struct corr_feed *feed;
	uint8_t item_count;
	bool items_pruned;
	bool fired;
	bool revised;
};

/* ---- keys and groups ---- */

struct corr_rule;
struct corr_key {
	struct corr_key *next_in_bucket;
	struct corr_slot *slots;
	const struct corr_rule *rule;
	uint64_t hash;
	uint32_t len;
	uint32_t texts; /* of the group key, behind the tenant */
	uint8_t group;
	char bytes[]; /* tenant and key texts, each behind its u32 length */
};

struct corr_plain_entry {
	struct corr_id id; /* all zero: free */
	int64_t time_us;
};
struct corr_plain {
	struct corr_plain_entry *entries;
	uint32_t count;
	uint32_t mask; /* 0: no memory yet */
};

struct corr_group {
	struct corr_plain plain;
	struct corr_key **keys;
	uint32_t key_count;
	uint32_t key_buckets;
	struct corr_slot **slots;
	uint32_t slot_count;
	uint32_t slot_buckets;
};

/* ---- rules ---- */

/* An outer correlation, and which of its rules this one is. */
struct corr_outer {
	uint32_t consumer;
	uint32_t position;
};

struct corr_kind;
struct corr_rule {
	const struct mr_rule *rule; /* of the catalog */
	uint32_t index;             /* in the catalog */
	const struct corr_kind *kind;
	int64_t span_us;
	uint32_t threshold; /* distinct things that make the condition hold */
	uint32_t keep;      /* entries kept at either end of a slot */
	uint32_t *step;     /* for each position: which distinct rule of the list it is */
	uint32_t step_count;
	struct corr_outer *outers;
	uint32_t outer_count;
	bool alarmed; /* the bound of a slot was named once in the log */
	bool dropped; /* so was state that no longer fits */
};

/* ---- the stage ---- */

struct corr {
	const struct mr_stage_env *env;
	struct mr_writer *out; /* during a call that has one */
	struct mr_catalog catalog;
	struct corr_rule *
	    rules; /* one for each of the catalog; kind is NULL for detections and others' layers */
	struct corr_group groups[MR_KEY_GROUPS];
	struct mr_arena arena;    /* of one signal */
	struct mr_buf scratch;    /* bytes to hash */
	struct mr_buf sorted;     /* a window's numbers */
	int64_t lateness_us;      /* CORR_UNLIMITED: nothing is ever released */
	int64_t watermark_us;     /* of the last release; CORR_NEVER before */
	bool revise;              /* a barrier has passed since the last revisions */
	struct corr_slot **fired; /* finish: in the order written */
	size_t fired_count;
	size_t fired_at;
	bool finishing;
};

/* One occurrence on its way into the state. */
struct corr_occurrence {
	const struct mr_signal *signal;
	uint32_t position; /* of the signal's rule in the correlation's list */
	int64_t offset;    /* in its slot */
};

/* A slot and its neighbours of one key; NULL where there is none. */
struct corr_near {
	struct corr_slot *previous;
	struct corr_slot *current;
	struct corr_slot *next;
};

/* Offsets of windows that may newly hold, both ends included; none where from > to. */
struct corr_range {
	int64_t from;
	int64_t to;
};
static inline struct corr_range corr_range_none(void)
{
	return (struct corr_range){1, 0};
}
static inline bool corr_range_empty(struct corr_range range)
{
	return range.from > range.to;
}
static inline struct corr_range corr_range_hull(struct corr_range a, struct corr_range b)
{
	if (corr_range_empty(a))
		return b;
	if (corr_range_empty(b))
		return a;
	return (struct corr_range){a.from < b.from ? a.from : b.from, a.to > b.to ? a.to : b.to};
}

/* The windows that end in one slot, ready to be asked about. Borrows the slots and corr.sorted:
 * one at a time. */
struct corr_view {
	const struct corr_rule *rule;
	const struct corr_slot *previous; /* may be NULL */
	const struct corr_slot *current;
	/* window.c: offsets at which the count of distinct things changes */
	const int64_t *starts; /* of current's, sorted: where things may complete */
	uint32_t start_count;
	const int64_t *firsts; /* of what only current adds, sorted */
	uint32_t first_count;
	const int64_t *lasts; /* of what previous still holds, sorted */
	uint32_t last_count;
	uint32_t always; /* in both, without a gap */
};

/* A kind of correlation. */
struct corr_kind {
	enum mr_correlation_type type;
	/* Whether the signal is an occurrence of this kind at all. */
	bool (*takes)(const struct mr_signal *signal);
	/* Put an occurrence into near->current. The ranges, none on entry, say which windows of
	 * current and of next may hold now and did not before. */
	void (*add)(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		    const struct corr_occurrence *occurrence, struct corr_range *current_out,
		    struct corr_range *next_out);
	void (*view)(struct corr *corr, const struct corr_rule *rule, struct corr_slot *previous,
		     struct corr_slot *current, struct corr_view *view_out);
	/* Whether the condition holds on the window that ends at this offset of current. */
	bool (*holds)(const struct corr_view *view, int64_t offset);
	/* The earliest occurrence kept of current within the range whose window holds. */
	bool (*first)(const struct corr_view *view, struct corr_range range, int64_t *offset_out);
};
extern const struct corr_kind corr_event_count;
extern const struct corr_kind corr_value_count;
extern const struct corr_kind corr_temporal;
extern const struct corr_kind corr_temporal_ordered;

/* ---- state.c ---- */

/* slot = floor(t / span), also before 1970; the offset is what remains. */
int64_t corr_slot_number(int64_t time_us, int64_t span_us);
int64_t corr_slot_offset(int64_t time_us, int64_t span_us);

/* A keyed hash of what stands in corr->scratch. */
struct corr_id corr_id_of_scratch(struct corr *corr);
void corr_scratch_begin(struct corr *corr, char what);
void corr_scratch_text(struct corr *corr, struct mr_slice text);
void corr_scratch_number(struct corr *corr, uint64_t number);

/* True where the id is new; a set that holds `bound` ids takes no more and says that it is new. */
bool corr_ids_add(struct corr_ids *ids, const struct corr_id *id, uint32_t bound);
void corr_ids_fini(struct corr_ids *ids);

struct corr_key *corr_key_get(struct corr *corr, uint8_t group, const struct corr_rule *rule,
			      struct mr_slice tenant, const struct mr_slice *texts, uint32_t count);
struct mr_slice corr_key_tenant(const struct corr_key *key);
void corr_key_texts(const struct corr_key *key, struct mr_slice *texts_out);
struct corr_slot *corr_slot_find(struct corr *corr, const struct corr_key *key, int64_t number);
struct corr_slot *corr_slot_get(struct corr *corr, struct corr_key *key, int64_t number);
/* The slot that many before or behind, or NULL. */
struct corr_slot *corr_slot_beside(struct corr *corr, const struct corr_slot *slot, int64_t step);
/* The slots of a group for which `gone` says yes, and keys that have none left, are freed. */
void corr_group_sweep(struct corr *corr, struct corr_group *group,
		      bool (*gone)(const struct corr *corr, const struct corr_slot *slot));
void corr_group_fini(struct corr *corr, struct corr_group *group);

/* ---- plain.c ---- */

void corr_plain_observe(struct corr *corr, const struct mr_signal *signal);
/* True where the id is new; the later time is kept. */
bool corr_plain_add(struct corr_plain *plain, const struct corr_id *id, int64_t time_us);
/* Forget what is before `limit_us`. */
void corr_plain_release(struct corr_plain *plain, int64_t limit_us);

/* ---- window.c ---- */

void corr_set_add(struct corr_set *set, uint32_t keep, const struct corr_id *id, int64_t first,
		  int64_t last, bool *first_moved_out, bool *last_moved_out);
const struct corr_entry *corr_set_find(const struct corr_set *set, const struct corr_id *id);
/* Down to what must be kept, so that counts do not depend on the order of arrival. */
void corr_set_prune(struct corr_set *set, uint32_t keep);
void corr_set_fini(struct corr_set *set);
/* What the kinds that count distinct things share. */
void corr_distinct_add(const struct corr_rule *rule, const struct corr_near *near, int64_t offset,
		       const struct corr_id *ids, uint32_t count, struct corr_range *current_out,
		       struct corr_range *next_out);
void corr_distinct_view(struct corr *corr, const struct corr_rule *rule, struct corr_slot *previous,
			struct corr_slot *current, struct corr_view *view_out);
bool corr_distinct_holds(const struct corr_view *view, int64_t offset);
bool corr_distinct_first(const struct corr_view *view, struct corr_range range,
			 int64_t *offset_out);
int64_t *corr_numbers(struct corr *corr, size_t count);
void corr_numbers_sort(int64_t *numbers, size_t count);
/* How many are below the limit. */
uint32_t corr_numbers_below(const int64_t *sorted, uint32_t count, int64_t limit);

/* ---- temporal_ordered.c ---- */

enum corr_added { CORR_KNOWN, CORR_ADDED, CORR_FULL };
enum corr_added corr_times_add(const struct corr_rule *rule, struct corr_slot *slot, uint32_t step,
			       int64_t offset);
void corr_times_free(struct corr_times *times, uint32_t step_count);

/* ---- evidence.c ---- */

struct corr_item *corr_item_new(struct corr *corr, const struct mr_signal *signal,
				uint32_t position);
struct mr_slice corr_item_record_id(const struct corr_item *item);
struct mr_slice corr_item_fields(const struct corr_item *item);
bool corr_item_same_record(const struct corr_item *a, const struct corr_item *b);
void corr_items_free(struct corr_item *items);
/* Takes the item. False where this rule's match of this record at this time was known. */
bool corr_evidence_add(struct corr_slot *slot, struct corr_item *item);

/* ---- feed.c ---- */

/* The occurrence waits to complete, unless it is known. True where it is new. */
bool corr_feed_add(struct corr *corr, struct corr_slot *slot,
		   const struct corr_occurrence *occurrence);
/* Send what waits in the range and completes now. */
void corr_feed_settle(struct corr *corr, const struct corr_view *view, struct corr_slot *slot,
		      struct corr_range range);
/* What waits past the bound of a slot is given up, counted and named. */
void corr_feed_bound(struct corr *corr, struct corr_slot *slot);
void corr_feed_free(struct corr_feed *feed);

/* ---- fire.c ---- */

/* The condition has come to hold in the slot. */
void corr_fire(struct corr *corr, struct corr_slot *slot);
/* Alerts whose count has doubled, once for each. */
void corr_revise(struct corr *corr);
/* A finite run's end: all alerts, in an order of their own. MR_FULL: call again. */
enum mr_err corr_fire_all(struct corr *corr);
/* A slot holds more than its bound of something: named once for each rule. */
void corr_alarm(struct corr *corr, const struct corr_rule *rule, const char *what);

/* ---- expiry.c ---- */

void corr_release(struct corr *corr, int64_t watermark_us);
/* Whether an occurrence comes after the state that it needs was released. */
bool corr_is_beyond(const struct corr *corr, const struct corr_rule *rule, int64_t number);

/* ---- snapshot.c ---- */

void corr_snapshot(struct corr *corr, uint8_t group, struct mr_buf *out);
enum mr_err corr_restore(struct corr *corr, uint8_t group, struct mr_slice bytes,
			 struct mr_error *error);

#endif
