/* identity_import.c - entries become people, keys become an index, both become a generation.
 *
 * Called by identity_command.c. Of two entries with one id the later by last_changed is taken, of
 * two that claim another key likewise; where neither is later the first stays. Each conflict is
 * named. */
#include "identity_import.h"

#include <stdlib.h>
#include <sys/random.h>

#include "millrace/log.h"

const char *const identity_column_names[COLUMN_COUNT] = {
#define X(symbol, name) name,
    IDENTITY_COLUMNS(X)
#undef X
};

/* Of one value: folding makes a text longer by half at most, and a table's hold 65,535 bytes. */
#define TEXT_MAX 43000

enum mr_err identity_import_init(struct identity_import *import, const char *store,
				 const char *const *files, struct mr_error *error)
{
	*import = (struct identity_import){.files = files};
	enum mr_err err = identity_generation_begin(store, &import->generation, error);
	if (err != MR_OK) {
		identity_generation_end(&import->generation);
		return err;
	}
	uint64_t seed = 0;
	if (getrandom(&seed, sizeof seed, 0) < 0)
		seed =
		    1; /* names are the company's own; only the speed of this import hangs on it */
	text_pool_init(&import->texts, seed);
	intern_init(&import->profiles, sizeof(struct identity_profile), seed);
	static const char nobody[IDENTITY_PLACE_BYTES];
	mr_buf_add(&import->people, nobody, sizeof nobody);
	return MR_OK;
}

void identity_import_fini(struct identity_import *import)
{
	identity_generation_end(&import->generation);
	text_pool_fini(&import->texts);
	intern_fini(&import->profiles);
	mr_buf_fini(&import->people);
	free(import->claims);
	mr_buf_fini(&import->scratch);
}

void identity_import_refuse(struct identity_import *import, uint32_t file, uint32_t line,
			    const char *reason)
{
	if (++import->refused > IDENTITY_NAMED_MAX)
		return;
	mr_log(MR_LOG_WARNING, "%s:%u: refused: %s", import->files[file], line, reason);
}

void identity_import_unknown(struct identity_import *import, uint32_t file, uint32_t line,
			     struct mr_slice name)
{
	uint64_t hash = mr_hash64(name.at, name.len, 0);
	for (uint32_t i = 0; i < import->unknown_count; i++) {
		if (import->unknown[i] == hash)
			return;
	}
	if (import->unknown_count == IDENTITY_NAMED_MAX) {
		import->more_unknown = true;
		return;
	}
	import->unknown[import->unknown_count++] = hash;
	const char *meant = mr_text_nearest(name, identity_column_names, COLUMN_COUNT);
	mr_log(MR_LOG_WARNING,
	       "%s:%u: \"%.*s\" is left out: no member or column is called so%s%s%s",
	       import->files[file], line, (int)mr_utf8_cut(name, MR_NEAR_MAX), name.at,
	       meant == NULL ? "" : "; is \"", meant == NULL ? "" : meant,
	       meant == NULL ? "" : "\" meant?");
}

/* ---- taking entries ---- */

/* -1: neither true nor false. */
static int truth_of(struct mr_slice text)
{
	if (mr_fold_eq(text, MR_SLICE("true")) || mr_slice_eq(text, MR_SLICE("1")))
		return 1;
	if (mr_fold_eq(text, MR_SLICE("false")) || mr_slice_eq(text, MR_SLICE("0")))
		return 0;
	return -1;
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_country(struct mr_slice text)
{
	return text.len == 2 && is_letter(text.at[0]) && is_letter(text.at[1]);
}

static const char *fault_of(const struct identity_entry *entry)
{
	if (entry->texts[COLUMN_ID].len == 0)
		return "\"id\" is missing";
	if (entry->texts[COLUMN_UPN].len == 0)
		return "\"upn\" is missing";
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		if (entry->texts[i].len > TEXT_MAX)
			return "a value is longer than 43,000 bytes";
		if (!mr_utf8_valid(entry->texts[i].at, entry->texts[i].len))
			return "a value is not UTF-8";
	}
	if (entry->texts[COLUMN_PRIVILEGED].len != 0 &&
	    truth_of(entry->texts[COLUMN_PRIVILEGED]) < 0)
		return "\"privileged\" is neither true nor false";
	if (entry->texts[COLUMN_ENABLED].len != 0 && truth_of(entry->texts[COLUMN_ENABLED]) < 0)
		return "\"enabled\" is neither true nor false";
	if (entry->texts[COLUMN_HOME_COUNTRY].len != 0 &&
	    !is_country(entry->texts[COLUMN_HOME_COUNTRY]))
		return "\"home_country\" is no ISO 3166-1 alpha-2 code; write two letters, such as "
		       "DE";
	int64_t time;
	if (entry->texts[COLUMN_LAST_CHANGED].len != 0 &&
	    !identity_date_parse(entry->texts[COLUMN_LAST_CHANGED], &time))
		return "\"last_changed\" is no date; write it as 2026-01-31T12:00:00Z";
	return NULL;
}

static void put_list(struct mr_buf *out, struct mr_slice list)
{
	const char *separator = "[";
	for (;;) {
		const char *end = memchr(list.at, '\n', list.len);
		size_t len = end == NULL ? list.len : (size_t)(end - list.at);
		mr_buf_add(out, separator, 1);
		mr_json_put_string(out, (struct mr_slice){list.at, len});
		if (end == NULL)
			break;
		list = (struct mr_slice){end + 1, list.len - len - 1};
		separator = ",";
	}
	mr_buf_add(out, "]", 1);
}

/* The entry as JSON, to LMDB. */
static void keep_entry(struct identity_import *import, const struct identity_entry *entry)
{
	struct mr_buf *out = &import->scratch;
	const char *separator = "{\"";
	out->len = 0;
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		struct mr_slice text = entry->texts[i];
		if (text.len == 0)
			continue;
		mr_buf_add_text(out, separator);
		mr_buf_add_text(out, identity_column_names[i]);
		mr_buf_add(out, "\":", 2);
		separator = ",\"";
		if (i == COLUMN_PRIVILEGED || i == COLUMN_ENABLED)
			mr_buf_add_text(out, truth_of(text) == 1 ? "true" : "false");
		else if (identity_column_is_list((int)i))
			put_list(out, text);
		else
			mr_json_put_string(out, text);
	}
	mr_buf_add(out, "}", 1);
	import->failed =
	    identity_generation_put(&import->generation, import->count,
				    (struct mr_slice){out->data, out->len}, &import->failure);
}

static uint16_t flags_of(const struct identity_entry *entry)
{
	static const uint16_t privileged[] = {0, IDENTITY_NOT_PRIVILEGED, IDENTITY_PRIVILEGED};
	static const uint16_t enabled[] = {0, IDENTITY_DISABLED, IDENTITY_ENABLED};
	return privileged[1 + truth_of(entry->texts[COLUMN_PRIVILEGED])] |
	       enabled[1 + truth_of(entry->texts[COLUMN_ENABLED])];
}

static void grow(struct identity_import *import)
{
	import->capacity = (uint32_t)mr_grow(import->capacity, import->count + 1u);
	import->claims = mr_realloc(import->claims, import->capacity * sizeof *import->claims);
}

/* The texts of the last person so far are added in their order. */
static void add_own(struct mr_buf *people, struct identity_person *person, enum identity_own which,
		    struct mr_slice text)
{
	mr_buf_add(people, text.at, text.len);
	person->lens[which] = (uint16_t)text.len;
}

/* Folded, which is what it returns: valid until the next is added. */
static struct mr_slice add_key(struct mr_buf *people, struct identity_person *person,
			       enum identity_own which, struct mr_slice text)
{
	char *at = mr_buf_reserve(people, mr_fold_max(text.len));
	size_t len = mr_fold(text.at, text.len, at);
	people->len += len;
	person->lens[which] = (uint16_t)len;
	return (struct mr_slice){at, len};
}

static void add_id(struct mr_buf *people, struct identity_person *person, struct mr_slice text)
{
	char guid[IDENTITY_GUID_BYTES];
	struct mr_slice id = add_key(people, person, IDENTITY_ID, text);
	if (!identity_guid_parse(id, guid))
		return;
	person->flags |= IDENTITY_GUID;
	people->len -= id.len;
	add_own(people, person, IDENTITY_ID, (struct mr_slice){guid, sizeof guid});
}

static void add_own_texts(struct mr_buf *people, struct identity_person *person,
			  const struct mr_slice *texts)
{
	add_id(people, person, texts[COLUMN_ID]);
	add_key(people, person, IDENTITY_PUID, texts[COLUMN_PUID]);
	struct mr_slice upn = add_key(people, person, IDENTITY_UPN, texts[COLUMN_UPN]);
	if (!mr_slice_eq(upn, texts[COLUMN_UPN]))
		add_own(people, person, IDENTITY_SHOWN_UPN, texts[COLUMN_UPN]);
	add_key(people, person, IDENTITY_APP_ID, texts[COLUMN_APP_ID]);
	add_key(people, person, IDENTITY_ALIASES, texts[COLUMN_ALIASES]);
	add_own(people, person, IDENTITY_DISPLAY_NAME, texts[COLUMN_DISPLAY_NAME]);
}

/* Returns the person's place. */
static uint32_t add_person(struct identity_import *import, const struct identity_entry *entry)
{
	static const char padding[IDENTITY_PLACE_BYTES];
	const struct mr_slice *texts = entry->texts;
	struct text_pool *pool = &import->texts;
	struct mr_buf *people = &import->people;
	const struct identity_profile profile = {
	    .department = text_pool_add(pool, texts[COLUMN_DEPARTMENT]),
	    .title = text_pool_add(pool, texts[COLUMN_TITLE]),
	    .roles = text_pool_add(pool, texts[COLUMN_ROLES]),
	    .risk = text_pool_add(pool, texts[COLUMN_RISK]),
	    .home_country = text_pool_add(pool, texts[COLUMN_HOME_COUNTRY])};
	struct identity_person person = {.entry = import->count,
					 .profile = intern_add(&import->profiles, &profile),
					 .groups = text_pool_add(pool, texts[COLUMN_GROUPS]),
					 .manager = text_pool_add(pool, texts[COLUMN_MANAGER]),
					 .flags = flags_of(entry)};
	size_t at = people->len;
	mr_buf_add(people, &person, sizeof person);
	add_own_texts(people, &person, texts);
	memcpy(people->data + at, &person, sizeof person);
	mr_buf_add(people, padding, -people->len % IDENTITY_PLACE_BYTES);
	return (uint32_t)(at / IDENTITY_PLACE_BYTES);
}

void identity_import_add(struct identity_import *import, uint32_t file, uint32_t line,
			 const struct identity_entry *entry)
{
	const char *fault = fault_of(entry);
	if (import->failed != MR_OK)
		return;
	if (fault == NULL && import->count == IDENTITY_PEOPLE_MAX)
		fault = "a store holds at most 16,777,214 people";
	if (fault == NULL &&
	    import->texts.bytes.len > UINT32_MAX - COLUMN_COUNT * (UINT16_MAX + 2u))
		fault = "the store's texts have reached 4 GiB";
	if (fault == NULL &&
	    import->people.len > IDENTITY_PEOPLE_BYTES_MAX - COLUMN_COUNT * (UINT16_MAX + 2u))
		fault = "the store's people have reached 16 GiB";
	if (fault != NULL) {
		identity_import_refuse(import, file, line, fault);
		return;
	}
	if (import->count == import->capacity)
		grow(import);
	struct identity_claim *claim = &import->claims[import->count];
	*claim = (struct identity_claim){.last_changed_us = INT64_MIN,
					 .line = line,
					 .file = file,
					 .place = add_person(import, entry)};
	identity_date_parse(entry->texts[COLUMN_LAST_CHANGED], &claim->last_changed_us);
	keep_entry(import, entry);
	import->count++;
}

/* ---- the index ---- */

struct index {
	struct identity_import *import;
	struct identity_table table; /* over what was built so far */
	uint32_t *slots;
	uint64_t *hashes; /* of the key in each slot: a tag alone could stand for another key of
			   * the same person */
};

static struct identity_person *person_of(const struct identity_import *import, uint32_t entry)
{
	size_t at = (size_t)import->claims[entry].place * IDENTITY_PLACE_BYTES;
	return (void *)(import->people.data + at);
}

static const struct identity_person *holder_of(const struct index *index, size_t at)
{
	return identity_person_at(&index->table, index->slots[at] & index->table.place_mask);
}

static void name_conflict(struct index *index, struct mr_slice key, uint32_t loser, uint32_t winner)
{
	const struct identity_claim *lost = &index->import->claims[loser];
	const struct identity_claim *won = &index->import->claims[winner];
	if (++index->import->conflicts > IDENTITY_NAMED_MAX)
		return;
	mr_log(MR_LOG_WARNING, "%s:%u: \"%.*s\" belongs to the entry in %s:%u, which is %s",
	       index->import->files[lost->file], lost->line, (int)key.len, key.at,
	       index->import->files[won->file], won->line,
	       won->last_changed_us > lost->last_changed_us ? "newer" : "the first");
}

/* The slot of a key, or the free one where it would go. The holder has the key still: who loses one
 * loses the slot. */
static size_t place_of(const struct index *index, struct mr_slice key, uint64_t hash)
{
	uint32_t at = identity_slot(&index->table, hash);
	while (index->slots[at] != 0 &&
	       (index->hashes[at] != hash || !identity_has_key(holder_of(index, at), key)))
		at = identity_next_slot(&index->table, at);
	return at;
}

static void fill_slot(struct index *index, size_t at, uint64_t hash, uint32_t person)
{
	index->slots[at] = identity_tag(&index->table, hash) | index->import->claims[person].place;
	index->hashes[at] = hash;
}

static bool is_newer(const struct index *index, uint32_t a, uint32_t b)
{
	return index->import->claims[a].last_changed_us > index->import->claims[b].last_changed_us;
}

/* Of the entries with one id one lives. Only ids are in the index by now. */
static void index_ids(struct index *index)
{
	struct identity_claim *claims = index->import->claims;
	char guid[IDENTITY_GUID_CHARS];
	for (uint32_t person = 0; person < index->import->count; person++) {
		if (claims[person].dead)
			continue;
		struct mr_slice id = identity_id(person_of(index->import, person), guid);
		uint64_t hash = identity_hash(&index->table, id);
		size_t at = place_of(index, id, hash);
		if (index->slots[at] == 0) {
			fill_slot(index, at, hash, person);
			continue;
		}
		uint32_t holder = holder_of(index, at)->entry;
		bool newer = is_newer(index, person, holder);
		uint32_t loser = newer ? holder : person;
		name_conflict(index, id, loser, newer ? person : holder);
		claims[loser].dead = true;
		if (newer)
			fill_slot(index, at, hash, person);
	}
}

/* Makes one of a person's texts this, which is no longer than it was. What follows moves down; the
 * room at the person's end is lost. */
static void shorten(struct identity_person *person, enum identity_own which, struct mr_slice text)
{
	struct mr_slice old = identity_own(person, which);
	struct mr_slice last = identity_own(person, IDENTITY_OWN_COUNT - 1);
	char *at = (char *)person + (old.at - (const char *)person);
	memmove(at, text.at, text.len);
	memmove(at + text.len, at + old.len, (size_t)(last.at + last.len - (at + old.len)));
	person->lens[which] = (uint16_t)text.len;
}

static void drop_alias(struct identity_person *person, struct mr_slice key)
{
	struct mr_buf kept = {0};
	struct mr_slice list = identity_own(person, IDENTITY_ALIASES);
	struct mr_slice alias;
	while (identity_list_next(&list, &alias)) {
		if (!mr_slice_eq(alias, key)) {
			mr_buf_add(&kept, "\n", kept.len != 0);
			mr_buf_add(&kept, alias.at, alias.len);
		}
	}
	mr_buf_reserve(&kept, 1);
	shorten(person, IDENTITY_ALIASES, (struct mr_slice){kept.data, kept.len});
	mr_buf_fini(&kept);
}

/* Whoever loses a key must not be found by it: the look-up compares with the person's own keys. A
 * user principal name is shown still. */
static void lose_key(struct identity_person *person, struct mr_slice key)
{
	static const enum identity_own single[] = {IDENTITY_UPN, IDENTITY_PUID, IDENTITY_APP_ID};
	const struct mr_slice none = {"", 0};
	if (person->lens[IDENTITY_SHOWN_UPN] == 0 &&
	    mr_slice_eq(identity_own(person, IDENTITY_UPN), key)) {
		person->lens[IDENTITY_SHOWN_UPN] = person->lens[IDENTITY_UPN];
		person->lens[IDENTITY_UPN] = 0;
	}
	for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
		if (mr_slice_eq(identity_own(person, single[i]), key))
			shorten(person, single[i], none);
	}
	drop_alias(person, key);
}

static void index_key(struct index *index, uint32_t person, struct mr_slice borrowed)
{
	if (borrowed.len == 0)
		return;
	uint64_t hash = identity_hash(&index->table, borrowed);
	size_t at = place_of(index, borrowed, hash);
	if (index->slots[at] == 0) {
		fill_slot(index, at, hash, person);
		return;
	}
	const struct identity_person *holder = holder_of(index, at);
	if (holder->entry == person)
		return;
	bool newer = !identity_has_id(holder, borrowed) && is_newer(index, person, holder->entry);
	uint32_t loser = newer ? holder->entry : person;
	struct mr_buf key = {0}; /* it may be the loser's, whose texts move */
	mr_buf_add(&key, borrowed.at, borrowed.len);
	name_conflict(index, borrowed, loser, newer ? person : holder->entry);
	if (newer)
		fill_slot(index, at, hash, person);
	lose_key(person_of(index->import, loser), (struct mr_slice){key.data, key.len});
	mr_buf_fini(&key);
}

static void index_aliases(struct index *index, uint32_t person)
{
	struct mr_slice list = identity_own(person_of(index->import, person), IDENTITY_ALIASES);
	struct mr_buf copy = {0}; /* the list may lose members */
	mr_buf_add(&copy, list.at, list.len);
	struct mr_slice alias;
	list = (struct mr_slice){copy.data, copy.len};
	while (identity_list_next(&list, &alias))
		index_key(index, person, alias);
	mr_buf_fini(&copy);
}

static void index_keys(struct index *index)
{
	for (uint32_t person = 0; person < index->import->count; person++) {
		if (index->import->claims[person].dead)
			continue;
		const struct identity_person *is = person_of(index->import, person);
		index_key(index, person, identity_own(is, IDENTITY_UPN));
		index_key(index, person, identity_own(is, IDENTITY_PUID));
		index_key(index, person, identity_own(is, IDENTITY_APP_ID));
		if (is->lens[IDENTITY_ALIASES] != 0)
			index_aliases(index, person);
	}
}

/* ---- the generation ---- */

/* Moves the living up; returns how many they are. */
static uint32_t drop_dead(struct identity_import *import)
{
	uint32_t living = 0;
	uint32_t next = 1;
	for (uint32_t i = 0; i < import->count; i++) {
		if (import->claims[i].dead)
			continue;
		const struct identity_person *person = person_of(import, i);
		struct mr_slice last = identity_own(person, IDENTITY_OWN_COUNT - 1);
		size_t len = (size_t)(last.at + last.len - (const char *)person);
		uint32_t places =
		    (uint32_t)((len + IDENTITY_PLACE_BYTES - 1) / IDENTITY_PLACE_BYTES);
		memmove(import->people.data + (size_t)next * IDENTITY_PLACE_BYTES, person,
			(size_t)places * IDENTITY_PLACE_BYTES);
		import->claims[i].place = next;
		next += places;
		living++;
	}
	import->people.len = (size_t)next * IDENTITY_PLACE_BYTES;
	return living;
}

static uint64_t count_keys(const struct identity_import *import)
{
	uint64_t keys = 0;
	for (uint32_t i = 0; i < import->count; i++) {
		const struct identity_person *person = person_of(import, i);
		struct mr_slice aliases = identity_own(person, IDENTITY_ALIASES);
		keys += 2u + (person->lens[IDENTITY_PUID] != 0) +
			(person->lens[IDENTITY_APP_ID] != 0) + (aliases.len != 0);
		for (size_t at = 0; at < aliases.len; at++)
			keys += aliases.at[at] == '\n';
	}
	return keys;
}

/* The people as they stand. */
static void index_people(struct index *index)
{
	index->table.people = index->import->people.data;
	index->table.people_bytes = index->import->people.len;
	index->table.place_mask = identity_place_mask(index->import->people.len);
}

static enum mr_err index_begin(struct index *index, struct identity_import *import,
			       struct identity_header *header, struct mr_error *error)
{
	uint64_t keys = count_keys(import);
	uint64_t slots = (keys * 3 / 2 / IDENTITY_SLOTS_STEP + 1) * IDENTITY_SLOTS_STEP;
	if (slots > IDENTITY_SLOTS_MAX)
		return mr_error_set(
		    error, MR_UNSUPPORTED,
		    "%llu keys are more than a store can hold; import fewer aliases",
		    (unsigned long long)keys);
	*header = (struct identity_header){.slots = (uint32_t)slots};
	if (getrandom(&header->seed, sizeof header->seed, 0) < 0)
		header->seed = 1;
	*index = (struct index){.import = import};
	index->slots = mr_calloc(slots, sizeof *index->slots);
	index->hashes = mr_malloc(slots * sizeof *index->hashes);
	index->table = (struct identity_table){
	    .header = header, .slots = index->slots, .slot_count = (uint32_t)slots};
	return MR_OK;
}

/* Returns how many people there are. */
static uint32_t index_build(struct index *index)
{
	index_people(index);
	index_ids(index);
	uint32_t living = drop_dead(index->import);
	if (living != index->import->count) { /* people have moved up */
		memset(index->slots, 0, index->table.slot_count * sizeof *index->slots);
		index_people(index);
		index_ids(index);
	}
	index_keys(index);
	return living;
}

void identity_import_tell_rest(const struct identity_import *import)
{
	if (import->refused > IDENTITY_NAMED_MAX)
		mr_log(MR_LOG_WARNING, "and %llu more entries refused",
		       (unsigned long long)(import->refused - IDENTITY_NAMED_MAX));
	if (import->conflicts > IDENTITY_NAMED_MAX)
		mr_log(MR_LOG_WARNING, "and %llu more conflicts",
		       (unsigned long long)(import->conflicts - IDENTITY_NAMED_MAX));
	if (import->more_unknown)
		mr_log(MR_LOG_WARNING, "and more members or columns of unknown names left out");
}

/* Of the current generation. One that cannot be read has nothing to lose. */
static uint32_t people_held(const struct identity_import *import)
{
	char *current = identity_store_current(import->generation.store);
	struct identity_table table;
	struct mr_error unread;
	enum mr_err err = identity_store_open(current, NULL, NULL, NULL, &table, &unread);
	free(current);
	return err == MR_OK ? table.header->people : 0;
}

/* An export that broke must not take the place of a whole one. */
static enum mr_err check_loss(const struct identity_import *import, uint32_t taken,
			      struct mr_error *error)
{
	if (import->force || import->refused < taken)
		return MR_OK;
	uint32_t held = people_held(import);
	if (taken >= held - held / 2)
		return MR_OK;
	return mr_error_set(error, MR_BAD_INPUT,
			    "of this import %u people would be left, %llu entries were refused, "
			    "and the store holds %u people: it is unchanged; --force imports all "
			    "the same",
			    taken, (unsigned long long)import->refused, held);
}

enum mr_err identity_import_commit(struct identity_import *import, uint32_t *taken_out,
				   struct mr_error *error)
{
	struct identity_header header;
	struct index index;
	if (import->failed != MR_OK)
		return mr_error_set(error, import->failed, "%s", import->failure.text);
	enum mr_err err = index_begin(&index, import, &header, error);
	if (err != MR_OK)
		return err;
	header.people = index_build(&index);
	free(index.hashes);
	header.people_bytes = import->people.len;
	header.profiles = import->profiles.count;
	header.texts_bytes = import->texts.bytes.len;
	const struct identity_part parts[] = {
	    {index.slots, index.table.slot_count * sizeof *index.slots},
	    {import->people.data, import->people.len},
	    {import->profiles.items.data, import->profiles.items.len},
	    {import->texts.bytes.data, import->texts.bytes.len},
	};
	err = check_loss(import, header.people, error);
	if (err == MR_OK)
		err = identity_generation_commit(&import->generation, &header, parts,
						 sizeof parts / sizeof *parts, error);
	free(index.slots);
	*taken_out = header.people;
	return err;
}
