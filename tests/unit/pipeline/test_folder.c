/* test_folder.c - a folder is listed whole, or it is an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "millrace/folder.h"
#include "os_faults.h"

static char folder[] = "/tmp/millrace-folder-XXXXXX";

static int make(void **state)
{
	int fd;
	(void)state;
	if (mkdtemp(folder) == NULL || (fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	for (char name[] = "a"; name[0] <= 'd'; name[0]++)
		close(openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	return close(fd);
}

static bool take_away(void *context, int at, const char *name)
{
	(void)context;
	return unlinkat(at, name, 0) == 0;
}

static int remove_it(void **state)
{
	(void)state;
	return mr_folder_list_path(folder, take_away, NULL) ? rmdir(folder) : -1;
}

struct seen {
	unsigned names; /* a bit each */
	unsigned count;
	unsigned most;
};

static bool see(void *context, int at, const char *name)
{
	struct seen *seen = context;
	assert_int_equal(faccessat(at, name, F_OK, 0), 0);
	assert_true(name[0] >= 'a' && name[0] <= 'd' && name[1] == '\0');
	seen->names |= 1u << (name[0] - 'a');
	return ++seen->count < seen->most;
}

static void all_are_seen_each_time(void **state)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct seen seen = {.most = 99};
		assert_true(mr_folder_list(fd, see, &seen));
		assert_int_equal(seen.names, 15);
		assert_int_equal(seen.count, 4);
	}
	close(fd);
}

static void no_more_than_is_wanted(void **state)
{
	struct seen seen = {.most = 2};
	(void)state;
	assert_true(mr_folder_list_path(folder, see, &seen));
	assert_int_equal(seen.count, 2);
}

static void one_that_breaks_off_is_an_error(void **state)
{
	unsigned n = 1;
	(void)state;
	for (;; n++) {
		struct seen seen = {.most = 99};
		os_fault((struct os_fault){.call = OS_READDIR, .nth = n, .number = EIO});
		bool done = mr_folder_list_path(folder, see, &seen);
		if (!os_fault_met())
			break;
		assert_false(done);
		assert_int_equal(errno, EIO);
	}
	os_faults_end();
	assert_int_equal(n, 8); /* four names, two that are none, the end, and one past it */
}

static void what_is_no_folder_is_an_error(void **state)
{
	struct seen seen = {.most = 99};
	(void)state;
	assert_false(mr_folder_list_path("/nowhere", see, &seen));
	assert_int_equal(errno, ENOENT);
	assert_false(mr_folder_list(-1, see, &seen));
	assert_int_equal(errno, EBADF);
	assert_int_equal(seen.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_are_seen_each_time),
	    cmocka_unit_test(no_more_than_is_wanted),
	    cmocka_unit_test(one_that_breaks_off_is_an_error),
	    cmocka_unit_test(what_is_no_folder_is_an_error),
	};
	return cmocka_run_group_tests(tests, make, remove_it);
}
