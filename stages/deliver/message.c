/* message.c - puts an alert into words. Called by ocsf.c for the message, by deliver.c for the
 * screen. Cannot fail; a part that is not known is left out. */
#include "message.h"

#include <assert.h>

#include "common.h"

#define SHORT_BYTES 160 /* of one name in a sentence */
#define NAMES_MAX 3     /* of one list in a sentence */
#define SHOWN_MAX 8     /* of a rule's own fields in a sentence */

struct mr_slice evidence_text(const struct mr_evidence *evidence, mr_field field)
{
	for (uint32_t i = 0; i < evidence->field_count; i++)
		if (evidence->fields[i].field == field)
			return evidence->fields[i].text;
	return (struct mr_slice){"", 0};
}

struct mr_slice message_level(enum mr_level level)
{
	static const char *const names[] = {"None",   "Informational", "Low",
					    "Medium", "High",          "Critical"};
	assert((unsigned)level < sizeof(names) / sizeof(names[0]));
	return mr_slice(names[level]);
}

/* A text of anybody's length, cut between two characters. */
static void put(struct mr_buf *out, struct mr_slice text)
{
	size_t len = mr_utf8_cut(text, SHORT_BYTES);
	mr_buf_add(out, text.at, len);
	if (len < text.len)
		mr_buf_add_text(out, "…");
}

/* The parts of a list in brackets: " (" before the first, ", " before the others. */
static void put_part(struct mr_buf *out, bool *open, struct mr_slice text)
{
	if (text.len == 0)
		return;
	mr_buf_add_text(out, *open ? ", " : " (");
	*open = true;
	put(out, text);
}

static bool says(const struct mr_evidence *evidence, mr_field field, const char *word)
{
	return mr_slice_eq(evidence_text(evidence, field), mr_slice(word));
}

static struct mr_slice first_of(const struct mr_evidence *evidence, const mr_field *fields)
{
	struct mr_slice text = {"", 0};
	for (; *fields != MR_F_NONE && text.len == 0; fields++)
		text = evidence_text(evidence, *fields);
	return text;
}

static struct mr_slice name_of_actor(const struct mr_evidence *evidence)
{
	static const mr_field fields[] = {MR_F_ACTOR_FULL_NAME, MR_F_ACTOR_NAME, MR_F_APP_NAME,
					  MR_F_ACTOR_UID,       MR_F_APP_UID,    MR_F_NONE};
	return first_of(evidence, fields);
}

static void put_who(struct mr_buf *out, const struct mr_evidence *evidence)
{
	bool open = false;
	put(out, name_of_actor(evidence));
	if (evidence_text(evidence, MR_F_ACTOR_FULL_NAME).len > 0)
		put_part(out, &open, evidence_text(evidence, MR_F_ACTOR_NAME));
	put_part(out, &open, evidence_text(evidence, MR_F_ACTOR_TITLE));
	put_part(out, &open, evidence_text(evidence, MR_F_ACTOR_DEPARTMENT));
	if (says(evidence, MR_F_ACTOR_PRIVILEGED, "true"))
		put_part(out, &open, MR_SLICE("privileged"));
	if (says(evidence, MR_F_ACTOR_ENABLED, "false"))
		put_part(out, &open, MR_SLICE("account disabled"));
	if (says(evidence, MR_F_ACTOR_KNOWN, "false"))
		put_part(out, &open, MR_SLICE("not in the identity store"));
	if (open)
		mr_buf_add_text(out, ")");
}

static void put_where(struct mr_buf *out, const struct mr_evidence *evidence)
{
	bool open = false;
	put(out, evidence_text(evidence, MR_F_SRC_IP));
	put_part(out, &open, evidence_text(evidence, MR_F_SRC_CITY));
	put_part(out, &open, evidence_text(evidence, MR_F_SRC_COUNTRY));
	put_part(out, &open, evidence_text(evidence, MR_F_SRC_AS_NAME));
	put_part(out, &open, evidence_text(evidence, MR_F_SRC_ANONYMITY));
	put_part(out, &open, evidence_text(evidence, MR_F_SRC_NETWORK));
	if (open)
		mr_buf_add_text(out, ")");
}

/* ---- the one, or several ---- */

/* One question about all records behind an alert: how each answers it, and in what words. */
struct question {
	const char *one, *several; /* before what is named */
	const char *noun, *nouns;
	mr_field counted; /* a rule that counts this field's values counts the answers */
	struct mr_slice (*answer)(const struct mr_evidence *);
	void (*describe)(struct mr_buf *, const struct mr_evidence *);
};

static struct mr_slice answer_where(const struct mr_evidence *evidence)
{
	return evidence_text(evidence, MR_F_SRC_IP);
}

static struct mr_slice answer_who(const struct mr_evidence *evidence)
{
	static const mr_field fields[] = {MR_F_ACTOR_NAME, MR_F_APP_NAME, MR_F_ACTOR_UID,
					  MR_F_APP_UID, MR_F_NONE};
	return first_of(evidence, fields);
}

static struct mr_slice answer_target(const struct mr_evidence *evidence)
{
	static const mr_field fields[] = {MR_F_TARGET_NAME, MR_F_RESOURCE_NAME, MR_F_RESOURCE_UID,
					  MR_F_NONE};
	return first_of(evidence, fields);
}

static void put_target(struct mr_buf *out, const struct mr_evidence *evidence)
{
	put(out, answer_target(evidence));
}

static const struct question who = {"; by ",         "; in the name of ", "user", "users",
				    MR_F_ACTOR_NAME, answer_who,          put_who};
static const struct question where = {"; from ",   "; from ",    "address", "addresses",
				      MR_F_SRC_IP, answer_where, put_where};
static const struct question target = {
    "; on ", "; on ", "target", "targets", MR_F_RESOURCE_NAME, answer_target, put_target};

/* The evidence that gives an answer first, up to NAMES_MAX; gives how many answers there are. */
static uint32_t find_distinct(const struct mr_alert *alert, const struct question *question,
			      const struct mr_evidence *first_out[NAMES_MAX], bool *all_answer_out)
{
	uint32_t count = 0;
	*all_answer_out = true;
	for (uint32_t i = 0; i < alert->evidence_count; i++) {
		struct mr_slice text = question->answer(&alert->evidence[i]);
		bool seen = text.len == 0;
		*all_answer_out &= !seen;
		for (uint32_t j = 0; j < i && !seen; j++)
			seen = mr_fold_eq(question->answer(&alert->evidence[j]), text);
		if (seen)
			continue;
		if (count < NAMES_MAX)
			first_out[count] = &alert->evidence[i];
		count++;
	}
	return count;
}

static bool counts(const struct mr_rule *rule, mr_field field)
{
	const mr_field *fields = mr_rule_value_fields(rule, 0);
	return rule->fields.count == 1 && fields[0] == field;
}

/* The answer where all records give the same; else how many there are and some of them, so that
 * nobody takes one victim for the one who did it. */
static void put_answer(struct mr_buf *out, const struct mr_rule *rule, const struct mr_alert *alert,
		       const struct question *question)
{
	const struct mr_evidence *first[NAMES_MAX];
	bool all_answer;
	uint64_t count = find_distinct(alert, question, first, &all_answer);
	bool whole = common_is_whole(rule, alert) && all_answer;
	if (count == 0)
		return;
	if (count == 1 && all_answer &&
	    (whole || common_in_key(alert, question->answer(first[0])))) {
		mr_buf_add_text(out, question->one);
		question->describe(out, first[0]);
		return;
	}
	uint32_t shown = count < NAMES_MAX ? (uint32_t)count : NAMES_MAX;
	if (counts(rule, question->counted) && alert->value_count >= count) {
		count = alert->value_count;
		whole = !alert->lower_bound;
	}
	mr_buf_printf(out, "%s%s%llu %s%s", question->several, whole ? "" : "at least ",
		      (unsigned long long)count, count == 1 ? question->noun : question->nouns,
		      shown < count ? ", such as " : ": ");
	for (uint32_t i = 0; i < shown; i++) {
		mr_buf_add_text(out, i == 0 ? "" : "; ");
		question->describe(out, first[i]);
	}
}

/* ---- the sentence ---- */

static void put_time(struct mr_buf *out, const char *word, int64_t time_us)
{
	char text[MR_TIME_TEXT];
	size_t len = mr_time_text(time_us, text);
	mr_buf_add_text(out, word);
	mr_buf_add(out, text, len);
}

/* As "Add user" where the vendor writes "Add user." */
static struct mr_slice operation_of(const struct mr_evidence *evidence)
{
	struct mr_slice text = evidence_text(evidence, MR_F_OPERATION);
	while (text.len > 0 && (text.at[text.len - 1] == '.' || text.at[text.len - 1] == ' '))
		text.len--;
	return text;
}

/* What one record says was done. */
static void put_deed(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct mr_slice operation = operation_of(evidence);
	if (name_of_actor(evidence).len > 0)
		put_who(out, evidence);
	else
		mr_buf_add_text(out, "somebody");
	mr_buf_add_text(out, " did ");
	put(out, operation.len > 0 ? operation : MR_SLICE("something"));
	if (answer_target(evidence).len > 0) {
		mr_buf_add_text(out, " on ");
		put_target(out, evidence);
	}
	if (says(evidence, MR_F_STATUS, "Failure"))
		mr_buf_add_text(out, ", which failed,");
	if (evidence_text(evidence, MR_F_SRC_IP).len > 0) {
		mr_buf_add_text(out, " from ");
		put_where(out, evidence);
	}
}

static void put_how_often(struct mr_buf *out, const struct mr_rule *rule,
			  const struct mr_alert *alert)
{
	const char *least = alert->lower_bound ? "at least " : "";
	/* Of many records only some are kept: the values, counted apart, then say more. */
	bool records = !alert->lower_bound || alert->value_count <= alert->event_count;
	if (records)
		mr_buf_printf(out, "%s%llu record%s", least, (unsigned long long)alert->event_count,
			      alert->event_count == 1 ? "" : "s");
	if (alert->value_count > 0) {
		mr_buf_printf(out, "%s%s%llu different ", records ? " with " : "", least,
			      (unsigned long long)alert->value_count);
		put(out, rule->fields.count > 0 ? rule->fields.items[0] : MR_SLICE("values"));
	}
	for (uint32_t i = 0; i < alert->key_count; i++) {
		mr_buf_add_text(out, i == 0 ? " for " : ", ");
		if (i < rule->group_by.count) {
			put(out, rule->group_by.items[i]);
			mr_buf_add_text(out, " ");
		}
		put(out, alert->key[i]);
	}
}

static void put_when(struct mr_buf *out, const struct mr_alert *alert)
{
	if (!alert->has_time) {
		mr_buf_add_text(out, " at an unknown time");
		if (alert->evidence_count > 0)
			put_time(out, ", read at ", alert->evidence[0].arrival_us);
	} else if (alert->first_time_us != alert->last_time_us) {
		put_time(out, "; between ", alert->first_time_us);
		put_time(out, " and ", alert->last_time_us);
	} else {
		put_time(out, " at ", alert->first_time_us);
	}
}

/* A value that a record lays out over several lines stays in the sentence. */
static void put_on_one_line(struct mr_buf *out, struct mr_slice text)
{
	size_t from = out->len;
	put(out, text);
	for (size_t i = from; i < out->len; i++)
		if (out->data[i] == '\n' || out->data[i] == '\r')
			out->data[i] = ' ';
}

/* The first values of a field, and a mark where there are more. */
static void put_values(struct mr_buf *out, const struct mr_evidence *evidence, mr_field field,
		       struct mr_slice name)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < evidence->field_count && count <= NAMES_MAX; i++) {
		if (evidence->fields[i].field != field)
			continue;
		mr_buf_add_text(out, count == 0 ? "; " : ", ");
		if (count == 0) {
			put(out, name);
			mr_buf_add_text(out, ": ");
		}
		put_on_one_line(out, count < NAMES_MAX ? evidence->fields[i].text : MR_SLICE("…"));
		count++;
	}
}

/* What the rule's author wants to be seen. */
static void put_shown(struct mr_buf *out, const struct mr_rule *rule,
		      const struct mr_evidence *evidence)
{
	for (uint32_t i = 0; i < rule->shown.count && i < SHOWN_MAX; i++)
		put_values(out, evidence, rule->shown_fields[i], rule->shown.items[i]);
}

void message_put(struct mr_buf *out, const struct mr_catalog *catalog, const struct mr_alert *alert)
{
	const struct mr_rule *rule = &catalog->rules[alert->rule];
	put(out, rule->title);
	mr_buf_add_text(out, ": ");
	if (rule->kind == MR_RULE_DETECTION && alert->evidence_count > 0) {
		put_deed(out, &alert->evidence[0]);
	} else {
		put_how_often(out, rule, alert);
		put_answer(out, rule, alert, &who);
		put_answer(out, rule, alert, &target);
		put_answer(out, rule, alert, &where);
	}
	put_when(out, alert);
	if (rule->kind == MR_RULE_DETECTION && alert->evidence_count > 0)
		put_shown(out, rule, &alert->evidence[0]);
}

/* ---- for a terminal ---- */

/* Control characters (C0, DEL, C1) and those that turn the direction of writing. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

static void put_clean(struct mr_buf *out, struct mr_slice text)
{
	for (size_t at = 0; at < text.len;) {
		uint32_t c = mr_utf8_next(text.at, text.len, &at, NULL);
		char *room = mr_buf_reserve(out, 4);
		out->len += mr_utf8_put(is_control(c) ? 0xfffd : c, room);
	}
}

void message_announce(struct mr_buf *out, const struct mr_catalog *catalog,
		      const struct mr_alert *alert)
{
	const struct mr_rule *rule = &catalog->rules[alert->rule];
	struct mr_buf line = {0};
	char id[2 * MR_ALERT_ID_BYTES + 1];
	mr_hex(alert->id, MR_ALERT_ID_BYTES, id);
	if (alert->has_time)
		put_time(&line, "", alert->last_time_us);
	else
		mr_buf_add_text(&line, "(no time)");
	mr_buf_add_text(&line, " ");
	put(&line, message_level(rule->level));
	mr_buf_add_text(&line, ": ");
	put(&line, rule->title);
	put_answer(&line, rule, alert, &who);
	put_answer(&line, rule, alert, &where);
	mr_buf_printf(&line, "; %s", id);
	put_clean(out, (struct mr_slice){line.data, line.len});
	mr_buf_fini(&line);
}
