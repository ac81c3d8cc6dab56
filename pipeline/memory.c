/* memory.c - allocation that aborts when there is none, arenas, growing buffers. */
#include "millrace/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "millrace/text.h"

/* A locked worker has a limit (sandbox.h). */
static _Noreturn void fail(size_t size_bytes)
{
	struct rlimit own;
	fprintf(stderr, "millrace: out of memory: no %zu bytes to be had", size_bytes);
	if (getrlimit(RLIMIT_DATA, &own) == 0 && own.rlim_cur != RLIM_INFINITY)
		fprintf(stderr, "; this process may have %llu MiB of its own (RLIMIT_DATA)",
			(unsigned long long)own.rlim_cur >> 20);
	fputs("\n", stderr);
	abort();
}

static void *checked(void *memory, size_t size_bytes)
{
	if (memory == NULL && size_bytes != 0) {
		fail(size_bytes);
	}
	return memory;
}

void *mr_malloc(size_t size_bytes)
{
	return checked(malloc(size_bytes), size_bytes);
}

void *mr_aligned_alloc(size_t alignment, size_t size_bytes)
{
	return checked(aligned_alloc(alignment, size_bytes), size_bytes);
}

void *mr_calloc(size_t count, size_t size_bytes)
{
	return checked(calloc(count, size_bytes), count == 0 ? 0 : size_bytes);
}

void *mr_realloc(void *old, size_t size_bytes)
{
	return checked(realloc(old, size_bytes), size_bytes);
}

char *mr_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	return memcpy(mr_malloc(size), text, size);
}

char *mr_asprintf(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	return checked(len < 0 ? NULL : text, 1);
}

size_t mr_grow(size_t capacity, size_t need)
{
	size_t grown = capacity < 16 ? 16 : capacity;
	while (grown < need)
		grown *= 2;
	return grown;
}

/* ---- arenas ---- */

#define ARENA_BLOCK_BYTES (64u << 10)

struct mr_arena_block {
	struct mr_arena_block *next;
	size_t size_bytes;
	char bytes[];
};

/* After a reset the blocks stay in the list and `at` stands in the first; a block that is too small
 * for a request is passed over. */
static void arena_more(struct mr_arena *arena, size_t size_bytes)
{
	size_t size = size_bytes > ARENA_BLOCK_BYTES ? size_bytes : ARENA_BLOCK_BYTES;
	if (arena->used_bytes > size)
		size = arena->used_bytes; /* doubling */
	struct mr_arena_block *block = mr_malloc(sizeof *block + size);
	block->size_bytes = size;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->at = block->bytes;
	arena->end = block->bytes + size;
}

void *mr_arena_alloc(struct mr_arena *arena, size_t size_bytes)
{
	size_t size = (size_bytes + 7) & ~(size_t)7;
	if ((size_t)(arena->end - arena->at) < size || arena->at == NULL)
		arena_more(arena, size);
	void *memory = arena->at;
	arena->at += size;
	arena->used_bytes += size;
	return memory;
}

char *mr_arena_copy(struct mr_arena *arena, const char *bytes, size_t len)
{
	char *copy = mr_arena_alloc(arena, len + 1);
	if (len != 0)
		memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

/* Keeps only the newest block, which is the largest: one batch finds room for the next. */
void mr_arena_reset(struct mr_arena *arena)
{
	struct mr_arena_block *newest = arena->blocks;
	if (newest == NULL)
		return;
	for (struct mr_arena_block *block = newest->next, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	newest->next = NULL;
	arena->at = newest->bytes;
	arena->end = newest->bytes + newest->size_bytes;
	arena->used_bytes = 0;
}

void mr_arena_fini(struct mr_arena *arena)
{
	for (struct mr_arena_block *block = arena->blocks, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	*arena = (struct mr_arena){0};
}

/* ---- buffers ---- */

void mr_buf_grow(struct mr_buf *buf, size_t extra)
{
	buf->capacity = mr_grow(buf->capacity, buf->len + extra);
	buf->data = mr_realloc(buf->data, buf->capacity);
}

void mr_buf_add_uint(struct mr_buf *buf, uint64_t number)
{
	char room[MR_DECIMAL_ROOM];
	struct mr_slice digits = mr_decimal(number, false, room);
	mr_buf_add(buf, digits.at, digits.len);
}

void mr_buf_printf(struct mr_buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	va_list again;
	va_copy(again, args);
	size_t room = 64; /* most fit at once */
	int len = vsnprintf(mr_buf_reserve(buf, room), room, format, args);
	va_end(args);
	if (len > 0 && (size_t)len >= room)
		vsnprintf(mr_buf_reserve(buf, (size_t)len + 1), (size_t)len + 1, format, again);
	if (len > 0)
		buf->len += (size_t)len;
	va_end(again);
}

void mr_buf_fini(struct mr_buf *buf)
{
	free(buf->data);
	*buf = (struct mr_buf){0};
}
