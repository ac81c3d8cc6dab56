/* config.c - settings: names with one or more texts, and their way to a worker. */
#include "millrace/config.h"

#include <assert.h>
#include <stdlib.h>

#include "millrace/file.h"
#include "millrace/pack.h"

static const struct mr_setting_row rows[] = {
#define X(name, kind, argument, least, most, fallback, prose)                                      \
	{name, MR_SETTING_##kind, argument, least, most, fallback, prose},
#include "millrace/setting.def"
#undef X
};

const struct mr_setting_row *mr_setting_find(struct mr_slice name)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (mr_slice_eq(name, mr_slice(rows[i].name)))
			return &rows[i];
	}
	return NULL;
}

/* The row of a name that the program itself wrote. */
static const struct mr_setting_row *row_of(const char *name)
{
	const struct mr_setting_row *row = mr_setting_find(mr_slice(name));
	assert(row != NULL);
	return row;
}

void mr_config_fini(struct mr_config *config)
{
	for (size_t i = 0; i < config->count; i++) {
		free(config->items[i].name);
		free(config->items[i].value);
	}
	free(config->items);
	*config = (struct mr_config){0};
}

static void add_slices(struct mr_config *config, struct mr_slice name, struct mr_slice value)
{
	if (config->count == config->capacity) {
		config->capacity = mr_grow(config->capacity, config->count + 1);
		config->items = mr_realloc(config->items, config->capacity * sizeof *config->items);
	}
	config->items[config->count++] = (struct mr_setting){
	    .name = mr_asprintf("%.*s", (int)name.len, name.at),
	    .value = mr_asprintf("%.*s", (int)value.len, value.at),
	};
}

void mr_config_add(struct mr_config *config, const char *name, const char *value)
{
	row_of(name);
	add_slices(config, mr_slice(name), mr_slice(value));
}

const char *mr_config_get(const struct mr_config *config, const char *name, size_t n)
{
	row_of(name);
	for (size_t i = 0; i < config->count; i++) {
		if (strcmp(config->items[i].name, name) == 0 && n-- == 0)
			return config->items[i].value;
	}
	return NULL;
}

const char *mr_config_next(const struct mr_config *config, const char *name, size_t *at)
{
	assert(row_of(name)->kind == MR_SETTING_TEXTS);
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
	assert(row_of(name)->kind == MR_SETTING_TEXTS);
	for (size_t i = 0; i < config->count; i++)
		count += strcmp(config->items[i].name, name) == 0;
	return count;
}

bool mr_config_flag(const struct mr_config *config, const char *name)
{
	const char *value = mr_config_get(config, name, 0);
	assert(row_of(name)->kind == MR_SETTING_FLAG);
	return value != NULL && strcmp(value, "true") == 0;
}

enum mr_err mr_config_int(const struct mr_config *config, const char *name, int64_t *out,
			  struct mr_error *error)
{
	const struct mr_setting_row *row = row_of(name);
	const char *value = mr_config_get(config, name, 0);
	bool limit = row->kind == MR_SETTING_LIMIT;
	assert(limit || row->kind == MR_SETTING_NUMBER);
	*out = row->fallback;
	if (value == NULL)
		return MR_OK;
	if (mr_parse_int64(mr_slice(value), out) && *out >= row->least && *out <= row->most)
		return MR_OK;
	if (limit && strcmp(value, "unlimited") == 0) {
		*out = MR_UNLIMITED;
		return MR_OK;
	}
	return mr_error_set(
	    error, MR_CONFIG, "%s: \"%s\" is not a whole number from %lld to %lld%s", name, value,
	    (long long)row->least, (long long)row->most, limit ? ", nor the word unlimited" : "");
}

void mr_config_encode(const struct mr_config *config, struct mr_buf *out)
{
	mr_pack_array(out, config->count * 2);
	for (size_t i = 0; i < config->count; i++) {
		mr_pack_bytes(out, mr_slice(config->items[i].name));
		mr_pack_bytes(out, mr_slice(config->items[i].value));
	}
}

enum mr_err mr_config_decode(struct mr_slice bytes, struct mr_config *config_out,
			     struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	size_t count = mr_unpack_array(&in, SIZE_MAX);
	bool known = true;
	for (size_t i = 0; i < count / 2 && mr_unpack_ok(&in); i++) {
		struct mr_slice name = mr_unpack_bytes(&in);
		struct mr_slice value = mr_unpack_bytes(&in);
		known &= mr_setting_find(name) != NULL;
		add_slices(config_out, name, value);
	}
	if (mr_unpack_done(&in) && count % 2 == 0 && known)
		return MR_OK;
	mr_config_fini(config_out);
	return mr_error_set(error, MR_BAD_INPUT, "settings: not the form that they are sent in");
}
