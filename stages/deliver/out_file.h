/* out_file.h - lines into a file, a pipe or a terminal.
 *
 * Bytes gather in a buffer and are written when it holds 64 KiB or when it is flushed. A line is
 * whole once its '\n' was put: in a regular file only whole lines stay, whatever fails. Errors:
 * MR_NO_SPACE (the disk is full), MR_READER_GONE (a closed pipe), MR_IO (anything else), with a
 * sentence that names the output. After MR_NO_SPACE what is whole and not written is still in the
 * buffer, as long as lines were put whole, and a flush may be tried again; after any other only
 * fini. */
#ifndef MILLRACE_DELIVER_OUT_FILE_H
#define MILLRACE_DELIVER_OUT_FILE_H

#include "millrace/text.h"

#define OUT_FILE_BUFFER_BYTES (64u << 10)

struct out_file {
	const char *name;  /* borrowed */
	int fd;            /* the caller's */
	bool cuts;         /* a regular file: a torn line is cut off again */
	bool stalled;      /* the disk is full, and that was said */
	char trouble[200]; /* what was said */
	struct mr_buf buf; /* not yet written */
	uint64_t at;       /* where in the file the buffer's first byte goes */
	uint64_t whole;    /* end of the last whole line in the file */
};

/* `name` is for messages. MR_IO where the descriptor cannot be written. */
enum mr_err out_file_init(struct out_file *file, int fd, const char *name, struct mr_error *error);
/* May block where the descriptor is no regular file. */
enum mr_err out_file_put(struct out_file *file, struct mr_slice bytes, struct mr_error *error);
enum mr_err out_file_flush(struct out_file *file, struct mr_error *error);
/* Only as much as a pipe takes at once: MR_AGAIN where some is left. Never blocks. */
enum mr_err out_file_flush_some(struct out_file *file, struct mr_error *error);
/* For whoever goes on over a full disk, on what one of the above gave with its words: MR_NO_SPACE
 * is said once and no error, and `stalled` stays until all is written. */
enum mr_err out_file_wait(struct out_file *file, enum mr_err err, struct mr_error *error);
/* It takes the place of one before: what was said of that holds until this one is written. */
void out_file_inherit(struct out_file *file, const struct out_file *before);
/* What was not flushed is gone. Accepts zeroed memory. */
void out_file_fini(struct out_file *file);

#endif
