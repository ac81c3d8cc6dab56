/* stage_io.h - the two ends of a stage: what it reads from and what it writes to.
 *
 * worker.c puts them between links and stages; unit tests of stages use them in memory, without
 * links:
 *
 *     struct mr_writer out = {0};
 *     mr_writer_add_output(&out, MR_CONTENT_SIGNALS, 0, MR_LINK_SPREAD, 1);
 *     ops->process(state, &in, &out, &error);
 *     struct mr_body body;
 *     while (mr_writer_take(&out, MR_CONTENT_SIGNALS, 0, &body)) {
 *             struct mr_reader next = {0};
 *             mr_reader_open_body(&next, MR_CONTENT_SIGNALS, &body);
 *             ... next_ops->process(state, &next, ...), mr_reader_finish(&next, &error) ...
 *             mr_reader_fini(&next);
 *             mr_body_fini(&body);
 *     }
 *     mr_writer_fini(&out);
 *
 * Neither end ever blocks or knows a socket. Allocation does not fail (memory.h). */
#ifndef MILLRACE_STAGE_IO_H
#define MILLRACE_STAGE_IO_H

#include "inhand.h"
#include "millrace/stage.h"
#include "millrace/topology.h"

/* ---- bodies ---- */

/* The body of one batch as it grows, and as it leaves. */
struct mr_body {
	struct mr_buf bytes; /* once taken, with MR_JSON_PADDING readable bytes behind len */
	uint32_t count;      /* items */
	int64_t earliest_arrival_us; /* of the items; 0 while there is none */
};
void mr_body_fini(struct mr_body *body);

/* ---- the reader ---- */

/* One incoming batch. Zeroed is valid and empty; opened again for each batch (the arena's blocks
 * are kept); closed with fini. Private to stage_io.c but for its size. */
struct mr_reader {
	enum mr_content content;
	struct mr_slice body;
	size_t at;               /* the current item */
	size_t next;             /* behind it; 0 where it was not looked at yet */
	uint32_t items;          /* items moved past */
	uint32_t count;          /* items that the header promised (not for a region) */
	struct mr_region region; /* records; for MR_FORM_ITEMS its form alone */
	struct mr_events *events;
	/* Signals that were shown together: where each ends, and which is the current one. */
	const struct mr_signal *ahead; /* borrowed */
	size_t ahead_ends[MR_SIGNALS_AHEAD];
	uint32_t ahead_at, ahead_count;
	struct mr_arena arena;  /* arrays of decoded items, until the next open */
	struct mr_error broken; /* code MR_PROTOCOL once an item did not decode */
	/* Borrowed, and kept over all opens; NULL where nobody watches. What is shown is published
	 * there first, and a record that is set aside is not shown. */
	const struct mr_watch *watch;
};

/* The records of a region: `body` is its bytes, read from the file or a copy come inline, borrowed,
 * with MR_JSON_PADDING readable bytes behind it. Lines are cut at LF; a CR before it is no part of
 * the record; lines of nothing but blanks are skipped. */
void mr_reader_open_records(struct mr_reader *reader, const struct mr_region *region,
			    struct mr_slice body);
/* Inline records (MR_FORM_ITEMS), signals, alerts, rejects or encoded events as they came over a
 * link: `count` items, borrowed, with MR_JSON_PADDING readable bytes behind them. */
void mr_reader_open_items(struct mr_reader *reader, enum mr_content content, uint32_t count,
			  struct mr_slice body);
static inline void mr_reader_open_body(struct mr_reader *reader, enum mr_content content,
				       const struct mr_body *body)
{
	mr_reader_open_items(reader, content, body->count,
			     (struct mr_slice){body->bytes.data, body->bytes.len});
}
/* All events of a fused chain at once, borrowed. The stage sees them with mr_reader_events; once it
 * has advanced, or once the batch is finished, they are gone. */
void mr_reader_open_events(struct mr_reader *reader, struct mr_events *events);

/* Encoded events (open_items with MR_CONTENT_EVENTS) into `events`, as many as it has room for:
 * MR_OK where that was the last, MR_FULL where more follow, MR_PROTOCOL. They borrow the body. */
enum mr_err mr_reader_take_events(struct mr_reader *reader, struct mr_events *events,
				  struct mr_error *error);

/* After a stage's process said MR_OK: MR_OK, or MR_PROTOCOL where an item did not decode or the
 * count is not what the header promised. A stage that left items unread is our bug (assert). */
enum mr_err mr_reader_finish(struct mr_reader *reader, struct mr_error *error);
void mr_reader_fini(struct mr_reader *reader);

/* ---- the writer ---- */

#define MR_OUTPUT_REGIONS 4 /* regions that wait to be taken before a source is told to stop */

/* Bodies for one receiver: those that are full, oldest first, and the one that still grows. */
struct mr_lane {
	struct mr_body *full;
	uint32_t full_count;
	uint32_t full_capacity;
	struct mr_body open;
	size_t usual_bytes; /* of the body that was taken last: room for the next one */
};

/* One outgoing edge of the topology. */
struct mr_output {
	enum mr_content content;
	uint8_t layer; /* signals: the consumer's layer */
	enum mr_link_mode mode;
	uint32_t peers;
	struct mr_lane *lanes; /* keyed: one for each peer; spread: one, any peer may have it */
	uint32_t lane_count;
	struct mr_region *regions; /* of records: each is a batch of its own, oldest first */
	uint32_t region_count;
	uint32_t region_capacity;
};

/* All outputs of a worker. Zeroed is valid and empty. Items go to each output of their content (and
 * layer); one that no output wants is our bug (assert): topology_check has refused such a topology.
 */
struct mr_writer {
	struct mr_output *outputs;
	uint32_t output_count;
	struct mr_events *events; /* where parse puts its events, or NULL; borrowed */
	bool full;                /* a full body or region waits to be taken */
	/* Counts what no message can hold; NULL in tests that do not ask. Borrowed. */
	struct mr_counters *counters;
};

/* An item is cut to what a message may hold where it must be (a signal's record; of an alert the
 * records, then the fields, then evidence past what fits): so no item, however large its record,
 * breaks a link. A record that goes, and what can't be cut so far and is left out, is counted and
 * named in the log.
 *
 * Its number: writer->outputs[number]. Pointers to outputs die with the next add. */
uint32_t mr_writer_add_output(struct mr_writer *writer, enum mr_content content, uint8_t layer,
			      enum mr_link_mode mode, uint32_t peers);
/* While events are set and full, the writer is not ready: set NULL before a later stage of the
 * chain writes through the same writer. */
static inline void mr_writer_set_events(struct mr_writer *writer, struct mr_events *events)
{
	writer->events = events;
}
/* Where the chain is cut behind parse or enrich: encode events [0, count) for the outputs of
 * MR_CONTENT_EVENTS. Does not reset `events`. */
void mr_writer_encode_events(struct mr_writer *writer, struct mr_events *events);

/* The oldest body for the lane, moved to the caller, who ends with mr_link_send or mr_body_fini.
 * False where there is none; with `partial` also one that is not full. */
bool mr_output_take(struct mr_writer *writer, uint32_t output, uint32_t lane, bool partial,
		    struct mr_body *body_out);
bool mr_output_take_region(struct mr_writer *writer, uint32_t output, struct mr_region *region_out);
/* Whether anything waits, full or not. */
static inline bool mr_lane_is_empty(const struct mr_lane *lane)
{
	return lane->full_count == 0 && lane->open.count == 0;
}
bool mr_output_is_empty(const struct mr_output *output);

/* The header of a batch with this body, or by reference to this region; link.c adds the pair's
 * part. */
void mr_body_header(const struct mr_output *output, const struct mr_body *body,
		    struct mr_batch_header *header_out);
void mr_region_header(const struct mr_region *region, struct mr_batch_header *header_out);
/* Back again: what a header by reference (or of a region's bytes inline) says about its region. */
void mr_header_region(const struct mr_batch_header *header, struct mr_region *region_out);

/* For tests and for receivers in the same process: the next body of a content from any lane, full
 * or not; false where nothing is left. */
bool mr_writer_take(struct mr_writer *writer, enum mr_content content, uint8_t layer,
		    struct mr_body *body_out);
bool mr_writer_take_region(struct mr_writer *writer, struct mr_region *region_out);
void mr_writer_fini(struct mr_writer *writer);

#endif
