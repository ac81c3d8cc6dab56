/* detect.h - what the detect stage's files share: which signals a match makes. */
#ifndef MILLRACE_DETECT_DETECT_H
#define MILLRACE_DETECT_DETECT_H

#include "millrace/rule.h"
#include "millrace/stage.h"

/* Who consumes the matches of one detection: its own alert, or a correlation that names it. */
struct detect_consumer {
	uint32_t rule; /* catalog index of the consumer */
	bool plain;    /* the detection's own alert */
	uint8_t layer;
	uint32_t position; /* which of the correlation's rules the detection is */
	mr_field *
	    carried; /* besides what alerts show: what correlations further out group or count by */
	uint32_t carried_count;
};

struct detect_consumers {
	struct detect_consumer *items;
	uint32_t count;
};

/* For each catalog index its consumers; in the arena. */
struct detect_consumers *detect_consumers_find(const struct mr_catalog *catalog,
					       struct mr_arena *arena);

/* Turns matches into signals. */
struct detect_signals {
	const struct mr_catalog *catalog;
	const struct detect_consumers *consumers;
	struct mr_counters *counters;
	uint8_t seed[16];
	struct mr_arena arena; /* of the event in hand */
	struct mr_signal_field fields[MR_SIGNAL_FIELDS_MAX];
	uint32_t field_count; /* those that alerts show, for the event in hand */
	bool has_fields;
};
void detect_signals_begin(struct detect_signals *signals);
void detect_signals_emit(struct detect_signals *signals, const struct mr_events *events,
			 const struct mr_event *event, uint32_t rule, struct mr_writer *out);

extern const struct mr_stage_ops mr_stage_detect;
extern const struct mr_command mr_command_rules;

#endif
