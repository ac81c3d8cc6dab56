/* alive.h - a sign of life from within long work.
 *
 * A worker answers between two steps of its loop. Whatever may take long within one (a record of
 * gigabytes that is written, hashed, read back) says so after each piece, and the worker then tells
 * its supervisor, which takes nobody for hung that gets on. */
#ifndef MILLRACE_ALIVE_H
#define MILLRACE_ALIVE_H

#define MR_ALIVE_BYTES (1u << 20) /* a piece; such work takes milliseconds */

/* Called often; it may take next to nothing. */
void mr_alive(void);
/* Who is told; NULL is nobody. Of this process, as the sink of its log is. */
typedef void (*mr_alive_listener)(void *context);
void mr_alive_listen(mr_alive_listener listener, void *context);

#endif
