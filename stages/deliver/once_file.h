/* once_file.h - a file in which each line stands once, also over a crash (PROTOCOL.md 7.2).
 *
 * Called by sink_file.c, and by deliver.c for dead letters. Order: open, restore or not, then
 * ready, wants and put in any order, at a barrier barrier and snapshot. Whoever finds neither a
 * checkpoint nor the mark of an earlier start begins behind what is there.
 *
 * The position of a checkpoint is how far the file was whole and durable. Behind it, after a
 * restart, stand lines whose records will be judged again: their ids are read back, and a line that
 * is torn at the end is cut. A whole line is never removed. */
#ifndef MILLRACE_DELIVER_ONCE_FILE_H
#define MILLRACE_DELIVER_ONCE_FILE_H

#include "millrace/line_hash.h"
#include "millrace/metric.h"

#include "file_identity.h"
#include "out_file.h"
#include "sent.h"

struct once_file {
	uint64_t taken; /* lines, or alerts: its owner counts */
	struct out_file out;
	size_t line; /* where the one that comes in pieces begins in the buffer */
	char *name;  /* for messages */
	char *path;
	char *mark; /* path of the file that tells where this state directory began */
	int fd;     /* -1: not open */
	struct file_identity is;
	int next_fd; /* where the path leads since the file was moved away; -1: to the file */
	struct file_identity next;
	bool next_named;     /* in a checkpoint that is committed */
	uint64_t known;      /* bytes that stood under a name when that was looked at last */
	uint64_t known_hash; /* of the last of them */
	bool rotates;        /* set by its owner: it may be moved away */
	struct mr_counters *counters; /* set by its owner; NULL: none */
	uint64_t begun;               /* bytes of it that are on their way to the disk */
	uint64_t synced;              /* bytes of it that are there, or were before this life */
	struct mr_line_hash lines;    /* of all that stands in the file or in the buffer */
	struct sent sent;
	bool placed;   /* `lines` and `sent` are known */
	bool unmarked; /* the mark of the first start is still to be written */
};

/* Makes the file where it is not there, its name durable: for whoever may not make any once it is
 * locked in. False with errno. */
bool once_file_make(const char *path);
/* Makes the file, and `mark` beside the spools of the state directory. MR_CONFIG: it is no regular
 * file, or another process writes it; MR_IO, MR_NO_SPACE. After an error hold nothing. */
enum mr_err once_file_open(struct once_file *file, const char *name, const char *path,
			   const char *mark, uint64_t seed, struct mr_error *error);
/* From a snapshot. MR_BAD_INPUT where the bytes are none, and where the file is shorter than it was
 * or altered: with both figures. One that was of another path is passed over. */
enum mr_err once_file_restore(struct once_file *file, struct mr_slice bytes,
			      struct mr_error *error);
/* Before the first put, and before a barrier: reads what is behind the position. MR_FULL where the
 * disk is full, which is said: to be called again. */
enum mr_err once_file_ready(struct once_file *file, struct mr_error *error);
/* False while the disk is full and the buffer too: flush tries again. Likewise while it is full and
 * the file not ready. */
bool once_file_has_room(struct once_file *file);
/* False where the line stands there already: asked once for each line. */
bool once_file_wants(struct once_file *file, const struct line_id *id);
/* A whole line with its '\n'. A full disk is said, and is no error here. */
enum mr_err once_file_put(struct once_file *file, struct mr_slice line, struct mr_error *error);
/* One that comes in pieces: they go behind what is in the buffer, which is lent until the end, or
 * until it is dropped. */
struct mr_buf *once_file_begin_line(struct once_file *file);
enum mr_err once_file_end_line(struct once_file *file, struct mr_error *error);
void once_file_drop_line(struct once_file *file);
enum mr_err once_file_flush(struct once_file *file, struct mr_error *error);
/* All that was put is durable; MR_FULL where the disk is full, MR_BAD_INPUT where the file was made
 * shorter or altered. Looks where the path leads. Blocks as the disk does. */
enum mr_err once_file_barrier(struct once_file *file, struct mr_error *error);
/* Right behind a barrier. */
void once_file_snapshot(const struct once_file *file, struct mr_buf *out);
/* The checkpoint of the last snapshot is committed. */
void once_file_committed(struct once_file *file);
/* The snapshot and what its owner counts, as a checkpoint keeps them; and back. */
void once_file_save(const struct once_file *file, struct mr_buf *out);
enum mr_err once_file_load(struct once_file *file, struct mr_slice bytes, struct mr_error *error);
/* Accepts zeroed memory. */
void once_file_close(struct once_file *file);

#endif
