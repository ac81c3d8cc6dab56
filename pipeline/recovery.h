/* recovery.h - how the state of a checkpoint travels to the workers: as tables.
 *
 * The supervisor opens the files that the manifest names, and sends each to the workers of its
 * group before they start; worker_restore.c reads them. */
#ifndef MILLRACE_RECOVERY_H
#define MILLRACE_RECOVERY_H

#include <stdio.h>

#include "state_dir.h"
#include "tables.h"

#define MR_MARKS_TABLE "checkpoint.marks"

#define MR_STATE_PREFIX "state/%.31s/" /* and the group */

/* The name of the index-th file that the group's workers wrote for a stage. `out` has
 * MR_TABLE_NAME_MAX bytes. */
static inline void mr_snapshot_table(const char *group, const char *stage, uint32_t index,
				     char *out)
{
	snprintf(out, MR_TABLE_NAME_MAX, MR_STATE_PREFIX "%.15s/%u", group, stage, index);
}

/* What the workers of `host` (empty: of the manifest's own) are given, in these groups: the marks,
 * the records that are set aside, and the files of state that lie there. MR_IO, MR_NO_SPACE. */
enum mr_err mr_recovery_open(const struct mr_state_dir *dir, const struct mr_manifest *last,
			     const struct mr_aside *aside, const char *host,
			     const struct mr_topology *topology, struct mr_tables *out,
			     struct mr_error *error);

#endif
