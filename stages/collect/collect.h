/* collect.h - the stage that collects records (see collect.c). */
#ifndef MILLRACE_COLLECT_H
#define MILLRACE_COLLECT_H

#include "millrace/stage.h"

extern const struct mr_stage_ops mr_stage_collect;

/* needs.c */
void mr_collect_needs(const struct mr_config *config, const struct mr_tables *tables,
		      struct mr_needs *needs);

#endif
