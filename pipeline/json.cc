// json.cc - simdjson behind the C interface of json.h; the only C++ file.
//
// Called by parse for each record, and by deliver where it takes a record apart. simdjson's DOM
// judges the whole document. Its tape gives types, numbers and unescaped strings, its list of
// structural positions gives where each token stands in the text: a walk goes along both, so that a
// value's own bytes can be had without a second look at the text. A document that is refused is
// read once more, slowly, to say where and why. No exception leaves: simdjson is used without them,
// and memory that cannot be had aborts.
#include <simdjson.h>

#include <cassert>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>

extern "C" {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
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

// A number takes a second word. A branch, not a table: the walk then runs ahead by prediction,
// where it would wait for each word to know where the next one is.
static inline bool is_wide(char type)
{
	return __builtin_expect(type == 'l' || type == 'u' || type == 'd', 0);
}

// How many tokens the value has: brackets, scalars, colons and commas. A bracket's word knows how
// many members it holds, and so how many colons and commas.
static uint32_t container_tokens(const uint64_t *tape, uint32_t index)
{
	uint32_t end = uint32_t(tape[index]);
	uint32_t tokens = 0;
	for (uint32_t at = index; at < end;) {
		uint64_t word = tape[at];
		char type = word_type(word);
		tokens++;
		if (is_container(type)) {
			uint32_t members = uint32_t(word >> 32) & 0xffffff;
			tokens += (type == '{' ? members : 0) + (members > 0 ? members - 1 : 0);
		}
		at++;
		if (is_wide(type))
			at++;
	}
	return tokens;
}

static inline const char *text_at(const mr_json_reader *reader, mr_json_node node)
{
	return reader->doc.at + reader->positions[node.token];
}

// An escape is always longer than what it stands for. So where the unescaped length ends at a quote
// that no backslash precedes, nothing was escaped.
static inline bool is_plain(const char *open, size_t len)
{
	return open[1 + len] == '"' && open[len] != '\\';
}

static size_t string_raw_length(const char *open, size_t len)
{
	if (is_plain(open, len))
		return len + 2;
	size_t at = 1;
	while (open[at] != '"')
		at += open[at] == '\\' ? 2 : 1;
	return at + 1;
}

static size_t number_length(const mr_json_reader *reader, const char *begin)
{
	const char *end = reader->doc.at + reader->doc.len;
	const char *at = begin;
	while (at < end && ((*at >= '0' && *at <= '9') || *at == '-' || *at == '+' || *at == '.' ||
			    *at == 'e' || *at == 'E'))
		at++;
	return size_t(at - begin);
}

// ---- why a document was refused ----

// A strict reader, one byte after the other, that stops at the first fault. It judges as simdjson's
// DOM does; tests/fuzz/pipeline/fuzz_json.c compares the two.
struct fault_finder {
	const char *text;
	size_t len;
	size_t at;
	const char *reason;
	bool objects[MR_JSON_DEPTH]; // which of the open brackets are braces
	size_t depth;

	bool fail(size_t offset, const char *why);
	char peek() const;
	void blanks();
	bool hex4(size_t from, uint32_t *out) const;
	bool unicode_escape();
	bool escape();
	bool string();
	size_t digits();
	bool fits(size_t from, bool whole) const;
	bool number();
	bool word(const char *expected);
	bool scalar();
	bool key();
	bool open(bool *value_done);
	bool next(bool *document_done);
	bool document();
};

bool fault_finder::fail(size_t offset, const char *why)
{
	at = offset;
	reason = why;
	return false;
}

char fault_finder::peek() const
{
	return at < len ? text[at] : '\0';
}

void fault_finder::blanks()
{
	while (at < len && mr_is_blank(text[at]))
		at++;
}

bool fault_finder::hex4(size_t from, uint32_t *out) const
{
	uint32_t value = 0;
	for (size_t i = from; i < from + 4; i++) {
		char c = i < len ? text[i] : ' ';
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;
		if (digit < 0)
			return false;
		value = value * 16 + uint32_t(digit);
	}
	*out = value;
	return true;
}

bool fault_finder::unicode_escape() // at the backslash
{
	uint32_t high, low;
	if (!hex4(at + 2, &high))
		return fail(at, "\\u without four hexadecimal digits");
	if (high >= 0xdc00 && high <= 0xdfff)
		return fail(at, "a low surrogate without a high one before it");
	if (high >= 0xd800 && high <= 0xdbff) {
		if (at + 7 >= len || text[at + 6] != '\\' || text[at + 7] != 'u' ||
		    !hex4(at + 8, &low) || low < 0xdc00 || low > 0xdfff)
			return fail(at, "a high surrogate without a low one behind it");
		at += 6;
	}
	at += 6;
	return true;
}

bool fault_finder::escape()
{
	char c = at + 1 < len ? text[at + 1] : '\0';
	if (c == 'u')
		return unicode_escape();
	if (c == '\0' || std::strchr("\"\\/bfnrt", c) == nullptr)
		return fail(at, "an escape that JSON does not know");
	at += 2;
	return true;
}

bool fault_finder::string() // at the quote
{
	size_t open = at++;
	while (at < len && text[at] != '"') {
		unsigned char c = (unsigned char)text[at];
		if (c < 0x20)
			return fail(at, "a control character in a string, which must be escaped");
		if (c == '\\') {
			if (!escape())
				return false;
		} else if (c < 0x80) {
			at++;
		} else {
			size_t from = at;
			bool bad = false;
			mr_utf8_next(text, len, &at, &bad);
			if (bad)
				return fail(from, "bytes that are not UTF-8");
		}
	}
	if (at >= len)
		return fail(open, "a string without its end");
	at++;
	return true;
}

size_t fault_finder::digits()
{
	size_t from = at;
	while (at < len && text[at] >= '0' && text[at] <= '9')
		at++;
	return at - from;
}

bool fault_finder::fits(size_t from, bool whole) const
{
	char copy[64];
	size_t size = at - from;
	if (whole && size >= sizeof copy)
		return false;
	char *heap = static_cast<char *>(mr_malloc(size + 1));
	std::memcpy(heap, text + from, size);
	heap[size] = '\0';
	errno = 0;
	bool good;
	if (!whole)
		good = std::isfinite(std::strtod(heap, nullptr));
	else if (heap[0] == '-')
		good = (std::strtoll(heap, nullptr, 10), errno == 0);
	else
		good = (std::strtoull(heap, nullptr, 10), errno == 0);
	std::free(heap);
	return good;
}

bool fault_finder::number()
{
	size_t from = at;
	bool whole = true;
	if (peek() == '-')
		at++;
	size_t first = at;
	size_t count = digits();
	if (count == 0 || (count > 1 && text[first] == '0'))
		return fail(from, "a number that JSON does not know");
	if (peek() == '.') {
		at++;
		whole = false;
		if (digits() == 0)
			return fail(from, "a number without digits behind its point");
	}
	if (peek() == 'e' || peek() == 'E') {
		at++;
		whole = false;
		if (peek() == '+' || peek() == '-')
			at++;
		if (digits() == 0)
			return fail(from, "a number without digits in its exponent");
	}
	if (at < len && std::strchr(" \t\n\r,:{}[]", text[at]) == nullptr)
		return fail(from, "a number that JSON does not know");
	return fits(from, whole) ||
	       fail(from, whole ? "an integer past 64 bits" : "a number past what a double holds");
}

bool fault_finder::word(const char *expected)
{
	size_t size = std::strlen(expected);
	if (len - at < size || std::memcmp(text + at, expected, size) != 0 ||
	    (at + size < len && std::strchr(" \t\n\r,:{}[]", text[at + size]) == nullptr))
		return fail(at, "a word that is not true, false or null");
	at += size;
	return true;
}

bool fault_finder::scalar()
{
	switch (peek()) {
	case '"':
		return string();
	case 't':
		return word("true");
	case 'f':
		return word("false");
	case 'n':
		return word("null");
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
		return fail(at, at < len ? "something else where a value should stand"
					 : "an end where a value should stand");
	}
}

bool fault_finder::key()
{
	blanks();
	if (peek() != '"')
		return fail(at, at < len ? "something else where a key should stand"
					 : "an end where a key should stand");
	if (!string())
		return false;
	blanks();
	if (peek() != ':')
		return fail(at, "a key without a colon behind it");
	at++;
	return true;
}

// Opens a bracket. An empty one is closed at once, and is no level of its own.
bool fault_finder::open(bool *value_done)
{
	bool object = text[at] == '{';
	size_t bracket = at++;
	blanks();
	*value_done = peek() == (object ? '}' : ']');
	if (*value_done) {
		at++;
		return true;
	}
	if (depth + 1 >= MR_JSON_DEPTH)
		return fail(bracket, "nesting that is too deep");
	objects[depth++] = object;
	return !object || key();
}

// Behind a value: closes what ends here, up to the next value.
bool fault_finder::next(bool *document_done)
{
	*document_done = false;
	while (depth > 0) {
		bool object = objects[depth - 1];
		blanks();
		if (peek() == ',') {
			at++;
			return !object || key();
		}
		if (peek() != (object ? '}' : ']'))
			return fail(at, at < len ? "something else where a comma or a closing "
						   "bracket should stand"
						 : "an end where a bracket is still open");
		at++;
		depth--;
	}
	*document_done = true;
	blanks();
	return at == len || fail(at, "something behind the end of the value");
}

bool fault_finder::document()
{
	bool document_done = false;
	blanks();
	if (at == len)
		return fail(at, "nothing");
	while (!document_done) {
		bool value_done = true;
		blanks();
		if (peek() == '{' || peek() == '[') {
			if (!open(&value_done))
				return false;
		} else if (!scalar()) {
			return false;
		}
		if (value_done && !next(&document_done))
			return false;
	}
	return true;
}

static enum mr_err refuse(struct mr_slice doc, simdjson::error_code code, struct mr_error *error)
{
	fault_finder finder = {};
	finder.text = doc.at;
	finder.len = doc.len;
	if (finder.document())
		return mr_error_set(error, MR_BAD_INPUT, "not JSON: %s",
				    simdjson::error_message(code));
	return mr_error_set(error, MR_BAD_INPUT, "not JSON: %s at offset %zu", finder.reason,
			    finder.at);
}

// ---- the interface ----

extern "C" {

struct mr_json_reader *mr_json_reader_new(size_t max_bytes)
{
	assert(max_bytes <= MR_JSON_BYTES_MAX);
	auto *parser = new (std::nothrow) simdjson::dom::parser();
	if (parser == nullptr)
		no_parser(simdjson::MEMALLOC);
	simdjson::error_code code = parser->allocate(max_bytes + 1, MR_JSON_DEPTH);
	if (code != simdjson::SUCCESS)
		no_parser(code);
	auto *reader = static_cast<mr_json_reader *>(mr_calloc(1, sizeof(mr_json_reader)));
	reader->max_bytes = max_bytes;
	reader->parser = parser;
	return reader;
}

void mr_json_reader_free(struct mr_json_reader *reader)
{
	if (reader == nullptr)
		return;
	delete static_cast<simdjson::dom::parser *>(reader->parser);
	std::free(reader);
}

enum mr_err mr_json_read(struct mr_json_reader *reader, struct mr_slice doc,
			 struct mr_json_node *root_out, struct mr_error *error)
{
	if (doc.len > reader->max_bytes)
		return mr_error_set(error, MR_BAD_INPUT, "%zu bytes long, the longest taken is %zu",
				    doc.len, reader->max_bytes);
	auto &parser = *static_cast<simdjson::dom::parser *>(reader->parser);
	simdjson::error_code code = parser.parse(doc.at, doc.len, false).error();
	if (code == simdjson::MEMALLOC)
		no_parser(code);
	if (code != simdjson::SUCCESS)
		return refuse(doc, code, error);
	reader->tape = parser.doc.tape.get();
	reader->strings = parser.doc.string_buf.get();
	reader->positions = parser.implementation->structural_indexes.get();
	reader->doc = doc;
	*root_out = {1, 0};
	return MR_OK;
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
	case '"':
		return {begin, string_raw_length(begin, mr_json_buffered(reader, node).len)};
	case '[':
	case '{':
		return mr_json_between(reader, node, mr_json_behind_container(reader, node));
	default:
		return {begin, number_length(reader, begin)};
	}
}

struct mr_slice mr_json_string(const struct mr_json_reader *reader, struct mr_json_node node)
{
	struct mr_slice text = mr_json_buffered(reader, node);
	const char *open = text_at(reader, node);
	if (is_plain(open, text.len))
		text.at = open + 1;
	return text;
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
		walk->key = mr_json_buffered(reader, at);
		at.index++;
		at.token += 2;
	}
	walk->at = at;
	walk->value = at;
	return true;
}

struct mr_json_node mr_json_behind_container(const struct mr_json_reader *reader,
					     struct mr_json_node container)
{
	return {uint32_t(reader->tape[container.index]),
		container.token + container_tokens(reader->tape, container.index)};
}

} // extern "C"
