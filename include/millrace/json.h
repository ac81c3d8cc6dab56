/* json.h - the one door to the JSON parser (simdjson; pipeline/json.cc).
 *
 * A reader validates one whole document and then lets the caller walk it without copying. Verdict
 * and values are those of simdjson's DOM on the whole document, whatever the caller looks at.
 *
 * Nodes are valid until the next mr_json_read with the same reader. */
#ifndef MILLRACE_JSON_H
#define MILLRACE_JSON_H

#include "millrace/event.h"

/* Bytes that must be readable (any content) behind a document. */
#define MR_JSON_PADDING 64
/* Deeper nesting is refused. */
#define MR_JSON_DEPTH 1024
/* The longest document of any reader. */
#define MR_JSON_BYTES_MAX ((UINT32_C(1) << 25) - 1)

/* What the parser found in the document in hand; for the functions below alone. */
struct mr_json_reader {
	const uint64_t *tape; /* a word for each bracket and scalar, two for a number */
	const char *strings;  /* those in which something was escaped */
	const uint32_t
	    *positions; /* of each token in the text: brackets, scalars, colons, commas */
	struct mr_slice doc;
	uint64_t shape;      /* see mr_json_reader_learns; 0: none */
	uint32_t shape_slot; /* below MR_JSON_SHAPES */
	size_t max_bytes;
	void *parts;
};

/* A word's highest byte is its type. An opening bracket's has the index behind the closing one,
 * that one's its token. A string's has no more, since its token tells where it lies in the text;
 * but for one in which something was escaped, which has its length and where it begins in
 * `strings`. */
#define MR_JSON_ESCAPED (UINT64_C(1) << 55)
#define MR_JSON_LEN_SHIFT 28
#define MR_JSON_LEN_MASK ((UINT64_C(1) << 27) - 1)
#define MR_JSON_AT_MASK ((UINT64_C(1) << MR_JSON_LEN_SHIFT) - 1)

/* For documents up to `max_bytes`, which is at most MR_JSON_BYTES_MAX: more is asserted. */
struct mr_json_reader *mr_json_reader_new(size_t max_bytes);
void mr_json_reader_free(struct mr_json_reader *reader);
/* Expect documents that are written alike, with the same keys in the same order and values of the
 * same kinds, and read them the faster: verdict and values stay what they are. Of a document that
 * is like ones before, reader->shape is a number of that shape alone, and reader->shape_slot is no
 * other's as long as that number comes: each of its nodes, but for the members of what stands in
 * its strings, has the index and token that the same node had there. At most once, before the first
 * read. */
#define MR_JSON_SHAPES 512u
void mr_json_reader_learns(struct mr_json_reader *reader);

/* A value of the document. For the functions below alone, those inline among them. */
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
/* Scalars as a value: type, number, text (the record's own digits). Strings as MR_STRING, objects
 * and arrays as MR_JSON with their raw bytes. `next` is 0. */
struct mr_value mr_json_value(const struct mr_json_reader *reader, struct mr_json_node node);

/* For tests: whether simdjson's DOM gives the same verdict on the document that was just read, and
 * the same values. `doc` as for mr_json_read. */
bool mr_json_as_dom(const struct mr_json_reader *reader, struct mr_slice doc, bool taken);

/* How many brackets are open at most, those of `node` among them. */
uint32_t mr_json_depth(const struct mr_json_reader *reader, struct mr_json_node node);

/* Walk an object's members or an array's elements:
 *     struct mr_json_walk walk = mr_json_enter(reader, node);
 *     while (mr_json_step(reader, &walk)) { walk.key (objects), walk.value }
 * A scalar has none. */
struct mr_json_walk {
	struct mr_slice key; /* as mr_json_string gives it */
	struct mr_json_node value;
	struct mr_json_node at; /* the walk's own: the next member */
	uint32_t end;           /* index of the closing bracket */
	bool object;
	bool pending; /* `at` still stands on the value that was shown */
};
struct mr_json_walk mr_json_enter(const struct mr_json_reader *reader, struct mr_json_node node);
bool mr_json_step(const struct mr_json_reader *reader, struct mr_json_walk *walk);

/* ---- the same walk, inline and with nothing kept: for who looks at each member of each record
 * ----
 *
 *     struct mr_json_node at = mr_json_inside(container);
 *     uint32_t end = mr_json_end(reader, container);
 *     while (at.index < end) {
 *             struct mr_slice key = mr_json_string(reader, at);     (objects)
 *             struct mr_json_node value = mr_json_member(at);       (objects; in an array: at)
 *             at = mr_json_next(mr_json_behind(reader, value));
 *     }
 *     behind = mr_json_leave(container, at, end);
 *
 * What stands behind a value is where the next comma or closing bracket is. Who has walked a value
 * knows it, and spares mr_json_behind the search. */
static inline char mr_json_type(const struct mr_json_reader *reader, struct mr_json_node node)
{
	return (char)(reader->tape[node.index] >> 56);
}

static inline struct mr_json_node mr_json_inside(struct mr_json_node container)
{
	struct mr_json_node at = {container.index + 1, container.token + 1};
	return at;
}

/* The tape's index of the closing bracket. */
static inline uint32_t mr_json_end(const struct mr_json_reader *reader,
				   struct mr_json_node container)
{
	return (uint32_t)reader->tape[container.index] - 1;
}

/* Whether a string's text lies in the reader's own buffer. */
static inline bool mr_json_is_escaped(const struct mr_json_reader *reader, struct mr_json_node node)
{
	return __builtin_expect((reader->tape[node.index] & MR_JSON_ESCAPED) != 0, 0);
}

/* The unescaped text of a string, or of a key: a slice of the document where nothing was escaped,
 * else of the reader's own buffer. Valid until the next read. */
static inline struct mr_slice mr_json_string(const struct mr_json_reader *reader,
					     struct mr_json_node node)
{
	uint64_t word = reader->tape[node.index];
	if (mr_json_is_escaped(reader, node)) {
		struct mr_slice text = {reader->strings + (word & MR_JSON_AT_MASK),
					word >> MR_JSON_LEN_SHIFT & MR_JSON_LEN_MASK};
		return text;
	}
	/* Between the closing quote and the next token are blanks alone. */
	const char *begin = reader->doc.at + reader->positions[node.token] + 1;
	const char *end = reader->doc.at + reader->positions[node.token + 1] - 1;
	while (*end != '"')
		end--;
	struct mr_slice text = {begin, (size_t)(end - begin)};
	return text;
}

static inline struct mr_json_node mr_json_member(struct mr_json_node at)
{
	struct mr_json_node value = {at.index + 1, at.token + 2};
	return value;
}

static inline struct mr_json_node mr_json_behind_container(const struct mr_json_reader *reader,
							   struct mr_json_node container)
{
	uint32_t index = (uint32_t)reader->tape[container.index];
	struct mr_json_node behind = {index, (uint32_t)reader->tape[index - 1] + 1};
	return behind;
}

static inline struct mr_json_node mr_json_behind(const struct mr_json_reader *reader,
						 struct mr_json_node value)
{
	char type = mr_json_type(reader, value);
	if (type == '{' || type == '[')
		return mr_json_behind_container(reader, value);
	/* A branch, not a table: the walk runs ahead by prediction. */
	bool number = type == 'l' || type == 'u' || type == 'd';
	struct mr_json_node behind = {value.index + (number ? 2 : 1), value.token + 1};
	return behind;
}

static inline struct mr_json_node mr_json_next(struct mr_json_node behind)
{
	behind.token++;
	return behind;
}

/* `at` is where the walk over the container ended. */
static inline struct mr_json_node mr_json_leave(struct mr_json_node container,
						struct mr_json_node at, uint32_t end)
{
	struct mr_json_node behind = {end + 1, at.token + (end == container.index + 1)};
	return behind;
}

/* From the one token to the end of the one before the other: a container has its own, and the one
 * behind it. */
static inline struct mr_slice mr_json_between_tokens(const struct mr_json_reader *reader,
						     uint32_t token, uint32_t behind)
{
	uint32_t begin = reader->positions[token];
	struct mr_slice bytes = {reader->doc.at + begin, reader->positions[behind - 1] + 1 - begin};
	return bytes;
}

/* The bytes of a container, brackets and all. */
static inline struct mr_slice mr_json_between(const struct mr_json_reader *reader,
					      struct mr_json_node container,
					      struct mr_json_node behind)
{
	return mr_json_between_tokens(reader, container.token, behind.token);
}

#endif
