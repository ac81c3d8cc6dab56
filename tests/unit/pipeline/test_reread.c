/* test_reread.c - one record through the stages that make events, again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reread.h"

#define S(text) MR_SLICE(text)

/* ---- stages in place of the program's: what a record says is its bytes ---- */

static unsigned closed;

static enum mr_err make_events(void *state, struct mr_reader *in, struct mr_writer *out,
			       struct mr_error *error)
{
	const struct mr_stage_env *env = *(const struct mr_stage_env **)state;
	struct mr_events *events = mr_writer_events(out);
	struct mr_record record;
	(void)error;
	for (; mr_reader_record(in, &record); mr_reader_advance(in)) {
		if (mr_slice_eq(record.bytes, S("bad"))) {
			mr_writer_reject(out, &(struct mr_reject){.bytes = record.bytes});
			continue;
		}
		struct mr_event *event = mr_events_push(events);
		if (event == NULL)
			return MR_FULL;
		event->raw = record.bytes;
		event->origin = record.origin;
		event->arrival_us = record.arrival_us;
		mr_event_add_text(events, event, MR_F_OPERATION, record.bytes);
		mr_count(env->counters, MR_C_RECORDS, 1);
		assert_null(env->marks);
	}
	return MR_OK;
}

static void identify_event(void *state, struct mr_events *events, struct mr_event *event)
{
	(void)state;
	(void)events;
	assert_int_equal(event->id.len, 0);
	event->id = event->raw;
}

static void complete_event(void *state, struct mr_events *events, struct mr_event *event)
{
	(void)state;
	assert_true(mr_slice_eq(event->id, event->raw)); /* that came first */
	mr_event_add_text(events, event, MR_F_STATUS, S("later"));
}

static enum mr_err add_country(void *state, struct mr_events *events, struct mr_error *error)
{
	(void)state;
	(void)error;
	for (uint32_t i = 0; i < events->count; i++)
		mr_event_add_text(events, &events->items[i], MR_F_SRC_COUNTRY, S("NL"));
	return MR_OK;
}

static void add_city(void *state, struct mr_events *events, struct mr_event *event)
{
	(void)state;
	mr_event_add_text(events, event, MR_F_SRC_CITY, S("Delft"));
}

static enum mr_err keep_env(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	(void)error;
	*(const struct mr_stage_env **)state = env;
	return MR_OK;
}

static enum mr_err never(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	(void)state;
	(void)env;
	(void)error;
	fail_msg("a stage that makes no events was opened");
	return MR_OK;
}

static void count_close(void *state)
{
	(void)state;
	closed++;
}

static const struct mr_stage_ops collect = {
    .name = "collect", .reads = MR_CONTENT_NONE, .open = never};
static const struct mr_stage_ops parse = {.name = "parse",
					  .state_size = sizeof(void *),
					  .reads = MR_CONTENT_RECORDS,
					  .open = keep_env,
					  .process = make_events,
					  .identify = identify_event,
					  .complete = complete_event,
					  .close = count_close};
static const struct mr_stage_ops enrich = {.name = "enrich",
					   .state_size = sizeof(void *),
					   .reads = MR_CONTENT_EVENTS,
					   .open = keep_env,
					   .apply = add_country,
					   .complete = add_city,
					   .close = count_close};
static const struct mr_stage_ops detect = {
    .name = "detect", .reads = MR_CONTENT_EVENTS, .open = never};
static const struct mr_stage_ops deliver = {
    .name = "deliver", .reads = MR_CONTENT_ALERTS, .open = never};
const struct mr_stage_ops *const mr_stages[] = {&collect, &parse, &enrich, &detect, &deliver, NULL};

const struct mr_stage_ops *mr_stage_find(const char *name)
{
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++)
		if (strcmp((*stage)->name, name) == 0)
			return *stage;
	return NULL;
}

/* ---- the tests ---- */

static char taken[256];

static void take(void *context, const struct mr_events *events, const struct mr_event *event)
{
	static const mr_field fields[] = {MR_F_OPERATION, MR_F_STATUS, MR_F_SRC_COUNTRY,
					  MR_F_SRC_CITY};
	size_t at = 0;
	assert_ptr_equal(context, taken);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		struct mr_slice text = mr_event_text(events, event, fields[i]);
		at += (size_t)snprintf(taken + at, sizeof taken - at, "%.*s ", (int)text.len,
				       text.at);
	}
	snprintf(taken + at, sizeof taken - at, "%u@%llu", event->origin.source,
		 (unsigned long long)event->origin.position);
}

static bool reread_text(struct mr_reread *reread, struct mr_slice bytes)
{
	const struct mr_record record = {
	    .bytes = bytes, .origin = {.source = 3, .position = 99, .length = (uint32_t)bytes.len}};
	taken[0] = 0;
	return mr_reread_record(reread, &record, take, taken);
}

static void a_record_is_told_whole_and_counted_nowhere(void **state)
{
	struct mr_fields *fields = mr_fields_new();
	struct mr_counters counters = {0};
	struct mr_marks *marks = (struct mr_marks *)&counters; /* nobody looks at them */
	const struct mr_stage_env env = {.fields = fields, .counters = &counters, .marks = marks};
	struct mr_reread reread;
	char *huge = calloc(1, MR_ITEM_RECORD_MAX + 1);
	(void)state;
	closed = 0;
	assert_int_equal(mr_reread_open(&reread, &env, NULL), MR_OK);
	for (int i = 0; i < 3; i++) {
		assert_true(reread_text(&reread, S("good")));
		assert_string_equal(taken, "good later NL Delft 3@99");
		/* What parse refuses is none, and the next one is read as well as the first. */
		assert_false(reread_text(&reread, S("bad")));
		assert_string_equal(taken, "");
		assert_false(reread_text(&reread, (struct mr_slice){huge, MR_ITEM_RECORD_MAX + 1}));
	}
	assert_true(reread_text(&reread, (struct mr_slice){huge, MR_ITEM_RECORD_MAX}));
	mr_reread_close(&reread);
	assert_int_equal(closed, 2);
	assert_int_equal(counters.at[MR_C_RECORDS], 0);
	mr_reread_close(&(struct mr_reread){0});
	mr_fields_free(fields);
	free(huge);
}

static void who_reads_alerts_has_the_tables_of_those_stages(void **state)
{
	const struct mr_group judges = {.chain = {"parse", "enrich", "detect"}};
	const struct mr_group delivers = {.chain = {"deliver"}};
	(void)state;
	assert_false(mr_reread_is_for(&judges));
	assert_true(mr_reread_is_for(&delivers));
	assert_true(mr_reread_reads("enrich.geoip"));
	assert_true(mr_reread_reads("parse.any"));
	assert_false(mr_reread_reads("enrichment"));
	assert_false(mr_reread_reads("detect.image"));
	assert_false(mr_reread_reads("collect.stdin"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_record_is_told_whole_and_counted_nowhere),
	    cmocka_unit_test(who_reads_alerts_has_the_tables_of_those_stages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
