/* ledger_report.h - what came in and what became of it, by source and hour. */
#ifndef MILLRACE_LEDGER_REPORT_H
#define MILLRACE_LEDGER_REPORT_H

#include "millrace/memory.h"

enum mr_report_form { MR_REPORT_TEXT, MR_REPORT_JSON, MR_REPORT_CSV };

/* Appends to `out`. Reads only, also while a service writes. Errors: see mr_ledger_db_open. */
enum mr_err mr_ledger_report(const char *path, enum mr_report_form form, struct mr_buf *out,
			     struct mr_error *error);

#endif
