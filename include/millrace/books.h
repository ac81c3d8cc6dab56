/* books.h - what one worker has to say for the ledger: since its last barrier, by source.
 *
 * Stages count here besides metric.h, without locks: mr_book where a source's records, signals and
 * alerts pass, mr_books_shed what correlate gave up of a rule. Collect says positions, deliver the
 * state of its sinks, the pipeline its links, all at a barrier. At the cut the pipeline encodes the
 * books for the supervisor and clears them; the supervisor adds up what the workers of a group say,
 * until a checkpoint is committed. So a checkpoint that fails loses nothing, and one that is gone
 * back over counts nothing twice (PROTOCOL.md 8). */
#ifndef MILLRACE_BOOKS_H
#define MILLRACE_BOOKS_H

#include "millrace/error.h"
#include "millrace/line_hash.h"

enum mr_reject_kind {
#define X(symbol, name, prose) MR_REJECT_##symbol,
#include "millrace/reject_kind.def"
#undef X
	MR_REJECT_COUNT
};

enum mr_book {
#define X(symbol, name, prose) MR_B_##symbol,
#include "millrace/book.def"
#undef X
	MR_B_REJECTED, /* + an enum mr_reject_kind */
	MR_B_COUNT = MR_B_REJECTED + MR_REJECT_COUNT
};
const char *mr_book_name(enum mr_book book);

/* Sources of one service. Whatever names another counts as this one's. */
#define MR_BOOKS_SOURCES_MAX 1024
/* What a peer may have said of one group, at most. */
#define MR_BOOKS_LINKS_MAX (1u << 15)
#define MR_BOOKS_OUTPUTS_MAX 1024u
#define MR_BOOKS_SHEDS_MAX (1u << 14)
#define MR_BOOKS_POSITION_BYTES_MAX ((size_t)256 << 20)

struct mr_book_row {
	uint64_t at[MR_B_COUNT];
};

/* One pair of workers: its sender fills the first two sums, its receiver the others. */
struct mr_book_link {
	uint32_t edge;
	uint32_t from;
	uint32_t to;
	uint64_t sent_batches;
	uint64_t sent_items;
	uint64_t received_batches;
	uint64_t received_items;
};

struct mr_book_position {
	uint32_t source;
	char *partition; /* as a person calls it, e.g. a path */
	uint64_t position;
};

/* The state of a sink at a barrier: from its first line on. */
struct mr_book_output {
	char *sink;
	char *file; /* that can be read again; empty where there is none */
	struct mr_line_hash lines;
	/* Alerts (or rejected records) in all: taken = delivered + refused + those in the spool. */
	uint64_t taken;
	uint64_t delivered;
	uint64_t refused; /* by the receiver, for ever */
	uint64_t spooled; /* wait on disk */
	bool waits;       /* anything at all, revisions too; no part of the ledger */
};

/* What was given up of a rule's state. */
struct mr_book_shed {
	char *rule; /* its id; empty for records of detections */
	uint64_t slots;
};

/* Zeroed is empty; fini accepts zeroed memory. */
struct mr_books {
	struct mr_book_row *rows; /* by source */
	uint32_t row_count;
	uint32_t link_count;
	struct mr_book_link *links;
	struct mr_book_position *positions;
	struct mr_book_output *outputs;
	struct mr_book_shed *sheds;
	uint32_t shed_count;
	uint32_t shed_at; /* the one that was found last */
	size_t position_count;
	size_t position_capacity;
	size_t position_bytes; /* that they take */
	size_t output_count;
};

struct mr_book_row *mr_books_row(struct mr_books *books, uint32_t source);
static inline void mr_book(struct mr_books *books, uint32_t source, enum mr_book book, uint64_t n)
{
	struct mr_book_row *row =
	    source < books->row_count ? &books->rows[source] : mr_books_row(books, source);
	row->at[book] += n;
}

/* Adds to what is there of the pair. */
void mr_books_link(struct mr_books *books, const struct mr_book_link *link);
/* Of one partition the last that is said counts. Texts are copied. */
void mr_books_position(struct mr_books *books, uint32_t source, struct mr_slice partition,
		       uint64_t position);
/* Adds to what is there of the rule. */
void mr_books_shed(struct mr_books *books, struct mr_slice rule, uint64_t slots);
/* All of them: the first hundred rules by themselves, further ones as "(others)". */
void mr_books_add_sheds(struct mr_books *books, const struct mr_books *more);
/* Replaces what was said of the same sink. */
void mr_books_output(struct mr_books *books, const struct mr_book_output *output);

/* What another worker, or the same at a later barrier, says of what is counted by source. */
void mr_books_add_rows(struct mr_books *books, const struct mr_books *more);
/* Says nothing any more; keeps room for the next time. */
void mr_books_clear(struct mr_books *books);
void mr_books_fini(struct mr_books *books);

/* To msgpack, in parts of about `most` bytes, so that each fits a word of control; `take` borrows
 * each. No part where the books say nothing. */
typedef void (*mr_books_take)(void *context, struct mr_slice part);
void mr_books_encode(const struct mr_books *books, size_t most, mr_books_take take, void *context);
/* Adds one part to the books. Survives any bytes: MR_BAD_INPUT, with the books as far as they could
 * be read; MR_NO_SPACE where they say more than the bounds above. */
enum mr_err mr_books_decode(struct mr_slice part, struct mr_books *books, struct mr_error *error);

#endif
