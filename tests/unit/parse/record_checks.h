/* record_checks.h - what tests of whole records ask of an event, and in which orders its fields may
 * be asked for. Used by test_record.c and test_normalise.c. */
#ifndef MILLRACE_TEST_RECORD_CHECKS_H
#define MILLRACE_TEST_RECORD_CHECKS_H

#include "parse/harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct harness h;
static const char *const no_names[] = {"x", NULL};

static inline struct mr_event *parsed(const char *record)
{
	struct mr_event *event = harness_text(&h, record);
	if (event == NULL)
		fail_msg("rejected: %s: %s", h.reason, record);
	return event;
}

static inline void check_slice(struct mr_slice got, const char *expected)
{
	if (!mr_slice_eq(got, mr_slice(expected)))
		fail_msg("%.*s, not %s", (int)got.len, got.at, expected);
}

/* Told, its id, its tenant, its time. */
static inline void check_kind(const char *record, enum mr_record_kind kind, const char *id,
			      const char *tenant, const char *time)
{
	struct mr_event *event = parsed(record);
	char text[MR_TIME_TEXT + 1] = "-";
	if (event->has_time)
		text[mr_time_text(event->time_us, text)] = '\0';
	if (event->kind != kind)
		fail_msg("kind %d, not %d: %s", (int)event->kind, (int)kind, record);
	check_slice(event->id, id);
	check_slice(event->tenant, tenant);
	if (strcmp(text, time) != 0)
		fail_msg("time is %s, not %s: %s", text, time, record);
}

static inline void check_field(const char *record, const char *name, const char *expected)
{
	const char *got = shown(&h, parsed(record), name);
	if (strcmp(got, expected) != 0)
		fail_msg("%s is %s, not %s: %s", name, got, expected, record);
}

static inline int open_harness(void **state)
{
	(void)state;
	harness_open(&h, no_names, NULL, NULL);
	return 0;
}

static inline int close_harness(void **state)
{
	(void)state;
	harness_close(&h);
	return 0;
}

/* The group, whatever is asked for first: a completed event has it all. */
static inline int run_all(const struct CMUnitTest *tests, size_t count)
{
	static const mr_field asked[][3] = {
	    {MR_F_NONE},
	    {MR_F_SRC_PORT, MR_F_OPERATION},
	    {MR_F_PRODUCT, MR_F_STATUS, MR_F_KIND},
	    {MR_F_TIME},
	    {MR_F_UID},
	    {MR_F_TENANT},
	    {MR_F_EMAIL_TO},
	    {MR_F_EMAIL_TO_EXTERNAL},
	    {MR_F_ACTOR_DOMAIN},
	    {MR_F_RESOURCE_NAME},
	    {MR_F_TARGET_NAME},
	};
	int failed = 0;
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		memcpy(harness_asked, asked[i], sizeof asked[i]);
		failed +=
		    _cmocka_run_group_tests("records", tests, count, open_harness, close_harness);
	}
	return failed;
}

#endif
