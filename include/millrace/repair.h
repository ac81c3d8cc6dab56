/* repair.h - rewrites what simdjson refuses and real records hold (PROTOCOL.md 5.2).
 *
 * Parse repairs a record that was refused, once; deliver does so again to show it. */
#ifndef MILLRACE_REPAIR_H
#define MILLRACE_REPAIR_H

#include "millrace/text.h"

/* The longest that a text can become: each byte three (U+FFFD). */
static inline size_t mr_repair_max(size_t len)
{
	return 3 * len + 8;
}

/* Writes `text` to `out` (mr_repair_max bytes) with
 * - ill-formed UTF-8 within strings as U+FFFD, one for each maximal part of a character (Unicode
 * 15, section 3.9, as Python and the browsers do);
 * - each \u escape of a surrogate without its pair as \ufffd;
 * - integers past 64 bits, and numbers past what a double holds, as strings of their digits.
 * All else stays byte for byte. Returns the new length, or 0 where there was nothing to repair.
 * What is not JSON otherwise stays so. */
size_t mr_repair(struct mr_slice text, char *out);

#endif
