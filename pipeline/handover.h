/* handover.h - memory that one thread gives another through a library, said to ThreadSanitizer.
 *
 * The distribution's libzmq is not built with it, so the atomics by which a message goes to one of
 * its threads are not seen. Who gives says MR_HANDED_OVER once all is written, who gets says
 * MR_TAKEN_OVER before anything else: then what lies before the one is in order, and whoever still
 * touches the memory behind it is reported. In all other builds nothing is here. */
#ifndef MILLRACE_HANDOVER_H
#define MILLRACE_HANDOVER_H

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define MR_TELLS_THREADS 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define MR_TELLS_THREADS 1
#endif

#ifdef MR_TELLS_THREADS
#include <sanitizer/tsan_interface.h>
#define MR_HANDED_OVER(memory) __tsan_release(memory)
#define MR_TAKEN_OVER(memory) __tsan_acquire(memory)
#else
#define MR_HANDED_OVER(memory) ((void)(memory))
#define MR_TAKEN_OVER(memory) ((void)(memory))
#endif

#endif
