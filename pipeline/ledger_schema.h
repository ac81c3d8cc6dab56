/* ledger_schema.h - the ledger's tables: what makes version i + 1 of version i. */
#ifndef MILLRACE_LEDGER_SCHEMA_H
#define MILLRACE_LEDGER_SCHEMA_H

#include "ledger_db.h"

extern const char *const mr_ledger_schema[MR_LEDGER_VERSION];

#endif
