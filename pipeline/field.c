/* field.c - the field dictionary: names to dense ids and back. */
#include "millrace/field.h"

#include <assert.h>
#include <stdlib.h>

#include "millrace/pack.h"

struct mr_fields {
	struct mr_slice *names; /* by id; 0 is empty */
	size_t count;
	size_t capacity;
	mr_field *slots; /* open addressing, a power of two, at most half full; 0 is free */
	size_t slot_count;
	struct mr_arena arena;
	uint64_t asked[(MR_FIELDS_MAX + 64) / 64]; /* a bit for each id */
	size_t asked_count;
};

static const struct {
	const char *name;
	uint8_t in_alert;
	const char *filled_by;
} normalised[] = {
    [MR_F_NONE] = {"", 0, "parse"},
#define X(symbol, name, word, in_alert, filled_by, prose)                                          \
	[MR_F_##symbol] = {name, in_alert, #filled_by},
#include "millrace/normalised.def"
#undef X
};

bool mr_field_in_alert(mr_field field)
{
	return field < MR_F_NORMALISED_END && normalised[field].in_alert > 0;
}

bool mr_field_in_signal(mr_field field)
{
	return field < MR_F_NORMALISED_END && normalised[field].in_alert > 1;
}

const char *mr_field_setting(mr_field field)
{
	if (field >= MR_F_NORMALISED_END || strcmp(normalised[field].filled_by, "parse") == 0)
		return NULL;
	return normalised[field].filled_by;
}

/* The values of closed fields; a field that keep_native (normalise.c) fills is none. */
static const char *const kinds[] = {
#define X(symbol, name, prose) name,
#include "millrace/record_kind.def"
#undef X
};
static const char *const proxy_types[] = {
#define X(symbol, name) name,
#include "millrace/proxy_type.def"
#undef X
};
static const char *const either[] = {"true", "false"};

static const struct {
	mr_field field;
	size_t count;
	const char *const *values;
} closed[] = {
    {MR_F_KIND, sizeof kinds / sizeof kinds[0], kinds},
    {MR_F_MFA, 2, either},
    {MR_F_SRC_ANONYMOUS, 1, either}, /* where no database calls it so it is missing */
    {MR_F_SRC_ANONYMITY, sizeof proxy_types / sizeof proxy_types[0], proxy_types},
    {MR_F_ACTOR_KNOWN, 2, either},
    {MR_F_ACTOR_PRIVILEGED, 2, either},
    {MR_F_ACTOR_ENABLED, 2, either},
};

size_t mr_field_values(mr_field field, const char *const **values_out)
{
	*values_out = NULL;
	for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
		if (closed[i].field != field)
			continue;
		*values_out = closed[i].values;
		return closed[i].count;
	}
	return 0;
}

static size_t slot_of(const struct mr_fields *fields, struct mr_slice folded)
{
	size_t mask = fields->slot_count - 1;
	size_t at = mr_hash64(folded.at, folded.len, 0) & mask;
	while (fields->slots[at] != 0 && !mr_slice_eq(fields->names[fields->slots[at]], folded))
		at = (at + 1) & mask;
	return at;
}

static void rehash(struct mr_fields *fields)
{
	free(fields->slots);
	fields->slot_count *= 2;
	fields->slots = mr_calloc(fields->slot_count, sizeof *fields->slots);
	for (size_t id = 1; id < fields->count; id++)
		fields->slots[slot_of(fields, fields->names[id])] = (mr_field)id;
}

static mr_field add_folded(struct mr_fields *fields, struct mr_slice folded)
{
	size_t at = slot_of(fields, folded);
	if (fields->slots[at] != 0)
		return fields->slots[at];
	if (fields->count > MR_FIELDS_MAX)
		return 0;
	if (fields->count == fields->capacity) {
		fields->capacity *= 2;
		fields->names = mr_realloc(fields->names, fields->capacity * sizeof *fields->names);
	}
	mr_field id = (mr_field)fields->count++;
	fields->names[id] =
	    (struct mr_slice){mr_arena_copy(&fields->arena, folded.at, folded.len), folded.len};
	fields->slots[at] = id;
	if (fields->count * 2 > fields->slot_count)
		rehash(fields);
	return id;
}

static struct mr_fields *fields_empty(void)
{
	struct mr_fields *fields = mr_calloc(1, sizeof *fields);
	fields->capacity = 256;
	fields->names = mr_calloc(fields->capacity, sizeof *fields->names);
	fields->names[0] = MR_SLICE("");
	fields->count = 1;
	fields->slot_count = 512;
	fields->slots = mr_calloc(fields->slot_count, sizeof *fields->slots);
	return fields;
}

struct mr_fields *mr_fields_new(void)
{
	struct mr_fields *fields = fields_empty();
	for (size_t id = 1; id < MR_F_NORMALISED_END; id++) {
		mr_field given = add_folded(fields, mr_slice(normalised[id].name));
		assert(given == id);
	}
	return fields;
}

void mr_fields_free(struct mr_fields *fields)
{
	if (fields == NULL)
		return;
	free(fields->names);
	free(fields->slots);
	mr_arena_fini(&fields->arena);
	free(fields);
}

size_t mr_field_fold(struct mr_slice name, char *out)
{
	size_t len = mr_fold(name.at, name.len, out);
	size_t kept = 0;
	if (memchr(out, ' ', len) == NULL)
		return len;
	for (size_t i = 0; i < len; i++)
		if (out[i] != ' ')
			out[kept++] = out[i];
	return kept > 0 ? kept : len;
}

/* Folds into `room`, or into memory of its own where the name is longer; *heap is to be freed. */
static struct mr_slice fold_name(struct mr_slice name, char *room, size_t size, char **heap)
{
	*heap = mr_fold_max(name.len) > size ? mr_malloc(mr_fold_max(name.len)) : NULL;
	char *out = *heap != NULL ? *heap : room;
	return (struct mr_slice){out, mr_field_fold(name, out)};
}

mr_field mr_fields_add(struct mr_fields *fields, struct mr_slice name)
{
	char room[512];
	char *heap;
	if (name.len == 0)
		return 0;
	mr_field id = add_folded(fields, fold_name(name, room, sizeof room, &heap));
	free(heap);
	return id;
}

mr_field mr_fields_find(const struct mr_fields *fields, struct mr_slice name)
{
	char room[512];
	char *heap;
	if (name.len == 0)
		return 0;
	struct mr_slice folded = fold_name(name, room, sizeof room, &heap);
	mr_field id = fields->slots[slot_of(fields, folded)];
	free(heap);
	return id;
}

struct mr_slice mr_fields_name(const struct mr_fields *fields, mr_field field)
{
	assert(field < fields->count);
	return fields->names[field];
}

size_t mr_fields_count(const struct mr_fields *fields)
{
	return fields->count;
}

static bool is_asked(const struct mr_fields *fields, size_t field)
{
	return fields->asked[field / 64] >> field % 64 & 1;
}

void mr_fields_ask(struct mr_fields *fields, mr_field field)
{
	assert(field < fields->count);
	if (field == 0 || is_asked(fields, field))
		return;
	fields->asked[field / 64] |= UINT64_C(1) << field % 64;
	fields->asked_count++;
}

bool mr_fields_asked(const struct mr_fields *fields, mr_field field)
{
	return fields->asked_count == 0 || is_asked(fields, field);
}

uint64_t mr_fields_hash(const struct mr_fields *fields)
{
	uint64_t hash = fields->count;
	for (size_t id = 1; id < fields->count; id++)
		hash = mr_hash64(fields->names[id].at, fields->names[id].len, hash);
	return hash;
}

void mr_fields_encode(const struct mr_fields *fields, struct mr_buf *out)
{
	mr_pack_array(out, fields->count - 1);
	for (size_t id = 1; id < fields->count; id++)
		mr_pack_bytes(out, fields->names[id]);
	mr_pack_array(out, fields->asked_count);
	for (size_t id = 1; id < fields->count; id++)
		if (is_asked(fields, id))
			mr_pack_uint(out, id);
}

enum mr_err mr_fields_decode(struct mr_slice bytes, struct mr_fields **fields_out,
			     struct mr_error *error)
{
	struct mr_fields *fields = mr_fields_new();
	struct mr_unpack in = mr_unpack(bytes);
	size_t count = mr_unpack_array(&in, MR_FIELDS_MAX);
	bool fits = count >= MR_F_NORMALISED_END - 1;
	for (size_t id = 1; id <= count && fits && mr_unpack_ok(&in); id++) {
		struct mr_slice name = mr_unpack_bytes(&in);
		fits = name.len != 0 && mr_fields_add(fields, name) == id &&
		       mr_slice_eq(fields->names[id], name);
	}
	size_t asked = fits ? mr_unpack_array(&in, count) : 0;
	for (size_t i = 0; i < asked && mr_unpack_ok(&in); i++)
		mr_fields_ask(fields, (mr_field)mr_unpack_uint(&in, count));
	if (fits && mr_unpack_done(&in)) {
		*fields_out = fields;
		return MR_OK;
	}
	mr_fields_free(fields);
	return mr_error_set(error, MR_BAD_INPUT,
			    "field dictionary: not one that this version of the program makes");
}
