/* decode_json.c - JSON arrays, envelopes and objects one after the other, cut into records.
 *
 * Used by input.c for what is JSON but not a record a line: `[{…},{…}]`, `{"value":[{…}]}` and
 * `{"records":[{…}]}` with other members around the array, objects that are pretty-printed or stand
 * one after the other, and any number of these in one stream. It knows strings, escapes and
 * brackets and nothing else of JSON: whether a record is well-formed is parse's business.
 *
 * An object that says its own id before it comes to `value` or `records`, or has something else
 * than objects there, is a record whatever it holds; one with nothing there is an envelope only
 * where it says nothing else but what is said of a page (`@odata.context`, `nextLink`). What an
 * envelope's array holds goes on one by one, and so does what a second array of its holds. The
 * bytes of an object go to the sink as a record until it turns out to be an envelope.
 *
 * Where the structure breaks, what had begun is set aside up to the next line that starts with `{`
 * or `[`, and reading goes on there: so one broken line costs no other line. */
#include "decode.h"

#include <stdio.h>

#define STACK_MAX 4096 /* levels whose brackets are checked against each other */
#define KEY_MAX 16     /* longer than any name that matters */

enum where {
	BETWEEN, /* no document has begun */
	OBJECT,  /* in a record, or in the head of an envelope */
	ARRAY,   /* in an array of records, between two */
	ELEMENT, /* in one of its records */
	TAIL,    /* in an envelope, behind its records */
	LOST     /* looking for a place to go on */
};

struct json {
	struct mr_decode_sink *sink;
	uint64_t offset; /* of the byte in hand */
	enum where where;
	bool begun; /* the sink has a record that has not ended */
	bool string;
	bool escape;
	bool newline; /* the last byte was a line's end, or blanks followed one (not in strings) */
	bool capture; /* this string is a member's name */
	bool named;   /* the object has said its id, or is known for a record otherwise */
	bool empty;   /* it had such an array with nothing in it */
	bool says_more; /* it has another member, and that is not of a page */
	bool candidate; /* an array of that name has opened: are objects in it? */
	char last;      /* the last byte that was neither blank nor in a string */
	uint8_t key_len;
	char key[KEY_MAX];
	uint32_t base; /* depth of the array of records */
	uint64_t depth;
	uint8_t stack[STACK_MAX / 8]; /* 1: an object */
	const char *run; /* bytes of the record in this piece that the sink has not got yet */
	char reason[160];
};

static void push(struct json *json, char open)
{
	if (json->depth < STACK_MAX) {
		uint8_t bit = (uint8_t)(1U << (json->depth & 7));
		uint8_t *byte = &json->stack[json->depth >> 3];

		*byte = (uint8_t)(open == '{' ? *byte | bit : *byte & ~bit);
	}
	json->depth++;
}

/* False where another bracket is open. */
static bool pop(struct json *json, char close)
{
	if (json->depth == 0)
		return false;
	if (json->depth <= STACK_MAX) {
		uint64_t level = json->depth - 1;
		bool object = (json->stack[level >> 3] >> (level & 7)) & 1;

		if (object != (close == '}'))
			return false;
	}
	json->depth--;
	return true;
}

static void begin(struct json *json, const char *at)
{
	json->sink->ops->begin(json->sink, json->offset);
	json->begun = true;
	json->run = at;
}

/* Give the sink what has come of the record, up to `end`. */
static void flush(struct json *json, const char *end)
{
	if (json->begun && end > json->run)
		json->sink->ops->add(json->sink, json->run, (size_t)(end - json->run));
	json->run = end;
}

static void end_record(struct json *json, const char *end)
{
	flush(json, end);
	json->sink->ops->end(json->sink);
	json->begun = false;
}

static void drop(struct json *json)
{
	if (json->begun)
		json->sink->ops->drop(json->sink);
	json->begun = false;
}

static void refuse(struct json *json, const char *reason)
{
	if (json->begun)
		json->sink->ops->refuse(json->sink, MR_REJECT_DAMAGED, reason);
	json->begun = false;
}

static void report(struct json *json, const char *what)
{
	snprintf(json->reason, sizeof(json->reason), "broken JSON at offset %llu: %s",
		 (unsigned long long)json->offset, what);
	json->sink->ops->damage(json->sink, json->offset, json->reason);
	json->string = false;
	json->escape = false;
	json->capture = false;
	json->candidate = false;
}

/* The structure is broken at this byte, and what follows cannot be told. */
static void lose(struct json *json, const char *at, const char *what)
{
	report(json, what);
	if (!json->begun)
		begin(json, at);
	json->where = LOST;
}

/* A line starts here that can only be the start of something new. */
static void resume(struct json *json, const char *at)
{
	flush(json, at);
	refuse(json, json->reason);
	json->where = BETWEEN;
	json->depth = 0;
}

static bool key_is(const struct json *json, const char *name)
{
	size_t len = strlen(name);

	return json->key_len == len && memcmp(json->key, name, len) == 0;
}

static bool is_container(const struct json *json)
{
	return key_is(json, "value") || key_is(json, "records");
}

/* The name of a member of the object at the top is whole. */
static void note_key(struct json *json)
{
	json->named = json->named || key_is(json, "Id") || key_is(json, "id");
	bool of_page = json->key_len > 0 && (json->key[0] == '@' || key_is(json, "nextLink"));
	json->says_more |= !is_container(json) && !of_page;
}

static void step_between(struct json *json, const char *at)
{
	if (*at == '{') {
		begin(json, at);
		push(json, *at);
		json->named = json->empty = json->says_more = false;
		json->where = OBJECT;
	} else if (*at == '[') {
		push(json, *at);
		json->base = 1;
		json->where = ARRAY;
	} else {
		lose(json, at, "text where an object or an array should start");
	}
}

static void step_string(struct json *json, const char *at)
{
	char byte = *at;

	if (json->escape) {
		json->escape = false;
	} else if (json->newline && byte == '{') {
		/* A raw line break is no part of a string: it was cut short, and a new line begins.
		 */
		report(json, "a line ends inside a string");
		resume(json, at);
		json->newline = false;
		step_between(json, at);
		json->last = byte;
		return;
	} else if (byte == '"') {
		json->string = false;
		json->capture = false;
		json->newline = false;
		json->last = byte;
		return;
	} else if (byte == '\\') {
		json->escape = true;
	}
	json->newline = byte == '\n';
	if (json->capture && json->key_len < KEY_MAX)
		json->key[json->key_len++] = byte;
}

static void step_array(struct json *json, const char *at)
{
	char byte = *at;

	if (byte == ']') {
		pop(json, byte);
		json->where = json->base == 1 ? BETWEEN : TAIL;
	} else if (byte == ',') {
		return;
	} else if ((json->last != ',' && json->last != '[') || byte == '}' || byte == ':') {
		lose(json, at, "text between the elements of an array");
	} else {
		begin(json, at);
		json->where = ELEMENT;
		if (byte == '"')
			json->string = true;
		else if (byte == '{' || byte == '[')
			push(json, byte);
	}
}

static void step_element(struct json *json, const char *at)
{
	char byte = *at;
	bool outside = json->depth == json->base;

	if (outside && (byte == ',' || byte == ']')) {
		end_record(json, at);
		json->where = ARRAY;
		step_array(json, at);
	} else if (byte == '"') {
		json->string = true;
	} else if (byte == '{' || byte == '[') {
		push(json, byte);
	} else if (byte == '}' || byte == ']') {
		if (!pop(json, byte)) {
			lose(json, at, "a bracket that closes another kind");
		} else if (json->depth == json->base) {
			end_record(json, at + 1);
			json->where = ARRAY;
		}
	}
}

/* OBJECT and TAIL: an object at the top, whose own members' names are looked at. */
static void step_object(struct json *json, const char *at)
{
	char byte = *at;

	if (json->candidate) {
		json->candidate = false;
		if (json->where == TAIL || byte == '{') {
			drop(json);
			json->base = 2;
			json->where = ARRAY;
			step_array(json, at);
			return;
		}
		json->empty |= byte == ']';
		json->named |= byte != ']';
	}
	if (byte == '"') {
		json->string = true;
		json->capture = json->depth == 1 && (json->last == '{' || json->last == ',');
		if (json->capture)
			json->key_len = 0;
	} else if (byte == ':' && json->depth == 1) {
		note_key(json);
	} else if (byte == '{' || byte == '[') {
		json->candidate = byte == '[' && json->depth == 1 && json->last == ':' &&
				  (json->where == TAIL || !json->named) && is_container(json);
		push(json, byte);
	} else if (byte == '}' || byte == ']') {
		if (!pop(json, byte)) {
			lose(json, at, "a bracket that closes another kind");
		} else if (json->depth == 0) {
			if (json->where == OBJECT && json->empty && !json->named &&
			    !json->says_more)
				drop(json);
			else if (json->where == OBJECT)
				end_record(json, at + 1);
			json->where = BETWEEN;
		}
	}
}

static void step(struct json *json, const char *at)
{
	char byte = *at;

	if (json->where == LOST) {
		if (!json->newline || (byte != '{' && byte != '[')) {
			json->newline = byte == '\n';
			return;
		}
		resume(json, at);
	} else if (json->string) {
		step_string(json, at);
		return;
	} else if (mr_is_blank(byte)) {
		json->newline = byte == '\n';
		return;
	} else if (json->newline && (byte == '{' || byte == '[') && json->depth > 0 &&
		   json->last != ',' && json->last != '[' && json->last != ':') {
		report(json, "a line ends in the middle of a value");
		resume(json, at);
	}
	json->newline = false;
	switch (json->where) {
	case BETWEEN:
		step_between(json, at);
		break;
	case ARRAY:
		step_array(json, at);
		break;
	case ELEMENT:
		step_element(json, at);
		break;
	case OBJECT:
	case TAIL:
		step_object(json, at);
		break;
	case LOST:
		break;
	}
	json->last = byte;
}

static void open(void *state, struct mr_decode_sink *sink, uint64_t offset)
{
	struct json *json = state;

	json->sink = sink;
	json->offset = offset;
	json->newline = true;
}

/* How many bytes from here on are plain text of a string. */
static size_t plain_text(const char *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && bytes[n] != '"' && bytes[n] != '\\' && bytes[n] != '\n')
		n++;
	return n;
}

/* Below the level whose members or elements are looked at, with nothing pending? */
static bool is_inner(const struct json *json)
{
	uint64_t level = json->where == ELEMENT ? json->base : 1;

	return (json->where == ELEMENT || json->where == OBJECT || json->where == TAIL) &&
	       json->depth > level && !json->newline && !json->escape && !json->capture &&
	       !json->candidate;
}

/* Most bytes of most records: in there only strings and opening brackets matter. Gives how many
 * bytes were passed; the next one is for step. */
static size_t pass_inner(struct json *json, const char *bytes, size_t len)
{
	bool string = json->string;
	char last = json->last;
	size_t n = 0;

	while (n < len) {
		char byte;

		if (string)
			n += plain_text(bytes + n, len - n);
		if (n == len)
			break;
		byte = bytes[n];
		if (byte == '\n' || (string && byte != '"' && n + 1 == len))
			break;
		if (string && byte == '\\') {
			if (bytes[n + 1] == '\n')
				break;
			n++;
		} else if (byte == '"') {
			string = !string;
			last = byte;
		} else if (byte == '{' || byte == '[') {
			push(json, byte);
			last = byte;
		} else if (byte == '}' || byte == ']') {
			break;
		} else if (!mr_is_blank(byte)) {
			last = byte;
		}
		n++;
	}
	json->string = string;
	json->last = last;
	return n;
}

static void feed(void *state, const char *bytes, size_t len)
{
	struct json *json = state;

	json->run = bytes;
	for (size_t i = 0; i < len; i++) {
		if (is_inner(json)) {
			size_t skip = pass_inner(json, bytes + i, len - i);

			i += skip;
			json->offset += skip;
			if (i == len)
				break;
		}
		step(json, bytes + i);
		json->offset++;
	}
	flush(json, bytes + len);
	json->run = NULL;
}

static void finish(void *state, const char *cut)
{
	struct json *json = state;

	if (json->where == LOST) {
		refuse(json, json->reason);
	} else if (json->where != BETWEEN) {
		snprintf(json->reason, sizeof(json->reason),
			 "the JSON ends at offset %llu inside %s", (unsigned long long)json->offset,
			 json->where == OBJECT  ? "an object"
			 : json->where == TAIL  ? "an envelope"
			 : json->where == ARRAY ? "an array, between two elements"
						: "an element of an array");
		if (!cut)
			json->sink->ops->damage(json->sink, json->offset, json->reason);
		refuse(json, cut ? cut : json->reason);
	}
}

/* ---- telling by content ---- */

/* Notes what the slicer makes of a head first. */
struct probe_sink {
	struct mr_decode_sink sink;
	bool envelope;
	bool broken;
	bool damaged; /* also behind what settles it */
	bool whole;
	size_t begin;
	size_t len;
};

static bool is_settled(const struct probe_sink *probe)
{
	return probe->envelope || probe->broken || probe->whole;
}
static void probe_begin(struct mr_decode_sink *sink, uint64_t offset)
{
	struct probe_sink *probe = (struct probe_sink *)sink;

	if (!is_settled(probe))
		probe->begin = (size_t)offset;
}
static void probe_add(struct mr_decode_sink *sink, const char *bytes, size_t len)
{
	struct probe_sink *probe = (struct probe_sink *)sink;

	(void)bytes;
	if (!is_settled(probe))
		probe->len += len;
}
static void probe_end(struct mr_decode_sink *sink)
{
	struct probe_sink *probe = (struct probe_sink *)sink;

	probe->whole = probe->whole || !is_settled(probe);
}
static void probe_drop(struct mr_decode_sink *sink)
{
	struct probe_sink *probe = (struct probe_sink *)sink;

	probe->envelope = probe->envelope || !is_settled(probe);
}
static void probe_refuse(struct mr_decode_sink *sink, enum mr_reject_kind kind, const char *reason)
{
	(void)sink;
	(void)kind;
	(void)reason;
}
static void probe_damage(struct mr_decode_sink *sink, uint64_t offset, const char *reason)
{
	struct probe_sink *probe = (struct probe_sink *)sink;

	(void)offset;
	(void)reason;
	probe->broken = probe->broken || !is_settled(probe);
	probe->damaged = true;
}
static const struct mr_decode_sink_ops probe_ops = {
    .begin = probe_begin,
    .add = probe_add,
    .end = probe_end,
    .drop = probe_drop,
    .refuse = probe_refuse,
    .damage = probe_damage,
};

/* What follows the first object: another one on its line, or a line's end? */
static enum mr_probe probe_behind(struct mr_slice head, size_t at, bool whole)
{
	while (at < head.len && head.at[at] != '\n' && mr_is_blank(head.at[at]))
		at++;
	if (at == head.len)
		return whole ? MR_PROBE_NO : MR_PROBE_MORE;
	return head.at[at] == '{' || head.at[at] == '[' ? MR_PROBE_YES : MR_PROBE_NO;
}

static enum mr_probe probe(struct mr_slice head, bool whole)
{
	struct probe_sink probe = {.sink = {&probe_ops}};
	struct json json = {0};
	bool full = head.len >= MR_PROBE_HEAD_MAX;
	size_t start = 0;

	while (start < head.len && mr_is_blank(head.at[start]))
		start++;
	if (start == head.len)
		return whole ? MR_PROBE_NO : MR_PROBE_MORE;
	if (head.at[start] == '[')
		return MR_PROBE_YES;
	if (head.at[start] != '{')
		return MR_PROBE_NO;
	open(&json, &probe.sink, 0);
	for (size_t at = 0; at < head.len && !is_settled(&probe); at += 4096)
		feed(&json, head.at + at, head.len - at < 4096 ? head.len - at : 4096);
	if (probe.envelope)
		return MR_PROBE_YES;
	if (probe.broken)
		return MR_PROBE_NO;
	if (probe.whole && !memchr(head.at + probe.begin, '\n', probe.len))
		return probe_behind(head, probe.begin + probe.len, whole);
	while (head.len > start && mr_is_blank(head.at[head.len - 1]))
		head.len--;
	if (probe.whole || whole || full)
		return memchr(head.at + start, '\n', head.len - start) ? MR_PROBE_YES : MR_PROBE_NO;
	return MR_PROBE_MORE;
}

bool mr_decode_json_breaks(struct mr_slice head)
{
	struct probe_sink probe = {.sink = {&probe_ops}};
	struct json json = {0};

	open(&json, &probe.sink, 0);
	feed(&json, head.at, head.len);
	return probe.damaged;
}

const struct mr_decoder_ops mr_decode_json = {
    .name = "JSON",
    .state_size = sizeof(struct json),
    .probe = probe,
    .open = open,
    .feed = feed,
    .finish = finish,
};
