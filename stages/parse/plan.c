/* plan.c - from the decisions of a walk to what is the same for all records of a shape. See plan.h.
 *
 * Called by flatten.c for a shape's first record. Memory is bounded by the tokens of a shape, and
 * the work by the shape's deeds and the dictionary. Never fails. */
#include "plan.h"

#include <stdlib.h>

void mr_plan_fini(struct mr_plan *plan)
{
	free(plan->kept);
	free(plan->deeds);
	free(plan->known.may);
	free(plan->known.rows);
	*plan = (struct mr_plan){0};
}

void mr_plan_note(struct mr_plan *plan, const struct mr_deed *deed)
{
	if (plan->count == plan->capacity) {
		plan->capacity = (uint32_t)mr_grow(plan->capacity, plan->count + 1);
		plan->deeds = mr_realloc(plan->deeds, plan->capacity * sizeof *plan->deeds);
	}
	plan->deeds[plan->count++] = *deed;
}

static bool leads_on(const struct mr_deed *deed)
{
	return deed->what >= MR_DEED_OPENED;
}

static void set_open(void *context, mr_field field)
{
	struct mr_standing *standings = context;
	standings[field].open = true;
}

/* An array's named values lead to the same names: these are looked through once. */
static void find_open(const struct mr_plan *plan, struct mr_names *names,
		      struct mr_standing *standings)
{
	uint32_t done = 0;
	for (uint32_t i = 0; i < plan->count; i++) {
		const struct mr_deed *deed = &plan->deeds[i];
		if (!leads_on(deed) || deed->names == done)
			continue;
		mr_names_below(names, deed->names, set_open, standings);
		done = deed->names;
	}
}

static bool is_settled(const struct mr_deed *deed, const struct mr_standing *standings)
{
	return !leads_on(deed) && !standings[deed->field].open;
}

/* The values that a field ends up with are the last ones to begin it anew, and what joins those. */
static void weigh(const struct mr_deed *deed, uint32_t number, struct mr_standing *field)
{
	bool null = deed->what == MR_DEED_NULL;
	bool anew = field->since == 0;
	if (!anew && !mr_plan_admits(field->rank, field->null, deed->rank, null, &anew))
		return;
	if (anew)
		*field = (struct mr_standing){.since = number, .rank = deed->rank, .null = null};
	field->count++;
}

static bool stays(const struct mr_deed *deed, uint32_t number, const struct mr_standing *field)
{
	return number == field->since ||
	       (number > field->since && deed->rank == field->rank && deed->what != MR_DEED_NULL);
}

/* In the order of the fields: an event's table is then written in one direction. Gives how many
 * places there are. */
static uint32_t find_places(struct mr_standing *standings, size_t field_count)
{
	uint32_t sum = 0;
	for (size_t field = 0; field < field_count; field++) {
		standings[field].begin = sum;
		sum += standings[field].count;
		standings[field].count = 0;
	}
	return sum;
}

static void keep(struct mr_plan *plan, const struct mr_deed *deed, struct mr_standing *field)
{
	struct mr_kept *kept = &plan->kept[field->begin + field->count];
	*kept = (struct mr_kept){.node = deed->node,
				 .field = deed->field,
				 .what = (uint8_t)deed->what,
				 .before = (uint16_t)field->count};
	if (deed->what == MR_DEED_RAW)
		kept->node.index = deed->behind.token;
	if (field->count++ > 0)
		kept[-1].more = true;
}

/* The fields that have a value now, and those that a string may lead to. */
static void know(struct mr_known *known, const struct mr_standing *standings, size_t field_count)
{
	size_t bytes = (field_count + 63) / 64 * sizeof *known->may;
	known->part = NULL;
	known->may = mr_realloc(known->may, bytes);
	memset(known->may, 0, bytes);
	for (size_t field = 0; field < field_count; field++)
		if (standings[field].since != 0 || standings[field].open)
			known->may[field / 64] |= UINT64_C(1) << field % 64;
}

void mr_plan_settle(struct mr_plan *plan, struct mr_names *names, struct mr_standing *standings,
		    size_t field_count)
{
	memset(standings, 0, field_count * sizeof *standings);
	find_open(plan, names, standings);
	for (uint32_t i = 0; i < plan->count; i++)
		if (is_settled(&plan->deeds[i], standings))
			weigh(&plan->deeds[i], i + 1, &standings[plan->deeds[i].field]);
	know(&plan->known, standings, field_count);
	plan->kept_count = find_places(standings, field_count);
	plan->kept = mr_realloc(plan->kept, (plan->kept_count + 1) * sizeof *plan->kept);
	uint32_t left = 0;
	for (uint32_t i = 0; i < plan->count; i++) {
		const struct mr_deed *deed = &plan->deeds[i];
		struct mr_standing *field = &standings[deed->field];
		if (!is_settled(deed, standings))
			plan->deeds[left++] = *deed;
		else if (stays(deed, i + 1, field))
			keep(plan, deed, field);
	}
	plan->count = left;
}
