/* warnings.h - of what workers warn of, so much as a person reads.
 *
 * Lines of one kind (log.h) may come for each rule, record or file, and from each worker. The
 * supervisor asks for each at which level it is to be shown: of one kind ten are warnings, each
 * text once; the rest is for who asks for all, counted, and told of when the workers have ended.
 * Errors are not bounded here: they name what is missing from the result. */
#ifndef MILLRACE_WARNINGS_H
#define MILLRACE_WARNINGS_H

#include "millrace/text.h"
#include "progress.h"

#define MR_WARNINGS_SHOWN 10   /* of one kind */
#define MR_WARNINGS_KINDS 64   /* past that the last is one for all others */
#define MR_WARNINGS_TEXTS 1024 /* known of one kind; past that each line counts as another */

struct mr_warning_kind;
/* Zeroed is empty; fini accepts zeroed memory. */
struct mr_warnings {
	struct mr_warning_kind *kinds;
	uint32_t count;
};

/* The level at which the line is to be shown: MR_LOG_WARNING or MR_LOG_DEBUG. */
enum mr_log_level mr_warnings_take(struct mr_warnings *warnings, uint64_t kind,
				   struct mr_slice line);
/* Say how many were not since this was said last. Those that were shown are not shown again. */
void mr_warnings_tell(struct mr_warnings *warnings, struct mr_progress *progress);
void mr_warnings_fini(struct mr_warnings *warnings);

#endif
