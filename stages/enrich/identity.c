/* identity.c - the identity enricher: who the actor of an event is.
 *
 * Called by enrich.c. make copies the table of the store's current generation into a sealed
 * memfd that all workers map; a store that is not there or damaged is MR_CONFIG. The actor is
 * looked for by object id or PUID, then by user principal name or alias, then by the application's
 * id. */
#include "enricher.h"
#include "identity_store.h"
#include "millrace/own_file.h"

#include <stddef.h>
#include <stdlib.h>

#define TABLE "enrich.identity"
#define AHEAD 8 /* events whose texts are on their way while fields are added to one */

/* Found of an event: 0 where it names no actor that a store could know, NOBODY where the store does
 * not know the one that it names, else the person's place. */
#define NOBODY UINT32_MAX

/* The names by which an event's actor is looked for, in this order. */
enum key { KEY_UID, KEY_NAME, KEY_APP, KEY_COUNT };

struct identity_state {
	struct identity_table table;
	struct mr_arena arena;                    /* of folded keys, reset for each set */
	uint32_t pending[MR_EVENTS_TOGETHER];     /* events whose actor is not yet found */
	struct mr_slice text[MR_EVENTS_TOGETHER]; /* of each pending one: its key, folded */
	uint64_t hash[MR_EVENTS_TOGETHER];
};

/* What looking for the actor reads of an event. */
static const mr_field read_fields[] = {MR_F_ACTOR_UID, MR_F_ACTOR_NAME, MR_F_ACTOR_TYPE,
				       MR_F_APP_UID};

/* The whole generation, though the run reads its table only. */
static enum mr_err check_own(const struct mr_config *config, const char *generation,
			     struct mr_error *error)
{
	char *table = mr_asprintf("%s/table", generation);
	char *entries = mr_asprintf("%s/data.mdb", generation);
	const char *const paths[] = {table, entries};
	enum mr_err err = mr_own_files_check(config, paths, 2, error);
	free(table);
	free(entries);
	return err;
}

static enum mr_err make(const struct mr_prepare *prepare, struct enrich_made *out,
			struct mr_error *error)
{
	const struct mr_config *config = prepare->config;
	char *generation = identity_store_current(mr_config_get(config, "identity", 0));
	enum mr_err err = check_own(config, generation, error);
	/* A service names what judges by the hashes of its tables; a scan asks for none. */
	*out = (struct enrich_made){.fd = -1, .hashed = mr_config_get(config, "state", 0) != NULL};
	if (err == MR_OK)
		err = identity_store_open(generation, &out->fd, &out->size,
					  out->hashed ? &out->hash : NULL, NULL, error);
	free(generation);
	return err;
}

static enum mr_err open_identity(void *opaque, const struct mr_stage_env *env, bool *active_out,
				 struct mr_error *error)
{
	struct identity_state *state = opaque;
	struct mr_slice bytes;
	enum mr_err err = enrich_table(env, TABLE, active_out, &bytes, error);
	if (err != MR_OK || !*active_out)
		return err;
	return identity_table_open(bytes, &state->table, error);
}

/* ---- keys ---- */

static bool starts_with(struct mr_slice text, struct mr_slice start)
{
	return text.len >= start.len && memcmp(text.at, start.at, start.len) == 0;
}

/* The service's own accounts, and words for nobody, are nobody whom a store could know. */
static bool is_system(struct mr_slice name)
{
	static const struct mr_slice starts[] = {{"nt authority\\", 13},
						 {"nt service\\", 11},
						 {"microsoft\\", 10},
						 {"sharepoint\\", 11}};
	static const struct mr_slice whole[] = {{"not available", 13},
						{"not-found", 9},
						{"unknown", 7},
						{"system", 6},
						{"anonymous", 9},
						{"s-1-5-18", 8},
						{"s-1-5-19", 8},
						{"s-1-5-20", 8},
						{"s-1-0-0", 7},
						{"certificate", 11},
						{"app@sharepoint", 14},
						{"securitycompliancealerts", 24},
						{"ffoservicepartneruser", 21}};
	/* Object ids and most names have another length. */
	static const uint64_t lens = 1u << 6 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 11 | 1u << 13 |
				     1u << 14 | 1u << 21 | 1u << 24;
	if (name.len == 0)
		return false;
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
		if (*name.at == *starts[i].at && starts_with(name, starts[i]))
			return true;
	}
	if (name.len >= 64 || (lens >> name.len & 1) == 0)
		return false;
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
		if (mr_slice_eq(name, whole[i]))
			return true;
	}
	return false;
}

/* Records write a PUID alone, as PUID@domain, and as i:0h.f|membership|PUID@live.com; a service
 * principal as ServicePrincipal_ID. `key` is folded. */
static struct mr_slice bare_key(struct mr_slice key)
{
	static const struct mr_slice service = {"serviceprincipal_", 17};
	const char *bar;
	if (starts_with(key, service))
		return (struct mr_slice){key.at + service.len, key.len - service.len};
	if (starts_with(key, MR_SLICE("i:0")) && (bar = memrchr(key.at, '|', key.len)) != NULL) {
		key.len -= (size_t)(bar + 1 - key.at);
		key.at = bar + 1;
	}
	return mr_bare_puid(key);
}

/* An application stands for the actor only where it acted itself: where the record says so, or,
 * without a type, where it names no person. */
static bool is_service(const struct mr_events *events, const struct mr_event *event)
{
	struct mr_slice type = mr_event_text(events, event, MR_F_ACTOR_TYPE);
	struct mr_slice name = mr_event_text(events, event, MR_F_ACTOR_NAME);
	if (type.len != 0)
		return mr_slice_eq(type, MR_SLICE("ServicePrincipal")) ||
		       mr_slice_eq(type, MR_SLICE("Application"));
	if (name.len == 0)
		return mr_event_get(events, event, MR_F_ACTOR_UID) == NULL;
	return memchr(name.at, '@', name.len) == NULL;
}

static struct mr_slice key_of(struct identity_state *state, const struct enrich_set *set,
			      uint32_t i, enum key which)
{
	static const mr_field fields[KEY_COUNT] = {MR_F_ACTOR_UID, MR_F_ACTOR_NAME, MR_F_APP_UID};
	const struct mr_event *event = enrich_event(set, i);
	struct mr_slice text = mr_event_text(set->events, event, fields[which]);
	if (mr_text_is_missing(text) || (which == KEY_APP && !is_service(set->events, event)))
		return (struct mr_slice){"", 0};
	char *folded = mr_arena_alloc(&state->arena, mr_fold_max(text.len));
	struct mr_slice key = {folded, mr_fold(text.at, text.len, folded)};
	if (is_system(key))
		return (struct mr_slice){"", 0};
	set->found[i] = NOBODY; /* until a key is found */
	return bare_key(key);
}

/* ---- looking up ---- */

/* One kind of key for all events that are pending, in passes; returns how many stay so. */
static uint32_t find_by(struct identity_state *state, const struct enrich_set *set, uint32_t count,
			enum key which)
{
	const struct identity_table *table = &state->table;
	uint32_t left = 0;
	for (uint32_t n = 0; n < count; n++) {
		state->text[n] = key_of(state, set, state->pending[n], which);
		state->hash[n] = identity_hash(table, state->text[n]);
	}
	identity_fetch(table, state->hash, count);
	for (uint32_t n = 0; n < count; n++)
		identity_near(table, state->hash[n]);
	for (uint32_t n = 0; n < count; n++) {
		uint32_t i = state->pending[n];
		const struct identity_person *person =
		    identity_find(table, state->text[n], state->hash[n]);
		if (person != NULL)
			set->found[i] = identity_place(table, person);
		else
			state->pending[left++] = i;
	}
	return left;
}

static void find_all(struct identity_state *state, const struct enrich_set *set)
{
	uint32_t count = set->count;
	mr_arena_reset(&state->arena);
	for (uint32_t i = 0; i < count; i++) {
		state->pending[i] = i;
		set->found[i] = 0;
	}
	for (enum key which = KEY_UID; which < KEY_COUNT && count > 0; which++)
		count = find_by(state, set, count, which);
}

/* ---- adding fields ---- */

static void add_shared(const struct identity_state *state, const struct enrich_pass *pass,
		       struct mr_events *events, struct mr_event *event, mr_field field,
		       uint32_t offset)
{
	struct mr_slice text = identity_text(&state->table, offset);
	struct mr_slice member;
	if (field != MR_F_ACTOR_GROUPS && field != MR_F_ACTOR_ROLES)
		enrich_add_text(pass, events, event, field, text);
	else
		while (identity_list_next(&text, &member))
			enrich_add_text(pass, events, event, field, member);
}

/* The fields that are texts which people share, and where each is: in the person or the profile. */
static const struct {
	mr_field field;
	bool own;
	size_t offset;
} texts[] = {
    {MR_F_ACTOR_MANAGER, true, offsetof(struct identity_person, manager)},
    {MR_F_ACTOR_GROUPS, true, offsetof(struct identity_person, groups)},
    {MR_F_ACTOR_DEPARTMENT, false, offsetof(struct identity_profile, department)},
    {MR_F_ACTOR_TITLE, false, offsetof(struct identity_profile, title)},
    {MR_F_ACTOR_ROLES, false, offsetof(struct identity_profile, roles)},
    {MR_F_ACTOR_RISK, false, offsetof(struct identity_profile, risk)},
    {MR_F_ACTOR_HOME_COUNTRY, false, offsetof(struct identity_profile, home_country)},
};
#define TEXTS (sizeof texts / sizeof *texts)

/* What a pass adds of a person: asked for once a set, not for each event (./run cost: 170
 * instructions an event). */
struct wanted {
	bool own;       /* any of add_own's fields */
	unsigned texts; /* a bit for each of `texts` */
};

static struct wanted wanted_of(const struct enrich_pass *pass)
{
	static const mr_field own[] = {MR_F_ACTOR_KNOWN, MR_F_ACTOR_FULL_NAME,  MR_F_ACTOR_UPN,
				       MR_F_ACTOR_UID,   MR_F_ACTOR_PRIVILEGED, MR_F_ACTOR_ENABLED};
	struct wanted wanted = {.own = enrich_pass_any(pass, own, sizeof own / sizeof *own)};
	for (size_t i = 0; i < TEXTS; i++)
		wanted.texts |= (unsigned)pass->adds[texts[i].field] << i;
	return wanted;
}

static uint32_t text_at(const struct identity_person *person,
			const struct identity_profile *profile, size_t which)
{
	const char *from = texts[which].own ? (const char *)person : (const char *)profile;
	uint32_t offset;
	memcpy(&offset, from + texts[which].offset, sizeof offset);
	return offset;
}

static void add_id(const struct identity_person *person, struct mr_events *events,
		   struct mr_event *event)
{
	char guid[IDENTITY_GUID_CHARS];
	struct mr_slice id = identity_id(person, guid);
	if (id.at == guid)
		id.at = mr_arena_copy(&events->arena, guid, sizeof guid);
	mr_event_add_text(events, event, MR_F_ACTOR_UID, id);
}

static void add_own(const struct identity_person *person, const struct enrich_pass *pass,
		    struct mr_events *events, struct mr_event *event)
{
	enrich_add_bool(pass, events, event, MR_F_ACTOR_KNOWN, true);
	enrich_add_text(pass, events, event, MR_F_ACTOR_FULL_NAME,
			identity_own(person, IDENTITY_DISPLAY_NAME));
	enrich_add_text(pass, events, event, MR_F_ACTOR_UPN, identity_shown_upn(person));
	if (pass->adds[MR_F_ACTOR_UID] && mr_event_get(events, event, MR_F_ACTOR_UID) == NULL)
		add_id(person, events, event);
	if ((person->flags & (IDENTITY_PRIVILEGED | IDENTITY_NOT_PRIVILEGED)) != 0)
		enrich_add_bool(pass, events, event, MR_F_ACTOR_PRIVILEGED,
				(person->flags & IDENTITY_PRIVILEGED) != 0);
	if ((person->flags & (IDENTITY_ENABLED | IDENTITY_DISABLED)) != 0)
		enrich_add_bool(pass, events, event, MR_F_ACTOR_ENABLED,
				(person->flags & IDENTITY_ENABLED) != 0);
}

static void add_person(const struct identity_state *state, const struct identity_person *person,
		       const struct enrich_pass *pass, struct wanted wanted,
		       struct mr_events *events, struct mr_event *event)
{
	const struct identity_profile *profile = identity_profile(&state->table, person);
	if (wanted.own)
		add_own(person, pass, events, event);
	for (unsigned left = wanted.texts; left != 0; left &= left - 1) {
		size_t i = (size_t)__builtin_ctz(left);
		add_shared(state, pass, events, event, texts[i].field, text_at(person, profile, i));
	}
}

/* What add_person will read that does not lie by the person. */
static void prefetch_texts(const struct identity_table *table, struct wanted wanted,
			   const struct identity_person *person)
{
	const struct identity_profile *profile = identity_profile(table, person);
	for (unsigned left = wanted.texts; left != 0; left &= left - 1) {
		uint32_t offset = text_at(person, profile, (size_t)__builtin_ctz(left));
		if (offset < table->texts_bytes)
			__builtin_prefetch(table->texts + offset);
	}
}

static const struct identity_person *person_of(const struct identity_state *state, uint32_t found)
{
	return found == NOBODY ? NULL : identity_person_at(&state->table, found);
}

static void add_found(const struct identity_state *state, const struct enrich_pass *pass,
		      struct wanted wanted, uint32_t found, struct mr_events *events,
		      struct mr_event *event)
{
	const struct identity_person *person = person_of(state, found);
	if (person != NULL)
		add_person(state, person, pass, wanted, events, event);
	else if (found == NOBODY)
		enrich_add_bool(pass, events, event, MR_F_ACTOR_KNOWN, false);
}

static void complete(void *opaque, const struct enrich_pass *pass, uint32_t found,
		     struct mr_events *events, struct mr_event *event)
{
	add_found(opaque, pass, wanted_of(pass), found, events, event);
}

static void apply(void *opaque, const struct enrich_pass *pass, struct enrich_set *set)
{
	struct identity_state *state = opaque;
	uint64_t hits = 0;
	uint64_t unknown = 0;
	struct wanted wanted = wanted_of(pass);
	find_all(state, set);
	for (uint32_t i = 0; i < set->count; i++) {
		const struct identity_person *ahead =
		    i + AHEAD < set->count ? person_of(state, set->found[i + AHEAD]) : NULL;
		if (ahead != NULL)
			prefetch_texts(&state->table, wanted, ahead);
		hits += person_of(state, set->found[i]) != NULL;
		unknown += set->found[i] == NOBODY;
		add_found(state, pass, wanted, set->found[i], set->events, enrich_event(set, i));
	}
	mr_count(set->counters, MR_C_IDENTITY_HITS, hits);
	mr_count(set->counters, MR_C_IDENTITY_UNKNOWN, unknown);
}

static void close_identity(void *opaque)
{
	struct identity_state *state = opaque;
	mr_arena_fini(&state->arena);
}

const struct mr_enricher mr_enricher_identity = {
    .name = "identity",
    .state_size = sizeof(struct identity_state),
    .setting = "identity",
    .table = TABLE,
    .reads = read_fields,
    .read_count = sizeof read_fields / sizeof *read_fields,
    .make = make,
    .open = open_identity,
    .apply = apply,
    .complete = complete,
    .close = close_identity,
};
