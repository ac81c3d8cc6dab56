/* alarm.h - what a person has to be told of while it lasts: alarm.def.
 *
 * Whoever sees a trouble begin or end says so here, as often as it likes; what has changed is said
 * once in the log, and stands in the status and the metrics as long as it lasts. */
#ifndef MILLRACE_ALARM_H
#define MILLRACE_ALARM_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/log.h"

enum mr_alarm {
#define X(symbol, name, level, stops, prose) MR_ALARM_##symbol,
#include "alarm.def"
#undef X
	MR_ALARM_COUNT
};

struct mr_alarm_row {
	const char *name;
	enum mr_log_level level;
	bool stops;
	const char *prose;
};
const struct mr_alarm_row *mr_alarm_row(enum mr_alarm alarm);

#define MR_ALARM_WORDS 256
struct mr_alarm_state {
	bool raised;
	int64_t since_us; /* wall clock */
	uint64_t times;   /* raised so often */
	char words[MR_ALARM_WORDS];
};
/* Zeroed is all quiet. */
struct mr_alarms {
	struct mr_alarm_state at[MR_ALARM_COUNT];
};

/* The trouble is there: `words` say which (a sink, a rule) in a few words, and replace what was
 * said before; NULL is none. The log is told when it was not there before. */
void mr_alarm_raise(struct mr_alarms *alarms, enum mr_alarm alarm, int64_t now_us,
		    const char *words);
/* It is over. The log is told how long it lasted. */
void mr_alarm_clear(struct mr_alarms *alarms, enum mr_alarm alarm, int64_t now_us);

#endif
