/* azure_activity.c - Azure Activity Log events.
 * Reached through kind.c's table only. */
#include "kind.h"

static const struct mr_row rows[] = {
#define X(normalised, native, how) {MR_F_##normalised, MR_HOW_##how, native},
#include "azure_activity.def"
#undef X
};

/* An envelope of any of the Activity Log's categories; other resource logs have categories of their
 * own and would look alike without that. */
static bool is_azure_activity(const struct mr_view *view)
{
	static const char *const categories[] = {
	    "administrative", "security", "servicehealth", "alert",
	    "recommendation", "policy",   "autoscale",     "resourcehealth",
	    "action",         "write",    "delete",
	};
	if (!mr_view_has(view, MR_MARK_OPERATION_NAME) || !mr_view_has(view, MR_MARK_RESOURCE_ID))
		return false;
	struct mr_slice category = mr_view_text(view, MR_MARK_CATEGORY);
	if (mr_view_has(view, MR_MARK_CATEGORY_VALUE))
		category = mr_view_text(view, MR_MARK_CATEGORY_VALUE);
	for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++)
		if (mr_fold_eq(category, mr_slice(categories[i])))
			return true;
	return false;
}

const struct mr_kind mr_kind_azure_activity = {
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .is = is_azure_activity,
};
