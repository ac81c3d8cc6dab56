/* entra_risk.c - Entra ID Protection: risk detections, and the risk states of users and service
 * principals. Reached through kind.c's table only. */
#include "kind.h"

static const struct mr_row risk_rows[] = {
#define X(normalised, native, how) {MR_F_##normalised, MR_HOW_##how, native},
#include "risk.def"
#undef X
};

static const struct mr_row risky_user_rows[] = {
#define X(normalised, native, how) {MR_F_##normalised, MR_HOW_##how, native},
#include "risky_user.def"
#undef X
};

static bool is_risk(const struct mr_view *view)
{
	return mr_view_has(view, MR_MARK_RISK_EVENT_TYPE) &&
	       (mr_view_has(view, MR_MARK_DETECTED_DATE_TIME) ||
		mr_view_has(view, MR_MARK_ACTIVITY_DATE_TIME));
}

static bool is_risky_user(const struct mr_view *view)
{
	return mr_view_has(view, MR_MARK_RISK_STATE) &&
	       mr_view_has(view, MR_MARK_RISK_LAST_UPDATED);
}

const struct mr_kind mr_kind_risk = {
    .rows = risk_rows,
    .row_count = sizeof risk_rows / sizeof risk_rows[0],
    .is = is_risk,
};

const struct mr_kind mr_kind_risky_user = {
    .rows = risky_user_rows,
    .row_count = sizeof risky_user_rows / sizeof risky_user_rows[0],
    .is = is_risky_user,
};
