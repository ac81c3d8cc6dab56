/* exact.h - bytes in buffers of exactly their size, and decoders that are given every part of them.
 */
#ifndef MILLRACE_TEST_EXACT_H
#define MILLRACE_TEST_EXACT_H

#include <stdlib.h>

#include "millrace/text.h"

#define S(text) MR_SLICE(text)
#define C(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	} /* in static initialisers */

/* A heap copy of exactly the bytes: an over-read shows under the address sanitizer. */
static inline struct mr_slice exact(const char *at, size_t len)
{
	char *copy = malloc(len == 0 ? 1 : len);
	if (len > 0)
		memcpy(copy, at, len);
	return (struct mr_slice){copy, len};
}

static inline void drop(struct mr_slice bytes)
{
	free((void *)(uintptr_t)bytes.at);
}

static inline void assert_slice(struct mr_slice got, struct mr_slice want)
{
	assert_int_equal(got.len, want.len);
	assert_true(mr_slice_eq(got, want));
}

/* Every proper prefix fails; so does each single byte turned over, or it gives some other item: the
 * decoder must only survive that. */
typedef enum mr_err (*decode_fn)(struct mr_slice bytes);
static inline void trickle(const struct mr_buf *whole, decode_fn decode)
{
	for (size_t len = 0; len < whole->len; len++) {
		struct mr_slice part = exact(whole->data, len);
		assert_int_equal(decode(part), MR_BAD_INPUT);
		drop(part);
	}
	struct mr_slice all = exact(whole->data, whole->len);
	assert_int_equal(decode(all), MR_OK);
	for (size_t i = 0; i < whole->len; i++) {
		char *byte = (char *)(uintptr_t)all.at + i;
		*byte = (char)(*byte ^ 0xff);
		decode(all);
		*byte = (char)(*byte ^ 0xff);
	}
	drop(all);
}

#endif
