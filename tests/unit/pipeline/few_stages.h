/* few_stages.h - stages that only say what they read, in place of the program's table, which the
 * tests of this room do not link. */
#ifndef MILLRACE_TEST_FEW_STAGES_H
#define MILLRACE_TEST_FEW_STAGES_H

#include <string.h>

#include "millrace/stage.h"

static enum mr_err no_apply(void *state, struct mr_events *events, struct mr_error *error)
{
	(void)state, (void)events, (void)error;
	return MR_OK;
}
static const struct mr_stage_ops collect = {.name = "collect", .reads = MR_CONTENT_NONE};
static const struct mr_stage_ops parse = {.name = "parse", .reads = MR_CONTENT_RECORDS};
static const struct mr_stage_ops enrich = {
    .name = "enrich", .reads = MR_CONTENT_EVENTS, .apply = no_apply};
static const struct mr_stage_ops detect = {.name = "detect", .reads = MR_CONTENT_EVENTS};
static const struct mr_stage_ops correlate = {.name = "correlate", .reads = MR_CONTENT_SIGNALS};
static const struct mr_stage_ops deliver = {.name = "deliver", .reads = MR_CONTENT_ALERTS};
const struct mr_stage_ops *const mr_stages[] = {&collect,   &parse,   &enrich, &detect,
						&correlate, &deliver, NULL};

const struct mr_stage_ops *mr_stage_find(const char *name)
{
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++) {
		if (strcmp((*stage)->name, name) == 0)
			return *stage;
	}
	return NULL;
}

#endif
