/* entra_signin.c - Entra ID sign-ins, of users, service principals and managed identities.
 * Reached through kind.c's table only. */
#include "kind.h"

static const struct mr_row rows[] = {
#define X(normalised, native, how) {MR_F_##normalised, MR_HOW_##how, native},
#include "signin.def"
#undef X
};

/* Graph's resource, whichever envelope it came in. */
static bool is_signin(const struct mr_view *view)
{
	return mr_view_has(view, MR_MARK_CREATED_DATE_TIME) &&
	       (mr_view_has(view, MR_MARK_SIGNIN_EVENT_TYPES) ||
		(mr_view_has(view, MR_MARK_APP_DISPLAY_NAME) &&
		 (mr_view_has(view, MR_MARK_CLIENT_APP_USED) ||
		  mr_view_has(view, MR_MARK_STATUS_ERROR_CODE))));
}

enum mr_record_kind mr_signin_kind(const struct mr_view *view)
{
	static const struct {
		const char *word;
		enum mr_record_kind kind;
	} kinds[] = {
	    {"noninteractiveuser", MR_KIND_SIGNIN_NONINTERACTIVE},
	    {"serviceprincipal", MR_KIND_SIGNIN_SERVICE},
	    {"managedidentity", MR_KIND_SIGNIN_MANAGED},
	};
	struct mr_slice type = mr_view_text(view, MR_MARK_SIGNIN_EVENT_TYPES);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (mr_fold_eq(type, mr_slice(kinds[i].word)))
			return kinds[i].kind;
	return MR_KIND_SIGNIN;
}

static void finish(const struct mr_view *view)
{
	enum mr_record_kind kind = view->event->kind;
	bool service = kind == MR_KIND_SIGNIN_SERVICE || kind == MR_KIND_SIGNIN_MANAGED;
	mr_event_add_text(view->events, view->event, MR_F_ACTOR_TYPE,
			  service ? MR_SLICE("ServicePrincipal") : MR_SLICE("User"));
	if (view->event->first[MR_F_OPERATION] == 0)
		mr_event_add_text(view->events, view->event, MR_F_OPERATION,
				  MR_SLICE("Sign-in activity"));
}

const struct mr_kind mr_kind_signin = {
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .is = is_signin,
    .finish = finish,
    .finished = {MR_F_ACTOR_TYPE, MR_F_OPERATION},
};
