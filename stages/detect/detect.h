/* detect.h - what the detect stage's files share: the stage, and which signals a match makes. */
#ifndef MILLRACE_DETECT_DETECT_H
#define MILLRACE_DETECT_DETECT_H

#include "millrace/rule.h"
#include "millrace/stage.h"

#include "engine.h"

/* Warn of rules that ask for fields which nobody fills, because a setting is not given. */
void detect_say_needs(const struct mr_prepare *prepare, const struct sigma_set *set);

/* What sources say of their records, as the rules were compiled for it: detect_logsource.c. */
struct detect_logsources {
	uint16_t *numbers; /* of each source: mr_event.logsource */
	uint32_t source_count;
	uint16_t otherwise; /* of any other source */
};
/* Refuses a logsource that no rule sees. MR_CONFIG. */
enum mr_err detect_logsources_check(const struct mr_config *config,
				    const struct mr_declared *declared, const struct sigma_set *set,
				    struct mr_error *error);
void detect_logsources_encode(const struct mr_declared *declared, struct mr_buf *out);
/* What this worker's sources say, among what stands there. In the arena. Survives any bytes:
 * MR_BAD_INPUT. */
enum mr_err detect_logsources_decode(struct mr_slice bytes, const struct mr_config *config,
				     struct mr_arena *arena, struct detect_logsources *out,
				     struct mr_error *error);
static inline uint16_t detect_logsource_of(const struct detect_logsources *logsources,
					   uint32_t source)
{
	return source < logsources->source_count ? logsources->numbers[source]
						 : logsources->otherwise;
}

/* Where fields of correlations stand: detect_place.c. */
struct detect_places {
	struct sigma_place *items; /* by rule, then name */
	uint32_t count;
};
/* A field as a correlation calls it, for one detection. */
struct detect_field {
	mr_field name;                    /* 0: that detection has none */
	bool adds;                        /* an outer correlation adds it up */
	const struct sigma_place *places; /* its, or NULL where the name is the record's own */
	uint32_t count;
};
void detect_places_encode(const struct sigma_set *set, struct mr_buf *out);
/* Survives any bytes: MR_BAD_INPUT. Borrows them, and the arena. */
enum mr_err detect_places_decode(struct mr_slice bytes, const struct mr_fields *fields,
				 struct mr_arena *arena, struct detect_places *out,
				 struct mr_error *error);
struct detect_field detect_field_of(const struct detect_places *places, uint32_t rule,
				    mr_field name);
/* The field of this event that stands for it; 0 is none. */
mr_field detect_field_find(const struct mr_events *events, const struct mr_event *event,
			   const struct detect_field *field);
/* Whether it is found only in an event that is complete (mr_fields_asked). */
bool detect_field_waits(const struct mr_fields *fields, const struct detect_field *field);

/* Who consumes the matches of one detection: its own alert, or a correlation that names it. */
struct detect_consumer {
	uint32_t rule; /* catalog index of the consumer */
	bool plain;    /* the detection's own alert */
	bool feeds;    /* others are over it */
	uint8_t layer;
	struct detect_field *group, *values; /* as many as the correlation has */
	/* Besides what alerts show: what correlations further out group or count by. */
	struct detect_field *carried;
	uint32_t carried_count;
	uint64_t
	    shown; /* what its signals say of what alerts show: normalised fields, a bit each */
};

struct detect_consumers {
	struct detect_consumer *items;
	uint32_t count, capacity;
	/* What the detection's own `fields` has alerts show. */
	struct detect_field *shown;
	uint32_t shown_count;
	bool feeds; /* one of them does */
	/* They need all of the event: one is the detection's own alert, or asks for a field that
	 * comes only when the event is completed. */
	bool complete;
};

/* For each catalog index its consumers; in the arena. */
struct detect_consumers *detect_consumers_find(const struct mr_catalog *catalog,
					       const struct detect_places *places,
					       const struct mr_stage_env *env,
					       struct mr_arena *arena);

/* Turns matches into signals. */
struct detect_signals {
	const struct mr_catalog *catalog;
	const struct detect_consumers *consumers;
	struct mr_counters *counters;
	struct mr_tally *tally;
	uint8_t seed[16];
	struct mr_arena arena; /* of the event in hand */
	const uint32_t *rules; /* that the event in hand matches */
	size_t rule_count;
	uint32_t matched[MR_MATCHED_MAX]; /* of them, those that signals say */
	uint32_t matched_count;
	bool has_matched;
	struct mr_packed shown;    /* of the event in hand */
	uint64_t shown_fields;     /* these; 0: not packed yet */
	struct mr_packing packing; /* of the fields in hand */
};
/* An event, which matches these rules; borrowed. */
void detect_signals_begin(struct detect_signals *signals, const uint32_t *rules, size_t count);
/* Whether the event is to be complete for their signals; else it is to be identified. */
bool detect_signals_complete(const struct detect_signals *signals);
void detect_signals_emit(struct detect_signals *signals, const struct mr_events *events,
			 const struct mr_event *event, uint32_t rule, struct mr_writer *out);
void detect_signals_fini(struct detect_signals *signals);

/* The stage in a worker: detect.c. */
struct detect {
	struct engine *engine;
	struct mr_catalog catalog;
	struct mr_arena arena; /* the consumers */
	struct detect_logsources logsources;
	struct detect_signals signals;
	uint32_t next; /* the first event of the batch in hand that was not judged */
};
/* One event through all rules. Gives how many match, and which; valid until the next one. */
size_t detect_match(struct detect *detect, const struct mr_events *events, struct mr_event *event,
		    const uint32_t **rules_out);
/* Likewise, with their signals. */
size_t detect_judge(struct detect *detect, struct mr_events *events, struct mr_event *event,
		    struct mr_writer *out, const uint32_t **rules_out);

extern const struct mr_stage_ops mr_stage_detect;

#endif
