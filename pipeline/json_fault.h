/* json_fault.h - why a document is no JSON, for the message.
 *
 * Called by json.cc for a document that it refused. It judges as simdjson's DOM does;
 * tests/fuzz/pipeline/fuzz_json.c compares the two. Never fails. */
#ifndef MILLRACE_PIPELINE_JSON_FAULT_H
#define MILLRACE_PIPELINE_JSON_FAULT_H

#include "millrace/text.h"

/* The reason, and where the fault is; NULL where there is none. */
const char *mr_json_fault(struct mr_slice doc, size_t *offset_out);

#endif
