/* collect.h - the stage that collects records (see collect.c). */
#ifndef MILLRACE_COLLECT_H
#define MILLRACE_COLLECT_H

#include "millrace/stage.h"

extern const struct mr_stage_ops mr_stage_collect;

#endif
