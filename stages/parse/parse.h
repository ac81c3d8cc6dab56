/* parse.h - the parse stage, as pipeline/stages.c lists it. */
#ifndef MILLRACE_PARSE_H
#define MILLRACE_PARSE_H

#include "millrace/stage.h"

extern const struct mr_stage_ops mr_stage_parse;

#endif
