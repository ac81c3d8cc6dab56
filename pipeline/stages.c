/* stages.c - the table of all stages: the one place where the pipeline names them. */
#include "millrace/stage.h"

#include <string.h>

extern const struct mr_stage_ops mr_stage_collect;
extern const struct mr_stage_ops mr_stage_parse;
extern const struct mr_stage_ops mr_stage_enrich;
extern const struct mr_stage_ops mr_stage_detect;
extern const struct mr_stage_ops mr_stage_correlate;
extern const struct mr_stage_ops mr_stage_deliver;

const struct mr_stage_ops *const mr_stages[] = {
    &mr_stage_collect,
    &mr_stage_parse,
    &mr_stage_enrich,
    &mr_stage_detect,
    &mr_stage_correlate,
    &mr_stage_deliver,
    NULL,
};

const struct mr_stage_ops *mr_stage_find(const char *name)
{
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++) {
		if (strcmp((*stage)->name, name) == 0)
			return *stage;
	}
	return NULL;
}
