/* enrich.c - the enrich stage: adds to events what is known about their address and actor.
 *
 * Called by the pipeline through mr_stage_enrich. It owns nothing but the states of its enrichers
 * and hands them the events, with the addresses parsed once. Fails only in prepare_end
 * and open, with the enricher's own words. */
#include "enricher.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

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

/* ---- in the supervisor ---- */

/* A table on its way. */
struct making {
	const struct mr_enricher *enricher;
	const struct mr_prepare *prepare;
	pthread_t thread;
	bool threaded;
	struct enrich_made made;
	enum mr_err err;
	struct mr_error error;
};

static bool is_asked_for(const struct mr_enricher *enricher, const struct mr_config *config)
{
	return mr_config_get(config, enricher->setting, 0) != NULL;
}

static void *make(void *opaque)
{
	struct making *making = opaque;

	making->err = making->enricher->make(making->prepare, &making->made, &making->error);
	return NULL;
}

/* Where no thread is to be had, it is made at once. */
static void begin_making(struct making *making, const struct mr_enricher *enricher,
			 const struct mr_prepare *prepare)
{
	*making = (struct making){.enricher = enricher, .prepare = prepare, .made = {.fd = -1}};
	if (!is_asked_for(enricher, prepare->config))
		return;
	making->threaded = pthread_create(&making->thread, NULL, make, making) == 0;
	if (!making->threaded)
		make(making);
}

static void *prepare_begin(const struct mr_prepare *prepare)
{
	struct making *makings = mr_calloc(ENRICHER_COUNT, sizeof(*makings));

	for (size_t i = 0; i < ENRICHER_COUNT; i++)
		begin_making(&makings[i], enrichers[i], prepare);
	return makings;
}

static enum mr_err prepare(const struct mr_prepare *prepare, struct mr_error *error)
{
	(void)error;
	for (size_t i = 0; i < ENRICHER_COUNT; i++) {
		if (!is_asked_for(enrichers[i], prepare->config))
			continue;
		for (size_t field = 0; field < enrichers[i]->read_count; field++)
			mr_fields_ask(prepare->fields, enrichers[i]->reads[field]);
	}
	return MR_OK;
}

static void take_table(struct mr_tables *tables, const char *name, const struct enrich_made *made,
		       bool wanted)
{
	if (!wanted)
		close(made->fd);
	else if (made->hashed)
		mr_tables_add_hashed(tables, name, made->fd, made->size, made->hash);
	else
		mr_tables_add(tables, name, made->fd, made->size);
}

/* Tables are added, and what is wrong is told, in the order of the enrichers. */
static enum mr_err prepare_end(void *begun, const struct mr_prepare *prepare,
			       struct mr_error *error)
{
	struct making *makings = begun;
	enum mr_err err = MR_OK;

	for (size_t i = 0; i < ENRICHER_COUNT; i++) {
		const struct making *making = &makings[i];

		if (making->threaded)
			pthread_join(making->thread, NULL);
		if (making->err == MR_OK && making->made.fd >= 0)
			take_table(prepare->tables, making->enricher->table, &making->made,
				   err == MR_OK);
		if (making->err == MR_OK || err != MR_OK)
			continue;
		err = making->err;
		*error = making->error;
	}
	free(makings);
	return err;
}

/* ---- in a worker ---- */

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
		const struct mr_event *event = enrich_event(set, i);
		MR_POISON("enrich", event->raw);
		set->addresses[i] =
		    event->has_src_v4 ? (struct address){.v4 = event->src_v4, .family = ADDRESS_V4}
				      : address_parse(mr_event_text(events, event, MR_F_SRC_IP));
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
    .prepare_begin = prepare_begin,
    .prepare = prepare,
    .prepare_end = prepare_end,
    .open = open_stage,
    .apply = apply,
    .complete = complete,
    .close = close_stage,
};
