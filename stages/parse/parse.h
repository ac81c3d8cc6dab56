/* parse.h - the parse stage, as pipeline/stages.c lists it. */
#ifndef MILLRACE_PARSE_H
#define MILLRACE_PARSE_H

#include "millrace/stage.h"

/* The highest max_record_bytes: a repaired record may be three times as long (repair.h), and
 * MR_JSON_BYTES_MAX is the end. */
#define MR_RECORD_BYTES_LIMIT (10 << 20)

extern const struct mr_stage_ops mr_stage_parse;

#endif
