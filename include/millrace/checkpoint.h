/* checkpoint.h - the form of a snapshot: sections by key group, and sections by name.
 *
 * Any number of workers up to 256 restores what any other number wrote, because a section belongs
 * to a key group or to a name (a source's partition, a sink), not to a worker. Each worker walks
 * the snapshots that all workers of its group's stage wrote: it restores the key groups that it
 * owns, and offers the stage every name.
 *
 * A snapshot is: magic, version, stage name, the program that wrote it, sections, and an XXH3
 * checksum over all of it. Those of older versions are read, too. Decoding survives any bytes. */
#ifndef MILLRACE_CHECKPOINT_H
#define MILLRACE_CHECKPOINT_H

#include "millrace/signal.h"

/* Lines that may stand in an output behind a checkpoint: so many are known again after a death. At
 * half of it sources read no more until a checkpoint is made. */
#define MR_LINES_BEHIND_MAX (UINT32_C(1) << 22)

#define MR_SNAPSHOT_VERSION 2
#define MR_SNAPSHOT_HEAD 12 /* bytes that are the same in each version: magic and version */
#define MR_SNAPSHOT_END_MARK UINT32_MAX /* behind the last section, before the checksum */

void mr_snapshot_begin(struct mr_buf *out, const char *stage);
/* What is appended between the two is the key group's; where that is nothing, there is no section.
 */
size_t mr_snapshot_section_begin(struct mr_buf *out, uint8_t key_group);
void mr_snapshot_section_end(struct mr_buf *out, size_t begin);
/* `name` is not empty. */
void mr_snapshot_named(struct mr_buf *out, struct mr_slice name, struct mr_slice bytes);
void mr_snapshot_end(struct mr_buf *out, size_t begin);

struct mr_section {
	struct mr_slice name; /* empty: of a key group */
	uint8_t key_group;
	struct mr_slice bytes;
};
struct mr_snapshot {
	struct mr_slice sections; /* those not yet walked past */
	struct mr_slice writer;   /* the version of the program that wrote it; empty: unknown */
};
/* Of its first MR_SNAPSHOT_HEAD bytes. MR_BAD_INPUT, MR_UNSUPPORTED where a newer program wrote it.
 */
enum mr_err mr_snapshot_check_version(struct mr_slice head, struct mr_error *error);
/* Check the whole, once. MR_BAD_INPUT where the snapshot is not whole, of another stage, or has a
 * key group twice; MR_UNSUPPORTED where it is of a newer version. Borrows the bytes. */
enum mr_err mr_snapshot_open(struct mr_slice bytes, const char *stage, struct mr_snapshot *out,
			     struct mr_error *error);
/* Which sections it has, by a look at their heads alone: false where these do not tell. */
bool mr_snapshot_list(struct mr_slice bytes, const char *stage, bool groups_out[MR_KEY_GROUPS],
		      bool *named_out);
/* The next section, in the order of writing; false behind the last. */
bool mr_snapshot_next(struct mr_snapshot *snapshot, struct mr_section *out);

#endif
