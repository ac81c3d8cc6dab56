/* test_follow_names.c - what records call their file: a name is kept for as long as the journal has
 * records under it, and no longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "logged.h"
#include "service_room.h"

#define SEGMENT (1 << 20)

static int begin(void **state)
{
	logged_begin();
	return service_clean(state);
}

static void start(struct service *service)
{
	service_init(service, "file");
	service->now.wall_us = INT64_C(1000000000000000);
	service_path(service, "*.log");
	service_set(service, "segment_bytes", "1MiB");
	service_set(service, "journal_age", "1m");
	assert_int_equal(service_begin(service), MR_OK);
}

/* Until nothing waits for what it might grow by. */
static void remove_for_good(struct service *service, const char *name)
{
	remove_file(name);
	for (int i = 0; i < 7; i++)
		look(service);
}

/* The segment that is written becomes full, and older than any that is kept. */
static void fill_segment(struct service *service)
{
	char *line = mr_malloc(SEGMENT / 2);

	memset(line, '1', SEGMENT / 2);
	line[SEGMENT / 2 - 1] = '\n';
	for (int i = 0; i < 3; i++) {
		append_bytes("long.log", line, SEGMENT / 2);
		look(service);
	}
	free(line);
	service->now.wall_us += 61000000;
	service_checkpoint(service);
	service_checkpoint(service);
	look(service);
}

/* How many of this name are registered. */
static unsigned registered(const struct service *service, const char *name)
{
	const struct mr_files *files = &service->stage.files;
	unsigned count = 0;
	char path[256];

	in_path(name, path, sizeof(path));
	for (uint32_t i = 0; i < files->count; i++)
		count += !files->items[i].dropped && strcmp(files->items[i].name, path) == 0;
	return count;
}

static void a_name_goes_with_the_last_segment_that_bears_it(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	append("b.log", "2\n");
	start(&service);
	look(&service);
	assert_int_equal(registered(&service, "a.log"), 1);
	remove_for_good(&service, "a.log");
	assert_int_equal(registered(&service, "a.log"), 1);
	for (int i = 0; i < 4; i++)
		fill_segment(&service);
	assert_int_equal(registered(&service, "a.log"), 0);
	assert_int_equal(registered(&service, "b.log"), 1);
	assert_int_equal(registered(&service, "long.log"), 1);
	service_fini(&service);
}

static void a_file_that_comes_again_has_the_name_again(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service);
	look(&service);
	remove_for_good(&service, "a.log");
	append("a.log", "2\n");
	look(&service);
	assert_int_equal(registered(&service, "a.log"), 1);
	assert_non_null(strstr(came(&service.stage.records), "a.log 0 1\na.log 0 2\n"));
	for (int i = 0; i < 4; i++)
		fill_segment(&service);
	assert_int_equal(registered(&service, "a.log"), 1);
	service_fini(&service);
}

/* Neither had a whole line before there were two. */
static void two_of_one_name_share_it(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1");
	start(&service);
	look(&service);
	move_file("a.log", "a.old");
	append("a.old", "\n");
	append("a.log", "2\n");
	look(&service);
	assert_non_null(strstr(came(&service.stage.records), "a.log 0 1\na.log 0 2\n"));
	assert_int_equal(registered(&service, "a.log"), 1);
	remove_file("a.old");
	remove_for_good(&service, "a.log");
	for (int i = 0; i < 4; i++)
		fill_segment(&service);
	assert_int_equal(registered(&service, "a.log"), 0);
	service_fini(&service);
}

/* What is gone is known in the next life for as long: from the head of the last segment. */
static void names_outlive_restarts(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service);
	look(&service);
	remove_for_good(&service, "a.log");
	service.now.wall_us -= 120000000; /* nothing is old */
	fill_segment(&service);
	service_die(&service);
	assert_int_equal(service_begin(&service), MR_OK);
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_int_equal(registered(&service, "a.log"), 1);
	assert_int_equal(registered(&service, "long.log"), 1);
	service.now.wall_us += 120000000;
	for (int i = 0; i < 5; i++)
		fill_segment(&service);
	assert_int_equal(registered(&service, "a.log"), 0);
	assert_int_equal(registered(&service, "long.log"), 1);
	service_fini(&service);
}

/* What is not there is known as long as the journal has the segment of that time. */
static void what_is_away_is_known_for_as_long(void **state)
{
	struct service service;

	(void)state;
	for (int segments = 0; segments <= 4; segments += 4) {
		begin(state);
		append("a.log", "1\n");
		append("long.log", "0\n");
		start(&service);
		look(&service);
		service_checkpoint(&service);
		service_die(&service);
		move_file("a.log", "../a.log");
		assert_int_equal(service_begin(&service), MR_OK);
		look(&service);
		assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
		for (int i = 0; i < segments; i++)
			fill_segment(&service);
		move_file("../a.log", "a.log");
		append("a.log", "2\n");
		look(&service);
		assert_non_null(strstr(came(&service.stage.records), "a.log 2 2\n"));
		assert_int_equal(came_count(&service.stage.records),
				 segments == 0 ? 3 : 4 + 3 * segments);
		service_fini(&service);
	}
}

/* What is replayed has its name before it is read on. */
static void names_are_known_before_a_replay(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service);
	look(&service);
	service_die(&service);
	assert_int_equal(service_begin(&service), MR_OK);
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_string_equal(came(&service.stage.records), "a.log 0 1\n");
	assert_int_equal(registered(&service, "a.log"), 1);
	service_fini(&service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_name_goes_with_the_last_segment_that_bears_it, begin),
	    cmocka_unit_test_setup(a_file_that_comes_again_has_the_name_again, begin),
	    cmocka_unit_test_setup(two_of_one_name_share_it, begin),
	    cmocka_unit_test_setup(names_outlive_restarts, begin),
	    cmocka_unit_test_setup(what_is_away_is_known_for_as_long, begin),
	    cmocka_unit_test_setup(names_are_known_before_a_replay, begin),
	};

	return cmocka_run_group_tests(tests, NULL, service_remove);
}
