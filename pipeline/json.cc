// json.cc - simdjson behind the C interface of json.h; the only C++ file.
//
// Called by parse for each record, and by deliver where it takes a record apart. Of a document that
// is written as one before (json_shape.h) the tokens are known; of another simdjson's first stage
// checks encoding and strings and lists where each token begins. From that list the tape is
// made here, as its DOM makes one, with the same verdict and the same values (mr_json_as_dom), but
// for what the DOM does for each string: where nothing is escaped, it stays where it lies. What is
// rare, escapes and numbers other than short integers, is left to simdjson. A walk goes along tape
// and list, so that a value's own bytes can be had without a second look at the text. A document
// that is refused is read once more, slowly, to say where and why. No exception leaves: simdjson is
// used without them, and memory that cannot be had aborts.
#include <simdjson.h>

#include <cassert>
#include <cerrno>
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <endian.h>
#include <memory>
#include <new>

extern "C" {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include "json_fault.h"
#include "json_shape.h"
#include "millrace/json.h"
#pragma GCC diagnostic pop
}

// Out of memory, or a processor (or the user's wish) that simdjson has no code for.
[[noreturn]] static void no_parser(simdjson::error_code code)
{
	const char *asked = std::getenv("SIMDJSON_FORCE_IMPLEMENTATION");
	std::fprintf(stderr, "millrace: no JSON parser: %s%s%s\n", simdjson::error_message(code),
		     asked != nullptr ? "; SIMDJSON_FORCE_IMPLEMENTATION asks for " : "",
		     asked != nullptr ? asked : "");
	std::abort();
}

// ---- the tape ----

static inline char word_type(uint64_t word)
{
	return char(word >> 56);
}

static inline bool is_container(char type)
{
	return type == '{' || type == '[';
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_number(char first)
{
	return first == '-' || is_digit(first);
}

// A number takes a second word. A branch, not a table: the walk then runs ahead by prediction,
// where it would wait for each word to know where the next one is.
static inline bool is_wide(char type)
{
	return __builtin_expect(type == 'l' || type == 'u' || type == 'd', 0);
}

static inline const char *text_at(const mr_json_reader *reader, mr_json_node node)
{
	return reader->doc.at + reader->positions[node.token];
}

// Up to the next token, without blanks.
static size_t number_length(const mr_json_reader *reader, mr_json_node node)
{
	const char *end = reader->doc.at + reader->positions[node.token + 1];
	while (mr_is_blank(end[-1]))
		end--;
	return size_t(end - text_at(reader, node));
}

// ---- refusal ----

static enum mr_err refuse(struct mr_slice doc, simdjson::error_code code, struct mr_error *error)
{
	size_t offset;
	const char *reason = mr_json_fault(doc, &offset);
	if (reason == nullptr)
		return mr_error_set(error, MR_BAD_INPUT, "not JSON: %s",
				    simdjson::error_message(code));
	return mr_error_set(error, MR_BAD_INPUT, "not JSON: %s at offset %zu", reason, offset);
}

// ---- from tokens to the tape ----

namespace
{

using parser_of_tokens = simdjson::internal::dom_parser_implementation;

// What a reader owns.
struct parts {
	simdjson::dom::parser parser;
	simdjson::dom::parser numbers; // for those that are rare
	std::unique_ptr<uint64_t[]> tape;
	std::unique_ptr<uint8_t[]> strings;
	json_shapes *shapes = nullptr; // NULL: documents are not expected to be alike

	parts() = default;
	parts(const parts &) = delete;
	parts &operator=(const parts &) = delete;
	~parts()
	{
		json_shapes_free(shapes);
	}
};

constexpr uint64_t word_of(char type, uint64_t rest)
{
	return uint64_t(uint8_t(type)) << 56 | rest;
}

// What a scalar may be followed by.
inline bool is_end(char c)
{
	switch (c) {
	case ' ':
	case '\t':
	case '\n':
	case '\r':
	case ',':
	case ':':
	case '[':
	case ']':
	case '{':
	case '}':
		return true;
	default:
		return false;
	}
}

class builder
{
      public:
	builder(parts &own, struct mr_slice document)
	    : owner(own), stage(*own.parser.implementation), doc(document),
	      tokens(stage.structural_indexes.get()), count(stage.n_structural_indexes),
	      tape(own.tape.get())
	{
	}
	bool document();
	bool like(json_shape &shape, const json_seen &seen);

      private:
	parts &owner;
	parser_of_tokens &stage;
	struct mr_slice doc;
	const uint32_t *tokens; // where they begin; behind the last, the document's length
	uint32_t count;
	uint64_t *tape;
	uint32_t at = 1; // the next word; 0 is no value's
	uint32_t token = 0;
	uint32_t backslash =
	    0;                // the next one's place in the text, past its end where there is none
	uint32_t strings = 0; // bytes of unescaped text
	uint32_t depth = 0;
	uint32_t open[MR_JSON_DEPTH]; // the brackets' words

	void put(char type, uint64_t rest)
	{
		tape[at++] = word_of(type, rest);
	}
	void find_backslash(uint32_t from)
	{
		const void *found = std::memchr(doc.at + from, '\\', doc.len - from);
		backslash = found == nullptr ? uint32_t(doc.len)
					     : uint32_t(static_cast<const char *>(found) - doc.at);
	}
	bool unescape(uint32_t quote);
	bool string();
	bool number();
	bool decimal();
	bool odd_number();
	bool short_number();
	bool word(const char *expected, size_t size);
	bool scalar();
	bool scalar_like(char type);
	bool key();
	bool bracket(bool *inside);
	bool next(bool *done);
};

// An unescaped string's bytes lie behind those of the one before.
bool builder::unescape(uint32_t quote)
{
	uint8_t *to = owner.strings.get() + strings;
	const auto *from = reinterpret_cast<const uint8_t *>(doc.at + quote + 1);
	const uint8_t *end = stage.parse_string(from, to);
	if (end == nullptr)
		return false;
	auto len = uint64_t(end - to);
	put('"', MR_JSON_ESCAPED | len << MR_JSON_LEN_SHIFT | strings);
	strings += uint32_t(len);
	return true;
}

// Stage 1 has seen its end: between that quote and the next token only blanks can stand.
inline bool builder::string()
{
	uint32_t quote = tokens[token++];
	if (__builtin_expect(backslash < tokens[token], 0)) {
		find_backslash(tokens[token]);
		return unescape(quote);
	}
	put('"', 0);
	return true;
}

// Up to 15 digits with a point among them, as coordinates are. They and the power of ten are exact
// as doubles, so that their quotient is the double nearest to the number (Clinger, "How to Read
// Floating Point Numbers Accurately", 1990): simdjson's own. False, and nothing done, where it is
// not that.
bool builder::decimal()
{
	static const double powers[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
					1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
	const char *text = doc.at + tokens[token];
	const char *first = text + (*text == '-');
	const char *digit = first;
	uint64_t value = 0;
	for (; is_digit(*digit) && digit - first < 15; digit++)
		value = value * 10 + uint8_t(*digit - '0');
	const char *point = digit;
	if (FLT_EVAL_METHOD != 0 || point == first || *point != '.' ||
	    (*first == '0' && point - first > 1))
		return false;
	for (digit++; is_digit(*digit) && digit - first < 16; digit++)
		value = value * 10 + uint8_t(*digit - '0');
	if (digit == point + 1 || digit >= doc.at + doc.len || !is_end(*digit))
		return false;
	double number = double(value) / powers[digit - point - 1];
	number = *text == '-' ? -number : number;
	put('d', 0);
	std::memcpy(&tape[at++], &number, sizeof number);
	token++;
	return true;
}

// As simdjson's DOM judges and reads a document that is this number.
bool builder::odd_number()
{
	if (decimal())
		return true;
	const char *text = doc.at + tokens[token];
	size_t size = tokens[token + 1] - tokens[token];
	while (size > 1 && mr_is_blank(text[size - 1]))
		size--;
	simdjson::dom::element value;
	simdjson::error_code code = owner.numbers.parse(text, size, true).get(value);
	if (code == simdjson::MEMALLOC)
		no_parser(code);
	if (code != simdjson::SUCCESS)
		return false;
	const uint64_t *own = owner.numbers.doc.tape.get();
	tape[at++] = own[1];
	tape[at++] = own[2];
	token++;
	return is_wide(word_type(own[1]));
}

// Integers of up to 18 digits, as nearly all are.
inline bool builder::number()
{
	const char *text = doc.at + tokens[token];
	bool minus = *text == '-';
	const char *first = text + minus;
	const char *digit = first;
	uint64_t value = 0;
	for (; is_digit(*digit) && digit - first <= 18; digit++)
		value = value * 10 + uint8_t(*digit - '0');
	auto digits = digit - first;
	if (__builtin_expect(digits == 0 || digits > 18 || (digits > 1 && *first == '0') ||
				 digit >= doc.at + doc.len || !is_end(*digit),
			     0))
		return odd_number();
	put('l', 0);
	tape[at++] = minus ? 0 - value : value;
	token++;
	return true;
}

// One to eight digits up to the next token, as nearly all numbers are that stand without blanks:
// all at once. False, and nothing done, where it is not that.
inline bool builder::short_number()
{
	const char *text = doc.at + tokens[token];
	uint32_t digits = tokens[token + 1] - tokens[token];
	if (digits > 8 || (*text == '0' && digits > 1))
		return false;
	uint64_t value;
	std::memcpy(&value, text, sizeof value);
	value = (le64toh(value) ^ 0x3030303030303030) << (64 - 8 * digits);
	if ((((value + 0x7676767676767676) | value) & 0x8080808080808080) != 0)
		return false;
	value = value * (10 << 8 | 1) >> 8;
	value = (value & 0x00ff00ff00ff00ff) * (100 << 16 | 1) >> 16;
	value = (value & 0x0000ffff0000ffff) * (UINT64_C(10000) << 32 | 1) >> 32;
	put('l', 0);
	tape[at++] = value;
	token++;
	return true;
}

inline bool builder::word(const char *expected, size_t size)
{
	uint32_t begin = tokens[token];
	size_t left = doc.len - begin;
	if (left < size || std::memcmp(doc.at + begin, expected, size) != 0 ||
	    (left > size && !is_end(doc.at[begin + size])))
		return false;
	put(*expected, 0);
	token++;
	return true;
}

inline bool builder::scalar()
{
	switch (doc.at[tokens[token]]) {
	case '"':
		return string();
	case 't':
		return word("true", 4);
	case 'f':
		return word("false", 5);
	case 'n':
		return word("null", 4);
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return number();
	default:
		return false;
	}
}

// In a shape, where a word of `type` has its place: a number, a boolean or a null stands there.
inline bool builder::scalar_like(char type)
{
	char c = doc.at[tokens[token]];
	if (type == 'l' || is_wide(type))
		return short_number() || (is_number(c) && number());
	if (type == 'n')
		return c == 'n' && word("null", 4);
	return c == 't' ? word("true", 4) : c == 'f' && word("false", 5);
}

inline bool builder::key()
{
	if (token + 1 >= count || doc.at[tokens[token]] != '"' || !string() ||
	    doc.at[tokens[token]] != ':')
		return false;
	token++;
	return true;
}

// At a bracket that opens. An empty pair is closed at once, and is no level of its own.
inline bool builder::bracket(bool *inside)
{
	char type = doc.at[tokens[token]];
	char closing = type == '{' ? '}' : ']';
	token++;
	*inside = token < count && doc.at[tokens[token]] != closing;
	if (token >= count)
		return false;
	if (!*inside) {
		put(type, at + 2);
		put(closing, token++);
		return true;
	}
	if (depth + 1 >= MR_JSON_DEPTH)
		return false;
	open[depth++] = at;
	put(type, 0);
	return type == '[' || key();
}

// Behind a value: closes what ends here, up to the next value.
inline bool builder::next(bool *done)
{
	while (depth > 0) {
		uint64_t *begin = &tape[open[depth - 1]];
		bool object = word_type(*begin) == '{';
		if (token >= count)
			return false;
		char c = doc.at[tokens[token]];
		if (c == ',') {
			token++;
			return !object || key();
		}
		if (c != (object ? '}' : ']'))
			return false;
		put(c, token++);
		*begin |= at;
		depth--;
	}
	*done = true;
	return token == count;
}

// All tokens are the shape's; what they tell is put into its tape. False says nothing of the
// document: it is then read in full.
bool builder::like(json_shape &shape, const json_seen &seen)
{
	tape = shape.tape;
	for (; shape.escaped_count > 0; shape.escaped_count--)
		tape[shape.escaped[shape.escaped_count - 1].word] = word_of('"', 0);
	for (uint32_t i = 0; i < seen.escaped_count; i++) {
		at = seen.escaped[i].word;
		if (!unescape(tokens[seen.escaped[i].token]))
			return false;
		shape.escaped[shape.escaped_count++] = seen.escaped[i];
	}
	for (uint32_t i = 0; i < shape.scalar_count; i++) {
		json_scalar_place &scalar = shape.scalars[i];
		const uint32_t *place = &tokens[scalar.token];
		uint64_t eight;
		std::memcpy(&eight, doc.at + place[0], sizeof eight);
		if (eight == scalar.last)
			continue;
		scalar.last = 0; // until the word is made
		token = scalar.token;
		at = scalar.word;
		if (!scalar_like(word_type(tape[at])))
			return false;
		scalar.last = place[1] - place[0] < sizeof eight ? eight : 0;
	}
	return true;
}

bool builder::document()
{
	bool done = false;
	find_backslash(0);
	while (!done) {
		if (token >= count)
			return false;
		char c = doc.at[tokens[token]];
		bool inside = false;
		if (!(is_container(c) ? bracket(&inside) : scalar()))
			return false;
		if (!inside && !next(&done))
			return false;
	}
	tape[at] = word_of('r', 0);
	return true;
}

} // namespace

static void note_shape(struct mr_json_reader *reader, const parts &own, const json_shape *shape)
{
	reader->shape = shape == nullptr ? 0 : shape->number;
	reader->shape_slot = shape == nullptr ? 0 : json_shapes_slot(own.shapes, shape);
}

// Of a document that is like one before, the tape; false says nothing of it. What stage 1 would see
// is seen here as well: control characters in strings, what is no token, what is not UTF-8.
static bool read_alike(struct mr_json_reader *reader, parts &own, struct mr_slice doc)
{
	json_seen seen;
	uint32_t *tokens = own.parser.implementation->structural_indexes.get();
	json_shape *shape = json_shapes_find(own.shapes, doc, tokens, &seen);
	if (shape == nullptr || (seen.high && !simdjson::validate_utf8(doc.at, doc.len)) ||
	    !builder(own, doc).like(*shape, seen))
		return false;
	reader->tape = shape->tape;
	note_shape(reader, own, shape);
	return true;
}

// Of any document, the tape.
static simdjson::error_code read_whole(struct mr_json_reader *reader, parts &own,
				       struct mr_slice doc)
{
	auto &stage = *own.parser.implementation;
	simdjson::error_code code = stage.stage1(reinterpret_cast<const uint8_t *>(doc.at), doc.len,
						 simdjson::stage1_mode::regular);
	if (code != simdjson::SUCCESS)
		return code;
	if (!builder(own, doc).document())
		return simdjson::TAPE_ERROR;
	reader->tape = own.tape.get();
	note_shape(reader, own,
		   own.shapes == nullptr
		       ? nullptr
		       : json_shapes_learn(own.shapes, doc.at, stage.structural_indexes.get(),
					   stage.n_structural_indexes, own.tape.get()));
	return simdjson::SUCCESS;
}

// ---- the interface ----

extern "C" {

struct mr_json_reader *mr_json_reader_new(size_t max_bytes)
{
	assert(max_bytes <= MR_JSON_BYTES_MAX);
	auto *own = new (std::nothrow) parts();
	if (own == nullptr)
		no_parser(simdjson::MEMALLOC);
	// simdjson's list of tokens has a place for each byte; json_shapes_find wants nine more.
	simdjson::error_code code = own->parser.allocate(max_bytes + 9, MR_JSON_DEPTH);
	// A word for a token, two for a number, whose bytes are two with the token behind it.
	own->tape.reset(new (std::nothrow) uint64_t[max_bytes + 4]);
	own->strings.reset(new (std::nothrow) uint8_t[max_bytes + simdjson::SIMDJSON_PADDING]);
	if (code == simdjson::SUCCESS && (own->tape == nullptr || own->strings == nullptr))
		code = simdjson::MEMALLOC;
	if (code != simdjson::SUCCESS)
		no_parser(code);
	auto *reader = static_cast<mr_json_reader *>(mr_calloc(1, sizeof(mr_json_reader)));
	reader->max_bytes = max_bytes;
	reader->strings = reinterpret_cast<const char *>(own->strings.get());
	reader->positions = own->parser.implementation->structural_indexes.get();
	reader->parts = own;
	return reader;
}

void mr_json_reader_learns(struct mr_json_reader *reader)
{
	// What simdjson has chosen to run, on this processor or by the user's wish.
	std::string code = simdjson::get_active_implementation()->name();
	static_cast<parts *>(reader->parts)->shapes =
	    json_shapes_new(code == "haswell" || code == "icelake");
}

void mr_json_reader_free(struct mr_json_reader *reader)
{
	if (reader == nullptr)
		return;
	delete static_cast<parts *>(reader->parts);
	std::free(reader);
}

enum mr_err mr_json_read(struct mr_json_reader *reader, struct mr_slice doc,
			 struct mr_json_node *root_out, struct mr_error *error)
{
	if (doc.len > reader->max_bytes)
		return mr_error_set(error, MR_BAD_INPUT, "%zu bytes long, the longest taken is %zu",
				    doc.len, reader->max_bytes);
	auto &own = *static_cast<parts *>(reader->parts);
	if (own.shapes == nullptr || !read_alike(reader, own, doc)) {
		simdjson::error_code code = read_whole(reader, own, doc);
		if (code != simdjson::SUCCESS)
			return refuse(doc, code, error);
	}
	reader->doc = doc;
	*root_out = {1, 0};
	return MR_OK;
}

bool mr_json_as_dom(const struct mr_json_reader *reader, struct mr_slice doc, bool taken)
{
	simdjson::dom::parser parser;
	if (parser.allocate(doc.len + 1, MR_JSON_DEPTH) != simdjson::SUCCESS)
		return false;
	bool wanted = parser.parse(doc.at, doc.len, false).error() == simdjson::SUCCESS;
	if (wanted != taken || !wanted)
		return wanted == taken;
	const uint64_t *dom = parser.doc.tape.get();
	uint32_t at = 1, token = 0;
	for (; word_type(dom[at]) != 'r'; at++, token++) {
		char type = word_type(dom[at]);
		while (doc.at[reader->positions[token]] == ',' ||
		       doc.at[reader->positions[token]] == ':')
			token++;
		if (word_type(reader->tape[at]) != type)
			return false;
		if (is_container(type) && uint32_t(dom[at]) != uint32_t(reader->tape[at]))
			return false;
		if (is_wide(type) && dom[at + 1] != reader->tape[at + 1])
			return false;
		if (type == '"') {
			const uint8_t *text =
			    parser.doc.string_buf.get() + (dom[at] & 0xffffffffffffff);
			uint32_t len;
			std::memcpy(&len, text, sizeof len);
			struct mr_slice own = mr_json_string(reader, {at, token});
			if (own.len != len || std::memcmp(own.at, text + sizeof len, len) != 0)
				return false;
		}
		at += is_wide(type) ? 1 : 0;
	}
	return word_type(reader->tape[at]) == 'r';
}

enum mr_json_kind mr_json_kind(const struct mr_json_reader *reader, struct mr_json_node node)
{
	switch (mr_json_type(reader, node)) {
	case 'n':
		return MR_JSON_NULL;
	case 't':
	case 'f':
		return MR_JSON_BOOL;
	case 'l':
		return MR_JSON_INT;
	case 'u':
		return MR_JSON_UINT;
	case 'd':
		return MR_JSON_DOUBLE;
	case '"':
		return MR_JSON_STRING;
	case '[':
		return MR_JSON_ARRAY;
	default:
		return MR_JSON_OBJECT;
	}
}

struct mr_slice mr_json_raw(const struct mr_json_reader *reader, struct mr_json_node node)
{
	const char *begin = text_at(reader, node);
	switch (mr_json_type(reader, node)) {
	case 'n':
	case 't':
		return {begin, 4};
	case 'f':
		return {begin, 5};
	case '"': {
		const char *close = reader->doc.at + reader->positions[node.token + 1] - 1;
		while (*close != '"')
			close--;
		return {begin, size_t(close - begin) + 1};
	}
	case '[':
	case '{':
		return mr_json_between(reader, node, mr_json_behind_container(reader, node));
	default:
		return {begin, number_length(reader, node)};
	}
}

struct mr_value mr_json_value(const struct mr_json_reader *reader, struct mr_json_node node)
{
	struct mr_value value = {};
	struct mr_slice text = {nullptr, 0};
	char type = mr_json_type(reader, node);
	switch (type) {
	case 'n':
		value.type = MR_NULL;
		return value;
	case 't':
	case 'f':
		value.type = MR_BOOL;
		value.num.i = type == 't';
		break;
	case 'l':
	case 'u':
	case 'd':
		value.type = type == 'l' ? MR_INT : type == 'u' ? MR_UINT : MR_DOUBLE;
		std::memcpy(&value.num, &reader->tape[node.index + 1], sizeof value.num);
		break;
	case '"':
		value.type = MR_STRING;
		text = mr_json_string(reader, node);
		break;
	default:
		value.type = MR_JSON;
	}
	if (text.at == nullptr)
		text = mr_json_raw(reader, node);
	value.text = text.at;
	value.len = uint32_t(text.len);
	return value;
}

uint32_t mr_json_depth(const struct mr_json_reader *reader, struct mr_json_node node)
{
	if (!is_container(mr_json_type(reader, node)))
		return 0;
	uint32_t end = mr_json_end(reader, node);
	uint32_t depth = 0, deepest = 0;
	for (uint32_t at = node.index; at < end;) {
		char type = word_type(reader->tape[at]);
		if (is_container(type))
			deepest = ++depth > deepest ? depth : deepest;
		else if (type == '}' || type == ']')
			depth--;
		at += is_wide(type) ? 2 : 1;
	}
	return deepest;
}

struct mr_json_walk mr_json_enter(const struct mr_json_reader *reader, struct mr_json_node node)
{
	struct mr_json_walk walk = {};
	char type = mr_json_type(reader, node);
	walk.at = {node.index + 1, node.token + 1};
	walk.object = type == '{';
	walk.end = is_container(type) ? uint32_t(reader->tape[node.index]) - 1 : walk.at.index;
	return walk;
}

bool mr_json_step(const struct mr_json_reader *reader, struct mr_json_walk *walk)
{
	struct mr_json_node at = walk->at;
	if (walk->pending)
		at = mr_json_behind(reader, at);
	walk->pending = at.index < walk->end;
	if (!walk->pending) {
		walk->at = at;
		return false;
	}
	at.token += walk->value.index != 0; // the comma
	if (walk->object) {
		walk->key = mr_json_string(reader, at);
		at.index++;
		at.token += 2;
	}
	walk->at = at;
	walk->value = at;
	return true;
}

} // extern "C"
