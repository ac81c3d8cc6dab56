/* config.c - settings of a run and its parts, and their way to a worker.
 *
 * Called by whoever makes or reads settings. What a worker is sent survives any bytes. */
#include "millrace/config.h"

#include <assert.h>
#include <stdlib.h>

#include "millrace/pack.h"

/* The row of a name that the program itself wrote. */
static const struct mr_setting_row *row_of(const struct mr_config *config, const char *name)
{
	const struct mr_setting_row *row = mr_setting_find(config->scope, mr_slice(name));
	assert(row != NULL);
	return row;
}

static void fini_items(struct mr_config *config)
{
	for (size_t i = 0; i < config->count; i++) {
		free(config->items[i].name);
		free(config->items[i].value);
	}
	free(config->items);
}

void mr_config_fini(struct mr_config *config)
{
	for (size_t i = 0; i < config->part_count; i++) {
		free(config->parts[i].name);
		fini_items(&config->parts[i].settings);
	}
	free(config->parts);
	fini_items(config);
	*config = (struct mr_config){0};
}

static struct mr_setting *add_slices(struct mr_config *config, struct mr_slice name,
				     struct mr_slice value)
{
	if (config->count == config->capacity) {
		config->capacity = mr_grow(config->capacity, config->count + 1);
		config->items = mr_realloc(config->items, config->capacity * sizeof *config->items);
	}
	struct mr_setting *item = &config->items[config->count++];
	*item = (struct mr_setting){
	    .name = mr_asprintf("%.*s", (int)name.len, name.at),
	    .value = mr_asprintf("%.*s", (int)value.len, value.at),
	};
	return item;
}

void mr_config_add(struct mr_config *config, const char *name, const char *value)
{
	row_of(config, name);
	add_slices(config, mr_slice(name), mr_slice(value));
}

void mr_config_add_at(struct mr_config *config, const char *name, const char *value, uint32_t line,
		      uint32_t column)
{
	row_of(config, name);
	struct mr_setting *item = add_slices(config, mr_slice(name), mr_slice(value));
	item->line = line;
	item->column = column;
}

void mr_config_replace(struct mr_config *config, const char *name, const char *value)
{
	size_t kept = 0;
	char *copy = mr_strdup(value); /* it may be one of those that go */
	for (size_t i = 0; i < config->count; i++) {
		if (strcmp(config->items[i].name, name) != 0) {
			config->items[kept++] = config->items[i];
			continue;
		}
		free(config->items[i].name);
		free(config->items[i].value);
	}
	config->count = kept;
	mr_config_add(config, name, copy);
	free(copy);
}

const struct mr_part *mr_config_part(const struct mr_config *config, enum mr_part_kind kind,
				     size_t n)
{
	for (size_t i = 0; i < config->part_count; i++) {
		if (config->parts[i].kind == kind && n-- == 0)
			return &config->parts[i];
	}
	return NULL;
}

size_t mr_config_parts(const struct mr_config *config, enum mr_part_kind kind)
{
	size_t count = 0;
	for (size_t i = 0; i < config->part_count; i++)
		count += config->parts[i].kind == kind;
	return count;
}

static struct mr_part *add_part(struct mr_config *config, enum mr_part_kind kind,
				struct mr_slice name)
{
	if (config->part_count == config->part_capacity) {
		config->part_capacity = mr_grow(config->part_capacity, config->part_count + 1);
		config->parts =
		    mr_realloc(config->parts, config->part_capacity * sizeof *config->parts);
	}
	struct mr_part *part = &config->parts[config->part_count++];
	*part = (struct mr_part){.kind = kind, .settings.scope = (enum mr_scope)kind};
	part->name = mr_asprintf("%.*s", (int)name.len, name.at);
	return part;
}

struct mr_part *mr_config_part_add(struct mr_config *config, enum mr_part_kind kind,
				   const char *name)
{
	uint32_t number = (uint32_t)mr_config_parts(config, kind);
	struct mr_part *part = add_part(config, kind, mr_slice(name));
	part->number = number;
	return part;
}

/* ---- asking ---- */

const char *mr_config_get(const struct mr_config *config, const char *name, size_t n)
{
	row_of(config, name);
	for (size_t i = 0; i < config->count; i++) {
		if (strcmp(config->items[i].name, name) == 0 && n-- == 0)
			return config->items[i].value;
	}
	return NULL;
}

const char *mr_config_next(const struct mr_config *config, const char *name, size_t *at)
{
	assert(mr_setting_often(row_of(config, name)));
	while (*at < config->count) {
		const struct mr_setting *item = &config->items[(*at)++];
		if (strcmp(item->name, name) == 0)
			return item->value;
	}
	return NULL;
}

size_t mr_config_count(const struct mr_config *config, const char *name)
{
	size_t count = 0;
	size_t at = 0;
	while (mr_config_next(config, name, &at) != NULL)
		count++;
	return count;
}

bool mr_config_flag(const struct mr_config *config, const char *name)
{
	const struct mr_setting_row *row = row_of(config, name);
	const char *value = mr_config_get(config, name, 0);
	assert(row->kind == MR_SETTING_FLAG);
	return value == NULL ? row->fallback != 0 : strcmp(value, "true") == 0;
}

bool mr_config_is(const struct mr_config *config, const char *name, const char *word)
{
	const struct mr_setting_row *row = row_of(config, name);
	const char *value = mr_config_get(config, name, 0);
	int64_t place, set;
	assert(row->kind == MR_SETTING_CHOICE);
	assert(mr_setting_read(row, word, &place, NULL) == MR_OK);
	if (value == NULL)
		return place == row->fallback;
	return mr_setting_read(row, value, &set, NULL) == MR_OK && place == set;
}

enum mr_err mr_config_int(const struct mr_config *config, const char *name, int64_t *out,
			  struct mr_error *error)
{
	const struct mr_setting_row *row = row_of(config, name);
	const char *value = mr_config_get(config, name, 0);
	assert(mr_setting_counts(row));
	*out = row->fallback;
	if (value == NULL || mr_setting_read(row, value, out, error) == MR_OK)
		return MR_OK;
	return mr_error_prefix(error, "%s", name);
}

/* ---- where it stands ---- */

static const struct mr_setting *setting_of(const struct mr_config *config, const char *value)
{
	for (size_t i = 0; i < config->count; i++) {
		if (config->items[i].value == value)
			return &config->items[i];
	}
	return NULL;
}

enum mr_err mr_config_blame(const struct mr_config *config, const char *value,
			    struct mr_error *error)
{
	const char *file = mr_config_get(config, "topology_file", 0);
	const struct mr_setting *item = setting_of(config, value);
	for (size_t i = 0; i < config->part_count && item == NULL; i++)
		item = setting_of(&config->parts[i].settings, value);
	if (file == NULL || item == NULL || item->line == 0)
		return error->code;
	return mr_error_prefix(error, "%s:%u:%u", file, item->line, item->column);
}

/* ---- the way to a worker ---- */

static void encode_items(const struct mr_config *config, struct mr_buf *out)
{
	mr_pack_array(out, config->count * 2);
	for (size_t i = 0; i < config->count; i++) {
		mr_pack_bytes(out, mr_slice(config->items[i].name));
		mr_pack_bytes(out, mr_slice(config->items[i].value));
	}
}

#define PART_ITEMS 4

void mr_config_encode(const struct mr_config *config, struct mr_buf *out)
{
	mr_pack_array(out, 2);
	encode_items(config, out);
	mr_pack_array(out, config->part_count);
	for (size_t i = 0; i < config->part_count; i++) {
		const struct mr_part *part = &config->parts[i];
		mr_pack_array(out, PART_ITEMS);
		mr_pack_uint(out, part->kind);
		mr_pack_bytes(out, mr_slice(part->name));
		mr_pack_uint(out, part->number);
		encode_items(&part->settings, out);
	}
}

static void decode_items(struct mr_unpack *in, struct mr_config *out)
{
	size_t count = mr_unpack_array(in, SIZE_MAX);
	in->bad |= count % 2 != 0;
	for (size_t i = 0; i < count / 2 && mr_unpack_ok(in); i++) {
		struct mr_slice name = mr_unpack_bytes(in);
		struct mr_slice value = mr_unpack_bytes(in);
		in->bad |= mr_setting_find(out->scope, name) == NULL;
		add_slices(out, name, value);
	}
}

static void decode_part(struct mr_unpack *in, struct mr_config *out)
{
	mr_unpack_array_of(in, PART_ITEMS);
	uint64_t kind = mr_unpack_uint(in, MR_PART_HOST);
	in->bad |= kind < MR_PART_SOURCE;
	struct mr_slice name = mr_unpack_bytes(in);
	struct mr_part *part = add_part(out, (enum mr_part_kind)kind, name);
	part->number = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	decode_items(in, &part->settings);
}

enum mr_err mr_config_decode(struct mr_slice bytes, struct mr_config *config_out,
			     struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	mr_unpack_array_of(&in, 2);
	decode_items(&in, config_out);
	size_t parts = mr_unpack_array(&in, SIZE_MAX);
	for (size_t i = 0; i < parts && mr_unpack_ok(&in); i++)
		decode_part(&in, config_out);
	if (mr_unpack_done(&in))
		return MR_OK;
	mr_config_fini(config_out);
	return mr_error_set(error, MR_BAD_INPUT, "settings: not the form that they are sent in");
}
