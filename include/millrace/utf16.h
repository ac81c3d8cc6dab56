/* utf16.h - byte order marks: UTF-8's is skipped, UTF-16 text becomes UTF-8, with a mark or
 * without.
 *
 * collect puts all plain bytes through it, and the import of identities what it reads, in pieces of
 * any size. */
#ifndef MILLRACE_UTF16_H
#define MILLRACE_UTF16_H

#include "millrace/text.h"

enum mr_encoding {
	MR_ENCODING_UNKNOWN,
	MR_ENCODING_UTF8,
	MR_ENCODING_UTF16LE,
	MR_ENCODING_UTF16BE
};

/* Zeroed is a stream that has not begun. */
struct mr_recode {
	enum mr_encoding encoding;
	unsigned char held[4]; /* bytes of a mark or a code unit that is not whole */
	uint32_t held_len;
	uint32_t high; /* the first half of a surrogate pair, or 0 */
};

/* What `bytes` mean: a slice of `bytes` itself, or of `out`, which is reset. With `last` nothing
 * follows. Ill-formed UTF-16 becomes U+FFFD. `skipped_out` is the mark's length where it was met in
 * this call and the text stays as it is (UTF-8), else 0. */
struct mr_slice mr_recode_step(struct mr_recode *recode, struct mr_slice bytes, bool last,
			       struct mr_buf *out, size_t *skipped_out);

#endif
