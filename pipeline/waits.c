/* waits.c - descriptors that stages wait for.
 *
 * Set by stages, walked by worker.c when it has nothing else to do. Few: looked up by a walk. */
#include "waits.h"

#include <assert.h>
#include <stdlib.h>

void mr_waits_fini(struct mr_waits *waits)
{
	free(waits->fds);
	*waits = (struct mr_waits){0};
}

void mr_waits_set(struct mr_waits *waits, int fd, short events)
{
	assert(fd >= 0);
	uint32_t at = 0;
	while (at < waits->count && waits->fds[at].fd != fd)
		at++;
	if (at == waits->count) {
		if (waits->count == waits->capacity) {
			waits->capacity = (uint32_t)mr_grow(waits->capacity, waits->count + 1u);
			waits->fds = mr_realloc(waits->fds, waits->capacity * sizeof *waits->fds);
		}
		waits->count++;
	}
	waits->fds[at] = (struct pollfd){.fd = fd, .events = events};
}

void mr_waits_drop(struct mr_waits *waits, int fd)
{
	for (uint32_t i = 0; i < waits->count; i++) {
		if (waits->fds[i].fd == fd) {
			waits->fds[i] = waits->fds[--waits->count];
			return;
		}
	}
}

void mr_waits_rest(struct mr_waits *waits, int64_t until_us)
{
	waits->rest_us = until_us;
}
