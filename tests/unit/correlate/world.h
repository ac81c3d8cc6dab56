/* world.h - a few detections, correlations over them, and their signals. */
#ifndef MILLRACE_TEST_WORLD_H
#define MILLRACE_TEST_WORLD_H

#include "harness.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)

struct world {
	struct mr_fields *fields;
	mr_field group, value;
	struct mr_catalog catalog;
	struct mr_arena arena;
};

static inline void world_open(struct world *world, uint32_t detections)
{
	*world = (struct world){.fields = mr_fields_new()};
	world->group = mr_fields_add(world->fields, MR_SLICE("group"));
	world->value = mr_fields_add(world->fields, MR_SLICE("value"));
	for (uint32_t i = 0; i < detections; i++)
		catalog_add(&world->catalog, MR_RULE_DETECTION);
}

static inline void world_close(struct world *world)
{
	mr_arena_fini(&world->arena);
	mr_catalog_fini(&world->catalog);
	mr_fields_free(world->fields);
}

static inline uint32_t correlation(struct world *world, enum mr_correlation_type type,
				   uint32_t rules, int64_t span_us, int64_t threshold)
{
	static const uint32_t list[] = {0, 1, 2};
	return catalog_correlation(&world->catalog, type, list, rules, span_us, threshold,
				   world->group, mr_correlation_has_field(type) ? world->value : 0);
}

static inline struct mr_slice text(struct world *world, const char *form, uint32_t number)
{
	char bytes[32];
	int len = snprintf(bytes, sizeof(bytes), form, number);
	return (struct mr_slice){mr_arena_copy(&world->arena, bytes, (size_t)len), (size_t)len};
}

static inline struct mr_signal signal_of(struct world *world, uint32_t consumer, uint32_t rule,
					 uint32_t record, int64_t time_us)
{
	struct mr_signal signal = {.consumer = consumer,
				   .rule = rule,
				   .kind = MR_KIND_UAL,
				   .has_time = true,
				   .time_us = time_us,
				   .arrival_us = 1000 + record,
				   .tenant = MR_SLICE("tenant"),
				   .record_id = text(world, "record-%03u", record),
				   .origin = {.position = record, .length = 1},
				   .key_count = 1};
	signal.key[0] = consumer == rule ? signal.record_id : MR_SLICE("alice");
	struct mr_signal_field *field = mr_arena_alloc(&world->arena, sizeof(*field));
	*field = (struct mr_signal_field){world->value, MR_STRING, MR_SLICE("seen")};
	signal.fields = field;
	signal.field_count = 1;
	return signal;
}

static inline void feed(struct house *house, struct mr_signal signal)
{
	house_feed(house, &signal, 1);
}

#endif
