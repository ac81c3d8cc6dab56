/* key_files.h - what the key and certificate files of a sink held when its settings were read.
 *
 * Called by sink_webhook.c and http.c. The supervisor keeps them in memory for as long as these
 * settings are in force, and no worker opens such a file: workers that begin again, after a death
 * or a reload that was refused, have the keys that they had, whatever has become of the files. */
#ifndef MILLRACE_DELIVER_KEY_FILES_H
#define MILLRACE_DELIVER_KEY_FILES_H

#include "millrace/stage.h"

/* In the supervisor: reads and checks them, and the system's certificates where the sink names
 * none. MR_CONFIG, MR_NOT_FOUND, MR_IO, with the place in the topology file. */
enum mr_err key_files_keep(const struct mr_part *sink, const struct mr_prepare *prepare,
			   struct mr_error *error);
/* In a worker: what the file of that setting holds, borrowed until the process ends; empty where
 * the sink has none. MR_NOT_FOUND, MR_BAD_INPUT, MR_IO. */
enum mr_err key_files_get(const struct mr_tables *tables, const char *sink, const char *setting,
			  struct mr_slice *out, struct mr_error *error);

#endif
