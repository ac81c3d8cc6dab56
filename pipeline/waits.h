/* waits.h - the pipeline's side of the descriptors that stages wait for (millrace/stage.h). */
#ifndef MILLRACE_WAITS_H
#define MILLRACE_WAITS_H

#include <poll.h>

#include "millrace/stage.h"

/* Zeroed is empty. */
struct mr_waits {
	struct pollfd *fds;
	uint32_t count;
	uint32_t capacity;
	int64_t rest_us; /* until then a source wants no news */
};
void mr_waits_fini(struct mr_waits *waits);

#endif
