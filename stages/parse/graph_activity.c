/* graph_activity.c - Microsoft Graph activity: what applications asked of Graph.
 * Reached through kind.c's table only. */
#include "kind.h"

static const struct mr_row rows[] = {
#define X(normalised, native, how) {MR_F_##normalised, MR_HOW_##how, native},
#include "graph_activity.def"
#undef X
};

static bool is_graph_activity(const struct mr_view *view)
{
	return mr_view_has(view, MR_MARK_REQUEST_URI) && mr_view_has(view, MR_MARK_REQUEST_METHOD);
}

const struct mr_kind mr_kind_graph_activity = {
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .is = is_graph_activity,
};
