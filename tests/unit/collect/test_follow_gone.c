/* test_follow_gone.c - followed files that were moved away while they were open, and whose writers
 * go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "followed.h"

static void look_often(struct service *service, unsigned times)
{
	while (times-- > 0)
		look(service);
}

/* Nobody tells its writer for long. What comes is read until it is quiet for minutes. */
static void a_writer_that_goes_on_behind_a_rename(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "a.log");
	look(&service);
	move_file("a.log", "a.log.1");
	append("a.log", "2\n");
	look_often(&service, 30);
	append("a.log.1", "3\n4");
	look_often(&service, 290); /* the last line is a record meanwhile */
	append("a.log.1", "5\n");
	check(&service, "a.log 0 1\na.log 0 2\na.log 2 3\na.log 4 4\na.log 5 5\n");
	assert_int_equal(warnings, 0);
	look_often(&service, 310);
	assert_non_null(strstr(logged, "a.log and was moved away is not followed any more: nothing "
				       "came for minutes; it was read to offset 7"));
	append("a.log.1", "6\n");
	append("a.log", "7\n");
	check(&service, "a.log 0 1\na.log 0 2\na.log 2 3\na.log 4 4\na.log 5 5\na.log 2 7\n");
	service_fini(&service);
}

static bool is_open(const char *name)
{
	char path[256];
	bool found = false;

	in_path(name, path, sizeof(path));
	for (int fd = 0; fd < 1024; fd++) {
		char link[64];
		char at[512];
		ssize_t len;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, at, sizeof(at));
		found |= len == (ssize_t)strlen(path) && memcmp(at, path, (size_t)len) == 0;
	}
	return found;
}

/* Its room on the disk is free after seconds. */
static void what_was_moved_and_removed_is_not_kept(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "a.log");
	look(&service);
	move_file("a.log", "a.log.1");
	look_often(&service, 30);
	assert_true(is_open("a.log.1"));
	remove_file("a.log.1");
	look_often(&service, 2);
	assert_false(is_open("a.log.1 (deleted)"));
	service_fini(&service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_writer_that_goes_on_behind_a_rename, begin),
	    cmocka_unit_test_setup(what_was_moved_and_removed_is_not_kept, begin),
	};

	return cmocka_run_group_tests(tests, NULL, service_remove);
}
