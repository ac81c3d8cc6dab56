/* sealed.h - files and memory that nobody can change any more.
 *
 * Used in the supervisor, before workers start. May block. */
#ifndef MILLRACE_ENRICH_SEALED_H
#define MILLRACE_ENRICH_SEALED_H

#include "millrace/text.h"

/* A sealed memfd with the file's bytes: a file that is replaced or cut short later harms nobody.
 * The caller closes *fd_out. MR_CONFIG where the file cannot be read, MR_NO_SPACE, MR_IO. */
enum mr_err sealed_copy(const char *path, int *fd_out, size_t *size_out, struct mr_error *error);

/* Likewise; `watch` sees all bytes on their way, in order. */
typedef void (*sealed_watch)(void *context, const char *bytes, size_t len);
enum mr_err sealed_copy_watched(const char *path, sealed_watch watch, void *context, int *fd_out,
				size_t *size_out, struct mr_error *error);

/* The length and the XXH3 of an open file, from its beginning. False with errno where it cannot be
 * read. */
bool sealed_measure(int fd, uint64_t *bytes_out, uint64_t *hash_out);

/* Bytes of a table that is being made, into its memfd. MR_NO_SPACE. */
enum mr_err sealed_write(int fd, const void *bytes, size_t len, uint64_t offset,
			 struct mr_error *error);

/* Forbid all further change of a memfd. It must not be mapped writable. */
enum mr_err sealed_seal(int fd, struct mr_error *error);

#endif
