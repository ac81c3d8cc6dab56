/* common.c - finds what the records behind an alert have in common. Cannot fail.
 *
 * Called by ocsf.c for the actor, by message.c for who, where and on what. */
#include "common.h"

#include "message.h"

/* What follows from a name in the group key: the fields from `first` to `last`, in the order of
 * normalised.def. */
static const struct {
	mr_field first, last, known_by[2];
} follows[] = {
    {MR_F_ACTOR_NAME, MR_F_ACTOR_TYPE, {MR_F_ACTOR_NAME, MR_F_ACTOR_UID}},
    {MR_F_ACTOR_KNOWN, MR_F_ACTOR_ENABLED, {MR_F_ACTOR_NAME, MR_F_ACTOR_UID}},
    {MR_F_APP_UID, MR_F_APP_NAME, {MR_F_APP_UID, MR_F_APP_NAME}},
    {MR_F_SESSION, MR_F_SESSION, {MR_F_SESSION}},
};

bool common_counts_alerts(const struct mr_rule *rule)
{
	return rule->kind == MR_RULE_CORRELATION && rule->layer > 0 &&
	       mr_correlation_counts(rule->type) == MR_COUNTS_RECORDS;
}

/* Several copies of one record may be shown. */
static uint32_t count_records(const struct mr_alert *alert)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < alert->evidence_count; i++) {
		const struct mr_evidence *one = &alert->evidence[i];
		bool known = false;
		for (uint32_t k = 0; k < i && !known; k++)
			known = alert->evidence[k].kind == one->kind &&
				mr_slice_eq(alert->evidence[k].record_id, one->record_id);
		count += !known;
	}
	return count;
}

bool common_is_whole(const struct mr_rule *rule, const struct mr_alert *alert)
{
	if (alert->lower_bound)
		return false;
	return common_counts_alerts(rule) ? alert->evidence_count < MR_EVIDENCE_MAX
					  : alert->event_count == count_records(alert);
}

bool common_in_key(const struct mr_alert *alert, struct mr_slice text)
{
	for (uint32_t i = 0; i < alert->key_count && text.len > 0; i++)
		if (mr_fold_eq(alert->key[i], text))
			return true;
	return false;
}

static bool is_known_by_key(const struct mr_alert *alert, mr_field field)
{
	for (size_t i = 0; i < sizeof(follows) / sizeof(follows[0]); i++) {
		if (field < follows[i].first || field > follows[i].last)
			continue;
		for (size_t k = 0; k < 2; k++)
			if (common_in_key(
				alert, evidence_text(&alert->evidence[0], follows[i].known_by[k])))
				return true;
	}
	return false;
}

static bool says(const struct mr_evidence *evidence, const struct mr_signal_field *field)
{
	for (uint32_t i = 0; i < evidence->field_count; i++)
		if (evidence->fields[i].field == field->field &&
		    mr_fold_eq(evidence->fields[i].text, field->text))
			return true;
	return false;
}

static bool all_say(const struct mr_alert *alert, const struct mr_signal_field *field)
{
	for (uint32_t i = 1; i < alert->evidence_count; i++)
		if (!says(&alert->evidence[i], field))
			return false;
	return true;
}

void common_find(const struct mr_rule *rule, const struct mr_alert *alert, struct common *out)
{
	bool whole = common_is_whole(rule, alert);
	uint32_t count = 0;
	for (uint32_t i = 0; alert->evidence_count > 0 && i < alert->evidence[0].field_count; i++) {
		const struct mr_signal_field *field = &alert->evidence[0].fields[i];
		if (all_say(alert, field) && (whole || is_known_by_key(alert, field->field)))
			out->fields[count++] = *field;
	}
	out->said = (struct mr_evidence){.field_count = count, .fields = out->fields};
}
