/* summary.h - what a scan says of itself at its end, as JSON. */
#ifndef MILLRACE_SUMMARY_H
#define MILLRACE_SUMMARY_H

#include "supervisor.h"

/* One JSON object with a line end, appended. `complete` is false where not all was done: counts are
 * then what was known last. */
void mr_summary_write(const struct mr_supervisor *supervisor, bool complete, struct mr_buf *out);

#endif
