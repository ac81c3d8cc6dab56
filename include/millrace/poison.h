/* poison.h - in builds for tests alone: a record that kills the worker which works on it.
 *
 * A stage asks for each record; with MILLRACE_POISON (CMake, development and sanitizer builds) one
 * that says "millrace-poison-STAGE" ends the process, "millrace-hang-STAGE" keeps it for ever,
 * "millrace-call-STAGE" makes it call what no worker may, and "millrace-take-STAGE" take memory
 * until there is none. In all other builds nothing is here. */
#ifndef MILLRACE_POISON_H
#define MILLRACE_POISON_H

#include "millrace/memory.h"
#include "millrace/text.h"

#ifdef MILLRACE_POISON

#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static inline bool mr_poison_says(struct mr_slice bytes, const char *what)
{
	return bytes.len > 0 && memmem(bytes.at, bytes.len, what, strlen(what)) != NULL;
}

static inline void mr_poison(const char *poison, const char *hang, const char *call,
			     const char *take, struct mr_slice bytes)
{
	while (mr_poison_says(bytes, take))
		(void)mr_malloc(64 << 20);
	if (mr_poison_says(bytes, call))
		(void)!process_vm_readv(getppid(), NULL, 0, NULL, 0, 0);
	if (mr_poison_says(bytes, poison))
		abort();
	for (volatile bool forever = mr_poison_says(bytes, hang); forever;)
		;
}
#define MR_POISON(stage, bytes)                                                                    \
	mr_poison("millrace-poison-" stage, "millrace-hang-" stage, "millrace-call-" stage,        \
		  "millrace-take-" stage, bytes)

#else

#define MR_POISON(stage, bytes) ((void)0)

#endif
#endif
