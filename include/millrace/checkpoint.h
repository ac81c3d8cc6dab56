/* checkpoint.h - the form of a snapshot: one section for each key group.
 *
 * Any number of workers up to 256 restores what any other number wrote, because a section belongs
 * to a key group, not to a worker. A snapshot is: magic, version, stage name, then sections (key
 * group, length, bytes) and an XXH3 checksum over all of it. Decoding survives any bytes. */
#ifndef MILLRACE_CHECKPOINT_H
#define MILLRACE_CHECKPOINT_H

#include "millrace/signal.h"

#define MR_SNAPSHOT_VERSION 1

void mr_snapshot_begin(struct mr_buf *out, const char *stage);
void mr_snapshot_section(struct mr_buf *out, uint8_t key_group, struct mr_slice bytes);
void mr_snapshot_end(struct mr_buf *out, size_t begin);

/* The section of one key group; empty where it has none. MR_BAD_INPUT where the snapshot is not
 * whole, of another stage or a newer version. */
enum mr_err mr_snapshot_find(struct mr_slice snapshot, const char *stage, uint8_t key_group,
			     struct mr_slice *section_out, struct mr_error *error);

#endif
