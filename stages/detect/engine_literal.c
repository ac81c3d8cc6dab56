/* engine_literal.c - the texts without one of which a regular expression cannot match.
 *
 * Called by engine_compile.c, so that a regex is tried only where one of them stands in the folded
 * value. Read is PCRE2's syntax as far as it is plain; where a pattern has more than that, nothing
 * is said of it. Only ASCII is taken: what else matches an ASCII letter without regard to case
 * (the Kelvin sign, the long s) folds to that letter. */
#include "engine_build.h"

#define LITERAL_LEAST 3 /* shorter ones are everywhere, but for those that have one of these */
#define LITERAL_RARE "`{}^|~$%<>;&*#=!@"
#define LITERALS_MOST 64
#define GROUPS_DEEP 32
#define LITERAL_ENOUGH 8 /* longer ones part no better */

/* Texts of which one must be there; none where count is 0. */
struct need {
	struct mr_slice items[LITERALS_MOST];
	uint32_t count;
	uint32_t least; /* the shortest one's length */
};

struct reader {
	struct mr_arena *arena;
	struct mr_slice text;
	char *room; /* of the run in hand: it is empty where a group begins */
	size_t at;
	unsigned depth;
	bool unknown; /* a construct that is not read here */
};

/* Characters that stand side by side in each match, as far as they were read. */
struct run {
	char *at;
	size_t len;
	bool last_is_character; /* what was read last is the run's last byte */
};

static bool more(const struct reader *reader)
{
	return reader->at < reader->text.len;
}

static char peek(const struct reader *reader, size_t ahead)
{
	return reader->at + ahead < reader->text.len ? reader->text.at[reader->at + ahead] : '\0';
}

static uint32_t worth(const struct need *need)
{
	if (need->count == 0)
		return 0;
	uint32_t least = need->least < LITERAL_ENOUGH ? need->least : LITERAL_ENOUGH;
	return least * 2 * LITERALS_MOST - need->count;
}

static void keep_better(struct need *best, const struct need *other)
{
	if (worth(other) > worth(best))
		*best = *other;
}

static bool tells(const struct run *run)
{
	bool rare = false;
	for (size_t i = 0; i < run->len && run->len < LITERAL_LEAST; i++)
		rare |= strchr(LITERAL_RARE, run->at[i]) != NULL;
	return rare || run->len >= LITERAL_LEAST;
}

/* The run is over: its text is needed. */
static void run_end(struct run *run, struct need *best, struct mr_arena *arena)
{
	if (tells(run)) {
		struct need need = {.count = 1, .least = (uint32_t)run->len};
		need.items[0] =
		    (struct mr_slice){mr_arena_copy(arena, run->at, run->len), run->len};
		keep_better(best, &need);
	}
	run->len = 0;
	run->last_is_character = false;
}

/* ---- what stands between characters ---- */

/* What PCRE2 may read in another way there ends all. */
static void skip_class(struct reader *reader)
{
	size_t end = build_class_end(reader->text, reader->at);
	for (reader->at++; reader->at < end && more(reader);) {
		char c = peek(reader, 0), next = peek(reader, 1);
		if ((c == '\\' && (next == 'Q' || next == 'E')) ||
		    (c == '[' && (next == ':' || next == '.' || next == '=')))
			reader->unknown = true;
		reader->at += c == '\\' ? 2 : 1;
	}
}

/* Whether "{...}" at the place in hand repeats; how often at least. */
static bool read_braces(struct reader *reader, bool *optional_out)
{
	size_t at = reader->at + 1;
	size_t digits = at;
	uint64_t least = 0;
	for (; at < reader->text.len && reader->text.at[at] >= '0' && reader->text.at[at] <= '9';
	     at++)
		least |= (uint64_t)(reader->text.at[at] - '0');
	bool any = at > digits;
	if (at < reader->text.len && reader->text.at[at] == ',')
		at++;
	while (at < reader->text.len && reader->text.at[at] >= '0' && reader->text.at[at] <= '9')
		at++;
	if (!any || at >= reader->text.len || reader->text.at[at] != '}')
		return false;
	*optional_out = least == 0;
	reader->at = at + 1;
	return true;
}

/* A quantifier behind an atom: whether there is one, and whether the atom may be missing. */
static bool read_quantifier(struct reader *reader, bool *optional_out)
{
	char c = peek(reader, 0);
	*optional_out = c == '?' || c == '*';
	if (c == '{') {
		if (!read_braces(reader, optional_out)) {
			reader->unknown = true; /* a brace that is a character, or a newer form */
			return false;
		}
	} else if (c == '?' || c == '*' || c == '+') {
		reader->at++;
	} else {
		return false;
	}
	if (peek(reader, 0) == '?' || peek(reader, 0) == '+')
		reader->at++;
	return true;
}

/* ---- groups ---- */

enum group { GROUP_PLAIN, GROUP_LOOKS, GROUP_FLAGS };

/* Behind "(?": flags and what follows them. */
static enum group read_flags(struct reader *reader)
{
	while (more(reader) && strchr("ims-", peek(reader, 0)) != NULL)
		reader->at++;
	char c = peek(reader, 0);
	reader->unknown |= c != ':' && c != ')';
	reader->at++;
	return c == ')' ? GROUP_FLAGS : GROUP_PLAIN;
}

/* Behind "(": what kind of group it is; the place moves to its content. */
static enum group read_group(struct reader *reader)
{
	reader->unknown |= peek(reader, 0) == '*';
	if (peek(reader, 0) != '?')
		return GROUP_PLAIN;
	reader->at++;
	char c = peek(reader, 0), next = peek(reader, 1);
	if (c == '=' || c == '!' || (c == '<' && (next == '=' || next == '!'))) {
		reader->at += c == '<' ? 2 : 1;
		return GROUP_LOOKS;
	}
	if (c != '>')
		return read_flags(reader); /* names, conditions, comments, recursion: unknown */
	reader->at++;
	return GROUP_PLAIN;
}

static void read_choice(struct reader *reader, struct need *out);

/* A group with what it needs; the place moves behind its ")". */
static void read_parenthesis(struct reader *reader, struct need *best)
{
	struct need inner = {.count = 0};
	bool optional = false;
	reader->at++;
	enum group group = read_group(reader);
	if (group == GROUP_FLAGS)
		return;
	read_choice(reader, &inner);
	reader->unknown |= peek(reader, 0) != ')';
	reader->at++;
	read_quantifier(reader, &optional);
	if (!optional && group == GROUP_PLAIN)
		keep_better(best, &inner);
}

/* ---- sequences ---- */

/* Behind a backslash: the character that it stands for, or 0 where it is a class or a place. */
static char read_escape(struct reader *reader)
{
	char c = peek(reader, 1);
	reader->at += 2;
	if (c == 't' || c == 'n' || c == 'r')
		return c == 't' ? '\t' : c == 'n' ? '\n' : '\r';
	if (c > ' ' && c < 0x7f && !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) &&
	    !(c >= '0' && c <= '9'))
		return c;
	reader->unknown |= c == '\0' || strchr("dDwWsSbBhHvVAzZ", c) == NULL;
	return '\0';
}

/* One character, class or place of a sequence. */
static void read_atom(struct reader *reader, struct run *run, struct need *best)
{
	char c = peek(reader, 0), character = '\0';
	if (c == '[') {
		skip_class(reader);
	} else if (c == '\\') {
		character = read_escape(reader);
	} else {
		reader->at++;
		reader->unknown |= strchr("{*+?", c) != NULL; /* a repeat of a repeat */
		bool plain = strchr(".^$", c) == NULL && c > 0 && c < 0x7f;
		character = plain ? c : '\0';
	}
	if (character == '\0') {
		run_end(run, best, reader->arena);
		return;
	}
	run->at[run->len++] = character;
	run->last_is_character = true;
}

static void read_sequence(struct reader *reader, struct need *best)
{
	struct run run = {.at = reader->room};
	while (more(reader) && !reader->unknown && strchr("|)", peek(reader, 0)) == NULL) {
		bool optional;
		if (peek(reader, 0) == '(') {
			run_end(&run, best, reader->arena);
			read_parenthesis(reader, best);
			continue;
		}
		read_atom(reader, &run, best);
		if (!read_quantifier(reader, &optional))
			continue;
		run.len -= optional && run.last_is_character;
		run_end(&run, best, reader->arena);
	}
	run_end(&run, best, reader->arena);
}

/* Of alternatives each needs its own: all of them together, or nothing where one needs none. */
static void read_choice(struct reader *reader, struct need *out)
{
	bool whole = true;
	*out = (struct need){.least = UINT32_MAX};
	if (++reader->depth > GROUPS_DEEP)
		reader->unknown = true;
	for (bool again = true; again && !reader->unknown;) {
		struct need one = {.count = 0};
		read_sequence(reader, &one);
		whole &= one.count > 0 && out->count + one.count <= LITERALS_MOST;
		for (uint32_t i = 0; i < one.count && whole; i++)
			out->items[out->count++] = one.items[i];
		out->least = whole && one.least < out->least ? one.least : out->least;
		again = peek(reader, 0) == '|' && more(reader);
		reader->at += again;
	}
	reader->depth--;
	if (!whole)
		out->count = 0;
}

uint32_t build_regex_literals(struct mr_arena *arena, struct mr_slice pattern,
			      const struct mr_slice **out)
{
	struct reader reader = {.arena = arena, .text = pattern};
	reader.room = mr_arena_alloc(arena, pattern.len + 1);
	struct need need;
	read_choice(&reader, &need);
	if (reader.unknown || more(&reader) || need.count == 0)
		return 0;
	struct mr_slice *items = mr_arena_alloc(arena, need.count * sizeof(*items));
	for (uint32_t i = 0; i < need.count; i++)
		items[i] = mr_fold_arena(arena, need.items[i]);
	*out = items;
	return need.count;
}
