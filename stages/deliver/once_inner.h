/* once_inner.h - what once_file.c and once_barrier.c share of a file of lines. Nobody else calls
 * it.
 */
#ifndef MILLRACE_DELIVER_ONCE_INNER_H
#define MILLRACE_DELIVER_ONCE_INNER_H

#include "once_file.h"

enum mr_err once_length(const struct once_file *file, uint64_t *out, struct mr_error *error);

#endif
