/* memory.h - allocation, arenas and growing buffers.
 *
 * Allocation never fails here: out of memory aborts with a word on stderr (see error.h). */
#ifndef MILLRACE_MEMORY_H
#define MILLRACE_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "millrace/error.h"

void *mr_malloc(size_t size_bytes);
/* `size_bytes` is a multiple of `alignment`. */
void *mr_aligned_alloc(size_t alignment, size_t size_bytes);
void *mr_calloc(size_t count, size_t size_bytes);
void *mr_realloc(void *old, size_t size_bytes);
char *mr_strdup(const char *text);
char *mr_asprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The capacity to grow to, so that `need` items fit: doubling, at least 16. */
size_t mr_grow(size_t capacity, size_t need);

/* An arena: many small allocations, freed at once. One for each batch. Zeroed is valid and empty;
 * reset keeps the blocks for the next batch; fini accepts zeroed memory. */
struct mr_arena_block;
struct mr_arena {
	struct mr_arena_block *blocks; /* newest first */
	char *at;
	char *end;
	size_t used_bytes; /* handed out since the last reset */
};
/* 8-byte aligned, not zeroed. */
void *mr_arena_alloc(struct mr_arena *arena, size_t size_bytes);
/* A copy of `len` bytes, with a zero byte behind it. */
char *mr_arena_copy(struct mr_arena *arena, const char *bytes, size_t len);
void mr_arena_reset(struct mr_arena *arena);
void mr_arena_fini(struct mr_arena *arena);

/* A growing byte buffer. Zeroed is valid and empty. */
struct mr_buf {
	char *data;
	size_t len;
	size_t capacity;
};
void mr_buf_grow(struct mr_buf *buf, size_t extra); /* mr_buf_reserve's own */
/* Make room for `extra` more bytes behind len and return a pointer to them; len is unchanged. */
static inline char *mr_buf_reserve(struct mr_buf *buf, size_t extra)
{
	if (__builtin_expect(buf->capacity - buf->len < extra, 0))
		mr_buf_grow(buf, extra);
	return buf->data + buf->len;
}
static inline void mr_buf_add(struct mr_buf *buf, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	memcpy(mr_buf_reserve(buf, len), bytes, len);
	buf->len += len;
}
static inline void mr_buf_add_text(struct mr_buf *buf, const char *text)
{
	mr_buf_add(buf, text, strlen(text));
}
/* Its decimal digits. */
void mr_buf_add_uint(struct mr_buf *buf, uint64_t number);
void mr_buf_printf(struct mr_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void mr_buf_fini(struct mr_buf *buf);

#endif
