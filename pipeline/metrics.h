/* metrics.h - the status of a service as Prometheus' text.
 *
 * Source: the text-based exposition format, version 0.0.4. */
#ifndef MILLRACE_METRICS_H
#define MILLRACE_METRICS_H

#include "status.h"

#define MR_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
/* Of one kind of row so many are shown: labels are bounded. */
#define MR_METRICS_ROWS_MAX 512

void mr_metrics_write(const struct mr_status *status, struct mr_buf *out);

#endif
