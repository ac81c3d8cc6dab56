/* enricher.h - what one enricher provides to enrich.c.
 *
 * A new enricher is one file with a `const struct mr_enricher` at its end, and one row in
 * enricher.def. Order as in stage.h: make in the supervisor, then in each worker open, apply
 * for the events in hand, close. */
#ifndef MILLRACE_ENRICH_ENRICHER_H
#define MILLRACE_ENRICH_ENRICHER_H

#include "millrace/stage.h"

#include "address.h"

/* The events in hand, with what several enrichers need of them. */
struct enrich_set {
	struct mr_events *events;
	uint32_t count;
	uint32_t *found; /* for each, what the enricher in hand found: its own number, 0 nothing */
	struct mr_counters *counters;
	struct address addresses[MR_EVENTS_TOGETHER]; /* of src_endpoint.ip */
};

static inline struct mr_event *enrich_event(const struct enrich_set *set, uint32_t i)
{
	return &set->events->items[i];
}

/* Which fields are added now. Those that rules ask for come with apply, the others with complete.
 */
struct enrich_pass {
	bool adds[MR_F_NORMALISED_END];
};
static inline void enrich_add_text(const struct enrich_pass *pass, struct mr_events *events,
				   struct mr_event *event, mr_field field, struct mr_slice text)
{
	if (pass->adds[field] && text.len > 0)
		mr_event_add_text(events, event, field, text);
}
static inline void enrich_add_bool(const struct enrich_pass *pass, struct mr_events *events,
				   struct mr_event *event, mr_field field, bool yes)
{
	if (pass->adds[field])
		mr_event_add_bool(events, event, field, yes);
}
/* Whether it adds any of these. */
bool enrich_pass_any(const struct enrich_pass *pass, const mr_field *fields, size_t count);

/* A sealed memfd that is to be a table. */
struct enrich_made {
	int fd;
	size_t size;
	bool hashed;
	uint64_t hash; /* of its bytes, where it is known */
};

struct mr_enricher {
	const char *name;
	size_t state_size; /* zeroed and owned by enrich.c */

	const char *setting; /* that names its files; without it there is nothing to do */
	const char *table;
	const mr_field *reads; /* what it looks at in an event */
	size_t read_count;

	/* In the supervisor, in a thread of its own beside what all else prepares: check files,
	 * make the table. Of `prepare` it has config and recall alone (stage.h). After an error
	 * hold nothing. */
	enum mr_err (*make)(const struct mr_prepare *prepare, struct enrich_made *out,
			    struct mr_error *error);

	/* *active_out is false where there is nothing to add: then neither apply nor close is
	 * called. After an error hold nothing. */
	enum mr_err (*open)(void *state, const struct mr_stage_env *env, bool *active_out,
			    struct mr_error *error);

	/* Add fields to all events of the set. Works in passes: gather the keys of all events,
	 * look them up with prefetch, add those of its fields that the pass adds. Texts that it
	 * adds live as long as the batch. */
	void (*apply)(void *state, const struct enrich_pass *pass, struct enrich_set *set);

	/* Add the pass's fields to one event, of which apply found this. NULL where apply adds all
	 * that there is, whatever the pass. */
	void (*complete)(void *state, const struct enrich_pass *pass, uint32_t found,
			 struct mr_events *events, struct mr_event *event);

	void (*close)(void *state); /* may be NULL */
};

/* What open begins with: the bytes of a table that prepare shared; *active_out is false where it
 * shared none, and then `bytes_out` is not set. */
enum mr_err enrich_table(const struct mr_stage_env *env, const char *name, bool *active_out,
			 struct mr_slice *bytes_out, struct mr_error *error);

#define X(name) extern const struct mr_enricher mr_enricher_##name;
#include "enricher.def"
#undef X

/* `millrace identity`: identity_command.c. */
extern const struct mr_command mr_command_identity;

extern const struct mr_stage_ops mr_stage_enrich;

#endif
