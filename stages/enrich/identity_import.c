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

/* Of one value: folding makes a text longer by half at most, and the pool's hold 65,535 bytes. */
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
	return MR_OK;
}

void identity_import_fini(struct identity_import *import)
{
	identity_generation_end(&import->generation);
	text_pool_fini(&import->texts);
	free(import->people);
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

static uint32_t folded(struct identity_import *import, struct mr_slice text)
{
	import->scratch.len = 0;
	char *out = mr_buf_reserve(&import->scratch, mr_fold_max(text.len));
	size_t len = mr_fold(text.at, text.len, out);
	return text_pool_add(&import->texts, (struct mr_slice){out, len});
}

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
		else if (i == COLUMN_ALIASES || i == COLUMN_GROUPS || i == COLUMN_ROLES)
			put_list(out, text);
		else
			mr_json_put_string(out, text);
	}
	mr_buf_add(out, "}", 1);
	import->failed =
	    identity_generation_put(&import->generation, import->count,
				    (struct mr_slice){out->data, out->len}, &import->failure);
}

static uint32_t flags_of(const struct identity_entry *entry)
{
	static const uint32_t privileged[] = {0, IDENTITY_NOT_PRIVILEGED, IDENTITY_PRIVILEGED};
	static const uint32_t enabled[] = {0, IDENTITY_DISABLED, IDENTITY_ENABLED};
	return privileged[1 + truth_of(entry->texts[COLUMN_PRIVILEGED])] |
	       enabled[1 + truth_of(entry->texts[COLUMN_ENABLED])];
}

static void grow(struct identity_import *import)
{
	import->capacity = (uint32_t)mr_grow(import->capacity, import->count + 1u);
	import->people = mr_realloc(import->people, import->capacity * sizeof *import->people);
	import->claims = mr_realloc(import->claims, import->capacity * sizeof *import->claims);
}

/* What is the person's own comes first and in one piece: a look-up reads it. */
static void make_person(struct identity_import *import, const struct mr_slice *texts,
			struct identity_person *out)
{
	struct text_pool *pool = &import->texts;
	*out = (struct identity_person){.entry = import->count};
	out->id = folded(import, texts[COLUMN_ID]);
	out->upn = folded(import, texts[COLUMN_UPN]);
	out->puid = folded(import, texts[COLUMN_PUID]);
	out->app_id = folded(import, texts[COLUMN_APP_ID]);
	out->shown_upn = text_pool_add(pool, texts[COLUMN_UPN]);
	out->display_name = text_pool_add(pool, texts[COLUMN_DISPLAY_NAME]);
	out->aliases = folded(import, texts[COLUMN_ALIASES]);
	out->department = text_pool_add(pool, texts[COLUMN_DEPARTMENT]);
	out->title = text_pool_add(pool, texts[COLUMN_TITLE]);
	out->manager = text_pool_add(pool, texts[COLUMN_MANAGER]);
	out->groups = text_pool_add(pool, texts[COLUMN_GROUPS]);
	out->roles = text_pool_add(pool, texts[COLUMN_ROLES]);
	out->risk = text_pool_add(pool, texts[COLUMN_RISK]);
	out->home_country = text_pool_add(pool, texts[COLUMN_HOME_COUNTRY]);
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
	if (fault != NULL) {
		identity_import_refuse(import, file, line, fault);
		return;
	}
	if (import->count == import->capacity)
		grow(import);
	struct identity_person *person = &import->people[import->count];
	struct identity_claim *claim = &import->claims[import->count];
	make_person(import, entry->texts, person);
	person->flags = flags_of(entry);
	*claim = (struct identity_claim){.last_changed_us = INT64_MIN, .line = line, .file = file};
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

static uint32_t holder_of(const struct index *index, size_t at)
{
	return (index->slots[at] & 0xffffff) - 1;
}

static struct mr_slice text_at(const struct index *index, uint32_t offset)
{
	return identity_text(&index->table, offset);
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
	uint32_t at = identity_slot(hash, index->table.slot_mask);
	while (
	    index->slots[at] != 0 &&
	    (index->hashes[at] != hash ||
	     !identity_has_key(&index->table, &index->import->people[holder_of(index, at)], key)))
		at = (at + 1) & index->table.slot_mask;
	return at;
}

static void fill_slot(struct index *index, size_t at, uint64_t hash, uint32_t person)
{
	index->slots[at] = identity_tag(hash) | (person + 1);
	index->hashes[at] = hash;
}

static bool is_newer(const struct index *index, uint32_t a, uint32_t b)
{
	return index->import->claims[a].last_changed_us > index->import->claims[b].last_changed_us;
}

/* Of the entries with one id one lives. Only ids are in the index by now. */
static void index_ids(struct index *index)
{
	for (uint32_t person = 0; person < index->import->count; person++) {
		struct mr_slice id = text_at(index, index->import->people[person].id);
		uint64_t hash = identity_hash(&index->table, id);
		size_t at = place_of(index, id, hash);
		if (index->slots[at] == 0) {
			fill_slot(index, at, hash, person);
			continue;
		}
		uint32_t holder = holder_of(index, at);
		bool newer = is_newer(index, person, holder);
		uint32_t loser = newer ? holder : person;
		name_conflict(index, id, loser, newer ? person : holder);
		index->import->claims[loser].dead = true;
		if (newer)
			fill_slot(index, at, hash, person);
	}
}

static void texts_moved(struct index *index)
{
	index->table.texts = index->import->texts.bytes.data;
	index->table.texts_bytes = index->import->texts.bytes.len;
}

static void drop_alias(struct index *index, uint32_t person, struct mr_slice key)
{
	struct mr_buf kept = {0};
	struct mr_slice list = text_at(index, index->import->people[person].aliases);
	struct mr_slice alias;
	while (identity_list_next(&list, &alias)) {
		if (!mr_slice_eq(alias, key)) {
			mr_buf_add(&kept, "\n", kept.len != 0);
			mr_buf_add(&kept, alias.at, alias.len);
		}
	}
	index->import->people[person].aliases =
	    text_pool_add(&index->import->texts, (struct mr_slice){kept.data, kept.len});
	texts_moved(index);
	mr_buf_fini(&kept);
}

/* Whoever loses a key must not be found by it: the look-up compares with the person's own keys. */
static void lose_key(struct index *index, uint32_t person, struct mr_slice key)
{
	struct identity_person *is = &index->import->people[person];
	uint32_t *const single[] = {&is->upn, &is->puid, &is->app_id};
	for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
		if (mr_slice_eq(text_at(index, *single[i]), key))
			*single[i] = 0;
	}
	drop_alias(index, person, key);
}

static void index_key(struct index *index, uint32_t person, struct mr_slice borrowed)
{
	if (borrowed.len == 0)
		return;
	uint64_t hash = identity_hash(&index->table, borrowed);
	size_t at = place_of(index, borrowed, hash);
	uint32_t holder = holder_of(index, at);
	if (index->slots[at] == 0) {
		fill_slot(index, at, hash, person);
	} else if (holder != person) {
		bool by_id =
		    mr_slice_eq(text_at(index, index->import->people[holder].id), borrowed);
		bool newer = !by_id && is_newer(index, person, holder);
		uint32_t loser = newer ? holder : person;
		struct mr_buf key = {0}; /* the texts may move */
		mr_buf_add(&key, borrowed.at, borrowed.len);
		name_conflict(index, borrowed, loser, newer ? person : holder);
		if (newer)
			fill_slot(index, at, hash, person);
		lose_key(index, loser, (struct mr_slice){key.data, key.len});
		mr_buf_fini(&key);
	}
}

static void index_aliases(struct index *index, uint32_t person)
{
	struct mr_slice list = text_at(index, index->import->people[person].aliases);
	struct mr_buf copy = {0}; /* the texts may move, and the list lose members */
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
		const struct identity_person *is = &index->import->people[person];
		index_key(index, person, text_at(index, is->upn));
		index_key(index, person, text_at(index, is->puid));
		index_key(index, person, text_at(index, is->app_id));
		if (is->aliases != 0)
			index_aliases(index, person);
	}
}

/* ---- the generation ---- */

static void drop_dead(struct identity_import *import)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < import->count; i++) {
		if (import->claims[i].dead)
			continue;
		import->people[kept] = import->people[i];
		import->claims[kept++] = import->claims[i];
	}
	import->count = kept;
}

static uint64_t count_keys(const struct identity_import *import)
{
	uint64_t keys = 0;
	for (uint32_t i = 0; i < import->count; i++) {
		const struct identity_person *person = &import->people[i];
		keys += 2u + (person->puid != 0) + (person->app_id != 0) + (person->aliases != 0);
		uint16_t len = 0;
		memcpy(&len, import->texts.bytes.data + person->aliases, sizeof len);
		for (uint16_t at = 0; at < len; at++)
			keys += import->texts.bytes.data[person->aliases + sizeof len + at] == '\n';
	}
	return keys;
}

static enum mr_err index_begin(struct index *index, struct identity_import *import,
			       struct identity_header *header, struct mr_error *error)
{
	uint64_t keys = count_keys(import);
	uint32_t bits = 4;
	while ((UINT64_C(1) << bits) < keys * 3 / 2)
		bits++;
	if (bits > IDENTITY_SLOT_BITS_MAX)
		return mr_error_set(
		    error, MR_UNSUPPORTED,
		    "%llu keys are more than a store can hold; import fewer aliases",
		    (unsigned long long)keys);
	uint64_t seed = 0;
	if (getrandom(&seed, sizeof seed, 0) < 0)
		seed = 1;
	identity_header_make(header, bits, seed, import->count, import->texts.bytes.len, 0);
	*index = (struct index){.import = import};
	index->slots = mr_calloc(UINT64_C(1) << bits, sizeof *index->slots);
	index->hashes = mr_malloc((UINT64_C(1) << bits) * sizeof *index->hashes);
	index->table = (struct identity_table){.header = header,
					       .slots = index->slots,
					       .people = import->people,
					       .slot_mask = (1u << bits) - 1};
	texts_moved(index);
	return MR_OK;
}

static void index_build(struct index *index)
{
	struct identity_import *import = index->import;
	uint32_t before = import->count;
	index_ids(index);
	drop_dead(import);
	if (import->count != before) { /* people have moved up */
		memset(index->slots, 0,
		       ((size_t)index->table.slot_mask + 1) * sizeof *index->slots);
		index_ids(index);
	}
	index_keys(index);
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
	index_build(&index);
	free(index.hashes);
	const struct identity_part parts[] = {
	    {&header, sizeof header},
	    {index.slots, ((size_t)index.table.slot_mask + 1) * sizeof *index.slots},
	    {import->people, import->count * sizeof *import->people},
	    {import->texts.bytes.data, import->texts.bytes.len},
	};
	size_t part_count = sizeof parts / sizeof *parts;
	identity_header_make(&header, header.slot_bits, header.seed, import->count,
			     import->texts.bytes.len,
			     identity_body_check(parts + 1, part_count - 1));
	err = identity_generation_commit(&import->generation, parts, part_count, error);
	free(index.slots);
	*taken_out = import->count;
	return err;
}
