/* loop.h - whether a source would read what this run writes: its records would come back for ever.
 *
 * Called in the supervisor, before anything is read (sources.c). */
#ifndef MILLRACE_COLLECT_LOOP_H
#define MILLRACE_COLLECT_LOOP_H

#include "millrace/config.h"

/* Every place that `config` names as one of its own (own_file.h) against the paths of a source of
 * type file, also through links. MR_CONFIG: one of them is read, through the path `wrong_out`, a
 * value of the source. */
enum mr_err mr_loop_check(const struct mr_config *config, const struct mr_config *source,
			  const char **wrong_out, struct mr_error *error);

#endif
