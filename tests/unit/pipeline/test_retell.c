/* test_retell.c - what the records that prove an alert say, besides what their signals said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "files.h"
#include "millrace/alive.h"
#include "millrace/os.h"
#include "retell.h"

#define S(text) MR_SLICE(text)

/* ---- stages in place of the program's: what a record says is its bytes ---- */

static unsigned closed;
static volatile struct mr_inhand page; /* of the worker */
static unsigned told;                  /* records that parse was given */

static const mr_field many[] = {MR_F_STATUS_CODE,   MR_F_STATUS_DETAIL, MR_F_DEVICE_NAME,
				MR_F_DEVICE_OS,     MR_F_TARGET_NAME,   MR_F_TARGET_UID,
				MR_F_RESOURCE_NAME, MR_F_RESOURCE_UID};

static enum mr_err make_events(void *state, struct mr_reader *in, struct mr_writer *out,
			       struct mr_error *error)
{
	const struct mr_stage_env *env = *(const struct mr_stage_env **)state;
	struct mr_events *events = mr_writer_events(out);
	struct mr_record record;
	(void)error;
	for (; mr_reader_record(in, &record); mr_reader_advance(in)) {
		told++;
		assert_int_equal(page.what, MR_INHAND_RECORD);
		assert_int_equal(page.record.length, record.bytes.len);
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
		for (size_t i = 0; i < 8 * MR_PRODUCT_MAX && record.bytes.at[0] == 'm'; i++)
			mr_event_add_text(events, event, many[i % 8], record.bytes);
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
static const struct mr_stage_ops correlate = {
    .name = "correlate", .reads = MR_CONTENT_SIGNALS, .open = never};
static const struct mr_stage_ops deliver = {
    .name = "deliver", .reads = MR_CONTENT_ALERTS, .open = never};
const struct mr_stage_ops *const mr_stages[] = {&collect,   &parse,   &enrich, &detect,
						&correlate, &deliver, NULL};

const struct mr_stage_ops *mr_stage_find(const char *name)
{
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++)
		if (strcmp((*stage)->name, name) == 0)
			return *stage;
	return NULL;
}

/* ---- the tests ---- */

#define OWN (MR_F_NORMALISED_END + 1) /* a field that a rule names */

static const char records[] = "good bad  many else";

static struct {
	struct mr_fields *fields;
	struct mr_counters counters;
	struct mr_files *files;
	int fd;
	struct mr_watch watch;
	struct mr_stage_env env;
	struct mr_retell retell;
	struct mr_arena arena;
} world;

static enum mr_err nobody(void *context, int fd, struct mr_slice name, uint32_t *number_out,
			  struct mr_error *error)
{
	(void)context;
	(void)fd;
	(void)name;
	(void)number_out;
	return mr_error_set(error, MR_UNSUPPORTED, "no more files");
}

/* While a record is read from the disk none is in hand. */
static ssize_t look_and_read(int fd, void *bytes, size_t len, off_t offset)
{
	assert_int_equal(page.what, MR_INHAND_NOTHING);
	return pread(fd, bytes, len, offset);
}

static unsigned lives;
static void count_life(void *context)
{
	(void)context;
	lives++;
}

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	closed = told = 0;
	world.fields = mr_fields_new();
	world.fd = memfd_create("records", MFD_CLOEXEC);
	assert_int_equal(write(world.fd, records, sizeof records), sizeof records);
	world.files = mr_files_new(nobody, NULL);
	assert_int_equal(mr_files_put(world.files, 7, dup(world.fd), S("r.ndjson"), NULL), MR_OK);
	world.watch.page = &page;
	page = (struct mr_inhand){.what = MR_INHAND_RECORD, .name = 5, .record = {.position = 77}};
	world.env = (struct mr_stage_env){
	    .fields = world.fields,
	    .counters = &world.counters,
	    .files = world.files,
	    .marks = (struct mr_marks *)&world.counters, /* nobody looks at them */
	};
	assert_int_equal(mr_retell_open(&world.retell, &world.env, NULL), MR_OK);
	mr_retell_watch(&world.retell, &world.watch);
	mr_os.pread = look_and_read;
	mr_alive_listen(count_life, NULL);
	lives = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mr_os.pread = pread;
	mr_alive_listen(NULL, NULL);
	mr_retell_close(&world.retell);
	assert_int_equal(closed, 2);
	assert_int_equal(world.counters.at[MR_C_RECORDS], 0);
	mr_retell_close(&(struct mr_retell){0});
	mr_files_free(world.files);
	mr_fields_free(world.fields);
	mr_arena_fini(&world.arena);
	mr_aside_fini(&world.watch.aside);
	close(world.fd);
	return 0;
}

static struct mr_evidence evidence_of(const char *record, const struct mr_signal_field *fields,
				      uint32_t count)
{
	size_t at = (size_t)(strstr(records, record) - records);
	return (struct mr_evidence){.origin = {.source = 3,
					       .partition = 7,
					       .position = at,
					       .length = (uint32_t)strlen(record),
					       .hash = mr_hash64(record, strlen(record), 0)},
				    .field_count = count,
				    .packed = mr_fields_pack(&world.arena, fields, count)};
}

static const struct mr_signal_field said[] = {{OWN, MR_STRING, {"own", 3}},
					      {MR_F_SRC_COUNTRY, MR_STRING, {"DE", 2}},
					      {MR_F_SRC_COUNTRY, MR_STRING, {"FR", 2}}};

static void expect(const struct mr_evidence *evidence, const char *want)
{
	struct mr_buf text = {0};
	struct mr_packed_at at = mr_packed_begin(evidence->packed.bytes);
	struct mr_signal_field field;
	uint32_t count = 0;
	for (; mr_packed_next(&at, &field); count++)
		mr_buf_printf(&text, "%.*s ", (int)field.text.len, field.text.at);
	mr_buf_add(&text, "", 1);
	assert_string_equal(text.data, want);
	assert_int_equal(evidence->field_count, count);
	assert_int_equal(evidence->packed.count, count);
	mr_buf_fini(&text);
}

/* What the signal said stands, and first. */
static void records_say_the_rest(void **state)
{
	struct mr_alert alert = {
	    .evidence_count = 2,
	    .evidence = {evidence_of("good", said, 3), evidence_of("else", NULL, 0)}};
	(void)state;
	mr_retell_alert(&world.retell, &alert);
	expect(&alert.evidence[0], "own DE FR good later Delft ");
	expect(&alert.evidence[1], "else later NL Delft ");
	assert_int_equal(lives, 2); /* who gets on is not taken for hung */
	/* What the worker has in hand is what it had. */
	assert_int_equal(page.what, MR_INHAND_RECORD);
	assert_int_equal(page.record.position, 77);
	assert_int_equal(page.name, 5);
}

static void a_record_that_came_along_is_not_looked_for(void **state)
{
	struct mr_alert alert = {.evidence_count = 1, .evidence = {evidence_of("good", NULL, 0)}};
	size_t len = MR_BATCH_BODY_MAX + 1; /* longer than a message */
	char *huge = memset(mr_malloc(len), 'x', len);
	(void)state;
	alert.evidence[0].record = S("xy");
	alert.evidence[0].origin.hash = mr_hash64("xy", 2, 0);
	alert.evidence[0].origin.length = 2;
	mr_retell_alert(&world.retell, &alert);
	expect(&alert.evidence[0], "xy later NL Delft ");
	alert.evidence[0].packed = (struct mr_packed){0};
	alert.evidence[0].record = (struct mr_slice){huge, len};
	alert.evidence[0].origin.hash = mr_hash64(huge, len, 0);
	alert.evidence[0].origin.length = (uint32_t)len;
	mr_retell_alert(&world.retell, &alert);
	assert_int_equal(alert.evidence[0].field_count, 4);
	free(huge);
}

static void tell_none(struct mr_evidence evidence, unsigned times)
{
	struct mr_alert alert = {.evidence_count = 2,
				 .evidence = {evidence, evidence_of("good", NULL, 0)}};
	told = 0;
	mr_retell_alert(&world.retell, &alert);
	expect(&alert.evidence[0], "own DE FR ");
	assert_int_equal(told, times + 1);
	/* The next one is told as ever. */
	expect(&alert.evidence[1], "good later NL Delft ");
}

static void what_cannot_be_told_keeps_what_its_signal_said(void **state)
{
	struct mr_evidence changed = evidence_of("good", said, 3), gone = changed, cut = changed;
	(void)state;
	changed.origin.hash++;
	tell_none(changed, 0);
	gone.origin.partition = 8;
	tell_none(gone, 0);
	cut.origin.position = sizeof records;
	tell_none(cut, 0);
	cut.origin.length = UINT32_MAX;
	tell_none(cut, 0);
	tell_none(evidence_of("bad", said, 3), 1); /* parse takes it no more */
	mr_aside_add(&world.watch.aside,
		     &(struct mr_place){.source = 3, .partition = 7, .position = 15, .length = 4});
	tell_none(evidence_of("else", said, 3), 0); /* it was deadly */
}

/* Never more values than a signal may have: who reads alerts has room for no more. */
static void fields_are_bounded(void **state)
{
	struct mr_signal_field own[300];
	(void)state;
	for (size_t i = 0; i < 300; i++)
		own[i] = (struct mr_signal_field){OWN, MR_STRING, S("o")};
	struct mr_alert alert = {.evidence_count = 1, .evidence = {evidence_of("many", own, 300)}};
	mr_retell_alert(&world.retell, &alert);
	assert_int_equal(alert.evidence[0].field_count, MR_SIGNAL_FIELDS_MAX);
	assert_int_equal(alert.evidence[0].packed.count, MR_SIGNAL_FIELDS_MAX);
}

static void it_is_done_where_the_records_are(void **state)
{
	struct mr_group groups[] = {{.chain = {"parse", "enrich", "detect"}},
				    {.chain = {"correlate"}},
				    {.chain = {"deliver"}}};
	const struct mr_topology topology = {.groups = groups, .group_count = 3};
	(void)state;
	assert_false(mr_retell_is_for(&groups[0]));
	assert_true(mr_retell_is_for(&groups[1]));
	assert_false(mr_retell_is_for(&groups[2]));
	groups[0].host = 1;
	assert_true(mr_retell_is_done(&topology));
	groups[1].host = 1;
	assert_false(mr_retell_is_done(&topology));
	assert_true(mr_retell_reads("enrich.geoip"));
	assert_true(mr_retell_reads("parse.any"));
	assert_false(mr_retell_reads("enrichment"));
	assert_false(mr_retell_reads("detect.image"));
	assert_false(mr_retell_reads("collect.stdin"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(records_say_the_rest, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_record_that_came_along_is_not_looked_for, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(what_cannot_be_told_keeps_what_its_signal_said, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(fields_are_bounded, set_up, tear_down),
	    cmocka_unit_test(it_is_done_where_the_records_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
