/* normalise.c - follows a kind's rows: native values become normalised fields.
 *
 * Rows are compiled to field ids when the stage opens. Called by parse.c for each event. Values
 * keep the text that the record gave, save where a row says otherwise. Never fails: a value that is
 * not of the form that its row wants is passed over. */
#include "kind.h"

#include <stdlib.h>

#include "forms.h"
#include "millrace/block.h"
#include "names.h"

#define RECIPIENTS_MAX 64 /* of one event, as README says */
#define CHANGED_MAX 16    /* values of a field that a changed thing's name still joins */

struct compiled {
	mr_field to;
	mr_field from;
	enum mr_how how;
};

/* Native names that normalised fields have too; see names.h. */
static const struct {
	mr_field field;
	const char *native;
} natives[] = {
    {MR_F_TIME, "native.time"},
    {MR_F_STATUS, "native.status"},
    {MR_F_STATUS_CODE, "native.status_code"},
    {MR_F_STATUS_DETAIL, "native.status_detail"},
    {MR_F_RISK_LEVEL, "native.risk_level"},
    {MR_F_TARGET_NAME, "native.user.name"},
    {MR_F_DEVICE_NAME, "native.device.name"},
};
#define NATIVES (sizeof natives / sizeof natives[0])

/* What of a kind is done in one pass. */
struct part {
	struct compiled *rows;
	uint16_t *all; /* their numbers */
	size_t row_count;
	mr_field natives[NATIVES]; /* those of `natives` that are kept, 0 for the others */
	bool finishes;
};

struct mr_normaliser {
	mr_field marks[MR_MARK_COUNT];
	struct part parts[MR_PASS_COUNT][MR_KIND_COUNT];
};

static const char *const mark_names[MR_MARK_COUNT] = {
#define X(symbol, name) [MR_MARK_##symbol] = name,
#include "mark.def"
#undef X
};

void mr_normalise_prepare(struct mr_fields *fields)
{
	for (size_t i = 0; i < NATIVES; i++)
		mr_fields_add(fields, mr_slice(natives[i].native));
	for (size_t i = 0; i < MR_MARK_COUNT; i++)
		mr_fields_add(fields, mr_slice(mark_names[i]));
	for (enum mr_record_kind kind = 0; kind < MR_KIND_COUNT; kind++) {
		const struct mr_kind *of = mr_kind_of(kind);
		for (size_t i = 0; i < of->row_count; i++)
			mr_fields_add(fields, mr_slice(of->rows[i].from));
	}
}

static bool finishes(const struct mr_kind *kind, mr_field field)
{
	for (size_t i = 0; i < MR_FINISHED_MAX; i++)
		if (kind->finished[i] == field && field != 0)
			return true;
	return false;
}

/* Which pass a kind's finish belongs to: the first, where any field that it adds is asked for. */
static enum mr_pass finish_pass(const struct mr_kind *kind, const struct mr_fields *fields)
{
	for (size_t i = 0; i < MR_FINISHED_MAX && kind->finished[i] != 0; i++)
		if (mr_fields_asked(fields, kind->finished[i]))
			return MR_PASS_FIRST;
	return MR_PASS_LATER;
}

/* Fields that come with `field`, or are made with its help. */
static const struct {
	mr_field field, with;
} together[] = {
    {MR_F_SRC_IP, MR_F_SRC_PORT},
    {MR_F_EMAIL_TO, MR_F_EMAIL_TO_EXTERNAL},
    {MR_F_ACTOR_DOMAIN, MR_F_EMAIL_TO},
    {MR_F_ACTOR_DOMAIN, MR_F_EMAIL_TO_EXTERNAL},
};

static enum mr_pass pass_of(const struct mr_kind *kind, mr_field field,
			    const struct mr_fields *fields)
{
	if (field == MR_F_TIME || mr_fields_asked(fields, field))
		return MR_PASS_FIRST;
	for (size_t i = 0; i < sizeof together / sizeof together[0]; i++)
		if (together[i].field == field && mr_fields_asked(fields, together[i].with))
			return MR_PASS_FIRST;
	return finishes(kind, field) ? finish_pass(kind, fields) : MR_PASS_LATER;
}

/* A row whose native name the dictionary lacks (it was full) finds nothing and is left out. */
static void compile(struct mr_normaliser *normaliser, enum mr_record_kind kind,
		    const struct mr_fields *fields)
{
	const struct mr_kind *of = mr_kind_of(kind);
	for (enum mr_pass pass = 0; pass < MR_PASS_COUNT; pass++) {
		struct part *part = &normaliser->parts[pass][kind];
		part->rows = mr_calloc(of->row_count, sizeof *part->rows);
		part->all = mr_calloc(of->row_count, sizeof *part->all);
		part->finishes = of->finish != NULL && finish_pass(of, fields) == pass;
		for (size_t i = 0; i < NATIVES; i++)
			if (natives[i].field != MR_F_TIME &&
			    pass_of(of, natives[i].field, fields) == pass)
				part->natives[i] =
				    mr_fields_find(fields, mr_slice(natives[i].native));
	}
	for (size_t i = 0; i < of->row_count; i++) {
		mr_field from = mr_fields_find(fields, mr_slice(of->rows[i].from));
		if (from != 0 && from < MR_F_NORMALISED_END)
			from = mr_names_native(fields, from);
		struct part *part = &normaliser->parts[pass_of(of, of->rows[i].to, fields)][kind];
		if (from == 0)
			continue;
		part->all[part->row_count] = (uint16_t)part->row_count;
		part->rows[part->row_count++] =
		    (struct compiled){of->rows[i].to, from, of->rows[i].how};
	}
}

struct mr_normaliser *mr_normaliser_new(const struct mr_fields *fields)
{
	struct mr_normaliser *normaliser = mr_calloc(1, sizeof *normaliser);
	for (size_t i = 0; i < MR_MARK_COUNT; i++)
		normaliser->marks[i] = mr_fields_find(fields, mr_slice(mark_names[i]));
	for (enum mr_record_kind kind = 0; kind < MR_KIND_COUNT; kind++)
		compile(normaliser, kind, fields);
	return normaliser;
}

void mr_normaliser_free(struct mr_normaliser *normaliser)
{
	if (normaliser == NULL)
		return;
	for (size_t i = 0; i < MR_KIND_COUNT; i++) {
		for (enum mr_pass pass = 0; pass < MR_PASS_COUNT; pass++) {
			free(normaliser->parts[pass][i].rows);
			free(normaliser->parts[pass][i].all);
		}
	}
	free(normaliser);
}

const mr_field *mr_normaliser_marks(const struct mr_normaliser *normaliser)
{
	return normaliser->marks;
}

/* ---- one value ---- */

static void put_text(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	mr_event_add_text(view->events, view->event, to, text);
}

static void put_if(bool fits, const struct mr_view *view, mr_field to, struct mr_slice text)
{
	if (fits)
		put_text(view, to, text);
}

static bool is_word(struct mr_slice text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(words[i]) == text.len && mr_fold_eq(text, mr_slice(words[i])))
			return true;
	return false;
}

static void put_status(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	static const char *const good[] = {"success", "succeeded", "true", "partiallysucceeded",
					   "ok",      "completed"};
	static const char *const bad[] = {"failed", "failure", "false", "fail", "error", "timeout"};
	if (is_word(text, good, sizeof good / sizeof good[0]))
		put_text(view, to, MR_SLICE("Success"));
	else if (is_word(text, bad, sizeof bad / sizeof bad[0]))
		put_text(view, to, MR_SLICE("Failure"));
}

static void put_error(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	int64_t code;
	if (mr_parse_int64(text, &code))
		put_text(view, to, code == 0 ? MR_SLICE("Success") : MR_SLICE("Failure"));
	else
		put_status(view, to, text);
}

static void put_http(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	int64_t code;
	if (mr_parse_int64(text, &code) && code >= 100 && code < 600)
		put_text(view, to, code < 400 ? MR_SLICE("Success") : MR_SLICE("Failure"));
	else
		put_status(view, to, text);
}

static void put_user_type(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	/* Office 365 Management Activity API schema, "Enum: User Type". */
	static const char *const names[] = {"User",
					    "User",
					    "Admin",
					    "Admin",
					    "System",
					    "Application",
					    "ServicePrincipal",
					    "CustomPolicy",
					    "SystemPolicy"};
	int64_t number;
	if (!mr_parse_int64(text, &number))
		put_text(view, to, text);
	else if (number >= 0 && number < (int64_t)(sizeof names / sizeof names[0]))
		put_text(view, to, mr_slice(names[number]));
}

static void put_user_key(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	static const char *const nobody[] = {"not available", "not-found", "unknown"};
	static const struct mr_slice suffix = {"@live.com", 9};
	const char *bar = text.len > 0 ? memrchr(text.at, '|', text.len) : NULL;
	if (bar != NULL && text.len > 4 && text.at[1] == ':' && text.at[0] == 'i')
		text = (struct mr_slice){bar + 1, (size_t)(text.at + text.len - bar) - 1};
	if (bar != NULL && text.len > suffix.len &&
	    memcmp(text.at + text.len - suffix.len, suffix.at, suffix.len) == 0)
		text.len -= suffix.len;
	if (text.len > 0 && !is_word(text, nobody, sizeof nobody / sizeof nobody[0]))
		put_text(view, to, text);
}

/* What stands in paths, display names and addresses in brackets. */
static bool is_no_persons(unsigned char c)
{
	return c == '/' || c == ' ' || c == '<' || c == '\\';
}

static bool some_no_persons(const char *at)
{
	mr_block bytes = mr_block_at(at);
	return mr_block_any((bytes == '/') | (bytes == ' ') | (bytes == '<') | (bytes == '\\'));
}

/* The last sixteen are looked at over again, rather than a few one by one. */
static bool has_no_persons(struct mr_slice text)
{
	size_t at = 0;
	for (; text.len - at >= MR_BLOCK; at += MR_BLOCK)
		if (some_no_persons(text.at + at))
			return true;
	if (text.len >= MR_BLOCK)
		return some_no_persons(text.at + text.len - MR_BLOCK);
	for (; at < text.len; at++)
		if (is_no_persons((unsigned char)text.at[at]))
			return true;
	return false;
}

static bool looks_like_person(struct mr_slice text)
{
	const char *at = memchr(text.at, '@', text.len);
	size_t before = at == NULL ? 0 : (size_t)(at - text.at);
	if (before == 0 || before + 1 == text.len ||
	    memchr(at + 1, '@', text.len - before - 1) != NULL)
		return false;
	return !has_no_persons(text);
}

static void put_domain(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	if (!looks_like_person(text))
		return;
	const char *at = memchr(text.at, '@', text.len);
	put_text(view, to, (struct mr_slice){at + 1, text.len - (size_t)(at + 1 - text.at)});
}

static void put_id_of(const struct mr_view *view, const struct compiled *row, struct mr_slice text)
{
	struct mr_slice prefix =
	    row->how == MR_HOW_USER ? MR_SLICE("user_") : MR_SLICE("serviceprincipal_");
	if (text.len <= prefix.len || !mr_fold_eq((struct mr_slice){text.at, prefix.len}, prefix))
		return;
	struct mr_slice id = {text.at + prefix.len, text.len - prefix.len};
	if (mr_text_is_guid(id))
		put_text(view, row->to, id);
}

static void put_mfa(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	if (mr_fold_eq(text, MR_SLICE("multifactorauthentication")))
		mr_event_add_bool(view->events, view->event, to, true);
	else if (mr_fold_eq(text, MR_SLICE("singlefactorauthentication")))
		mr_event_add_bool(view->events, view->event, to, false);
}

static void put_time(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	int64_t time_us;
	if (!mr_time_parse(text, &time_us))
		return;
	view->event->time_us = time_us;
	view->event->has_time = true;
	mr_event_add_int(view->events, view->event, to, time_us);
}

static void put_address(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	struct mr_address address;
	if (!mr_address_parse(text, &address))
		return;
	if (address.text.at == address.room)
		address.text.at =
		    mr_arena_copy(&view->events->arena, address.text.at, address.text.len);
	put_text(view, to, address.text);
	if (address.has_port)
		mr_event_add_int(view->events, view->event, MR_F_SRC_PORT, address.port);
}

/* What one event's recipients become. */
struct recipients {
	const struct mr_view *view;
	struct mr_slice inside; /* the actor's domain */
	uint32_t count, external_count;
};

/* The two are bounded apart: no number of inside addresses keeps an outside one from being seen. */
static void put_recipient(void *context, struct mr_slice address)
{
	struct recipients *recipients = context;
	if (recipients->count < RECIPIENTS_MAX) {
		put_text(recipients->view, MR_F_EMAIL_TO, address);
		recipients->count++;
	}
	if (recipients->external_count < RECIPIENTS_MAX &&
	    !mr_fold_eq(mr_recipient_domain(address), recipients->inside)) {
		put_text(recipients->view, MR_F_EMAIL_TO_EXTERNAL, address);
		recipients->external_count++;
	}
}

static uint32_t count_values(const struct mr_view *view, mr_field field)
{
	uint32_t count = 0;
	for (const struct mr_value *value = mr_event_get(view->events, view->event, field);
	     value != NULL; value = mr_value_next(view->events, value))
		count++;
	return count;
}

static void put_recipients(const struct mr_view *view, struct mr_slice text)
{
	struct recipients recipients = {
	    .view = view,
	    .inside = mr_event_text(view->events, view->event, MR_F_ACTOR_DOMAIN),
	    .count = count_values(view, MR_F_EMAIL_TO),
	    .external_count = count_values(view, MR_F_EMAIL_TO_EXTERNAL),
	};
	mr_recipients_each(text, put_recipient, &recipients);
}

/* Records give a changed value as the text of its JSON. */
static void put_changed(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	uint32_t count = 0;
	text = mr_json_unquoted(text);
	if (mr_text_is_missing(text))
		return;
	for (const struct mr_value *value = mr_event_get(view->events, view->event, to);
	     value != NULL; value = mr_value_next(view->events, value))
		if (++count == CHANGED_MAX ||
		    mr_fold_eq((struct mr_slice){value->text, value->len}, text))
			return;
	put_text(view, to, text);
}

static bool has_one_at_most(const struct mr_view *view, mr_field field)
{
	uint32_t first = view->event->first[field];
	return first == 0 || first == view->event->last[field];
}

/* ---- rows ---- */

static void put_added(const struct mr_view *view, const struct compiled *row, struct mr_slice text)
{
	if (row->how == MR_HOW_RECIPIENT)
		put_recipients(view, text);
	else if (row->how == MR_HOW_CHANGED || has_one_at_most(view, row->to))
		put_changed(view, row->to, text);
}

static bool fits(enum mr_how how, struct mr_slice text)
{
	if (how == MR_HOW_NAMED)
		return !mr_slice_eq(text, MR_SLICE("-"));
	return how == MR_HOW_PERSON ? looks_like_person(text) : mr_text_is_guid(text);
}

static void put_one(const struct mr_view *view, const struct compiled *row, struct mr_slice text)
{
	switch (row->how) {
	case MR_HOW_TIME:
		put_time(view, row->to, text);
		break;
	case MR_HOW_ADDRESS:
		put_address(view, row->to, text);
		break;
	case MR_HOW_STATUS:
		put_status(view, row->to, text);
		break;
	case MR_HOW_FAILED:
		put_text(view, row->to, MR_SLICE("Failure"));
		break;
	case MR_HOW_ERROR:
		put_error(view, row->to, text);
		break;
	case MR_HOW_HTTP:
		put_http(view, row->to, text);
		break;
	case MR_HOW_USER_TYPE:
		put_user_type(view, row->to, text);
		break;
	case MR_HOW_USER_KEY:
		put_user_key(view, row->to, text);
		break;
	case MR_HOW_DOMAIN:
		put_domain(view, row->to, text);
		break;
	case MR_HOW_RECIPIENT:
	case MR_HOW_CHANGED:
	case MR_HOW_CHANGED_ID:
		put_added(view, row, text);
		break;
	case MR_HOW_PERSON:
	case MR_HOW_GUID:
	case MR_HOW_NAMED:
		put_if(fits(row->how, text), view, row->to, text);
		break;
	case MR_HOW_PRINCIPAL:
	case MR_HOW_USER:
		put_id_of(view, row, text);
		break;
	case MR_HOW_MFA:
		put_mfa(view, row->to, text);
		break;
	case MR_HOW_TEXT:
	case MR_HOW_EACH:
	case MR_HOW_TITLE: /* these two are follow_typed's */
	case MR_HOW_USERS:
		put_text(view, row->to, text);
		break;
	}
}

/* What a value's type, beside it in the same array, has to be for the row. */
static bool has_type(const struct compiled *row, const struct mr_value *type)
{
	/* Management Activity API schema, "IdentityTypeValuePair": 1 is a display name. */
	if (row->how == MR_HOW_TITLE)
		return type->type == MR_INT && type->num.i == 1;
	return mr_fold_eq((struct mr_slice){type->text, type->len}, MR_SLICE("user"));
}

/* Targets, or the identities of one, are an array of objects: their members stand side by side in
 * two fields. */
static void follow_typed(const struct mr_view *view, const struct compiled *row)
{
	bool title = row->how == MR_HOW_TITLE;
	enum mr_mark types = title ? MR_MARK_TARGET_TYPE : MR_MARK_RESOURCE_TYPE;
	uint32_t index = view->event->first[row->from];
	uint32_t type = view->event->first[view->marks[types]];
	while (index != 0 && type != 0) {
		const struct mr_value value = view->events->values[index - 1];
		const struct mr_value *of = &view->events->values[type - 1];
		index = value.next;
		type = of->next;
		if (of->type == MR_NULL || mr_value_is_missing(&value) || !has_type(row, of))
			continue;
		put_text(view, row->to, (struct mr_slice){value.text, value.len});
		if (title)
			return;
	}
}

static bool adds(enum mr_how how)
{
	return how >= MR_HOW_RECIPIENT;
}

/* The first value that the row takes, or each. Values may move when one is added, so they are
 * followed by number. */
static void follow(const struct mr_view *view, const struct compiled *row)
{
	uint32_t index = view->event->first[row->from];
	if (row->how == MR_HOW_TITLE || row->how == MR_HOW_USERS) {
		follow_typed(view, row);
		return;
	}
	while (index != 0) {
		const struct mr_value *value = &view->events->values[index - 1];
		index = value->next;
		if (mr_value_is_missing(value))
			continue;
		put_one(view, row, (struct mr_slice){value->text, value->len});
		if (row->how != MR_HOW_EACH && !adds(row->how) && view->event->first[row->to] != 0)
			return;
	}
}

/* Where the rows left such a name empty, the record's own values stand there; a time that is none
 * does not. */
static void keep_native(const struct part *part, const struct mr_view *view)
{
	for (size_t i = 0; i < NATIVES; i++) {
		uint32_t index = view->event->first[part->natives[i]];
		if (view->event->first[natives[i].field] != 0)
			continue;
		while (index != 0) {
			struct mr_value value = view->events->values[index - 1];
			index = value.next;
			mr_event_add(view->events, view->event, natives[i].field, &value);
		}
	}
}

static void choose(const struct part *part, struct mr_known *known)
{
	known->part = part;
	known->rows = mr_realloc(known->rows, (part->row_count + 1) * sizeof *known->rows);
	known->row_count = 0;
	for (size_t i = 0; i < part->row_count; i++)
		if ((known->may[part->rows[i].from / 64] >> part->rows[i].from % 64 & 1) != 0)
			known->rows[known->row_count++] = (uint16_t)i;
}

void mr_normalise(const struct mr_normaliser *normaliser, enum mr_pass pass,
		  const struct mr_view *view, struct mr_known *known)
{
	const struct part *part = &normaliser->parts[pass][view->event->kind];
	if (known != NULL && known->part != part)
		choose(part, known);
	const uint16_t *numbers = known != NULL ? known->rows : part->all;
	size_t count = known != NULL ? known->row_count : part->row_count;
	for (size_t i = 0; i < count; i++) {
		const struct compiled *row = &part->rows[numbers[i]];
		if (view->event->first[row->from] != 0 &&
		    (view->event->first[row->to] == 0 || adds(row->how)))
			follow(view, row);
	}
	if (part->finishes)
		mr_kind_of(view->event->kind)->finish(view);
	keep_native(part, view);
}
