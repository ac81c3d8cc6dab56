/* event.h - a record after parsing: typed fields, plus a reference to its record.
 *
 * Events live in a struct mr_events: up to some hundreds at a time, with one arena. Parse fills it,
 * enrich adds to it, detect reads it; in a fused chain it is handed on in memory and never encoded.
 * An event holds, for each field of the dictionary, the index of its first value; further values of
 * a multi-valued field are chained. Strings are slices of the record's buffer or the arena: nothing
 * is allocated for one field. */
#ifndef MILLRACE_EVENT_H
#define MILLRACE_EVENT_H

#include <assert.h>

#include "millrace/field.h"

enum mr_record_kind {
#define X(symbol, name, prose) MR_KIND_##symbol,
#include "millrace/record_kind.def"
#undef X
	MR_KIND_COUNT
};
struct mr_slice mr_record_kind_name(enum mr_record_kind kind);

/* Where a record came from, and how to read it again. `partition` is a file of the run (see
 * mr_files), `position` a byte offset in it, `length` bytes long; `hash` is mr_hash64(bytes, seed
 * 0) of the bytes as they came. */
struct mr_origin {
	uint32_t source;
	uint32_t partition;
	uint64_t position;
	uint32_t length;
	uint64_t hash;
};

enum mr_type {
	MR_NULL,   /* null, an empty array, an array of nothing but nulls */
	MR_BOOL,   /* num.i is 0 or 1; text is "true" or "false" */
	MR_INT,    /* num.i; text is the record's own digits */
	MR_UINT,   /* num.u, past INT64_MAX; text likewise */
	MR_DOUBLE, /* num.d; text likewise */
	MR_STRING, /* text, unescaped */
	MR_JSON    /* an object or an array of objects; text is the record's own bytes of it */
};

struct mr_value {
	const char *text; /* as text tests see it; valid for every type but MR_NULL */
	uint32_t len;
	uint32_t
	    next; /* the next value of this field: index + 1 into mr_events.values, 0 is last */
	union {
		int64_t i;
		uint64_t u;
		double d;
	} num;
	enum mr_type type;
};

struct mr_event {
	struct mr_slice raw;  /* the record's bytes as they came */
	struct mr_slice json; /* what was parsed: raw, or the repaired text; valid JSON. Of a row
				 that holds a record in a text: that text */
	struct mr_origin origin;
	struct mr_slice tenant; /* case-folded, "unknown" where nothing says; may be empty until it
				   is identified */
	struct mr_slice id; /* case-folded `Id`/`id`, else SHA-256 in hexadecimal of raw, in a row
			     of the record's text as it came; may be empty until it is identified */
	int64_t time_us;    /* valid where has_time */
	int64_t arrival_us;
	enum mr_record_kind kind;
	/* Of a declared record: which of the logsources that the rules were compiled for, from 1;
	 * 0: none. Detect's own. */
	uint16_t logsource;
	bool has_time;
	bool identified; /* see mr_event_identify */
	bool complete;   /* see mr_event_complete */
	bool has_src_v4; /* whoever put MR_F_SRC_IP knows it as the IPv4 address src_v4 */
	uint32_t src_v4;
	uint32_t *first; /* for each field id: index + 1 into mr_events.values, 0 is missing */
	uint32_t *last;  /* likewise the newest value; meaningful only where first is not 0 */
};

/* So many at most go through the stages of a chain together: enough for look-ups with prefetch, few
 * enough to stay in the cache. */
#define MR_EVENTS_TOGETHER 64

struct mr_events {
	const struct mr_fields *fields;
	struct mr_event *items;
	uint32_t count;
	uint32_t capacity;
	struct mr_value *values;
	uint32_t value_count;
	uint32_t value_capacity;
	uint32_t
	    *first_block; /* capacity * 2 * stride entries: each event's first, then its last */
	uint32_t stride;  /* mr_fields_count, rounded up */
	struct mr_arena arena;
	/* Calls the stages' `identify`, and their `complete`. */
	void (*identifier)(void *context, struct mr_events *events, struct mr_event *event);
	void (*completer)(void *context, struct mr_events *events, struct mr_event *event);
	void *holder; /* the context of both */
};

void mr_events_init(struct mr_events *events, const struct mr_fields *fields, uint32_t capacity);
void mr_events_fini(struct mr_events *events);
/* Forget all events and values, keep the memory. */
void mr_events_reset(struct mr_events *events);
/* A zeroed event without fields, or NULL where capacity is reached. */
struct mr_event *mr_events_push(struct mr_events *events);
/* Take back the newest event: what parse does with a record that turns out to be bad. What was
 * copied for it goes with the batch; where it was the only event, at once: bad records alone, which
 * make no batch, take no memory, however many come. */
void mr_events_pop(struct mr_events *events);

/* Its tenant, its id and the origin's hash, which say what record it is: called before a signal is
 * made of it. Most events are never asked. */
static inline void mr_event_identify(struct mr_events *events, struct mr_event *event)
{
	if (!event->identified && events->identifier != NULL)
		events->identifier(events->holder, events, event);
	event->identified = true;
}

/* And the fields that nobody asked for (mr_fields_asked) and that stages therefore held back:
 * called before anybody but the rules reads the event's fields, as for an alert or to send it on.
 */
static inline void mr_event_complete(struct mr_events *events, struct mr_event *event)
{
	mr_event_identify(events, event);
	if (!event->complete && events->completer != NULL)
		events->completer(events->holder, events, event);
	event->complete = true;
}

/* Room for `count` more values at the end of the array, which does not grow by that. */
struct mr_value *mr_event_room(struct mr_events *events, uint32_t count);
/* Room for one more value of a field, behind those it has, for the caller to fill but for `next`.
 * Pointers into values die with the next add. */
static inline struct mr_value *mr_event_new(struct mr_events *events, struct mr_event *event,
					    mr_field field)
{
	assert(field != 0 && field < events->stride);
	struct mr_value *value = events->value_count < events->value_capacity
				     ? &events->values[events->value_count]
				     : mr_event_room(events, 1);
	uint32_t at = ++events->value_count;
	if (event->first[field] == 0)
		event->first[field] = at;
	else
		events->values[event->last[field] - 1].next = at;
	event->last[field] = at;
	value->next = 0;
	return value;
}

/* Give a field that has no value one that another field has, a text and that field's only value.
 * Nothing may be added to either from then on. */
static inline void mr_event_share(struct mr_event *event, mr_field field, uint32_t index)
{
	event->first[field] = event->last[field] = index;
}

/* Append a value to a field. */
void mr_event_add(struct mr_events *events, struct mr_event *event, mr_field field,
		  const struct mr_value *value);
static inline void mr_event_add_text(struct mr_events *events, struct mr_event *event,
				     mr_field field, struct mr_slice text)
{
	struct mr_value *value = mr_event_new(events, event, field);
	value->text = text.at;
	value->len = (uint32_t)text.len;
	value->type = MR_STRING;
}
void mr_event_add_int(struct mr_events *events, struct mr_event *event, mr_field field,
		      int64_t number);
void mr_event_add_bool(struct mr_events *events, struct mr_event *event, mr_field field, bool yes);
/* `text` is the number as alerts and text tests see it; borrowed. */
void mr_event_add_double(struct mr_events *events, struct mr_event *event, mr_field field,
			 double number, struct mr_slice text);

/* The first value, or NULL where the field is missing. */
static inline const struct mr_value *mr_event_get(const struct mr_events *events,
						  const struct mr_event *event, mr_field field)
{
	uint32_t index = event->first[field];
	return index == 0 ? NULL : &events->values[index - 1];
}
static inline const struct mr_value *mr_value_next(const struct mr_events *events,
						   const struct mr_value *value)
{
	return value->next == 0 ? NULL : &events->values[value->next - 1];
}
/* The first value's text, or an empty slice. */
struct mr_slice mr_event_text(const struct mr_events *events, const struct mr_event *event,
			      mr_field field);

/* What group keys and distinct values call missing: null, or a text that is no value (text.h). */
static inline bool mr_value_is_missing(const struct mr_value *value)
{
	return value == NULL || value->type == MR_NULL ||
	       mr_text_is_missing((struct mr_slice){value->text, value->len});
}

#endif
