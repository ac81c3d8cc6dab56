/* key_files.h - whether the keys and certificates of sinks are those of before.
 *
 * Each set of workers reads them as it begins (mr_setting_is_read). Their bytes go nowhere: the
 * supervisor and the process that prepares a reload know a hash of them, and no worker does. */
#ifndef MILLRACE_PIPELINE_KEY_FILES_H
#define MILLRACE_PIPELINE_KEY_FILES_H

#include "millrace/config.h"

/* Of what these files hold now. One that cannot be read is as one without a byte. */
uint64_t mr_key_files_hash(const struct mr_config *config);

#endif
