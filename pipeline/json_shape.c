/* json_shape.c - learns shapes and finds them again. See json_shape.h. */
#include "json_shape.h"

#include <stdlib.h>

#include "millrace/json.h"

#define WAYS 8u
#define SETS (MR_JSON_SHAPES / WAYS)
#define TOKENS_MAX 1024u
#define KEY_MAX 200u
/* Learning costs about as much as reading so many documents. */
#define PRICE 16u
#define CREDIT_MAX (128u * PRICE)

struct json_shapes {
	struct json_shape slots[MR_JSON_SHAPES]; /* number 0: free */
	uint64_t number;
	uint64_t tick;
	uint32_t credit; /* what strange documents have saved up for learning */
};

struct json_shapes *json_shapes_new(void)
{
	struct json_shapes *shapes = mr_calloc(1, sizeof *shapes);
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

static inline uint64_t load(const char *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof word);
	return word;
}

/* With quotes and colon. */
static inline uint32_t text_bytes(uint32_t key_bytes)
{
	return key_bytes + 3;
}

static inline uint32_t text_words(uint32_t key_bytes)
{
	return (text_bytes(key_bytes) + 7) / 8;
}

static bool keys_match(const struct json_shape *shape, const char *text, const uint32_t *tokens)
{
	const uint64_t *wanted = shape->text;
	for (uint32_t i = 0; i < shape->key_count; i++) {
		const struct json_shape_key *key = &shape->keys[i];
		const char *at = text + tokens[key->token];
		uint32_t last = text_words(key->bytes) - 1;
		uint64_t differs = 0;
		if (tokens[key->token + 1] - tokens[key->token] != key->bytes + 2)
			return false;
		for (uint32_t word = 0; word < last; word++)
			differs |= load(at + word * 8) ^ wanted[word];
		differs |= (load(at + last * 8) & wanted[last + 1]) ^ wanted[last];
		if (differs != 0)
			return false;
		wanted += last + 2;
	}
	return true;
}

static bool marks_match(const struct json_shape *shape, const char *text, const uint32_t *tokens)
{
	char differs = 0;
	for (uint32_t i = 0; i < shape->mark_count; i++)
		differs |= (char)(text[tokens[shape->marks[i].token]] ^ shape->marks[i].mark);
	return differs == 0;
}

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
		if (shape->token_count == token_count && keys_match(shape, text, tokens) &&
		    marks_match(shape, text, tokens)) {
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
	uint32_t text_words;
	bool write;
	bool odd; /* it has a key that cannot be known again */
};

static char type_at(const struct walk *walk)
{
	return (char)(walk->tape[walk->word] >> 56);
}

static bool is_closing(const struct walk *walk)
{
	char type = type_at(walk);
	return type == '}' || type == ']';
}

static void note_mark(struct walk *walk)
{
	struct json_shape *shape = walk->shape;
	if (walk->write)
		shape->marks[shape->mark_count] =
		    (struct json_shape_mark){walk->token, walk->text[walk->tokens[walk->token]]};
	shape->mark_count++;
}

static void take_mark(struct walk *walk)
{
	note_mark(walk);
	walk->token++;
}

static void write_key_text(struct walk *walk, uint32_t bytes)
{
	uint64_t *out = walk->shape->text + walk->text_words;
	uint32_t last = text_words(bytes) - 1;
	memcpy(out, walk->text + walk->tokens[walk->token], (size_t)(last + 1) * sizeof *out);
	out[last + 1] = 0;
	memset(&out[last + 1], 0xff, text_bytes(bytes) - last * 8);
	out[last] &= out[last + 1];
}

static void take_key(struct walk *walk)
{
	struct json_shape *shape = walk->shape;
	uint32_t colon = walk->tokens[walk->token + 1];
	uint32_t bytes = colon - walk->tokens[walk->token] - 2;
	if ((walk->tape[walk->word] & MR_JSON_ESCAPED) != 0 || bytes > KEY_MAX ||
	    walk->text[colon - 1] != '"')
		walk->odd = true;
	if (walk->write) {
		shape->keys[shape->key_count] = (struct json_shape_key){walk->token, bytes};
		write_key_text(walk, bytes);
	}
	shape->key_count++;
	walk->text_words += text_words(bytes) + 1;
	walk->word++;
	walk->token += 2;
}

static void take_value(struct walk *walk, struct json_shape_value *values, uint32_t *count,
		       uint32_t words)
{
	if (walk->write)
		values[*count] = (struct json_shape_value){walk->token, walk->word};
	++*count;
	walk->word += words;
	walk->token++;
}

/* A scalar, or an opening bracket; true where its members are next. */
static bool take_one(struct walk *walk)
{
	struct json_shape *shape = walk->shape;
	switch (type_at(walk)) {
	case '{':
	case '[':
		take_mark(walk);
		walk->word++;
		return true;
	case '"':
		note_mark(walk);
		take_value(walk, shape->strings, &shape->string_count, 1);
		return false;
	case 't':
	case 'f':
	case 'n':
		take_value(walk, shape->scalars, &shape->scalar_count, 1);
		return false;
	default:
		take_value(walk, shape->scalars, &shape->scalar_count, 2);
		return false;
	}
}

/* The whole document, which is an object. */
static void take_all(struct walk *walk)
{
	bool objects[MR_JSON_DEPTH];
	uint32_t depth = 0;
	do {
		bool object = type_at(walk) == '{';
		if (take_one(walk)) {
			objects[depth++] = object;
		} else if (!is_closing(walk)) {
			take_mark(walk); /* a comma */
		}
		while (depth > 0 && is_closing(walk)) {
			take_mark(walk);
			walk->word++;
			depth--;
			if (depth > 0 && !is_closing(walk))
				take_mark(walk);
		}
		if (depth > 0 && objects[depth - 1])
			take_key(walk);
	} while (depth > 0 && !walk->odd);
}

static void count_all(struct walk *walk)
{
	take_all(walk);
	walk->shape->word_count = walk->word;
	walk->shape->token_count = walk->token;
}

/* The counts are known; they rise again from 0 as the parts are written. */
static void write_all(struct walk *walk)
{
	struct json_shape *shape = walk->shape;
	size_t words =
	    shape->word_count + 1 + walk->text_words; /* behind the last, the tape's end */
	char *room =
	    mr_malloc(words * sizeof(uint64_t) + shape->key_count * sizeof *shape->keys +
		      shape->mark_count * sizeof *shape->marks +
		      (shape->string_count + shape->scalar_count) * sizeof *shape->strings);
	shape->tape = (uint64_t *)(void *)room;
	shape->text = shape->tape + shape->word_count + 1;
	shape->keys = (struct json_shape_key *)(void *)(shape->tape + words);
	shape->marks = (struct json_shape_mark *)(void *)(shape->keys + shape->key_count);
	shape->strings = (struct json_shape_value *)(void *)(shape->marks + shape->mark_count);
	shape->scalars = shape->strings + shape->string_count;
	memcpy(shape->tape, walk->tape, (shape->word_count + 1) * sizeof *shape->tape);
	shape->escaped = true; /* it may */
	shape->key_count = shape->mark_count = shape->string_count = shape->scalar_count = 0;
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
