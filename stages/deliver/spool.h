/* spool.h - lines on disk that a receiver has not taken yet, in order, within a bound.
 *
 * Called by sink_webhook.c. Order: open, restore or not, ready, then append, flush, read and
 * acknowledge in any order, at a barrier sync and snapshot, later committed; close last.
 *
 * A place in the spool is counted in bytes from its first frame on, for ever: a segment file is
 * named by the place of its first frame. Lines that were appended after the checkpoint of a restart
 * are kept and known again, so that none lies there twice. A torn end is cut. A frame that was read
 * and is no longer what was written is named with its place, and reading goes on at the next whole
 * one. Lines that were lost so are in no count of what was taken. */
#ifndef MILLRACE_DELIVER_SPOOL_H
#define MILLRACE_DELIVER_SPOOL_H

#include "sent.h"

/* `lines` counts those that are made once, none of revisions. */
struct spool_place {
	uint64_t at;
	uint64_t lines;
};

struct spool_segment {
	struct spool_place begin;
	uint64_t end;
	bool damaged; /* its head is: how many lines come before is not known */
};

struct spool {
	char *name; /* for messages */
	int directory;
	int fd; /* of the last segment, to append; -1: there is none */
	int reading_fd;
	uint64_t reading; /* the place that segment begins at */
	struct spool_segment *segments;
	size_t segment_count;
	size_t segment_capacity;
	struct spool_place end;        /* behind the last frame, written or in the buffer */
	struct spool_place acked;      /* before the first that is still to be taken */
	struct spool_place first_kept; /* a restart would go back to there */
	struct spool_place snapped;
	uint64_t flushed; /* frames before this place are in the file */
	uint64_t most_bytes;
	uint64_t segment_bytes;
	struct mr_buf buf;   /* not yet written */
	struct mr_buf piece; /* the frame read last */
	struct sent sent;
	uint64_t lost_bytes; /* could not be read again */
	bool placed;
	bool stalled; /* the disk is full, and that was said */
};

/* A line that was read: borrowed until the next read. */
struct spool_line {
	struct line_id id;
	struct mr_slice line;
	struct spool_place behind;
};

/* The directory is made. MR_CONFIG, MR_IO, MR_NO_SPACE; MR_UNSUPPORTED where a newer program wrote
 * there. After an error hold nothing. */
enum mr_err spool_open(struct spool *spool, const char *name, const char *path, uint64_t most_bytes,
		       uint64_t segment_bytes, uint64_t seed, struct mr_error *error);
/* Survives any bytes. */
enum mr_err spool_restore(struct spool *spool, struct mr_slice bytes, struct mr_error *error);
/* Finds the end, and what was appended behind the place of the checkpoint. Once, before all else:
 * `end` then counts those lines, too. MR_IO cuts nothing, and it can be called again. */
enum mr_err spool_ready(struct spool *spool, struct mr_error *error);
/* Makes room where segments lie only for a restart's sake. False: full, of lines or of the disk. */
bool spool_has_room(struct spool *spool, size_t bytes);
/* Copies the line; false where it lies there since before a restart. */
bool spool_append(struct spool *spool, const struct line_id *id, struct mr_slice line);
/* What was appended can be read. A full disk is said, and is no error: it is tried again. */
enum mr_err spool_flush(struct spool *spool, struct mr_error *error);
/* Before it all was written, and can be read, if it is still what it was. */
struct spool_place spool_written(const struct spool *spool);
/* On disk, also what waits to be written there. */
uint64_t spool_bytes(const struct spool *spool);
/* The line at a place, or behind it the next whole one. MR_END: none is there yet; MR_IO where the
 * disk does not give it: nothing is lost for that, and it can be read again. */
enum mr_err spool_read(struct spool *spool, struct spool_place at, struct spool_line *out,
		       struct mr_error *error);
/* All before this place was taken. */
void spool_acknowledge(struct spool *spool, struct spool_place behind);
/* All that was appended is durable; MR_FULL where the disk is full. Blocks as the disk does. */
enum mr_err spool_sync(struct spool *spool, struct mr_error *error);
/* Right behind sync. */
void spool_snapshot(struct spool *spool, struct mr_buf *out);
/* The checkpoint of the last snapshot is durable: what lies before it and was taken goes. */
void spool_committed(struct spool *spool);
/* Accepts zeroed memory. */
void spool_close(struct spool *spool);

#endif
