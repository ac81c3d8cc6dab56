/* needs.h - what deliver needs of the system (see needs.c). */
#ifndef MILLRACE_DELIVER_NEEDS_H
#define MILLRACE_DELIVER_NEEDS_H

#include "millrace/stage.h"

void deliver_needs(const struct mr_config *config, const struct mr_tables *tables,
		   struct mr_needs *needs);

#endif
