/* kind.h - the kinds of record: how each is told, and where it holds what the normalised fields
 * name.
 *
 * A kind is a file of its own with a table of rows (native field, normalised field, how) in a .def,
 * its declaration here and a line in kind.c's two tables. parse.c flattens a record, asks kind.c
 * which kind it is, and has normalise.c follow the kind's rows. */
#ifndef MILLRACE_PARSE_KIND_H
#define MILLRACE_PARSE_KIND_H

#include "millrace/event.h"

/* The native fields by which kinds are told and records named. */
enum mr_mark {
#define X(symbol, name) MR_MARK_##symbol,
#include "mark.def"
#undef X
	MR_MARK_COUNT
};

/* An event whose native fields are in place. */
struct mr_view {
	struct mr_events *events;
	struct mr_event *event;
	const mr_field *marks; /* MR_MARK_COUNT ids, 0 where the dictionary lacks one */
};

static inline const struct mr_value *mr_view_get(const struct mr_view *view, enum mr_mark mark)
{
	return mr_event_get(view->events, view->event, view->marks[mark]);
}
static inline bool mr_view_has(const struct mr_view *view, enum mr_mark mark)
{
	return view->event->first[view->marks[mark]] != 0;
}
static inline struct mr_slice mr_view_text(const struct mr_view *view, enum mr_mark mark)
{
	return mr_event_text(view->events, view->event, view->marks[mark]);
}

/* How a native value becomes a normalised one. Null, empty and "<null>" are never taken. A row
 * whose normalised field is there already does nothing: the first row that gives a value wins,
 * where `how` does not say otherwise. */
enum mr_how {
	MR_HOW_TEXT,      /* as it is */
	MR_HOW_NAMED,     /* as it is, but for `-`, which logs write where nothing is */
	MR_HOW_EACH,      /* all its values */
	MR_HOW_TIME,      /* any form of forms.h; for MR_F_TIME: it sets the event's time, and that
			     is the field's value in the pass that it belongs to */
	MR_HOW_ADDRESS,   /* any form of forms.h; for MR_F_SRC_IP, MR_F_SRC_PORT comes with it */
	MR_HOW_STATUS,    /* Success or Failure from the words that services use for them */
	MR_HOW_FAILED,    /* Failure, whatever it says but None: a sign-in's ResultStatus is only
			     that of the request */
	MR_HOW_LOGIN,     /* Failure where the operation is UserLoginFailed, likewise */
	MR_HOW_ERROR,     /* 0 and 50140 (normalise.c) are Success, other numbers Failure */
	MR_HOW_HTTP,      /* 1xx to 3xx is Success, 4xx and 5xx Failure */
	MR_HOW_USER_TYPE, /* the Management Activity API's UserType */
	MR_HOW_USER_KEY,  /* an object id or PUID, without what is wrapped around it */
	MR_HOW_TITLE,     /* of a target's identities the one whose type says display name */
	MR_HOW_USERS,     /* of several targets those whose type says user */
	MR_HOW_DOMAIN,    /* what stands behind the @ of what looks like a user principal name */
	MR_HOW_PERSON,    /* the first value that looks like a user principal name */
	MR_HOW_GUID,      /* the first value that is a GUID */
	MR_HOW_PRINCIPAL, /* the GUID of "ServicePrincipal_GUID", as directory records name an app
			   */
	MR_HOW_USER,      /* the GUID of "User_GUID", likewise */
	MR_HOW_MFA,       /* multiFactorAuthentication is true where the sign-in succeeded,
			     singleFactorAuthentication false */
	/* These add to what earlier rows gave. */
	MR_HOW_RECIPIENT, /* each address of forms.h's lists, for MR_F_EMAIL_TO;
			     MR_F_EMAIL_TO_EXTERNAL comes with it */
	MR_HOW_CHANGED,   /* all its values, each once in any case, without the quotes of JSON */
	MR_HOW_CHANGED_ID /* likewise, where there is one name at most: that of another thing */
};

struct mr_row {
	mr_field to;
	enum mr_how how;
	const char *from; /* native name */
};

#define MR_FINISHED_MAX 3

struct mr_kind {
	const struct mr_row *rows;
	size_t row_count;
	/* Whether a record is of the kind. NULL: only kind.c's table of categories tells. */
	bool (*is)(const struct mr_view *view);
	/* The member `id` is that of what was done something to, not the record's own. */
	bool id_names_a_thing;
	/* What rows cannot say, behind them; may be NULL. */
	void (*finish)(const struct mr_view *view);
	mr_field finished[MR_FINISHED_MAX]; /* the fields that it adds or looks at, 0 behind them */
};

extern const struct mr_kind mr_kind_unknown, mr_kind_ual, mr_kind_signin, mr_kind_audit,
    mr_kind_risk, mr_kind_risky_user, mr_kind_graph_activity, mr_kind_azure_activity,
    mr_kind_declared, mr_kind_azure_resource;

enum mr_record_kind mr_kind_tell(const struct mr_view *view);
const struct mr_kind *mr_kind_of(enum mr_record_kind kind);

/* Whose sign-in a Graph resource `signIn` tells of, by its signInEventTypes. */
enum mr_record_kind mr_signin_kind(const struct mr_view *view);
/* The name of a Management Activity API record type, empty where it is unknown. record_type.def. */
struct mr_slice mr_record_type_name(int64_t record_type);

/* ---- normalise.c ---- */

struct mr_normaliser;
struct mr_normaliser *mr_normaliser_new(const struct mr_fields *fields);
void mr_normaliser_free(struct mr_normaliser *normaliser);
/* Every native name that a kind's rows or marks use. */
void mr_normalise_prepare(struct mr_fields *fields);
const mr_field *mr_normaliser_marks(const struct mr_normaliser *normaliser);

/* What is known of all records of one shape (flatten.h). Zeroed, nothing is. */
struct mr_known {
	uint64_t *may;    /* a bit for each field: such a record can have it, before normalise.c */
	const void *part; /* normalise.c's own, to the end: what `rows` are chosen from */
	struct mr_compiled *rows;
	size_t row_count;
	uint8_t natives; /* a bit for each that normalise.c may keep as it is */
};

/* Follow the rows of the event's kind: first those whose fields are asked for, and its time; later
 * the others. `known`, of the event's shape, saves looking at rows whose native fields it never
 * has; NULL where there is none. */
enum mr_pass { MR_PASS_FIRST, MR_PASS_LATER, MR_PASS_COUNT };
void mr_normalise(const struct mr_normaliser *normaliser, enum mr_pass pass,
		  const struct mr_view *view, struct mr_known *known);

#endif
