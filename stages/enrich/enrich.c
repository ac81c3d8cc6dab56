/* enrich.c - the enrich stage: adds to events what is known about their address and actor.
 *
 * Called by the pipeline through mr_stage_enrich. It owns nothing but the states of its enrichers
 * and hands them the events, with the addresses parsed once. Fails only in prepare and
 * open, with the enricher's own words. */
#include "enricher.h"

#include <assert.h>
#include <stdlib.h>

#include "millrace/poison.h"

static const struct mr_enricher *const enrichers[] = {
#define X(name) &mr_enricher_##name,
#include "enricher.def"
#undef X
};
#define ENRICHER_COUNT (sizeof(enrichers) / sizeof(enrichers[0]))

struct enrich_state {
	void *states[ENRICHER_COUNT]; /* NULL where it is not active */
	struct enrich_set set;
	struct enrich_pass now;                             /* what rules ask for */
	struct enrich_pass later;                           /* all else */
	uint32_t found[ENRICHER_COUNT][MR_EVENTS_TOGETHER]; /* what each found of the events */
};

enum mr_err enrich_table(const struct mr_stage_env *env, const char *name, bool *active_out,
			 struct mr_slice *bytes_out, struct mr_error *error)
{
	size_t size;
	int fd;
	*active_out = mr_tables_find(env->tables, name, &fd, &size);
	return *active_out ? mr_tables_map(env->tables, name, bytes_out, error) : MR_OK;
}

bool enrich_pass_any(const struct enrich_pass *pass, const mr_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pass->adds[fields[i]])
			return true;
	return false;
}

static enum mr_err prepare(const struct mr_prepare *prepare, struct mr_error *error)
{
	for (size_t i = 0; i < ENRICHER_COUNT; i++) {
		enum mr_err err = enrichers[i]->prepare(prepare, error);

		if (err != MR_OK)
			return err;
	}
	return MR_OK;
}

static void close_stage(void *opaque)
{
	struct enrich_state *state = opaque;

	for (size_t i = ENRICHER_COUNT; i-- > 0;) {
		if (state->states[i] != NULL && enrichers[i]->close != NULL)
			enrichers[i]->close(state->states[i]);
		free(state->states[i]);
		state->states[i] = NULL;
	}
}

static enum mr_err open_stage(void *opaque, const struct mr_stage_env *env, struct mr_error *error)
{
	struct enrich_state *state = opaque;

	state->set.counters = env->counters;
	for (int id = 1; id < MR_F_NORMALISED_END; id++) {
		state->now.adds[id] = mr_fields_asked(env->fields, (mr_field)id);
		state->later.adds[id] = !state->now.adds[id];
	}
	for (size_t i = 0; i < ENRICHER_COUNT; i++) {
		void *inner = mr_calloc(1, enrichers[i]->state_size);
		bool active = false;
		enum mr_err err = enrichers[i]->open(inner, env, &active, error);

		if (err == MR_OK && active) {
			state->states[i] = inner;
			continue;
		}
		free(inner);
		if (err != MR_OK) {
			close_stage(state);
			return err;
		}
	}
	return MR_OK;
}

static enum mr_err apply(void *opaque, struct mr_events *events, struct mr_error *error)
{
	struct enrich_state *state = opaque;
	struct enrich_set *set = &state->set;

	(void)error;
	assert(events->count <= MR_EVENTS_TOGETHER);
	set->events = events;
	set->count = events->count;
	for (uint32_t i = 0; i < set->count; i++) {
		MR_POISON("enrich", events->items[i].raw);
		set->addresses[i] =
		    address_parse(mr_event_text(events, enrich_event(set, i), MR_F_SRC_IP));
	}
	for (size_t i = 0; i < ENRICHER_COUNT; i++) {
		set->found = state->found[i];
		if (state->states[i] != NULL)
			enrichers[i]->apply(state->states[i], &state->now, set);
	}
	return MR_OK;
}

static void complete(void *opaque, struct mr_events *events, struct mr_event *event)
{
	struct enrich_state *state = opaque;
	size_t at = (size_t)(event - events->items);

	for (size_t i = 0; i < ENRICHER_COUNT; i++)
		if (state->states[i] != NULL && enrichers[i]->complete != NULL)
			enrichers[i]->complete(state->states[i], &state->later, state->found[i][at],
					       events, event);
}

const struct mr_stage_ops mr_stage_enrich = {
    .name = "enrich",
    .state_size = sizeof(struct enrich_state),
    .reads = MR_CONTENT_EVENTS,
    .prepare = prepare,
    .open = open_stage,
    .apply = apply,
    .complete = complete,
    .close = close_stage,
};
