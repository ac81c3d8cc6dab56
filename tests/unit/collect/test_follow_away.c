/* test_follow_away.c - followed files that a start, or a scan, does not find where they were: what
 * comes again is read on, what may have more is said and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>

#include "followed.h"

static void look_often(struct service *service, unsigned times)
{
	while (times-- > 0)
		look(service);
}

static void end_life(struct service *service)
{
	service_checkpoint(service);
	service_die(service);
}

static void begin_life(struct service *service)
{
	assert_int_equal(service_begin(service), MR_OK);
	look(service);
}

static void make(const char *command)
{
	char *text = mr_asprintf("cd %s && %s", service_folder, command);

	stage_must(system(text) == 0);
	free(text);
}

static bool has(struct service *service, const char *line)
{
	return strstr(came(&service->stage.records), line) != NULL;
}

/* A mount that comes late: an empty folder is there for a start. */
static void a_folder_that_is_empty_for_a_start(void **state)
{
	static const char *const paths[] = {"", "*.log"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct service service;

		begin(state);
		append("a.log", "1\n");
		start(&service, paths[i]);
		look(&service);
		end_life(&service);
		make("mv in away && mkdir in");
		begin_life(&service);
		assert_int_equal(warnings, 1);
		assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
		end_life(&service);
		begin_life(&service);
		assert_int_equal(warnings, 1);
		end_life(&service);
		make("rmdir in && mv away in");
		append("a.log", "2\n");
		begin_life(&service);
		check(&service, "a.log 0 1\na.log 2 2\n");
		service_fini(&service);
	}
}

static void a_folder_that_comes_while_it_runs(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "");
	look(&service);
	end_life(&service);
	make("mv in away");
	begin_life(&service);
	look(&service);
	assert_int_equal(warnings, 1);
	assert_int_equal(unread(&service), 1);
	make("mv away in");
	append("a.log", "2\n");
	check(&service, "a.log 0 1\na.log 2 2\n");
	look(&service);
	assert_int_equal(unread(&service), 0);
	/* And goes again, for as long as nothing is expected of it. */
	make("mv in away");
	look_often(&service, 320);
	make("mv away in");
	append("a.log", "3\n");
	check(&service, "a.log 0 1\na.log 2 2\na.log 4 3\n");
	service_fini(&service);
}

/* That a pattern leads through it makes no difference. */
static void a_folder_that_no_pattern_can_read(void **state)
{
	struct service service;
	struct rlimit most;
	struct rlimit none;

	(void)state;
	make("mkdir in/d");
	append("d/a.log", "1\n");
	start(&service, "*/*.log");
	look(&service);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &most), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = most.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	look_often(&service, 320);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &most), 0);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "cannot read the directory: Too many open files; what lies "
				       "there is not followed until it can be read"));
	assert_int_equal(unread(&service), 1);
	append("d/a.log", "2\n");
	check(&service, "d/a.log 0 1\nd/a.log 2 2\n");
	look(&service);
	assert_int_equal(unread(&service), 0);
	service_fini(&service);
}

/* What was met is known to the next start, though nothing was read of it. */
static void one_that_was_met_and_moved(void **state)
{
	struct service service;

	(void)state;
	start(&service, "*.log");
	append("a.log", "1");
	look(&service);
	end_life(&service);
	append("a.log", "\n");
	move_file("a.log", "a.old");
	append("a.log", "2\n");
	begin_life(&service);
	assert_true(has(&service, "a.log 0 1\n"));
	assert_true(has(&service, "a.log 0 2\n"));
	assert_int_equal(came_count(&service.stage.records), 2);
	assert_int_equal(warnings, 0);
	service_fini(&service);
}

/* Out of the folder: nobody can say what was lost, so it is said that it may be. */
static void one_that_was_moved_out_of_sight(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "*.log");
	look(&service);
	end_life(&service);
	append("a.log", "2\n");
	make("mkdir old && mv in/a.log old/");
	append("a.log", "3\n");
	begin_life(&service);
	look(&service);
	check(&service, "a.log 0 1\na.log 0 3\n");
	assert_int_equal(warnings, 1);
	assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
	assert_int_equal(unread(&service), 1);
	end_life(&service);
	begin_life(&service);
	look(&service);
	assert_int_equal(warnings, 1);
	assert_int_equal(unread(&service), 0);
	service_fini(&service);
}

/* Followed there too, it is the file that it was: between two lives, and while it runs. */
static void one_that_was_moved_to_a_folder_that_is_followed(void **state)
{
	struct service service;

	(void)state;
	make("mkdir old");
	append("a.log", "1\n");
	service_init(&service, "file");
	service_path(&service, "*.log");
	service_path(&service, "../old/*.log*[0-9]");
	begin_life(&service);
	end_life(&service);
	append("a.log", "2\n");
	make("mv in/a.log old/a.log-1 && echo more > old/a.log-0.gz");
	append("a.log", "3\n");
	begin_life(&service);
	assert_true(has(&service, "a.log 2 2\n"));
	assert_true(has(&service, "a.log 0 3\n"));
	append("a.log", "4\n");
	make("mv in/a.log old/a.log-2");
	append("../old/a.log-2", "5\n");
	append("a.log", "6\n");
	look(&service);
	end_life(&service);
	append("../old/a.log-2", "7\n");
	begin_life(&service);
	look(&service);
	assert_true(has(&service, "a.log 2 4\na.log 4 5\na.log 0 6\na.log 6 7\n"));
	assert_int_equal(came_count(&service.stage.records), 7);
	assert_int_equal(warnings, 0);
	service_fini(&service);
}

/* A rotation left it behind long ago: who removes it loses nothing. */
static void one_that_was_quiet_and_is_removed(void **state)
{
	static const char *const paths[] = {"", "*.log"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct service service;

		begin(state);
		append("a.log", "1\n");
		start(&service, paths[i]);
		look(&service);
		move_file("a.log", "a.1");
		append("a.log", "2\n");
		look_often(&service, 320);
		end_life(&service);
		remove_file("a.1");
		begin_life(&service);
		check(&service, "a.log 0 1\na.log 0 2\n");
		assert_int_equal(warnings, 0);
		service_fini(&service);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_folder_that_is_empty_for_a_start, begin),
	    cmocka_unit_test_setup(a_folder_that_comes_while_it_runs, begin),
	    cmocka_unit_test_setup(a_folder_that_no_pattern_can_read, begin),
	    cmocka_unit_test_setup(one_that_was_met_and_moved, begin),
	    cmocka_unit_test_setup(one_that_was_moved_out_of_sight, begin),
	    cmocka_unit_test_setup(one_that_was_moved_to_a_folder_that_is_followed, begin),
	    cmocka_unit_test_setup(one_that_was_quiet_and_is_removed, begin),
	};

	return cmocka_run_group_tests(tests, NULL, service_remove);
}
