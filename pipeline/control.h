/* control.h - the socket between the supervisor and one worker.
 *
 * A pair of Unix SOCK_SEQPACKET sockets: one message a packet, with at most one descriptor.
 * Separate from the links and always drained, so that a full link holds up no word of control. A
 * message that the socket can't take at once waits in a queue: sending never blocks. Bytes of the
 * other end are checked like those of a stranger. */
#ifndef MILLRACE_CONTROL_H
#define MILLRACE_CONTROL_H

#include "millrace/text.h"

enum mr_control_kind {
	/* supervisor to worker */
	MR_CONTROL_TABLE =
	    1,            /* a shared table: number is its size, bytes its name, with descriptor */
	MR_CONTROL_SETUP, /* number is the worker's; the descriptor holds a struct mr_setup */
	MR_CONTROL_CONNECT, /* all have bound: connect, open the stages */
	MR_CONTROL_START,   /* all are ready: begin */
	MR_CONTROL_FILE, /* number and name of a file that records lie in, perhaps a descriptor */
	MR_CONTROL_FILE_GONE,    /* no reference to file `number` comes any more */
	MR_CONTROL_FILE_NUMBER,  /* all readers have the file that this worker registered */
	MR_CONTROL_FILE_REFUSED, /* nobody has it: the disk has no room for its name; bytes say so
				  */
	MR_CONTROL_END_ACK,   /* number is the worker that has all that this one sent it over edge
				 `other` */
	MR_CONTROL_SNAPSHOT,  /* where the state of stage `other` of the chain goes at barrier
				 `number`: the descriptor of an empty file */
	MR_CONTROL_BARRIER,   /* sources: barrier `number` begins here */
	MR_CONTROL_COMMITTED, /* the checkpoint of barrier `number` is durable */
	MR_CONTROL_DRAIN,     /* sources: read no more */
	MR_CONTROL_RESUME,    /* sources that were drained: read on */
	MR_CONTROL_FINISH,    /* sources that read no more: end */
	MR_CONTROL_PING,      /* question `number`: do you live? */
	/* both ways between a supervisor and its gate (gate.h) */
	MR_CONTROL_PEER, /* from or to the supervisor of host `number`: bytes are a host_word.h */
	/* gate to supervisor */
	MR_CONTROL_MET,  /* host `number` is there */
	MR_CONTROL_LOST, /* it is not any more */
	/* worker to supervisor */
	MR_CONTROL_BOUND,
	MR_CONTROL_READY,
	MR_CONTROL_FILE_ADD,    /* bytes are its name, perhaps a descriptor */
	MR_CONTROL_FILE_EXPECT, /* bytes are the name of one that is added soon, and others with it
				 */
	MR_CONTROL_FILE_DROP,   /* file `number` is not referred to any more */
	MR_CONTROL_FILE_ACK,    /* number is the file's */
	MR_CONTROL_ENDED,       /* all of worker `number` over edge `other` has arrived */
	MR_CONTROL_COUNTERS,    /* bytes are an array of all counters, and one of
				    each stage's nanoseconds of CPU */
	MR_CONTROL_LOG,         /* number is the level, other the kind, bytes the line */
	MR_CONTROL_DONE,        /* the work is done, all counters are sent */
	MR_CONTROL_FAILED,      /* number is an enum mr_err, bytes its text */
	MR_CONTROL_TALLY,   /* of correlation `number`: `other` matches, bytes are what they had */
	MR_CONTROL_DRAINED, /* a source reads no more: number is 1 where nothing will ever come, 0
			       where it was told so */
	MR_CONTROL_BOOKS, /* ahead of SNAPPED: bytes are a part of the books at barrier `number` */
	MR_CONTROL_SNAPPED, /* barrier `number` has passed and what goes with it is written: bytes
			       are a struct mr_cut_report */
	MR_CONTROL_PONG,    /* the answer to question `number`: watched.h */
	MR_CONTROL_LATENCY, /* what was timed so far: watched.h */
	MR_CONTROL_FIGURES, /* bytes are a struct mr_figures */
	MR_CONTROL_ALIVE,   /* at one thing that takes long, and getting on with it: no question is
			       answered before that is done */
	MR_CONTROL_KIND_END
};

struct mr_control_message {
	enum mr_control_kind kind;
	uint64_t number;
	uint64_t other;
	struct mr_slice bytes; /* received: valid until the next receive */
	int fd;                /* -1 is none; received: the caller's to close */
};

#define MR_CONTROL_BYTES_MAX (32 << 10)
/* A word that goes to another host holds a whole one. */
#define MR_CONTROL_PEER_BYTES_MAX (MR_CONTROL_BYTES_MAX + 64)

struct mr_control_queued;
struct mr_control {
	int fd;
	bool closed; /* the other end is gone */
	struct mr_control_queued *first;
	struct mr_control_queued *last;
	struct mr_buf scratch;
	char received[MR_CONTROL_PEER_BYTES_MAX + 64];
};

/* Takes the descriptor, -1 is valid and closed. */
void mr_control_init(struct mr_control *control, int fd);
void mr_control_fini(struct mr_control *control);

/* Send now or queue; a descriptor is duplicated where the message has to wait. Nothing happens
 * where the other end is gone: its reader finds that out. */
void mr_control_send(struct mr_control *control, const struct mr_control_message *message);
/* A table (tables.h): the word MR_CONTROL_TABLE. */
void mr_control_send_table(struct mr_control *control, const char *name, int fd, size_t size_bytes);
/* Send now or not at all; false where the socket can't take it. */
bool mr_control_try(struct mr_control *control, const struct mr_control_message *message);
/* Send what waits, as far as the socket takes it. */
void mr_control_flush(struct mr_control *control);
bool mr_control_waits(const struct mr_control *control);
/* Blocks until all is sent; gives up where the other end is gone. */
void mr_control_flush_all(struct mr_control *control);
/* Say no more: the other end reads MR_END, and may still be heard. */
void mr_control_hang_up(struct mr_control *control);
/* MR_AGAIN, MR_END (the other end is gone), MR_PROTOCOL. Never blocks. */
enum mr_err mr_control_receive(struct mr_control *control, struct mr_control_message *out,
			       struct mr_error *error);

/* Acts on one message. Whoever keeps its descriptor sets it to -1. */
typedef enum mr_err (*mr_control_handler)(void *context, struct mr_control_message *message,
					  struct mr_error *error);
/* Send what waits, then have all that is there handled; what comes meanwhile may wait for the next
 * call. MR_OK; MR_END: the other end is gone; else what the handler said, or MR_PROTOCOL. Never
 * blocks. */
enum mr_err mr_control_listen(struct mr_control *control, mr_control_handler handle, void *context,
			      struct mr_error *error);

#endif
