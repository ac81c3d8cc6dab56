/* json.h - the one door to the JSON parser (simdjson; pipeline/json.cc).
 *
 * A reader validates one whole document and then lets the caller walk it without copying. The
 * verdict is that of simdjson's DOM on the whole document, whatever the caller looks at.
 *
 * Nodes are valid until the next mr_json_read with the same reader. */
#ifndef MILLRACE_JSON_H
#define MILLRACE_JSON_H

#include "millrace/event.h"

/* Bytes that must be readable (any content) behind a document. */
#define MR_JSON_PADDING 64
/* Deeper nesting is refused. */
#define MR_JSON_DEPTH 1024

struct mr_json_reader;

/* For documents up to `max_bytes`. */
struct mr_json_reader *mr_json_reader_new(size_t max_bytes);
void mr_json_reader_free(struct mr_json_reader *reader);

/* A value of the document. `index` is where it starts in the parser's list; opaque otherwise. */
struct mr_json_node {
	uint32_t index; /* into the tape */
	uint32_t token; /* into the list of structural positions */
};

enum mr_json_kind {
	MR_JSON_NULL,
	MR_JSON_BOOL,
	MR_JSON_INT,
	MR_JSON_UINT,
	MR_JSON_DOUBLE,
	MR_JSON_STRING,
	MR_JSON_ARRAY,
	MR_JSON_OBJECT
};

/* Validate `doc` (with MR_JSON_PADDING readable bytes behind it) as one JSON document.
 * MR_BAD_INPUT with the reason and the offset in `error`. */
enum mr_err mr_json_read(struct mr_json_reader *reader, struct mr_slice doc,
			 struct mr_json_node *root_out, struct mr_error *error);

enum mr_json_kind mr_json_kind(const struct mr_json_reader *reader, struct mr_json_node node);
/* The record's own bytes of the value (strings with their quotes). */
struct mr_slice mr_json_raw(const struct mr_json_reader *reader, struct mr_json_node node);
/* A string's unescaped text: a slice of the document where nothing was escaped, else of the
 * reader's own buffer. Valid until the next read. */
struct mr_slice mr_json_string(const struct mr_json_reader *reader, struct mr_json_node node);
/* Scalars as a value: type, number, text (the record's own digits). Strings as MR_STRING, objects
 * and arrays as MR_JSON with their raw bytes. `next` is 0. */
struct mr_value mr_json_value(const struct mr_json_reader *reader, struct mr_json_node node);

/* Walk an object's members or an array's elements:
 *     struct mr_json_walk walk = mr_json_enter(reader, node);
 *     while (mr_json_step(reader, &walk)) { walk.key (objects), walk.value }
 * A scalar has none. */
struct mr_json_walk {
	struct mr_slice key; /* unescaped, in the reader's buffer: valid until the next read */
	struct mr_json_node value;
	struct mr_json_node at; /* the walk's own: the next member */
	uint32_t end;           /* index of the closing bracket */
	bool object;
	bool pending; /* `at` still stands on the value that was shown */
};
struct mr_json_walk mr_json_enter(const struct mr_json_reader *reader, struct mr_json_node node);
bool mr_json_step(const struct mr_json_reader *reader, struct mr_json_walk *walk);
/* Where `inner` walked outer->value to its end (step gave false), the outer walk goes on from there
 * and need not look for the end again. Optional. */
void mr_json_leave(struct mr_json_walk *outer, const struct mr_json_walk *inner);
/* The bytes of the container that was walked to its end; `node` is what was entered. */
struct mr_slice mr_json_walked(const struct mr_json_reader *reader, struct mr_json_node node,
			       const struct mr_json_walk *walk);

#endif
