/* harness.h - the enrich stage as the pipeline drives it, over events that a test writes. */
#ifndef MILLRACE_TESTS_ENRICH_HARNESS_H
#define MILLRACE_TESTS_ENRICH_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "closed.h"
#include "enricher.h"
#include "pipeline/tables.h"

struct stage {
	struct mr_fields *fields;
	struct mr_tables *tables;
	struct mr_config config;
	struct mr_counters counters;
	struct mr_events events;
	void *state;
};

/* A folder of the test's own, removed by folder_remove. */
static inline char *folder_make(void)
{
	char *path = mr_strdup("/tmp/millrace-enrich-XXXXXX");
	assert_non_null(mkdtemp(path));
	return path;
}

static inline void folder_remove(char *path)
{
	char *command = mr_asprintf("rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
	free(command);
	free(path);
}

/* A file in the folder; the path is the caller's to free. */
static inline char *file_write(const char *folder, const char *name, struct mr_slice bytes)
{
	char *path = mr_asprintf("%s/%s", folder, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.at, 1, bytes.len, file), bytes.len);
	assert_int_equal(fclose(file), 0);
	return path;
}

static inline enum mr_err prepare_whole(const struct mr_prepare *prepare, struct mr_error *error)
{
	void *begun = mr_stage_enrich.prepare_begin(prepare);
	assert_int_equal(mr_stage_enrich.prepare(prepare, error), MR_OK);
	return mr_stage_enrich.prepare_end(begun, prepare, error);
}

static inline enum mr_err stage_prepare(struct stage *stage, struct mr_error *error)
{
	const struct mr_prepare prepare = {
	    .config = &stage->config, .fields = stage->fields, .tables = stage->tables};
	return prepare_whole(&prepare, error);
}

static inline void stage_init(struct stage *stage)
{
	*stage = (struct stage){.fields = mr_fields_new(), .tables = mr_tables_new()};
	stage->state = mr_calloc(1, mr_stage_enrich.state_size);
}

static inline void stage_open(struct stage *stage)
{
	struct mr_error error = {0};
	struct mr_stage_env env = {.config = &stage->config,
				   .fields = stage->fields,
				   .tables = stage->tables,
				   .counters = &stage->counters,
				   .workers = 1};
	if (stage_prepare(stage, &error) != MR_OK)
		fail_msg("%s", error.text);
	assert_int_equal(mr_stage_enrich.open(stage->state, &env, &error), MR_OK);
	mr_events_init(&stage->events, stage->fields, MR_EVENTS_TOGETHER);
}

static inline void stage_close(struct stage *stage)
{
	mr_stage_enrich.close(stage->state);
	mr_events_fini(&stage->events);
}

static inline void stage_fini(struct stage *stage)
{
	free(stage->state);
	mr_config_fini(&stage->config);
	mr_tables_free(stage->tables);
	mr_fields_free(stage->fields);
}

/* An event with some fields: pairs of field and text, ended by 0. */
static inline struct mr_event *stage_event(struct stage *stage, ...)
{
	struct mr_event *event = mr_events_push(&stage->events);
	va_list list;
	assert_non_null(event);
	va_start(list, stage);
	for (int field = va_arg(list, int); field != 0; field = va_arg(list, int))
		mr_event_add_text(&stage->events, event, (mr_field)field,
				  mr_slice(va_arg(list, const char *)));
	va_end(list);
	return event;
}

static inline void stage_apply_first(struct stage *stage)
{
	struct mr_error error = {0};
	assert_int_equal(mr_stage_enrich.apply(stage->state, &stage->events, &error), MR_OK);
}

/* With the fields that nobody asked for. */
static inline void stage_apply(struct stage *stage)
{
	stage_apply_first(stage);
	for (uint32_t i = 0; i < stage->events.count; i++) {
		mr_stage_enrich.complete(stage->state, &stage->events, &stage->events.items[i]);
		assert_true(closed_holds(&stage->events, &stage->events.items[i]));
	}
}

/* All values of a field, joined by '|'; "-" where it is missing. */
static inline const char *field_text(const struct stage *stage, const struct mr_event *event,
				     mr_field field)
{
	static char texts[8][512];
	static unsigned turn;
	char *out = texts[turn++ % 8];
	size_t len = 0;
	const struct mr_value *value = mr_event_get(&stage->events, event, field);
	if (value == NULL)
		return "-";
	for (; value != NULL; value = mr_value_next(&stage->events, value))
		len += (size_t)snprintf(out + len, 512 - len, "%s%.*s", len == 0 ? "" : "|",
					(int)value->len, value->text);
	return out;
}

#define assert_field(stage, event, field, expected)                                                \
	assert_string_equal(field_text(stage, event, field), expected)

/* The test's random numbers: splitmix64. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

#endif
