/* sigma_name.c - field names that are nearly those of normalised fields.
 *
 * Called by the loader for each name that a rule uses. A record's own names are anybody's, so a
 * slip in a normalised one is no error: the field is merely never there, and a warning is all that
 * tells. Never fails. */
#include "sigma_build.h"

void sigma_name_lint(struct sigma_scope *scope, uint32_t line, uint32_t column,
		     struct mr_slice name)
{
	const struct mr_fields *fields = scope->load->fields;
	if (name.len > MR_NEAR_MAX || memchr(name.at, '.', name.len) == NULL)
		return;
	struct mr_slice folded = mr_fold_arena(scope->arena, name);
	mr_field nearest = 0;
	unsigned slips = MR_SLIPS_MAX + 1;
	for (int id = 1; id < MR_F_NORMALISED_END; id++) {
		mr_field field = (mr_field)id;
		struct mr_slice other = mr_fields_name(fields, field);
		unsigned found = mr_text_distance(folded, other, MR_SLIPS_MAX);
		if (found < slips) {
			slips = found;
			nearest = field;
		}
	}
	if (slips == 0 || nearest == 0)
		return;
	struct mr_slice meant = mr_fields_name(fields, nearest);
	sigma_warn(scope, SIGMA_LINT_MISSPELT, line, column,
		   "\"%.*s\" is no normalised field, only a record's own could be called that; is "
		   "\"%.*s\" meant?",
		   SIGMA_SHOW(name), SIGMA_SHOW(meant));
}
