/* json_shape.h - documents that are written alike, known by their tokens.
 *
 * Records of one kind give the same keys in the same order, with values of the same kinds. A shape
 * is what they have in common: the text between two scalars, keys, brackets and blanks, and the
 * tape but for scalars and strings with escapes. Of a document with exactly these texts between its
 * tokens a reader would make exactly that tape, so that only scalars and escapes are left to be put
 * into it, where it lies.
 *
 * Used by json.cc. A shape is learned from a document that was read in full; how many there are,
 * and how often one that no longer fits any is learned, is bounded, whatever documents come. */
#ifndef MILLRACE_PIPELINE_JSON_SHAPE_H
#define MILLRACE_PIPELINE_JSON_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

/* What stands between two scalars, before the first and behind the last: as bytes it is the same in
 * each document of the shape. A string's first quote belongs to it. */
struct json_shape_gap {
	uint32_t token;  /* where it begins */
	uint32_t behind; /* the token that it ends before; for a string, the string's */
	uint32_t bytes;  /* from the one to the other */
	uint16_t pieces; /* of `text` to compare */
	uint16_t past;   /* so many bytes of the last piece are not the gap's */
};
struct json_shape_value {
	uint32_t token;
	uint32_t word; /* of the tape */
};

struct json_shape {
	uint64_t number; /* no other shape has it, or had it */
	uint64_t used;
	uint32_t token_count;
	uint32_t word_count;
	uint32_t gap_count;
	uint32_t string_count;
	uint32_t scalar_count;
	bool escaped;   /* the tape has strings with escapes, of the document that came last */
	uint64_t *tape; /* as a reader's; the words of strings and scalars are that document's */
	char *text;     /* of each gap in turn: its pieces */
	struct json_shape_gap *gaps;
	struct json_shape_value *strings; /* values */
	struct json_shape_value *scalars;
};

struct json_shapes;
struct json_shapes *json_shapes_new(void);
void json_shapes_free(struct json_shapes *shapes);

/* The shape that the tokens have, NULL where none is known. `tokens` are places in `text`, behind
 * which 64 bytes must be readable. */
struct json_shape *json_shapes_find(struct json_shapes *shapes, const char *text,
				    const uint32_t *tokens, uint32_t token_count);
/* Of a document that find did not know. NULL where it is none that can be known, or not now. */
const struct json_shape *json_shapes_learn(struct json_shapes *shapes, const char *text,
					   const uint32_t *tokens, uint32_t token_count,
					   const uint64_t *tape);
/* Below MR_JSON_SHAPES; no two shapes have the same one at a time. */
uint32_t json_shapes_slot(const struct json_shapes *shapes, const struct json_shape *shape);

#endif
