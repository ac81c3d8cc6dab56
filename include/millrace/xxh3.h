/* xxh3.h - XXH3 over bytes that come piece by piece: xxhash.h, in the registers that the processor
 * has. mr_hash64 (text.h) is for bytes that are there at once. The values are the same. */
#ifndef MILLRACE_XXH3_H
#define MILLRACE_XXH3_H

#ifdef MR_XXHASH_DISPATCHES
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#endif
