/* ledger_store.h - the books on disk: one SQLite file, written by the supervisor alone.
 *
 * Order: open; at recovery rewind to the manifest's checkpoint; then for each checkpoint begin,
 * put whatever it has, commit; close. A put that fails is told by commit. What is put are the sums
 * since the checkpoint before, but for positions and outputs, which are states. Tables, chain of
 * hashes and roll-up are described in README.md, "The ledger".
 *
 * Each commit chains its rows to those before by SHA-256; its 32 bytes belong into the manifest.
 * Checkpoints of hours gone by are folded, hour by hour: their rows give way to the hour's sums. */
#ifndef MILLRACE_LEDGER_STORE_H
#define MILLRACE_LEDGER_STORE_H

#include "millrace/books.h"

struct mr_ledger;

/* With `create` a file that is not there is made. What an older version wrote is brought up to
 * date. Reads the whole file once, to know that it is sound. Blocks for the disk. MR_NOT_FOUND,
 * MR_UNSUPPORTED (a newer version), MR_BAD_INPUT (damaged, or no ledger), MR_AGAIN (somebody else
 * writes to it), MR_NO_SPACE, MR_IO. */
enum mr_err mr_ledger_open(const char *path, bool create, struct mr_ledger **out,
			   struct mr_error *error);
/* Gives up a checkpoint that was begun. Accepts NULL. */
void mr_ledger_close(struct mr_ledger *ledger);

/* The books go back to checkpoint `number` (0: to nothing): what came later is deleted. `head` is
 * what its commit gave, as the manifest has it; NULL: not compared. MR_BAD_INPUT: the books have no
 * such checkpoint, or it is another one. */
enum mr_err mr_ledger_rewind(struct mr_ledger *ledger, uint64_t number,
			     const uint8_t head[MR_LINE_HASH_BYTES], struct mr_error *error);

/* Of how many checkpoints it has rows, those that hours stand for included. MR_BAD_INPUT, MR_IO. */
enum mr_err mr_ledger_count(struct mr_ledger *ledger, uint64_t *out, struct mr_error *error);

struct mr_ledger_checkpoint {
	uint64_t number; /* above all before */
	int64_t time_us; /* wall clock */
	uint64_t incarnation;
	int64_t duration_us; /* from barrier to here */
};
/* MR_BAD_INPUT: a number that is not above the last, or the file was removed or replaced. MR_AGAIN:
 * somebody else writes to the file; nothing has begun. */
enum mr_err mr_ledger_begin(struct mr_ledger *ledger, const struct mr_ledger_checkpoint *checkpoint,
			    struct mr_error *error);
/* Counts of one worker group; `source` is empty for what belongs to none. */
void mr_ledger_put_count(struct mr_ledger *ledger, struct mr_slice source, struct mr_slice group,
			 struct mr_slice counter, uint64_t n);
void mr_ledger_put_position(struct mr_ledger *ledger, struct mr_slice source,
			    struct mr_slice partition, uint64_t position);
/* `edge`, `from` and `to` name the link and its workers; numbers of `link` are not looked at. */
void mr_ledger_put_link(struct mr_ledger *ledger, struct mr_slice edge, struct mr_slice from,
			struct mr_slice to, const struct mr_book_link *link);
void mr_ledger_put_output(struct mr_ledger *ledger, const struct mr_book_output *output);
/* `n` more took at most `within_us` (and more than the next smaller such bound). */
void mr_ledger_put_latency(struct mr_ledger *ledger, struct mr_slice step, uint64_t within_us,
			   uint64_t n);
/* All of it is durable, or (an error) nothing: the checkpoint may then be begun again, under a
 * higher number, or the same. `head_out` is for the manifest. MR_NO_SPACE, MR_IO, MR_BAD_INPUT. */
enum mr_err mr_ledger_commit(struct mr_ledger *ledger, uint8_t head_out[MR_LINE_HASH_BYTES],
			     struct mr_error *error);

/* How long checkpoints keep rows of their own, in time since the hour's end and in number; for
 * tests. */
void mr_ledger_keep(struct mr_ledger *ledger, int64_t keep_us, int64_t most);

#endif
