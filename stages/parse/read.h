/* read.h - a text becomes a JSON document, repaired where it must be (PROTOCOL.md 5.2).
 *
 * The one way into JSON for all that parse reads: a record, the record in a row, and a text that is
 * opened. Called by parse.c and flatten.c. */
#ifndef MILLRACE_PARSE_READ_H
#define MILLRACE_PARSE_READ_H

#include "millrace/json.h"

/* What is odd about a record; each is counted once a record. */
struct mr_odd {
	bool repaired; /* it, or a text in it that was opened, was rewritten before it was read */
	bool twice;    /* an object looked at gave a key twice */
};

/* Read *doc, with MR_JSON_PADDING behind it; where that is refused, once more what mr_repair makes
 * of it, in the arena: *doc is that then, and odd->repaired set. MR_BAD_INPUT where neither is
 * JSON, with the reason why the text as it came is none. */
enum mr_err mr_read(struct mr_json_reader *reader, struct mr_arena *arena, struct mr_slice *doc,
		    struct mr_json_node *root_out, struct mr_odd *odd, struct mr_error *error);

/* A string's text as a document of its own: in the arena, where values may point into it, with its
 * padding. */
struct mr_slice mr_read_copy(struct mr_arena *arena, struct mr_slice text);

#endif
