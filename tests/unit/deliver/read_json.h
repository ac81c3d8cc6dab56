/* read_json.h - looks into a line of JSON by path, as "finding_info.analytic.uid" or
 * "evidences.0.data". */
#ifndef MILLRACE_TEST_READ_JSON_H
#define MILLRACE_TEST_READ_JSON_H

#include <stdlib.h>

#include "millrace/json.h"

#define JSON_MAX (8u << 20)

struct json_line {
	struct mr_json_reader *reader;
	struct mr_json_node root;
	char *copy;
};

/* False where the line is no JSON. */
static inline bool json_line_open(struct json_line *line, const char *at, size_t len)
{
	line->reader = mr_json_reader_new(JSON_MAX);
	line->copy = mr_calloc(1, len + MR_JSON_PADDING);
	memcpy(line->copy, at, len);
	struct mr_slice doc = {line->copy, len};
	return mr_json_read(line->reader, doc, &line->root, NULL) == MR_OK;
}

static inline void json_line_close(struct json_line *line)
{
	mr_json_reader_free(line->reader);
	free(line->copy);
}

/* One step down: an object's member or an array's element. */
static inline bool json_step_to(const struct mr_json_reader *reader, struct mr_slice name,
				struct mr_json_node *node)
{
	struct mr_json_walk walk = mr_json_enter(reader, *node);
	for (size_t i = 0; mr_json_step(reader, &walk); i++) {
		char number[24];
		snprintf(number, sizeof(number), "%zu", i);
		if (mr_slice_eq(name, walk.object ? walk.key : mr_slice(number))) {
			*node = walk.value;
			return true;
		}
	}
	return false;
}

/* The value's text (strings unescaped, else the bytes as they stand); NULL where it is not there.
 * Lives as long as the process. */
static inline const char *json_at(const struct json_line *line, const char *path)
{
	struct mr_json_node node = line->root;
	while (*path != '\0') {
		size_t len = strcspn(path, ".");
		if (!json_step_to(line->reader, (struct mr_slice){path, len}, &node))
			return NULL;
		path += len + (path[len] == '.');
	}
	struct mr_slice text = mr_json_kind(line->reader, node) == MR_JSON_STRING
				   ? mr_json_string(line->reader, node)
				   : mr_json_raw(line->reader, node);
	static struct mr_arena arena;
	return mr_arena_copy(&arena, text.at, text.len);
}

#endif
