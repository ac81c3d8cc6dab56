/* sent.h - the ids of lines that stand in an output already, though the pipeline will make them
 * again (PROTOCOL.md 7.2).
 *
 * Filled after a restart with what stands behind the position of the checkpoint; each id goes when
 * its line comes again. Those that have not come are part of the next snapshot: a checkpoint may
 * well be made before the sources are where they were. */
#ifndef MILLRACE_DELIVER_SENT_H
#define MILLRACE_DELIVER_SENT_H

#include "millrace/checkpoint.h"
#include "millrace/pack.h"

#include "line_id.h"

/* About 256 MiB; what is sent past that between two checkpoints may be sent again. */
#define SENT_MAX MR_LINES_BEHIND_MAX

/* Zeroed is empty; fini accepts zeroed memory. */
struct sent {
	struct line_id *ids; /* open addressing; `used` beside tells which hold one */
	uint8_t *used;
	uint64_t seed;
	uint32_t count;
	uint32_t buckets; /* a power of two, or 0 */
};

void sent_fini(struct sent *sent);
/* False where no more are kept. An id that is there already is there once. */
bool sent_add(struct sent *sent, const struct line_id *id);
/* Whether it was there; it is no longer. */
bool sent_take(struct sent *sent, const struct line_id *id);

void sent_pack(const struct sent *sent, struct mr_buf *out);
/* Adds to what is there. A cursor that is bad afterwards gave only a part. */
void sent_unpack(struct sent *sent, struct mr_unpack *in);

#endif
