/* json_gap.h - what stands between two values of a document, and the way along a row of it.
 *
 * A gap goes from the end of the value before, blanks included, to the first byte of the value
 * behind; a string's opening quote belongs to it. Of documents that are written alike it is the
 * same bytes, so that where its tokens are is known from where it begins.
 *
 * Used by json_shape.c, which says how a gap is learned and what for. Its bounds: what stands in a
 * gap is compared byte by byte, and nothing is read beyond 64 bytes behind the document. */
#ifndef MILLRACE_PIPELINE_JSON_GAP_H
#define MILLRACE_PIPELINE_JSON_GAP_H

#include "millrace/memory.h"

/* What a gap ends at. */
enum json_behind {
	JSON_STRING,
	JSON_NUMBER,
	JSON_BOOLEAN,
	JSON_NOTHING, /* null */
	JSON_END      /* of the document */
};

/* Text is compared in pieces, as long as most gaps at the most; tokens are listed in groups, as
 * many as most gaps have at the most. So most gaps are this structure, 64 bytes, alone.
 *
 * A stretch of several gaps, with the values between them that have mostly been the same, may stand
 * before these as one: a document that has it all goes on behind them, another goes along them. */
#define JSON_PIECE 32u
#define JSON_GROUP 8u
#define JSON_GAP_BYTES_MAX UINT16_MAX
struct json_gap {
	uint16_t covers; /* of what is behind it, in 64 bytes; 0: it is no stretch */
	uint16_t bytes;
	uint16_t token_count;         /* the value's own among them */
	uint16_t size;                /* of this structure and what is behind it, in 64 bytes */
	uint16_t more_pieces;         /* of text, behind this */
	uint16_t more_groups;         /* of offsets, behind that */
	uint8_t past;                 /* so many bytes of the last piece are not the gap's */
	uint8_t behind;               /* enum json_behind */
	uint16_t word;                /* the value's place on the tape */
	uint16_t offsets[JSON_GROUP]; /* of the tokens, from where the gap begins */
	char text[JSON_PIECE];
};

struct json_value_place {
	uint16_t token;
	uint16_t word;
};

/* How far a document has been followed. */
struct json_way {
	const char *at;
	const char *end;
	uint32_t *tokens; /* where the next one is listed */
	const char *begin;
	const uint32_t *tokens_begin;
	uint64_t high;                    /* not 0: perhaps a byte that is not ASCII, in a string */
	struct json_value_place *escaped; /* where the next string that has a backslash is listed */
};

/* Along gaps, which are at least one, and the values behind them. False where a gap is another or a
 * value is none, and *way then stays what it was. */
typedef bool json_gaps_follower(const struct json_gap *gaps, const struct json_gap *gaps_end,
				struct json_way *way);
json_gaps_follower json_gaps_follow;
/* The same for processors that have AVX2; only on x86-64. */
json_gaps_follower json_gaps_follow_avx2;

/* Bytes of the gap with so much text and so many tokens: a multiple of 64. */
size_t json_gap_size(size_t bytes, size_t token_count);
/* `gap` has room as json_gap_size says. There are 1 to JSON_GAP_BYTES_MAX bytes; `word` and the
 * number of tokens are below 65,536, which is asserted. `tokens` are places in `text`, and the
 * first byte of the gap is at `begin`. */
void json_gap_make(struct json_gap *gap, const char *text, uint32_t begin, uint32_t bytes,
		   const uint32_t *tokens, uint32_t token_count, enum json_behind behind,
		   uint32_t word);

static inline const struct json_gap *json_gap_next(const struct json_gap *gap)
{
	return gap + gap->size;
}

/* Whether they are the same, and the same kind of value stands behind them. */
bool json_gap_eq(const struct json_gap *a, const struct json_gap *b);

#endif
