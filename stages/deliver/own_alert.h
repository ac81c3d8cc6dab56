/* own_alert.h - an alert of Millrace's own, about itself: a rule that was refused, state that was
 * given up. Called by refused.c and sheds.c. */
#ifndef MILLRACE_DELIVER_OWN_ALERT_H
#define MILLRACE_DELIVER_OWN_ALERT_H

#include "outputs.h"

/* Hands the line on to all sinks, and counts it in the books as an alert of no source. MR_FULL
 * where a sink has no room: nothing was done. Fails as a sink does. */
enum mr_err own_alert_put(struct outputs *outputs, const struct line_id *id, struct mr_slice line,
			  struct mr_error *error);

#endif
