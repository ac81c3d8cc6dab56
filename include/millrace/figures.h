/* figures.h - what a stage says of its sources and sinks for the status. Nothing hangs on it.
 *
 * A worker asks its stages a few times a second (stage.h, show) and sends on what it is given; the
 * supervisor keeps the last. */
#ifndef MILLRACE_FIGURES_H
#define MILLRACE_FIGURES_H

#include "millrace/config.h"
#include "millrace/pack.h"

#define MR_FIGURES_WORDS 200

/* Zero what does not apply. */
struct mr_figures {
	enum mr_part_kind kind;
	struct mr_slice name;  /* the part's; a sink without one is the dead letter */
	struct mr_slice words; /* source: how far it was read; sink: its last trouble */
	bool full;             /* source: no room for what is read; sink: takes no more */
	uint64_t bytes;        /* of the journal, of the spool */
	uint64_t segments;     /* of the journal */
	uint64_t unread;       /* inputs of a source that it does not read, or not on */
	struct mr_slice input; /* the first of them */
	uint64_t delivered;
	uint64_t spooled;
	uint64_t refused;
	uint64_t trouble_us; /* when that was, of wall clock */
	uint64_t next_us;    /* when the receiver is tried again, of wall clock; 0: no pause */
	uint64_t refused_us; /* when one was refused for good, in this set of workers; wall clock */
	uint64_t failing_us; /* for so long the receiver has taken nothing that it was sent */
	bool untried;        /* it has answered nothing yet, and something may wait for it */
};

/* Copies what it is given. */
typedef void (*mr_figures_taker)(void *context, const struct mr_figures *figures);

/* Words, and the input, are cut at MR_FIGURES_WORDS. */
void mr_figures_encode(const struct mr_figures *figures, struct mr_buf *out);
/* Borrows. False where the bytes are none; survives any. */
bool mr_figures_decode(struct mr_slice bytes, struct mr_figures *out);

#endif
