/* alarm.c - alarms, raised and cleared. Called by the supervisor. Cannot fail. */
#include "alarm.h"

#include <stdio.h>

#include "millrace/text.h"

const struct mr_alarm_row *mr_alarm_row(enum mr_alarm alarm)
{
	static const struct mr_alarm_row rows[] = {
#define X(symbol, name, level, stops, prose) {name, MR_LOG_##level, stops, prose},
#include "alarm.def"
#undef X
	};
	return &rows[alarm];
}

void mr_alarm_raise(struct mr_alarms *alarms, enum mr_alarm alarm, int64_t now_us,
		    const char *words)
{
	struct mr_alarm_state *is = &alarms->at[alarm];
	struct mr_slice said = mr_slice(words == NULL ? "" : words);
	snprintf(is->words, sizeof is->words, "%.*s", (int)mr_utf8_cut(said, MR_ALARM_WORDS - 1),
		 said.at);
	if (is->raised)
		return;
	is->raised = true;
	is->since_us = now_us;
	is->times++;
	const struct mr_alarm_row *row = mr_alarm_row(alarm);
	mr_log_event(row->level, MR_EVENT_ALARM_RAISED, "%s: %s%s%s%s", row->name, row->prose,
		     said.len > 0 ? " (" : "", is->words, said.len > 0 ? ")" : "");
}

void mr_alarm_clear(struct mr_alarms *alarms, enum mr_alarm alarm, int64_t now_us)
{
	struct mr_alarm_state *is = &alarms->at[alarm];
	if (!is->raised)
		return;
	is->raised = false;
	int64_t lasted_us = now_us > is->since_us ? now_us - is->since_us : 0;
	mr_log_event(MR_LOG_INFO, MR_EVENT_ALARM_CLEARED, "%s: over after %lld s",
		     mr_alarm_row(alarm)->name, (long long)(lasted_us / 1000000));
}
