/* kind.c - which kind of record an event is, and where each kind's rows are. Called by parse.c and
 * normalise.c. A new kind is a file beside this one, a row in record_kind.def, its declaration
 * in kind.h and a line in the two tables here. Never fails: what is of no known kind is unknown. */
#include "kind.h"

#include <assert.h>

static const struct mr_kind *const kinds[MR_KIND_COUNT] = {
    [MR_KIND_UNKNOWN] = &mr_kind_unknown,
    [MR_KIND_UAL] = &mr_kind_ual,
    [MR_KIND_SIGNIN] = &mr_kind_signin,
    [MR_KIND_SIGNIN_NONINTERACTIVE] = &mr_kind_signin,
    [MR_KIND_SIGNIN_SERVICE] = &mr_kind_signin,
    [MR_KIND_SIGNIN_MANAGED] = &mr_kind_signin,
    [MR_KIND_AUDIT] = &mr_kind_audit,
    [MR_KIND_RISK] = &mr_kind_risk,
    [MR_KIND_RISKY_USER] = &mr_kind_risky_user,
    [MR_KIND_GRAPH_ACTIVITY] = &mr_kind_graph_activity,
    [MR_KIND_AZURE_ACTIVITY] = &mr_kind_azure_activity,
    [MR_KIND_DECLARED] = &mr_kind_declared,
    [MR_KIND_AZURE_RESOURCE] = &mr_kind_azure_resource,
};

/* By shape, in this order: a directory audit has a category of its own, which may be one of
 * Azure's. */
static const enum mr_record_kind shapes[] = {
    MR_KIND_RISK,   MR_KIND_RISKY_USER,     MR_KIND_AUDIT,
    MR_KIND_SIGNIN, MR_KIND_GRAPH_ACTIVITY, MR_KIND_AZURE_ACTIVITY,
};

static const struct {
	struct mr_slice category;
	enum mr_record_kind kind;
} categories[] = {
#define X(category, kind) {{category, sizeof category - 1}, MR_KIND_##kind},
#include "category.def"
#undef X
};

const struct mr_kind *mr_kind_of(enum mr_record_kind kind)
{
	assert(kind < MR_KIND_COUNT);
	return kinds[kind];
}

static enum mr_record_kind by_category(struct mr_slice category)
{
	for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++)
		if (categories[i].category.len == category.len &&
		    mr_fold_eq(categories[i].category, category))
			return categories[i].kind;
	return MR_KIND_UNKNOWN;
}

enum mr_record_kind mr_kind_tell(const struct mr_view *view)
{
	if (mr_kind_ual.is(view))
		return MR_KIND_UAL;
	enum mr_record_kind kind = by_category(mr_view_text(view, MR_MARK_CATEGORY));
	for (size_t i = 0; kind == MR_KIND_UNKNOWN && i < sizeof shapes / sizeof shapes[0]; i++)
		if (kinds[shapes[i]]->is(view))
			kind = shapes[i] == MR_KIND_SIGNIN ? mr_signin_kind(view) : shapes[i];
	return kind;
}
