/* topology_file.h - TOPOLOGY.yaml: the settings of a run and of its parts, as a person writes them.
 *
 * Called by cmd_check.c and cmd_run.c before all else. Its keys are the rows of setting.def. */
#ifndef MILLRACE_TOPOLOGY_FILE_H
#define MILLRACE_TOPOLOGY_FILE_H

#include "millrace/config.h"

#define MR_TOPOLOGY_FILE_MAX ((size_t)1 << 20) /* bytes */
#define MR_TOPOLOGY_VALUES_MAX 1000            /* of one setting */
#define MR_TOPOLOGY_PARTS_MAX 256              /* of a kind */
#define MR_TOPOLOGY_FAULTS_SHOWN 10

/* Reads the file into empty settings. All faults are looked for; ten are said with mr_log, each
 * with file, line, column, what is wrong and what would be right. MR_CONFIG counts them; MR_IO,
 * MR_NOT_FOUND where the file cannot be read. `config_out` is empty then.
 *
 * Paths become absolute: a relative one begins in the folder of the file. A secret's file is
 * found and checked, not kept. What the run says holds for each source that does not say it
 * itself, where a setting stands in both. `host` is the one of its hosts that this is, NULL where
 * none was named: a run over several takes one, and no other does. Its state directory is then the
 * run's, its private key is looked at, and no other host's. */
enum mr_err mr_topology_file_read(const char *path, const char *host, struct mr_config *config_out,
				  struct mr_error *error);
/* Likewise, for whoever does not run it: a credential that systemd gives to the service alone is
 * warned of, and not in the settings. */
enum mr_err mr_topology_file_check(const char *path, const char *host, struct mr_config *config_out,
				   struct mr_error *error);
/* As mr_topology_file_read, from bytes; `directory` is the absolute one of the file. Survives any
 * bytes. */
enum mr_err mr_topology_file_parse(struct mr_slice text, const char *path, const char *directory,
				   const char *host, struct mr_config *config_out,
				   struct mr_error *error);

#endif
