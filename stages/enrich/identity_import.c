/* identity_import.c - entries become people, keys become an index, both become a generation.
 *
 * Called by identity_command.c. Of two entries with one id the later by last_changed is taken, of two
 * that claim another key likewise; where neither is later the first stays. Each conflict is named. */
#include "identity_import.h"

#include <stdlib.h>
#include <sys/random.h>

#include "millrace/log.h"

const char *const identity_column_names[COLUMN_COUNT] = {
#define X(symbol, name) name,
    IDENTITY_COLUMNS(X)
#undef X
};

#define TEXT_MAX 16384 /* of one value: the pool's texts hold 65,535 bytes */

void identity_import_init(struct identity_import *import, const char *const *files)
{
	*import = (struct identity_import){.files = files};
	uint64_t seed = 0;
	if (getrandom(&seed, sizeof seed, 0) < 0)
		seed = 1; /* names are the company's own; only the speed of this import hangs on it */
	text_pool_init(&import->texts, seed);
}

void identity_import_fini(struct identity_import *import)
{
	text_pool_fini(&import->texts);
	free(import->people);
	free(import->claims);
	free(import->entry_ends);
	mr_buf_fini(&import->entries);
	mr_arena_fini(&import->arena);
}

void identity_import_refuse(struct identity_import *import, uint32_t file, uint32_t line,
                            const char *reason)
{
	import->refused++;
	mr_log(MR_LOG_WARNING, "%s:%u: refused: %s", import->files[file], line, reason);
}

/* ---- taking entries ---- */

static uint32_t folded(struct identity_import *import, struct mr_slice text)
{
	struct mr_buf out = {0};
	mr_buf_reserve(&out, mr_fold_max(text.len));
	out.len = mr_fold(text.at, text.len, out.data);
	uint32_t offset = text_pool_add(&import->texts, (struct mr_slice){out.data, out.len});
	mr_buf_fini(&out);
	return offset;
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

static const char *fault_of(const struct identity_entry *entry)
{
	if (entry->texts[COLUMN_ID].len == 0)
		return "\"id\" is missing";
	if (entry->texts[COLUMN_UPN].len == 0)
		return "\"upn\" is missing";
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		if (entry->texts[i].len > TEXT_MAX)
			return "a value is longer than 16,384 bytes";
		if (!mr_utf8_valid(entry->texts[i].at, entry->texts[i].len))
			return "a value is not UTF-8";
	}
	if (entry->texts[COLUMN_PRIVILEGED].len != 0 &&
	    truth_of(entry->texts[COLUMN_PRIVILEGED]) < 0)
		return "\"privileged\" is neither true nor false";
	if (entry->texts[COLUMN_ENABLED].len != 0 && truth_of(entry->texts[COLUMN_ENABLED]) < 0)
		return "\"enabled\" is neither true nor false";
	return NULL;
}

static void keep_entry(struct identity_import *import, const struct identity_entry *entry)
{
	struct mr_buf *out = &import->entries;
	const char *comma = "{";
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		struct mr_slice text = entry->texts[i];
		if (text.len == 0)
			continue;
		mr_buf_printf(out, "%s\"%s\":", comma, identity_column_names[i]);
		comma = ",";
		bool list = i == COLUMN_ALIASES || i == COLUMN_GROUPS || i == COLUMN_ROLES;
		if (i == COLUMN_PRIVILEGED || i == COLUMN_ENABLED)
			mr_buf_add_text(out, truth_of(text) == 1 ? "true" : "false");
		else if (!list)
			mr_json_put_string(out, text);
		for (const char *separator = "["; list; separator = ",") {
			const char *end = memchr(text.at, '\n', text.len);
			size_t len = end == NULL ? text.len : (size_t)(end - text.at);
			mr_buf_add_text(out, separator);
			mr_json_put_string(out, (struct mr_slice){text.at, len});
			if (end == NULL)
				break;
			text = (struct mr_slice){end + 1, text.len - len - 1};
		}
		if (list)
			mr_buf_add_text(out, "]");
	}
	mr_buf_add_text(out, "}");
	import->entry_ends[import->count] = out->len;
}

static uint32_t flags_of(const struct identity_entry *entry)
{
	static const uint32_t privileged[] = {0, IDENTITY_NOT_PRIVILEGED, IDENTITY_PRIVILEGED};
	static const uint32_t enabled[] = {0, IDENTITY_DISABLED, IDENTITY_ENABLED};
	return privileged[1 + truth_of(entry->texts[COLUMN_PRIVILEGED])] |
	       enabled[1 + truth_of(entry->texts[COLUMN_ENABLED])];
}

void identity_import_add(struct identity_import *import, uint32_t file, uint32_t line,
                         const struct identity_entry *entry)
{
	const char *fault = fault_of(entry);
	if (fault == NULL && import->count == IDENTITY_PEOPLE_MAX)
		fault = "a store holds at most 16,777,214 people";
	if (fault == NULL && import->texts.bytes.len > UINT32_MAX - 8 * TEXT_MAX)
		fault = "the store's texts have reached 4 GiB";
	if (fault != NULL) {
		identity_import_refuse(import, file, line, fault);
		return;
	}
	if (import->count == import->capacity) {
		import->capacity = (uint32_t)mr_grow(import->capacity, import->count + 1u);
		import->people =
		    mr_realloc(import->people, import->capacity * sizeof *import->people);
		import->claims =
		    mr_realloc(import->claims, import->capacity * sizeof *import->claims);
		import->entry_ends =
		    mr_realloc(import->entry_ends, import->capacity * sizeof *import->entry_ends);
	}
	const struct mr_slice *texts = entry->texts;
	struct text_pool *pool = &import->texts;
	struct mr_slice changed = texts[COLUMN_LAST_CHANGED];
	import->people[import->count] = (struct identity_person){
	    .id = folded(import, texts[COLUMN_ID]),
	    .upn = folded(import, texts[COLUMN_UPN]),
	    .puid = folded(import, texts[COLUMN_PUID]),
	    .app_id = folded(import, texts[COLUMN_APP_ID]),
	    .aliases = folded(import, texts[COLUMN_ALIASES]),
	    .shown_upn = text_pool_add(pool, texts[COLUMN_UPN]),
	    .display_name = text_pool_add(pool, texts[COLUMN_DISPLAY_NAME]),
	    .department = text_pool_add(pool, texts[COLUMN_DEPARTMENT]),
	    .title = text_pool_add(pool, texts[COLUMN_TITLE]),
	    .manager = text_pool_add(pool, texts[COLUMN_MANAGER]),
	    .groups = text_pool_add(pool, texts[COLUMN_GROUPS]),
	    .roles = text_pool_add(pool, texts[COLUMN_ROLES]),
	    .risk = text_pool_add(pool, texts[COLUMN_RISK]),
	    .home_country = text_pool_add(pool, texts[COLUMN_HOME_COUNTRY]),
	    .flags = flags_of(entry),
	};
	import->claims[import->count] = (struct identity_claim){
	    .line = line,
	    .file = file,
	    .last_changed = {mr_arena_copy(&import->arena, changed.at, changed.len), changed.len}};
	keep_entry(import, entry);
	import->count++;
}

/* ---- the index ---- */

struct index {
	struct identity_import *import;
	struct identity_table table; /* over what was built so far */
	uint32_t *slots;
};

static struct mr_slice text_at(const struct index *index, uint32_t offset)
{
	return identity_text(&index->table, offset);
}

static void name_conflict(struct index *index, struct mr_slice key, uint32_t loser, uint32_t winner)
{
	const struct identity_claim *lost = &index->import->claims[loser];
	const struct identity_claim *won = &index->import->claims[winner];
	index->import->conflicts++;
	mr_log(MR_LOG_WARNING, "%s:%u: \"%.*s\" belongs to the entry in %s:%u, which is %s",
	       index->import->files[lost->file], lost->line, (int)key.len, key.at,
	       index->import->files[won->file], won->line,
	       mr_slice_cmp(won->last_changed, lost->last_changed) > 0 ? "newer" : "the first");
}

/* The slot of a key, or the free one where it would go. */
static uint32_t *place_of(struct index *index, struct mr_slice key,
                          bool (*own)(const struct index *index, uint32_t person,
                                      struct mr_slice key))
{
	uint64_t hash = identity_hash(&index->table, key);
	uint32_t at = identity_slot(hash, index->table.slot_mask);
	while (index->slots[at] != 0) {
		uint32_t person = (index->slots[at] & 0xffffff) - 1;
		if ((index->slots[at] & 0xff000000) == identity_tag(hash) &&
		    own(index, person, key))
			break;
		at = (at + 1) & index->table.slot_mask;
	}
	return &index->slots[at];
}

static bool owns_id(const struct index *index, uint32_t person, struct mr_slice key)
{
	return mr_slice_eq(text_at(index, index->import->people[person].id), key);
}

static bool owns_any(const struct index *index, uint32_t person, struct mr_slice key)
{
	const struct identity_person *is = &index->import->people[person];
	if (mr_slice_eq(text_at(index, is->id), key) || mr_slice_eq(text_at(index, is->upn), key) ||
	    mr_slice_eq(text_at(index, is->puid), key) ||
	    mr_slice_eq(text_at(index, is->app_id), key))
		return true;
	struct mr_slice list = text_at(index, is->aliases);
	while (list.len != 0) {
		const char *end = memchr(list.at, '\n', list.len);
		size_t len = end == NULL ? list.len : (size_t)(end - list.at);
		if (mr_slice_eq((struct mr_slice){list.at, len}, key))
			return true;
		len += end != NULL;
		list = (struct mr_slice){list.at + len, list.len - len};
	}
	return false;
}

static bool is_newer(const struct index *index, uint32_t a, uint32_t b)
{
	return mr_slice_cmp(index->import->claims[a].last_changed,
	                    index->import->claims[b].last_changed) > 0;
}

static uint32_t slot_of(const struct index *index, struct mr_slice key, uint32_t person)
{
	return identity_tag(identity_hash(&index->table, key)) | (person + 1);
}

static void index_ids(struct index *index)
{
	for (uint32_t person = 0; person < index->import->count; person++) {
		struct mr_slice id = text_at(index, index->import->people[person].id);
		uint32_t *slot = place_of(index, id, owns_id);
		if (*slot == 0) {
			*slot = slot_of(index, id, person);
			continue;
		}
		uint32_t holder = (*slot & 0xffffff) - 1;
		bool newer = is_newer(index, person, holder);
		uint32_t loser = newer ? holder : person;
		name_conflict(index, id, loser, newer ? person : holder);
		index->import->claims[loser].dead = true;
		if (newer)
			*slot = slot_of(index, id, person);
	}
}

static void drop_alias(struct index *index, uint32_t person, struct mr_slice key)
{
	struct mr_buf kept = {0};
	struct mr_slice list = text_at(index, index->import->people[person].aliases);
	while (list.len != 0) {
		const char *end = memchr(list.at, '\n', list.len);
		size_t len = end == NULL ? list.len : (size_t)(end - list.at);
		if (!mr_slice_eq((struct mr_slice){list.at, len}, key)) {
			mr_buf_add(&kept, "\n", kept.len != 0);
			mr_buf_add(&kept, list.at, len);
		}
		len += end != NULL;
		list = (struct mr_slice){list.at + len, list.len - len};
	}
	index->import->people[person].aliases =
	    text_pool_add(&index->import->texts, (struct mr_slice){kept.data, kept.len});
	index->table.texts = index->import->texts.bytes.data;
	index->table.texts_bytes = index->import->texts.bytes.len;
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
	char room[TEXT_MAX * 2];
	if (borrowed.len == 0 || borrowed.len > sizeof room)
		return;
	memcpy(room, borrowed.at, borrowed.len); /* the texts may move */
	struct mr_slice key = {room, borrowed.len};
	uint32_t *slot = place_of(index, key, owns_any);
	uint32_t holder = (*slot & 0xffffff) - 1;
	if (*slot == 0) {
		*slot = slot_of(index, key, person);
	} else if (holder != person) {
		bool by_id = owns_id(index, holder, key);
		bool newer = !by_id && is_newer(index, person, holder);
		uint32_t loser = newer ? holder : person;
		name_conflict(index, key, loser, newer ? person : holder);
		if (newer)
			*slot = slot_of(index, key, person);
		lose_key(index, loser, key);
	}
}

static void index_keys(struct index *index)
{
	for (uint32_t person = 0; person < index->import->count; person++) {
		if (index->import->claims[person].dead)
			continue;
		index_key(index, person, text_at(index, index->import->people[person].upn));
		index_key(index, person, text_at(index, index->import->people[person].puid));
		index_key(index, person, text_at(index, index->import->people[person].app_id));
		struct mr_slice list = text_at(index, index->import->people[person].aliases);
		struct mr_buf copy = {0}; /* the texts may move, and the list lose members */
		mr_buf_add(&copy, list.at, list.len);
		for (size_t at = 0; at < copy.len;) {
			const char *end = memchr(copy.data + at, '\n', copy.len - at);
			size_t len = end == NULL ? copy.len - at : (size_t)(end - (copy.data + at));
			index_key(index, person, (struct mr_slice){copy.data + at, len});
			at += len + 1;
		}
		mr_buf_fini(&copy);
	}
}

/* ---- the generation ---- */

/* Dead entries leave no number behind: LMDB and the table count alike. */
static void compact(struct identity_import *import)
{
	uint32_t kept = 0;
	uint64_t begin = 0;
	uint64_t out = 0;
	for (uint32_t i = 0; i < import->count; i++) {
		uint64_t end = import->entry_ends[i];
		if (!import->claims[i].dead) {
			memmove(import->entries.data + out, import->entries.data + begin,
			        end - begin);
			out += end - begin;
			import->people[kept] = import->people[i];
			import->claims[kept] = import->claims[i];
			import->entry_ends[kept++] = out;
		}
		begin = end;
	}
	import->count = kept;
	import->entries.len = out;
}

static void index_begin(struct index *index, struct identity_import *import,
                        struct identity_header *header)
{
	uint64_t keys = 0;
	for (uint32_t i = 0; i < import->count; i++) {
		const struct identity_person *person = &import->people[i];
		keys += 2u + (person->puid != 0) + (person->app_id != 0) + (person->aliases != 0) * 2u;
	}
	uint32_t bits = 4;
	while ((UINT64_C(1) << bits) < keys * 3 / 2)
		bits++;
	uint64_t seed = 0;
	if (getrandom(&seed, sizeof seed, 0) < 0)
		seed = 1;
	identity_header_make(header, bits, seed, import->count, import->texts.bytes.len);
	*index = (struct index){.import = import};
	index->slots = mr_calloc(UINT64_C(1) << bits, sizeof *index->slots);
	index->table = (struct identity_table){.header = header,
	                                       .slots = index->slots,
	                                       .people = import->people,
	                                       .texts = import->texts.bytes.data,
	                                       .texts_bytes = import->texts.bytes.len,
	                                       .slot_mask = (1u << bits) - 1};
}

static enum mr_err put_entries(struct identity_import *import, struct identity_generation *out,
                               struct mr_error *error)
{
	uint64_t begin = 0;
	for (uint32_t i = 0; i < import->count; i++) {
		struct mr_slice entry = {import->entries.data + begin, import->entry_ends[i] - begin};
		enum mr_err err = identity_generation_put(out, i, entry, error);
		if (err != MR_OK)
			return err;
		begin = import->entry_ends[i];
	}
	return MR_OK;
}

enum mr_err identity_import_commit(struct identity_import *import, const char *store,
                                   uint32_t *taken_out, struct mr_error *error)
{
	struct identity_header header;
	struct index index;
	index_begin(&index, import, &header);
	index_ids(&index);
	compact(import);
	memset(index.slots, 0, ((size_t)index.table.slot_mask + 1) * sizeof *index.slots);
	index_ids(&index);
	index_keys(&index);
	identity_header_make(&header, header.slot_bits, header.seed, import->count,
	                     import->texts.bytes.len);

	struct identity_generation generation;
	enum mr_err err = identity_generation_begin(store, &generation, error);
	if (err == MR_OK)
		err = put_entries(import, &generation, error);
	const struct identity_part parts[] = {
	    {&header, sizeof header},
	    {index.slots, ((size_t)index.table.slot_mask + 1) * sizeof *index.slots},
	    {import->people, import->count * sizeof *import->people},
	    {import->texts.bytes.data, import->texts.bytes.len},
	};
	if (err == MR_OK)
		err = identity_generation_commit(&generation, parts, 4, error);
	identity_generation_end(&generation);
	free(index.slots);
	*taken_out = import->count;
	return err;
}
