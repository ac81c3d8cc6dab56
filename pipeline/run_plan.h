/* run_plan.h - from settings to what runs: rules, workers, topology, and the paths of a run.
 *
 * Called by cmd_scan.c, cmd_check.c and whoever runs a topology file, in the supervisor, before
 * any worker starts. */
#ifndef MILLRACE_RUN_PLAN_H
#define MILLRACE_RUN_PLAN_H

#include "millrace/config.h"
#include "millrace/topology.h"

/* Where no rules are set: the installed ones, or those of the source tree. MR_CONFIG: neither is
 * there. */
enum mr_err mr_plan_rules(struct mr_config *config, struct mr_error *error);
/* As set, or as many as there are cores. MR_CONFIG. */
enum mr_err mr_plan_workers(const struct mr_config *config, uint32_t *out, struct mr_error *error);
/* The default topology of these workers and layers, cut as set. MR_CONFIG. */
enum mr_err mr_plan_topology(const struct mr_config *config, uint32_t workers, uint8_t layers,
			     struct mr_topology *out, struct mr_error *error);

/* All of that, and what mr_plan_paths looks at, of a topology file's settings: the supervisor is
 * then ready to run. Paths and rules are both looked at where one of them is wrong. */
struct mr_supervisor;
enum mr_err mr_plan_run(struct mr_supervisor *supervisor, uint32_t *workers_out,
			struct mr_error *error);

/* ---- run_paths.c ---- */

/* Of a topology file's settings: whether all that the run reads is there, and all that it writes
 * can be made, none of it another's; nothing is made or changed. Says each fault with mr_log;
 * MR_CONFIG counts them. What is written and is there becomes an own_file, for prepare to look for.
 * What a followed source names may come later: that is a warning. `all` is false on a host that has
 * neither sources nor sinks: it has a state directory. `tables_out` is whether all is there that
 * tables are made from: where it is not, prepare would say so again. */
enum mr_err mr_plan_paths(struct mr_config *config, bool all, bool *tables_out,
			  struct mr_error *error);

#endif
