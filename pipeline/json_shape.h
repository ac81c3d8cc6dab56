/* json_shape.h - documents that are written alike, known by what stands between their values.
 *
 * Records of one kind give the same keys in the same order, with values of the same kinds. A shape
 * is what they have in common: the bytes between two values (keys, brackets, colons, commas,
 * blanks), which is a gap, and the tape but for numbers, booleans and strings with escapes. Of a
 * document with exactly these gaps, and strings and scalars between them, a reader would list
 * exactly these tokens and make exactly that tape; so that it need not look for tokens: behind each
 * gap comes a value, whose end is found, and there the next gap begins.
 *
 * Used by json.cc. A shape is learned from a document that was read in full; how many there are,
 * how many begin alike, and how often one that no longer fits any is learned, is bounded, whatever
 * documents come. */
#ifndef MILLRACE_PIPELINE_JSON_SHAPE_H
#define MILLRACE_PIPELINE_JSON_SHAPE_H

#include "json_gap.h"
#include "millrace/text.h"

/* A number, a boolean or a null: its word need not be made anew where its bytes are the last
 * document's. */
struct json_scalar_place {
	uint64_t last; /* its first eight bytes there, the end among them; 0: it is longer */
	uint16_t token;
	uint16_t word;
};

struct json_shape {
	uint64_t number; /* no other shape has it, or had it; 0: the slot is free */
	uint64_t used;
	uint32_t study_in; /* documents until one is looked at for values that stay the same */
	uint32_t study_step;
	uint32_t word_count;
	uint32_t string_count;
	uint32_t scalar_count;
	uint32_t escaped_count;
	uint64_t
	    *tape; /* as a reader's; the words of strings and scalars are the last document's */
	struct json_scalar_place *scalars;
	struct json_value_place *escaped; /* that document's strings with escapes; room for all */
	struct json_branch *leaf;         /* where its last gap is */
};

struct json_shapes;
/* `avx2`: the processor has it, and it is to be used. */
struct json_shapes *json_shapes_new(bool avx2);
void json_shapes_free(struct json_shapes *shapes);

/* What was seen of a document's strings on the way. */
struct json_seen {
	const struct json_value_place *escaped; /* those with a backslash; till the next find */
	uint32_t escaped_count;
	bool high; /* perhaps a byte that is not ASCII: that it is UTF-8 is not known */
};

/* The shape that the document has, NULL where none is known. Its tokens are then listed, and the
 * document's length twice behind the last; for each byte of it there must be room for one, and nine
 * more. Nothing is known yet of its escapes, nor of a scalar but how it begins and where it ends.
 * Behind the document 64 bytes must be readable. */
struct json_shape *json_shapes_find(struct json_shapes *shapes, struct mr_slice doc,
				    uint32_t *tokens_out, struct json_seen *seen_out);
/* Of a document that find did not know, with its length behind the last token. NULL where it is
 * none that can be known, or not now. */
const struct json_shape *json_shapes_learn(struct json_shapes *shapes, const char *text,
					   const uint32_t *tokens, uint32_t token_count,
					   const uint64_t *tape);
/* For tests: how many stretches its documents are compared by, and bytes of the longest. */
uint32_t json_shape_stretches(const struct json_shape *shape, uint32_t *longest_out);
/* Below MR_JSON_SHAPES; no two shapes have the same one at a time. */
uint32_t json_shapes_slot(const struct json_shapes *shapes, const struct json_shape *shape);

#endif
