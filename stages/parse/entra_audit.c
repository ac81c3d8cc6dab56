/* entra_audit.c - Entra ID directory audits.
 * Reached through kind.c's table only. */
#include "kind.h"

static const struct mr_row rows[] = {
#define X(normalised, native, how) {MR_F_##normalised, MR_HOW_##how, native},
#include "audit.def"
#define CHANGES "targetResources.modifiedProperties."
#include "changed.def"
#undef CHANGES
#undef X
};

static bool is_audit(const struct mr_view *view)
{
	return mr_view_has(view, MR_MARK_ACTIVITY_DISPLAY_NAME) &&
	       mr_view_has(view, MR_MARK_ACTIVITY_DATE_TIME);
}

const struct mr_kind mr_kind_audit = {
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .is = is_audit,
};
