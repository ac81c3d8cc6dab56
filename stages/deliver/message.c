/* message.c - puts an alert into words. Called by ocsf.c for the message, by deliver.c for the
 * screen. Cannot fail; a part that is not known is left out. */
#include "message.h"

#include <assert.h>

#include "common.h"
#include "millrace/number.h"
#include "words.h"

#define SHORT_BYTES 160 /* of one name in a sentence */
#define VALUE_BYTES 400 /* of a rule's own field: a consent says its scopes behind its ids */
#define NAMES_MAX 3     /* of one list in a sentence */
#define SHOWN_MAX 8     /* of a rule's own fields in a sentence */

/* One by one: a record's own field, or evidence that somebody has put together. */
struct mr_slice evidence_look(const struct mr_evidence *evidence, mr_field field)
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
static void put_up_to(struct mr_buf *out, struct mr_slice text, size_t most)
{
	size_t len = mr_utf8_cut(text, most);
	mr_buf_add(out, text.at, len);
	if (len < text.len)
		mr_buf_add_text(out, "…");
}

static void put(struct mr_buf *out, struct mr_slice text)
{
	put_up_to(out, text, SHORT_BYTES);
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

static bool is_application(const struct mr_evidence *evidence)
{
	return says(evidence, MR_F_ACTOR_TYPE, "ServicePrincipal");
}

static struct mr_slice name_of_actor(const struct mr_evidence *evidence)
{
	static const mr_field user[] = {MR_F_ACTOR_FULL_NAME, MR_F_ACTOR_NAME, MR_F_APP_NAME,
					MR_F_ACTOR_UID,       MR_F_APP_UID,    MR_F_NONE};
	static const mr_field application[] = {MR_F_ACTOR_FULL_NAME, MR_F_APP_NAME,
					       MR_F_ACTOR_NAME,      MR_F_APP_UID,
					       MR_F_ACTOR_UID,       MR_F_NONE};
	return first_of(evidence, is_application(evidence) ? application : user);
}

static void put_who(struct mr_buf *out, const struct mr_alert *alert,
		    const struct mr_evidence *evidence)
{
	bool open = false;
	(void)alert;
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

static void put_where(struct mr_buf *out, const struct mr_alert *alert,
		      const struct mr_evidence *evidence)
{
	bool open = false;
	(void)alert;
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
	struct mr_slice (*answer)(const struct mr_evidence *); /* the same for the same thing */
	struct mr_slice (*name)(const struct mr_evidence *);   /* what `describe` surely says */
	void (*describe)(struct mr_buf *, const struct mr_alert *, const struct mr_evidence *);
};

static struct mr_slice answer_where(const struct mr_evidence *evidence)
{
	return evidence_text(evidence, MR_F_SRC_IP);
}

/* An application has several names, one for each kind of record, and one id. */
static struct mr_slice answer_who(const struct mr_evidence *evidence)
{
	static const mr_field user[] = {MR_F_ACTOR_NAME, MR_F_APP_NAME, MR_F_ACTOR_UID,
					MR_F_APP_UID, MR_F_NONE};
	static const mr_field application[] = {MR_F_APP_UID, MR_F_APP_NAME, MR_F_ACTOR_NAME,
					       MR_F_ACTOR_UID, MR_F_NONE};
	return first_of(evidence, is_application(evidence) ? application : user);
}

static struct mr_slice name_who(const struct mr_evidence *evidence)
{
	struct mr_slice full = evidence_text(evidence, MR_F_ACTOR_FULL_NAME);
	return full.len > 0 ? evidence_text(evidence, MR_F_ACTOR_NAME) : name_of_actor(evidence);
}

static struct mr_slice answer_target(const struct mr_evidence *evidence)
{
	static const mr_field fields[] = {MR_F_TARGET_NAME, MR_F_RESOURCE_NAME, MR_F_RESOURCE_UID,
					  MR_F_NONE};
	return first_of(evidence, fields);
}

/* Exchange names a thing by the forest and the organisation that hold it, and only then by itself.
 */
static struct mr_slice by_itself(struct mr_slice text)
{
	static const char host[] = "/Microsoft Exchange Hosted Organizations/";
	const char *end = text.at + text.len;
	const char *at = memmem(text.at, text.len, host, sizeof(host) - 1);
	if (at != NULL)
		at = memchr(at + sizeof(host) - 1, '/', (size_t)(end - at) - (sizeof(host) - 1));
	if (at != NULL && at + 1 < end)
		text = (struct mr_slice){at + 1, (size_t)(end - at) - 1};
	return text;
}

static struct mr_slice name_target(const struct mr_evidence *evidence)
{
	return by_itself(answer_target(evidence));
}

/* Names, each once, the first of them not to be said again. */
struct names {
	struct mr_slice at[1 + NAMES_MAX];
	uint32_t count; /* also of those that have no room */
};

static void names_add(struct names *names, struct mr_slice text)
{
	bool seen = text.len == 0;
	for (uint32_t i = 0; i < names->count && i <= NAMES_MAX && !seen; i++)
		seen = mr_fold_eq(names->at[i], text);
	if (seen)
		return;
	if (names->count <= NAMES_MAX)
		names->at[names->count] = text;
	names->count++;
}

/* The target, and what else the records that have it name: the group that a person was put into,
 * the application that a permission was given to. */
static void put_target(struct mr_buf *out, const struct mr_alert *alert,
		       const struct mr_evidence *evidence)
{
	struct mr_slice text = answer_target(evidence);
	struct names names = {.at = {name_target(evidence)}, .count = 1};
	bool open = false;
	for (uint32_t i = 0; i < alert->evidence_count; i++) {
		const struct mr_evidence *other = &alert->evidence[i];
		bool same = mr_fold_eq(answer_target(other), text);
		for (uint32_t f = 0; same && f < other->field_count; f++)
			if (other->fields[f].field == MR_F_RESOURCE_NAME)
				names_add(&names, by_itself(other->fields[f].text));
	}
	put(out, names.at[0]);
	for (uint32_t i = 1; i < names.count && i <= NAMES_MAX; i++)
		put_part(out, &open, names.at[i]);
	if (names.count > 1 + NAMES_MAX)
		put_part(out, &open, MR_SLICE("…"));
	if (open)
		mr_buf_add_text(out, ")");
}

static const struct question who = {"; by ",         "; in the name of ", "account", "accounts",
				    MR_F_ACTOR_NAME, answer_who,          name_who,  put_who};
static const struct question where = {"; from ",   "; from ",    "address",    "addresses",
				      MR_F_SRC_IP, answer_where, answer_where, put_where};
static const struct question target = {
    "; on ",       "; on ",     "target",  "targets", MR_F_RESOURCE_NAME,
    answer_target, name_target, put_target};

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

/* What all records answer alike, or NULL. */
static const struct mr_evidence *one_answer(const struct mr_rule *rule,
					    const struct mr_alert *alert,
					    const struct question *question)
{
	const struct mr_evidence *first[NAMES_MAX];
	bool all_answer;
	uint32_t count = find_distinct(alert, question, first, &all_answer);
	if (count != 1 || !all_answer)
		return NULL;
	bool sure =
	    common_is_whole(rule, alert) || common_in_key(alert, question->answer(first[0]));
	return sure ? first[0] : NULL;
}

/* Between the parts of a list. */
static const char *joint(uint32_t at, uint32_t count)
{
	return at == 0 ? "" : at + 1 < count ? ", " : " and ";
}

/* The answer where all records give the same; else how many there are and some of them, so that
 * nobody takes one victim for the one who did it. */
static void put_answer(struct mr_buf *out, const struct mr_rule *rule, const struct mr_alert *alert,
		       const struct question *question)
{
	const struct mr_evidence *first[NAMES_MAX];
	const struct mr_evidence *one = one_answer(rule, alert, question);
	bool all_answer;
	uint64_t count = find_distinct(alert, question, first, &all_answer);
	bool whole = common_is_whole(rule, alert) && all_answer;
	if (one != NULL) {
		mr_buf_add_text(out, question->one);
		question->describe(out, alert, one);
	}
	if (one != NULL || count == 0)
		return;
	uint32_t shown = count < NAMES_MAX ? (uint32_t)count : NAMES_MAX;
	if (counts(rule, question->counted) && alert->value_count >= count) {
		count = alert->value_count;
		whole = !alert->lower_bound;
	}
	mr_buf_printf(out, "%s%s%llu %s%s", question->several, whole ? "" : "at least ",
		      (unsigned long long)count, count == 1 ? question->noun : question->nouns,
		      shown < count ? ", such as " : ": ");
	for (uint32_t i = 0; i < shown; i++) {
		mr_buf_add_text(out, joint(i, shown));
		question->describe(out, alert, first[i]);
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

/* The code by which a log names what happened. */
static void put_code(struct mr_buf *out, const struct mr_evidence *evidence)
{
	mr_buf_add_text(out, "event ");
	put(out, evidence_text(evidence, MR_F_EVENT_CODE));
	if (evidence_text(evidence, MR_F_PRODUCT).len == 0)
		return;
	mr_buf_add_text(out, " of ");
	put(out, evidence_text(evidence, MR_F_PRODUCT));
}

static void put_operation(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct mr_slice operation = operation_of(evidence);
	bool coded = evidence_text(evidence, MR_F_EVENT_CODE).len > 0;
	mr_buf_add_text(out, operation.len > 0 || !coded ? " did " : " caused ");
	if (operation.len > 0 || !coded)
		put(out, operation.len > 0 ? operation : MR_SLICE("something"));
	if (!coded)
		return;
	mr_buf_add_text(out, operation.len > 0 ? " (" : "");
	put_code(out, evidence);
	mr_buf_add_text(out, operation.len > 0 ? ")" : "");
}

/* Of a record of any log: the host that wrote it, and by which program it was done. */
static void put_host(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct mr_slice host = evidence_text(evidence, MR_F_DEVICE_NAME);
	struct mr_slice program = evidence_text(evidence, MR_F_PROCESS);
	if (evidence->kind != MR_KIND_DECLARED)
		return;
	if (program.len > 0) {
		mr_buf_add_text(out, " with ");
		put(out, program);
	}
	if (host.len > 0) {
		mr_buf_add_text(out, " on device ");
		put(out, host);
	}
}

/* What one record says was done. */
static void put_deed(struct mr_buf *out, const struct mr_alert *alert)
{
	const struct mr_evidence *evidence = &alert->evidence[0];
	if (name_of_actor(evidence).len > 0)
		put_who(out, alert, evidence);
	else
		mr_buf_add_text(out, "somebody");
	put_operation(out, evidence);
	if (answer_target(evidence).len > 0) {
		mr_buf_add_text(out, " on ");
		put_target(out, alert, evidence);
	}
	if (says(evidence, MR_F_STATUS, "Failure"))
		mr_buf_add_text(out, ", which failed,");
	if (evidence_text(evidence, MR_F_SRC_IP).len > 0) {
		mr_buf_add_text(out, " from ");
		put_where(out, alert, evidence);
	}
	put_host(out, evidence);
}

static void put_word(struct mr_buf *out, const struct words *words)
{
	mr_buf_add_text(out, words->before);
	put(out, words->text);
}

static void put_decimal(struct mr_buf *out, struct mr_slice decimal)
{
	struct mr_buf text = {0};
	mr_decimal_show(decimal, &text);
	put(out, (struct mr_slice){text.data, text.len});
	mr_buf_fini(&text);
}

static void put_count(struct mr_buf *out, bool lower_bound, uint64_t count)
{
	char room[MR_DECIMAL_ROOM];
	mr_buf_add_text(out, lower_bound ? "at least " : "");
	put_decimal(out, mr_decimal(count, false, room));
	mr_buf_add_text(out, " ");
}

/* What was counted: records, or alerts of which rules. */
static void put_counted(struct mr_buf *out, const struct mr_catalog *catalog,
			const struct mr_rule *rule, const struct mr_alert *alert)
{
	const char *what = common_counts_alerts(rule) ? "alert" : "record";
	uint32_t shown = rule->rule_count < NAMES_MAX ? rule->rule_count : NAMES_MAX;
	put_count(out, alert->lower_bound, alert->event_count);
	mr_buf_printf(out, "%s%s", what, alert->event_count == 1 ? "" : "s");
	for (uint32_t i = 0; common_counts_alerts(rule) && i < shown; i++) {
		mr_buf_add_text(out, i == 0 ? " of '" : joint(i, rule->rule_count));
		mr_buf_add_text(out, i == 0 ? "" : "'");
		put(out, catalog->rules[rule->rules[i]].title);
		mr_buf_add_text(out, "'");
	}
	if (common_counts_alerts(rule) && shown < rule->rule_count)
		mr_buf_printf(out, " and %u more rules", rule->rule_count - shown);
}

static void put_names(struct mr_buf *out, const struct mr_texts *fields)
{
	for (uint32_t i = 0; i < fields->count; i++) {
		struct words words = words_of_field(fields->items[i], fields);
		mr_buf_add_text(out, joint(i, fields->count));
		put_word(out, &words);
	}
}

static void put_values_counted(struct mr_buf *out, const struct mr_rule *rule,
			       const struct mr_alert *alert)
{
	const struct mr_texts *fields = &rule->fields;
	size_t cut = 0;
	put_count(out, alert->lower_bound, alert->value_count);
	if (alert->value_count > 1)
		mr_buf_add_text(out, "different ");
	if (fields->count == 1 && words_of_field(fields->items[0], NULL).is_word) {
		struct words words = words_of_field(fields->items[0], NULL);
		const char *plural = words_plural(words.text, &cut);
		put_word(out, &words);
		if (alert->value_count > 1) {
			out->len -= cut;
			mr_buf_add_text(out, plural);
		}
		return;
	}
	mr_buf_add_text(out, fields->count > 1 ? "combination" : "value");
	mr_buf_add_text(out, alert->value_count == 1 ? "" : "s");
	mr_buf_add_text(out, fields->count > 0 ? " of " : "");
	put_names(out, fields);
}

/* Whether one of the answers behind says this part of the key, with more beside it. */
static bool is_answered(const struct mr_rule *rule, const struct mr_alert *alert,
			struct mr_slice text)
{
	static const struct question *const questions[] = {&who, &target, &where};
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		const struct mr_evidence *one = one_answer(rule, alert, questions[i]);
		if (one != NULL && mr_fold_eq(questions[i]->name(one), text))
			return true;
	}
	return false;
}

/* What the condition was compared with, where the counts do not say it. */
static void put_value(struct mr_buf *out, const struct mr_rule *rule, const struct mr_alert *alert)
{
	static const char *const whats[MR_CORRELATION_COUNT] = {
	    [MR_CORRELATION_VALUE_SUM] = "the sum",
	    [MR_CORRELATION_VALUE_AVG] = "the average",
	    [MR_CORRELATION_VALUE_PERCENTILE] = "percentile",
	    [MR_CORRELATION_VALUE_MEDIAN] = "the median"};
	char time[MR_TIME_TEXT];
	mr_buf_add_text(out, "; ");
	if (whats[rule->type] != NULL) {
		mr_buf_add_text(out, whats[rule->type]);
		if (rule->percentile > 0)
			mr_buf_printf(out, " %u", rule->percentile);
		mr_buf_add_text(out, " of ");
		put_names(out, &rule->fields);
		mr_buf_add_text(out, " is ");
	}
	put_decimal(out, alert->value);
	size_t len = mr_time_text(alert->value_time_us, time);
	mr_buf_printf(out, " in the window up to %.*s", (int)len, time);
}

static void put_condition(struct mr_buf *out, const struct mr_rule *rule,
			  const struct mr_alert *alert)
{
	if (alert->value.len > 0)
		put_value(out, rule, alert);
	if (rule->condition_count == 0 || mr_correlation_counts(rule->type) == MR_COUNTS_RULES)
		return;
	mr_buf_add_text(out, " (");
	mr_rule_show_condition(rule, out);
	mr_buf_add_text(out, ")");
}

static void put_how_often(struct mr_buf *out, const struct mr_catalog *catalog,
			  const struct mr_alert *alert)
{
	const struct mr_rule *rule = &catalog->rules[alert->rule];
	const char *before = " for ";
	/* Of many records only some are kept: the values, counted apart, then say more. */
	bool records = !alert->lower_bound || alert->value_count <= alert->event_count;
	if (records)
		put_counted(out, catalog, rule, alert);
	if (alert->value_count > 0) {
		mr_buf_add_text(out, records ? " with " : "");
		put_values_counted(out, rule, alert);
	}
	put_condition(out, rule, alert);
	for (uint32_t i = 0; i < alert->key_count; i++) {
		if (is_answered(rule, alert, alert->key[i]))
			continue;
		mr_buf_add_text(out, before);
		before = ", ";
		if (i < rule->group_by.count) {
			struct words words =
			    words_of_field(rule->group_by.items[i], &rule->group_by);
			put_word(out, &words);
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

/* A value that a record lays out over several lines stays in the sentence, without its layout. */
static void put_on_one_line(struct mr_buf *out, struct mr_slice text)
{
	size_t to = out->len;
	size_t from = out->len;
	put_up_to(out, mr_json_unquoted(text), VALUE_BYTES);
	for (size_t i = from; i < out->len; i++) {
		char c = out->data[i];
		bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
		if (!blank || to == from || out->data[to - 1] != ' ')
			out->data[to++] = blank ? ' ' : c;
	}
	out->len = to;
}

/* The first values of a field, and a mark where there are more. */
static void put_values(struct mr_buf *out, const struct mr_evidence *evidence, mr_field field,
		       const struct words *name)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < evidence->field_count && count <= NAMES_MAX; i++) {
		if (evidence->fields[i].field != field)
			continue;
		mr_buf_add_text(out, count == 0 ? "; " : ", ");
		if (count == 0) {
			put_word(out, name);
			mr_buf_add_text(out, ": ");
		}
		put_on_one_line(out, count < NAMES_MAX ? evidence->fields[i].text : MR_SLICE("…"));
		count++;
	}
}

/* Where the rule's own fields do not say it. */
static void put_command(struct mr_buf *out, const struct mr_rule *rule,
			const struct mr_evidence *evidence)
{
	struct mr_slice command = evidence_text(evidence, MR_F_COMMAND);
	bool said = command.len == 0;
	for (uint32_t i = 0; i < rule->shown.count && i < SHOWN_MAX && !said; i++)
		said = mr_slice_eq(evidence_text(evidence, rule->shown_fields[i]), command);
	if (said)
		return;
	struct words name = words_of_field(MR_SLICE("process.cmd_line"), NULL);
	put_values(out, evidence, MR_F_COMMAND, &name);
}

/* What a detection's author wants to be seen. */
static void put_shown(struct mr_buf *out, const struct mr_rule *rule,
		      const struct mr_evidence *evidence)
{
	for (uint32_t i = 0; i < rule->shown.count && i < SHOWN_MAX; i++) {
		struct words name = words_of_field(rule->shown.items[i], &rule->shown);
		put_values(out, evidence, rule->shown_fields[i], &name);
	}
}

/* The same of a correlation whose records all match one detection: what they all say, but for the
 * key, which was said. */
static void put_shown_by_all(struct mr_buf *out, const struct mr_catalog *catalog,
			     const struct mr_alert *alert)
{
	struct common common;
	struct mr_signal_field kept[MR_SIGNAL_FIELDS_MAX];
	struct mr_evidence said = {.fields = kept};
	for (uint32_t i = 1; i < alert->evidence_count; i++)
		if (alert->evidence[i].rule != alert->evidence[0].rule)
			return;
	common_find(&catalog->rules[alert->rule], alert, &common);
	for (uint32_t i = 0; i < common.said.field_count; i++)
		if (!common_in_key(alert, common.fields[i].text))
			kept[said.field_count++] = common.fields[i];
	put_shown(out, &catalog->rules[alert->evidence[0].rule], &said);
}

/* A line of an alert that is none any more would read like the one that it takes back. */
static void put_title(struct mr_buf *out, const struct mr_rule *rule, const struct mr_alert *alert)
{
	if (alert->activity == MR_ACTIVITY_CLOSE)
		mr_buf_add_text(out, "Withdrawn: ");
	put(out, rule->title);
}

void message_put(struct mr_buf *out, const struct mr_catalog *catalog, const struct mr_alert *alert)
{
	const struct mr_rule *rule = &catalog->rules[alert->rule];
	size_t from = out->len;
	put_title(out, rule, alert);
	mr_buf_add_text(out, ": ");
	if (rule->kind == MR_RULE_DETECTION && alert->evidence_count > 0) {
		put_deed(out, alert);
	} else {
		put_how_often(out, catalog, alert);
		put_answer(out, rule, alert, &who);
		put_answer(out, rule, alert, &target);
		put_answer(out, rule, alert, &where);
	}
	put_when(out, alert);
	if (rule->kind == MR_RULE_DETECTION && alert->evidence_count > 0) {
		put_command(out, rule, &alert->evidence[0]);
		put_shown(out, rule, &alert->evidence[0]);
	} else if (alert->evidence_count > 0) {
		put_shown_by_all(out, catalog, alert);
	}
	mr_buf_show(out, from);
}

/* ---- for a terminal ---- */

void message_announce(struct mr_buf *out, const struct mr_catalog *catalog,
		      const struct mr_alert *alert)
{
	const struct mr_rule *rule = &catalog->rules[alert->rule];
	size_t from = out->len;
	char id[2 * MR_ALERT_ID_BYTES + 1];
	mr_hex(alert->id, MR_ALERT_ID_BYTES, id);
	if (alert->has_time)
		put_time(out, "", alert->last_time_us);
	else
		mr_buf_add_text(out, "(no time)");
	mr_buf_add_text(out, " ");
	put(out, message_level(rule->level));
	mr_buf_add_text(out, ": ");
	put_title(out, rule, alert);
	put_answer(out, rule, alert, &who);
	put_answer(out, rule, alert, &where);
	mr_buf_printf(out, "; %s", id);
	mr_buf_show(out, from);
}
