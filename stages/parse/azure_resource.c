/* azure_resource.c - what Azure resources log themselves: vaults and clusters.
 * Reached through kind.c's table only; the category alone tells. */
#include "kind.h"

static const struct mr_row rows[] = {
#define X(normalised, native, how) {MR_F_##normalised, MR_HOW_##how, native},
#include "azure_resource.def"
#undef X
};

const struct mr_kind mr_kind_azure_resource = {
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .id_names_a_thing = true,
};
