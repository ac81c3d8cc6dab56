/* declared.c - records whose source says its logsource: what such records in general call their
 * time, host, actor and object, for alerts. What rules see of them is what they hold themselves.
 * Reached through kind.c's table only. */
#include "kind.h"

static const struct mr_row rows[] = {
#define X(normalised, native, how) {MR_F_##normalised, MR_HOW_##how, native},
#include "declared.def"
#undef X
};

const struct mr_kind mr_kind_declared = {
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
};
