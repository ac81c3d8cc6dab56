/* intake.h - what a pipe has given, kept where it outlives the worker that read it.
 *
 * A pipe cannot be asked again, so its bytes go into a ring in memory that the supervisor holds. No
 * one call takes bytes from a pipe and says how many came, so that a kill could part the two; the
 * queue makes it one. It is a second pipe, which nobody but this source fills or empties: bytes are
 * moved into it as they lie, and of those that are then read into the ring, however a read ended,
 * the queue tells how many it still holds. Where the ring ends, its next byte is the first again:
 * what was taken over (and only that) is written over.
 *
 * A regular file needs none of this, and has no ring. What is neither pipe nor file has no queue:
 * what a kill catches between a read and its note is lost.
 *
 * Used by stdin.c; made in the supervisor, opened in a worker. Never blocks. */
#ifndef MILLRACE_COLLECT_INTAKE_H
#define MILLRACE_COLLECT_INTAKE_H

#include <sys/types.h>

#include "millrace/stage.h"

#define INTAKE_RING_BYTES (4u << 20)

/* As all workers see it, behind the ring. */
struct intake_place {
	uint64_t at;     /* bytes of the stream that are in the ring, or were */
	uint64_t queued; /* of them and these in the queue, a read may have taken any; or: */
};
#define INTAKE_NO_READ UINT64_MAX /* none has begun */
struct intake_head {
	uint64_t id[2];
	uint64_t base; /* where a regular file stood when the supervisor began */
	struct intake_place places[2];
	uint32_t current; /* which of the two holds */
};

struct intake {
	int stream;
	int queue[2];  /* -1: has none */
	char *ring;    /* NULL: a regular file */
	bool terminal; /* or another device: a read that fails is its end */
	struct intake_head *head;
};

/* In the supervisor: what the workers of a source of this name need. Takes `stream`. */
enum mr_err intake_prepare(const char *source, int stream, struct mr_tables *tables,
			   struct mr_error *error);
/* In a worker. Close it also after an error, which it accepts, like zeroed memory. */
enum mr_err intake_open(struct intake *intake, const char *source, const struct mr_tables *tables,
			struct mr_error *error);
void intake_close(struct intake *intake);

/* How far the stream was read into the ring. */
uint64_t intake_written(const struct intake *intake);
/* How far it goes at least: what waits to be read, too. */
uint64_t intake_known(const struct intake *intake);
/* Reads on, `room` bytes at most, none of which is taken over twice: what came, 0 at the end, -1
 * with errno. EAGAIN: nothing is there. */
ssize_t intake_fill(struct intake *intake, size_t room);

#endif
