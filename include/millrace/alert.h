/* alert.h - what leaves the system, and what was set aside.
 *
 * An alert's id is 128 bits of SHA-256 over tenant, rule, key and slot (PROTOCOL.md 6.3): the same
 * however often it is computed. Everything is borrowed from the batch it was read from. */
#ifndef MILLRACE_ALERT_H
#define MILLRACE_ALERT_H

#include "millrace/signal.h"

#define MR_EVIDENCE_MAX 10
#define MR_ALERT_ID_BYTES 16
#define MR_ALERT_NO_RULE UINT32_MAX

enum mr_activity { MR_ACTIVITY_CREATE = 1, MR_ACTIVITY_UPDATE = 2, MR_ACTIVITY_CLOSE = 3 };

/* One record that proves the alert. */
struct mr_evidence {
	uint32_t rule; /* catalog index of what it matched */
	enum mr_record_kind kind;
	bool has_time;
	int64_t time_us;
	int64_t arrival_us;
	struct mr_slice record_id;
	struct mr_origin origin;
	struct mr_slice
	    record; /* the bytes where the link leaves the host; else empty: read origin */
	uint32_t field_count;
	const struct mr_signal_field *fields;
	/* Instead of the list, the fields as a signal brought them: of what is to be encoded alone.
	 */
	struct mr_packed packed;
	/* By normalised field which of `fields` is its first value, counted from 1; 0: none. NULL:
	 * nobody has looked. Decoding makes it, and it does not travel. */
	const uint16_t *first;
	/* Where it matched a correlation: that one's alert, MR_ALERT_ID_BYTES, or empty; and the
	 * record's detections (signal.h). */
	struct mr_slice inner_id;
	uint32_t matched_count;
	const uint32_t *matched;
};

struct mr_alert {
	uint8_t id[MR_ALERT_ID_BYTES];
	enum mr_activity activity;
	/* A finite run announces a correlation's alert as it fires, for a person to see, and makes
	 * the alert itself when the input has ended: sinks skip an announcement. */
	bool announcement;
	uint32_t rule; /* catalog index: a detection or a correlation */
	/* Of the record that made it fire; 0 where none did: a revision, what fires at the end. */
	int64_t arrival_us;
	struct mr_slice tenant;
	uint32_t key_count;
	struct mr_slice key[MR_GROUP_BY_MAX];
	int64_t slot;
	bool has_time;
	int64_t first_time_us; /* of the occurrences known */
	int64_t last_time_us;
	uint64_t event_count; /* distinct records; of an event_count over correlations: alerts */
	uint64_t value_count; /* distinct values, where the kind counts them; else 0 */
	bool lower_bound;     /* the counts are at least this */
	/* Of a correlation that settles: what its condition was compared with, in decimal, in the
	 * window of the slot that meets it the furthest, and when that window ends. Empty: the
	 * counts say it. */
	struct mr_slice value;
	int64_t value_time_us;
	/* Not 0: no alert, but a word that so many slots of the rule's state (MR_ALERT_NO_RULE:
	 * records of detections) were given up at the memory ceiling since the last such word. */
	uint64_t shed;
	uint32_t evidence_count;
	/* What proves it, then the earliest; by (time, record id). One record stands there more
	 * than once where copies of it differ and each proves what the others don't. */
	struct mr_evidence evidence[MR_EVIDENCE_MAX];
};

/* The source that the ledger counts it for: of the first record that it shows. */
static inline uint32_t mr_alert_source(const struct mr_alert *alert)
{
	return alert->evidence_count > 0 ? alert->evidence[0].origin.source : MR_BOOKS_SOURCES_MAX;
}

/* `rule_id` is the rule's own id text. `kind_name` is the record kind for a plain detection, whose
 * key is the record id, and empty for a correlation. */
void mr_alert_id(struct mr_slice tenant, struct mr_slice rule_id, struct mr_slice kind_name,
		 const struct mr_slice *key, size_t key_count, int64_t slot,
		 uint8_t out[MR_ALERT_ID_BYTES]);

void mr_alert_encode(const struct mr_alert *alert, struct mr_buf *out);
enum mr_err mr_alert_decode(struct mr_slice bytes, size_t *at, struct mr_arena *arena,
			    struct mr_alert *out, struct mr_error *error);

/* A record that could not be judged, whole. By reference where `bytes` is empty and origin.length
 * is not 0. `name` is the source's name for a person (a path), `offset` where the record stands in
 * it: for compressed input, in the uncompressed stream. */
struct mr_reject {
	struct mr_origin origin;
	uint64_t length; /* of the whole record, which may pass 32 bits */
	struct mr_slice name;
	uint64_t offset;
	struct mr_slice reason;
	struct mr_slice bytes;
	enum mr_reject_kind kind; /* counted where it is set aside: does not travel */
};
void mr_reject_encode(const struct mr_reject *reject, struct mr_buf *out);
enum mr_err mr_reject_decode(struct mr_slice bytes, size_t *at, struct mr_reject *out,
			     struct mr_error *error);

#endif
