/* settle_world.h - correlations that settle, and signals for them: what their tests share. */
#ifndef MILLRACE_TEST_CORRELATE_SETTLE_WORLD_H
#define MILLRACE_TEST_CORRELATE_SETTLE_WORLD_H

#include "harness.h"

#define SECOND INT64_C(1000000)
#define SPAN (10 * SECOND)
#define SETTLING (60 * SECOND) /* the setting's default */

struct world {
	struct mr_fields *fields;
	mr_field group, value;
	struct mr_catalog catalog;
	struct mr_arena arena;
};

/* One detection, a value_sum of 5 and more (rule 1), an event_count of less than three (rule 2). */
static void world_open(struct world *world)
{
	static const uint32_t list[] = {0};
	static const struct mr_condition_part few = {.op = MR_LT, .count = 3};
	*world = (struct world){.fields = mr_fields_new()};
	world->group = mr_fields_add(world->fields, MR_SLICE("group"));
	world->value = mr_fields_add(world->fields, MR_SLICE("value"));
	catalog_add(&world->catalog, MR_RULE_DETECTION);
	catalog_correlation(&world->catalog, MR_CORRELATION_VALUE_SUM, list, 1, SPAN, 5,
			    world->group, world->value);
	uint32_t index = catalog_correlation(&world->catalog, MR_CORRELATION_EVENT_COUNT, list, 1,
					     SPAN, 3, world->group, 0);
	catalog_condition(&world->catalog, index, &few, 1, 0);
}

static void world_close(struct world *world)
{
	mr_arena_fini(&world->arena);
	mr_catalog_fini(&world->catalog);
	mr_fields_free(world->fields);
}

static struct mr_slice copy(struct world *world, const char *text)
{
	size_t len = strlen(text);
	return (struct mr_slice){mr_arena_copy(&world->arena, text, len), len};
}

static void feed(struct world *world, struct house *house, uint32_t rule, const char *record,
		 int64_t time_us, const char *value)
{
	struct mr_slice *values = mr_arena_alloc(&world->arena, sizeof(*values));
	struct mr_signal_field *field = mr_arena_alloc(&world->arena, sizeof(*field));
	*values = copy(world, value);
	*field = (struct mr_signal_field){world->value, MR_STRING, *values};
	struct mr_signal signal = {.consumer = rule,
				   .rule = 0,
				   .kind = MR_KIND_UAL,
				   .has_time = true,
				   .time_us = time_us,
				   .tenant = MR_SLICE("tenant"),
				   .record_id = copy(world, record),
				   .origin = {.length = 1},
				   .key_count = 1,
				   .key = {MR_SLICE("ann")},
				   .value_count = rule == 1,
				   .value_width = rule == 1,
				   .values = values,
				   .field_count = 1,
				   .fields = field};
	house_feed(house, &signal, 1);
}

#endif
