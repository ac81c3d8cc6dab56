/* sigma_name.c - field names that are nearly those of normalised fields.
 *
 * Called by the loader for each name that a rule uses. A record's own names are anybody's, so a
 * slip in a normalised one is no error: the field is merely never there, and a warning is all that
 * tells. Never fails. */
#include "sigma_build.h"

#define NAME_MAX 80 /* bytes of a name that is looked at; normalised ones are shorter */
#define SLIPS_MAX 2 /* characters left out, put in or changed */

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance, row by row. */
static unsigned distance(struct mr_slice a, struct mr_slice b)
{
	unsigned row[NAME_MAX + 1];
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 0; i < a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = i + 1;
		for (unsigned j = 0; j < b.len; j++) {
			unsigned changed = diagonal + (a.at[i] != b.at[j]);
			diagonal = row[j + 1];
			row[j + 1] = least(changed, least(diagonal, row[j]) + 1);
		}
	}
	return row[b.len];
}

void sigma_name_lint(struct sigma_scope *scope, uint32_t line, uint32_t column,
		     struct mr_slice name)
{
	const struct mr_fields *fields = scope->load->fields;
	if (name.len > NAME_MAX || memchr(name.at, '.', name.len) == NULL)
		return;
	struct mr_slice folded = mr_fold_arena(scope->arena, name);
	mr_field nearest = 0;
	unsigned slips = SLIPS_MAX + 1;
	if (folded.len > NAME_MAX)
		return;
	for (int id = 1; id < MR_F_NORMALISED_END; id++) {
		mr_field field = (mr_field)id;
		struct mr_slice other = mr_fields_name(fields, field);
		if (other.len > folded.len + SLIPS_MAX || folded.len > other.len + SLIPS_MAX)
			continue;
		unsigned found = distance(folded, other);
		if (found < slips) {
			slips = found;
			nearest = field;
		}
	}
	if (slips == 0 || nearest == 0)
		return;
	struct mr_slice meant = mr_fields_name(fields, nearest);
	sigma_warn(scope, line, column,
		   "\"%.*s\" is no normalised field, only a record's own could be called that; is "
		   "\"%.*s\" meant?",
		   SIGMA_SHOW(name), SIGMA_SHOW(meant));
}
