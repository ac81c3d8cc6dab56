/* logsource.c - what sources' settings say of their records. See logsource.h. */
#include "millrace/logsource.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	size_t at;
} parts[] = {
    {"product", offsetof(struct mr_logsource, product)},
    {"category", offsetof(struct mr_logsource, category)},
    {"service", offsetof(struct mr_logsource, service)},
};
#define PARTS (sizeof parts / sizeof parts[0])

static struct mr_slice *part_of(struct mr_logsource *logsource, size_t part)
{
	return (struct mr_slice *)((char *)logsource + parts[part].at);
}

static struct mr_slice text_of(const struct mr_logsource *logsource, size_t part)
{
	return *(const struct mr_slice *)((const char *)logsource + parts[part].at);
}

/* ---- as a text ---- */

/* What the specification lets the values be: lower case, digits, `_`, `.` and `-`; a name in
 * capitals is taken for the same one in lower case. */
static bool is_value(struct mr_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '.' || c == '-'))
			return false;
	}
	return text.len > 0;
}

static bool read_part(struct mr_slice text, struct mr_logsource *out)
{
	const char *equals = text.len == 0 ? NULL : memchr(text.at, '=', text.len);
	if (equals == NULL)
		return false;
	size_t name = (size_t)(equals - text.at);
	struct mr_slice value = {equals + 1, text.len - name - 1};
	for (size_t i = 0; i < PARTS; i++) {
		if (!mr_slice_eq(mr_slice(parts[i].name), (struct mr_slice){text.at, name}))
			continue;
		struct mr_slice *part = part_of(out, i);
		bool good = part->len == 0 && is_value(value);
		*part = value;
		return good;
	}
	return false;
}

enum mr_err mr_logsource_read(const char *text, struct mr_logsource *out, struct mr_error *error)
{
	*out = (struct mr_logsource){0};
	for (const char *at = text;;) {
		size_t len = strcspn(at, ",");
		if (!read_part((struct mr_slice){at, len}, out))
			return mr_error_set(
			    error, MR_CONFIG,
			    "\"%s\" is no logsource: one or more of product=, category= and "
			    "service=, each once, with a comma between them and values of "
			    "letters, digits, _ . and -, such as "
			    "product=windows,category=process_creation",
			    text);
		if (at[len] == '\0')
			return MR_OK;
		at += len + 1;
	}
}

void mr_logsource_show(const struct mr_logsource *logsource, struct mr_buf *out)
{
	const char *before = "";
	for (size_t i = 0; i < PARTS; i++) {
		struct mr_slice text = text_of(logsource, i);
		if (text.len == 0)
			continue;
		mr_buf_printf(out, "%s%s=%.*s", before, parts[i].name, (int)text.len, text.at);
		before = ",";
	}
}

bool mr_logsource_holds(const struct mr_logsource *wanted, const struct mr_logsource *has)
{
	for (size_t i = 0; i < PARTS; i++) {
		struct mr_slice want = text_of(wanted, i);
		if (want.len > 0 && !mr_fold_eq(want, text_of(has, i)))
			return false;
	}
	return true;
}

/* ---- of a run ---- */

uint16_t mr_declared_find(const struct mr_declared *declared, const struct mr_logsource *logsource)
{
	for (uint32_t i = 0; i < declared->count; i++)
		if (mr_logsource_holds(&declared->items[i], logsource) &&
		    mr_logsource_holds(logsource, &declared->items[i]))
			return (uint16_t)(i + 1);
	return 0;
}

static void put(struct mr_declared *declared, struct mr_logsource logsource, const char *text)
{
	declared->items[declared->count] = logsource;
	declared->texts[declared->count++] = text;
}

static enum mr_err add(struct mr_declared *declared, const struct mr_config *config,
		       const char *text, uint16_t *number_out, struct mr_error *error)
{
	struct mr_logsource logsource;
	enum mr_err err = mr_logsource_read(text, &logsource, error);
	if (err == MR_OK && (*number_out = mr_declared_find(declared, &logsource)) == 0) {
		if (declared->count == MR_DECLARED_MAX)
			err = mr_error_set(error, MR_CONFIG,
					   "\"%s\": sources have more than %d logsources", text,
					   MR_DECLARED_MAX);
		else
			put(declared, logsource, text);
		*number_out = (uint16_t)declared->count;
	}
	return err == MR_OK ? MR_OK : mr_config_blame(config, text, error);
}

static void grow(struct mr_declared *declared, uint32_t count)
{
	if (count <= declared->source_count)
		return;
	declared->numbers = mr_realloc(declared->numbers, count * sizeof *declared->numbers);
	while (declared->source_count < count)
		declared->numbers[declared->source_count++] = declared->otherwise;
}

enum mr_err mr_declared_read(const struct mr_config *config, struct mr_declared *out,
			     struct mr_error *error)
{
	const char *text = mr_config_get(config, "logsource", 0);
	const struct mr_part *part;
	enum mr_err err = MR_OK;
	*out = (struct mr_declared){.items = mr_calloc(MR_DECLARED_MAX, sizeof *out->items),
				    .texts = mr_calloc(MR_DECLARED_MAX, sizeof *out->texts)};
	if (text != NULL)
		err = add(out, config, text, &out->otherwise, error);
	for (size_t i = 0;
	     err == MR_OK && (part = mr_config_part(config, MR_PART_SOURCE, i)) != NULL; i++) {
		text = mr_config_get(&part->settings, "logsource", 0);
		grow(out, part->number + 1u);
		if (text != NULL)
			err = add(out, config, text, &out->numbers[part->number], error);
	}
	if (err != MR_OK)
		mr_declared_fini(out);
	return err;
}

void mr_declared_fini(struct mr_declared *declared)
{
	free(declared->items);
	free(declared->texts);
	free(declared->numbers);
	*declared = (struct mr_declared){0};
}
