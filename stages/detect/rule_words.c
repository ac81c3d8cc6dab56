/* rule_words.c - what a test asks for, what it saw, and why it does not hold, for a person.
 *
 * Called by rule_explain.c. Says nothing about whether a test holds: that is the engine's. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "engine_value.h"
#include "millrace/json.h"
#include "rule_explain.h"

#define VALUES_SHOWN 4
#define VALUE_SHOWN 120 /* bytes */
#define NAMES_MAX 256   /* of a record, among which one is looked for */

static void put_text(struct mr_buf *out, struct mr_slice text)
{
	size_t len = mr_utf8_cut(text, VALUE_SHOWN);
	mr_buf_printf(out, "\"%.*s%s\"", (int)len, text.at, len < text.len ? "…" : "");
}

static struct mr_slice keep(struct mr_arena *arena, struct mr_buf *text)
{
	struct mr_slice kept = {mr_arena_copy(arena, text->len == 0 ? "" : text->data, text->len),
				text->len};
	mr_buf_fini(text);
	return kept;
}

/* ---- what it asks ---- */

static void put_pattern(struct mr_buf *out, const struct sigma_predicate *test)
{
	const struct sigma_part *parts = test->parts;
	uint32_t count = test->part_count;
	bool before = count > 1 && parts[0].kind == SIGMA_ANY;
	bool after = count > 1 && parts[count - 1].kind == SIGMA_ANY;
	struct mr_buf inside = {0};
	for (uint32_t i = before; i < count - after; i++) {
		if (parts[i].kind == SIGMA_LITERAL)
			mr_buf_add(&inside, parts[i].text.at, parts[i].text.len);
		else
			mr_buf_add_text(&inside, parts[i].kind == SIGMA_ANY ? "*" : "?");
	}
	bool wild = false;
	for (uint32_t i = before; i < count - after; i++)
		wild |= parts[i].kind != SIGMA_LITERAL;
	mr_buf_add_text(out, before && after ? "contains "
			     : before        ? "ends with "
			     : after         ? "starts with "
			     : wild          ? "is like "
					     : "is ");
	put_text(out, (struct mr_slice){inside.len == 0 ? "" : inside.data, inside.len});
	if (test->cased)
		mr_buf_add_text(out, ", in this case");
	mr_buf_fini(&inside);
}

static void put_network(struct mr_buf *out, const struct sigma_predicate *test)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char text[INET6_ADDRSTRLEN] = "";
	bool four = test->prefix >= 96 && memcmp(test->network, mapped, sizeof mapped) == 0;
	inet_ntop(four ? AF_INET : AF_INET6, test->network + (four ? 12 : 0), text, sizeof text);
	mr_buf_printf(out, "is in %s/%d", text, test->prefix - (four ? 96 : 0));
}

static void put_reference(struct mr_buf *out, const struct sigma_predicate *test,
			  const struct mr_fields *fields)
{
	static const char *const words[] = {[SIGMA_REF_EQUALS] = "is what",
					    [SIGMA_REF_CONTAINS] = "contains what",
					    [SIGMA_REF_STARTSWITH] = "starts with what",
					    [SIGMA_REF_ENDSWITH] = "ends with what"};
	struct mr_slice other = mr_fields_name(fields, test->other);
	mr_buf_printf(out, "%s %.*s is", words[test->ref], (int)other.len, other.at);
}

static void put_asked(struct mr_buf *out, const struct sigma_predicate *test,
		      const struct mr_fields *fields)
{
	static const char *const compares[] = {[MR_GTE] = ">=", [MR_GT] = ">", [MR_LTE] = "<=",
					       [MR_LT] = "<",   [MR_EQ] = "=", [MR_NEQ] = "!="};
	static const char *const parts[] = {
	    [SIGMA_MINUTE] = "minute", [SIGMA_HOUR] = "hour",   [SIGMA_DAY] = "day",
	    [SIGMA_WEEK] = "week",     [SIGMA_MONTH] = "month", [SIGMA_YEAR] = "year"};
	switch (test->test) {
	case SIGMA_TEXT:
		put_pattern(out, test);
		break;
	case SIGMA_REGEX:
		mr_buf_printf(out, "has /%.*s/%s%s%s in it", SIGMA_SHOW(test->text),
			      test->regex_flags & SIGMA_RE_I ? "i" : "",
			      test->regex_flags & SIGMA_RE_M ? "m" : "",
			      test->regex_flags & SIGMA_RE_S ? "s" : "");
		break;
	case SIGMA_CIDR:
		put_network(out, test);
		break;
	case SIGMA_NUMBER:
		mr_buf_printf(out, "is %.*s", SIGMA_SHOW(test->text));
		break;
	case SIGMA_BOOL:
		mr_buf_add_text(out, test->truth ? "is true" : "is false");
		break;
	case SIGMA_NULL:
		mr_buf_add_text(out, "is missing or null");
		break;
	case SIGMA_PRESENT:
		mr_buf_add_text(out, "is there and not null");
		break;
	case SIGMA_EXISTS:
		mr_buf_add_text(out, test->truth ? "is there" : "is not there");
		break;
	case SIGMA_COMPARE:
		mr_buf_printf(out, "is %s %.*s", compares[test->op], SIGMA_SHOW(test->text));
		break;
	case SIGMA_FIELDREF:
		put_reference(out, test, fields);
		break;
	case SIGMA_TIMEPART:
		mr_buf_printf(out, "is a time whose %s is %lld (UTC)", parts[test->part],
			      (long long)test->part_value);
		break;
	}
}

/* ---- what it saw ---- */

static void put_value(struct mr_buf *out, const struct mr_value *value)
{
	struct mr_slice text = {value->text, value->len};
	if (value->type == MR_NULL)
		mr_buf_add_text(out, "null");
	else if (value->type == MR_STRING)
		put_text(out, text);
	else
		mr_buf_printf(out, "%.*s", (int)mr_utf8_cut(text, VALUE_SHOWN), text.at);
}

struct mr_slice rule_values(const struct mr_events *events, const struct mr_value *value,
			    struct mr_arena *arena, uint32_t *count_out)
{
	struct mr_buf out = {0};
	uint32_t count = 0;
	for (; value != NULL; value = mr_value_next(events, value)) {
		if (count++ >= VALUES_SHOWN)
			continue;
		mr_buf_add_text(&out, count == 1 ? "" : ", ");
		put_value(&out, value);
	}
	if (count > VALUES_SHOWN)
		mr_buf_printf(&out, " and %u more", count - VALUES_SHOWN);
	if (count_out != NULL)
		*count_out = count;
	return keep(arena, &out);
}

/* ---- why it does not hold ---- */

static void read_names(struct rule_words *words)
{
	struct mr_arena *arena = words->arena;
	struct mr_slice json = words->event->json;
	struct mr_json_reader *reader = mr_json_reader_new(json.len + 1);
	struct mr_json_node root;
	char *copy = mr_arena_alloc(arena, json.len + MR_JSON_PADDING);
	memcpy(copy, json.at, json.len);
	memset(copy + json.len, 0, MR_JSON_PADDING);
	words->names = mr_arena_alloc(arena, NAMES_MAX * sizeof *words->names);
	words->own_names = mr_arena_alloc(arena, NAMES_MAX * sizeof *words->own_names);
	if (mr_json_read(reader, (struct mr_slice){copy, json.len}, &root, NULL) == MR_OK) {
		struct mr_json_walk walk = mr_json_enter(reader, root);
		while (words->name_count < NAMES_MAX && mr_json_step(reader, &walk)) {
			struct mr_slice folded = mr_fold_arena(arena, walk.key);
			words->names[words->name_count] =
			    mr_arena_copy(arena, folded.at, folded.len);
			words->own_names[words->name_count++] =
			    mr_arena_copy(arena, walk.key.at, walk.key.len);
		}
	}
	mr_json_reader_free(reader);
}

/* The record's own name that the field's is a slip of, at the top level alone; or NULL. */
static const char *near_name(struct rule_words *words, const struct explain_node *leaf)
{
	if (words->near_field == leaf->test->field)
		return words->near;
	if (words->names == NULL)
		read_names(words);
	const char *near = mr_text_nearest(leaf->field, words->names, words->name_count);
	words->near_field = leaf->test->field;
	words->near = NULL;
	for (size_t i = 0; i < words->name_count && near != NULL; i++) {
		if (words->names[i] == near)
			words->near = words->own_names[i];
	}
	return words->near;
}

static bool is_like_but_for_case(const struct sigma_predicate *test, const struct mr_value *value)
{
	return test->test == SIGMA_TEXT && test->cased && test->part_count == 1 &&
	       test->parts[0].kind == SIGMA_LITERAL && value->type == MR_STRING &&
	       mr_fold_eq(test->parts[0].text, (struct mr_slice){value->text, value->len});
}

static bool is_no_number(const struct sigma_predicate *test, const struct mr_value *value)
{
	struct engine_number unused;
	return (test->test == SIGMA_COMPARE || test->test == SIGMA_NUMBER) &&
	       value->type == MR_STRING &&
	       !engine_number_read((struct mr_slice){value->text, value->len}, false, &unused);
}

static bool reads_so(const struct mr_value *value, const char *word)
{
	return (value->type == MR_BOOL || value->type == MR_STRING) &&
	       mr_fold_eq(mr_slice(word), (struct mr_slice){value->text, value->len});
}

static void put_why_missing(struct rule_words *words, const struct explain_node *leaf,
			    struct mr_buf *out)
{
	const char *setting = mr_field_setting(leaf->test->field);
	mr_buf_printf(out, "the record has no %.*s", (int)leaf->field.len, leaf->field.at);
	if (setting != NULL) {
		mr_buf_printf(out, ", which --%s fills", setting);
		return;
	}
	const char *meant = near_name(words, leaf);
	if (meant != NULL)
		mr_buf_printf(out, "; is its \"%s\" meant?", meant);
}

static void put_why(struct rule_words *words, const struct explain_node *leaf,
		    const struct mr_value *value, struct mr_buf *out)
{
	const struct sigma_predicate *test = leaf->test;
	if (test->field == 0)
		mr_buf_add_text(out, "no value of the record does");
	else if (value == NULL)
		put_why_missing(words, leaf, out);
	else if (value->type == MR_NULL && test->test != SIGMA_EXISTS)
		mr_buf_add_text(out, "it is null");
	else if (is_like_but_for_case(test, value))
		mr_buf_add_text(out, "only the case of letters differs");
	else if (is_no_number(test, value))
		mr_buf_add_text(out, "it is no number");
	else if (test->test == SIGMA_BOOL && !reads_so(value, "true") && !reads_so(value, "false"))
		mr_buf_add_text(out, "it is no boolean");
	else if (test->test == SIGMA_CIDR && value->type != MR_STRING)
		mr_buf_add_text(out, "it is no address");
}

/* The dictionary's names are folded; where the rule names the field itself it is as written. */
static void spell(struct explain_node *leaf, struct mr_slice as_written)
{
	if (mr_fold_eq(as_written, leaf->field))
		leaf->field = as_written;
}

void rule_words_add(struct rule_words *words, struct explain_node *leaf, struct mr_slice as_written)
{
	const struct sigma_predicate *test = leaf->test;
	const struct mr_value *value =
	    test->field == 0 ? NULL : mr_event_get(words->events, words->event, test->field);
	struct mr_buf asks = {0};
	struct mr_buf why = {0};
	struct mr_buf matched = {0};
	put_asked(&asks, test, words->fields);
	leaf->asks = keep(words->arena, &asks);
	if (test->field != 0)
		leaf->field = mr_fields_name(words->fields, test->field);
	spell(leaf, as_written);
	leaf->saw = rule_values(words->events, value, words->arena, &leaf->values);
	if (leaf->member.first > 0)
		put_value(&matched, &leaf->member.value);
	leaf->matched = keep(words->arena, &matched);
	if (!leaf->holds)
		put_why(words, leaf, value, &why);
	leaf->why = keep(words->arena, &why);
}
