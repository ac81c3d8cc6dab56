/* suspects.c - counts the deaths of workers by the record in hand.
 *
 * Called by supervisor_blame.c after a run that failed. Does not fail. */
#include "suspects.h"

#include <stdlib.h>

void mr_suspects_fini(struct mr_suspects *suspects)
{
	mr_aside_fini(&suspects->aside);
	free(suspects->deaths);
	*suspects = (struct mr_suspects){0};
}

/* What it had in hand; false where that was nothing. */
static bool find_stretch(const struct mr_inhand *page, struct mr_stretch *out)
{
	if (page->what == MR_INHAND_RECORD || page->what == MR_INHAND_REGION)
		*out = (struct mr_stretch){page->record, page->record};
	else if (page->what == MR_INHAND_SET)
		*out = (struct mr_stretch){page->first, page->last};
	else
		return false;
	return true;
}

static bool is_one(const struct mr_stretch *stretch)
{
	return mr_place_compare(&stretch->first, &stretch->last) == 0;
}

static bool holds(const struct mr_stretch *stretch, const struct mr_place *place)
{
	return mr_place_compare(&stretch->first, place) <= 0 &&
	       mr_place_compare(place, &stretch->last) <= 0;
}

static bool died_before(const struct mr_suspects *suspects, const struct mr_place *place)
{
	for (uint32_t i = 0; i < suspects->death_count; i++) {
		const struct mr_suspect *death = &suspects->deaths[i];
		if (holds(&death->at, place) && (is_one(&death->at) || death->of_itself))
			return true;
	}
	return false;
}

static void remember(struct mr_suspects *suspects, const struct mr_stretch *at, bool of_itself)
{
	if (suspects->death_count == MR_SUSPECTS_MAX)
		memmove(suspects->deaths, suspects->deaths + 1,
			--suspects->death_count * sizeof *suspects->deaths);
	suspects->deaths =
	    mr_realloc(suspects->deaths, (suspects->death_count + 1u) * sizeof *suspects->deaths);
	suspects->deaths[suspects->death_count++] = (struct mr_suspect){*at, of_itself};
}

/* Those that are still remembered. */
static void set_stretches(struct mr_suspects *suspects)
{
	struct mr_aside *aside = &suspects->aside;
	aside->stretches =
	    mr_realloc(aside->stretches, (suspects->death_count + 1u) * sizeof *aside->stretches);
	aside->stretch_count = 0;
	for (uint32_t i = 0; i < suspects->death_count; i++) {
		if (!is_one(&suspects->deaths[i].at))
			aside->stretches[aside->stretch_count++] = suspects->deaths[i].at;
	}
}

enum mr_verdict mr_suspects_death(struct mr_suspects *suspects, const struct mr_inhand *page,
				  bool of_itself, struct mr_place *record_out)
{
	struct mr_stretch at;
	if (!find_stretch(page, &at))
		return MR_VERDICT_NONE;
	if (is_one(&at) && died_before(suspects, &at.first)) {
		*record_out = at.first;
		mr_aside_add(&suspects->aside, record_out);
		return MR_VERDICT_ASIDE;
	}
	remember(suspects, &at, of_itself);
	set_stretches(suspects);
	return is_one(&at) ? MR_VERDICT_NOTED : MR_VERDICT_NARROWED;
}
