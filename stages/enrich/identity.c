/* identity.c - the identity enricher: who the actor of an event is.
 *
 * Called by enrich.c. prepare opens the store's current generation and shares its table; a store
 * that is not there or damaged is MR_CONFIG. The actor is looked for by object id or PUID, then by
 * user principal name or alias, then by the application's id. */
#include "enricher.h"
#include "identity_store.h"

#include <unistd.h>

#define TABLE "enrich.identity"
#define KEYS 3

struct identity_key {
	struct mr_slice text; /* folded; empty where the event has none */
	uint64_t hash;
};

struct identity_state {
	struct identity_table table;
	struct identity_key keys[ENRICH_CHUNK][KEYS];
};

static enum mr_err prepare(const struct mr_prepare *prepare, struct mr_error *error)
{
	const char *store = mr_config_get(prepare->config, "identity", 0);
	struct identity_table table;
	size_t size;
	int fd;
	if (store == NULL)
		return MR_OK;
	enum mr_err err = identity_store_open(store, &fd, &size, &table, error);
	if (err == MR_OK)
		mr_tables_add(prepare->tables, TABLE, fd, size);
	return err;
}

static enum mr_err open_identity(void *opaque, const struct mr_stage_env *env, bool *active_out,
				 struct mr_error *error)
{
	struct identity_state *state = opaque;
	struct mr_slice bytes;
	size_t size;
	int fd;
	*active_out = mr_tables_find(env->tables, TABLE, &fd, &size);
	if (!*active_out)
		return MR_OK;
	enum mr_err err = mr_tables_map(env->tables, TABLE, &bytes, error);
	return err == MR_OK ? identity_table_open(bytes, &state->table, error) : err;
}

/* The service's own accounts are nobody whom a store could know. */
static bool is_system(struct mr_slice name)
{
	static const struct mr_slice names[] = {
	    {"nt authority\\", 13}, {"s-1-5-18", 8},     {"not available", 13}, {"unknown", 7},
	    {"nt service\\", 11},   {"microsoft\\", 10}, {"<null>", 6}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (name.len >= names[i].len && memcmp(name.at, names[i].at, names[i].len) == 0)
			return true;
	}
	return false;
}

static void gather(struct identity_state *state, struct enrich_chunk *chunk)
{
	static const mr_field fields[KEYS] = {MR_F_ACTOR_UID, MR_F_ACTOR_NAME, MR_F_APP_UID};
	for (uint32_t i = 0; i < chunk->count; i++) {
		const struct mr_event *event = enrich_event(chunk, i);
		for (size_t k = 0; k < KEYS; k++) {
			struct identity_key *key = &state->keys[i][k];
			key->text = mr_fold_arena(&chunk->events->arena,
						  mr_event_text(chunk->events, event, fields[k]));
			if (key->text.len != 0 && k < 2)
				key->hash = identity_hash(&state->table, key->text);
		}
	}
	for (uint32_t i = 0; i < chunk->count; i++) {
		for (size_t k = 0; k < 2; k++) {
			if (state->keys[i][k].text.len != 0)
				identity_near(&state->table, state->keys[i][k].hash);
		}
	}
}

static const struct identity_person *find(struct identity_state *state, uint32_t i)
{
	struct identity_key *keys = state->keys[i];
	const struct identity_person *person = NULL;
	for (size_t k = 0; k < 2 && person == NULL; k++)
		person = identity_find(&state->table, keys[k].text, keys[k].hash);
	bool named = keys[1].text.len != 0 && !is_system(keys[1].text) &&
		     memchr(keys[1].text.at, '@', keys[1].text.len) != NULL;
	if (person == NULL && !named && keys[2].text.len != 0)
		person = identity_find(&state->table, keys[2].text,
				       identity_hash(&state->table, keys[2].text));
	return person;
}

static void add_text(struct mr_events *events, struct mr_event *event, mr_field field,
		     struct mr_slice text)
{
	if (text.len != 0)
		mr_event_add_text(events, event, field, text);
}

static void add_list(struct mr_events *events, struct mr_event *event, mr_field field,
		     struct mr_slice list)
{
	while (list.len != 0) {
		const char *end = memchr(list.at, '\n', list.len);
		size_t len = end == NULL ? list.len : (size_t)(end - list.at);
		add_text(events, event, field, (struct mr_slice){list.at, len});
		len += end != NULL;
		list = (struct mr_slice){list.at + len, list.len - len};
	}
}

static void add_person(const struct identity_table *table, const struct identity_person *person,
		       struct mr_events *events, struct mr_event *event)
{
	const struct {
		mr_field field;
		uint32_t text;
	} texts[] = {
	    {MR_F_ACTOR_FULL_NAME, person->display_name},    {MR_F_ACTOR_UPN, person->shown_upn},
	    {MR_F_ACTOR_DEPARTMENT, person->department},     {MR_F_ACTOR_TITLE, person->title},
	    {MR_F_ACTOR_MANAGER, person->manager},           {MR_F_ACTOR_RISK, person->risk},
	    {MR_F_ACTOR_HOME_COUNTRY, person->home_country},
	};
	mr_event_add_bool(events, event, MR_F_ACTOR_KNOWN, true);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		add_text(events, event, texts[i].field, identity_text(table, texts[i].text));
	add_list(events, event, MR_F_ACTOR_GROUPS, identity_text(table, person->groups));
	add_list(events, event, MR_F_ACTOR_ROLES, identity_text(table, person->roles));
	if (mr_event_get(events, event, MR_F_ACTOR_UID) == NULL)
		add_text(events, event, MR_F_ACTOR_UID, identity_text(table, person->id));
	if ((person->flags & (IDENTITY_PRIVILEGED | IDENTITY_NOT_PRIVILEGED)) != 0)
		mr_event_add_bool(events, event, MR_F_ACTOR_PRIVILEGED,
				  (person->flags & IDENTITY_PRIVILEGED) != 0);
	if ((person->flags & (IDENTITY_ENABLED | IDENTITY_DISABLED)) != 0)
		mr_event_add_bool(events, event, MR_F_ACTOR_ENABLED,
				  (person->flags & IDENTITY_ENABLED) != 0);
}

static void apply(void *opaque, struct enrich_chunk *chunk)
{
	struct identity_state *state = opaque;
	uint64_t hits = 0;
	uint64_t unknown = 0;
	gather(state, chunk);
	for (uint32_t i = 0; i < chunk->count; i++) {
		const struct identity_key *keys = state->keys[i];
		const struct identity_person *person = find(state, i);
		if (person != NULL) {
			add_person(&state->table, person, chunk->events, enrich_event(chunk, i));
			hits++;
		} else if ((keys[0].text.len != 0 || keys[1].text.len != 0) &&
			   !is_system(keys[0].text) && !is_system(keys[1].text)) {
			mr_event_add_bool(chunk->events, enrich_event(chunk, i), MR_F_ACTOR_KNOWN,
					  false);
			unknown++;
		}
	}
	mr_count(chunk->counters, MR_C_IDENTITY_HITS, hits);
	mr_count(chunk->counters, MR_C_IDENTITY_UNKNOWN, unknown);
}

const struct mr_enricher mr_enricher_identity = {
    .name = "identity",
    .state_size = sizeof(struct identity_state),
    .prepare = prepare,
    .open = open_identity,
    .apply = apply,
};
