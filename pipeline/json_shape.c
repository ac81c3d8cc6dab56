/* json_shape.c - learns shapes and finds them again. See json_shape.h. */
#include "json_shape.h"

#include <stdlib.h>

#include "millrace/json.h"

#define WAYS 8u
#define SETS (MR_JSON_SHAPES / WAYS)
#define TOKENS_MAX 1024u
#define TEXT_MAX (64u << 10) /* bytes of all gaps */
/* Learning costs about as much as reading so many documents. */
#define PRICE 16u
#define CREDIT_MAX (128u * PRICE)

/* Of a text whose tokens are as many as the shape's, whether what stands between values is. */
typedef bool gaps_matcher(const struct json_shape *shape, const char *text, const uint32_t *tokens);

struct json_shapes {
	gaps_matcher *match;                     /* for this processor */
	struct json_shape slots[MR_JSON_SHAPES]; /* number 0: free */
	uint64_t number;
	uint64_t tick;
	uint32_t credit; /* what strange documents have saved up for learning */
};

/* ---- what stands between values ---- */

/* As long as most gaps at the most, so that these are compared without a loop. */
typedef uint64_t piece __attribute__((vector_size(32)));
#define PIECE ((uint32_t)sizeof(piece))

/* From PIECE - n on, a mask of a piece's first n bytes. One for all gaps: with a mask for each, the
 * shapes' texts were twice as long, and no longer in the cache. */
static const uint8_t masks[2 * PIECE] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

/* Whether the lengths differ is seen at each gap, what else differs at the end. */
static inline __attribute__((always_inline)) bool
gaps_match(const struct json_shape *shape, const char *text, const uint32_t *tokens)
{
	const char *wanted = shape->text;
	piece differs = {0};
	for (uint32_t i = 0; i < shape->gap_count; i++) {
		const struct json_shape_gap *gap = &shape->gaps[i];
		const char *at = text + tokens[gap->token];
		piece own, other, mask;
		if (tokens[gap->behind] - tokens[gap->token] != gap->bytes)
			return false; /* only so many bytes, and 64 more, are sure to be there */
		for (uint32_t left = gap->pieces; left > 1; left--) {
			memcpy(&own, at, PIECE);
			memcpy(&other, wanted, PIECE);
			differs |= own ^ other;
			at += PIECE;
			wanted += PIECE;
		}
		memcpy(&own, at, PIECE);
		memcpy(&other, wanted, PIECE);
		memcpy(&mask, masks + gap->past, PIECE);
		differs |= (own ^ other) & mask;
		wanted += PIECE;
	}
	return (differs[0] | differs[1] | differs[2] | differs[3]) == 0;
}

static bool gaps_match_anywhere(const struct json_shape *shape, const char *text,
				const uint32_t *tokens)
{
	return gaps_match(shape, text, tokens);
}

#ifdef __x86_64__
/* A piece is one register of AVX2, and two of those that each processor has: for an event 1,050
 * instructions in place of 1,640 (./run cost --functions, 30 November 2026). */
__attribute__((target("avx2"))) static bool
gaps_match_avx2(const struct json_shape *shape, const char *text, const uint32_t *tokens)
{
	return gaps_match(shape, text, tokens);
}
#endif

static gaps_matcher *matcher_here(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		return gaps_match_avx2;
#endif
	return gaps_match_anywhere;
}

/* ---- all shapes ---- */

struct json_shapes *json_shapes_new(void)
{
	struct json_shapes *shapes = mr_calloc(1, sizeof *shapes);
	shapes->match = matcher_here();
	shapes->credit = CREDIT_MAX;
	return shapes;
}

/* Its parts are one allocation. */
static void fini(struct json_shape *shape)
{
	free(shape->tape);
	*shape = (struct json_shape){0};
}

void json_shapes_free(struct json_shapes *shapes)
{
	if (shapes == NULL)
		return;
	for (uint32_t i = 0; i < MR_JSON_SHAPES; i++)
		fini(&shapes->slots[i]);
	free(shapes);
}

uint32_t json_shapes_slot(const struct json_shapes *shapes, const struct json_shape *shape)
{
	return (uint32_t)(shape - shapes->slots);
}

/* ---- finding ---- */

static struct json_shape *set_of(struct json_shapes *shapes, const uint32_t *tokens, uint32_t count)
{
	uint32_t first = count > 2 ? tokens[2] - tokens[1] : 0; /* a key's length */
	return &shapes->slots[(count * 31 + first) % SETS * WAYS];
}

struct json_shape *json_shapes_find(struct json_shapes *shapes, const char *text,
				    const uint32_t *tokens, uint32_t token_count)
{
	struct json_shape *set = set_of(shapes, tokens, token_count);
	for (uint32_t way = 0; way < WAYS; way++) {
		struct json_shape *shape = &set[way];
		if (shape->token_count == token_count && shapes->match(shape, text, tokens)) {
			shape->used = ++shapes->tick;
			return shape;
		}
	}
	shapes->credit += shapes->credit < CREDIT_MAX;
	return NULL;
}

/* ---- learning ---- */

/* A walk along tape and tokens; the first time to count, the second to write down. */
struct walk {
	struct json_shape *shape;
	const char *text;
	const uint32_t *tokens;
	const uint64_t *tape;
	uint32_t token;
	uint32_t word;
	uint32_t gap;        /* the token where the open one begins */
	uint32_t text_bytes; /* of all gaps so far */
	bool write;
	bool odd; /* it has a key that cannot be known again */
};

static char type_at(const struct walk *walk)
{
	return (char)(walk->tape[walk->word] >> 56);
}

/* The gap up to the token in hand, and `more` bytes of that. */
static void take_gap(struct walk *walk, uint32_t more)
{
	struct json_shape *shape = walk->shape;
	uint32_t begin = walk->tokens[walk->gap];
	uint32_t bytes = walk->tokens[walk->token] - begin;
	uint32_t pieces = (bytes + more + PIECE - 1) / PIECE;
	uint32_t whole = (pieces - 1) * PIECE;
	if (walk->write) {
		char *out = shape->text + walk->text_bytes;
		uint32_t past = whole + PIECE - (bytes + more);
		memset(out, 0, whole + PIECE);
		memcpy(out, walk->text + begin, bytes + more);
		shape->gaps[shape->gap_count] = (struct json_shape_gap){
		    walk->gap, walk->token, bytes, (uint16_t)pieces, (uint16_t)past};
	}
	shape->gap_count++;
	walk->text_bytes += whole + PIECE;
}

static uint32_t scalar_words(const struct walk *walk)
{
	char type = type_at(walk);
	return type == 't' || type == 'f' || type == 'n' ? 1 : 2;
}

static void take_value(struct walk *walk, struct json_shape_value *values, uint32_t *count,
		       uint32_t words)
{
	if (walk->write)
		values[*count] = (struct json_shape_value){walk->token, walk->word};
	++*count;
	walk->word += words;
	walk->gap = ++walk->token;
}

/* The whole document, which is an object: brackets, commas, keys and colons go by, up to a value.
 */
static void take_all(struct walk *walk)
{
	struct json_shape *shape = walk->shape;
	bool key = false; /* the string in hand is one */
	bool objects[MR_JSON_DEPTH];
	uint32_t depth = 0;
	do {
		char c = walk->text[walk->tokens[walk->token]];
		switch (c) {
		case '{':
		case '[':
			objects[depth++] = c == '{';
			key = c == '{';
			walk->word++;
			walk->token++;
			break;
		case '}':
		case ']':
			depth--;
			walk->word++;
			walk->token++;
			break;
		case ',':
			key = objects[depth - 1];
			walk->token++;
			break;
		case '"':
			if (key) {
				walk->odd |= (walk->tape[walk->word] & MR_JSON_ESCAPED) != 0;
				walk->word++;
				walk->token += 2;
				key = false;
				break;
			}
			take_gap(walk, 1);
			take_value(walk, shape->strings, &shape->string_count, 1);
			break;
		default:
			take_gap(walk, 0);
			take_value(walk, shape->scalars, &shape->scalar_count, scalar_words(walk));
		}
	} while (depth > 0);
	take_gap(walk, 0);
}

static void count_all(struct walk *walk)
{
	take_all(walk);
	walk->shape->word_count = walk->word;
	walk->shape->token_count = walk->token;
	walk->odd |= walk->text_bytes > TEXT_MAX;
}

/* The counts are known; they rise again from 0 as the parts are written. */
static void write_all(struct walk *walk)
{
	struct json_shape *shape = walk->shape;
	size_t words = shape->word_count + 1; /* behind the last, the tape's end */
	char *room = mr_malloc(
	    words * sizeof(uint64_t) + walk->text_bytes + shape->gap_count * sizeof *shape->gaps +
	    (shape->string_count + shape->scalar_count) * sizeof *shape->strings);
	shape->tape = (uint64_t *)(void *)room;
	shape->text = (char *)(shape->tape + words);
	shape->gaps = (struct json_shape_gap *)(void *)(shape->text + walk->text_bytes);
	shape->strings = (struct json_shape_value *)(void *)(shape->gaps + shape->gap_count);
	shape->scalars = shape->strings + shape->string_count;
	memcpy(shape->tape, walk->tape, (shape->word_count + 1) * sizeof *shape->tape);
	shape->escaped = true; /* it may */
	shape->gap_count = shape->string_count = shape->scalar_count = 0;
	*walk = (struct walk){.shape = shape,
			      .text = walk->text,
			      .tokens = walk->tokens,
			      .tape = walk->tape,
			      .word = 1,
			      .write = true};
	take_all(walk);
}

static struct json_shape *oldest_of(struct json_shape *set)
{
	struct json_shape *oldest = set;
	for (uint32_t way = 1; way < WAYS; way++)
		if (set[way].used < oldest->used)
			oldest = &set[way];
	return oldest;
}

const struct json_shape *json_shapes_learn(struct json_shapes *shapes, const char *text,
					   const uint32_t *tokens, uint32_t token_count,
					   const uint64_t *tape)
{
	struct json_shape shape = {0};
	struct walk walk = {
	    .shape = &shape, .text = text, .tokens = tokens, .tape = tape, .word = 1};
	if (token_count > TOKENS_MAX || shapes->credit < PRICE || type_at(&walk) != '{')
		return NULL;
	shapes->credit -= PRICE;
	count_all(&walk);
	if (walk.odd)
		return NULL;
	write_all(&walk);
	shape.number = ++shapes->number;
	shape.used = ++shapes->tick;
	struct json_shape *place = oldest_of(set_of(shapes, tokens, token_count));
	fini(place);
	*place = shape;
	return place;
}
