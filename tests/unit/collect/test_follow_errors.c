/* test_follow_errors.c - reads of followed files that fail, each in turn, once or for long: nothing
 * is lost, nothing comes twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "followed.h"

#define LONG 600000

/* The n-th read from here on fails, until all was looked at often; a worker that dies of it is
 * followed by another. False where there was no n-th. */
static bool look_with_error(struct service *service, unsigned nth)
{
	bool met;
	enum mr_err err = MR_AGAIN;

	os_fault((struct os_fault){.call = OS_PREAD, .nth = nth, .number = EIO});
	for (int i = 0; i < 9 && err == MR_AGAIN; i++) {
		service->now.steady_us += 1000000;
		err = stage_poll(&service->stage);
	}
	met = os_fault_met();
	os_faults_end();
	if (err != MR_AGAIN) {
		assert_int_equal(err, MR_IO);
		service_die(service);
		assert_int_equal(service_begin(service), MR_OK);
	}
	for (int i = 0; i < 9; i++)
		look(service);
	return met;
}

static void whole(const struct service *service)
{
	assert_int_equal(service->stage.counters.at[MR_C_INPUTS_DAMAGED], 0);
	assert_int_equal(service->stage.reject_count, 0);
	assert_int_equal(unread(service), 0);
}

static void one_as_it_grows(void **state)
{
	bool met = true;

	for (unsigned n = 1; met; n++) {
		struct service service;

		begin(state);
		append("a.log", "1\n");
		start(&service, "a.log");
		look(&service);
		append("a.log", "2\n3\n");
		met = look_with_error(&service, n);
		check(&service, "a.log 0 1\na.log 2 2\na.log 4 3\n");
		assert_int_equal(warnings, met);
		whole(&service);
		service_fini(&service);
	}
}

/* Nothing was read of it before. */
static void one_of_a_new_file(void **state)
{
	bool met = true;

	for (unsigned n = 1; met; n++) {
		struct service service;

		begin(state);
		start(&service, "");
		look(&service);
		append("a.log", "1\n2\n");
		met = look_with_error(&service, n);
		append("a.log", "3\n");
		check(&service, "a.log 0 1\na.log 2 2\na.log 4 3\n");
		whole(&service);
		service_fini(&service);
	}
}

/* Its end is looked for, and then it is read once more; the last one has none. */
static void one_in_long_lines(void **state)
{
	char *line = mr_malloc(LONG);
	bool met = true;

	memset(line, 'x', LONG);
	for (unsigned n = 1; met; n++) {
		struct service service;

		begin(state);
		append("a.log", "1\n");
		start(&service, "a.log");
		look(&service);
		append_bytes("a.log", line, LONG);
		append("a.log", "\n");
		append_bytes("a.log", line, LONG);
		move_file("a.log", "a.log.1");
		met = look_with_error(&service, n);
		assert_int_equal(service.stage.record_count, 3);
		whole(&service);
		service_fini(&service);
	}
	free(line);
}

/* A start looks for what was moved by its bytes. */
static void one_at_a_start(void **state)
{
	bool met = true;

	for (unsigned n = 1; met; n++) {
		struct service service;
		const char *records;

		begin(state);
		append("a.log", "1\n");
		start(&service, "a.log");
		look(&service);
		service_checkpoint(&service);
		service_die(&service);
		append("a.log", "2\n");
		move_file("a.log", "a.log.1");
		append("a.log", "3\n");
		assert_int_equal(service_begin(&service), MR_OK);
		met = look_with_error(&service, n);
		records = came(&service.stage.records);
		assert_non_null(strstr(records, "a.log 0 1\n"));
		assert_non_null(strstr(records, "a.log 2 2\n"));
		assert_non_null(strstr(records, "a.log 0 3\n"));
		assert_int_equal(strlen(records), 3 * strlen("a.log 0 1\n"));
		whole(&service);
		service_fini(&service);
	}
}

/* It is said once, counted as long as it lasts, and read as soon as it can be. */
static void those_that_last(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "a.log");
	look(&service);
	append("a.log", "2\n");
	os_fault((struct os_fault){.call = OS_PREAD, .nth = 1, .number = EIO, .lasting = true});
	for (int i = 0; i < 9; i++)
		look(&service);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "a.log: cannot read it: Input/output error; it is tried "
				       "again each second"));
	assert_int_equal(unread(&service), 1);
	move_file("a.log", "a.log.1");
	append("a.log", "3\n");
	for (int i = 0; i < 9; i++)
		look(&service);
	os_faults_end();
	look(&service);
	look(&service);
	assert_non_null(strstr(came(&service.stage.records), "a.log 2 2\n"));
	assert_non_null(strstr(came(&service.stage.records), "a.log 0 3\n"));
	assert_int_equal(service.stage.record_count, 3);
	look(&service);
	whole(&service);
	service_fini(&service);
}

/* What was moved away is not kept for ever. */
static void what_cannot_be_read_and_is_gone(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "a.log");
	look(&service);
	append("a.log", "2\n");
	move_file("a.log", "a.log.1");
	os_fault((struct os_fault){.call = OS_PREAD, .nth = 1, .number = EIO, .lasting = true});
	for (int i = 0; i < 290; i++)
		look(&service);
	assert_int_equal(warnings, 1);
	for (int i = 0; i < 20; i++)
		look(&service);
	os_faults_end();
	assert_int_equal(warnings, 2);
	assert_non_null(strstr(logged, "a.log: it was moved away and cannot be read: what it has "
				       "behind offset 2 is lost"));
	assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
	check(&service, "a.log 0 1\n");
	service_fini(&service);
}

/* As where what was mounted there is no more. */
static void a_folder_that_is_not_there_is_said(void **state)
{
	struct service service;
	char folder[128];
	char away[128];

	(void)state;
	snprintf(folder, sizeof(folder), "%s/in", service_folder);
	snprintf(away, sizeof(away), "%s/away", service_folder);
	append("a.log", "1\n");
	start(&service, "");
	look(&service);
	assert_int_equal(unread(&service), 0);
	assert_int_equal(rename(folder, away), 0);
	look(&service);
	look(&service);
	assert_int_equal(unread(&service), 1);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "the folder is not there any more"));
	assert_int_equal(rename(away, folder), 0);
	append("a.log", "2\n");
	look(&service);
	look(&service);
	assert_int_equal(unread(&service), 0);
	assert_int_equal(service.stage.record_count, 2);
	service_fini(&service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(one_as_it_grows, begin),
	    cmocka_unit_test_setup(one_of_a_new_file, begin),
	    cmocka_unit_test_setup(one_in_long_lines, begin),
	    cmocka_unit_test_setup(one_at_a_start, begin),
	    cmocka_unit_test_setup(those_that_last, begin),
	    cmocka_unit_test_setup(what_cannot_be_read_and_is_gone, begin),
	    cmocka_unit_test_setup(a_folder_that_is_not_there_is_said, begin),
	};

	return cmocka_run_group_tests(tests, NULL, service_remove);
}
