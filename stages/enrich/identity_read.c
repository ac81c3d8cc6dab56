/* identity_read.c - entries of people from a file: NDJSON, or CSV with a head, told by
 * content.
 *
 * Called by identity_command.c for each file. An entry that can't be read is refused by name and
 * the next is read. */
#include "identity_import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "millrace/json.h"

#define LINE_MAX_BYTES (1u << 20)

/* A list that was given as one text: its members, which semicolons part, joined by line ends in its
 * place, without the blanks around them. Returns their length. */
static size_t part_list(char *text, size_t len)
{
	size_t used = 0;
	for (size_t at = 0, end; at < len; at = end + 1) {
		for (end = at; end < len && text[end] != ';' && text[end] != '\n';)
			end++;
		struct mr_slice member = mr_trim((struct mr_slice){text + at, end - at});
		if (member.len == 0)
			continue;
		if (used > 0)
			text[used++] = '\n';
		memmove(text + used, member.at, member.len);
		used += member.len;
	}
	return used;
}

/* ---- NDJSON ---- */

/* The members of an array, joined by line ends; false where one is no text of one line. */
static bool join_members(const struct mr_json_reader *reader, struct mr_json_node node,
			 struct mr_arena *arena, struct mr_slice *out)
{
	struct mr_buf list = {0};
	struct mr_json_walk walk = mr_json_enter(reader, node);
	bool good = true;
	while (good && mr_json_step(reader, &walk)) {
		good = mr_json_kind(reader, walk.value) == MR_JSON_STRING;
		struct mr_slice member =
		    good ? mr_json_string(reader, walk.value) : (struct mr_slice){"", 0};
		good = good && memchr(member.at, '\n', member.len) == NULL;
		if (good && member.len != 0) {
			mr_buf_add(&list, "\n", list.len != 0);
			mr_buf_add(&list, member.at, member.len);
		}
	}
	*out = (struct mr_slice){mr_arena_copy(arena, list.data, list.len), list.len};
	mr_buf_fini(&list);
	return good;
}

/* The text of a column; false where the member is not what the column holds. */
static bool text_of(const struct mr_json_reader *reader, struct mr_json_node node, int column,
		    struct mr_arena *arena, struct mr_slice *out)
{
	enum mr_json_kind kind = mr_json_kind(reader, node);
	bool list = identity_column_is_list(column);
	if (kind == MR_JSON_NULL)
		return true;
	if (kind == MR_JSON_ARRAY)
		return list && join_members(reader, node, arena, out);
	if (kind == MR_JSON_OBJECT || (list && kind != MR_JSON_STRING))
		return false;
	struct mr_value value = mr_json_value(reader, node);
	*out = (struct mr_slice){value.text, value.len};
	if (list) {
		char *copy = mr_arena_copy(arena, value.text, value.len);
		*out = (struct mr_slice){copy, part_list(copy, value.len)};
	}
	return true;
}

static void refuse_member(struct identity_import *import, uint32_t file, uint32_t line, int column)
{
	char reason[128];
	snprintf(reason, sizeof reason, "\"%s\" is %s", identity_column_names[column],
		 identity_column_is_list(column)
		     ? "neither a list of texts, each of one line, nor one text"
		     : "neither a text nor a number, true or false");
	identity_import_refuse(import, file, line, reason);
}

/* Names are ASCII, so that only ASCII folds to them; -1 for another. */
static int column_of(struct mr_slice name)
{
	for (int i = 0; i < COLUMN_COUNT; i++) {
		const char *known = identity_column_names[i];
		if (strlen(known) == name.len && strncasecmp(name.at, known, name.len) == 0)
			return i;
	}
	return -1;
}

static void read_object(struct identity_import *import, struct mr_json_reader *reader,
			struct mr_arena *arena, uint32_t file, uint32_t line, struct mr_slice doc)
{
	struct mr_json_node root;
	struct mr_error error = {0};
	struct identity_entry entry = {0};
	if (mr_json_read(reader, doc, &root, &error) != MR_OK) {
		identity_import_refuse(import, file, line, error.text);
		return;
	}
	if (mr_json_kind(reader, root) != MR_JSON_OBJECT) {
		identity_import_refuse(import, file, line, "not a JSON object");
		return;
	}
	struct mr_json_walk walk = mr_json_enter(reader, root);
	while (mr_json_step(reader, &walk)) {
		int column = column_of(walk.key);
		if (column < 0) {
			identity_import_unknown(import, file, line, walk.key);
		} else if (!text_of(reader, walk.value, column, arena, &entry.texts[column])) {
			refuse_member(import, file, line, column);
			return;
		}
	}
	identity_import_add(import, file, line, &entry);
}

struct lines {
	FILE *in;
	char *block;
	size_t at; /* in the block */
	size_t end;
	struct mr_buf line; /* at most one byte longer than a line may be */
};

#define BLOCK_BYTES (64u << 10)

/* The next line without its end, with padding for the JSON reader. A line that is too long is cut.
 * False at the end of the file. */
static bool read_line(struct lines *lines)
{
	bool any = false;
	lines->line.len = 0;
	for (;;) {
		if (lines->at == lines->end) {
			lines->at = 0;
			lines->end = fread(lines->block, 1, BLOCK_BYTES, lines->in);
			if (lines->end == 0)
				break;
		}
		any = true;
		const char *from = lines->block + lines->at;
		const char *end = memchr(from, '\n', lines->end - lines->at);
		size_t len = end == NULL ? lines->end - lines->at : (size_t)(end - from);
		size_t room = LINE_MAX_BYTES + 1 - lines->line.len;
		mr_buf_add(&lines->line, from, len < room ? len : room);
		lines->at += len + (end != NULL);
		if (end != NULL)
			break;
	}
	memset(mr_buf_reserve(&lines->line, MR_JSON_PADDING), 0, MR_JSON_PADDING);
	return any;
}

static struct mr_slice trimmed(const struct mr_buf *line)
{
	size_t len = line->len;
	while (len > 0 && mr_is_blank(line->data[len - 1]))
		len--;
	return (struct mr_slice){line->data, len};
}

static enum mr_err read_ndjson(struct identity_import *import, uint32_t file, FILE *in,
			       uint32_t first_line, struct mr_error *error)
{
	struct mr_json_reader *reader = mr_json_reader_new(LINE_MAX_BYTES);
	struct lines lines = {.in = in, .block = mr_malloc(BLOCK_BYTES)};
	struct mr_arena arena = {0};
	for (uint32_t number = first_line; read_line(&lines); number++) {
		struct mr_slice doc = trimmed(&lines.line);
		if (lines.line.len > LINE_MAX_BYTES) { /* cut: what was cut off may be no blank */
			identity_import_refuse(import, file, number, "longer than 1 MiB");
		} else if (doc.len > 0) {
			mr_arena_reset(&arena);
			read_object(import, reader, &arena, file, number, doc);
		}
	}
	enum mr_err err =
	    ferror(in) ? mr_error_errno(error, MR_CONFIG, "%s", import->files[file]) : MR_OK;
	mr_buf_fini(&lines.line);
	free(lines.block);
	mr_arena_fini(&arena);
	mr_json_reader_free(reader);
	return err;
}

/* ---- CSV (RFC 4180) ---- */

struct csv {
	FILE *in;
	uint32_t line; /* where the row in hand begins */
	uint32_t next_line;
	struct mr_buf bytes; /* the row's fields, one behind the other */
	size_t *ends;
	size_t count;
	size_t capacity;
	const char *fault;
};

static void end_field(struct csv *csv)
{
	if (csv->count == csv->capacity) {
		csv->capacity = mr_grow(csv->capacity, csv->count + 1);
		csv->ends = mr_realloc(csv->ends, csv->capacity * sizeof *csv->ends);
	}
	csv->ends[csv->count++] = csv->bytes.len;
}

static void put_byte(struct csv *csv, int byte)
{
	char c = (char)byte;
	if (csv->bytes.len < LINE_MAX_BYTES)
		mr_buf_add(&csv->bytes, &c, 1);
	else
		csv->fault = "longer than 1 MiB";
}

/* Behind an opening quote, to the byte behind the closing one. */
static int quoted_field(struct csv *csv)
{
	for (;;) {
		int byte = getc_unlocked(csv->in);
		if (byte == '"') {
			byte = getc_unlocked(csv->in);
			if (byte != '"')
				return byte;
		}
		if (byte == EOF) {
			csv->fault = "a quote is never closed";
			return EOF;
		}
		csv->next_line += byte == '\n';
		put_byte(csv, byte);
	}
}

/* False at the end of the file. */
static bool read_row(struct csv *csv)
{
	csv->line = csv->next_line;
	csv->bytes.len = 0;
	csv->count = 0;
	csv->fault = NULL;
	int byte = getc_unlocked(csv->in);
	if (byte == EOF)
		return false;
	for (;;) {
		if (byte == '"')
			byte = quoted_field(csv);
		while (byte != ',' && byte != '\n' && byte != EOF) {
			if (byte != '\r')
				put_byte(csv, byte);
			byte = getc_unlocked(csv->in);
		}
		end_field(csv);
		if (byte != ',')
			break;
		byte = getc_unlocked(csv->in);
	}
	csv->next_line++;
	return true;
}

static struct mr_slice field_of(const struct csv *csv, size_t n)
{
	size_t begin = n == 0 ? 0 : csv->ends[n - 1];
	if (csv->ends[n] == begin)
		return (struct mr_slice){"", 0};
	return (struct mr_slice){csv->bytes.data + begin, csv->ends[n] - begin};
}

static void take_row(struct identity_import *import, uint32_t file, struct csv *csv,
		     const int *columns, size_t heads)
{
	struct identity_entry entry = {0};
	if (csv->count == 1 && csv->bytes.len == 0 && csv->fault == NULL)
		return; /* an empty line */
	if (csv->fault == NULL && csv->count != heads)
		csv->fault = "not as many fields as the head has";
	if (csv->fault != NULL) {
		identity_import_refuse(import, file, csv->line, csv->fault);
		return;
	}
	for (size_t i = 0; i < heads; i++) {
		if (columns[i] < 0)
			continue;
		struct mr_slice text = field_of(csv, i);
		if (identity_column_is_list(columns[i]))
			text.len = part_list((char *)(uintptr_t)text.at, text.len); /* csv.bytes */
		entry.texts[columns[i]] = text;
	}
	identity_import_add(import, file, csv->line, &entry);
}

#define SHOWN_MAX 200

static bool is_text(const struct mr_buf *bytes)
{
	return bytes->len == 0 || (mr_utf8_valid(bytes->data, bytes->len) &&
				   memchr(bytes->data, 0, bytes->len) == NULL);
}

static enum mr_err no_head(const struct csv *csv, const char *file, uint32_t line,
			   struct mr_error *error)
{
	struct mr_buf found = {0};
	if (!is_text(&csv->bytes))
		return mr_error_set(error, MR_CONFIG,
				    "%s:%u:1: no text in UTF-8 or UTF-16, as NDJSON and CSV are",
				    file, line);
	for (size_t i = 0; i < csv->count && found.len < SHOWN_MAX; i++) {
		struct mr_slice name = field_of(csv, i);
		mr_buf_printf(&found, "%s\"%.*s\"", i == 0 ? "" : ", ",
			      (int)mr_utf8_cut(name, SHOWN_MAX), name.at);
	}
	mr_error_set(error, MR_CONFIG,
		     "%s:%u:1: neither NDJSON nor a CSV head with the columns \"id\" and \"upn\", "
		     "which must be named so; found: %.*s",
		     file, line, (int)found.len, found.len > 0 ? found.data : "");
	mr_buf_fini(&found);
	return MR_CONFIG;
}

static enum mr_err read_csv(struct identity_import *import, uint32_t file, FILE *in,
			    uint32_t first_line, struct mr_error *error)
{
	struct csv csv = {.in = in, .next_line = first_line};
	bool has[COLUMN_COUNT] = {false};
	bool any = read_row(&csv);
	size_t heads = csv.count;
	int *columns = mr_calloc(heads, sizeof *columns);
	for (size_t i = 0; i < heads; i++) {
		columns[i] = column_of(field_of(&csv, i));
		if (columns[i] >= 0)
			has[columns[i]] = true;
	}
	enum mr_err err = MR_OK;
	if (!any || !has[COLUMN_ID] || !has[COLUMN_UPN])
		err = no_head(&csv, import->files[file], first_line, error);
	for (size_t i = 0; i < heads && err == MR_OK; i++) {
		if (columns[i] < 0)
			identity_import_unknown(import, file, csv.line, field_of(&csv, i));
	}
	while (err == MR_OK && read_row(&csv))
		take_row(import, file, &csv, columns, heads);
	if (err == MR_OK && ferror(in))
		err = mr_error_errno(error, MR_CONFIG, "%s", import->files[file]);
	free(columns);
	free(csv.ends);
	mr_buf_fini(&csv.bytes);
	return err;
}

/* ---- the file ---- */

/* The first byte that is no blank, which then is the next one read; and its line. */
static int first_byte(FILE *in, uint32_t *line_out)
{
	int byte = getc(in);
	*line_out = 1;
	while (byte != EOF && mr_is_blank((char)byte)) {
		*line_out += byte == '\n';
		byte = getc(in);
	}
	if (byte != EOF)
		ungetc(byte, in);
	return byte;
}

enum mr_err identity_read_file(struct identity_import *import, uint32_t file,
			       struct mr_error *error)
{
	const char *name = import->files[file];
	FILE *in = identity_text_open(name);
	if (in == NULL)
		return mr_error_errno(error, MR_CONFIG, "%s", name);
	uint32_t line;
	int first = first_byte(in, &line);
	enum mr_err err;
	if (first == EOF)
		err = ferror(in) ? mr_error_errno(error, MR_CONFIG, "%s", name) : MR_OK;
	else if (first == '{')
		err = read_ndjson(import, file, in, line, error);
	else
		err = read_csv(import, file, in, line, error);
	fclose(in);
	return err;
}
