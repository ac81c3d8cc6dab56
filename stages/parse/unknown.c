/* unknown.c - objects of no known kind.
 * Reached through kind.c's table only. */
#include "kind.h"

static const struct mr_row rows[] = {
#define X(normalised, native, how) {MR_F_##normalised, MR_HOW_##how, native},
#include "unknown.def"
#undef X
};

const struct mr_kind mr_kind_unknown = {
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
};
