/* test_retell.c - what the records that prove an alert say, in place of what their signals said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_files.h"
#include "retell.h"

#define S(text) MR_SLICE(text)
#define OWN (MR_F_NORMALISED_END + 1) /* a field that a rule names */

static char bytes[64];

static struct {
	struct mr_files files;
	struct mr_fields *fields;
	struct mr_events events;
	struct record_reader records;
	struct mr_stage_env env;
	struct retell retell;
	unsigned asked;
	bool refuses;
} world;

/* Of a record "ab" the operation is "ab", and the roles are "a" and "b". */
static bool reread(void *context, const struct mr_record *record, mr_event_taker *take,
		   void *taker_context)
{
	assert_ptr_equal(context, &world);
	world.asked++;
	if (world.refuses)
		return false;
	mr_events_reset(&world.events);
	struct mr_event *event = mr_events_push(&world.events);
	assert_int_equal(record->origin.source, 4);
	assert_int_equal(record->arrival_us, 77);
	mr_event_add_text(&world.events, event, MR_F_OPERATION, record->bytes);
	for (size_t i = 0; i < record->bytes.len; i++)
		mr_event_add_text(&world.events, event, MR_F_ACTOR_ROLES,
				  (struct mr_slice){record->bytes.at + i, 1});
	mr_event_add_text(&world.events, event, MR_F_TENANT, S("not for alerts"));
	take(taker_context, &world.events, event);
	return true;
}

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	memcpy(bytes, "ab\ncd\n", 6);
	world.files = (struct mr_files){.names = {S("audit.ndjson")}, .bytes = {{bytes, 6}}};
	world.fields = mr_fields_new();
	mr_events_init(&world.events, world.fields, 1);
	record_reader_init(&world.records, &world.files, 1 << 20);
	world.env = (struct mr_stage_env){.reread = reread, .reread_context = &world};
	retell_init(&world.retell, &world.env, &world.records);
	fake_reads = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	retell_fini(&world.retell);
	record_reader_fini(&world.records);
	mr_events_fini(&world.events);
	mr_fields_free(world.fields);
	return 0;
}

static const struct mr_signal_field said[] = {{MR_F_SRC_COUNTRY, MR_STRING, {"NL", 2}},
					      {OWN, MR_STRING, {"own", 3}},
					      {MR_F_OPERATION, MR_STRING, {"told", 4}}};

static struct mr_evidence evidence_at(uint64_t position)
{
	return (struct mr_evidence){.arrival_us = 77,
				    .origin = {.source = 4,
					       .position = position,
					       .length = 2,
					       .hash = mr_hash64(bytes + position, 2, 0)},
				    .field_count = 3,
				    .fields = said};
}

static void expect(const struct mr_evidence *evidence, const char *want)
{
	struct mr_buf text = {0};
	for (uint32_t i = 0; i < evidence->field_count; i++)
		mr_buf_printf(&text, "%u=%.*s ", evidence->fields[i].field,
			      (int)evidence->fields[i].text.len, evidence->fields[i].text.at);
	mr_buf_add(&text, "", 1);
	assert_string_equal(text.data, want);
	mr_buf_fini(&text);
}

static const char *with(const char *form, ...)
{
	static char text[2][256];
	static unsigned turn;
	va_list values;
	char *out = text[turn++ % 2];
	va_start(values, form);
	vsnprintf(out, sizeof text[0], form, values);
	va_end(values);
	return out;
}

static void records_say_it_themselves(void **state)
{
	struct mr_alert alert = {.evidence_count = 3,
				 .evidence = {evidence_at(0), evidence_at(3), evidence_at(0)}};
	(void)state;
	retell_alert(&world.retell, &alert);
	const char *first = with("%u=NL %u=own %u=ab %u=a %u=b ", MR_F_SRC_COUNTRY, OWN,
				 MR_F_OPERATION, MR_F_ACTOR_ROLES, MR_F_ACTOR_ROLES);
	expect(&alert.evidence[0], first);
	expect(&alert.evidence[2], first);
	expect(&alert.evidence[1], with("%u=NL %u=own %u=cd %u=c %u=d ", MR_F_SRC_COUNTRY, OWN,
					MR_F_OPERATION, MR_F_ACTOR_ROLES, MR_F_ACTOR_ROLES));
	assert_int_equal(alert.evidence[1].first[MR_F_OPERATION], 3);
	assert_int_equal(alert.evidence[1].first[MR_F_ACTOR_ROLES], 4);
	assert_int_equal(alert.evidence[1].first[MR_F_SRC_CITY], 0);
	/* Who writes the alert then finds them read. */
	assert_int_equal(fake_reads, 2);
	assert_true(mr_slice_eq(record_fetch(&world.records, &alert.evidence[1])->came, S("cd")));
	assert_int_equal(fake_reads, 2);
	record_forget(&world.records);
	record_fetch(&world.records, &alert.evidence[1]);
	assert_int_equal(fake_reads, 3);
}

/* It came with the evidence. */
static void a_record_that_is_there_is_not_looked_for(void **state)
{
	struct mr_alert alert = {.evidence_count = 2, .evidence = {evidence_at(0), evidence_at(0)}};
	(void)state;
	alert.evidence[1].record = S("xy");
	alert.evidence[1].origin.hash = mr_hash64("xy", 2, 0);
	retell_alert(&world.retell, &alert);
	assert_int_equal(fake_reads, 1);
	assert_int_equal(alert.evidence[0].fields[2].text.at[0], 'a');
	assert_int_equal(alert.evidence[1].fields[2].text.at[0], 'x');
}

static void what_cannot_be_read_keeps_what_its_signal_said(void **state)
{
	struct mr_alert alert = {.evidence_count = 1, .evidence = {evidence_at(0)}};
	const char *kept = with("%u=NL %u=own %u=told ", MR_F_SRC_COUNTRY, OWN, MR_F_OPERATION);
	(void)state;
	bytes[0] = 'z'; /* no longer what was judged */
	retell_alert(&world.retell, &alert);
	expect(&alert.evidence[0], kept);
	assert_int_equal(world.asked, 0);
	assert_string_not_equal(record_fetch(&world.records, &alert.evidence[0])->problem, "");
	record_forget(&world.records);
	alert.evidence[0] = evidence_at(0);
	world.refuses = true; /* parse takes it no more */
	retell_alert(&world.retell, &alert);
	expect(&alert.evidence[0], kept);
	assert_int_equal(world.asked, 1);
	world.env.reread = NULL;
	retell_alert(&world.retell, &alert);
	expect(&alert.evidence[0], kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(records_say_it_themselves, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_record_that_is_there_is_not_looked_for, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(what_cannot_be_read_keeps_what_its_signal_said, set_up,
					    tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
