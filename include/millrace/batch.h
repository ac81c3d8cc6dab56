/* batch.h - what travels a link: a header and a body, as two ZeroMQ frames.
 *
 * The header is a msgpack array of fixed order; the body depends on the content. Decoding survives
 * any bytes: MR_BAD_INPUT, never a crash, never a read past the end. */
#ifndef MILLRACE_BATCH_H
#define MILLRACE_BATCH_H

#include "millrace/alert.h"

#define MR_BATCH_VERSION 2
#define MR_BATCH_HEADER_MAX 256          /* bytes of an encoded header */
#define MR_BATCH_BODY_TARGET (256 << 10) /* a body is sealed once it holds this much */
#define MR_BATCH_BODY_MAX (4 << 20)      /* ZMQ_MAXMSGSIZE */
#define MR_BATCH_REGION_MAX (64 << 20)   /* bytes of one region: no record is longer either */

enum mr_batch_kind { MR_BATCH_DATA = 1, MR_BATCH_BARRIER, MR_BATCH_END };

enum mr_content {
	MR_CONTENT_NONE, /* barriers and ends */
	MR_CONTENT_RECORDS,
	MR_CONTENT_EVENTS,
	MR_CONTENT_SIGNALS,
	MR_CONTENT_ALERTS,
	MR_CONTENT_REJECTS,
	MR_CONTENT_COUNT
};

/* How records lie in a body or a region.
 *
 * LINES: text, each non-blank line one record (a last line may lack its end).
 * FRAMES: each record behind a frame header: u32 length, u32 name (mr_files number of the
 * original), u64 offset in the original, all little-endian, then the bytes.
 * ITEMS: as FRAMES, and behind each frame header what the two others have from the region: u32
 * source, u32 partition, u64 position, i64 arrival time. So records of many origins go in one body.
 *
 * Lines and frames travel by reference, or inline as a copy of the region's bytes; items are always
 * inline. */
enum mr_form { MR_FORM_LINES = 1, MR_FORM_FRAMES, MR_FORM_ITEMS };
#define MR_FRAME_HEADER 16
struct mr_frame {
	uint32_t length;
	uint32_t name;
	uint64_t offset;
};
void mr_frame_encode(const struct mr_frame *frame, char out[MR_FRAME_HEADER]);
void mr_frame_decode(const char in[MR_FRAME_HEADER], struct mr_frame *out);

struct mr_record {
	struct mr_slice bytes;   /* when read, MR_JSON_PADDING readable bytes behind it */
	struct mr_origin origin; /* hash not yet set; length is that of the bytes */
	uint32_t name;           /* mr_files number of the original, for a person */
	uint64_t offset;         /* in the original */
	int64_t arrival_us;
};

/* To and from MR_FORM_ITEMS, one item. Decoding survives any bytes, borrows them, and moves *at
 * behind the item. */
#define MR_ITEM_HEADER (MR_FRAME_HEADER + 24)
#define MR_ITEM_RECORD_MAX (MR_BATCH_BODY_MAX - MR_ITEM_HEADER) /* bytes of one record */
void mr_record_encode(const struct mr_record *record, struct mr_buf *out);
enum mr_err mr_record_decode(struct mr_slice bytes, size_t *at, struct mr_record *out,
			     struct mr_error *error);

/* A piece of a file that holds whole records. */
struct mr_region {
	uint32_t source;
	uint32_t partition; /* mr_files number */
	uint64_t position;
	uint64_t length;
	enum mr_form form;
	int64_t arrival_us;
};

struct mr_batch_header {
	uint32_t version;
	enum mr_batch_kind kind;
	enum mr_content content;
	uint64_t incarnation;
	uint32_t sender;   /* worker number */
	uint64_t sequence; /* in this pair, from 1, barriers and end included */
	uint32_t count;    /* items in the body; 0 for the records of a region */
	uint64_t body_len; /* bytes of the body frame; of the region where by_reference */
	uint64_t fields_hash;
	int64_t earliest_arrival_us;
	/* Barriers and ends: the number n (0 for an end), and the double entry: what was sent on
	 * this pair before it. A barrier's body holds, for each source, its number and the highest
	 * event time parsed; `count` of them (PROTOCOL.md 4.2). */
	uint64_t barrier;
	uint64_t sent_batches;
	uint64_t sent_items;
	/* Records; all below but the form is 0 for items. */
	bool by_reference; /* the body frame is empty; read the region */
	enum mr_form form;
	uint32_t source;
	uint32_t partition;
	uint64_t first_position;
	uint64_t next_position;
};

void mr_batch_header_encode(const struct mr_batch_header *header, struct mr_buf *out);
enum mr_err mr_batch_header_decode(struct mr_slice bytes, struct mr_batch_header *out,
				   struct mr_error *error);

/* Events, for chains that are cut between parse and detect: all fields and the record itself. */
void mr_event_encode(const struct mr_events *events, const struct mr_event *event,
		     struct mr_buf *out);
/* Pushes the event; its strings borrow `bytes`, which has MR_JSON_PADDING bytes behind it.
 * MR_FULL where events has no room (nothing consumed). */
enum mr_err mr_event_decode(struct mr_slice bytes, size_t *at, struct mr_events *events,
			    struct mr_error *error);

#endif
