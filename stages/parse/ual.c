/* ual.c - Unified Audit Log records (Office 365 Management Activity API).
 * Reached through kind.c's table only. */
#include "kind.h"

static const struct mr_row rows[] = {
#define X(normalised, native, how) {MR_F_##normalised, MR_HOW_##how, native},
#include "ual.def"
#define CHANGES "ModifiedProperties."
#include "changed.def"
#undef CHANGES
#undef X
};

static bool is_ual(const struct mr_view *view)
{
	return mr_view_has(view, MR_MARK_OPERATION) &&
	       (mr_view_has(view, MR_MARK_WORKLOAD) || mr_view_has(view, MR_MARK_RECORD_TYPE) ||
		mr_view_has(view, MR_MARK_CREATION_TIME));
}

struct mr_slice mr_record_type_name(int64_t record_type)
{
	switch (record_type) {
#define X(number, name)                                                                            \
	case number:                                                                               \
		return MR_SLICE(name);
#include "record_type.def"
#undef X
	default:
		return MR_SLICE("");
	}
}

/* A record without a workload still says by its type which service wrote it. */
static void finish(const struct mr_view *view)
{
	const struct mr_value *type = mr_view_get(view, MR_MARK_RECORD_TYPE);
	if (view->event->first[MR_F_PRODUCT] != 0 || type == NULL || type->type != MR_INT)
		return;
	struct mr_slice name = mr_record_type_name(type->num.i);
	if (name.len > 0)
		mr_event_add_text(view->events, view->event, MR_F_PRODUCT, name);
}

const struct mr_kind mr_kind_ual = {
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .is = is_ual,
    .finish = finish,
    .finished = {MR_F_PRODUCT},
};
