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

struct mr_compiled {
	mr_field to;
	mr_field from;
	uint8_t how; /* enum mr_how */
	bool all;    /* goes on behind the first value that it takes */
	bool shares; /* nothing adds to what it gives: see put_same */
	bool helps;  /* nobody asks for the field: it is for another's sake that it is made early */
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
	struct mr_known all;       /* every row and name: for a record of no known shape */
	mr_field natives[NATIVES]; /* those of `natives` that are kept, 0 for the others */
	bool finishes;
	bool adds_time; /* the event's time becomes a field's value */
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

/* Fields that come with `field`. */
static const struct {
	mr_field field, with;
} together[] = {
    {MR_F_SRC_IP, MR_F_SRC_PORT},
    {MR_F_EMAIL_TO, MR_F_EMAIL_TO_EXTERNAL},
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

/* The actor's domain tells which recipients are external: where a record's shape has any, it is
 * made in the first pass, though nobody asks for it. */
static bool helps(mr_field field, const struct mr_fields *fields)
{
	return field == MR_F_ACTOR_DOMAIN && !mr_fields_asked(fields, field) &&
	       (mr_fields_asked(fields, MR_F_EMAIL_TO) ||
		mr_fields_asked(fields, MR_F_EMAIL_TO_EXTERNAL));
}

static bool adds(enum mr_how how)
{
	return how >= MR_HOW_RECIPIENT;
}

/* Whether a kind may add to what a row gave a field. */
static bool is_added_to(const struct mr_kind *kind, mr_field field)
{
	for (size_t i = 0; i < kind->row_count; i++)
		if (kind->rows[i].to == field && adds(kind->rows[i].how))
			return true;
	return field == MR_F_SRC_PORT || field == MR_F_EMAIL_TO_EXTERNAL || finishes(kind, field);
}

static void add_row(struct part *part, const struct mr_compiled *row)
{
	part->all.rows[part->all.row_count++] = *row;
}

static void compile_part(struct part *part, enum mr_pass pass, const struct mr_kind *of,
			 const struct mr_fields *fields)
{
	part->all.rows = mr_calloc(of->row_count, sizeof *part->all.rows);
	part->finishes = of->finish != NULL && finish_pass(of, fields) == pass;
	part->adds_time = mr_fields_asked(fields, MR_F_TIME) == (pass == MR_PASS_FIRST);
	for (size_t i = 0; i < NATIVES; i++) {
		if (natives[i].field == MR_F_TIME || pass_of(of, natives[i].field, fields) != pass)
			continue;
		part->natives[i] = mr_fields_find(fields, mr_slice(natives[i].native));
		part->all.natives |= (uint8_t)((part->natives[i] != 0) << i);
	}
}

/* A row whose native name the dictionary lacks (it was full) finds nothing and is left out. */
static void compile(struct mr_normaliser *normaliser, enum mr_record_kind kind,
		    const struct mr_fields *fields)
{
	const struct mr_kind *of = mr_kind_of(kind);
	for (enum mr_pass pass = 0; pass < MR_PASS_COUNT; pass++)
		compile_part(&normaliser->parts[pass][kind], pass, of, fields);
	for (size_t i = 0; i < of->row_count; i++) {
		const struct mr_row *row = &of->rows[i];
		mr_field from = mr_fields_find(fields, mr_slice(row->from));
		if (from != 0 && from < MR_F_NORMALISED_END)
			from = mr_names_native(fields, from);
		struct mr_compiled compiled = {.to = row->to,
					       .from = from,
					       .how = (uint8_t)row->how,
					       .all = adds(row->how) || row->how == MR_HOW_EACH,
					       .shares = !is_added_to(of, row->to),
					       .helps = helps(row->to, fields)};
		if (from == 0)
			continue;
		if (compiled.helps)
			add_row(&normaliser->parts[MR_PASS_FIRST][kind], &compiled);
		add_row(&normaliser->parts[pass_of(of, row->to, fields)][kind], &compiled);
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
	for (size_t i = 0; i < MR_KIND_COUNT; i++)
		for (enum mr_pass pass = 0; pass < MR_PASS_COUNT; pass++)
			free(normaliser->parts[pass][i].all.rows);
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

/* Whether a value that is put as it is is all that both fields have: then they share it, as three
 * in an event of the benchmark do. */
static bool may_share(const struct mr_compiled *row, const struct mr_value *value)
{
	return row->shares && value->type == MR_STRING && value->next == 0;
}

/* A value as it is. */
static void put_same(const struct mr_view *view, const struct mr_compiled *row, uint32_t index)
{
	const struct mr_value *value = &view->events->values[index - 1];
	if (may_share(row, value))
		mr_event_share(view->event, row->to, index);
	else
		put_text(view, row->to, (struct mr_slice){value->text, value->len});
}

static bool number_of(const struct mr_value *value, int64_t *out)
{
	if (value->type == MR_INT) {
		*out = value->num.i;
		return true;
	}
	return mr_parse_int64((struct mr_slice){value->text, value->len}, out);
}

static bool is_word(struct mr_slice text, const struct mr_slice *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (words[i].len == text.len && mr_fold_eq(text, words[i]))
			return true;
	return false;
}
#define WORD(literal)                                                                              \
	{                                                                                          \
		literal, sizeof literal - 1                                                        \
	}

static void put_status(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	static const struct mr_slice good[] = {WORD("success"), WORD("succeeded"),
					       WORD("true"),    WORD("partiallysucceeded"),
					       WORD("ok"),      WORD("completed")};
	static const struct mr_slice bad[] = {WORD("failed"), WORD("failure"), WORD("false"),
					      WORD("fail"),   WORD("error"),   WORD("timeout")};
	if (is_word(text, good, sizeof good / sizeof good[0]))
		put_text(view, to, MR_SLICE("Success"));
	else if (is_word(text, bad, sizeof bad / sizeof bad[0]))
		put_text(view, to, MR_SLICE("Failure"));
}

/* Entra ID's code for the question whether to stay signed in, which comes once all else was right
 * ("Microsoft Entra authentication and authorization error codes"): audit logs call it Success. */
#define STAY_SIGNED_IN 50140

static void put_error(const struct mr_view *view, mr_field to, const struct mr_value *value)
{
	int64_t code;
	if (number_of(value, &code))
		put_text(view, to,
			 code == 0 || code == STAY_SIGNED_IN ? MR_SLICE("Success")
							     : MR_SLICE("Failure"));
	else
		put_status(view, to, (struct mr_slice){value->text, value->len});
}

static void put_http(const struct mr_view *view, mr_field to, const struct mr_value *value)
{
	int64_t code;
	if (number_of(value, &code) && code >= 100 && code < 600)
		put_text(view, to, code < 400 ? MR_SLICE("Success") : MR_SLICE("Failure"));
	else
		put_status(view, to, (struct mr_slice){value->text, value->len});
}

/* An operation that says how it ended; ResultStatus then says that it was recorded. */
static void put_login(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	if (mr_fold_eq(text, MR_SLICE("userloginfailed")))
		put_text(view, to, MR_SLICE("Failure"));
}

static void put_outcome(const struct mr_view *view, const struct mr_compiled *row,
			const struct mr_value *value)
{
	if (row->how == MR_HOW_ERROR)
		put_error(view, row->to, value);
	else if (row->how == MR_HOW_HTTP)
		put_http(view, row->to, value);
	else if (row->how == MR_HOW_STATUS)
		put_status(view, row->to, (struct mr_slice){value->text, value->len});
	else if (row->how == MR_HOW_LOGIN)
		put_login(view, row->to, (struct mr_slice){value->text, value->len});
	else if (!mr_fold_eq((struct mr_slice){value->text, value->len}, MR_SLICE("none")))
		put_text(view, row->to, MR_SLICE("Failure"));
}

static void put_user_type(const struct mr_view *view, mr_field to, const struct mr_value *value)
{
	/* Office 365 Management Activity API schema, "Enum: User Type". */
	static const struct mr_slice names[] = {WORD("User"),
						WORD("User"),
						WORD("Admin"),
						WORD("Admin"),
						WORD("System"),
						WORD("Application"),
						WORD("ServicePrincipal"),
						WORD("CustomPolicy"),
						WORD("SystemPolicy")};
	/* As Log Analytics writes them, where it differs. */
	static const struct mr_slice users[] = {WORD("regular"), WORD("reserved")};
	static const struct mr_slice admins[] = {WORD("dcadmin")};
	struct mr_slice text = {value->text, value->len};
	int64_t number;
	if (is_word(text, users, sizeof users / sizeof users[0]))
		put_text(view, to, names[0]);
	else if (is_word(text, admins, 1))
		put_text(view, to, names[2]);
	else if (!number_of(value, &number))
		put_text(view, to, text);
	else if (number >= 0 && number < (int64_t)(sizeof names / sizeof names[0]))
		put_text(view, to, names[number]);
}

/* A PUID stands alone, as PUID@domain (in directory records) and as
 * i:0h.f|membership|PUID@live.com: it is one person's all the same. */
static void put_user_key(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	static const struct mr_slice nobody[] = {WORD("not available"), WORD("not-found"),
						 WORD("unknown")};
	static const struct mr_slice suffix = {"@live.com", 9};
	const char *bar = text.len > 0 ? memrchr(text.at, '|', text.len) : NULL;
	if (bar != NULL && text.len > 4 && text.at[1] == ':' && text.at[0] == 'i')
		text = (struct mr_slice){bar + 1, (size_t)(text.at + text.len - bar) - 1};
	if (bar != NULL && text.len > suffix.len &&
	    memcmp(text.at + text.len - suffix.len, suffix.at, suffix.len) == 0)
		text.len -= suffix.len;
	text = mr_bare_puid(text);
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

static void put_id_of(const struct mr_view *view, const struct mr_compiled *row,
		      struct mr_slice text)
{
	struct mr_slice prefix =
	    row->how == MR_HOW_USER ? MR_SLICE("user_") : MR_SLICE("serviceprincipal_");
	if (text.len <= prefix.len || !mr_fold_eq((struct mr_slice){text.at, prefix.len}, prefix))
		return;
	struct mr_slice id = {text.at + prefix.len, text.len - prefix.len};
	if (mr_text_is_guid(id))
		put_text(view, row->to, id);
}

/* Whether a sign-in's code says that it succeeded. */
static bool has_signed_in(const struct mr_view *view)
{
	const struct mr_value *code = mr_view_get(view, MR_MARK_STATUS_ERROR_CODE);
	int64_t number;
	if (mr_value_is_missing(code))
		code = mr_view_get(view, MR_MARK_RESULT_TYPE);
	return !mr_value_is_missing(code) && number_of(code, &number) && number == 0;
}

/* What was asked for; it was given where the sign-in succeeded, and of another nobody knows. */
static void put_mfa(const struct mr_view *view, mr_field to, struct mr_slice text)
{
	if (mr_fold_eq(text, MR_SLICE("multifactorauthentication")) && has_signed_in(view))
		mr_event_add_bool(view->events, view->event, to, true);
	else if (mr_fold_eq(text, MR_SLICE("singlefactorauthentication")))
		mr_event_add_bool(view->events, view->event, to, false);
}

/* The event's; whoever asks for the field gets it once all rows are done. */
static void take_time(struct mr_event *event, struct mr_slice text)
{
	if (!event->has_time)
		event->has_time = mr_time_parse(text, &event->time_us);
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
	if (to == MR_F_SRC_IP && address.is_v4) {
		view->event->src_v4 = address.v4;
		view->event->has_src_v4 = true;
	}
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

static void put_added(const struct mr_view *view, const struct mr_compiled *row,
		      struct mr_slice text)
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

static void put_one(const struct mr_view *view, const struct mr_compiled *row, uint32_t index)
{
	const struct mr_value *value = &view->events->values[index - 1];
	struct mr_slice text = {value->text, value->len};
	switch ((enum mr_how)row->how) {
	case MR_HOW_TEXT:
		put_same(view, row, index);
		break;
	case MR_HOW_TIME:
		take_time(view->event, text);
		break;
	case MR_HOW_ADDRESS:
		put_address(view, row->to, text);
		break;
	case MR_HOW_STATUS:
	case MR_HOW_FAILED:
	case MR_HOW_LOGIN:
	case MR_HOW_ERROR:
	case MR_HOW_HTTP:
		put_outcome(view, row, value);
		break;
	case MR_HOW_USER_TYPE:
		put_user_type(view, row->to, value);
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
		if (fits(row->how, text))
			put_same(view, row, index);
		break;
	case MR_HOW_PRINCIPAL:
	case MR_HOW_USER:
		put_id_of(view, row, text);
		break;
	case MR_HOW_MFA:
		put_mfa(view, row->to, text);
		break;
	case MR_HOW_EACH:
	case MR_HOW_TITLE: /* these two are follow_typed's */
	case MR_HOW_USERS:
		put_text(view, row->to, text);
		break;
	}
}

/* What a value's type, beside it in the same array, has to be for the row. */
static bool has_type(const struct mr_compiled *row, const struct mr_value *type)
{
	/* Management Activity API schema, "IdentityTypeValuePair": 1 is a display name. */
	if (row->how == MR_HOW_TITLE)
		return type->type == MR_INT && type->num.i == 1;
	return mr_fold_eq((struct mr_slice){type->text, type->len}, MR_SLICE("user"));
}

/* Targets, or the identities of one, are an array of objects: their members stand side by side in
 * two fields. */
static void follow_typed(const struct mr_view *view, const struct mr_compiled *row)
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

/* The first value that the row takes, or each. Values may move when one is added, so they are
 * followed by number. Not inlined, so that the way of most values stays in registers: 88
 * instructions an event (./run cost). */
__attribute__((noinline)) static void follow(const struct mr_view *view,
					     const struct mr_compiled *row, uint32_t index)
{
	if (row->how == MR_HOW_TITLE || row->how == MR_HOW_USERS) {
		follow_typed(view, row);
		return;
	}
	while (index != 0) {
		const struct mr_value *value = &view->events->values[index - 1];
		uint32_t next = value->next;
		if (!mr_value_is_missing(value)) {
			put_one(view, row, index);
			if (!row->all && view->event->first[row->to] != 0)
				return;
		}
		index = next;
	}
}

static inline void follow_row(const struct mr_view *view, const struct mr_compiled *row)
{
	struct mr_event *event = view->event;
	uint32_t index = event->first[row->from];
	if (index == 0 || (event->first[row->to] != 0 && !adds((enum mr_how)row->how)))
		return;
	const struct mr_value *value = &view->events->values[index - 1];
	if (row->how != MR_HOW_TEXT || !may_share(row, value))
		follow(view, row, index);
	else if (!mr_value_is_missing(value))
		mr_event_share(event, row->to, index);
}

/* Where the rows left such a name empty, the record's own values stand there; a time that is none
 * does not. */
static void keep_native(const struct part *part, const struct mr_view *view, unsigned which)
{
	for (; which != 0; which &= which - 1) {
		size_t i = (size_t)__builtin_ctz(which);
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

static bool may_have(const struct mr_known *known, mr_field field)
{
	return known->may[field / 64] >> field % 64 & 1;
}

static bool may_have_recipients(const struct part *part, const struct mr_known *known)
{
	for (size_t i = 0; i < part->all.row_count; i++) {
		const struct mr_compiled *row = &part->all.rows[i];
		if (row->how == MR_HOW_RECIPIENT && may_have(known, row->from))
			return true;
	}
	return false;
}

/* What of a part a shape's records can have. */
static void choose(const struct part *part, struct mr_known *known)
{
	bool helped = may_have_recipients(part, known);
	known->part = part;
	known->rows = mr_realloc(known->rows, (part->all.row_count + 1) * sizeof *known->rows);
	known->row_count = 0;
	known->natives = 0;
	for (size_t i = 0; i < part->all.row_count; i++) {
		const struct mr_compiled *row = &part->all.rows[i];
		if (may_have(known, row->from) && (helped || !row->helps))
			known->rows[known->row_count++] = *row;
	}
	for (size_t i = 0; i < NATIVES; i++)
		if (part->natives[i] != 0 && may_have(known, part->natives[i]))
			known->natives |= (uint8_t)(1u << i);
}

void mr_normalise(const struct mr_normaliser *normaliser, enum mr_pass pass,
		  const struct mr_view *view, struct mr_known *known)
{
	struct mr_event *event = view->event;
	const struct part *part = &normaliser->parts[pass][event->kind];
	if (known != NULL && known->part != part)
		choose(part, known);
	const struct mr_known *chosen = known != NULL ? known : &part->all;
	const struct mr_compiled *end = chosen->rows + chosen->row_count;
	for (const struct mr_compiled *row = chosen->rows; row < end; row++)
		follow_row(view, row);
	if (part->adds_time && event->has_time)
		mr_event_add_int(view->events, event, MR_F_TIME, event->time_us);
	if (part->finishes)
		mr_kind_of(event->kind)->finish(view);
	keep_native(part, view, chosen->natives);
}
