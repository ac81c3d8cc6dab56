/* lines.h - whole lines of a stream that grows, into the spool: what follow.c and stream.c share.
 */
#ifndef MILLRACE_COLLECT_LINES_H
#define MILLRACE_COLLECT_LINES_H

#include "spool.h"

/* The whole lines at the beginning of `bytes`, the first of which stands at `offset` of original
 * `name`. Returns how many bytes they have, line ends included. */
size_t mr_lines_take(struct mr_spool *spool, uint32_t name, uint64_t offset, struct mr_slice bytes);
/* The number under which records name this original. MR_PEER_LOST, MR_NO_SPACE. */
enum mr_err mr_lines_name(const struct mr_stage_env *env, const char *title, uint32_t *name_out,
			  struct mr_error *error);
/* What a stream is that begins with these whole lines, or NULL where it is lines. */
const char *mr_lines_foreign(struct mr_slice head);

#endif
