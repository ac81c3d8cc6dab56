/* state.h - what correlate remembers, and how the files of this folder share it.
 *
 * State is cut by key group (256 of them), then by key (correlation, tenant, group key), then by
 * slot of event time: slot number floor(t / timespan). All times inside a slot are offsets from its
 * start, 0 .. timespan - 1, so that no sum of times can overflow. The window [t - S, t] of an
 * occurrence at offset x of slot s is then: offsets >= x of slot s - 1, and offsets <= x of slot s.
 *
 * A correlation is judged in one of two ways. Where more occurrences can only make its condition
 * true (gt, gte), each is judged as it comes, by as little as tells for certain: set.c has the
 * distinct things of a slot, held.c how many of them each window holds, window.c both together. All
 * others, and those over others, are judged when their slot has settled (PROTOCOL.md 6.9), by all
 * their occurrences: marks.c keeps these, judge.c goes through the windows (measure.h), settle.c
 * says when and tells what came of it.
 *
 * correlate.c owns the stage's calls, state.c the tables, heap.c what is due, ids.c what is counted
 * or met once, evidence.c the records kept to be shown, proof.c those of them that prove the alert,
 * shown.c which ones an alert shows, feed.c and offers.c what goes to outer correlations, fire.c
 * the alerts, expiry.c the release, rank.c, trim.c, lost.c and shed.c the memory ceiling,
 * snapshot.c the bytes, fields.c those of fields. One file for each kind of correlation; numbers.c,
 * nearest.c and order.c for those over numbers.
 */
#ifndef MILLRACE_CORRELATE_STATE_H
#define MILLRACE_CORRELATE_STATE_H

#include "millrace/alert.h"
#include "millrace/rule.h"
#include "millrace/stage.h"

#include "ahead.h"
#include "heap.h"

#define CORR_ITEMS_SIDE 10  /* occurrences kept whole at either end of a slot */
#define CORR_FACETS_SIDE 10 /* facets whose first, and whose last, occurrence is kept */
#define CORR_KEPT_MAX (2 * (CORR_ITEMS_SIDE + CORR_FACETS_SIDE)) /* occurrences of a slot */
#define CORR_SLOT_BOUND 4096 /* ordered times, and waiting occurrences, of one slot */
#define CORR_SEEN_BOUND 4096 /* occurrences of one slot that are known when they come again */
#define CORR_KEEP_LEAST 10   /* distinct things kept at either end of a slot, at least */
#define CORR_HELD_LEAST 64   /* points that are not worth beginning anew */
#define CORR_UNLIMITED INT64_MAX
#define CORR_NEVER INT64_MIN

/* What is counted once: a record, an inner alert, a value tuple, a rule. Two hashes of it: the same
 * in every run, an order of what stands at one time; under a secret key, by which tables find it.
 */
struct corr_id {
	uint8_t plain[8];
	uint8_t keyed[8];
};
static inline int corr_id_compare(const struct corr_id *a, const struct corr_id *b)
{
	return memcmp(a, b, sizeof(*a));
}
static inline bool corr_id_equal(const struct corr_id *a, const struct corr_id *b)
{
	return corr_id_compare(a, b) == 0;
}
static inline uint64_t corr_id_keyed(const struct corr_id *id)
{
	uint64_t keyed;
	memcpy(&keyed, id->keyed, sizeof(keyed));
	return keyed;
}

/* ---- one slot ---- */

/* An occurrence kept whole: as evidence, or because it waits to complete. */
struct corr_item {
	union {
		struct corr_item *next; /* of those that wait at the same time */
		size_t shared;          /* of evidence: how many hold it, less one */
	};
	int64_t time_us;
	int64_t arrival_us;
	uint64_t rules; /* bit (position % 64) of each rule that the record matched at this time */
	uint64_t own;   /* those that this copy of it matched */
	struct mr_origin origin;
	uint32_t capacity; /* bytes that there is room for behind this head */
	uint32_t used;     /* of them, by what outer correlations see: fields and record id */
	uint32_t record_id_len;
	uint32_t record_len;
	uint32_t rule; /* position in the correlation's rules of the signal that stands here */
	uint16_t field_count;
	uint8_t kind;
	uint8_t value_count : 7;
	uint8_t is_traced : 1;
	/* The fields as the signal brought them, packed; then the record id, the record, the
	 * values, the trace. */
	char bytes[];
};

/* What an occurrence stands on: where an inner correlation made it that one's alert, else zeroes;
 * and the record's detections (signal.h). As many as there are of these stand in an item. */
struct corr_trace {
	uint8_t inner_id[MR_ALERT_ID_BYTES];
	uint32_t matched_count;
	uint32_t matched[MR_MATCHED_MAX];
};

/* A facet is what an alert shows one record each of: a rule of a temporal correlation, a value of a
 * value_count. */
struct corr_proof {
	struct corr_id facet;
	struct corr_item *item;
};
struct corr_proofs {
	uint8_t room;     /* for the facets of one side */
	uint8_t count[2]; /* the first ones, the last ones */
	/* The facets that begin earliest, each with its first occurrence, the earliest first; then,
	 * behind `room` of them, those that end latest, each with its last, the latest first. */
	struct corr_proof at[];
};

/* The evidence of a slot, sorted by (time, record id, kind). */
struct corr_items {
	struct corr_item **at; /* where there is one, &first */
	struct corr_item *first;
	struct corr_proofs *proofs; /* NULL where `at` holds all that came */
	size_t bytes;               /* of the items, here and there */
	uint8_t count;
	uint8_t capacity;
	bool pruned; /* something was left out, or nothing is kept at all */
};

struct corr_entry {
	struct corr_id id;
	int64_t first; /* earliest offset in the slot */
	int64_t last;  /* latest */
};

/* Distinct things of a slot: at least those with the `keep` earliest firsts, and latest lasts. */
struct corr_set {
	struct corr_entry *entries; /* where there is room for one, &first */
	struct corr_entry first;
	uint32_t *index; /* entry + 1 by id; only where count is past a few */
	uint32_t count;
	uint32_t capacity;
	uint32_t index_mask;
	bool is_certain; /* `certain` is known */
	bool pruned;     /* something was left out */
	int64_t certain; /* windows of this slot that end here or later hold for certain */
};

/* The distinct times of each rule, sorted: temporal_ordered only. */
struct corr_times {
	int64_t *offsets;
	uint32_t count;
	uint32_t capacity;
};

/* Hashes of occurrences, open addressing; 0 is free. */
struct corr_seen {
	uint64_t *hashes;
	uint32_t count;
	uint32_t mask; /* 0: no memory yet */
};

/* How many distinct things the windows of a slot hold, by where they end: a treap (held.c). */
struct corr_point {
	int64_t offset;
	int64_t delta; /* the number from this offset on, less the number before */
	int64_t sum;   /* of the deltas below this point in the tree, and its own */
	int64_t best;  /* the largest number at an asked offset of them, less that before all */
	struct corr_item *waiting; /* occurrences that complete when the condition holds here */
	uint32_t left, right;
	uint32_t priority;
	bool start; /* the slot fires when the condition holds here */
};
struct corr_held {
	struct corr_point *points; /* [0] is none */
	uint32_t count;            /* with [0] */
	uint32_t capacity;
	uint32_t root;
	uint32_t limit;   /* points at which to begin anew */
	uint32_t waiting; /* occurrences, and their bytes */
	size_t waiting_bytes;
	int64_t base; /* the number before all points */
	bool stale;   /* only what waits is in it */
	bool has_alert_id;
	uint8_t alert_id[MR_ALERT_ID_BYTES]; /* the slot's, for outer correlations that count it */
};

/* An occurrence as windows see it, of a correlation that settles. */
struct corr_mark {
	int64_t offset;
	struct corr_id id; /* what is counted */
	uint64_t source;   /* which occurrence, where one can be withdrawn; else 0 */
	uint32_t text;     /* where its numbers lie in the texts, with a space between two */
	uint16_t text_len;
	bool gone; /* withdrawn */
};
/* Sorted, each once, as far as `sorted`; then as they came. */
struct corr_marks {
	struct corr_mark *at;
	char *texts;
	uint32_t sorted, count, capacity;
	uint32_t text_used, text_capacity;
	uint32_t summed; /* so many of them are in `sum` */
	double sum;
};

/* An occurrence kept whole: outer correlations hear of it while it completes, or alerts show it. */
struct corr_offer {
	struct corr_item *item;
	uint64_t source;
	uint64_t hash; /* corr_feed_hash */
	bool sent;
};

/* Offsets, both ends included; none where from > to. */
struct corr_range {
	int64_t from;
	int64_t to;
};
#define CORR_NO_RANGE ((struct corr_range){INT64_MAX, -1})

/* What those who get alerts know of a slot. */
enum corr_world { CORR_UNHEARD, CORR_OPEN, CORR_CLOSED };

/* What its windows are looked at for, which takes memory. */
enum corr_asks { CORR_ASKS_NOTHING, CORR_ASKS_VERDICT, CORR_ASKS_VALUES };

/* Of a slot whose correlation settles. */
struct corr_settled {
	struct corr_marks marks;
	struct corr_offer *offers;
	uint32_t offer_count, offer_capacity;
	size_t offer_bytes; /* of the items */
	uint32_t due_at;    /* in corr.settling; not there once it is judged */
	uint32_t untold_at; /* in corr.untold, from 1; 0: it is not there */
	enum corr_world world;
	bool judged;
	uint8_t asks;              /* enum corr_asks */
	struct corr_range changed; /* windows that may come to something else than when judged */
	int64_t first;   /* the earliest one that held then; -1: none, or it is not known */
	uint64_t things; /* that an alert counts from there; 0: not known */
};

struct corr_key;
struct corr_slot {
	struct corr_slot *next_in_bucket; /* where it is in the group's table */
	struct corr_slot *next_of_key;
	struct corr_slot *previous; /* the slots beside it in time, or NULL */
	struct corr_slot *next;
	struct corr_key *key;
	int64_t number;
	uint64_t told; /* the count that the alert said; 0: there was none */
	size_t bytes;  /* as last counted in corr.bytes */
	struct corr_items items;
	struct corr_set set;
	struct corr_times *times; /* by corr_rule.step */
	struct corr_held *held;
	struct corr_settled *settled; /* NULL where the correlation is judged at once */
	struct corr_seen seen;        /* occurrences, where the evidence does not hold all */
	struct corr_seen fed; /* occurrences that were sent to outer correlations, or wait */
	uint32_t due_at;      /* in corr.dues */
	uint32_t touched_at;  /* in corr.touched, from 1; 0: it is not there */
	bool ranked;          /* its key, since this slot came */
	bool fired;
	bool lossy; /* it may lack what was given up: its counts are lower bounds */
	bool revised;
	bool leaves; /* it was chosen to go (trim.c) */
	bool in_table;
};

/* ---- keys and groups ---- */

struct corr_rank;
struct corr_rule;
struct corr_key {
	struct corr_slot *slots;
	struct corr_slot *recent; /* the last one used, or NULL */
	const struct corr_rule *rule;
	struct corr_key *older, *newer; /* of its rank */
	uint64_t hash;
	uint32_t len;
	uint16_t rank; /* CORR_UNRANKED: of none */
	uint8_t texts; /* of the group key, behind the tenant */
	uint8_t group;
	struct corr_slot own; /* room for one of them: most never have two; its key NULL: free */
	char bytes[];         /* tenant and key texts, each behind its u32 length */
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

struct corr_key_place {
	uint64_t hash;        /* of the key: others are told apart without a look at them */
	struct corr_key *key; /* NULL: free */
};

struct corr_group {
	struct corr_plain plain;
	struct corr_key_place *keys; /* open addressing */
	uint32_t key_count;
	uint32_t key_places;
	struct corr_slot **slots; /* those of keys that had several */
	uint32_t slot_count;
	uint32_t slot_buckets;
};

/* ---- rules ---- */

/* An outer correlation, and which of its rules this one is. */
struct corr_outer {
	uint32_t consumer;
	uint32_t position;
};

/* Slot numbers of one key group between which something was given up. */
struct corr_lost {
	int64_t first, last;
};

/* What was given up at the memory ceiling. */
struct corr_shed {
	struct corr_lost *lost; /* of each key group; NULL where nothing was */
	uint64_t slots;         /* of which nobody was told */
	bool warned;            /* it was named in the log */
	bool spent;             /* nothing more of it can go now */
};

struct corr_husks;   /* husk.c */
struct corr_section; /* fields.h */
struct corr_kind;
struct corr_measure; /* measure.h */
struct corr_way;
struct corr_rule {
	const struct mr_rule *rule; /* of the catalog */
	uint32_t index;             /* in the catalog */
	const struct corr_kind *kind;
	const struct corr_way *way;
	int64_t span_us;
	struct mr_condition_part *parts; /* of the condition, or what stands for none */
	uint32_t part_count;
	bool settles;       /* is judged when its slot has settled */
	bool grows;         /* more occurrences only help, but for numbers below zero */
	bool withdraws;     /* its occurrences may be withdrawn: one of its rules settles */
	bool feeds;         /* its occurrences are kept for outer ones, or to be withdrawn */
	int64_t delay_us;   /* how long after its event time an occurrence may be new */
	uint32_t threshold; /* distinct things, so many of which the condition wants at least */
	double bound;       /* of a sum that the condition wants at least; 0: of none */
	uint32_t keep;      /* entries kept at either end of a slot */
	uint32_t *step;     /* for each position: which distinct rule of the list it is */
	uint32_t step_count;
	struct corr_outer *outers;
	uint32_t outer_count;
	size_t bytes;            /* of its keys and their slots */
	struct corr_rank *ranks; /* CORR_RANKS of them, once it has a key */
	struct corr_shed shed;
	struct corr_husks *husks; /* NULL: none */
	struct corr_seen told;    /* slots whose alert a finite run has made before its end */
	bool alarmed;             /* the bound of a slot was named once in the log */
	bool dropped;             /* so was state that no longer fits */
};

/* ---- the stage ---- */

struct corr {
	const struct mr_stage_env *env;
	struct mr_writer *out; /* during a call that has one */
	int64_t arrival_us;    /* of the signal in hand; 0: there is none */
	struct mr_catalog catalog;
	/* One for each of the catalog; kind is NULL for detections and others' layers. Behind them
	 * one that stands for all detections: what is kept of their records. */
	struct corr_rule *rules;
	struct corr_group groups[MR_KEY_GROUPS];
	struct corr_ahead ahead;
	struct mr_arena arena;          /* of one signal */
	struct corr_section *section;   /* that is written or read; NULL: none */
	const struct corr_rule **by_id; /* all rules */
	uint32_t lost_rules;            /* so many have `lost` of a shed: most runs have none */
	char **gone; /* ids of correlations that are no more, of which was told; in order */
	uint32_t gone_count;
	struct mr_buf scratch;   /* bytes to hash */
	struct mr_buf value;     /* of the alert in hand */
	uint64_t hash_key[2];    /* of ids: derived from the run's seed */
	uint64_t hash_seed;      /* of hashes of what holds ids: likewise */
	uint64_t random;         /* priorities of points */
	struct corr_item *spare; /* memory of an item that is no longer needed, or NULL */
	int64_t lateness_us;     /* CORR_UNLIMITED: nothing is ever released */
	int64_t settling_us;
	int64_t watermark_us;      /* of the last barrier; CORR_NEVER before */
	int64_t newest_us;         /* the latest time seen (rank.c); CORR_NEVER before */
	size_t bytes;              /* of all state */
	size_t cut_bytes;          /* likewise, at the last barrier: a snapshot holds no more */
	size_t ceiling_whole;      /* of all workers of the layer, as set */
	size_t ceiling;            /* this worker's share: past it, state is given up */
	size_t shed_at;            /* where that is to be done next */
	bool shedding;             /* state is being given up */
	bool ranks_stale;          /* ranks are to be made anew before they are asked */
	struct corr_heap dues;     /* slots that go; none where nothing is released */
	struct corr_heap settling; /* those that are to be judged */
	struct corr_slot **untold; /* those of which something is to be told */
	uint32_t untold_count;
	uint32_t untold_capacity;
	bool may_tell;              /* what was judged last stands in a committed checkpoint */
	bool judging;               /* a barrier is under way, and all was told */
	struct corr_slot **touched; /* judged, and occurrences came since it was looked at */
	uint32_t touched_count;
	uint32_t touched_capacity;
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
	struct corr_id record;
	const struct corr_id *values; /* that it adds to a value_count */
	uint32_t value_count;
	struct corr_id thing;         /* room for one */
	const struct corr_id *things; /* what windows count of it */
	uint32_t thing_count;
	bool added;    /* temporal_ordered: its time is new */
	bool is_first; /* for an outer correlation: none that it could not tell from this one */
};

/* A slot and its neighbours of one key; NULL where there is none. */
struct corr_near {
	struct corr_slot *previous;
	struct corr_slot *current;
	struct corr_slot *next;
};

/* A kind of correlation: NAME.c for each row of correlation.def. */
struct corr_kind {
	/* Whether the signal is an occurrence of this kind at all; NULL where all are. */
	bool (*takes)(const struct mr_signal *signal);
	/* The values that it counts, at most MR_PRODUCT_MAX; NULL where it counts none. */
	uint32_t (*values)(struct corr *corr, const struct mr_signal *signal, struct corr_id *out);
	/* Sets the occurrence's things. */
	void (*things)(struct corr *corr, const struct corr_rule *rule,
		       struct corr_occurrence *occurrence);
	bool adds_up; /* the things' numbers count: the signal's values */
	const struct corr_measure *measure;
	/* How it is judged where more occurrences only help; NULL where they never only help. */
	const struct corr_way *at_once;
};

/* A way to judge. */
struct corr_way {
	/* Put an occurrence into near->current, or take it out where its signal is withdrawn. */
	void (*add)(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		    struct corr_occurrence *occurrence);
	/* Of a rule that feeds others: the occurrence is to be fed. True where it is new. */
	bool (*feed)(struct corr *corr, struct corr_slot *slot,
		     const struct corr_occurrence *occurrence);
	/* Fire and send what has come to hold since, in current and in next. */
	void (*settle)(struct corr *corr, const struct corr_rule *rule,
		       const struct corr_near *near, const struct corr_occurrence *occurrence);
	/* The offset of the earliest occurrence kept of the slot whose window holds. */
	bool (*first)(const struct corr_rule *rule, const struct corr_slot *slot,
		      int64_t *offset_out);
	/* The earliest offset of the slot, of those known, from this one on. */
	bool (*next)(const struct corr_rule *rule, const struct corr_slot *slot, int64_t from,
		     int64_t *offset_out);
	/* Distinct things of the slot, and of the one before from this offset on. */
	uint64_t (*count)(const struct corr_slot *slot, int64_t from, bool *lower_bound);
	/* What the condition was compared with, in decimal, into `out`, which is empty, and at
	 * which offset: of the slot's windows that meet it, or of `all`, the furthest. NULL: no
	 * number. */
	void (*reached)(const struct corr_rule *rule, const struct corr_slot *slot, bool all,
			struct mr_buf *out, int64_t *offset_out);
};
extern const struct corr_way corr_at_once_way, corr_in_order_way, corr_settled_way;

#define X(symbol, name, counts, condition) extern const struct corr_kind corr_##name;
#include "millrace/correlation.def"
#undef X

/* What the allocator takes for so many bytes: jemalloc has four sizes in each doubling. */
static inline size_t corr_taken(size_t bytes)
{
	size_t step = 16;
	if (bytes > 128)
		step = (size_t)1 << (61 - __builtin_clzll(bytes - 1));
	return (bytes + step - 1) / step * step;
}

/* ---- state.c ---- */

/* slot = floor(t / span), also before 1970; the offset is what remains. */
int64_t corr_slot_number(int64_t time_us, int64_t span_us);
int64_t corr_slot_offset(int64_t time_us, int64_t span_us);

/* Made where there is none. */
struct corr_key *corr_key_get(struct corr *corr, uint8_t group, const struct corr_rule *rule,
			      const struct corr_name *name);
struct mr_slice corr_key_tenant(const struct corr_key *key);
void corr_key_texts(const struct corr_key *key, struct mr_slice *texts_out);
struct corr_slot *corr_slot_find(struct corr *corr, const struct corr_key *key, int64_t number);
struct corr_slot *corr_slot_get(struct corr *corr, struct corr_key *key, int64_t number);
/* Of key and number, by the run's seed. */
uint64_t corr_slot_hash(const struct corr *corr, const struct corr_key *key, int64_t number);
/* Bytes that a rule holds, by its index: corr->catalog.count for records of detections. */
void corr_weigh(struct corr *corr, uint32_t rule, size_t more, size_t less);
/* Count the slot's bytes anew. */
void corr_slot_weigh(struct corr *corr, struct corr_slot *slot);
/* What its going frees while its key stays. */
size_t corr_slot_frees(const struct corr_slot *slot);
/* The slots of a group for which `gone` says yes, and keys that have none left, are freed. */
void corr_group_sweep(struct corr *corr, struct corr_group *group,
		      bool (*gone)(const struct corr *corr, const struct corr_slot *slot));
/* Likewise of one key. False where it has gone. */
bool corr_key_sweep(struct corr *corr, struct corr_key *key,
		    bool (*gone)(const struct corr *corr, const struct corr_slot *slot));
void corr_key_drop(struct corr *corr, struct corr_key *key);
/* Places for so many more. Keys that come in the order of a table, as a snapshot has them, pile up
 * in a smaller one: each would look through half of those before it. */
void corr_group_reserve(struct corr *corr, struct corr_group *group, uint64_t keys);
void corr_group_fini(struct corr *corr, struct corr_group *group);

/* ---- ids.c ---- */

/* SipHash-2-4, as J.-P. Aumasson and D. J. Bernstein define it. */
uint64_t corr_siphash(const uint64_t key[2], const void *bytes, size_t len);
/* Of what stands in corr->scratch. */
struct corr_id corr_id_of_scratch(struct corr *corr);
void corr_scratch_begin(struct corr *corr, char what);
void corr_scratch_text(struct corr *corr, struct mr_slice text);
void corr_scratch_number(struct corr *corr, uint64_t number);
/* A rule of the list: its place, no hash, because there are few; where a keyed hash would stand. */
struct corr_id corr_id_of_step(uint32_t step);
uint32_t corr_step_of_id(const struct corr_id *id);
/* The record that a signal is about. */
struct corr_id corr_id_of_record(struct corr *corr, enum mr_record_kind kind,
				 struct mr_slice record_id);

/* True where the hash is new; where `bound` are held no more is taken, and all others are new. */
bool corr_seen_add(struct corr_seen *seen, uint64_t hash, uint32_t bound);
bool corr_seen_has(const struct corr_seen *seen, uint64_t hash);
void corr_seen_fini(struct corr_seen *seen);
size_t corr_seen_bytes(const struct corr_seen *seen);

/* ---- plain.c ---- */

void corr_plain_observe(struct corr *corr, const struct mr_signal *signal);
/* True where the id is new; the later time is kept. */
bool corr_plain_add(struct corr *corr, struct corr_plain *plain, const struct corr_id *id,
		    int64_t time_us);
void corr_plain_release(struct corr *corr, struct corr_plain *plain, int64_t limit_us);
void corr_plain_fini(struct corr *corr, struct corr_plain *plain);

/* ---- set.c ---- */

/* `old_out`: what was known before; where nothing was, first INT64_MAX and last -1. */
void corr_set_add(struct corr_set *set, uint32_t keep, const struct corr_entry *entry,
		  struct corr_entry *old_out);
const struct corr_entry *corr_set_find(const struct corr_set *set, const struct corr_id *id);
/* Down to what must be kept, so that counts do not depend on the order of arrival. */
void corr_set_prune(struct corr_set *set, uint32_t keep);
/* Down to the later half, without room to spare. */
void corr_set_halve(struct corr_set *set);
/* No more room than what it holds needs. */
void corr_set_fit(struct corr_set *set);
/* What is a function of the set of occurrences, for the caller to give back: all, where nothing was
 * ever left out; else the earliest with their firsts and the latest with their lasts. */
void corr_set_certain(const struct corr_set *set, uint32_t keep, struct corr_set *out);
static inline bool corr_set_is_certain(const struct corr_set *set, int64_t offset)
{
	return set->is_certain && offset >= set->certain;
}
void corr_set_fini(struct corr_set *set);
size_t corr_set_bytes(const struct corr_set *set);

/* ---- held.c ---- */

struct corr_touch {
	int64_t offset;
	int64_t delta;
	struct corr_item *item; /* begins to wait there; NULL for none */
	bool start;             /* set, never taken back */
};
void corr_held_touch(struct corr *corr, struct corr_held *held, const struct corr_touch *touch);
/* Which points: those asked about in the range whose number is at least this. */
struct corr_want {
	struct corr_range range;
	int64_t least;
};
/* The earliest such point is asked about no more: its items are the caller's. */
bool corr_held_take(struct corr_held *held, const struct corr_want *want,
		    struct corr_point *point_out);
/* These wait again, as they were taken. */
void corr_held_put_back(struct corr *corr, struct corr_held *held, const struct corr_point *point);
void corr_held_restart(struct corr *corr, struct corr_held *held);
/* Of what waits the later half stays, and nothing else. */
void corr_held_halve(struct corr *corr, struct corr_slot *slot);
/* All that waits, in order; `list` has room for held->waiting. */
void corr_held_list(const struct corr_held *held, struct corr_item **list);
/* The slot's, made where it has none. */
struct corr_held *corr_held_get(struct corr_slot *slot);
void corr_held_drop(struct corr_slot *slot);
size_t corr_held_bytes(const struct corr_held *held);

/* ---- window.c ---- */

/* Whether it is one or more numbers with a space between two. */
bool corr_numbers_are(struct mr_slice text);
/* What they add up to, about. */
double corr_numbers_about(struct mr_slice text);
/* How many are below the limit. */
uint32_t corr_numbers_below(const int64_t *sorted, uint32_t count, int64_t limit);

/* ---- marks.c ---- */

void corr_marks_add(struct corr_marks *marks, const struct corr_mark *mark, struct mr_slice text);
/* All sorted, each once, none that was withdrawn. */
void corr_marks_sort(struct corr_marks *marks);
struct mr_slice corr_mark_text(const struct corr_marks *marks, const struct corr_mark *mark);
/* Of sorted ones: the first whose offset is not below. */
uint32_t corr_marks_from(const struct corr_marks *marks, int64_t offset);
/* What their numbers add up to, about: what was withdrawn is out of it once they are sorted. */
double corr_marks_sum(const struct corr_marks *marks);
/* The later half stays. */
void corr_marks_halve(struct corr_marks *marks);
void corr_marks_fini(struct corr_marks *marks);
size_t corr_marks_bytes(const struct corr_marks *marks);

/* ---- settle.c ---- */

struct corr_settled *corr_settled_get(struct corr *corr, struct corr_slot *slot);
void corr_settled_drop(struct corr *corr, struct corr_slot *slot);
size_t corr_settled_bytes(const struct corr_slot *slot);
/* Nobody was told yet what is known. */
bool corr_is_untold(const struct corr_slot *slot);
void corr_untold_remove(struct corr *corr, struct corr_slot *slot);
void corr_untold_add(struct corr *corr, struct corr_slot *slot);
void corr_untold_fini(struct corr *corr);
/* Judge it, or anew what has changed. */
void corr_settle_slot(struct corr *corr, struct corr_slot *slot);
/* What it takes to find out what an alert says is counted from the one to the other. */
void corr_settled_ask(struct corr *corr, struct corr_slot *slot);
void corr_settled_asked(struct corr *corr, struct corr_slot *slot);
/* Those of which W has passed the end, or all. MR_FULL: call again. */
enum mr_err corr_settle_due(struct corr *corr, int64_t watermark_us);
uint64_t corr_settle_waiting(const struct corr *corr); /* for sources that are not the foremost */
/* What was judged before the last commitment. MR_FULL: call again. */
enum mr_err corr_tell(struct corr *corr);

/* ---- offers.c ---- */

bool corr_offer_add(struct corr *corr, struct corr_slot *slot,
		    const struct corr_occurrence *occurrence);
/* Takes the item. */
void corr_offer_put(struct corr *corr, struct corr_settled *settled, struct corr_item *item,
		    uint64_t source, bool sent);
/* Their offsets in the range, sorted, each once, for the caller to free; gives how many. */
uint32_t corr_offers_offsets(const struct corr_slot *slot, struct corr_range range,
			     int64_t **offsets_out);
/* Of those in the range: send those at these offsets that were not sent, withdraw the others,
 * unless the slot may lack something. */
void corr_offers_settle(struct corr *corr, struct corr_slot *slot, struct corr_range range,
			const int64_t *offsets, uint32_t count);
/* The later half stays. */
void corr_offers_halve(struct corr *corr, struct corr_slot *slot);
/* As evidence of `out`, a copy of the slot that has none. */
void corr_offers_show(struct corr *corr, const struct corr_slot *slot, struct corr_slot *out);
void corr_offers_fini(struct corr_settled *settled);
size_t corr_offers_bytes(const struct corr_settled *settled);
/* Which occurrence of an inner correlation this is. */
uint64_t corr_source_of(struct corr *corr, const struct corr_rule *rule,
			const struct corr_occurrence *occurrence);

/* ---- temporal.c, temporal_ordered.c ---- */

/* The place of the rule in the list. */
void corr_rule_things(struct corr *corr, const struct corr_rule *rule,
		      struct corr_occurrence *occurrence);
enum corr_added { CORR_KNOWN, CORR_ADDED, CORR_FULL /* added, in the place of another */ };
enum corr_added corr_times_add(const struct corr_rule *rule, struct corr_slot *slot, uint32_t step,
			       int64_t offset);
void corr_times_free(struct corr_times *times, uint32_t step_count);
size_t corr_times_bytes(const struct corr_times *times, uint32_t step_count);

/* ---- evidence.c ---- */

/* In the memory of `old` where it fits, which is freed otherwise; NULL for none. The signal's
 * fields are packed. */
struct corr_item *corr_item_make(struct corr_item *old, const struct corr_occurrence *occurrence);
/* Its memory is kept for the next one, or freed. */
void corr_item_done(struct corr *corr, struct corr_item *item);
size_t corr_item_bytes(const struct corr_item *item);
struct mr_slice corr_item_record_id(const struct corr_item *item);
/* The record's bytes, where they came with its signal; else empty. */
struct mr_slice corr_item_record(const struct corr_item *item);
const struct corr_id *corr_item_values(const struct corr_item *item);
/* Nothing where the item has none. */
struct corr_trace corr_item_trace(const struct corr_item *item);
/* The fields, borrowed from the item. */
struct mr_packed corr_item_fields(const struct corr_item *item);
/* The occurrence that it was made of, its signal in `signal`; what it stands on in the arena. */
struct corr_occurrence corr_item_occurrence(const struct corr_item *item, struct mr_arena *arena,
					    struct mr_signal *signal);
bool corr_item_same_record(const struct corr_item *a, const struct corr_item *b);
/* The same record, and of its copies the same one. */
bool corr_item_same_copy(const struct corr_item *a, const struct corr_item *b);
/* By time, record id and kind: negative where the occurrence is before the item. */
int corr_compare(const struct corr_occurrence *occurrence, const struct corr_item *item);
/* Of two that are equal in that: the occurrence is the one that stands. */
bool corr_stands_before(const struct corr_occurrence *occurrence, const struct corr_item *item);
struct corr_item *corr_item_new(struct corr *corr, struct corr_items *items,
				const struct corr_occurrence *occurrence);
void corr_item_drop(struct corr *corr, struct corr_items *items, struct corr_item *item);
/* True where this rule's match of this record at this time was known. */
bool corr_evidence_add(struct corr *corr, struct corr_slot *slot,
		       const struct corr_occurrence *occurrence);
/* Likewise, whatever the slot's correlation keeps. */
bool corr_evidence_keep(struct corr *corr, struct corr_slot *slot,
			const struct corr_occurrence *occurrence);
/* Takes the item, as a snapshot gives it: one of the earliest and the latest, or else a proof. */
void corr_evidence_put(struct corr *corr, struct corr_slot *slot, struct corr_item *item,
		       bool is_proof);
void corr_items_fini(struct corr *corr, struct corr_items *items);
size_t corr_items_bytes(const struct corr_items *items);

/* ---- proof.c ---- */

/* Whether it stands for another facet than the item, a copy of it. */
bool corr_proofs_differ(const struct corr_rule *rule, const struct corr_occurrence *occurrence,
			const struct corr_item *item);
/* From what is kept so far, which must be all that came. Nothing where the kind has no facets. */
void corr_proofs_start(struct corr *corr, struct corr_slot *slot);
/* `item`: where it is kept already, else NULL. */
void corr_proofs_add(struct corr *corr, struct corr_slot *slot,
		     const struct corr_occurrence *occurrence, struct corr_item *item);
/* What is kept as a proof alone, each once, into room for 2 * CORR_FACETS_SIDE; gives how many. */
uint32_t corr_proofs_list(const struct corr_items *items, struct corr_item **out);
void corr_proofs_fini(struct corr *corr, struct corr_items *items);
size_t corr_proofs_bytes(const struct corr_proofs *proofs);

/* ---- feed.c ---- */

void corr_feed_send(struct corr *corr, struct corr_slot *slot, const struct corr_item *item,
		    bool withdrawn);
/* Of all that outer correlations can see of the item, and of where it came from. */
uint64_t corr_feed_hash(const struct corr *corr, const struct corr_item *item, uint64_t source);
/* The occurrence waits to complete, unless it is known. True where it is new. */
bool corr_feed_add(struct corr *corr, struct corr_slot *slot,
		   const struct corr_occurrence *occurrence);
/* Send what waits at the wanted points. True where there was such a point, waiting or start. */
bool corr_feed_take(struct corr *corr, struct corr_slot *slot, const struct corr_want *want);
/* An occurrence that still waits, past the bound of a slot, is given up, counted and named. */
void corr_feed_bound(struct corr *corr, struct corr_slot *slot, int64_t offset);

/* ---- fire.c ---- */

/* The condition has come to hold in the slot. */
void corr_fire(struct corr *corr, struct corr_slot *slot);
/* A line about the slot. */
void corr_alert_write(struct corr *corr, struct corr_slot *slot, enum mr_activity activity,
		      bool announcement);
/* Its count may have grown: it is looked at again at the next barrier. And never mind. */
void corr_slot_touch(struct corr *corr, struct corr_slot *slot);
void corr_slot_untouch(struct corr *corr, struct corr_slot *slot);
void corr_touched_fini(struct corr *corr);
/* Alerts whose count has doubled, once for each. MR_FULL: call again. */
enum mr_err corr_revise(struct corr *corr);
/* A finite run's end: all alerts, in an order of their own. MR_FULL: call again. */
enum mr_err corr_fire_all(struct corr *corr);
/* A slot holds more than its bound of something: named once for each rule. */
void corr_alarm(struct corr *corr, const struct corr_rule *rule, const char *what);

/* ---- expiry.c ---- */

/* The end of the slot `ahead` slots on, and `more_us` later, where 64 bits hold that. */
int64_t corr_end_of(const struct corr_slot *slot, int64_t ahead, int64_t more_us);
void corr_due_add(struct corr *corr, struct corr_slot *slot);
void corr_release(struct corr *corr, int64_t watermark_us);
/* Whether the slot before, which the windows reach into, may have been released. */
bool corr_may_miss_previous(const struct corr *corr, const struct corr_slot *slot);
/* Counts an occurrence that comes later than the lateness allows: what it needs may be gone, even
 * where its own slot is still there. `delay_us`: later for another reason. True where it does. */
bool corr_count_beyond(struct corr *corr, int64_t time_us, int64_t delay_us);

/* ---- snapshot.c ---- */

void corr_snapshot(struct corr *corr, uint8_t group, struct mr_buf *out);
enum mr_err corr_restore(struct corr *corr, uint8_t group, struct mr_slice bytes,
			 struct mr_error *error);

#endif
