/* spool.h - records that do not lie in a plain file, written to one that does.
 *
 * What comes from a pipe, a compressed file or a container is written as frames to an unlinked
 * temporary file, so that it travels by reference like everything else and can be shown as evidence
 * later. Regions of whole frames go to the outbox once they are long enough, or when sealed.
 * In `run` the file is the source's journal: what has come is held until it is put there, whole,
 * with the source's cursor behind it.
 *
 * input.c writes records piece by piece: begin, add …, then end, drop or refuse. Nothing is held in
 * memory but what was not written yet. Whitespace around a record is removed. A record that grows
 * past the limit is set aside like a refused one: its bytes are kept (at most MR_SPOOL_ASIDE_MAX of
 * them), outside any region.
 *
 * The disk may fail: the first error stays in `error`, and calls after it do nothing. */
#ifndef MILLRACE_COLLECT_SPOOL_H
#define MILLRACE_COLLECT_SPOOL_H

#include "journal.h"

#define MR_SPOOL_FILE_MAX (1ULL << 30)   /* a new file is begun past this */
#define MR_SPOOL_ASIDE_MAX (64ULL << 20) /* bytes of one refused piece that are kept */
#define MR_SPOOL_INLINE_MAX (16 << 10)   /* a refused piece up to this travels inline */

struct mr_spool {
	const struct mr_stage_env *env;
	struct mr_outbox *outbox;
	struct mr_journal *journal; /* NULL: a temporary file */
	uint64_t max_record_bytes;
	uint64_t region_bytes;
	uint64_t file_max_bytes;
	struct mr_error error;

	int fd; /* -1: none yet */
	uint32_t number;
	struct mr_buf buf;     /* what was not written yet */
	uint64_t base;         /* where in the file it goes */
	uint64_t region_start; /* of the frames not yet in a region */
	uint64_t region_end;

	bool open;       /* a record has begun */
	bool packed;     /* it is no text: blanks belong to it */
	uint32_t name;   /* of the original */
	uint64_t offset; /* in it */
	uint64_t start;  /* where in the file its header stands */
	uint64_t len;    /* bytes of it, also those not kept */
	uint64_t blanks; /* of these, blanks at the end */

	/* With a journal: */
	uint64_t skip;       /* so many records, or pieces set aside, are in it already */
	uint64_t units;      /* so many came, those that were skipped among them */
	uint32_t count;      /* records that wait for it */
	struct mr_buf aside; /* what is set aside among them (segment.h) */
	uint32_t aside_count;
};

void mr_spool_init(struct mr_spool *spool, const struct mr_stage_env *env,
		   struct mr_outbox *outbox);
void mr_spool_fini(struct mr_spool *spool);
/* Where temporary files are made: $TMPDIR or /tmp. */
const char *mr_spool_directory(void);

void mr_spool_begin(struct mr_spool *spool, uint32_t name, uint64_t offset);
/* As mr_spool_begin, of bytes that are no text and will be refused: blanks are kept. */
void mr_spool_begin_packed(struct mr_spool *spool, uint32_t name, uint64_t offset);
void mr_spool_add(struct mr_spool *spool, const char *bytes, size_t len);
/* So many further bytes of it did not come, and none does after them: refuse it. */
void mr_spool_skip(struct mr_spool *spool, uint64_t len);
void mr_spool_end(struct mr_spool *spool);
void mr_spool_drop(struct mr_spool *spool);
void mr_spool_refuse(struct mr_spool *spool, enum mr_reject_kind kind, const char *reason);
/* Hand on what there is, also less than a region; a record that has not ended stays. */
void mr_spool_seal(struct mr_spool *spool);

/* origin.source of what goes through it. */
static inline uint32_t mr_spool_source(const struct mr_spool *spool)
{
	return spool->journal ? spool->journal->source : 0;
}
/* Bytes that wait for the journal. */
static inline uint64_t mr_spool_waiting(const struct mr_spool *spool)
{
	return spool->open ? spool->start : spool->buf.len;
}
/* Put what waits into the journal as one block, with this cursor; a record that has not ended
 * stays. MR_NO_SPACE: all waits on; MR_IO, MR_PEER_LOST. */
enum mr_err mr_spool_commit(struct mr_spool *spool, int64_t now_us, struct mr_slice cursor,
			    struct mr_error *error);

#endif
