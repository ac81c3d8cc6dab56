/* signal.h - "this event matched this rule": what detect emits and correlate consumes.
 *
 * One signal for each (consumer, group key): a rule that two correlations name makes a signal for
 * each, and one for its own alert. Everything is borrowed from the batch it was read from. */
#ifndef MILLRACE_SIGNAL_H
#define MILLRACE_SIGNAL_H

#include "millrace/event.h"
#include "millrace/metric.h"
#include "millrace/pack.h"
#include "millrace/tally.h"

#define MR_GROUP_BY_MAX 16 /* fields of one group-by */
#define MR_PRODUCT_MAX 64  /* group keys, and value tuples, of one event (PROTOCOL.md 6.4) */
#define MR_KEY_GROUPS 256  /* PROTOCOL.md 2.4 */
#define MR_SIGNAL_FIELDS_MAX 512
#define MR_MATCHED_MAX 16
/* Bytes of a text that only a person reads; the alert holds the record anyway. So what is shown
 * never makes a signal too large for a message: that is left to keys and carried fields, which are
 * never shortened. */
#define MR_SHOWN_TEXT_MAX 1024
/* Bytes of a value that travels as it is. A longer one travels as its SHA-256 in hexadecimal, which
 * is a byte longer than all that travel as they are: no text can be made to equal it. */
#define MR_VALUE_TEXT_MAX 63

/* One value of one field, as an alert shows it or an outer correlation groups by it. A
 * multi-valued field stands here once for each value. */
struct mr_signal_field {
	mr_field field;
	enum mr_type type; /* MR_NULL is never carried */
	struct mr_slice text;
};

/* Fields in the form in which they travel, packed: decoding has checked them, mr_fields_pack made
 * them. Correlate keeps most of them and reads few. */
struct mr_packed {
	struct mr_slice bytes; /* empty where there is none */
	uint32_t count;
	mr_field highest; /* of their ids */
};
/* A place in packed fields. */
struct mr_packed_at {
	const char *head; /* of the next one */
	const char *text;
	const char *end;
	uint32_t left;
};
/* Before the first. */
struct mr_packed_at mr_packed_begin(struct mr_slice bytes);
/* The next one, its text borrowed from the bytes; false behind the last. */
bool mr_packed_next(struct mr_packed_at *at, struct mr_signal_field *out);
/* Sets of fields: a bit for each id. */
#define MR_FIELD_SET_WORDS ((MR_FIELDS_MAX + 64) / 64) /* ids from 0 on */
/* Those that are packed come into the set. */
void mr_packed_gather(struct mr_slice bytes, uint64_t set[MR_FIELD_SET_WORDS]);
/* Whether all that are packed are in it. */
bool mr_packed_within(struct mr_slice bytes, const uint64_t set[MR_FIELD_SET_WORDS]);
/* At most MR_SIGNAL_FIELDS_MAX, into the arena. */
struct mr_packed mr_fields_pack(struct mr_arena *arena, const struct mr_signal_field *fields,
				uint32_t count);
/* Fields on their way to that form. Zeroed is valid; begun, then added to, then ended. A head is a
 * field's id, the length of its text and its type (packed.c). */
#define MR_HEAD_ID_BITS 16
#define MR_HEAD_LENGTH_BITS 13
#define MR_HEAD_LONG ((1u << MR_HEAD_LENGTH_BITS) - 1)
struct mr_packing {
	uint32_t heads[MR_SIGNAL_FIELDS_MAX];
	uint32_t count;
	struct mr_buf texts;
};
static inline uint32_t mr_packed_head(mr_field field, enum mr_type type, size_t len)
{
	uint32_t length = len < MR_HEAD_LONG ? (uint32_t)len : MR_HEAD_LONG;
	assert(field != 0 && type != MR_NULL);
	return field | (length | (uint32_t)type << MR_HEAD_LENGTH_BITS) << MR_HEAD_ID_BITS;
}
static inline void mr_packing_begin(struct mr_packing *packing)
{
	packing->count = 0;
	packing->texts.len = 0;
}
void mr_packing_add_long(struct mr_packing *packing, struct mr_slice text); /* mr_packing_add's */
/* One more value; its text is copied. False where there are MR_SIGNAL_FIELDS_MAX. */
static inline bool mr_packing_add(struct mr_packing *packing, mr_field field, enum mr_type type,
				  struct mr_slice text)
{
	if (packing->count == MR_SIGNAL_FIELDS_MAX)
		return false;
	packing->heads[packing->count++] = mr_packed_head(field, type, text.len);
	if (text.len < MR_HEAD_LONG)
		mr_buf_add(&packing->texts, text.at, text.len);
	else
		mr_packing_add_long(packing, text);
	return true;
}
bool mr_packing_has(const struct mr_packing *packing, mr_field field);
/* What an alert shows of these fields of the event, a bit each, as far as there is room: up to
 * MR_PRODUCT_MAX values of each. `arena` holds what had to be cut. */
void mr_packing_add_shown(struct mr_packing *packing, struct mr_arena *arena,
			  const struct mr_events *events, const struct mr_event *event,
			  uint64_t fields);
/* The normalised fields that an alert shows, and of these what each signal carries (field.h). */
uint64_t mr_shown_in_alert(void);
uint64_t mr_shown_in_signal(void);
/* Into the arena; what was added stays. */
struct mr_packed mr_packing_end(const struct mr_packing *packing, struct mr_arena *arena);
void mr_packing_fini(struct mr_packing *packing);

struct mr_signal {
	uint32_t consumer; /* catalog index of the rule that alerts, or of the correlation */
	uint32_t rule;     /* catalog index of what matched: a detection, or an inner correlation */
	uint8_t key_group; /* which worker gets it: mr_key_group(...) */
	uint8_t layer;     /* the consumer's layer: 0 detections and first correlations, 1, 2 … */
	enum mr_record_kind kind;
	/* An inner correlation's occurrence that was sent, and completes no more. */
	bool withdrawn;
	bool has_time;
	int64_t time_us;
	int64_t arrival_us;
	struct mr_slice tenant;
	/* Case-folded; with tenant and kind it names the record, through all layers. */
	struct mr_slice record_id;
	/* What event_count counts: empty for records, which count by record id; for an inner
	 * correlation's occurrence its alert's 16 bytes (PROTOCOL.md 6.8). */
	struct mr_slice counted_id;
	struct mr_origin origin;
	/* Its bytes, where the origin's file is not on this host; else empty (PROTOCOL.md 3.4). */
	struct mr_slice record;
	uint32_t key_count;                   /* 0: no group-by */
	struct mr_slice key[MR_GROUP_BY_MAX]; /* case-folded, in group-by order */
	/* Value tuples for the kinds that count or add up values: value_count tuples of value_width
	 * texts each, flat, case-folded and as mr_signal_value gives them. */
	uint32_t value_count;
	uint32_t value_width;
	const struct mr_slice *values;
	/* Where there is no list of them `packed` holds the fields; so it is in what was decoded.
	 */
	uint32_t field_count;
	const struct mr_signal_field *fields;
	struct mr_packed packed;
	/* Where a correlation that others are over takes part: which detections the record matched
	 * of those that such ones name, by catalog index, the first MR_MATCHED_MAX. The same
	 * whichever way the record comes, so that it makes no copies differ. */
	uint32_t matched_count;
	const uint32_t *matched;
};

/* Hash of the consumer's own id, tenant and key: which of the 256 key groups. `seed` is the run's,
 * or the state directory's: state finds its key again also where other rules have come or gone. */
uint8_t mr_key_group(const uint8_t seed[16], struct mr_slice rule_id, struct mr_slice tenant,
		     const struct mr_slice *key, size_t key_count);

/* The text as alerts show it: one that is too long is cut between two characters and ends in "…".
 */
struct mr_slice mr_signal_cut(struct mr_arena *arena, struct mr_slice text); /* mr_signal_shown's */
static inline struct mr_slice mr_signal_shown(struct mr_arena *arena, struct mr_slice text)
{
	return text.len <= MR_SHOWN_TEXT_MAX ? text : mr_signal_cut(arena, text);
}
/* The case-folded text as values are counted: equal where the texts are. */
struct mr_slice mr_signal_value(struct mr_arena *arena, struct mr_slice folded);

/* What one field of a record gives for a group key or a value: its distinct texts, case-folded, the
 * first MR_PRODUCT_MAX of them; of what is added up, each as often as it stands there. */
struct mr_column {
	struct mr_slice at[MR_PRODUCT_MAX];
	uint32_t count;
	bool capped; /* there are more */
	/* Set by the caller. */
	bool repeats; /* a text is taken as often as it stands there */
	bool numbers; /* all else is missing (number.h) */
};
/* True where the value's text is one more. What is missing is none. The folded text is put into
 * `arena`. */
bool mr_column_add(struct mr_column *column, struct mr_arena *arena, enum mr_type type,
		   struct mr_slice text);

/* Group keys: `count` tuples of the signal's key_count texts each, flat. */
struct mr_keys {
	const struct mr_slice *at;
	uint32_t count;
};
/* What a record gives a correlation, as PROTOCOL.md 6.4 says. The signal's key_count and
 * value_width are set; `fields` are first those of the group key, then those of the value. Fills
 * value_count and values, and returns the keys: none where the record is no occurrence, one that is
 * empty where there is no group-by. What is left out is counted: once for want of a key, or once
 * where keys or values are too many. The tally gets what was there. */
struct mr_keys mr_signal_multiply(struct mr_signal *signal, struct mr_column *fields,
				  struct mr_arena *arena, struct mr_counters *counters,
				  struct mr_tally *tally);

/* Parts of items of other kinds. */
/* Fields, packed: checked, and borrowed; none where there is none or the cursor is bad. */
struct mr_packed mr_unpack_packed(struct mr_unpack *in);
void mr_pack_matched(struct mr_buf *out, const uint32_t *matched, uint32_t count);
const uint32_t *mr_unpack_matched(struct mr_unpack *in, struct mr_arena *arena,
				  uint32_t *count_out);
void mr_pack_origin(struct mr_buf *out, const struct mr_origin *origin);
void mr_unpack_origin(struct mr_unpack *in, struct mr_origin *out);

/* To and from msgpack, one item. Decoding survives any bytes. Arrays are put into `arena`. */
void mr_signal_encode(const struct mr_signal *signal, struct mr_buf *out);
/* *at moves behind the item. */
enum mr_err mr_signal_decode(struct mr_slice bytes, size_t *at, struct mr_arena *arena,
			     struct mr_signal *out, struct mr_error *error);

#endif
