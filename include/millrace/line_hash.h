/* line_hash.h - a running proof of the lines of a file: how many, how long, which, in which order.
 *
 * A sink carries one along its output and keeps it in its snapshot; the ledger stores it at each
 * checkpoint, and `ledger check` reads the file again. `chain` is SHA-256 over the chain before and
 * the line's own SHA-256, so it proves the order; `sum` adds up the lines' hashes, so it is the
 * same where lines only changed places. */
#ifndef MILLRACE_LINE_HASH_H
#define MILLRACE_LINE_HASH_H

#include "millrace/text.h"

#define MR_LINE_HASH_BYTES 32

/* Zeroed is the proof of no line. */
struct mr_line_hash {
	uint64_t bytes; /* of all lines, with their '\n' */
	uint64_t lines;
	uint8_t chain[MR_LINE_HASH_BYTES];
	uint64_t sum[2];
};

/* One line, with or without its '\n': it is counted as if it had one. */
void mr_line_hash_add(struct mr_line_hash *hash, struct mr_slice line);
bool mr_line_hash_equal(const struct mr_line_hash *a, const struct mr_line_hash *b);

#endif
