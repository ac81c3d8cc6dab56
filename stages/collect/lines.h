/* lines.h - whole lines of a stream that grows, into the spool, and what is none: what follow.c and
 * stream.c share. */
#ifndef MILLRACE_COLLECT_LINES_H
#define MILLRACE_COLLECT_LINES_H

#include "spool.h"

/* The whole lines at the beginning of `bytes`, the first of which stands at `offset` of original
 * `name`. Returns how many bytes they have, line ends included. */
size_t mr_lines_take(struct mr_spool *spool, uint32_t name, uint64_t offset, struct mr_slice bytes);
/* The number under which records name this original. MR_PEER_LOST, MR_NO_SPACE. */
enum mr_err mr_lines_name(const struct mr_stage_env *env, const char *title, uint32_t *name_out,
			  struct mr_error *error);
#define MR_LINES_HEAD (64 << 10)
#define MR_LINES_WHY 200
/* Whether a stream that begins so is lines: each source asks before it takes the first. False: a
 * longer head is needed; never with `last`, nor of MR_LINES_HEAD bytes. `why_out` is "" where it is
 * lines: they begin behind the mark, of `mark_out` bytes. Else it says what the stream is and who
 * reads that: nothing of it is taken, for its lines are no records. */
bool mr_lines_known(struct mr_slice head, bool last, char why_out[MR_LINES_WHY], size_t *mark_out);

#endif
