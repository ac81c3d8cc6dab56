/* block.h - sixteen bytes side by side, in what registers the machine has for that.
 *
 * For texts that are looked through for every event or alert. A byte past 0x7f is negative. */
#ifndef MILLRACE_BLOCK_H
#define MILLRACE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MR_BLOCK 16 /* bytes */
typedef int8_t mr_block __attribute__((vector_size(MR_BLOCK)));

static inline mr_block mr_block_at(const char *at)
{
	mr_block bytes;
	memcpy(&bytes, at, MR_BLOCK);
	return bytes;
}

/* Whether any byte of what a comparison gave is set. */
static inline bool mr_block_any(mr_block mask)
{
	typedef uint64_t halves __attribute__((vector_size(MR_BLOCK)));
	halves words = (halves)mask;
	return (words[0] | words[1]) != 0;
}

#endif
