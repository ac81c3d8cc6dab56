/* journal.h - the write-ahead log of one source: what it cannot give again.
 *
 * Owned by a source of collect in `run`. Order: init, open once (with the position to go on from),
 * replay until MR_END, then append and sync in any order, at a checkpoint `position`, when that is
 * durable `commit`, fini last. The segments lie in STATE/journal/SOURCE (segment.h).
 *
 * What is appended stands in the file when the call returns, so that it outlives this process; it
 * outlives the machine once it is synced, together with what came within the interval. Readers have
 * a bounded number of segments open: an older one that no checkpoint needs is closed by them, long
 * before it goes. The source's
 * cursor stands in the blocks themselves: it has moved when they have. A full disk is MR_NO_SPACE,
 * with nothing changed: append again when there is room. A sync that fails is MR_IO and the end:
 * what the page cache holds after it proves nothing. */
#ifndef MILLRACE_COLLECT_JOURNAL_H
#define MILLRACE_COLLECT_JOURNAL_H

#include "outbox.h"
#include "segment.h"

struct mr_journal_at {
	uint64_t segment; /* 0: before the first */
	uint64_t offset;
	uint64_t block; /* the number of the block that stands there, or will */
};

/* Who understands the cursor. */
struct mr_cursor_ops {
	/* While the journal opens: a whole cursor, then what blocks say of it, in order. */
	void (*take)(void *context, struct mr_slice bytes, bool whole);
	/* All of it, for the head of a segment. */
	void (*put)(void *context, struct mr_buf *out);
};

/* A segment that is there. */
struct mr_journal_file {
	uint64_t number;
	int64_t created_us;
	uint64_t size_bytes;
	uint64_t chain; /* as its head says */
	uint64_t first_block;
	uint64_t start; /* where its first block stands */
	uint64_t seed;
	bool known;    /* to its readers, as */
	uint32_t file; /* its mr_files number */
};

struct mr_journal {
	/* Set by init. */
	const struct mr_stage_env *env;
	const struct mr_cursor_ops *cursor;
	void *cursor_context;
	uint32_t source; /* origin.source */
	char *name;
	int64_t segment_bytes;
	int64_t keep_bytes;
	int64_t keep_us;
	int64_t sync_us;
	int64_t sync_bytes;
	int64_t open_most;     /* segments that readers have open at once */
	uint64_t cached_bytes; /* sealed segments farther behind the end do not stay in memory */

	int directory; /* -1: not open */
	bool found;    /* and all that is there */
	struct mr_journal_file *files;
	size_t count;
	size_t capacity;

	int fd; /* of the last segment, -1 where it is sealed and the next one not made */
	struct mr_journal_at end;
	uint64_t chain;
	uint64_t durable;    /* bytes of the last segment that are synced */
	int64_t unsynced_us; /* when the first block that is not was written; 0: none */
	struct mr_buf front;
	uint64_t uncached; /* segments up to this one were given back by the page cache */

	bool crowded;    /* the last append found that readers can have no more open */
	size_t closed;   /* in files: how many are there that no reader has open any more */
	size_t replayed; /* in files: the one that is replayed; `count` once all are */
	struct mr_segment_walk walk;
	struct mr_journal_at committed[2]; /* of the last two checkpoints, the newer first */
	struct mr_journal_at snapped;
};

/* Takes the settings of the part. MR_CONFIG. */
enum mr_err mr_journal_init(struct mr_journal *journal, const struct mr_stage_env *env,
			    const struct mr_part *part, const struct mr_cursor_ops *cursor,
			    void *context, struct mr_error *error);
/* Opens or makes it, checks it, cuts off a torn end (with a warning) and registers its segments.
 * What stands behind `from` is replayed. MR_BAD_INPUT, with file and offset, where it is damaged,
 * or does not reach to `from`; MR_UNSUPPORTED where a newer program wrote it; MR_NO_SPACE where a
 * new one, or the name of one, has no room: open again, which goes on from there; MR_IO. */
enum mr_err mr_journal_open(struct mr_journal *journal, struct mr_journal_at from, int64_t now_us,
			    struct mr_error *error);
void mr_journal_fini(struct mr_journal *journal);

/* The next block, checked, goes to the outbox. MR_OK, MR_END behind the last, MR_BAD_INPUT, MR_IO.
 */
enum mr_err mr_journal_replay(struct mr_journal *journal, struct mr_outbox *outbox,
			      struct mr_error *error);
/* One block, of records and of what is set aside among them: written, and handed to the outbox.
 * Begins a new segment where this one is full. MR_NO_SPACE, MR_IO; MR_CONFIG, with nothing written
 * of it, where it or the cursor is longer than what is read back. */
enum mr_err mr_journal_append(struct mr_journal *journal, struct mr_block *block,
			      struct mr_outbox *outbox, struct mr_error *error);
/* When the next sync is due, in steady time; INT64_MAX where all is durable. */
int64_t mr_journal_due_us(const struct mr_journal *journal);
enum mr_err mr_journal_sync(struct mr_journal *journal, struct mr_error *error);

/* Whether a start would find what is written now. MR_BAD_INPUT where the segment, or the
 * directory, was removed, moved or replaced. */
enum mr_err mr_journal_in_place(const struct mr_journal *journal, struct mr_error *error);
/* Up to where all was handed on: for a snapshot, after a sync. */
struct mr_journal_at mr_journal_position(struct mr_journal *journal);
/* The checkpoint of the last position is durable: segments that neither it nor the one before needs
 * go, where they are too many or too old. */
void mr_journal_commit(struct mr_journal *journal, int64_t now_us);
/* Segments that no checkpoint needs go where they are too many or too old. */
void mr_journal_trim(struct mr_journal *journal, int64_t now_us);
/* For a disk that is full: whether the oldest segment is one that no checkpoint needs, be it too
 * old or not; and it goes: its size, 0 where it cannot. In a life that has committed none yet the
 * checkpoint that it began with alone is needed: it was read whole, and the one before it may be
 * lost to a disk on which no other could follow. */
bool mr_journal_may_give(const struct mr_journal *journal);
/* What checkpoints need of it, as far as its segments are sealed. */
uint64_t mr_journal_needed_bytes(const struct mr_journal *journal);
uint64_t mr_journal_give(struct mr_journal *journal);

#endif
