/* warnings.h - of what workers warn of, so much as a person reads.
 *
 * Lines of one kind (log.h) may come for each rule, record or file, and from each worker. The
 * supervisor asks for each whether it is to be shown: of one kind ten are, each text once; the rest
 * is counted, and told when the workers have ended. Errors are not bounded: they name what is
 * missing from the result. */
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

/* Whether the line is to be shown. */
bool mr_warnings_take(struct mr_warnings *warnings, uint64_t kind, struct mr_slice line);
/* Say how many were not. */
void mr_warnings_tell(const struct mr_warnings *warnings, struct mr_progress *progress);
void mr_warnings_fini(struct mr_warnings *warnings);

#endif
