/* common.h - what all records behind an alert have in common, which the alert may say as its own.
 *
 * An alert shows ten records at most. What those say alike holds for the others too only where it
 * is in the group key; a password spray may well begin with ten attempts on one victim. */
#ifndef MILLRACE_DELIVER_COMMON_H
#define MILLRACE_DELIVER_COMMON_H

#include "millrace/alert.h"
#include "millrace/rule.h"

struct common {
	struct mr_evidence said; /* of no record: only its fields count */
	struct mr_signal_field fields[MR_SIGNAL_FIELDS_MAX];
};

/* Texts are borrowed from the alert. Says nothing where there is no evidence. */
void common_find(const struct mr_rule *rule, const struct mr_alert *alert, struct common *out);

/* Whether the alert's count is one of the alerts of the rules that its rule is over, not of
 * records: an event_count over correlations. A match of a detection among those is an alert too. */
bool common_counts_alerts(const struct mr_rule *rule);
/* Whether the evidence is surely all there is. */
bool common_is_whole(const struct mr_rule *rule, const struct mr_alert *alert);
/* Whether a text, in any case, is one of the group key's. */
bool common_in_key(const struct mr_alert *alert, struct mr_slice text);

#endif
