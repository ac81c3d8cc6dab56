/* test_spawn.c - how a worker begins, and how one whose parent is gone does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "millrace/text.h"
#include "spawn.h"

static pid_t parent; /* what a child takes for its parent */

/* In place of the C library's. */
pid_t getppid(void)
{
	return parent;
}

/* Its status; what it wrote to standard error goes to `said`. */
static int start_worker(bool large_pages, char *said, size_t size)
{
	struct mr_error error = {0};
	int control, status, pair[2];
	pid_t pid;
	int kept = dup(STDERR_FILENO);
	assert_int_equal(pipe(pair), 0);
	dup2(pair[1], STDERR_FILENO);
	enum mr_err err = mr_spawn(
	    &(struct mr_spawn){.command = "worker", .lock = -1, .large_pages = large_pages}, &pid,
	    &control, &error);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(pair[1]);
	assert_int_equal(err, MR_OK);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	ssize_t got = read(pair[0], said, size - 1);
	assert_true(got >= 0);
	said[got] = '\0';
	close(pair[0]);
	close(control);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Nobody is there to be told. */
static void test_parent_that_is_gone(void **unused)
{
	char said[256];
	(void)unused;
	parent = 1;
	assert_int_equal(start_worker(false, said, sizeof said), 127);
	assert_string_equal(said, "");
}

static void test_parent_that_is_there(void **unused)
{
	char said[256];
	(void)unused;
	parent = getpid();
	assert_int_equal(start_worker(false, said, sizeof said), 3);
	assert_string_equal(said, "worker");
}

static void check_large_pages(const char *expected)
{
	char said[256];
	parent = getpid();
	assert_int_equal(start_worker(true, said, sizeof said), 3);
	assert_string_equal(said, expected);
}

/* The worker says what its allocator is told. */
static void test_large_pages(void **unused)
{
	(void)unused;
	unsetenv("MALLOC_CONF");
	check_large_pages("worker thp:always");
	setenv("MALLOC_CONF", "narenas:1", 1);
	check_large_pages("worker thp:always,narenas:1");
	unsetenv("MALLOC_CONF");
}

static void test_program(void **unused)
{
	char path[PATH_MAX];
	struct mr_error error = {0};
	(void)unused;
	assert_int_equal(mr_spawn_program(path, sizeof path, &error), MR_OK);
	assert_non_null(strstr(path, "/test_spawn"));
}

/* This program, as a worker. */
static int be_worker(const char *name)
{
	const char *told = getenv("MALLOC_CONF");
	return dprintf(STDERR_FILENO, "%s%s%s", name, told != NULL ? " " : "",
		       told != NULL ? told : "") > 0
		   ? 3
		   : 1;
}

static int is_back(void)
{
	struct rlimit core;
	char text[24] = "";
	mr_spawned_stand_back();
	FILE *file = fopen("/proc/self/oom_score_adj", "r");
	if (file == NULL || fgets(text, sizeof text, file) == NULL || atoi(text) != 1000)
		return 1;
	fclose(file);
	return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 ? 0 : 2;
}

static void one_that_stands_back_goes_first(void **unused)
{
	int status;
	(void)unused;
	pid_t pid = fork();
	if (pid == 0)
		_exit(is_back());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parent_that_is_gone),
	    cmocka_unit_test(test_parent_that_is_there),
	    cmocka_unit_test(test_large_pages),
	    cmocka_unit_test(test_program),
	    cmocka_unit_test(one_that_stands_back_goes_first),
	};
	if (argc == 3)
		return be_worker(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
