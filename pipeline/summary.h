/* summary.h - what a finished scan says of itself, as JSON. */
#ifndef MILLRACE_SUMMARY_H
#define MILLRACE_SUMMARY_H

#include "supervisor.h"

/* One JSON object with a line end, appended. */
void mr_summary_write(const struct mr_supervisor *supervisor, struct mr_buf *out);

#endif
